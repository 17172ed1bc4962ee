//! Reads of groups, grants and notes.

use bytes::Bytes;
use wire::limits::STATEMENTS_MAX;
use wire::{LogId, MessageSession, Name, Origin};

use super::{page, record};
use crate::error::StorageError;
use crate::image::Image;
use crate::key::{self, Family};
use crate::read::Answer;
use crate::record::StoredGrant;
use crate::value::{Announcement, GrantFields, GrantsLen, KeyLog, Notes, Statement};

/// The statements above a version, a page of them.
pub(super) fn statements(
    image: &impl Image,
    group: &Name,
    after: u32,
) -> Result<Answer, StorageError> {
    let log = LogId::group(*group);
    let Some(first) = after.checked_add(1) else {
        return Ok(Answer::Statements { statements: Vec::new(), complete: true });
    };
    let (from, to) = (key::statement(&log, first), key::after_prefix(&key::log(&log)));
    let range = (&from[..], &to[..]);
    let (page, complete) = page(image, Family::Statements, range, STATEMENTS_MAX)?;
    let statements = page.into_iter().map(|Statement(bytes)| bytes).collect();
    Ok(Answer::Statements { statements, complete })
}

/// The grant of `reader` with the announcement of its part.
pub(super) fn grant(
    image: &impl Image,
    (log, sender, origin, session): (&LogId, &Name, &Origin, MessageSession),
    reader: &Name,
) -> Result<Option<(Bytes, StoredGrant)>, StorageError> {
    let key = key::grant(log, sender, origin, session, reader);
    let Some(fields) = record::<GrantFields>(image, Family::Grants, &key)? else {
        return Ok(None);
    };
    let key = key::announcement(log, sender, origin, session, fields.part);
    let announcement = record::<Announcement>(image, Family::Announcements, &key)?;
    Ok(announcement.map(|Announcement(bytes)| (bytes, fields.with_reader(*reader))))
}

/// The log's copy of the key log of `account`.
pub(super) fn key_log(
    image: &impl Image,
    log: &LogId,
    account: &Name,
) -> Result<Vec<Bytes>, StorageError> {
    let copy = record::<KeyLog>(image, Family::KeyLogs, &key::key_log(log, account))?;
    Ok(copy.map(|KeyLog(bundles)| bundles).unwrap_or_default())
}

/// Bytes of grants that `sender` has in `log`.
pub(super) fn grants_len(
    image: &impl Image,
    log: &LogId,
    sender: &Name,
) -> Result<u64, StorageError> {
    let len = record::<GrantsLen>(image, Family::Grants, &key::grants_len(log, sender))?;
    Ok(len.map_or(0, |GrantsLen(len)| len))
}

/// The groups that `account` has noted.
pub(super) fn notes(image: &impl Image, account: &Name) -> Result<Vec<Name>, StorageError> {
    let notes = record::<Notes>(image, Family::Notes, &key::account(account))?;
    Ok(notes.map(|Notes(groups)| groups.into_iter().collect()).unwrap_or_default())
}
