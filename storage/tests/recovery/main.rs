//! What a store holds after the power went, or when it was put back: a beginning of what was
//! committed, never a hole.

mod backup;
mod place;
mod refusals;

use std::fs::{self, OpenOptions};

use storage::{
    Batch, Breach, Op, RESTORED_EPOCHS, Read, RocksStorage, Storage, StorageError, Ticket,
};

use place::{BATCHES, Place, Store, abandoned, batch, log, newest_log};

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
    store.storage.submit(Op::Commit { ticket, batch: Batch::of(changes) });
    for ticket in 2..500 {
        let (ticket, read) = (Ticket(ticket), Read::Log { log: log() });
        store.storage.submit(Op::Read { ticket, read });
    }
    drop(store);
    assert_eq!(place.open().batches(), 1);
}
