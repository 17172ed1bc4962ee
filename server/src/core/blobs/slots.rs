//! Blobs of slots that this home does not have: nothing of theirs is read to be changed, and none
//! expires here.

use std::collections::BTreeSet;

use wire::{LogId, Name, Slot};

use super::Blobs;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slots {
    away: BTreeSet<Slot>,
    /// Accounts of slots that were closed, as long as they are in memory.
    leaving: Vec<Name>,
}

impl Slots {
    pub(super) fn is_here(&self, account: &Name) -> bool {
        self.away.is_empty() || !self.away.contains(&slot_of(account))
    }
}

impl Blobs {
    /// Nothing comes to the accounts of a slot any more; nobody waits for them.
    pub(in super::super) fn close_slot(&mut self, slot: Slot) {
        self.slots.away.insert(slot);
        let waiting = self.loading.keys().filter(|name| slot_of(name) == slot).copied();
        for account in waiting.collect::<Vec<_>>() {
            self.refuse_waiting(&account);
            // Its records are being read, or will be.
            self.loading.entry(account).or_default();
        }
        self.slots.leaving.extend(self.uploaders.find(|name| slot_of(name) == slot));
    }

    /// Whether nothing of slots that were closed is in memory.
    pub(in super::super) fn is_closed(&mut self) -> bool {
        let uploaders = &mut self.uploaders;
        self.slots.leaving.retain(|account| !uploaders.forget(account));
        self.slots.leaving.is_empty()
    }

    /// The blobs of a slot are this home's, from now on or again.
    pub(in super::super) fn open_slot(&mut self, slot: Slot) {
        self.slots.away.remove(&slot);
        self.slots.leaving.retain(|account| slot_of(account) != slot);
    }

    /// Forgets who waits for an account's records.
    pub(super) fn refuse_waiting(&mut self, account: &Name) {
        for asked in self.loading.remove(account).unwrap_or_default() {
            self.waiting -= 1;
            self.pending_len -= asked.wish.chunk_len();
        }
    }
}

fn slot_of(account: &Name) -> Slot {
    Slot::of(&LogId::mailbox(*account))
}
