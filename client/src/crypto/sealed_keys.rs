//! The private keys that an account leaves with its home, sealed under its OPAQUE export key, so
//! that signing in on a new machine brings them back. The home cannot open them.
//!
//! # Layout (big-endian; version 1)
//! ```text
//! magic      4  "FCSK"
//! format     1  1
//! salt      32  random
//! sealed        the rest: ChaCha20-Poly1305 (RFC 8439) of the keys, tag behind;
//!               nonce: 12 zero bytes (the key is used once); associated data: the 37 bytes before
//!
//! key       = HKDF-SHA256(secret = 64-byte OPAQUE export key, no salt,
//!             info = u8 length ‖ "FastChat sealed keys 1" ‖ salt ‖ name as ASCII), 32 bytes
//!
//! keys:
//! count      1  pairs: the signing pair first, then 1 to 4 wrapping pairs, newest first
//! per pair:
//! half       2  u16, bytes of one prime: 192 (RSA-3072) or 256 (RSA-4096)
//! p, q          big-endian primes; e = 65537
//! ```
//! Primes and no PKCS#8: two pairs take 826 bytes instead of 3.6 KiB, so that sign-up stays within
//! its frame and four old wrapping keys of 4,096 bits still have room.

use bytes::{BufMut, Bytes};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use rand::CryptoRng;
use thiserror::Error;
use wire::limits::SEALED_KEYS_LEN_MAX;
use wire::message::auth::SealedKeys;
use wire::{DecodeError, Name};
use zeroize::Zeroizing;

use super::domain;
use super::hash::derive;
use super::keys::{Identity, KeyError, MODULUS_LEN_MAX, WRAPPINGS_MAX};
use super::opaque::ExportKey;

const MAGIC: [u8; 4] = *b"FCSK";
const FORMAT: u8 = 1;
const HEADER_LEN: usize = 4 + 1 + 32;
const TAG_LEN: usize = 16;
const KEYS_LEN_MAX: usize = 1 + (1 + WRAPPINGS_MAX) * (2 + MODULUS_LEN_MAX);
const _: () = assert!(HEADER_LEN + KEYS_LEN_MAX + TAG_LEN <= SEALED_KEYS_LEN_MAX);

/// Why sealed keys do not open.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SealedKeysError {
    /// The bytes are not sealed keys of a format this program knows.
    #[error("the account's sealed keys have an unknown format")]
    Format,
    /// Changed on the way, another account's, or sealed under another password.
    #[error("the account's sealed keys do not open: they were changed or exchanged")]
    Tampered,
    /// Opened, but what is inside is no identity.
    #[error("the account's sealed keys cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Opened, but a key breaks a rule.
    #[error("the account's sealed keys hold an unacceptable key: {0}")]
    Key(#[from] KeyError),
}

/// Seals `identity` for the account `name`.
#[must_use]
pub fn seal<R: CryptoRng>(
    identity: &Identity,
    name: &Name,
    export_key: &ExportKey,
    rng: &mut R,
) -> SealedKeys {
    let mut out = Vec::with_capacity(SEALED_KEYS_LEN_MAX);
    out.put_slice(&MAGIC);
    out.put_u8(FORMAT);
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    out.put_slice(&salt);
    let keys = encode(identity);
    let payload = Payload { msg: &keys, aad: &out };
    let sealed = cipher(export_key, &salt, name).encrypt(&Nonce::default(), payload);
    out.extend_from_slice(&sealed.expect("the keys are far below the cipher's limit"));
    SealedKeys::new(Bytes::from(out)).expect("KEYS_LEN_MAX keeps within the limit")
}

/// Opens what [`seal`] made for the same account and password.
///
/// # Errors
/// [`SealedKeysError`].
pub fn open(
    sealed: &[u8],
    name: &Name,
    export_key: &ExportKey,
) -> Result<Identity, SealedKeysError> {
    let (header, rest) = sealed.split_at_checked(HEADER_LEN).ok_or(SealedKeysError::Format)?;
    let salt = header
        .strip_prefix(&MAGIC)
        .and_then(|rest| rest.strip_prefix(&[FORMAT]))
        .and_then(|salt| salt.first_chunk::<32>())
        .ok_or(SealedKeysError::Format)?;
    let payload = Payload { msg: rest, aad: header };
    let keys = cipher(export_key, salt, name).decrypt(&Nonce::default(), payload);
    let keys = Zeroizing::new(keys.map_err(|_| SealedKeysError::Tampered)?);
    decode(&keys)
}

fn cipher(export_key: &ExportKey, salt: &[u8; 32], name: &Name) -> ChaCha20Poly1305 {
    let context: [&[u8]; 2] = [salt, name.as_bytes()];
    let key = derive(export_key.as_bytes(), domain::SEALED_KEYS, &context);
    ChaCha20Poly1305::new((&*key).into())
}

/// The keys of `identity`, in the layout above.
pub(crate) fn encode(identity: &Identity) -> Zeroizing<Vec<u8>> {
    let pairs = identity.primes();
    // Reserved whole, so that growing leaves no copy of a secret behind.
    let mut out = Zeroizing::new(Vec::with_capacity(KEYS_LEN_MAX));
    out.put_u8(u8::try_from(pairs.len()).expect("WRAPPINGS_MAX + 1 fits"));
    for [p, q] in &pairs {
        out.put_u16(u16::try_from(p.len()).expect("half a modulus fits"));
        out.put_slice(p);
        out.put_slice(q);
    }
    assert!(out.len() <= KEYS_LEN_MAX, "accepted keys have at most 4,096 bits");
    out
}

/// Reads what [`encode`] made.
pub(crate) fn decode(keys: &[u8]) -> Result<Identity, SealedKeysError> {
    let mut reader = SecretReader { rest: keys };
    let count = usize::from(reader.take(1)?[0]);
    let mut pairs: Vec<[&[u8]; 2]> = Vec::with_capacity(1 + WRAPPINGS_MAX);
    for _ in 0..count.min(1 + WRAPPINGS_MAX) {
        let half = reader.take(2)?;
        let half = usize::from(u16::from_be_bytes([half[0], half[1]]));
        pairs.push([reader.take(half)?, reader.take(half)?]);
    }
    if !reader.rest.is_empty() {
        return Err(DecodeError::Trailing(reader.rest.len()).into());
    }
    Ok(Identity::from_primes(&pairs)?)
}

/// Reads by reference: [`wire::Reader`] shares its bytes, which would outlive the zeroizing.
struct SecretReader<'a> {
    rest: &'a [u8],
}

impl<'a> SecretReader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let split = self.rest.split_at_checked(len).ok_or(DecodeError::Short("keys"))?;
        self.rest = split.1;
        Ok(split.0)
    }
}
