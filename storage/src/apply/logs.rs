//! Entries: appended above their log, deleted once.

use std::ops::ControlFlow;

use wire::message::Entry;
use wire::{LogId, LogKind, Seq};

use super::{Applier, Ends, Pending};
use crate::error::StorageError;
use crate::image::{Image, Writes};
use crate::key::{self, Family};
use crate::value;

impl Applier {
    pub(super) fn append(
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
        if is_indexed(&log) {
            value::encode_index(entry, &mut self.value);
            writes.put(Family::Index, &key, &self.value);
        }
        let head = entry.seq;
        self.known.insert(log, Ends { head, ..ends });
        pending.appended.entry(log).or_default().push(head);
        Ok(())
    }

    pub(super) fn truncate(
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
        // The index of a group tells its entries' keys without reading their bodies.
        let family = if is_indexed(&log) { Family::Index } else { Family::Entries };
        image.scan(family, &from, &to, &mut |key, _| {
            erase(&log, key, writes);
            Ok(ControlFlow::Continue(()))
        })?;
        for seq in pending.appended.remove(&log).unwrap_or_default() {
            if seq <= upto {
                erase(&log, &key::entry(&log, seq), writes);
            } else {
                pending.appended.entry(log).or_default().push(seq);
            }
        }
        self.known.insert(log, Ends { truncated: upto, ..ends });
        Ok(())
    }
}

/// Whether the log's entries are in [`Family::Index`] too: a group holds many, and its home must
/// not walk over their bodies. A mailbox holds few, and mostly none.
pub(crate) fn is_indexed(log: &LogId) -> bool {
    log.kind == LogKind::Group
}

fn erase(log: &LogId, key: &[u8], writes: &mut impl Writes) {
    writes.erase(Family::Entries, key);
    if is_indexed(log) {
        writes.erase(Family::Index, key);
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
