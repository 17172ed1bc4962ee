//! The slot map: which server is the home of each slot. Computed by the router's ring, changed
//! only by an operator's command, and the same bytes on every server.
//!
//! A change of a slot's home raises the slot's epoch by one. Its first home, the one under epoch 0,
//! stays written: it holds the slot until another server says that it has taken it.

mod layout;
mod signed;

use crate::id::{LogId, ServerId, Slot, StoreId};
use crate::limits::{SERVERS_MAX, SLOTS};

pub use signed::{MAP_DOMAIN, MapError, MapFile, MapHash, SignedMap};

/// The versioned table slot → home server. The highest version wins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlotMap {
    version: u32,
    previous: MapHash,
    members: Vec<Member>,
    places: Vec<Place>,
}

/// A server of the map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member {
    /// Which.
    pub server: ServerId,
    /// The store that it must have; `None`: the map does not say.
    pub store: Option<StoreId>,
    /// The version of the map in which the operator accepted another store for it; 0 = never. What
    /// others remember of its store from before does not count.
    pub accepted: u32,
}

/// What the map says of a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    home: ServerId,
    /// Rises by one with each change of the home.
    epoch: u32,
    /// The home under epoch 0.
    first: ServerId,
}

impl SlotMap {
    /// The first map of a cluster, from `homes`, one for each slot.
    ///
    /// # Panics
    /// When there are not exactly [`SLOTS`] homes, or more than [`SERVERS_MAX`] servers.
    #[must_use]
    pub fn new(version: u32, homes: Vec<ServerId>) -> Self {
        assert_eq!(homes.len(), SLOTS, "a map gives every slot a home");
        let servers = distinct(homes.clone());
        assert!(servers.len() <= SERVERS_MAX, "a map has at most {SERVERS_MAX} servers");
        let member = |server| Member { server, store: None, accepted: 0 };
        let place = |home| Place { home, epoch: 0, first: home };
        Self {
            version,
            previous: MapHash::NONE,
            members: servers.into_iter().map(member).collect(),
            places: homes.into_iter().map(place).collect(),
        }
    }

    /// Rises by one with each change of the map.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The hash of the signed map that this one was made from.
    #[must_use]
    pub fn previous(&self) -> MapHash {
        self.previous
    }

    /// The server that owns `slot`.
    #[must_use]
    pub fn home(&self, slot: Slot) -> ServerId {
        self.places[slot.index()].home
    }

    /// The server that owns `log`.
    #[must_use]
    pub fn home_of(&self, log: &LogId) -> ServerId {
        self.home(Slot::of(log))
    }

    /// The server that owned `slot` in the cluster's first map. It holds the slot's data until a
    /// server says that it has taken them, whatever the map says meanwhile.
    #[must_use]
    pub fn first_home(&self, slot: Slot) -> ServerId {
        self.places[slot.index()].first
    }

    /// How often the slot's home has changed.
    #[must_use]
    pub fn slot_epoch(&self, slot: Slot) -> u32 {
        self.places[slot.index()].epoch
    }

    /// The servers that the map lists, in order. One that came newly, or leaves, may own no slot.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerId> {
        self.members.iter().map(|member| member.server).collect()
    }

    /// The servers that own at least one slot, in order.
    #[must_use]
    pub fn owners(&self) -> Vec<ServerId> {
        distinct(self.places.iter().map(|place| place.home).collect())
    }

    /// The servers that the map lists, in order, with what it says of them.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What the map says of `server`, if it lists it.
    #[must_use]
    pub fn member(&self, server: ServerId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&server, |member| member.server);
        at.ok().map(|at| &self.members[at])
    }

    /// The store that `server` must have, if the map names one.
    #[must_use]
    pub fn store_of(&self, server: ServerId) -> Option<StoreId> {
        self.member(server).and_then(|member| member.store)
    }

    /// The version in which the operator last accepted a store for `server`; 0 = never.
    #[must_use]
    pub fn accepted(&self, server: ServerId) -> u32 {
        self.member(server).map_or(0, |member| member.accepted)
    }

    /// The servers that the map lists, and those that may still hold a slot though it does not:
    /// first homes, in order.
    #[must_use]
    pub fn known(&self) -> Vec<ServerId> {
        let first = self.places.iter().map(|place| place.first);
        distinct(self.members.iter().map(|member| member.server).chain(first).collect())
    }

    /// Whether a slot was `server`'s in the cluster's first map: whoever has this number holds
    /// such slots until they have moved, and a server that comes newly must have another.
    #[must_use]
    pub fn is_first_home(&self, server: ServerId) -> bool {
        self.places.iter().any(|place| place.first == server)
    }

    /// The next version, in which the slots have these homes. The epoch of each that has another
    /// than before rises by one.
    ///
    /// # Panics
    /// When there are not exactly [`SLOTS`] homes, all of them listed, or versions are spent.
    #[must_use]
    pub fn with_homes(&self, homes: &[ServerId]) -> Self {
        let mut next = self.next();
        next.settle(homes);
        next
    }

    /// The next version, which lists `server` too, and in which the slots have these homes.
    ///
    /// # Panics
    /// When it is listed, [`SERVERS_MAX`] others are, or like [`Self::with_homes`].
    #[must_use]
    pub fn with_server(&self, server: ServerId, homes: &[ServerId]) -> Self {
        assert!(self.members.len() < SERVERS_MAX, "the map is full");
        assert!(self.member(server).is_none(), "{server} is listed already");
        let mut next = self.next();
        let at = self.members.partition_point(|member| member.server < server);
        next.members.insert(at, Member { server, store: None, accepted: 0 });
        next.settle(homes);
        next
    }

    /// The next version, which does not list `server`.
    ///
    /// # Panics
    /// When it owns a slot.
    #[must_use]
    pub fn without_server(&self, server: ServerId) -> Self {
        assert!(!self.owners().contains(&server), "{server} owns slots");
        let mut next = self.next();
        next.members.retain(|member| member.server != server);
        next
    }

    /// The next version, in which `server` has this store, and no other that was known before.
    ///
    /// # Panics
    /// When the map does not list it.
    #[must_use]
    pub fn with_store(&self, server: ServerId, store: Option<StoreId>) -> Self {
        let mut next = self.next();
        let accepted = next.version;
        let member = next.members.iter_mut().find(|member| member.server == server);
        *member.expect("only a listed server gets a store") = Member { server, store, accepted };
        next
    }

    fn settle(&mut self, homes: &[ServerId]) {
        assert_eq!(homes.len(), SLOTS, "a map gives every slot a home");
        for home in distinct(homes.to_vec()) {
            assert!(self.member(home).is_some(), "{home} is not listed");
        }
        for (place, home) in self.places.iter_mut().zip(homes) {
            place.epoch += u32::from(place.home != *home);
            place.home = *home;
        }
    }

    fn next(&self) -> Self {
        let version = self.version.checked_add(1).expect("fewer than 2^32 changes of a map");
        Self { version, ..self.clone() }
    }
}

/// Each once, in order.
fn distinct(mut servers: Vec<ServerId>) -> Vec<ServerId> {
    servers.sort_unstable();
    servers.dedup();
    servers
}
