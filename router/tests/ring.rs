//! The ring and the slot map: the same for ever, even, and moving little.
//!
//! `UPDATE=1` rewrites the golden file; a change of it moves users between servers.

mod drawn;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::prelude::*;
use router::core::homes::{
    ChangeError, add_server, build_map, forget_server, move_slots, remove_server,
};
use router::core::ring::{Ring, Seats, average_cap};
use wire::limits::SLOTS;
use wire::{LogId, Name, ServerId, Slot, SlotMap};

use drawn::seats;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/placement.txt");

/// The ring and the map of 40 servers, made once.
static FORTY: LazyLock<(Ring, SlotMap)> =
    LazyLock::new(|| (Ring::new(&servers(40)), build_map(1, &servers(40))));

fn servers(count: u16) -> Vec<ServerId> {
    (1..=count).map(ServerId).collect()
}

fn slot(index: usize) -> Slot {
    Slot::new(index % SLOTS).expect("below SLOTS")
}

fn slots_of(map: &SlotMap, server: ServerId) -> usize {
    (0..SLOTS).filter(|index| map.home(slot(*index)) == server).count()
}

/// No server owns two slots more than another.
fn assert_even(map: &SlotMap) {
    let mut owned: BTreeMap<ServerId, usize> = BTreeMap::new();
    for index in 0..SLOTS {
        *owned.entry(map.home(slot(index))).or_insert(0) += 1;
    }
    let (fewest, most) = (owned.values().min(), owned.values().max());
    let (fewest, most) = (fewest.expect("a home"), most.expect("a home"));
    assert!(most - fewest <= 1, "{} servers own {fewest} to {most}", owned.len());
}

fn moved(before: &SlotMap, after: &SlotMap) -> usize {
    let slots = (0..SLOTS).map(slot);
    slots.filter(|slot| before.home(*slot) != after.home(*slot)).count()
}

/// Each server once, in the order of the walk.
fn candidates(ring: &Ring, slot: Slot) -> Vec<ServerId> {
    let mut found: Vec<ServerId> = Vec::new();
    for server in ring.walk(slot) {
        if !found.contains(&server) {
            found.push(server);
        }
    }
    found
}

#[test]
fn placement_of_100_names_on_5_servers_is_golden() {
    let (ring, map) = (Ring::new(&servers(5)), build_map(1, &servers(5)));
    let mut text = "# name slot home | the servers in the order of the ring\n".to_owned();
    for index in 0..100 {
        let name = Name::parse(&format!("user{index}")).expect("is a name");
        let slot = Slot::of(&LogId::mailbox(name));
        let home = map.home(slot).0;
        let order: Vec<String> = candidates(&ring, slot).iter().map(|s| s.0.to_string()).collect();
        writeln!(text, "{name} {} {home} | {}", slot.index(), order.join(" ")).expect("writes");
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(GOLDEN, &text).expect("the golden folder is there");
    }
    assert_eq!(std::fs::read_to_string(GOLDEN).expect("is there"), text);
}

#[test]
fn every_server_owns_its_even_part_of_a_new_map() {
    for count in [1, 2, 3, 7, 30, 100, 1_000, 1_024] {
        let map = build_map(1, &servers(count));
        assert_eq!(map.servers(), servers(count), "each owns something");
        assert_even(&map);
    }
}

#[test]
fn a_server_that_comes_gets_its_part_and_nothing_else_moves() {
    for count in [1, 2, 3, 10, 50, 100, 1_023] {
        let before = build_map(1, &servers(count));
        let newcomer = ServerId(count + 1);
        let after = add_server(&before, newcomer).expect("there is room for it");
        assert_eq!((after.version(), after.servers()), (2, servers(count + 1)));
        assert_even(&after);
        assert_eq!(moved(&before, &after), SLOTS / usize::from(count + 1));
        assert_eq!(slots_of(&after, newcomer), moved(&before, &after));
    }
}

#[test]
fn a_server_that_goes_gives_its_part_and_nothing_else_moves() {
    for count in [2, 3, 10, 50, 100, 1_024] {
        let before = build_map(1, &servers(count));
        let leaver = ServerId(count.div_ceil(2));
        let after = remove_server(&before, leaver).expect("others are left");
        assert_eq!(after.version(), 2);
        assert_even(&after);
        assert_eq!(moved(&before, &after), slots_of(&before, leaver));
        assert_eq!(slots_of(&after, leaver), 0);
    }
}

