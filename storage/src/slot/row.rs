//! One row of a slot. Its bytes may come from another server: what is not a sound row of its family
//! is none.

use bytes::Bytes;
use wire::limits::{BLOB_LEN_MAX, CHUNK_LEN_MAX, ENDED_SESSIONS_MAX};
use wire::roster::Roster;
use wire::{
    BlobId, DecodeError, Field, LogId, LogKind, MessageSession, Name, Origin, Reader, Seq, Slot,
};

use crate::key::{self, Family};
use crate::record::{
    AccountRecord, BlobRecord, CursorRecord, GrantedState, GroupRecord, RowRecord, SessionRecord,
};
use crate::value::{
    Announcement, Answered, Bundle, Chunk, GrantFields, GrantsLen, KeyLog, Notes, Statement, Value,
    decode_entry, decode_index,
};

/// A key with its value, or without when it was deleted. Sound: it decodes, and holds together.
#[derive(Clone, Eq, PartialEq)]
pub struct SlotRow {
    family: Family,
    key: Bytes,
    value: Option<Bytes>,
}

/// Without key and value.
impl std::fmt::Debug for SlotRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let len = self.value.as_ref().map(Bytes::len);
        f.debug_struct("SlotRow").field("family", &self.family).field("len", &len).finish()
    }
}

impl SlotRow {
    /// The row of the family with this number. Keeps the bytes, which may share a larger buffer.
    ///
    /// # Errors
    /// [`DecodeError`] names what does not fit.
    pub fn new(family: u8, key: Bytes, value: Option<Bytes>) -> Result<Self, DecodeError> {
        let family = Family::of_code(family).ok_or(DecodeError::Value("row.family"))?;
        check_key(family, &key)?;
        if let Some(value) = &value {
            check_value(family, &key, value.clone())?;
        }
        Ok(Self { family, key, value })
    }

