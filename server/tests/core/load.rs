//! What the router hears of a server's load.

use std::time::Duration;

use server::core::Event;
use storage::DiskModel;
use wire::message::Ping;
use wire::{FaultCode, ServerId};

use crate::client::Client;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_router_hears_how_busy_a_server_is() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let client = Client::signed_up(&mut world, 1, alice);
    world.advance(2 * SECOND);
    let (busy_permille, queued_bytes) = (321, 65_536);
    let measured = Event::Measured { busy_permille, queued_bytes, free_bytes: u64::MAX };
    world.feed(ServerId(1), measured);
    for nonce in 0..50 {
        client.say(&mut world, Ping { nonce });
    }
    world.advance(SECOND);
    let report = world.report(1);
    assert_eq!(report.sessions, 1);
    // The router's own frames count as well.
    assert!((50..60).contains(&report.frames_per_second), "{}", report.frames_per_second);
    assert_eq!((report.busy_permille, report.queued_bytes), (busy_permille, queued_bytes));
    world.advance(SECOND);
    assert!(world.report(1).frames_per_second < 10);
}

#[test]
fn whom_no_router_has_sent_is_taken_below_the_servers_own_cap_and_counted() {
    let mut world = World::with(1, 2, DiskModel::default());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.name_at(1, name));
    let sitting = [alice, bob].map(|name| Client::signed_up(&mut world, 1, name));
    let mut third = Client::at(&mut world, 1, carol, 1);
    assert_eq!(third.sign_up(&mut world), Err(FaultCode::SEAT_FULL));
    world.advance(SECOND);
    let report = world.report(1);
    assert_eq!((report.sessions, report.sessions_max), (2, 2));
    assert_eq!(report.redeemed.items(), []);
    world.hang_up(sitting[0].conn);
    assert_eq!(third.sign_up(&mut world), Ok(()));
}

#[test]
fn an_operator_may_set_another_bound_while_the_server_runs() {
    let mut world = World::with(1, 1, DiskModel::default());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.name_at(1, name));
    let _alice = Client::signed_up(&mut world, 1, alice);
    let mut second = Client::at(&mut world, 1, bob, 1);
    assert_eq!(second.sign_up(&mut world), Err(FaultCode::SEAT_FULL));
    let unseen_max = 1 << 20;
    world.feed(ServerId(1), Event::Bounds { sessions_max: 2, unseen_max });
    assert_eq!(second.sign_up(&mut world), Ok(()));
    world.feed(ServerId(1), Event::Bounds { sessions_max: 1, unseen_max });
    world.advance(SECOND);
    let report = world.report(1);
    assert_eq!((report.sessions, report.sessions_max), (2, 1), "who is here stays");
    let mut third = Client::at(&mut world, 1, carol, 1);
    assert_eq!(third.sign_up(&mut world), Err(FaultCode::SEAT_FULL));
}
