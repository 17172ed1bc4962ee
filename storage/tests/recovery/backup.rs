//! Backups of stores that are written to and of stopped ones; what a restored store holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use storage::backup::{self, BackupError, Checkpoint, Manifest, Restored};
use storage::{Breach, RESTORED_EPOCHS, RocksStorage, Sizing, StorageError};
use tempfile::TempDir;

use crate::place::{BATCHES, Place, Store, batch};

/// Batches that are committed around each backup.
const AROUND: u64 = 100;

/// Where backups are kept.
pub(super) struct Shelf(TempDir);

impl Shelf {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A backup of what `place` holds, whose store is closed.
    pub(super) fn of(place: &Place, name: &str) -> (Self, PathBuf) {
        let shelf = Self::new();
        let to = shelf.path(name);
        let checkpoint = backup::of_stopped(&place.store()).expect("a checkpoint is made");
        copied(place, &checkpoint, &to).expect("it is copied");
        (shelf, to)
    }
}

pub(super) fn copied(
    place: &Place,
    checkpoint: &Checkpoint,
    to: &Path,
) -> Result<Manifest, BackupError> {
    backup::copy(&place.store(), checkpoint.moment(), to, &mut |_| {})
}

pub(super) fn restored(from: &Path, place: &Place) -> Result<Restored, BackupError> {
    backup::restore(from, &place.store(), false, &mut |_| {})
}

/// A closed store of [`BATCHES`] batches.
pub(super) fn closed() -> Place {
    let place = Place::new();
    let mut store = place.open();
    (1..=BATCHES).for_each(|count| store.commit(batch(count)));
    drop(store);
    place
}

#[test]
fn what_was_acknowledged_before_a_backup_is_in_it_while_the_store_goes_on() {
    let (place, shelf) = (Place::new(), Shelf::new());
    let store = Store::open_sized(&place.store(), &Sizing::tiny());
    let mut store = store.expect("a new store opens");
    let checkpointer = store.storage.checkpointer();
    for round in 0..6 {
        let first = round * AROUND + 1;
        let (acknowledge, acknowledged) = mpsc::channel();
        let to = shelf.path(&format!("backup-{round}"));
        thread::scope(|scope| {
            let store = &mut store;
            scope.spawn(move || {
                for count in first..first + AROUND {
                    store.commit(batch(count));
                    acknowledge.send(count).expect("the backup is being made");
                }
            });
            let before = acknowledged.recv().expect("a batch");
            let before = acknowledged.try_iter().last().unwrap_or(before);
            let checkpoint = checkpointer.checkpoint().expect("it is made");
            let manifest = copied(&place, &checkpoint, &to).expect("it is copied");
            assert!(manifest.holds.sequence >= before, "{manifest:?}");
            drop(checkpoint);
            let elsewhere = Place::new();
            restored(&to, &elsewhere).expect("it is put back");
            let found = elsewhere.open().batches();
            assert!(found >= before, "{found} of {before} are there");
        });
    }
    assert_eq!(store.batches(), 6 * AROUND);
    assert!(!place.0.path().join("store.checkpoint").exists());
}

