//! Backups that are not whole, and places where none is made or put back.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use storage::backup::{self, BackupError};

use crate::backup::{Shelf, closed, copied, restored};
use crate::place::{BATCHES, Place, batch};

fn files(backup: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(backup.join("store")).expect("it has a store");
    files.map(|file| file.expect("it is listed").path()).collect()
}

/// Neither a check nor a restore takes the backup.
fn assert_refused(backup: &Path, why: &str) {
    backup::verify(backup, &mut |_| {}).map(|_| ()).expect_err(why);
    let place = Place::new();
    restored(backup, &place).map(|_| ()).expect_err(why);
    let left = fs::read_dir(place.0.path()).expect("it is listed").count();
    assert_eq!(left, 0, "{why}: a refusal leaves nothing");
}

#[test]
fn every_damaged_or_missing_file_is_found() {
    let (_shelf, backup) = Shelf::of(&closed(), "backup");
    let manifest = backup::verify(&backup, &mut |_| {}).expect("it is whole");
    assert_eq!(manifest.files(), files(&backup).len());
    for file in files(&backup) {
        let whole = fs::read(&file).expect("it is read");
        let mut altered = whole.clone();
        let middle = whole.len() / 2;
        altered.get_mut(middle).into_iter().for_each(|byte| *byte ^= 1);
        let (longer, shorter) = ([&whole[..], &[0]].concat(), &whole[..middle]);
        for (bytes, why) in [(&altered[..], "altered"), (shorter, "cut"), (&longer, "longer")] {
            if whole == bytes {
                continue;
            }
            fs::write(&file, bytes).expect("it is written");
            assert_refused(&backup, &format!("{} is {why}", file.display()));
        }
        fs::remove_file(&file).expect("it is removed");
        assert_refused(&backup, &format!("{} is missing", file.display()));
        fs::write(&file, whole).expect("it is written");
    }
    fs::write(backup.join("store/000999.sst"), b"more").expect("it is written");
    assert_refused(&backup, "a file of another backup");
    fs::remove_file(backup.join("store/000999.sst")).expect("it is removed");
    backup::verify(&backup, &mut |_| {}).expect("it is whole again");
}

#[test]
fn a_manifest_that_is_cut_or_anothers_is_refused() {
    let place = closed();
    let (_shelf, backup) = Shelf::of(&place, "backup");
    place.open().commit(batch(BATCHES + 1));
    let (_other_shelf, later) = Shelf::of(&place, "later");
    let path = backup.join(backup::MANIFEST);
    let whole = fs::read(&path).expect("it is read");
    for len in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).expect("it is written");
        assert_refused(&backup, "a manifest that is cut");
    }
    fs::copy(later.join(backup::MANIFEST), &path).expect("it is copied");
    assert_refused(&backup, "the manifest of a later backup");
    fs::remove_file(&path).expect("it is removed");
    let refused = backup::verify(&backup, &mut |_| {}).map(|_| ()).expect_err("none is there");
    assert!(matches!(refused, BackupError::NotABackup(_)), "{refused}");
    assert_refused(&backup, "no manifest");
}

#[test]
fn a_damaged_store_is_no_backup() {
    let (place, shelf) = (closed(), Shelf::new());
    let checkpoint = backup::of_stopped(&place.store()).expect("a checkpoint is made");
    let staged = backup::staged(&place.store()).expect("it has a name");
    let files = fs::read_dir(staged).expect("it is listed");
    let mut files = files.map(|file| file.expect("it is listed").path());
    let sorted = files.find(|file| file.extension().is_some_and(|kind| kind == "sst"));
    let sorted = sorted.expect("what was in memory was written");
    let mut bytes = fs::read(&sorted).expect("it is read");
    bytes[10] ^= 1;
    fs::write(&sorted, bytes).expect("it is written");
    let to = shelf.path("backup");
    let refused = copied(&place, &checkpoint, &to).map(|_| ()).expect_err("a block is damaged");
    assert!(matches!(refused, BackupError::Storage(_)), "{refused}");
    assert!(!to.exists() && !shelf.path("backup.partial").exists(), "nothing is left");
}

#[test]
fn an_interrupted_backup_does_not_look_like_one() {
    let (place, shelf) = (closed(), Shelf::new());
    let checkpoint = backup::of_stopped(&place.store()).expect("a checkpoint is made");
    let (to, partial) = (shelf.path("backup"), shelf.path("backup.partial"));
    let mut interrupted = 0;
    loop {
        let mut steps = 0;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            backup::copy(&place.store(), checkpoint.moment(), &to, &mut |_| {
                assert!(steps < interrupted, "it is killed here");
                steps += 1;
            })
        }));
        if let Ok(made) = ended {
            made.expect("it came to its end");
            break;
        }
        assert!(!to.exists());
        assert_refused(&partial, "an interrupted backup");
        let refused = copied(&place, &checkpoint, &to).map(|_| ()).expect_err("one is there");
        assert!(matches!(refused, BackupError::Leftover(_)), "{refused}");
        fs::remove_dir_all(&partial).expect("the operator removes it");
        interrupted += 3;
    }
    assert!(interrupted > 10 && !partial.exists(), "{interrupted}");
    backup::verify(&to, &mut |_| {}).expect("it is whole");
}

#[test]
fn an_interrupted_restore_does_not_look_like_a_store() {
    let (_shelf, backup) = Shelf::of(&closed(), "backup");
    for interrupted in [0, 3, 8, 15, 30] {
        let (place, mut steps) = (Place::new(), 0);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            backup::restore(&backup, &place.store(), false, &mut |_| {
                assert!(steps < interrupted, "it is killed here");
                steps += 1;
            })
        }));
        assert!(ended.is_err(), "{interrupted} steps are not all");
        assert!(!place.store().exists());
        let restoring = place.0.path().join("store.restoring");
        if restoring.exists() {
            let refused = restored(&backup, &place).map(|_| ()).expect_err("one is there");
            assert!(matches!(refused, BackupError::Leftover(_)), "{refused}");
            fs::remove_dir_all(restoring).expect("the operator removes it");
        }
        restored(&backup, &place).expect("it is tried again");
        assert_eq!(place.open().batches(), BATCHES);
    }
}

#[test]
fn nothing_is_overwritten() {
    let place = closed();
    let (shelf, backup) = Shelf::of(&place, "backup");
    let checkpoint = backup::of_stopped(&place.store()).expect("a checkpoint is made");
    let to = |to: &Path| copied(&place, &checkpoint, to).map(|_| ()).expect_err("refused");
    assert!(matches!(to(&backup), BackupError::TargetThere(_)));
    assert!(matches!(to(&shelf.path("no/backup")), BackupError::NoFolder(_)));
    assert!(matches!(to(&place.store().join("backup")), BackupError::TargetInside(_)));
    drop(checkpoint);

    let there = restored(&backup, &place).map(|_| ()).expect_err("a store is there");
    assert!(matches!(there, BackupError::StoreThere(_)), "{there}");
    let other = closed();
    fs::remove_dir_all(other.store()).expect("it is lost");
    let refused = backup::restore(&backup, &other.store(), true, &mut |_| {}).map(|_| ());
    assert!(matches!(refused, Err(BackupError::OtherStore(_))), "{refused:?}");
    fs::write(other.watermark(), b"damaged").expect("it is written");
    let refused = restored(&backup, &other).map(|_| ()).expect_err("nobody knows");
    assert!(matches!(refused, BackupError::WatermarkDamaged(_)), "{refused}");
    assert_eq!(place.open().batches(), BATCHES);
}
