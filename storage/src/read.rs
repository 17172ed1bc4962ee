//! What a store is asked, and what it answers.

use bytes::Bytes;
use wire::message::Entry;
use wire::{BlobId, LogId, MessageSession, Name, Origin, Seq, Slot, Wall};

use crate::record::{
    AccountRecord, BlobRecord, CursorRecord, GroupRecord, RowRecord, SessionRecord, StoredGrant,
};
use crate::slot::{SlotDigest, SlotPlace, SlotRow};

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
    /// The row of a sender's origin, and what the sender has of grants.
    Row {
        /// The log.
        log: LogId,
        /// Whose posts.
        sender: Name,
        /// From which installation.
        origin: Origin,
    },
    /// Rows of every log, in the order of their keys.
    RowsAfter {
        /// Those behind this one; `None` = from the first.
        after: Option<(LogId, Name, Origin)>,
        /// At most so many; at least 1.
        max: usize,
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
    /// What is kept for a group.
    Group {
        /// The group's name.
        group: Name,
    },
    /// Statements of a group's roster, in order.
    Statements {
        /// The group's name.
        group: Name,
        /// Versions above this.
        after: u32,
    },
    /// A reader's grant, with the announcement of its part.
    Grant {
        /// The log.
        log: LogId,
        /// Whose message session.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// Which message session.
        message_session: MessageSession,
        /// Who reads.
        reader: Name,
    },
    /// A log's copy of an account's key log.
    KeyLog {
        /// The log.
        log: LogId,
        /// Whose keys.
        account: Name,
    },
    /// The groups that an account has noted.
    Notes {
        /// The account.
        account: Name,
    },
    /// The record of a blob.
    Blob {
        /// Who uploaded it.
        uploader: Name,
        /// Its name.
        blob: BlobId,
    },
    /// The records of an account's blobs.
    Blobs {
        /// Who uploaded them.
        uploader: Name,
    },
    /// Records of blobs of every account, in the order of their keys.
    BlobsAfter {
        /// Those behind this one; `None` = from the first.
        after: Option<(Name, BlobId)>,
        /// At most so many; at least 1.
        max: usize,
    },
    /// One chunk of a blob.
    Chunk {
        /// Who uploaded it.
        uploader: Name,
        /// The blob's name.
        blob: BlobId,
        /// 0, 1, 2 …
        index: u32,
    },
    /// Rows of a slot, in the order of [`SlotPlace`].
    Slot {
        /// The slot.
        slot: Slot,
        /// Those behind this place; `None` = from the first.
        after: Option<SlotPlace>,
        /// Stops before the rows exceed so many bytes, but not before one row.
        len_max: usize,
    },
    /// What the rows of a slot add up to, some of them at a time.
    SlotDigest {
        /// The slot.
        slot: Slot,
        /// Those behind this place; `None` = from the first.
        after: Option<SlotPlace>,
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
    /// When its home took it.
    pub at: Wall,
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
    /// A row.
    Row {
        /// The row, if there is one.
        row: Option<RowRecord>,
        /// Bytes of grants that the sender has in the log, from all its origins.
        grants_len: u64,
    },
    /// In the order of their keys. Fewer than asked for: there are no more.
    RowsAfter(Vec<(LogId, Name, Origin, RowRecord)>),
    /// What a home needs to hold a log in memory.
    Log {
        /// Every reader's cursor, by name.
        cursors: Vec<(Name, CursorRecord)>,
        /// Every entry, in order.
        index: Vec<IndexEntry>,
        /// Whom the owner has answered, if it is a mailbox.
        answered: Vec<Name>,
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
    /// What is kept for the group, if there is one.
    Group(Option<GroupRecord>),
    /// The roster's next statements.
    Statements {
        /// At most `STATEMENTS_MAX`, in order of version.
        statements: Vec<Bytes>,
        /// No statement follows the last of these.
        complete: bool,
    },
    /// The announcement of the grant's part, and the grant; `None` when either is not there.
    Grant(Option<(Bytes, StoredGrant)>),
    /// The bundles, oldest first; empty when there is no copy.
    KeyLog(Vec<Bytes>),
    /// The groups by name. At most `GROUPS_MAX`.
    Notes(Vec<Name>),
    /// The blob's record, if there is one.
    Blob(Option<BlobRecord>),
    /// At most `BLOBS_MAX`, in the order of their names.
    Blobs(Vec<(BlobId, BlobRecord)>),
    /// In the order of their keys. Fewer than asked for: there are no more.
    BlobsAfter(Vec<(Name, BlobId, BlobRecord)>),
    /// The chunk, if it is there.
    Chunk(Option<Bytes>),
    /// Rows of a slot. None of them, and a place: there was much else to look through.
    Slot {
        /// The rows.
        rows: Vec<SlotRow>,
        /// Where the next begin; `None`: there are no more.
        next: Option<SlotPlace>,
    },
    /// What some rows of a slot add up to.
    SlotDigest {
        /// The sum; chunks and the bodies of groups' entries are not in it, but all that counts
        /// them is.
        digest: SlotDigest,
        /// Where the next begin; `None`: there are no more.
        next: Option<SlotPlace>,
    },
}
