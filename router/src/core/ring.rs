//! The consistent-hashing ring with bounded loads.
//!
//! Each server has the same number of points on a ring of 2^64. A slot's candidates are its home by
//! the slot map, then the servers of the points clockwise from the slot's own point. The first
//! candidate under its cap becomes the seat, so that losing or adding a server moves few sessions
//! and no server carries much more than the average.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;
use wire::{ServerId, Slot, SlotMap};

use crate::limits::POINTS_PER_SERVER;

/// Fixed, so that every router and every run gives the same ring.
const RING_KEY: &[u8; 16] = b"fastchat ring 01";

/// The points of all servers, in the order of the ring.
#[derive(Clone, Debug)]
pub struct Ring {
    points: Vec<Point>,
}

/// Ordered by hash; equal hashes, however unlikely, by server.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Point {
    hash: u64,
    server: ServerId,
}

/// A server that may take a session now, with what it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seats {
    /// Which server.
    pub server: ServerId,
    /// Its sessions and what is reserved there.
    pub taken: u32,
    /// The most it may have.
    pub max: u32,
}

/// Where a session goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Placement {
    /// The owner of the account, by the slot map.
    pub home: ServerId,
    /// The server to sit on.
    pub seat: ServerId,
}

impl Ring {
    /// The ring of `servers`; their order and doubles do not matter.
    #[must_use]
    pub fn new(servers: &[ServerId]) -> Self {
        let mut servers = servers.to_vec();
        servers.sort_unstable();
        servers.dedup();
        let mut points: Vec<Point> = servers.into_iter().flat_map(points_of).collect();
        points.sort_unstable();
        Self { points }
    }

    /// The servers of all points clockwise from the slot's point. A server comes up once for each
    /// of its points.
    pub fn walk(&self, slot: Slot) -> impl Iterator<Item = ServerId> {
        let from = slot_hash(slot);
        let start = self.points.partition_point(|point| point.hash < from);
        let (head, tail) = self.points.split_at(start);
        tail.iter().chain(head).map(|point| point.server)
    }

    /// Chooses a seat for an account in `slot` among `seats`, which are ordered by server.
    ///
    /// The first candidate under its cap; when none is, the least loaded below its `max`; `None`
    /// when all are at their `max` or there is no server. `percent` is the cap's share of the
    /// average.
    #[must_use]
    pub fn place(
        &self,
        map: &SlotMap,
        slot: Slot,
        percent: u32,
        seats: &[Seats],
    ) -> Option<Placement> {
        debug_assert!(seats.is_sorted_by_key(|seat| seat.server));
        let home = map.home(slot);
        let cap = average_cap(percent, seats);
        let is_free = |seat: &Seats| u64::from(seat.taken) < cap.min(u64::from(seat.max));
        let seat = if seats.iter().any(is_free) {
            std::iter::once(home)
                .chain(self.walk(slot))
                .find(|server| find(seats, *server).is_some_and(is_free))
        } else {
            None
        };
        let seat = seat.or_else(|| least_loaded(seats))?;
        Some(Placement { home, seat })
    }
}

/// The most sessions that one server may have after one more session was placed, by the average
/// alone: `ceil(percent × (taken + 1) / (100 × live servers))`. 0 without servers.
#[must_use]
pub fn average_cap(percent: u32, seats: &[Seats]) -> u64 {
    let Ok(live @ 1..) = u64::try_from(seats.len()) else {
        return 0;
    };
    let taken: u64 = seats.iter().map(|seat| u64::from(seat.taken)).sum();
    (u64::from(percent) * (taken + 1)).div_ceil(100 * live)
}

fn find(seats: &[Seats], server: ServerId) -> Option<&Seats> {
    let index = seats.binary_search_by_key(&server, |seat| seat.server);
    index.ok().map(|index| &seats[index])
}

/// Of the servers below their `max` the one with the fewest sessions; of several, the lowest id.
pub(super) fn least_loaded(seats: &[Seats]) -> Option<ServerId> {
    let open = seats.iter().filter(|seat| seat.taken < seat.max);
    open.min_by_key(|seat| (seat.taken, seat.server)).map(|seat| seat.server)
}

fn points_of(server: ServerId) -> impl Iterator<Item = Point> {
    (0..POINTS_PER_SERVER).map(move |index| {
        let mut hasher = SipHasher24::new_with_key(RING_KEY);
        hasher.write(b"server");
        hasher.write(&server.0.to_be_bytes());
        hasher.write(&index.to_be_bytes());
        let hash = hasher.finish();
        Point { hash, server }
    })
}

fn slot_hash(slot: Slot) -> u64 {
    let index = u16::try_from(slot.index()).expect("a slot index is below 4,096");
    let mut hasher = SipHasher24::new_with_key(RING_KEY);
    hasher.write(b"slot");
    hasher.write(&index.to_be_bytes());
    hasher.finish()
}
