//! The disk model of the engine in memory: delay, crash, failure.

use storage::{
    Answer, Batch, Breach, Change, Completion, CursorRecord, DiskModel, InFlight, MemDisk,
    MemStorage, Op, RESTORED_EPOCHS, Read, Storage, StorageError, Ticket,
};
use wire::{LogId, Name, Seq, StoreId};

fn log() -> LogId {
    LogId::mailbox(name())
}

fn name() -> Name {
    Name::parse("bob").expect("a name")
}

fn commit(ticket: u64, cursor: u64) -> Op {
    let (log, reader) = (log(), name());
    let cursor = CursorRecord { cursor: Seq(cursor), ..CursorRecord::default() };
    let changes = vec![Change::PutCursor { log, reader, cursor }];
    Op::Commit { ticket: Ticket(ticket), batch: Batch::of(changes) }
}

fn read(ticket: u64) -> Op {
    Op::Read { ticket: Ticket(ticket), read: Read::Log { log: log() } }
}

fn cursor_in(completion: Option<Completion>) -> Option<u64> {
    match completion {
        Some(Completion::Answered { answer: Answer::Log { cursors, .. }, .. }) => {
            cursors.first().map(|(_, record)| record.cursor.0)
        }
        other => panic!("{other:?}"),
    }
}

/// The cursor that a disk holds.
fn cursor_on(disk: MemDisk) -> Option<u64> {
    let (mut storage, _) = MemStorage::open(disk, DiskModel::default()).expect("it opens");
    storage.submit(read(1));
    cursor_in(storage.poll())
}

#[test]
fn default_disk_is_instant() {
    let (mut storage, _) = MemStorage::new(DiskModel::default());
    assert_eq!(storage.poll(), None);
    storage.submit(commit(1, 5));
    assert_eq!(
        storage.poll(),
        Some(Completion::Committed { ticket: Ticket(1), writes: Vec::new() })
    );
    storage.submit(read(2));
    assert_eq!(cursor_in(storage.poll()), Some(5));
    assert_eq!(storage.poll(), None);
}

#[test]
fn operations_take_their_steps() {
    let model = DiskModel { commit_steps: 3, read_steps: 1, ..DiskModel::default() };
    let (mut storage, _) = MemStorage::new(model);
    storage.submit(commit(1, 5));
    storage.submit(read(2));
    assert_eq!((storage.poll(), storage.pending()), (None, 2));
    storage.step();
    assert_eq!(cursor_in(storage.poll()), None, "what is not synced is not seen");
    storage.step();
    assert_eq!((storage.poll(), storage.pending()), (None, 1));
    storage.step();
    assert_eq!(
        storage.poll(),
        Some(Completion::Committed { ticket: Ticket(1), writes: Vec::new() })
    );
    assert_eq!((storage.poll(), storage.pending()), (None, 0));
}

#[test]
fn what_is_synced_may_be_seen_before_it_is_told() {
    let model = DiskModel { commit_steps: 1, read_steps: 1, ..DiskModel::default() };
    let (mut storage, _) = MemStorage::new(model);
    storage.submit(commit(1, 5));
    storage.submit(read(2));
    storage.step();
    assert!(matches!(storage.poll(), Some(Completion::Committed { .. })));
    assert_eq!(cursor_in(storage.poll()), Some(5));
}

#[test]
fn crash_keeps_what_was_synced_and_chooses_for_the_rest() {
    for (in_flight, expected) in [(InFlight::Lost, Some(5)), (InFlight::Kept, Some(6))] {
        let (mut storage, _) = MemStorage::new(DiskModel::default());
        storage.submit(commit(1, 5));
        storage.step();
        storage.set_model(DiskModel { commit_steps: 1, ..DiskModel::default() });
        storage.poll().expect("the first is durable");
        storage.submit(commit(2, 6));
        assert_eq!(cursor_on(storage.crash(in_flight)), expected);
    }
}

#[test]
fn crash_before_the_completion_was_polled_keeps_what_was_synced() {
    let (mut storage, _) = MemStorage::new(DiskModel::default());
    storage.submit(commit(1, 5));
    storage.step();
    assert_eq!(cursor_on(storage.crash(InFlight::Lost)), Some(5));
}

