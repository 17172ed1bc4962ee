//! What a store holds after the power went: a beginning of what was committed, never a hole.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bytes::Bytes;
use storage::{
    Answer, Batch, BlobRecord, Breach, Change, Completion, Op, RESTORED_EPOCHS, Read, RocksStorage,
    RowRecord, Storage, StorageError, Ticket,
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

/// A store's folder with its watermark beside it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn watermark(&self) -> PathBuf {
        self.0.path().join("store.watermark")
    }

    /// A copy of the store's files as they are now: what a disk holds when the process never came
    /// to close.
    fn copied(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.store()).expect("it is made");
        for file in fs::read_dir(self.store()).expect("the folder exists") {
            let file = file.expect("it is listed");
            fs::copy(file.path(), copy.store().join(file.file_name())).expect("it is copied");
        }
        fs::copy(self.watermark(), copy.watermark()).expect("it is copied");
        copy
    }

    fn open(&self) -> Store {
        Store::open(&self.store()).expect("it opens")
    }

    fn breach(&self) -> Breach {
        match Store::open(&self.store()).map(|_| ()) {
            Err(StorageError::Refused { breach, .. }) => breach,
            other => panic!("{other:?}"),
        }
    }

    /// Takes the store for what it is, and opens it.
    fn restored(&self) -> Store {
        RocksStorage::restore(&self.store()).expect("it is taken");
        self.open()
    }
}

/// The newest write-ahead log of the store.
fn newest_log(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("the folder exists");
    let files = files.map(|file| file.expect("it is listed").path());
    let is_log = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "log");
    files.filter(is_log).max().expect("there is a write-ahead log")
}

/// A store of [`BATCHES`] batches that was never closed. Its watermark is of the last of them.
fn abandoned() -> Place {
    let place = Place::new();
    let mut store = Store::open(&place.store()).expect("a new store opens");
    (1..=BATCHES).for_each(|count| store.commit(batch(count)));
    let copy = place.copied();
    drop(store);
    fs::copy(place.watermark(), copy.watermark()).expect("it is copied");
    copy
}

#[test]
fn what_was_committed_is_there_without_a_close() {
    let place = abandoned();
    let mut store = place.open();
    assert_eq!(store.batches(), BATCHES);
    store.commit(batch(BATCHES + 1));
    drop(store);
    assert_eq!(place.open().batches(), BATCHES + 1);
}

#[test]
fn lost_tail_is_refused_and_leaves_a_beginning() {
    let place = abandoned();
    let len = fs::metadata(newest_log(&place.store())).expect("it has a length").len();
    let mut found = Vec::new();
    for eighths in (0..8).rev() {
        let copy = place.copied();
        let log = OpenOptions::new().write(true).open(newest_log(&copy.store()));
        log.and_then(|log| log.set_len(len * eighths / 8)).expect("the log is cut");
        assert!(matches!(copy.breach(), Breach::Older { .. } | Breach::Emptied(_)));
        found.push(copy.restored().batches());
    }
    assert_eq!(found.last(), Some(&0));
    assert!(found.is_sorted_by(|longer, shorter| longer >= shorter), "{found:?}");
    assert!(found.iter().any(|count| (1..BATCHES).contains(count)), "{found:?}");
}

