//! Blobs: a chunk is never stored without the record that counts it, so that what is deleted by
//! that count is all there is.

use std::collections::BTreeMap;

use wire::{BlobId, Name};

use crate::error::StorageError;
use crate::image::{Image, Writes, damaged};
use crate::key::{self, Family};
use crate::record::BlobRecord;
use crate::value::Value;

/// What a batch did to blobs so far.
#[derive(Default)]
pub(super) struct PendingBlobs(BTreeMap<(Name, BlobId), Pending>);

#[derive(Default)]
struct Pending {
    /// Chunks below this are put in this batch, or may be.
    chunks: u32,
    /// Chunks that the batch's newest record counts; none when it puts no record.
    have: Option<u32>,
    /// What the image holds is deleted.
    is_dropped: bool,
}

impl PendingBlobs {
    pub(super) fn add_chunk(&mut self, blob: (Name, BlobId), index: u32) {
        let pending = self.0.entry(blob).or_default();
        pending.chunks = pending.chunks.max(index.saturating_add(1));
    }

    pub(super) fn put(&mut self, blob: (Name, BlobId), have: u32) {
        self.0.entry(blob).or_default().have = Some(have);
    }

    /// Deletes what the image holds of a blob, and what the batch has put.
    pub(super) fn drop(
        &mut self,
        blob: (Name, BlobId),
        image: &impl Image,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        let pending = self.0.entry(blob).or_default();
        let (uploader, id) = &blob;
        let key = key::blob(uploader, id);
        let mut chunks = pending.chunks;
        if !pending.is_dropped {
            let record = image.get(Family::Blobs, &key)?.map(BlobRecord::decode).transpose();
            let stored = record.map_err(damaged(Family::Blobs))?;
            chunks = chunks.max(stored.map_or(0, |record| record.have));
        }
        writes.delete(Family::Blobs, &key);
        for index in 0..chunks {
            writes.delete(Family::Chunks, &key::chunk(uploader, id, index));
        }
        *pending = Pending { is_dropped: true, ..Pending::default() };
        Ok(())
    }

    /// Whether every chunk is counted.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        let is_counted = |pending: &Pending| pending.chunks <= pending.have.unwrap_or(0);
        if self.0.values().all(is_counted) {
            return Ok(());
        }
        Err(StorageError::RuleBroken("a chunk without the record that counts it"))
    }
}
