//! Who holds the data of each slot, and so serves it.
//!
//! That need not be the slot's home by the map: data stay where they are until they have moved.

use std::sync::Arc;

use wire::{LogId, ServerId, Slot, SlotMap};

/// The holder of each slot.
#[derive(Debug)]
pub(super) struct Holders {
    map: Arc<SlotMap>,
}

impl Holders {
    pub(super) fn new(map: Arc<SlotMap>) -> Self {
        Self { map }
    }

    /// Another map is in force. Nobody holds anything else for that.
    pub(super) fn set_map(&mut self, map: Arc<SlotMap>) {
        self.map = map;
    }

    /// Everyone whose link is needed: the servers that the map lists, and those that hold something
    /// though it lists them no more.
    pub(super) fn linked(&self) -> Vec<ServerId> {
        self.map.known()
    }

    /// The server that holds `log`: its slot's first home, which keeps what it has whatever a later
    /// map says.
    pub(super) fn of(&self, log: &LogId) -> ServerId {
        self.map.first_home(Slot::of(log))
    }
}
