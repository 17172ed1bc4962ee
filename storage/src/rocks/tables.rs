//! The open database: its families, a view of one moment, and the writes of one batch.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{ColumnFamily, DB, ReadOptions, Snapshot, WriteBatch, properties};

use super::options;
use crate::error::StorageError;
use crate::identity;
use crate::image::{Image, Visit, Writes, damaged};
use crate::key::{Family, SEQUENCE, STORE};
use crate::watermark::{self, Watermark};

/// The database with every family open.
pub(super) struct Tables {
    db: DB,
    /// Batches so far.
    sequence: AtomicU64,
}

impl Tables {
    /// Takes a database that was opened with every family.
    pub(super) fn new(db: DB) -> Result<Self, StorageError> {
        let tables = Self { db, sequence: AtomicU64::new(0) };
        let sequence = tables.view().sequence()?;
        tables.sequence.store(sequence, Ordering::Relaxed);
        Ok(tables)
    }

    /// The store as it is now.
    pub(super) fn view(&self) -> View<'_> {
        View { tables: self, snapshot: self.db.snapshot() }
    }

    /// An empty batch.
    pub(super) fn writes(&self) -> RocksWrites<'_> {
        RocksWrites { tables: self, batch: WriteBatch::default() }
    }

    /// Numbers the batch, writes it and returns after its sync. One thread at a time.
    pub(super) fn commit(&self, mut writes: RocksWrites<'_>) -> Result<(), StorageError> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        watermark::number(sequence, &mut writes);
        self.db
            .write_opt(writes.batch, &options::synced_write())
            .map_err(failed("write and sync a batch"))?;
        self.check_background()
    }

    /// How far the store has come. Every write is synced before RocksDB shows it, so this is
    /// durable.
    pub(super) fn watermark(&self) -> Result<Watermark, StorageError> {
        let view = self.view();
        let record = view.get(Family::Meta, STORE)?;
        let record = record.ok_or_else(|| StorageError::NotAStore(self.db.path().to_owned()))?;
        let opened = identity::decode(self.db.path(), record)?;
        Ok(watermark::of(opened, view.sequence()?))
    }

    /// Bytes that the disk has left for programs without privileges.
    pub(super) fn free_bytes(&self) -> Result<u64, StorageError> {
        let disk = rustix::fs::statvfs(self.db.path()).map_err(|error| StorageError::Engine {
            doing: "measure the disk",
            cause: error.to_string(),
        })?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The store's folder.
    pub(super) fn path(&self) -> &Path {
        self.db.path()
    }

    /// Makes a second store of the same files in the new folder `path`: links of those that no
    /// more change, copies of the others. Holds what was committed before, and perhaps more.
    pub(super) fn checkpoint(&self, path: &Path) -> Result<(), StorageError> {
        let made = Checkpoint::new(&self.db).and_then(|maker| maker.create_checkpoint(path));
        made.map_err(failed("make a checkpoint"))
    }

    /// Moves what is written of chunks, and their deletions, from memory to files. RocksDB then
    /// makes room in the background.
    pub(super) fn flush_chunks(&self) -> Result<(), StorageError> {
        self.flush(Family::Chunks)
    }

    /// Moves what is written of a family from memory to files.
    pub(super) fn flush(&self, family: Family) -> Result<(), StorageError> {
        self.db.flush_cf(self.family(family)).map_err(failed("flush a family"))
    }

    /// A flush or a compaction that failed is as bad as a failed write, though RocksDB would try
    /// again: a store that lost a page once cannot know what else it lost.
    pub(super) fn check_background(&self) -> Result<(), StorageError> {
        let errors = self
            .db
            .property_int_value(properties::BACKGROUND_ERRORS)
            .map_err(failed("ask for background errors"))?;
        match errors {
            Some(0) => Ok(()),
            _ => Err(StorageError::Engine {
                doing: "flush or compact",
                cause: "a background error; the LOG file in the store's folder says which".into(),
            }),
        }
    }

    /// What RocksDB counts, as text.
    #[cfg(test)]
    pub(super) fn statistics(&self) -> String {
        let stats = self.db.property_value(properties::DBSTATS);
        stats.expect("the property exists").expect("the property has a value")
    }

    /// Bytes in the files that hold chunks, when nothing more is to be compacted.
    #[cfg(test)]
    pub(super) fn chunk_bytes(&self) -> u64 {
        self.db.wait_for_compact(&rocksdb::WaitForCompactOptions::default()).expect("it compacts");
        let chunks = self.family(Family::Chunks);
        let bytes = self.db.property_int_value_cf(chunks, c"rocksdb.live-blob-file-size");
        bytes.expect("the property exists").expect("the property has a value")
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("the database was opened with every family")
    }
}

/// The store at one moment.
pub(super) struct View<'a> {
    tables: &'a Tables,
    snapshot: Snapshot<'a>,
}

impl View<'_> {
    fn sequence(&self) -> Result<u64, StorageError> {
        watermark::decode_sequence(self.get(Family::Meta, SEQUENCE)?)
    }
}

impl Image for View<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let value = self
            .snapshot
            .get_pinned_cf(self.tables.family(family), key)
            .map_err(failed("read a record"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(
        &self,
        family: Family,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to);
        let family_handle = self.tables.family(family);
        let mut pairs = self.snapshot.raw_iterator_cf_opt(family_handle, options);
        pairs.seek(from);
        while let Some((key, value)) = pairs.item() {
            if visit(key, value).map_err(damaged(family))? == ControlFlow::Break(()) {
                return Ok(());
            }
            pairs.next();
        }
        pairs.status().map_err(failed("read a range"))
    }
}

/// The writes of one batch.
pub(super) struct RocksWrites<'a> {
    tables: &'a Tables,
    batch: WriteBatch,
}

impl Writes for RocksWrites<'_> {
    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.batch.put_cf(self.tables.family(family), key, value);
    }

    /// A single delete: it and the put vanish together at the next flush or compaction, where a
    /// plain tombstone would stay until the last level.
    fn erase(&mut self, family: Family, key: &[u8]) {
        self.batch.single_delete_cf(self.tables.family(family), key);
    }

    fn delete(&mut self, family: Family, key: &[u8]) {
        self.batch.delete_cf(self.tables.family(family), key);
    }
}

/// An error of RocksDB, with what was being done.
pub(super) fn failed(doing: &'static str) -> impl Fn(rocksdb::Error) -> StorageError {
    move |error| StorageError::Engine { doing, cause: error.into_string() }
}
