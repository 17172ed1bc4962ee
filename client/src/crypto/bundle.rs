//! A bundle: one signed link of an account's key log.
//!
//! # Layout (big-endian; version 1)
//! ```text
//! magic       4  "FCKB"
//! format      1  1
//! name           length u8, ASCII
//! version     4  u32, 1 for the first bundle, then one more each
//! previous   32  SHA-256(domain ‖ previous bundle, whole); zeros when version = 1
//! created     8  u64, milliseconds since 1970 by the owner's clock
//! signing        length u32, SPKI DER (RSA-3072 or RSA-4096, e = 65537)
//! wrapping       length u32, SPKI DER, another key
//! signature      length u32, RSASSA-PSS-SHA256 (salt 32) by `signing` over everything before it
//! ```
//! Domain strings: `FastChat bundle signature 1` (`u8` length and string before the signed bytes)
//! and `FastChat bundle hash 1` (likewise before the hashed bytes).

use bytes::{BufMut, Bytes, BytesMut};
use rand::CryptoRng;
use thiserror::Error;
use wire::limits::BUNDLE_LEN_MAX;
use wire::{DecodeError, Field, Name, Reader, Wall};

use super::domain;
use super::hash::hash;
use super::keys::{
    Identity, KeyError, MODULUS_LEN_MAX, PUBLIC_DER_LEN_MAX, PublicKeys, SigningPublicKey,
    WrappingPublicKey,
};

const MAGIC: [u8; 4] = *b"FCKB";
const FORMAT: u8 = 1;

/// Why a bundle was not accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BundleError {
    /// The bytes are not a bundle.
    #[error("the bundle cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// The first bytes are not those of a bundle, or its format is newer than this program.
    #[error("the bundle's format is unknown; a newer program may read it")]
    Format,
    /// A key breaks a rule.
    #[error("the bundle's key is not acceptable: {0}")]
    Key(#[from] KeyError),
    /// Version 0, or a first bundle that names a previous one.
    #[error("the bundle's version contradicts its chain")]
    Version,
    /// The same key stands for signing and wrapping.
    #[error("the bundle uses one key for two purposes")]
    Shared,
}

/// An account's public keys, as one link of its key log says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle {
    /// Whose keys.
    pub name: Name,
    /// 1, 2, 3 …
    pub version: u32,
    /// Hash of the bundle before; zeros in the first.
    pub previous: [u8; 32],
    /// When it was made, by its owner's clock.
    pub created: Wall,
    /// The keys.
    pub keys: PublicKeys,
}

/// A bundle whose own signature holds, with its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedBundle {
    bundle: Bundle,
    encoded: Bytes,
}

impl SignedBundle {
    /// Signs an account's first bundle.
    ///
    /// # Errors
    /// [`KeyError::Operation`].
    pub fn first<R: CryptoRng>(
        identity: &Identity,
        name: Name,
        created: Wall,
        rng: &mut R,
    ) -> Result<Self, KeyError> {
        let (version, previous) = (1, [0; 32]);
        let keys = identity.public().clone();
        Self::sign(identity, Bundle { name, version, previous, created, keys }, rng)
    }

    /// Signs the bundle after `self`, with the keys that `identity` has now. A new wrapping key is
    /// no changed key; a new signing key is one.
    ///
    /// # Errors
    /// [`KeyError::Operation`].
    pub fn next<R: CryptoRng>(
        &self,
        identity: &Identity,
        created: Wall,
        rng: &mut R,
    ) -> Result<Self, KeyError> {
        let version = self.bundle.version.checked_add(1).ok_or(KeyError::Count)?;
        let (name, previous) = (self.bundle.name, self.hash());
        let keys = identity.public().clone();
        Self::sign(identity, Bundle { name, version, previous, created, keys }, rng)
    }

    /// Reads a bundle and verifies its own signature. That it belongs to an account follows only
    /// from the chain ([`super::key_log`]) and a pinned key.
    ///
    /// # Errors
    /// [`BundleError`]; nothing of a bundle that does not verify is used.
    pub fn verify(encoded: Bytes) -> Result<Self, BundleError> {
        let mut reader = Reader::new(encoded.clone());
        let bundle = read_fields(&mut reader)?;
        let signed_len = encoded.len() - reader.remaining();
        let signature = reader.bytes(MODULUS_LEN_MAX, "signature")?;
        reader.finish()?;
        let signed = encoded.slice(..signed_len);
        bundle.keys.signing.verify(domain::BUNDLE_SIGNATURE, &[&signed], &signature)?;
        Ok(Self { bundle, encoded })
    }

    /// What it says.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Its bytes, as on the wire.
    #[must_use]
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// What the next bundle names as its previous one.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(domain::BUNDLE_HASH, &[&self.encoded])
    }

    fn sign<R: CryptoRng>(
        identity: &Identity,
        bundle: Bundle,
        rng: &mut R,
    ) -> Result<Self, KeyError> {
        let mut out = BytesMut::new();
        put_fields(&bundle, &mut out);
        let signature = identity.sign(domain::BUNDLE_SIGNATURE, &[&out], rng)?;
        put_bytes(&signature, &mut out);
        assert!(out.len() <= BUNDLE_LEN_MAX, "two keys and a signature of 4,096 bits fit");
        Ok(Self { bundle, encoded: out.freeze() })
    }
}

fn put_fields(bundle: &Bundle, out: &mut BytesMut) {
    out.put_slice(&MAGIC);
    out.put_u8(FORMAT);
    bundle.name.put(out);
    bundle.version.put(out);
    bundle.previous.put(out);
    bundle.created.put(out);
    put_bytes(bundle.keys.signing.der(), out);
    put_bytes(bundle.keys.wrapping.der(), out);
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(bytes.len()).expect("keys and signatures are short"));
    out.put_slice(bytes);
}

fn read_fields(reader: &mut Reader) -> Result<Bundle, BundleError> {
    if reader.array("magic")? != MAGIC || reader.u8("format")? != FORMAT {
        return Err(BundleError::Format);
    }
    let name = Name::get(reader, "name")?;
    let version = reader.u32("version")?;
    let previous = reader.array("previous")?;
    let created = Wall::get(reader, "created")?;
    let signing = reader.bytes(PUBLIC_DER_LEN_MAX, "signing")?;
    let wrapping = reader.bytes(PUBLIC_DER_LEN_MAX, "wrapping")?;
    if version == 0 || (version == 1) != (previous == [0; 32]) {
        return Err(BundleError::Version);
    }
    if signing == wrapping {
        return Err(BundleError::Shared);
    }
    let signing = SigningPublicKey::from_der(&signing)?;
    let wrapping = WrappingPublicKey::from_der(&wrapping)?;
    Ok(Bundle { name, version, previous, created, keys: PublicKeys { signing, wrapping } })
}
