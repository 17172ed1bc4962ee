//! Instants at which the core wants to be called, by owner and purpose.

use std::collections::BTreeSet;

use wire::{ConnId, Instant, Name, ServerId};

/// What a timer is for. One of a kind per owner.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Timer {
    /// A client has not signed in.
    Early(ConnId),
    /// A client was silent.
    Idle(ConnId),
    /// A client that posted too fast may be read again.
    Refill(ConnId),
    /// A range could not be read; ask again.
    Reread(ConnId),
    /// A home has not answered a seat's oldest question.
    Exchanges,
    /// A sign-in was begun and not finished.
    Logins,
    /// A group's password was asked for and not proven.
    Joins,
    /// Entries waited long enough for their readers.
    Holds,
    /// Entries of groups may have expired.
    Expiry,
    /// A sign-in waits for another session's seat.
    Held(Box<Name>),
    /// The lease of a seat that was lost is over.
    Leases,
    /// The lease that a home gave to this seat is over, unless it was renewed.
    Leased,
    /// A peer that connected has not said hello.
    Greeting(ConnId),
    /// A link's next dial, ping or end.
    Link(ServerId),
    /// The next look for blobs whose time is over.
    BlobSweep,
    /// The next look for grants that nobody needs, or its next step.
    GrantSweep,
    /// A router connection's next dial, ping or end.
    Router(usize),
    /// The next load report.
    Report,
    /// The next sessions are told to go elsewhere.
    Drain,
    /// A slot that moves may go on, or has taken too long.
    Slots,
}

/// The armed timers, the earliest first. A timer that fires is disarmed.
#[derive(Debug, Default)]
pub(super) struct Timers {
    armed: BTreeSet<(u64, Timer)>,
}

impl Timers {
    /// Arms `timer` for `at`, beside any other instant it is armed for.
    pub(super) fn arm(&mut self, at: Instant, timer: Timer) {
        self.armed.insert((at.0, timer));
    }

    /// Disarms what was armed for exactly `at`.
    pub(super) fn disarm(&mut self, at: Instant, timer: Timer) {
        self.armed.remove(&(at.0, timer));
    }

    /// The earliest armed instant.
    pub(super) fn next(&self) -> Option<Instant> {
        self.armed.first().map(|(at, _)| Instant(*at))
    }

    /// Takes the earliest timer that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, _) = self.armed.first()?;
        if *at > now.0 {
            return None;
        }
        self.armed.pop_first().map(|(_, timer)| timer)
    }

    /// How many are armed.
    pub(super) fn len(&self) -> usize {
        self.armed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Timer, Timers};
    use wire::Instant;

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut timers = Timers::default();
        timers.arm(Instant(20), Timer::Report);
        timers.arm(Instant(10), Timer::Logins);
        timers.arm(Instant(15), Timer::Exchanges);
        timers.disarm(Instant(15), Timer::Exchanges);
        assert_eq!(timers.next(), Some(Instant(10)));
        assert_eq!(timers.pop_due(Instant(9)), None);
        assert_eq!(timers.pop_due(Instant(30)), Some(Timer::Logins));
        assert_eq!(timers.pop_due(Instant(30)), Some(Timer::Report));
        assert_eq!(timers.pop_due(Instant(30)), None);
        assert_eq!(timers.len(), 0);
    }
}
