//! Sign-up and sign-in: each outcome its own.

use std::time::Duration;

use storage::DiskModel;
use wire::limits::{GUESS_INTERVAL, GUESSES_BURST};
use wire::message::SignInFinish;
use wire::{FaultCode, Origin, SessionEpoch, ToClient};

use crate::client::Client;
use crate::world::World;

#[test]
fn signing_up_signs_in_too() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let client = Client::signed_up(&mut world, 1, alice);
    let welcome = client.welcome.expect("welcome");
    assert!(welcome.epoch > SessionEpoch(0));
    assert_eq!(welcome.sealed_keys.bytes().as_ref(), b"sealed");
    assert_eq!(welcome.bundle.bytes().as_ref(), format!("bundle of {alice}").as_bytes());
}

#[test]
fn a_name_is_given_once() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    Client::signed_up(&mut world, 1, alice);
    for server in [1, 2] {
        let mut other = Client::at(&mut world, server, alice, 9);
        other.password = "another".to_owned();
        assert_eq!(other.sign_up(&mut world), Err(FaultCode::USERNAME_TAKEN));
        assert!(!other.is_closed(&world), "another name may follow");
    }
}

#[test]
fn of_two_at_once_one_gets_the_name() {
    let slow = DiskModel { commit_steps: 1, ..DiskModel::default() };
    let mut world = World::with(2, 1_000, slow);
    let alice = world.name_at(1, "alice");
    let mut first = Client::at(&mut world, 1, alice, 1);
    let mut second = Client::at(&mut world, 2, alice, 2);
    first.prepare_sign_up(&mut world).expect("begins");
    second.prepare_sign_up(&mut world).expect("begins");
    first.say(&mut world, first.sign_up.clone().expect("prepared"));
    second.say(&mut world, second.sign_up.clone().expect("prepared"));
    assert!(first.hear(&mut world).is_none(), "nothing is said before it is durable");
    world.step_disks();
    assert_eq!(first.take_welcome(&mut world), Ok(()));
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::USERNAME_TAKEN));
}

#[test]
fn the_same_sign_up_again_is_welcome_again() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let mut client = Client::signed_up(&mut world, 1, alice);
    let first = client.epoch;
    world.hang_up(client.conn);
    for server in [2, 1] {
        client.connect(&mut world, server);
        client.say(&mut world, client.sign_up.clone().expect("kept"));
        assert_eq!(client.take_welcome(&mut world), Ok(()));
        world.hang_up(client.conn);
    }
    assert_eq!(client.epoch, SessionEpoch(first.0 + 2));
    assert_eq!(world.metrics(wire::ServerId(1)).sign_ups, 1);
}

#[test]
fn a_sign_up_again_after_another_installation_signed_in_is_signed_out() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let mut client = Client::signed_up(&mut world, 1, alice);
    world.hang_up(client.conn);
    let mut other = Client::at(&mut world, 1, alice, 2);
    other.sign_in(&mut world, false).expect("signs in");
    client.connect(&mut world, 1);
    client.say(&mut world, client.sign_up.clone().expect("kept"));
    assert_eq!(client.take_welcome(&mut world), Err(FaultCode::SIGNED_OUT));
}

#[test]
fn another_installation_signs_in_with_the_password() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 1, alice);
    world.hang_up(first.conn);
    let mut second = Client::at(&mut world, 2, alice, 2);
    assert_eq!(second.sign_in(&mut world, false), Ok(()));
    let welcome = second.welcome.expect("welcome");
    assert_eq!(welcome.sealed_keys.bytes().as_ref(), b"sealed");
    assert_eq!(welcome.bundle.bytes().as_ref(), format!("bundle of {alice}").as_bytes());
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_told_apart() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 1, alice);
    world.hang_up(first.conn);
    let mut wrong = Client::at(&mut world, 1, alice, 2);
    wrong.password = "not it".to_owned();
    assert_eq!(wrong.sign_in(&mut world, false), Err(FaultCode::INCORRECT_PASSWORD));
    let nobody = world.name_at(1, "nobody");
    let mut unknown = Client::at(&mut world, 1, nobody, 2);
    assert_eq!(unknown.sign_in(&mut world, false), Err(FaultCode::NO_SUCH_USER));
}

#[test]
fn a_forged_proof_is_an_incorrect_password() {
    let mut world = World::new(2);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(1, "bob"));
    let first = Client::signed_up(&mut world, 1, alice);
    world.hang_up(first.conn);
    let mut forger = Client::at(&mut world, 2, alice, 2);
    forger.password = "not it".to_owned();
    assert_eq!(forger.begin_sign_in(&mut world, false), Err(FaultCode::INCORRECT_PASSWORD));
    let finish = wire::message::Challenge::new(vec![7; 64].into()).expect("short");
    let forged = |name| SignInFinish { name, origin: Origin([2; 16]), takeover: true, finish };
    forger.say(&mut world, forged.clone()(alice));
    assert_eq!(forger.fault(&mut world).code, FaultCode::INCORRECT_PASSWORD);
    forger.say(&mut world, forged(bob));
    assert_eq!(forger.fault(&mut world).code, FaultCode::WRONG_STATE);
}

#[test]
fn guesses_are_limited_also_when_none_is_finished() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 1, alice);
    world.hang_up(first.conn);
    let guess = |world: &mut World, password: &str| {
        let mut client = Client::at(world, 1, alice, 2);
        client.password = password.to_owned();
        let outcome = client.sign_in(world, false);
        world.hang_up(client.conn);
        outcome
    };
    let right = format!("password of {alice}");
    assert_eq!(guess(&mut world, &right), Ok(()), "a proven password is no guess");
    for _ in 0..GUESSES_BURST {
        assert_eq!(guess(&mut world, "no"), Err(FaultCode::INCORRECT_PASSWORD));
    }
    assert_eq!(guess(&mut world, &right), Err(FaultCode::RATE_LIMITED));
    world.advance(GUESS_INTERVAL + Duration::from_secs(1));
    assert_eq!(guess(&mut world, &right), Ok(()));
}

#[test]
fn what_is_no_opaque_message_ends_the_connection() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let client = Client::at(&mut world, 1, alice, 1);
    let request = wire::message::Challenge::new(vec![0xff; 32].into()).expect("short");
    client.say(&mut world, wire::message::SignUpStart { name: alice, request });
    assert_eq!(client.fault(&mut world).code, FaultCode::MALFORMED);
    assert!(client.is_closed(&world));
}

#[test]
fn a_sign_in_is_proven_within_its_time() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 1, alice);
    world.hang_up(first.conn);
    let slow = Client::at(&mut world, 2, alice, 2);
    world.advance(Duration::from_secs(11));
    assert_eq!(slow.fault(&mut world).code, FaultCode::TOO_SLOW_TO_SIGN_IN);
    assert!(slow.is_closed(&world));
    assert!(!matches!(slow.hear(&mut world), Some(ToClient::Welcome(_))));
}
