//! Why a backup or a restore did not come about, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Time;
use crate::error::StorageError;
use crate::watermark::Watermark;

/// What went wrong. Nothing that was there before was changed, and nothing that is not whole bears
/// the name of a backup or a store.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The store cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file or a folder cannot be used.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// With which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No store is there.
    #[error("there is no store {}: name the folder that the server's --store names", .0.display())]
    NoStore(PathBuf),
    /// Something bears the backup's name.
    #[error(
        "{} is there already: name a folder that is not there yet, such as one for each day",
        .0.display()
    )]
    TargetThere(PathBuf),
    /// The folder that the backup is to be in is not there.
    #[error(
        "the folder {} is not there: make it, or mount what belongs there, and try again",
        .0.display()
    )]
    NoFolder(PathBuf),
    /// The backup would be a part of the store.
    #[error("{} is inside the store: name a folder elsewhere, best on another disk", .0.display())]
    TargetInside(PathBuf),
    /// Something under way was interrupted.
    #[error(
        "{} is what an interrupted backup or restore left, or one that still goes on: when none \
         does, remove it and try again",
        .0.display()
    )]
    Leftover(PathBuf),
    /// Another backup of this store is being made.
    #[error("another backup of this store is being made; try again when it has ended")]
    Busy,
    /// The disk has too little room.
    #[error(
        "{} has {free} bytes of room, but {needed} are needed: make room, or name another disk",
        path.display()
    )]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// Bytes that it has.
        free: u64,
        /// Bytes that it must have.
        needed: u64,
    },
    /// The folder is no backup, or one that did not come to its end.
    #[error(
        "{} has no backup.manifest: it is not a backup, or not a whole one; name another",
        .0.display()
    )]
    NotABackup(PathBuf),
    /// A newer program made the backup.
    #[error("the backup has format {0}; this program knows format 1: use the program that made it")]
    Newer(u32),
    /// The manifest is not what was written.
    #[error("the backup's manifest is damaged ({0}): take another backup")]
    Manifest(&'static str),
    /// A file of the backup is not what was written.
    #[error("the backup is damaged: {} {what}: take another backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The database is not the one that the manifest tells of.
    #[error("the database holds {found}, not {told}: take another backup")]
    NotAsTold {
        /// What it holds.
        found: Watermark,
        /// What it has to hold.
        told: Watermark,
    },
    /// A store is where one would be put back.
    #[error(
        "{store} is not empty, and a restore overwrites nothing: stop the server, move the store \
         away (mv {store} {store}.old), leave {store}.watermark where it is, and try again",
        store = .0.display()
    )]
    StoreThere(PathBuf),
    /// The folder is a file system of its own.
    #[error(
        "{} is a file system of its own, where a store cannot be put into place at once: name a \
         folder in it, here and as the server's --store",
        .0.display()
    )]
    OwnFileSystem(PathBuf),
    /// The watermark there is another store's.
    #[error(
        "{} is of another store than the backup: check --from and --store; if they are right, move \
         that file away and try again",
        .0.display()
    )]
    OtherStore(PathBuf),
    /// The watermark there cannot be read.
    #[error("{} is damaged: move it away and try again", .0.display())]
    WatermarkDamaged(PathBuf),
    /// The backup holds less than the lost store did.
    #[error(
        "the store had come to {known}, and the backup holds {found}: what was accepted after \
         {began} is not in it. Look for a newer backup, or for the store itself; to go on without \
         that, add --accept-loss"
    )]
    Loss {
        /// What the lost store held.
        known: Watermark,
        /// What the backup holds.
        found: Watermark,
        /// When the backup was begun.
        began: Time,
    },
}

/// An error of the system, with what was being done, and to what.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { doing, path, source }
}
