//! The users of a run through its phases: so many at once, each timed from its dial to its session.
//! Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use rand::SeedableRng;
use rand::rngs::StdRng;
use thiserror::Error;
use wire::net::CloseCause;
use wire::{Frame, Instant};

use super::person::{Action, Person, PersonError, Progress};
use crate::record::Latencies;

/// Users who are on their way at once: as many as make a server work in batches.
pub const AT_ONCE: usize = 64;
/// How long who was put off waits.
const PAUSE: Duration = Duration::from_millis(200);

/// What users do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Each signs up, and hangs up.
    SignUp,
    /// Each signs in with its password, and hangs up.
    SignIn,
    /// Each resumes by its token, and hangs up.
    Resume,
    /// Each resumes, opens its mailbox, attaches to it, and stays.
    Attach,
}

/// What the shell does for a user.
#[derive(Debug)]
pub enum Effect {
    /// What it does itself.
    Act(usize, Action),
    /// Its connection ends.
    HangUp(usize),
}

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub enum CoreError {
    /// A user cannot.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// A connection that was to stay has ended.
    #[error("a connection was lost: {0}")]
    Lost(CloseCause),
    /// The cluster puts users off again and again.
    #[error("the cluster was not ready for its users: {0} were put off")]
    NotReady(usize),
}

/// What one phase found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Users who got there.
    pub count: usize,
    /// From the dial to the session.
    pub latencies: Latencies,
    /// From the first dial to the last arrival.
    pub took: Duration,
}

/// See the module.
pub struct Core {
    people: Vec<Person>,
    random: StdRng,
    stretch: Argon2<'static>,
    phase: Phase,
    /// Users of this phase, and the first of them who has not begun.
    of: usize,
    next: usize,
    /// Who is on its way, and since when.
    on_the_way: BTreeMap<usize, Instant>,
    later: VecDeque<(Instant, usize)>,
    put_off: usize,
    started: Instant,
    found: Found,
    pongs: u64,
}

impl Core {
    /// So many users, whom no server knows yet.
    #[must_use]
    pub fn new(users: u32, secret: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(secret);
        Self {
            people: (0..users).map(|_| Person::new(&mut random)).collect(),
            random,
            stretch: toy(),
            phase: Phase::SignUp,
            of: 0,
            next: 0,
            on_the_way: BTreeMap::new(),
            later: VecDeque::new(),
            put_off: 0,
            started: Instant(0),
            found: Found::default(),
            pongs: 0,
        }
    }

    /// The first `count` users begin a phase; the one before is over.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn begin(
        &mut self,
        phase: Phase,
        count: u32,
        now: Instant,
        out: &mut Vec<Effect>,
    ) -> Result<(), CoreError> {
        assert!(self.is_done(), "one phase after the other");
        self.phase = phase;
        self.of = usize::try_from(count).expect("32 bits fit").min(self.people.len());
        (self.next, self.put_off, self.started) = (0, 0, now);
        self.found = Found::default();
        self.fill(now, out)
    }

    /// What users do now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether everybody has got there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.found.count == self.of
    }

    /// What the phase found.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Pings that were answered until now.
    #[must_use]
    pub fn pongs(&self) -> u64 {
        self.pongs
    }

    /// When somebody who was put off tries again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.later.front().map(|(at, _)| *at)
    }

    /// Who was put off for long enough begins again.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) -> Result<(), CoreError> {
        while let Some((_, user)) = self.later.pop_front_if(|(at, _)| *at <= now) {
            self.start(user, now, out)?;
        }
        Ok(())
    }

    /// A frame came for a user.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn on_frame(
        &mut self,
        now: Instant,
        user: usize,
        frame: &Frame,
        out: &mut Vec<Effect>,
    ) -> Result<(), CoreError> {
        let mut actions = Vec::new();
        let means = (&self.stretch, &mut self.random);
        let progress = self.people[user].on_frame(self.phase, frame, means, &mut actions)?;
        out.extend(actions.into_iter().map(|action| Effect::Act(user, action)));
        match progress {
            Progress::OnItsWay => Ok(()),
            Progress::Ponged => {
                self.pongs += 1;
                Ok(())
            }
            Progress::TryAgain => self.put_off(user, now, out),
            Progress::Welcomed => {
                if let Some(since) = self.on_the_way.get(&user) {
                    self.found.latencies.add(now.since(*since));
                }
                if self.phase == Phase::Attach {
                    return Ok(());
                }
                self.people[user].go_away();
                out.push(Effect::HangUp(user));
                self.arrive(user, now, out)
            }
            Progress::Attached => self.arrive(user, now, out),
        }
    }

    /// A user's connection ended.
    ///
    /// # Errors
    /// [`CoreError::Lost`] when it was to stay.
    pub fn on_lost(
        &mut self,
        now: Instant,
        user: usize,
        why: CloseCause,
        out: &mut Vec<Effect>,
    ) -> Result<(), CoreError> {
        if self.on_the_way.contains_key(&user) {
            return self.put_off(user, now, out);
        }
        let is_put_off = self.later.iter().any(|(_, other)| *other == user);
        if is_put_off { Ok(()) } else { Err(CoreError::Lost(why)) }
    }

    fn arrive(
        &mut self,
        user: usize,
        now: Instant,
        out: &mut Vec<Effect>,
    ) -> Result<(), CoreError> {
        if self.on_the_way.remove(&user).is_some() {
            self.found.count += 1;
            self.found.took = now.since(self.started);
        }
        self.fill(now, out)
    }

    fn put_off(
        &mut self,
        user: usize,
        now: Instant,
        out: &mut Vec<Effect>,
    ) -> Result<(), CoreError> {
        self.put_off += 1;
        if self.put_off > 20 * AT_ONCE {
            return Err(CoreError::NotReady(self.put_off));
        }
        self.on_the_way.remove(&user);
        self.people[user].go_away();
        out.push(Effect::HangUp(user));
        self.later.push_back((now + PAUSE, user));
        Ok(())
    }

    fn fill(&mut self, now: Instant, out: &mut Vec<Effect>) -> Result<(), CoreError> {
        while self.next < self.of && self.on_the_way.len() + self.later.len() < AT_ONCE {
            let user = self.next;
            self.next += 1;
            self.start(user, now, out)?;
        }
        Ok(())
    }

    fn start(&mut self, user: usize, now: Instant, out: &mut Vec<Effect>) -> Result<(), CoreError> {
        self.on_the_way.insert(user, now);
        let mut actions = Vec::new();
        self.people[user].begin(self.phase, &mut self.random, &mut actions)?;
        out.extend(actions.into_iter().map(|action| Effect::Act(user, action)));
        Ok(())
    }
}

/// The stretching of passwords with which users sign up here: 8 KiB, one pass. It runs on clients
/// alone, so a server's work is the same as with the real one.
#[must_use]
pub fn toy() -> Argon2<'static> {
    let params = Params::new(8, 1, 1, None).expect("the least that Argon2 takes");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}
