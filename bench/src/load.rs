//! The core of a run: users sign up, open their logs and greet; then posts flow, then drain. Pure:
//! time, frames and finished work come in as events, what to do comes out as effects.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use client::crypto::OpaqueError;
use rand::SeedableRng;
use rand::rngs::StdRng;
use thiserror::Error;
use wire::message::auth::Challenge;
use wire::net::CloseCause;
use wire::{DecodeError, Frame, Instant, Name, ToClient};

use crate::plan::Plan;
use crate::record::Record;
use crate::traffic::{Traffic, TrafficError};
use crate::user::{Action, Progress, User, UserError};

/// Pause before a user tries again.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// Setup without any progress for this long is given up.
const SETUP_SILENCE_MAX: Duration = Duration::from_secs(60);
/// From the decision to begin to the first post: time to read the servers' CPU clocks.
const LEAD_TIME: Duration = Duration::from_millis(50);
/// After the last post was due, posts that could not be sent in time are still sent for this long.
const BACKLOG_TIME_MAX: Duration = Duration::from_secs(5);
/// Draining without any progress for this long is over.
const DRAIN_SILENCE_MAX: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A frame came on a user's connection.
    Frame {
        /// Which user.
        user: usize,
        /// Not yet decoded.
        frame: Frame,
    },
    /// A user's connection ended by itself.
    Lost {
        /// Which user.
        user: usize,
        /// Why.
        why: CloseCause,
    },
    /// The slow step of a sign-up is done.
    Stretched {
        /// Which user.
        user: usize,
        /// Its name when the step began.
        name: Name,
        /// The record.
        record: Result<Challenge, OpaqueError>,
    },
    /// Everything that this turn of the loop brought was told.
    TurnEnd,
}

/// What to do.
#[derive(Debug)]
pub enum Effect {
    /// Something for one user.
    Act {
        /// Which user.
        user: usize,
        /// What.
        action: Action,
    },
    /// So many users are signed up.
    SignedUp(usize),
    /// Posts begin to flow: read the CPU clocks.
    Begin,
    /// These users' sockets are not read from now on.
    Hush(Range<usize>),
    /// They are read again: read first what the servers hold.
    Hear(Range<usize>),
}