#[test]
fn failed_sync_poisons_and_may_have_written() {
    for (in_flight, expected) in [(InFlight::Lost, Some(5)), (InFlight::Kept, Some(6))] {
        let model = DiskModel { fail_commit: Some(2), ..DiskModel::default() };
        let (mut storage, _) = MemStorage::new(model);
        storage.submit(commit(1, 5));
        assert!(matches!(storage.poll(), Some(Completion::Committed { .. })));
        storage.submit(commit(2, 6));
        let cause = match storage.poll() {
            Some(Completion::Poisoned { cause }) => cause,
            other => panic!("{other:?}"),
        };
        assert!(matches!(cause, StorageError::Engine { doing: "sync", .. }), "{cause}");
        storage.submit(read(3));
        storage.step();
        assert_eq!(storage.poll(), None);
        assert_eq!(cursor_on(storage.crash(in_flight)), expected);
    }
}

#[test]
fn failed_read_poisons() {
    let model = DiskModel { fail_read: Some(1), ..DiskModel::default() };
    let (mut storage, _) = MemStorage::new(model);
    storage.submit(read(1));
    assert!(matches!(storage.poll(), Some(Completion::Poisoned { .. })));
    assert_eq!(storage.poll(), None);
}

#[test]
fn every_opening_raises_the_epoch() {
    let mut disk = MemDisk::new(StoreId([8; 16]));
    for epoch in 1..=3 {
        let (storage, opened) = MemStorage::open(disk, DiskModel::default()).expect("it opens");
        assert_eq!((opened.store, opened.store_epoch), (StoreId([8; 16]), epoch));
        disk = storage.crash(InFlight::Lost);
    }
}

/// A disk that was served, and an image of it from before.
fn served() -> (MemDisk, MemDisk) {
    let (storage, _) = MemStorage::new(DiskModel::default());
    let image = storage.crash(InFlight::Lost);
    let (mut storage, _) = MemStorage::open(image.clone(), DiskModel::default()).expect("it opens");
    storage.submit(commit(1, 5));
    storage.step();
    (image, storage.crash(InFlight::Lost))
}

fn breach(disk: MemDisk) -> Breach {
    match MemStorage::open(disk, DiskModel::default()).map(|_| ()) {
        Err(StorageError::Refused { breach, .. }) => breach,
        other => panic!("{other:?}"),
    }
}

#[test]
fn disk_below_its_watermark_is_refused() {
    let (image, disk) = served();
    assert!(matches!(breach(disk.clone().rolled_back(&image)), Breach::Older { .. }));
    assert!(matches!(breach(disk.clone().emptied()), Breach::Emptied(_)));
    assert_eq!(breach(disk.clone().without_watermark()), Breach::Missing);
    let other = MemDisk::new(StoreId([9; 16]));
    assert!(matches!(breach(disk.clone().rolled_back(&other)), Breach::Replaced(_)));
    MemStorage::open(disk, DiskModel::default()).expect("it is whole");
}

#[test]
fn watermark_of_this_opening_tells_what_was_committed_since() {
    let (_, disk) = served();
    let (mut storage, _) = MemStorage::open(disk, DiskModel::default()).expect("it opens");
    storage.sync_watermark();
    let image = storage.clone_disk();
    storage.submit(commit(1, 6));
    storage.step();
    let late = storage.clone_disk().rolled_back(&image);
    MemStorage::open(late, DiskModel::default()).expect("nobody knows of the last second");
    storage.sync_watermark();
    let disk = storage.crash(InFlight::Lost);
    assert!(matches!(breach(disk.rolled_back(&image)), Breach::Older { .. }));
}

#[test]
fn refused_disk_may_be_taken_for_what_it_is() {
    let (image, disk) = served();
    let taken = disk.rolled_back(&image).restored().expect("it is taken");
    let (_, opened) = MemStorage::open(taken, DiskModel::default()).expect("it opens");
    assert_eq!(opened.store_epoch, 2 + RESTORED_EPOCHS + 1);
}
