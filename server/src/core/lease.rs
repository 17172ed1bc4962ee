//! A seat acts for the sessions of a home while its lease from that home lasts.
//!
//! The home grants nothing to another installation before [`LEASE_TIME`] is over since it last
//! heard from a seat that it cannot reach. A seat therefore counts from when it *sent* the last
//! ping that the home has answered, which is earlier, and a shorter time. Both count monotonic
//! time that goes on while a process is paused; how far two clocks may drift apart is what lies
//! between the two times.
//!
//! When the lease is over, and when a client signs out, sessions are *fenced*: their clients hear
//! `Unavailable`, and nothing is relayed or delivered. The home may have counted them as detached.
//! So, once it answers again, it is told of them again, and each waits for its word: what comes
//! behind an answered ping on the same link was said after it.

use std::collections::BTreeMap;

use wire::limits::{LEASE_TIME, SEAT_LEASE_TIME};
use wire::message::{RegisterSession, SessionRegistered};
use wire::{ConnId, Instant, ServerId};

use super::seat::{Seat, open_again, opened, shut, signed};
use super::session::{Handle, Session};
use super::timer::Timer;
use super::turn::Turn;

const _: () = assert!(SEAT_LEASE_TIME.as_nanos() < LEASE_TIME.as_nanos());

/// A seat's leases from other homes.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Until when each lasts; one that is over is not here.
    until: BTreeMap<ServerId, Instant>,
    /// The earliest of these.
    next: Option<Instant>,
    /// [`Timer::Leased`] is armed.
    is_watching: bool,
}

impl Leases {
    /// `home` has answered what was sent at `sent`. Whether there was no lease before.
    fn renew(&mut self, home: ServerId, sent: Instant, now: Instant) -> bool {
        let until = sent + SEAT_LEASE_TIME;
        if sent > now || until <= now {
            return false;
        }
        let former = self.until.get(&home).copied();
        self.until.insert(home, former.map_or(until, |former| until.max(former)));
        self.next = self.until.values().min().copied();
        former.is_none()
    }

    /// Takes one that is over.
    fn pop_due(&mut self, now: Instant) -> Option<ServerId> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        let due = self.until.iter().find(|(_, until)| **until <= now).map(|(home, _)| *home);
        self.until.retain(|home, _| Some(*home) != due);
        self.next = self.until.values().min().copied();
        due
    }

    fn lasts(&self, home: ServerId) -> bool {
        self.until.contains_key(&home)
    }
}

impl Seat {
    /// Comes before anything else: whose lease is over does nothing more, however long this
    /// process was away.
    pub(super) fn fence_due(&mut self, turn: &mut Turn<'_>) {
        while let Some(home) = self.leases.pop_due(turn.now) {
            for conn in self.conns_of(home) {
                self.fence(conn, turn);
            }
        }
    }

    /// The lease that was to end first has ended, or was renewed.
    pub(super) fn on_lease_timer(&mut self, turn: &mut Turn<'_>) {
        self.leases.is_watching = false;
        self.watch_leases(turn);
    }

    /// A home has answered a ping that was sent at `sent`.
    pub(super) fn on_answered_ping(&mut self, home: ServerId, sent: Instant, turn: &mut Turn<'_>) {
        let is_new = self.leases.renew(home, sent, turn.now);
        self.watch_leases(turn);
        if is_new {
            self.register_sessions(home, true, turn);
        }
    }

    /// Tells a home of its sessions here: of all, or of those that wait for its word.
    pub(super) fn register_sessions(
        &mut self,
        home: ServerId,
        is_fenced: bool,
        turn: &mut Turn<'_>,
    ) {
        for conn in self.conns_of(home) {
            if let Some(session) = signed(&mut self.clients, conn)
                && (session.is_fenced || !is_fenced)
            {
                turn.tell_server(home, registration(session));
            }
        }
    }

