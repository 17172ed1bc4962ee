//! What a store is told: changes in batches.

use bytes::Bytes;
use wire::message::Entry;
use wire::{BlobId, LogId, MessageSession, Name, Origin, Seq, Slot};

use crate::record::{
    AccountRecord, BlobRecord, CursorRecord, GroupRecord, RowRecord, SessionRecord, StoredGrant,
};
use crate::slot::{SlotRecord, SlotRow};

/// Changes that become durable together or not at all, in this order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Batch {
    /// The changes. None is allowed too: a sync without news.
    pub changes: Vec<Change>,
    /// Slots whose rows, as this batch writes or deletes them, come with its completion.
    pub watched: Vec<Slot>,
}

impl Batch {
    /// These changes; no slot is watched.
    #[must_use]
    pub fn of(changes: Vec<Change>) -> Self {
        Self { changes, watched: Vec::new() }
    }
}

/// One change. The core's state is the truth for its conditions; the engine checks them again and
/// fails for good when one does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Raises the store's epoch: its seqs may be given out once this is durable.
    RaiseEpoch {
        /// The new epoch, above the store's.
        store_epoch: u32,
    },
    /// Replaces the map that the store keeps.
    PutMap {
        /// The signed map.
        map: Bytes,
    },
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
        /// How far the reader is.
        cursor: CursorRecord,
    },
    /// Deletes a reader's cursor, if there is one.
    DropCursor {
        /// The log.
        log: LogId,
        /// Who does not read any more.
        reader: Name,
    },
    /// Deletes the log's entries up to and including `upto`. Rows and cursors stay.
    Truncate {
        /// The log.
        log: LogId,
        /// The last entry that goes.
        upto: Seq,
    },
    /// Replaces what is kept for a group.
    PutGroup {
        /// The group's name.
        group: Name,
        /// The whole new record.
        record: GroupRecord,
    },
    /// Adds a statement to a group's roster; this version does not exist.
    AddStatement {
        /// The group's name.
        group: Name,
        /// 1, 2, 3 …
        version: u32,
        /// The signed statement; at most `STATEMENT_LEN_MAX` bytes.
        statement: Bytes,
    },
    /// Replaces a log's copy of an account's key log.
    PutKeyLog {
        /// The log.
        log: LogId,
        /// Whose keys.
        account: Name,
        /// The bundles, oldest first: at most `BUNDLES_MAX`, each at most `BUNDLE_LEN_MAX` bytes.
        bundles: Vec<Bytes>,
    },
    /// Replaces the announcement of one part of a message session.
    PutAnnouncement {
        /// The log.
        log: LogId,
        /// Whose message session.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// Which message session.
        message_session: MessageSession,
        /// Which part of it.
        part: u16,
        /// What all readers of the part share; at most `ANNOUNCEMENT_LEN_MAX` bytes.
        announcement: Bytes,
    },
    /// Replaces a reader's grant of a message session, whichever part the former was of.
    PutGrant {
        /// The log.
        log: LogId,
        /// Whose message session.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// Which message session.
        message_session: MessageSession,
        /// The reader's own part.
        grant: StoredGrant,
    },
    /// Deletes announcements and grants of some of a sender's message sessions.
    DropGrants {
        /// The log.
        log: LogId,
        /// Whose message sessions.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// The first that goes.
        from: MessageSession,
        /// The last that goes; it and all between.
        upto: MessageSession,
    },
    /// Replaces how many bytes of grants a sender has in a log: what its rows there say, added up.
    PutGrantsLen {
        /// The log.
        log: LogId,
        /// Whose grants.
        sender: Name,
        /// How many bytes.
        len: u64,
    },
    /// Replaces whom the owner of a mailbox has answered.
    PutAnswered {
        /// The mailbox.
        log: LogId,
        /// At most `ANSWERED_MAX`, in the order of their first answers.
        people: Vec<Name>,
    },
    /// Notes that an account is in a group; it has `GROUPS_MAX` notes at most. Noting it again
    /// changes nothing.
    PutNote {
        /// The account.
        account: Name,
        /// The group's name.
        group: Name,
    },
    /// Forgets a note, if there is one.
    DropNote {
        /// The account.
        account: Name,
        /// The group's name.
        group: Name,
    },
    /// Replaces the record of a blob.
    PutBlob {
        /// Who uploads it.
        uploader: Name,
        /// Its name.
        blob: BlobId,
        /// The whole new record.
        record: BlobRecord,
    },
    /// Adds a chunk. It travels with the [`Change::PutBlob`] that counts it.
    PutChunk {
        /// Who uploads it.
        uploader: Name,
        /// The blob's name.
        blob: BlobId,
        /// 0, 1, 2 …
        index: u32,
        /// The ciphertext; at most `CHUNK_LEN_MAX` bytes.
        chunk: Bytes,
    },
    /// Deletes a blob's record and its chunks, if there is one.
    DropBlob {
        /// Who uploaded it.
        uploader: Name,
        /// Its name.
        blob: BlobId,
    },
    /// Replaces what the store knows of a slot.
    PutSlot {
        /// The slot.
        slot: Slot,
        /// The whole new record.
        record: SlotRecord,
    },
    /// Writes rows of a slot as another store has them, or deletes them, in order. Rows that are
    /// here already change nothing.
    PutSlotRows {
        /// The slot of all of them.
        slot: Slot,
        /// The rows.
        rows: Vec<SlotRow>,
    },
}
