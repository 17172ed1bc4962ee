//! Reads: from an image to an answer. The same for every engine.

mod blobs;
mod groups;
mod slots;

use std::ops::ControlFlow;

use bytes::Bytes;
use wire::limits::BUNDLES_MAX;
use wire::message::Entry;
use wire::{LogId, Name, Origin, Seq};

use crate::apply::is_indexed;
use crate::error::StorageError;
use crate::image::{Image, damaged};
use crate::key::{self, Family};
use crate::read::{Answer, IndexEntry, Read};
use crate::record::{CursorRecord, RowRecord};
use crate::value::{self, Answered, Bundle, Chunk, Value};

/// Answers `read` from `image`.
pub(crate) fn answer(image: &impl Image, read: &Read) -> Result<Answer, StorageError> {
    match read {
        Read::Account { name } => {
            let key = key::account(name);
            let account = record(image, Family::Accounts, &key)?;
            Ok(Answer::Account(account, record(image, Family::Sessions, &key)?))
        }
        Read::Bundles { name, after } => bundles(image, name, *after),
        Read::Row { log, sender, origin } => {
            let row = record(image, Family::Rows, &key::row(log, sender, origin))?;
            Ok(Answer::Row { row, grants_len: groups::grants_len(image, log, sender)? })
        }
        Read::RowsAfter { after, max } => {
            rows_after(image, after.as_ref(), *max).map(Answer::RowsAfter)
        }
        Read::Log { log } => {
            let (cursors, index) = (cursors(image, log)?, index(image, log)?);
            let answered = record(image, Family::Answered, &key::log(log))?;
            let answered = answered.map(|Answered(people)| people).unwrap_or_default();
            Ok(Answer::Log { cursors, index, answered })
        }
        Read::Range { log, after, entries_max, bytes_max } => {
            range(image, log, *after, Room::new(*entries_max, *bytes_max))
        }
        Read::Group { group } => {
            record(image, Family::Groups, &key::log(&LogId::group(*group))).map(Answer::Group)
        }
        Read::Statements { group, after } => groups::statements(image, group, *after),
        Read::Grant { log, sender, origin, message_session, reader } => {
            let session = (log, sender, origin, *message_session);
            groups::grant(image, session, reader).map(Answer::Grant)
        }
        Read::KeyLog { log, account } => groups::key_log(image, log, account).map(Answer::KeyLog),
        Read::Notes { account } => groups::notes(image, account).map(Answer::Notes),
        Read::Blob { uploader, blob } => {
            record(image, Family::Blobs, &key::blob(uploader, blob)).map(Answer::Blob)
        }
        Read::Blobs { uploader } => blobs::of_account(image, uploader).map(Answer::Blobs),
        Read::BlobsAfter { after, max } => {
            blobs::after(image, after.as_ref(), *max).map(Answer::BlobsAfter)
        }
        Read::Chunk { uploader, blob, index } => {
            let chunk = record(image, Family::Chunks, &key::chunk(uploader, blob, *index))?;
            Ok(Answer::Chunk(chunk.map(|Chunk(bytes)| bytes)))
        }
        Read::Slot { slot, after, len_max } => {
            let (rows, next) = slots::page(image, *slot, after.as_ref(), *len_max)?;
            Ok(Answer::Slot { rows, next })
        }
        Read::SlotDigest { slot, after } => {
            let (digest, next) = slots::digest(image, *slot, after.as_ref())?;
            Ok(Answer::SlotDigest { digest, next })
        }
    }
}

pub(crate) use slots::records as slot_records;

fn record<V: Value>(
    image: &impl Image,
    family: Family,
    key: &[u8],
) -> Result<Option<V>, StorageError> {
    let bytes = image.get(family, key)?;
    bytes.map(V::decode).transpose().map_err(damaged(family))
}

fn bundles(image: &impl Image, name: &Name, after: u32) -> Result<Answer, StorageError> {
    let to = key::after_prefix(&key::account(name));
    let from = after.checked_add(1).map(|first| key::bundle(name, first));
    let page = from.map(|from| page::<Bundle>(image, Family::Bundles, (&from, &to), BUNDLES_MAX));
    let (bundles, complete) = page.transpose()?.unwrap_or((Vec::new(), true));
    let bundles = bundles.into_iter().map(|Bundle(bytes)| bytes).collect();
    Ok(Answer::Bundles { bundles, complete })
}

