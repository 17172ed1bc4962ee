//! Seats everybody by the router's own code, and checks its bound at every single assignment with
//! arithmetic of its own.

use router::core::placer::Placer;
use router::core::ring::Seats;
use router::core::strategy::{Placing, Strategy};
use thiserror::Error;
use wire::{ServerId, Slot};

use super::crowd::Crowd;

/// A placement that must not be.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SeatingError {
    /// A server was chosen that may not have another session now.
    #[error(
        "{strategy} gave {server} another session, which has {taken} and may have {max}, with \
        {sessions} on {servers} servers"
    )]
    Bound {
        /// The strategy.
        strategy: Strategy,
        /// The server.
        server: ServerId,
        /// What it had.
        taken: u32,
        /// Its own most.
        max: u32,
        /// Sessions of all servers.
        sessions: u64,
        /// Servers that could have been chosen.
        servers: usize,
    },
    /// A user found no seat, or one on a server that is not there.
    #[error("{0} found no seat for a user, though there was room")]
    Refused(Strategy),
}

/// Everybody has a seat.
#[derive(Clone, Debug)]
pub struct Seating {
    /// Each user's seat.
    pub seats: Vec<ServerId>,
    /// Sessions of each server, by id.
    pub servers: Vec<Seats>,
    /// How often a seat was given, and the bound checked.
    pub assignments: u64,
}

/// Lets `crowd` come to the servers `seats`, which are ordered by id and empty.
///
/// # Errors
/// [`SeatingError`], at the first assignment that must not be.
pub fn seat_all(
    placer: &mut Placer,
    placing: Placing,
    seats: Vec<Seats>,
    crowd: &Crowd,
) -> Result<Seating, SeatingError> {
    let mut hall = Hall { placing, servers: seats, sessions: 0 };
    let mut seats: Vec<Option<usize>> = vec![None; crowd.slots.len()];
    for user in &crowd.arrivals {
        if let Some(index) = seats[*user].take() {
            hall.leave(index);
        }
        seats[*user] = Some(hall.enter(placer, crowd.slots[*user])?);
    }
    let seat = |index: Option<usize>| index.map(|index| hall.servers[index].server);
    let seats: Option<Vec<ServerId>> = seats.into_iter().map(seat).collect();
    let seats = seats.expect("everybody comes at least once");
    let assignments = u64::try_from(crowd.arrivals.len()).expect("a count fits 64 bits");
    Ok(Seating { seats, servers: hall.servers, assignments })
}

struct Hall {
    placing: Placing,
    servers: Vec<Seats>,
    sessions: u64,
}

impl Hall {
    fn leave(&mut self, index: usize) {
        self.servers[index].taken -= 1;
        self.sessions -= 1;
    }

    fn enter(&mut self, placer: &mut Placer, slot: Slot) -> Result<usize, SeatingError> {
        let refused = SeatingError::Refused(self.placing.strategy);
        let placement = placer.place(slot, &self.servers).ok_or(refused.clone())?;
        let found = self.servers.binary_search_by_key(&placement.seat, |seat| seat.server);
        let index = found.map_err(|_| refused)?;
        check(self.placing, &self.servers, self.sessions, index)?;
        self.servers[index].taken += 1;
        self.sessions += 1;
        Ok(index)
    }
}

/// Whether the server at `index` may have one session more than `seats`, which have `sessions`.
fn check(
    Placing { strategy, percent }: Placing,
    seats: &[Seats],
    sessions: u64,
    index: usize,
) -> Result<(), SeatingError> {
    let Seats { server, taken, max } = seats[index];
    let is_least = || {
        let open = seats.iter().filter(|seat| seat.taken < seat.max);
        open.map(|seat| seat.taken).min() == Some(taken)
    };
    let servers = u64::try_from(seats.len()).expect("a count fits 64 bits");
    // In hundredths of a session per server, so that nothing is rounded before it is compared.
    let allowed = u64::from(percent) * (sessions + 1);
    let is_under =
        |seat: &Seats| 100 * servers * u64::from(seat.taken) < allowed && seat.taken < seat.max;
    let may_have = match strategy {
        Strategy::BoundedHash => {
            is_under(&seats[index]) || (!seats.iter().any(is_under) && is_least())
        }
        Strategy::LeastConnections => is_least(),
        Strategy::RoundRobin | Strategy::Random => true,
    };
    if may_have && taken < max {
        return Ok(());
    }
    Err(SeatingError::Bound { strategy, server, taken, max, sessions, servers: seats.len() })
}

