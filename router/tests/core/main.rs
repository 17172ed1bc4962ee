//! The router's core without sockets: encoded frames in, effects out.

mod maps;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use router::core::strategy::Strategy;
use wire::limits::{REPORT_SILENCE_MAX, RESERVATION_TIME};
use wire::message::{Fault, Hello, ListServers, Ping, SeatAddress, ServerEntry};
use wire::{FaultCode, FromRouter, Kind, ServerId, ToRouter};
use world::{World, opening, server_hello};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_client_is_placed_on_its_home_with_a_reservation() {
    let mut world = World::started(3);
    let placed = world.place("alice").expect("placed");
    assert_eq!(placed.seat, placed.home);
    assert_eq!(placed.address, world.entry(placed.seat).client);
    let again = world.place("alice").expect("placed");
    assert_eq!(again.seat, placed.seat);
    assert_ne!(again.reservation, placed.reservation);
}

#[test]
fn with_one_session_per_server_four_users_sit_apart_and_the_last_hears_unavailable() {
    let mut world = World::started(3);
    world.sessions_max = 1;
    world.report_all();
    let names = ["alice", "bob", "carol"];
    let mut seats: Vec<ServerId> = Vec::new();
    for name in names {
        seats.push(world.place(name).expect("placed").seat);
    }
    seats.sort_unstable();
    assert_eq!(seats, [ServerId(1), ServerId(2), ServerId(3)]);
    assert_eq!(world.place("dave"), Err(FaultCode::UNAVAILABLE));
    assert_eq!(world.core.metrics().placed_home + world.core.metrics().placed_overflow, 3);
}

#[test]
fn a_reservation_counts_until_it_is_redeemed_or_lapses() {
    let mut world = World::started(1);
    world.sessions_max = 2;
    world.report_all();
    let alice = world.place("alice").expect("placed");
    world.place("bob").expect("placed");
    assert_eq!(world.place("carol"), Err(FaultCode::UNAVAILABLE));
    // Alice arrives: she counts once, as a session and no more as a reservation.
    world.redeemed.push(alice.reservation);
    world.sessions = 1;
    world.report_all();
    assert_eq!(world.place("carol"), Err(FaultCode::UNAVAILABLE));
    // Bob never arrives.
    let mut waited = Duration::ZERO;
    while waited < RESERVATION_TIME {
        world.pass(SECOND);
        world.report_all();
        waited += SECOND;
    }
    world.place("carol").expect("bob's reservation has lapsed");
}

#[test]
fn every_strategy_counts_reservations_and_keeps_to_open_servers_below_their_most() {
    for strategy in Strategy::ALL {
        let mut world = World::started_with(4, strategy);
        world.sessions_max = 2;
        world.report_all();
        world.is_open = false;
        world.report(ServerId(3));
        let mut seats: Vec<u16> = Vec::new();
        for index in 0..6 {
            seats.push(world.place(&format!("user{index}")).expect("there is room").seat.0);
        }
        seats.sort_unstable();
        assert_eq!(seats, [1, 1, 2, 2, 4, 4], "{strategy}");
        assert_eq!(world.place("more"), Err(FaultCode::UNAVAILABLE), "{strategy}");
    }
}

#[test]
fn two_who_ask_one_after_another_sit_apart_unless_a_home_decides() {
    for strategy in [Strategy::RoundRobin, Strategy::LeastConnections] {
        let mut world = World::started_with(3, strategy);
        let seats: BTreeSet<ServerId> = ["alice", "bob", "carol"]
            .iter()
            .map(|name| world.place(name).expect("placed").seat)
            .collect();
        assert_eq!(seats.len(), 3, "{strategy}");
    }
}

#[test]
fn asking_again_does_not_count_twice() {
    let mut world = World::started(1);
    world.sessions_max = 1;
    world.report_all();
    for _ in 0..5 {
        world.place("alice").expect("placed");
    }
    assert_eq!(world.place("bob"), Err(FaultCode::UNAVAILABLE));
}

#[test]
fn another_server_cannot_redeem_a_reservation() {
    let mut world = World::started(2);
    let placed = world.place("alice").expect("placed");
    let other = ServerId(3 - placed.seat.0);
    world.sessions_max = 1;
    world.report(placed.seat);
    world.redeemed.push(placed.reservation);
    world.sessions = 1;
    world.report(other);
    assert_eq!(world.place("bob"), Err(FaultCode::UNAVAILABLE));
}

