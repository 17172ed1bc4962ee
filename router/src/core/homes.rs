//! Which server becomes the home of each slot in a new map.

use wire::limits::SLOTS;
use wire::{ServerId, Slot, SlotMap};

use crate::core::ring::Ring;
use crate::limits::HOME_SHARE_PERCENT;

/// Builds the slot map of `servers` by the ring: each slot goes to the first server clockwise that
/// has not yet its share of the slots. With one server more, about 1/n of the slots move.
///
/// # Panics
/// Without any server: a map gives every slot a home.
#[must_use]
pub fn build_map(version: u32, servers: &[ServerId]) -> SlotMap {
    let ring = Ring::new(servers);
    let mut owned = Owned::new(servers);
    let homes = (0..SLOTS).map(|index| {
        let slot = Slot::new(index).expect("index is below SLOTS");
        let home = ring.walk(slot).find(|server| owned.take(*server));
        home.expect("the shares add up to more than all slots")
    });
    SlotMap::new(version, homes.collect())
}

/// How many slots each server has so far, and how many it may have.
struct Owned {
    servers: Vec<ServerId>,
    counts: Vec<usize>,
    share: usize,
}

impl Owned {
    fn new(servers: &[ServerId]) -> Self {
        let mut servers = servers.to_vec();
        servers.sort_unstable();
        servers.dedup();
        assert!(!servers.is_empty(), "a map has at least one server");
        let percent = usize::try_from(HOME_SHARE_PERCENT).expect("a small constant");
        let share = (percent * SLOTS).div_ceil(100 * servers.len());
        let counts = vec![0; servers.len()];
        Self { servers, counts, share }
    }

    /// Counts one more slot for `server`, or answers `false` when it has its share.
    fn take(&mut self, server: ServerId) -> bool {
        let index = self.servers.binary_search(&server);
        let count = &mut self.counts[index.expect("the ring has these servers alone")];
        let is_free = *count < self.share;
        *count += usize::from(is_free);
        is_free
    }
}
