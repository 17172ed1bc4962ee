//! How evenly sessions sit, and what moves when a server joins or leaves: users are simulated, but
//! maps are made and seats are chosen by the router's own code.
//!
//! [`crowd`] makes the users, [`seating`] seats them and checks the bound each time, [`figures`]
//! says what that amounts to, [`report`] and [`plot`] show it.

pub mod crowd;
pub mod figures;
pub mod plan;
pub mod plot;
pub mod report;
pub mod seating;
#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use router::core::homes::{ChangeError, add_server, build_map, remove_server};
use router::core::placer::Placer;
use router::core::ring::Seats;
use router::core::strategy::{Placing, Strategy};
use thiserror::Error;
use wire::{ServerId, SlotMap};

use crowd::{Crowd, Skew, below};
use figures::{Moved, Row, evenness, moved_seats, moved_slots, travel};
use plan::Plan;
use seating::{Seating, SeatingError, seat_all};

/// Why there is nothing to report.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BalanceError {
    /// An assignment that must not be.
    #[error(transparent)]
    Seating(#[from] SeatingError),
    /// A map could not be changed.
    #[error(transparent)]
    Map(#[from] ChangeError),
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// For each kind of users, number of servers and strategy.
    pub rows: Vec<Row>,
    /// What the maps moved, for each number of servers.
    pub slots: Vec<SlotRow>,
    /// How often a seat was given, each time within the bound.
    pub assignments: u64,
}

/// What a change of the map moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlotRow {
    /// Servers, before one joins or leaves.
    pub servers: u16,
    /// When one joins.
    pub joins: Moved,
    /// When one leaves.
    pub leaves: Moved,
}

/// Simulates `plan` on all cores, with progress on standard error.
///
/// # Errors
/// [`BalanceError`]: the bound was broken, or a map could not be changed.
pub fn run(plan: &Plan) -> Result<Outcome, BalanceError> {
    let crowds = Skew::ALL.map(|skew| (skew, Crowd::new(skew, plan.users, plan.seed)));
    let mut random = StdRng::seed_from_u64(plan.seed);
    let maps = plan.servers.iter().map(|servers| Maps::new(*servers, &mut random));
    let maps = maps.collect::<Result<Vec<Maps>, ChangeError>>()?;
    let mut cells = Vec::new();
    for (skew, crowd) in &crowds {
        for maps in &maps {
            for strategy in Strategy::ALL {
                let placing = Placing { strategy, percent: plan.percent };
                let seed = random.next_u64();
                cells.push(Cell { skew: *skew, crowd, maps, placing, users: plan.users, seed });
            }
        }
    }
    let done = run_all(&cells)?;
    let assignments = done.iter().map(|(_, assignments)| assignments).sum();
    let rows = done.into_iter().map(|(row, _)| row).collect();
    Ok(Outcome { rows, slots: maps.iter().map(Maps::moved).collect(), assignments })
}

/// The map of so many servers, and those after one joined or left.
struct Maps {
    servers: u16,
    now: SlotMap,
    joined: SlotMap,
    left: SlotMap,
}

impl Maps {
    fn new(servers: u16, random: &mut StdRng) -> Result<Self, ChangeError> {
        let ids: Vec<ServerId> = (1..=servers).map(ServerId).collect();
        let now = build_map(1, &ids);
        let leaver = ids[below(random, ids.len())];
        let joined = add_server(&now, ServerId(servers + 1))?;
        let left = remove_server(&now, leaver)?;
        Ok(Self { servers, now, joined, left })
    }

    fn moved(&self) -> SlotRow {
        let Self { servers, now, joined, left } = self;
        let (joins, leaves) = ideals(*servers);
        SlotRow {
            servers: *servers,
            joins: moved_slots(now, joined, joins),
            leaves: moved_slots(now, left, leaves),
        }
    }
}

/// The share of one server after one joined, and before one leaves.
fn ideals(servers: u16) -> (f64, f64) {
    (1.0 / (f64::from(servers) + 1.0), 1.0 / f64::from(servers))
}

/// What one row is computed from.
struct Cell<'a> {
    skew: Skew,
    crowd: &'a Crowd,
    maps: &'a Maps,
    placing: Placing,
    users: u32,
    seed: u64,
}

impl Cell<'_> {
    fn run(&self) -> Result<(Row, u64), SeatingError> {
        let Self { skew, crowd, maps, placing, .. } = self;
        let now = self.seat(&maps.now, 0)?;
        let joined = self.seat(&maps.joined, 1)?;
        let left = self.seat(&maps.left, 2)?;
        let (joins, leaves) = ideals(maps.servers);
        let row = Row {
            skew: *skew,
            servers: maps.servers,
            strategy: placing.strategy,
            evenness: evenness(&now, &maps.now, crowd),
            travel: travel(&now, &maps.now, crowd),
            joins: moved_seats(&now, &joined, joins),
            leaves: moved_seats(&now, &left, leaves),
        };
        Ok((row, now.assignments + joined.assignments + left.assignments))
    }

    /// Seats everybody anew, on the servers of `map`. Each `variant` has its own chance.
    fn seat(&self, map: &SlotMap, variant: u64) -> Result<Seating, SeatingError> {
        let mut seed = [0; 32];
        StdRng::seed_from_u64(self.seed.wrapping_add(variant)).fill_bytes(&mut seed);
        let mut placer = Placer::new(map.clone(), self.placing, seed);
        let max = |server| self.skew.sessions_max(server, self.maps.servers, self.users);
        let seats = |server| Seats { server, taken: 0, max: max(server) };
        let seats = map.owners().into_iter().map(seats).collect();
        seat_all(&mut placer, self.placing, seats, self.crowd)
    }
}

type Done = Result<(Row, u64), SeatingError>;

/// Runs every cell on all cores. The answers are in the order of the cells.
fn run_all(cells: &[Cell<'_>]) -> Result<Vec<(Row, u64)>, SeatingError> {
    let bar = progress_bar(cells.len());
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Done)>> = Mutex::new(Vec::new());
    let work = || {
        while let Some((index, cell)) = take(cells, &next) {
            let answer = cell.run();
            done.lock().expect("nobody panics while it is held").push((index, answer));
            bar.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().expect("nobody panics while it is held");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, answer)| answer).collect()
}

fn take<'a, 'b>(cells: &'a [Cell<'b>], next: &AtomicUsize) -> Option<(usize, &'a Cell<'b>)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    cells.get(index).map(|cell| (index, cell))
}

fn progress_bar(cells: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("seating users {wide_bar} {pos} of {len}, {eta} left");
    let bar = ProgressBar::new(cells.try_into().unwrap_or(u64::MAX));
    bar.with_style(style.expect("the template is well-formed"))
}
