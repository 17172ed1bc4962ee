//! A whole cluster in one thread, from one seed: the real cores of routers, servers and clients,
//! encoded frames between them, disks, people, and everything that can go wrong.
//!
//! Start reading at [`run`], then [`world`] (what happens next), `links` (how bytes move),
//! [`server`], [`router`] and [`client`] (shells without sockets), [`user`] (what people do),
//! `chaos` and `rivalry` (what goes wrong), and [`oracle`] (what must hold).

mod chaos;
pub mod client;
pub mod dice;
pub mod disk;
pub mod fault;
pub mod host;
pub mod lies;
mod links;
mod moves;
pub mod net;
pub mod oracle;
pub mod plan;
pub mod queue;
mod rivalry;
pub mod router;
pub mod runner;
pub mod server;
mod settle;
mod toy;
pub mod trace;
pub mod user;
pub mod work;
pub mod world;

use std::time::Duration;

use dice::Chances;
use fault::Tally;
use oracle::Violation;
use plan::Plan;
use world::World;

/// Everything must have come to rest so long after the faults.
const REST_TIME_MAX: Duration = Duration::from_secs(240);
/// What came to rest is watched for so long.
const WATCH_TIME: Duration = Duration::from_secs(3);
/// How often it is looked whether everything has come to rest.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What became of one seed.
#[derive(Debug)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// The plan that was drawn from it.
    pub plan: Plan,
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// The faults that happened.
    pub tally: Tally,
    /// The hash over everything that happened.
    pub trace: u64,
    /// How many events that were.
    pub events: u64,
    /// How long the world existed, by its own time.
    pub time: Duration,
}

/// Runs the world of one seed: faults, then healing, then rest.
#[must_use]
pub fn run(seed: u64, is_printed: bool) -> Verdict {
    let mut chances = Chances::new(seed);
    let plan = Plan::draw(&mut chances.dice);
    let mut world = World::new(plan.clone(), chances, is_printed);
    let begun = world.now;
    let safety_end = begun + plan.safety;
    run_until(&mut world, safety_end);
    world.heal();
    let rest_end = safety_end + REST_TIME_MAX;
    let unrest = come_to_rest(&mut world, rest_end);
    if world.oracle.found().is_empty() {
        let now = world.now;
        world.oracle.conclude(now);
        if let Some(what) = unrest {
            world.oracle.report("everything comes to rest", now, what);
        }
    }
    Verdict {
        seed,
        violations: world.oracle.found().to_vec(),
        tally: world.tally.clone(),
        trace: world.trace.hash(),
        events: world.trace.events(),
        time: world.now.since(begun),
        plan,
    }
}

/// What keeps the world from rest until `end`. A connection that was broken before may be noticed
/// after everything seemed to be well.
fn come_to_rest(world: &mut World, end: wire::Instant) -> Option<String> {
    loop {
        let until = world.now + LOOK_INTERVAL;
        run_until(world, until);
        let mut unrest = world.unrest();
        if unrest.is_none() {
            let until = world.now + WATCH_TIME;
            run_until(world, until);
            unrest = world.unrest();
        }
        if unrest.is_none() || world.now >= end || !world.oracle.found().is_empty() {
            return unrest;
        }
    }
}

fn run_until(world: &mut World, until: wire::Instant) {
    while world.now < until && world.oracle.found().is_empty() {
        assert!(world.step(), "people always do something next");
    }
}
