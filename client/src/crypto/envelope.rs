//! The envelope: one message, sealed for one reader and signed by its sender.
//!
//! # Layout (big-endian; version 1)
//! ```text
//! header:
//!   magic         4  "FCEN"
//!   format        1  1
//!   sender           length u8, ASCII
//!   signing key  32  SHA-256 of the sender's signing SPKI DER
//!   reader           length u8, ASCII
//!   wrapping key 32  SHA-256 of the reader's wrapping SPKI DER
//!   log              kind u8 (1 mailbox, 2 group), length u8, ASCII
//!   origin       16  the sender's installation
//!   number        8  u64
//! wrapped            length u32, RSAES-OAEP (SHA-256, MGF1-SHA256, label
//!                    "FastChat envelope secret 1") of the 32-byte secret
//! commitment     32  see below
//! sealed             length u32, ChaCha20-Poly1305 (RFC 8439) of the padded plaintext, tag behind;
//!                    nonce: 12 zero bytes (the key is used once); no associated data
//! signature          length u32, RSASSA-PSS-SHA256 (MGF1-SHA256, salt 32) by the signing key
//! ```
//! `D(x)` is one byte with the length of `x`, then `x`.
//! ```text
//! secret      = 32 random bytes, fresh for each envelope
//! header hash = SHA-256(D("FastChat envelope header 1") ‖ header)
//! key         = HKDF-SHA256(secret, no salt, info = D("FastChat envelope key 1") ‖ header hash)
//! commitment  = HKDF-SHA256(secret, no salt,
//!               info = D("FastChat envelope commitment 1") ‖ header hash)
//! sealed hash = SHA-256(D("FastChat envelope sealed 1") ‖ wrapped with its length ‖ commitment ‖
//!               sealed with its length)
//! signed      = D("FastChat envelope signature 1") ‖ header ‖ sealed hash
//! ```
//! A reader checks, in this order: the header against the entry it stands in; the signature; only
//! then it uses its private key; the commitment; the seal; the plaintext against the header. The
//! header carries both key ids into the key derivation, so an envelope cannot be passed off as
//! sealed by or for another key.
//!
//! It has no forward secrecy: who obtains the reader's wrapping key opens every envelope that was
//! ever sealed for it.

use bytes::{BufMut, Bytes, BytesMut};
use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use rand::CryptoRng;
use subtle::ConstantTimeEq;
use thiserror::Error;
use wire::limits::BODY_LEN_MAX;
use wire::message::log::Body;
use wire::{DecodeError, Field, LogId, Name, Number, Origin, Reader};
use zeroize::{Zeroize, Zeroizing};

use super::domain;
use super::hash::{derive, hash};
use super::keys::{
    Identity, KeyError, KeyId, MODULUS_LEN_MAX, SigningPublicKey, WrappingPublicKey,
};
use super::plaintext::{PLAINTEXT_LEN_MAX, Plaintext, PlaintextError};

const MAGIC: [u8; 4] = *b"FCEN";
const FORMAT: u8 = 1;
const TAG_LEN: usize = 16;
const HEADER_LEN_MAX: usize = 4 + 1 + 33 + 32 + 33 + 32 + 34 + 16 + 8;
const SEALED_LEN_MAX: usize = PLAINTEXT_LEN_MAX + TAG_LEN;
const ENVELOPE_LEN_MAX: usize =
    HEADER_LEN_MAX + (4 + MODULUS_LEN_MAX) + 32 + (4 + SEALED_LEN_MAX) + (4 + MODULUS_LEN_MAX);
const _: () = assert!(ENVELOPE_LEN_MAX <= BODY_LEN_MAX);

/// Why a message cannot be sealed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SealError {
    /// The plaintext cannot be encoded.
    #[error(transparent)]
    Plaintext(#[from] PlaintextError),
    /// An RSA operation failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why an envelope does not open. Its text is what the reader is shown.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum OpenError {
    /// The bytes are not an envelope.
    #[error("not a message: {0}")]
    Malformed(#[from] DecodeError),
    /// The first bytes are not those of an envelope, or its format is newer than this program.
    #[error("the message's format is unknown; a newer program may read it")]
    Format,
    /// The header names another sender, reader, log, origin or number than the entry it stands in.
    #[error("tampered with: the message was sent elsewhere and moved or repeated here")]
    Misplaced,
    /// It was sealed for a key that this account does not hold.
    #[error("sealed for a key that this account does not hold")]
    NotForThisKey,
    /// It is signed with another key than the one given.
    #[error("signed with a key that is not the sender's")]
    OtherSender,
    /// The signature does not hold.
    #[error("tampered with: the signature does not hold")]
    Signature,
    /// The wrapped secret does not open, though its signature holds.
    #[error("the sender sealed it wrongly: its secret does not open")]
    Unwrap,
    /// The commitment or the seal does not hold, though the signature does.
    #[error("the sender sealed it wrongly: its content does not open")]
    Seal,
    /// The content cannot be read.
    #[error(transparent)]
    Plaintext(#[from] PlaintextError),
    /// What is inside contradicts the header.
    #[error("tampered with: the message inside says it was sent elsewhere")]
    Contradiction,
}

/// Who sealed what for whom and where; readable without a key, believed only after [`open`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Who says to have sealed it.
    pub sender: Name,
    /// The key it is signed with.
    pub signing_key: KeyId,
    /// Who may open it.
    pub reader: Name,
    /// The key its secret is wrapped with.
    pub wrapping_key: KeyId,
    /// The log it was sent to.
    pub log: LogId,
    /// The sender's installation.
    pub origin: Origin,
    /// The post's number.
    pub number: Number,
}

/// Where an envelope stands: what its entry says, as the reader's own home and seat proved it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expected {
    /// The account that reads.
    pub reader: Name,
    /// The log it reads.
    pub log: LogId,
    /// The entry's sender.
    pub sender: Name,
    /// The entry's origin.
    pub origin: Origin,
    /// The entry's number.
    pub number: Number,
}

