//! The message sessions that this installation seals in: their ratchets, what was announced of
//! them, and which of their grants the logs' homes have confirmed.
//!
//! Ratchets and secrets are sealed by the vault. A ratchet turns in the transaction that keeps the
//! post it has sealed (see `outbox`), so that no place of it seals twice.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use wire::message::{Announcement, ReaderGrant, Wrapped};
use wire::{LogId, MessageSession, Name, Origin};
use zeroize::Zeroizing;

use super::account::read_origin;
use super::cached::Cached;
use super::error::StoreError;
use super::{Sealer, Store, value};
use crate::crypto::grant::Secret;

const STATE: &str = "message_sessions.state";
const SECRET: &str = "announcements.secret";
/// Message sessions kept for each log, so that a reader whose grant was lost may ask for it again.
const KEPT: u32 = 8;

/// What was announced of a message session to those who read from one moment on.
#[derive(Clone, Debug)]
pub struct SessionPart {
    /// 0 for the session's beginning, higher for readers who came later.
    pub part: u16,
    /// Version of the roster whose members are its readers; 0 in a mailbox.
    pub roster_version: u32,
    /// The signed announcement.
    pub announcement: Announcement,
    /// What opens it.
    pub secret: Secret,
}

/// Who was granted the key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionGrant {
    /// From which part on.
    pub part: u16,
    /// The reader's own part; `wrapped` is empty once the home has confirmed it.
    pub grant: ReaderGrant,
    /// The home has confirmed it.
    pub is_put: bool,
}

/// One message session of this installation.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// Which one.
    pub number: MessageSession,
    /// The ratchet, as `Outbound::encode` made it.
    pub state: Zeroizing<Vec<u8>>,
    /// Nothing is sealed in it any more.
    pub is_ended: bool,
    /// What was announced, by part.
    pub parts: Vec<SessionPart>,
    /// To whom, by name.
    pub grants: Vec<SessionGrant>,
}

/// The message sessions of this installation in one log, as far as posts need them.
#[derive(Clone, Debug, Default)]
pub struct SessionsRecord {
    /// The newest number that was given; 0 for none.
    pub last: u32,
    /// Those that are not ended, or have grants that the home has not confirmed; by number.
    pub sessions: Vec<SessionRecord>,
}

