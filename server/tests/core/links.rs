//! Links between servers: lost, silent, back again.

use std::time::Duration;

use storage::{DiskModel, InFlight};
use wire::limits::{LEASE_TIME, PROBE_TIME_MAX, SEEN_WAIT};
use wire::message::{Attach, CloseLog, OpenLog};
use wire::{FaultCode, LogHandle, LogId, Number, Seq, ServerId, ToClient};

use crate::client::{Client, MINE};
use crate::world::World;

/// Alice (home 1, seat 1) and Bob (home 2, seat 2), Bob reading, Alice with his mailbox open.
fn talking(world: &mut World) -> (Client, Client) {
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let (alice, bob) = (Client::signed_up(world, 1, alice), Client::signed_up(world, 2, bob));
    bob.attach(world, Seq(0));
    bob.heard(world);
    alice.open(world, 1, bob.name).expect("opens");
    (alice, bob)
}

fn slow_reads() -> DiskModel {
    DiskModel { read_steps: 1, ..DiskModel::default() }
}

fn is_unavailable(message: Option<&ToClient>, handle: u32) -> bool {
    matches!(message, Some(ToClient::Unavailable(down)) if down.handle == LogHandle(handle))
}

fn is_up(message: Option<&ToClient>, handle: u32) -> bool {
    matches!(message, Some(ToClient::Up(up)) if up.handle == LogHandle(handle))
}

#[test]
fn a_lost_link_is_told_and_what_was_unanswered_is_sent_again_once() {
    let mut world = World::new(2);
    let (alice, bob) = talking(&mut world);
    alice.post(&mut world, 1, 1, 0, "one");
    alice.accepted(&mut world);
    world.cut(1, 2);
    assert!(is_unavailable(alice.hear(&mut world).as_ref(), 1));
    alice.post(&mut world, 1, 2, 1, "lost on the way");
    assert!(alice.hear(&mut world).is_none());
    world.advance(Duration::from_secs(5));
    assert!(alice.hear(&mut world).is_none(), "the wait goes on");
    world.heal(1, 2);
    world.advance(Duration::from_secs(3));
    assert!(is_up(alice.hear(&mut world).as_ref(), 1));
    alice.post(&mut world, 1, 2, 1, "lost on the way");
    assert_eq!(alice.accepted(&mut world).upto.value(), 2);
    assert_eq!(bob.texts(&mut world), ["one", "lost on the way"]);
}

#[test]
fn a_reader_goes_on_where_it_was_when_the_link_is_back() {
    let mut world = World::new(2);
    let (alice, mut bob) = talking(&mut world);
    world.hang_up(bob.conn);
    bob.connect(&mut world, 1);
    bob.resume(&mut world).expect("resumes, now on a seat that is not its home");
    bob.attach(&mut world, Seq(0));
    alice.post(&mut world, 1, 1, 0, "one");
    let first = match bob.heard(&mut world).last() {
        Some(ToClient::Deliver(deliver)) => deliver.entry.seq,
        other => panic!("an entry, not {other:?}"),
    };
    let carol = world.name_at(2, "carol");
    let carol = Client::signed_up(&mut world, 2, carol);
    carol.open(&mut world, 1, bob.name).expect("opens");
    world.cut(1, 2);
    assert!(is_unavailable(bob.hear(&mut world).as_ref(), MINE.0));
    carol.post(&mut world, 1, 1, 0, "two");
    carol.accepted(&mut world);
    bob.seen(&mut world, first);
    world.heal(1, 2);
    world.advance(Duration::from_secs(3));
    assert!(is_up(bob.hear(&mut world).as_ref(), MINE.0));
    assert_eq!(bob.texts(&mut world), ["two"], "one came before");
    carol.post(&mut world, 1, 2, 1, "three");
    assert_eq!(bob.texts(&mut world), ["three"]);
}

#[test]
fn without_a_way_to_the_home_questions_are_unavailable() {
    let mut world = World::new(2);
    let (alice, bob) = talking(&mut world);
    world.cut(1, 2);
    alice.heard(&mut world);
    let carol = world.name_at(2, "carol");
    assert_eq!(alice.open(&mut world, 9, carol), Err(FaultCode::UNAVAILABLE));
    let mut stranger = Client::at(&mut world, 1, bob.name, 2);
    assert_eq!(stranger.sign_in(&mut world, false), Err(FaultCode::UNAVAILABLE));
    assert!(!stranger.is_closed(&world), "it may try again");
    world.hang_up(stranger.conn);
    world.heal(1, 2);
    world.advance(Duration::from_secs(3));
    alice.heard(&mut world);
    assert_eq!(alice.open(&mut world, 9, bob.name), Err(FaultCode::BAD_HANDLE), "still open");
    Client::signed_up(&mut world, 2, carol);
    assert_eq!(alice.open(&mut world, 9, carol), Ok(Number::NONE));
}

