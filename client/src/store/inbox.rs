//! What the account has received: entries, the cursor and the replay window, always together.

use bytes::{BufMut, Bytes, BytesMut};
use rusqlite::{Row, Transaction};
use wire::roster::Act;
use wire::{DecodeError, Field, LogId, Name, Number, Origin, Reader, Seq, Wall};
use zeroize::{Zeroize, Zeroizing};

use super::cached::Cached;
use super::error::StoreError;
use super::{Sealer, Store, continuity, replay, unsaved, value, wanted};
use crate::crypto::Attachment;
use crate::crypto::content::GrantRequest;
use crate::crypto::plaintext::{Content, Plaintext};

const CONTENT: &str = "inbox.content";

/// A received message's place in the inbox; rises, never reused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct InboxId(pub i64);

/// One entry as it came, opened or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// Its place in the log.
    pub seq: Seq,
    /// Who sent it.
    pub sender: Name,
    /// From which installation.
    pub origin: Origin,
    /// Its number.
    pub number: Number,
    /// When the home appended it.
    pub at: Wall,
    /// The hash of the whole body.
    pub hash: [u8; 32],
    /// What it says.
    pub content: ReceivedContent,
    /// What it asks of this account.
    pub request: Option<GrantRequest>,
}

/// What an entry says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReceivedContent {
    /// A text.
    Text {
        /// The text.
        text: String,
        /// When, by the sender's clock.
        sent: Wall,
        /// Hash of the sender's message before; zeros before the first.
        previous: [u8; 32],
        /// The signature holds and its key was the trusted one when the message came.
        verified: bool,
    },
    /// A file or an image; its content lies at its uploader's home.
    Attachment {
        /// What it is and how to get it.
        attachment: Box<Attachment>,
        /// When, by the sender's clock.
        sent: Wall,
        /// Hash of the sender's message before; zeros before the first.
        previous: [u8; 32],
        /// The signature holds and its key was the trusted one when the message came.
        verified: bool,
    },
    /// The sender asks for a grant. Not shown.
    GrantRequest {
        /// When, by the sender's clock.
        sent: Wall,
        /// Hash of the sender's message before; zeros before the first.
        previous: [u8; 32],
        /// The signature holds and its key was the trusted one when the message came.
        verified: bool,
    },
    /// The sender says that the reader is invited to a group. Whether it is so, its home knows.
    Invitation {
        /// Which group.
        group: Name,
        /// When, by the sender's clock.
        sent: Wall,
        /// Hash of the sender's message before; zeros before the first.
        previous: [u8; 32],
        /// The signature holds and its key was the trusted one when the message came.
        verified: bool,
    },
    /// A kind that a newer program may know.
    Unknown {
        /// The kind.
        kind: u8,
        /// Its bytes.
        bytes: Bytes,
        /// When, by the sender's clock.
        sent: Wall,
        /// Hash of the sender's message before; zeros before the first.
        previous: [u8; 32],
        /// The signature holds and its key was the trusted one when the message came.
        verified: bool,
    },
    /// It did not open.
    Undecryptable {
        /// Why, for people.
        reason: String,
    },
    /// It was sealed for the members of a time before this account joined the group.
    BeforeYouJoined,
    /// Not a message: a statement of the group's roster.
    Roster {
        /// What kind of change it is, or claims to be.
        act: Act,
        /// What it did, or why it counts for nothing; for people.
        text: String,
        /// It is signed by its actor and keeps the rules.
        valid: bool,
    },
    /// Not a message: what this client has to tell of the group.
    Warning {
        /// For people.
        text: String,
    },
}

impl ReceivedContent {
    /// What a message that opened says.
    pub(crate) fn of(plaintext: Plaintext, verified: bool) -> Self {
        let Plaintext { sent, previous, .. } = plaintext;
        match plaintext.content {
            Content::Text(text) => Self::Text { text, sent, previous, verified },
            Content::Attachment(attachment) => {
                Self::Attachment { attachment, sent, previous, verified }
            }
            Content::GrantRequest(_) => Self::GrantRequest { sent, previous, verified },
            Content::Invitation(group) => Self::Invitation { group, sent, previous, verified },
            Content::Unknown { kind, bytes } => {
                Self::Unknown { kind, bytes, sent, previous, verified }
            }
        }
    }

