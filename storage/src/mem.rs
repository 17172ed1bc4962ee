//! The engine in memory: the simulator's disk. It survives what [`MemDisk`] survives.
//!
//! Time is counted in steps, which the owner takes; nothing here is drawn by chance, so the owner's
//! generator decides everything.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, ControlFlow};
use std::path::Path;

use bytes::Bytes;
use wire::{Slot, StoreId};

use crate::answer::{answer, slot_records};
use crate::apply::Applier;
use crate::change::Batch;
use crate::error::StorageError;
use crate::identity;
use crate::image::{Image, Visit, Writes, damaged};
use crate::key::{Family, MAP, SEQUENCE, STORE};
use crate::op::{Completion, Op, Opened, Ticket};
use crate::read::Read;
use crate::slot::{SlotRecord, SlotRow};
use crate::watermark::{self, Watermark};
use crate::{READS_MAX, Storage};

/// Where errors say that a store in memory is.
const MEMORY: &str = "memory";

/// How the disk behaves. The default is instant, endless and without fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DiskModel {
    /// Steps from submitting a commit until its sync returns; 0 = at the next poll.
    pub commit_steps: u64,
    /// Steps from submitting a read until it is done; 0 = at the next poll.
    pub read_steps: u64,
    /// The commit whose sync fails, counted from 1 since the store was opened.
    pub fail_commit: Option<u64>,
    /// The read that finds a damaged file, counted from 1 since the store was opened.
    pub fail_read: Option<u64>,
    /// What [`Storage::free_bytes`] says.
    pub free_bytes: u64,
}

impl Default for DiskModel {
    fn default() -> Self {
        Self {
            commit_steps: 0,
            read_steps: 0,
            fail_commit: None,
            fail_read: None,
            free_bytes: u64::MAX,
        }
    }
}

/// What a crash does to the batch whose sync has not returned. Both happen on real disks, also
/// after a sync that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InFlight {
    /// It is gone.
    Lost,
    /// It is durable, though nobody was told.
    Kept,
}

/// What survives a crash: every batch whose sync returned, and the watermark.
#[derive(Clone, Debug, Default)]
pub struct MemDisk {
    families: BTreeMap<Family, BTreeMap<Bytes, Bytes>>,
    watermark: Option<Watermark>,
}

impl MemDisk {
    /// A disk with a store of this identity that was never opened.
    #[must_use]
    pub fn new(store: StoreId) -> Self {
        let mut disk = Self::default();
        disk.put(Family::Meta, STORE, &identity::encode(identity::made(store)));
        disk
    }

    /// The records of an older `image` of the same store, beside this disk's watermark: what a
    /// snapshot or a backup that was put back leaves. Opening it is refused.
    #[must_use]
    pub fn rolled_back(self, image: &Self) -> Self {
        Self { watermark: self.watermark, ..image.clone() }
    }

    /// Nothing but the watermark: the folder was emptied, or its disk is not mounted. Opening it
    /// is refused once the store was served.
    #[must_use]
    pub fn emptied(self) -> Self {
        Self { watermark: self.watermark, ..Self::default() }
    }

    /// The records without their watermark: its file was lost. Opening it is refused once the store
    /// was served.
    #[must_use]
    pub fn without_watermark(self) -> Self {
        Self { watermark: None, ..self }
    }

    /// What an operator makes of a disk that is refused and has to do: its epoch rises by
    /// [`RESTORED_EPOCHS`](crate::RESTORED_EPOCHS), above all that was served.
    ///
    /// # Errors
    /// [`StorageError::NotAStore`] when it is empty, [`StorageError::EpochSpent`] at the end.
    pub fn restored(mut self) -> Result<Self, StorageError> {
        let known = self.watermark;
        let opened = identity::restored(self.identity()?.ok_or_else(not_a_store)?, known)?;
        self.set_identity(opened)?;
        Ok(self)
    }

    fn identity(&self) -> Result<Option<Opened>, StorageError> {
        let record = self.get(Family::Meta, STORE)?;
        record.map(|record| identity::decode(Path::new(MEMORY), record)).transpose()
    }

    fn opened(&mut self) -> Result<Opened, StorageError> {
        let before = self.identity()?;
        let sequence = self.sequence()?;
        let found = before.map(|before| watermark::of(before, sequence));
        watermark::check(found, self.watermark)
            .map_err(|breach| StorageError::Refused { path: MEMORY.into(), breach })?;
        let opened = identity::raised(before.ok_or_else(not_a_store)?)?;
        self.set_identity(opened)?;
        Ok(opened)
    }

    fn set_identity(&mut self, opened: Opened) -> Result<(), StorageError> {
        let sequence = self.sequence()? + 1;
        self.put(Family::Meta, STORE, &identity::encode(opened));
        watermark::number(sequence, self);
        self.watermark = Some(watermark::of(opened, sequence));
        Ok(())
    }