#[test]
fn a_home_that_falls_silent_in_the_middle_of_a_question() {
    let mut world = World::new(2);
    let (alice, _bob) = talking(&mut world);
    world.set_disk(2, slow_reads());
    let carol = world.name_at(2, "carol");
    alice.say(&mut world, OpenLog { handle: LogHandle(9), log: LogId::mailbox(carol) });
    assert!(alice.hear(&mut world).is_none());
    world.advance(Duration::from_secs(8));
    let fault = alice.fault(&mut world);
    assert_eq!((fault.code, fault.reference), (FaultCode::UNAVAILABLE, 9));
    world.step_disks();
    assert!(alice.hear(&mut world).is_none(), "the late answer is nobody's");
}

#[test]
fn the_sessions_of_an_unreachable_seat_block_others_for_its_lease() {
    let mut world = World::new(3);
    let alice = world.name_at(1, "alice");
    let mut first = Client::signed_up(&mut world, 2, alice);
    world.cut(1, 2);
    let mut second = Client::at(&mut world, 1, alice, 2);
    second.begin_sign_in(&mut world, true).expect("the password is right");
    world.advance(PROBE_TIME_MAX);
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::UNAVAILABLE));
    world.hang_up(second.conn);
    world.advance(LEASE_TIME);
    second.connect(&mut world, 3);
    assert_eq!(second.sign_in(&mut world, false), Ok(()), "the lease is over");
    world.heal(1, 2);
    world.advance(Duration::from_secs(3));
    let ended = first.heard(&mut world);
    let Some(ToClient::SessionEnded(ended)) = ended.last() else {
        panic!("the seat learns that the session ended, not {ended:?}");
    };
    assert_eq!(ended.code, FaultCode::ALREADY_LOGGED_IN);
    first.connect(&mut world, 2);
    assert_eq!(first.resume(&mut world), Err(FaultCode::SIGNED_OUT));
}

#[test]
fn an_installation_is_never_in_its_own_way() {
    let mut world = World::new(3);
    let alice = world.name_at(1, "alice");
    let mut client = Client::signed_up(&mut world, 2, alice);
    world.cut(1, 2);
    client.connect(&mut world, 3);
    assert_eq!(client.resume(&mut world), Ok(()));
}

#[test]
fn a_session_that_registers_again_is_live_again() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 2, alice);
    world.cut(1, 2);
    world.heal(1, 2);
    world.advance(Duration::from_secs(3));
    let mut second = Client::at(&mut world, 1, alice, 2);
    second.begin_sign_in(&mut world, false).expect("the password is right");
    let Some(ToClient::Ping(ping)) = first.heard(&mut world).into_iter().next_back() else {
        panic!("the live session is probed");
    };
    first.say(&mut world, wire::message::Pong { nonce: ping.nonce });
    assert_eq!(second.take_welcome(&mut world), Err(FaultCode::ALREADY_LOGGED_IN));
}

#[test]
fn a_silent_link_is_cut_and_comes_back() {
    let mut world = World::new(2);
    let lost = |world: &World| world.metrics(ServerId(1)).links_lost;
    world.advance(Duration::from_secs(60));
    assert_eq!(lost(&world), 0, "pings keep an idle link");
    world.kill(2, InFlight::Lost);
    assert_eq!(lost(&world), 1);
    world.start(ServerId(2));
    world.advance(Duration::from_secs(3));
    assert_eq!(world.metrics(ServerId(1)).links, 1);
}

#[test]
fn a_mailbox_closed_and_opened_again_while_it_is_read_is_read_whole() {
    let mut world = World::new(2);
    let (alice, bob) = talking(&mut world);
    for number in 1..=3 {
        alice.post(&mut world, 1, number, 0, &format!("{number}"));
    }
    world.advance(SEEN_WAIT);
    world.kill(2, InFlight::Lost);
    world.start(ServerId(2));
    world.advance(Duration::from_secs(3));
    let mut bob = Client::at(&mut world, 1, bob.name, 1);
    bob.sign_in(&mut world, false).expect("signs in");
    bob.open(&mut world, MINE.0, bob.name).expect("its own mailbox");
    world.set_disk(2, slow_reads());
    bob.say(&mut world, Attach { handle: MINE, cursor: Seq(0) });
    bob.say(&mut world, CloseLog { handle: MINE });
    bob.say(&mut world, OpenLog { handle: MINE, log: LogId::mailbox(bob.name) });
    bob.say(&mut world, Attach { handle: MINE, cursor: Seq(0) });
    for _ in 0..6 {
        world.step_disks();
    }
    let heard = bob.heard(&mut world);
    assert!(matches!(heard.last(), Some(ToClient::CaughtUp(_))), "{heard:?}");
    let delivered = heard.iter().filter(|message| matches!(message, ToClient::Deliver(_)));
    assert_eq!(delivered.count(), 3);
}

#[test]
fn a_session_that_ended_while_its_home_was_away_blocks_nobody_after_that() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 2, alice);
    world.cut(1, 2);
    world.hang_up(first.conn);
    world.heal(1, 2);
    world.advance(Duration::from_secs(3));
    let mut second = Client::at(&mut world, 1, alice, 2);
    assert_eq!(second.sign_in(&mut world, false), Ok(()), "long before the lease is over");
}
