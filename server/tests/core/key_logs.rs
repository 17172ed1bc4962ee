//! Keys of an account whose home is away: the homes of the logs that it wrote to have copies.

use std::time::Duration;

use storage::InFlight;
use wire::message::{FetchBundles, FetchKeyLog};
use wire::roster::Act;
use wire::{FaultCode, LogId, Name, RequestId, ServerId, ToClient};

use crate::client::Client;
use crate::groups::{Club, change, key_log};
use crate::world::World;

/// What stands for the key log of `name` at the home of `log`.
fn copy(world: &mut World, reader: &Client, log: LogId, name: Name) -> wire::message::KeyLogCopy {
    reader.say(world, FetchKeyLog { request: RequestId(8), log, name });
    match reader.hear(world) {
        Some(ToClient::Bundles(answer)) => {
            assert_eq!((answer.request, answer.name), (RequestId(8), name));
            answer.bundles
        }
        other => panic!("a key log, not {other:?}"),
    }
}

#[test]
fn a_groups_home_knows_the_keys_of_those_whose_home_is_away() {
    let mut world = World::new(3);
    let (alice, bob) = (world.name_at(2, "alice"), world.name_at(3, "bob"));
    let alice = Client::signed_up(&mut world, 2, alice);
    let bob = Client::signed_up(&mut world, 3, bob);
    let mut club = Club::new(world.group_at(1, "rust"));
    for (act, client) in [(Act::Create, &bob), (Act::Join, &alice)] {
        let statement = club.next(act, client.name, client.name);
        club.change(&mut world, client, &statement, &[]).expect("open");
    }
    world.kill(3, InFlight::Lost);
    world.advance(Duration::from_secs(8));
    alice.heard(&mut world);
    alice.say(&mut world, FetchBundles { request: RequestId(7), name: bob.name, after: 0 });
    assert_eq!(alice.fault(&mut world).code, FaultCode::UNAVAILABLE);
    assert_eq!(copy(&mut world, &alice, club.log(), bob.name), key_log(bob.name));
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    assert_eq!(copy(&mut world, &alice, club.log(), bob.name), key_log(bob.name));
}

#[test]
fn a_statement_without_keys_is_not_taken() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 1, alice);
    let club = Club::new(world.group_at(1, "rust"));
    let statement = club.next(Act::Create, alice.name, alice.name);
    let mut bare = change(&statement, &[]);
    bare.key_log = Default::default();
    alice.say(&mut world, bare);
    assert_eq!(alice.fault(&mut world).code, FaultCode::MALFORMED);
}
