//! Values on disk. Each begins with a format byte, so that one kind of record can change alone.
//!
//! Encoding asserts what `wire` guarantees (lengths, counts); decoding trusts nothing.

use bytes::{BufMut, Bytes, BytesMut};
use wire::limits::{
    BUNDLE_LEN_MAX, GRANTED_SESSIONS_MAX, OPAQUE_LEN_MAX, ORIGINS_MAX, SEALED_KEYS_LEN_MAX,
    UNANSWERED_MAX,
};
use wire::message::Entry;
use wire::{DecodeError, Field, Name, Number, Origin, Reader, Seq, SessionEpoch, Wall};

use crate::read::IndexEntry;
use crate::record::{Absence, AccountRecord, CursorRecord, RowRecord, SessionRecord};

mod blob;
mod group;

pub(crate) use blob::Chunk;
pub(crate) use group::{Announcement, Answered, GrantFields, GrantsLen, KeyLog, Notes, Statement};

/// The format of an entry and of its place in the index.
const ENTRY_FORMAT: u8 = 1;
/// Format, sender, origin, number, time and length: what stands before an entry's body.
const ENTRY_HEADER_LEN_MAX: usize = 1 + (1 + wire::limits::NAME_LEN_MAX) + 16 + 8 + 8 + 4;

/// A record of one value.
pub(crate) trait Value: Sized {
    /// The format that is written; it and every one before it are read.
    const FORMAT: u8 = 1;

    /// Appends the fields.
    fn put_fields(&self, out: &mut BytesMut);

    /// Reads the fields, which have this format.
    fn get_fields(reader: &mut Reader, format: u8) -> Result<Self, DecodeError>;

    /// The whole value, in place of what `out` held.
    fn encode(&self, out: &mut BytesMut) {
        out.clear();
        out.put_u8(Self::FORMAT);
        self.put_fields(out);
    }

    /// Reads a whole value.
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let (mut reader, format) = begin(bytes, Self::FORMAT)?;
        let value = Self::get_fields(&mut reader, format)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Layout: record `u32` length ‖ bytes, sign-up hash, sealed keys `u32` length ‖ bytes, created.
impl Value for AccountRecord {
    fn put_fields(&self, out: &mut BytesMut) {
        put_bytes(out, &self.record, OPAQUE_LEN_MAX);
        self.sign_up_hash.put(out);
        put_bytes(out, &self.sealed_keys, SEALED_KEYS_LEN_MAX);
        self.created.put(out);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            record: reader.bytes(OPAQUE_LEN_MAX, "account.record")?,
            sign_up_hash: reader.array("account.sign_up_hash")?,
            sealed_keys: reader.bytes(SEALED_KEYS_LEN_MAX, "account.sealed_keys")?,
            created: Wall::get(reader, "account.created")?,
        })
    }
}

/// Layout: reserved epoch, epoch, origin, two optional hashes (`u8` 0 or 1, 32 bytes after a 1),
/// `u8` count ‖ origins.
impl Value for SessionRecord {
    fn put_fields(&self, out: &mut BytesMut) {
        self.epoch_reserved.put(out);
        self.epoch.put(out);
        self.origin.put(out);
        put_option(out, self.token_hash.as_ref());
        put_option(out, self.previous_token_hash.as_ref());
        put_count(out, self.origins.len(), ORIGINS_MAX);
        self.origins.iter().for_each(|origin| origin.put(out));
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch_reserved: SessionEpoch::get(reader, "session.epoch_reserved")?,
            epoch: SessionEpoch::get(reader, "session.epoch")?,
            origin: Origin::get(reader, "session.origin")?,
            token_hash: get_option(reader, "session.token_hash")?,
            previous_token_hash: get_option(reader, "session.previous_token_hash")?,
            origins: get_items(reader, ORIGINS_MAX, "session.origins")?,
        })
    }
}

/// Layout: epoch, settled, last, `u8` count ‖ (hash `u64`, seq) each, `u8` count ‖ sessions.
/// Format 1 ends before the sessions, format 2 knew less of them.
impl Value for RowRecord {
    const FORMAT: u8 = 3;

