//! From a checkpoint to a backup.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use wire::limits::BLOBS_DISK_FREE_MIN;

use super::error::failed;
use super::{BackupError, Hear, MANIFEST, Manifest, Moment, STORE, files, read_database, staged};

/// What a backup under way has to its name.
const PARTIAL: &str = ".partial";

/// Copies the checkpoint of `store`, which is of `moment`, to the new folder `to`: copied, synced,
/// compared with what was read, read through as a database, and only then under its name.
///
/// # Errors
/// [`BackupError`]. What was copied until then is removed again.
pub fn copy(
    store: &Path,
    moment: Moment,
    to: &Path,
    hear: Hear<'_>,
) -> Result<Manifest, BackupError> {
    check_target(store, to)?;
    let from = staged(store)?;
    check_room(&from, store, to)?;
    let partial = files::named(to, PARTIAL);
    files::make_folder(&partial)?;
    let made = fill(&from, moment, &partial, hear);
    let made = made.and_then(|manifest| {
        files::put_in_place(&partial, to)?;
        Ok(manifest)
    });
    if made.is_err() {
        discard(&partial);
    }
    made
}

/// Whether a backup of `store` could be made as `to`.
///
/// # Errors
/// [`BackupError`]: something is there, or the folder that it would be in is not.
pub fn check_target(store: &Path, to: &Path) -> Result<(), BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::TargetThere(to.to_owned()));
    }
    let partial = files::named(to, PARTIAL);
    if fs::symlink_metadata(&partial).is_ok() {
        return Err(BackupError::Leftover(partial));
    }
    let folder = folder_of(to);
    let Ok(whole) = fs::canonicalize(&folder) else {
        return Err(BackupError::NoFolder(folder));
    };
    let store = fs::canonicalize(store).map_err(failed("find", store))?;
    if whole.starts_with(store) {
        return Err(BackupError::TargetInside(to.to_owned()));
    }
    Ok(())
}

fn fill(
    from: &Path,
    moment: Moment,
    partial: &Path,
    hear: Hear<'_>,
) -> Result<Manifest, BackupError> {
    let store = partial.join(STORE);
    files::make_folder(&store)?;
    let copied = files::copy_all(from, &store, hear)?;
    let mut manifest = Manifest { began: moment.began, holds: moment.before, files: copied };
    files::compare(&store, &manifest, hear)?;
    manifest.holds = read_database(&store, manifest.bytes(), hear)?;
    let (found, told) = (manifest.holds, moment.before);
    let is_before = (found.store_epoch, found.sequence) < (told.store_epoch, told.sequence);
    if found.store != told.store || is_before {
        return Err(BackupError::NotAsTold { found, told });
    }
    files::write(&partial.join(MANIFEST), manifest.encode().as_bytes())?;
    files::sync_folder(partial)?;
    Ok(manifest)
}

/// The backup must fit; and a server on the same disk must not stop taking posts and attachments.
fn check_room(from: &Path, store: &Path, to: &Path) -> Result<(), BackupError> {
    let mut needed: u64 = 0;
    for file in fs::read_dir(from).map_err(failed("list", from))? {
        let file = file.and_then(|file| file.metadata()).map_err(failed("list", from))?;
        needed = needed.saturating_add(file.len());
    }
    let path = folder_of(to);
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev());
    let store_device = device(store).map_err(failed("look at", store))?;
    if device(&path).map_err(failed("look at", &path))? == store_device {
        needed = needed.saturating_add(BLOBS_DISK_FREE_MIN);
    }
    let free = files::free_bytes(&path)?;
    if free < needed { Err(BackupError::NoRoom { path, free, needed }) } else { Ok(()) }
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// What this process made and could not finish must not fill the disk.
pub(super) fn discard(partial: &Path) {
    if let Err(error) = fs::remove_dir_all(partial) {
        tracing::warn!(%error, folder = %partial.display(), "an unfinished copy stays");
    }
}
