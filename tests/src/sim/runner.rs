//! Many seeds on all cores: one world to a thread at a time.

use std::cell::Cell;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::fault::Tally;
use super::{Verdict, run};

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// What became of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many.
    pub seeds: u64,
    /// Violations in all.
    pub violations: u64,
    /// The faults that happened.
    pub tally: Tally,
    /// Events in all.
    pub events: u64,
}

impl Summary {
    /// One more.
    pub fn add(&mut self, verdict: &Verdict) {
        self.seeds += 1;
        self.violations += u64::try_from(verdict.violations.len()).expect("few");
        self.tally.add(&verdict.tally);
        self.events += verdict.events;
    }
}

/// Seeds to run: so many from the first on.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// Runs the seeds, on `threads` threads, and tells of each that is done.
pub fn run_all(seeds: Seeds, threads: usize, mut tell: impl FnMut(&Summary, &Verdict)) -> Summary {
    let next = AtomicU64::new(0);
    let (done, verdicts) = channel();
    let mut summary = Summary::default();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || work(seeds, next, &done));
        }
        drop(done);
        for verdict in verdicts {
            summary.add(&verdict);
            tell(&summary, &verdict);
        }
    });
    summary
}

fn work(seeds: Seeds, next: &AtomicU64, done: &Sender<Verdict>) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= seeds.count {
            return;
        }
        let seed = seeds.first.wrapping_add(index);
        SEED.set(Some(seed));
        let verdict = run(seed, false);
        SEED.set(None);
        if done.send(verdict).is_err() {
            return;
        }
    }
}

/// A core that panics names its seed, too.
pub fn name_seed_in_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(seed) = SEED.get() {
            eprintln!("seed {seed:#018x} panics; again: {}", replay(seed));
        }
        before(info);
    }));
}

/// How to run one seed again.
#[must_use]
pub fn replay(seed: u64) -> String {
    format!("make sim SEEDS=1 FROM={seed:#x}")
}

/// What is said of a seed with violations.
#[must_use]
pub fn describe(verdict: &Verdict) -> String {
    let mut text = format!("seed {:#018x} {}\n", verdict.seed, verdict.plan);
    for violation in &verdict.violations {
        text += &format!("  violated: {violation}\n");
    }
    text + &format!("  again: {} (add TRACE=1 for every event)\n", replay(verdict.seed))
}
