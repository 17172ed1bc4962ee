//! An account that its home has lost is signed up again from its own data directory, as what it
//! was; and nothing is lost when there is no need for that.

use std::time::Duration;

use wire::message::{Bundle, Fault};
use wire::{FaultCode, Kind, Origin, ToServer};

use super::session::{Home, failed, password, sign_up};
use super::world::{Step, World, bundle_of, me};
use crate::core::{Command, Notice, Reading, Request};
use crate::crypto::test_keys::{alice, bob, name};
use crate::failure::{Code, Failure};

/// Signs up again until the frame has left.
fn sign_up_again(world: &mut World, home: &mut Home) {
    world.command(Command::SignUp { name: me(), password: password("another") });
    world.connect();
    home.hear_sign_up(world);
}

fn refusal(world: &World) -> Failure {
    let refusals = world.notices.iter().rev().filter_map(|notice| match notice {
        Notice::SignInFailed(failure) | Notice::SessionOver(failure) => Some(failure.clone()),
        _ => None,
    });
    refusals.into_iter().next().expect("it was refused")
}

#[test]
fn an_account_that_its_home_has_lost_is_signed_up_again_as_what_it_was() {
    let (mut world, mut home) = (World::signed_out(), Home::new());
    let waiting = world.draft("bob", "it waits");
    sign_up_again(&mut world, &mut home);
    let finish = home.finish.as_ref().expect("it has left");
    assert_eq!(finish.bundle.bytes(), bundle_of(alice(), "alice").encoded());
    assert_eq!(finish.origin, Origin([9; 16]));
    assert!(world.at(&Step::Stored("sign-up")) < world.at(&Step::Sent(Kind::SIGN_UP_FINISH)));
    home.welcome(&mut world);
    assert!(world.core.is_online() && world.store.sign_up.is_none());
    assert!(world.store.drafts.contains_key(&waiting.0) && !world.core.is_outbox_empty());
    assert_eq!(world.fetch().name, name("bob"), "it is sent now");
}

#[test]
fn nobody_is_called_before_the_kept_keys_are_read() {
    let (mut world, home) = (World::signed_out(), Home::new());
    world.slow = Some("identity");
    world.command(Command::SignUp { name: me(), password: password("pw") });
    assert!(world.link.is_none());
    world.release();
    world.connect();
    home.challenge_sign_up(&mut world);
}

#[test]
fn a_lost_reply_to_the_second_sign_up_is_asked_for_with_the_same_bytes() {
    let (mut world, mut home) = (World::signed_out(), Home::new());
    sign_up_again(&mut world, &mut home);
    world.cut();
    world.restart();
    world.command(Command::SignUp { name: me(), password: password("a third") });
    world.connect();
    assert_eq!(world.sent.last().cloned(), home.finish.clone().map(ToServer::SignUpFinish));
    home.welcome(&mut world);
    assert!(world.core.is_online() && world.store.sign_up.is_none());
}

#[test]
fn a_name_that_is_taken_takes_nothing_from_an_account_that_had_existed() {
    for is_later_process in [false, true] {
        let (mut world, mut home) = (World::signed_out(), Home::new());
        sign_up_again(&mut world, &mut home);
        if is_later_process {
            world.cut();
            world.restart();
            world.command(Command::SignUp { name: me(), password: password("pw") });
            world.connect();
        }
        world.server(Fault::about(FaultCode::USERNAME_TAKEN, Kind::SIGN_UP_FINISH, 0));
        let failure = refusal(&world);
        assert_eq!(failure.code, Code::UsernameTaken);
        assert!(failure.text.contains("run `fastchat signin`"), "{failure}");
        assert!(world.store.sign_up.is_none() && world.link.is_none());
        assert!(world.store.identity.is_some(), "the keys stay");
        assert_eq!(world.core.name(), Some(me()));
        sign_up_again(&mut world, &mut home);
    }
}

#[test]
fn who_is_signed_in_is_not_signed_up_again() {
    let mut world = World::with_session();
    world.command(Command::SignUp { name: me(), password: password("pw") });
    let failure = refusal(&world);
    assert_eq!(failure.code, Code::Usage);
    assert!(failure.text.contains("signed in here already"), "{failure}");
    assert!(world.link.is_none() && world.store.session.is_some());
}

