//! The data directory: where the store, its locks and the holder's socket are.
//!
//! ```text
//! DIR/                 0700 when it is made here
//!   id                 0600  32 hexadecimal digits; names the key file
//!   fastchat.db        0600  SQLite, beside it -wal and -shm
//!   blobs/             0700  ciphertext of attachments that are on their way
//!   files/                   attachments that were saved without naming a folder
//!   connection.lock    0600  held by the one process that owns the connection
//!   opening.lock       0600  held while the database is opened
//!   showing.lock       0600  held while unshown messages are printed and marked
//!   no-receipts        0600  there when no read receipts are sent
//!   fastchat.sock      0600  the holder's socket (the shell makes it)
//! KEYS/<id>.key        0600  the master key: 32 bytes; KEYS is outside DIR
//! ```
//! KEYS is `$XDG_STATE_HOME/fastchat/keys` (`~/.local/state/fastchat/keys`) unless told otherwise.
//! The locks are the operating system's and end with the process that holds them.

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use wire::Name;

use super::error::StoreError;
use super::key_file;

/// A data directory that exists.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    root: PathBuf,
    keys: PathBuf,
}

/// Held by the one process that owns the connection; ends when dropped, or with the process.
#[derive(Debug)]
pub struct ConnectionLock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Held while unshown messages are read, printed and marked, so that two processes do not show one
/// message twice.
#[derive(Debug)]
pub struct ShowLock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Held while the database is opened.
pub(super) struct OpeningLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl DataDirectory {
    /// Opens or makes the directory `root`, with its key in the user's state directory.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be made, or no home directory is known.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let keys = project()?.state_dir().map(|state| state.join("keys"));
        let keys = keys.map_or_else(|| project().map(|p| p.config_dir().join("keys")), Ok)?;
        Self::open_with_keys(root, &keys)
    }

    /// Opens or makes the directory `root`, with its key in the directory `keys`, which must not
    /// lie inside `root`.
    ///
    /// # Errors
    /// [`StoreError`] when one cannot be made.
    pub fn open_with_keys(root: &Path, keys: &Path) -> Result<Self, StoreError> {
        make_private(root)?;
        make_private(keys)?;
        let root = root.canonicalize().map_err(StoreError::file(root))?;
        let keys = keys.canonicalize().map_err(StoreError::file(keys))?;
        if keys.starts_with(&root) {
            return Err(StoreError::KeyInside { path: keys });
        }
        Ok(Self { root, keys })
    }

    /// Where `name`'s data is unless told otherwise: `$XDG_DATA_HOME/fastchat/NAME`.
    ///
    /// # Errors
    /// [`StoreError::NoHome`].
    pub fn default_for(name: &Name) -> Result<PathBuf, StoreError> {
        project().map(|project| project.data_dir().join(name.as_str()))
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the holder of the connection listens for other processes.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        self.root.join("fastchat.sock")
    }

    /// Where attachments are saved unless told otherwise.
    #[must_use]
    pub fn files_path(&self) -> PathBuf {
        self.root.join("files")
    }

    /// Takes the connection's lock, unless another process holds it.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn try_lock(&self) -> Result<Option<ConnectionLock>, StoreError> {
        let path = self.root.join("connection.lock");
        let file = key_file::open_private(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ConnectionLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(StoreError::File { path, source }),
        }
    }

    /// Takes the lock on showing; waits while another process prints.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn lock_showing(&self) -> Result<ShowLock, StoreError> {
        self.lock("showing.lock").map(ShowLock)
    }

    pub(super) fn lock_opening(&self) -> Result<OpeningLock, StoreError> {
        self.lock("opening.lock").map(OpeningLock)
    }

    pub(super) fn database_path(&self) -> PathBuf {
        self.root.join("fastchat.db")
    }

    pub(super) fn blobs_path(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(super) fn no_receipts_path(&self) -> PathBuf {
        self.root.join("no-receipts")
    }

    pub(super) fn id_path(&self) -> PathBuf {
        self.root.join("id")
    }

    pub(super) fn key_path(&self, id: &str) -> PathBuf {
        self.keys.join(format!("{id}.key"))
    }

    fn lock(&self, name: &str) -> Result<File, StoreError> {
        let path = self.root.join(name);
        let file = key_file::open_private(&path)?;
        file.lock().map_err(StoreError::file(&path))?;
        Ok(file)
    }
}

fn project() -> Result<ProjectDirs, StoreError> {
    ProjectDirs::from("", "", "fastchat").ok_or(StoreError::NoHome)
}

fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(StoreError::file(path))
}
