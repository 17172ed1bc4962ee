//! Slots that this home does not have: nothing of theirs is loaded, and what still comes for them
//! is passed over. Whoever sent it hears from the slot's holder, see `core/slots`.

use std::collections::BTreeSet;

use wire::{LogId, ServerId, Slot};

use super::Logs;
use super::home::Home;
use super::state::Log;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slots {
    away: BTreeSet<Slot>,
    /// Logs in memory of a slot that was closed, as long as they are.
    leaving: Vec<LogId>,
}

impl Slots {
    pub(super) fn is_here(&self, log: &LogId) -> bool {
        self.away.is_empty() || !self.away.contains(&Slot::of(log))
    }
}

impl Logs {
    /// Nothing comes to the logs of a slot any more, from any of these servers. Those in memory
    /// leave it when all of them is on disk.
    pub fn close_slot(&mut self, slot: Slot, servers: &[ServerId]) {
        self.slots.away.insert(slot);
        self.slots.leaving.retain(|id| self.logs.find(id).is_some());
        let of_slot = self.logs.ids().filter(|(id, _)| Slot::of(id) == slot);
        let found: Vec<(LogId, usize)> = of_slot.collect();
        for (id, key) in found {
            self.slots.leaving.push(id);
            self.logs.wake(key).leave(servers, &mut self.home);
            self.rest(key);
        }
    }

    /// Whether nothing of the slots that were closed is in memory.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.slots.leaving.iter().all(|id| self.logs.find(id).is_none())
    }

    /// The logs of a slot are this home's, from now on or again.
    pub fn open_slot(&mut self, slot: Slot) {
        self.slots.away.remove(&slot);
        let leaving = std::mem::take(&mut self.slots.leaving);
        for id in leaving {
            if Slot::of(&id) != slot {
                self.slots.leaving.push(id);
            } else if let Some(key) = self.logs.find(&id) {
                self.logs.wake(key).is_leaving = false;
                self.rest(key);
            }
        }
    }

    /// From now on, or as soon as that may be, seqs are above those of this store epoch: logs come
    /// here that have them. [`Logs::is_above`] says when.
    ///
    /// # Panics
    /// When there is no higher one.
    pub fn outgrow(&mut self, store_epoch: u32) {
        self.home.outgrow(store_epoch);
    }

    /// Whether every seq that is given from now on is above those of this store epoch.
    #[must_use]
    pub fn is_above(&self, store_epoch: u32) -> bool {
        self.home.is_above(store_epoch)
    }

    /// The epoch of the seqs that are being given.
    #[must_use]
    pub fn store_epoch(&self) -> u32 {
        self.home.last_seq().store_epoch()
    }
}

impl Log {
    /// Forgets everybody at `servers`.
    fn leave(&mut self, servers: &[ServerId], home: &mut Home) {
        self.is_leaving = true;
        for server in servers {
            self.forget_server(*server, home);
        }
    }
}
