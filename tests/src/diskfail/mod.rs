//! The N-th system call of a real server on a file of its store fails, for every N of a fixed
//! [`story`] that real clients take part in. The server has to abort or refuse, or the call did
//! not matter; after its restart, what people are told and shown must be right
//! ([`mod@crate::chaos::judge`]).

pub mod fault;
pub mod folder;
mod scene;
pub mod story;
pub mod tracer;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fault::{Fault, Listed, list};
use folder::Folder;
use story::{Ended, Image, Reaction};

/// How servers took the failing calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Calls that failed.
    pub calls: u64,
    /// Servers that aborted.
    pub stopped: u64,
    /// Servers that did not begin to serve, and said why.
    pub refused: u64,
    /// Servers that went on.
    pub went_on: u64,
}

/// What came of all of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By what failed.
    pub counts: BTreeMap<(&'static str, &'static str), Counts>,
    /// Servers that went on though what they had to make durable may be lost.
    pub unheard: u64,
    /// Calls that the story did not make this time.
    pub not_made: u64,
    /// What people were shown, in all stories.
    pub shown: u64,
    /// What people were not shown.
    pub lost: u64,
    /// What they were shown again.
    pub doubled: u64,
    /// What they were shown too late.
    pub reordered: u64,
    /// What was wrong, and which call had failed.
    pub violations: Vec<String>,
}

impl Tally {
    /// All calls together.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |all, one| Counts {
            calls: all.calls + one.calls,
            stopped: all.stopped + one.stopped,
            refused: all.refused + one.refused,
            went_on: all.went_on + one.went_on,
        })
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
            && (self.unheard, self.lost, self.doubled, self.reordered) == (0, 0, 0, 0)
    }

    fn add(&mut self, fault: &Fault, ended: &Ended) {
        if ended.has_struck {
            let counts = self.counts.entry((fault.call, fault.error)).or_default();
            counts.calls += 1;
            match ended.reaction {
                Reaction::Stopped => counts.stopped += 1,
                Reaction::Refused => counts.refused += 1,
                Reaction::WentOn => counts.went_on += 1,
            }
        }
        let findings = &ended.findings;
        self.not_made += u64::from(!ended.has_struck);
        self.unheard += u64::from(ended.is_unheard);
        self.shown += findings.shown;
        self.lost += findings.lost;
        self.doubled += findings.doubled;
        self.reordered += findings.reordered;
        let unheard = ended.is_unheard.then(|| "the server went on".to_owned());
        for what in findings.violations.iter().cloned().chain(unheard) {
            self.violations.push(format!("{fault}: {what}"));
        }
    }
}

/// Which calls fail.
#[derive(Clone, Debug)]
pub struct Options {
    /// Every so many of them, at least 1.
    pub every: usize,
    /// Of those with this in what they are called.
    pub only: String,
}

/// Lets calls fail, each in a story of its own, in `folder`; the files of stories in which
/// something was wrong stay there.
///
/// # Panics
/// When the processes cannot be run, or the story is wrong though no call fails.
#[must_use]
pub fn run(options: &Options, folder: &Path) -> Tally {
    let image = Image::make(&folder.join("image"));
    let ended = image.play(&folder.join("whole"), None);
    assert!(ended.findings.is_clean(), "nothing fails, and: {:?}", ended.findings);
    let Listed { faults, hidden } =
        list(&ended.trace, &Folder::new(&folder.join("whole/cluster/server-1")));
    let asked = faults.iter().filter(|fault| fault.to_string().contains(&options.only));
    let chosen: Vec<&Fault> = asked.step_by(options.every).collect();
    println!(
        "{} ways for one call to fail, {} of them tried; {hidden} calls hide behind another",
        faults.len(),
        chosen.len()
    );
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let take = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        chosen.get(index).map(|fault| (index, *fault))
    };
    let work = || {
        while let Some((index, fault)) = take() {
            let place = folder.join(format!("call-{index}"));
            let ended = image.play(&place, Some(fault));
            if ended.has_struck && ended.reaction == Reaction::WentOn {
                println!("went on: {fault}");
            }
            let mut tally = tally.lock().expect("no worker panics");
            let before = tally.violations.len();
            tally.add(fault, &ended);
            tally.violations[before..].iter().for_each(|what| println!("violated: {what}"));
            if tally.violations.len() == before {
                fs::remove_dir_all(&place).expect("nothing runs there any more");
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    tally.into_inner().expect("no worker panics")
}