impl Store {
    /// Keeps a new message session with its first part before anything of it leaves. Those before
    /// it are ended; the oldest are forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_message_session(
        &mut self,
        log: &LogId,
        number: MessageSession,
        state: &[u8],
        part: &SessionPart,
        grants: &[ReaderGrant],
    ) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let row = SessionRow { log, origin: read_origin(transaction)?, number };
            row.end_those_before(transaction)?;
            let sealed = sealer.seal(STATE, &row.key(&[]), state);
            transaction.run(
                "INSERT INTO message_sessions (log, origin, number, state, ended)
                 VALUES (?1, ?2, ?3, ?4, 0)",
                (value::log_value(log), row.origin.0, number.0, sealed),
            )?;
            row.put_part(transaction, sealer, part)?;
            row.put_grants(transaction, part.part, grants)
        })
    }

    /// Keeps a further part of a message session, for readers who came later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_session_part(
        &mut self,
        log: &LogId,
        number: MessageSession,
        part: &SessionPart,
        grants: &[ReaderGrant],
    ) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let row = SessionRow { log, origin: read_origin(transaction)?, number };
            row.put_part(transaction, sealer, part)?;
            row.put_grants(transaction, part.part, grants)
        })
    }

    /// Keeps further grants of a part that was announced before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_grants(
        &mut self,
        log: &LogId,
        number: MessageSession,
        part: u16,
        grants: &[ReaderGrant],
    ) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            let row = SessionRow { log, origin: read_origin(transaction)?, number };
            row.put_grants(transaction, part, grants)
        })
    }

    /// The log's home has these readers' grants on its disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn confirm_grants(
        &mut self,
        log: &LogId,
        number: MessageSession,
        readers: &[Name],
    ) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            let origin = read_origin(transaction)?;
            let mut statement = transaction.prepare_cached(
                "UPDATE grants SET wrapped = x'', put = 1
                 WHERE log = ?1 AND origin = ?2 AND number = ?3 AND reader = ?4",
            )?;
            for reader in readers {
                statement.execute((value::log_value(log), origin.0, number.0, reader.as_str()))?;
            }
            Ok(())
        })
    }

    /// Nothing more is sealed in this message session, and its grants are not put any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_message_session(
        &mut self,
        log: &LogId,
        number: MessageSession,
    ) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            let row = SessionRow { log, origin: read_origin(transaction)?, number };
            let key = (value::log_value(log), row.origin.0, number.0);
            transaction.run(
                "UPDATE message_sessions SET ended = 1
                 WHERE log = ?1 AND origin = ?2 AND number = ?3",
                key.clone(),
            )?;
            transaction.run(
                "UPDATE grants SET wrapped = x'', put = 1
                 WHERE log = ?1 AND origin = ?2 AND number = ?3",
                key,
            )?;
            Ok(())
        })
    }

    /// What this installation's posts to `log` need of its message sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn message_sessions(&self, log: &LogId) -> Result<SessionsRecord, StoreError> {
        let origin = self.origin()?;
        let key = (value::log_value(log), origin.0);
        let last: Option<u32> = self.connection.row(
            "SELECT max(number) FROM message_sessions WHERE log = ?1 AND origin = ?2",
            key.clone(),
            |row| row.get(0),
        )?;
        let mut statement = self.connection.prepare_cached(
            "SELECT number FROM message_sessions AS s WHERE log = ?1 AND origin = ?2
             AND (ended = 0 OR EXISTS (SELECT 1 FROM grants AS g WHERE g.log = s.log
             AND g.origin = s.origin AND g.number = s.number AND g.put = 0)) ORDER BY number",
        )?;
        let numbers = statement.query_map(key, |row| row.get(0).map(MessageSession))?;
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let mut sessions = Vec::new();
        for number in numbers {
            sessions.extend(self.message_session(log, number)?);
        }
        Ok(SessionsRecord { last: last.unwrap_or(0), sessions })
    }

    /// One message session of this installation, if it is still kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn message_session(
        &self,
        log: &LogId,
        number: MessageSession,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let row = SessionRow { log, origin: self.origin()?, number };
        let found: Option<(Vec<u8>, bool)> = self
            .connection
            .row(
                "SELECT state, ended FROM message_sessions
                 WHERE log = ?1 AND origin = ?2 AND number = ?3",
                (value::log_value(log), row.origin.0, number.0),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((sealed, is_ended)) = found else {
            return Ok(None);
        };
        let state = self.sealer.open(STATE, &row.key(&[]), &sealed)?;
        let parts = row.read_parts(&self.connection, &self.sealer)?;
        let grants = row.read_grants(&self.connection)?;
        Ok(Some(SessionRecord { number, state, is_ended, parts, grants }))
    }
}

/// The ratchet has turned: part of the transaction that keeps what it sealed.
pub(super) fn turn(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    log: &LogId,
    number: MessageSession,
    state: &[u8],
) -> Result<(), StoreError> {
    let row = SessionRow { log, origin: read_origin(transaction)?, number };
    let sealed = sealer.seal(STATE, &row.key(&[]), state);
    let changed = transaction.run(
        "UPDATE message_sessions SET state = ?4 WHERE log = ?1 AND origin = ?2 AND number = ?3",
        (value::log_value(log), row.origin.0, number.0, sealed),
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Changed("the message session is gone")) }
}

/// A message session's place in the tables.
struct SessionRow<'a> {
    log: &'a LogId,
    origin: Origin,
    number: MessageSession,
}

