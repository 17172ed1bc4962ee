//! The blobs of one account: what they add up to, and which chunk comes next.

use std::collections::BTreeMap;
use std::time::Duration;

use storage::BlobRecord;
use wire::limits::{BLOB_QUOTA, BLOB_RETENTION, BLOBS_MAX, CHUNK_LEN_MAX, UPLOAD_REST_MAX};
use wire::{BlobId, FaultCode, Wall};

/// An account's records, as they are when everything that was decided is durable.
#[derive(Debug)]
pub(super) struct Uploader {
    records: BTreeMap<BlobId, BlobRecord>,
    /// Declared lengths in all.
    len: u64,
    /// Writes that are not durable.
    pub(super) writes: usize,
    /// When it was last used, while nothing is going on with it.
    pub(super) idle_since: Option<u64>,
}

/// What becomes of a chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Put {
    /// It is the next one; the blob is this far with it.
    Appended(BlobRecord),
    /// It is not the next one: nothing changes.
    NotNext(BlobRecord),
    /// There is no such place, or no such blob.
    Refused(FaultCode),
}

impl Uploader {
    pub(super) fn new(records: Vec<(BlobId, BlobRecord)>) -> Self {
        let len = records.iter().map(|(_, record)| record.len).sum();
        Self { records: records.into_iter().collect(), len, writes: 0, idle_since: None }
    }

    pub(super) fn record(&self, blob: &BlobId) -> Option<BlobRecord> {
        self.records.get(blob).copied()
    }

    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    /// Every record is durable as it is here.
    pub(super) fn is_durable(&self) -> bool {
        self.writes == 0
    }

    /// Takes a new blob in, if the account has room for it.
    pub(super) fn begin(&mut self, blob: BlobId, record: BlobRecord) -> bool {
        let has_room =
            self.records.len() < BLOBS_MAX && self.len.saturating_add(record.len) <= BLOB_QUOTA;
        if has_room {
            self.len += record.len;
            let former = self.records.insert(blob, record);
            assert!(former.is_none(), "a blob begins once");
        }
        has_room
    }

    /// Appends a chunk of this length, if it is the next one.
    pub(super) fn put(&mut self, blob: &BlobId, index: u32, len: usize, now: Wall) -> Put {
        let Some(record) = self.records.get_mut(blob).filter(|record| !is_over(record, now)) else {
            return Put::Refused(FaultCode::NO_SUCH_BLOB);
        };
        if chunk_len(record.len, index) != Some(len) {
            return Put::Refused(FaultCode::MALFORMED);
        }
        if index != record.have {
            return Put::NotNext(*record);
        }
        record.have += 1;
        record.complete = chunk_len(record.len, record.have).is_none();
        record.touched = now;
        Put::Appended(*record)
    }

    /// Forgets blobs whose time is over.
    pub(super) fn expire(&mut self, now: Wall) -> Vec<BlobId> {
        let over = self.records.iter().filter(|(_, record)| is_over(record, now));
        let over: Vec<BlobId> = over.map(|(blob, _)| *blob).collect();
        for blob in &over {
            self.len -= self.records.remove(blob).map_or(0, |record| record.len);
        }
        over
    }
}

/// Whether a blob's time is over: it is deleted, and until then it counts as gone.
pub(super) fn is_over(record: &BlobRecord, now: Wall) -> bool {
    let time = if record.complete { BLOB_RETENTION } else { UPLOAD_REST_MAX };
    Duration::from_millis(now.0.saturating_sub(record.touched.0)) >= time
}

