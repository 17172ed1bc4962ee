//! Signatures of a roster's statements; the layout and the rules are in [`wire::roster`].
//!
//! A statement is signed with RSASSA-PSS-SHA256 over `D("FastChat roster statement 1")` ‖ all its
//! bytes before the signature. The home does not check it; every member does.

use bytes::Bytes;
use rand::CryptoRng;
use thiserror::Error;
use wire::roster::Statement;

use super::domain;
use super::keys::{Identity, KeyError, SigningPublicKey};

/// Why a statement is not believed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum StatementError {
    /// It names another key than the one given.
    #[error("the statement is signed with a key that is not its author's")]
    OtherKey,
    /// The signature does not hold.
    #[error("the statement's signature does not hold")]
    Signature,
}

/// Signs `statement` with the identity's key, whose id it gets, and encodes it. Takes some
/// milliseconds.
///
/// # Errors
/// [`KeyError::Operation`].
pub fn sign_statement<R: CryptoRng>(
    identity: &Identity,
    mut statement: Statement,
    rng: &mut R,
) -> Result<Bytes, KeyError> {
    statement.key = identity.public().signing.id().0;
    let signed = statement.signed_bytes();
    let signature = identity.sign(domain::ROSTER_STATEMENT, &[&signed], rng)?;
    statement.signature = Bytes::from(signature);
    Ok(statement.encode())
}

/// Whether `key`, the signing key of the statement's actor, signed it.
///
/// # Errors
/// [`StatementError`].
pub fn verify_statement(
    statement: &Statement,
    key: &SigningPublicKey,
) -> Result<(), StatementError> {
    if statement.key != key.id().0 {
        return Err(StatementError::OtherKey);
    }
    let signed = statement.signed_bytes();
    key.verify(domain::ROSTER_STATEMENT, &[&signed], &statement.signature)
        .map_err(|_| StatementError::Signature)
}