/// Seals `plaintext` for `reader` and signs it. Takes some milliseconds.
///
/// # Errors
/// [`SealError`].
pub fn seal<R: CryptoRng>(
    identity: &Identity,
    reader: (&Name, &WrappingPublicKey),
    plaintext: &Plaintext,
    rng: &mut R,
) -> Result<Body, SealError> {
    let (reader_name, wrapping) = reader;
    let header = Header {
        sender: plaintext.sender,
        signing_key: identity.public().signing.id(),
        reader: *reader_name,
        wrapping_key: wrapping.id(),
        log: plaintext.log,
        origin: plaintext.origin,
        number: plaintext.number,
    };
    seal_under(&header, identity, wrapping, plaintext, rng)
}

/// Seals under a given header; that it agrees with the plaintext is the caller's duty.
pub(super) fn seal_under<R: CryptoRng>(
    header: &Header,
    identity: &Identity,
    wrapping: &WrappingPublicKey,
    plaintext: &Plaintext,
    rng: &mut R,
) -> Result<Body, SealError> {
    let mut secret = Zeroizing::new([0; 32]);
    rng.fill_bytes(secret.as_mut_slice());
    let mut out = BytesMut::with_capacity(ENVELOPE_LEN_MAX.min(4096));
    put_header(header, &mut out);
    let header_len = out.len();
    let keys = Keys::derive(&secret, &out);
    put_bytes(&wrapping.wrap_secret(domain::ENVELOPE_LABEL, &secret, rng)?, &mut out);
    out.put_slice(keys.commitment.as_slice());
    put_bytes(&keys.seal(plaintext)?, &mut out);
    let signed = sealed_hash(&out[header_len..]);
    let parts: [&[u8]; 2] = [&out[..header_len], &signed];
    let signature = identity.sign(domain::ENVELOPE_SIGNATURE, &parts, rng)?;
    put_bytes(&signature, &mut out);
    Ok(Body::new(out.freeze()).expect("ENVELOPE_LEN_MAX keeps within the limit"))
}

/// Reads only the header, to learn which signing key to look for. Proves nothing.
///
/// # Errors
/// [`OpenError::Malformed`] or [`OpenError::Format`].
pub fn read_header(body: &Body) -> Result<Header, OpenError> {
    Parts::read(body.bytes()).map(|parts| parts.header)
}

/// Verifies an envelope that stands in the entry `expected` and opens it. The private-key operation
/// is blinded with `rng`. Takes some milliseconds.
///
/// # Errors
/// [`OpenError`] names the first check that failed.
pub fn open<R: CryptoRng>(
    identity: &Identity,
    expected: &Expected,
    sender: &SigningPublicKey,
    body: &Body,
    rng: &mut R,
) -> Result<Plaintext, OpenError> {
    let parts = Parts::read(body.bytes())?;
    check_header(&parts.header, expected, sender, identity)?;
    parts.verify(sender)?;
    let label = domain::ENVELOPE_LABEL;
    let secret = identity
        .unwrap_secret(&parts.header.wrapping_key, label, &parts.wrapped, rng)
        .map_err(|_| OpenError::Unwrap)?;
    let keys = Keys::derive(&secret, &parts.header_bytes);
    if !bool::from(keys.commitment.ct_eq(&parts.commitment)) {
        return Err(OpenError::Seal);
    }
    let plaintext = Plaintext::decode(keys.open(&parts.sealed)?)?;
    check_plaintext(&plaintext, &parts.header)?;
    Ok(plaintext)
}

/// What the sender's next message to the same log names as its previous one.
#[must_use]
pub fn message_hash(body: &Body) -> [u8; 32] {
    hash(domain::MESSAGE_HASH, &[body.bytes()])
}