impl SessionRow<'_> {
    fn sql_key(&self) -> (String, [u8; 16], u32) {
        (value::log_value(self.log), self.origin.0, self.number.0)
    }

    /// The row's name inside a seal.
    fn key(&self, rest: &[u8]) -> Vec<u8> {
        let (log, number) = (value::log_value(self.log), self.number.0.to_be_bytes());
        [&self.origin.0[..], &number, rest, log.as_bytes()].concat()
    }

    fn end_those_before(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        transaction.run(
            "UPDATE message_sessions SET ended = 1
             WHERE log = ?1 AND origin = ?2 AND number < ?3",
            self.sql_key(),
        )?;
        let (log, origin, number) = self.sql_key();
        let oldest = number.saturating_sub(KEPT);
        for table in ["message_sessions", "announcements", "grants"] {
            let sql =
                format!("DELETE FROM {table} WHERE log = ?1 AND origin = ?2 AND number <= ?3");
            transaction.run(&sql, (&log, origin, oldest))?;
        }
        Ok(())
    }

    fn put_part(
        &self,
        transaction: &Transaction<'_>,
        sealer: &mut Sealer,
        part: &SessionPart,
    ) -> Result<(), StoreError> {
        let (log, origin, number) = self.sql_key();
        let key = self.key(&part.part.to_be_bytes());
        let secret = sealer.seal(SECRET, &key, part.secret.as_bytes());
        transaction.run(
            "INSERT INTO announcements
             (log, origin, number, part, roster_version, announcement, secret)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                log,
                origin,
                number,
                part.part,
                part.roster_version,
                &part.announcement.bytes()[..],
                secret,
            ),
        )?;
        Ok(())
    }

    fn put_grants(
        &self,
        transaction: &Transaction<'_>,
        part: u16,
        grants: &[ReaderGrant],
    ) -> Result<(), StoreError> {
        let (log, origin, number) = self.sql_key();
        let mut statement = transaction.prepare_cached(
            "INSERT OR REPLACE INTO grants
             (log, origin, number, reader, part, wrapping_key, wrapped, put)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        )?;
        for grant in grants {
            statement.execute((
                &log,
                origin,
                number,
                grant.reader.as_str(),
                part,
                grant.wrapping_key,
                &grant.wrapped.bytes()[..],
            ))?;
        }
        Ok(())
    }

    fn read_parts(
        &self,
        connection: &Connection,
        sealer: &Sealer,
    ) -> Result<Vec<SessionPart>, StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT part, roster_version, announcement, secret FROM announcements
             WHERE log = ?1 AND origin = ?2 AND number = ?3 ORDER BY part",
        )?;
        let rows = statement.query_and_then(self.sql_key(), |row| {
            let part: u16 = row.get("part")?;
            let announcement = Bytes::from(row.get::<_, Vec<u8>>("announcement")?);
            let announcement = Announcement::new(announcement);
            let key = self.key(&part.to_be_bytes());
            let secret = sealer.open(SECRET, &key, &row.get::<_, Vec<u8>>("secret")?)?;
            let secret = secret.first_chunk().filter(|_| secret.len() == 32);
            Ok(SessionPart {
                part,
                roster_version: row.get("roster_version")?,
                announcement: announcement.map_err(|_| StoreError::Damaged("announcement"))?,
                secret: Secret::new(*secret.ok_or(StoreError::Damaged("secret"))?),
            })
        })?;
        rows.collect()
    }

    fn read_grants(&self, connection: &Connection) -> Result<Vec<SessionGrant>, StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT reader, part, wrapping_key, wrapped, put FROM grants
             WHERE log = ?1 AND origin = ?2 AND number = ?3 ORDER BY reader",
        )?;
        let rows = statement.query_and_then(self.sql_key(), read_grant)?;
        rows.collect()
    }
}

fn read_grant(row: &Row<'_>) -> Result<SessionGrant, StoreError> {
    let wrapped = Wrapped::new(Bytes::from(row.get::<_, Vec<u8>>("wrapped")?));
    Ok(SessionGrant {
        part: row.get("part")?,
        grant: ReaderGrant {
            reader: value::name(row, "reader")?,
            wrapping_key: value::array(row, "wrapping_key")?,
            wrapped: wrapped.map_err(|_| StoreError::Damaged("wrapped secret"))?,
        },
        is_put: row.get("put")?,
    })
}
