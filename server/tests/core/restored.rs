//! A home that was put back from a backup: what others remember and it has forgotten.

use std::time::Duration;

use storage::{InFlight, MemDisk};
use wire::message::Class;
use wire::{FaultCode, Number, Seq, ServerId, ToClient};

use crate::client::Client;
use crate::world::World;

/// Alice (home 1) and Bob (home 2), who have written to each other, and both know of it.
fn pair(world: &mut World) -> (Client, Client) {
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let alice = Client::signed_up(world, 1, alice);
    let bob = Client::signed_up(world, 2, bob);
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        from.open(world, 1, to.name).expect("opens");
        from.post(world, 1, 1, 0, "before");
        from.accepted(world);
    }
    (alice, bob)
}

/// Server 1 loses its store and is given that of `image`.
fn put_back(world: &mut World, image: &MemDisk) {
    world.kill(1, InFlight::Lost);
    world.put_back(1, image);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
}

#[test]
fn who_signs_in_again_at_a_restored_home_posts_where_it_posted_before() {
    let mut world = World::new(2);
    let (mut alice, bob) = pair(&mut world);
    let image = world.image(1);
    for number in 2..=20 {
        world.hang_up(alice.conn);
        alice.connect(&mut world, 1);
        assert_eq!(alice.resume(&mut world), Ok(()));
        alice.open(&mut world, 1, bob.name).expect("opens");
        alice.post(&mut world, 1, number, number - 1, "forgotten");
        alice.accepted(&mut world);
    }
    put_back(&mut world, &image);
    alice.connect(&mut world, 1);
    assert_eq!(alice.resume(&mut world), Err(FaultCode::SIGNED_OUT));
    alice.connect(&mut world, 1);
    assert_eq!(alice.sign_in(&mut world, false), Ok(()));
    assert_eq!(alice.open(&mut world, 1, bob.name), Ok(Number::new(20).expect("small")));
    alice.post(&mut world, 1, 21, 20, "after");
    assert_eq!(alice.accepted(&mut world).upto.value(), 21, "no session of hers is newer");
}

#[test]
fn a_restored_mailbox_goes_on_behind_numbers_that_it_has_forgotten() {
    let mut world = World::new(2);
    let (mut alice, bob) = pair(&mut world);
    let image = world.image(1);
    for number in 2..=5 {
        bob.post(&mut world, 1, number, number - 1, "forgotten");
        bob.accepted(&mut world);
    }
    put_back(&mut world, &image);
    bob.heard(&mut world);
    bob.post(&mut world, 1, 6, 5, "after");
    let accepted = bob.accepted(&mut world);
    assert_eq!((accepted.upto.value(), accepted.class), (6, Class::Stored));
    alice.connect(&mut world, 1);
    assert_eq!(alice.sign_in(&mut world, false), Ok(()));
    alice.attach(&mut world, Seq(0));
    let heard = alice.heard(&mut world);
    let texts = heard.iter().filter_map(|message| match message {
        ToClient::Deliver(deliver) => Some((deliver.entry.number.value(), deliver.entry.seq)),
        _ => None,
    });
    let texts: Vec<_> = texts.collect();
    assert_eq!(texts.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 6]);
    assert!(texts[1].1 == accepted.seq && texts[0].1 < accepted.seq);
}
