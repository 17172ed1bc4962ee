//! Deadlines by what they are for: setting one again moves it.

use std::collections::{BTreeMap, BTreeSet};

use wire::{ConnId, Instant, ServerId};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Timer {
    /// The router stops waiting for the first report of each server.
    Start,
    /// A connection has said nothing for too long.
    Idle(ConnId),
    /// A server has not reported for too long.
    Silence(ServerId),
}

/// All deadlines.
#[derive(Debug, Default)]
pub struct Timers {
    at: BTreeMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Sets or moves the deadline of `timer`.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.cancel(timer);
        self.at.insert(timer, at);
        self.order.insert((at, timer));
    }

    /// Forgets the deadline of `timer`, if it has one.
    pub fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.order.remove(&(at, timer));
        }
        assert_eq!(self.at.len(), self.order.len(), "one deadline per timer");
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer whose deadline has passed.
    pub fn expire(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.order.first().copied()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}
