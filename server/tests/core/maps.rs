//! Newer maps: how they reach every server, what they change, and what they never do.

use std::time::Duration;

use bytes::Bytes;
use server::core::{Alarm, Event, Target};
use storage::{DiskModel, InFlight};
use wire::limits::SLOTS;
use wire::message::{FetchMap, MapCopy};
use wire::{Opaque, OperatorKey, Seq, ServerId, SignedMap, SlotMap, StoreId};

use crate::client::Client;
use crate::world::World;
use crate::world::maps::operator;

const SECOND: Duration = Duration::from_secs(1);

/// Every slot gets this home.
fn all_at(server: u16) -> Vec<ServerId> {
    vec![ServerId(server); SLOTS]
}

/// Servers 1 and 2 in turn.
fn of_two() -> Vec<ServerId> {
    [1, 2].into_iter().cycle().take(SLOTS).map(ServerId).collect()
}

fn next(before: &SignedMap, map: SlotMap) -> SignedMap {
    before.follow(map, &operator())
}

fn copy(bytes: &Bytes) -> MapCopy {
    MapCopy { map: Opaque::new(bytes.clone()).expect("short enough") }
}

fn links(world: &World, server: u16) -> u64 {
    world.metrics(ServerId(server)).links
}

fn versions(world: &World, servers: u16) -> Vec<u64> {
    (1..=servers).map(|server| world.map_version(server)).collect()
}

#[test]
fn a_map_that_one_server_is_given_reaches_all_and_outlives_their_restarts() {
    let (mut world, first) = World::signed(3);
    assert_eq!(versions(&world, 3), [1, 1, 1]);
    let second = next(&first, first.map().with_homes(&all_at(3)));
    world.give_map(2, &second);
    assert_eq!(versions(&world, 3), [2, 2, 2]);
    // Its file is older than what its store knows.
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    assert_eq!(world.map_version(1), 2);
    for server in 1..=3 {
        assert_eq!(world.alarms(server), []);
    }
}

#[test]
fn a_server_that_could_not_be_reached_hears_of_the_map_when_its_link_is_up() {
    let (mut world, first) = World::signed(3);
    world.cut(1, 2);
    world.cut(1, 3);
    let second = next(&first, first.map().with_homes(&all_at(3)));
    let third = next(&second, second.map().with_homes(&all_at(2)));
    world.give_map(2, &second);
    world.give_map(3, &third);
    assert_eq!(versions(&world, 3), [1, 3, 3]);
    world.heal(1, 2);
    world.advance(30 * SECOND);
    assert_eq!(world.map_version(1), 3);
}

#[test]
fn a_map_takes_force_when_it_is_durable() {
    let (mut world, first) = World::signed(2);
    world.set_disk(1, DiskModel { commit_steps: 1, ..DiskModel::default() });
    let second = next(&first, first.map().with_homes(&all_at(2)));
    world.feed(ServerId(1), Event::Map(second));
    world.pump();
    assert_eq!(versions(&world, 2), [1, 1], "nobody is told of what a crash may take away");
    world.step_disks();
    assert_eq!(versions(&world, 2), [2, 2]);
}

#[test]
fn all_slots_of_a_server_move_when_the_map_says_so() {
    let (mut world, first) = World::signed(3);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(3, "bob"));
    let alice = Client::signed_up(&mut world, 2, alice);
    let mut bob = Client::signed_up(&mut world, 3, bob);
    alice.open(&mut world, 1, bob.name).expect("opens");
    alice.attach(&mut world, Seq(0));
    bob.attach(&mut world, Seq(0));
    alice.heard(&mut world);
    bob.heard(&mut world);
    alice.post(&mut world, 1, 1, 0, "before");
    alice.accepted(&mut world);
    let second = next(&first, first.map().with_homes(&all_at(2)));
    world.give_map(1, &second);
    assert_eq!(versions(&world, 3), [2, 2, 2]);
    world.advance(25 * SECOND);
    let half = u64::try_from(SLOTS / 3).expect("it fits");
    for giver in [1, 3] {
        assert!(world.metrics(ServerId(giver)).slots_given >= half, "{giver}");
    }
    assert!(world.metrics(ServerId(2)).slots_taken >= 2 * half);
    alice.heard(&mut world);
    alice.post(&mut world, 1, 2, 1, "after");
    alice.accepted(&mut world);
    assert_eq!(bob.texts(&mut world), ["before", "after"]);
    // Also after a restart, when nothing but the newest map and the stores are left.
    for server in 1..=3 {
        world.kill(server, InFlight::Lost);
    }
    for server in 1..=3 {
        world.start(ServerId(server));
    }
    world.advance(30 * SECOND);
    bob.connect(&mut world, 1);
    bob.resume(&mut world).expect("its home knows it");
    assert_eq!(world.map_version(3), 2);
    for server in 1..=3 {
        assert_eq!(world.alarms(server), []);
    }
}

#[test]
fn a_server_that_comes_is_linked_without_a_restart() {
    let (mut world, first) = World::signed(2);
    let mut homes = of_two();
    homes[..100].fill(ServerId(3));
    let second = next(&first, first.map().with_server(ServerId(3), &homes));
    world.come(3, &second);
    assert_eq!((links(&world, 1), links(&world, 3)), (1, 0), "nobody knows it");
    world.give_map(1, &second);
    world.advance(30 * SECOND);
    assert_eq!(versions(&world, 3), [2, 2, 2]);
    for server in 1..=3 {
        assert_eq!(links(&world, server), 2, "{server}");
    }
    // It is a seat at once.
    let carol = world.name_at(1, "carol");
    Client::signed_up(&mut world, 3, carol);
}

