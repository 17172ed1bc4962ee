//! A server with many sessions is killed, stays away for a while, and comes back: what those
//! notice who sat there, those whose home it was, those who write to them, and all others.
//!
//! Servers are taken in turn as seats, so that a seat says nothing about homes. Each third of all
//! has a home of its own, and writes to the third whose home is the next server.

use std::fs;
use std::time::Duration;

use wire::{Instant, Name, ServerId};

use crate::cluster::Cluster;
use crate::swarm::{Light, Swarm};

/// Servers of the cluster. The one that is killed is the home of every third account.
const SERVERS: usize = 3;
const VICTIM: ServerId = ServerId(2);
/// Sign-ups at one time.
const AT_ONCE: usize = 48;
/// Everything before the kill, and after the return, comes to rest within this time.
const REST_TIME_MAX: Duration = Duration::from_secs(600);
/// Whoever can go on does so within this time.
const RESUME_TIME_MAX: Duration = Duration::from_secs(10);
/// Texts of all in a second while the server is away, at most; of each, one in two seconds.
const TEXTS_PER_SECOND_MAX: usize = 300;
/// Texts that are under way when the server is killed.
const UNDER_WAY: usize = 300;

/// How many, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Sessions of the server that is killed; each of the others has as many.
    pub sessions: usize,
    /// How long it stays away, if all who can have resumed by then.
    pub away: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Sessions that sat there and whose home lives.
    pub moved: usize,
    /// From the kill until the last of them was resumed elsewhere.
    pub resumed: Duration,
    /// The same of the median.
    pub resumed_median: Duration,
    /// Accounts whose home was killed.
    pub homeless: usize,
    /// From the return of their home until the last of them was on and had its posts answered.
    pub returned: Duration,
    /// Posts that waited at their senders for that home when it came back.
    pub queued: usize,
    /// Posts that everybody wrote, and that were called accepted.
    pub accepted: usize,
    /// Posts that their readers were not shown.
    pub lost: usize,
    /// Posts that were shown again.
    pub doubled: usize,
    /// Passwords used after the sign-ups.
    pub passwords: u64,
    /// Sessions elsewhere that write to a living home from a living one.
    pub bystanders: usize,
    /// Of these, those whose session broke, or to whom anything was unavailable.
    pub disturbed: usize,
    /// The longest that one of them waited for an answer to a post.
    pub worst: Duration,
    /// What else must not be.
    pub wrongs: Vec<String>,
}

/// The cluster, its people, and the accounts' homes.
struct Stage {
    cluster: Cluster,
    swarm: Swarm,
    homes: Vec<ServerId>,
    /// How often the victim has begun before it was killed.
    lives: usize,
}

/// Whom the kill means what.
struct Groups {
    /// They sit there, and their home lives.
    moved: Vec<usize>,
    /// It is their home.
    homeless: Vec<usize>,
    /// They sit elsewhere, and write from a living home to another.
    bystanders: Vec<usize>,
}

/// To whom somebody writes, of so many: somebody whose home is the next server.
fn partner(index: usize, count: usize) -> usize {
    (index + SERVERS) % count
}

/// How often a session broke, and how often something was unavailable.
fn disturbances(light: &Light) -> (u64, u64) {
    (light.breaks, light.unavailable)
}