    fn put_fields(&self, out: &mut BytesMut) {
        self.epoch.put(out);
        self.settled.put(out);
        self.last.put(out);
        put_pairs(out, &self.seen, seen_max());
        put_count(out, self.sessions.len(), GRANTED_SESSIONS_MAX);
        self.sessions.iter().for_each(|session| session.put(out));
    }

    fn get_fields(reader: &mut Reader, format: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: SessionEpoch::get(reader, "row.epoch")?,
            settled: Number::get(reader, "row.settled")?,
            last: Number::get(reader, "row.last")?,
            seen: get_pairs(reader, seen_max(), "row.seen")?,
            sessions: match format {
                1 => Vec::new(),
                2 => group::get_older_sessions(reader)?,
                _ => get_items(reader, GRANTED_SESSIONS_MAX, "row.sessions")?,
            },
        })
    }
}

/// Layout: cursor; since format 2 also missed `u64`; since format 3 also absence: `u8` 0 for none,
/// else after, version `u32`, and until after a 2.
impl Value for CursorRecord {
    const FORMAT: u8 = 3;

    fn put_fields(&self, out: &mut BytesMut) {
        self.cursor.put(out);
        self.missed.put(out);
        let Some(Absence { after, version, until }) = &self.absence else {
            return out.put_u8(0);
        };
        out.put_u8(if until.is_some() { 2 } else { 1 });
        after.put(out);
        version.put(out);
        until.iter().for_each(|until| until.put(out));
    }

    fn get_fields(reader: &mut Reader, format: u8) -> Result<Self, DecodeError> {
        let cursor = Seq::get(reader, "cursor")?;
        let missed = if format >= 2 { reader.u64("cursor.missed")? } else { 0 };
        let tag = if format >= 3 { reader.u8("cursor.absence")? } else { 0 };
        let absence = match tag {
            0 => None,
            1 | 2 => Some(Absence {
                after: Seq::get(reader, "absence.after")?,
                version: reader.u32("absence.version")?,
                until: (tag == 2).then(|| Seq::get(reader, "absence.until")).transpose()?,
            }),
            _ => return Err(DecodeError::Value("cursor.absence")),
        };
        Ok(Self { cursor, missed, absence })
    }
}

/// A signed bundle, as it came.
pub(crate) struct Bundle(pub(crate) Bytes);

impl Value for Bundle {
    fn put_fields(&self, out: &mut BytesMut) {
        put_bytes(out, &self.0, BUNDLE_LEN_MAX);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        reader.bytes(BUNDLE_LEN_MAX, "bundle").map(Self)
    }
}

/// An entry's value: sender, origin, number, time, `u32` length ‖ body. The seq is in the key.
pub(crate) fn encode_entry(entry: &Entry, out: &mut BytesMut) {
    out.clear();
    out.put_u8(ENTRY_FORMAT);
    entry.sender.put(out);
    entry.origin.put(out);
    entry.number.put(out);
    entry.at.put(out);
    entry.body.put(out);
}

/// The entry with this seq.
pub(crate) fn decode_entry(seq: Seq, bytes: Bytes) -> Result<Entry, DecodeError> {
    let (mut reader, _) = begin(bytes, ENTRY_FORMAT)?;
    let entry = Entry {
        seq,
        sender: Field::get(&mut reader, "entry.sender")?,
        origin: Field::get(&mut reader, "entry.origin")?,
        number: Field::get(&mut reader, "entry.number")?,
        at: Field::get(&mut reader, "entry.at")?,
        body: Field::get(&mut reader, "entry.body")?,
    };
    reader.finish()?;
    Ok(entry)
}

