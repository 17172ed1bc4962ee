//! One system call fails: the first of its kind, the second, and so on until there are no more.
//!
//! `strace` makes it fail in the child, which then stops or goes on; the next process must find
//! everything that the child was promised, and no epoch that was served.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::child::Plan;
use crate::promise::{Broken, Promise};

const OPENINGS: u64 = 2;
const BATCHES: u64 = 10;
/// No scenario makes as many calls of one kind in one thread.
const CALLS_MAX: u64 = 4000;

/// A call, its error, and whether the child may go on without it.
struct Kind {
    call: &'static str,
    error: &'static str,
    may_go_on: bool,
}

const KINDS: [Kind; 9] = [
    Kind { call: "fdatasync", error: "EIO", may_go_on: false },
    Kind { call: "fsync", error: "EIO", may_go_on: false },
    Kind { call: "pwrite64", error: "ENOSPC", may_go_on: false },
    // RocksDB's text log may have lost a line, and a fallback may have been found.
    Kind { call: "write", error: "ENOSPC", may_go_on: true },
    Kind { call: "write", error: "EIO", may_go_on: true },
    Kind { call: "rename", error: "EIO", may_go_on: true },
    Kind { call: "openat", error: "EIO", may_go_on: true },
    Kind { call: "pread64", error: "EIO", may_go_on: true },
    Kind { call: "ftruncate", error: "EIO", may_go_on: true },
];

/// What came of the failures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Calls that failed.
    pub(crate) failures: u64,
    /// Children that went on as if nothing had happened.
    pub(crate) survived: u64,
    pub(crate) lost: u64,
    pub(crate) reused: u64,
    pub(crate) refused: u64,
    /// Children that went on though their storage had failed.
    pub(crate) unheard: u64,
}

/// Lets every `every`th call of each kind fail, beginning with the `first`.
pub(crate) fn run(first: u64, every: u64, folder: &Path) -> Tally {
    let kinds = Mutex::new(KINDS.iter());
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for worker in 0..workers {
            let (kinds, tally, place) = (&kinds, &tally, folder.join(format!("fault-{worker}")));
            scope.spawn(move || {
                loop {
                    let kind = kinds.lock().expect("no worker panics").next();
                    let Some(kind) = kind else {
                        return;
                    };
                    let found = kind.run(first, every, &place);
                    tally.lock().expect("no worker panics").add(&found);
                }
            });
        }
    });
    tally.into_inner().expect("no worker panics")
}

impl Kind {
    fn run(&self, first: u64, every: u64, place: &Path) -> Tally {
        let mut tally = Tally::default();
        for count in (first..CALLS_MAX).step_by(usize::try_from(every).expect("small")) {
            if !self.fail(count, place, &mut tally) {
                return tally;
            }
        }
        panic!("{} is called {CALLS_MAX} times and more", self.call);
    }

    /// Lets call `count` of each thread fail. Whether any did.
    fn fail(&self, count: u64, place: &Path, tally: &mut Tally) -> bool {
        let (said, trace) = (place.join("said"), place.join("trace"));
        if place.exists() {
            fs::remove_dir_all(place).expect("the last folder goes");
        }
        fs::create_dir_all(place.join("disk")).expect("a folder for the store");
        let store = place.join("disk").join("store");
        let plan =
            Plan { store: store.clone(), said: said.clone(), openings: OPENINGS, batches: BATCHES };
        let status = self.child(count, &plan, &trace).expect("strace runs the child");
        let trace = fs::read_to_string(&trace).expect("strace wrote it");
        if !trace.contains("(INJECTED)") {
            return false;
        }
        tally.failures += 1;
        tally.survived += u64::from(status == Some(0));
        let is_unheard = status == Some(0) && !self.may_go_on;
        tally.unheard += u64::from(is_unheard);
        let mut promise = Promise::default();
        promise.hear(&fs::read_to_string(&said).unwrap_or_default());
        let broken = promise.check(&store);
        if is_unheard || broken.is_err() {
            let Self { call, error, .. } = self;
            eprintln!("{call} {count} {error}: status {status:?}: {broken:?}");
        }
        match broken {
            Ok(_) => {}
            Err(Broken::Lost(_)) => tally.lost += 1,
            Err(Broken::Reused(_)) => tally.reused += 1,
            Err(Broken::Refused(_)) => tally.refused += 1,
        }
        true
    }

    fn child(&self, count: u64, plan: &Plan, trace: &Path) -> io::Result<Option<i32>> {
        let Self { call, error, .. } = self;
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "--seccomp-bpf", "-o"]).arg(trace);
        strace.arg("-e").arg(format!("trace={call}"));
        strace.arg("-e").arg(format!("inject={call}:error={error}:when={count}"));
        strace.arg(std::env::current_exe()?).arg("--child").args(plan.words());
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(strace.status()?.code())
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.failures += other.failures;
        self.survived += other.survived;
        self.lost += other.lost;
        self.reused += other.reused;
        self.refused += other.refused;
        self.unheard += other.unheard;
    }

    /// Whether everything held.
    pub(crate) fn is_good(&self) -> bool {
        self.lost + self.reused + self.refused + self.unheard == 0
    }
}
