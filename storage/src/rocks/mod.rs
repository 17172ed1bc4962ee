//! The RocksDB engine: a writer thread that commits and syncs, a reader thread that answers, a
//! keeper thread that syncs the watermark.
//!
//! A post's way through here: [`RocksStorage::submit`] → the writer's lane → [`writer::Writer`] →
//! one write batch, one sync → the lane's result → wake → [`RocksStorage::poll`].

pub mod backup;
mod keeper;
mod lane;
mod open;
mod options;
mod tables;
#[cfg(test)]
mod tests;
mod watermark_file;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use wire::Slot;

use self::backup::Checkpointer;
use self::keeper::Keeper;
use self::lane::{Lane, Wake};
use self::open::OpenStore;
pub use self::options::Sizing;
use self::writer::Writer;
use crate::answer::{answer, slot_records};
use crate::change::Batch;
use crate::error::StorageError;
use crate::image::Image;
use crate::key::{Family, MAP};
use crate::op::{Completion, Op, Opened, Ticket};
use crate::read::{Answer, Read};
use crate::slot::{SlotRecord, SlotRow};
use crate::{READS_MAX, Storage};

/// The engine on RocksDB. Dropping it ends a commit and a checkpoint in flight, forgets reads that
/// wait, joins its threads and closes the database.
pub struct RocksStorage {
    checkpointer: Checkpointer,
    writer: Lane<(Ticket, Batch), (Ticket, Vec<SlotRow>)>,
    reader: Lane<(Ticket, Read), (Ticket, Answer)>,
    /// After the lanes: what they did last is in its last watermark.
    keeper: Keeper,
    free_bytes: Arc<AtomicU64>,
    /// What was known of slots when the store was opened.
    slots: Vec<(Slot, SlotRecord)>,
    last_ticket: Option<Ticket>,
    is_poisoned: bool,
    map: Option<Bytes>,
}

impl RocksStorage {
    /// Opens the store in the folder `path`, or makes one there. The store's epoch is raised and
    /// synced before this returns. `wake` is called from the engine's threads whenever
    /// [`Storage::poll`] has something new.
    ///
    /// # Errors
    /// [`StorageError`]: in use, not a store, newer than this program, below its watermark,
    /// damaged, or the disk fails.
    pub fn open(
        path: &Path,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<(Self, Opened), StorageError> {
        Self::open_sized(path, &Sizing::standard(), wake)
    }

    /// The same with other sizes, such as [`Sizing::tiny`].
    ///
    /// # Errors
    /// As [`RocksStorage::open`].
    pub fn open_sized(
        path: &Path,
        sizing: &Sizing,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<(Self, Opened), StorageError> {
        let OpenStore { tables, opened, watermark } = open::open(path, sizing)?;
        let free_bytes = Arc::new(AtomicU64::new(tables.free_bytes()?));
        let map = tables.view().get(Family::Meta, MAP)?;
        let slots = slot_records(&tables.view())?;
        let (tables, wake) = (Arc::new(tables), Wake::from(wake));
        let mut writer = Writer::new(Arc::clone(&tables), Arc::clone(&free_bytes));
        let storage = Self {
            checkpointer: Checkpointer::of(Arc::clone(&tables)),
            writer: Lane::start("store-writer", 1, Arc::clone(&wake), move |(ticket, batch)| {
                writer.commit(&batch).map(|rows| (ticket, rows))
            })?,
            keeper: Keeper::start(
                Arc::clone(&tables),
                watermark,
                sizing.watermark_every,
                Arc::clone(&wake),
            )?,
            reader: Lane::start("store-reader", READS_MAX, wake, move |(ticket, read)| {
                answer(&tables.view(), &read).map(|answer| (ticket, answer))
            })?,
            free_bytes,
            slots,
            last_ticket: None,
            is_poisoned: false,
            map,
        };
        Ok((storage, opened))
    }

    /// Takes the store in the folder `path` for what it is, though its watermark refuses it or it
    /// was put back from a copy together with its watermark. Its epoch rises by
    /// [`RESTORED_EPOCHS`](crate::RESTORED_EPOCHS) above everything known of it, so that no seq is
    /// given twice; then it is closed. What is lost stays lost.
    ///
    /// # Errors
    /// [`StorageError`] as for [`RocksStorage::open`], but for the watermark.
    pub fn restore(path: &Path) -> Result<Opened, StorageError> {
        open::restore(path).map(|restored| restored.opened)
    }

    /// The map that the store held when it was opened, if any.
    #[must_use]
    pub fn map(&self) -> Option<Bytes> {
        self.map.clone()
    }

    /// What the store knew of slots when it was opened.
    #[must_use]
    pub fn slots(&self) -> &[(Slot, SlotRecord)] {
        &self.slots
    }

    /// Makes checkpoints of this store, on the threads that ask for them.
    #[must_use]
    pub fn checkpointer(&self) -> Checkpointer {
        self.checkpointer.clone()
    }

    /// Finishes what was asked, writes the last watermark, joins the threads and closes the
    /// database.
    ///
    /// # Errors
    /// [`StorageError`] of a write that has failed and was not polled. What was acknowledged is on
    /// disk all the same.
    pub fn close(mut self) -> Result<(), StorageError> {
        self.checkpointer.close();
        let written = self.writer.end();
        let kept = self.keeper.end();
        // What broke the writer has mostly broken the keeper, too, and says more.
        written.and(kept)
    }

    fn poisoned(&mut self, cause: StorageError) -> Completion {
        self.is_poisoned = true;
        Completion::Poisoned { cause }
    }
}

impl Drop for RocksStorage {
    fn drop(&mut self) {
        self.checkpointer.close();
    }
}

impl Storage for RocksStorage {
    fn submit(&mut self, op: Op) {
        let (Op::Commit { ticket, .. } | Op::Read { ticket, .. }) = &op;
        assert!(self.last_ticket < Some(*ticket), "{ticket:?} does not rise");
        self.last_ticket = Some(*ticket);
        if self.is_poisoned {
            return;
        }
        match op {
            Op::Commit { ticket, batch } => self.writer.ask((ticket, batch)),
            Op::Read { ticket, read } => self.reader.ask((ticket, read)),
        }
    }

    fn poll(&mut self) -> Option<Completion> {
        if self.is_poisoned {
            return None;
        }
        if let Some(result) = self.writer.poll() {
            return Some(match result {
                Ok((ticket, writes)) => Completion::Committed { ticket, writes },
                Err(cause) => self.poisoned(cause),
            });
        }
        if let Some(result) = self.reader.poll() {
            return Some(match result {
                Ok((ticket, answer)) => Completion::Answered { ticket, answer },
                Err(cause) => self.poisoned(cause),
            });
        }
        self.keeper.poll().map(|cause| self.poisoned(cause))
    }

    fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }
}
