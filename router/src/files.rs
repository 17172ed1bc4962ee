//! Files that appear whole or not at all, with modes that keep others out.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Only the owner reads and writes.
pub const SECRET: u32 = 0o600;
/// The owner writes, everybody reads (as far as the directories let them in).
pub const PUBLIC: u32 = 0o644;

/// What could not be done with which file.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// `action` on `path` failed.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self { action, path, source }
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`FileError`] names the file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError::new("read", path, error))
}

/// Reads a whole file, or `None` when there is none.
///
/// # Errors
/// [`FileError`] names the file.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("read", path, error)),
    }
}

/// The names in a directory that are text; none when it is not there.
///
/// # Errors
/// [`FileError`] names the directory.
pub fn names_in(path: &Path) -> Result<Vec<String>, FileError> {
    let failed = |error| FileError::new("list", path, error);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

/// Whether there is such a file.
///
/// # Errors
/// [`FileError`] names the file when that cannot be told.
pub fn is_there(path: &Path) -> Result<bool, FileError> {
    let found = path.try_exists();
    found.map_err(|error| FileError::new("find", path, error))
}

/// Makes a directory for the owner alone, with its parents. One that is there stays as it is.
///
/// # Errors
/// [`FileError`] names the directory.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| FileError::new("create the directory", path, error))
}

/// Writes a file so that a reader, or a crash at any time, finds the old bytes or the new ones:
/// to a temporary file beside it, synced, renamed, and the directory synced.
///
/// # Errors
/// [`FileError`] names the file.
pub fn write_whole(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    remove(&temporary)?;
    let written = write_new(&temporary, mode, bytes);
    written.map_err(|error| FileError::new("write", &temporary, error))?;
    fs::rename(&temporary, path).map_err(|error| FileError::new("rename to", path, error))?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let synced = File::open(parent).and_then(|parent| parent.sync_all());
    synced.map_err(|error| FileError::new("sync", parent, error))
}

/// Removes a file if it is there.
///
/// # Errors
/// [`FileError`] names the file.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(FileError::new("remove", path, error))
        }
        _ => Ok(()),
    }
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{SECRET, read, read_if_there, write_whole};

    #[test]
    fn a_file_is_replaced_whole_and_keeps_others_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        std::fs::write(dir.path().join("secret.new"), b"left by a crash").expect("writes");
        assert!(read_if_there(&path).expect("reads").is_none());
        write_whole(&path, SECRET, b"one").expect("writes");
        write_whole(&path, SECRET, b"two").expect("writes");
        assert_eq!(read(&path).expect("reads"), b"two");
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, SECRET);
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 1);
    }
}
