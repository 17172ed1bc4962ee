//! The writer: one batch, one sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::limits::BLOBS_DISK_FREE_MIN;

use super::tables::Tables;
use crate::apply::Applier;
use crate::change::{Batch, Change};
use crate::error::StorageError;
use crate::slot::SlotRow;

/// Bytes on the disk below which deletions of blobs are flushed at once. Nothing else would make
/// them: no chunks are taken any more, and what is deleted makes room only when it was flushed.
const SCARCE: u64 = 2 * BLOBS_DISK_FREE_MIN;

/// What the writer's thread owns.
pub(super) struct Writer {
    tables: Arc<Tables>,
    applier: Applier,
    free_bytes: Arc<AtomicU64>,
}

impl Writer {
    /// A writer that tells after each commit how much room is left.
    pub(super) fn new(tables: Arc<Tables>, free_bytes: Arc<AtomicU64>) -> Self {
        let applier = Applier::default();
        Self { tables, applier, free_bytes }
    }

    /// Makes `batch` durable; gives what it wrote of the slots that it watches.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<Vec<SlotRow>, StorageError> {
        let mut writes = self.tables.writes();
        let rows = self.applier.apply(&self.tables.view(), batch, &mut writes)?;
        self.tables.commit(writes)?;
        let free_bytes = self.tables.free_bytes()?;
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
        let drops = |change: &Change| matches!(change, Change::DropBlob { .. });
        if free_bytes < SCARCE && batch.changes.iter().any(drops) {
            self.tables.flush_chunks()?;
        }
        Ok(rows)
    }
}
