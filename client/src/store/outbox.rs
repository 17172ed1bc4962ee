//! What the account sends: drafts, then sealed posts that are resent byte for byte, then answers.
//!
//! A post: draft → refused, or sealed (number and bytes) → accepted, rejected or a conflict.

use bytes::Bytes;
use rusqlite::{Connection, Row, Transaction};
use wire::message::Class;
use wire::{FaultCode, LogId, MessageSession, Number, Seq, Wall};
use zeroize::Zeroizing;

use super::account::read_origin;
use super::cached::Cached;
use super::chain::{Chain, advance, newest_hash, note_accepted, put_chain, read_chain};
use super::error::StoreError;
use super::{Sealer, Store, blobs, message_sessions, value};
use crate::crypto::Content;

const CONTENT: &str = "outbox.text";
const BODY: &str = "outbox.body";

const DRAFT: i64 = 0;
pub(super) const SEALED: i64 = 1;
pub(super) const ACCEPTED: i64 = 2;
pub(super) const REJECTED: i64 = 3;
const REFUSED: i64 = 4;
pub(super) const CONFLICT: i64 = 5;

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
        /// How it is safe, when an answer said so.
        class: Option<Class>,
    },
    /// Definitely not stored.
    Rejected(FaultCode),
    /// Never sent; the reason is a code of the contract and, after a space, a text for people.
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
    /// The message session that it is sealed in.
    pub message_session: MessageSession,
    /// Its bytes.
    pub body: Bytes,
}

/// A ratchet after it has sealed a post.
#[derive(Clone)]
pub struct SessionStep {
    /// The message session.
    pub number: MessageSession,
    /// The ratchet, as `Outbound::encode` made it.
    pub state: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SessionStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionStep({:?}, secret)", self.number)
    }
}

/// One post, whatever became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostRecord {
    /// Which post.
    pub id: OutboxId,
    /// To which log.
    pub log: LogId,
    /// What it says.
    pub content: Content,
    /// When it was written.
    pub created: Wall,
    /// Its number, once it was sealed.
    pub number: Option<Number>,
    /// What became of it.
    pub state: PostState,
}

