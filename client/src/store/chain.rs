//! How the posts of one origin to one log follow each other: numbers, and the hash that each
//! message names of the one before.

use rusqlite::{Connection, OptionalExtension, Transaction};
use wire::{LogId, Number, Origin};

use super::cached::Cached;
use super::error::StoreError;
use super::outbox::{ACCEPTED, SEALED};
use super::value;

/// Where the posts of this origin to one log have got to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Chain {
    /// The next post's number.
    pub next: Number,
    /// Every number up to this was answered.
    pub settled: Number,
    /// Hash of the newest sealed message; zeros before the first.
    pub previous: [u8; 32],
}

/// Keeps the hash of the newest message that is known to be in the log.
pub(super) fn note_accepted(
    transaction: &Transaction<'_>,
    log: &LogId,
    origin: Origin,
    upto: Number,
) -> Result<(), StoreError> {
    transaction.run(
        "UPDATE chains SET accepted = coalesce((SELECT hash FROM outbox WHERE log = ?1
         AND origin = ?2 AND number <= ?3 AND state = ?4 ORDER BY number DESC LIMIT 1), accepted)
         WHERE log = ?1 AND origin = ?2",
        (value::log_value(log), origin.0, value::number_value(upto), ACCEPTED),
    )?;
    Ok(())
}

/// Hash of the newest message that is in the log or may yet be.
pub(super) fn newest_hash(
    transaction: &Transaction<'_>,
    log: &LogId,
    origin: Origin,
) -> Result<[u8; 32], StoreError> {
    let hash: Option<Option<Vec<u8>>> = transaction
        .row(
            "SELECT coalesce((SELECT hash FROM outbox WHERE log = ?1 AND origin = ?2
             AND state = ?3 ORDER BY number DESC LIMIT 1), accepted)
             FROM chains WHERE log = ?1 AND origin = ?2",
            (value::log_value(log), origin.0, SEALED),
            |row| row.get(0),
        )
        .optional()?;
    match hash.flatten() {
        Some(hash) => hash.try_into().map_err(|_| StoreError::Damaged("hash")),
        None => Ok([0; 32]),
    }
}

pub(super) fn read_chain(
    connection: &Connection,
    log: &LogId,
    origin: Origin,
) -> Result<Chain, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT next, settled, previous FROM chains WHERE log = ?1 AND origin = ?2",
    )?;
    let mut rows = statement.query((value::log_value(log), origin.0))?;
    let Some(row) = rows.next()? else {
        let settled = Number::NONE;
        return Ok(Chain { next: settled.next(), settled, previous: [0; 32] });
    };
    Ok(Chain {
        next: value::number(row, "next")?,
        settled: value::number(row, "settled")?,
        previous: value::array(row, "previous")?,
    })
}

pub(super) fn put_chain(
    transaction: &Transaction<'_>,
    log: &LogId,
    origin: Origin,
    chain: &Chain,
) -> Result<(), StoreError> {
    assert!(chain.settled < chain.next, "only sealed posts are answered");
    let mut statement = transaction.prepare_cached(
        "INSERT INTO chains (log, origin, next, settled, previous) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (log, origin) DO UPDATE SET next = ?3, settled = ?4, previous = ?5",
    )?;
    statement.execute((
        value::log_value(log),
        origin.0,
        value::number_value(chain.next),
        value::number_value(chain.settled),
        chain.previous,
    ))?;
    Ok(())
}

/// Raises `settled` over every number that has its answer.
pub(super) fn advance(
    transaction: &Transaction<'_>,
    log: &LogId,
    origin: Origin,
) -> Result<(), StoreError> {
    let chain = read_chain(transaction, log, origin)?;
    let first_unanswered: Option<i64> = transaction.row(
        "SELECT min(number) FROM outbox WHERE log = ?1 AND origin = ?2 AND state = ?3",
        (value::log_value(log), origin.0, SEALED),
        |row| row.get(0),
    )?;
    let first_unanswered = first_unanswered.unwrap_or_else(|| value::number_value(chain.next));
    let settled = Number::new((first_unanswered - 1).cast_unsigned());
    let settled = settled.ok_or(StoreError::Damaged("number"))?;
    put_chain(transaction, log, origin, &Chain { settled: settled.max(chain.settled), ..chain })
}
