//! Whom the owner of a mailbox has not answered: the seat says when that has changed.

use std::time::Duration;

use storage::InFlight;
use wire::limits::{SEEN_WAIT, STRANGER_ENTRIES_MAX};
use wire::message::Refusal;
use wire::{FaultCode, ServerId, ToClient};

use crate::client::Client;
use crate::world::World;

/// Posts the next number under handle 1; what it is answered.
fn posted(client: &Client, world: &mut World, number: u64) -> Result<(), Refusal> {
    client.post(world, 1, number, number - 1, "text");
    world.advance(SEEN_WAIT);
    match client.hear(world) {
        Some(ToClient::Accepted(_)) => Ok(()),
        Some(ToClient::Refused(refused)) => Err(refused.refusal),
        other => panic!("an answer, not {other:?}"),
    }
}

#[test]
fn one_answer_makes_a_stranger_known() {
    let mut world = World::new(3);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let (alice, bob) =
        (Client::signed_up(&mut world, 1, alice), Client::signed_up(&mut world, 3, bob));
    alice.open(&mut world, 1, bob.name).expect("opens");
    bob.open(&mut world, 1, alice.name).expect("opens");
    let limit = STRANGER_ENTRIES_MAX;
    for number in 1..=limit {
        assert_eq!(posted(&alice, &mut world, number), Ok(()));
    }
    let refusal = Refusal::Rejected(FaultCode::STRANGER_LIMIT);
    assert_eq!(posted(&alice, &mut world, limit + 1), Err(refusal));
    world.cut(2, 3);
    assert_eq!(posted(&bob, &mut world, 1), Ok(()));
    assert_eq!(posted(&alice, &mut world, limit + 2), Err(refusal), "nobody could say it");
    world.heal(2, 3);
    world.advance(Duration::from_secs(3));
    bob.heard(&mut world);
    assert_eq!(posted(&bob, &mut world, 2), Ok(()));
    world.kill(2, InFlight::Lost);
    world.start(ServerId(2));
    world.advance(Duration::from_secs(3));
    alice.heard(&mut world);
    assert_eq!(posted(&alice, &mut world, limit + 3), Ok(()), "and it is kept");
}