/// The two values that come out of an envelope's secret.
struct Keys {
    key: Zeroizing<[u8; 32]>,
    commitment: Zeroizing<[u8; 32]>,
}

impl Keys {
    fn derive(secret: &[u8; 32], header: &[u8]) -> Self {
        let header = hash(domain::ENVELOPE_HEADER, &[header]);
        Self {
            key: derive(secret, domain::ENVELOPE_KEY, &[&header]),
            commitment: derive(secret, domain::ENVELOPE_COMMITMENT, &[&header]),
        }
    }

    fn seal(&self, plaintext: &Plaintext) -> Result<Vec<u8>, PlaintextError> {
        let mut padded = plaintext.encode()?;
        let sealed = self.cipher().encrypt(&Nonce::default(), &padded[..]);
        padded.as_mut().zeroize();
        Ok(sealed.expect("a plaintext is far below the cipher's limit"))
    }

    fn open(&self, sealed: &[u8]) -> Result<Bytes, OpenError> {
        let opened = self.cipher().decrypt(&Nonce::default(), sealed);
        opened.map(Bytes::from).map_err(|_| OpenError::Seal)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new((&*self.key).into())
    }
}

struct Parts {
    header: Header,
    header_bytes: Bytes,
    wrapped: Bytes,
    commitment: [u8; 32],
    sealed: Bytes,
    sealed_hash: [u8; 32],
    signature: Bytes,
}

impl Parts {
    fn read(body: &Bytes) -> Result<Self, OpenError> {
        let mut reader = Reader::new(body.clone());
        let header = get_header(&mut reader)?;
        let header_len = body.len() - reader.remaining();
        let wrapped = reader.bytes(MODULUS_LEN_MAX, "wrapped")?;
        let commitment = reader.array("commitment")?;
        let sealed = reader.bytes(SEALED_LEN_MAX, "sealed")?;
        let sealed_end = body.len() - reader.remaining();
        let signature = reader.bytes(MODULUS_LEN_MAX, "signature")?;
        reader.finish()?;
        Ok(Self {
            header,
            header_bytes: body.slice(..header_len),
            wrapped,
            commitment,
            sealed,
            sealed_hash: sealed_hash(&body[header_len..sealed_end]),
            signature,
        })
    }

    fn verify(&self, sender: &SigningPublicKey) -> Result<(), OpenError> {
        let signed: [&[u8]; 2] = [&self.header_bytes, &self.sealed_hash];
        sender
            .verify(domain::ENVELOPE_SIGNATURE, &signed, &self.signature)
            .map_err(|_| OpenError::Signature)
    }
}

fn check_header(
    header: &Header,
    expected: &Expected,
    sender: &SigningPublicKey,
    identity: &Identity,
) -> Result<(), OpenError> {
    let is_in_place = header.sender == expected.sender
        && header.reader == expected.reader
        && header.log == expected.log
        && header.origin == expected.origin
        && header.number == expected.number;
    if !is_in_place {
        return Err(OpenError::Misplaced);
    }
    if header.signing_key != sender.id() {
        return Err(OpenError::OtherSender);
    }
    if !identity.has_wrapping(&header.wrapping_key) {
        return Err(OpenError::NotForThisKey);
    }
    Ok(())
}

fn check_plaintext(plaintext: &Plaintext, header: &Header) -> Result<(), OpenError> {
    let agrees = plaintext.sender == header.sender
        && plaintext.log == header.log
        && plaintext.origin == header.origin
        && plaintext.number == header.number;
    if agrees { Ok(()) } else { Err(OpenError::Contradiction) }
}

fn sealed_hash(wrapped_commitment_sealed: &[u8]) -> [u8; 32] {
    hash(domain::ENVELOPE_SEALED, &[wrapped_commitment_sealed])
}

pub(super) fn put_header(header: &Header, out: &mut BytesMut) {
    out.put_slice(&MAGIC);
    out.put_u8(FORMAT);
    header.sender.put(out);
    header.signing_key.0.put(out);
    header.reader.put(out);
    header.wrapping_key.0.put(out);
    header.log.put(out);
    header.origin.put(out);
    header.number.put(out);
}

fn get_header(reader: &mut Reader) -> Result<Header, OpenError> {
    if reader.array("magic")? != MAGIC || reader.u8("format")? != FORMAT {
        return Err(OpenError::Format);
    }
    Ok(Header {
        sender: Name::get(reader, "sender")?,
        signing_key: KeyId(reader.array("signing key")?),
        reader: Name::get(reader, "reader")?,
        wrapping_key: KeyId(reader.array("wrapping key")?),
        log: LogId::get(reader, "log")?,
        origin: Origin::get(reader, "origin")?,
        number: Number::get(reader, "number")?,
    })
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(bytes.len()).expect("ENVELOPE_LEN_MAX fits"));
    out.put_slice(bytes);
}
