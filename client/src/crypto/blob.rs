//! Attachments: content of up to 25 MiB, encrypted and decrypted chunk by chunk.
//!
//! # Layout
//! ```text
//! nonce   16  random
//! chunks      64 KiB of content each, the last one 1 byte to 64 KiB (0 bytes when there is no
//!             content), each sealed with ChaCha20-Poly1305 (RFC 8439), its tag behind
//!
//! key         = HKDF-SHA256(secret = file key, no salt,
//!               info = u8 length ‖ "FastChat blob key 1" ‖ nonce), 32 bytes
//! chunk nonce = 11 bytes with the chunk's index, big-endian ‖ 1 byte: 1 for the last, else 0
//! blob id     = SHA-256(nonce ‖ all chunks)
//! ```
//! This is the layout of an age payload with a key derivation of our own. A chunk that was flipped,
//! dropped, doubled or moved does not open, and an end that is missing or not the end is noticed.
//! Neither direction holds more than a chunk.

use std::io::{self, Read, Write};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wire::BlobId;
use wire::limits::BLOB_LEN_MAX;
use zeroize::Zeroizing;

use super::content::FileKey;
use super::domain;
use super::hash::derive;

const NONCE_LEN: usize = 16;
const CHUNK_LEN: usize = 64 * 1024;
const TAG_LEN: usize = 16;
/// Seven zero bytes, four of the counter and the mark are the twelve of the layout.
const STREAM_PREFIX: [u8; 7] = [0; 7];

/// Largest content, in bytes.
pub const SIZE_MAX: u64 = 25 * 1024 * 1024;
const _: () = assert!(ciphertext_len(SIZE_MAX) <= BLOB_LEN_MAX);

/// Why a blob was not encrypted or decrypted.
#[derive(Debug, Error)]
pub enum BlobError {
    /// More content than [`SIZE_MAX`].
    #[error("the file is larger than {} MiB", SIZE_MAX / (1024 * 1024))]
    TooLarge,
    /// A chunk does not open, or the end is missing or is not the end.
    #[error("the attachment was altered: it does not open")]
    Altered,
    /// It opens, but is not what the message named.
    #[error("the attachment is not the one that the message names")]
    Other,
    /// Reading or writing failed.
    #[error("the attachment cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

/// What a blob is, once it was encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encrypted {
    /// SHA-256 of the ciphertext.
    pub blob: BlobId,
    /// Bytes of the content.
    pub size: u64,
}

/// Bytes of the ciphertext of `size` bytes of content; `size` is at most [`SIZE_MAX`].
#[must_use]
pub const fn ciphertext_len(size: u64) -> u64 {
    let full = size.div_ceil(64 * 1024);
    let chunks = if full == 0 { 1 } else { full };
    16 + size + chunks * 16
}

/// Encrypts everything that `content` has to `ciphertext`.
///
/// # Errors
/// [`BlobError::TooLarge`] and [`BlobError::Io`]; what was written is useless then.
pub fn encrypt<R: CryptoRng>(
    key: &FileKey,
    content: impl Read,
    ciphertext: impl Write,
    rng: &mut R,
) -> Result<Encrypted, BlobError> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut sink = Hashing { inner: ciphertext, hash: Sha256::new() };
    sink.write_all(&nonce)?;
    let mut stream = EncryptorBE32::from_aead(cipher(key, &nonce), &STREAM_PREFIX.into());
    let mut chunks = Chunks::new(content, CHUNK_LEN);
    let mut size = 0;
    loop {
        let is_last = chunks.advance()?;
        size += u64::try_from(chunks.chunk().len()).expect("a chunk is short");
        if size > SIZE_MAX {
            return Err(BlobError::TooLarge);
        }
        if is_last {
            let sealed = stream.encrypt_last(chunks.chunk());
            sink.write_all(&sealed.expect("a chunk is far below the cipher's limit"))?;
            sink.flush()?;
            return Ok(Encrypted { blob: sink.blob(), size });
        }
        let sealed = stream.encrypt_next(chunks.chunk());
        sink.write_all(&sealed.expect("a blob has at most 400 chunks"))?;
    }
}

/// Decrypts the whole `ciphertext` to `content`, chunk by chunk: what was written before an error
/// is genuine, but not whole.
///
/// # Errors
/// [`BlobError`]; [`BlobError::Other`] also when the size is not `expected`'s.
pub fn decrypt(
    key: &FileKey,
    expected: &Encrypted,
    ciphertext: impl Read,
    mut content: impl Write,
) -> Result<(), BlobError> {
    let mut source = Hashing { inner: ciphertext, hash: Sha256::new() };
    let mut nonce = [0; NONCE_LEN];
    source.read_exact(&mut nonce).map_err(short_is_altered)?;
    let mut stream = DecryptorBE32::from_aead(cipher(key, &nonce), &STREAM_PREFIX.into());
    let mut chunks = Chunks::new(&mut source, CHUNK_LEN + TAG_LEN);
    let mut size = 0;
    loop {
        let is_last = chunks.advance()?;
        let sealed = chunks.chunk();
        if is_last {
            let opened = stream.decrypt_last(sealed).map_err(|_| BlobError::Altered)?;
            size += write(&Zeroizing::new(opened), expected.size - size, &mut content)?;
            content.flush()?;
            break;
        }
        let opened = stream.decrypt_next(sealed).map_err(|_| BlobError::Altered)?;
        size += write(&Zeroizing::new(opened), expected.size - size, &mut content)?;
    }
    let is_expected = size == expected.size && source.blob() == expected.blob;
    if is_expected { Ok(()) } else { Err(BlobError::Other) }
}

fn write(opened: &[u8], left: u64, content: &mut impl Write) -> Result<u64, BlobError> {
    let len = u64::try_from(opened.len()).expect("a chunk is short");
    if len > left {
        return Err(BlobError::Other);
    }
    content.write_all(opened)?;
    Ok(len)
}

fn cipher(key: &FileKey, nonce: &[u8; NONCE_LEN]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new((&*derive(key.as_bytes(), domain::BLOB_KEY, &[nonce])).into())
}

fn short_is_altered(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BlobError::Altered,
        _ => BlobError::Io(error),
    }
}

/// Cuts a stream into chunks, and knows of each whether it is the last by reading one byte more.
struct Chunks<R> {
    source: R,
    /// A chunk and the first byte of the next one.
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
    chunk_len: usize,
}

impl<R: Read> Chunks<R> {
    fn new(source: R, chunk_len: usize) -> Self {
        let buffer = Zeroizing::new(vec![0; chunk_len + 1]);
        Self { source, buffer, filled: 0, chunk_len }
    }

    /// Goes to the next chunk; true when it is the last.
    fn advance(&mut self) -> io::Result<bool> {
        let is_byte_carried = self.filled > self.chunk_len;
        if is_byte_carried {
            self.buffer[0] = self.buffer[self.chunk_len];
        }
        self.filled = usize::from(is_byte_carried);
        while self.filled < self.buffer.len() {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(true),
                Ok(len) => self.filled += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn chunk(&self) -> &[u8] {
        &self.buffer[..self.filled.min(self.chunk_len)]
    }
}

/// Hashes what goes through.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashing<T> {
    fn blob(self) -> BlobId {
        BlobId(self.hash.finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.inner.write(bytes)?;
        self.hash.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.hash.update(&buffer[..len]);
        Ok(len)
    }
}
