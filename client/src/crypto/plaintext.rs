//! What is sealed: the message, and once more who sent it where.
//!
//! # Layout (big-endian; version 1)
//! ```text
//! format      1  1
//! kind        1  1 text, 2 attachment, 3 grant request, 4 invitation; others are shown as unknown
//! sender         length u8, ASCII
//! log            kind u8 (1 mailbox, 2 group), length u8, ASCII
//! origin     16  the sender's installation
//! number      8  u64
//! previous   32  SHA-256(u8 length ‖ "FastChat message hash 1" ‖ the sender's body before this one
//!                to that log from that origin, whole); zeros before the first
//! sent        8  u64, milliseconds since 1970 by the sender's clock
//! content        length u32, at most 60,000 bytes, as its kind says (see `super::content`)
//! padding        zeros up to the smallest bucket that holds everything
//! ```
//! Buckets: 256, 512, 1,024, 2,048, 4,096, 8,192, 16,384, 32,768 and 61,440 bytes. An observer
//! learns the bucket and nothing finer. Other padding than this is refused.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;
use wire::{DecodeError, Field, LogId, Name, Number, Origin, Reader, Wall};
use zeroize::Zeroize;

pub use super::content::Content;

const FORMAT: u8 = 1;
/// Everything but the content, with the longest names.
const FIELDS_LEN_MAX: usize = 1 + 1 + 33 + 34 + 16 + 8 + 32 + 8 + 4;

/// Sizes of a padded plaintext, rising.
pub const BUCKETS: [usize; 9] = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 61_440];
/// Largest padded plaintext.
pub const PLAINTEXT_LEN_MAX: usize = BUCKETS[BUCKETS.len() - 1];
/// Largest text, in bytes of UTF-8.
pub const TEXT_LEN_MAX: usize = 60_000;

const _: () = assert!(FIELDS_LEN_MAX + TEXT_LEN_MAX <= PLAINTEXT_LEN_MAX);
const _: () = assert!(FIELDS_LEN_MAX < BUCKETS[0]);

/// Why a plaintext cannot be made or read.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum PlaintextError {
    /// The text is longer than [`TEXT_LEN_MAX`].
    #[error("the text has {len} bytes; {TEXT_LEN_MAX} are allowed: send it in parts")]
    TooLong {
        /// Bytes of the text.
        len: usize,
    },
    /// A field of the attachment is longer than its limit, or its name is empty.
    #[error("the attachment's name, type, thumbnail or caption is too long")]
    Attachment,
    /// The fields cannot be read.
    #[error("the message cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// The format is newer than this program.
    #[error("the message has format {0}; a newer program may read it")]
    Format(u8),
    /// Not padded as the format demands.
    #[error("the message's padding is wrong")]
    Padding,
}

/// A message before it is sealed, or after it was opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plaintext {
    /// Who says it.
    pub sender: Name,
    /// To which log.
    pub log: LogId,
    /// From which installation.
    pub origin: Origin,
    /// The post's number.
    pub number: Number,
    /// Hash of the sender's previous body to this log from this origin; zeros before the first.
    pub previous: [u8; 32],
    /// When, by the sender's clock.
    pub sent: Wall,
    /// What it says.
    pub content: Content,
}

/// Checks a text before it becomes a draft.
///
/// # Errors
/// [`PlaintextError::TooLong`].
pub fn check_text(text: &str) -> Result<(), PlaintextError> {
    match text.len() {
        0..=TEXT_LEN_MAX => Ok(()),
        len => Err(PlaintextError::TooLong { len }),
    }
}

impl Plaintext {
    /// The padded bytes.
    ///
    /// # Errors
    /// [`PlaintextError::TooLong`] and [`PlaintextError::Attachment`].
    pub fn encode(&self) -> Result<BytesMut, PlaintextError> {
        let (kind, mut content) = self.content.encode()?;
        let len = content.len();
        if len > TEXT_LEN_MAX {
            return Err(PlaintextError::TooLong { len });
        }
        let mut out = BytesMut::with_capacity(bucket(FIELDS_LEN_MAX + len));
        FORMAT.put(&mut out);
        kind.put(&mut out);
        self.sender.put(&mut out);
        self.log.put(&mut out);
        self.origin.put(&mut out);
        self.number.put(&mut out);
        self.previous.put(&mut out);
        self.sent.put(&mut out);
        out.put_u32(u32::try_from(len).expect("TEXT_LEN_MAX fits"));
        out.put_slice(&content);
        content.as_mut().zeroize();
        out.resize(bucket(out.len()), 0);
        Ok(out)
    }

    /// Reads what [`Self::encode`] made.
    ///
    /// # Errors
    /// [`PlaintextError`].
    pub fn decode(padded: Bytes) -> Result<Self, PlaintextError> {
        let total = padded.len();
        let mut reader = Reader::new(padded);
        let format = reader.u8("format")?;
        if format != FORMAT {
            return Err(PlaintextError::Format(format));
        }
        let kind = reader.u8("kind")?;
        let plaintext = Self {
            sender: Name::get(&mut reader, "sender")?,
            log: LogId::get(&mut reader, "log")?,
            origin: Origin::get(&mut reader, "origin")?,
            number: Number::get(&mut reader, "number")?,
            previous: reader.array("previous")?,
            sent: Wall::get(&mut reader, "sent")?,
            content: Content::decode(kind, reader.bytes(TEXT_LEN_MAX, "content")?)?,
        };
        check_padding(reader, total)?;
        Ok(plaintext)
    }
}

fn check_padding(mut reader: Reader, total: usize) -> Result<(), PlaintextError> {
    let left = reader.remaining();
    let padding = reader.take(left, "padding")?;
    let is_zero = padding.iter().all(|byte| *byte == 0);
    if total > PLAINTEXT_LEN_MAX || bucket(total - left) != total || !is_zero {
        return Err(PlaintextError::Padding);
    }
    Ok(())
}

/// The smallest bucket that holds `len` bytes; `len` is at most [`PLAINTEXT_LEN_MAX`].
fn bucket(len: usize) -> usize {
    let fits = BUCKETS.iter().copied().find(|bucket| *bucket >= len);
    fits.unwrap_or(PLAINTEXT_LEN_MAX)
}
