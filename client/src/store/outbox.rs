//! What the account sends: drafts, then sealed posts that are resent byte for byte, then answers.
//!
//! A post's way: draft → sealed (it has its number and its bytes) → accepted or rejected; a draft
//! may also be refused (never sent), and a sealed post may end as a conflict.

use bytes::Bytes;
use rusqlite::{Row, Transaction};
use wire::{FaultCode, LogId, Number, Origin, Seq, Wall};

use super::account::read_origin;
use super::error::StoreError;
use super::{Sealer, Store, blobs, value};
use crate::crypto::Content;

const TEXT: &str = "outbox.text";
const BODY: &str = "outbox.body";

const DRAFT: i64 = 0;
const SEALED: i64 = 1;
const ACCEPTED: i64 = 2;
const REJECTED: i64 = 3;
const REFUSED: i64 = 4;
const CONFLICT: i64 = 5;

/// A post's place in the outbox; rises, never reused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct OutboxId(pub i64);

/// What became of a post.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PostState {
    /// Not sealed yet: no number, nothing was sent.
    Draft,
    /// Sealed; sent or to be sent; the answer is not known.
    Sealed,
    /// Safe. The seq is known when the answer named exactly this number.
    Accepted {
        /// Its place in the log.
        seq: Option<Seq>,
    },
    /// Definitely not stored.
    Rejected(FaultCode),
    /// Never sent; the reason is a code of the contract.
    Refused(String),
    /// Its origin was given up before the answer came: the user decides.
    Conflict,
}

/// What waits to be sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// Which post.
    pub id: OutboxId,
    /// To which log.
    pub log: LogId,
    /// What it says.
    pub content: Content,
    /// When it was written.
    pub created: Wall,
}

/// A sealed post without an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedPost {
    /// Which post.
    pub id: OutboxId,
    /// Its number.
    pub number: Number,
    /// Its bytes.
    pub body: Bytes,
}

/// One post, whatever became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostRecord {
    /// Which post.
    pub id: OutboxId,
    /// To which log.
    pub log: LogId,
    /// What it says.
    pub text: String,
    /// When it was written.
    pub created: Wall,
    /// Its number, once it was sealed.
    pub number: Option<Number>,
    /// What became of it.
    pub state: PostState,
}

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

