//! Which opening of which store a process works on, and which of two processes holds.

use bytes::BytesMut;

use crate::field::Field;
use crate::id::{ProcessId, StoreId};
use crate::reader::{DecodeError, Reader};

/// A process and what it has opened. Every opening of a store raises its epoch durably before
/// anything is said, so no two processes show the same epoch of the same store unless one of them
/// works on a copy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opening {
    /// Which store.
    pub store: StoreId,
    /// Its epoch, as the process opened it.
    pub epoch: u32,
    /// Which process.
    pub process: ProcessId,
}

impl Opening {
    /// Whether a process that shows this may take the place of one that showed `last`: it is the
    /// same process, or it has opened the same store later.
    #[must_use]
    pub fn may_follow(&self, last: &Self) -> bool {
        self.store == last.store
            && (self.epoch > last.epoch
                || (self.epoch == last.epoch && self.process == last.process))
    }
}

/// Layout: store, epoch, process.
impl Field for Opening {
    fn put(&self, out: &mut BytesMut) {
        self.store.put(out);
        self.epoch.put(out);
        self.process.put(out);
    }

    fn get(reader: &mut Reader, _field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self {
            store: Field::get(reader, "store")?,
            epoch: Field::get(reader, "epoch")?,
            process: Field::get(reader, "process")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Opening;
    use crate::id::{ProcessId, StoreId};

    #[test]
    fn only_a_later_opening_of_the_same_store_follows_another_process() {
        let opening = |store, epoch, process| Opening {
            store: StoreId([store; 16]),
            epoch,
            process: ProcessId([process; 16]),
        };
        let last = opening(1, 5, 1);
        assert!(last.may_follow(&last), "it connects again");
        assert!(opening(1, 6, 2).may_follow(&last), "it was started again");
        assert!(opening(1, 5 + 4_096, 2).may_follow(&last), "it was restored");
        assert!(!opening(1, 5, 2).may_follow(&last), "a copy, opened as often");
        assert!(!opening(1, 4, 2).may_follow(&last), "an older process");
        assert!(!opening(1, 4, 1).may_follow(&last), "an epoch never falls");
        assert!(!opening(2, 6, 2).may_follow(&last), "another store");
    }
}