/// Runs the plan.
///
/// # Panics
/// When the cluster cannot be run.
#[must_use]
pub fn run(plan: Plan) -> Outcome {
    let mut stage = Stage::new(plan.sessions);
    stage.warm_up();
    let passwords = stage.passwords();
    let groups = stage.groups();
    let before: Vec<(u64, u64)> = stage.lights().iter().map(disturbances).collect();
    let mut outcome = Outcome {
        moved: groups.moved.len(),
        homeless: groups.homeless.len(),
        bystanders: groups.bystanders.len(),
        ..Outcome::default()
    };

    let killed = stage.kill();
    let times = stage.sit_out(plan.away, killed, &groups.moved);
    outcome.resumed = times.last().copied().unwrap_or_default();
    outcome.resumed_median = times.get(times.len() / 2).copied().unwrap_or_default();
    outcome.queued = stage.waiting_for_victim();
    let now: Vec<(u64, u64)> = stage.lights().iter().map(disturbances).collect();
    let was_disturbed = |index: &&usize| before[**index] != now[**index];
    outcome.disturbed = groups.bystanders.iter().filter(was_disturbed).count();
    let unaware = groups.homeless.iter().filter(|index| before[**index].1 == now[**index].1);
    let unaware = unaware.map(|index| &stage.lights()[*index].name);
    outcome.wrongs.extend(unaware.map(|name| format!("{name} never heard `unavailable`")));
    outcome.returned = stage.bring_back(&groups.homeless);
    stage.rest(&mut outcome);
    outcome.passwords = stage.passwords() - passwords;
    let waits = groups.bystanders.iter().flat_map(|index| &stage.lights()[*index].sent);
    let waits = waits.filter(|sent| sent.at >= killed);
    outcome.worst =
        waits.filter_map(|sent| Some(sent.accepted?.since(sent.at))).max().unwrap_or_default();
    outcome
}

impl Outcome {
    /// Everything is as it must be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.wrongs.is_empty()
            && (self.lost, self.doubled, self.disturbed, self.passwords) == (0, 0, 0, 0)
            && self.resumed < RESUME_TIME_MAX
            && self.returned < RESUME_TIME_MAX
    }
}

impl Stage {
    fn new(sessions: usize) -> Self {
        let cluster = Cluster::start(3, &["--strategy", "round-robin"]);
        let homes = [1, 2, 3].into_iter().flat_map(|home| [home; SERVERS]).cycle();
        let homes: Vec<u16> = homes.take(SERVERS * sessions).collect();
        let names = cluster.names_at(&homes);
        let names: Vec<Name> =
            names.iter().map(|name| name.parse().expect("names are valid")).collect();
        let environment = cluster.environment();
        let router = environment["FASTCHAT_ROUTER"].parse().expect("it is an address");
        let swarm = Swarm::new(router, environment["FASTCHAT_CA"].as_ref(), &names);
        let homes = homes.into_iter().map(ServerId).collect();
        Self { cluster, swarm, homes, lives: 0 }
    }

    fn lights(&self) -> &[Light] {
        self.swarm.lights()
    }

    fn groups(&self) -> Groups {
        let all = || 0..self.homes.len();
        let sits = |index: usize| self.lights()[index].seat == Some(VICTIM);
        let lives = |index: usize| self.homes[index] != VICTIM;
        Groups {
            moved: all().filter(|index| sits(*index) && lives(*index)).collect(),
            homeless: all().filter(|index| !lives(*index)).collect(),
            bystanders: all()
                .filter(|index| {
                    !sits(*index) && lives(*index) && lives(partner(*index, self.homes.len()))
                })
                .collect(),
        }
    }

    fn passwords(&self) -> u64 {
        self.lights().iter().map(|light| light.passwords).sum()
    }

    /// Everybody signs up, reads, and writes once, and all of that has come.
    fn warm_up(&mut self) {
        let count = self.homes.len();
        let mut begun = 0;
        let is_in = self.swarm.pass_until(REST_TIME_MAX, |swarm| {
            let online = swarm.lights()[..begun].iter().filter(|light| light.is_online()).count();
            let room = (online + AT_ONCE).min(count);
            (begun..room).for_each(|index| swarm.sign_up(index));
            begun = room;
            online == count
        });
        assert!(is_in, "everybody is signed up: {:?}", self.first_wrong());
        println!("{count} sessions");
        (0..count).for_each(|index| self.swarm.read(index));
        for index in 0..count {
            self.swarm.write(index, partner(index, self.homes.len()));
        }
        let is_warm = self.settle();
        assert!(is_warm, "the first texts have come: {:?}", self.first_wrong());
        println!("{count} texts have come");
    }

    fn first_wrong(&self) -> Option<&String> {
        self.lights().iter().find_map(|light| light.wrongs.first())
    }