impl Store {
    /// Adds a draft. It is sent even if this process ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_draft(
        &mut self,
        log: &LogId,
        text: &str,
        created: Wall,
    ) -> Result<OutboxId, StoreError> {
        self.write(|transaction, sealer| insert_draft(transaction, sealer, log, text, created))
    }

    /// The oldest drafts that wait for no upload, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drafts(&self, limit: u32) -> Result<Vec<Draft>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, log, text, created FROM outbox WHERE state = 0 AND NOT EXISTS
             (SELECT 1 FROM uploads WHERE uploads.id = outbox.id AND is_whole = 0)
             ORDER BY id LIMIT ?1",
        )?;
        let rows = statement.query_and_then((limit,), |row| {
            let id = OutboxId(row.get("id")?);
            let attachment = blobs::attachment_of(&self.connection, &self.sealer, id)?;
            Ok(Draft {
                id,
                log: value::log(row, "log")?,
                content: match attachment {
                    Some(attachment) => Content::Attachment(Box::new(attachment)),
                    None => Content::Text(read_text(row, &self.sealer)?),
                },
                created: Wall(row.get::<_, i64>("created")?.cast_unsigned()),
            })
        })?;
        rows.collect()
    }

    /// The logs with drafts or sealed posts that wait for an answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn busy_logs(&self) -> Result<Vec<LogId>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT DISTINCT log FROM outbox WHERE state IN (0, 1) ORDER BY log")?;
        let rows = statement.query_and_then((), |row| value::log(row, "log"))?;
        rows.collect()
    }

    /// Where this origin's posts to `log` have got to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chain(&self, log: &LogId) -> Result<Chain, StoreError> {
        let origin = self.origin()?;
        read_chain(&self.connection, log, origin)
    }

    /// The sealed posts to `log` without an answer, by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sealed(&self, log: &LogId) -> Result<Vec<SealedPost>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, number, body FROM outbox WHERE state = 1 AND log = ?1 ORDER BY number",
        )?;
        let rows = statement.query_and_then((value::log_value(log),), |row| {
            let id: i64 = row.get("id")?;
            let body: Vec<u8> = row.get("body")?;
            let body = self.sealer.open(BODY, &id.to_be_bytes(), &body)?;
            let number = value::number(row, "number")?;
            Ok(SealedPost { id: OutboxId(id), number, body: Bytes::copy_from_slice(&body) })
        })?;
        rows.collect()
    }

    /// Gives a draft its number and its bytes, before they are sent for the first time. `hash` is
    /// the message's hash, which the next one names.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the draft is none any more or the number is not the next one.
    pub fn seal_draft(
        &mut self,
        id: OutboxId,
        log: &LogId,
        number: Number,
        body: &Bytes,
        hash: &[u8; 32],
    ) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let origin = read_origin(transaction)?;
            let chain = read_chain(transaction, log, origin)?;
            if chain.next != number {
                return Err(StoreError::Changed("the number is not the next one"));
            }
            let body = sealer.seal(BODY, &id.0.to_be_bytes(), body);
            let changed = transaction.execute(
                "UPDATE outbox SET state = ?1, origin = ?2, number = ?3, body = ?4
                 WHERE id = ?5 AND log = ?6 AND state = ?7",
                (
                    SEALED,
                    origin.0,
                    value::number_value(number),
                    body,
                    id.0,
                    value::log_value(log),
                    DRAFT,
                ),
            )?;
            if changed != 1 {
                return Err(StoreError::Changed("the post is no draft any more"));
            }
            let next = Chain { next: number.next(), previous: *hash, ..chain };
            put_chain(transaction, log, origin, &next)
        })
    }

    /// Every sealed post to `log` up to `upto` is safe; `seq` is the place of `upto` itself.
    /// Returns those that were not answered before, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(
        &mut self,
        log: &LogId,
        upto: Number,
        seq: Seq,
    ) -> Result<Vec<OutboxId>, StoreError> {
        self.write(|transaction, _| {
            let origin = read_origin(transaction)?;
            let mut statement = transaction.prepare_cached(
                "UPDATE outbox SET state = ?1, body = NULL, seq = iif(number = ?2, ?3, NULL)
                 WHERE log = ?4 AND origin = ?5 AND state = ?6 AND number <= ?2 RETURNING id",
            )?;
            let values = (
                ACCEPTED,
                value::number_value(upto),
                value::seq_value(seq),
                value::log_value(log),
                origin.0,
                SEALED,
            );
            let rows = statement.query_map(values, |row| row.get(0).map(OutboxId))?;
            let mut ids = rows.collect::<Result<Vec<_>, _>>()?;
            ids.sort_unstable();
            advance(transaction, log, origin)?;
            Ok(ids)
        })
    }

    /// The post was definitely not stored; its number is spent. Returns which it was, unless it was
    /// answered before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reject(
        &mut self,
        log: &LogId,
        number: Number,
        code: FaultCode,
    ) -> Result<Option<OutboxId>, StoreError> {
        self.write(|transaction, _| {
            let origin = read_origin(transaction)?;
            let mut statement = transaction.prepare_cached(
                "UPDATE outbox SET state = ?1, body = NULL, code = ?2
                 WHERE log = ?3 AND origin = ?4 AND state = ?5 AND number = ?6 RETURNING id",
            )?;
            let values = (
                REJECTED,
                code.0,
                value::log_value(log),
                origin.0,
                SEALED,
                value::number_value(number),
            );
            let mut rows = statement.query_map(values, |row| row.get(0).map(OutboxId))?;
            let id = rows.next().transpose()?;
            advance(transaction, log, origin)?;
            Ok(id)
        })
    }

    /// The draft is not sent at all; `reason` is a code of the contract, as `no-such-user`.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it is no draft any more.
    pub fn refuse(&mut self, id: OutboxId, reason: &str) -> Result<(), StoreError> {
        self.change_state(
            "UPDATE outbox SET state = ?1, reason = ?2 WHERE id = ?3 AND state = ?4",
            (REFUSED, reason, id.0, DRAFT),
        )
    }

    /// The user wants a post sent anew that was refused, rejected or ended as a conflict: it is a
    /// draft again.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it waits for an answer, or is safe.
    pub fn redraft(&mut self, id: OutboxId) -> Result<(), StoreError> {
        self.change_state(
            "UPDATE outbox SET state = ?1, origin = NULL, number = NULL, code = NULL, reason = NULL
             WHERE id = ?2 AND state IN (?3, ?4, ?5)",
            (DRAFT, id.0, REJECTED, REFUSED, CONFLICT),
        )
    }

    /// The user gives up a post that was refused, rejected or ended as a conflict, or a draft.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it waits for an answer, or is safe.
    pub fn discard(&mut self, id: OutboxId) -> Result<(), StoreError> {
        self.change_state(
            "DELETE FROM outbox WHERE id = ?1 AND state IN (?2, ?3, ?4, ?5)",
            (id.0, DRAFT, REJECTED, REFUSED, CONFLICT),
        )
    }

    /// One post, if it exists.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn post(&self, id: OutboxId) -> Result<Option<PostRecord>, StoreError> {
        let sql = "SELECT * FROM outbox WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((id.0,))?;
        let row = rows.next()?;
        row.map(|row| read_post(row, &self.sealer)).transpose()
    }

    /// The posts whose fate the user must decide, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn conflicts(&self) -> Result<Vec<PostRecord>, StoreError> {
        let sql = "SELECT * FROM outbox WHERE state = 5 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_and_then((), |row| read_post(row, &self.sealer))?;
        rows.collect()
    }

    fn change_state(&mut self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        self.write(|transaction, _| match transaction.execute(sql, values)? {
            1 => Ok(()),
            _ => Err(StoreError::Changed("the post is in another state")),
        })
    }
}

