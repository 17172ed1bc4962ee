//! The writer: one batch, one sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tables::Tables;
use crate::apply::Applier;
use crate::change::Batch;
use crate::error::StorageError;

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

    /// Makes `batch` durable.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let mut writes = self.tables.writes();
        self.applier.apply(&self.tables.view(), batch, &mut writes)?;
        self.tables.commit(writes)?;
        self.free_bytes.store(self.tables.free_bytes()?, Ordering::Relaxed);
        Ok(())
    }
}