/// At most `max` values between two keys, and whether that is all.
fn page<V: Value>(
    image: &impl Image,
    family: Family,
    (from, to): (&[u8], &[u8]),
    max: usize,
) -> Result<(Vec<V>, bool), StorageError> {
    let (mut values, mut complete) = (Vec::new(), true);
    image.scan(family, from, to, &mut |_, value| {
        if values.len() == max {
            complete = false;
            return Ok(ControlFlow::Break(()));
        }
        values.push(V::decode(Bytes::copy_from_slice(value))?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((values, complete))
}

/// Rows of every log behind `after`.
fn rows_after(
    image: &impl Image,
    after: Option<&(LogId, Name, Origin)>,
    max: usize,
) -> Result<Vec<(LogId, Name, Origin, RowRecord)>, StorageError> {
    let from = after.map(|(log, sender, origin)| key::row(log, sender, origin));
    let mut from = from.unwrap_or_default();
    if after.is_some() {
        from.extend_from_slice(&[0]);
    }
    let mut rows = Vec::new();
    // Keys begin with the kind of a log.
    image.scan(Family::Rows, &from, &[0xff], &mut |key, value| {
        if rows.len() == max {
            return Ok(ControlFlow::Break(()));
        }
        let (log, sender, origin) = key::row_parts(key)?;
        rows.push((log, sender, origin, RowRecord::decode(Bytes::copy_from_slice(value))?));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

fn cursors(image: &impl Image, log: &LogId) -> Result<Vec<(Name, CursorRecord)>, StorageError> {
    let from = key::log(log);
    let to = key::after_prefix(&from);
    let mut cursors = Vec::new();
    image.scan(Family::Cursors, &from, &to, &mut |key, value| {
        let cursor = CursorRecord::decode(Bytes::copy_from_slice(value))?;
        cursors.push((key::cursor_reader(key)?, cursor));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(cursors)
}

fn index(image: &impl Image, log: &LogId) -> Result<Vec<IndexEntry>, StorageError> {
    let from = key::log(log);
    let to = key::after_prefix(&from);
    let (mut index, is_indexed) = (Vec::new(), is_indexed(log));
    let family = if is_indexed { Family::Index } else { Family::Entries };
    image.scan(family, &from, &to, &mut |key, value| {
        let seq = key::entry_seq(key)?;
        index.push(match is_indexed {
            true => value::decode_index(seq, Bytes::copy_from_slice(value))?,
            false => value::decode_header(seq, value)?,
        });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(index)
}

/// How much an answer holds, and may hold.
struct Room {
    entries: usize,
    entries_max: usize,
    bytes: usize,
    bytes_max: usize,
}

impl Room {
    fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { entries: 0, entries_max, bytes: 0, bytes_max }
    }

    /// Takes the room of a body, if there is room; the first entry always has.
    fn take(&mut self, body_len: usize) -> bool {
        let bytes = self.bytes.saturating_add(body_len);
        let fits = self.entries < self.entries_max && bytes <= self.bytes_max;
        if fits || self.entries == 0 {
            self.entries += 1;
            self.bytes = bytes;
            return true;
        }
        false
    }
}

fn range(
    image: &impl Image,
    log: &LogId,
    after: Seq,
    mut room: Room,
) -> Result<Answer, StorageError> {
    let (mut entries, mut more) = (Vec::<Entry>::new(), false);
    if let Some(first) = after.0.checked_add(1) {
        let from = key::entry(log, Seq(first));
        let to = key::after_prefix(&key::log(log));
        image.scan(Family::Entries, &from, &to, &mut |key, value| {
            let seq = key::entry_seq(key)?;
            let body_len = value::decode_header(seq, value)?.len;
            let body_len = usize::try_from(body_len).expect("it is the length of a slice");
            if !room.take(body_len) {
                more = true;
                return Ok(ControlFlow::Break(()));
            }
            entries.push(value::decode_entry(seq, Bytes::copy_from_slice(value))?);
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let upto = entries.last().map_or(after, |entry| entry.seq);
    Ok(Answer::Range { entries, upto, more })
}
