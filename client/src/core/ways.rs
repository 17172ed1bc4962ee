//! Which way is tried next to a seat: each router once, then servers that a router has named
//! before, then the routers again.
//!
//! A way is a hint only: whoever is dialed proves by its certificate which server it is.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use wire::limits::SERVERS_MAX;
use wire::message::{Placed, SeatAddress};
use wire::{ServerId, Wall};

use crate::store::{KnownServer, KnownServers};

/// Servers that are tried before the routers are tried again.
const TRIES_MAX: usize = 3;
/// A list as old as this is asked for again.
const LIST_AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// A server that no router has named for so long is forgotten.
const SERVER_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The routers and the known servers, and who was tried since somebody answered.
#[derive(Debug)]
pub(crate) struct Ways {
    known: KnownServers,
    routers: usize,
    /// Routers in a row that did not answer.
    failed: usize,
    /// Servers that were tried after them.
    tried: usize,
    /// Those that are left.
    order: VecDeque<KnownServer>,
}

impl Ways {
    pub(crate) fn new(known: KnownServers) -> Self {
        Self { known, routers: 1, failed: 0, tried: 0, order: VecDeque::new() }
    }

    /// There are `count` addresses of routers, as the shell has found.
    pub(crate) fn on_routers(&mut self, count: usize) {
        self.routers = count.max(1);
    }

    /// Some server can be tried without a router.
    pub(crate) fn has_servers(&self, now: Wall) -> bool {
        self.known.servers.iter().any(|known| is_usable(known, now))
    }

    /// The server whose turn it is; `None` when a router's is.
    pub(crate) fn next_server(&mut self) -> Option<KnownServer> {
        if self.failed < self.routers {
            return None;
        }
        self.tried += 1;
        self.order.pop_front()
    }

    /// A router did not answer; whether there is another way before the round is over.
    pub(crate) fn on_router_failed(&mut self, now: Wall, rng: &mut StdRng) -> bool {
        self.failed += 1;
        if self.failed < self.routers {
            return true;
        }
        if self.order.is_empty() {
            self.order = self.in_order(now, rng);
        }
        self.goes_on()
    }

    /// A known server was of no use; whether there is another way before the round is over.
    pub(crate) fn on_server_failed(&mut self) -> bool {
        self.goes_on()
    }

    /// A router answers, or the session is on: everybody may be tried again.
    pub(crate) fn on_answered(&mut self) {
        self.failed = 0;
        self.tried = 0;
        self.order.clear();
    }

    /// A router should be asked for its list.
    pub(crate) fn wants_list(&self, placed: &Placed, now: Wall) -> bool {
        let is_named = |known: &KnownServer| {
            let at = (known.server, known.address);
            let is_new = now >= known.heard && age(known, now) < LIST_AGE_MAX;
            at == (placed.seat, placed.address) && is_new
        };
        !self.known.servers.iter().any(is_named)
    }

    /// A router has named `servers`, and `home` before; what is to be kept now.
    pub(crate) fn on_named(
        &mut self,
        servers: &[SeatAddress],
        home: ServerId,
        now: Wall,
    ) -> &KnownServers {
        let is_named = |known: &KnownServer| servers.iter().any(|n| n.server == known.server);
        let known = &mut self.known.servers;
        known.retain(|known| is_usable(known, now) && !is_named(known));
        known.sort_by_key(|known| std::cmp::Reverse(known.heard));
        known.truncate(SERVERS_MAX.saturating_sub(servers.len()));
        let named = |seat: &SeatAddress| {
            let SeatAddress { server, address } = *seat;
            KnownServer { server, address, heard: now }
        };
        known.extend(servers.iter().map(named));
        known.sort_by_key(|known| known.server);
        known.dedup_by_key(|known| known.server);
        self.known.home = Some(home);
        &self.known
    }

    fn goes_on(&mut self) -> bool {
        let goes_on = self.tried < TRIES_MAX && !self.order.is_empty();
        if !goes_on {
            self.failed = 0;
            self.tried = 0;
        }
        goes_on
    }

    /// The home is the seat without a hop; the others in random order, so that not everybody whose
    /// home is away meets at one server.
    fn in_order(&self, now: Wall, rng: &mut StdRng) -> VecDeque<KnownServer> {
        let usable = self.known.servers.iter().filter(|known| is_usable(known, now));
        let mut servers: Vec<KnownServer> = usable.copied().collect();
        servers.shuffle(rng);
        servers.sort_by_key(|known| Some(known.server) != self.known.home);
        servers.into()
    }
}

/// Since a router named `known`; nothing when this machine's clock was ahead then.
fn age(known: &KnownServer, now: Wall) -> Duration {
    Duration::from_millis(now.0.saturating_sub(known.heard.0))
}

fn is_usable(known: &KnownServer, now: Wall) -> bool {
    age(known, now) < SERVER_AGE_MAX
}
