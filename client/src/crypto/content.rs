//! What a message says, by its kind.
//!
//! # Layouts (big-endian; version 1)
//! ```text
//! kind 1, text             UTF-8, at most 60,000 bytes
//!
//! kind 2, attachment:
//! uploader                 length u8, ASCII: whose blob it is
//! blob                 32  SHA-256 of the ciphertext
//! ciphertext length     8  u64
//! file key             32  see `super::blob`
//! size                  8  u64, bytes of the content; the ciphertext's length follows from it
//! name                     length u32, UTF-8, 1 to 255 bytes, as the sender says: sanitise it
//! media type               length u32, ASCII, at most 100 bytes, as the sender says
//! thumbnail                length u32, an image, at most 16 KiB; empty for none
//! caption                  length u32, UTF-8, at most 40,000 bytes
//!
//! kind 3, grant request: the reader's grant of this message session is missing or does not open
//! log                      kind u8 (1 mailbox, 2 group), length u8, ASCII
//! origin               16  the installation whose message session it is; of whoever is asked
//! message session       4  u32
//!
//! kind 4, invitation: the sender has invited the reader to a group. A hint: the group's home and
//! roster say whether it is so
//! group                    length u8, ASCII
//! ```
//! Other kinds are for later versions and are shown as unknown.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use rand::CryptoRng;
use wire::{BlobId, DecodeError, Field, LogId, MessageSession, Name, Origin, Reader};
use zeroize::Zeroizing;

use super::blob;
use super::plaintext::{PlaintextError, TEXT_LEN_MAX};

const KIND_TEXT: u8 = 1;
const KIND_ATTACHMENT: u8 = 2;
const KIND_GRANT_REQUEST: u8 = 3;
const KIND_INVITATION: u8 = 4;

/// Longest name of an attachment, in bytes of UTF-8: the longest that file systems take.
pub const FILE_NAME_LEN_MAX: usize = 255;
/// Longest media type: both parts of a registered one have at most 64 characters, few more than 40.
pub const MEDIA_TYPE_LEN_MAX: usize = 100;
/// Largest thumbnail: 320 pixels of JPEG, and the message still has room for a caption.
pub const THUMBNAIL_LEN_MAX: usize = 16 * 1024;
/// Longest caption, in bytes of UTF-8.
pub const CAPTION_LEN_MAX: usize = 40_000;

const ATTACHMENT_FIELDS_LEN_MAX: usize = 33 + 32 + 8 + 32 + 8 + 4 * 4;
const _: () = assert!(
    ATTACHMENT_FIELDS_LEN_MAX
        + FILE_NAME_LEN_MAX
        + MEDIA_TYPE_LEN_MAX
        + THUMBNAIL_LEN_MAX
        + CAPTION_LEN_MAX
        <= TEXT_LEN_MAX
);

/// What a message says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// A text.
    Text(String),
    /// A file or an image, which lies at its uploader's home.
    Attachment(Box<Attachment>),
    /// The sender of this message asks for its grant of a message session of the reader.
    GrantRequest(GrantRequest),
    /// The sender has invited the reader to this group.
    Invitation(Name),
    /// A kind this program does not know; a newer one may.
    Unknown {
        /// The kind.
        kind: u8,
        /// Its content.
        bytes: Bytes,
    },
}

/// A file and how to get it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// Whose blob it is.
    pub uploader: Name,
    /// Its name at the uploader's home.
    pub blob: BlobId,
    /// What opens it.
    pub key: FileKey,
    /// Bytes of the content.
    pub size: u64,
    /// The file's name, as the sender says: sanitise it before it touches a disk or terminal.
    pub name: String,
    /// Its media type, as the sender says.
    pub media_type: String,
    /// A small image to show before it is there; empty for none. As the sender says.
    pub thumbnail: Bytes,
    /// What the sender says about it; empty for nothing.
    pub caption: String,
}

/// Asks for a grant again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GrantRequest {
    /// In which log.
    pub log: LogId,
    /// From which installation of the account that is asked.
    pub origin: Origin,
    /// Which message session.
    pub message_session: MessageSession,
}

/// What opens one attachment: 256 random bits, used for nothing else. Zeroized when it is dropped.
#[derive(Clone, Eq, PartialEq)]
pub struct FileKey(Zeroizing<[u8; 32]>);

impl FileKey {
    /// A fresh key.
    #[must_use]
    pub fn random<R: CryptoRng>(rng: &mut R) -> Self {
        let mut key = Self(Zeroizing::new([0; 32]));
        rng.fill_bytes(key.0.as_mut_slice());
        key
    }

    /// What a store or a message had sealed.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For a store or a message that seals it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(secret)")
    }
}

impl Attachment {
    /// Bytes of the ciphertext.
    #[must_use]
    pub fn ciphertext_len(&self) -> u64 {
        blob::ciphertext_len(self.size)
    }

