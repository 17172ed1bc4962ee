//! What can go wrong with the local store.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use wire::Name;

use crate::crypto::{SealedKeysError, VaultError};

/// Why the local store cannot be opened or did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No home directory is known, so there is no place for data or keys.
    #[error("no home directory is known; set HOME or XDG_STATE_HOME, or give --data")]
    NoHome,
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite failed. Nothing of the operation was kept.
    #[error("the local database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A newer program wrote the database.
    #[error("the local database has version {found}, this program knows {known}; upgrade it")]
    Newer {
        /// What was found.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// The key file is gone: what it sealed stays closed.
    #[error(
        "the key file {} is missing, so this data directory cannot be opened; restore it, or sign \
         in with a new data directory", path.display()
    )]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The key file or the id file has not the bytes it was written with.
    #[error("{} is damaged; restore it, or sign in with a new data directory", path.display())]
    KeyDamaged {
        /// Which file.
        path: PathBuf,
    },
    /// The key file would lie beside what it protects.
    #[error("the key directory {} must not be inside the data directory", path.display())]
    KeyInside {
        /// The key directory.
        path: PathBuf,
    },
    /// A sealed value does not open: changed by someone, or under another key.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The stored private keys cannot be read.
    #[error(transparent)]
    Keys(#[from] SealedKeysError),
    /// A stored value is outside its range.
    #[error("the local database is damaged: {0}")]
    Damaged(&'static str),
    /// The data directory belongs to another account.
    #[error("this data directory belongs to {held}; choose another with --data")]
    OtherAccount {
        /// Whose it is.
        held: Name,
    },
    /// The data directory has an account already, with a session or other keys.
    #[error("{held} exists already in this data directory; sign in instead")]
    AccountExists {
        /// Whose it is.
        held: Name,
    },
    /// The operation does not fit what is stored: another process was faster, or a caller erred.
    #[error("the local database has changed meanwhile: {0}")]
    Changed(&'static str),
}

impl StoreError {
    /// Wraps an I/O error with its path.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }
}
