//! What only the engine's inside shows: syncs, damage, folders it must not touch.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rocksdb::{DB, Options};
use tempfile::TempDir;
use wire::limits::CHUNK_LEN_MAX;
use wire::{BlobId, LogId, Name};

use super::keeper::Keeper;
use super::open::OpenStore;
use super::tables::Tables;
use super::watermark_file::{WatermarkFile, WatermarkPath};
use super::writer::Writer;
use super::{RocksStorage, Sizing, open};
use crate::change::{Batch, Change};
use crate::error::StorageError;
use crate::image::{Image, Writes};
use crate::key::{self, Family, SEQUENCE, STORE};
use crate::op::{Completion, Op, Opened, Ticket};
use crate::read::Read;
use crate::record::BlobRecord;
use crate::{READS_MAX, Storage};

/// A store's folder, with room beside it for the watermark.
struct Folder {
    _parent: TempDir,
    path: PathBuf,
}

impl Folder {
    fn path(&self) -> &Path {
        &self.path
    }
}

fn folder() -> Folder {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let path = parent.path().join("store");
    fs::create_dir(&path).expect("it is made");
    Folder { _parent: parent, path }
}

/// Opens the store's inside.
fn opened(path: &Path) -> (Tables, Opened) {
    let OpenStore { tables, opened, .. } =
        open::open(path, &Sizing::standard()).expect("the store opens");
    (tables, opened)
}

/// Makes a store at `path` and puts one record into it behind its back.
fn forge(path: &Path, family: Family, key: &[u8], value: &[u8]) {
    let (tables, _) = opened(path);
    let mut writes = tables.writes();
    writes.put(family, key, value);
    tables.commit(writes).expect("it is written");
}

