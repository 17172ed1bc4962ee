//! Message sessions: a Megolm session of one sender's installation in one log, and the body of a
//! post under it.
//!
//! The sender's side ([`Outbound`]) is a ratchet that only turns forward: what was sealed before
//! cannot be opened with what it holds now. Readers get its key by a grant (see [`super::grant`])
//! and open with [`Inbound`] what was sealed from that key's index on. Megolm is that of the Matrix
//! specification, in its version 1, by `vodozemac`.
//!
//! # Layout of a body (big-endian; version 1)
//! ```text
//! magic            4  "FCMS"
//! format           1  1
//! message session  4  u32; 1, 2, 3 … per (log, origin)
//! message             the rest: a Megolm message of the padded plaintext (see `super::plaintext`)
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;
use vodozemac::megolm::{
    DecryptionError, ExportedSessionKey, GroupSession, GroupSessionPickle, InboundGroupSession,
    MegolmMessage, SessionConfig,
};
use wire::limits::BODY_LEN_MAX;
use wire::message::log::Body;
use wire::{DecodeError, LogId, MessageSession, Name, Number, Origin, Reader, Wall};
use zeroize::{Zeroize, Zeroizing};

use super::domain;
use super::hash::hash;
use super::plaintext::{PLAINTEXT_LEN_MAX, Plaintext, PlaintextError};

const MAGIC: [u8; 4] = *b"FCMS";
const FORMAT: u8 = 1;
const HEADER_LEN: usize = 4 + 1 + 4;
/// A block of padding, both fields' tags and lengths, the version, the MAC and the signature.
const MEGOLM_OVERHEAD: usize = 16 + 6 + 5 + 1 + 8 + 64;
const _: () = assert!(HEADER_LEN + PLAINTEXT_LEN_MAX + MEGOLM_OVERHEAD <= BODY_LEN_MAX);
/// Version, index, ratchet and public key: what a reader keeps.
const EXPORTED_LEN: usize = 1 + 4 + 128 + 32;
/// An [`EXPORTED_LEN`] with the signature that proves who holds the private key.
const SESSION_KEY_LEN: usize = EXPORTED_LEN + 64;
const STORED_FORMAT: u8 = 1;
/// The store seals the whole value; the library's own sealing adds nothing to that.
const PICKLE_KEY: [u8; 32] = [0; 32];

/// Why a body does not open. Its text is what the reader is shown.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum OpenError {
    /// The bytes are not a message.
    #[error("not a message: {0}")]
    Malformed(#[from] DecodeError),
    /// The first bytes are not those of a message, or its format is newer than this program.
    #[error("the message's format is unknown; a newer program may read it")]
    Format,
    /// It was sealed in another message session than the one it is opened with.
    #[error("sealed in another message session")]
    OtherSession,
    /// It was sealed before the index from which this account may read.
    #[error("sealed before this account was granted the message session's key")]
    TooEarly,
    /// The signature or the seal does not hold.
    #[error("tampered with: the message does not open with its message session's key")]
    Seal,
    /// The content cannot be read.
    #[error(transparent)]
    Plaintext(#[from] PlaintextError),
    /// What is inside contradicts the entry that it stands in.
    #[error("tampered with: the message was sent elsewhere and moved or repeated here")]
    Misplaced,
}

/// Why a session key or a stored message session cannot be read.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SessionError {
    /// Not a session key, or signed by another key than it names.
    #[error("not the key of a message session")]
    Key,
    /// A stored message session is damaged.
    #[error("a stored message session cannot be read")]
    Stored,
}

/// Where a message stands: what its entry says, as the reader's own home and seat proved it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expected {
    /// The log it is read from.
    pub log: LogId,
    /// The entry's sender.
    pub sender: Name,
    /// The entry's origin.
    pub origin: Origin,
    /// The entry's number.
    pub number: Number,
}

/// What opens a message session from an index on. Zeroized when it is dropped.
#[derive(Clone)]
pub struct SessionKey {
    number: MessageSession,
    /// A Megolm session key in its signed format.
    bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionKey({:?} from {}, secret)", self.number, self.first_index())
    }
}

