//! The strategies side by side: nobody above a server's most, and what each promises of its own.

mod drawn;

use std::sync::LazyLock;

use proptest::prelude::*;
use router::core::homes::build_map;
use router::core::placer::Placer;
use router::core::ring::{Seats, average_cap};
use router::core::strategy::{Placing, Strategy};
use wire::limits::SLOTS;
use wire::{ServerId, Slot, SlotMap};

use drawn::seats;

const PERCENT: u32 = 125;

/// The map of 40 servers, made once.
static FORTY: LazyLock<SlotMap> = LazyLock::new(|| map(40));

fn map(servers: u16) -> SlotMap {
    let servers: Vec<ServerId> = (1..=servers).map(ServerId).collect();
    build_map(1, &servers)
}

fn placer(map: &SlotMap, strategy: Strategy, seed: u8) -> Placer {
    Placer::new(map.clone(), Placing { strategy, percent: PERCENT }, [seed; 32])
}

fn slot(index: usize) -> Slot {
    Slot::new(index % SLOTS).expect("below SLOTS")
}

fn empty(servers: u16, max: u32) -> Vec<Seats> {
    (1..=servers).map(|id| Seats { server: ServerId(id), taken: 0, max }).collect()
}

/// Places `count` sessions and answers how many each server has got.
fn place(placer: &mut Placer, seats: &mut [Seats], count: usize) -> Vec<u32> {
    let before: Vec<u32> = seats.iter().map(|seat| seat.taken).collect();
    for index in 0..count {
        let placement = placer.place(slot(index), seats).expect("there is room");
        let seat = seats.iter_mut().find(|seat| seat.server == placement.seat);
        seat.expect("only what was offered").taken += 1;
    }
    seats.iter().zip(before).map(|(seat, before)| seat.taken - before).collect()
}

#[test]
fn round_robin_gives_every_server_as_many() {
    let mut placer = placer(&map(7), Strategy::RoundRobin, 1);
    let mut seats = empty(7, 1_000);
    assert_eq!(place(&mut placer, &mut seats, 70), [10; 7]);
    seats[2].max = seats[2].taken;
    let got = place(&mut placer, &mut seats, 60);
    assert_eq!(got, [10, 10, 0, 10, 10, 10, 10], "who is full is left out");
    seats.remove(5);
    assert_eq!(place(&mut placer, &mut seats, 50), [10, 10, 0, 10, 10, 10], "and who is away");
}

#[test]
fn routers_begin_their_rounds_at_different_servers() {
    let first = |seed| {
        let mut placer = placer(&FORTY, Strategy::RoundRobin, seed);
        placer.place(slot(0), &empty(40, 1)).expect("there is room").seat
    };
    let mut firsts: Vec<ServerId> = (0..8).map(first).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert!(firsts.len() > 4, "{firsts:?}");
}

#[test]
fn random_is_even_and_its_seed_decides() {
    let got = |seed| {
        let mut placer = placer(&map(10), Strategy::Random, seed);
        place(&mut placer, &mut empty(10, u32::MAX), 10_000)
    };
    // Five standard deviations of a binomial count, √(10,000 × 0.1 × 0.9) = 30.
    assert!(got(1).iter().all(|count| (850..=1_150).contains(count)), "{:?}", got(1));
    assert_eq!(got(1), got(1));
    assert_ne!(got(1), got(2));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_seated_above_a_servers_most_or_refused_while_there_is_room(
        seats in seats(),
        index in 0..SLOTS,
        seed in 0u8..=255,
    ) {
        let has_room = seats.iter().any(|seat| seat.taken < seat.max);
        for strategy in Strategy::ALL {
            let placement = placer(&FORTY, strategy, seed).place(slot(index), &seats);
            prop_assert_eq!(placement.is_some(), has_room, "{}", strategy);
            if let Some(placement) = placement {
                prop_assert_eq!(placement.home, FORTY.home(slot(index)));
                let seat = seats.iter().find(|seat| seat.server == placement.seat);
                let seat = seat.expect("only what was offered");
                prop_assert!(seat.taken < seat.max, "{}", strategy);
            }
        }
    }

    #[test]
    fn least_connections_chooses_a_minimum(seats in seats(), index in 0..SLOTS) {
        let fewest = seats.iter().filter(|seat| seat.taken < seat.max).map(|seat| seat.taken).min();
        let placement = placer(&FORTY, Strategy::LeastConnections, 1).place(slot(index), &seats);
        let taken = placement.map(|placement| {
            let seat = seats.iter().find(|seat| seat.server == placement.seat);
            seat.expect("only what was offered").taken
        });
        prop_assert_eq!(taken, fewest);
    }

    #[test]
    fn caps_hold_at_every_assignment_while_sessions_come_and_go(
        servers in 1u16..12,
        steps in prop::collection::vec((0..SLOTS, any::<bool>()), 1..400),
        spare in 0u32..30,
    ) {
        for strategy in Strategy::ALL {
            let map = map(servers);
            let mut placer = placer(&map, strategy, 7);
            // All together hold 400 sessions, or a few more.
            let max = 400u32.div_ceil(servers.into()) + spare;
            let mut seats = empty(servers, max);
            for (index, leaves) in &steps {
                let taken = seats.iter_mut().find(|seat| seat.taken > 0);
                if let (true, Some(seat)) = (*leaves, taken) {
                    seat.taken -= 1;
                    continue;
                }
                let cap = average_cap(PERCENT, &seats).min(max.into());
                let placement = placer.place(slot(*index), &seats).expect("there is room");
                let seat = &mut seats[usize::from(placement.seat.0) - 1];
                seat.taken += 1;
                prop_assert!(seat.taken <= max);
                let is_bounded = strategy != Strategy::BoundedHash || u64::from(seat.taken) <= cap;
                prop_assert!(is_bounded, "{} of {}", seat.taken, cap);
            }
        }
    }
}
