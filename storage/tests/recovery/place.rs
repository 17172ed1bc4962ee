//! A store in a temporary folder, and what its batches hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bytes::Bytes;
use storage::{
    Answer, Batch, BlobRecord, Breach, Change, Completion, Op, Read, RocksStorage, RowRecord,
    Sizing, Storage, StorageError, Ticket,
};
use tempfile::TempDir;
use wire::message::Entry;
use wire::{BlobId, LogId, Name, Number, Opaque, Origin, Seq, Wall};

const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const BATCHES: u64 = 12;

pub(super) struct Store {
    pub(super) storage: RocksStorage,
    wakes: Receiver<()>,
    ticket: u64,
}

impl Store {
    pub(super) fn open(folder: &Path) -> Result<Self, StorageError> {
        Self::open_sized(folder, &Sizing::standard())
    }

    pub(super) fn open_sized(folder: &Path, sizing: &Sizing) -> Result<Self, StorageError> {
        let (waker, wakes) = mpsc::channel();
        let wake = move || waker.send(()).unwrap_or_default();
        let (storage, _) = RocksStorage::open_sized(folder, sizing, Box::new(wake))?;
        let ticket = 0;
        Ok(Self { storage, wakes, ticket })
    }

    pub(super) fn run(&mut self, op: impl FnOnce(Ticket) -> Op) -> Completion {
        self.ticket += 1;
        self.storage.submit(op(Ticket(self.ticket)));
        loop {
            if let Some(completion) = self.storage.poll() {
                return completion;
            }
            self.wakes.recv_timeout(PATIENCE).expect("a completion wakes");
        }
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>) {
        let batch = Batch::of(changes);
        let completion = self.run(|ticket| Op::Commit { ticket, batch });
        assert!(matches!(completion, Completion::Committed { .. }), "{completion:?}");
    }

    pub(super) fn read(&mut self, read: Read) -> Answer {
        match self.run(|ticket| Op::Read { ticket, read }) {
            Completion::Answered { answer, .. } => answer,
            other => panic!("{other:?}"),
        }
    }

    /// How many of the batches are there; panics when one is there in part or out of order.
    pub(super) fn batches(&mut self) -> u64 {
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
            Answer::Row { row, .. } => row.map_or(0, |row| row.last.value()),
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

pub(super) fn log() -> LogId {
    LogId::mailbox(name())
}

/// The `count`th batch: an entry and its row, a chunk and the record that counts it.
pub(super) fn batch(count: u64) -> Vec<Change> {
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

/// A store's folder with its watermark beside it.
pub(super) struct Place(pub(super) TempDir);

impl Place {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(super) fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    pub(super) fn watermark(&self) -> PathBuf {
        self.0.path().join("store.watermark")
    }

    /// A copy of the store's files as they are now: what a disk holds when the process never came
    /// to close.
    pub(super) fn copied(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.store()).expect("it is made");
        for file in fs::read_dir(self.store()).expect("the folder exists") {
            let file = file.expect("it is listed");
            fs::copy(file.path(), copy.store().join(file.file_name())).expect("it is copied");
        }
        fs::copy(self.watermark(), copy.watermark()).expect("it is copied");
        copy
    }

    pub(super) fn open(&self) -> Store {
        Store::open(&self.store()).expect("it opens")
    }

    pub(super) fn breach(&self) -> Breach {
        match Store::open(&self.store()).map(|_| ()) {
            Err(StorageError::Refused { breach, .. }) => breach,
            other => panic!("{other:?}"),
        }
    }

    /// Takes the store for what it is, and opens it.
    pub(super) fn restored(&self) -> Store {
        RocksStorage::restore(&self.store()).expect("it is taken");
        self.open()
    }
}

/// The newest write-ahead log of the store.
pub(super) fn newest_log(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("the folder exists");
    let files = files.map(|file| file.expect("it is listed").path());
    let is_log = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "log");
    files.filter(is_log).max().expect("there is a write-ahead log")
}

/// A store of [`BATCHES`] batches that was never closed. Its watermark is of the last of them.
pub(super) fn abandoned() -> Place {
    let place = Place::new();
    let mut store = Store::open(&place.store()).expect("a new store opens");
    (1..=BATCHES).for_each(|count| store.commit(batch(count)));
    let copy = place.copied();
    drop(store);
    fs::copy(place.watermark(), copy.watermark()).expect("it is copied");
    copy
}
