//! What is attached to a message: checked, stripped, encrypted into a file of the store.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};
use wire::Name;

use crate::crypto::blob::{self, BlobError, Encrypted, SIZE_MAX};
use crate::crypto::{Attachment, FileKey};
use crate::failure::Failure;
use crate::media::image::{Prepared, prepare};
use crate::media::kind::{HEAD_LEN, media_type};
use crate::media::name::sanitise;
use crate::shell::store_failure;
use crate::store::Store;

/// Where an attachment comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A file that must be an image; its metadata goes.
    Image(PathBuf),
    /// Any file, sent as it is.
    File(PathBuf),
    /// Bytes of a script; the metadata of an image goes.
    Bytes {
        /// What the file is called.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
}

/// Encrypts what `source` has for a message of `me`; the attachment and the ciphertext's file.
///
/// # Errors
/// It cannot be read, is too large, or no image where one is demanded.
pub fn attach(
    source: Source,
    caption: &str,
    me: Name,
    store: &Store,
) -> Result<(Attachment, PathBuf), Failure> {
    let caption = caption.to_owned();
    match source {
        Source::Image(path) => {
            let bytes = read_whole(&path)?;
            image(&file_name(&path), &bytes, caption, me, store)
        }
        Source::Bytes { name, bytes } if is_image(&bytes) => {
            image(&name, &bytes, caption, me, store)
        }
        Source::Bytes { name, bytes } => file(&name, Cursor::new(bytes), caption, me, store),
        Source::File(path) => {
            let content = File::open(&path).map_err(|error| unreadable(&path, &error))?;
            let is_file = content.metadata().is_ok_and(|meta| meta.is_file());
            if !is_file {
                return Err(Failure::usage(format!("{} is no file", path.display())));
            }
            file(&file_name(&path), content, caption, me, store)
        }
    }
}

fn image(
    name: &str,
    bytes: &[u8],
    caption: String,
    me: Name,
    store: &Store,
) -> Result<(Attachment, PathBuf), Failure> {
    let prepared = prepare(bytes).map_err(|error| Failure::usage(error.to_string()))?;
    let Prepared { bytes, media_type, thumbnail } = prepared;
    let (key, encrypted, path) = encrypt(Cursor::new(bytes), store)?;
    let Encrypted { blob, size } = encrypted;
    let (name, media_type) = (sanitise(name), media_type.to_owned());
    let thumbnail = Bytes::from(thumbnail);
    Ok((Attachment { uploader: me, blob, key, size, name, media_type, thumbnail, caption }, path))
}

fn file(
    name: &str,
    mut content: impl Read,
    caption: String,
    me: Name,
    store: &Store,
) -> Result<(Attachment, PathBuf), Failure> {
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD_LEN).expect("a small constant");
    let read = content.by_ref().take(limit).read_to_end(&mut head);
    read.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let media_type = media_type(&head).to_owned();
    let (key, encrypted, path) = encrypt(Cursor::new(head).chain(content), store)?;
    let Encrypted { blob, size } = encrypted;
    let (name, thumbnail) = (sanitise(name), Bytes::new());
    Ok((Attachment { uploader: me, blob, key, size, name, media_type, thumbnail, caption }, path))
}

fn encrypt(content: impl Read, store: &Store) -> Result<(FileKey, Encrypted, PathBuf), Failure> {
    let mut rng = StdRng::try_from_rng(&mut SysRng)
        .map_err(|error| Failure::unexpected(format!("no randomness: {error}")))?;
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let (file, path) = store.new_upload(id).map_err(|e| store_failure(&e))?;
    let key = FileKey::random(&mut rng);
    let encrypted = blob::encrypt(&key, content, &file, &mut rng)
        .and_then(|encrypted| file.sync_all().map(|()| encrypted).map_err(BlobError::Io));
    match encrypted {
        Ok(encrypted) => Ok((key, encrypted, path)),
        Err(error) => {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, "a file that is not needed stays");
            }
            Err(Failure::usage(error.to_string()))
        }
    }
}

/// An image is decoded as a whole anyway.
fn read_whole(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::new();
    let read = file.take(SIZE_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, &error))?;
    Ok(bytes)
}

/// Whether the file at `path` begins as an image does.
#[must_use]
pub fn is_image_file(path: &Path) -> bool {
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD_LEN).expect("a small constant");
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut head));
    read.is_ok() && is_image(&head)
}

fn is_image(bytes: &[u8]) -> bool {
    media_type(bytes.get(..HEAD_LEN).unwrap_or(bytes)).starts_with("image/")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()))
}
