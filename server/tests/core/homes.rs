//! A home dies and comes back: what was accepted is there, sessions elsewhere go on.

use std::time::Duration;

use storage::{DiskModel, InFlight};
use wire::limits::LEASE_TIME;
use wire::message::Pong;
use wire::{FaultCode, Number, Seq, ServerId, ToClient};

use crate::client::{Client, MINE};
use crate::world::World;

#[test]
fn what_was_accepted_survives_and_what_was_not_is_sent_again() {
    for in_flight in [InFlight::Lost, InFlight::Kept] {
        let mut world = World::new(2);
        let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
        let alice = Client::signed_up(&mut world, 1, alice);
        let mut bob = Client::signed_up(&mut world, 1, bob);
        alice.open(&mut world, 1, bob.name).expect("opens");
        bob.attach(&mut world, Seq(0));
        alice.post(&mut world, 1, 1, 0, "safe");
        alice.accepted(&mut world);
        world.set_disk(2, DiskModel { commit_steps: 1, ..DiskModel::default() });
        alice.post(&mut world, 1, 2, 1, "in flight");
        assert!(alice.hear(&mut world).is_none());
        assert_eq!(bob.texts(&mut world), ["safe", "in flight"]);
        world.kill(2, in_flight);
        world.start(ServerId(2));
        world.advance(Duration::from_secs(3));
        let heard = alice.heard(&mut world);
        assert!(matches!(heard.as_slice(), [ToClient::Unavailable(_), ToClient::Up(_)]));
        alice.post(&mut world, 1, 2, 1, "in flight");
        assert_eq!(alice.accepted(&mut world).upto.value(), 2);
        world.hang_up(bob.conn);
        bob.connect(&mut world, 2);
        bob.resume(&mut world).expect("resumes");
        bob.attach(&mut world, Seq(0));
        assert_eq!(bob.texts(&mut world), ["safe", "in flight"], "each is stored once");
        assert_eq!(world.alarms(2), []);
    }
}

#[test]
fn sessions_on_other_seats_go_on_when_their_home_was_restarted() {
    let mut world = World::new(3);
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 2, alice);
    alice.attach(&mut world, Seq(0));
    alice.heard(&mut world);
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    let heard = alice.heard(&mut world);
    assert!(
        matches!(heard.first(), Some(ToClient::Unavailable(down)) if down.handle == MINE),
        "{heard:?}"
    );
    assert!(heard.iter().any(|message| matches!(message, ToClient::Up(_))));
    let mut other = Client::at(&mut world, 3, alice.name, 2);
    other.begin_sign_in(&mut world, false).expect("the password is right");
    let Some(ToClient::Ping(ping)) = alice.hear(&mut world) else {
        panic!("the home knows of the session again");
    };
    alice.say(&mut world, Pong { nonce: ping.nonce });
    assert_eq!(other.take_welcome(&mut world), Err(FaultCode::ALREADY_LOGGED_IN));
}

#[test]
fn sessions_that_sat_at_the_home_itself_died_with_it() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let mut first = Client::signed_up(&mut world, 1, alice);
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    let mut second = Client::at(&mut world, 1, alice, 2);
    assert_eq!(second.sign_in(&mut world, false), Ok(()));
    first.connect(&mut world, 1);
    assert_eq!(first.resume(&mut world), Err(FaultCode::SIGNED_OUT));
}

#[test]
fn a_home_that_just_began_asks_others_to_wait_until_the_seats_have_spoken() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let mut first = Client::signed_up(&mut world, 2, alice);
    world.kill(1, InFlight::Lost);
    world.cut(1, 2);
    world.start(ServerId(1));
    let mut second = Client::at(&mut world, 1, alice, 2);
    second.begin_sign_in(&mut world, false).expect("the password is right");
    world.advance(Duration::from_secs(1));
    assert!(second.hear(&mut world).is_none(), "nobody can know yet");
    world.advance(Duration::from_secs(2));
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::UNAVAILABLE));
    first.connect(&mut world, 1);
    assert_eq!(first.resume(&mut world), Ok(()), "its own installation need not wait");
    world.hang_up(first.conn);
    world.hang_up(second.conn);
    world.advance(LEASE_TIME);
    second.connect(&mut world, 1);
    assert_eq!(second.sign_in(&mut world, false), Ok(()));
}

#[test]
fn a_waiting_sign_in_goes_on_as_soon_as_the_seats_have_spoken() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 2, alice);
    world.hang_up(first.conn);
    world.kill(1, InFlight::Lost);
    world.cut(1, 2);
    world.start(ServerId(1));
    let mut second = Client::at(&mut world, 1, alice, 2);
    second.begin_sign_in(&mut world, false).expect("the password is right");
    assert!(second.hear(&mut world).is_none());
    world.heal(1, 2);
    world.advance(Duration::from_millis(2_500));
    assert_eq!(second.take_welcome(&mut world), Ok(()));
}

#[test]
fn an_account_survives_only_if_it_was_said() {
    let slow = DiskModel { commit_steps: 1, ..DiskModel::default() };
    let mut world = World::with(1, 1_000, slow);
    let alice = world.name_at(1, "alice");
    let mut client = Client::at(&mut world, 1, alice, 1);
    client.prepare_sign_up(&mut world).expect("begins");
    client.say(&mut world, client.sign_up.clone().expect("prepared"));
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    client.connect(&mut world, 1);
    client.say(&mut world, client.sign_up.clone().expect("kept"));
    world.step_disks();
    assert_eq!(client.take_welcome(&mut world), Ok(()), "sent again, byte for byte");
    assert_eq!(client.open(&mut world, 0, alice), Ok(Number::NONE));
}