    /// Whether the user is to see it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        !matches!(self, Self::GrantRequest { .. })
    }

    /// Whether the message opened.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        !matches!(self, Self::Undecryptable { .. } | Self::BeforeYouJoined)
    }

    pub(super) fn previous(&self) -> Option<[u8; 32]> {
        match self {
            Self::Text { previous, .. }
            | Self::Attachment { previous, .. }
            | Self::GrantRequest { previous, .. }
            | Self::Invitation { previous, .. }
            | Self::Unknown { previous, .. } => Some(*previous),
            Self::Undecryptable { .. }
            | Self::BeforeYouJoined
            | Self::Roster { .. }
            | Self::Warning { .. } => None,
        }
    }
}

/// How a message stands to the one its sender sent before it, from the same installation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Continuity {
    /// The sender's first, or the one before is the last that was received here.
    Unbroken,
    /// The one before never arrived: it was rejected, expired, or withheld.
    Missing,
    /// Nothing can be said: it did not open, or the one before came to another machine.
    Unknown,
}

/// What a kept message says. The same as when it was received.
pub type InboxContent = ReceivedContent;

/// One kept message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboxMessage {
    /// Which message.
    pub id: InboxId,
    /// The log it came from.
    pub log: LogId,
    /// Its place in the log.
    pub seq: Seq,
    /// Who sent it.
    pub sender: Name,
    /// From which installation.
    pub origin: Origin,
    /// Its number.
    pub number: Number,
    /// When the home appended it.
    pub at: Wall,
    /// How it stands to the one before.
    pub continuity: Continuity,
    /// What it says.
    pub content: InboxContent,
}

impl Store {
    /// Keeps what came from `log`, in order, with the cursor and the replay window, in one
    /// transaction: `Seen` may leave when this has returned. Returns the new ones; doubles and
    /// entries at or below the cursor are left out. The cursor never goes back.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was kept then.
    pub fn receive(
        &mut self,
        log: &LogId,
        entries: &[Received],
        cursor: Seq,
    ) -> Result<Vec<InboxId>, StoreError> {
        self.write(|transaction, sealer| {
            let held = read_cursor(transaction, log)?;
            let mut new = Vec::new();
            for entry in entries.iter().filter(|entry| entry.seq > held) {
                // Statements have number 0, every one of them; their chain tells doubles apart.
                if entry.number == Number::NONE || replay::note(transaction, log, entry)? {
                    let id = insert(transaction, sealer, log, entry)?;
                    wanted::note(transaction, entry)?;
                    new.extend(entry.content.is_shown().then_some(id));
                }
            }
            put_cursor(transaction, log, held.max(cursor))?;
            Ok(new)
        })
    }

    /// Up to where `log` was received; 0 before the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cursor(&self, log: &LogId) -> Result<Seq, StoreError> {
        read_cursor(&self.connection, log)
    }

    /// The oldest messages that were not shown yet, at most `limit`; leaves them so. Hold
    /// [`super::DataDirectory::lock_showing`] from here to [`Self::mark_shown`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unshown(&self, limit: u32) -> Result<Vec<InboxMessage>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM inbox WHERE shown = 0 ORDER BY id LIMIT ?1")?;
        let rows = statement.query_and_then((limit,), |row| read_message(row, &self.sealer))?;
        rows.collect()
    }

    /// How many messages were not shown yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unshown_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM inbox WHERE shown = 0";
        Ok(self.connection.row(sql, (), |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// One message, if it is kept here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn message(&self, id: InboxId) -> Result<Option<InboxMessage>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM inbox WHERE id = ?1")?;
        let mut rows = statement.query((id.0,))?;
        let row = rows.next()?;
        row.map(|row| read_message(row, &self.sealer)).transpose()
    }

    /// The messages were printed, and the output was flushed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_shown(&mut self, ids: &[InboxId]) -> Result<(), StoreError> {
        self.is_newly_shown = true;
        self.write(|transaction, _| {
            let sql = "UPDATE inbox SET shown = 1 WHERE id = ?1";
            let mut statement = transaction.prepare_cached(sql)?;
            for id in ids {
                statement.execute((id.0,))?;
            }
            Ok(())
        })
    }
}

