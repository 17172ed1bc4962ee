//! Reads of blobs' records.

use std::ops::ControlFlow;

use bytes::Bytes;
use wire::limits::BLOBS_MAX;
use wire::{BlobId, Name};

use crate::error::StorageError;
use crate::image::Image;
use crate::key::{self, Family};
use crate::record::BlobRecord;
use crate::value::Value;

/// The account's blobs.
pub(super) fn of_account(
    image: &impl Image,
    uploader: &Name,
) -> Result<Vec<(BlobId, BlobRecord)>, StorageError> {
    let from = key::account(uploader);
    let found = scan(image, &from, &key::after_prefix(&from), BLOBS_MAX)?;
    Ok(found.into_iter().map(|(_, blob, record)| (blob, record)).collect())
}

/// Blobs of every account behind `after`.
pub(super) fn after(
    image: &impl Image,
    after: Option<&(Name, BlobId)>,
    max: usize,
) -> Result<Vec<(Name, BlobId, BlobRecord)>, StorageError> {
    let mut from = after.map(|(uploader, blob)| key::blob(uploader, blob)).unwrap_or_default();
    if after.is_some() {
        from.extend_from_slice(&[0]);
    }
    // Keys begin with the length of a name.
    scan(image, &from, &[0xff], max)
}

fn scan(
    image: &impl Image,
    from: &[u8],
    to: &[u8],
    max: usize,
) -> Result<Vec<(Name, BlobId, BlobRecord)>, StorageError> {
    let mut found = Vec::new();
    image.scan(Family::Blobs, from, to, &mut |key, value| {
        if found.len() == max {
            return Ok(ControlFlow::Break(()));
        }
        let (uploader, blob) = key::blob_parts(key)?;
        found.push((uploader, blob, BlobRecord::decode(Bytes::copy_from_slice(value))?));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