    /// A home counts a session here as live: if it was fenced, it goes on.
    pub(super) fn on_registered(
        &mut self,
        home: ServerId,
        message: &SessionRegistered,
        turn: &mut Turn<'_>,
    ) {
        let is_leased = self.may_act_for(home);
        let Some(conn) = self.conn_of(&message.account) else {
            return;
        };
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let is_same = session.epoch == message.epoch && session.home == home;
        let is_meant = is_same && !session.signing_out;
        if is_leased && is_meant && std::mem::take(&mut session.is_fenced) {
            turn.metrics.unfenced += 1;
            let is_up = |handle: &Handle| {
                self.up.contains(&handle.home) && self.holders.get(handle.slot).serves
            };
            for id in opened(session, is_up) {
                open_again(session, conn, id, turn);
            }
        }
    }

    /// Whether this seat may act for sessions whose home is `home`.
    pub(super) fn may_act_for(&self, home: ServerId) -> bool {
        home == self.me || self.leases.lasts(home)
    }

    /// Whether there is a session on `conn` that may do nothing.
    pub(super) fn is_fenced(&mut self, conn: ConnId) -> bool {
        signed(&mut self.clients, conn).is_some_and(|session| session.is_fenced)
    }

    /// Nothing is relayed or delivered for the session on `conn`, unless its home counts it again.
    pub(super) fn fence(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        if std::mem::replace(&mut session.is_fenced, true) {
            return;
        }
        turn.metrics.fenced += 1;
        for id in opened(session, |_| true) {
            shut(session, conn, id, turn);
        }
    }

    fn conns_of(&mut self, home: ServerId) -> Vec<ConnId> {
        let mut conns = self.conns();
        let clients = &mut self.clients;
        conns.retain(|conn| signed(clients, *conn).is_some_and(|session| session.home == home));
        conns
    }

    /// One timer watches the lease that ends first.
    fn watch_leases(&mut self, turn: &mut Turn<'_>) {
        if let (Some(next), false) = (self.leases.next, self.leases.is_watching) {
            self.leases.is_watching = true;
            turn.timers.arm(next, Timer::Leased);
        }
    }
}

pub(super) fn registration(session: &Session) -> RegisterSession {
    let Session { account, origin, epoch, .. } = *session;
    RegisterSession { account, origin, epoch }
}

#[cfg(test)]
mod tests {
    use super::Leases;
    use std::time::Duration;
    use wire::limits::SEAT_LEASE_TIME;
    use wire::{Instant, ServerId};

    const HOME: ServerId = ServerId(2);

    #[test]
    fn a_lease_counts_from_when_the_ping_was_sent() {
        let mut leases = Leases::default();
        let (sent, second) = (Instant(1 << 40), Duration::from_secs(1));
        assert!(leases.renew(HOME, sent, sent + 5 * second));
        let until = sent + SEAT_LEASE_TIME;
        assert_eq!(leases.pop_due(Instant(until.0 - 1)), None);
        assert!(leases.lasts(HOME));
        assert_eq!(leases.pop_due(until), Some(HOME));
        assert!(!leases.lasts(HOME));
    }

    #[test]
    fn an_answer_that_comes_too_late_or_from_the_future_renews_nothing() {
        let mut leases = Leases::default();
        let sent = Instant(1 << 40);
        assert!(!leases.renew(HOME, sent, sent + SEAT_LEASE_TIME));
        assert!(!leases.renew(HOME, sent + SEAT_LEASE_TIME, sent));
        assert!(!leases.lasts(HOME));
    }

    #[test]
    fn an_older_answer_shortens_nothing() {
        let mut leases = Leases::default();
        let (first, second) = (Instant(1 << 40), Instant((1 << 40) + 5));
        assert!(leases.renew(HOME, second, second));
        assert!(!leases.renew(HOME, first, second), "there was one");
        assert_eq!(leases.pop_due(first + SEAT_LEASE_TIME), None);
        assert_eq!(leases.pop_due(second + SEAT_LEASE_TIME), Some(HOME));
    }
}
