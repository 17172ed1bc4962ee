//! One live session per account: conflict, takeover, resume, sign-out.

use std::time::Duration;

use storage::{DiskModel, InFlight};
use wire::limits::PROBE_TIME_MAX;
use wire::message::{PeerAttach, Pong, SignOut};
use wire::{FaultCode, LogId, Reservation, Seq, ServerId, SessionEpoch, ToClient};

use crate::client::Client;
use crate::world::World;

/// Alice, signed up on one server and live there.
fn alice_on(world: &mut World, server: u16) -> Client {
    let alice = world.name_at(1, "alice");
    Client::signed_up(world, server, alice)
}

/// The nonce of the ping that a client was just sent.
fn ping(client: &Client, world: &mut World) -> u64 {
    match client.hear(world) {
        Some(ToClient::Ping(ping)) => ping.nonce,
        other => panic!("a ping, not {other:?}"),
    }
}

#[test]
fn a_live_session_elsewhere_is_in_the_way() {
    for (first_seat, second_seat) in [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)] {
        let mut world = World::new(3);
        let first = alice_on(&mut world, first_seat);
        let mut second = Client::at(&mut world, second_seat, first.name, 2);
        second.begin_sign_in(&mut world, false).expect("the password is right");
        let nonce = ping(&first, &mut world);
        first.say(&mut world, Pong { nonce });
        assert_eq!(second.take_welcome(&mut world), Err(FaultCode::ALREADY_LOGGED_IN));
        assert!(!first.is_closed(&world), "the live session goes on");
        world.hang_up(first.conn);
        assert_eq!(second.sign_in(&mut world, false), Ok(()), "it left");
    }
}

#[test]
fn already_logged_in_is_said_only_after_the_password() {
    let mut world = World::new(1);
    let first = alice_on(&mut world, 1);
    let mut stranger = Client::at(&mut world, 1, first.name, 2);
    stranger.password = "not it".to_owned();
    assert_eq!(stranger.sign_in(&mut world, false), Err(FaultCode::INCORRECT_PASSWORD));
    assert!(first.hear(&mut world).is_none(), "nobody was probed");
}

#[test]
fn a_silent_session_is_detached_after_its_probe() {
    let mut world = World::new(2);
    let first = alice_on(&mut world, 2);
    let mut second = Client::at(&mut world, 1, first.name, 2);
    second.begin_sign_in(&mut world, false).expect("the password is right");
    ping(&first, &mut world);
    world.advance(PROBE_TIME_MAX - Duration::from_millis(1));
    assert!(second.hear(&mut world).is_none());
    world.advance(Duration::from_millis(1));
    assert_eq!(second.take_welcome(&mut world), Ok(()));
    let Some(ToClient::SessionEnded(ended)) = first.hear(&mut world) else {
        panic!("the silent session is told");
    };
    assert_eq!(ended.code, FaultCode::ALREADY_LOGGED_IN);
    assert!(first.is_closed(&world));
}

#[test]
fn a_session_that_leaves_while_it_is_probed_makes_way_at_once() {
    let mut world = World::new(2);
    let first = alice_on(&mut world, 2);
    let mut second = Client::at(&mut world, 1, first.name, 2);
    second.begin_sign_in(&mut world, false).expect("the password is right");
    world.hang_up(first.conn);
    assert_eq!(second.take_welcome(&mut world), Ok(()));
}

#[test]
fn a_takeover_ends_the_other_session() {
    for (first_seat, second_seat) in [(1, 1), (1, 2), (2, 2), (2, 3)] {
        let mut world = World::new(3);
        let mut first = alice_on(&mut world, first_seat);
        let mut second = Client::at(&mut world, second_seat, first.name, 2);
        assert_eq!(second.sign_in(&mut world, true), Ok(()));
        let Some(ToClient::SessionEnded(ended)) = first.hear(&mut world) else {
            panic!("the other session is told");
        };
        assert_eq!(ended.code, FaultCode::ALREADY_LOGGED_IN);
        assert!(first.is_closed(&world));
        first.connect(&mut world, first_seat);
        assert_eq!(first.resume(&mut world), Err(FaultCode::SIGNED_OUT));
        assert!(!second.is_closed(&world), "a failed resume harms nobody");
        assert!(second.hear(&mut world).is_none());
    }
}

