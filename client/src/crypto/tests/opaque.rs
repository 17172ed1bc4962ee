//! Sign-up and sign-in against a server made of the same library, with a toy stretch.

use argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::{
    CredentialFinalization, CredentialRequest, Identifiers, RegistrationRequest,
    RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use wire::Name;
use wire::opaque::{CONTEXT, Suite};

use crate::crypto::opaque::{OpaqueError, SignIn, SignUp};
use crate::crypto::test_keys::{name, rng};

use rand_core_06::OsRng as OlderRng;

struct Home {
    setup: ServerSetup<Suite>,
    record: Vec<u8>,
}

fn toy() -> Argon2<'static> {
    let params = Params::new(8, 1, 1, None).expect("in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Signs `alice` up; returns the home and the export key.
fn signed_up(password: &[u8]) -> (Home, Vec<u8>) {
    let setup = ServerSetup::<Suite>::new(&mut OlderRng);
    let (sign_up, request) = SignUp::start(password, &mut rng()).expect("starts");
    let request = RegistrationRequest::deserialize(request.bytes()).expect("reads");
    let response = ServerRegistration::start(&setup, request, b"alice").expect("answers");
    let response = response.message.serialize();
    let finished = sign_up.finish(b"alice", &response, &toy(), &mut rng());
    let (record, export_key) = finished.expect("finishes");
    let upload = RegistrationUpload::deserialize(record.bytes()).expect("reads");
    let record = ServerRegistration::<Suite>::finish(upload).serialize().to_vec();
    (Home { setup, record }, export_key.as_bytes().to_vec())
}

/// One sign-in; the server checks the last message as a home does.
fn sign_in(home: &Home, as_name: Name, password: &[u8]) -> Result<Vec<u8>, OpaqueError> {
    let (sign_in, request) = SignIn::start(password, &mut rng())?;
    let parameters = || ServerLoginParameters {
        context: Some(CONTEXT),
        identifiers: Identifiers { client: Some(b"alice"), server: Some(b"fastchat") },
    };
    let record = ServerRegistration::deserialize(&home.record).expect("reads");
    let request = CredentialRequest::deserialize(request.bytes()).expect("reads");
    let started = ServerLogin::start(
        &mut OlderRng,
        &home.setup,
        Some(record),
        request,
        b"alice",
        parameters(),
    );
    let started = started.expect("answers");
    let response = started.message.serialize();
    let (finish, export_key) = sign_in.finish(as_name.as_bytes(), &response, &toy(), &mut rng())?;
    let finish = CredentialFinalization::deserialize(finish.bytes()).expect("reads");
    started.state.finish(finish, parameters()).expect("the server believes the client");
    Ok(export_key.as_bytes().to_vec())
}

#[test]
fn the_right_password_brings_out_the_same_export_key() {
    let (home, export_key) = signed_up(b"correct horse");
    assert_eq!(sign_in(&home, name("alice"), b"correct horse"), Ok(export_key));
}

#[test]
fn a_wrong_password_is_an_incorrect_password() {
    let (home, _) = signed_up(b"correct horse");
    let refused = sign_in(&home, name("alice"), b"correct house");
    assert_eq!(refused, Err(OpaqueError::IncorrectPassword));
}

#[test]
fn the_account_name_is_part_of_the_exchange() {
    let (home, _) = signed_up(b"correct horse");
    let refused = sign_in(&home, name("alicia"), b"correct horse");
    assert_eq!(refused, Err(OpaqueError::IncorrectPassword));
}

#[test]
fn malformed_answers_are_named_so() {
    let start = || SignIn::start(b"password", &mut rng()).expect("starts").0;
    for bytes in [&[][..], &[0; 320], &[0xff; 320]] {
        let error = start().finish(b"alice", bytes, &toy(), &mut rng()).err();
        assert_eq!(error, Some(OpaqueError::Malformed));
        let sign_up = SignUp::start(b"password", &mut rng()).expect("starts").0;
        let error = sign_up.finish(b"alice", bytes, &toy(), &mut rng()).err();
        assert_eq!(error, Some(OpaqueError::Malformed));
    }
}

#[test]
fn a_reflected_answer_is_refused() {
    let (sign_up, request) = SignUp::start(b"password", &mut rng()).expect("starts");
    let setup = ServerSetup::<Suite>::new(&mut OlderRng);
    let key = setup.keypair().public().serialize();
    let reflected = [&request.bytes()[..], &key].concat();
    let error = sign_up.finish(b"alice", &reflected, &toy(), &mut rng()).err();
    assert_eq!(error, Some(OpaqueError::Malformed));
}
