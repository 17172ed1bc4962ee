//! The operator's key: whoever has it decides what the map of the cluster is.
//!
//! Ed25519. The secret half lies where maps are edited, the public half with every server and
//! router. A file is eight bytes that say which half it is, then the 32 bytes of the key.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

const SECRET_MAGIC: &[u8; 8] = b"FCopsec\x01";
const PUBLIC_MAGIC: &[u8; 8] = b"FCoppub\x01";

/// The bytes are not an operator's key of this format.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not an operator's key of this format")]
pub struct OperatorKeyError;

/// The secret half. Wiped when it is dropped.
pub struct OperatorKey(SigningKey);

impl OperatorKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads `operator.key`.
    ///
    /// # Errors
    /// [`OperatorKeyError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OperatorKeyError> {
        key_bytes(bytes, SECRET_MAGIC).map(Self::from_seed)
    }

    /// The bytes of `operator.key`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(SECRET_MAGIC.len() + 32));
        out.extend_from_slice(SECRET_MAGIC);
        out.extend_from_slice(self.0.as_bytes());
        out
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> OperatorPublic {
        OperatorPublic(self.0.verifying_key().to_bytes())
    }

    /// Signs `body` under a domain string.
    #[must_use]
    pub fn sign(&self, domain: &[u8], body: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(&signed(domain, body)).to_bytes()
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorKey(secret)")
    }
}

/// The public half: checks what the operator has signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OperatorPublic([u8; 32]);

impl OperatorPublic {
    /// Reads `operator.pub`.
    ///
    /// # Errors
    /// [`OperatorKeyError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OperatorKeyError> {
        let bytes = key_bytes(bytes, PUBLIC_MAGIC)?;
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(*bytes)),
            _ => Err(OperatorKeyError),
        }
    }

    /// The bytes of `operator.pub`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [PUBLIC_MAGIC.as_slice(), &self.0].concat()
    }

    /// Whether the operator has signed `body` under this domain string.
    #[must_use]
    pub fn verifies(&self, domain: &[u8], body: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        let signature = Signature::from_bytes(signature);
        let key = VerifyingKey::from_bytes(&self.0).expect("it was one when it was made");
        key.verify_strict(&signed(domain, body), &signature).is_ok()
    }
}

/// Layout: length of the domain string `u8`, domain string, body.
fn signed(domain: &[u8], body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(domain.len()).expect("a short domain");
    [&[len], domain, body].concat()
}

fn key_bytes<'a>(bytes: &'a [u8], magic: &[u8; 8]) -> Result<&'a [u8; 32], OperatorKeyError> {
    let key = bytes.strip_prefix(magic).and_then(|key| key.try_into().ok());
    key.ok_or(OperatorKeyError)
}