/// Every record of a store, to see that nothing was touched.
fn records(tables: &Tables) -> Vec<(Family, Vec<u8>, Vec<u8>)> {
    let (view, mut records) = (tables.view(), Vec::new());
    for family in Family::ALL {
        view.scan(family, &[], &[0xff], &mut |key, value| {
            records.push((family, key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })
        .expect("it is read");
    }
    records
}

fn refusal(path: &Path) -> StorageError {
    match RocksStorage::open(path, Box::new(|| {})) {
        Ok(_) => panic!("it opens"),
        Err(error) => error,
    }
}

#[test]
fn every_commit_is_one_synced_write() {
    let folder = folder();
    let (tables, _) = opened(folder.path());
    let tables = Arc::new(tables);
    let mut writer = Writer::new(Arc::clone(&tables), Arc::new(AtomicU64::new(0)));
    for _ in 0..5 {
        writer.commit(&Batch::default()).expect("a batch commits");
    }
    let statistics = tables.statistics();
    // Two more made the store and raised its epoch.
    assert!(statistics.contains("Cumulative WAL: 7 writes, 7 syncs"), "{statistics}");
}

#[test]
fn deleted_blobs_make_room() {
    let folder = folder();
    let (tables, _) = opened(folder.path());
    let tables = Arc::new(tables);
    let mut writer = Writer::new(Arc::clone(&tables), Arc::new(AtomicU64::new(0)));
    let mut commit = |changes| writer.commit(&Batch::of(changes)).expect("a batch commits");
    let uploader = Name::parse("bob").expect("a name");
    let (kept, dropped) = (BlobId([1; 32]), BlobId([2; 32]));
    let upload = |blob, count: u32| {
        let chunk = move |index| {
            let chunk = vec![7; CHUNK_LEN_MAX].into();
            Change::PutChunk { uploader, blob, index, chunk }
        };
        let record = BlobRecord { len: 1 << 25, have: count, ..BlobRecord::default() };
        let chunks = (0..count).map(chunk);
        chunks.chain([Change::PutBlob { uploader, blob, record }]).collect()
    };
    for (blob, count) in [(kept, 10), (dropped, 200)] {
        commit(upload(blob, count));
        tables.flush_chunks().expect("it flushes");
    }
    let full = u64::try_from(210 * CHUNK_LEN_MAX).expect("it fits");
    assert!(tables.chunk_bytes() >= full, "chunks stand in files of their own");
    commit(vec![Change::DropBlob { uploader, blob: dropped }]);
    tables.flush_chunks().expect("it flushes");
    let left = tables.chunk_bytes();
    assert!(left >= full / 21 && left < full / 10, "{left} of {full} bytes");
}

#[test]
fn store_is_open_once() {
    let folder = folder();
    let (storage, _) = RocksStorage::open(folder.path(), Box::new(|| {})).expect("it opens");
    assert_eq!(refusal(folder.path()), StorageError::InUse(folder.path().to_owned()));
    assert!(storage.free_bytes() > 0);
    drop(storage);
    RocksStorage::open(folder.path(), Box::new(|| {})).expect("it was closed");
}

#[test]
fn folder_is_made_for_its_owner_alone() {
    let folder = folder();
    let path = folder.path().join("deep").join("store");
    drop(RocksStorage::open(&path, Box::new(|| {})).expect("it opens"));
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let file = folder.path().join("file");
    fs::write(&file, b"text").expect("it is written");
    assert!(matches!(refusal(&file.join("store")), StorageError::Engine { .. }));
}

#[test]
fn newer_format_is_refused() {
    let folder = folder();
    forge(folder.path(), Family::Meta, STORE, b"FCHTSTOR\0\x02 and what comes then");
    let (found, known) = (2, 1);
    assert_eq!(refusal(folder.path()), StorageError::Newer { found, known });
}

#[test]
fn unknown_family_is_refused() {
    let folder = folder();
    drop(opened(folder.path()));
    let names = DB::list_cf(&Options::default(), folder.path()).expect("it is listed");
    let mut db = DB::open_cf(&Options::default(), folder.path(), names).expect("it opens");
    db.create_cf("reactions", &Options::default()).expect("it is created");
    drop(db);
    assert_eq!(refusal(folder.path()), StorageError::UnknownFamily("reactions".into()));
}

/// A store that a program before groups made.
#[test]
fn missing_families_are_added() {
    let folder = folder();
    let bob = Name::parse("bob").expect("a name");
    let (group, mailbox) = (LogId::group(bob), LogId::mailbox(bob));
    forge(folder.path(), Family::Cursors, &key::cursor(&mailbox, &bob), b"\x01kept");
    let names = DB::list_cf(&Options::default(), folder.path()).expect("it is listed");
    let mut db = DB::open_cf(&Options::default(), folder.path(), names).expect("it opens");
    for family in [Family::Index, Family::Groups, Family::Chunks] {
        db.drop_cf(family.name()).expect("it is dropped");
    }
    drop(db);
    let (tables, found) = opened(folder.path());
    assert_eq!(found.store_epoch, 2);
    let kept = tables.view().get(Family::Cursors, &key::cursor(&mailbox, &bob));
    assert_eq!(kept, Ok(Some(b"\x01kept"[..].into())));
    assert_eq!(tables.view().get(Family::Groups, &key::log(&group)), Ok(None));
}

#[test]
fn foreign_database_is_left_alone() {
    let folder = folder();
    let mut options = Options::default();
    options.create_if_missing(true);
    let db = DB::open(&options, folder.path()).expect("another program's database opens");
    db.put(b"theirs", b"data").expect("it is written");
    drop(db);
    assert_eq!(refusal(folder.path()), StorageError::NotAStore(folder.path().to_owned()));
    let names = DB::list_cf(&Options::default(), folder.path()).expect("it is listed");
    assert_eq!(names, ["default"]);
}

#[test]
fn interrupted_making_is_finished() {
    let folder = folder();
    let mut options = Options::default();
    options.create_if_missing(true);
    drop(DB::open(&options, folder.path()).expect("it opens"));
    let (_, opened) = RocksStorage::open(folder.path(), Box::new(|| {})).expect("it opens");
    assert_eq!(opened.store_epoch, 1);
}

#[test]
fn records_without_an_identity_are_left_alone() {
    let folder = folder();
    let bob = Name::parse("bob").expect("a name");
    forge(folder.path(), Family::Accounts, &key::account(&bob), b"record");
    let names = DB::list_cf(&Options::default(), folder.path()).expect("it is listed");
    let db = DB::open_cf(&Options::default(), folder.path(), &names).expect("it opens");
    let meta = db.cf_handle(Family::Meta.name()).expect("it is open");
    db.delete_cf(meta, STORE).expect("it is deleted");
    drop(db);
    assert!(matches!(refusal(folder.path()), StorageError::Refused { .. }));
    fs::remove_file(folder.path().with_file_name("store.watermark")).expect("it is removed");
    assert_eq!(refusal(folder.path()), StorageError::NotAStore(folder.path().to_owned()));
    let db = DB::open_cf(&Options::default(), folder.path(), &names).expect("it opens");
    let kept = records(&Tables::new(db).expect("it is read"));
    let record = (Family::Accounts, key::account(&bob).to_vec(), b"record".to_vec());
    let sequence = (Family::Meta, SEQUENCE.to_vec(), 3_u64.to_be_bytes().to_vec());
    assert_eq!(kept, [record, sequence]);
}

#[test]
fn database_without_its_beginning_is_left_alone() {
    let folder = folder();
    drop(opened(folder.path()));
    fs::remove_file(folder.path().join("CURRENT")).expect("it is removed");
    let files = || fs::read_dir(folder.path()).expect("it is listed").count();
    let before = files();
    assert_eq!(refusal(folder.path()), StorageError::CurrentMissing(folder.path().to_owned()));
    assert_eq!(files(), before);
}

#[test]
fn damaged_record_poisons() {
    let folder = folder();
    let bob = Name::parse("bob").expect("a name");
    let key = key::cursor(&LogId::mailbox(bob), &bob);
    forge(folder.path(), Family::Cursors, &key, b"\x01\0\0");
    let (waker, wakes) = mpsc::channel();
    let wake = move || waker.send(()).unwrap_or_default();
    let (mut storage, _) = RocksStorage::open(folder.path(), Box::new(wake)).expect("it opens");
    let (ticket, read) = (Ticket(1), Read::Log { log: LogId::mailbox(bob) });
    storage.submit(Op::Read { ticket, read });
    wakes.recv_timeout(Duration::from_secs(20)).expect("the engine wakes");
    match storage.poll() {
        Some(Completion::Poisoned { cause: StorageError::Damaged { family: "cursors", .. } }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(storage.poll(), None);
}

/// The last writes erase each other, and the next opening ends after RocksDB has forgotten them.
#[test]
fn interrupted_recovery_is_no_rollback() {
    let folder = folder();
    let (tables, _) = opened(folder.path());
    let mut writes = tables.writes();
    (0..9_u8).for_each(|key| writes.put(Family::Entries, &[key], b"entry"));
    tables.commit(writes).expect("it is written");
    let mut writes = tables.writes();
    (0..9_u8).for_each(|key| writes.erase(Family::Entries, &[key]));
    tables.commit(writes).expect("it is written");
    let (beside, told) = (WatermarkPath::beside(folder.path()), tables.watermark());
    drop(tables);
    beside.and_then(|path| path.make(told?)).expect("it is synced");
    drop(open::tables(folder.path(), &Sizing::standard()).expect("it is recovered"));
    opened(folder.path());
}

/// A store with something to flush, and its watermark.
fn filled() -> (Folder, Arc<Tables>, WatermarkFile) {
    let folder = folder();
    let OpenStore { tables, watermark, .. } =
        open::open(folder.path(), &Sizing::standard()).expect("a new store opens");
    let mut writes = tables.writes();
    writes.put(Family::Chunks, b"key", b"value");
    tables.commit(writes).expect("it is written");
    // Another family's flush begins a new write-ahead log; the next one needs none.
    tables.flush(Family::Meta).expect("it flushes");
    (folder, Arc::new(tables), watermark)
}

/// A flush fails, because the store's folder is gone.
fn fail(folder: &Folder, tables: &Tables) {
    fs::rename(folder.path(), folder.path().with_file_name("away")).expect("it is renamed");
    tables.flush_chunks().expect_err("no file can be made");
}

/// A keeper that looks so often, and its wakes.
fn keeper(
    tables: &Arc<Tables>,
    watermark: WatermarkFile,
    every: Duration,
) -> (Keeper, Receiver<()>) {
    let (waker, wakes) = mpsc::channel();
    let wake = Arc::new(move || waker.send(()).unwrap_or_default());
    (Keeper::start(Arc::clone(tables), watermark, every, wake).expect("it starts"), wakes)
}

#[test]
fn background_errors_are_heard_without_a_commit() {
    let (folder, tables, watermark) = filled();
    let (mut keeper, wakes) = keeper(&tables, watermark, Duration::from_millis(5));
    assert_eq!(keeper.poll(), None);
    fail(&folder, &tables);
    wakes.recv_timeout(Duration::from_secs(20)).expect("the keeper wakes");
    let failure = keeper.poll().expect("it says why");
    assert!(matches!(failure, StorageError::Engine { doing: "flush or compact", .. }), "{failure}");
}

#[test]
fn what_fails_last_is_told_at_the_end() {
    let (folder, tables, watermark) = filled();
    let (mut keeper, _wakes) = keeper(&tables, watermark, Duration::from_secs(3600));
    fail(&folder, &tables);
    let failure = keeper.end().expect_err("it looks once more");
    assert!(matches!(failure, StorageError::Engine { doing: "flush or compact", .. }), "{failure}");
}

#[test]
#[should_panic(expected = "65536 operations pending")]
fn reads_are_bounded() {
    let folder = folder();
    let (mut storage, _) = RocksStorage::open(folder.path(), Box::new(|| {})).expect("it opens");
    let name = Name::parse("bob").expect("a name");
    for ticket in 0..=u64::try_from(READS_MAX).expect("it fits") {
        let (ticket, read) = (Ticket(ticket), Read::Account { name });
        storage.submit(Op::Read { ticket, read });
    }
}
