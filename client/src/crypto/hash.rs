//! SHA-256 and HKDF-SHA256 behind a domain string.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// SHA-256(length of `domain` as `u8` ‖ `domain` ‖ `parts`). Every part but the last must have a
/// fixed or a written-out length.
#[must_use]
pub(crate) fn hash(domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    feed(&mut digest, domain, parts);
    digest.finalize().into()
}

/// Feeds a digest as [`hash`] does.
pub(crate) fn feed(digest: &mut Sha256, domain: &[u8], parts: &[&[u8]]) {
    digest.update([domain_len(domain)]);
    digest.update(domain);
    for part in parts {
        digest.update(part);
    }
}

/// HKDF-SHA256 (RFC 5869): input key `secret`, no salt, info = length of `domain` as `u8` ‖
/// `domain` ‖ `context`; 32 bytes. `context` must have a fixed length or be the only variable part.
#[must_use]
pub(crate) fn derive(secret: &[u8], domain: &[u8], context: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let len = [domain_len(domain)];
    let mut info: Vec<&[u8]> = vec![&len, domain];
    info.extend_from_slice(context);
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(&info, key.as_mut_slice())
        .expect("32 bytes are within HKDF's range");
    key
}

fn domain_len(domain: &[u8]) -> u8 {
    u8::try_from(domain.len()).expect("domain strings are short constants")
}
