//! Which server is the home of each slot: in a new map, and after a server came or went.
//!
//! Every server owns its even part of the slots, one more or less. A map is computed by the ring
//! once; later ones are made from the one before, so that a change moves no slot but those that
//! the newcomer gets or the leaver gives.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use thiserror::Error;
use wire::limits::{SERVERS_MAX, SLOTS};
use wire::{ServerId, Slot, SlotMap};

use crate::core::ring::Ring;

/// Why a map cannot be changed so.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ChangeError {
    /// The server that should come owns slots already.
    #[error("{0} is in the map already; name another server, or remove it first")]
    AlreadyThere(ServerId),
    /// The number of the server that should come was that of one that made the cluster up.
    #[error("{0} was a server of this cluster once; give the new one a number never used before")]
    Former(ServerId),
    /// The server is not in the map.
    #[error("{0} is not in the map; name one that is")]
    NotThere(ServerId),
    /// The server that should go is the only one.
    #[error("{0} is the only server of the map; add another before it goes")]
    LastServer(ServerId),
    /// The server that should give its slots away has none.
    #[error("{0} owns no slot of the map")]
    OwnsNothing(ServerId),
    /// The slots have this home.
    #[error("{0} owns these slots already")]
    NothingMoves(ServerId),
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
    SlotMap::new(version, Slot::all().map(|slot| parts.deal(&ring, slot)).collect())
}

/// The map after `map` in which `server` owns its even part: of those who own more than theirs,
/// the slots on whose walk of the new ring `server` comes soonest. No other slot moves. A server
/// that is listed and owns nothing comes like a new one.
///
/// # Errors
/// [`ChangeError`].
pub fn add_server(map: &SlotMap, server: ServerId) -> Result<SlotMap, ChangeError> {
    let mut owners = map.owners();
    if owners.contains(&server) {
        return Err(ChangeError::AlreadyThere(server));
    }
    let is_listed = map.member(server).is_some();
    if !is_listed && map.is_first_home(server) {
        return Err(ChangeError::Former(server));
    }
    if !is_listed && map.servers().len() >= SERVERS_MAX {
        return Err(ChangeError::Full);
    }
    owners.push(server);
    let homes = homes_with(map, server, &owners);
    match is_listed {
        true => Ok(map.with_homes(&homes)),
        false => Ok(map.with_server(server, &homes)),
    }
}

/// The homes when `server` is one of the `owners`, and those of `map` are the others.
fn homes_with(map: &SlotMap, server: ServerId, owners: &[ServerId]) -> Vec<ServerId> {
    let ring = Ring::new(owners);
    let mut parts = Parts::after_gifts(owned(map), SLOTS / owners.len());
    let mut homes: Vec<ServerId> = Slot::all().map(|slot| map.home(slot)).collect();
    let distance = |slot: &Slot| ring.walk(*slot).position(|found| found == server);
    let mut nearest: Vec<Slot> = Slot::all().collect();
    nearest.sort_by_cached_key(distance);
    for slot in nearest {
        let home = &mut homes[slot.index()];
        if parts.take(*home) {
            *home = server;
        }
    }
    homes
}

/// The map after `map` in which `server` owns nothing: each of its slots goes to the first server
/// clockwise that has not yet its even part. No other slot moves. The server stays listed: it holds
/// its slots until they have moved, and goes from the list with [`forget_server`].
///
/// # Errors
/// [`ChangeError`].
pub fn remove_server(map: &SlotMap, server: ServerId) -> Result<SlotMap, ChangeError> {
    let mut others = owned(map);
    let Some(count) = others.remove(&server) else {
        return Err(match map.member(server) {
            Some(_) => ChangeError::OwnsNothing(server),
            None => ChangeError::NotThere(server),
        });
    };
    if others.is_empty() {
        return Err(ChangeError::LastServer(server));
    }
    let servers: Vec<ServerId> = others.keys().copied().collect();
    let ring = Ring::new(&servers);
    let mut parts = Parts::after_growth(others, count);
    let homes = Slot::all().map(|slot| match map.home(slot) {
        home if home == server => parts.deal(&ring, slot),
        home => home,
    });
    Ok(map.with_homes(&homes.collect::<Vec<ServerId>>()))
}

/// The map after `map` that does not list `server`, which owns nothing of it.
///
/// # Errors
/// [`ChangeError`].
pub fn forget_server(map: &SlotMap, server: ServerId) -> Result<SlotMap, ChangeError> {
    if map.member(server).is_none() {
        return Err(ChangeError::NotThere(server));
    }
    if map.owners().contains(&server) {
        return Err(ChangeError::AlreadyThere(server));
    }
    Ok(map.without_server(server))
}

/// The map after `map` in which `server` owns these slots too. A server that would own nothing any
/// more stays listed.
///
/// # Errors
/// [`ChangeError`].
pub fn move_slots(
    map: &SlotMap,
    moved: RangeInclusive<Slot>,
    server: ServerId,
) -> Result<SlotMap, ChangeError> {
    if map.member(server).is_none() {
        return Err(ChangeError::NotThere(server));
    }
    let home = |slot| if moved.contains(&slot) { server } else { map.home(slot) };
    let homes: Vec<ServerId> = Slot::all().map(home).collect();
    match Slot::all().all(|slot| homes[slot.index()] == map.home(slot)) {
        true => Err(ChangeError::NothingMoves(server)),
        false => Ok(map.with_homes(&homes)),
    }
}

/// Slots by server.
type Counts = BTreeMap<ServerId, usize>;

fn owned(map: &SlotMap) -> Counts {
    let mut owned = Counts::new();
    for slot in Slot::all() {
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
