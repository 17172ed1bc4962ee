//! Chooses seats by one strategy: the same code in the core and in tools.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wire::{ServerId, Slot, SlotMap};

use super::ring::{Placement, Ring, Seats, least_loaded};
use super::strategy::{Placing, Strategy};

/// Chooses a seat for one session after another.
#[derive(Debug)]
pub struct Placer {
    map: Arc<SlotMap>,
    ring: Ring,
    placing: Placing,
    /// Whom round robin has chosen last; several routers begin with different ones.
    last: ServerId,
    random: StdRng,
}

impl Placer {
    /// Places on those who own slots of `map`. `seed` decides what [`Strategy::Random`] chooses,
    /// and where [`Strategy::RoundRobin`] begins.
    ///
    /// # Panics
    /// When `placing.percent` is 0: the caller has checked its range.
    #[must_use]
    pub fn new(map: impl Into<Arc<SlotMap>>, placing: Placing, seed: [u8; 32]) -> Self {
        assert_seats_somebody(placing);
        let map = map.into();
        let servers = map.owners();
        let mut random = StdRng::from_seed(seed);
        let last = servers[below(&mut random, servers.len())];
        Self { ring: Ring::new(&servers), map, placing, last, random }
    }

    /// Chooses in this way from now on.
    ///
    /// # Panics
    /// When `placing.percent` is 0: the caller has checked its range.
    pub fn set_placing(&mut self, placing: Placing) {
        assert_seats_somebody(placing);
        self.placing = placing;
    }

    /// Places by another map from now on.
    pub fn set_map(&mut self, map: Arc<SlotMap>) {
        self.ring = Ring::new(&map.owners());
        self.map = map;
    }

    /// The home of each slot.
    #[must_use]
    pub fn map(&self) -> &SlotMap {
        &self.map
    }

    /// The seat of a session whose account is in `slot`, among `seats`: the servers that may be
    /// placed on now, ordered by id. `None` when all of them are at their `max`, or there is none.
    pub fn place(&mut self, slot: Slot, seats: &[Seats]) -> Option<Placement> {
        debug_assert!(seats.is_sorted_by_key(|seat| seat.server));
        let seat = match self.placing.strategy {
            Strategy::BoundedHash => {
                return self.ring.place(&self.map, slot, self.placing.percent, seats);
            }
            Strategy::RoundRobin => self.next(seats)?,
            Strategy::Random => self.any(seats)?,
            Strategy::LeastConnections => least_loaded(seats)?,
        };
        Some(Placement { home: self.map.home(slot), seat })
    }

    /// The first server with room after the last one chosen, by id, beginning anew at the end.
    fn next(&mut self, seats: &[Seats]) -> Option<ServerId> {
        let after = seats.partition_point(|seat| seat.server <= self.last);
        let (head, tail) = seats.split_at(after);
        let seat = tail.iter().chain(head).find(|seat| has_room(seat))?;
        self.last = seat.server;
        Some(seat.server)
    }

    fn any(&mut self, seats: &[Seats]) -> Option<ServerId> {
        let open = || seats.iter().filter(|seat| has_room(seat));
        let count = open().count();
        if count == 0 {
            return None;
        }
        open().nth(below(&mut self.random, count)).map(|seat| seat.server)
    }
}

fn has_room(seat: &Seats) -> bool {
    seat.taken < seat.max
}

/// A number below `bound`, which is not 0. With at most 1,024 servers the remainder of 64 bits is
/// even enough.
fn below(random: &mut StdRng, bound: usize) -> usize {
    let bound = u64::try_from(bound).expect("a count fits 64 bits");
    usize::try_from(random.next_u64() % bound).expect("it is below a count")
}

fn assert_seats_somebody(placing: Placing) {
    assert!(placing.percent > 0, "a cap of 0 percent seats nobody");
}
