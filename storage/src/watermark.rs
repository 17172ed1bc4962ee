//! The watermark: what a store is known to have synced, kept outside it. A store that holds less
//! was put back from an old copy, or lost files; serving it would give places of entries twice and
//! forget what was accepted.
//!
//! ```text
//! 0        8        10         26            30         38         46
//! ┌────────┬────────┬──────────┬─────────────┬──────────┬──────────┐
//! │ magic  │ format │ store id │ store epoch │ sequence │ checksum │
//! │ [u8;8] │ u16    │ [u8; 16] │ u32         │ u64      │ u64      │
//! └────────┴────────┴──────────┴─────────────┴──────────┴──────────┘
//! ```
//! Magic, format and checksum stay where they are in every later format. The check is the same for
//! both engines; only RocksDB's keeps these bytes in a file.

use std::fmt;
use std::hash::Hasher;

use bytes::{BufMut, Bytes, BytesMut};
use siphasher::sip::SipHasher24;
use thiserror::Error;
use wire::{DecodeError, Reader, Seq, StoreId};

use crate::error::StorageError;
use crate::image::{Writes, damaged};
use crate::key::{Family, SEQUENCE};
use crate::op::Opened;

/// Bytes of one watermark.
pub(crate) const WATERMARK_LEN: usize = 46;
const MAGIC: [u8; 8] = *b"FCHTWMRK";
const FORMAT_VERSION: u16 = 1;
const CHECKSUM_LEN: usize = 8;

/// How far a store has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watermark {
    /// Which store.
    pub store: StoreId,
    /// Its epoch.
    pub store_epoch: u32,
    /// How many batches it has synced since it was made. Each carries its number.
    pub sequence: u64,
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}, sequence {}", self.store_epoch, self.sequence)
    }
}

/// Why a store may not be served.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Breach {
    /// It holds less than was synced.
    #[error(
        "it holds {found}, but {known} was synced: it was put back from an older copy, \
         or lost files"
    )]
    Older {
        /// What it holds.
        found: Watermark,
        /// What its watermark says.
        known: Watermark,
    },
    /// Nothing is there, though something was synced.
    #[error("it is gone, but {0} was synced: its files were deleted, or its disk is not mounted")]
    Emptied(Watermark),
    /// Another store is in its place.
    #[error("another store stood here before, at {0}")]
    Replaced(Watermark),
    /// The store was served, and its watermark is gone.
    #[error("its watermark is gone: nobody can tell whether it is whole")]
    Missing,
    /// The watermark's file holds none.
    #[error("its watermark is damaged: nobody can tell whether it is whole")]
    Damaged,
}

/// Whether a store that holds `found` may be served beside the watermark `known`. `found` is `None`
/// while nobody has made a store there.
///
/// A crash never leads to a breach: a watermark is written after what it says was synced, and the
/// first before the first epoch that is served.
pub(crate) fn check(found: Option<Watermark>, known: Option<Watermark>) -> Result<(), Breach> {
    match (found, known) {
        (None, None) => Ok(()),
        (None, Some(known)) => Err(Breach::Emptied(known)),
        // It was never served, or by a program that counted nothing and kept no watermark.
        (Some(found), None) if found.store_epoch == 0 || found.sequence == 0 => Ok(()),
        (Some(_), None) => Err(Breach::Missing),
        (Some(found), Some(known)) if found.store != known.store => Err(Breach::Replaced(known)),
        (Some(found), Some(known)) => {
            let is_older = found.store_epoch < known.store_epoch || found.sequence < known.sequence;
            if is_older { Err(Breach::Older { found, known }) } else { Ok(()) }
        }
    }
}

/// A store as it was opened, after so many batches.
pub(crate) fn of(opened: Opened, sequence: u64) -> Watermark {
    Watermark { store: opened.store, store_epoch: opened.store_epoch, sequence }
}

/// How many batches the store holds. RocksDB's own count does not serve: it falls, at a recovery,
/// when the last writes were erased by one another.
pub(crate) fn decode_sequence(record: Option<Bytes>) -> Result<u64, StorageError> {
    let Some(record) = record else {
        return Ok(0);
    };
    let mut reader = Reader::new(record);
    let sequence = reader.u64("sequence").and_then(|sequence| {
        reader.finish()?;
        Ok(sequence)
    });
    sequence.map_err(damaged(Family::Meta))
}

/// Numbers a batch: it is the store's `sequence`th.
pub(crate) fn number(sequence: u64, writes: &mut impl Writes) {
    writes.put(Family::Meta, SEQUENCE, &sequence.to_be_bytes());
}

