//! The client's side of OPAQUE (RFC 9807) with the suite of [`wire::opaque`].
//!
//! Identifiers: client = the account's name as ASCII, or [`wire::opaque::group_identity`] for a
//! group's password; server = `fastchat`. The password is the
//! UTF-8 bytes that were typed. The stretching is a parameter, so that simulations may use a toy;
//! programs pass [`wire::opaque::stretch`]. Both `finish` functions take about 0.2 s with it:
//! never on a loop.

use std::fmt;

use bytes::Bytes;
use opaque_ke::errors::ProtocolError;
use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialResponse, Identifiers, RegistrationResponse,
};
use rand::CryptoRng;
use thiserror::Error;
use wire::message::auth::Challenge;
use wire::opaque::{CONTEXT, Suite};
use zeroize::Zeroizing;

/// The password stretching: Argon2id with some parameters.
pub type Stretch = <Suite as CipherSuite>::Ksf;

/// The server's identifier in every exchange.
pub const SERVER_IDENTIFIER: &[u8] = b"fastchat";

/// Why an exchange ended without a result.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum OpaqueError {
    /// The password is not the account's, or the server is not the one it was registered with:
    /// OPAQUE does not tell these apart.
    #[error("the password is not right")]
    IncorrectPassword,
    /// The server's message does not fit the exchange.
    #[error("the server's sign-in message is malformed")]
    Malformed,
    /// A computation inside failed, for example for want of 64 MiB of memory.
    #[error("the password could not be processed")]
    Internal,
}

/// The secret that only a right password brings out; the home never has it. 64 bytes.
pub struct ExportKey(Zeroizing<[u8; 64]>);

impl ExportKey {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// A known key for tests of what is sealed under it.
    #[cfg(test)]
    pub(super) fn for_tests(bytes: [u8; 64]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    fn copy_from(bytes: &[u8]) -> Result<Self, OpaqueError> {
        let bytes = bytes.first_chunk::<64>().filter(|_| bytes.len() == 64);
        bytes.map(|bytes| Self(Zeroizing::new(*bytes))).ok_or(OpaqueError::Internal)
    }
}

impl fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportKey(secret)")
    }
}

/// A sign-up between its two steps.
pub struct SignUp {
    state: ClientRegistration<Suite>,
    password: Zeroizing<Vec<u8>>,
}

/// A sign-in between its two steps.
pub struct SignIn {
    state: ClientLogin<Suite>,
    password: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignUp(secret)")
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignIn(secret)")
    }
}

impl SignUp {
    /// Begins: the second value is `SignUpStart.request`.
    ///
    /// # Errors
    /// [`OpaqueError::Internal`] for a password of more than 65,535 bytes.
    pub fn start<R: CryptoRng>(
        password: &[u8],
        rng: &mut R,
    ) -> Result<(Self, Challenge), OpaqueError> {
        let started = ClientRegistration::start(&mut Older(rng), password).map_err(failed)?;
        let password = Zeroizing::new(password.to_vec());
        let request = challenge(&started.message.serialize())?;
        Ok((Self { state: started.state, password }, request))
    }

    /// Ends, with `SignUpChallenge.response`: `SignUpFinish.record` and the export key.
    ///
    /// # Errors
    /// [`OpaqueError`].
    pub fn finish<R: CryptoRng>(
        self,
        identity: &[u8],
        response: &[u8],
        stretch: &Stretch,
        rng: &mut R,
    ) -> Result<(Challenge, ExportKey), OpaqueError> {
        let response =
            RegistrationResponse::deserialize(response).map_err(|_| OpaqueError::Malformed)?;
        let parameters =
            ClientRegistrationFinishParameters::new(identifiers(identity), Some(stretch));
        let finished = self
            .state
            .finish(&mut Older(rng), &self.password, response, parameters)
            .map_err(failed)?;
        let export_key = Zeroizing::new(finished.export_key.to_vec());
        Ok((challenge(&finished.message.serialize())?, ExportKey::copy_from(&export_key)?))
    }
}

impl SignIn {
    /// Begins: the second value is `SignInStart.request`.
    ///
    /// # Errors
    /// [`OpaqueError::Internal`] for a password of more than 65,535 bytes.
    pub fn start<R: CryptoRng>(
        password: &[u8],
        rng: &mut R,
    ) -> Result<(Self, Challenge), OpaqueError> {
        let started = ClientLogin::start(&mut Older(rng), password).map_err(failed)?;
        let password = Zeroizing::new(password.to_vec());
        let request = challenge(&started.message.serialize())?;
        Ok((Self { state: started.state, password }, request))
    }

    /// Ends, with `SignInChallenge.response`: `SignInFinish.finish` and the export key.
    ///
    /// # Errors
    /// [`OpaqueError::IncorrectPassword`] and the others.
    pub fn finish<R: CryptoRng>(
        self,
        identity: &[u8],
        response: &[u8],
        stretch: &Stretch,
        rng: &mut R,
    ) -> Result<(Challenge, ExportKey), OpaqueError> {
        let response =
            CredentialResponse::deserialize(response).map_err(|_| OpaqueError::Malformed)?;
        let parameters =
            ClientLoginFinishParameters::new(Some(CONTEXT), identifiers(identity), Some(stretch));
        let finished = self
            .state
            .finish(&mut Older(rng), &self.password, response, parameters)
            .map_err(failed)?;
        let export_key = Zeroizing::new(finished.export_key.to_vec());
        Ok((challenge(&finished.message.serialize())?, ExportKey::copy_from(&export_key)?))
    }
}

fn identifiers(identity: &[u8]) -> Identifiers<'_> {
    Identifiers { client: Some(identity), server: Some(SERVER_IDENTIFIER) }
}

fn challenge(bytes: &[u8]) -> Result<Challenge, OpaqueError> {
    Challenge::new(Bytes::copy_from_slice(bytes)).map_err(|_| OpaqueError::Internal)
}

fn failed(error: ProtocolError) -> OpaqueError {
    match error {
        ProtocolError::InvalidLoginError => OpaqueError::IncorrectPassword,
        ProtocolError::LibraryError(_) => OpaqueError::Internal,
        _ => OpaqueError::Malformed,
    }
}

/// Gives `opaque-ke`, which speaks the traits of `rand_core` 0.6, a generator of today.
struct Older<'a, R>(&'a mut R);

impl<R: CryptoRng> rand_core_06::RngCore for Older<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl<R: CryptoRng> rand_core_06::CryptoRng for Older<'_, R> {}