impl SessionKey {
    /// Reads the Megolm session key of the message session `number`; checks its own signature.
    ///
    /// # Errors
    /// [`SessionError::Key`].
    pub fn from_bytes(number: MessageSession, bytes: &[u8]) -> Result<Self, SessionError> {
        if bytes.len() != SESSION_KEY_LEN {
            return Err(SessionError::Key);
        }
        vodozemac::megolm::SessionKey::from_bytes(bytes).map_err(|_| SessionError::Key)?;
        Ok(Self { number, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// Which message session of its sender's installation in its log.
    #[must_use]
    pub fn number(&self) -> MessageSession {
        self.number
    }

    /// Index of the first message that it opens.
    #[must_use]
    pub fn first_index(&self) -> u32 {
        let index = self.bytes[1..].first_chunk().expect("checked when it was read");
        u32::from_be_bytes(*index)
    }

    /// The Megolm session key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The sender's side of a message session.
pub struct Outbound {
    number: MessageSession,
    begun: Wall,
    session: GroupSession,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbound({:?} at {}, secret)", self.number, self.count())
    }
}

impl Outbound {
    /// Begins the message session `number` at the time `begun`. Draws its keys from the operating
    /// system's generator, so it belongs on a worker's thread.
    #[must_use]
    pub fn begin(number: MessageSession, begun: Wall) -> Self {
        Self { number, begun, session: GroupSession::new(SessionConfig::version_1()) }
    }

    /// Which message session of this installation in its log.
    #[must_use]
    pub fn number(&self) -> MessageSession {
        self.number
    }

    /// When it was begun.
    #[must_use]
    pub fn begun(&self) -> Wall {
        self.begun
    }

    /// How many messages were sealed in it; the index of the next one.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.session.message_index()
    }

    /// What opens the messages from here on, and none before.
    #[must_use]
    pub fn session_key(&self) -> SessionKey {
        let bytes = Zeroizing::new(self.session.session_key().to_bytes());
        SessionKey { number: self.number, bytes }
    }

    /// Seals a message and turns the ratchet. Store the session ([`Self::encode`]) together with
    /// the body before either is used: the same place of the ratchet must not seal twice.
    ///
    /// # Errors
    /// [`PlaintextError`] when the plaintext cannot be encoded; the ratchet stays then.
    pub fn seal(&mut self, plaintext: &Plaintext) -> Result<Body, PlaintextError> {
        let mut padded = plaintext.encode()?;
        let message = self.session.encrypt(&padded).to_bytes();
        padded.as_mut().zeroize();
        let mut body = BytesMut::with_capacity(HEADER_LEN + message.len());
        body.put_slice(&MAGIC);
        body.put_u8(FORMAT);
        body.put_u32(self.number.0);
        body.put_slice(&message);
        Ok(Body::new(body.freeze()).expect("MEGOLM_OVERHEAD keeps within the limit"))
    }

    /// The session as it is now, for a store that seals it.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let pickle = Zeroizing::new(self.session.pickle().encrypt(&PICKLE_KEY));
        // Reserved whole, so that growing leaves no copy of a secret behind.
        let mut out = Zeroizing::new(Vec::with_capacity(1 + 4 + 8 + pickle.len()));
        out.put_u8(STORED_FORMAT);
        out.put_u32(self.number.0);
        out.put_u64(self.begun.0);
        out.put_slice(pickle.as_bytes());
        out
    }

    /// Reads what [`Self::encode`] made.
    ///
    /// # Errors
    /// [`SessionError::Stored`].
    pub fn decode(stored: &[u8]) -> Result<Self, SessionError> {
        let (number, rest) = read_stored(stored)?;
        let (begun, pickle) = rest.split_first_chunk::<8>().ok_or(SessionError::Stored)?;
        let pickle = std::str::from_utf8(pickle).map_err(|_| SessionError::Stored)?;
        let pickle = GroupSessionPickle::from_encrypted(pickle, &PICKLE_KEY);
        let session = GroupSession::from_pickle(pickle.map_err(|_| SessionError::Stored)?);
        Ok(Self { number, begun: Wall(u64::from_be_bytes(*begun)), session })
    }
}

/// A reader's side of a message session.
pub struct Inbound {
    number: MessageSession,
    session: InboundGroupSession,
    /// Index after the newest message that was opened.
    opened: u32,
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inbound({:?} from {}, secret)", self.number, self.first_index())
    }
}

impl Inbound {
    /// Begins with a granted key.
    ///
    /// # Errors
    /// [`SessionError::Key`].
    pub fn new(key: &SessionKey) -> Result<Self, SessionError> {
        let granted = vodozemac::megolm::SessionKey::from_bytes(&key.bytes);
        let granted = granted.map_err(|_| SessionError::Key)?;
        let session = InboundGroupSession::new(&granted, SessionConfig::version_1());
        Ok(Self { number: key.number, session, opened: key.first_index() })
    }