#[test]
fn one_address_cannot_reserve_everything_except_this_machine() {
    let mut world = World::started(1);
    let names: Vec<String> = (0..300).map(|index| format!("user{index}")).collect();
    let placed = names.iter().filter(|name| world.place_from([10, 0, 0, 1], name).is_ok());
    assert_eq!(placed.count(), 256);
    let refused = world.place_from([10, 0, 0, 1], "more");
    assert_eq!(refused, Err(FaultCode::RATE_LIMITED));
    world.place_from([10, 0, 0, 2], "other").expect("another address has its own share");
    let placed = names.iter().filter(|name| world.place_from([127, 0, 0, 1], name).is_ok());
    assert_eq!(placed.count(), 300);
}

#[test]
fn nothing_is_placed_before_all_have_reported_and_who_asked_waits() {
    let mut world = World::new(3);
    let conn = world.client([127, 0, 0, 1]);
    world.ask(conn, "alice");
    world.join(ServerId(1));
    world.join(ServerId(2));
    assert_eq!(world.take_client(conn), []);
    world.join(ServerId(3));
    assert!(matches!(world.take_client(conn)[..], [FromRouter::Placed(_)]));
}

#[test]
fn after_three_seconds_whoever_is_there_is_placed_on() {
    let mut world = World::new(3);
    let conn = world.client([127, 0, 0, 1]);
    world.ask(conn, "alice");
    world.pass(Duration::from_millis(2_900));
    world.join(ServerId(2));
    assert_eq!(world.take_client(conn), []);
    world.pass(Duration::from_millis(100));
    let [FromRouter::Placed(placed)] = &world.take_client(conn)[..] else {
        panic!("not placed");
    };
    assert_eq!(placed.seat, ServerId(2));
}

/// A router that was killed comes back: it learns from the first reports who sits where, also of
/// those whom no router has sent.
#[test]
fn the_cap_holds_from_the_first_placement_after_a_restart() {
    let home = World::started(3).place("alice").expect("placed").home;
    let mut world = World::new(3);
    let conn = world.client([127, 0, 0, 1]);
    world.ask(conn, "alice");
    for server in [1, 2, 3].map(ServerId) {
        world.sessions = if server == home { 20 } else { 5 };
        world.join(server);
    }
    let [FromRouter::Placed(placed)] = &world.take_client(conn)[..] else {
        panic!("not placed");
    };
    assert_eq!(placed.home, home);
    assert_ne!(placed.seat, home, "31 sessions on three servers: a cap of 13");
}

#[test]
fn a_client_hears_once_which_servers_there_are() {
    let mut world = World::new(3);
    let conn = world.client([127, 0, 0, 1]);
    world.ask(conn, "alice");
    for server in [1, 2].map(ServerId) {
        world.join(server);
    }
    world.send_client(conn, ListServers {});
    let seats = [1, 2].map(|id| {
        let ServerEntry { server, client: address, .. } = world.entry(ServerId(id));
        SeatAddress { server, address }
    });
    let [FromRouter::Servers(servers)] = &world.take_client(conn)[..] else {
        panic!("no list");
    };
    assert_eq!(servers.servers.items(), seats);
    world.send_client(conn, ListServers {});
    assert_eq!(world.take_faults(conn), [FaultCode::TOO_MANY_REQUESTS]);
    world.join(ServerId(3));
    assert!(matches!(world.take_client(conn)[..], [FromRouter::Placed(_)]), "it goes on");
    assert_eq!(world.core.metrics().lists, 1);
}

#[test]
fn without_any_server_the_answer_after_three_seconds_is_unavailable() {
    let mut world = World::new(2);
    let conn = world.client([127, 0, 0, 1]);
    world.ask(conn, "alice");
    world.ask(conn, "bob");
    assert_eq!(world.take_faults(conn), [FaultCode::TOO_MANY_REQUESTS]);
    world.pass(3 * SECOND);
    assert_eq!(world.take_faults(conn), [FaultCode::UNAVAILABLE]);
    world.close(conn);
}

#[test]
fn a_client_that_leaves_while_it_waits_is_forgotten() {
    let mut world = World::new(1);
    let conn = world.client([127, 0, 0, 1]);
    world.ask(conn, "alice");
    world.close(conn);
    world.join(ServerId(1));
    assert_eq!(world.core.metrics().placed_home, 0);
}

