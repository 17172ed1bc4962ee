//! What waits in the outbox.

use wire::LogId;

use super::error::StoreError;
use super::{OutboxId, Store, value};

impl Store {
    /// The user's messages whose answer is not known, oldest first; without the requests that this
    /// program makes by itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiting(&self) -> Result<Vec<(OutboxId, LogId)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, log FROM outbox WHERE state IN (0, 1) AND kind <> 3 ORDER BY id",
        )?;
        let rows = statement
            .query_and_then((), |row| Ok((OutboxId(row.get("id")?), value::log(row, "log")?)))?;
        rows.collect()
    }

    /// How many of them there are, log by log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queued(&self) -> Result<Vec<(LogId, u64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT log, count(*) AS count FROM outbox WHERE state IN (0, 1) AND kind <> 3
             GROUP BY log ORDER BY log",
        )?;
        let rows = statement.query_and_then((), |row| {
            Ok((value::log(row, "log")?, row.get::<_, i64>("count")?.cast_unsigned()))
        })?;
        rows.collect()
    }
}
