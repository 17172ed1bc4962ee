//! The watermark's file, beside the store's folder: what empties the folder does not empty it.
//!
//! Two slots, written in turn and in place: a write that the power cuts short damages the older of
//! the two, and a full disk does not stop it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::StorageError;
use crate::watermark::{Breach, WATERMARK_LEN, Watermark, decode, encode};

/// Slots lie in pages of their own: no disk writes both at once.
const SLOT_LEN: usize = 4096;
const FILE_LEN: usize = 2 * SLOT_LEN;

/// Where a store's watermark is.
#[derive(Clone, Debug)]
pub(super) struct WatermarkPath(PathBuf);

/// The open file.
#[derive(Debug)]
pub(super) struct WatermarkFile {
    file: File,
    written: Watermark,
    next_slot: u16,
}

impl WatermarkPath {
    /// `store.watermark` beside the folder `store`, which exists.
    pub(super) fn beside(store: &Path) -> Result<Self, StorageError> {
        beside(store, ".watermark").map(Self)
    }

    /// The newest watermark in the file; `None` when there is no file.
    pub(super) fn read(&self) -> Result<Option<Watermark>, ReadError> {
        match fs::read(&self.0) {
            Ok(bytes) => newest(&bytes).map(|(_, watermark)| Some(watermark)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadError::Failed(failed("read the watermark", &error))),
        }
    }

    /// Opens the file, which holds `Some` watermark.
    pub(super) fn open(&self) -> Result<WatermarkFile, StorageError> {
        let file = OpenOptions::new().write(true).open(&self.0);
        let file = file.map_err(|error| failed("open the watermark", &error))?;
        let bytes = fs::read(&self.0).map_err(|error| failed("read the watermark", &error))?;
        match newest(&bytes) {
            Ok((slot, written)) => Ok(WatermarkFile { file, written, next_slot: 1 - slot }),
            Err(ReadError::Breach(breach)) => Err(failed("read the watermark", &breach)),
            Err(ReadError::Failed(error)) => Err(error),
        }
    }

    /// Writes the file anew: whole or not at all, and known to its folder.
    pub(super) fn make(&self, watermark: Watermark) -> Result<WatermarkFile, StorageError> {
        let made = self.try_make(watermark);
        made.map_err(|error| failed("make the watermark", &error))?;
        self.open()
    }

    fn try_make(&self, watermark: Watermark) -> io::Result<()> {
        let mut bytes = vec![0; FILE_LEN];
        bytes[..WATERMARK_LEN].copy_from_slice(&encode(watermark));
        let new = named(&self.0, ".new");
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        super::open::sync_entry(&self.0)
    }
}

impl WatermarkFile {
    /// Makes `watermark` durable, unless it is what the file holds.
    pub(super) fn raise(&mut self, watermark: Watermark) -> Result<(), StorageError> {
        if watermark == self.written {
            return Ok(());
        }
        let slot = u64::from(self.next_slot) * u64::try_from(SLOT_LEN).expect("a page");
        let written = self.file.write_all_at(&encode(watermark), slot);
        let synced = written.and_then(|()| self.file.sync_data());
        synced.map_err(|error| failed("write the watermark", &error))?;
        (self.written, self.next_slot) = (watermark, 1 - self.next_slot);
        Ok(())
    }
}

/// Why a watermark cannot be told.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The file holds none.
    Breach(Breach),
    /// The disk fails, or a newer program wrote it.
    Failed(StorageError),
}

/// The newest of the slots, and which it is.
fn newest(bytes: &[u8]) -> Result<(u16, Watermark), ReadError> {
    let mut found: Option<(u16, Watermark)> = None;
    for (slot, at) in [(0, 0), (1, SLOT_LEN)] {
        let bytes = bytes.get(at..at + WATERMARK_LEN).unwrap_or_default();
        let Some(watermark) = decode(bytes).map_err(ReadError::Failed)? else {
            continue;
        };
        let place = |mark: Watermark| (mark.store_epoch, mark.sequence);
        if found.is_none_or(|(_, other)| place(other) < place(watermark)) {
            found = Some((slot, watermark));
        }
    }
    found.ok_or(ReadError::Breach(Breach::Damaged))
}

/// What stands beside the folder `store` under its name with `more` to it.
pub(super) fn beside(store: &Path, more: &str) -> Result<PathBuf, StorageError> {
    if store.file_name().is_some() {
        return Ok(named(store, more));
    }
    let whole = fs::canonicalize(store).map_err(|error| failed("find the store", &error))?;
    Ok(named(&whole, more))
}

/// The path with more to its name.
pub(super) fn named(path: &Path, more: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(more);
    path.with_file_name(name)
}

fn failed(doing: &'static str, error: &dyn std::fmt::Display) -> StorageError {
    let cause = error.to_string();
    StorageError::Engine { doing, cause }
}
