//! Who holds the data of each slot, and so serves it.
//!
//! That need not be the slot's home by the map: data stay where they are until they have moved. The
//! first home of a slot holds it; of servers that say otherwise the one with the highest epoch is
//! right. That a slot is served only its holder says.

use std::collections::BTreeSet;
use std::sync::Arc;

use wire::limits::SLOTS;
use wire::message::SlotClaim;
use wire::{LogId, ServerId, Slot, SlotMap};

/// The holder of each slot.
#[derive(Debug)]
pub(super) struct Holders {
    me: ServerId,
    map: Arc<SlotMap>,
    slots: Vec<Holder>,
}

/// Who holds a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Holder {
    pub(super) server: ServerId,
    pub(super) epoch: u32,
    pub(super) serves: bool,
}

/// What a claim changes for those who use a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    None,
    /// Nobody serves it any more, or another server than before.
    Lost,
    /// It is served where it was not.
    Up,
}

impl Holders {
    pub(super) fn new(me: ServerId, map: Arc<SlotMap>) -> Self {
        let slots = (0..SLOTS).filter_map(Slot::new);
        let first = |slot| Holder { server: map.first_home(slot), epoch: 0, serves: true };
        let slots = slots.map(first).collect();
        Self { me, map, slots }
    }

    /// The map in force.
    pub(super) fn map(&self) -> &Arc<SlotMap> {
        &self.map
    }

    /// Another map: it changes nobody's data.
    pub(super) fn set_map(&mut self, map: Arc<SlotMap>) {
        self.map = map;
    }

    /// Everyone whose link is needed: the servers that the map lists, and those that hold something
    /// though it lists them no more.
    pub(super) fn linked(&self) -> Vec<ServerId> {
        let mut servers = self.map.known();
        servers.extend(self.slots.iter().map(|holder| holder.server));
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// Who holds a slot.
    pub(super) fn get(&self, slot: Slot) -> Holder {
        self.slots[slot.index()]
    }

    /// The server that holds `log`.
    pub(super) fn of(&self, log: &LogId) -> ServerId {
        self.get(Slot::of(log)).server
    }

    /// The server that holds `log`, if it serves it.
    pub(super) fn serving(&self, log: &LogId) -> Option<ServerId> {
        let holder = self.get(Slot::of(log));
        holder.serves.then_some(holder.server)
    }

    /// Whether this server holds `log` and serves it.
    pub(super) fn is_mine(&self, log: &LogId) -> bool {
        self.serving(log) == Some(self.me)
    }

    /// Whether a slot is served by whom it was served in the beginning, and nobody ever said
    /// otherwise: who thinks else has another map.
    pub(super) fn is_unmoved(&self, log: &LogId) -> bool {
        let holder = self.get(Slot::of(log));
        holder.epoch == 0 && holder.serves
    }

    /// Slots that this server holds, and how many of them the map gives to others. One that stands
    /// still is here until it has moved.
    pub(super) fn count(&self) -> (usize, usize) {
        let is_here = |slot: &Slot| self.get(*slot).server == self.me;
        let here: Vec<Slot> = Slot::all().filter(is_here).collect();
        let leaving = here.iter().filter(|slot| self.map.home(**slot) != self.me).count();
        (here.len(), leaving)
    }

    /// Slots that `server` holds and does not serve.
    pub(super) fn held_back_by(&self, server: ServerId) -> Vec<(Slot, Holder)> {
        let slots = self.slots.iter().enumerate();
        let back = slots.filter(|(_, holder)| holder.server == server && !holder.serves);
        back.filter_map(|(index, holder)| Some((Slot::new(index)?, *holder))).collect()
    }

    /// A server says something of a slot.
    pub(super) fn apply(&mut self, from: ServerId, claim: &SlotClaim) -> Change {
        let holder = &mut self.slots[claim.slot.index()];
        let before = *holder;
        let serves = claim.serves && claim.holder == from;
        if claim.epoch > before.epoch {
            *holder = Holder { server: claim.holder, epoch: claim.epoch, serves };
        } else if claim.epoch == before.epoch && before.server == from && claim.holder == from {
            holder.serves = claim.serves;
        }
        match (before.serves, holder.serves) {
            (true, false) => Change::Lost,
            (false, true) => Change::Up,
            (true, true) if before.server != holder.server => Change::Up,
            _ => Change::None,
        }
    }

    /// A server has said all that it has to say: slots of which it is the first holder, and of
    /// which it said nothing, it serves.
    pub(super) fn fill(&mut self, from: ServerId, claims: &[SlotClaim]) -> BTreeSet<Slot> {
        let said: BTreeSet<Slot> = claims.iter().map(|claim| claim.slot).collect();
        let mut up = BTreeSet::new();
        for (index, holder) in self.slots.iter_mut().enumerate() {
            let is_first = (holder.server, holder.epoch) == (from, 0);
            if is_first
                && !holder.serves
                && let Some(slot) = Slot::new(index).filter(|slot| !said.contains(slot))
            {
                holder.serves = true;
                up.insert(slot);
            }
        }
        up
    }
}
