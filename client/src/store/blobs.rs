//! Attachments on their way: encrypted files beside the database, and the drafts that wait for
//! their upload.
//!
//! `blobs/ID.up` waits to be uploaded, `blobs/ID.down` is being downloaded, ID being the blob's in
//! hex. Both are ciphertext; what opens them is sealed in the database. Neither is synced: a file
//! that a crash of the machine has damaged does not have its hash any more and is made anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row};
use wire::limits::CHUNK_LEN_MAX;
use wire::{BlobId, FaultCode, LogId, Name, Wall};

use super::cached::Cached;
use super::error::StoreError;
use super::outbox::{OutboxId, insert_draft};
use super::{InboxId, ReceivedContent, Sealer, Store};
use crate::crypto::{Attachment, Content};

pub use wire::message::ChunkBytes;

const ATTACHMENT: &str = "uploads.attachment";
/// Files that nothing in the database names are removed when they are older than this.
const ORPHAN_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// An upload that is not whole yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Upload {
    /// The draft that waits for it.
    pub id: OutboxId,
    /// Its name.
    pub blob: BlobId,
    /// Bytes of the ciphertext.
    pub len: u64,
}

/// The attachment of a received message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Download {
    /// Whose home has it.
    pub uploader: Name,
    /// Its name.
    pub blob: BlobId,
    /// Bytes of the ciphertext.
    pub len: u64,
    /// Chunks that are here.
    pub have: u32,
}

impl Download {
    /// Nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        u64::from(self.have) * chunk_len() >= self.len
    }
}