#[test]
fn a_server_that_holds_nothing_and_is_forgotten_is_no_longer_linked() {
    let (mut world, first) = World::signed(2);
    let second = next(&first, first.map().with_server(ServerId(3), &of_two()));
    world.come(3, &second);
    world.give_map(1, &second);
    world.advance(30 * SECOND);
    assert_eq!(links(&world, 3), 2);
    let third = next(&second, second.map().without_server(ServerId(3)));
    world.give_map(1, &third);
    world.advance(30 * SECOND);
    assert_eq!([1, 2, 3].map(|server| links(&world, server)), [1, 1, 0]);
}

#[test]
fn a_server_that_holds_slots_stays_linked_though_it_is_forgotten() {
    let (mut world, first) = World::signed(2);
    let second = next(&first, first.map().with_homes(&all_at(2)));
    let third = next(&second, second.map().without_server(ServerId(1)));
    world.give_map(2, &second);
    world.give_map(2, &third);
    assert_eq!(versions(&world, 2), [3, 3]);
    world.advance(30 * SECOND);
    assert_eq!(links(&world, 1), 1);
    let alice = world.name_at(1, "alice");
    Client::signed_up(&mut world, 2, alice);
}

#[test]
fn a_map_that_does_not_count_changes_nothing() {
    let (mut world, first) = World::signed(2);
    let second = next(&first, first.map().with_homes(&all_at(1)));
    let other = next(&first, first.map().with_homes(&all_at(2)));
    let thief = OperatorKey::from_seed(&[6; 32]);
    world.give_map(1, &second);
    world.give_map(1, &first);
    assert_eq!(world.alarms(1), [], "an older map is nothing special");
    world.give_map(1, &other);
    let forked = Alarm::MapForked { from: None, version: 2 };
    assert_eq!(world.alarms(1), [forked]);
    let stolen = SignedMap::first(SlotMap::new(9, all_at(2)), &thief);
    world.give_map(1, &stolen);
    let refused = Alarm::MapRefused { from: None };
    assert_eq!(world.alarms(1), [forked, refused]);
    world.say_as_router(ServerId(1), &copy(stolen.bytes()).into());
    world.say_as_router(ServerId(1), &copy(&Bytes::from_static(b"map")).into());
    world.pump();
    assert_eq!(world.alarms(1), [forked, refused, refused, refused]);
    assert_eq!(versions(&world, 2), [2, 2]);
}

/// Two operators have each made a second map; no server can know which is right.
#[test]
fn servers_with_two_maps_of_one_version_raise_an_alarm_and_keep_what_they_have() {
    let (mut world, first) = World::signed(2);
    world.cut(1, 2);
    world.give_map(1, &next(&first, first.map().with_homes(&all_at(1))));
    world.give_map(2, &next(&first, first.map().with_homes(&all_at(2))));
    world.heal(1, 2);
    world.advance(30 * SECOND);
    let forked = |from| Alarm::MapForked { from: Some(ServerId(from)), version: 2 };
    assert_eq!((world.alarms(1), world.alarms(2)), (&[forked(2)][..], &[forked(1)][..]));
}

#[test]
fn routers_and_servers_give_each_other_the_newer_map() {
    let (mut world, first) = World::signed(2);
    world.say_as_router(ServerId(1), &FetchMap {}.into());
    world.pump();
    assert_eq!(world.maps.copies, [(ServerId(1), first.bytes().clone())]);
    let second = next(&first, first.map().with_homes(&all_at(1)));
    world.say_as_router(ServerId(1), &copy(second.bytes()).into());
    world.advance(SECOND);
    assert_eq!(versions(&world, 2), [2, 2]);
    assert_eq!(world.report(1).map_version, 2);
}

/// A store is replaced when its operator says so, and not by whoever comes first.
#[test]
fn a_server_must_have_the_store_that_the_map_names() {
    let (mut world, first) = World::signed(2);
    let another = Some(StoreId([9; 16]));
    let second = next(&first, first.map().with_store(ServerId(2), another));
    world.give_map(1, &second);
    world.cut(1, 2);
    world.heal(1, 2);
    world.advance(30 * SECOND);
    assert_eq!(links(&world, 1), 0);
    assert!(world.superseded(2).contains(&Target::Peer(ServerId(1))));
    let third = next(&second, second.map().with_store(ServerId(2), None));
    world.give_map(1, &third);
    world.advance(30 * SECOND);
    assert_eq!((links(&world, 1), versions(&world, 2)), (1, vec![3, 3]));
}

/// A cluster that was made before there were operators' keys.
#[test]
fn a_map_that_nobody_signed_stays() {
    let mut world = World::new(2);
    let homes = of_two();
    let signed = SignedMap::first(SlotMap::new(2, homes), &operator());
    world.feed(ServerId(1), Event::Map(signed));
    world.say_as_router(ServerId(1), &FetchMap {}.into());
    world.pump();
    assert_eq!((world.map_version(1), world.maps.copies.len()), (1, 0));
    assert_eq!(world.alarms(1), [Alarm::MapRefused { from: None }]);
}
