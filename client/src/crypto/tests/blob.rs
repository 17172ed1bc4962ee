//! An attachment comes back whole, and whatever was done to its ciphertext is noticed.

use std::io::{self, Read, Write};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use wire::BlobId;

use crate::crypto::blob::{self, BlobError, Encrypted, SIZE_MAX, ciphertext_len};
use crate::crypto::content::FileKey;
use crate::crypto::test_keys::rng;

const CHUNK: usize = 64 * 1024;
const SEALED: usize = CHUNK + 16;

fn key() -> FileKey {
    FileKey::new([9; 32])
}

fn content(len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    rand::Rng::fill_bytes(&mut StdRng::seed_from_u64(5), &mut content);
    content
}

fn encrypt(content: &[u8]) -> (Encrypted, Vec<u8>) {
    let mut ciphertext = Vec::new();
    let encrypted = blob::encrypt(&key(), content, &mut ciphertext, &mut rng());
    (encrypted.expect("encrypts"), ciphertext)
}

/// What came out before the result, and the result.
fn decrypt(expected: &Encrypted, ciphertext: &[u8]) -> (Vec<u8>, Result<(), BlobError>) {
    let mut content = Vec::new();
    let result = blob::decrypt(&key(), expected, ciphertext, &mut content);
    (content, result)
}

/// Refused even by a reader who was told the hash of the altered bytes.
fn assert_refused(size: u64, altered: &[u8]) {
    let blob = BlobId(Sha256::digest(altered).into());
    let result = decrypt(&Encrypted { blob, size }, altered).1;
    assert!(matches!(result, Err(BlobError::Altered)), "{result:?}");
}

#[test]
fn content_of_every_shape_comes_back() {
    for len in [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        let content = content(len);
        let (encrypted, ciphertext) = encrypt(&content);
        assert_eq!(encrypted.size, u64::try_from(len).expect("small"));
        let ciphertext_size = u64::try_from(ciphertext.len()).expect("small");
        assert_eq!(ciphertext_size, ciphertext_len(encrypted.size));
        assert_eq!(encrypted.blob, BlobId(Sha256::digest(&ciphertext).into()));
        let (opened, result) = decrypt(&encrypted, &ciphertext);
        assert!(result.is_ok() && opened == content, "{len}: {result:?}");
    }
}

#[test]
fn dropped_doubled_and_moved_chunks_are_refused() {
    let (Encrypted { size, .. }, whole) = encrypt(&content(3 * CHUNK + 7));
    let (nonce, chunks) = whole.split_at(16);
    let chunk = |index: usize| &chunks[index * SEALED..chunks.len().min((index + 1) * SEALED)];
    for order in [&[0, 1, 3][..], &[0, 1, 2], &[0, 1, 1, 2, 3], &[1, 0, 2, 3], &[0, 1, 2, 3, 3]] {
        let moved: Vec<&[u8]> = order.iter().map(|index| chunk(*index)).collect();
        assert_refused(size, &[nonce, &moved.concat()].concat());
    }
}

#[test]
fn a_cut_anywhere_is_refused() {
    let (Encrypted { size, .. }, whole) = encrypt(&content(2 * CHUNK));
    for len in [0, 15, 16, 17, 31, 16 + SEALED - 1, 16 + SEALED, 16 + SEALED + 1, whole.len() - 1] {
        assert_refused(size, &whole[..len]);
    }
}

#[test]
fn another_key_or_blob_or_size_is_refused() {
    let (encrypted, ciphertext) = encrypt(&content(CHUNK + 5));
    let other_key = FileKey::new([1; 32]);
    let result = blob::decrypt(&other_key, &encrypted, &ciphertext[..], io::sink());
    assert!(matches!(result, Err(BlobError::Altered)), "{result:?}");
    let others = [
        Encrypted { blob: BlobId([0; 32]), ..encrypted },
        Encrypted { size: encrypted.size - 1, ..encrypted },
        Encrypted { size: encrypted.size + 1, ..encrypted },
        Encrypted { size: 7, ..encrypted },
    ];
    for expected in others {
        let (opened, result) = decrypt(&expected, &ciphertext);
        assert!(matches!(result, Err(BlobError::Other)), "{result:?}");
        assert!(opened.len() <= CHUNK + 5);
    }
}

#[test]
fn only_25_mebibytes_are_taken() {
    let of = |len| blob::encrypt(&key(), io::repeat(7).take(len), io::sink(), &mut rng());
    assert_eq!(of(SIZE_MAX).expect("fits").size, SIZE_MAX);
    assert!(matches!(of(SIZE_MAX + 1), Err(BlobError::TooLarge)));
}

/// A pipe that gives and takes a few bytes at a time changes nothing.
#[test]
fn short_reads_and_writes_change_nothing() {
    struct Slow<T>(T);
    impl<R: Read> Read for Slow<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(777);
            self.0.read(&mut buffer[..len])
        }
    }
    impl<W: Write> Write for Slow<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(&bytes[..bytes.len().min(333)])
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }
    let content = content(CHUNK + 5);
    let (expected, whole) = encrypt(&content);
    let mut slow = Vec::new();
    let encrypted = blob::encrypt(&key(), Slow(&content[..]), Slow(&mut slow), &mut rng());
    assert_eq!((encrypted.expect("encrypts"), &slow), (expected, &whole));
    let mut opened = Vec::new();
    blob::decrypt(&key(), &expected, Slow(&slow[..]), Slow(&mut opened)).expect("decrypts");
    assert!(opened == content);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_flipped_bit_anywhere_is_refused(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (Encrypted { size, .. }, mut bytes) = encrypt(&content(2 * CHUNK + 9));
        let index = place.index(bytes.len());
        bytes[index] ^= 1 << bit;
        assert_refused(size, &bytes);
    }
}
