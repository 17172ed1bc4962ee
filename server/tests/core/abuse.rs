//! What a hostile client, or bad luck, must not do to a server and to everybody else on it.

use std::time::Duration;

use bytes::BytesMut;
use server::core::{Alarm, Event};
use storage::DiskModel;
use wire::frame::Frame;
use wire::message::{EndSession, Message, RegisterSession, SessionClosed};
use wire::{FaultCode, Name, Origin, Seq, ServerId, SessionEpoch};

use crate::client::{Client, post};
use crate::world::{End, World};

#[test]
fn a_server_without_its_router_goes_on() {
    let mut world = World::new(1);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(1, "bob"));
    Client::signed_up(&mut world, 1, alice);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.report(1).sessions, 1);
    world.lose_router();
    let bob = Client::signed_up(&mut world, 1, bob);
    world.advance(Duration::from_secs(3));
    bob.attach(&mut world, Seq(0));
    assert_eq!(world.metrics(ServerId(1)).sessions, 2);
}

#[test]
fn a_late_read_for_a_lost_sign_in_does_not_disturb_the_next_one() {
    let mut world = World::new(3);
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 1, alice);
    world.hang_up(first.conn);
    let mut second = Client::at(&mut world, 2, alice, 2);
    let mut third = Client::at(&mut world, 3, alice, 3);
    let second_proof = second.prove(&mut world, false).expect("the password is right");
    let third_proof = third.prove(&mut world, false).expect("the password is right");
    world.set_disk(1, DiskModel { read_steps: 1, commit_steps: 1, ..DiskModel::default() });
    second.say(&mut world, second_proof);
    world.step_disks();
    third.say(&mut world, third_proof);
    world.cut(1, 2);
    world.step_disks();
    world.step_disks();
    assert_eq!(third.take_welcome(&mut world), Ok(()));
}

#[test]
fn a_kept_post_does_not_keep_the_buffer_that_it_came_in() {
    let mut world = World::new(1);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(1, "bob"));
    let alice = Client::signed_up(&mut world, 1, alice);
    let bob = Client::signed_up(&mut world, 1, bob);
    bob.attach(&mut world, Seq(0));
    alice.open(&mut world, 1, bob.name).expect("opens");
    let mut bytes = BytesMut::new();
    post(1, 1, 0, "short").append_frame(&mut bytes);
    let frame = Frame::split(&mut bytes, u32::MAX).expect("whole").expect("whole");
    let End::Server(id, conn) = world.pairs[&End::Client(alice.conn)] else {
        panic!("alice is connected");
    };
    drop(bytes);
    let body = frame.body.clone();
    world.feed(id, Event::Frame { conn, frame });
    world.pump();
    assert_eq!(bob.texts(&mut world), ["short"]);
    assert!(world.metrics(id).log.tails_len > 0, "the entry is kept for its reader");
    assert!(body.is_unique(), "and its frame is not");
}

#[test]
fn more_sessions_than_the_store_takes_reads_may_register_at_once() {
    let sessions = storage::READS_MAX + 10;
    let mut world = World::new(2);
    world.cut(1, 2);
    world.set_disk(2, DiskModel { read_steps: 1, ..DiskModel::default() });
    let seat = world.impersonate(2, 1);
    // Of the accounts that are at home there.
    let accounts = (0..).map(nobody).filter(|account| world.is_home(2, account));
    let accounts: Vec<Name> = accounts.take(sessions).collect();
    for account in accounts.iter().copied() {
        let (origin, epoch) = (Origin([1; 16]), SessionEpoch(1));
        world.tell(seat, RegisterSession { account, origin, epoch });
    }
    world.pump();
    let early = world.inboxes[seat].len();
    for _ in 0..5 {
        world.step_disks();
    }
    assert_eq!(world.inboxes[seat].len() - early, sessions, "each hears that it has ended");
    assert_eq!(
        world.metrics(ServerId(2)).accounts,
        u64::try_from(sessions).expect("few"),
        "until they are over there"
    );
    for account in accounts {
        let closed = SessionClosed { account, epoch: SessionEpoch(1), signed_out: false };
        world.tell(seat, closed);
    }
    world.pump();
    assert_eq!(world.metrics(ServerId(2)).accounts, 0);
}

fn nobody(index: usize) -> Name {
    Name::parse(&format!("nobody{index}")).expect("a name")
}

#[test]
fn only_its_home_ends_a_session() {
    let mut world = World::new(3);
    let alice = world.name_at(2, "alice");
    let alice = Client::signed_up(&mut world, 3, alice);
    world.cut(1, 3);
    let stranger = world.impersonate(3, 1);
    let (account, epoch, code) = (alice.name, SessionEpoch(u64::MAX), FaultCode::SIGNED_OUT);
    world.tell(stranger, EndSession { account, epoch, code });
    world.pump();
    assert!(alice.hear(&mut world).is_none() && !alice.is_closed(&world));
    assert_eq!(world.alarms(3), [Alarm::PeerConfused { from: ServerId(1) }]);
}
