//! Real processes under kills and a bad network, judged by what their people saw.
//!
//! Three servers and a router, clients under load ([`child`]: the real shell, core and store) and
//! people with `fastchat` itself ([`people`]), with a proxy between all of them ([`proxy`]). A
//! seed decides what goes wrong ([`schedule`]); then everything must come to rest, and
//! [`mod@judge`] compares what senders were told with what readers were shown.

pub mod child;
pub mod child_plan;
pub mod folders;
pub mod journal;
pub mod judge;
pub mod machines;
pub mod moving;
pub mod party;
pub mod people;
pub mod process;
pub mod proxy;
pub mod rolling;
pub mod schedule;
mod setup;
pub mod slot_log;
pub mod stage;
pub mod text;
pub mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use judge::{Findings, judge};
use party::Party;
use proxy::Struck;
use schedule::{Cast, Schedule};
use stage::{Kills, Stage};

/// Everything must have come to rest so long after the last fault.
const REST_TIME_MAX: Duration = Duration::from_secs(180);
/// Between two looks whether it has.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Before a process that is away just now is looked for again.
const KILL_PAUSE: Duration = Duration::from_millis(100);

/// What is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Kills in all.
    pub kills: u64,
    /// Decides the schedule.
    pub seed: u64,
    /// Posts in a second that clients under load write, together.
    pub rate: u32,
    /// Clients under load: at least 3.
    pub children: usize,
    /// People with programs of their own: at least 2.
    pub people: usize,
    /// The program that a client under load is, with `--child FOLDER`.
    pub program: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the judge found.
    pub findings: Findings,
    /// Kills.
    pub kills: Kills,
    /// What was done to connections.
    pub struck: Struck,
    /// How long there were faults.
    pub faulty: Duration,
    /// Posts accepted in a second meanwhile.
    pub rate: f64,
    /// From the end of the faults until everything was at rest.
    pub rest: Duration,
}

/// Runs it: `folder` is for the cluster, `clients` for the clients' stores and what people saw.
///
/// # Panics
/// When the processes cannot be run.
#[must_use]
pub fn run(options: &Options, folder: &Path, clients: &Path) -> Outcome {
    let mut stage = setup::set(options, folder, clients);
    let (begun, before) = (stage.clock.now(), stage.accepted());
    let cast = Cast { servers: setup::SERVERS, children: options.children, people: options.people };
    torment(&mut stage, Schedule::new(options.seed, cast), options.kills);
    let (healed, after) = (stage.clock.now(), stage.accepted());
    let faulty = healed.since(begun);
    let parties = come_to_rest(&mut stage);
    let rest = stage.clock.now().since(healed);
    let struck = stage.machines.proxy.struck();
    stop(&mut stage);
    let mut findings = judge(&parties.unwrap_or_else(|| stage.parties()), &stage.groups);
    findings.violations.append(&mut stage.violations);
    let posts = u32::try_from(after - before).expect("fewer than four billion");
    let rate = f64::from(posts) / faulty.as_secs_f64();
    Outcome { findings, kills: stage.kills, struck, faulty, rate, rest }
}

/// Kills and blows, until there were so many kills.
fn torment(stage: &mut Stage, mut schedule: Schedule, kills: u64) {
    let now = stage.clock.now();
    let mut kill = schedule.kill();
    let mut gust = schedule.gust();
    let mut kill_at = now + kill.after;
    let mut gust_at = now + gust.after;
    while stage.kills.total() < kills {
        stage.pass(kill_at.min(gust_at));
        let now = stage.clock.now();
        if gust_at <= now {
            stage.machines.proxy.strike(gust.place, gust.which, gust.blow);
            gust = schedule.gust();
            gust_at = now + gust.after;
        }
        if kill_at > now {
            continue;
        }
        if stage.is_running(kill.target) {
            stage.kill(kill.target, kill.away);
            kill = schedule.kill();
            kill_at = now + kill.after;
        } else {
            kill_at = now + KILL_PAUSE;
        }
    }
}

/// Ends the faults and waits until nothing waits anywhere; then what everybody knows. Nothing when
/// that does not come.
fn come_to_rest(stage: &mut Stage) -> Option<Vec<Party>> {
    stage.machines.proxy.heal();
    stage.start_all();
    stage.rest();
    let until = stage.clock.now() + REST_TIME_MAX;
    let left = |stage: &Stage| until.since(stage.clock.now());
    let limit = left(stage);
    let are_idle = stage.pass_until(limit, |stage| {
        stage.accepted();
        stage.kids.iter().all(|kid| kid.watch.is_idle)
    });
    // People write on, so that what a killed `send` has left leaves with a later one.
    stage.is_writing = false;
    let have_written = stage.pass_until(left(stage), |stage| {
        stage.humans.iter().all(|human| !human.writer.is_running())
    });
    let mut unrest = (!are_idle || !have_written).then(|| "clients still send".to_owned());
    while unrest.is_none() && left(stage) > Duration::ZERO {
        let parties = stage.parties();
        let findings = judge(&parties, &stage.groups);
        if findings.lost == 0 && parties.iter().all(Party::is_answered) {
            return Some(parties);
        }
        stage.pass(stage.clock.now() + LOOK_INTERVAL);
    }
    let unrest = unrest.take().unwrap_or_else(|| "something is not answered or shown".to_owned());
    stage.violations.push(format!("everything comes to rest: {unrest}"));
    None
}

/// Stops everybody in an orderly way.
fn stop(stage: &mut Stage) {
    let mut ends = Vec::new();
    ends.extend(stage.kids.iter_mut().map(|kid| kid.process.stop()));
    ends.extend(stage.humans.iter_mut().map(|human| human.reader.stop()));
    ends.extend(stage.machines.processes().values_mut().rev().map(process::Process::stop));
    stage.violations.extend(ends.into_iter().filter_map(Result::err));
}
