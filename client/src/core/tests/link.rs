//! The way to the seat: again after a pause, by the next router, and no longer than it answers.

use std::time::Duration;

use wire::limits::{PING_AFTER, PONG_TIME_MAX};
use wire::message::{Fault, Pong};
use wire::{FaultCode, Frame, Kind, ToServer};

use super::session::trouble;
use super::world::{Step, World};
use crate::core::{Cause, Event, LinkId, Notice, Request};
use crate::failure::Code;

fn dials(world: &World) -> Vec<usize> {
    let dials = world.steps.iter().filter_map(|step| match step {
        Step::DialedRouter(router) => Some(*router),
        _ => None,
    });
    dials.collect()
}

fn troubles(world: &World) -> Vec<Code> {
    let troubles = world.notices.iter().filter_map(|notice| match notice {
        Notice::Trouble(failure) => Some(failure.code),
        _ => None,
    });
    troubles.collect()
}

#[test]
fn a_lost_connection_is_dialed_again_after_growing_pauses() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        world.cut();
        let pause = world.core.deadline().expect("a pause").since(world.now);
        pauses.push(pause);
        world.pass(pause);
    }
    assert_eq!(dials(&world), (0..=6).collect::<Vec<_>>(), "each time the next router");
    assert!(pauses[0] <= Duration::from_millis(150), "{pauses:?}");
    assert!(pauses[5] >= Duration::from_millis(1600), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(7500)));
    assert_eq!(troubles(&world), [Code::Unavailable; 6]);
}

#[test]
fn a_full_seat_sends_back_to_the_router() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.connect();
    world.server(Fault::about(FaultCode::SEAT_FULL, Kind::RESUME, 0));
    assert_eq!(troubles(&world), [Code::Unavailable]);
    assert!(trouble(&world).starts_with("the server has no room"), "{}", trouble(&world));
    world.pass(Duration::from_secs(1));
    world.go_online();
    assert_eq!(dials(&world).len(), 2);
}

#[test]
fn who_is_on_leaves_a_seat_that_is_emptied_at_once_and_without_trouble() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.go_online();
    world.server(Fault::new(FaultCode::DRAINING));
    assert!(!world.core.is_online());
    assert_eq!(dials(&world), [0, 0], "the router that has told of the seat knows another");
    assert_eq!(troubles(&world), []);
    world.go_online();
}

#[test]
fn a_seat_that_is_emptied_and_was_dialed_all_the_same_is_left_after_a_pause() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.connect();
    world.server(Fault::new(FaultCode::DRAINING));
    assert_eq!(dials(&world).len(), 1, "the router has not heard of it yet");
    assert_eq!(troubles(&world), [Code::Unavailable]);
    world.pass(Duration::from_secs(1));
    world.go_online();
}

#[test]
fn a_router_without_a_seat_is_asked_again() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    let link = world.link.expect("a router is being dialed");
    world.feed(Event::Opened { link });
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::PLACE, 0));
    assert_eq!(troubles(&world), [Code::Unavailable]);
    assert!(trouble(&world).starts_with("no server has room or can"), "{}", trouble(&world));
    world.pass(Duration::from_secs(1));
    world.go_online();
}

#[test]
fn a_home_that_is_away_is_told_apart_from_full_servers() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.connect();
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::RESUME, 0));
    let away = "the server that keeps alice's account does not answer or cannot do this now";
    assert!(trouble(&world).starts_with(away), "{}", trouble(&world));
    assert!(world.store.session.is_some());
    world.pass(Duration::from_secs(1));
    world.go_online();
}

#[test]
fn an_untrusted_certificate_is_its_own_trouble() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    let link = world.link.take().expect("a router is being dialed");
    let cause = Cause::Untrusted("unknown issuer".to_owned());
    world.feed(Event::Closed { link, cause });
    assert_eq!(troubles(&world), [Code::UntrustedKey]);
}

#[test]
fn silence_is_pinged_and_two_misses_end_it() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.go_online();
    let pings = |world: &World| {
        world.sent.iter().filter(|message| matches!(message, ToServer::Ping(_))).count()
    };
    world.pass(PING_AFTER);
    assert_eq!(pings(&world), 1);
    world.server(Pong { nonce: 1 });
    world.pass(PING_AFTER + PONG_TIME_MAX);
    assert_eq!(pings(&world), 3);
    assert!(world.core.is_online());
    world.pass(PONG_TIME_MAX);
    assert!(!world.core.is_online());
}

#[test]
fn a_router_or_seat_that_never_answers_is_given_up() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    let link = world.link.expect("a router is being dialed");
    world.feed(Event::Opened { link });
    world.pass(Duration::from_secs(10));
    assert_eq!(troubles(&world), [Code::Unavailable]);
    world.pass(Duration::from_secs(1));
    world.connect();
    world.pass(Duration::from_secs(21));
    assert!(troubles(&world).len() >= 2);
}

#[test]
fn broken_frames_end_the_connection_and_late_ones_do_nothing() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.go_online();
    let link = world.link.expect("a seat");
    let body = bytes::Bytes::from_static(b"\xff\xff");
    for kind in [Kind::DELIVER, Kind(0x77), Kind::POST] {
        let frame = Frame { kind, body: body.clone() };
        world.feed(Event::Frame { link, frame });
        assert!(!world.core.is_online());
    }
    assert_eq!(troubles(&world), [Code::Unexpected], "only the first one was heard");
    let frame = Frame { kind: Kind::PONG, body };
    world.feed(Event::Frame { link: LinkId(77), frame });
}
