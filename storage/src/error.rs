//! Why a store did not open or stopped for good.

use std::path::PathBuf;

use thiserror::Error;
use wire::DecodeError;

use crate::watermark::Breach;

/// What went wrong. None of these is survived: a store that failed once is not asked again.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum StorageError {
    /// Another process, or this one, has the store open.
    #[error("the store {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// There is nothing to take for what it is.
    #[error("there is no store {}, and no watermark of one", .0.display())]
    NoStore(PathBuf),
    /// The folder holds a database without this program's magic.
    #[error("{} holds data that is not a FastChat store", .0.display())]
    NotAStore(PathBuf),
    /// The folder holds a database whose first file is gone. Opening it would delete the rest.
    #[error("{} holds database files but no CURRENT file; nothing was touched", .0.display())]
    CurrentMissing(PathBuf),
    /// The store is not what it was when it was served last. Nothing was changed.
    #[error(
        "the store {} is not served: {breach}\n\
         1. mount or put back what is missing; 2. else put a backup back: \
         fastchat-server restore --from BACKUP --store {}; 3. only to go on with what is there, an \
         empty store if nothing is, and without what is lost: fastchat-server --restored {}",
        path.display(), path.display(), path.display()
    )]
    Refused {
        /// The store's folder.
        path: PathBuf,
        /// What is wrong.
        breach: Breach,
    },
    /// A newer program wrote the store.
    #[error("the store has format {found}; this program knows formats up to {known}")]
    Newer {
        /// The store's format version.
        found: u16,
        /// The newest version this program knows.
        known: u16,
    },
    /// The store has a column family that this program does not know: a newer program made it.
    #[error("the store has the unknown column family \"{0}\": a newer program wrote it")]
    UnknownFamily(String),
    /// A key or a value does not decode.
    #[error("the column family {family} holds a damaged record: {cause}")]
    Damaged {
        /// The column family.
        family: &'static str,
        /// What does not fit.
        cause: DecodeError,
    },
    /// A batch breaks a rule of [`crate::Change`]: the core and the store no longer agree.
    #[error("a batch breaks a rule: {0}")]
    RuleBroken(&'static str),
    /// The store was opened 2^24 times.
    #[error("the store's epochs are spent")]
    EpochSpent,
    /// The engine failed: disk full, failed sync, damaged file.
    #[error("{doing}: {cause}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The engine's or the system's own words.
        cause: String,
    },
    /// The engine's thread is gone.
    #[error("the storage thread has ended")]
    ThreadEnded,
}
