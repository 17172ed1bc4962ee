//! What is committed, batch by batch, and what a store must hold after each.
//!
//! Batch `n` follows from `n` alone, but for the seqs: an entry and its row in a mailbox, and every
//! few batches an entry of a group, a blob, a truncation. So a store shows how many batches it
//! holds, and whether each of them is whole.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use storage::{BlobRecord, Change, CursorRecord, RowRecord};
use wire::message::Entry;
use wire::{BlobId, LogId, Name, Number, Opaque, Origin, Seq, Wall};

/// Batches between two of the same kind.
const GROUP_EVERY: u64 = 3;
const BLOB_EVERY: u64 = 5;
const TRUNCATE_EVERY: u64 = 8;
const DROP_EVERY: u64 = 25;
/// Entries that a truncation leaves.
const LEFT: u64 = 12;
/// Long enough to stand in a file of its own.
const CHUNK_LEN: usize = 5000;

/// Where entries stand: their seqs by number.
pub(crate) type Seqs = BTreeMap<u64, Seq>;

pub(crate) fn bob() -> Name {
    Name::parse("bob").expect("a name")
}

pub(crate) fn mailbox() -> LogId {
    LogId::mailbox(bob())
}

pub(crate) fn group() -> LogId {
    LogId::group(Name::parse("club").expect("a name"))
}

pub(crate) fn origin() -> Origin {
    Origin([3; 16])
}

pub(crate) fn blob(count: u64) -> BlobId {
    let mut id = [5; 32];
    id[..8].copy_from_slice(&count.to_be_bytes());
    BlobId(id)
}

/// The changes of batch `count`, whose entry in the mailbox gets `seq` and the one in the group the
/// seq after it. `seqs` are those of the batches before.
pub(crate) fn batch(count: u64, seq: Seq, seqs: &Seqs) -> Vec<Change> {
    let (sender, origin) = (bob(), origin());
    let row = RowRecord { last: number(count), seen: vec![(7, seq)], ..RowRecord::default() };
    let mut changes = vec![
        Change::Append { log: mailbox(), entry: entry(count, seq) },
        Change::PutRow { log: mailbox(), sender, origin, row },
    ];
    if count.is_multiple_of(GROUP_EVERY) {
        let entry = entry(count, Seq(seq.0 + 1));
        changes.push(Change::Append { log: group(), entry });
    }
    if count.is_multiple_of(BLOB_EVERY) {
        let (uploader, blob) = (bob(), blob(count / BLOB_EVERY));
        let record = BlobRecord { len: 1 << 20, have: 1, ..BlobRecord::default() };
        changes.push(Change::PutChunk { uploader, blob, index: 0, chunk: chunk(count) });
        changes.push(Change::PutBlob { uploader, blob, record });
    }
    if count.is_multiple_of(DROP_EVERY) {
        let blob = blob(dropped_by(count));
        changes.push(Change::DropBlob { uploader: bob(), blob });
    }
    if let Some(upto) = truncated_by(count).and_then(|upto| seqs.get(&upto)).copied() {
        let cursor = CursorRecord { cursor: upto, ..CursorRecord::default() };
        changes.push(Change::PutCursor { log: mailbox(), reader: bob(), cursor });
        changes.push(Change::Truncate { log: mailbox(), upto });
    }
    changes
}

/// What a store of `count` batches holds.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Contents {
    /// Numbers of the mailbox's entries.
    pub(crate) mailbox: Vec<u64>,
    /// Numbers of the group's.
    pub(crate) group: Vec<u64>,
    /// The number of the entry that the cursor stands at; 0 = none.
    pub(crate) cursor: u64,
    /// Blobs that are there.
    pub(crate) blobs: BTreeSet<u64>,
}

/// The contents after batch `count`.
pub(crate) fn contents(count: u64) -> Contents {
    let last_truncation = count / TRUNCATE_EVERY * TRUNCATE_EVERY;
    let cursor = truncated_by(last_truncation).unwrap_or(0);
    let drops = (1..=count / DROP_EVERY).map(|drop| dropped_by(drop * DROP_EVERY));
    let dropped: BTreeSet<u64> = drops.collect();
    Contents {
        mailbox: (cursor + 1..=count).collect(),
        group: (1..=count).filter(|n| n.is_multiple_of(GROUP_EVERY)).collect(),
        cursor,
        blobs: (1..=count / BLOB_EVERY).filter(|n| !dropped.contains(n)).collect(),
    }
}

/// The entry of batch `count`.
pub(crate) fn entry(count: u64, seq: Seq) -> Entry {
    let len = usize::try_from(40 + count * 37 % 700).expect("small");
    let body = Opaque::new(Bytes::from(vec![low_byte(count); len])).expect("short");
    let (sender, origin, number, at) = (bob(), origin(), number(count), Wall(1_700_000_000_000));
    Entry { seq, sender, origin, number, at, body }
}

/// The chunk of the blob of batch `count`.
pub(crate) fn chunk(count: u64) -> Bytes {
    Bytes::from(vec![low_byte(count); CHUNK_LEN])
}

/// The batch that brought the blob.
pub(crate) fn batch_of_blob(blob: u64) -> u64 {
    blob * BLOB_EVERY
}

/// The number up to which batch `count` truncates the mailbox.
fn truncated_by(count: u64) -> Option<u64> {
    (count.is_multiple_of(TRUNCATE_EVERY) && count > LEFT).then(|| count - LEFT)
}

/// The blob that batch `count` drops.
fn dropped_by(count: u64) -> u64 {
    count / BLOB_EVERY - 3
}

fn number(count: u64) -> Number {
    Number::new(count).expect("small")
}

fn low_byte(count: u64) -> u8 {
    u8::try_from(count % 251).expect("one byte")
}
