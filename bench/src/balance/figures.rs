//! What seatings amount to: evenness, overflow, hops between servers, what a change moves.

use std::collections::BTreeMap;

use router::core::strategy::Strategy;
use wire::{ServerId, Slot, SlotMap};

use super::crowd::{Crowd, Skew};
use super::seating::Seating;

/// One line of the report: a strategy, with so many servers, for such users.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// How users and servers differ.
    pub skew: Skew,
    /// Servers, before one joins or leaves.
    pub servers: u16,
    /// How seats were chosen.
    pub strategy: Strategy,
    /// How evenly sessions sit.
    pub evenness: Evenness,
    /// How far messages travel.
    pub travel: Travel,
    /// When a server joined.
    pub joins: Moved,
    /// When a server left.
    pub leaves: Moved,
}

/// Sessions per server, as parts of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evenness {
    /// Of the server with the most.
    pub max: f64,
    /// Standard deviation over all servers.
    pub deviation: f64,
    /// What the server with the most would have if everybody sat at home.
    pub homes_max: f64,
}

/// Where sessions sit, and what that costs a message from any of them to any of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Travel {
    /// Share of sessions whose seat is not their home.
    pub overflow: f64,
    /// Links between servers that a direct message crosses, from its sender's seat over its
    /// reader's home to its reader's seat: the mean over all pairs.
    pub hops: f64,
    /// How many of them it would not cross if everybody sat at home.
    pub extra: f64,
}

/// What a change of the servers moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Share of what there is that is elsewhere afterwards.
    pub share: f64,
    /// The share of the server that came or went, were all alike: nothing less can move.
    pub ideal: f64,
}

impl Moved {
    /// How many times the ideal: 1 is the least.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.share / self.ideal
    }
}

/// How evenly `seating` spreads the sessions of `crowd`.
#[must_use]
pub fn evenness(seating: &Seating, map: &SlotMap, crowd: &Crowd) -> Evenness {
    let taken = || seating.servers.iter().map(|server| f64::from(server.taken));
    let mean = float(crowd.slots.len()) / float(seating.servers.len());
    let spread: f64 = taken().map(|taken| (taken - mean).powi(2)).sum();
    let homes = homes(map, crowd).into_values().map(float).fold(0.0, f64::max);
    Evenness {
        max: taken().fold(0.0, f64::max) / mean,
        deviation: (spread / float(seating.servers.len())).sqrt() / mean,
        homes_max: homes / mean,
    }
}

/// How far messages travel among the sessions of `crowd`: exact, not sampled.
#[must_use]
pub fn travel(seating: &Seating, map: &SlotMap, crowd: &Crowd) -> Travel {
    let users = float(crowd.slots.len());
    let homes = homes(map, crowd);
    let home = |server: &ServerId| homes.get(server).copied().map_or(0.0, float) / users;
    let away = crowd.slots.iter().zip(&seating.seats);
    let away = away.filter(|(slot, seat)| map.home(**slot) != **seat).count();
    let overflow = float(away) / users;
    // Sender and reader are drawn apart: the sender's seat is the reader's home as often as the
    // shares of each server say.
    let servers = seating.servers.iter();
    let met: f64 = servers.map(|s| home(&s.server) * f64::from(s.taken) / users).sum();
    let met_at_home: f64 = homes.keys().map(|server| home(server).powi(2)).sum();
    let hops = (1.0 - met) + overflow;
    Travel { overflow, hops, extra: hops - (1.0 - met_at_home) }
}

/// Which share of the seats of `before` is another in `after`.
#[must_use]
pub fn moved_seats(before: &Seating, after: &Seating, ideal: f64) -> Moved {
    let pairs = before.seats.iter().zip(&after.seats);
    let moved = pairs.filter(|(before, after)| before != after).count();
    Moved { share: float(moved) / float(before.seats.len()), ideal }
}

