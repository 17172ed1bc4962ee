//! Connections that nobody has vouched for yet: TLS not agreed, or not signed in. They are
//! counted, in all and per address, so that they cannot crowd out the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use crate::id::ConnId;
use crate::limits::{EARLY_PER_ADDRESS_MAX, EARLY_TOTAL_MAX};
use crate::time::Instant;

/// Groups of an IPv6 address that one customer of a provider commonly holds alone.
const V6_NETWORK_MASK: u128 = u128::MAX << 64;

/// One counted connection. Given back with [`Early::leave`].
#[derive(Debug, Eq, PartialEq)]
#[must_use]
pub(super) struct Seat {
    address: IpAddr,
}

/// The counts of early connections, and the order of those still agreeing on TLS.
#[derive(Debug)]
pub(super) struct Early {
    total: u32,
    pub(super) total_max: u32,
    per_address: BTreeMap<IpAddr, u32>,
    half_open: BTreeSet<(Instant, ConnId)>,
    exempt_loopback: bool,
}

impl Default for Early {
    fn default() -> Self {
        Self {
            total: 0,
            total_max: EARLY_TOTAL_MAX,
            per_address: BTreeMap::new(),
            half_open: BTreeSet::new(),
            exempt_loopback: false,
        }
    }
}

impl Early {
    pub(super) fn exempt_loopback(&mut self, exempt: bool) {
        self.exempt_loopback = exempt;
    }

    /// Whether a newcomer fits only after another one has gone.
    pub(super) fn is_full(&self) -> bool {
        self.total >= self.total_max
    }

    /// Counts a newcomer, unless its address has too many already.
    pub(super) fn enter(&mut self, address: IpAddr) -> Option<Seat> {
        let address = network_of(address);
        let held = self.per_address.entry(address).or_insert(0);
        let is_exempt = self.exempt_loopback && address.is_loopback();
        if *held >= EARLY_PER_ADDRESS_MAX && !is_exempt {
            return None;
        }
        *held += 1;
        self.total += 1;
        Some(Seat { address })
    }

    /// The connection has gone, or has proven who it is.
    pub(super) fn leave(&mut self, Seat { address }: Seat) {
        let held = self.per_address.get_mut(&address).expect("a seat is counted");
        *held -= 1;
        if *held == 0 {
            self.per_address.remove(&address);
        }
        self.total -= 1;
    }

    /// Begins a TLS handshake that must end by `deadline`.
    pub(super) fn begin_handshake(&mut self, deadline: Instant, conn: ConnId) {
        self.half_open.insert((deadline, conn));
    }

    /// The handshake is over, one way or another.
    pub(super) fn end_handshake(&mut self, deadline: Instant, conn: ConnId) {
        self.half_open.remove(&(deadline, conn));
    }

    /// The connection that has spent the longest time on its handshake.
    pub(super) fn oldest_half_open(&self) -> Option<ConnId> {
        self.half_open.first().map(|(_, conn)| *conn)
    }
}

/// The unit that is counted: an IPv4 address, or a /64 of IPv6.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & V6_NETWORK_MASK))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(early: &mut Early, address: IpAddr) -> Vec<Seat> {
        (0..EARLY_PER_ADDRESS_MAX).map(|_| early.enter(address).expect("room")).collect()
    }

    #[test]
    fn one_address_has_its_limit_and_gets_room_back() {
        let mut early = Early::default();
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse::<IpAddr>().expect("an address"));
        let mut seats = fill(&mut early, a);
        assert_eq!(early.enter(a), None);
        assert_eq!(early.enter("::ffff:192.0.2.1".parse().expect("an address")), None);
        seats.push(early.enter(b).expect("another address has its own count"));
        early.leave(seats.remove(0));
        seats.push(early.enter(a).expect("one has gone"));
        seats.drain(..).for_each(|seat| early.leave(seat));
        assert!(early.per_address.is_empty());
        assert_eq!(early.total, 0);
    }

    #[test]
    fn addresses_of_one_v6_network_count_together() {
        let mut early = Early::default();
        let seats = fill(&mut early, "2001:db8:1:2::1".parse().expect("an address"));
        assert_eq!(early.enter("2001:db8:1:2:ffff::9".parse().expect("an address")), None);
        let other = early.enter("2001:db8:1:3::1".parse().expect("an address"));
        assert!(other.is_some());
        assert_eq!(seats.len() + 1, usize::try_from(early.total).expect("small"));
    }

    #[test]
    fn loopback_may_be_exempt() {
        let mut early = Early::default();
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let _seats = fill(&mut early, loopback);
        assert_eq!(early.enter(loopback), None);
        early.exempt_loopback(true);
        assert!(early.enter(loopback).is_some());
        let _others = fill(&mut early, IpAddr::from([192, 0, 2, 1]));
        assert_eq!(early.enter(IpAddr::from([192, 0, 2, 1])), None);
    }

    #[test]
    fn the_oldest_handshake_comes_first() {
        let mut early = Early::default();
        let [old, new] = [9, 1].map(|index| ConnId { index, generation: 0 });
        early.begin_handshake(Instant(5), new);
        early.begin_handshake(Instant(4), old);
        assert_eq!(early.oldest_half_open(), Some(old));
        early.end_handshake(Instant(4), old);
        assert_eq!(early.oldest_half_open(), Some(new));
    }
}
