//! The rows of a slot, in pages.
//!
//! Keys do not begin with the slot, so its logs are looked for among all: every account has a
//! session record, which is small, and every group its own. All rows of a log follow each other in
//! each family.

use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use wire::{DecodeError, LogId, LogKind, Seq, Slot};

use crate::error::StorageError;
use crate::image::{Image, Visit};
use crate::key::{self, Family};
use crate::record::{CursorRecord, RowRecord};
use crate::slot::{SlotDigest, SlotPlace, SlotRecord, SlotRow};
use crate::value::Value;

/// Records that one read looks at for logs of the slot: a few milliseconds.
const LOOKED_AT_MAX: usize = 4096;
/// Bytes of rows that one read of a digest adds up.
const DIGEST_LEN_MAX: usize = 4 * 1024 * 1024;

/// What a page of a slot's rows comes to, and where the next one begins; `None`: it was the last.
type Page<T> = Result<(T, Option<SlotPlace>), StorageError>;

/// Sees a row: its family, key and value.
type Visitor<'a> = dyn FnMut(Family, &[u8], &[u8]) -> Visit + 'a;

/// At most `len_max` bytes of rows behind `after`, but one row at least, if there is one.
pub(super) fn page(
    image: &impl Image,
    slot: Slot,
    after: Option<&SlotPlace>,
    len_max: usize,
) -> Page<Vec<SlotRow>> {
    let (mut rows, mut len) = (Vec::new(), 0);
    let next = walk(image, slot, after, &mut |family, key, value| {
        let row = SlotRow::stored(family, key, Some(value));
        if len > 0 && len + row.cost() > len_max {
            return Ok(ControlFlow::Break(()));
        }
        len += row.cost();
        rows.push(row);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((rows, next))
}

/// What some rows behind `after` add up to. Chunks, and entries of groups, are not read: the
/// records of their blobs and the index say how many there are, and of which length.
pub(super) fn digest(
    image: &impl Image,
    slot: Slot,
    after: Option<&SlotPlace>,
) -> Page<SlotDigest> {
    let (mut digest, mut len) = (SlotDigest::default(), 0);
    let next = walk_some(image, slot, after, is_added, &mut |family, key, value| {
        if len > DIGEST_LEN_MAX {
            return Ok(ControlFlow::Break(()));
        }
        len += 16 + key.len() + value.len();
        digest.add(&row_digest(family, key, value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((digest, next))
}

/// What the store knows of each slot that it ever had more to say of than the map.
pub(crate) fn records(image: &impl Image) -> Result<Vec<(Slot, SlotRecord)>, StorageError> {
    let (from, to) = key::slots();
    let mut records = Vec::new();
    image.scan(Family::Meta, &from, &to, &mut |key, value| {
        let record = SlotRecord::decode(Bytes::copy_from_slice(value))?;
        records.push((key::slot_of_key(key)?, record));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(records)
}

fn is_added(kind: LogKind, family: Family) -> bool {
    match family {
        Family::Chunks => false,
        Family::Entries => kind == LogKind::Mailbox,
        _ => true,
    }
}

fn row_digest(family: Family, key: &[u8], value: &[u8]) -> Result<SlotDigest, DecodeError> {
    let mut hash = Sha256::new();
    hash.update(b"fastchat slot row 1");
    hash.update([family.code(), u8::try_from(key.len()).expect("keys are short")]);
    hash.update(key);
    hash.update(value);
    let hash: [u8; 32] = hash.finalize().into();
    let part = |at: usize| {
        let part = hash.get(8 * at..).and_then(|rest| rest.first_chunk::<8>());
        u64::from_be_bytes(*part.expect("32 bytes are four times eight"))
    };
    let highest = highest(family, key, value)?;
    Ok(SlotDigest { rows: 1, sum: [part(0), part(1), part(2), part(3)], highest })
}

/// The highest seq that a row names as one of its log.
fn highest(family: Family, key: &[u8], value: &[u8]) -> Result<Seq, DecodeError> {
    let value = || Bytes::copy_from_slice(value);
    Ok(match family {
        Family::Entries | Family::Index => key::entry_seq(key)?,
        Family::Cursors => {
            let CursorRecord { cursor, absence, .. } = CursorRecord::decode(value())?;
            absence.map_or(cursor, |a| cursor.max(a.after).max(a.until.unwrap_or_default()))
        }
        Family::Rows => {
            let seen = RowRecord::decode(value())?.seen;
            seen.into_iter().map(|(_, seq)| seq).max().unwrap_or_default()
        }
        _ => Seq(0),
    })
}

/// Visits the rows of a slot behind `after` until `visit` breaks, or enough was looked at; says
/// where the next visit begins. A row at which `visit` breaks comes again.
fn walk(
    image: &impl Image,
    slot: Slot,
    after: Option<&SlotPlace>,
    visit: &mut Visitor<'_>,
) -> Result<Option<SlotPlace>, StorageError> {
    walk_some(image, slot, after, |_, _| true, visit)
}

/// The same, of some families.
fn walk_some(
    image: &impl Image,
    slot: Slot,
    after: Option<&SlotPlace>,
    is_meant: impl Fn(LogKind, Family) -> bool,
    visit: &mut Visitor<'_>,
) -> Result<Option<SlotPlace>, StorageError> {
    let mut place = after.cloned();
    let mut room = LOOKED_AT_MAX;
    loop {
        if let Some(SlotPlace { log, row }) = place.take() {
            let row = match row {
                Some(row) => visit_log(image, &log, row, &is_meant, visit)?,
                None => None,
            };
            place = Some(SlotPlace { log, row });
            if place.as_ref().is_some_and(|place| place.row.is_some()) {
                return Ok(place);
            }
        }
        match next_log(image, slot, place.as_ref().map(|place| &place.log), &mut room)? {
            Next::Log(log) => {
                // Nothing of it was read: before its first family.
                let first = order(log.kind).next().expect("there are families");
                place = Some(SlotPlace { log, row: Some((first, Bytes::new())) });
            }
            Next::Later(log) => return Ok(Some(SlotPlace { log, row: None })),
            Next::End => return Ok(None),
        }
    }
}

/// Visits the rows of a log behind one of them; gives the last that was visited, if there are more.
fn visit_log(
    image: &impl Image,
    log: &LogId,
    (first, after): (Family, Bytes),
    is_meant: &impl Fn(LogKind, Family) -> bool,
    visit: &mut Visitor<'_>,
) -> Result<Option<(Family, Bytes)>, StorageError> {
    let mut last = (first, after);
    let families = order(log.kind).skip_while(|family| *family != first);
    for family in families.filter(|family| is_meant(log.kind, *family)) {
        let Some(prefix) = prefix(log, family) else { continue };
        let end = key::after_prefix(&prefix);
        let mut from = prefix;
        if family == last.0 && !last.1.is_empty() {
            from = BytesMut::from(&last.1[..]);
            from.extend_from_slice(&[0]);
        }
        let mut is_over = true;
        image.scan(family, &from, &end, &mut |key, value| {
            if visit(family, key, value)? == ControlFlow::Break(()) {
                is_over = false;
                return Ok(ControlFlow::Break(()));
            }
            last = (family, Bytes::copy_from_slice(key));
            Ok(ControlFlow::Continue(()))
        })?;
        if !is_over {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

/// The families of a log, first the one that it is found by.
fn order(kind: LogKind) -> impl Iterator<Item = Family> {
    let anchor = match kind {
        LogKind::Mailbox => Family::Sessions,
        LogKind::Group => Family::Groups,
    };
    let others = Family::ALL.into_iter().filter(move |family| *family != anchor);
    [anchor].into_iter().chain(others)
}

/// What the keys of a log's rows in a family begin with, if it may have any there.
fn prefix(log: &LogId, family: Family) -> Option<BytesMut> {
    match (family, log.kind) {
        (Family::Meta, _) => None,
        (family, LogKind::Group) if family.is_of_accounts() => None,
        (family, LogKind::Mailbox) if family.is_of_accounts() => Some(key::account(&log.name)),
        _ => Some(key::log(log)),
    }
}

/// What the look for a log of the slot found.
enum Next {
    Log(LogId),
    /// None up to this one; there is more to look at.
    Later(LogId),
    End,
}

/// The first log of the slot behind `after`: mailboxes first, then groups.
fn next_log(
    image: &impl Image,
    slot: Slot,
    after: Option<&LogId>,
    room: &mut usize,
) -> Result<Next, StorageError> {
    let mut found = Next::End;
    for (kind, family) in [(LogKind::Mailbox, Family::Sessions), (LogKind::Group, Family::Groups)] {
        let from = match after {
            Some(log) if log.kind > kind => continue,
            Some(log) if log.kind == kind => {
                let prefix = prefix(log, family).expect("the family has rows of this kind");
                key::after_prefix(&prefix)
            }
            Some(_) | None => BytesMut::new(),
        };
        image.scan(family, &from, &[0xff], &mut |key, _| {
            let log = key::owner(family, key)?;
            if Slot::of(&log) == slot {
                found = Next::Log(log);
                return Ok(ControlFlow::Break(()));
            }
            if *room == 0 {
                found = Next::Later(log);
                return Ok(ControlFlow::Break(()));
            }
            *room -= 1;
            Ok(ControlFlow::Continue(()))
        })?;
        if !matches!(found, Next::End) {
            return Ok(found);
        }
    }
    Ok(found)
}
