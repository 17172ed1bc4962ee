//! Commits: from a batch to the writes of an image. The same for every engine.
//!
//! The rules of [`Change`] are checked here once more. The core's state is their truth; a batch
//! that breaks one comes from a core that no longer knows what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use wire::message::Entry;
use wire::{LogId, Seq};

use crate::error::StorageError;
use crate::image::{Image, Writes};
use crate::key::{self, Family};
use crate::op::{Batch, Change};
use crate::value::{self, Bundle, Value};

/// Logs whose ends are remembered from batch to batch. Above it all are forgotten, between two
/// batches, which costs one seek per log.
const KNOWN_MAX: usize = 65_536;

/// Remembers, between batches, where logs begin and end: a seek per entry is spared, and a
/// truncation does not walk over what it deleted before.
#[derive(Debug, Default)]
pub(crate) struct Applier {
    known: BTreeMap<LogId, Ends>,
    value: BytesMut,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    /// Every entry up to this was deleted.
    truncated: Seq,
    /// The highest seq appended.
    head: Seq,
}

/// What this batch did that the image does not show yet.
#[derive(Default)]
struct Pending {
    created: BTreeSet<BytesMut>,
    appended: BTreeMap<LogId, Vec<Seq>>,
}

impl Applier {
    /// Turns `batch` into `writes`. After an error the writes are worthless.
    pub(crate) fn apply(
        &mut self,
        image: &impl Image,
        batch: &Batch,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        let mut pending = Pending::default();
        for change in &batch.changes {
            self.apply_one(image, change, &mut pending, writes)?;
        }
        Ok(())
    }

    fn apply_one(
        &mut self,
        image: &impl Image,
        change: &Change,
        pending: &mut Pending,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        match change {
            Change::CreateAccount { name, account } => {
                let place = (Family::Accounts, key::account(name));
                self.create(image, place, account, pending, writes)
            }
            Change::AddBundle { name, version, bundle } => {
                let place = (Family::Bundles, key::bundle(name, *version));
                self.create(image, place, &Bundle(Bytes::clone(bundle)), pending, writes)
            }
            Change::Append { log, entry } => self.append(image, *log, entry, pending, writes),
            Change::Truncate { log, upto } => self.truncate(image, *log, *upto, pending, writes),
            Change::PutSession { name, session } => {
                self.put(Family::Sessions, &key::account(name), session, writes);
                Ok(())
            }
            Change::PutRow { log, sender, origin, row } => {
                self.put(Family::Rows, &key::row(log, sender, origin), row, writes);
                Ok(())
            }
            Change::PutCursor { log, reader, cursor } => {
                self.put(Family::Cursors, &key::cursor(log, reader), cursor, writes);
                Ok(())
            }
        }
    }

    fn put(&mut self, family: Family, key: &[u8], value: &impl Value, writes: &mut impl Writes) {
        value.encode(&mut self.value);
        writes.put(family, key, &self.value);
    }

    fn create(
        &mut self,
        image: &impl Image,
        (family, key): (Family, BytesMut),
        value: &impl Value,
        pending: &mut Pending,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        if image.get(family, &key)?.is_some() || pending.created.contains(&key) {
            return Err(StorageError::RuleBroken("what it creates exists"));
        }
        self.put(family, &key, value, writes);
        pending.created.insert(key);
        Ok(())
    }

    fn append(
        &mut self,
        image: &impl Image,
        log: LogId,
        entry: &Entry,
        pending: &mut Pending,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        let key = key::entry(&log, entry.seq);
        let ends = self.known.get(&log).copied().unwrap_or_default();
        let is_above = match ends.head {
            Seq(0) => is_end(image, &log, &key)?,
            head => entry.seq > head,
        };
        if !is_above || entry.seq <= ends.truncated {
            return Err(StorageError::RuleBroken("an entry is not above its log"));
        }
        value::encode_entry(entry, &mut self.value);
        writes.put(Family::Entries, &key, &self.value);
        let head = entry.seq;
        self.known.insert(log, Ends { head, ..ends });
        pending.appended.entry(log).or_default().push(head);
        Ok(())
    }

    fn truncate(
        &mut self,
        image: &impl Image,
        log: LogId,
        upto: Seq,
        pending: &mut Pending,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        let ends = self.known.get(&log).copied().unwrap_or_default();
        if upto <= ends.truncated {
            return Ok(());
        }
        // Stored entries are below those of this batch: each is erased once, in order.
        let from = key::entry(&log, Seq(ends.truncated.0 + 1));
        let mut to = key::entry(&log, upto);
        to.extend_from_slice(&[0]);
        image.scan(Family::Entries, &from, &to, &mut |key, _| {
            writes.erase(Family::Entries, key);
            Ok(ControlFlow::Continue(()))
        })?;
        for seq in pending.appended.remove(&log).unwrap_or_default() {
            if seq <= upto {
                writes.erase(Family::Entries, &key::entry(&log, seq));
            } else {
                pending.appended.entry(log).or_default().push(seq);
            }
        }
        self.known.insert(log, Ends { truncated: upto, ..ends });
        Ok(())
    }
}

/// Nothing of the log stands at `key` or above it.
fn is_end(image: &impl Image, log: &LogId, key: &[u8]) -> Result<bool, StorageError> {
    let mut is_end = true;
    let to = key::after_prefix(&key::log(log));
    image.scan(Family::Entries, key, &to, &mut |_, _| {
        is_end = false;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(is_end)
}
