//! A server and its users, before anything is measured: who signs in, who joins, who goes away.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use wire::Instant;

use super::adapter::{Event, Seat};
use super::crowd::{Crowd, CrowdError, Listener};
use super::plan::Plan;
use super::program::{Program, ProgramError};
use super::tally::Tally;
use super::text::{Identity, Texts};
use super::tree::Tree;
use crate::usage::UsageError;

/// Users who are on their way into the group at a time.
const JOINS_AT_ONCE: usize = 10;
/// How long nothing may happen while somebody waits for an answer.
const STALL_MAX: Duration = Duration::from_secs(30);

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum StageError {
    /// There is no server.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The users cannot go on.
    #[error("{error}; the server's last words: {words}")]
    Crowd {
        /// Why.
        error: CrowdError,
        /// The server's last words.
        words: String,
    },
    /// The figures cannot be read.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Signals cannot be caught, or nobody reads the figures.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The scenario is none for this server.
    #[error("{peer}: {why}")]
    Cannot {
        /// Which server.
        peer: &'static str,
        /// Why.
        why: &'static str,
    },
    /// The server does not go on.
    #[error("nothing came for {} s while {what}", STALL_MAX.as_secs())]
    Stalled {
        /// What was awaited.
        what: String,
    },
}

/// All that was heard.
pub struct Hearing {
    /// Users who are signed in.
    pub ready: usize,
    /// Users who are in the group.
    pub joined: usize,
    /// Posts that the server has acknowledged, for each user.
    pub accepted: Vec<u64>,
    /// What arrived.
    pub tally: Tally,
    /// What arrived since somebody looked: the reader, whose it is, and when.
    pub arrivals: Vec<(usize, Identity, Instant)>,
    /// When anything came last.
    pub latest: Instant,
}

/// What has been used until a moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When.
    pub at: Instant,
    /// The server.
    pub server: Tree,
    /// This process.
    pub own: Duration,
}

/// A server and its users.
pub struct Stage {
    /// First, so that it is the server that hangs up: who hangs up keeps the port for a minute,
    /// and users of one run after the other would find none.
    program: Program,
    /// The users' connections; those who post use it themselves.
    pub crowd: Crowd,
    /// What they heard.
    pub hearing: Hearing,
}

impl Listener for Hearing {
    fn hear(&mut self, now: Instant, user: usize, event: Event<'_>) {
        self.latest = now;
        match event {
            Event::Ready => self.ready += 1,
            Event::Joined => self.joined += 1,
            Event::Accepted(more) => {
                if let Some(count) = self.accepted.get_mut(user) {
                    *count += more;
                }
            }
            Event::Delivered(text) => {
                let identity = self.tally.take(user, text);
                self.arrivals.extend(identity.map(|identity| (user, identity, now)));
            }
        }
    }
}

impl Stage {
    /// A server that is ready for the users of `plan`.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn open(plan: &Plan, stop: Arc<AtomicBool>) -> Result<Self, StageError> {
        let program = Program::start(plan.peer, &stop)?;
        let address = program.address();
        let failed = |error| StageError::Crowd { error, words: String::new() };
        let crowd = Crowd::new(address, stop).map_err(failed)?;
        let users = usize::try_from(plan.users).expect("u32 fits");
        let hearing = Hearing {
            ready: 0,
            joined: 0,
            accepted: vec![0; users],
            tally: Tally::new(Texts::new(plan.seed)),
            arrivals: Vec::new(),
            latest: crowd.now(),
        };
        let mut stage = Self { program, crowd, hearing };
        stage.prepare(plan)?;
        Ok(stage)
    }

    /// A connection of its own, beside those of the users.
    fn prepare(&mut self, plan: &Plan) -> Result<(), StageError> {
        if let Some(preparer) = plan.peer.preparer(plan.users) {
            let own = usize::try_from(plan.users).expect("u32 fits");
            let opened = self.crowd.open(own, preparer);
            self.checked(opened)?;
            self.until("the accounts were made", |hearing| hearing.ready == 1)?;
            self.crowd.close(own);
            self.hearing.ready = 0;
        }
        Ok(())
    }

    /// Signs in all `seats`, a few at a time.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn sign_in(&mut self, plan: &Plan, seats: &[Seat]) -> Result<(), StageError> {
        let before = self.hearing.ready;
        let in_flight = plan.peer.sign_ins_at_once();
        for (count, seat) in seats.iter().enumerate() {
            let wanted = (before + count + 1).saturating_sub(in_flight);
            self.until("users signed in", |hearing| hearing.ready >= wanted)?;
            let opened = self.crowd.open(place(seat.user), plan.peer.adapter(*seat));
            self.checked(opened)?;
        }
        let wanted = before + seats.len();
        self.until("users signed in", |hearing| hearing.ready >= wanted)
    }

    /// Brings `users` into the group: the first one makes it.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn join(&mut self, users: std::ops::Range<u32>) -> Result<(), StageError> {
        for user in users.clone() {
            let wanted = match user {
                0 | 1 => place(user),
                _ => (place(user) + 1).saturating_sub(JOINS_AT_ONCE).max(1),
            };
            self.until("users joined", |hearing| hearing.joined >= wanted)?;
            self.crowd.say(place(user), |adapter, out| adapter.join(out));
        }
        let wanted = users.len();
        self.until("users joined", |hearing| hearing.joined >= wanted)
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn pause(&mut self, time: Duration) -> Result<(), StageError> {
        let end = self.crowd.now() + time;
        while self.crowd.now() < end {
            self.turn(Some(end))?;
        }
        Ok(())
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn turn(&mut self, deadline: Option<Instant>) -> Result<(), StageError> {
        let turned = self.crowd.turn(deadline, &mut self.hearing);
        self.checked(turned)
    }

    /// What has been used until now.
    ///
    /// # Errors
    /// [`StageError`] when the server is gone.
    pub fn moment(&self) -> Result<Moment, StageError> {
        let (at, server) = (self.crowd.now(), self.program.tree()?);
        Ok(Moment { at, server, own: own_cpu() })
    }

    fn until(&mut self, what: &str, done: impl Fn(&Hearing) -> bool) -> Result<(), StageError> {
        let mut heard = self.crowd.now();
        while !done(&self.hearing) {
            self.turn(None)?;
            heard = heard.max(self.hearing.latest);
            if self.crowd.now().since(heard) > STALL_MAX {
                let what = format!("{what}: {} are ready", self.hearing.ready);
                return Err(StageError::Stalled { what });
            }
        }
        Ok(())
    }

    fn checked<T>(&self, result: Result<T, CrowdError>) -> Result<T, StageError> {
        result.map_err(|error| match error {
            CrowdError::Interrupted => ProgramError::Interrupted.into(),
            error => StageError::Crowd { error, words: self.program.last_words() },
        })
    }
}

impl Moment {
    /// CPU time of the server and of this process since `before`.
    #[must_use]
    pub fn cpu_since(&self, before: &Self) -> (Duration, Duration) {
        let own = self.own.saturating_sub(before.own);
        (self.server.cpu_since(&before.server), own)
    }
}

/// A user's connection has its number.
#[must_use]
pub fn place(user: u32) -> usize {
    usize::try_from(user).expect("u32 fits")
}

/// CPU time of this process alone, to the nanosecond.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}