/// What the index says of the entry whose value this is; copies no body.
pub(crate) fn decode_header(seq: Seq, bytes: &[u8]) -> Result<IndexEntry, DecodeError> {
    let header = bytes.get(..ENTRY_HEADER_LEN_MAX).unwrap_or(bytes);
    let (mut reader, _) = begin(Bytes::copy_from_slice(header), ENTRY_FORMAT)?;
    let sender = Name::get(&mut reader, "entry.sender")?;
    Origin::get(&mut reader, "entry.origin")?;
    Number::get(&mut reader, "entry.number")?;
    let at = Wall::get(&mut reader, "entry.at")?;
    let len = reader.u32("entry.body")?;
    let body_len = bytes.len() - (header.len() - reader.remaining());
    if usize::try_from(len) != Ok(body_len) {
        return Err(DecodeError::Value("entry.body"));
    }
    Ok(IndexEntry { seq, sender, len, at })
}

/// An entry's place in the index: sender, `u32` length of its body, time. The seq is in the key.
pub(crate) fn encode_index(entry: &Entry, out: &mut BytesMut) {
    out.clear();
    out.put_u8(ENTRY_FORMAT);
    entry.sender.put(out);
    let len = entry.body.bytes().len();
    out.put_u32(u32::try_from(len).expect("a body is at most BODY_LEN_MAX"));
    entry.at.put(out);
}

/// The place in the index with this seq.
pub(crate) fn decode_index(seq: Seq, bytes: Bytes) -> Result<IndexEntry, DecodeError> {
    let (mut reader, _) = begin(bytes, ENTRY_FORMAT)?;
    let entry = IndexEntry {
        seq,
        sender: Name::get(&mut reader, "index.sender")?,
        len: reader.u32("index.len")?,
        at: Wall::get(&mut reader, "index.at")?,
    };
    reader.finish()?;
    Ok(entry)
}

/// The fields of a value, and its format: `newest` or an older one.
fn begin(bytes: Bytes, newest: u8) -> Result<(Reader, u8), DecodeError> {
    let mut reader = Reader::new(bytes);
    match reader.u8("format")? {
        format if (1..=newest).contains(&format) => Ok((reader, format)),
        _ => Err(DecodeError::Value("format")),
    }
}

fn seen_max() -> usize {
    usize::try_from(UNANSWERED_MAX).expect("64 fits")
}

fn put_bytes(out: &mut BytesMut, bytes: &Bytes, max: usize) {
    assert!(bytes.len() <= max, "{} bytes in a field of {max}", bytes.len());
    out.put_u32(u32::try_from(bytes.len()).expect("every limit fits"));
    out.put_slice(bytes);
}

fn put_count(out: &mut BytesMut, count: usize, max: usize) {
    assert!(count <= max, "{count} items in a list of {max}");
    out.put_u8(u8::try_from(count).expect("every limit of a list fits"));
}

fn put_pairs<A: Field, B: Field>(out: &mut BytesMut, pairs: &[(A, B)], max: usize) {
    put_count(out, pairs.len(), max);
    for (first, second) in pairs {
        first.put(out);
        second.put(out);
    }
}

fn put_option(out: &mut BytesMut, hash: Option<&[u8; 32]>) {
    out.put_u8(u8::from(hash.is_some()));
    if let Some(hash) = hash {
        out.put_slice(hash);
    }
}

fn get_option(reader: &mut Reader, field: &'static str) -> Result<Option<[u8; 32]>, DecodeError> {
    Ok(match bool::get(reader, field)? {
        true => Some(reader.array(field)?),
        false => None,
    })
}

fn get_items<T: Field>(
    reader: &mut Reader,
    max: usize,
    field: &'static str,
) -> Result<Vec<T>, DecodeError> {
    let count = get_count(reader, max, field)?;
    (0..count).map(|_| T::get(reader, field)).collect()
}

fn get_pairs<A: Field, B: Field>(
    reader: &mut Reader,
    max: usize,
    field: &'static str,
) -> Result<Vec<(A, B)>, DecodeError> {
    let count = get_count(reader, max, field)?;
    (0..count).map(|_| Ok((A::get(reader, field)?, B::get(reader, field)?))).collect()
}

fn get_count(reader: &mut Reader, max: usize, field: &'static str) -> Result<usize, DecodeError> {
    let count = usize::from(reader.u8(field)?);
    if count > max { Err(DecodeError::Long(field)) } else { Ok(count) }
}

#[cfg(test)]
mod tests;