impl Store {
    /// A new file for the ciphertext of an attachment, and its path. [`Self::add_attachment`] takes
    /// it over.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn new_upload(&self, random: [u8; 16]) -> Result<(File, PathBuf), StoreError> {
        let path = self.blobs.join(format!("{}.new", hex(&random)));
        let file = self
            .make_folder()
            .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path));
        Ok((file.map_err(StoreError::file(&path))?, path))
    }

    /// Adds a draft with an attachment, whose ciphertext is in the file `path`. It is sealed and
    /// sent once the file was uploaded, even if this process ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_attachment(
        &mut self,
        log: &LogId,
        attachment: &Attachment,
        path: &std::path::Path,
        created: Wall,
    ) -> Result<OutboxId, StoreError> {
        let place = self.upload_path(&attachment.blob);
        fs::rename(path, &place).map_err(StoreError::file(&place))?;
        let encoded = attachment.encode();
        let encoded = encoded.map_err(|_| StoreError::Changed("the attachment is too large"))?;
        self.write(|transaction, sealer| {
            let caption = Content::Text(attachment.caption.clone());
            let id = insert_draft(transaction, sealer, log, &caption, created)?;
            let sealed = sealer.seal(ATTACHMENT, &id.0.to_be_bytes(), &encoded);
            let sql = "INSERT INTO uploads (id, attachment, is_whole) VALUES (?1, ?2, 0)";
            transaction.run(sql, (id.0, sealed))?;
            Ok(id)
        })
    }

    /// The uploads that drafts wait for, oldest first. Removes files that nobody waits for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn uploads(&self) -> Result<Vec<Upload>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT uploads.id AS id, attachment FROM uploads JOIN outbox USING (id)
             WHERE is_whole = 0 AND state = 0 ORDER BY id",
        )?;
        let rows = statement.query_and_then((), |row| {
            let attachment = read_attachment(row, &self.sealer)?;
            let (blob, len) = (attachment.blob, attachment.ciphertext_len());
            Ok(Upload { id: OutboxId(row.get("id")?), blob, len })
        })?;
        let uploads = rows.collect::<Result<Vec<_>, StoreError>>()?;
        self.remove_orphans(&uploads);
        Ok(uploads)
    }

    /// A chunk of an upload; `None` when its file is not there or shorter.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn read_upload(&self, blob: &BlobId, index: u32) -> Result<Option<ChunkBytes>, StoreError> {
        let path = self.upload_path(blob);
        let mut chunk = Vec::with_capacity(CHUNK_LEN_MAX);
        let read = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(offset(index)))?;
            file.take(chunk_len()).read_to_end(&mut chunk)
        });
        match read {
            Ok(0) => Ok(None),
            Ok(_) => Ok(ChunkBytes::new(Bytes::from(chunk)).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file(&path)(error)),
        }
    }

    /// The upload is whole at the home: its draft may be sealed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish_upload(&mut self, id: OutboxId, blob: &BlobId) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            transaction.run("UPDATE uploads SET is_whole = 1 WHERE id = ?1", (id.0,))?;
            Ok(())
        })?;
        remove(&self.upload_path(blob));
        Ok(())
    }

    /// The home does not take the upload: its draft is rejected, unless the user gave it up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reject_upload(
        &mut self,
        id: OutboxId,
        blob: &BlobId,
        code: FaultCode,
    ) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            let sql = "UPDATE outbox SET state = 3, code = ?2 WHERE id = ?1 AND state = 0";
            transaction.run(sql, (id.0, code.0))?;
            Ok(())
        })?;
        remove(&self.upload_path(blob));
        Ok(())
    }

    /// The attachment of a received message, if it has one, and how much of it is here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn download(&self, id: InboxId) -> Result<Option<Download>, StoreError> {
        let content = self.message(id)?.map(|message| message.content);
        let Some(ReceivedContent::Attachment { attachment, .. }) = content else {
            return Ok(None);
        };
        let len = attachment.ciphertext_len();
        let here = fs::metadata(self.download_path(&attachment.blob)).map_or(0, |file| file.len());
        let have = if here >= len { len.div_ceil(chunk_len()) } else { here / chunk_len() };
        let have = u32::try_from(have).unwrap_or(0);
        let Attachment { uploader, blob, .. } = *attachment;
        Ok(Some(Download { uploader, blob, len, have }))
    }

    /// Keeps a chunk of a download.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn write_download(
        &self,
        blob: &BlobId,
        index: u32,
        chunk: &ChunkBytes,
    ) -> Result<(), StoreError> {
        let path = self.download_path(blob);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let written = self.make_folder().and_then(|()| {
            let mut file = options.open(&path)?;
            file.seek(SeekFrom::Start(offset(index)))?;
            file.write_all(chunk.bytes())
        });
        written.map_err(StoreError::file(&path))
    }

    /// The ciphertext of a download.
    ///
    /// # Errors
    /// [`StoreError::File`] when nothing of it is here.
    pub fn open_download(&self, blob: &BlobId) -> Result<File, StoreError> {
        let path = self.download_path(blob);
        File::open(&path).map_err(StoreError::file(&path))
    }

    /// Forgets what was downloaded: it was saved, or it is not what it should be.
    pub fn drop_download(&self, blob: &BlobId) {
        remove(&self.download_path(blob));
    }

    fn make_folder(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&self.blobs)
    }

    fn upload_path(&self, blob: &BlobId) -> PathBuf {
        self.blobs.join(format!("{}.up", hex(&blob.0)))
    }

    fn download_path(&self, blob: &BlobId) -> PathBuf {
        self.blobs.join(format!("{}.down", hex(&blob.0)))
    }

    fn remove_orphans(&self, uploads: &[Upload]) {
        let Ok(entries) = fs::read_dir(&self.blobs) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_needed = uploads.iter().any(|upload| path == self.upload_path(&upload.blob));
            let age = fs::metadata(&path).and_then(|file| file.modified()).map(|at| at.elapsed());
            if !is_needed && matches!(age, Ok(Ok(age)) if age > ORPHAN_AGE) {
                remove(&path);
            }
        }
    }
}

/// The attachment of a draft, if it has one.
pub(super) fn attachment_of(
    connection: &rusqlite::Connection,
    sealer: &Sealer,
    id: OutboxId,
) -> Result<Option<Attachment>, StoreError> {
    let sql = "SELECT id, attachment FROM uploads WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok(read_attachment(row, sealer));
    statement.query_row((id.0,), read).optional()?.transpose()
}

fn read_attachment(row: &Row<'_>, sealer: &Sealer) -> Result<Attachment, StoreError> {
    let id: i64 = row.get("id")?;
    let sealed: Vec<u8> = row.get("attachment")?;
    let opened = sealer.open(ATTACHMENT, &id.to_be_bytes(), &sealed)?;
    let attachment = Attachment::decode(Bytes::copy_from_slice(&opened));
    attachment.map_err(|_| StoreError::Damaged("attachment"))
}

fn remove(path: &std::path::Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot be removed");
        }
        _ => {}
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn offset(index: u32) -> u64 {
    u64::from(index) * chunk_len()
}

fn chunk_len() -> u64 {
    u64::try_from(CHUNK_LEN_MAX).expect("a small constant")
}
