//! What a run does when: from the first sign-up to the last delivery.

use std::time::Duration;

use wire::{Instant, Name};

use super::{
    AT_ONCE, BACKLOG_TIME_MAX, Effect, LEAD_TIME, Load, LoadError, REST_TIME, SETUP_SILENCE_MAX,
    Strike,
};
use crate::layout::Target;
use crate::plan::Course;
use crate::user::{Action, User};

/// How far a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    SigningUp,
    Joining,
    Opening,
    Granting,
    Greeting,
    /// What was said to get here is over and counted.
    Resting {
        until: Instant,
    },
    Running {
        until: Instant,
    },
    /// Some users read nothing.
    Hushed {
        until: Instant,
    },
    /// Readers are away.
    Storing,
    Draining {
        backlog_until: Instant,
    },
    /// Everything is counted.
    Ending {
        until: Instant,
    },
    Done,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SigningUp => "signing up",
            Self::Joining => "joining a group",
            Self::Opening => "opening logs",
            Self::Granting => "granting message sessions",
            Self::Greeting => "greeting",
            Self::Resting { .. } => "resting",
            Self::Running { .. } | Self::Hushed { .. } => "posts flow",
            Self::Storing => "posts are stored",
            Self::Draining { .. } | Self::Ending { .. } | Self::Done => "the last posts drain",
        }
    }

    /// Whether posts are measured.
    pub(super) fn is_measured(self) -> bool {
        matches!(self, Self::Running { .. } | Self::Draining { .. })
    }
}

