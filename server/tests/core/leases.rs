//! Two sessions of one account are never acted for at the same time: leases, fences, and whose word
//! a home waits for.

use std::time::Duration;

use storage::{DiskModel, InFlight};
use wire::limits::{LEASE_TIME, PROBE_TIME_MAX, SEAT_LEASE_TIME};
use wire::message::{Pong, Resume, SignOut};
use wire::{FaultCode, LogHandle, Seq, ServerId, SessionEpoch, ToClient};

use crate::client::{Client, MINE};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// Alice (home 1, seat 2) with the mailbox of Bob (home 3) open under handle 1.
fn apart(world: &mut World) -> (Client, Client) {
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(3, "bob"));
    let (alice, bob) = (Client::signed_up(world, 2, alice), Client::signed_up(world, 3, bob));
    alice.open(world, 1, bob.name).expect("opens");
    alice.attach(world, Seq(0));
    alice.heard(world);
    (alice, bob)
}

fn slow_reads() -> DiskModel {
    DiskModel { read_steps: 1, ..DiskModel::default() }
}

fn unavailable(messages: &[ToClient]) -> Vec<LogHandle> {
    let of = |message: &ToClient| match message {
        ToClient::Unavailable(down) => Some(down.handle),
        _ => None,
    };
    messages.iter().filter_map(of).collect()
}

fn up(messages: &[ToClient]) -> Vec<LogHandle> {
    let of = |message: &ToClient| match message {
        ToClient::Up(up) => Some(up.handle),
        _ => None,
    };
    messages.iter().filter_map(of).collect()
}

fn ended(client: &Client, world: &mut World) -> FaultCode {
    match client.heard(world).last() {
        Some(ToClient::SessionEnded(ended)) => ended.code,
        other => panic!("the session ends, not {other:?}"),
    }
}

#[test]
fn a_session_is_acted_for_until_the_lease_from_its_home_is_over() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    world.cut(1, 2);
    assert_eq!(unavailable(&alice.heard(&mut world)), [MINE]);
    world.advance(SEAT_LEASE_TIME - 3 * SECOND);
    alice.post(&mut world, 1, 1, 0, "within the lease");
    alice.accepted(&mut world);
    world.advance(3 * SECOND);
    assert_eq!(unavailable(&alice.heard(&mut world)), [LogHandle(1)], "though its home is there");
    alice.post(&mut world, 1, 2, 1, "behind the fence");
    assert!(alice.hear(&mut world).is_none());
    assert_eq!(alice.open(&mut world, 9, alice.name), Err(FaultCode::BAD_HANDLE), "still open");
    let stranger = world.name_at(3, "carol");
    assert_eq!(alice.open(&mut world, 9, stranger), Err(FaultCode::UNAVAILABLE));
    assert_eq!(world.metrics(ServerId(2)).fenced, 1);
    world.heal(1, 2);
    world.advance(3 * SECOND);
    let mut handles = up(&alice.heard(&mut world));
    handles.sort();
    assert_eq!(handles, [MINE, LogHandle(1)], "nobody else had signed in");
    alice.post(&mut world, 1, 2, 1, "behind the fence");
    alice.accepted(&mut world);
}

#[test]
fn a_fence_stands_before_the_home_grants_the_session_to_another() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    world.cut(1, 2);
    world.advance(LEASE_TIME - SECOND);
    assert_eq!(world.metrics(ServerId(2)).fenced, 1);
    let mut second = Client::at(&mut world, 3, alice.name, 2);
    second.begin_sign_in(&mut world, true).expect("the password is right");
    assert!(second.hear(&mut world).is_none(), "the lease is not over");
    world.advance(SECOND);
    assert_eq!(second.take_welcome(&mut world), Ok(()), "now it is");
    world.heal(1, 2);
    world.advance(3 * SECOND);
    assert_eq!(ended(&alice, &mut world), FaultCode::ALREADY_LOGGED_IN);
    assert_eq!(world.metrics(ServerId(2)).unfenced, 0);
}