fn read_cursor(connection: &rusqlite::Connection, log: &LogId) -> Result<Seq, StoreError> {
    let sql = "SELECT seq FROM cursors WHERE log = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((value::log_value(log),))?;
    rows.next()?.map_or(Ok(Seq(0)), |row| value::seq(row, "seq"))
}

fn put_cursor(transaction: &Transaction<'_>, log: &LogId, cursor: Seq) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO cursors (log, seq) VALUES (?1, ?2) ON CONFLICT (log) DO UPDATE SET seq = ?2",
    )?;
    statement.execute((value::log_value(log), value::seq_value(cursor)))?;
    Ok(())
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    log: &LogId,
    entry: &Received,
) -> Result<InboxId, StoreError> {
    let continuity = match continuity::of(transaction, sealer, log, entry)? {
        Continuity::Unbroken => 0,
        Continuity::Missing => 1,
        Continuity::Unknown => 2,
    };
    let mut statement = transaction.prepare_cached(
        "INSERT INTO inbox
         (log, seq, sender, origin, number, at, hash, continuity, content, shown)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, x'', ?9)",
    )?;
    let id = statement.insert((
        value::log_value(log),
        value::seq_value(entry.seq),
        entry.sender.as_str(),
        entry.origin.0,
        value::number_value(entry.number),
        entry.at.0.cast_signed(),
        entry.hash,
        continuity,
        !entry.content.is_shown(),
    ))?;
    let content = sealer.seal(CONTENT, &id.to_be_bytes(), &encode_content(&entry.content));
    let sql = "UPDATE inbox SET content = ?2 WHERE id = ?1";
    transaction.run(sql, (id, content))?;
    if let ReceivedContent::Attachment { .. } = entry.content {
        unsaved::note(transaction, InboxId(id), &entry.sender)?;
    }
    Ok(InboxId(id))
}

pub(super) fn read_message(row: &Row<'_>, sealer: &Sealer) -> Result<InboxMessage, StoreError> {
    let id: i64 = row.get("id")?;
    let sealed: Vec<u8> = row.get("content")?;
    let content = open_content(sealer, id, &sealed)?;
    Ok(InboxMessage {
        id: InboxId(id),
        log: value::log(row, "log")?,
        seq: value::seq(row, "seq")?,
        sender: value::name(row, "sender")?,
        origin: value::origin(row, "origin")?,
        number: value::number(row, "number")?,
        at: Wall(row.get::<_, i64>("at")?.cast_unsigned()),
        continuity: match row.get::<_, i64>("continuity")? {
            0 => Continuity::Unbroken,
            1 => Continuity::Missing,
            2 => Continuity::Unknown,
            _ => return Err(StoreError::Damaged("continuity")),
        },
        content,
    })
}

pub(super) fn open_content(
    sealer: &Sealer,
    id: i64,
    sealed: &[u8],
) -> Result<ReceivedContent, StoreError> {
    let content = sealer.open(CONTENT, &id.to_be_bytes(), sealed)?;
    decode_content(&content).map_err(|_| StoreError::Damaged("content"))
}

