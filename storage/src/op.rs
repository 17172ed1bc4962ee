//! Operations on a store, and what becomes of them.

use wire::StoreId;

use crate::change::Batch;
use crate::error::StorageError;
use crate::read::{Answer, Read};
use crate::slot::SlotRow;

/// The submitter's name for an operation; strictly rising over all operations of one engine.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// An operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Op {
    /// Writes a batch and syncs it. Answered by [`Completion::Committed`].
    Commit {
        /// Comes back in the completion.
        ticket: Ticket,
        /// What is written.
        batch: Batch,
    },
    /// Reads. Answered by [`Completion::Answered`].
    Read {
        /// Comes back in the completion.
        ticket: Ticket,
        /// What is read.
        read: Read,
    },
}

/// What became of an operation. Commits complete in order, and so do reads; a commit and a read
/// may overtake each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Completion {
    /// The batch's sync returned.
    Committed {
        /// From the operation.
        ticket: Ticket,
        /// What it wrote of the slots that it watched, in order.
        writes: Vec<SlotRow>,
    },
    /// The read is done.
    Answered {
        /// From the operation.
        ticket: Ticket,
        /// What was read.
        answer: Answer,
    },
    /// The store failed. Nothing follows; every operation in flight may have happened or not.
    Poisoned {
        /// Why.
        cause: StorageError,
    },
}

/// Who the store is, after it was opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The store's identity since it was made.
    pub store: StoreId,
    /// Raised by this opening, and synced: no seq of this epoch exists. 1 … 2^24 − 1.
    pub store_epoch: u32,
}