#[test]
fn a_seat_that_wakes_after_its_lease_acts_for_nobody() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    let posts = |world: &World| world.metrics(ServerId(2)).posts;
    let before = posts(&world);
    world.pause(2);
    alice.post(&mut world, 1, 1, 0, "found on waking");
    world.advance(LEASE_TIME + SECOND);
    let mut second = Client::at(&mut world, 3, alice.name, 2);
    assert_eq!(second.sign_in(&mut world, false), Ok(()));
    world.wake(2);
    assert_eq!(posts(&world), before, "the first thing it finds is the post");
    let heard = alice.heard(&mut world);
    let mut handles = unavailable(&heard);
    handles.sort();
    assert_eq!(handles, [MINE, LogHandle(1)]);
    world.advance(3 * SECOND);
    assert_eq!(ended(&alice, &mut world), FaultCode::ALREADY_LOGGED_IN);
}

#[test]
fn a_welcome_that_waits_longer_than_the_lease_begins_nothing() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let mut first = Client::signed_up(&mut world, 1, alice);
    first.connect(&mut world, 2);
    world.set_disk(1, slow_reads());
    let resume =
        Resume { name: alice, origin: first.origin, token: first.token.expect("has signed in") };
    first.say(&mut world, resume);
    world.pause(2);
    world.step_disks();
    world.advance(SEAT_LEASE_TIME);
    world.wake(2);
    assert!(!first.heard(&mut world).iter().any(|heard| matches!(heard, ToClient::Welcome(_))));
}

#[test]
fn a_takeover_waits_until_the_other_session_is_over_at_its_seat() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    let mut second = Client::at(&mut world, 3, alice.name, 2);
    world.pause(2);
    second.begin_sign_in(&mut world, true).expect("the password is right");
    world.advance(SECOND);
    assert!(second.hear(&mut world).is_none());
    world.wake(2);
    assert_eq!(second.take_welcome(&mut world), Ok(()));
    assert_eq!(ended(&alice, &mut world), FaultCode::ALREADY_LOGGED_IN);
}

#[test]
fn without_that_word_a_takeover_is_unavailable() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    let mut second = Client::at(&mut world, 3, alice.name, 2);
    world.pause(2);
    second.begin_sign_in(&mut world, true).expect("the password is right");
    world.advance(PROBE_TIME_MAX);
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::UNAVAILABLE));
    world.wake(2);
    assert_eq!(second.sign_in(&mut world, true), Ok(()));
    assert_eq!(second.epoch, SessionEpoch(alice.epoch.0 + 1), "the first try changed nothing");
}

#[test]
fn a_session_that_is_registered_while_a_claim_waits_for_the_disk_is_asked() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    world.cut(1, 2);
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(3 * SECOND);
    let mut second = Client::at(&mut world, 3, alice.name, 2);
    let finish = second.prove(&mut world, false).expect("the password is right");
    world.set_disk(1, slow_reads());
    second.say(&mut world, finish);
    world.heal(1, 2);
    world.advance(3 * SECOND);
    for _ in 0..4 {
        world.step_disks();
    }
    let heard = alice.heard(&mut world);
    let nonce = heard.iter().find_map(|message| match message {
        ToClient::Ping(ping) => Some(ping.nonce),
        _ => None,
    });
    alice.say(&mut world, Pong { nonce: nonce.expect("the live session is probed") });
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::ALREADY_LOGGED_IN));
}

/// Alice's installation goes on at seat 3, and leaves, while seat 2 is paused: the connection that
/// seat 2 still has, and another installation at home 1, whose password is right.
fn left_behind(world: &mut World) -> (Client, Client) {
    let (mut alice, _bob) = apart(world);
    world.pause(2);
    let left = alice.conn;
    alice.connect(world, 3);
    assert_eq!(alice.resume(world), Ok(()), "nobody else is in its way");
    world.hang_up(alice.conn);
    alice.conn = left;
    let mut second = Client::at(world, 1, alice.name, 2);
    second.begin_sign_in(world, false).expect("the password is right");
    assert!(second.hear(world).is_none(), "seat 2 may act for the first session");
    (alice, second)
}

