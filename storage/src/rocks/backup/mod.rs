//! Backups of a store and their way back.
//!
//! ```text
//!  running server ──checkpoint──▶ store.checkpoint/store ──copy, check──▶ BACKUP/store
//!  (or a stopped store)           links, made in a moment                 BACKUP/backup.manifest
//!
//!  BACKUP ──check, copy──▶ store.restoring ──check, raise the epoch──▶ store + store.watermark
//! ```
//! What is under way has a name of its own and gets its last one when it is whole and on disk. A
//! checkpoint's files are the store's own, under second names: only a copy is a backup.

mod checkpoint;
mod copy;
mod error;
mod files;
mod manifest;
mod restore;

use std::path::Path;

use jiff::Timestamp;

use super::options;
use crate::watermark::Watermark;

pub use self::checkpoint::{Checkpoint, Checkpointer, beside, clear, of_stopped, staged};
pub use self::copy::{check_target, copy};
pub use self::error::BackupError;
pub use self::manifest::{MANIFEST, Manifest, Moment};
pub use self::restore::{Restored, restore, verify};

/// The folder of the store's files in a backup.
const STORE: &str = "store";

/// What a backup or a restore is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Files are copied.
    Copying,
    /// Files are read again and compared with what they have to be.
    Comparing,
    /// The database is read from its beginning to its end.
    Reading,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Bytes so far.
    pub done: u64,
    /// Bytes in all; for [`Step::Reading`], at most so many.
    pub total: u64,
}

/// Hears of progress, often.
pub type Hear<'a> = &'a mut dyn FnMut(Progress);

/// A time as people and manifests say it, in UTC.
pub type Time = Timestamp;

/// Reads every record of the database in the folder `store` with its checksums, and tells what the
/// store holds. Nothing is changed.
fn read_database(store: &Path, total: u64, hear: Hear<'_>) -> Result<Watermark, BackupError> {
    let found = super::open::found_in(store)?.ok_or_else(|| BackupError::NoStore(store.into()))?;
    let mut done = 0;
    super::open::read_all(store, &options::reading(), &mut |bytes| {
        done += bytes;
        hear(Progress { step: Step::Reading, done, total });
    })?;
    Ok(found)
}