/// Layout: tag `u8`. 1 text and 2 unknown: verified `u8`, sent `u64`, previous (32), for unknown
/// the kind `u8`, then the rest is the content; 6 attachment: as these, the rest as in
/// `crypto::content`; 7 grant request: as these, without a rest; 9 invitation: as these, the rest
/// is the group. 3 undecryptable: the rest is the reason. 4 before you joined: nothing. 5 roster:
/// valid `u8`, the act, the rest is the text. 8 warning: the rest is the text.
fn encode_content(content: &ReceivedContent) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::new());
    let mut put = |tag: u8, fields: Option<(bool, Wall, &[u8; 32])>, rest: &[&[u8]]| {
        out.put_u8(tag);
        if let Some((verified, sent, previous)) = fields {
            out.put_u8(u8::from(verified));
            out.put_u64(sent.0);
            out.put_slice(previous);
        }
        rest.iter().for_each(|part| out.put_slice(part));
    };
    match content {
        ReceivedContent::Text { text, sent, previous, verified } => {
            put(1, Some((*verified, *sent, previous)), &[text.as_bytes()]);
        }
        ReceivedContent::GrantRequest { sent, previous, verified } => {
            put(7, Some((*verified, *sent, previous)), &[]);
        }
        ReceivedContent::Invitation { group, sent, previous, verified } => {
            put(9, Some((*verified, *sent, previous)), &[group.as_bytes()]);
        }
        ReceivedContent::Unknown { kind, bytes, sent, previous, verified } => {
            put(2, Some((*verified, *sent, previous)), &[&[*kind], bytes]);
        }
        ReceivedContent::Attachment { attachment, sent, previous, verified } => {
            let mut encoded = attachment.encode().expect("it was decoded within its limits");
            put(6, Some((*verified, *sent, previous)), &[&encoded]);
            encoded.as_mut().zeroize();
        }
        ReceivedContent::Undecryptable { reason } => put(3, None, &[reason.as_bytes()]),
        ReceivedContent::BeforeYouJoined => put(4, None, &[]),
        ReceivedContent::Warning { text } => put(8, None, &[text.as_bytes()]),
        ReceivedContent::Roster { act, text, valid } => {
            let mut code = BytesMut::new();
            act.put(&mut code);
            put(5, None, &[&[u8::from(*valid)], &code, text.as_bytes()]);
        }
    }
    out
}

fn decode_content(bytes: &[u8]) -> Result<ReceivedContent, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let tag = reader.u8("tag")?;
    match tag {
        3 => return Ok(ReceivedContent::Undecryptable { reason: rest_as_text(reader)? }),
        4 => return reader.finish().map(|()| ReceivedContent::BeforeYouJoined),
        8 => return Ok(ReceivedContent::Warning { text: rest_as_text(reader)? }),
        5 => {
            let valid = bool::get(&mut reader, "valid")?;
            let act = Act::get(&mut reader, "act")?;
            return Ok(ReceivedContent::Roster { act, text: rest_as_text(reader)?, valid });
        }
        _ => {}
    }
    let verified = bool::get(&mut reader, "verified")?;
    let sent = Wall::get(&mut reader, "sent")?;
    let previous = reader.array("previous")?;
    match tag {
        1 => Ok(ReceivedContent::Text { text: rest_as_text(reader)?, sent, previous, verified }),
        2 => {
            let kind = reader.u8("kind")?;
            let bytes = reader.take(reader.remaining(), "content")?;
            Ok(ReceivedContent::Unknown { kind, bytes, sent, previous, verified })
        }
        7 => reader.finish().map(|()| ReceivedContent::GrantRequest { sent, previous, verified }),
        9 => {
            let group = Name::parse(&rest_as_text(reader)?);
            let group = group.map_err(|_| DecodeError::Value("group"))?;
            Ok(ReceivedContent::Invitation { group, sent, previous, verified })
        }
        6 => {
            let attachment = Attachment::decode(reader.take(reader.remaining(), "attachment")?)?;
            let attachment = Box::new(attachment);
            Ok(ReceivedContent::Attachment { attachment, sent, previous, verified })
        }
        _ => Err(DecodeError::Value("tag")),
    }
}

fn rest_as_text(mut reader: Reader) -> Result<String, DecodeError> {
    let bytes = reader.take(reader.remaining(), "text")?;
    let text = std::str::from_utf8(&bytes).map_err(|_| DecodeError::Value("text"))?;
    Ok(text.to_owned())
}
