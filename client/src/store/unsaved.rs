//! Attachments that came with messages and were not saved yet. What is needed to fetch one is part
//! of its message, which stays in the inbox.

use rusqlite::Transaction;
use wire::{LogId, Name, Seq};

use super::cached::Cached;
use super::error::StoreError;
use super::inbox::read_message;
use super::{InboxId, InboxMessage, Store, value};

impl Store {
    /// The messages whose attachments were not saved yet, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unsaved(&self) -> Result<Vec<InboxMessage>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT inbox.* FROM unsaved JOIN inbox USING (id) ORDER BY inbox.id",
        )?;
        let rows = statement.query_and_then((), |row| read_message(row, &self.sealer))?;
        rows.collect()
    }

    /// The message that was received from this place of a log, if one was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn message_at(&self, log: &LogId, seq: Seq) -> Result<Option<InboxMessage>, StoreError> {
        let sql = "SELECT * FROM inbox WHERE log = ?1 AND seq = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((value::log_value(log), value::seq_value(seq)))?;
        let row = rows.next()?;
        row.map(|row| read_message(row, &self.sealer)).transpose()
    }

    /// The attachment was saved, or is gone for good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_saved(&mut self, id: InboxId) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            transaction.run("DELETE FROM unsaved WHERE id = ?1", (id.0,))?;
            Ok(())
        })
    }
}

/// A message with an attachment was received. Who has sent it has it.
pub(super) fn note(
    transaction: &Transaction<'_>,
    id: InboxId,
    sender: &Name,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO unsaved (id) SELECT ?1
               WHERE NOT EXISTS (SELECT 1 FROM account WHERE name = ?2)";
    transaction.run(sql, (id.0, sender.as_str()))?;
    Ok(())
}
