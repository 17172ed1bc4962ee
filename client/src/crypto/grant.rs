//! Grants: how a message session's key reaches its readers.
//!
//! The sender makes one signed *announcement* per part of a message session: the session's key,
//! sealed under a fresh secret. Each reader gets that secret, wrapped for its own key. So a group
//! of a thousand costs one signature and a thousand public-key operations, and each reader verifies
//! who announced the key before it uses its private key.
//!
//! # Layout of an announcement (big-endian; version 1)
//! ```text
//! header:
//!   magic            4  "FCGR"
//!   format           1  1
//!   sender              length u8, ASCII
//!   signing key     32  SHA-256 of the sender's signing SPKI DER
//!   log                 kind u8 (1 mailbox, 2 group), length u8, ASCII
//!   origin          16  the sender's installation
//!   message session  4  u32
//!   part             2  u16: 0 for the session's beginning, higher for readers who come later
//!   first index      4  u32: the first message that the key opens
//!   roster version   4  u32: whose members the readers are; 0 in a mailbox
//!   roster head     32  hash of that version's statement; zeros in a mailbox
//!   created          8  u64, milliseconds since 1970 by the sender's clock
//! commitment        32  see below
//! sealed                length u32, ChaCha20-Poly1305 (RFC 8439) of the Megolm session key, tag
//!                       behind; nonce: 12 zero bytes (the key is used once); no associated data
//! signature             length u32, RSASSA-PSS-SHA256 (MGF1-SHA256, salt 32) by the signing key
//! ```
//! `D(x)` is one byte with the length of `x`, then `x`.
//! ```text
//! secret      = 32 random bytes, fresh for each announcement
//! header hash = SHA-256(D("FastChat grant header 1") ‖ header)
//! key         = HKDF-SHA256(secret, no salt, info = D("FastChat grant key 1") ‖ header hash)
//! commitment  = HKDF-SHA256(secret, no salt,
//!               info = D("FastChat grant commitment 1") ‖ header hash)
//! sealed hash = SHA-256(D("FastChat grant sealed 1") ‖ commitment ‖ sealed with its length)
//! signed      = D("FastChat grant signature 1") ‖ header ‖ sealed hash
//! wrapped     = RSAES-OAEP (SHA-256, MGF1-SHA256, label D("FastChat grant secret 1") ‖ header
//!               hash) of the secret, for each reader
//! ```
//! A reader checks, in this order: the header against the entry that made it ask; the signature;
//! only then it uses its private key; the commitment; the seal; the key's first index against the
//! header.

use bytes::{BufMut, Bytes, BytesMut};
use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use rand::CryptoRng;
use subtle::ConstantTimeEq;
use thiserror::Error;
use wire::limits::ANNOUNCEMENT_LEN_MAX;
use wire::message::grant::{Announcement, ReaderGrant, Wrapped};
use wire::{DecodeError, Field, LogId, MessageSession, Name, Origin, Reader, Wall};
use zeroize::Zeroizing;

use super::domain;
use super::hash::{derive, hash};
use super::keys::{
    Identity, KeyError, KeyId, MODULUS_LEN_MAX, SigningPublicKey, WrappingPublicKey,
};
use super::message_session::SessionKey;

const MAGIC: [u8; 4] = *b"FCGR";
const FORMAT: u8 = 1;
const HEADER_LEN_MAX: usize = 4 + 1 + 33 + 32 + 34 + 16 + 4 + 2 + 4 + 4 + 32 + 8;
/// A Megolm session key and the tag.
const SEALED_LEN_MAX: usize = 229 + 16;
const LEN_MAX: usize = HEADER_LEN_MAX + 32 + (4 + SEALED_LEN_MAX) + (4 + MODULUS_LEN_MAX);
const _: () = assert!(LEN_MAX <= ANNOUNCEMENT_LEN_MAX);

