//! The mark beside a store whose process was told by others that it is superseded. Each opening
//! raises the store's epoch: without the mark, a copy that is started again and again would
//! overtake the true store.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Where a store's mark is, whether or not it is set: `STORE.superseded`.
#[derive(Clone, Debug)]
pub struct Mark(PathBuf);

impl Mark {
    /// Of the store in this folder.
    #[must_use]
    pub fn beside(store: &Path) -> Self {
        Self(beside(store, ".superseded"))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is set.
    ///
    /// # Errors
    /// Nobody can tell.
    pub fn is_set(&self) -> io::Result<bool> {
        self.0.try_exists()
    }

    /// Sets it, durably; `why` is for whoever finds it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set(&self, why: &str) -> io::Result<()> {
        let mut file = File::create(&self.0)?;
        writeln!(file, "{why}")?;
        file.sync_all()?;
        sync_entry(&self.0)
    }

    /// Takes it away, if it is set: an operator has decided for this store.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn lift(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// The file beside a store whose name has `more` to the store's.
pub(crate) fn beside(store: &Path, more: &str) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(more);
    store.with_file_name(name)
}

/// Makes durable that a file is there under this name.
pub(crate) fn sync_entry(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn a_mark_stands_beside_its_store_until_it_is_lifted() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mark = Mark::beside(&folder.path().join("store"));
        assert!(!mark.is_set().expect("can be told"));
        mark.lift().expect("nothing is there");
        mark.set("by server-2").expect("it can be written");
        mark.set("by router 0").expect("it can be written again");
        assert_eq!(mark.path(), folder.path().join("store.superseded"));
        let why = std::fs::read_to_string(mark.path()).expect("it is there");
        assert_eq!((mark.is_set().expect("can be told"), why.as_str()), (true, "by router 0\n"));
        mark.lift().expect("it can be removed");
        assert!(!mark.is_set().expect("can be told"));
    }
}
