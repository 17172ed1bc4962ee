//! Which server is the home of each slot: in a new map, and after a server came or went.
//!
//! Every server owns its even part of the slots, one more or less. A map is computed by the ring
//! once; later ones are made from the one before, so that a change moves no slot but those that
//! the newcomer gets or the leaver gives.

use std::collections::BTreeMap;

use thiserror::Error;
use wire::limits::{SERVERS_MAX, SLOTS};
use wire::{ServerId, Slot, SlotMap};

use crate::core::ring::Ring;

/// Why a map cannot be changed so.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ChangeError {
    /// The server that should come is in the map.
    #[error("{0} is in the map already; name another server, or remove it first")]
    AlreadyThere(ServerId),
    /// The server that should go is not in the map.
    #[error("{0} is not in the map; name one that is")]
    NotThere(ServerId),
    /// The server that should go is the only one.
    #[error("{0} is the only server of the map; add another before it goes")]
    LastServer(ServerId),
    /// The map has as many servers as a map may have.
    #[error("the map has {SERVERS_MAX} servers, as many as it may; remove one first")]
    Full,
}

/// Builds the slot map of `servers`: each slot goes to the first server clockwise that has not yet
/// its even part of the slots.
///
/// # Panics
/// Without any server: a map gives every slot a home.
#[must_use]
pub fn build_map(version: u32, servers: &[ServerId]) -> SlotMap {
    assert!(!servers.is_empty(), "a map has at least one server");
    let ring = Ring::new(servers);
    let owned = servers.iter().map(|server| (*server, 0)).collect();
    let mut parts = Parts::after_growth(owned, SLOTS);
    SlotMap::new(version, slots().map(|slot| parts.deal(&ring, slot)).collect())
}

/// The map after `map` in which `server` owns its even part: of those who own more than theirs,
/// the slots on whose walk of the new ring `server` comes soonest. No other slot moves.
///
/// # Errors
/// [`ChangeError`].
pub fn add_server(map: &SlotMap, version: u32, server: ServerId) -> Result<SlotMap, ChangeError> {
    let mut servers = map.servers();
    if servers.contains(&server) {
        return Err(ChangeError::AlreadyThere(server));
    }
    if servers.len() >= SERVERS_MAX {
        return Err(ChangeError::Full);
    }
    servers.push(server);
    let ring = Ring::new(&servers);
    let mut parts = Parts::after_gifts(owned(map), SLOTS / servers.len());
    let mut homes: Vec<ServerId> = slots().map(|slot| map.home(slot)).collect();
    let distance = |slot: &Slot| ring.walk(*slot).position(|found| found == server);
    let mut nearest: Vec<Slot> = slots().collect();
    nearest.sort_by_cached_key(distance);
    for slot in nearest {
        let home = &mut homes[slot.index()];
        if parts.take(*home) {
            *home = server;
        }
    }
    Ok(SlotMap::new(version, homes))
}

/// The map after `map` in which `server` owns nothing: each of its slots goes to the first server
/// clockwise that has not yet its even part. No other slot moves.
///
/// # Errors
/// [`ChangeError`].
pub fn remove_server(
    map: &SlotMap,
    version: u32,
    server: ServerId,
) -> Result<SlotMap, ChangeError> {
    let mut others = owned(map);
    let Some(count) = others.remove(&server) else {
        return Err(ChangeError::NotThere(server));
    };
    if others.is_empty() {
        return Err(ChangeError::LastServer(server));
    }
    let servers: Vec<ServerId> = others.keys().copied().collect();
    let ring = Ring::new(&servers);
    let mut parts = Parts::after_growth(others, count);
    let homes = slots().map(|slot| match map.home(slot) {
        home if home == server => parts.deal(&ring, slot),
        home => home,
    });
    Ok(SlotMap::new(version, homes.collect()))
}

fn slots() -> impl Iterator<Item = Slot> {
    (0..SLOTS).map(|index| Slot::new(index).expect("index is below SLOTS"))
}

/// Slots by server.
type Counts = BTreeMap<ServerId, usize>;

fn owned(map: &SlotMap) -> Counts {
    let mut owned = Counts::new();
    for slot in slots() {
        *owned.entry(map.home(slot)).or_insert(0) += 1;
    }
    owned
}

/// What servers own, and what makes it as even as it can become.
struct Parts {
    owned: Counts,
    /// What everyone may own.
    level: usize,
    /// How many servers may own one more than that, or less.
    spare: usize,
}

impl Parts {
    /// When those who own fewest get `count` slots more.
    fn after_growth(owned: Counts, count: usize) -> Self {
        let below =
            |level: usize| -> usize { owned.values().map(|own| level.saturating_sub(*own)).sum() };
        let fits = |level: &usize| below(*level) <= count;
        let level = (1..=SLOTS).take_while(fits).last().unwrap_or(0);
        let spare = count - below(level);
        Self { owned, level, spare }
    }

    /// When those who own most give `count` slots.
    fn after_gifts(owned: Counts, count: usize) -> Self {
        let above =
            |level: usize| -> usize { owned.values().map(|own| own.saturating_sub(level)).sum() };
        let fits = |level: &usize| above(*level) <= count;
        let level = (0..SLOTS).rev().take_while(fits).last().unwrap_or(SLOTS);
        let spare = count - above(level);
        Self { owned, level, spare }
    }

    /// The first server clockwise of `slot` that may own one more, and does so from now on.
    fn deal(&mut self, ring: &Ring, slot: Slot) -> ServerId {
        let home = ring.walk(slot).find(|server| self.give(*server));
        home.expect("as many slots may be given as there are")
    }

    fn give(&mut self, server: ServerId) -> bool {
        let own = self.owned.get_mut(&server).expect("the ring has these servers alone");
        let is_spare = *own == self.level && self.spare > 0;
        let may_grow = *own < self.level || is_spare;
        *own += usize::from(may_grow);
        self.spare -= usize::from(is_spare);
        may_grow
    }

    fn take(&mut self, server: ServerId) -> bool {
        let own = self.owned.get_mut(&server).expect("whoever is a home owns something");
        let is_spare = *own == self.level && self.spare > 0;
        let may_shrink = *own > self.level || is_spare;
        *own -= usize::from(may_shrink);
        self.spare -= usize::from(is_spare);
        may_shrink
    }
}
