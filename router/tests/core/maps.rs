//! Newer maps: whom the router asks for them, and to whom it gives them.

use std::collections::BTreeSet;

use bytes::Bytes;
use router::core::event::Event;
use router::core::homes::{add_server, build_map};
use router::core::strategy::{Placing, Strategy};
use wire::message::MapCopy;
use wire::{
    FaultCode, MapFile, Opaque, OperatorKey, RouterToServer, ServerId, SignedMap, SlotMap, StoreId,
};

use crate::world::World;

/// A router with the first of two signed maps, and two servers that have reported.
fn signed() -> (World, [SignedMap; 2]) {
    let operator = OperatorKey::from_seed(&[5; 32]);
    let servers: Vec<ServerId> = [1, 2].map(ServerId).to_vec();
    let first = SignedMap::first(build_map(1, &servers), &operator);
    let second = add_server(first.map(), ServerId(3)).expect("there is room");
    let second = first.follow(second, &operator);
    let placing = Placing { strategy: Strategy::BoundedHash, percent: 125 };
    let mut world = World::of(MapFile::Signed(first.clone()), placing);
    servers.into_iter().for_each(|server| world.join(server));
    (world, [first, second])
}

fn copy(map: &SignedMap) -> MapCopy {
    MapCopy { map: Opaque::new(map.bytes().clone()).expect("short enough") }
}

/// How often a server was asked for its map since the last call, and which maps it was given.
fn asked_and_given(world: &mut World, server: u16) -> (usize, Vec<Bytes>) {
    let conn = world.server_conn(ServerId(server));
    let heard = world.take_server(conn);
    let asked = heard.iter().filter(|message| matches!(message, RouterToServer::FetchMap(_)));
    let asked = asked.count();
    let given = heard.into_iter().filter_map(|message| match message {
        RouterToServer::MapCopy(copy) => Some(copy.map.into_bytes()),
        _ => None,
    });
    (asked, given.collect())
}

#[test]
fn a_newer_map_is_fetched_once_and_a_server_is_placed_on_meanwhile() {
    let (mut world, [_, second]) = signed();
    world.map_version = 2;
    world.report_all();
    world.place("alice").expect("who holds what does not follow from the version");
    let asked: Vec<usize> = [1, 2].map(|server| asked_and_given(&mut world, server).0).to_vec();
    assert_eq!(asked, [1, 0]);
    let conn = world.server_conn(ServerId(1));
    world.send_server(conn, copy(&second));
    assert_eq!(world.core.servers().len(), 3);
    assert_eq!(world.known, [1, 2, 3].map(ServerId), "the newcomer may call");
    world.report_all();
    assert_eq!(asked_and_given(&mut world, 1), (0, Vec::new()));
    world.join(ServerId(3));
    let homes = (0..40).map(|user| world.place(&format!("user{user}")).expect("placed").home);
    assert!(homes.collect::<BTreeSet<ServerId>>().contains(&ServerId(3)));
}

#[test]
fn another_server_is_asked_when_the_one_that_was_asked_is_gone() {
    let (mut world, _) = signed();
    world.map_version = 2;
    world.report_all();
    world.close(world.server_conn(ServerId(1)));
    world.report(ServerId(2));
    assert_eq!(asked_and_given(&mut world, 2).0, 1);
}

#[test]
fn a_server_with_an_older_map_is_given_the_newer_one_once() {
    let (mut world, [first, second]) = signed();
    world.feed(Event::Map(second.clone()));
    world.feed(Event::Map(first));
    for _ in 0..2 {
        world.report_all();
    }
    let given = vec![second.bytes().clone()];
    assert_eq!(asked_and_given(&mut world, 1), (0, given.clone()));
    assert_eq!(asked_and_given(&mut world, 2), (0, given));
}

#[test]
fn a_map_that_the_operator_has_not_signed_is_not_taken() {
    let (mut world, [_, second]) = signed();
    let thief = SignedMap::first(SlotMap::clone(second.map()), &OperatorKey::from_seed(&[6; 32]));
    world.feed(Event::Map(thief.clone()));
    let conn = world.server_conn(ServerId(1));
    world.send_server(conn, copy(&thief));
    assert_eq!(world.core.servers().len(), 2);
    assert!(!world.is_closed(conn));
}

#[test]
fn a_server_with_another_store_than_the_map_names_is_turned_away() {
    let (mut world, [first, _]) = signed();
    let named = first.map().with_store(ServerId(1), Some(StoreId([9; 16])));
    world.feed(Event::Map(first.follow(named, &OperatorKey::from_seed(&[5; 32]))));
    world.report_all();
    let conns = [1, 2].map(|server| world.server_conn(ServerId(server)));
    let faults = conns.map(|conn| world.take_server_faults(conn));
    assert_eq!(faults, [vec![FaultCode::SUPERSEDED], vec![]]);
}
