//! Processes that work on an old copy of a store, or on another store, do not get in.

use std::time::Duration;

use server::core::{Event, Target};
use storage::InFlight;
use wire::message::{EndSession, Fault, PeerStore, Ping};
use wire::{FaultCode, Opening, ServerId, SessionEpoch, StoreId, ToPeer};

use crate::client::Client;
use crate::world::peers::opening;
use crate::world::{End, World};

fn refused(world: &mut World, peer: usize) -> FaultCode {
    match world.heard_by(peer) {
        (heard, true) => match heard.last() {
            Some(ToPeer::Fault(fault)) => fault.code,
            other => panic!("a fault, not {other:?}"),
        },
        (heard, false) => panic!("it is closed, after {heard:?}"),
    }
}

#[test]
fn who_shows_an_old_copy_or_another_store_is_heard_no_further_and_the_true_one_goes_on() {
    let mut world = World::new(2);
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 2, alice);
    let other = Opening { store: StoreId([9; 16]), ..opening(1, 9) };
    for (copies, shown) in [opening(1, 1), opening(1, 2), other].into_iter().enumerate() {
        let copy = world.call(2, 1);
        world.tell(copy, PeerStore { opening: shown });
        let (account, epoch, code) = (alice.name, SessionEpoch(u64::MAX), FaultCode::SIGNED_OUT);
        world.tell(copy, EndSession { account, epoch, code });
        assert_eq!(refused(&mut world, copy), FaultCode::SUPERSEDED, "{shown:?}");
        assert!(alice.hear(&mut world).is_none(), "what came behind was not acted on");
        let metrics = world.metrics(ServerId(2));
        assert_eq!((metrics.links, metrics.links_lost), (1, 1), "the true one was lost once");
        assert_eq!(metrics.peers_superseded, u64::try_from(copies).expect("few") + 1);
    }
    assert!(world.superseded(1).is_empty() && world.superseded(2).is_empty());
}

#[test]
fn a_later_process_takes_the_place_of_the_one_before() {
    let mut world = World::new(2);
    let later = world.call(2, 1);
    assert_eq!(world.metrics(ServerId(2)).links_lost, 0, "a hello alone changes nothing");
    world.tell(later, PeerStore { opening: opening(1, 2) });
    world.pump();
    let metrics = world.metrics(ServerId(2));
    assert_eq!((metrics.links, metrics.links_lost, metrics.links_up), (1, 1, 2));
    world.advance(Duration::from_secs(2));
    let by = Some(&Target::Peer(ServerId(2)));
    assert_eq!(world.superseded(1).first(), by, "the former one is told when it comes back");
}

#[test]
fn nothing_is_heard_before_the_store_is_shown() {
    let mut world = World::new(2);
    let early = world.call(2, 1);
    world.tell(early, Ping { nonce: 1 });
    assert_eq!(refused(&mut world, early), FaultCode::WRONG_STATE);
    let silent = world.connect_peer(2, Some(1));
    world.tell(silent, PeerStore { opening: opening(1, 9) });
    assert_eq!(refused(&mut world, silent), FaultCode::BAD_MAGIC);
    let slow = world.call(2, 1);
    world.advance(wire::limits::EARLY_TIME_MAX);
    assert!(world.heard_by(slow).1, "it did not show its store in time");
    assert_eq!(world.metrics(ServerId(2)).links_lost, 0);
}

#[test]
fn only_who_has_said_who_it_is_can_say_that_this_process_is_superseded() {
    let mut world = World::new(2);
    let stranger = world.connect_peer(2, Some(1));
    world.tell(stranger, Fault::new(FaultCode::SUPERSEDED));
    assert_eq!(refused(&mut world, stranger), FaultCode::BAD_MAGIC);
    assert!(world.superseded(2).is_empty());
    let greeted = world.call(2, 1);
    world.tell(greeted, Fault::new(FaultCode::SUPERSEDED));
    world.pump();
    assert_eq!(world.superseded(2), [Target::Peer(ServerId(1))]);
}

#[test]
fn a_link_that_shows_its_store_again_must_not_fall_back() {
    let mut world = World::new(2);
    let peer = world.impersonate(2, 1);
    world.tell(peer, PeerStore { opening: opening(1, 1_001) });
    world.pump();
    assert_eq!(world.metrics(ServerId(2)).links_up, 2, "it is the same link");
    world.tell(peer, PeerStore { opening: opening(1, 1_000) });
    assert_eq!(refused(&mut world, peer), FaultCode::SUPERSEDED);
    assert_eq!(world.metrics(ServerId(2)).links, 0);
}

#[test]
fn a_server_that_was_dialed_must_show_its_store_as_well() {
    let mut world = World::new(2);
    let dialed = world.image(2);
    world.kill(2, InFlight::Lost);
    world.start(ServerId(2));
    world.advance(Duration::from_secs(3));
    assert_eq!(world.metrics(ServerId(1)).links, 1);
    world.kill(2, InFlight::Lost);
    world.exchange(2, dialed);
    world.start(ServerId(2));
    world.advance(Duration::from_secs(3));
    assert_eq!(world.metrics(ServerId(1)).links, 0, "a copy as old as the last process");
    assert!(world.metrics(ServerId(1)).peers_superseded > 0);
    assert_eq!(world.superseded(2)[0], Target::Peer(ServerId(1)));
}

#[test]
fn a_router_may_say_so_too() {
    let mut world = World::new(1);
    let router = world.pairs[&End::Router(ServerId(1))];
    let End::Server(id, conn) = router else { panic!("the router talks to a server") };
    let mut bytes = bytes::BytesMut::new();
    wire::message::Message::append_frame(&Fault::new(FaultCode::SUPERSEDED), &mut bytes);
    let frame = wire::Frame::split(&mut bytes, u32::MAX).expect("whole").expect("whole");
    world.feed(id, Event::Frame { conn, frame });
    assert_eq!(world.superseded(1), [Target::Router(0)]);
}