    /// The layout above: a message's content, and what a store seals.
    ///
    /// # Errors
    /// [`PlaintextError::Attachment`] when a field is longer than its limit.
    pub fn encode(&self) -> Result<BytesMut, PlaintextError> {
        self.check()?;
        let mut out = BytesMut::with_capacity(TEXT_LEN_MAX);
        self.uploader.put(&mut out);
        self.blob.put(&mut out);
        self.ciphertext_len().put(&mut out);
        out.put_slice(self.key.as_bytes());
        self.size.put(&mut out);
        put_bytes(self.name.as_bytes(), &mut out);
        put_bytes(self.media_type.as_bytes(), &mut out);
        put_bytes(&self.thumbnail, &mut out);
        put_bytes(self.caption.as_bytes(), &mut out);
        Ok(out)
    }

    /// Reads what [`Self::encode`] made.
    ///
    /// # Errors
    /// [`DecodeError`] names the field that does not fit.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let uploader = Name::get(&mut reader, "uploader")?;
        let blob = BlobId::get(&mut reader, "blob")?;
        let len = reader.u64("ciphertext length")?;
        let attachment = Self {
            uploader,
            blob,
            key: FileKey::new(reader.array("file key")?),
            size: reader.u64("size")?,
            name: get_text(&mut reader, FILE_NAME_LEN_MAX, "name")?,
            media_type: get_text(&mut reader, MEDIA_TYPE_LEN_MAX, "media type")?,
            thumbnail: reader.bytes(THUMBNAIL_LEN_MAX, "thumbnail")?,
            caption: get_text(&mut reader, CAPTION_LEN_MAX, "caption")?,
        };
        reader.finish()?;
        if attachment.size > blob::SIZE_MAX || attachment.ciphertext_len() != len {
            return Err(DecodeError::Value("size"));
        }
        attachment.check().map_err(|_| DecodeError::Value("attachment"))?;
        Ok(attachment)
    }

    fn check(&self) -> Result<(), PlaintextError> {
        let name_fits = (1..=FILE_NAME_LEN_MAX).contains(&self.name.len());
        let is_type = |byte: u8| byte.is_ascii_graphic();
        let type_fits =
            self.media_type.len() <= MEDIA_TYPE_LEN_MAX && self.media_type.bytes().all(is_type);
        let fits = name_fits
            && type_fits
            && self.size <= blob::SIZE_MAX
            && self.thumbnail.len() <= THUMBNAIL_LEN_MAX
            && self.caption.len() <= CAPTION_LEN_MAX;
        if fits { Ok(()) } else { Err(PlaintextError::Attachment) }
    }
}

impl Content {
    /// The kind's number and the content's bytes.
    pub(crate) fn encode(&self) -> Result<(u8, BytesMut), PlaintextError> {
        Ok(match self {
            Self::Text(text) => (KIND_TEXT, BytesMut::from(text.as_str())),
            Self::Attachment(attachment) => (KIND_ATTACHMENT, attachment.encode()?),
            Self::GrantRequest(request) => (KIND_GRANT_REQUEST, put_request(request)),
            Self::Invitation(group) => (KIND_INVITATION, put_group(group)),
            Self::Unknown { kind, bytes } => (*kind, BytesMut::from(&bytes[..])),
        })
    }

    /// Reads what [`Self::encode`] made.
    pub(crate) fn decode(kind: u8, bytes: Bytes) -> Result<Self, DecodeError> {
        match kind {
            KIND_TEXT => {
                let text = std::str::from_utf8(&bytes);
                Ok(Self::Text(text.map_err(|_| DecodeError::Value("content"))?.to_owned()))
            }
            KIND_ATTACHMENT => Ok(Self::Attachment(Box::new(Attachment::decode(bytes)?))),
            KIND_GRANT_REQUEST => get_request(bytes).map(Self::GrantRequest),
            KIND_INVITATION => get_group(bytes).map(Self::Invitation),
            _ => Ok(Self::Unknown { kind, bytes }),
        }
    }
}

fn put_request(request: &GrantRequest) -> BytesMut {
    let mut out = BytesMut::new();
    request.log.put(&mut out);
    request.origin.put(&mut out);
    request.message_session.put(&mut out);
    out
}

fn get_request(bytes: Bytes) -> Result<GrantRequest, DecodeError> {
    let mut reader = Reader::new(bytes);
    let request = GrantRequest {
        log: LogId::get(&mut reader, "log")?,
        origin: Origin::get(&mut reader, "origin")?,
        message_session: MessageSession::get(&mut reader, "message session")?,
    };
    reader.finish()?;
    Ok(request)
}

fn put_group(group: &Name) -> BytesMut {
    let mut out = BytesMut::new();
    group.put(&mut out);
    out
}

fn get_group(bytes: Bytes) -> Result<Name, DecodeError> {
    let mut reader = Reader::new(bytes);
    let group = Name::get(&mut reader, "group")?;
    reader.finish()?;
    Ok(group)
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(bytes.len()).expect("check keeps within the limits"));
    out.put_slice(bytes);
}

fn get_text(reader: &mut Reader, max: usize, field: &'static str) -> Result<String, DecodeError> {
    let bytes = reader.bytes(max, field)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| DecodeError::Value(field))?;
    Ok(text.to_owned())
}