    /// Waits until everything was accepted and shown; whether it was.
    fn settle(&mut self) -> bool {
        let count = self.homes.len();
        self.swarm.pass_until(REST_TIME_MAX, |swarm| {
            let lights = swarm.lights();
            lights.iter().all(Light::is_answered)
                && lights.iter().enumerate().all(|(index, light)| {
                    let reader = &lights[partner(index, count)];
                    light.sent.len() <= reader.shown.len()
                })
        })
    }

    /// The server is killed and does not come back by itself; when.
    fn kill(&mut self) -> Instant {
        for index in 0..self.homes.len().min(UNDER_WAY) {
            self.swarm.write(index, partner(index, self.homes.len()));
        }
        self.swarm.turn();
        self.lives = lives(&self.cluster);
        self.cluster.take_down(&VICTIM.to_string());
        self.swarm.now()
    }

    /// Until everybody has resumed who can, and the time is over; people write on. How long each
    /// of the former took, the shortest first.
    fn sit_out(&mut self, away: Duration, killed: Instant, moved: &[usize]) -> Vec<Duration> {
        let count = self.homes.len();
        let rate = TEXTS_PER_SECOND_MAX.min(count / 2);
        let limit = away.max(RESUME_TIME_MAX) + RESUME_TIME_MAX;
        let mut written = 0;
        self.swarm.pass_until(limit, |swarm| {
            let passed = swarm.now().since(killed);
            let millis = usize::try_from(passed.as_millis()).expect("minutes");
            while written < rate * millis / 1000 {
                let index = written % count;
                swarm.write(index, partner(index, count));
                written += 1;
            }
            let is_back = |index: &usize| swarm.lights()[*index].resumed(killed).is_some();
            passed >= away && moved.iter().all(is_back)
        });
        let resumed = |index: &usize| {
            let since = self.lights()[*index].resumed(killed);
            since.map_or(limit, |since| since.since(killed))
        };
        let mut times: Vec<Duration> = moved.iter().map(resumed).collect();
        times.sort_unstable();
        times
    }

    /// Posts to accounts whose home is away that are not answered.
    fn waiting_for_victim(&self) -> usize {
        let sent = self.lights().iter().flat_map(|light| &light.sent);
        sent.filter(|sent| sent.accepted.is_none() && self.homes[sent.to] == VICTIM).count()
    }

    /// The server is started again; how long until all are on whose home it is.
    fn bring_back(&mut self, homeless: &[usize]) -> Duration {
        self.cluster.bring_back(&VICTIM.to_string());
        let (cluster, before) = (&self.cluster, self.lives);
        let is_there = self.swarm.pass_until(RESUME_TIME_MAX, |_| lives(cluster) > before);
        assert!(is_there, "the server is started again");
        let since = self.swarm.now();
        self.swarm.pass_until(2 * RESUME_TIME_MAX, |swarm| {
            let mut lights = homeless.iter().map(|index| &swarm.lights()[*index]);
            lights.all(|light| light.is_online() && light.is_answered())
        });
        self.swarm.now().since(since)
    }

    /// Waits until everything has come, and counts.
    fn rest(&mut self, outcome: &mut Outcome) {
        if !self.settle() {
            outcome.wrongs.push("not everything comes to rest".to_owned());
        }
        for (index, light) in self.lights().iter().enumerate() {
            outcome.wrongs.extend(light.wrongs.iter().cloned());
            let to = partner(index, self.homes.len());
            let shown = &self.lights()[to].shown;
            outcome.accepted += light.sent.iter().filter(|sent| sent.accepted.is_some()).count();
            for text in light.texts_to(to) {
                let times = shown.get(text).copied().unwrap_or_default();
                outcome.lost += usize::from(times == 0);
                outcome.doubled += usize::from(times > 1);
            }
        }
    }
}

/// How often the victim has begun to listen, as its log says.
fn lives(cluster: &Cluster) -> usize {
    let log = fs::read_to_string(cluster.directory().join(VICTIM.to_string()).join("log"));
    log.unwrap_or_default().lines().filter(|line| line.contains("listening client")).count()
}
