//! For tests: the server's side of a sign-up, by the same library.

use bytes::Bytes;
use opaque_ke::{RegistrationRequest, ServerRegistration, ServerSetup};
use rand_core_06::OsRng as OlderRng;
use wire::Name;
use wire::message::auth::Challenge;
use wire::opaque::Suite;

/// A home that answers the first step of sign-ups.
pub(crate) struct FakeHome(ServerSetup<Suite>);

impl FakeHome {
    pub(crate) fn new() -> Self {
        Self(ServerSetup::new(&mut OlderRng))
    }

    pub(crate) fn challenge(&self, name: Name, request: &Challenge) -> Challenge {
        let request = RegistrationRequest::deserialize(request.bytes()).expect("reads");
        let started = ServerRegistration::start(&self.0, request, name.as_bytes());
        let response = started.expect("answers").message.serialize();
        Challenge::new(Bytes::copy_from_slice(&response)).expect("within the limit")
    }
}