impl Store {
    /// Adds a draft of a text. It is sent even if this process ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_draft(
        &mut self,
        log: &LogId,
        text: &str,
        created: Wall,
    ) -> Result<OutboxId, StoreError> {
        self.add_draft_of(log, &Content::Text(text.to_owned()), created)
    }

    /// Adds a draft of any kind.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] when the content cannot be encoded.
    pub fn add_draft_of(
        &mut self,
        log: &LogId,
        content: &Content,
        created: Wall,
    ) -> Result<OutboxId, StoreError> {
        self.write(|transaction, sealer| insert_draft(transaction, sealer, log, content, created))
    }

    /// The oldest drafts that wait for no upload, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drafts(&self, limit: u32) -> Result<Vec<Draft>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, log, kind, text, created FROM outbox WHERE state = 0 AND NOT EXISTS
             (SELECT 1 FROM uploads WHERE uploads.id = outbox.id AND is_whole = 0)
             ORDER BY id LIMIT ?1",
        )?;
        let rows = statement
            .query_and_then((limit,), |row| read_draft(row, &self.connection, &self.sealer))?;
        rows.collect()
    }

    /// The logs with drafts, or with sealed posts or grants that wait for an answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn busy_logs(&self) -> Result<Vec<LogId>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT log FROM outbox WHERE state IN (0, 1)
                 UNION SELECT log FROM grants WHERE put = 0 AND origin = ?1 ORDER BY log",
        )?;
        let origin = self.origin()?;
        let rows = statement.query_and_then((origin.0,), |row| value::log(row, "log"))?;
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
            "SELECT id, number, message_session, body FROM outbox
             WHERE state = 1 AND log = ?1 ORDER BY number",
        )?;
        let rows = statement.query_and_then((value::log_value(log),), |row| {
            let id: i64 = row.get("id")?;
            let body: Vec<u8> = row.get("body")?;
            let body = self.sealer.open(BODY, &id.to_be_bytes(), &body)?;
            Ok(SealedPost {
                id: OutboxId(id),
                number: value::number(row, "number")?,
                message_session: MessageSession(row.get("message_session")?),
                body: Bytes::copy_from_slice(&body),
            })
        })?;
        rows.collect()
    }

    /// Gives a draft its number and its bytes, before they are sent for the first time, and keeps
    /// `state`, the ratchet after it has sealed it. `hash` is the message's, which the next one
    /// names.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the draft is none any more or the number is not the next one.
    pub fn seal_draft(
        &mut self,
        log: &LogId,
        post: &SealedPost,
        hash: &[u8; 32],
        state: &[u8],
    ) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let origin = read_origin(transaction)?;
            let chain = read_chain(transaction, log, origin)?;
            let SealedPost { id, number, message_session, body } = post;
            if chain.next != *number {
                return Err(StoreError::Changed("the number is not the next one"));
            }
            let body = sealer.seal(BODY, &id.0.to_be_bytes(), body);
            message_sessions::turn(transaction, sealer, log, *message_session, state)?;
            let changed = transaction.run(
                "UPDATE outbox SET state = ?1, origin = ?2, number = ?3, body = ?4,
                 message_session = ?5, hash = ?6 WHERE id = ?7 AND log = ?8 AND state = ?9",
                (
                    SEALED,
                    origin.0,
                    value::number_value(*number),
                    body,
                    message_session.0,
                    hash,
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
        (seq, class): (Seq, Class),
    ) -> Result<Vec<OutboxId>, StoreError> {
        self.write(|transaction, _| {
            let origin = read_origin(transaction)?;
            let mut statement = transaction.prepare_cached(
                "UPDATE outbox
                 SET state = ?1, body = NULL, seq = iif(number = ?2, ?3, NULL), class = ?7
                 WHERE log = ?4 AND origin = ?5 AND state = ?6 AND number <= ?2 RETURNING id",
            )?;
            let values = (
                ACCEPTED,
                value::number_value(upto),
                value::seq_value(seq),
                value::log_value(log),
                origin.0,
                SEALED,
                class_value(class),
            );
            let rows = statement.query_map(values, |row| row.get(0).map(OutboxId))?;
            let mut ids = rows.collect::<Result<Vec<_>, _>>()?;
            ids.sort_unstable();
            note_accepted(transaction, log, origin, upto)?;
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

    /// The post was definitely not stored, and is to be sealed anew: it is a draft again, and its
    /// number is spent. Returns it with the hash that the next message names: that of the newest
    /// message that may be in the log. `None` when it was answered before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reseal(
        &mut self,
        log: &LogId,
        number: Number,
    ) -> Result<Option<(Draft, [u8; 32])>, StoreError> {
        self.write(|transaction, sealer| {
            let origin = read_origin(transaction)?;
            let mut statement = transaction.prepare_cached(
                "UPDATE outbox SET state = ?1, body = NULL, origin = NULL, number = NULL,
                 hash = NULL WHERE log = ?2 AND origin = ?3 AND state = ?4 AND number = ?5
                 RETURNING id, log, kind, text, created",
            )?;
            let (log_value, number) = (value::log_value(log), value::number_value(number));
            let mut rows = statement.query((DRAFT, log_value, origin.0, SEALED, number))?;
            let draft = rows.next()?.map(|row| read_draft(row, transaction, sealer)).transpose()?;
            let Some(draft) = draft else {
                return Ok(None);
            };
            let previous = newest_hash(transaction, log, origin)?;
            let chain = read_chain(transaction, log, origin)?;
            put_chain(transaction, log, origin, &Chain { previous, ..chain })?;
            advance(transaction, log, origin)?;
            Ok(Some((draft, previous)))
        })
    }

    /// The draft is not sent at all; `code` is one of the contract, as `no-such-user`, and `text`
    /// says it to people.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it is no draft any more.
    pub fn refuse(&mut self, id: OutboxId, code: &str, text: &str) -> Result<(), StoreError> {
        let reason = format!("{code} {text}");
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
        self.write(|transaction, _| match transaction.run(sql, values)? {
            1 => Ok(()),
            _ => Err(StoreError::Changed("the post is in another state")),
        })
    }
}

/// Adds a draft as part of a transaction.
pub(super) fn insert_draft(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    log: &LogId,
    content: &Content,
    created: Wall,
) -> Result<OutboxId, StoreError> {
    let (kind, bytes) = content.encode().map_err(|_| StoreError::Damaged("draft"))?;
    transaction.run(
        "INSERT INTO outbox (log, created, kind, text, state) VALUES (?1, ?2, ?3, x'', ?4)",
        (value::log_value(log), created.0.cast_signed(), kind, DRAFT),
    )?;
    let id = transaction.last_insert_rowid();
    let sealed = sealer.seal(CONTENT, &id.to_be_bytes(), &bytes);
    transaction.run("UPDATE outbox SET text = ?2 WHERE id = ?1", (id, sealed))?;
    Ok(OutboxId(id))
}

fn read_content(row: &Row<'_>, sealer: &Sealer) -> Result<Content, StoreError> {
    let id: i64 = row.get("id")?;
    let sealed: Vec<u8> = row.get("text")?;
    let bytes = sealer.open(CONTENT, &id.to_be_bytes(), &sealed)?;
    let content = Content::decode(row.get("kind")?, Bytes::copy_from_slice(&bytes));
    content.map_err(|_| StoreError::Damaged("draft"))
}

fn read_draft(
    row: &Row<'_>,
    connection: &Connection,
    sealer: &Sealer,
) -> Result<Draft, StoreError> {
    let id = OutboxId(row.get("id")?);
    let attachment = blobs::attachment_of(connection, sealer, id)?;
    Ok(Draft {
        id,
        log: value::log(row, "log")?,
        content: match attachment {
            Some(attachment) => Content::Attachment(Box::new(attachment)),
            None => read_content(row, sealer)?,
        },
        created: Wall(row.get::<_, i64>("created")?.cast_unsigned()),
    })
}

fn read_post(row: &Row<'_>, sealer: &Sealer) -> Result<PostRecord, StoreError> {
    let number: Option<i64> = row.get("number")?;
    Ok(PostRecord {
        id: OutboxId(row.get("id")?),
        log: value::log(row, "log")?,
        content: read_content(row, sealer)?,
        created: Wall(row.get::<_, i64>("created")?.cast_unsigned()),
        number: number.map(|_| value::number(row, "number")).transpose()?,
        state: read_state(row)?,
    })
}

fn class_value(class: Class) -> i64 {
    match class {
        Class::Stored => 1,
        Class::Seen => 2,
    }
}

fn read_class(class: i64) -> Result<Class, StoreError> {
    match class {
        1 => Ok(Class::Stored),
        2 => Ok(Class::Seen),
        _ => Err(StoreError::Damaged("class of a post")),
    }
}

fn read_state(row: &Row<'_>) -> Result<PostState, StoreError> {
    Ok(match row.get::<_, i64>("state")? {
        DRAFT => PostState::Draft,
        SEALED => PostState::Sealed,
        ACCEPTED => {
            let seq: Option<i64> = row.get("seq")?;
            let class: Option<i64> = row.get("class")?;
            let class = class.map(read_class).transpose()?;
            PostState::Accepted { seq: seq.map(|seq| Seq(seq.cast_unsigned())), class }
        }
        REJECTED => PostState::Rejected(FaultCode(row.get("code")?)),
        REFUSED => PostState::Refused(row.get("reason")?),
        CONFLICT => PostState::Conflict,
        _ => return Err(StoreError::Damaged("state of a post")),
    })
}
