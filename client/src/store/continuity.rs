//! Whether something that a sender sent is missing before a message.

use rusqlite::Transaction;
use wire::roster::Act;
use wire::{LogId, LogKind, Seq};

use super::error::StoreError;
use super::inbox::{Continuity, Received, ReceivedContent, open_content};
use super::{Sealer, value};

/// How `entry` stands to what is kept of its sender's installation.
pub(super) fn of(
    transaction: &Transaction<'_>,
    sealer: &Sealer,
    log: &LogId,
    entry: &Received,
) -> Result<Continuity, StoreError> {
    let Some(previous) = entry.content.previous() else {
        return Ok(Continuity::Unknown);
    };
    let mut statement = transaction.prepare_cached(
        "SELECT hash, seq FROM inbox WHERE log = ?1 AND sender = ?2 AND origin = ?3
         AND number > 0 ORDER BY id DESC LIMIT 1",
    )?;
    let values = (value::log_value(log), entry.sender.as_str(), entry.origin.0);
    let mut rows = statement.query(values)?;
    let Some(last) = rows.next()? else {
        return Ok(match previous == [0; 32] {
            true => Continuity::Unbroken,
            false => Continuity::Unknown,
        });
    };
    let since = value::seq(last, "seq")?;
    Ok(match last.get::<_, Vec<u8>>("hash")? == previous {
        true => Continuity::Unbroken,
        false if was_absent(transaction, sealer, log, (since, entry.seq))? => Continuity::Unknown,
        false => Continuity::Missing,
    })
}

/// Whether the account has joined a group between two places: what was sent before, while it was no
/// member, is not for it.
fn was_absent(
    transaction: &Transaction<'_>,
    sealer: &Sealer,
    log: &LogId,
    (after, before): (Seq, Seq),
) -> Result<bool, StoreError> {
    if log.kind == LogKind::Mailbox {
        return Ok(false);
    }
    let mut statement = transaction.prepare_cached(
        "SELECT inbox.id, inbox.content FROM inbox, account WHERE log = ?1 AND sender = account.name
         AND number = 0 AND seq > ?2 AND seq < ?3",
    )?;
    let (after, before) = (value::seq_value(after), value::seq_value(before));
    let mut rows = statement.query((value::log_value(log), after, before))?;
    while let Some(row) = rows.next()? {
        let content = open_content(sealer, row.get("id")?, &row.get::<_, Vec<u8>>("content")?)?;
        if let ReceivedContent::Roster { act: Act::Join, valid: true, .. } = content {
            return Ok(true);
        }
    }
    Ok(false)
}
