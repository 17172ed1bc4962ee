//! The client's cryptography: no I/O, no clock; randomness comes in as a parameter.
//!
//! Start with [`message_session`] (how messages are sealed), [`grant`] (how its key reaches the
//! readers) and [`keys`] (who announces it). Every hash, key
//! derivation and signature begins with a domain string of `domain`; the layouts are drawn in the
//! modules' own pages. RSA takes milliseconds and [`opaque`]'s stretching a fifth of a second:
//! shells run them on worker threads.

pub mod blob;
pub mod bundle;
pub mod content;
pub(crate) mod domain;
pub mod grant;
pub(crate) mod hash;
pub mod key_log;
pub mod keys;
pub mod message_session;
pub mod opaque;
pub mod plaintext;
pub mod roster;
pub mod safety_number;
pub mod sealed_keys;
#[cfg(test)]
pub(crate) mod test_keys;
#[cfg(test)]
mod tests;
pub mod vault;

pub use blob::BlobError;
pub use bundle::{Bundle, BundleError, SignedBundle};
pub use content::{Attachment, Content, FileKey, GrantRequest};
pub use grant::{
    Announcing, GrantError, GrantHeader, Secret, SessionPlace, Verified, verify_announcement,
};
pub use key_log::{KeyLog, KeyLogError};
pub use keys::{Identity, KeyError, KeyId, PublicKeys, SigningPublicKey, WrappingPublicKey};
pub use message_session::{
    Expected, Inbound, OpenError, Outbound, SessionError, SessionKey, message_hash,
};
pub use opaque::{ExportKey, OpaqueError, SignIn, SignUp, Stretch};
pub use plaintext::{Plaintext, PlaintextError, check_text};
pub use roster::{StatementError, sign_statement, verify_statement};
pub use safety_number::SafetyNumber;
pub use sealed_keys::SealedKeysError;
pub use vault::{MasterKey, Vault, VaultError};