/// Why a run ends without a result.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A user cannot sign up.
    #[error(transparent)]
    User(#[from] UserError),
    /// A user cannot go on.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// A frame that is no message.
    #[error("the cluster said something that is no message: {0}")]
    Malformed(#[from] DecodeError),
    /// A signed-in user lost its connection.
    #[error("a user lost its connection while {phase}: {why}")]
    Lost {
        /// When.
        phase: &'static str,
        /// Why.
        why: CloseCause,
    },
    /// Nothing happened any more.
    #[error("nothing happened for a minute while {0}")]
    Stalled(&'static str),
}

/// One run.
pub struct Load {
    users: Vec<User>,
    traffic: Traffic,
    phase: Phase,
    random: StdRng,
    duration: Duration,
    /// Users that may sign up at the same time.
    at_once: usize,
    started: usize,
    signed_up: usize,
    open: usize,
    retries: BTreeSet<(Instant, usize)>,
    progress: Instant,
    actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    SigningUp,
    Opening,
    Greeting,
    Running {
        until: Instant,
    },
    /// Some users read nothing.
    Hushed {
        until: Instant,
    },
    Draining {
        backlog_until: Instant,
    },
    Done,
}

impl Load {
    /// A run of `plan` with `at_once` sign-ups under way at a time; `secret` makes passwords.
    #[must_use]
    pub fn new(plan: &Plan, at_once: usize, secret: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(secret);
        let users = (0..plan.users()).map(|_| User::new(&mut random));
        Self {
            users: users.collect(),
            traffic: Traffic::new(plan),
            phase: Phase::SigningUp,
            random,
            duration: plan.duration,
            at_once,
            started: 0,
            signed_up: 0,
            open: 0,
            retries: BTreeSet::new(),
            progress: Instant::default(),
            actions: Vec::new(),
        }
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// [`LoadError`]: the run cannot give a result.
    pub fn handle(
        &mut self,
        now: Instant,
        event: Event,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError> {
        match event {
            Event::Frame { user, frame } => self.on_frame(now, user, &frame, out),
            Event::Lost { user, why } => self.on_lost(now, user, why),
            Event::Stretched { user, name, record } => {
                let actions = &mut self.actions;
                self.users[user].on_stretched(name, record, &mut self.random, actions)?;
                self.progress = now;
                self.act(user, out);
                Ok(())
            }
            Event::TurnEnd => self.on_turn_end(now, out),
        }
    }

    /// When the loop must turn again, at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::SigningUp if self.started == 0 => Some(Instant::default()),
            Phase::SigningUp | Phase::Opening | Phase::Greeting => {
                let retry = self.retries.first().map(|(at, _)| *at);
                let silence = self.last_progress() + SETUP_SILENCE_MAX;
                Some(retry.map_or(silence, |at| at.min(silence)))
            }
            Phase::Running { until } | Phase::Hushed { until } => Some(until),
            Phase::Draining { backlog_until } => {
                let silence = self.last_progress() + DRAIN_SILENCE_MAX;
                let backlog = (!self.traffic.is_stopped()).then_some(backlog_until);
                Some(backlog.map_or(silence, |until| until.min(silence)))
            }
            Phase::Done => None,
        };
        own.into_iter().chain(self.traffic.deadline()).min()
    }

    /// Whether the run is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// What the run found.
    #[must_use]
    pub fn finish(self) -> Record {
        self.traffic.finish()
    }

    fn on_frame(
        &mut self,
        now: Instant,
        user: usize,
        frame: &Frame,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError> {
        if self.users[user].is_open() {
            let message = ToClient::decode(frame)?;
            return Ok(self.traffic.on_message(now, user, message, out)?);
        }
        let (random, actions) = (&mut self.random, &mut self.actions);
        let progress = self.users[user].on_frame(frame, random, actions)?;
        self.act(user, out);
        self.on_progress(now, user, progress, out);
        Ok(())
    }

    fn on_lost(&mut self, now: Instant, user: usize, why: CloseCause) -> Result<(), LoadError> {
        match self.users[user].on_lost() {
            Some(Progress::TryAgain) => self.retry(now, user),
            Some(_) => {}
            None => {
                let phase = self.phase.name();
                return Err(LoadError::Lost { phase, why });
            }
        }
        Ok(())
    }

    fn on_progress(
        &mut self,
        now: Instant,
        user: usize,
        progress: Progress,
        out: &mut Vec<Effect>,
    ) {
        self.progress = now;
        match progress {
            Progress::OnItsWay => {}
            Progress::TryAgain => self.retry(now, user),
            Progress::SignedUp => {
                self.signed_up += 1;
                out.push(Effect::SignedUp(self.signed_up));
            }
            Progress::Open => self.open += 1,
        }
    }

    fn retry(&mut self, now: Instant, user: usize) {
        self.retries.insert((now + RETRY_PAUSE, user));
    }

    fn on_turn_end(&mut self, now: Instant, out: &mut Vec<Effect>) -> Result<(), LoadError> {
        self.end_pauses(now, out);
        match self.phase {
            Phase::SigningUp => self.sign_up(out),
            Phase::Opening if self.open == self.users.len() => self.greet(),
            Phase::Greeting if self.traffic.is_greeted() => self.begin(now, out),
            _ => {}
        }
        self.traffic.on_turn_end(now, out);
        match self.phase {
            Phase::Running { until } if until <= now => self.on_run(now, until, out),
            Phase::Hushed { until } if until <= now => {
                out.push(Effect::Hear(self.traffic.silent()));
                self.drain(now);
            }
            Phase::Draining { backlog_until } => self.watch_drain(now, backlog_until),
            Phase::Running { .. } | Phase::Hushed { .. } | Phase::Done => {}
            setup if now >= self.last_progress() + SETUP_SILENCE_MAX => {
                return Err(LoadError::Stalled(setup.name()));
            }
            _ => {}
        }
        Ok(())
    }

    /// As many at once as are allowed; when all are signed up, all open their partners' mailboxes.
    fn sign_up(&mut self, out: &mut Vec<Effect>) {
        while self.started < self.users.len() && self.started - self.signed_up < self.at_once {
            let user = self.started;
            self.started += 1;
            self.start(user, out);
        }
        if self.signed_up == self.users.len() {
            self.phase = Phase::Opening;
            (0..self.users.len()).for_each(|user| self.start(user, out));
        }
    }

    /// A user's first step of its phase, or that step again.
    fn start(&mut self, user: usize, out: &mut Vec<Effect>) {
        if self.users[user].is_signed_up() {
            let partner = self.users[user ^ 1].name();
            self.users[user].open_partner(partner, &mut self.actions);
        } else {
            self.users[user].start(&mut self.random, &mut self.actions);
        }
        self.act(user, out);
    }

    fn greet(&mut self) {
        self.phase = Phase::Greeting;
        let names: Vec<Name> = self.users.iter().map(User::name).collect();
        self.traffic.greet(&names);
    }

    fn begin(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let start = now + LEAD_TIME;
        let until = start + self.duration;
        self.phase = Phase::Running { until };
        self.traffic.begin(start);
        out.push(Effect::Begin);
    }

    /// The pairs have run alone for long enough.
    fn on_run(&mut self, now: Instant, until: Instant, out: &mut Vec<Effect>) {
        let silent = self.traffic.silent();
        if silent.is_empty() {
            return self.drain(now);
        }
        out.push(Effect::Hush(silent));
        self.phase = Phase::Hushed { until: until + self.duration };
    }

    fn drain(&mut self, now: Instant) {
        let backlog_until = match self.traffic.is_by_the_clock() {
            true => now + BACKLOG_TIME_MAX,
            false => now,
        };
        self.phase = Phase::Draining { backlog_until };
        self.watch_drain(now, backlog_until);
    }

    fn watch_drain(&mut self, now: Instant, backlog_until: Instant) {
        if backlog_until <= now {
            self.traffic.stop_sending();
        }
        let silent = now >= self.last_progress() + DRAIN_SILENCE_MAX;
        if self.traffic.is_quiet() || silent {
            self.traffic.stop_sending();
            self.phase = Phase::Done;
        }
    }

    fn end_pauses(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some((at, user)) = self.retries.first().copied()
            && at <= now
        {
            self.retries.remove(&(at, user));
            self.start(user, out);
        }
    }

    fn last_progress(&self) -> Instant {
        self.progress.max(self.traffic.progress())
    }

    fn act(&mut self, user: usize, out: &mut Vec<Effect>) {
        out.extend(self.actions.drain(..).map(|action| Effect::Act { user, action }));
    }
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::SigningUp => "signing up",
            Self::Opening => "opening mailboxes",
            Self::Greeting => "greeting",
            Self::Running { .. } | Self::Hushed { .. } => "posts flow",
            Self::Draining { .. } | Self::Done => "the last posts drain",
        }
    }
}

#[cfg(test)]
mod tests;