    fn sequence(&self) -> Result<u64, StorageError> {
        watermark::decode_sequence(self.get(Family::Meta, SEQUENCE)?)
    }
}

/// The engine in memory. See [`Storage`]; [`MemStorage::step`] makes its time pass.
#[derive(Debug)]
pub struct MemStorage {
    durable: MemDisk,
    model: DiskModel,
    applier: Applier,
    step: u64,
    commits: u64,
    reads_done: u64,
    last_ticket: Option<Ticket>,
    /// Written, not yet synced; and when its sync returns.
    in_flight: Option<(u64, Ticket, Batch)>,
    reads: VecDeque<(u64, Ticket, Read)>,
    completions: VecDeque<Completion>,
    is_poisoned: bool,
}

impl MemStorage {
    /// A new, empty store on a disk of its own.
    ///
    /// # Panics
    /// Never: a new disk opens.
    #[must_use]
    pub fn new(model: DiskModel) -> (Self, Opened) {
        Self::open(MemDisk::new(StoreId::default()), model).expect("a new disk opens")
    }

    /// Opens what a crash left: raises the store epoch, durably.
    ///
    /// # Errors
    /// [`StorageError::EpochSpent`] after 2^24 − 1 openings, [`StorageError::Refused`] when the
    /// disk holds less than its watermark says.
    pub fn open(mut disk: MemDisk, model: DiskModel) -> Result<(Self, Opened), StorageError> {
        let opened = disk.opened()?;
        let storage = Self {
            durable: disk,
            model,
            applier: Applier::default(),
            step: 0,
            commits: 0,
            reads_done: 0,
            last_ticket: None,
            in_flight: None,
            reads: VecDeque::new(),
            completions: VecDeque::new(),
            is_poisoned: false,
        };
        Ok((storage, opened))
    }

    /// The map that the store holds, if any.
    ///
    /// # Panics
    /// Never: memory is readable.
    #[must_use]
    pub fn map(&self) -> Option<Bytes> {
        self.durable.get(Family::Meta, MAP).expect("memory is readable")
    }

    /// Behaves like `model` from the next operation on.
    pub fn set_model(&mut self, model: DiskModel) {
        self.model = model;
    }

    /// What the store knows of slots, as it is durable now.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when a record does not decode.
    pub fn slots(&self) -> Result<Vec<(Slot, SlotRecord)>, StorageError> {
        slot_records(&self.durable)
    }

    /// Lets one step of time pass.
    pub fn step(&mut self) {
        self.advance_to(self.step + 1);
    }

    /// Lets time pass up to this step, if it is not that late already.
    pub fn advance_to(&mut self, step: u64) {
        self.step = self.step.max(step);
        self.settle();
    }

    /// What is durable now: an image that the disk may be rolled back to.
    #[must_use]
    pub fn clone_disk(&self) -> MemDisk {
        self.durable.clone()
    }

    /// Syncs the watermark, as the engine on RocksDB does once a second. Opening does it too, so
    /// that without this call it says which epoch was served, but not how much under it.
    ///
    /// # Panics
    /// Never: an open store has an identity.
    pub fn sync_watermark(&mut self) {
        let disk = &mut self.durable;
        let opened = disk.identity().ok().flatten().expect("it was opened");
        let sequence = disk.sequence().expect("it was counted");
        disk.watermark = Some(watermark::of(opened, sequence));
    }

