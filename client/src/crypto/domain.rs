//! The domain strings: every hash, key derivation and signature of FastChat begins with its own,
//! so that bytes made for one purpose never pass for another.

/// Signature over a bundle of public keys.
pub(crate) const BUNDLE_SIGNATURE: &[u8] = b"FastChat bundle signature 1";
/// Hash that the next bundle of a key log names.
pub(crate) const BUNDLE_HASH: &[u8] = b"FastChat bundle hash 1";
/// OAEP label of a grant's wrapped secret; the header's hash follows.
pub(crate) const GRANT_SECRET: &[u8] = b"FastChat grant secret 1";
/// HKDF info of the key that seals an announced session key.
pub(crate) const GRANT_KEY: &[u8] = b"FastChat grant key 1";
/// HKDF info of an announcement's key commitment.
pub(crate) const GRANT_COMMITMENT: &[u8] = b"FastChat grant commitment 1";
/// Hash of an announcement's header, mixed into its key derivation and its readers' labels.
pub(crate) const GRANT_HEADER: &[u8] = b"FastChat grant header 1";
/// Hash of an announcement's commitment and sealed part, covered by its signature.
pub(crate) const GRANT_SEALED: &[u8] = b"FastChat grant sealed 1";
/// Signature over an announcement.
pub(crate) const GRANT_SIGNATURE: &[u8] = b"FastChat grant signature 1";
/// Signature over a statement of a roster.
pub(crate) const ROSTER_STATEMENT: &[u8] = b"FastChat roster statement 1";
/// HKDF info of the key of an attachment's content; the nonce follows.
pub(crate) const BLOB_KEY: &[u8] = b"FastChat blob key 1";
/// Hash of a whole body, named by the sender's next message to that log.
pub(crate) const MESSAGE_HASH: &[u8] = b"FastChat message hash 1";
/// HKDF info of the key that seals an account's private keys under its OPAQUE export key.
pub(crate) const SEALED_KEYS: &[u8] = b"FastChat sealed keys 1";
/// Each side's half of a safety number.
pub(crate) const SAFETY_NUMBER: &[u8] = b"FastChat safety number 1";
/// HKDF info of a vault's key; the purpose follows.
pub(crate) const VAULT: &[u8] = b"FastChat vault 1";
