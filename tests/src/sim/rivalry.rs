//! Two machines of one account compete while its home and the seat of one of them do not hear each
//! other. Leases are about this moment, which hardly ever comes by chance alone: the session sits
//! away from home, the silence is long, somebody signs in elsewhere, and somebody writes on.

use std::time::Duration;

use wire::limits::LEASE_TIME;
use wire::{Instant, LogId, ServerId};

use super::fault::FaultKind;
use super::host::Node;
use super::net::{Conn, ConnKey, End, Stage};
use super::user::Standing;
use super::world::World;

/// How often somebody competes when something goes wrong, in thousandths.
const RIVALRIES_PERMILLE: u32 = 600;
const SILENCE_MIN: Duration = LEASE_TIME;
const SILENCE_MAX: Duration = Duration::from_secs(2 * LEASE_TIME.as_secs());

/// A session that does not sit at its account's home.
#[derive(Clone, Copy, Debug)]
struct Overflow {
    user: usize,
    /// Another installation of the account, as an index of the user's.
    rival: usize,
    home: ServerId,
    seat: ServerId,
}

impl World {
    /// Perhaps somebody competes for a session now.
    pub(super) fn perhaps_compete(&mut self) {
        if !self.rivalries.chance(RIVALRIES_PERMILLE) {
            return;
        }
        let kinds = [FaultKind::Cut, FaultKind::PausedLong];
        let kinds: Vec<_> = kinds.into_iter().filter(|k| self.plan.faults.contains(k)).collect();
        let found: Vec<Overflow> = (0..self.users.len()).filter_map(|u| self.overflow(u)).collect();
        if kinds.is_empty() || found.is_empty() {
            return;
        }
        let (kind, overflow) = (self.rivalries.pick(&kinds), self.rivalries.pick(&found));
        let until = self.now + self.rivalries.time(SILENCE_MIN, SILENCE_MAX);
        match kind {
            FaultKind::Cut => self.part(overflow.home, overflow.seat, until),
            _ => self.pause_until(Node::Server(overflow.seat), until),
        }
        self.tally.count(kind);
        self.note(&[], format_args!("a rivalry, {}: {overflow:?}", kind.name()));
        let user = &mut self.users[overflow.user];
        user.turn_to(overflow.rival);
        user.competes_until = Some(until);
    }

    /// The session of a user that has another machine, if it sits away from home.
    fn overflow(&mut self, user: usize) -> Option<Overflow> {
        let (name, active) = (self.users[user].name, self.users[user].active);
        let index = self.users[user].installation();
        let core = self.clients[index].core.as_ref();
        let is_on = core.is_some_and(client::core::Core::is_online);
        if !is_on || self.clients[index].is_leaving || self.standing(index) != Standing::SignedIn {
            return None;
        }
        let installations = self.users[user].installations.len();
        let rival = (0..installations).find(|other| *other != active)?;
        let (home, seat) = (self.map.home_of(&LogId::mailbox(name)), self.seat_of(index)?);
        let is_awake = |server| {
            let host = self.host(Node::Server(server));
            host.is_up() && host.paused.is_none()
        };
        let is_apart = home != seat && is_awake(home) && is_awake(seat);
        is_apart.then_some(Overflow { user, rival, home, seat })
    }

    /// The server to which a client is connected.
    fn seat_of(&mut self, index: usize) -> Option<ServerId> {
        let ends = self.net.of(Node::Client(index));
        ends.into_iter().find_map(|(key, _)| {
            let far = self.net.get(key)?.side(End::Far);
            match far.node {
                Node::Server(seat) if far.stage == Stage::Open => Some(seat),
                _ => None,
            }
        })
    }

    /// Two servers lose their connections, and do not hear each other for a while.
    fn part(&mut self, one: ServerId, other: ServerId, until: Instant) {
        let (one, other) = (Node::Server(one), Node::Server(other));
        self.cut(one, other, until);
        let mut ends: Vec<(ConnKey, End)> = self.net.of(one);
        ends.retain(|(key, end)| {
            let conn = self.net.get(*key);
            // A dial under way is no connection yet: it meets the cut.
            let is_made = |conn: &&mut Conn| conn.side(End::Near).stage != Stage::Opening;
            let conn = conn.filter(is_made);
            conn.is_some_and(|conn| conn.side(end.other()).node == other && !conn.is_broken)
        });
        for (key, _) in ends {
            self.break_conn(key);
        }
    }
}
