//! Follows a journal while it grows, and counts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What a journal has said so far.
#[derive(Clone, Debug)]
pub struct Watch {
    path: PathBuf,
    read: u64,
    torn: Vec<u8>,
    /// Posts that were called accepted.
    pub accepted: u64,
    /// Messages that were shown.
    pub shown: u64,
    /// The newest line says that nothing waits.
    pub is_idle: bool,
}

impl Watch {
    /// A journal that need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let (read, torn) = (0, Vec::new());
        Self { path: path.to_owned(), read, torn, accepted: 0, shown: 0, is_idle: false }
    }

    /// Reads on.
    ///
    /// # Panics
    /// When the file is there and cannot be read.
    pub fn look(&mut self) {
        let Ok(mut file) = File::open(&self.path) else { return };
        file.seek(SeekFrom::Start(self.read)).expect("a journal can be read");
        let mut bytes = std::mem::take(&mut self.torn);
        let kept = bytes.len();
        file.read_to_end(&mut bytes).expect("a journal can be read");
        self.read += u64::try_from(bytes.len() - kept).expect("short");
        let mut lines = bytes.split(|byte| *byte == b'\n');
        self.torn = lines.next_back().unwrap_or_default().to_vec();
        for line in lines {
            self.is_idle = line == b"idle";
            self.accepted += u64::from(line.starts_with(b"accepted"));
            self.shown += u64::from(line.starts_with(b"shown"));
        }
    }
}