/// The length of the chunk at a place of a blob of this length; `None` behind its end.
fn chunk_len(blob_len: u64, index: u32) -> Option<usize> {
    let full = u64::try_from(CHUNK_LEN_MAX).expect("64 KiB fits");
    let rest = blob_len.saturating_sub(u64::from(index).saturating_mul(full));
    usize::try_from(rest.min(full)).ok().filter(|len| *len > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};
    use storage::BlobRecord;
    use wire::limits::{BLOB_LEN_MAX, BLOB_QUOTA, BLOBS_MAX, CHUNK_LEN_MAX};
    use wire::{BlobId, FaultCode, Wall};

    use super::{Put, Uploader, chunk_len, is_over};

    const FULL: u64 = 65_568;

    fn record(len: u64) -> BlobRecord {
        BlobRecord { len, ..BlobRecord::default() }
    }

    fn blob(number: u16) -> BlobId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        BlobId(id)
    }

    #[test]
    fn chunks_are_full_but_the_last() {
        assert_eq!(chunk_len(1, 0), Some(1));
        assert_eq!(chunk_len(1, 1), None);
        assert_eq!(chunk_len(FULL, 0), Some(CHUNK_LEN_MAX));
        assert_eq!(chunk_len(FULL, 1), None);
        assert_eq!(chunk_len(FULL + 1, 1), Some(1));
        assert_eq!(chunk_len(BLOB_LEN_MAX, u32::MAX), None);
    }

    proptest! {
        #[test]
        fn chunks_add_up(len in 1..=BLOB_LEN_MAX) {
            let chunks = (0..).map_while(|index| chunk_len(len, index));
            prop_assert_eq!(u64::try_from(chunks.sum::<usize>()), Ok(len));
        }
    }

    #[test]
    fn only_the_next_chunk_is_appended() {
        let mut uploader = Uploader::new(vec![(blob(1), record(FULL + 5))]);
        let now = Wall(7);
        let mut put = |index, len| uploader.put(&blob(1), index, len, now);
        let at = |have, complete, touched| BlobRecord {
            len: FULL + 5,
            have,
            complete,
            touched: Wall(touched),
        };
        assert_eq!(put(1, 5), Put::NotNext(at(0, false, 0)));
        for (index, len) in [(0, CHUNK_LEN_MAX - 1), (0, 5), (0, 0), (1, 6), (2, 0), (2, 5)] {
            assert_eq!(put(index, len), Put::Refused(FaultCode::MALFORMED), "{index} {len}");
        }
        assert_eq!(put(0, CHUNK_LEN_MAX), Put::Appended(at(1, false, 7)));
        assert_eq!(put(0, CHUNK_LEN_MAX), Put::NotNext(at(1, false, 7)));
        assert_eq!(put(1, 5), Put::Appended(at(2, true, 7)));
        assert_eq!(put(1, 5), Put::NotNext(at(2, true, 7)));
        let unknown = uploader.put(&blob(2), 0, 5, now);
        assert_eq!(unknown, Put::Refused(FaultCode::NO_SUCH_BLOB));
    }

    #[test]
    fn quota_counts_declared_lengths_and_blobs() {
        let mut uploader = Uploader::new(vec![(blob(1), record(BLOB_QUOTA - 10))]);
        assert!(!uploader.begin(blob(2), record(11)));
        assert!(uploader.begin(blob(2), record(10)));
        assert!(!uploader.begin(blob(3), record(1)));
        let many = (0..u16::try_from(BLOBS_MAX).expect("4,096")).map(|n| (blob(n), record(1)));
        let mut uploader = Uploader::new(many.collect());
        assert!(!uploader.begin(blob(u16::MAX), record(1)));
    }

    #[test]
    fn time_gives_room_back() {
        const DAY: u64 = 24 * 3600 * 1000;
        let begun = BlobRecord { touched: Wall(5), ..record(BLOB_QUOTA / 2) };
        let complete = BlobRecord { complete: true, ..begun };
        let mut uploader = Uploader::new(vec![(blob(1), begun), (blob(2), complete)]);
        assert!(!is_over(&begun, Wall(DAY + 4)) && is_over(&begun, Wall(DAY + 5)));
        assert_eq!(uploader.expire(Wall(DAY + 4)), []);
        assert_eq!(uploader.expire(Wall(DAY + 5)), [blob(1)]);
        assert!(uploader.begin(blob(3), BlobRecord { touched: Wall(DAY * 40), ..begun }));
        assert_eq!(uploader.expire(Wall(30 * DAY + 4)), []);
        let now = Wall(30 * DAY + 5);
        let late = uploader.put(&blob(2), 0, CHUNK_LEN_MAX, now);
        assert_eq!(late, Put::Refused(FaultCode::NO_SUCH_BLOB), "it counts as gone");
        assert_eq!(uploader.expire(now), [blob(2)]);
        assert!(uploader.begin(blob(2), complete), "and may come again");
        assert!(!is_over(&begun, Wall(0)), "a clock that was set back deletes nothing");
    }
}
