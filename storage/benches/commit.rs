//! What a commit, a truncation and a read cost on this machine's disk.
//!
//! `cargo bench -p fastchat-storage`, in the folder whose disk is meant (`TMPDIR`).

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use bytes::Bytes;
use storage::{
    Batch, Change, Completion, CursorRecord, Op, Read, RocksStorage, RowRecord, Storage, Ticket,
};
use wire::message::Entry;
use wire::{LogId, Name, Number, Opaque, Origin, Seq, Wall};

const BODY_LEN: usize = 300;
const LOGS: u64 = 1000;

struct Bench {
    storage: RocksStorage,
    wakes: Receiver<()>,
    ticket: u64,
    seq: u64,
}

fn main() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let (waker, wakes) = mpsc::channel();
    let wake = move || waker.send(()).unwrap_or_default();
    let opened = RocksStorage::open(&folder.path().join("store"), Box::new(wake))
        .map_err(io::Error::other)?;
    let mut bench = Bench { storage: opened.0, wakes, ticket: 0, seq: 0 };
    let mut out = io::stdout();
    writeln!(
        out,
        "entries/commit  commit µs  +truncate µs  read µs   (medians; {BODY_LEN} B bodies)"
    )?;
    for entries in [1, 10, 100, 1000] {
        let rounds = if entries < 1000 { 200 } else { 100 };
        let [append, truncate, read] = bench.medians(entries, rounds);
        writeln!(out, "{entries:>14}  {append:>9}  {truncate:>12}  {read:>7}")?;
    }
    Ok(())
}

impl Bench {
    /// Commits `entries` to as many logs, reads one log, truncates them all with the next commit.
    fn medians(&mut self, entries: u64, rounds: usize) -> [u128; 3] {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..rounds {
            let first = self.seq;
            let changes = (0..entries).flat_map(|_| self.post()).collect();
            times[0].push(self.commit(changes));
            let (log, after) = (log_of(self.seq), Seq(self.seq - 1));
            let (entries_max, bytes_max) = (1024, 256 * 1024);
            times[2].push(self.read(Read::Range { log, after, entries_max, bytes_max }));
            let seen = (first + 1..=self.seq).flat_map(seen).collect();
            times[1].push(self.commit(seen));
        }
        times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2].as_micros()
        })
    }

    fn post(&mut self) -> [Change; 2] {
        self.seq += 1;
        let (log, sender, origin) = (log_of(self.seq), name(0), Origin([1; 16]));
        let number = Number::new(self.seq).expect("small");
        let (seq, at) = (Seq(self.seq), Wall(0));
        let body = Opaque::new(Bytes::from(vec![0xab; BODY_LEN])).expect("short");
        let row = RowRecord { last: number, seen: vec![(7, seq)], ..RowRecord::default() };
        let entry = Entry { seq, sender, origin, number, at, body };
        [Change::Append { log, entry }, Change::PutRow { log, sender, origin, row }]
    }

    fn commit(&mut self, changes: Vec<Change>) -> Duration {
        let batch = Batch::of(changes);
        self.run(|ticket| Op::Commit { ticket, batch })
    }

    fn read(&mut self, read: Read) -> Duration {
        self.run(|ticket| Op::Read { ticket, read })
    }

    #[expect(clippy::disallowed_methods, reason = "a bench is a shell: it reads the clock")]
    fn run(&mut self, op: impl FnOnce(Ticket) -> Op) -> Duration {
        self.ticket += 1;
        let begin = Instant::now();
        self.storage.submit(op(Ticket(self.ticket)));
        loop {
            match self.storage.poll() {
                Some(Completion::Poisoned { cause }) => panic!("{cause}"),
                Some(_) => return begin.elapsed(),
                None => self.wakes.recv().expect("the engine lives"),
            }
        }
    }
}

/// What a reader's `Seen` writes.
fn seen(seq: u64) -> [Change; 2] {
    let (log, upto) = (log_of(seq), Seq(seq));
    let reader = log.name;
    let cursor = CursorRecord { cursor: upto, ..CursorRecord::default() };
    [Change::PutCursor { log, reader, cursor }, Change::Truncate { log, upto }]
}

fn log_of(seq: u64) -> LogId {
    LogId::mailbox(name(seq % LOGS))
}

fn name(number: u64) -> Name {
    Name::parse(&format!("user-{number}")).expect("a name")
}