#[test]
fn a_silent_server_is_not_placed_on_until_it_reports_again() {
    let mut world = World::started(2);
    let home = world.place("alice").expect("placed").home;
    let other = ServerId(3 - home.0);
    world.pass(REPORT_SILENCE_MAX - SECOND);
    world.report(other);
    world.pass(SECOND);
    assert_eq!(world.place("alice").expect("placed").seat, other);
    assert_eq!(world.core.metrics().silences, 1);
    world.report(home);
    assert_eq!(world.place("alice").expect("placed").seat, home);
}

#[test]
fn a_server_that_is_closed_or_has_another_map_is_not_placed_on() {
    let mut world = World::started(2);
    let home = world.place("alice").expect("placed").home;
    let other = ServerId(3 - home.0);
    world.is_open = false;
    world.report(home);
    assert_eq!(world.place("alice").expect("placed").seat, other);
    (world.is_open, world.map_version) = (true, 2);
    world.report(home);
    assert_eq!(world.place("alice").expect("placed").seat, other);
}

#[test]
fn an_older_report_is_ignored_but_a_restart_begins_anew() {
    let mut world = World::started(1);
    world.sequence = 100;
    world.report_all();
    (world.sequence, world.is_open) = (50, false);
    world.report_all();
    world.place("alice").expect("the older report is ignored");
    assert_eq!(world.core.metrics().reports_stale, 1);
    world.sequence = 0;
    let old = world.server_conn(ServerId(1));
    world.join(ServerId(1));
    assert!(world.is_closed(old), "the dead connection is closed");
    assert_eq!(world.place("alice"), Err(FaultCode::UNAVAILABLE));
}

#[test]
fn a_second_process_with_another_store_cannot_take_a_servers_place() {
    let mut world = World::started(1);
    let rightful = world.server_conn(ServerId(1));
    world.opening = opening(9, 1, 9);
    world.join(ServerId(1));
    let impostor = world.server_conn(ServerId(1));
    assert!(world.is_closed(impostor) && !world.is_closed(rightful));
    world.place("alice").expect("the rightful one stays");
}

#[test]
fn a_process_on_an_old_copy_of_a_store_is_turned_away_also_while_the_true_one_is_away() {
    let mut world = World::started(1);
    world.opening = opening(0, 3, 3);
    world.join(ServerId(1));
    let rightful = world.server_conn(ServerId(1));
    for (epoch, process) in [(1, 0), (2, 2), (3, 4)] {
        world.opening = opening(0, epoch, process);
        world.join(ServerId(1));
        let copy = world.server_conn(ServerId(1));
        assert_eq!(world.take_server_faults(copy), [FaultCode::SUPERSEDED]);
        assert!(world.is_closed(copy) && !world.is_closed(rightful));
    }
    world.close(rightful);
    world.opening = opening(0, 2, 2);
    world.join(ServerId(1));
    assert!(world.is_closed(world.server_conn(ServerId(1))), "the router remembers");
    assert_eq!(world.place("alice"), Err(FaultCode::UNAVAILABLE));
    world.opening = opening(0, 4, 4);
    world.join(ServerId(1));
    world.place("alice").expect("a later process of the true one");
    assert_eq!(world.core.metrics().superseded, 4);
}

#[test]
fn a_server_that_is_not_in_the_map_is_no_server() {
    let mut world = World::started(1);
    let conn = world.open_server(Some(ServerId(9)));
    world.send_server(conn, server_hello(9));
    assert_eq!(world.take_server_faults(conn), [FaultCode::WRONG_PEER]);
    assert!(world.is_closed(conn));
}

#[test]
fn servers_hear_who_is_there_when_that_changes() {
    let mut world = World::new(2);
    world.join(ServerId(1));
    let first = world.server_conn(ServerId(1));
    assert_eq!(world.take_directories(first), [vec![], vec![1]]);
    world.join(ServerId(2));
    let second = world.server_conn(ServerId(2));
    assert_eq!(world.take_directories(first), [vec![1, 2]]);
    assert_eq!(world.take_directories(second), [vec![1], vec![1, 2]]);
    world.report_all();
    assert!(world.take_directories(first).is_empty(), "nothing has changed");
    world.close(second);
    assert_eq!(world.take_directories(first), [vec![1]]);
}

