//! Who comes, in which order, and how much the servers hold.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use wire::limits::SLOTS;
use wire::{LogId, Name, ServerId, Slot};

/// How users and servers differ from each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Skew {
    /// Accounts fall into slots by their names, and servers are alike.
    Uniform,
    /// Slot number *k*, in some order, has 1/*k* as many accounts as the first: the first has a
    /// ninth of all. Names chosen on purpose could do that; chance does not.
    Zipf,
    /// As uniform, and every third server takes three quarters of the average at most.
    Unequal,
}

impl Skew {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Uniform, Self::Zipf, Self::Unequal];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
            Self::Unequal => "unequal",
        }
    }

    /// Sessions that may sit on `server`, when the cluster was bought as `servers` servers for
    /// `users` users. A server that joins later is a large one.
    #[must_use]
    pub fn sessions_max(self, server: ServerId, servers: u16, users: u32) -> u32 {
        let is_small = server.0 <= servers && server.0.is_multiple_of(3);
        if self == Self::Unequal && is_small {
            (3 * users).div_ceil(4 * u32::from(servers))
        } else {
            users
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// All users, and how they come.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The slot of each user's account.
    pub slots: Vec<Slot>,
    /// Who signs in, one after another: everybody once, in any order; then as many times any of
    /// them, whose session has ended just before.
    pub arrivals: Vec<usize>,
}

impl Crowd {
    /// `users` users, all from `seed`.
    #[must_use]
    pub fn new(skew: Skew, users: u32, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let count = usize::try_from(users).expect("a number of users fits memory");
        let mut arrivals: Vec<usize> = (0..count).collect();
        arrivals.shuffle(&mut random);
        arrivals.extend((0..count).map(|_| below(&mut random, count)));
        let slots = match skew {
            Skew::Uniform | Skew::Unequal => (0..users).map(|user| slot_of(user, seed)).collect(),
            Skew::Zipf => zipf(count, &mut random),
        };
        Self { slots, arrivals }
    }
}

/// The slot of an account, as every program computes it.
fn slot_of(user: u32, seed: u64) -> Slot {
    let name = Name::parse(&format!("u{seed:x}.{user}")).expect("a letter, digits and a dot");
    Slot::of(&LogId::mailbox(name))
}

fn zipf(count: usize, random: &mut StdRng) -> Vec<Slot> {
    let mut slots: Vec<Slot> = (0..SLOTS).map(|index| Slot::new(index).expect("below")).collect();
    slots.shuffle(random);
    let mut sum = 0.0;
    let up_to: Vec<f64> = (1..=SLOTS)
        .map(|rank| {
            sum += 1.0 / f64::from(u32::try_from(rank).expect("a slot's rank fits 32 bits"));
            sum
        })
        .collect();
    let draw = |_| {
        let at = sum * f64::from(random.next_u32()) / (f64::from(u32::MAX) + 1.0);
        slots[up_to.partition_point(|up_to| *up_to <= at).min(SLOTS - 1)]
    };
    (0..count).map(draw).collect()
}

/// A number below `bound`, which is not 0.
pub(super) fn below(random: &mut StdRng, bound: usize) -> usize {
    let bound = u64::try_from(bound).expect("a count fits 64 bits");
    usize::try_from(random.next_u64() % bound).expect("it is below a count")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wire::{ServerId, Slot};

    use super::{Crowd, Skew};

    fn most(crowd: &Crowd) -> usize {
        let mut counts: BTreeMap<Slot, usize> = BTreeMap::new();
        for slot in &crowd.slots {
            *counts.entry(*slot).or_insert(0) += 1;
        }
        counts.into_values().max().expect("users")
    }

    #[test]
    fn everybody_comes_once_and_then_as_many_come_again() {
        let crowd = Crowd::new(Skew::Uniform, 1_000, 3);
        let mut first: Vec<usize> = crowd.arrivals[..1_000].to_vec();
        assert!(!first.is_sorted(), "in any order");
        first.sort_unstable();
        assert!(first.into_iter().eq(0..1_000));
        assert_eq!(crowd.arrivals.len(), 2_000);
        assert_eq!(Crowd::new(Skew::Uniform, 1_000, 3).arrivals, crowd.arrivals);
        assert_ne!(Crowd::new(Skew::Uniform, 1_000, 4).arrivals, crowd.arrivals);
    }

    #[test]
    fn hot_slots_are_hot_and_names_are_not() {
        assert!(most(&Crowd::new(Skew::Uniform, 10_000, 1)) < 20);
        // A ninth of 10,000 is 1,124; five standard deviations are 158.
        let most = most(&Crowd::new(Skew::Zipf, 10_000, 1));
        assert!((966..=1_282).contains(&most), "{most}");
    }

    #[test]
    fn every_third_server_is_small_but_no_newcomer() {
        let max = |server| Skew::Unequal.sessions_max(ServerId(server), 5, 1_000);
        assert_eq!([1, 2, 3, 4, 5, 6].map(max), [1_000, 1_000, 150, 1_000, 1_000, 1_000]);
        assert_eq!(Skew::Zipf.sessions_max(ServerId(3), 5, 1_000), 1_000);
    }
}
