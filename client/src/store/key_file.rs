//! Small private files that must be whole or absent: the id of a data directory and its master key.
//!
//! A file is written under a temporary name, synced, linked to its own name and only then visible;
//! of several processes the first wins and the others read what it wrote.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::directory::DataDirectory;
use super::error::StoreError;
use crate::crypto::MasterKey;

const ID_LEN: usize = 32;

/// The master key of `directory`: makes it together with the directory's id the first time.
/// `is_new` says that nothing was sealed yet; otherwise a missing key is an error, never replaced.
///
/// # Errors
/// [`StoreError::KeyMissing`], [`StoreError::KeyDamaged`] or [`StoreError::File`].
pub(super) fn master_key<R: CryptoRng>(
    directory: &DataDirectory,
    is_new: bool,
    rng: &mut R,
) -> Result<MasterKey, StoreError> {
    let id = directory_id(directory, is_new, rng)?;
    let path = directory.key_path(&id);
    if is_new {
        let key = MasterKey::generate(rng);
        create_whole(&path, key.as_bytes(), rng)?;
    }
    read_key(&path)
}

/// Opens a file that only its owner may read, making it when it is absent.
///
/// # Errors
/// [`StoreError::File`].
pub(super) fn open_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(StoreError::file(path))
}

fn directory_id<R: CryptoRng>(
    directory: &DataDirectory,
    is_new: bool,
    rng: &mut R,
) -> Result<String, StoreError> {
    let path = directory.id_path();
    if is_new {
        let mut bytes = [0; ID_LEN / 2];
        rng.fill_bytes(&mut bytes);
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        create_whole(&path, id.as_bytes(), rng)?;
    }
    let id = std::fs::read_to_string(&path).map_err(StoreError::file(&path))?;
    let is_hex = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if id.len() != ID_LEN || !is_hex {
        return Err(StoreError::KeyDamaged { path });
    }
    Ok(id)
}

fn read_key(path: &Path) -> Result<MasterKey, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(StoreError::KeyMissing { path: path.to_owned() });
        }
        Err(source) => {
            return Err(StoreError::File { path: path.to_owned(), source });
        }
    };
    let key = bytes.first_chunk().filter(|_| bytes.len() == MasterKey::LEN);
    let key = key.ok_or_else(|| StoreError::KeyDamaged { path: path.to_owned() })?;
    Ok(MasterKey::from_bytes(Zeroizing::new(*key)))
}

/// Makes `path` with these bytes, durably, unless it exists already.
fn create_whole<R: CryptoRng>(path: &Path, bytes: &[u8], rng: &mut R) -> Result<(), StoreError> {
    let temporary = temporary_path(path, rng);
    write_synced(&temporary, bytes)?;
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary).map_err(StoreError::file(&temporary))?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::file(path)(error))
        }
        Ok(()) | Err(_) => sync_parent(path),
    }
}

fn temporary_path<R: CryptoRng>(path: &Path, rng: &mut R) -> PathBuf {
    path.with_extension(format!("{:016x}.new", rng.next_u64()))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(StoreError::file(path))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(StoreError::file(path))
}

/// A new or removed name stays so.
///
/// # Errors
/// [`StoreError::File`].
pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().ok_or(StoreError::NoHome)?;
    let directory = File::open(parent).map_err(StoreError::file(parent))?;
    directory.sync_all().map_err(StoreError::file(parent))
}