#[test]
fn the_same_installation_replaces_its_own_session_silently() {
    for (first_seat, second_seat) in [(1, 1), (2, 2), (1, 2), (2, 3)] {
        let mut world = World::new(3);
        let mut client = alice_on(&mut world, first_seat);
        let (old, first) = (client.conn, client.epoch);
        client.connect(&mut world, second_seat);
        assert_eq!(client.resume(&mut world), Ok(()));
        assert_eq!(client.epoch, SessionEpoch(first.0 + 1));
        let new = std::mem::replace(&mut client.conn, old);
        let Some(ToClient::SessionEnded(ended)) = client.hear(&mut world) else {
            panic!("the old connection ends");
        };
        assert_eq!(ended.code, FaultCode::STALE_EPOCH);
        assert!(client.is_closed(&world));
        client.conn = new;
        assert!(client.hear(&mut world).is_none(), "the new one goes on");
    }
}

#[test]
fn a_resume_whose_reply_was_lost_is_resumed_again() {
    let mut world = World::new(2);
    let mut client = alice_on(&mut world, 2);
    let first = client.token;
    world.hang_up(client.conn);
    client.connect(&mut world, 1);
    client.resume(&mut world).expect("resumes");
    let second = client.token;
    world.hang_up(client.conn);
    client.token = first;
    client.connect(&mut world, 2);
    assert_eq!(client.resume(&mut world), Ok(()), "the new one was not used yet");
    let third = client.token;
    world.hang_up(client.conn);
    client.connect(&mut world, 2);
    assert_eq!(client.resume(&mut world), Ok(()));
    for dead in [first, second] {
        client.token = dead;
        client.connect(&mut world, 1);
        assert_eq!(client.resume(&mut world), Err(FaultCode::SIGNED_OUT));
    }
    client.token = third;
    client.connect(&mut world, 1);
    assert_eq!(client.resume(&mut world), Ok(()), "the newest but one");
}

#[test]
fn a_stored_session_ends_when_another_installation_signs_in() {
    let mut world = World::new(1);
    let mut first = alice_on(&mut world, 1);
    world.hang_up(first.conn);
    let mut second = Client::at(&mut world, 1, first.name, 2);
    assert_eq!(second.sign_in(&mut world, false), Ok(()));
    first.connect(&mut world, 1);
    assert_eq!(first.resume(&mut world), Err(FaultCode::SIGNED_OUT));
}

#[test]
fn a_sign_out_is_durable_before_it_is_said() {
    let mut world = World::new(2);
    let mut client = alice_on(&mut world, 2);
    world.set_disk(1, DiskModel { commit_steps: 1, ..DiskModel::default() });
    client.say(&mut world, SignOut {});
    assert!(client.hear(&mut world).is_none());
    world.step_disks();
    let Some(ToClient::SessionEnded(ended)) = client.hear(&mut world) else {
        panic!("the session ends");
    };
    assert_eq!(ended.code, FaultCode::SIGNED_OUT);
    assert!(client.is_closed(&world));
    client.connect(&mut world, 1);
    assert_eq!(client.resume(&mut world), Err(FaultCode::SIGNED_OUT));
}

#[test]
fn a_sign_out_without_its_home_is_unavailable_and_may_be_tried_again() {
    let mut world = World::new(2);
    let client = alice_on(&mut world, 2);
    world.set_disk(1, DiskModel { commit_steps: 1, ..DiskModel::default() });
    client.say(&mut world, SignOut {});
    world.kill(1, InFlight::Lost);
    assert_eq!(client.fault(&mut world).code, FaultCode::UNAVAILABLE);
    client.say(&mut world, SignOut {});
    assert_eq!(client.fault(&mut world).code, FaultCode::UNAVAILABLE);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    client.say(&mut world, SignOut {});
    let Some(ToClient::SessionEnded(ended)) = client.hear(&mut world) else {
        panic!("the session ends");
    };
    assert_eq!(ended.code, FaultCode::SIGNED_OUT);
    let hasty = world.name_at(1, "hasty");
    let hasty = Client::signed_up(&mut world, 1, hasty);
    world.set_disk(1, DiskModel { commit_steps: 1, ..DiskModel::default() });
    hasty.say(&mut world, SignOut {});
    hasty.say(&mut world, SignOut {});
    assert_eq!(hasty.fault(&mut world).code, FaultCode::WRONG_STATE);
}

