//! An account's key log: the hash chain of its bundles, from the first to the newest.
//!
//! A bundle continues the log when it has the same name, the next version and the hash of the
//! bundle before. One with the same signing key is a rotation of the wrapping key, signed by the
//! pinned key. One with another signing key is a *changed key*: the chain alone proves nothing
//! about it, so nothing is sent to it before the user agrees.

use bytes::Bytes;
use thiserror::Error;
use wire::Name;

use super::bundle::{Bundle, BundleError, SignedBundle};
use super::keys::{KeyId, SigningPublicKey};

/// Longest key log that is followed: 40 years of a wrapping key that rotates every 30 days.
pub const BUNDLES_MAX: usize = 512;

/// Why a key log was not accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum KeyLogError {
    /// A bundle does not verify.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no bundle at all.
    #[error("the key log is empty")]
    Empty,
    /// More than [`BUNDLES_MAX`] bundles.
    #[error("the key log is too long")]
    Long,
    /// A bundle speaks of another account.
    #[error("the key log has a bundle of another account")]
    Name,
    /// A bundle does not continue the one before: skipped, repeated or exchanged.
    #[error("the key log is broken at version {version}")]
    Chain {
        /// The version that was expected there.
        version: u32,
    },
}

/// A verified key log; never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyLog {
    /// Oldest first; the newest is apart, so that there always is one.
    older: Vec<SignedBundle>,
    newest: SignedBundle,
}

impl KeyLog {
    /// Verifies the whole log of `name`, oldest bundle first.
    ///
    /// # Errors
    /// [`KeyLogError`] names the first rule that is broken.
    pub fn verify(name: &Name, encoded: &[Bytes]) -> Result<Self, KeyLogError> {
        let (first, rest) = encoded.split_first().ok_or(KeyLogError::Empty)?;
        let newest = SignedBundle::verify(first.clone())?;
        if newest.bundle().name != *name {
            return Err(KeyLogError::Name);
        }
        if newest.bundle().version != 1 {
            return Err(KeyLogError::Chain { version: 1 });
        }
        let log = Self { older: Vec::new(), newest };
        log.extend(rest)
    }

    /// The log with `more` bundles behind it. A log never gets shorter or other: what is held
    /// stays.
    ///
    /// # Errors
    /// [`KeyLogError`] names the first rule that is broken.
    pub fn extend(&self, more: &[Bytes]) -> Result<Self, KeyLogError> {
        let mut log = self.clone();
        for encoded in more {
            if log.older.len() + 1 >= BUNDLES_MAX {
                return Err(KeyLogError::Long);
            }
            let next = SignedBundle::verify(encoded.clone())?;
            check_next(&log.newest, &next)?;
            log.older.push(std::mem::replace(&mut log.newest, next));
        }
        Ok(log)
    }

    /// Whose keys.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.newest.bundle().name
    }

    /// The newest bundle.
    #[must_use]
    pub fn newest(&self) -> &Bundle {
        self.newest.bundle()
    }

    /// The newest bundle's version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.newest.bundle().version
    }

    /// The signing key with this id, if the account ever had it.
    #[must_use]
    pub fn signing_key(&self, id: &KeyId) -> Option<&SigningPublicKey> {
        let bundles = self.older.iter().chain(std::iter::once(&self.newest));
        bundles.map(|signed| &signed.bundle().keys.signing).find(|key| key.id() == *id)
    }

    /// Whether the account now signs with another key than the one that was pinned.
    #[must_use]
    pub fn has_changed_from(&self, pinned: &KeyId) -> bool {
        self.newest.bundle().keys.signing.id() != *pinned
    }

    /// The bundles' bytes, oldest first.
    #[must_use]
    pub fn encoded(&self) -> Vec<Bytes> {
        let bundles = self.older.iter().chain(std::iter::once(&self.newest));
        bundles.map(|signed| signed.encoded().clone()).collect()
    }
}

fn check_next(newest: &SignedBundle, next: &SignedBundle) -> Result<(), KeyLogError> {
    let (before, after) = (newest.bundle(), next.bundle());
    if after.name != before.name {
        return Err(KeyLogError::Name);
    }
    let version = before.version.saturating_add(1);
    if after.version != version || after.previous != newest.hash() {
        return Err(KeyLogError::Chain { version });
    }
    Ok(())
}