/// Why a grant does not open. Its text is what the reader is shown.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum GrantError {
    /// The bytes are not an announcement.
    #[error("not a grant: {0}")]
    Malformed(#[from] DecodeError),
    /// The first bytes are not those of an announcement, or its format is newer than this program.
    #[error("the grant's format is unknown; a newer program may read it")]
    Format,
    /// It is of another sender, log, origin or message session.
    #[error("tampered with: the grant is of another message session")]
    Misplaced,
    /// It is signed with another key than the one given.
    #[error("the grant is signed with a key that is not the sender's")]
    OtherSender,
    /// The signature does not hold.
    #[error("tampered with: the grant's signature does not hold")]
    Signature,
    /// It was wrapped for a key that this account does not hold.
    #[error("the grant is for a key that this account does not hold")]
    NotForThisKey,
    /// The wrapped secret does not open: it was made for another announcement, or wrongly.
    #[error("the grant's secret does not open")]
    Unwrap,
    /// The commitment or the seal does not hold, though the signature does.
    #[error("the sender made the grant wrongly: its key does not open")]
    Seal,
}

/// Which message session, as the entry or the reader says.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SessionPlace {
    /// Whose it is.
    pub sender: Name,
    /// In which log.
    pub log: LogId,
    /// From which of the sender's installations.
    pub origin: Origin,
    /// Which one.
    pub message_session: MessageSession,
}

/// What an announcement says; readable without a key, believed only after [`verify_announcement`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GrantHeader {
    /// Which message session.
    pub place: SessionPlace,
    /// The key it is signed with.
    pub signing_key: KeyId,
    /// 0 for the session's beginning, higher for readers who came later.
    pub part: u16,
    /// Index of the first message that the key opens.
    pub first_index: u32,
    /// Version of the roster whose members are the readers; 0 in a mailbox.
    pub roster_version: u32,
    /// Hash of that version's statement; zeros in a mailbox.
    pub roster_head: [u8; 32],
    /// When, by the sender's clock.
    pub created: Wall,
}

/// What a sender says about a grant; the rest comes from its keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Announcing {
    /// The account itself.
    pub sender: Name,
    /// In which log.
    pub log: LogId,
    /// The installation itself.
    pub origin: Origin,
    /// 0 for the session's beginning, higher for readers who come later.
    pub part: u16,
    /// Version of the roster whose members are the readers; 0 in a mailbox.
    pub roster_version: u32,
    /// Hash of that version's statement; zeros in a mailbox.
    pub roster_head: [u8; 32],
    /// When, by this machine's clock.
    pub created: Wall,
}

/// An announcement's secret: whoever has it opens the announcement. The sender keeps it for as long
/// as a reader may ask for its grant again. Zeroized when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(secret)")
    }
}

