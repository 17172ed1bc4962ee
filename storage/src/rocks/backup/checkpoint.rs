//! Checkpoints: the store's files of one moment under second names, in a folder beside the store,
//! for as long as somebody copies them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use wire::limits::DISK_FREE_MIN;

use super::error::failed;
use super::{BackupError, Moment, STORE, Time};
use crate::error::StorageError;
use crate::rocks::tables::Tables;
use crate::rocks::{Sizing, open, watermark_file};

/// What the folder of checkpoints has to its store's name.
const FOLDER: &str = ".checkpoint";

/// Makes checkpoints of an open store, on the thread that asks; the store goes on meanwhile.
#[derive(Clone)]
pub struct Checkpointer {
    /// None when the store was closed.
    tables: Arc<Mutex<Option<Arc<Tables>>>>,
}

/// A checkpoint. Dropping it removes its files; the store keeps its own.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    moment: Moment,
    /// Held for as long as the folder is in use.
    _lock: File,
}

impl Checkpointer {
    pub(in crate::rocks) fn of(tables: Arc<Tables>) -> Self {
        Self { tables: Arc::new(Mutex::new(Some(tables))) }
    }

    /// Waits for the checkpoint that is being made; makes no other.
    pub(in crate::rocks) fn close(&self) {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Makes one. Writes what is in memory to files first: on a busy store that takes a moment.
    ///
    /// # Errors
    /// [`BackupError`]: another is in use, the disk is nearly full or fails, the store was closed.
    pub fn checkpoint(&self) -> Result<Checkpoint, BackupError> {
        match &*self.tables.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(tables) => make(tables),
            None => Err(StorageError::ThreadEnded.into()),
        }
    }
}

impl Checkpoint {
    /// The moment that it is of.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.moment
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "a checkpoint stays");
        }
    }
}

/// What stands beside the folder `store` under its name with `more` to it.
///
/// # Errors
/// [`BackupError::Storage`]: `store` names no folder.
pub fn beside(store: &Path, more: &str) -> Result<PathBuf, BackupError> {
    Ok(watermark_file::beside(store, more)?)
}

/// Where a checkpoint of `store` has its files.
///
/// # Errors
/// As [`beside`].
pub fn staged(store: &Path) -> Result<PathBuf, BackupError> {
    Ok(beside(store, FOLDER)?.join(STORE))
}

/// Makes a checkpoint of a store that no process has open. The store is opened for that, under its
/// old epoch, and closed; nothing is served.
///
/// # Errors
/// [`BackupError`]: no store, in use, below its watermark, damaged, or the disk fails.
pub fn of_stopped(store: &Path) -> Result<Checkpoint, BackupError> {
    if !store.join("CURRENT").exists() {
        return Err(BackupError::NoStore(store.to_owned()));
    }
    if open::look(store)?.found.is_none() {
        return Err(BackupError::NoStore(store.to_owned()));
    }
    make(&open::tables(store, &Sizing::standard())?)
}

/// Removes the checkpoint that a killed process left. One in use stays.
///
/// # Errors
/// [`BackupError::File`]: it cannot be removed.
pub fn clear(store: &Path) -> Result<(), BackupError> {
    let folder = beside(store, FOLDER)?;
    if !folder.exists() {
        return Ok(());
    }
    match claim(&folder) {
        Err(BackupError::Busy) => Ok(()),
        Ok(_lock) => fs::remove_dir_all(&folder).map_err(failed("remove", &folder)),
        Err(error) => Err(error),
    }
}

fn make(tables: &Tables) -> Result<Checkpoint, BackupError> {
    let (path, free, needed) = (tables.path(), tables.free_bytes()?, DISK_FREE_MIN);
    if free < needed {
        return Err(BackupError::NoRoom { path: path.to_owned(), free, needed });
    }
    // In this order: what is accepted before `began` is in `before`, and that in the checkpoint.
    let began = Time::now();
    let moment = Moment { began, before: tables.watermark()? };
    let folder = beside(path, FOLDER)?;
    let lock = claim(&folder)?;
    let checkpoint = Checkpoint { folder, moment, _lock: lock };
    tables.checkpoint(&checkpoint.folder.join(STORE))?;
    Ok(checkpoint)
}

/// Makes the folder, empty, and locks it.
fn claim(folder: &Path) -> Result<File, BackupError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed("make", folder)(error));
        }
        _ => {}
    }
    let lock = File::open(folder).map_err(failed("open", folder))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BackupError::Busy),
        Err(TryLockError::Error(error)) => return Err(failed("lock", folder)(error)),
    }
    for left in [STORE, "store.tmp"] {
        remove_if_there(&folder.join(left)).map_err(failed("empty", folder))?;
    }
    Ok(lock)
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
