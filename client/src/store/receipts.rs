//! Read receipts: what may be said of what the user was shown.

use std::fs;
use std::io::ErrorKind;

use wire::{LogId, Seq};

use super::directory::DataDirectory;
use super::error::StoreError;
use super::{Store, key_file, value};

impl Store {
    /// Up to where everything of `log` was shown, if messages were marked since the last call and
    /// `directory` says that others may hear of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newly_shown(
        &mut self,
        log: &LogId,
        directory: &DataDirectory,
    ) -> Result<Option<Seq>, StoreError> {
        if !std::mem::take(&mut self.is_newly_shown) || !directory.receipts_are_on()? {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT seq FROM inbox INDEXED BY inbox_seq
             WHERE log = ?1 AND shown = 1 AND seq < coalesce(
                 (SELECT min(seq) FROM inbox INDEXED BY inbox_shown WHERE shown = 0 AND log = ?1),
                 ?2)
             ORDER BY seq DESC LIMIT 1",
        )?;
        let mut rows = statement.query((value::log_value(log), i64::MAX))?;
        rows.next()?.map(|row| value::seq(row, "seq")).transpose()
    }
}

impl DataDirectory {
    /// Whether those who write to the account may hear when its user was shown that.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn receipts_are_on(&self) -> Result<bool, StoreError> {
        let path = self.no_receipts_path();
        path.try_exists().map(|is_off| !is_off).map_err(StoreError::file(&path))
    }

    /// Lets them hear of it, or not; for every process from now on.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn set_receipts(&self, is_on: bool) -> Result<(), StoreError> {
        let path = self.no_receipts_path();
        if is_on {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::file(&path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        } else {
            key_file::open_private(&path)?;
        }
        key_file::sync_parent(&path)
    }
}