#[test]
fn damage_in_the_middle_is_refused_and_leaves_a_beginning() {
    let place = abandoned();
    let log = newest_log(&place.store());
    let mut bytes = fs::read(&log).expect("the log is read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&log, bytes).expect("the log is written");
    assert!(matches!(place.breach(), Breach::Older { .. }));
    let found = place.restored().batches();
    assert!((1..BATCHES).contains(&found), "{found}");
}

#[test]
fn refusal_leaves_room_for_putting_back_what_is_missing() {
    let place = abandoned();
    let log = newest_log(&place.store());
    let away = place.0.path().join("lost+found");
    fs::rename(&log, &away).expect("the log is taken away");
    for _ in 0..2 {
        assert!(matches!(place.breach(), Breach::Older { .. } | Breach::Emptied(_)));
    }
    fs::rename(&away, &log).expect("the log is put back");
    assert_eq!(place.open().batches(), BATCHES);
}

#[test]
fn old_image_is_refused_until_it_is_taken_for_what_it_is() {
    let place = abandoned();
    let image = place.copied();
    place.open().commit(batch(BATCHES + 1));
    fs::copy(place.watermark(), image.watermark()).expect("it is copied");
    let Breach::Older { found, known } = image.breach() else {
        panic!("it holds less");
    };
    assert_eq!((found.store_epoch, known.store_epoch), (1, 2));
    let opened = RocksStorage::restore(&image.store()).expect("it is taken");
    assert_eq!(opened.store_epoch, 2 + RESTORED_EPOCHS);
    let (storage, opened) = RocksStorage::open(&image.store(), Box::new(|| {})).expect("it opens");
    assert_eq!(opened.store_epoch, 2 + RESTORED_EPOCHS + 1);
    drop(storage);
    assert_eq!(image.open().batches(), BATCHES);
}

#[test]
fn emptied_folder_is_refused() {
    for keep_folder in [true, false] {
        let place = abandoned();
        fs::remove_dir_all(place.store()).expect("it is removed");
        if keep_folder {
            fs::create_dir(place.store()).expect("it is made");
        }
        assert!(matches!(place.breach(), Breach::Emptied(_)));
        assert_eq!(fs::read_dir(place.store()).expect("it is listed").count(), 0);
        let opened = RocksStorage::restore(&place.store()).expect("a new store is made");
        assert_eq!(opened.store_epoch, 1 + RESTORED_EPOCHS);
        assert_eq!(place.open().batches(), 0);
    }
}

#[test]
fn nothing_is_made_where_nothing_was() {
    let place = Place::new();
    let refused = RocksStorage::restore(&place.store()).expect_err("nothing was there");
    assert_eq!(refused, StorageError::NoStore(place.store()));
    assert!(!place.store().exists());
}

#[test]
fn other_store_is_refused() {
    let (place, other) = (abandoned(), abandoned());
    fs::copy(other.watermark(), place.watermark()).expect("it is copied");
    assert!(matches!(place.breach(), Breach::Replaced(_)));
}

#[test]
fn lost_or_damaged_watermark_is_refused() {
    let place = abandoned();
    fs::write(place.watermark(), [0; 8192]).expect("it is written");
    assert_eq!(place.breach(), Breach::Damaged);
    fs::remove_file(place.watermark()).expect("it is removed");
    assert_eq!(place.breach(), Breach::Missing);
    assert_eq!(place.restored().batches(), BATCHES);
}

#[test]
fn torn_watermark_leaves_the_one_before() {
    let place = abandoned();
    let whole = fs::read(place.watermark()).expect("it is read");
    let halves = whole.split_at(whole.len() / 2);
    let is_written = |half: &[u8]| half.iter().any(|byte| *byte != 0);
    assert!(is_written(halves.0) && is_written(halves.1), "both slots are in use");
    for torn in [20, whole.len() / 2 + 20] {
        let mut bytes = whole.clone();
        bytes[torn..torn + 20].fill(0);
        let copy = place.copied();
        fs::write(copy.watermark(), bytes).expect("it is written");
        assert_eq!(copy.open().batches(), BATCHES);
    }
}

#[test]
fn dropping_ends_the_commit_in_flight() {
    let place = Place::new();
    let mut store = Store::open(&place.store()).expect("a new store opens");
    let (ticket, changes) = (Ticket(1), batch(1));
    store.storage.submit(Op::Commit { ticket, batch: Batch { changes } });
    for ticket in 2..500 {
        let (ticket, read) = (Ticket(ticket), Read::Log { log: log() });
        store.storage.submit(Op::Read { ticket, read });
    }
    drop(store);
    assert_eq!(place.open().batches(), 1);
}
