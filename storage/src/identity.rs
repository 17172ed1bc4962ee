//! Who a store is: magic, format version, identity, epoch. One record, so one write changes it.
//!
//! ```text
//! 0        8           10                26           30
//! ┌────────┬───────────┬─────────────────┬────────────┐
//! │ magic  │ format    │ store id        │ epoch      │
//! │ [u8;8] │ u16       │ [u8; 16]        │ u32        │
//! └────────┴───────────┴─────────────────┴────────────┘
//! ```
//! Magic and format stay where they are in every later format.

use std::path::Path;

use bytes::{BufMut, Bytes, BytesMut};
use wire::{DecodeError, Reader, Seq, StoreId};

use crate::error::StorageError;
use crate::key::Family;
use crate::op::Opened;
use crate::watermark::Watermark;

/// The newest format this program reads and writes.
pub(crate) const FORMAT_VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"FCHTSTOR";

/// Epochs that a restore skips: the openings of the lost store that neither what is left of it nor
/// its watermark knows of.
pub const RESTORED_EPOCHS: u32 = 4096;

/// The identity of a store that is made now: epoch 0, never served.
pub(crate) fn made(store: StoreId) -> Opened {
    let store_epoch = 0;
    Opened { store, store_epoch }
}

/// The identity under which the store serves next.
pub(crate) fn raised(before: Opened) -> Result<Opened, StorageError> {
    if before.store_epoch >= Seq::STORE_EPOCH_MAX {
        return Err(StorageError::EpochSpent);
    }
    Ok(Opened { store_epoch: before.store_epoch + 1, ..before })
}

/// The identity under which a store is taken that may have lost what was served: above every epoch
/// that is known to have been, and above those after it that nobody knows of.
pub(crate) fn restored(before: Opened, known: Option<Watermark>) -> Result<Opened, StorageError> {
    let known = known.map_or(0, |known| known.store_epoch);
    let store_epoch = before.store_epoch.max(known) + RESTORED_EPOCHS;
    if store_epoch > Seq::STORE_EPOCH_MAX {
        return Err(StorageError::EpochSpent);
    }
    Ok(Opened { store_epoch, ..before })
}

/// The record's bytes.
pub(crate) fn encode(opened: Opened) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_slice(&MAGIC);
    out.put_u16(FORMAT_VERSION);
    out.put_slice(&opened.store.0);
    out.put_u32(opened.store_epoch);
    out
}

/// Reads the record of the store at `path`.
pub(crate) fn decode(path: &Path, bytes: Bytes) -> Result<Opened, StorageError> {
    let mut reader = Reader::new(bytes);
    if reader.array("magic").ok() != Some(MAGIC) {
        return Err(StorageError::NotAStore(path.to_owned()));
    }
    let found = reader.u16("format").map_err(damaged)?;
    if found > FORMAT_VERSION {
        let known = FORMAT_VERSION;
        return Err(StorageError::Newer { found, known });
    }
    fields(reader).map_err(damaged)
}

fn fields(mut reader: Reader) -> Result<Opened, DecodeError> {
    let store = StoreId(reader.array("store")?);
    let store_epoch = reader.u32("epoch")?;
    reader.finish()?;
    if store_epoch > Seq::STORE_EPOCH_MAX {
        return Err(DecodeError::Value("epoch"));
    }
    Ok(Opened { store, store_epoch })
}

fn damaged(cause: DecodeError) -> StorageError {
    let family = Family::Meta.name();
    StorageError::Damaged { family, cause }
}

#[cfg(test)]
mod tests {
    use super::{
        Bytes, Opened, Path, RESTORED_EPOCHS, Seq, StorageError, StoreId, Watermark, decode,
        encode, raised, restored,
    };

    fn opened(store_epoch: u32) -> Opened {
        let store = StoreId(*b"0123456789abcdef");
        Opened { store, store_epoch }
    }

    fn decoded(bytes: &[u8]) -> Result<Opened, StorageError> {
        decode(Path::new("here"), Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn format_1_stays_as_it_is() {
        let bytes = encode(opened(258));
        assert_eq!(&bytes[..], b"FCHTSTOR\0\x010123456789abcdef\0\0\x01\x02");
        assert_eq!(decoded(&bytes), Ok(opened(258)));
    }

    #[test]
    fn newer_format_is_refused_whatever_follows() {
        let (found, known) = (2, 1);
        assert_eq!(decoded(b"FCHTSTOR\0\x02"), Err(StorageError::Newer { found, known }));
    }

    #[test]
    fn other_records_are_refused() {
        let whole = encode(opened(1));
        for len in 0..whole.len() {
            decoded(&whole[..len]).expect_err("it is cut");
        }
        decoded(&[&whole[..], &[0]].concat()).expect_err("it is longer");
        let foreign = decoded(b"another program's record......");
        assert_eq!(foreign, Err(StorageError::NotAStore("here".into())));
        let spent = encode(opened(Seq::STORE_EPOCH_MAX + 1));
        assert!(matches!(decoded(&spent), Err(StorageError::Damaged { .. })));
    }

    #[test]
    fn epochs_rise_until_they_are_spent() {
        assert_eq!(raised(opened(4)), Ok(opened(5)));
        let last = opened(Seq::STORE_EPOCH_MAX - 1);
        assert_eq!(raised(last), Ok(opened(Seq::STORE_EPOCH_MAX)));
        assert_eq!(raised(opened(Seq::STORE_EPOCH_MAX)), Err(StorageError::EpochSpent));
    }

    #[test]
    fn restoring_skips_what_may_have_been_served() {
        let known =
            |store_epoch| Some(Watermark { store: StoreId([0; 16]), store_epoch, sequence: 1 });
        assert_eq!(restored(opened(4), None), Ok(opened(4 + RESTORED_EPOCHS)));
        assert_eq!(restored(opened(4), known(9)), Ok(opened(9 + RESTORED_EPOCHS)));
        assert_eq!(restored(opened(9), known(4)), Ok(opened(9 + RESTORED_EPOCHS)));
        let last = Seq::STORE_EPOCH_MAX;
        let highest = known(last - RESTORED_EPOCHS);
        assert_eq!(restored(opened(1), highest), Ok(opened(last)));
        let above = known(last - RESTORED_EPOCHS + 1);
        assert_eq!(restored(opened(1), above), Err(StorageError::EpochSpent));
    }
}
