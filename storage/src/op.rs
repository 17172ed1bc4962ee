//! What is asked of a store, and what it answers.

use bytes::Bytes;
use wire::message::Entry;
use wire::{LogId, Name, Origin, Seq, StoreId};

use crate::error::StorageError;
use crate::record::{AccountRecord, RowRecord, SessionRecord};

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

/// Changes that become durable together or not at all, in this order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Batch {
    /// The changes. None is allowed too: a sync without news.
    pub changes: Vec<Change>,
}

/// One change. The core's state is the truth for its conditions; the engine checks them again and
/// fails for good when one does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Creates an account; none of this name exists.
    CreateAccount {
        /// The account.
        name: Name,
        /// What is kept for it.
        account: AccountRecord,
    },
    /// Replaces an account's session record.
    PutSession {
        /// The account.
        name: Name,
        /// The whole new record.
        session: SessionRecord,
    },
    /// Adds a link to an account's key log; this version does not exist.
    AddBundle {
        /// The account.
        name: Name,
        /// 1, 2, 3 …
        version: u32,
        /// The signed bundle; at most `BUNDLE_LEN_MAX` bytes.
        bundle: Bytes,
    },
    /// Appends an entry; its seq is above everything in the log.
    Append {
        /// The log.
        log: LogId,
        /// The entry.
        entry: Entry,
    },
    /// Replaces the row of a sender's origin.
    PutRow {
        /// The log.
        log: LogId,
        /// Whose posts.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// The whole new row.
        row: RowRecord,
    },
    /// Replaces a reader's cursor.
    PutCursor {
        /// The log.
        log: LogId,
        /// Who reads.
        reader: Name,
        /// The last entry the reader holds durably.
        cursor: Seq,
    },
    /// Deletes the log's entries up to and including `upto`. Rows and cursors stay.
    Truncate {
        /// The log.
        log: LogId,
        /// The last entry that goes.
        upto: Seq,
    },
}

/// A question to the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Read {
    /// An account with its session record.
    Account {
        /// The account.
        name: Name,
    },
    /// Links of an account's key log, in order.
    Bundles {
        /// The account.
        name: Name,
        /// Versions above this.
        after: u32,
    },
    /// The row of a sender's origin.
    Row {
        /// The log.
        log: LogId,
        /// Whose posts.
        sender: Name,
        /// From which installation.
        origin: Origin,
    },
    /// A log's cursors, and its entries without their bodies.
    Log {
        /// The log.
        log: LogId,
    },
    /// Entries in order.
    Range {
        /// The log.
        log: LogId,
        /// Entries with a seq above this.
        after: Seq,
        /// At most so many entries; at least 1.
        entries_max: usize,
        /// Stops before the bodies exceed so many bytes in all, but not before one entry.
        bytes_max: usize,
    },
}

/// What a log holds at one place, without the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IndexEntry {
    /// The entry's seq.
    pub seq: Seq,
    /// Who posted it.
    pub sender: Name,
    /// Bytes of its body.
    pub len: u32,
}

/// The answer to a [`Read`], variant for variant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The account and its session record, each if there is one.
    Account(Option<AccountRecord>, Option<SessionRecord>),
    /// The key log's next links.
    Bundles {
        /// At most `BUNDLES_MAX`, in order of version.
        bundles: Vec<Bytes>,
        /// No link follows the last of these.
        complete: bool,
    },
    /// The row, if there is one.
    Row(Option<RowRecord>),
    /// What a home needs to hold a log in memory.
    Log {
        /// Every reader's cursor, by name.
        cursors: Vec<(Name, Seq)>,
        /// Every entry, in order.
        index: Vec<IndexEntry>,
    },
    /// Entries in order.
    Range {
        /// The entries.
        entries: Vec<Entry>,
        /// Nothing above the question's `after` and up to this is missing: the last entry's seq,
        /// or `after` when there is none.
        upto: Seq,
        /// The log held entries above `upto` when it was read.
        more: bool,
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
