//! Rows of slots on their way from store to store: those that a batch writes of slots that are
//! watched, and those that came from elsewhere.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::Slot;

use super::Applier;
use crate::error::StorageError;
use crate::image::{Image, Writes};
use crate::key::{self, Family};
use crate::slot::SlotRow;

/// Notes what goes to `inner` of some slots.
pub(super) struct Watching<'a, W> {
    inner: &'a mut W,
    slots: &'a [Slot],
    rows: Vec<SlotRow>,
}

impl<'a, W: Writes> Watching<'a, W> {
    pub(super) fn new(inner: &'a mut W, slots: &'a [Slot]) -> Self {
        Self { inner, slots, rows: Vec::new() }
    }

    /// What was written, in order.
    pub(super) fn take_rows(&mut self) -> Vec<SlotRow> {
        std::mem::take(&mut self.rows)
    }

    fn note(&mut self, family: Family, key: &[u8], value: Option<&[u8]>) {
        if self.slots.is_empty() || family == Family::Meta {
            return;
        }
        let log = key::owner(family, key).expect("keys that are written are sound");
        if self.slots.contains(&Slot::of(&log)) {
            self.rows.push(SlotRow::stored(family, key, value));
        }
    }
}

impl<W: Writes> Writes for Watching<'_, W> {
    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.note(family, key, Some(value));
        self.inner.put(family, key, value);
    }

    fn erase(&mut self, family: Family, key: &[u8]) {
        self.note(family, key, None);
        self.inner.erase(family, key);
    }

    fn delete(&mut self, family: Family, key: &[u8]) {
        self.note(family, key, None);
        self.inner.delete(family, key);
    }
}

/// Which of the rows that are put once and erased once are there, as far as a batch has changed
/// that.
pub(super) type PendingOnce = BTreeMap<(Family, Bytes), bool>;

impl Applier {
    /// Writes rows that came from another store, or deletes them, in order. Writing them again
    /// changes nothing.
    pub(super) fn put_slot_rows(
        &mut self,
        image: &impl Image,
        (slot, rows): (Slot, &[SlotRow]),
        pending: &mut PendingOnce,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        for row in rows {
            let log = row.log();
            if Slot::of(&log) != slot {
                return Err(StorageError::RuleBroken("a row of another slot"));
            }
            let (family, key, value) = row.parts();
            self.known.remove(&log);
            self.dropped.forget(family, key);
            if matches!(family, Family::Entries | Family::Index) {
                put_once(image, (family, key, value), pending, writes)?;
            } else if let Some(value) = value {
                writes.put(family, key, value);
            } else {
                writes.delete(family, key);
            }
        }
        Ok(())
    }
}

/// An entry never changes, and is erased only if it is there: two puts before one erasure would
/// leave one of them.
fn put_once(
    image: &impl Image,
    (family, key, value): (Family, &Bytes, Option<&Bytes>),
    pending: &mut PendingOnce,
    writes: &mut impl Writes,
) -> Result<(), StorageError> {
    let place = (family, key.clone());
    let is_there = match pending.get(&place) {
        Some(is_there) => *is_there,
        None => image.get(family, key)?.is_some(),
    };
    match value {
        Some(value) if !is_there => writes.put(family, key, value),
        None if is_there => writes.erase(family, key),
        Some(_) | None => {}
    }
    pending.insert(place, value.is_some());
    Ok(())
}
