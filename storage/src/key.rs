//! Keys, drawn. Every integer is big-endian, so that bytes compare as the values do.
//!
//! ```text
//! family     key                                                    value
//! accounts   name                                                   AccountRecord
//! sessions   name                                                   SessionRecord
//! bundles    name ‖ version u32                                     signed bundle
//! entries    log ‖ seq u64                                          entry without its seq
//! rows       log ‖ sender name ‖ origin [16]                        RowRecord
//! cursors    log ‖ reader name                                      CursorRecord
//! index      log ‖ seq u64                 groups only              sender, length, time
//! groups     log                                                    GroupRecord
//! statements log ‖ version u32                                      signed statement
//! announcements  log ‖ sender name ‖ origin [16] ‖ message session u32 ‖ part u16
//! grants     log ‖ sender name ‖ origin [16] ‖ message session u32 ‖ reader name
//! grants     log ‖ sender name                                      bytes of all the sender's
//! key_logs   log ‖ account name                                     copy of the account's key log
//! notes      account name                                           names of groups
//! answered   log                          mailboxes only            whom its owner has answered
//! blobs      uploader name ‖ blob [32]                              BlobRecord
//! chunks     uploader name ‖ blob [32] ‖ index u32                  ciphertext
//! meta       "map"                                                  the newest signed map
//! meta       "store"                                                magic, format, id, epoch
//! meta       "slot" ‖ slot u16                                      SlotRecord
//!
//! name = length u8 ‖ 1–32 bytes           log = kind u8 (1 mailbox, 2 group) ‖ name
//! ```
//!
//! No name's encoding is the beginning of another's, so everything of one log (or account) lies
//! together and nothing else lies between. Everything of a log has a key that begins with the log:
//! whoever moves a log moves one range of each family.

use byteorder::{BigEndian, ByteOrder};
use bytes::{Bytes, BytesMut};
use wire::{BlobId, DecodeError, Field, LogId, MessageSession, Name, Origin, Reader, Seq, Slot};

/// A column family: one kind of record, in the order of its keys.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Family {
    Accounts,
    Sessions,
    Bundles,
    Entries,
    Rows,
    Cursors,
    Index,
    Groups,
    Statements,
    Announcements,
    Grants,
    KeyLogs,
    Notes,
    Answered,
    Blobs,
    Chunks,
    Meta,
}

impl Family {
    pub(crate) const ALL: [Self; 17] = [
        Self::Accounts,
        Self::Sessions,
        Self::Bundles,
        Self::Entries,
        Self::Rows,
        Self::Cursors,
        Self::Index,
        Self::Groups,
        Self::Statements,
        Self::Announcements,
        Self::Grants,
        Self::KeyLogs,
        Self::Notes,
        Self::Answered,
        Self::Blobs,
        Self::Chunks,
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
            Self::Index => "index",
            Self::Groups => "groups",
            Self::Statements => "statements",
            Self::Announcements => "announcements",
            Self::Grants => "grants",
            Self::KeyLogs => "key_logs",
            Self::Notes => "notes",
            Self::Answered => "answered",
            Self::Blobs => "blobs",
            Self::Chunks => "chunks",
            Self::Meta => "meta",
        }
    }

    /// Its number between servers; never changes, so new families come last.
    pub(crate) fn code(self) -> u8 {
        let place = Self::ALL.iter().position(|family| *family == self);
        u8::try_from(place.expect("ALL has every family")).expect("few families")
    }

    /// The family with this number, if it holds what moves with a slot.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        let family = Self::ALL.get(usize::from(code)).copied();
        family.filter(|family| *family != Self::Meta)
    }

    /// Whether its keys begin with an account's name; those of the others begin with a log.
    pub(crate) fn is_of_accounts(self) -> bool {
        matches!(
            self,
            Self::Accounts
                | Self::Sessions
                | Self::Bundles
                | Self::Notes
                | Self::Blobs
                | Self::Chunks
        )
    }
}

/// Where in [`Family::Meta`] stands who the store is.
pub(crate) const STORE: &[u8] = b"store";
/// The key of the newest map that the server knew, in [`Family::Meta`].
pub(crate) const MAP: &[u8] = b"map";
/// Where in [`Family::Meta`] stands how many batches the store holds.
pub(crate) const SEQUENCE: &[u8] = b"sequence";
/// What keys in [`Family::Meta`] begin with that say what the store knows of a slot.
const SLOT: &[u8] = b"slot";

/// Longest key: a grant's.
const KEY_LEN_MAX: usize = 1 + 3 * (1 + wire::limits::NAME_LEN_MAX) + 16 + 4;

/// The key of an account, of its session, or of its notes.
pub(crate) fn account(name: &Name) -> BytesMut {
    joined(|key| name.put(key))
}

/// The key of one bundle.
pub(crate) fn bundle(name: &Name, version: u32) -> BytesMut {
    joined(|key| {
        name.put(key);
        put_u32(key, version);
    })
}

/// The key of an entry, and of its place in the index.
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
    of_account(log, reader)
}

/// The key of a log's copy of an account's key log.
pub(crate) fn key_log(log: &LogId, account: &Name) -> BytesMut {
    of_account(log, account)
}