#[test]
fn a_server_is_believed_only_with_its_own_certificate() {
    let cases = [
        (None, server_hello(1)),
        (Some(ServerId(2)), server_hello(1)),
        (Some(ServerId(1)), Hello::client()),
    ];
    for (certified, hello) in cases {
        let mut world = World::new(2);
        let conn = world.open_server(certified);
        world.send_server(conn, hello);
        assert_eq!(world.take_server_faults(conn), [FaultCode::WRONG_PEER]);
        assert!(world.is_closed(conn));
    }
}

#[test]
fn a_server_reports_for_itself_only() {
    let mut world = World::started(2);
    let conn = world.server_conn(ServerId(1));
    let report = world.report_of(ServerId(2));
    world.send_server(conn, report);
    assert_eq!(world.take_server_faults(conn), [FaultCode::WRONG_PEER]);
    assert!(world.is_closed(conn));
}

#[test]
fn what_a_client_may_not_say_is_answered_with_its_fault() {
    let old = Hello { version_min: 7, version_max: 9, ..Hello::client() };
    let stranger = Hello { magic: *b"HTTP", ..Hello::client() };
    let cases: [(FaultCode, ToRouter); 4] = [
        (FaultCode::BAD_VERSION, old.into()),
        (FaultCode::BAD_MAGIC, stranger.into()),
        (FaultCode::WRONG_PEER, server_hello(1).into()),
        (FaultCode::WRONG_STATE, Ping { nonce: 1 }.into()),
    ];
    for (code, message) in cases {
        let mut world = World::started(1);
        let conn = world.open_client([127, 0, 0, 1]);
        world.send_client(conn, message);
        assert_eq!(world.take_faults(conn), [code]);
        assert!(world.is_closed(conn));
        world.ask(conn, "alice");
        assert_eq!(world.take_client(conn), [], "a closed connection is ignored");
    }
}

#[test]
fn frames_that_do_not_belong_here_are_answered_with_their_fault() {
    let cases = [
        (Kind(0x7f), &b""[..], FaultCode::UNKNOWN_KIND),
        (Kind::REPORT, b"", FaultCode::WRONG_DIRECTION),
        (Kind::POST, b"", FaultCode::WRONG_DIRECTION),
        (Kind::PLACE, b"\x01", FaultCode::MALFORMED),
        (Kind::PLACE, b"\x01A", FaultCode::MALFORMED),
        (Kind::HELLO, b"", FaultCode::MALFORMED),
    ];
    for (kind, body, code) in cases {
        let mut world = World::started(1);
        let conn = world.client([127, 0, 0, 1]);
        world.send_raw(conn, kind, body);
        assert_eq!(world.take_faults(conn), [code], "{kind}");
        assert!(world.is_closed(conn));
    }
    let mut world = World::started(1);
    let conn = world.server_conn(ServerId(1));
    world.send_raw(conn, Kind::PLACE, b"\x01a");
    assert_eq!(world.take_server_faults(conn), [FaultCode::WRONG_DIRECTION]);
}

#[test]
fn an_idle_client_and_a_silent_link_are_closed() {
    let mut world = World::started(1);
    let server = world.server_conn(ServerId(1));
    let client = world.client([127, 0, 0, 1]);
    world.pass(9 * SECOND);
    world.send_client(client, Ping { nonce: 7 });
    assert!(matches!(world.take_client(client)[..], [FromRouter::Pong(_)]));
    world.pass(SECOND);
    assert!(world.is_closed(server) && !world.is_closed(client));
    world.pass(9 * SECOND);
    assert_eq!(world.take_faults(client), [FaultCode::IDLE]);
    assert!(world.is_closed(client));
}

#[test]
fn a_fault_from_the_other_side_ends_the_connection() {
    let mut world = World::started(1);
    let conn = world.client([127, 0, 0, 1]);
    world.send_client(conn, Fault::new(FaultCode::STOPPING));
    assert!(world.is_closed(conn));
}

#[test]
fn everybody_hears_that_the_router_stops() {
    let mut world = World::started(1);
    let (client, server) = (world.client([127, 0, 0, 1]), world.server_conn(ServerId(1)));
    world.stop();
    assert_eq!(world.take_faults(client), [FaultCode::STOPPING]);
    assert_eq!(world.take_server_faults(server), [FaultCode::STOPPING]);
    assert!(world.is_closed(client) && world.is_closed(server));
}

#[test]
fn the_same_seed_and_events_give_the_same_answers() {
    let run = || {
        let mut world = World::started(3);
        ["alice", "bob", "carol"].map(|name| world.place(name).expect("placed"))
    };
    assert_eq!(run(), run());
}
