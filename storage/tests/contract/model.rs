//! Random batches against maps in memory, with restarts between.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use storage::{Answer, Change, CursorRecord, Read, RowRecord};
use wire::{LogId, Number, Origin, Seq};

use crate::engine::{Engine, append, mailbox, name, truncate};

/// What one step of a plan does to a log; seqs are dealt out while it runs.
#[derive(Clone, Debug)]
enum Step {
    Append {
        log: usize,
        skip: u64,
    },
    /// Truncates so many seqs below the newest of the store.
    Truncate {
        log: usize,
        below: u64,
    },
    /// Puts a cursor, or now and then drops it.
    Cursor {
        log: usize,
        reader: usize,
    },
    Row {
        log: usize,
        sender: usize,
        last: u64,
    },
    Commit,
    Restart,
}

/// What the store must hold.
#[derive(Default)]
struct Model {
    seq: u64,
    entries: BTreeMap<LogId, Vec<u64>>,
    cursors: BTreeMap<(LogId, usize), CursorRecord>,
    rows: BTreeMap<(LogId, usize), RowRecord>,
}

const NAMES: [&str; 4] = ["a", "ab", "b", "bob"];

pub(crate) fn random_batches_match_a_plain_model<E: Engine>() {
    // Always the same plans: a failure of today fails tomorrow too.
    let config = Config { cases: E::PLANS, failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let steps = vec(step(), 1..120);
    runner
        .run(&steps, |steps| {
            run::<E>(steps);
            Ok(())
        })
        .expect("every plan holds");
}

fn step() -> impl Strategy<Value = Step> {
    let (log, other) = (|| 0..logs().len(), || 0..NAMES.len());
    prop_oneof![
        12 => (log(), 1..50u64).prop_map(|(log, skip)| Step::Append { log, skip }),
        4 => (log(), 0..400u64).prop_map(|(log, below)| Step::Truncate { log, below }),
        2 => (log(), other()).prop_map(|(log, reader)| Step::Cursor { log, reader }),
        2 => (log(), other(), any::<u32>())
            .prop_map(|(log, sender, last)| Step::Row { log, sender, last: last.into() }),
        6 => any::<bool>().prop_map(|_| Step::Commit),
        1 => any::<bool>().prop_map(|_| Step::Restart),
    ]
}

fn run<E: Engine>(steps: Vec<Step>) {
    let (mut engine, _) = E::fresh();
    let (mut model, mut changes) = (Model::default(), Vec::new());
    for step in steps {
        match step {
            Step::Commit => engine.commit(std::mem::take(&mut changes)),
            Step::Restart => {
                engine.commit(std::mem::take(&mut changes));
                engine = engine.reopened().0;
            }
            step => changes.push(model.step(&step)),
        }
    }
    engine.commit(changes);
    model.check(&mut engine);
    model.check(&mut engine.reopened().0);
}

impl Model {
    fn step(&mut self, step: &Step) -> Change {
        match *step {
            Step::Append { log, skip } => {
                self.seq += skip;
                let log = logs()[log];
                self.entries.entry(log).or_default().push(self.seq);
                append(log, self.seq)
            }
            Step::Truncate { log, below } => {
                let (log, upto) = (logs()[log], self.seq.saturating_sub(below));
                self.entries.entry(log).or_default().retain(|seq| *seq > upto);
                truncate(log, upto)
            }
            Step::Cursor { log, reader } => {
                let (log, missed) = (logs()[log], self.seq % 3);
                if self.seq % 4 == 1 {
                    self.cursors.remove(&(log, reader));
                    return Change::DropCursor { log, reader: name(NAMES[reader]) };
                }
                let cursor = CursorRecord { cursor: Seq(self.seq), missed, absence: None };
                self.cursors.insert((log, reader), cursor);
                Change::PutCursor { log, reader: name(NAMES[reader]), cursor }
            }
            Step::Row { log, sender, last } => {
                let (log, origin) = (logs()[log], Origin([9; 16]));
                let row = RowRecord {
                    last: Number::new(last).expect("32 bits"),
                    seen: vec![(last, Seq(self.seq))],
                    ..RowRecord::default()
                };
                self.rows.insert((log, sender), row.clone());
                Change::PutRow { log, sender: name(NAMES[sender]), origin, row }
            }
            Step::Commit | Step::Restart => unreachable!("run does these"),
        }
    }

    fn check<E: Engine>(&self, engine: &mut E) {
        for log in logs() {
            let expected = self.entries.get(&log).cloned().unwrap_or_default();
            let found: Vec<_> = engine.entries(log).into_iter().map(|(seq, _)| seq).collect();
            assert_eq!(found, expected, "{log}");
            let Answer::Log { cursors, index, .. } = engine.read(Read::Log { log }) else {
                panic!("a log was asked for");
            };
            let indexed: Vec<_> = index.iter().map(|entry| entry.seq.0).collect();
            assert_eq!(indexed, expected, "{log}");
            for (reader, text) in NAMES.iter().enumerate() {
                let found = cursors.iter().find(|(reader, _)| *reader == name(text));
                let expected = self.cursors.get(&(log, reader));
                assert_eq!(found.map(|(_, cursor)| cursor), expected, "{log} {text}");
                let (sender, origin) = (name(text), Origin([9; 16]));
                let row = self.rows.get(&(log, reader)).cloned();
                let expected = Answer::Row { row, grants_len: 0 };
                assert_eq!(engine.read(Read::Row { log, sender, origin }), expected);
            }
        }
    }
}

fn logs() -> [LogId; 5] {
    let [a, ab, b, bob] = NAMES.map(mailbox);
    [a, ab, b, bob, LogId::group(name("b"))]
}
