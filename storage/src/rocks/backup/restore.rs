//! From a backup to a store.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::copy::discard;
use super::error::failed;
use super::manifest::MANIFEST_LEN_MAX;
use super::{BackupError, Hear, MANIFEST, Manifest, STORE, beside, files, read_database};
use crate::op::Opened;
use crate::rocks::open;
use crate::rocks::watermark_file::{ReadError, WatermarkPath};
use crate::watermark::Watermark;

/// What a restore under way has to its store's name.
const RESTORING: &str = ".restoring";

/// A store that was put back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest,
    /// Who the store is now. The server that opens it serves in a later epoch yet.
    pub opened: Opened,
    /// How far the lost store is known to have come, if its watermark was there.
    pub known: Option<Watermark>,
}

/// Checks a backup: its manifest, each file, and each record of its database.
///
/// # Errors
/// [`BackupError`]: it is not whole, or not readable.
pub fn verify(backup: &Path, hear: Hear<'_>) -> Result<Manifest, BackupError> {
    let manifest = read_manifest(backup)?;
    check_store(&backup.join(STORE), &manifest, hear)?;
    Ok(manifest)
}

/// Puts the store of `backup` back into the folder `store`, which must be empty or not there. Its
/// epoch rises above all that may have been served, so that no seq is given twice; its watermark
/// fits. The backup is checked and stays as it is. `accepts_loss`: the store may hold less than the
/// lost one did.
///
/// # Errors
/// [`BackupError`]. Nothing was put back, and what was there stays.
pub fn restore(
    backup: &Path,
    store: &Path,
    accepts_loss: bool,
    hear: Hear<'_>,
) -> Result<Restored, BackupError> {
    let manifest = read_manifest(backup)?;
    check_place(store)?;
    let known = known(store)?;
    check_loss(store, known, &manifest, accepts_loss)?;
    let from = backup.join(STORE);
    files::compare(&from, &manifest, hear)?;
    let restoring = beside(store, RESTORING)?;
    files::make_folder(&restoring)?;
    let restored = fill(&from, &restoring, &manifest, known, hear).and_then(|(opened, mark)| {
        // A crash behind this leaves a watermark above a store that is not there: it is refused,
        // and a restore may be tried again.
        WatermarkPath::beside(store)?.make(mark)?;
        files::put_in_place(&restoring, store)?;
        Ok(Restored { manifest, opened, known })
    });
    if restored.is_err() && restoring.exists() {
        discard(&restoring);
    }
    restored
}

fn fill(
    from: &Path,
    restoring: &Path,
    manifest: &Manifest,
    known: Option<Watermark>,
    hear: Hear<'_>,
) -> Result<(Opened, Watermark), BackupError> {
    files::copy_all(from, restoring, hear)?;
    check_store(restoring, manifest, hear)?;
    let (tables, opened) = open::take(restoring, known)?;
    let mark = tables.watermark()?;
    drop(tables);
    files::sync_folder(restoring)?;
    Ok((opened, mark))
}

fn check_store(store: &Path, manifest: &Manifest, hear: Hear<'_>) -> Result<(), BackupError> {
    files::compare(store, manifest, hear)?;
    let (found, told) = (read_database(store, manifest.bytes(), hear)?, manifest.holds);
    if found == told { Ok(()) } else { Err(BackupError::NotAsTold { found, told }) }
}

fn read_manifest(backup: &Path) -> Result<Manifest, BackupError> {
    let path = backup.join(MANIFEST);
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(BackupError::NotABackup(backup.to_owned()));
        }
        Ok(found) if found.len() > MANIFEST_LEN_MAX => {
            return Err(BackupError::Manifest("longer than any"));
        }
        found => found.map_err(failed("look at", &path))?,
    };
    Manifest::decode(&fs::read(&path).map_err(failed("read", &path))?)
}

/// The store's folder is not there, or empty and a part of the file system that it is in.
fn check_place(store: &Path) -> Result<(), BackupError> {
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let Ok(around) = fs::metadata(folder) else {
        return Err(BackupError::NoFolder(folder.to_owned()));
    };
    let found = match fs::symlink_metadata(store) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed("look at", store))?,
    };
    let is_empty = || fs::read_dir(store).is_ok_and(|mut files| files.next().is_none());
    if !found.is_dir() || !is_empty() {
        return Err(BackupError::StoreThere(store.to_owned()));
    }
    if found.dev() != around.dev() {
        return Err(BackupError::OwnFileSystem(store.to_owned()));
    }
    Ok(())
}

fn known(store: &Path) -> Result<Option<Watermark>, BackupError> {
    match WatermarkPath::beside(store)?.read() {
        Ok(known) => Ok(known),
        Err(ReadError::Breach(_)) => {
            Err(BackupError::WatermarkDamaged(beside(store, ".watermark")?))
        }
        Err(ReadError::Failed(error)) => Err(error.into()),
    }
}

fn check_loss(
    store: &Path,
    known: Option<Watermark>,
    manifest: &Manifest,
    accepts_loss: bool,
) -> Result<(), BackupError> {
    let (found, began) = (manifest.holds, manifest.began);
    let Some(known) = known else {
        return Ok(());
    };
    if known.store != found.store {
        return Err(BackupError::OtherStore(beside(store, ".watermark")?));
    }
    let is_less = found.store_epoch < known.store_epoch || found.sequence < known.sequence;
    if is_less && !accepts_loss {
        return Err(BackupError::Loss { known, found, began });
    }
    Ok(())
}
