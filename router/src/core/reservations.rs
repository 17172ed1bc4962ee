//! Seats promised to clients that have not arrived there yet.
//!
//! A reservation counts as a session of its server until that server reports it as redeemed, until
//! it lapses, or until the same account asks again. All live equally long, so they lapse in order.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use rand::Rng;
use rand::rngs::StdRng;
use wire::limits::RESERVATION_TIME;
use wire::{Instant, Name, Reservation, ServerId};

use crate::core::tally::Tally;
use crate::limits::RESERVATIONS_MAX;

/// All reservations that count.
#[derive(Debug)]
pub struct Reservations {
    held: BTreeMap<Reservation, Held>,
    by_name: BTreeMap<Name, Reservation>,
    by_seat: Tally<ServerId>,
    by_address: Tally<IpAddr>,
    /// In the order of lapsing; may name reservations that are gone already. Bounds the rest.
    lapsing: VecDeque<(Instant, Reservation)>,
}

/// Who holds a reservation, and where.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The account that will sit there.
    pub name: Name,
    /// The server it was promised by.
    pub seat: ServerId,
    /// Where the client asked from; `None` when that is not to be counted.
    pub address: Option<IpAddr>,
}

impl Reservations {
    /// None yet; at most `per_address_max` for each address that is counted.
    #[must_use]
    pub fn new(per_address_max: u32) -> Self {
        Self {
            held: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_seat: Tally::new(u32::MAX),
            by_address: Tally::new(per_address_max),
            lapsing: VecDeque::new(),
        }
    }

    /// How many count for `seat`.
    #[must_use]
    pub fn of(&self, seat: ServerId) -> u32 {
        self.by_seat.of(&seat)
    }

    /// How many count in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether `address` may hold no more.
    #[must_use]
    pub fn is_full(&self, address: IpAddr) -> bool {
        self.by_address.is_full(&address)
    }

    /// Reserves a seat. The same account must have none: see [`Self::release`].
    pub fn hold(&mut self, now: Instant, held: Held, random: &mut StdRng) -> Reservation {
        while self.lapsing.len() >= RESERVATIONS_MAX {
            self.drop_oldest();
        }
        let mut bytes = [0; 16];
        random.fill_bytes(&mut bytes);
        let reservation = Reservation(bytes);
        self.insert(now + RESERVATION_TIME, reservation, held);
        reservation
    }

    /// Forgets the reservation of `name`, if it has one.
    pub fn release(&mut self, name: &Name) {
        if let Some(reservation) = self.by_name.get(name).copied() {
            self.remove(reservation);
        }
    }

    /// The server `seat` has seen this reservation: it counts as a session there from now on.
    /// A server cannot redeem what another promised.
    pub fn redeem(&mut self, seat: ServerId, reservation: Reservation) {
        if self.held.get(&reservation).is_some_and(|held| held.seat == seat) {
            self.remove(reservation);
        }
    }

    /// Forgets all that have lapsed.
    pub fn expire(&mut self, now: Instant) {
        while self.lapsing.front().is_some_and(|(until, _)| *until <= now) {
            self.drop_oldest();
        }
        assert!(self.held.len() <= self.lapsing.len(), "each reservation lapses");
    }

    /// When the next one lapses, or is found to be gone already.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.lapsing.front().map(|(until, _)| *until)
    }

    fn insert(&mut self, until: Instant, reservation: Reservation, held: Held) {
        let earlier = self.by_name.insert(held.name, reservation);
        assert!(earlier.is_none(), "an account holds one reservation");
        let doubled = self.held.insert(reservation, held);
        assert!(doubled.is_none(), "128 random bits do not repeat");
        self.by_seat.add(held.seat);
        if let Some(address) = held.address {
            self.by_address.add(address);
        }
        self.lapsing.push_back((until, reservation));
    }

    fn drop_oldest(&mut self) {
        if let Some((_, reservation)) = self.lapsing.pop_front() {
            self.remove(reservation);
        }
    }

    fn remove(&mut self, reservation: Reservation) {
        let Some(held) = self.held.remove(&reservation) else {
            return;
        };
        let named = self.by_name.remove(&held.name);
        assert_eq!(named, Some(reservation), "an account holds one reservation");
        self.by_seat.remove(&held.seat);
        if let Some(address) = held.address {
            self.by_address.remove(&address);
        }
    }
}