    /// Commits and reads that completed or failed since the store was opened:
    /// [`DiskModel::fail_commit`] and [`DiskModel::fail_read`] count from there.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.commits, self.reads_done)
    }

    /// The step at which the next operation completes, unless one waits to be polled already.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let commit = self.in_flight.as_ref().map(|(due, ..)| *due);
        let read = self.reads.front().map(|(due, ..)| *due);
        let due = [commit, read].into_iter().flatten().min();
        due.filter(|_| !self.is_poisoned)
    }

    /// Whether a batch is being written, or was when the engine failed: the disk may hold it.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Operations that have not completed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.reads.len() + usize::from(self.in_flight.is_some())
    }

    /// The process dies or the power goes: what is left.
    #[must_use]
    pub fn crash(mut self, in_flight: InFlight) -> MemDisk {
        if let (Some((_, _, batch)), InFlight::Kept) = (self.in_flight.take(), in_flight) {
            // A batch that breaks a rule was never written.
            if let Ok((writes, _)) = self.planned(&batch) {
                writes.apply(&mut self.durable);
            }
        }
        self.durable
    }

    /// Completes what is due.
    fn settle(&mut self) {
        let now = self.step;
        if !self.is_poisoned && self.in_flight.as_ref().is_some_and(|(due, ..)| *due <= now) {
            self.settle_commit();
        }
        while !self.is_poisoned && self.reads.front().is_some_and(|(due, ..)| *due <= now) {
            self.settle_read();
        }
    }

    fn settle_commit(&mut self) {
        let (due, ticket, batch) = self.in_flight.take().expect("settle saw it");
        self.commits += 1;
        if self.model.fail_commit == Some(self.commits) {
            // It stays in flight: the disk may hold it or not.
            self.in_flight = Some((due, ticket, batch));
            return self.poison(failed("sync"));
        }
        match self.planned(&batch) {
            Ok((writes, rows)) => {
                writes.apply(&mut self.durable);
                self.completions.push_back(Completion::Committed { ticket, writes: rows });
            }
            Err(cause) => self.poison(cause),
        }
    }

    fn settle_read(&mut self) {
        let (_, ticket, read) = self.reads.pop_front().expect("settle saw it");
        self.reads_done += 1;
        if self.model.fail_read == Some(self.reads_done) {
            return self.poison(failed("read"));
        }
        match answer(&self.durable, &read) {
            Ok(answer) => self.completions.push_back(Completion::Answered { ticket, answer }),
            Err(cause) => self.poison(cause),
        }
    }

    fn planned(&mut self, batch: &Batch) -> Result<(MemWrites, Vec<SlotRow>), StorageError> {
        let mut writes = MemWrites::default();
        let rows = self.applier.apply(&self.durable, batch, &mut writes)?;
        watermark::number(self.durable.sequence()? + 1, &mut writes);
        Ok((writes, rows))
    }

    fn poison(&mut self, cause: StorageError) {
        self.is_poisoned = true;
        self.reads.clear();
        self.completions.push_back(Completion::Poisoned { cause });
    }
}

impl Storage for MemStorage {
    fn submit(&mut self, op: Op) {
        let (Op::Commit { ticket, .. } | Op::Read { ticket, .. }) = &op;
        assert!(self.last_ticket < Some(*ticket), "{ticket:?} does not rise");
        self.last_ticket = Some(*ticket);
        if self.is_poisoned {
            return;
        }
        match op {
            Op::Commit { ticket, batch } => {
                assert!(self.in_flight.is_none(), "one commit is in flight at most");
                self.in_flight = Some((self.step + self.model.commit_steps, ticket, batch));
            }
            Op::Read { ticket, read } => {
                assert!(self.reads.len() < READS_MAX, "the core bounds its reads");
                self.reads.push_back((self.step + self.model.read_steps, ticket, read));
            }
        }
    }

    fn poll(&mut self) -> Option<Completion> {
        self.settle();
        self.completions.pop_front()
    }

    fn free_bytes(&self) -> u64 {
        self.model.free_bytes
    }
}

impl Image for MemDisk {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Ok(self.families.get(&family).and_then(|pairs| pairs.get(key)).cloned())
    }

    fn scan(
        &self,
        family: Family,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageError> {
        if from >= to {
            return Ok(());
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let pairs = self.families.get(&family);
        for (key, value) in pairs.into_iter().flat_map(|pairs| pairs.range::<[u8], _>(bounds)) {
            if visit(key, value).map_err(damaged(family))? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

impl Writes for MemDisk {
    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        let value = Bytes::copy_from_slice(value);
        self.families.entry(family).or_default().insert(Bytes::copy_from_slice(key), value);
    }

    fn erase(&mut self, family: Family, key: &[u8]) {
        let erased = self.families.entry(family).or_default().remove(key);
        assert!(erased.is_some(), "what is erased exists");
    }

    fn delete(&mut self, family: Family, key: &[u8]) {
        self.families.entry(family).or_default().remove(key);
    }
}

/// Writes that wait until the whole batch was found sound.
#[derive(Default)]
struct MemWrites(Vec<(Family, Bytes, Write)>);

enum Write {
    Put(Bytes),
    Erase,
    Delete,
}

impl MemWrites {
    fn apply(self, disk: &mut MemDisk) {
        for (family, key, write) in self.0 {
            match write {
                Write::Put(value) => disk.put(family, &key, &value),
                Write::Erase => disk.erase(family, &key),
                Write::Delete => disk.delete(family, &key),
            }
        }
    }

    fn push(&mut self, family: Family, key: &[u8], write: Write) {
        self.0.push((family, Bytes::copy_from_slice(key), write));
    }
}

impl Writes for MemWrites {
    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.push(family, key, Write::Put(Bytes::copy_from_slice(value)));
    }

    fn erase(&mut self, family: Family, key: &[u8]) {
        self.push(family, key, Write::Erase);
    }

    fn delete(&mut self, family: Family, key: &[u8]) {
        self.push(family, key, Write::Delete);
    }
}

fn not_a_store() -> StorageError {
    StorageError::NotAStore(MEMORY.into())
}

fn failed(doing: &'static str) -> StorageError {
    let cause = "the disk model says so".to_owned();
    StorageError::Engine { doing, cause }
}