#[cfg(test)]
mod tests {
    use router::core::homes::build_map;
    use router::core::placer::Placer;
    use router::core::ring::Seats;
    use router::core::strategy::{Placing, Strategy};
    use wire::ServerId;

    use super::{Crowd, SeatingError, check, seat_all};
    use crate::balance::crowd::Skew;

    fn seats(taken: [u32; 3], max: u32) -> Vec<Seats> {
        let seat = |(id, taken)| Seats { server: ServerId(id), taken, max };
        (1..).zip(taken).map(seat).collect()
    }

    fn is_allowed(strategy: Strategy, taken: [u32; 3], max: u32, index: usize) -> bool {
        let sessions = taken.iter().copied().map(u64::from).sum();
        let placing = Placing { strategy, percent: 125 };
        check(placing, &seats(taken, max), sessions, index).is_ok()
    }

    #[test]
    fn a_server_at_its_cap_is_not_given_more() {
        let bounded = |taken, max, index| is_allowed(Strategy::BoundedHash, taken, max, index);
        // 1.25 × 10 / 3 = 4.17: a fifth session is the last.
        assert!(bounded([4, 3, 2], 100, 0) && !bounded([5, 2, 2], 100, 0));
        assert!(!bounded([4, 3, 2], 4, 0), "nor one at its own most");
        assert!(bounded([3, 4, 4], 4, 0));
        for strategy in [Strategy::RoundRobin, Strategy::Random] {
            assert!(is_allowed(strategy, [9, 0, 0], 10, 0));
            assert!(!is_allowed(strategy, [10, 0, 0], 10, 0));
        }
        assert!(is_allowed(Strategy::LeastConnections, [4, 3, 3], 9, 2));
        assert!(!is_allowed(Strategy::LeastConnections, [4, 3, 3], 9, 0));
    }

    #[test]
    fn when_nobody_is_under_the_cap_the_least_loaded_is_given_more() {
        let mut seats = seats([1, 9, 8], 100);
        seats[0].max = 1;
        // 1.25 × 19 / 3 = 7.9: both others are above.
        let placing = Placing { strategy: Strategy::BoundedHash, percent: 125 };
        assert!(check(placing, &seats, 18, 2).is_ok());
        assert!(check(placing, &seats, 18, 1).is_err());
    }

    #[test]
    fn everybody_is_seated_and_counted() {
        let servers: Vec<ServerId> = (1..=3).map(ServerId).collect();
        let crowd = Crowd::new(Skew::Uniform, 1_000, 1);
        for strategy in Strategy::ALL {
            let placing = Placing { strategy, percent: 125 };
            let mut placer = Placer::new(build_map(1, &servers), placing, [1; 32]);
            let seating = seat_all(&mut placer, placing, seats([0; 3], 1_000), &crowd);
            let seating = seating.expect("within the bound");
            assert_eq!((seating.seats.len(), seating.assignments), (1_000, 2_000));
            for found in &seating.servers {
                let count = seating.seats.iter().filter(|seat| **seat == found.server).count();
                assert_eq!(Ok(found.taken), u32::try_from(count));
            }
        }
    }

    #[test]
    fn another_rule_than_the_routers_is_noticed() {
        let servers: Vec<ServerId> = (1..=3).map(ServerId).collect();
        let crowd = Crowd::new(Skew::Zipf, 1_000, 1);
        let percent = 125;
        let unbounded = Placing { strategy: Strategy::BoundedHash, percent: 150 };
        let mut placer = Placer::new(build_map(1, &servers), unbounded, [1; 32]);
        let placing = Placing { strategy: Strategy::BoundedHash, percent };
        let seating = seat_all(&mut placer, placing, seats([0; 3], 1_000), &crowd);
        assert!(matches!(seating, Err(SeatingError::Bound { .. })), "{seating:?}");
        let mut placer = Placer::new(build_map(1, &servers), placing, [1; 32]);
        let full = seat_all(&mut placer, placing, seats([0; 3], 300), &crowd);
        assert_eq!(full.map(|_| ()), Err(SeatingError::Refused(Strategy::BoundedHash)));
    }
}
