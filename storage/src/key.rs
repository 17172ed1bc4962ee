//! Keys, drawn. Every integer is big-endian, so that bytes compare as the values do.
//!
//! ```text
//! family     key                                                    value
//! accounts   name                                                   AccountRecord
//! sessions   name                                                   SessionRecord
//! bundles    name ‖ version u32                                     signed bundle
//! entries    log ‖ seq u64                                          entry without its seq
//! rows       log ‖ sender name ‖ origin [16]                        RowRecord
//! cursors    log ‖ reader name                                      seq
//! meta       "store"                                                magic, format, id, epoch
//!
//! name = length u8 ‖ 1–32 bytes           log = kind u8 (1 mailbox, 2 group) ‖ name
//! ```
//!
//! No name's encoding is the beginning of another's, so everything of one log (or account) lies
//! together and nothing else lies between.

use byteorder::{BigEndian, ByteOrder};
use bytes::{Bytes, BytesMut};
use wire::{DecodeError, Field, LogId, Name, Origin, Reader, Seq};

/// A column family: one kind of record, in the order of its keys.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Family {
    Accounts,
    Sessions,
    Bundles,
    Entries,
    Rows,
    Cursors,
    Meta,
}

impl Family {
    pub(crate) const ALL: [Self; 7] = [
        Self::Accounts,
        Self::Sessions,
        Self::Bundles,
        Self::Entries,
        Self::Rows,
        Self::Cursors,
        Self::Meta,
    ];

    /// Its name on disk; never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Sessions => "sessions",
            Self::Bundles => "bundles",
            Self::Entries => "entries",
            Self::Rows => "rows",
            Self::Cursors => "cursors",
            Self::Meta => "meta",
        }
    }
}

/// The only key of [`Family::Meta`].
pub(crate) const STORE: &[u8] = b"store";

/// Longest key: a row's.
const KEY_LEN_MAX: usize = 1 + 2 * (1 + wire::limits::NAME_LEN_MAX) + 16;

/// The key of an account, or of its session.
pub(crate) fn account(name: &Name) -> BytesMut {
    joined(|key| name.put(key))
}

/// The key of one bundle.
pub(crate) fn bundle(name: &Name, version: u32) -> BytesMut {
    joined(|key| {
        name.put(key);
        let mut tail = [0; 4];
        BigEndian::write_u32(&mut tail, version);
        key.extend_from_slice(&tail);
    })
}

/// The key of an entry.
pub(crate) fn entry(log: &LogId, seq: Seq) -> BytesMut {
    joined(|key| {
        log.put(key);
        let mut tail = [0; 8];
        BigEndian::write_u64(&mut tail, seq.0);
        key.extend_from_slice(&tail);
    })
}

/// The key of a row.
pub(crate) fn row(log: &LogId, sender: &Name, origin: &Origin) -> BytesMut {
    joined(|key| {
        log.put(key);
        sender.put(key);
        origin.put(key);
    })
}

/// The key of a cursor.
pub(crate) fn cursor(log: &LogId, reader: &Name) -> BytesMut {
    joined(|key| {
        log.put(key);
        reader.put(key);
    })
}

/// What every key of the log begins with.
pub(crate) fn log(log: &LogId) -> BytesMut {
    joined(|key| log.put(key))
}

/// The first key after all that begin with `prefix`.
///
/// # Panics
/// When the prefix ends with 0xff: those above end with a character of a name.
pub(crate) fn after_prefix(prefix: &[u8]) -> BytesMut {
    let mut key = BytesMut::from(prefix);
    let last = key.last_mut().expect("a prefix is not empty");
    *last = last.checked_add(1).expect("a name's characters are ASCII");
    key
}

/// The seq in an entry's key.
pub(crate) fn entry_seq(key: &[u8]) -> Result<Seq, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    LogId::get(&mut reader, "key.log")?;
    let seq = Seq::get(&mut reader, "key.seq")?;
    reader.finish()?;
    Ok(seq)
}

/// The reader in a cursor's key.
pub(crate) fn cursor_reader(key: &[u8]) -> Result<Name, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    LogId::get(&mut reader, "key.log")?;
    let name = Name::get(&mut reader, "key.reader")?;
    reader.finish()?;
    Ok(name)
}

fn joined(put: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut key = BytesMut::with_capacity(KEY_LEN_MAX);
    put(&mut key);
    debug_assert!(key.len() <= KEY_LEN_MAX);
    key
}