#[test]
fn a_session_ends_when_its_home_does_not_know_the_account_any_more() {
    let mut world = World::with_session();
    let asks = [world.ask(Request::Outbox), world.ask(Request::Attach(Reading::All))];
    world.connect();
    world.server(Fault::about(FaultCode::NO_SUCH_USER, Kind::RESUME, 0));
    let failure = refusal(&world);
    assert_eq!(failure.code, Code::NoSuchUser);
    assert!(failure.text.contains("same keys, run `fastchat signup`"), "{failure}");
    for ticket in asks {
        assert_eq!(world.answer(ticket), Some(Err(failure.clone())));
    }
    assert!(world.store.session.is_none() && world.store.identity.is_some());
    world.pass(Duration::from_secs(1));
    assert!(world.link.is_none(), "nothing is tried without a session");
    let mut home = Home::new();
    sign_up_again(&mut world, &mut home);
    home.welcome(&mut world);
    assert!(world.core.is_online());
}

#[test]
fn a_sign_in_to_a_lost_account_leads_to_the_sign_up_where_its_keys_are() {
    for (mut world, has_keys) in [(World::signed_out(), true), (World::fresh(), false)] {
        let password = password("pw");
        world.command(Command::SignIn { name: me(), password, takeover: false });
        world.connect();
        world.server(Fault::about(FaultCode::NO_SUCH_USER, Kind::SIGN_IN_START, 0));
        assert_eq!(failed(&world), Some(Code::NoSuchUser));
        let text = refusal(&world).text;
        assert!(text.contains("run `fastchat signup`"), "{text}");
        assert_eq!(text.contains("with the same keys"), has_keys, "{text}");
    }
}

#[test]
fn a_sign_in_ends_a_sign_up_that_was_not_answered() {
    let (mut world, mut home) = (World::signed_out(), Home::new());
    sign_up_again(&mut world, &mut home);
    let password = || password("another");
    world.command(Command::SignIn { name: me(), password: password(), takeover: false });
    world.connect();
    home.challenge_sign_in(&mut world);
    world.work();
    home.welcome(&mut world);
    world.work();
    assert!(world.core.is_online());
    let ticket = world.ask(Request::SignOut);
    world.server(Fault::about(FaultCode::SIGNED_OUT, Kind::SIGN_OUT, 0));
    assert_eq!(world.answer(ticket), Some(Ok(())));
    world.command(Command::SignUp { name: me(), password: password() });
    world.connect();
    let begun = matches!(world.sent.last(), Some(ToServer::SignUpStart(_)));
    assert!(begun, "the frame from before has gone: {:?}", world.sent.last());
}

#[test]
fn a_sign_in_that_finds_other_keys_replaces_nothing() {
    let (mut other, mut home) = (World::fresh(), Home::new());
    sign_up(&mut other, &mut home);
    let finish = home.finish.as_mut().expect("it has left");
    finish.bundle = Bundle::new(bundle_of(bob(), "alice").encoded().clone()).expect("it fits");
    let mut world = World::signed_out();
    world.command(Command::SignIn { name: me(), password: password("pw"), takeover: false });
    world.connect();
    home.challenge_sign_in(&mut world);
    world.work();
    home.welcome(&mut world);
    world.work();
    let failure = refusal(&world);
    assert_eq!(failure.code, Code::UntrustedKey);
    assert!(failure.text.contains("other keys now than this data directory"), "{failure}");
    assert!(world.store.session.is_none() && world.link.is_none());
    assert_eq!(world.store.bundle.as_ref(), Some(bundle_of(alice(), "alice").encoded()));
    assert!(matches!(world.sent.last(), Some(ToServer::SignOut(_))), "{:?}", world.sent);
}

#[test]
fn a_sign_in_of_an_account_that_its_home_has_lost_ends_its_session() {
    let mut world = World::with_session();
    world.command(Command::SignIn { name: me(), password: password("pw"), takeover: false });
    world.connect();
    world.server(Fault::about(FaultCode::NO_SUCH_USER, Kind::SIGN_IN_START, 0));
    assert_eq!(refusal(&world).code, Code::NoSuchUser);
    assert!(world.store.session.is_none());
    sign_up_again(&mut world, &mut Home::new());
}