    /// A row as a store holds it, or has deleted it.
    pub(crate) fn stored(family: Family, key: &[u8], value: Option<&[u8]>) -> Self {
        let (key, value) = (Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
        Self { family, key, value }
    }

    /// The number of its family.
    #[must_use]
    pub fn family(&self) -> u8 {
        self.family.code()
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// Its value; `None`: it was deleted.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }

    /// The deletion of this row.
    #[must_use]
    pub fn deleted(self) -> Self {
        Self { value: None, ..self }
    }

    /// Whether its log is found by it: rows of a log without one are not found.
    #[must_use]
    pub fn is_anchor(&self) -> bool {
        matches!(self.family, Family::Sessions | Family::Groups)
    }

    /// The slot that it belongs to.
    ///
    /// # Panics
    /// Never: a row has a sound key.
    #[must_use]
    pub fn slot(&self) -> Slot {
        Slot::of(&self.log())
    }

    /// What it takes of a page: its bytes, and what stands before them.
    #[must_use]
    pub fn cost(&self) -> usize {
        64 + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }

    pub(crate) fn log(&self) -> LogId {
        key::owner(self.family, &self.key).expect("a row has a sound key")
    }

    pub(crate) fn parts(&self) -> (Family, &Bytes, Option<&Bytes>) {
        (self.family, &self.key, self.value.as_ref())
    }
}

/// Whether the whole key is one of the family.
fn check_key(family: Family, key: &Bytes) -> Result<(), DecodeError> {
    let mut reader = Reader::new(key.clone());
    let rest = &mut reader;
    let field = "row.key";
    let kind = match family.is_of_accounts() {
        true => Name::get(rest, field).map(|_| LogKind::Mailbox)?,
        false => LogId::get(rest, field)?.kind,
    };
    let is_there = match family {
        Family::Index | Family::Groups | Family::Statements => kind == LogKind::Group,
        Family::Answered => kind == LogKind::Mailbox,
        _ => true,
    };
    if !is_there {
        return Err(DecodeError::Value(field));
    }
    match family {
        Family::Accounts | Family::Sessions | Family::Notes => {}
        Family::Groups | Family::Answered => {}
        Family::Bundles | Family::Statements => skip::<u32>(rest)?,
        Family::Blobs => skip::<BlobId>(rest)?,
        Family::Chunks => skip::<BlobId>(rest).and_then(|()| skip::<u32>(rest))?,
        Family::Entries | Family::Index => skip::<Seq>(rest)?,
        Family::Cursors | Family::KeyLogs => skip::<Name>(rest)?,
        Family::Rows => skip::<Name>(rest).and_then(|()| skip::<Origin>(rest))?,
        Family::Announcements => skip_session(rest).and_then(|()| skip::<u16>(rest))?,
        Family::Grants if is_grants_len(key)? => skip::<Name>(rest)?,
        Family::Grants => skip_session(rest).and_then(|()| skip::<Name>(rest))?,
        Family::Meta => return Err(DecodeError::Value(field)),
    }
    reader.finish()
}

fn skip<T: Field>(reader: &mut Reader) -> Result<(), DecodeError> {
    T::get(reader, "row.key").map(drop)
}

fn skip_session(reader: &mut Reader) -> Result<(), DecodeError> {
    skip::<Name>(reader)?;
    skip::<Origin>(reader)?;
    skip::<MessageSession>(reader)
}

/// Whether a key of [`Family::Grants`] is that of how many bytes there are.
fn is_grants_len(key: &Bytes) -> Result<bool, DecodeError> {
    let mut reader = Reader::new(key.clone());
    skip::<LogId>(&mut reader)?;
    skip::<Name>(&mut reader)?;
    Ok(reader.remaining() == 0)
}

/// Whether the value decodes, and is such as a home may take into its memory.
fn check_value(family: Family, key: &Bytes, value: Bytes) -> Result<(), DecodeError> {
    match family {
        Family::Accounts => AccountRecord::decode(value).map(drop),
        Family::Sessions => SessionRecord::decode(value).map(drop),
        Family::Bundles => Bundle::decode(value).map(drop),
        Family::Notes => Notes::decode(value).map(drop),
        Family::Blobs => check_blob(&BlobRecord::decode(value)?),
        Family::Chunks => Chunk::decode(value).map(drop),
        Family::Entries => decode_entry(key::entry_seq(key)?, value).map(drop),
        Family::Index => decode_index(key::entry_seq(key)?, value).map(drop),
        Family::Rows => check_row(&RowRecord::decode(value)?),
        Family::Cursors => CursorRecord::decode(value).map(drop),
        Family::Groups => Roster::decode(GroupRecord::decode(value)?.roster).map(drop),
        Family::Statements => Statement::decode(value).map(drop),
        Family::Announcements => Announcement::decode(value).map(drop),
        Family::Grants if is_grants_len(key)? => GrantsLen::decode(value).map(drop),
        Family::Grants => GrantFields::decode(value).map(drop),
        Family::KeyLogs => KeyLog::decode(value).map(drop),
        Family::Answered => Answered::decode(value).map(drop),
        Family::Meta => Err(DecodeError::Value("row.family")),
    }
}

/// A blob counts no more chunks than it can have: so many are deleted with it.
fn check_blob(record: &BlobRecord) -> Result<(), DecodeError> {
    let chunk_len = u64::try_from(CHUNK_LEN_MAX).expect("it fits");
    let is_sound =
        record.len <= BLOB_LEN_MAX && u64::from(record.have) <= record.len.div_ceil(chunk_len);
    is_sound.then_some(()).ok_or(DecodeError::Value("blob.have"))
}

/// A row knows every number above `settled`, and its message sessions in order.
fn check_row(row: &RowRecord) -> Result<(), DecodeError> {
    let used = row.last.max(row.settled).value() - row.settled.value();
    let ended = row.sessions.iter().filter_map(|session| match session.state {
        GrantedState::Ended(end) => Some(end),
        _ => None,
    });
    let in_use = |state| matches!(state, GrantedState::InUse(_));
    let is_sound = u64::try_from(row.seen.len()).ok() == Some(used)
        && row.sessions.is_sorted_by(|a, b| a.message_session < b.message_session)
        && ended.clone().count() <= ENDED_SESSIONS_MAX
        && ended.is_sorted()
        && row.sessions.iter().filter(|session| in_use(session.state)).count() <= 1;
    is_sound.then_some(()).ok_or(DecodeError::Value("row"))
}