impl Secret {
    /// What the store had sealed.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For a store that seals it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An announcement whose signature holds.
#[derive(Clone, Debug)]
pub struct Verified(Parts);

impl Verified {
    /// What its sender signed.
    #[must_use]
    pub fn header(&self) -> &GrantHeader {
        &self.0.header
    }
}

/// Announces a message session's key. Takes some milliseconds.
///
/// # Errors
/// [`KeyError::Operation`].
pub fn announce<R: CryptoRng>(
    identity: &Identity,
    key: &SessionKey,
    announcing: &Announcing,
    rng: &mut R,
) -> Result<(Announcement, Secret), KeyError> {
    let Announcing { sender, log, origin, .. } = *announcing;
    let header = GrantHeader {
        place: SessionPlace { sender, log, origin, message_session: key.number() },
        signing_key: identity.public().signing.id(),
        part: announcing.part,
        first_index: key.first_index(),
        roster_version: announcing.roster_version,
        roster_head: announcing.roster_head,
        created: announcing.created,
    };
    announce_under(&header, identity, key.as_bytes(), rng)
}

/// Announces under a given header; that it agrees with the key is the caller's duty.
pub(super) fn announce_under<R: CryptoRng>(
    header: &GrantHeader,
    identity: &Identity,
    session_key: &[u8],
    rng: &mut R,
) -> Result<(Announcement, Secret), KeyError> {
    let mut secret = Secret::new([0; 32]);
    rng.fill_bytes(secret.0.as_mut_slice());
    let mut out = BytesMut::with_capacity(LEN_MAX);
    put_header(header, &mut out);
    let header_len = out.len();
    let keys = Keys::derive(&secret, &header_hash(&out));
    out.put_slice(keys.commitment.as_slice());
    put_bytes(&keys.seal(session_key), &mut out);
    let signed = hash(domain::GRANT_SEALED, &[&out[header_len..]]);
    let parts: [&[u8]; 2] = [&out[..header_len], &signed];
    let signature = identity.sign(domain::GRANT_SIGNATURE, &parts, rng)?;
    put_bytes(&signature, &mut out);
    let announcement = Announcement::new(out.freeze()).expect("LEN_MAX keeps within the limit");
    Ok((announcement, secret))
}

/// Wraps an announcement's secret for one reader. Takes some 0.3 ms.
///
/// # Errors
/// [`GrantError::Malformed`] or [`GrantError::Format`] when `announcement` is none;
/// [`GrantError::Unwrap`] when the RSA operation fails.
pub fn wrap<R: CryptoRng>(
    secret: &Secret,
    announcement: &Announcement,
    (reader, key): (Name, &WrappingPublicKey),
    rng: &mut R,
) -> Result<ReaderGrant, GrantError> {
    let label = Parts::read(announcement.bytes())?.label();
    let wrapped = key.wrap_secret(&label, &secret.0, rng).map_err(|_| GrantError::Unwrap)?;
    let wrapped = Wrapped::new(Bytes::from(wrapped)).expect("a modulus keeps within the limit");
    Ok(ReaderGrant { reader, wrapping_key: key.id().0, wrapped })
}

/// Reads only the header, to learn which signing key to look for. Proves nothing.
///
/// # Errors
/// [`GrantError::Malformed`] or [`GrantError::Format`].
pub fn read_header(announcement: &Announcement) -> Result<GrantHeader, GrantError> {
    Parts::read(announcement.bytes()).map(|parts| parts.header)
}

/// Verifies that `sender` announced a key of the message session `expected`.
///
/// # Errors
/// [`GrantError`] names the first check that failed.
pub fn verify_announcement(
    expected: &SessionPlace,
    sender: &SigningPublicKey,
    announcement: &Announcement,
) -> Result<Verified, GrantError> {
    let parts = Parts::read(announcement.bytes())?;
    if parts.header.place != *expected {
        return Err(GrantError::Misplaced);
    }
    if parts.header.signing_key != sender.id() {
        return Err(GrantError::OtherSender);
    }
    let signed: [&[u8]; 2] = [&parts.header_bytes, &parts.sealed_hash];
    sender
        .verify(domain::GRANT_SIGNATURE, &signed, &parts.signature)
        .map_err(|_| GrantError::Signature)?;
    Ok(Verified(parts))
}

/// Opens a verified announcement with one's own grant. The private-key operation is blinded with
/// `rng`. Takes some milliseconds.
///
/// # Errors
/// [`GrantError`] names the first check that failed.
pub fn open<R: CryptoRng>(
    identity: &Identity,
    Verified(parts): &Verified,
    grant: &ReaderGrant,
    rng: &mut R,
) -> Result<SessionKey, GrantError> {
    let wrapping = KeyId(grant.wrapping_key);
    if !identity.has_wrapping(&wrapping) {
        return Err(GrantError::NotForThisKey);
    }
    let secret = identity
        .unwrap_secret(&wrapping, &parts.label(), grant.wrapped.bytes(), rng)
        .map_err(|_| GrantError::Unwrap)?;
    let keys = Keys::derive(&Secret(secret), &header_hash(&parts.header_bytes));
    if !bool::from(keys.commitment.ct_eq(&parts.commitment)) {
        return Err(GrantError::Seal);
    }
    let opened = keys.open(&parts.sealed)?;
    let key = SessionKey::from_bytes(parts.header.place.message_session, &opened);
    let key = key.map_err(|_| GrantError::Seal)?;
    if key.first_index() == parts.header.first_index { Ok(key) } else { Err(GrantError::Seal) }
}

/// The two values that come out of an announcement's secret.
struct Keys {
    key: Zeroizing<[u8; 32]>,
    commitment: Zeroizing<[u8; 32]>,
}

impl Keys {
    fn derive(secret: &Secret, header_hash: &[u8; 32]) -> Self {
        Self {
            key: derive(&*secret.0, domain::GRANT_KEY, &[header_hash]),
            commitment: derive(&*secret.0, domain::GRANT_COMMITMENT, &[header_hash]),
        }
    }

