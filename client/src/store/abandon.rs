//! Posts that are sealed and get no answer any more.

use rusqlite::Transaction;
use wire::{FaultCode, LogId, Origin};

use super::account::read_origin;
use super::cached::Cached;
use super::chain::advance;
use super::error::StoreError;
use super::outbox::{ACCEPTED, CONFLICT, REJECTED, SEALED};
use super::{Store, value};

/// What became of posts that are sealed and get no answer any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Nothing is known of them: the user decides.
    Unknown,
    /// Their log was read up to the account's departure: those that came as entries are safe, the
    /// others were definitely not stored.
    Rejected(FaultCode),
}

impl Store {
    /// Nothing more will be heard of the sealed posts to `log` that have no answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn abandon(&mut self, log: &LogId, fate: Fate) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            let origin = read_origin(transaction)?;
            let log_value = value::log_value(log);
            let (state, code) = match fate {
                Fate::Unknown => (CONFLICT, None),
                Fate::Rejected(code) => (REJECTED, Some(code.0)),
            };
            if code.is_some() {
                accept_received(transaction, log, origin)?;
            }
            transaction.run(
                "UPDATE outbox SET state = ?1, code = ?2, body = NULL
                 WHERE log = ?3 AND origin = ?4 AND state = ?5",
                (state, code, log_value, origin.0, SEALED),
            )?;
            advance(transaction, log, origin)
        })
    }
}

/// One's own posts come as entries to their sender too: those that came are safe.
fn accept_received(
    transaction: &Transaction<'_>,
    log: &LogId,
    origin: Origin,
) -> Result<(), StoreError> {
    transaction.run(
        "UPDATE outbox SET state = ?1, body = NULL, seq = inbox.seq FROM inbox, account
         WHERE outbox.log = ?2 AND outbox.origin = ?3 AND outbox.state = ?4
         AND inbox.log = outbox.log AND inbox.sender = account.name
         AND inbox.origin = outbox.origin AND inbox.number = outbox.number
         AND inbox.hash = outbox.hash",
        (ACCEPTED, value::log_value(log), origin.0, SEALED),
    )?;
    Ok(())
}