/// A session that overflows from one of these slots, or fails over, finds the newcomer first.
#[test]
fn a_server_that_comes_gets_the_slots_that_are_near_to_it() {
    for count in [10, 100] {
        let newcomer = ServerId(count + 1);
        let map = build_map(1, &servers(count));
        let map = add_server(&map, newcomer).expect("there is room for it");
        let ring = Ring::new(&servers(count + 1));
        let owned = (0..SLOTS).map(slot).filter(|slot| map.home(*slot) == newcomer);
        let near = owned.filter(|slot| ring.walk(*slot).next() == Some(newcomer)).count();
        assert!(near * 100 > slots_of(&map, newcomer) * 75, "{near}");
    }
}

#[test]
fn a_change_that_cannot_be_names_the_server() {
    let map = build_map(1, &servers(1_024));
    let one = build_map(1, &servers(1));
    assert_eq!(add_server(&one, ServerId(1)), Err(ChangeError::AlreadyThere(ServerId(1))));
    assert_eq!(add_server(&map, ServerId(2_000)), Err(ChangeError::Full));
    assert_eq!(remove_server(&map, ServerId(0)), Err(ChangeError::NotThere(ServerId(0))));
    assert_eq!(remove_server(&one, ServerId(1)), Err(ChangeError::LastServer(ServerId(1))));
    assert_eq!(forget_server(&one, ServerId(1)), Err(ChangeError::AlreadyThere(ServerId(1))));
    assert_eq!(forget_server(&one, ServerId(2)), Err(ChangeError::NotThere(ServerId(2))));
    let all = slot(0)..=slot(SLOTS - 1);
    let moved = |to| move_slots(&one, all.clone(), ServerId(to));
    assert_eq!(moved(1), Err(ChangeError::NothingMoves(ServerId(1))));
    assert_eq!(moved(2), Err(ChangeError::NotThere(ServerId(2))));
}

/// Its slots can move only while the others know of it.
#[test]
fn a_server_that_goes_stays_listed_until_it_is_forgotten_and_its_number_is_used_up() {
    let map = build_map(1, &servers(3));
    let gone = remove_server(&map, ServerId(2)).expect("others are left");
    assert_eq!((gone.servers(), gone.owners()), (servers(3), vec![ServerId(1), ServerId(3)]));
    assert_eq!(remove_server(&gone, ServerId(2)), Err(ChangeError::OwnsNothing(ServerId(2))));
    let back = add_server(&gone, ServerId(2)).expect("it may come back");
    assert_eq!((back.owners(), back.version()), (servers(3), 3));
    let forgotten = forget_server(&gone, ServerId(2)).expect("owns nothing");
    assert_eq!(forgotten.servers(), [ServerId(1), ServerId(3)]);
    assert_eq!(add_server(&forgotten, ServerId(2)), Err(ChangeError::Former(ServerId(2))));
}

#[test]
fn a_newcomer_that_left_may_come_again() {
    let map = add_server(&build_map(1, &servers(2)), ServerId(3)).expect("there is room");
    let gone = remove_server(&map, ServerId(3)).expect("others are left");
    let gone = forget_server(&gone, ServerId(3)).expect("owns nothing");
    assert_even(&add_server(&gone, ServerId(3)).expect("it held nothing at the beginning"));
}