#[test]
fn a_restored_store_gives_no_seq_twice() {
    let place = closed();
    let (_shelf, backup) = Shelf::of(&place, "backup");
    for count in 1..=3 {
        place.open().commit(batch(BATCHES + count));
    }
    let away = place.0.path().join("store.old");
    fs::rename(place.store(), &away).expect("it is moved away");
    let refused = restored(&backup, &place).expect_err("the store had come further");
    let BackupError::Loss { known, found, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!((found.store_epoch, known.store_epoch), (1, 4));
    assert!(!place.store().exists(), "a refusal leaves nothing");
    assert!(matches!(place.breach(), Breach::Emptied(_)), "the watermark stays");

    let done = backup::restore(&backup, &place.store(), true, &mut |_| {}).expect("put back");
    assert_eq!(done.known, Some(known));
    assert_eq!(done.opened.store_epoch, known.store_epoch + RESTORED_EPOCHS);
    assert_eq!(done.opened.store, known.store);
    let (storage, opened) = RocksStorage::open(&place.store(), Box::new(|| {})).expect("opens");
    assert_eq!(opened.store_epoch, done.opened.store_epoch + 1);
    drop(storage);
    let mut store = place.open();
    assert_eq!(store.batches(), BATCHES);
    store.commit(batch(BATCHES + 1));
    assert!(away.join("CURRENT").exists(), "what was moved away stays");
}

#[test]
fn a_backup_is_put_back_where_nothing_is_known_of_the_store() {
    let place = closed();
    let (_shelf, backup) = Shelf::of(&place, "backup");
    for folder_is_there in [false, true] {
        let elsewhere = Place::new();
        if folder_is_there {
            fs::create_dir(elsewhere.store()).expect("it is made");
        }
        let done = restored(&backup, &elsewhere).expect("it is put back");
        assert_eq!((done.known, done.opened.store_epoch), (None, 1 + RESTORED_EPOCHS));
        assert_eq!(elsewhere.open().batches(), BATCHES);
    }
}

#[test]
fn a_backup_of_the_newest_state_loses_nothing() {
    let place = closed();
    let (_shelf, backup) = Shelf::of(&place, "backup");
    fs::remove_dir_all(place.store()).expect("it is lost");
    restored(&backup, &place).expect("nothing is lost");
    assert_eq!(place.open().batches(), BATCHES);
}

#[test]
fn only_a_stopped_whole_store_is_backed_up_without_its_server() {
    let place = closed();
    let open = place.open();
    let in_use = backup::of_stopped(&place.store()).map(|_| ()).expect_err("it is open");
    assert!(matches!(in_use, BackupError::Storage(StorageError::InUse(_))), "{in_use}");
    drop(open);
    let old = place.copied();
    place.open().commit(batch(BATCHES + 1));
    fs::copy(place.watermark(), old.watermark()).expect("it is copied");
    let refused = backup::of_stopped(&old.store()).map(|_| ()).expect_err("it lacks a batch");
    assert!(matches!(refused, BackupError::Storage(StorageError::Refused { .. })), "{refused}");
    let nothing = Place::new();
    let nowhere = backup::of_stopped(&nothing.store()).map(|_| ()).expect_err("none is there");
    assert!(matches!(nowhere, BackupError::NoStore(_)), "{nowhere}");
    assert!(!nothing.store().exists());
}

#[test]
fn a_stopped_store_is_what_it_was_after_its_backup() {
    let place = closed();
    let (_shelf, _) = Shelf::of(&place, "backup");
    let (storage, opened) = RocksStorage::open(&place.store(), Box::new(|| {})).expect("opens");
    assert_eq!(opened.store_epoch, 2, "a backup is no opening");
    drop(storage);
    assert_eq!(place.open().batches(), BATCHES);
}

#[test]
fn one_checkpoint_at_a_time() {
    let place = closed();
    let store = place.open();
    let checkpointer = store.storage.checkpointer();
    let first = checkpointer.checkpoint().expect("it is made");
    let staged = backup::staged(&place.store()).expect("it has a name");
    let second = checkpointer.checkpoint().map(|_| ()).expect_err("another is in use");
    assert!(matches!(second, BackupError::Busy), "{second}");
    backup::clear(&place.store()).expect("it looks");
    assert!(staged.join("CURRENT").exists(), "what is in use stays");
    drop(first);
    assert!(!staged.exists());
    fs::create_dir_all(&staged).expect("a killed process left it");
    drop(checkpointer.checkpoint().expect("what was left is in nobody's way"));
    fs::create_dir_all(&staged).expect("a killed process left it");
    backup::clear(&place.store()).expect("it is removed");
    assert!(!place.0.path().join("store.checkpoint").exists());
    drop(store);
    let late = checkpointer.checkpoint().map(|_| ()).expect_err("the store is closed");
    assert!(matches!(late, BackupError::Storage(StorageError::ThreadEnded)), "{late}");
}
