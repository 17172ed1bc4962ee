//! Sign-up, sign-in, resume and sign-out: each outcome its own, and none harmed by a lost reply.

use std::time::Duration;

use bytes::Bytes;
use opaque_ke::{
    CredentialRequest, Identifiers, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup,
};
use rand::Rng;
use rand::rngs::StdRng;
use wire::message::{
    Challenge, Fault, SessionEnded, SignInChallenge, SignUpChallenge, SignUpFinish, Welcome,
};
use wire::opaque::{CONTEXT, Suite};
use wire::{FaultCode, Kind, SessionEpoch, ToServer, Token, Wall};
use zeroize::Zeroizing;

use super::world::{Step, World, me, run};
use crate::core::{Command, Event, Notice, Password, Reading, Request};
use crate::crypto::test_keys::rng;
use crate::failure::Code;

/// Speaks the traits of `rand_core` 0.6, as `opaque-ke` does.
pub(super) struct OlderRng(pub(super) StdRng);

impl rand_core_06::RngCore for OlderRng {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for OlderRng {}

pub(super) fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec()))
}

/// A home that knows OPAQUE and at most one account.
pub(super) struct Home {
    setup: ServerSetup<Suite>,
    pub(super) finish: Option<SignUpFinish>,
}

impl Home {
    pub(super) fn new() -> Self {
        Self { setup: ServerSetup::new(&mut OlderRng(rng())), finish: None }
    }

    pub(super) fn challenge_sign_up(&self, world: &mut World) {
        let Some(ToServer::SignUpStart(start)) = world.sent.last() else {
            panic!("a sign-up has begun: {:?}", world.sent);
        };
        let request = RegistrationRequest::deserialize(start.request.bytes()).expect("reads");
        let response = ServerRegistration::start(&self.setup, request, b"alice").expect("answers");
        let response = challenge(&response.message.serialize());
        world.server(SignUpChallenge { response });
    }

    /// Challenges a sign-up, and keeps the frame that leaves then.
    pub(super) fn hear_sign_up(&mut self, world: &mut World) {
        self.challenge_sign_up(world);
        world.work();
        let Some(ToServer::SignUpFinish(finish)) = world.sent.last() else {
            panic!("the frame has left: {:?}", world.sent);
        };
        self.finish = Some(finish.clone());
    }

    pub(super) fn challenge_sign_in(&self, world: &mut World) {
        let Some(ToServer::SignInStart(start)) = world.sent.last() else {
            panic!("a sign-in has begun: {:?}", world.sent);
        };
        let request = CredentialRequest::deserialize(start.request.bytes()).expect("reads");
        let upload = &self.finish.as_ref().expect("signed up").record;
        let upload = RegistrationUpload::deserialize(upload.bytes()).expect("reads");
        let record = ServerRegistration::<Suite>::finish(upload);
        let parameters = ServerLoginParameters {
            context: Some(CONTEXT),
            identifiers: Identifiers { client: Some(b"alice"), server: Some(b"fastchat") },
        };
        let started = ServerLogin::start(
            &mut OlderRng(rng()),
            &self.setup,
            Some(record),
            request,
            b"alice",
            parameters,
        );
        let response = challenge(&started.expect("answers").message.serialize());
        world.server(SignInChallenge { response });
    }

    pub(super) fn welcome(&self, world: &mut World) {
        let finish = self.finish.as_ref().expect("signed up");
        world.server(Welcome {
            name: me(),
            epoch: SessionEpoch(2),
            token: Token([2; 32]),
            bundle: finish.bundle.clone(),
            sealed_keys: finish.sealed_keys.clone(),
            at: Wall(1),
        });
    }
}

fn challenge(bytes: &[u8]) -> Challenge {
    Challenge::new(Bytes::copy_from_slice(bytes)).expect("short")
}

/// Signs up until the frame has left.
pub(super) fn sign_up(world: &mut World, home: &mut Home) {
    world.command(Command::SignUp { name: me(), password: password("pw") });
    assert!(world.link.is_none(), "keys are made before anybody is called");
    world.work();
    world.connect();
    home.hear_sign_up(world);
}

/// Signs in on a new machine until the password is proven or not.
fn sign_in(home: &Home, typed: &str, takeover: bool) -> World {
    let mut world = World::fresh();
    let password = password(typed);
    world.command(Command::SignIn { name: me(), password, takeover });
    world.connect();
    home.challenge_sign_in(&mut world);
    world.work();
    world
}

fn signed_up() -> Home {
    let (mut world, mut home) = (World::fresh(), Home::new());
    sign_up(&mut world, &mut home);
    home
}

pub(super) fn failed(world: &World) -> Option<Code> {
    world.notices.iter().find_map(|notice| match notice {
        Notice::SignInFailed(failure) => Some(failure.code),
        _ => None,
    })
}