    fn seal(&self, session_key: &[u8]) -> Vec<u8> {
        let sealed = self.cipher().encrypt(&Nonce::default(), session_key);
        sealed.expect("a session key is far below the cipher's limit")
    }

    fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, GrantError> {
        let opened = self.cipher().decrypt(&Nonce::default(), sealed);
        opened.map(Zeroizing::new).map_err(|_| GrantError::Seal)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new((&*self.key).into())
    }
}

#[derive(Clone, Debug)]
struct Parts {
    header: GrantHeader,
    header_bytes: Bytes,
    commitment: [u8; 32],
    sealed: Bytes,
    sealed_hash: [u8; 32],
    signature: Bytes,
}

impl Parts {
    fn read(announcement: &Bytes) -> Result<Self, GrantError> {
        let mut reader = Reader::new(announcement.clone());
        let header = get_header(&mut reader)?;
        let header_len = announcement.len() - reader.remaining();
        let commitment = reader.array("commitment")?;
        let sealed = reader.bytes(SEALED_LEN_MAX, "sealed")?;
        let sealed_end = announcement.len() - reader.remaining();
        let signature = reader.bytes(MODULUS_LEN_MAX, "signature")?;
        reader.finish()?;
        Ok(Self {
            header,
            header_bytes: announcement.slice(..header_len),
            commitment,
            sealed,
            sealed_hash: hash(domain::GRANT_SEALED, &[&announcement[header_len..sealed_end]]),
            signature,
        })
    }

    /// The OAEP label: a secret that was wrapped for one announcement opens for no other.
    fn label(&self) -> Vec<u8> {
        let domain = domain::GRANT_SECRET;
        let len = u8::try_from(domain.len()).expect("domain strings are short constants");
        [&[len], domain, &header_hash(&self.header_bytes)].concat()
    }
}

fn header_hash(header: &[u8]) -> [u8; 32] {
    hash(domain::GRANT_HEADER, &[header])
}

pub(super) fn put_header(header: &GrantHeader, out: &mut BytesMut) {
    out.put_slice(&MAGIC);
    out.put_u8(FORMAT);
    header.place.sender.put(out);
    header.signing_key.0.put(out);
    header.place.log.put(out);
    header.place.origin.put(out);
    header.place.message_session.put(out);
    header.part.put(out);
    header.first_index.put(out);
    header.roster_version.put(out);
    header.roster_head.put(out);
    header.created.put(out);
}

fn get_header(reader: &mut Reader) -> Result<GrantHeader, GrantError> {
    if reader.array("magic")? != MAGIC || reader.u8("format")? != FORMAT {
        return Err(GrantError::Format);
    }
    let sender = Name::get(reader, "sender")?;
    let signing_key = KeyId(reader.array("signing key")?);
    let place = SessionPlace {
        sender,
        log: LogId::get(reader, "log")?,
        origin: Origin::get(reader, "origin")?,
        message_session: MessageSession::get(reader, "message session")?,
    };
    Ok(GrantHeader {
        place,
        signing_key,
        part: reader.u16("part")?,
        first_index: reader.u32("first index")?,
        roster_version: reader.u32("roster version")?,
        roster_head: reader.array("roster head")?,
        created: Wall::get(reader, "created")?,
    })
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(bytes.len()).expect("LEN_MAX fits"));
    out.put_slice(bytes);
}