/// The watermark's bytes.
pub(crate) fn encode(watermark: Watermark) -> BytesMut {
    let mut out = BytesMut::with_capacity(WATERMARK_LEN);
    out.put_slice(&MAGIC);
    out.put_u16(FORMAT_VERSION);
    out.put_slice(&watermark.store.0);
    out.put_u32(watermark.store_epoch);
    out.put_u64(watermark.sequence);
    let checksum = checksum(&out);
    out.put_u64(checksum);
    out
}

/// Reads a watermark; `None` when these bytes are not a whole one.
///
/// # Errors
/// [`StorageError::Newer`]: a newer program wrote it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Watermark>, StorageError> {
    let Some((fields, found)) = bytes.split_last_chunk::<CHECKSUM_LEN>() else {
        return Ok(None);
    };
    let is_whole = bytes.len() == WATERMARK_LEN
        && fields.starts_with(&MAGIC)
        && u64::from_be_bytes(*found) == checksum(fields);
    if !is_whole {
        return Ok(None);
    }
    let mut reader = Reader::new(Bytes::copy_from_slice(&fields[MAGIC.len()..]));
    match reader.u16("format") {
        Ok(FORMAT_VERSION) => Ok(fields_of(reader).ok()),
        Ok(found) => Err(StorageError::Newer { found, known: FORMAT_VERSION }),
        Err(_) => Ok(None),
    }
}

fn fields_of(mut reader: Reader) -> Result<Watermark, DecodeError> {
    let store = StoreId(reader.array("store")?);
    let store_epoch = reader.u32("epoch")?;
    let sequence = reader.u64("sequence")?;
    reader.finish()?;
    if store_epoch > Seq::STORE_EPOCH_MAX {
        return Err(DecodeError::Value("epoch"));
    }
    Ok(Watermark { store, store_epoch, sequence })
}

/// Tells a torn or forgotten write, not an attacker: the key is nobody's secret.
fn checksum(fields: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(b"fastchat-waterm.");
    hasher.write(fields);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{Breach, StorageError, StoreId, Watermark, check, checksum, decode, encode};

    const KNOWN: Watermark = Watermark { store: StoreId([7; 16]), store_epoch: 5, sequence: 70 };

    #[test]
    fn format_1_stays_as_it_is() {
        let store = StoreId(*b"0123456789abcdef");
        let watermark = Watermark { store, store_epoch: 258, sequence: 772 };
        let bytes = encode(watermark);
        let fields = b"FCHTWMRK\0\x010123456789abcdef\0\0\x01\x02\0\0\0\0\0\0\x03\x04";
        assert_eq!(&bytes[..38], fields);
        assert_eq!(bytes[38..], 0x1876_add0_a1b6_472b_u64.to_be_bytes());
        assert_eq!(decode(&bytes), Ok(Some(watermark)));
    }

    #[test]
    fn torn_and_altered_bytes_are_no_watermark() {
        let whole = encode(KNOWN);
        for at in 0..whole.len() {
            assert_eq!(decode(&whole[..at]), Ok(None));
            let mut altered = whole.clone();
            altered[at] ^= 0x10;
            assert_eq!(decode(&altered), Ok(None), "{at}");
        }
        assert_eq!(decode(&[0; 46]), Ok(None));
    }

    #[test]
    fn newer_format_is_refused() {
        let mut bytes = encode(KNOWN);
        bytes[9] = 2;
        let sum = checksum(&bytes[..38]);
        bytes[38..].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(decode(&bytes), Err(StorageError::Newer { found: 2, known: 1 }));
    }

    #[test]
    fn store_at_or_above_its_watermark_is_served() {
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some(KNOWN), Some(KNOWN)), Ok(()));
        let above = Watermark { store_epoch: 6, sequence: 71, ..KNOWN };
        assert_eq!(check(Some(above), Some(KNOWN)), Ok(()));
        let made = Watermark { store_epoch: 0, ..KNOWN };
        assert_eq!(check(Some(made), None), Ok(()), "it was never served");
        let older = Watermark { sequence: 0, ..KNOWN };
        assert_eq!(check(Some(older), None), Ok(()), "an older program served it");
    }

    #[test]
    fn store_below_its_watermark_is_refused() {
        for (store_epoch, sequence) in [(4, 70), (4, 71), (5, 69), (6, 69)] {
            let found = Watermark { store_epoch, sequence, ..KNOWN };
            let breach = Breach::Older { found, known: KNOWN };
            assert_eq!(check(Some(found), Some(KNOWN)), Err(breach));
        }
    }

    #[test]
    fn store_without_its_like_is_refused() {
        assert_eq!(check(None, Some(KNOWN)), Err(Breach::Emptied(KNOWN)));
        assert_eq!(check(Some(KNOWN), None), Err(Breach::Missing));
        let other = Watermark { store: StoreId([8; 16]), store_epoch: 9, sequence: 99 };
        assert_eq!(check(Some(other), Some(KNOWN)), Err(Breach::Replaced(KNOWN)));
    }
}