impl Load {
    pub(super) fn on_turn_end(
        &mut self,
        now: Instant,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError> {
        self.end_pauses(now, out);
        self.strike(now, out);
        let mut phase = None;
        while phase.replace(self.phase) != Some(self.phase) {
            self.set_up(now, out);
        }
        if let Some(bytes) = self.traffic.on_turn_end(now, out) {
            out.push(Effect::Keep(bytes));
        }
        match self.phase {
            Phase::Running { until } if until <= now => self.on_run(now, until, out),
            Phase::Hushed { until } if until <= now => {
                out.push(Effect::Hear(self.traffic.silent()));
                self.drain(now, out);
            }
            Phase::Storing if self.traffic.is_answered() => self.bring_back(now, out),
            Phase::Draining { backlog_until } => self.watch_drain(now, backlog_until, out),
            Phase::Ending { until } if until <= now => self.phase = Phase::Done,
            Phase::Ending { .. } | Phase::Running { .. } | Phase::Hushed { .. } | Phase::Done => {}
            setup if now >= self.last_progress() + SETUP_SILENCE_MAX => {
                return Err(LoadError::Stalled(setup.name()));
            }
            _ => {}
        }
        Ok(())
    }

    fn set_up(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self.phase {
            Phase::SigningUp => self.sign_up(out),
            Phase::Joining => self.join(out),
            Phase::Opening if self.open == self.users.len() => self.grant(out),
            Phase::Granting if self.grants == 0 => self.greet(),
            Phase::Greeting if self.traffic.is_greeted() => {
                self.phase = Phase::Resting { until: now + REST_TIME };
            }
            Phase::Resting { until } if until <= now => self.begin(now, out),
            _ => {}
        }
    }

    /// As many at once as are allowed; when all are signed up, the first one creates the group.
    fn sign_up(&mut self, out: &mut Vec<Effect>) {
        while self.started < self.users.len() && self.started - self.signed_up < AT_ONCE {
            let user = self.started;
            self.started += 1;
            self.start(user, out);
        }
        if self.signed_up == self.users.len() {
            self.phase = Phase::Joining;
            self.join_next(out);
        }
    }

    /// When all members are, everybody opens its logs.
    fn join(&mut self, out: &mut Vec<Effect>) {
        if self.group.members() < self.traffic.layout().members() {
            return;
        }
        self.phase = Phase::Opening;
        for user in 0..self.users.len() {
            match self.traffic.layout().logs(user).is_empty() {
                true => self.open += 1,
                false => self.open_logs(user, 1..usize::MAX, out),
            }
        }
    }

    /// Who posts to the group grants its message session to all members.
    fn grant(&mut self, out: &mut Vec<Effect>) {
        self.phase = Phase::Granting;
        let layout = self.traffic.layout();
        let members: Vec<Name> = self.users[..layout.members()].iter().map(User::name).collect();
        let lanes = layout.lanes().iter().filter(|lane| lane.target == Target::Group);
        let writers: Vec<usize> = lanes.map(|lane| lane.writer).collect();
        for writer in writers {
            let account = self.users[writer].account();
            let frames = self.group.grants(account, &members, &mut self.random);
            self.grants += frames.len();
            self.actions.extend(frames.into_iter().map(|frame| Action::Say(frame.into())));
            self.act(writer, out);
        }
    }

    fn greet(&mut self) {
        self.phase = Phase::Greeting;
        let accounts = self.users.iter().map(User::account);
        self.traffic.greet(&accounts.collect::<Vec<_>>());
    }

    fn begin(&mut self, now: Instant, out: &mut Vec<Effect>) {
        // What is paced by answers begins at once.
        let lead = if self.traffic.is_by_the_clock() { LEAD_TIME } else { Duration::ZERO };
        let start = now + lead;
        let until = start + self.duration;
        self.phase = Phase::Running { until };
        if let Course::Away { .. } = self.course {
            self.phase = Phase::Storing;
            self.send_away(out);
        }
        if self.course == Course::Faults {
            let strikes = [(1, Strike::Drain), (5, Strike::Kill)];
            let at = |eighths| start + self.duration * eighths / 8;
            self.strikes = strikes.map(|(eighths, strike)| (at(eighths), strike)).into();
        }
        self.traffic.begin(start);
        out.push(Effect::Begin);
    }

    /// Those who only read.
    fn readers(&self) -> impl Iterator<Item = usize> + use<> {
        (1..self.users.len()).step_by(2)
    }

    fn send_away(&mut self, out: &mut Vec<Effect>) {
        for user in self.readers() {
            self.traffic.on_left(user);
            self.users[user].leave(&mut self.actions);
            self.act(user, out);
        }
    }

    fn bring_back(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.traffic.on_all_stored(now);
        out.push(Effect::Stored);
        self.readers().for_each(|user| self.start(user, out));
        self.drain(now, out);
    }

    fn strike(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some((at, strike)) = self.strikes.front().copied()
            && at <= now
        {
            self.strikes.pop_front();
            self.traffic.disturb();
            out.push(Effect::Strike(strike));
        }
    }

    /// The pairs have run alone for long enough.
    fn on_run(&mut self, now: Instant, until: Instant, out: &mut Vec<Effect>) {
        let silent = self.traffic.silent();
        if silent.is_empty() {
            return self.drain(now, out);
        }
        out.push(Effect::Hush(silent));
        self.phase = Phase::Hushed { until: until + self.duration };
    }

    fn drain(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let backlog_until = match self.traffic.is_by_the_clock() {
            true => now + BACKLOG_TIME_MAX,
            false => now,
        };
        self.progress = now;
        self.phase = Phase::Draining { backlog_until };
        self.watch_drain(now, backlog_until, out);
    }

    fn watch_drain(&mut self, now: Instant, backlog_until: Instant, out: &mut Vec<Effect>) {
        if backlog_until <= now {
            self.traffic.stop_sending();
        }
        let silent = now >= self.last_progress() + self.drain_silence();
        if self.traffic.is_quiet() || silent {
            self.traffic.stop_sending();
            out.push(Effect::End);
            self.phase = Phase::Ending { until: now + REST_TIME };
        }
    }

    fn end_pauses(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some((at, user)) = self.retries.first().copied()
            && at <= now
        {
            self.retries.remove(&(at, user));
            match self.users[user].is_signed_in() {
                true => {
                    self.users[user].open_again(&mut self.actions);
                    self.act(user, out);
                }
                false => self.start(user, out),
            }
        }
    }

    /// A user begins, or begins again.
    fn start(&mut self, user: usize, out: &mut Vec<Effect>) {
        self.users[user].start(&mut self.random, &mut self.actions);
        self.act(user, out);
    }
}
