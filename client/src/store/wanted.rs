//! Grants of the account's own message sessions that others have asked for, until they are given.
//!
//! A request is kept in the transaction that acknowledges the message it came in, so that it is
//! answered even if the process ends between. Only requests for message sessions that are kept
//! here are; of each asker the newest [`OF_ASKER_MAX`], of all the newest [`WANTED_MAX`].

use rusqlite::{Row, Transaction};
use wire::{LogId, MessageSession, Name};

use super::account::read_origin;
use super::cached::Cached;
use super::error::StoreError;
use super::inbox::Received;
use super::{Store, value};

/// Requests that are kept of one asker: as many as one installation's message sessions in a few
/// logs. One account must not push out the requests of all others.
const OF_ASKER_MAX: u32 = 32;
/// Requests that are kept of all together: those of a group's members after a departure.
const WANTED_MAX: u32 = 2048;

/// A request's place; rises, never reused.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct WantedId(pub i64);

/// A grant that somebody has asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WantedGrant {
    /// Which request.
    pub id: WantedId,
    /// Who asks.
    pub asker: Name,
    /// In which log the message session is.
    pub log: LogId,
    /// Which message session of this installation.
    pub number: MessageSession,
}

impl Store {
    /// The oldest requests behind `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wanted_grants(
        &self,
        after: WantedId,
        limit: u32,
    ) -> Result<Vec<WantedGrant>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, asker, log, number FROM wanted_grants
             WHERE origin = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?;
        let rows = statement.query_and_then((self.origin()?.0, after.0, limit), read)?;
        rows.collect()
    }

    /// The request was answered, or never will be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_wanted(&mut self, id: WantedId) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            transaction.run("DELETE FROM wanted_grants WHERE id = ?1", (id.0,))?;
            Ok(())
        })
    }
}

/// Keeps the request that `entry` is, if it is one for a message session that is kept here.
pub(super) fn note(transaction: &Transaction<'_>, entry: &Received) -> Result<(), StoreError> {
    let Some(request) = entry.request else {
        return Ok(());
    };
    let origin = read_origin(transaction)?;
    if request.origin != origin {
        return Ok(());
    }
    let asker = entry.sender.as_str();
    let (log, number) = (value::log_value(&request.log), request.message_session.0);
    let kept = transaction.run(
        "INSERT OR IGNORE INTO wanted_grants (asker, log, origin, number)
         SELECT ?1, log, origin, number FROM message_sessions
         WHERE log = ?2 AND origin = ?3 AND number = ?4",
        (asker, log, origin.0, number),
    )?;
    if kept == 0 {
        return Ok(());
    }
    transaction.run(
        "DELETE FROM wanted_grants WHERE asker = ?1 AND id NOT IN
         (SELECT id FROM wanted_grants WHERE asker = ?1 ORDER BY id DESC LIMIT ?2)",
        (asker, OF_ASKER_MAX),
    )?;
    transaction.run(
        "DELETE FROM wanted_grants WHERE id NOT IN
         (SELECT id FROM wanted_grants ORDER BY id DESC LIMIT ?1)",
        (WANTED_MAX,),
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<WantedGrant, StoreError> {
    Ok(WantedGrant {
        id: WantedId(row.get("id")?),
        asker: value::name(row, "asker")?,
        log: value::log(row, "log")?,
        number: MessageSession(row.get("number")?),
    })
}
