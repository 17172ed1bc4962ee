//! What a store holds after the power went: a beginning of what was committed, never a hole.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bytes::Bytes;
use storage::{
    Answer, Batch, BlobRecord, Change, Completion, Op, Read, RocksStorage, RowRecord, Storage,
    StorageError, Ticket,
};
use tempfile::TempDir;
use wire::message::Entry;
use wire::{BlobId, LogId, Name, Number, Opaque, Origin, Seq, Wall};

const PATIENCE: Duration = Duration::from_secs(20);
const BATCHES: u64 = 12;

struct Store {
    storage: RocksStorage,
    wakes: Receiver<()>,
    ticket: u64,
}

impl Store {
    fn open(folder: &Path) -> Result<Self, StorageError> {
        let (waker, wakes) = mpsc::channel();
        let wake = move || waker.send(()).unwrap_or_default();
        let (storage, _) = RocksStorage::open(folder, Box::new(wake))?;
        let ticket = 0;
        Ok(Self { storage, wakes, ticket })
    }

    fn run(&mut self, op: impl FnOnce(Ticket) -> Op) -> Completion {
        self.ticket += 1;
        self.storage.submit(op(Ticket(self.ticket)));
        loop {
            if let Some(completion) = self.storage.poll() {
                return completion;
            }
            self.wakes.recv_timeout(PATIENCE).expect("a completion wakes");
        }
    }

    fn commit(&mut self, changes: Vec<Change>) {
        let batch = Batch { changes };
        let completion = self.run(|ticket| Op::Commit { ticket, batch });
        assert!(matches!(completion, Completion::Committed { .. }), "{completion:?}");
    }

    fn read(&mut self, read: Read) -> Answer {
        match self.run(|ticket| Op::Read { ticket, read }) {
            Completion::Answered { answer, .. } => answer,
            other => panic!("{other:?}"),
        }
    }

    /// How many of the batches are there; panics when one is there in part or out of order.
    fn batches(&mut self) -> u64 {
        let log = log();
        let (after, entries_max, bytes_max) = (Seq(0), 1000, 1_000_000);
        let answer = self.read(Read::Range { log, after, entries_max, bytes_max });
        let Answer::Range { entries, more: false, .. } = answer else {
            panic!("{answer:?}");
        };
        let last = entries.last().map_or(0, |entry| entry.seq.0);
        let seqs: Vec<_> = entries.iter().map(|entry| entry.seq.0).collect();
        assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "a hole");
        let (sender, origin) = (name(), Origin([1; 16]));
        let row = match self.read(Read::Row { log, sender, origin }) {
            Answer::Row(row) => row.map_or(0, |row| row.last.value()),
            other => panic!("{other:?}"),
        };
        assert_eq!(row, last, "a batch came back in part");
        let have = match self.read(Read::Blob { uploader: name(), blob: BlobId([2; 32]) }) {
            Answer::Blob(record) => record.map_or(0, |record| record.have),
            other => panic!("{other:?}"),
        };
        assert_eq!(u64::from(have), last, "a batch came back in part");
        for index in 0..=have {
            let (uploader, blob) = (name(), BlobId([2; 32]));
            match self.read(Read::Chunk { uploader, blob, index }) {
                Answer::Chunk(chunk) => assert_eq!(chunk.is_some(), index < have, "{index}"),
                other => panic!("{other:?}"),
            }
        }
        last
    }
}

fn name() -> Name {
    Name::parse("bob").expect("a name")
}

fn log() -> LogId {
    LogId::mailbox(name())
}

/// The `count`th batch: an entry and its row, a chunk and the record that counts it.
fn batch(count: u64) -> Vec<Change> {
    let (sender, origin, number) = (name(), Origin([1; 16]), Number::new(count).expect("small"));
    let (seq, at) = (Seq(count), Wall(0));
    let body = Opaque::new(Bytes::from(vec![0xab; 300])).expect("short");
    let row = RowRecord { last: number, ..RowRecord::default() };
    let have = u32::try_from(count).expect("small");
    let (blob, index) = (BlobId([2; 32]), have - 1);
    let record = BlobRecord { len: 1 << 20, have, ..BlobRecord::default() };
    vec![
        Change::Append { log: log(), entry: Entry { seq, sender, origin, number, at, body } },
        Change::PutRow { log: log(), sender, origin, row },
        Change::PutChunk { uploader: name(), blob, index, chunk: vec![0xcd; 300].into() },
        Change::PutBlob { uploader: name(), blob, record },
    ]
}

/// A copy of the files as they are now: what a disk holds when the process never came to close.
fn copied(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for file in fs::read_dir(folder).expect("the folder exists") {
        let file = file.expect("it is listed");
        fs::copy(file.path(), copy.path().join(file.file_name())).expect("it is copied");
    }
    copy
}

/// The newest write-ahead log of the store.
fn newest_log(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("the folder exists");
    let files = files.map(|file| file.expect("it is listed").path());
    let is_log = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "log");
    files.filter(is_log).max().expect("there is a write-ahead log")
}

/// A store of [`BATCHES`] batches that was never closed.
fn abandoned() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = Store::open(folder.path()).expect("a new store opens");
    (1..=BATCHES).for_each(|count| store.commit(batch(count)));
    copied(folder.path())
}

#[test]
fn what_was_committed_is_there_without_a_close() {
    let folder = abandoned();
    let mut store = Store::open(folder.path()).expect("it opens");
    assert_eq!(store.batches(), BATCHES);
    store.commit(batch(BATCHES + 1));
    drop(store);
    assert_eq!(Store::open(folder.path()).expect("it opens").batches(), BATCHES + 1);
}

#[test]
fn lost_tail_leaves_a_beginning() {
    let folder = abandoned();
    let len = fs::metadata(newest_log(folder.path())).expect("it has a length").len();
    let mut found = Vec::new();
    for eighths in (0..=8).rev() {
        let copy = copied(folder.path());
        let log = OpenOptions::new().write(true).open(newest_log(copy.path()));
        log.and_then(|log| log.set_len(len * eighths / 8)).expect("the log is cut");
        found.push(Store::open(copy.path()).expect("a cut log is no damage").batches());
    }
    assert_eq!((found.first(), found.last()), (Some(&BATCHES), Some(&0)));
    assert!(found.is_sorted_by(|longer, shorter| longer >= shorter), "{found:?}");
    assert!(found.iter().any(|count| (1..BATCHES).contains(count)), "{found:?}");
}

#[test]
fn damage_in_the_middle_leaves_a_beginning() {
    let folder = abandoned();
    let log = newest_log(folder.path());
    let mut bytes = fs::read(&log).expect("the log is read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&log, bytes).expect("the log is written");
    let found = Store::open(folder.path()).expect("it opens at a point in time").batches();
    assert!((1..BATCHES).contains(&found), "{found}");
}

#[test]
fn dropping_ends_the_commit_in_flight() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = Store::open(folder.path()).expect("a new store opens");
    let (ticket, changes) = (Ticket(1), batch(1));
    store.storage.submit(Op::Commit { ticket, batch: Batch { changes } });
    for ticket in 2..500 {
        let (ticket, read) = (Ticket(ticket), Read::Log { log: log() });
        store.storage.submit(Op::Read { ticket, read });
    }
    drop(store);
    assert_eq!(Store::open(folder.path()).expect("it opens").batches(), 1);
}
