//! Keeping a file: never over another one, never half of it under its name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::name::{numbered, sanitise};

/// Files of one name in one folder.
const NUMBER_MAX: u32 = 9_999;

/// A name that is taken in a folder, and a file that gets it when it is whole.
#[derive(Debug)]
pub struct Saving {
    place: PathBuf,
    partial: PathBuf,
}

impl Saving {
    /// Takes a name for a file that others call `name`: itself if it is safe and free, else one
    /// close to it. The folder is made when it is not there. `id` tells partial files apart.
    ///
    /// # Errors
    /// The folder cannot be written, or has ten thousand files of that name.
    pub fn begin(folder: &Path, name: &str, id: &str) -> io::Result<(Self, File)> {
        fs::create_dir_all(folder)?;
        let partial = folder.join(format!(".{}.part", sanitise(id)));
        let saving = Self { place: take(folder, &sanitise(name))?, partial };
        match private().truncate(true).create(true).open(&saving.partial) {
            Ok(file) => Ok((saving, file)),
            Err(error) => {
                saving.abandon();
                Err(error)
            }
        }
    }

    /// The whole file gets its name, once it is on the disk.
    ///
    /// # Errors
    /// The disk is full or fails; nothing is left behind then.
    pub fn finish(self, file: &File) -> io::Result<PathBuf> {
        let finished = file.sync_all().and_then(|()| fs::rename(&self.partial, &self.place));
        match finished {
            Ok(()) => Ok(self.place),
            Err(error) => {
                self.abandon();
                Err(error)
            }
        }
    }

    /// Nothing is kept.
    pub fn abandon(self) {
        for path in [&self.partial, &self.place] {
            if let Err(error) = fs::remove_file(path) {
                tracing::debug!(%error, path = %path.display(), "cannot be removed");
            }
        }
    }
}

/// Creates an empty file under `name`, or the first numbered name that is free.
fn take(folder: &Path, name: &str) -> io::Result<PathBuf> {
    for number in 1..=NUMBER_MAX {
        let place = folder.join(if number == 1 { name.to_owned() } else { numbered(name, number) });
        match private().create_new(true).open(&place) {
            Ok(_) => return Ok(place),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name"))
}

/// Files that only the user reads.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
