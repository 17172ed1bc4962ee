//! No router answers: the way to a seat is a server that a router has named before.

use std::time::Duration;

use bytes::Bytes;
use wire::limits::SERVERS_MAX;
use wire::message::{Fault, Ready, SeatAddress, Servers};
use wire::{FaultCode, Frame, Kind, List, ServerId, ToRouter, ToServer, Wall};

use super::world::{Step, World};
use crate::core::ways::Ways;
use crate::core::{Cause, Command, Event, LinkId, Notice, Request};
use crate::store::{KnownServer, KnownServers};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: u64 = 60 * 60 * 1_000;
const DAY: u64 = 24 * HOUR;

/// As [`World::connect`] places: every server listens there.
fn seat(server: u16) -> SeatAddress {
    let address = "127.0.0.1:1".parse().expect("an address");
    SeatAddress { server: ServerId(server), address }
}

fn known(servers: impl IntoIterator<Item = u16>, home: u16, heard: Wall) -> KnownServers {
    let known = |server| {
        let SeatAddress { server, address } = seat(server);
        KnownServer { server, address, heard }
    };
    KnownServers { home: Some(ServerId(home)), servers: servers.into_iter().map(known).collect() }
}

/// Alice's machine, which a router has told of `servers` of which `home` is hers.
fn knowing(servers: impl IntoIterator<Item = u16>, home: u16) -> World {
    let mut world = World::with_session();
    world.store.servers = known(servers, home, world.wall);
    world.restart();
    world
}

fn dials(world: &World) -> Vec<Step> {
    let is_dial = |step: &&Step| matches!(step, Step::DialedRouter(_) | Step::DialedSeat(_));
    world.steps.iter().filter(is_dial).cloned().collect()
}

fn seats(world: &World) -> Vec<u16> {
    let seats = world.steps.iter().filter_map(|step| match step {
        Step::DialedSeat(server) => Some(server.0),
        _ => None,
    });
    seats.collect()
}

fn troubles(world: &World) -> Vec<String> {
    let troubles = world.notices.iter().filter_map(|notice| match notice {
        Notice::Trouble(failure) => Some(failure.text.clone()),
        _ => None,
    });
    troubles.collect()
}

fn lists(world: &World) -> usize {
    let is_question = |message: &&ToRouter| matches!(message, ToRouter::ListServers(_));
    world.to_router.iter().filter(is_question).count()
}

/// Places alice and returns the router's connection, on which it may still answer.
fn placed(world: &mut World) -> LinkId {
    let router = world.link.expect("a router is being dialed");
    world.connect();
    router
}

/// Nobody is there, and the pause is over.
fn fail(world: &mut World) {
    world.cut();
    let pause = world.core.deadline().expect("a pause").since(world.now);
    world.pass(pause);
}

/// A server answers that nobody was sent to.
fn arrive(world: &mut World, server: u16) {
    let link = world.link.expect("a server is being dialed");
    world.feed(Event::Opened { link });
    world.server(Ready { version: 1, server: ServerId(server), at: Wall(1) });
}

/// How a connection comes to nothing.
type End<'a> = dyn Fn(&mut World, LinkId) + 'a;

#[test]
fn a_list_is_asked_for_when_there_is_none_or_it_is_old_and_kept() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    let router = placed(&mut world);
    assert_eq!(lists(&world), 1);
    let servers = List::new(vec![seat(1), seat(2), seat(3)]).expect("few");
    world.router(router, Servers { servers });
    assert_eq!(world.store.servers, known([1, 2, 3], 1, world.wall));
    assert_eq!(world.steps.last(), Some(&Step::Closed), "the router has done its part");

    for (passed, asked) in [(HOUR - 1, 1), (1, 2)] {
        world.wall.0 += passed;
        fail(&mut world);
        placed(&mut world);
        assert_eq!(lists(&world), asked);
    }
    world.welcome();
    assert!(world.core.is_online(), "nobody waits for the list");
}

#[test]
fn a_list_without_the_seat_is_asked_for_again() {
    let mut world = knowing([1, 3], 1);
    world.ask(Request::Outbox);
    placed(&mut world);
    assert_eq!(lists(&world), 1);
}

#[test]
fn a_router_that_has_no_list_to_give_is_left_and_nothing_is_kept() {
    let unknown = Fault::about(FaultCode::UNKNOWN_KIND, Kind::LIST_SERVERS, 0);
    let ends: [&End<'_>; 4] = [
        &|world, router| world.router(router, unknown.clone()),
        &|world, link| {
            let (kind, body) = (Kind::SERVERS, Bytes::from_static(b"\x00\x01\x00"));
            world.feed(Event::Frame { link, frame: Frame { kind, body } });
        },
        &|world, link| world.feed(Event::Closed { link, cause: Cause::Lost("cut".to_owned()) }),
        &|world, _| world.pass(10 * SECOND),
    ];
    for end in ends {
        let mut world = World::with_session();
        world.ask(Request::Outbox);
        let router = placed(&mut world);
        end(&mut world, router);
        world.welcome();
        assert!(world.core.is_online());
        assert_eq!(world.store.servers, KnownServers::default());
        let closed = world.steps.iter().filter(|step| **step == Step::Closed).count();
        assert!(closed <= 1, "{:?}", world.steps);
    }
}

#[test]
fn a_list_leaves_with_the_user() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    placed(&mut world);
    world.command(Command::Stop);
    let closed = world.steps.iter().filter(|step| **step == Step::Closed).count();
    assert_eq!(closed, 2, "the seat and the router");
}

