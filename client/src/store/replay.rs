//! The replay window: exactly which numbers of a sender's origin were received from a log.
//!
//! Numbers are kept as runs without gaps, so that the window stays small and never forgets: a
//! number is a double only when it was itself received, however late it comes.

use rusqlite::{OptionalExtension, Transaction};

use super::error::StoreError;
use super::inbox::Received;
use super::value;
use wire::LogId;

/// Notes the entry's number; `false` when it was noted before. Messages that opened and messages
/// that did not are noted apart: garbage under a stolen number must not suppress the real message.
pub(super) fn note(
    transaction: &Transaction<'_>,
    log: &LogId,
    received: &Received,
) -> Result<bool, StoreError> {
    let run = Runs { transaction, log: value::log_value(log), received };
    let number = value::number_value(received.number);
    if run.holds(number)? {
        return Ok(false);
    }
    let before = run.remove("last", number - 1)?;
    let after = run.remove("first", number + 1)?;
    let first = before.map_or(number, |(first, _)| first);
    let last = after.map_or(number, |(_, last)| last);
    run.insert(first, last)?;
    Ok(true)
}

struct Runs<'a> {
    transaction: &'a Transaction<'a>,
    log: String,
    received: &'a Received,
}

impl Runs<'_> {
    fn key(&self) -> (&str, &str, &[u8], bool) {
        let received = self.received;
        let opened = received.content.is_opened();
        (&self.log, received.sender.as_str(), &received.origin.0, opened)
    }

    fn holds(&self, number: i64) -> Result<bool, StoreError> {
        let (log, sender, origin, opened) = self.key();
        let mut statement = self.transaction.prepare_cached(
            "SELECT last FROM replay WHERE log = ?1 AND sender = ?2 AND origin = ?3
             AND opened = ?4 AND first <= ?5 ORDER BY first DESC LIMIT 1",
        )?;
        let values = (log, sender, origin, opened, number);
        let last: Option<i64> = statement.query_row(values, |row| row.get(0)).optional()?;
        Ok(last.is_some_and(|last| last >= number))
    }

    /// Takes out the run whose end `column` is `number`.
    fn remove(&self, column: &'static str, number: i64) -> Result<Option<(i64, i64)>, StoreError> {
        let (log, sender, origin, opened) = self.key();
        let mut statement = self.transaction.prepare_cached(&format!(
            "DELETE FROM replay WHERE log = ?1 AND sender = ?2 AND origin = ?3 AND opened = ?4
             AND {column} = ?5 RETURNING first, last"
        ))?;
        let values = (log, sender, origin, opened, number);
        let run = statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(run.optional()?)
    }

    fn insert(&self, first: i64, last: i64) -> Result<(), StoreError> {
        let (log, sender, origin, opened) = self.key();
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO replay (log, sender, origin, opened, first, last)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        statement.execute((log, sender, origin, opened, first, last))?;
        Ok(())
    }
}