#[test]
fn sign_up_stores_the_frame_before_it_leaves_and_ends_signed_in() {
    let (mut world, mut home) = (World::fresh(), Home::new());
    sign_up(&mut world, &mut home);
    assert!(world.at(&Step::Stored("sign-up")) < world.at(&Step::Sent(Kind::SIGN_UP_FINISH)));
    home.welcome(&mut world);
    assert!(world.core.is_online());
    assert_eq!(world.store.session.expect("stored").token, Token([2; 32]));
    let signed_up = |n: &Notice| matches!(n, Notice::SignedUp { earlier_attempt: false });
    assert!(world.notices.iter().any(signed_up));
}

#[test]
fn a_slow_disk_holds_the_sign_up_and_the_session_back() {
    let (mut world, home) = (World::fresh(), Home::new());
    world.command(Command::SignUp { name: me(), password: password("pw") });
    world.work();
    world.connect();
    home.challenge_sign_up(&mut world);
    world.is_disk_slow = true;
    world.work();
    assert!(matches!(world.sent.last(), Some(ToServer::SignUpStart(_))), "{:?}", world.sent);
    world.release();
    assert!(matches!(world.sent.last(), Some(ToServer::SignUpFinish(_))), "{:?}", world.sent);
    world.is_disk_slow = true;
    world.welcome();
    assert!(!world.core.is_online());
    world.release();
    assert!(world.core.is_online());
}

#[test]
fn a_lost_reply_to_sign_up_is_asked_for_with_the_same_bytes() {
    let (mut world, mut home) = (World::fresh(), Home::new());
    sign_up(&mut world, &mut home);
    world.cut();
    world.pass(Duration::from_secs(1));
    world.connect();
    let again = world.sent.last().cloned();
    assert_eq!(again, home.finish.clone().map(ToServer::SignUpFinish));
    world.cut();
    world.restart();
    world.command(Command::SignUp { name: me(), password: password("another") });
    world.connect();
    assert_eq!(world.sent.last().cloned(), again, "also by a later process");
    home.welcome(&mut world);
    let told = |n: &Notice| matches!(n, Notice::SignedUp { earlier_attempt: true });
    assert!(world.notices.iter().any(told));
    assert!(world.store.sign_up.is_none());
}

#[test]
fn a_sign_up_cut_before_its_frame_begins_anew_with_the_same_keys() {
    let (mut world, home) = (World::fresh(), Home::new());
    world.command(Command::SignUp { name: me(), password: password("pw") });
    world.work();
    world.connect();
    home.challenge_sign_up(&mut world);
    world.cut();
    world.work();
    assert!(world.store.sign_up.is_none(), "a late result of the lost exchange is not used");
    world.pass(Duration::from_secs(1));
    world.connect();
    home.challenge_sign_up(&mut world);
    world.work();
    assert!(matches!(world.sent.last(), Some(ToServer::SignUpFinish(_))));
}

#[test]
fn a_late_result_of_a_lost_exchange_is_not_taken_for_the_new_one() {
    let (mut world, home) = (World::fresh(), Home::new());
    world.command(Command::SignUp { name: me(), password: password("pw") });
    world.work();
    world.connect();
    home.challenge_sign_up(&mut world);
    let (key, job) = world.jobs.pop_front().expect("the first exchange's job");
    world.cut();
    world.pass(Duration::from_secs(1));
    world.connect();
    home.challenge_sign_up(&mut world);
    world.feed(Event::Worked { key, result: run(job) });
    assert!(world.store.sign_up.is_none(), "it belongs to the exchange before");
    world.work();
    assert!(matches!(world.sent.last(), Some(ToServer::SignUpFinish(_))));
}

#[test]
fn a_taken_name_leaves_nothing_behind() {
    let (mut world, mut home) = (World::fresh(), Home::new());
    sign_up(&mut world, &mut home);
    world.server(Fault::about(FaultCode::USERNAME_TAKEN, Kind::SIGN_UP_FINISH, 0));
    assert_eq!(failed(&world), Some(Code::UsernameTaken));
    assert!(world.store.identity.is_none() && world.link.is_none());
    assert_eq!(world.core.name(), None, "another name may be tried");
}

#[test]
fn sign_in_on_a_new_machine_brings_the_keys_back() {
    let home = signed_up();
    let mut world = sign_in(&home, "pw", false);
    assert!(matches!(world.sent.last(), Some(ToServer::SignInFinish(f)) if !f.takeover));
    home.welcome(&mut world);
    assert!(!world.core.is_online(), "the keys are not here yet");
    world.work();
    assert!(world.core.is_online());
    let keys = world.store.identity.as_ref().expect("stored").public().clone();
    assert_eq!(keys.signing, crate::crypto::test_keys::alice().public().signing);
}

#[test]
fn a_wrong_password_is_seen_here_and_proves_nothing() {
    let home = signed_up();
    let world = sign_in(&home, "wrong", false);
    assert_eq!(failed(&world), Some(Code::IncorrectPassword));
    assert!(!world.sent.iter().any(|message| matches!(message, ToServer::SignInFinish(_))));
    assert!(world.link.is_none());
}

