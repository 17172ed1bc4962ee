//! Values on disk. Each begins with a format byte, so that one kind of record can change alone.
//!
//! Encoding asserts what `wire` guarantees (lengths, counts); decoding trusts nothing.

use bytes::{BufMut, Bytes, BytesMut};
use wire::limits::{
    BUNDLE_LEN_MAX, OPAQUE_LEN_MAX, ORIGINS_MAX, SEALED_KEYS_LEN_MAX, UNANSWERED_MAX,
};
use wire::message::Entry;
use wire::{DecodeError, Field, Name, Number, Origin, Reader, Seq, SessionEpoch, Wall};

use crate::op::IndexEntry;
use crate::record::{AccountRecord, RowRecord, SessionRecord};

/// The format of every value so far.
const FORMAT: u8 = 1;
/// Format, sender, origin, number, time and length: what stands before an entry's body.
const ENTRY_HEADER_LEN_MAX: usize = 1 + (1 + wire::limits::NAME_LEN_MAX) + 16 + 8 + 8 + 4;

/// A record of one value.
pub(crate) trait Value: Sized {
    /// Appends the fields.
    fn put_fields(&self, out: &mut BytesMut);

    /// Reads the fields.
    fn get_fields(reader: &mut Reader) -> Result<Self, DecodeError>;

    /// The whole value, in place of what `out` held.
    fn encode(&self, out: &mut BytesMut) {
        out.clear();
        out.put_u8(FORMAT);
        self.put_fields(out);
    }

    /// Reads a whole value.
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = begin(bytes)?;
        let value = Self::get_fields(&mut reader)?;
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

    fn get_fields(reader: &mut Reader) -> Result<Self, DecodeError> {
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

    fn get_fields(reader: &mut Reader) -> Result<Self, DecodeError> {
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

/// Layout: epoch, settled, last, `u8` count ‖ (hash `u64`, seq) each.
impl Value for RowRecord {
    fn put_fields(&self, out: &mut BytesMut) {
        self.epoch.put(out);
        self.settled.put(out);
        self.last.put(out);
        put_count(out, self.seen.len(), seen_max());
        for &(hash, seq) in &self.seen {
            Answered { hash, seq }.put(out);
        }
    }

    fn get_fields(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: SessionEpoch::get(reader, "row.epoch")?,
            settled: Number::get(reader, "row.settled")?,
            last: Number::get(reader, "row.last")?,
            seen: get_items::<Answered>(reader, seen_max(), "row.seen")?
                .into_iter()
                .map(|answered| (answered.hash, answered.seq))
                .collect(),
        })
    }
}

/// A cursor.
impl Value for Seq {
    fn put_fields(&self, out: &mut BytesMut) {
        self.put(out);
    }

    fn get_fields(reader: &mut Reader) -> Result<Self, DecodeError> {
        Self::get(reader, "cursor")
    }
}

/// A signed bundle, as it came.
pub(crate) struct Bundle(pub(crate) Bytes);

impl Value for Bundle {
    fn put_fields(&self, out: &mut BytesMut) {
        put_bytes(out, &self.0, BUNDLE_LEN_MAX);
    }

    fn get_fields(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.bytes(BUNDLE_LEN_MAX, "bundle").map(Self)
    }
}

/// An entry's value: sender, origin, number, time, `u32` length ‖ body. The seq is in the key.
pub(crate) fn encode_entry(entry: &Entry, out: &mut BytesMut) {
    out.clear();
    out.put_u8(FORMAT);
    entry.sender.put(out);
    entry.origin.put(out);
    entry.number.put(out);
    entry.at.put(out);
    entry.body.put(out);
}

/// The entry with this seq.
pub(crate) fn decode_entry(seq: Seq, bytes: Bytes) -> Result<Entry, DecodeError> {
    let mut reader = begin(bytes)?;
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

/// What the index says of the entry; copies no body.
pub(crate) fn decode_index(seq: Seq, bytes: &[u8]) -> Result<IndexEntry, DecodeError> {
    let header = bytes.get(..ENTRY_HEADER_LEN_MAX).unwrap_or(bytes);
    let mut reader = begin(Bytes::copy_from_slice(header))?;
    let sender = Name::get(&mut reader, "entry.sender")?;
    Origin::get(&mut reader, "entry.origin")?;
    Number::get(&mut reader, "entry.number")?;
    Wall::get(&mut reader, "entry.at")?;
    let len = reader.u32("entry.body")?;
    let body_len = bytes.len() - (header.len() - reader.remaining());
    if usize::try_from(len) != Ok(body_len) {
        return Err(DecodeError::Value("entry.body"));
    }
    Ok(IndexEntry { seq, sender, len })
}

struct Answered {
    hash: u64,
    seq: Seq,
}

impl Field for Answered {
    fn put(&self, out: &mut BytesMut) {
        self.hash.put(out);
        self.seq.put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self { hash: u64::get(reader, field)?, seq: Seq::get(reader, field)? })
    }
}

fn begin(bytes: Bytes) -> Result<Reader, DecodeError> {
    let mut reader = Reader::new(bytes);
    match reader.u8("format")? {
        FORMAT => Ok(reader),
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
    let count = usize::from(reader.u8(field)?);
    if count > max {
        return Err(DecodeError::Long(field));
    }
    (0..count).map(|_| T::get(reader, field)).collect()
}

#[cfg(test)]
mod tests;
