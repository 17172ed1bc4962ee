//! The folder that holds a server's store, which gets another name when the server serves.
//!
//! `strace` counts the calls of each thread from 1, and tells files apart by the names of their
//! folders. So a call on an open file has one name while the store is opened, and another one
//! afterwards: the first commit is not hidden behind what was written before it.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The folder and its two names. The old one leads to it all the time.
#[derive(Clone, Debug)]
pub struct Folder {
    opening: PathBuf,
    serving: PathBuf,
}

impl Folder {
    /// The folder `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let mut serving = path.as_os_str().to_owned();
        serving.push("-serving");
        Self { opening: path.to_owned(), serving: serving.into() }
    }

    /// Its name before the server serves, or since.
    #[must_use]
    pub fn name(&self, is_serving: bool) -> &Path {
        if is_serving { &self.serving } else { &self.opening }
    }

    /// Makes what is needed for [`Folder::rename`].
    ///
    /// # Errors
    /// The file system's own.
    pub fn prepare(&self) -> io::Result<()> {
        symlink(&self.serving, &self.serving)
    }

    /// Gives the folder its other name, and its old one to a link that leads there: at once, so
    /// that no call misses it.
    ///
    /// # Errors
    /// The file system's own.
    pub fn rename(&self) -> io::Result<()> {
        renameat_with(CWD, &self.opening, CWD, &self.serving, RenameFlags::EXCHANGE)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Folder;

    #[test]
    fn both_names_lead_there_afterwards() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("server");
        fs::create_dir(&path).expect("it can be made");
        fs::write(path.join("file"), "kept").expect("it can be written");
        let folder = Folder::new(&path);
        folder.prepare().expect("a link can be made");
        assert!(fs::read(folder.name(true).join("file")).is_err(), "not yet");
        folder.rename().expect("it can be renamed");
        for is_serving in [false, true] {
            let kept = fs::read_to_string(folder.name(is_serving).join("file"));
            assert_eq!(kept.expect("it is there"), "kept");
        }
        let real = folder.name(false).canonicalize().expect("it is there");
        assert_eq!(real, folder.name(true).canonicalize().expect("it is there"));
        assert!(real.ends_with("server-serving"), "{}", real.display());
    }
}