#[test]
fn each_refusal_of_a_sign_in_is_its_own_outcome() {
    let home = signed_up();
    for (fault, code) in [
        (FaultCode::NO_SUCH_USER, Code::NoSuchUser),
        (FaultCode::INCORRECT_PASSWORD, Code::IncorrectPassword),
        (FaultCode::ALREADY_LOGGED_IN, Code::AlreadyLoggedIn),
        (FaultCode::RATE_LIMITED, Code::RateLimited),
    ] {
        let mut world = sign_in(&home, "pw", true);
        assert!(matches!(world.sent.last(), Some(ToServer::SignInFinish(f)) if f.takeover));
        world.server(Fault::about(fault, Kind::SIGN_IN_FINISH, 0));
        assert_eq!(failed(&world), Some(code));
        assert!(world.link.is_none());
    }
}

pub(super) fn trouble(world: &World) -> &str {
    let troubles = world.notices.iter().rev().filter_map(|notice| match notice {
        Notice::Trouble(failure) => Some(failure.text.as_str()),
        _ => None,
    });
    troubles.into_iter().next().expect("there is trouble")
}

#[test]
fn an_unavailable_home_is_no_outcome_and_is_asked_again() {
    let home = signed_up();
    let mut world = sign_in(&home, "pw", false);
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::SIGN_IN_FINISH, 0));
    assert_eq!(failed(&world), None);
    let away = "the server that keeps alice's account does not answer or cannot do this now";
    assert!(trouble(&world).starts_with(away), "{}", trouble(&world));
    world.pass(Duration::from_secs(1));
    world.connect();
    assert!(matches!(world.sent.last(), Some(ToServer::SignInStart(_))));
}

#[test]
fn a_resumed_session_stores_its_new_token_before_it_is_used() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.connect();
    let Some(ToServer::Resume(resume)) = world.sent.last() else {
        panic!("a session is resumed");
    };
    assert_eq!(resume.token, Token([1; 32]));
    world.welcome();
    assert_eq!(world.store.session.expect("stored").token, Token([7; 32]));
    world.cut();
    world.pass(Duration::from_secs(1));
    world.connect();
    assert!(matches!(world.sent.last(), Some(ToServer::Resume(r)) if r.token == Token([7; 32])));
}

#[test]
fn a_session_that_ended_elsewhere_says_so_to_everyone_who_waits() {
    let mut world = World::with_session();
    let asks = [world.ask(Request::Outbox), world.ask(Request::Attach(Reading::All))];
    world.connect();
    world.server(Fault::about(FaultCode::SIGNED_OUT, Kind::RESUME, 0));
    assert!(world.store.session.is_none());
    for ticket in asks {
        let failure = world.answer(ticket).expect("answered").expect_err("refused");
        assert_eq!(failure.code, Code::SignedOut);
    }
    let later = world.ask(Request::Outbox);
    assert!(world.answer(later).expect("answered").is_err());
    assert!(world.link.is_none(), "nothing is tried without a session");
}

#[test]
fn a_takeover_ends_this_session_and_names_the_reason() {
    let mut world = World::with_session();
    let ticket = world.attach(Reading::All);
    world.caught_up();
    assert_eq!(world.answer(ticket), Some(Ok(())));
    world.server(SessionEnded { code: FaultCode::ALREADY_LOGGED_IN });
    let over = world.notices.iter().find_map(|notice| match notice {
        Notice::SessionOver(failure) => Some(failure.clone()),
        _ => None,
    });
    let over = over.expect("told");
    assert_eq!(over.code, Code::SignedOut);
    assert!(over.text.contains("another machine"), "{over}");
    assert!(world.store.session.is_none());
}

#[test]
fn sign_out_survives_a_lost_reply() {
    let mut world = World::with_session();
    let ticket = world.ask(Request::SignOut);
    world.go_online();
    assert!(matches!(world.sent.last(), Some(ToServer::SignOut(_))), "{:?}", world.sent);
    world.cut();
    world.pass(Duration::from_secs(1));
    world.connect();
    world.server(Fault::about(FaultCode::SIGNED_OUT, Kind::RESUME, 0));
    assert_eq!(world.answer(ticket), Some(Ok(())));
    assert!(world.store.session.is_none());
    let again = world.ask(Request::SignOut);
    assert_eq!(world.answer(again), Some(Ok(())), "signing out twice is no mistake");
}

#[test]
fn a_data_directory_belongs_to_one_account() {
    let mut world = World::with_session();
    let bob = crate::crypto::test_keys::name("bob");
    world.command(Command::SignIn { name: bob, password: password("pw"), takeover: false });
    assert_eq!(failed(&world), Some(Code::Usage));
    assert!(world.link.is_none());
}

#[test]
fn a_sign_in_can_be_given_up() {
    let mut world = World::fresh();
    world.command(Command::SignIn { name: me(), password: password("pw"), takeover: false });
    world.connect();
    world.command(Command::Stop);
    assert!(world.link.is_none());
    assert_eq!(world.core.deadline(), None, "nothing goes on");
}
