//! The address of a socket between processes of one machine. It has room for about 100 bytes; a
//! longer path is reached through its directory, which this process opens and `/proc` gives a short
//! name.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Longest path that every system takes as an address.
const PATH_LEN_MAX: usize = 100;

/// How a socket is addressed, for as long as this is there.
#[derive(Debug)]
pub struct LocalAddress {
    path: PathBuf,
    _directory: Option<File>,
}

impl LocalAddress {
    /// The address of the socket `path`.
    ///
    /// # Errors
    /// Its directory cannot be opened.
    pub fn of(path: &Path) -> io::Result<Self> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= PATH_LEN_MAX {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let directory = File::open(directory)?;
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _directory: Some(directory) })
    }

    /// A path that is short enough, in this process.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