#[test]
fn a_seat_that_has_not_heard_that_a_session_ended_moves_nothing() {
    let mut world = World::new(2);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let alice = Client::signed_up(&mut world, 2, alice);
    let mut bob = Client::signed_up(&mut world, 2, bob);
    alice.open(&mut world, 1, bob.name).expect("opens");
    alice.post(&mut world, 1, 1, 0, "unread");
    let cursor = alice.accepted(&mut world).seq;
    let stale =
        PeerAttach { log: LogId::mailbox(bob.name), account: bob.name, epoch: bob.epoch, cursor };
    bob.connect(&mut world, 2);
    bob.resume(&mut world).expect("resumes");
    world.cut(1, 2);
    let seat = world.impersonate(2, 1);
    world.tell(seat, stale);
    world.pump();
    bob.attach(&mut world, Seq(0));
    assert_eq!(bob.texts(&mut world), ["unread"]);
}

#[test]
fn a_full_seat_says_so() {
    let mut world = World::with(2, 1, DiskModel::default());
    let first = alice_on(&mut world, 1);
    let bob = world.name_at(1, "bob");
    let mut full = Client::at(&mut world, 1, bob, 1);
    assert_eq!(full.sign_up(&mut world), Err(FaultCode::SEAT_FULL));
    let mut elsewhere = Client::at(&mut world, 2, bob, 1);
    assert_eq!(elsewhere.sign_up(&mut world), Ok(()), "overflow");
    let mut again = Client::at(&mut world, 1, first.name, 1);
    again.token = first.token;
    assert_eq!(again.resume(&mut world), Ok(()), "its own place is free for it");
}

#[test]
fn of_two_for_the_last_place_one_is_turned_away() {
    let slow = DiskModel { commit_steps: 1, ..DiskModel::default() };
    let mut world = World::with(1, 1, slow);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(1, "bob"));
    let mut first = Client::at(&mut world, 1, alice, 1);
    let mut second = Client::at(&mut world, 1, bob, 1);
    for client in [&mut first, &mut second] {
        client.prepare_sign_up(&mut world).expect("begins");
        let finish = client.sign_up.clone().expect("prepared");
        client.say(&mut world, finish);
    }
    world.step_disks();
    world.step_disks();
    assert_eq!(first.take_welcome(&mut world), Ok(()));
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::SEAT_FULL));
    world.hang_up(first.conn);
    let finish = second.sign_up.clone().expect("kept");
    second.say(&mut world, finish);
    world.step_disks();
    assert_eq!(second.take_welcome(&mut world), Ok(()), "its account was made");
}

#[test]
fn a_silent_client_is_pinged_twice_and_closed() {
    let mut world = World::new(1);
    let first = alice_on(&mut world, 1);
    world.advance(Duration::from_secs(30));
    let nonce = ping(&first, &mut world);
    first.say(&mut world, Pong { nonce });
    world.advance(Duration::from_secs(49));
    ping(&first, &mut world);
    ping(&first, &mut world);
    assert!(first.hear(&mut world).is_none());
    world.advance(Duration::from_secs(1));
    assert_eq!(first.fault(&mut world).code, FaultCode::IDLE);
    assert!(first.is_closed(&world));
}

#[test]
fn the_router_hears_of_sessions_and_their_reservations_soon() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let mut client = Client::at(&mut world, 1, alice, 1);
    let reservation = Reservation([5; 16]);
    client.say(&mut world, wire::message::Redeem { reservation });
    client.sign_up(&mut world).expect("signs up");
    world.advance(Duration::from_millis(100));
    let report = world.report(1);
    assert_eq!(report.sessions, 1);
    assert_eq!(report.redeemed.items(), [reservation]);
    assert!(report.open);
    world.hang_up(client.conn);
    world.advance(Duration::from_millis(100));
    assert_eq!(world.report(1).sessions, 0);
    assert_eq!(world.report(1).redeemed.items(), []);
    assert_eq!(world.report(1).entry.server, ServerId(1));
}
