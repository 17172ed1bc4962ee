//! The two engines behind one face, and short words for what scenarios do with them.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bytes::Bytes;
use storage::{
    Answer, Batch, Change, Completion, DiskModel, InFlight, MemStorage, Op, Opened, Read,
    RocksStorage, SlotRecord, Storage, Ticket,
};
use tempfile::TempDir;
use wire::message::Entry;
use wire::{LogId, Name, Number, Opaque, Origin, Seq, Slot, Wall};

/// No completion takes this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// An engine that had something to say would have woken the loop within this.
const SILENCE: Duration = Duration::from_millis(200);

/// An engine under test, with one operation in flight at a time.
pub(crate) trait Engine: Sized {
    /// Random plans to run; a restart of a real store takes a while.
    const PLANS: u32;
    /// A new store.
    fn fresh() -> (Self, Opened);
    /// The same store, after its process was gone.
    fn reopened(self) -> (Self, Opened);
    /// The map that the store held when it was opened.
    fn map(&self) -> Option<Bytes>;
    /// The engine itself.
    fn storage(&mut self) -> &mut dyn Storage;
    /// Waits until polling may find something.
    fn wait(&mut self);
    /// Waits until nothing more is to be expected.
    fn settle(&mut self);
    /// What was known of slots when it was opened.
    fn slots(&self) -> Vec<(Slot, SlotRecord)>;
    /// The ticket after the last one.
    fn ticket(&mut self) -> Ticket;

    /// Submits `batch` and waits.
    fn try_commit(&mut self, changes: Vec<Change>) -> Completion {
        let ticket = self.ticket();
        let batch = Batch::of(changes);
        self.storage().submit(Op::Commit { ticket, batch });
        self.next()
    }

    /// Submits `batch`, waits, and expects it to be durable.
    fn commit(&mut self, changes: Vec<Change>) {
        let completion = self.try_commit(changes);
        assert!(matches!(completion, Completion::Committed { .. }), "{completion:?}");
    }

    /// Submits `read` and expects its answer.
    fn read(&mut self, read: Read) -> Answer {
        let expected = self.ticket();
        self.storage().submit(Op::Read { ticket: expected, read });
        match self.next() {
            Completion::Answered { ticket, answer } if ticket == expected => answer,
            other => panic!("{other:?}"),
        }
    }

    /// Every entry's seq and the first byte of its body, by ranges of at most three.
    fn entries(&mut self, log: LogId) -> Vec<(u64, u8)> {
        let (mut found, mut from) = (Vec::new(), Seq(0));
        loop {
            let read = Read::Range { log, after: from, entries_max: 3, bytes_max: 1000 };
            let Answer::Range { entries, upto, more } = self.read(read) else {
                panic!("a range was asked for");
            };
            found.extend(entries.iter().map(|entry| (entry.seq.0, entry.body.bytes()[0])));
            assert_eq!(upto, entries.last().map_or(from, |entry| entry.seq));
            if !more {
                return found;
            }
            from = upto;
        }
    }

    /// The next completion.
    fn next(&mut self) -> Completion {
        loop {
            if let Some(completion) = self.storage().poll() {
                return completion;
            }
            self.wait();
        }
    }
}

/// [`RocksStorage`] in a temporary folder.
pub(crate) struct Rocks {
    storage: RocksStorage,
    folder: TempDir,
    wakes: Receiver<()>,
    ticket: u64,
}

impl Rocks {
    fn opened(folder: TempDir) -> (Self, Opened) {
        let (waker, wakes) = mpsc::channel();
        let wake = move || waker.send(()).unwrap_or_default();
        let (storage, opened) = RocksStorage::open(&folder.path().join("store"), Box::new(wake))
            .expect("the store opens");
        let ticket = 0;
        let engine = Self { storage, folder, wakes, ticket };
        (engine, opened)
    }
}

impl Engine for Rocks {
    const PLANS: u32 = 8;

    fn fresh() -> (Self, Opened) {
        Self::opened(tempfile::tempdir().expect("a temporary folder"))
    }

    fn reopened(self) -> (Self, Opened) {
        drop(self.storage);
        Self::opened(self.folder)
    }

    fn map(&self) -> Option<Bytes> {
        self.storage.map()
    }

    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.storage
    }

    fn wait(&mut self) {
        self.wakes.recv_timeout(PATIENCE).expect("a completion wakes");
    }

    fn settle(&mut self) {
        while self.wakes.recv_timeout(SILENCE).is_ok() {}
    }

    fn slots(&self) -> Vec<(Slot, SlotRecord)> {
        self.storage.slots().to_vec()
    }

    fn ticket(&mut self) -> Ticket {
        self.ticket += 1;
        Ticket(self.ticket)
    }
}

/// [`MemStorage`] on a disk that takes two steps for everything.
pub(crate) struct Memory {
    storage: MemStorage,
    ticket: u64,
}

const TWO_STEPS: DiskModel = DiskModel {
    commit_steps: 2,
    read_steps: 2,
    fail_commit: None,
    fail_read: None,
    free_bytes: u64::MAX,
};

impl Engine for Memory {
    const PLANS: u32 = 128;

    fn fresh() -> (Self, Opened) {
        let (storage, opened) = MemStorage::new(TWO_STEPS);
        (Self { storage, ticket: 0 }, opened)
    }

    fn reopened(self) -> (Self, Opened) {
        let disk = self.storage.crash(InFlight::Lost);
        let (storage, opened) = MemStorage::open(disk, TWO_STEPS).expect("the disk opens");
        (Self { storage, ticket: 0 }, opened)
    }

    fn map(&self) -> Option<Bytes> {
        self.storage.map()
    }

    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.storage
    }

    fn wait(&mut self) {
        assert!(self.storage.pending() > 0, "nothing is under way");
        self.storage.step();
    }

    fn settle(&mut self) {
        (0..10).for_each(|_| self.storage.step());
    }

    fn slots(&self) -> Vec<(Slot, SlotRecord)> {
        self.storage.slots().expect("records decode")
    }

    fn ticket(&mut self) -> Ticket {
        self.ticket += 1;
        Ticket(self.ticket)
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

pub(crate) fn mailbox(text: &str) -> LogId {
    LogId::mailbox(name(text))
}

/// An entry of alice's whose body is `len` times the low byte of its seq.
pub(crate) fn entry(seq: u64, len: usize) -> Entry {
    let low = u8::try_from(seq & 0xff).expect("one byte");
    Entry {
        seq: Seq(seq),
        sender: name("alice"),
        origin: Origin([3; 16]),
        number: Number::new(seq).expect("small"),
        at: Wall(1_700_000_000_000),
        body: Opaque::new(Bytes::from(vec![low; len])).expect("short"),
    }
}

pub(crate) fn append(log: LogId, seq: u64) -> Change {
    let entry = entry(seq, 10);
    Change::Append { log, entry }
}

pub(crate) fn truncate(log: LogId, upto: u64) -> Change {
    let upto = Seq(upto);
    Change::Truncate { log, upto }
}
