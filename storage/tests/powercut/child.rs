//! The program whose disk fails: opens a store, commits, and says in a file what it was promised.
//!
//! Its lines, each written at once: `open EPOCH` when the store is served, `submit NUMBER SEQ`
//! before a batch is given to it, `done NUMBER` when the batch is durable.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use storage::{Sizing, StorageError};
use wire::Seq;

use crate::store::Store;
use crate::workload::{Seqs, batch};

/// The child's exit status when its storage failed.
const FAILED: u8 = 3;

/// What the child does.
pub(crate) struct Plan {
    /// The store's folder.
    pub(crate) store: PathBuf,
    /// Where it says what it was promised.
    pub(crate) said: PathBuf,
    /// How often it opens the store.
    pub(crate) openings: u64,
    /// Batches of each opening.
    pub(crate) batches: u64,
}

impl Plan {
    /// The words of a command line.
    pub(crate) fn words(&self) -> [String; 4] {
        let text = |path: &Path| path.to_str().expect("tests use UTF-8 paths").to_owned();
        let (openings, batches) = (self.openings.to_string(), self.batches.to_string());
        [text(&self.store), text(&self.said), openings, batches]
    }

    /// What [`Plan::words`] gave.
    pub(crate) fn parse(words: &[String]) -> Self {
        let [store, said, openings, batches] = words else {
            panic!("four words: {words:?}");
        };
        let number = |word: &String| word.parse().expect("a number");
        let (openings, batches) = (number(openings), number(batches));
        Self { store: store.into(), said: said.into(), openings, batches }
    }
}

/// Runs the plan. A storage that fails ends it as it ends a server: with a status of its own.
pub(crate) fn run(plan: &Plan) -> ExitCode {
    let said = OpenOptions::new().create(true).append(true).open(&plan.said);
    let mut said = said.expect("the file of promises opens");
    for _ in 0..plan.openings {
        if let Err(error) = serve(plan, &mut said).and_then(Store::close) {
            eprintln!("the storage failed: {error}");
            return ExitCode::from(FAILED);
        }
    }
    ExitCode::SUCCESS
}

fn serve(plan: &Plan, said: &mut File) -> Result<Store, StorageError> {
    let (mut store, opened) = Store::open(&plan.store, &Sizing::tiny())?;
    say(said, &format!("open {}\n", opened.store_epoch)).expect("it is said");
    let found = store.found().expect("the store is whole");
    let mut seqs: Seqs = found.seqs;
    for step in 1..=plan.batches {
        let count = found.batches + step;
        let seq = Seq::new(opened.store_epoch, 2 * step);
        let changes = batch(count, seq, &seqs);
        say(said, &format!("submit {count} {}\n", seq.0)).expect("it is said");
        store.commit(changes)?;
        say(said, &format!("done {count}\n")).expect("it is said");
        seqs.insert(count, seq);
    }
    Ok(store)
}

/// One write: a line is said whole or not at all.
fn say(said: &mut File, line: &str) -> io::Result<()> {
    said.write_all(line.as_bytes())
}