/// The key of one statement of a group's roster.
pub(crate) fn statement(log: &LogId, version: u32) -> BytesMut {
    joined(|key| {
        log.put(key);
        put_u32(key, version);
    })
}

/// The key of one part's announcement.
pub(crate) fn announcement(
    log: &LogId,
    sender: &Name,
    origin: &Origin,
    message_session: MessageSession,
    part: u16,
) -> BytesMut {
    let mut key = session_grants(log, sender, origin, message_session);
    let mut tail = [0; 2];
    BigEndian::write_u16(&mut tail, part);
    key.extend_from_slice(&tail);
    key
}

/// The key of a reader's grant.
pub(crate) fn grant(
    log: &LogId,
    sender: &Name,
    origin: &Origin,
    message_session: MessageSession,
    reader: &Name,
) -> BytesMut {
    let mut key = session_grants(log, sender, origin, message_session);
    reader.put(&mut key);
    key
}

/// What the keys of a message session's announcements and grants begin with. Those of older
/// sessions are below it, those of newer ones above.
pub(crate) fn session_grants(
    log: &LogId,
    sender: &Name,
    origin: &Origin,
    message_session: MessageSession,
) -> BytesMut {
    joined(|key| {
        log.put(key);
        sender.put(key);
        origin.put(key);
        put_u32(key, message_session.0);
    })
}

/// The first key after those of a message session's announcements and grants: parts and names do
/// not begin like this.
pub(crate) fn session_grants_end(
    log: &LogId,
    sender: &Name,
    origin: &Origin,
    message_session: MessageSession,
) -> BytesMut {
    let mut key = session_grants(log, sender, origin, message_session);
    key.extend_from_slice(&[0xff; 3]);
    key
}

/// The key of how many bytes of grants a sender has in a log.
pub(crate) fn grants_len(log: &LogId, sender: &Name) -> BytesMut {
    joined(|key| {
        log.put(key);
        sender.put(key);
    })
}

/// The key of a blob.
pub(crate) fn blob(uploader: &Name, blob: &BlobId) -> BytesMut {
    joined(|key| {
        uploader.put(key);
        blob.put(key);
    })
}

/// The key of a chunk.
pub(crate) fn chunk(uploader: &Name, blob: &BlobId, index: u32) -> BytesMut {
    joined(|key| {
        uploader.put(key);
        blob.put(key);
        put_u32(key, index);
    })
}

/// The key of what the store knows of a slot.
pub(crate) fn slot(slot: Slot) -> BytesMut {
    joined(|key| {
        key.extend_from_slice(SLOT);
        slot.put(key);
    })
}

/// The slot in such a key.
pub(crate) fn slot_of_key(key: &[u8]) -> Result<Slot, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    reader.take(SLOT.len(), "key.slot")?;
    let slot = Slot::get(&mut reader, "key.slot")?;
    reader.finish()?;
    Ok(slot)
}

/// Between which keys those of slots lie.
pub(crate) fn slots() -> (BytesMut, BytesMut) {
    let mut end = BytesMut::from(SLOT);
    end.extend_from_slice(&[0xff; 3]);
    (BytesMut::from(SLOT), end)
}

/// The log that a key of `family` is about; the mailbox of its account, where it begins with a
/// name.
pub(crate) fn owner(family: Family, key: &[u8]) -> Result<LogId, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    if family.is_of_accounts() {
        return Name::get(&mut reader, "key.name").map(LogId::mailbox);
    }
    LogId::get(&mut reader, "key.log")
}

/// What every key of the log begins with, and the whole key of a group.
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

/// The log, the sender and the origin in a row's key.
pub(crate) fn row_parts(key: &[u8]) -> Result<(LogId, Name, Origin), DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    let log = LogId::get(&mut reader, "key.log")?;
    let sender = Name::get(&mut reader, "key.sender")?;
    let origin = Origin::get(&mut reader, "key.origin")?;
    reader.finish()?;
    Ok((log, sender, origin))
}

/// The log, the sender and the origin in the key of a grant or an announcement; none in that of how
/// many bytes there are.
pub(crate) fn granter(key: &[u8]) -> Option<(LogId, Name, Origin)> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    let log = LogId::get(&mut reader, "key.log").ok()?;
    let sender = Name::get(&mut reader, "key.sender").ok()?;
    Some((log, sender, Origin::get(&mut reader, "key.origin").ok()?))
}

/// The uploader and the name in a blob's key.
pub(crate) fn blob_parts(key: &[u8]) -> Result<(Name, BlobId), DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    let uploader = Name::get(&mut reader, "key.uploader")?;
    let blob = BlobId::get(&mut reader, "key.blob")?;
    reader.finish()?;
    Ok((uploader, blob))
}

fn of_account(log: &LogId, account: &Name) -> BytesMut {
    joined(|key| {
        log.put(key);
        account.put(key);
    })
}

fn put_u32(key: &mut BytesMut, value: u32) {
    let mut tail = [0; 4];
    BigEndian::write_u32(&mut tail, value);
    key.extend_from_slice(&tail);
}

fn joined(put: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut key = BytesMut::with_capacity(KEY_LEN_MAX);
    put(&mut key);
    debug_assert!(key.len() <= KEY_LEN_MAX);
    key
}

#[cfg(test)]
mod tests;