    /// Which message session of its sender's installation in its log.
    #[must_use]
    pub fn number(&self) -> MessageSession {
        self.number
    }

    /// Index of the first message that it still opens.
    #[must_use]
    pub fn first_index(&self) -> u32 {
        self.session.first_known_index()
    }

    /// Opens a message that stands in the entry `expected`.
    ///
    /// # Errors
    /// [`OpenError`] names the first check that failed.
    pub fn open(&mut self, expected: &Expected, body: &Body) -> Result<Plaintext, OpenError> {
        let (number, message) = read(body)?;
        if number != self.number {
            return Err(OpenError::OtherSession);
        }
        let opened = self.session.decrypt(&message).map_err(|error| match error {
            DecryptionError::UnknownMessageIndex(..) => OpenError::TooEarly,
            _ => OpenError::Seal,
        })?;
        let plaintext = Plaintext::decode(Bytes::from(opened.plaintext))?;
        check_place(&plaintext, expected)?;
        self.opened = self.opened.max(opened.message_index.saturating_add(1));
        Ok(plaintext)
    }

    /// Forgets the keys of the messages that were opened, and of all before them. What was lost on
    /// the way and comes later does not open any more, so call it only where order is kept.
    pub fn forget_opened(&mut self) {
        self.session.advance_to(self.opened);
    }

    /// The session as it is now, for a store that seals it.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let exported = Zeroizing::new(self.session.export_at_first_known_index().to_bytes());
        let mut out = Zeroizing::new(Vec::with_capacity(1 + 4 + EXPORTED_LEN));
        out.put_u8(STORED_FORMAT);
        out.put_u32(self.number.0);
        out.put_slice(&exported);
        out
    }

    /// Reads what [`Self::encode`] made.
    ///
    /// # Errors
    /// [`SessionError::Stored`].
    pub fn decode(stored: &[u8]) -> Result<Self, SessionError> {
        let (number, exported) = read_stored(stored)?;
        if exported.len() != EXPORTED_LEN {
            return Err(SessionError::Stored);
        }
        let key = ExportedSessionKey::from_bytes(exported).map_err(|_| SessionError::Stored)?;
        let session = InboundGroupSession::import(&key, SessionConfig::version_1());
        let opened = session.first_known_index();
        Ok(Self { number, session, opened })
    }
}

/// Which message session a body was sealed in. Proves nothing.
///
/// # Errors
/// [`OpenError::Malformed`] or [`OpenError::Format`].
pub fn read_message_session(body: &Body) -> Result<MessageSession, OpenError> {
    read(body).map(|(number, _)| number)
}

/// What the sender's next message to the same log names as its previous one.
#[must_use]
pub fn message_hash(body: &Body) -> [u8; 32] {
    hash(domain::MESSAGE_HASH, &[body.bytes()])
}

fn read(body: &Body) -> Result<(MessageSession, MegolmMessage), OpenError> {
    let mut reader = Reader::new(body.bytes().clone());
    if reader.array("magic")? != MAGIC || reader.u8("format")? != FORMAT {
        return Err(OpenError::Format);
    }
    let number = MessageSession(reader.u32("message session")?);
    let rest = reader.take(reader.remaining(), "message")?;
    let malformed = OpenError::Malformed(DecodeError::Value("message"));
    let message = MegolmMessage::from_bytes(&rest).map_err(|_| malformed)?;
    // The decoder passes over unknown fields: with them the same message would have other bytes.
    if message.to_bytes() != rest[..] {
        return Err(malformed);
    }
    Ok((number, message))
}

fn check_place(plaintext: &Plaintext, expected: &Expected) -> Result<(), OpenError> {
    let is_in_place = plaintext.sender == expected.sender
        && plaintext.log == expected.log
        && plaintext.origin == expected.origin
        && plaintext.number == expected.number;
    if is_in_place { Ok(()) } else { Err(OpenError::Misplaced) }
}

fn read_stored(stored: &[u8]) -> Result<(MessageSession, &[u8]), SessionError> {
    let rest = stored.strip_prefix(&[STORED_FORMAT]).ok_or(SessionError::Stored)?;
    let (number, rest) = rest.split_first_chunk::<4>().ok_or(SessionError::Stored)?;
    Ok((MessageSession(u32::from_be_bytes(*number)), rest))
}