#[test]
fn the_slots_that_an_operator_moves_move_and_no_others() {
    let before = build_map(1, &servers(3));
    let after = move_slots(&before, slot(10)..=slot(20), ServerId(3)).expect("it is listed");
    for slot in (0..SLOTS).map(slot) {
        let is_meant = (10..=20).contains(&slot.index());
        let home = if is_meant { ServerId(3) } else { before.home(slot) };
        assert_eq!(after.home(slot), home);
        assert_eq!(after.slot_epoch(slot), u32::from(home != before.home(slot)));
        assert_eq!(after.first_home(slot), before.home(slot));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_servers_does_not_matter(
        mut ids in prop::collection::vec(1u16..200, 1..20),
        index in 0..SLOTS,
    ) {
        let forward: Vec<ServerId> = ids.iter().copied().map(ServerId).collect();
        ids.reverse();
        let backward: Vec<ServerId> = ids.into_iter().map(ServerId).collect();
        prop_assert_eq!(
            candidates(&Ring::new(&forward), slot(index)),
            candidates(&Ring::new(&backward), slot(index))
        );
        prop_assert_eq!(build_map(1, &forward), build_map(1, &backward));
    }

    #[test]
    fn a_server_that_joins_leaves_the_order_of_the_others(
        count in 1u16..30,
        index in 0..SLOTS,
    ) {
        let before = candidates(&Ring::new(&servers(count)), slot(index));
        let mut after = candidates(&Ring::new(&servers(count + 1)), slot(index));
        after.retain(|server| server.0 != count + 1);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn changes_of_an_uneven_map_move_the_newcomers_and_leavers_slots_alone(
        homes in prop::collection::vec(1u16..30, SLOTS),
        server in 1u16..40,
    ) {
        let before = SlotMap::new(7, homes.into_iter().map(ServerId).collect());
        let server = ServerId(server);
        let count = before.servers().len();
        match (add_server(&before, server), remove_server(&before, server)) {
            (Ok(after), Err(ChangeError::NotThere(_))) => {
                prop_assert_eq!(slots_of(&after, server), SLOTS / (count + 1));
                prop_assert_eq!(moved(&before, &after), slots_of(&after, server));
            }
            (Err(ChangeError::AlreadyThere(_)), Ok(after)) => {
                prop_assert_eq!(slots_of(&after, server), 0);
                prop_assert_eq!(moved(&before, &after), slots_of(&before, server));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_map_stays_even_while_servers_come_and_go(
        ids in prop::collection::vec(1u16..20, 1..20),
    ) {
        let mut map = build_map(1, &servers(5));
        for id in ids {
            let changed = match add_server(&map, ServerId(id)) {
                Err(ChangeError::AlreadyThere(server)) => remove_server(&map, server),
                added => added,
            };
            map = changed.unwrap_or(map);
            assert_even(&map);
        }
    }

    #[test]
    fn no_seat_is_above_its_cap_and_none_is_refused_while_there_is_room(
        seats in seats(),
        percent in 100u32..400,
        index in 0..SLOTS,
    ) {
        let (ring, map) = &*FORTY;
        let has_room = seats.iter().any(|seat| seat.taken < seat.max);
        let cap = average_cap(percent, &seats);
        let any_under_cap = seats.iter().any(|seat| {
            u64::from(seat.taken) < cap && seat.taken < seat.max
        });
        match ring.place(map, slot(index), percent, &seats) {
            None => prop_assert!(!has_room),
            Some(placement) => {
                prop_assert_eq!(placement.home, map.home(slot(index)));
                let seat = seats.iter().find(|seat| seat.server == placement.seat);
                let seat = seat.expect("only what was offered");
                prop_assert!(seat.taken < seat.max);
                prop_assert!(u64::from(seat.taken) < cap || !any_under_cap);
            }
        }
    }

    #[test]
    fn the_home_is_the_seat_unless_it_is_at_its_cap(
        seats in seats(),
        index in 0..SLOTS,
    ) {
        let (ring, map) = &*FORTY;
        let home = map.home(slot(index));
        let cap = average_cap(125, &seats);
        let is_free = seats.iter().any(|seat| {
            seat.server == home && seat.taken < seat.max && u64::from(seat.taken) < cap
        });
        let placement = ring.place(map, slot(index), 125, &seats);
        let sits_home = placement.is_some_and(|placement| placement.seat == home);
        prop_assert!(sits_home || !is_free);
    }

    #[test]
    fn many_sessions_one_after_another_stay_within_the_bound(
        count in 1u16..12,
        names in prop::collection::vec(0..SLOTS, 1..400),
    ) {
        let (ring, map) = (Ring::new(&servers(count)), build_map(1, &servers(count)));
        let seat = |server| Seats { server, taken: 0, max: u32::MAX };
        let mut seats: Vec<Seats> = servers(count).into_iter().map(seat).collect();
        for index in names {
            let cap = average_cap(125, &seats);
            let placement = ring.place(&map, slot(index), 125, &seats).expect("there is room");
            let seat = &mut seats[usize::from(placement.seat.0) - 1];
            seat.taken += 1;
            prop_assert!(u64::from(seat.taken) <= cap);
        }
    }
}
