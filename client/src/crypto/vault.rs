//! Seals what the local store keeps: keys, tokens, texts.
//!
//! # Layout (version 1)
//! ```text
//! format      1  1
//! nonce      24  random
//! sealed         the rest: XChaCha20-Poly1305 of the bytes, tag behind
//!
//! key             = HKDF-SHA256(32-byte master key, no salt,
//!                   info = u8 length ‖ "FastChat vault 1" ‖ cell)
//! associated data = the row's key
//! ```
//! The cell is `table.column`: a sealed value opens only in its own column and its own row. The
//! nonce of 24 bytes may be drawn at random without counting how often a key was used.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::domain;
use super::hash::derive;

const FORMAT: u8 = 1;
const NONCE_LEN: usize = 24;

/// The sealed value was changed, moved, or sealed under another master key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a sealed value of the local store does not open: {cell}")]
pub struct VaultError {
    /// `table.column`.
    pub cell: &'static str,
}

/// The key that all of a store's keys come from.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A fresh key.
    #[must_use]
    pub fn generate<R: CryptoRng>(rng: &mut R) -> Self {
        let mut key = Zeroizing::new([0; Self::LEN]);
        rng.fill_bytes(key.as_mut_slice());
        Self(key)
    }

    /// Takes over a stored key.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; Self::LEN]>) -> Self {
        Self(bytes)
    }

    /// The key, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(secret)")
    }
}

/// Seals and opens the cells of one store.
#[derive(Debug)]
pub struct Vault {
    master: MasterKey,
}

impl Vault {
    /// A vault under `master`.
    #[must_use]
    pub fn new(master: MasterKey) -> Self {
        Self { master }
    }

    /// Seals `bytes` for one column (`table.column`) of one row.
    #[must_use]
    pub fn seal<R: CryptoRng>(
        &self,
        cell: &'static str,
        row: &[u8],
        bytes: &[u8],
        rng: &mut R,
    ) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: bytes, aad: row };
        let sealed = self.cipher(cell).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a cell is far below the cipher's limit");
        let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        out.push(FORMAT);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`Self::seal`] made for the same column and row.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open(
        &self,
        cell: &'static str,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (nonce, rest) = sealed
            .strip_prefix(&[FORMAT])
            .and_then(|rest| rest.split_first_chunk::<NONCE_LEN>())
            .ok_or(VaultError { cell })?;
        let payload = Payload { msg: rest, aad: row };
        let opened = self.cipher(cell).decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| VaultError { cell })
    }

    fn cipher(&self, cell: &'static str) -> XChaCha20Poly1305 {
        let key = derive(self.master.as_bytes(), domain::VAULT, &[cell.as_bytes()]);
        XChaCha20Poly1305::new((&*key).into())
    }
}
