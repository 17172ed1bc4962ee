//! Many seeds on all cores: one world to a thread at a time.
//!
//! A core that panics has found something, too: the hook tells of it, and another thread goes on
//! with the next seed. Where a panic aborts, the hook never returns, so that only its thread ends.

use std::cell::RefCell;
use std::fmt;
use std::hash::Hasher;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Once};
use std::thread;

use siphasher::sip::SipHasher13;
use wire::Instant;

use super::Verdict;
use super::dice::Dice;
use super::fault::Tally;
use super::oracle::Violation;
use super::plan::Plan;

/// After so many panics no further seed is begun: each leaves a world and a thread behind.
const PANICS_MAX: u64 = 64;

thread_local! {
    static RUNNING: RefCell<Option<(u64, Sender<Told>)>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// What became of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many.
    pub seeds: u64,
    /// Violations in all.
    pub violations: u64,
    /// The first seed that violates what is looked for.
    pub first: Option<First>,
    /// The faults that happened.
    pub tally: Tally,
    /// Events in all.
    pub events: u64,
    /// Of the trace hashes of all seeds, in whatever order they came: equal for equal runs.
    pub hash: u64,
}

/// The first seed that violates something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct First {
    /// How many seeds there were, with this one.
    pub place: u64,
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub property: &'static str,
}

/// How many seeds it took, which one it was, and what it found.
impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "first after {} seeds {:#x} {}", self.place, self.seed, self.property)
    }
}

impl Summary {
    fn add(&mut self, verdict: &Verdict, seeds: Seeds, wanted: &str) {
        self.seeds += 1;
        self.violations += u64::try_from(verdict.violations.len()).expect("few");
        self.tally.add(&verdict.tally);
        self.events += verdict.events;
        self.hash = self.hash.wrapping_add(mixed(verdict));
        let place = verdict.seed.wrapping_sub(seeds.first) + 1;
        let is_first = self.first.is_none_or(|first| place < first.place);
        let mut properties = verdict.violations.iter().map(|violation| violation.property);
        let property = properties.find(|property| wanted.contains(property));
        if let Some(property) = property.filter(|_| is_first) {
            self.first = Some(First { place, seed: verdict.seed, property });
        }
    }
}

/// A seed's trace hash, spread so that sums of them tell runs apart.
fn mixed(verdict: &Verdict) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write_u64(verdict.seed);
    hasher.write_u64(verdict.trace);
    hasher.finish()
}

/// Seeds to run: so many from the first on.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// How seeds are run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is run of a seed, printed or not: [`run`](super::run).
    pub world: fn(u64, bool) -> Verdict,
    /// So many at a time.
    pub threads: usize,
    /// Every event is printed.
    pub is_traced: bool,
    /// No seed is begun after one that violates a property named here; all before it are run.
    pub until: &'static str,
}

enum Told {
    Done(Box<Verdict>),
    /// And the thread stands still.
    Panicked(Box<Verdict>),
    /// No seed is left for this thread.
    Over,
}

/// What the threads share.
#[derive(Clone)]
struct Work {
    seeds: Seeds,
    options: Options,
    next: Arc<AtomicU64>,
    told: Sender<Told>,
}

/// Runs the seeds and tells of each that is done.
pub fn run_all(
    seeds: Seeds,
    options: Options,
    mut tell: impl FnMut(&Summary, &Verdict),
) -> Summary {
    HOOK.call_once(hear_panics);
    let next = Arc::new(AtomicU64::new(0));
    let (told, heard) = channel();
    let work = Work { seeds, options, next: Arc::clone(&next), told };
    let mut summary = Summary::default();
    let (mut working, mut panics) = (options.threads, 0);
    (0..working).for_each(|_| work.begin());
    while working > 0 {
        let verdict = match heard.recv().expect("`work` holds a sender") {
            Told::Over => {
                working -= 1;
                continue;
            }
            Told::Done(verdict) => verdict,
            Told::Panicked(verdict) => {
                panics += 1;
                work.begin();
                verdict
            }
        };
        summary.add(&verdict, seeds, options.until);
        if summary.first.is_some() || panics >= PANICS_MAX {
            next.store(seeds.count, Ordering::Relaxed);
        }
        tell(&summary, &verdict);
    }
    summary
}

impl Work {
    fn begin(&self) {
        let work = self.clone();
        thread::spawn(move || work.go_on());
    }

    fn go_on(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.seeds.count {
                return self.tell(Told::Over);
            }
            let seed = self.seeds.first.wrapping_add(index);
            RUNNING.set(Some((seed, self.told.clone())));
            let verdict = (self.options.world)(seed, self.options.is_traced);
            RUNNING.set(None);
            self.tell(Told::Done(Box::new(verdict)));
        }
    }

    fn tell(&self, told: Told) {
        self.told.send(told).expect("`run_all` hears until all are over");
    }
}

/// A world's panic is told to who runs it, and ends there; others are handled as before.
fn hear_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let Some((seed, told)) = RUNNING.take() else { return before(info) };
        let verdict = Box::new(panicked(seed, info));
        if told.send(Told::Panicked(verdict)).is_err() {
            return before(info);
        }
        while cfg!(panic = "abort") {
            thread::park();
        }
    }));
}

fn panicked(seed: u64, info: &PanicHookInfo<'_>) -> Verdict {
    let what = info.to_string();
    let violation = Violation { property: "no panic", at: Instant(0), what };
    Verdict {
        seed,
        plan: Plan::draw(&mut Dice::new(seed)),
        violations: vec![violation],
        tally: Tally::new(),
        trace: 0,
        events: 0,
        time: std::time::Duration::ZERO,
    }
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
