//! Copying and comparing the files of a backup.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Advice;
use sha2::{Digest, Sha256};

use super::error::failed;
use super::manifest::{FileEntry, Manifest, is_plain};
use super::{BackupError, Hear, Progress, Step};
use crate::rocks::open::sync_entry;

/// Bytes that are read and written at a time.
const PIECE_LEN: usize = 1024 * 1024;

/// Copies the files of the folder `from` into `to`; each is on disk when this returns.
pub(super) fn copy_all(
    from: &Path,
    to: &Path,
    hear: Hear<'_>,
) -> Result<Vec<FileEntry>, BackupError> {
    let names = names(from)?;
    let mut total: u64 = 0;
    for name in &names {
        let path = from.join(name);
        let len = fs::metadata(&path).map_err(failed("look at", &path))?.len();
        total = total.saturating_add(len);
    }
    let mut run = Run { step: Step::Copying, done: 0, total, hear };
    let copied = names.into_iter().map(|name| {
        let (len, hash) = run.copy(&from.join(&name), &to.join(&name))?;
        Ok(FileEntry { name, len, hash })
    });
    let copied = copied.collect::<Result<Vec<_>, BackupError>>()?;
    sync_folder(to)?;
    Ok(copied)
}

/// Compares the files of the folder `store` with the manifest: they are these, and no others.
pub(super) fn compare(
    store: &Path,
    manifest: &Manifest,
    hear: Hear<'_>,
) -> Result<(), BackupError> {
    let damaged = |name: &str, what| BackupError::Damaged { path: store.join(name), what };
    let told: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    let names = names(store)?;
    if let Some(more) = names.iter().find(|name| !told.contains(&name.as_str())) {
        return Err(damaged(more, "is not in the manifest"));
    }
    let mut run = Run { step: Step::Comparing, done: 0, total: manifest.bytes(), hear };
    for FileEntry { name, len, hash } in &manifest.files {
        if !names.contains(name) {
            return Err(damaged(name, "is missing"));
        }
        if run.read(&store.join(name), &mut |_| Ok(()))? != (*len, *hash) {
            return Err(damaged(name, "is not what was written"));
        }
    }
    Ok(())
}

/// Makes a folder that is not there yet.
pub(super) fn make_folder(path: &Path) -> Result<(), BackupError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(BackupError::Leftover(path.to_owned()))
        }
        made => made.map_err(failed("make", path)),
    }
}

/// Writes a new file, which is on disk when this returns.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let written = create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed("write", path))
}

/// Gives what is whole its last name, durably.
pub(super) fn put_in_place(from: &Path, to: &Path) -> Result<(), BackupError> {
    fs::rename(from, to).map_err(failed("put into place", to))?;
    sync_entry(to).map_err(failed("sync the folder of", to))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(failed("sync", path))
}

/// The path with more to its name.
pub(super) fn named(path: &Path, more: &str) -> PathBuf {
    crate::rocks::watermark_file::named(path, more)
}

/// Bytes that the disk of `path` has left.
pub(super) fn free_bytes(path: &Path) -> Result<u64, BackupError> {
    let disk = rustix::fs::statvfs(path).map_err(|error| failed("measure", path)(error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The files of a database, by name. It has no folders.
fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder).map_err(failed("list", folder))? {
        let file = file.map_err(failed("list", folder))?;
        let kind = file.file_type().map_err(failed("look at", &file.path()))?;
        match file.file_name().into_string() {
            Ok(name) if kind.is_file() && is_plain(&name) => names.push(name),
            _ => {
                let what = "is no file of a store";
                return Err(BackupError::Damaged { path: file.path(), what });
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

struct Run<'a> {
    step: Step,
    done: u64,
    total: u64,
    hear: Hear<'a>,
}

impl Run<'_> {
    fn copy(&mut self, from: &Path, to: &Path) -> Result<(u64, [u8; 32]), BackupError> {
        let mut out = create(to).map_err(failed("make", to))?;
        let copied =
            self.read(from, &mut |piece| out.write_all(piece).map_err(failed("write", to)))?;
        out.sync_all().map_err(failed("sync", to))?;
        // The next reader is to see what the disk holds; and nobody else's pages are to make room.
        let forgotten = rustix::fs::fadvise(&out, 0, None, Advice::DontNeed);
        forgotten.map_err(|error| failed("read anew", to)(error.into()))?;
        Ok(copied)
    }

    /// Reads a file to its end; its length and hash.
    fn read(
        &mut self,
        path: &Path,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(u64, [u8; 32]), BackupError> {
        let mut file = File::open(path).map_err(failed("open", path))?;
        let (mut len, mut hash) = (0_u64, Sha256::new());
        let mut piece = vec![0; PIECE_LEN];
        loop {
            let count = match file.read(&mut piece) {
                Ok(0) => return Ok((len, hash.finalize().into())),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed("read", path)(error)),
            };
            hash.update(&piece[..count]);
            take(&piece[..count])?;
            let count = u64::try_from(count).expect("a piece is short");
            len = len.saturating_add(count);
            self.done = self.done.saturating_add(count);
            (self.hear)(Progress { step: self.step, done: self.done, total: self.total });
        }
    }
}