pub(super) fn insert_draft(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    log: &LogId,
    text: &str,
    created: Wall,
) -> Result<OutboxId, StoreError> {
    transaction.execute(
        "INSERT INTO outbox (log, created, text, state) VALUES (?1, ?2, x'', ?3)",
        (value::log_value(log), created.0.cast_signed(), DRAFT),
    )?;
    let id = transaction.last_insert_rowid();
    let text = sealer.seal(TEXT, &id.to_be_bytes(), text.as_bytes());
    transaction.execute("UPDATE outbox SET text = ?2 WHERE id = ?1", (id, text))?;
    Ok(OutboxId(id))
}

fn read_text(row: &Row<'_>, sealer: &Sealer) -> Result<String, StoreError> {
    let id: i64 = row.get("id")?;
    let sealed: Vec<u8> = row.get("text")?;
    let text = sealer.open(TEXT, &id.to_be_bytes(), &sealed)?;
    let text = std::str::from_utf8(&text).map_err(|_| StoreError::Damaged("text"))?;
    Ok(text.to_owned())
}

fn read_post(row: &Row<'_>, sealer: &Sealer) -> Result<PostRecord, StoreError> {
    let number: Option<i64> = row.get("number")?;
    Ok(PostRecord {
        id: OutboxId(row.get("id")?),
        log: value::log(row, "log")?,
        text: read_text(row, sealer)?,
        created: Wall(row.get::<_, i64>("created")?.cast_unsigned()),
        number: number.map(|_| value::number(row, "number")).transpose()?,
        state: read_state(row)?,
    })
}

fn read_state(row: &Row<'_>) -> Result<PostState, StoreError> {
    Ok(match row.get::<_, i64>("state")? {
        DRAFT => PostState::Draft,
        SEALED => PostState::Sealed,
        ACCEPTED => {
            let seq: Option<i64> = row.get("seq")?;
            PostState::Accepted { seq: seq.map(|seq| Seq(seq.cast_unsigned())) }
        }
        REJECTED => PostState::Rejected(FaultCode(row.get("code")?)),
        REFUSED => PostState::Refused(row.get("reason")?),
        CONFLICT => PostState::Conflict,
        _ => return Err(StoreError::Damaged("state of a post")),
    })
}

fn read_chain(
    connection: &rusqlite::Connection,
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

fn put_chain(
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
fn advance(transaction: &Transaction<'_>, log: &LogId, origin: Origin) -> Result<(), StoreError> {
    let chain = read_chain(transaction, log, origin)?;
    let first_unanswered: Option<i64> = transaction.query_row(
        "SELECT min(number) FROM outbox WHERE log = ?1 AND origin = ?2 AND state = ?3",
        (value::log_value(log), origin.0, SEALED),
        |row| row.get(0),
    )?;
    let first_unanswered = first_unanswered.unwrap_or_else(|| value::number_value(chain.next));
    let settled = Number::new((first_unanswered - 1).cast_unsigned());
    let settled = settled.ok_or(StoreError::Damaged("number"))?;
    put_chain(transaction, log, origin, &Chain { settled: settled.max(chain.settled), ..chain })
}