#[test]
fn a_session_that_was_left_behind_is_over_before_another_installation_is_granted() {
    let mut world = World::new(3);
    let (alice, mut second) = left_behind(&mut world);
    let posts = |world: &World| world.metrics(ServerId(2)).posts;
    let before = posts(&world);
    alice.post(&mut world, 1, 1, 0, "behind the word that it is over");
    world.wake(2);
    assert_eq!(ended(&alice, &mut world), FaultCode::STALE_EPOCH);
    assert_eq!(posts(&world), before);
    assert_eq!(second.take_welcome(&mut world), Ok(()));
}

#[test]
fn a_session_that_was_left_behind_at_a_seat_that_is_silent_blocks_others_for_its_lease() {
    let mut world = World::new(3);
    let (_alice, mut second) = left_behind(&mut world);
    world.advance(PROBE_TIME_MAX);
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::UNAVAILABLE));
    world.advance(LEASE_TIME);
    second.connect(&mut world, 1);
    assert_eq!(second.sign_in(&mut world, false), Ok(()));
}

#[test]
fn a_home_that_has_started_waits_until_a_session_left_behind_is_over() {
    let mut world = World::new(3);
    let (mut alice, _bob) = apart(&mut world);
    world.cut(1, 2);
    let left = alice.conn;
    alice.connect(&mut world, 3);
    assert_eq!(alice.resume(&mut world), Ok(()), "nobody else is in its way");
    world.hang_up(alice.conn);
    alice.conn = left;
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.heal(1, 2);
    world.advance(3 * SECOND);
    assert_eq!(ended(&alice, &mut world), FaultCode::STALE_EPOCH);
    let mut second = Client::at(&mut world, 3, alice.name, 2);
    assert_eq!(second.sign_in(&mut world, false), Ok(()));
}

#[test]
fn who_has_said_that_it_signs_out_is_acted_for_no_more() {
    let mut world = World::new(3);
    let (alice, bob) = apart(&mut world);
    let posts = |world: &World| world.metrics(ServerId(2)).posts;
    let before = posts(&world);
    world.pause(1);
    alice.say(&mut world, SignOut {});
    alice.post(&mut world, 1, 1, 0, "its home may grant a session to another already");
    assert_eq!(posts(&world), before);
    assert!(bob.texts(&mut world).is_empty());
    world.wake(1);
    assert_eq!(ended(&alice, &mut world), FaultCode::SIGNED_OUT);
}

#[test]
fn a_sign_out_whose_link_is_lost_on_the_way_leaves_the_session_as_it_was() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    world.pause(1);
    alice.say(&mut world, SignOut {});
    assert_eq!(unavailable(&alice.heard(&mut world)), [MINE, LogHandle(1)]);
    world.cut(1, 2);
    assert_eq!(alice.fault(&mut world).code, FaultCode::UNAVAILABLE);
    world.wake(1);
    world.heal(1, 2);
    world.advance(3 * SECOND);
    let mut handles = up(&alice.heard(&mut world));
    handles.sort();
    assert_eq!(handles, [MINE, LogHandle(1)], "its home counts it again");
    alice.post(&mut world, 1, 1, 0, "still here");
    alice.accepted(&mut world);
}

#[test]
fn a_sign_out_that_its_home_never_heard_of_leaves_the_session_as_it_was() {
    let mut world = World::new(3);
    let (alice, _bob) = apart(&mut world);
    world.cut(1, 2);
    alice.heard(&mut world);
    alice.say(&mut world, SignOut {});
    assert_eq!(alice.fault(&mut world).code, FaultCode::UNAVAILABLE);
    world.heal(1, 2);
    world.advance(3 * SECOND);
    alice.heard(&mut world);
    alice.post(&mut world, 1, 1, 0, "still here");
    alice.accepted(&mut world);
}
