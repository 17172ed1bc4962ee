//! A server's disk: the engine in memory, whose steps are microseconds, and what can go wrong.

use std::time::Duration;

use bytes::Bytes;
use storage::{
    Batch, Completion, DiskModel, InFlight, MemDisk, MemStorage, Op, Opened, SlotRecord, Storage,
    StorageError,
};
use wire::{Instant, ServerId, Slot, StoreId};

use super::fault::FaultKind;
use super::server::micros;

/// A disk, with the engine on it while a process has it open.
#[derive(Debug)]
pub struct Disk {
    image: MemDisk,
    /// As it was before it was last opened.
    copy: Option<MemDisk>,
    store: Option<MemStorage>,
    opened_at: Instant,
    in_flight: Option<Batch>,
    /// Everything takes longer by this.
    pub lag: Duration,
    /// The next operation takes longer by this.
    pub stall: Duration,
    /// The next sync fails.
    pub is_sync_failing: bool,
    /// The next read fails.
    pub is_read_failing: bool,
    /// There is no room.
    pub is_full: bool,
    /// What is found at the next start is not what was left.
    pub wrong: Option<FaultKind>,
}

impl Disk {
    /// A disk with an empty store.
    #[must_use]
    pub fn new(server: ServerId) -> Self {
        let store = u8::try_from(server.0).expect("few servers");
        Self {
            image: MemDisk::new(StoreId([store; 16])),
            copy: None,
            store: None,
            opened_at: Instant(0),
            in_flight: None,
            lag: Duration::ZERO,
            stall: Duration::ZERO,
            is_sync_failing: false,
            is_read_failing: false,
            is_full: false,
            wrong: None,
        }
    }

    /// A process opens the store.
    pub fn open(&mut self, now: Instant) -> Opened {
        let image = std::mem::take(&mut self.image);
        self.copy = Some(image.clone());
        let opened = MemStorage::open(image, DiskModel::default());
        let (store, opened) = opened.expect("what a crash leaves opens");
        self.store = Some(store);
        self.opened_at = now;
        opened
    }

    /// What the store that is open knows of slots.
    ///
    /// # Panics
    /// When no process has it open.
    #[must_use]
    pub fn slots(&self) -> Vec<(Slot, SlotRecord)> {
        let store = self.store.as_ref().expect("a process has it open");
        store.slots().expect("records decode")
    }

    /// The map that the store holds.
    ///
    /// # Panics
    /// When no process has it open.
    #[must_use]
    pub fn map(&self) -> Option<Bytes> {
        self.store.as_ref().expect("a process has it open").map()
    }

    /// An operation begins.
    pub fn submit(&mut self, now: Instant, delay: Duration, op: Op) {
        let delay = delay + self.lag + std::mem::take(&mut self.stall);
        let steps = u64::try_from(delay.as_micros()).expect("short times");
        let at = micros(self.opened_at, now);
        let (is_sync_failing, is_read_failing) = (self.is_sync_failing, self.is_read_failing);
        let store = self.store.as_mut().expect("a process has it open");
        store.advance_to(at);
        store.set_model(DiskModel {
            commit_steps: steps,
            read_steps: steps,
            fail_commit: is_sync_failing.then(|| store.counts().0 + 1),
            fail_read: is_read_failing.then(|| store.counts().1 + 1),
            free_bytes: u64::MAX,
        });
        if let Op::Commit { batch, .. } = &op {
            self.in_flight = Some(batch.clone());
        }
        store.submit(op);
    }

    /// When the next operation is done.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let due = self.store.as_ref()?.next_due()?;
        Some(self.opened_at + Duration::from_micros(due))
    }

    /// What is done by now.
    pub fn poll(&mut self, now: Instant) -> Option<Completion> {
        let at = micros(self.opened_at, now);
        let store = self.store.as_mut()?;
        store.advance_to(at);
        store.poll()
    }

    /// What was being written.
    pub fn take_batch(&mut self) -> Option<Batch> {
        self.in_flight.take()
    }

    /// Its process is dead: the batch of whose end it had not heard, and what became of that. The
    /// disk may hold all or nothing of what was being written, and all of what had been.
    pub fn crash(&mut self, in_flight: InFlight) -> Option<(Batch, InFlight)> {
        let store = self.store.take().expect("a process had it open");
        let fate = if store.is_writing() { in_flight } else { InFlight::Kept };
        self.image = store.crash(in_flight);
        self.is_sync_failing = false;
        self.is_read_failing = false;
        self.in_flight.take().map(|batch| (batch, fate))
    }

    /// What something that went wrong with the folder has left in it; none before it was served.
    #[must_use]
    pub fn wronged(&self, kind: FaultKind) -> Option<MemDisk> {
        let image = self.image.clone();
        match kind {
            FaultKind::RolledBack => self.copy.as_ref().map(|copy| image.rolled_back(copy)),
            FaultKind::Emptied => self.copy.as_ref().map(|_| image.emptied()),
            FaultKind::WatermarkLost => self.copy.as_ref().map(|_| image.without_watermark()),
            _ => None,
        }
    }

    /// Nothing is wrong with it any more.
    pub fn mend(&mut self) {
        self.lag = Duration::ZERO;
        self.stall = Duration::ZERO;
        self.is_sync_failing = false;
        self.is_read_failing = false;
        self.is_full = false;
    }

    /// The room that is left.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        if self.is_full { 0 } else { u64::MAX }
    }

    /// Which fault a failure of the engine is.
    #[must_use]
    pub fn fault_of(cause: &StorageError) -> FaultKind {
        match cause {
            StorageError::Engine { doing: "sync", .. } => FaultKind::SyncFailed,
            StorageError::Engine { doing: "read", .. } => FaultKind::ReadFailed,
            other => panic!("the engine fails by itself: {other}"),
        }
    }
}