/// Which share of the slots has another home in `after`.
#[must_use]
pub fn moved_slots(before: &SlotMap, after: &SlotMap, ideal: f64) -> Moved {
    let slots = || (0..wire::limits::SLOTS).filter_map(Slot::new);
    let moved = slots().filter(|slot| before.home(*slot) != after.home(*slot)).count();
    Moved { share: float(moved) / float(slots().count()), ideal }
}

/// How many users of `crowd` are at home on each server.
fn homes(map: &SlotMap, crowd: &Crowd) -> BTreeMap<ServerId, usize> {
    let mut homes = BTreeMap::new();
    for slot in &crowd.slots {
        *homes.entry(map.home(*slot)).or_insert(0) += 1;
    }
    homes
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("fewer users than 2^32"))
}

#[cfg(test)]
mod tests {
    use router::core::ring::Seats;
    use wire::limits::SLOTS;
    use wire::{ServerId, Slot, SlotMap};

    use super::{Seating, evenness, moved_seats, moved_slots, travel};
    use crate::balance::crowd::Crowd;

    fn seating(seats: [u16; 4]) -> Seating {
        let seats: Vec<ServerId> = seats.into_iter().map(ServerId).collect();
        let count = |id| seats.iter().filter(|seat| **seat == ServerId(id)).count();
        let taken = |id| u32::try_from(count(id)).expect("few");
        let server = |id| Seats { server: ServerId(id), taken: taken(id), max: 9 };
        Seating { servers: vec![server(1), server(2)], seats, assignments: 4 }
    }

    /// Slot 0 is at home on server 1, all others on server 2; two users in each of two slots.
    fn map_and_crowd() -> (SlotMap, Crowd) {
        let homes = (0..SLOTS).map(|index| ServerId(if index == 0 { 1 } else { 2 }));
        let slot = |index| Slot::new(index).expect("below SLOTS");
        let slots = vec![slot(0), slot(0), slot(1), slot(1)];
        (SlotMap::new(1, homes.collect()), Crowd { slots, arrivals: vec![0, 1, 2, 3] })
    }

    #[test]
    fn evenness_is_relative_to_the_mean() {
        let (map, crowd) = map_and_crowd();
        let found = evenness(&seating([1, 1, 1, 2]), &map, &crowd);
        assert!((found.max - 1.5).abs() < 1e-9 && (found.homes_max - 1.0).abs() < 1e-9);
        assert!((found.deviation - 0.5).abs() < 1e-9);
    }

    #[test]
    fn who_sits_away_from_home_costs_a_link() {
        let (map, crowd) = map_and_crowd();
        let home = travel(&seating([1, 1, 2, 2]), &map, &crowd);
        assert!(home.overflow.abs() < 1e-9 && home.extra.abs() < 1e-9);
        assert!((home.hops - 0.5).abs() < 1e-9, "half of all senders sit at the reader's home");
        let away = travel(&seating([1, 1, 1, 2]), &map, &crowd);
        assert!((away.overflow - 0.25).abs() < 1e-9);
        assert!((away.hops - 0.75).abs() < 1e-9 && (away.extra - 0.25).abs() < 1e-9);
        let all = travel(&seating([1, 1, 1, 1]), &map, &crowd);
        assert!((all.hops - 1.0).abs() < 1e-9, "half to the home, half from it");
    }

    #[test]
    fn what_moved_is_counted_by_seat_and_by_slot() {
        let moved = moved_seats(&seating([1, 1, 2, 2]), &seating([1, 2, 2, 1]), 0.25);
        assert!((moved.share - 0.5).abs() < 1e-9 && (moved.ratio() - 2.0).abs() < 1e-9);
        let (map, _) = map_and_crowd();
        let all_on_2 = SlotMap::new(2, vec![ServerId(2); SLOTS]);
        let moved = moved_slots(&map, &all_on_2, 1.0);
        assert!((moved.share * 4096.0 - 1.0).abs() < 1e-9);
    }
}
