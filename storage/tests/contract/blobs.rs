//! Blobs: records and chunks.

use bytes::Bytes;
use storage::{Answer, BlobRecord, Change, Read};
use wire::limits::CHUNK_LEN_MAX;
use wire::{BlobId, Name, Wall};

use crate::engine::{Engine, name};

pub(crate) fn id(mark: u8) -> BlobId {
    BlobId([mark; 32])
}

pub(crate) fn record(have: u32, at: u64) -> BlobRecord {
    BlobRecord { len: 200_000, have, complete: have == 4, touched: Wall(at) }
}

pub(crate) fn blob(uploader: &str, mark: u8, have: u32, at: u64) -> Change {
    let (uploader, blob, record) = (name(uploader), id(mark), record(have, at));
    Change::PutBlob { uploader, blob, record }
}

/// Full chunks, and short ones, which engines may keep elsewhere.
fn content(mark: u8, index: u32) -> Bytes {
    let byte = mark.wrapping_add(u8::try_from(index).expect("few chunks"));
    Bytes::from(vec![byte; if index.is_multiple_of(2) { CHUNK_LEN_MAX } else { 100 }])
}

pub(crate) fn chunk(uploader: &str, mark: u8, index: u32) -> Change {
    let (uploader, blob, chunk) = (name(uploader), id(mark), content(mark, index));
    Change::PutChunk { uploader, blob, index, chunk }
}

fn read(uploader: &str, mark: u8) -> Read {
    Read::Blob { uploader: name(uploader), blob: id(mark) }
}

/// Which of the first chunks are there, each as it was put.
fn chunks<E: Engine>(engine: &mut E, text: &str, mark: u8) -> Vec<u32> {
    let (uploader, blob) = (name(text), id(mark));
    let mut found = Vec::new();
    for index in 0..6 {
        match engine.read(Read::Chunk { uploader, blob, index }) {
            Answer::Chunk(Some(bytes)) => {
                assert_eq!(bytes, content(mark, index), "chunk {index}");
                found.push(index);
            }
            Answer::Chunk(None) => {}
            other => panic!("{other:?}"),
        }
    }
    found
}

/// Puts a blob's first chunks, each in a batch with the record that counts it.
fn upload<E: Engine>(engine: &mut E, uploader: &str, mark: u8, count: u32) {
    engine.commit(vec![blob(uploader, mark, 0, 1)]);
    for index in 0..count {
        let changes = vec![chunk(uploader, mark, index), blob(uploader, mark, index + 1, 1)];
        engine.commit(changes);
    }
}

pub(crate) fn blobs_grow_chunk_by_chunk<E: Engine>() {
    let (mut engine, _) = E::fresh();
    assert_eq!(engine.read(read("al", 1)), Answer::Blob(None));
    upload(&mut engine, "al", 1, 3);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(read("al", 1)), Answer::Blob(Some(record(3, 1))));
    assert_eq!(chunks(&mut engine, "al", 1), [0, 1, 2]);
    engine.commit(vec![chunk("al", 1, 3), blob("al", 1, 4, 7)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(read("al", 1)), Answer::Blob(Some(record(4, 7))));
    assert_eq!(chunks(&mut engine, "al", 1), [0, 1, 2, 3]);
}

pub(crate) fn accounts_have_blobs_of_their_own<E: Engine>() {
    let (mut engine, _) = E::fresh();
    for (uploader, mark, count) in [("al", 0xff, 1), ("al", 1, 2), ("am", 1, 4), ("a", 7, 0)] {
        upload(&mut engine, uploader, mark, count);
    }
    let (mut engine, _) = engine.reopened();
    let mut blobs = |text| match engine.read(Read::Blobs { uploader: name(text) }) {
        Answer::Blobs(blobs) => blobs,
        other => panic!("{other:?}"),
    };
    assert_eq!(blobs("al"), [(id(1), record(2, 1)), (id(0xff), record(1, 1))]);
    assert_eq!(blobs("am"), [(id(1), record(4, 1))]);
    assert_eq!(blobs("a"), [(id(7), record(0, 1))]);
    assert_eq!(blobs("ax"), []);
    assert_eq!(chunks(&mut engine, "am", 1), [0, 1, 2, 3]);
    assert_eq!(chunks(&mut engine, "am", 0xff), []);
}

pub(crate) fn all_blobs_are_read_in_pages<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let all: [(&str, u8); 5] = [("b", 0), ("b", 0xff), ("c", 1), ("al", 2), ("al", 3)];
    for (uploader, mark) in all {
        upload(&mut engine, uploader, mark, 1);
    }
    let (mut engine, _) = engine.reopened();
    for max in [1, 2, 5, 6] {
        let (mut found, mut after) = (Vec::<(Name, BlobId)>::new(), None);
        loop {
            let Answer::BlobsAfter(page) = engine.read(Read::BlobsAfter { after, max }) else {
                panic!("blobs were asked for");
            };
            assert!(page.len() <= max);
            assert!(page.iter().all(|(_, _, found)| *found == record(1, 1)));
            found.extend(page.iter().map(|(uploader, blob, _)| (*uploader, *blob)));
            if page.len() < max {
                break;
            }
            after = found.last().copied();
        }
        let expected: Vec<_> = all.iter().map(|(text, mark)| (name(text), id(*mark))).collect();
        assert_eq!(found, expected, "by {max}");
    }
}

pub(crate) fn drop_blob(uploader: &str, mark: u8) -> Change {
    Change::DropBlob { uploader: name(uploader), blob: id(mark) }
}

pub(crate) fn dropped_blobs_leave_nothing<E: Engine>() {
    let (mut engine, _) = E::fresh();
    for (uploader, mark) in [("al", 1), ("al", 2), ("am", 1)] {
        upload(&mut engine, uploader, mark, 4);
    }
    engine.commit(vec![drop_blob("al", 1), drop_blob("al", 9)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(read("al", 1)), Answer::Blob(None));
    assert_eq!(chunks(&mut engine, "al", 1), []);
    assert_eq!(chunks(&mut engine, "al", 2), [0, 1, 2, 3]);
    assert_eq!(chunks(&mut engine, "am", 1), [0, 1, 2, 3]);
}

pub(crate) fn dropping_reaches_into_its_own_batch<E: Engine>() {
    let (mut engine, _) = E::fresh();
    upload(&mut engine, "al", 1, 2);
    let grown = [chunk("al", 1, 2), blob("al", 1, 3, 1), drop_blob("al", 1), drop_blob("al", 1)];
    engine.commit(grown.to_vec());
    let begun = [chunk("al", 2, 0), blob("al", 2, 1, 1), drop_blob("al", 2), blob("al", 2, 0, 5)];
    engine.commit(begun.to_vec());
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(read("al", 1)), Answer::Blob(None));
    assert_eq!(chunks(&mut engine, "al", 1), []);
    assert_eq!(engine.read(read("al", 2)), Answer::Blob(Some(record(0, 5))));
    assert_eq!(chunks(&mut engine, "al", 2), []);
}

pub(crate) fn dropped_blobs_may_come_again<E: Engine>() {
    let (mut engine, _) = E::fresh();
    for _ in 0..3 {
        upload(&mut engine, "al", 1, 4);
        assert_eq!(chunks(&mut engine, "al", 1), [0, 1, 2, 3]);
        let changes = vec![drop_blob("al", 1), blob("al", 1, 1, 9), chunk("al", 1, 0)];
        engine.commit(changes);
        let (reopened, _) = engine.reopened();
        engine = reopened;
        assert_eq!(chunks(&mut engine, "al", 1), [0]);
        engine.commit(vec![drop_blob("al", 1)]);
    }
}
