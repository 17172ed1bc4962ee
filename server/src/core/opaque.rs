//! The server's half of OPAQUE (RFC 9807), one step each. The password never comes here; the slow
//! hash runs on the client.

use bytes::Bytes;
use opaque_ke::{
    CredentialFinalization, CredentialRequest, Identifiers, RegistrationRequest,
    RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use wire::FaultCode;
use wire::message::Challenge;
use wire::opaque::{CONTEXT, Suite};

use super::entropy::Entropy;

/// OPAQUE's name for the server: the whole cluster is one.
pub const SERVER_IDENTITY: &[u8] = b"fastchat";

/// First step of a registration of `identity`, an account or a group. Nothing is kept of it.
pub(super) fn answer_registration(
    setup: &ServerSetup<Suite>,
    identity: &[u8],
    request: &Challenge,
) -> Result<Challenge, FaultCode> {
    let request = RegistrationRequest::<Suite>::deserialize(request.bytes())
        .map_err(|_| FaultCode::MALFORMED)?;
    let answer = ServerRegistration::<Suite>::start(setup, request, identity)
        .map_err(|_| FaultCode::MALFORMED)?;
    Ok(challenge(&answer.message.serialize()))
}

/// Second step of a registration: what is kept of the password.
pub(super) fn registration(upload: &Challenge) -> Result<Bytes, FaultCode> {
    let upload = RegistrationUpload::<Suite>::deserialize(upload.bytes())
        .map_err(|_| FaultCode::MALFORMED)?;
    let record = ServerRegistration::<Suite>::finish(upload).serialize();
    Ok(Bytes::copy_from_slice(&record))
}

/// The record and the first message of a proof, decoded.
pub(super) struct Opening {
    record: ServerRegistration<Suite>,
    request: CredentialRequest<Suite>,
}

impl Opening {
    pub(super) fn new(record: &[u8], request: &Challenge) -> Result<Self, FaultCode> {
        let request = CredentialRequest::<Suite>::deserialize(request.bytes())
            .map_err(|_| FaultCode::MALFORMED)?;
        let record =
            ServerRegistration::<Suite>::deserialize(record).map_err(|_| FaultCode::UNAVAILABLE)?;
        Ok(Self { record, request })
    }

    /// First step of a proof of the password of `identity`: from here on who asked can test one.
    pub(super) fn answer(
        self,
        setup: &ServerSetup<Suite>,
        entropy: &mut Entropy,
        identity: &[u8],
    ) -> Result<(ServerLogin<Suite>, Challenge), FaultCode> {
        let Self { record, request } = self;
        let (record, parameters) = (Some(record), parameters(identity));
        let started = ServerLogin::start(entropy, setup, record, request, identity, parameters)
            .map_err(|_| FaultCode::MALFORMED)?;
        Ok((started.state, challenge(&started.message.serialize())))
    }
}

/// Second step of such a proof; `Ok(false)` when the password is not right.
pub(super) fn is_proven(
    state: ServerLogin<Suite>,
    identity: &[u8],
    finish: &Challenge,
) -> Result<bool, FaultCode> {
    let finish = CredentialFinalization::<Suite>::deserialize(finish.bytes())
        .map_err(|_| FaultCode::MALFORMED)?;
    Ok(state.finish(finish, parameters(identity)).is_ok())
}

fn parameters(identity: &[u8]) -> ServerLoginParameters<'_, '_> {
    ServerLoginParameters {
        context: Some(CONTEXT),
        identifiers: Identifiers { client: Some(identity), server: Some(SERVER_IDENTITY) },
    }
}

fn challenge(bytes: &[u8]) -> Challenge {
    Challenge::new(Bytes::copy_from_slice(bytes)).expect("OPAQUE messages are below their limit")
}