#[test]
fn when_no_router_answers_the_home_is_tried_then_two_more_then_the_routers() {
    let mut world = knowing(1..=9, 4);
    world.feed(Event::Routers { count: 2 });
    world.ask(Request::Outbox);
    for _ in 0..4 {
        fail(&mut world);
        assert_eq!(troubles(&world), [""; 0], "there is another way");
    }
    fail(&mut world);
    assert_eq!(troubles(&world).len(), 1, "every way was tried");
    assert!(troubles(&world)[0].contains("no router answers"), "{:?}", troubles(&world));
    for _ in 0..5 {
        fail(&mut world);
    }
    let all = dials(&world);
    let routers: Vec<&Step> = all.iter().filter(|s| matches!(s, Step::DialedRouter(_))).collect();
    let expected = [0, 1, 2, 3, 4].map(Step::DialedRouter);
    assert_eq!(routers, expected.iter().collect::<Vec<_>>());
    assert_eq!(all[2], Step::DialedSeat(ServerId(4)));
    assert_eq!([&all[5], &all[6], &all[10]], [&expected[2], &expected[3], &expected[4]]);
    let mut seats = seats(&world);
    seats.sort_unstable();
    seats.dedup();
    assert_eq!(seats.len(), 6, "nobody twice while others are left: {all:?}");
}

#[test]
fn one_signs_in_at_a_known_server_without_a_reservation_and_later_by_a_router_again() {
    let mut world = knowing(1..=3, 2);
    world.ask(Request::Outbox);
    fail(&mut world);
    arrive(&mut world, 2);
    assert!(matches!(world.sent[..], [ToServer::Hello(_), ToServer::Resume(_)]));
    world.welcome();
    assert!(world.core.is_online());
    assert_eq!(troubles(&world), [""; 0]);
    world.cut();
    world.pass(SECOND);
    assert!(matches!(dials(&world).last(), Some(Step::DialedRouter(_))), "it may live again");
    world.go_online();
    assert!(world.sent.iter().any(|message| matches!(message, ToServer::Redeem(_))));
}

#[test]
fn a_known_server_that_is_full_or_silent_is_not_the_last_one() {
    let mut world = knowing(1..=3, 2);
    world.ask(Request::Outbox);
    fail(&mut world);
    arrive(&mut world, 2);
    world.server(Fault::about(FaultCode::SEAT_FULL, Kind::RESUME, 0));
    world.pass(SECOND);
    assert_eq!(seats(&world).len(), 2);
    // Its machine is dark: nobody says that nobody is there.
    world.pass(5 * SECOND);
    let seats = seats(&world);
    assert_eq!(seats.len(), 3);
    arrive(&mut world, seats[2]);
    world.welcome();
    assert!(world.core.is_online());
}

#[test]
fn the_word_of_a_router_that_lives_holds() {
    let mut world = knowing(1..=3, 2);
    world.ask(Request::Outbox);
    let link = world.link.expect("a router is being dialed");
    world.feed(Event::Opened { link });
    world.router(link, Fault::about(FaultCode::UNAVAILABLE, Kind::PLACE, 0));
    assert_eq!(troubles(&world).len(), 1);
    world.pass(SECOND);
    assert_eq!(dials(&world), [0, 1].map(Step::DialedRouter));
    let link = world.link.expect("a router is being dialed");
    world.feed(Event::Opened { link });
    world.router(link, Fault::new(FaultCode::STOPPING));
    world.pass(SECOND);
    assert_eq!(dials(&world).last(), Some(&Step::DialedSeat(ServerId(2))), "it is gone");
}

#[test]
fn a_router_whose_machine_is_dark_is_waited_for_less_long_when_there_is_another_way() {
    let mut world = knowing(1..=3, 2);
    world.ask(Request::Outbox);
    world.pass(5 * SECOND);
    assert_eq!(seats(&world), [2]);
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.pass(9 * SECOND);
    assert_eq!(dials(&world), [Step::DialedRouter(0)]);
}

#[test]
fn a_server_that_was_not_named_for_long_is_forgotten() {
    let mut world = knowing(1..=3, 2);
    world.wall.0 += 30 * DAY;
    world.ask(Request::Outbox);
    fail(&mut world);
    assert_eq!(seats(&world), [0; 0]);
    let router = placed(&mut world);
    world.router(router, Servers { servers: List::new(vec![seat(5)]).expect("one") });
    assert_eq!(world.store.servers.servers, known([5], 1, world.wall).servers);
}

#[test]
fn a_machine_without_a_list_says_what_to_do() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.cut();
    world.pass(20 * SECOND);
    let [refused, silent] = &troubles(&world)[..] else { panic!("two troubles") };
    assert!(refused.contains("(cut)") && refused.contains("--router"), "{refused}");
    assert!(silent.contains("(no answer)") && silent.contains("--router"), "{silent}");
    assert_eq!(seats(&world), [0; 0]);
}

#[test]
fn a_list_has_its_bound_and_each_server_once() {
    let most = u16::try_from(SERVERS_MAX).expect("few");
    let (old, now) = (Wall(1), Wall(2));
    let mut ways = Ways::new(known(1..=most, 1, old));
    let named: Vec<SeatAddress> = [most + 1, most + 2, 5, 5].map(seat).into();
    let kept = ways.on_named(&named, ServerId(5), now);
    assert_eq!((kept.home, kept.servers.len()), (Some(ServerId(5)), SERVERS_MAX - 1));
    let new = kept.servers.iter().filter(|known| known.heard == now).map(|known| known.server.0);
    assert_eq!(new.collect::<Vec<_>>(), [5, most + 1, most + 2]);
}
