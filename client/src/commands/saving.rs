//! `recv --save` and `--base64`: attachments that came with messages, decrypted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::Attachment;
use crate::crypto::blob::{BlobError, Encrypted, decrypt};
use crate::failure::Failure;
use crate::media::save::Saving;
use crate::output::Fetched;
use crate::shell::store_failure;
use crate::store::{InboxId, InboxMessage, ReceivedContent, Store};

/// What is done with attachments before their messages are shown.
#[derive(Debug)]
pub struct Fetching {
    folder: Option<PathBuf>,
    is_base64: bool,
    /// Ciphertexts that did not open and are fetched once more.
    tried: BTreeSet<InboxId>,
    /// Those that cannot be had, and why.
    failed: BTreeMap<InboxId, String>,
}

impl Fetching {
    /// Saves into `folder` and keeps contents as base64, as far as asked.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, is_base64: bool) -> Self {
        Self { folder, is_base64, tried: BTreeSet::new(), failed: BTreeMap::new() }
    }

    /// What became of the attachment of `message` was told: the next time it is tried anew.
    pub fn forget(&mut self, message: InboxId) {
        self.tried.remove(&message);
        self.failed.remove(&message);
    }

    /// The attachment of `message` cannot be had.
    pub fn give_up(&mut self, message: InboxId, why: &Failure) {
        self.failed.insert(message, why.text.clone());
    }

    /// What becomes of the attachment of `message`; `None` when it has to be downloaded first.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn fetch(
        &mut self,
        message: &InboxMessage,
        store: &mut Store,
    ) -> Result<Option<Fetched>, Failure> {
        let is_wanted = self.folder.is_some() || self.is_base64;
        let attachment = match &message.content {
            ReceivedContent::Attachment { attachment, .. } if is_wanted => attachment,
            _ => return Ok(Some(Fetched::default())),
        };
        if let Some(error) = self.failed.get(&message.id) {
            return Ok(Some(Fetched { error: Some(error.clone()), ..Fetched::default() }));
        }
        let download = store.download(message.id).map_err(|e| store_failure(&e))?;
        if !download.is_some_and(|download| download.is_whole()) {
            return Ok(None);
        }
        let opened = self.open(attachment, store);
        match opened {
            Err(BlobError::Io(error)) => {
                return Err(Failure::usage(format!("the attachment cannot be saved: {error}")));
            }
            _ => store.drop_download(&attachment.blob),
        }
        if opened.is_ok() {
            store.mark_saved(message.id).map_err(|e| store_failure(&e))?;
        }
        Ok(opened.map_or_else(|error| self.on_altered(message.id, &error), Some))
    }

    /// Damage on this machine is mended by fetching it again; what comes twice is what there is.
    fn on_altered(&mut self, message: InboxId, error: &BlobError) -> Option<Fetched> {
        if self.tried.insert(message) {
            return None;
        }
        let error = error.to_string();
        self.failed.insert(message, error.clone());
        Some(Fetched { error: Some(error), ..Fetched::default() })
    }

    fn open(&self, attachment: &Attachment, store: &Store) -> Result<Fetched, BlobError> {
        let mut fetched = Fetched::default();
        if self.is_base64 {
            let mut content = Vec::new();
            open(attachment, store, &mut content)?;
            fetched.data = Some(STANDARD.encode(&content));
        }
        if let Some(folder) = &self.folder {
            fetched.path = Some(save(attachment, folder, store)?);
        }
        Ok(fetched)
    }
}

fn save(attachment: &Attachment, folder: &Path, store: &Store) -> Result<PathBuf, BlobError> {
    let id: String = attachment.blob.0[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let (saving, file) = Saving::begin(folder, &attachment.name, &id)?;
    match open(attachment, store, &file) {
        Ok(()) => Ok(saving.finish(&file)?),
        Err(error) => {
            saving.abandon();
            Err(error)
        }
    }
}

fn open(attachment: &Attachment, store: &Store, content: impl Write) -> Result<(), BlobError> {
    let ciphertext: File = store.open_download(&attachment.blob).map_err(io::Error::other)?;
    let expected = Encrypted { blob: attachment.blob, size: attachment.size };
    decrypt(&attachment.key, &expected, ciphertext, content)
}
