//! The home's blobs: encrypted attachments of the accounts that live here, in chunks.
//!
//! An account's records are read once and then kept in memory while it uploads, so that its quota
//! is exact and its questions are decided in order. A chunk is appended only if it is the next one;
//! it is written in one batch with the record that counts it, and answered when that is durable.
//! Chunks that are fetched are read from the store. A blob whose time is over is deleted by the
//! hourly sweep, or when its account begins another.

mod fetch;
mod slots;
mod sweep;
mod uploader;
mod uploaders;
mod writes;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use storage::{Batch, BlobRecord, Change, Read};
use wire::limits::{
    BLOB_LEN_MAX, BLOB_LOADS_MAX, BLOB_RECORDS_MAX, BLOB_WAITING_MAX, CHUNKS_PENDING_MAX,
};
use wire::message::{BeginBlob, BlobState, PutChunk};
use wire::{BlobId, FaultCode, Name};

use super::asker::SessionAsker;
use super::metrics::Metrics;
use super::parts::gauge;
use super::turn::{ReadKey, Turn};
use fetch::Fetches;
use slots::Slots;
use sweep::Sweep;
use uploader::{Put, Uploader};
use uploaders::Uploaders;
use writes::{Write, Writes};

pub(super) use fetch::Fetch;

/// Every blob of this home, as far as something is going on with it.
#[derive(Debug)]
pub(super) struct Blobs {
    uploaders: Uploaders,
    /// Questions that wait for the records of their account, by account.
    loading: BTreeMap<Name, VecDeque<Asked>>,
    /// Accounts among them that are to be read when there is room.
    unread: VecDeque<Name>,
    /// Records that are being read.
    loads: usize,
    /// Questions in `loading`.
    waiting: usize,
    /// Bytes of chunks in `loading` and `writes`.
    pending_len: usize,
    writes: Writes,
    slots: Slots,
    fetches: Fetches,
    sweep: Sweep,
    /// The disk is nearly full: nothing new is taken.
    is_refusing: bool,
}

/// A question, and who asked it.
#[derive(Debug)]
struct Asked {
    asker: SessionAsker,
    blob: BlobId,
    wish: Wish,
}

#[derive(Debug)]
enum Wish {
    /// To begin a blob of this length.
    Begin(u64),
    /// To append a chunk at this place.
    Put(u32, Bytes),
}

impl Wish {
    fn chunk_len(&self) -> usize {
        match self {
            Self::Begin(_) => 0,
            Self::Put(_, chunk) => chunk.len(),
        }
    }
}

impl Blobs {
    pub(super) fn new() -> Self {
        Self {
            uploaders: Uploaders::new(BLOB_RECORDS_MAX),
            loading: BTreeMap::new(),
            unread: VecDeque::new(),
            loads: 0,
            waiting: 0,
            pending_len: 0,
            writes: Writes::default(),
            slots: Slots::default(),
            fetches: Fetches::default(),
            sweep: Sweep::default(),
            is_refusing: false,
        }
    }

    /// While set, nothing new is stored; what is there can be fetched, and goes in time.
    pub(super) fn set_refusing(&mut self, refusing: bool) {
        self.is_refusing = refusing;
    }

    /// A session begins an upload, or asks how far it is.
    pub(super) fn on_begin(&mut self, asker: SessionAsker, begin: &BeginBlob, turn: &mut Turn<'_>) {
        if begin.len == 0 || begin.len > BLOB_LEN_MAX {
            return self.refuse(&asker, FaultCode::MALFORMED, turn);
        }
        let wish = Wish::Begin(begin.len);
        self.arrive(Asked { asker, blob: begin.blob, wish }, turn);
    }

    /// A session brings a chunk.
    pub(super) fn on_put(&mut self, asker: SessionAsker, put: &PutChunk, turn: &mut Turn<'_>) {
        let chunk = put.chunk.bytes().clone();
        if self.is_refusing || self.pending_len + chunk.len() > CHUNKS_PENDING_MAX {
            return self.refuse(&asker, FaultCode::UNAVAILABLE, turn);
        }
        let wish = Wish::Put(put.index, chunk);
        self.arrive(Asked { asker, blob: put.blob, wish }, turn);
    }

    /// The records of an account were read: what waited for them goes on, in order.
    pub(super) fn on_loaded(
        &mut self,
        account: Name,
        records: Vec<(BlobId, BlobRecord)>,
        turn: &mut Turn<'_>,
    ) {
        self.loads -= 1;
        if self.slots.is_here(&account) {
            self.take_in(account, records, turn);
        } else {
            self.refuse_waiting(&account);
        }
        self.load_next(turn);
        if self.sweep.is_waiting_for(&account) {
            self.step_sweep(turn);
        }
    }

    fn take_in(&mut self, account: Name, records: Vec<(BlobId, BlobRecord)>, turn: &mut Turn<'_>) {
        self.uploaders.insert(account, Uploader::new(records));
        self.expire(&account, turn);
        for asked in self.loading.remove(&account).unwrap_or_default() {
            self.waiting -= 1;
            self.handle(asked, turn);
        }
        self.uploaders.rest(&account);
    }

    /// Something waits for a batch.
    pub(super) fn has_changes(&self) -> bool {
        self.writes.has_changes()
    }

    /// Puts into the batch what fits beside the posts.
    pub(super) fn compose(&mut self, batch: &mut Batch) {
        self.writes.compose(batch);
    }

    /// The batch last composed is durable.
    pub(super) fn on_committed(&mut self, turn: &mut Turn<'_>) {
        for write in self.writes.take_committed() {
            self.pending_len -= write.chunk_len;
            self.uploaders.note_committed(&write.uploader);
            if let Some((asker, state)) = write.answer {
                asker.answer(state, turn);
            }
        }
    }

    pub(super) fn measure(&self, metrics: &mut Metrics) {
        metrics.blob_records = gauge(self.uploaders.held());
        metrics.blob_waiting = gauge(self.waiting);
        metrics.chunks_pending_len = gauge(self.pending_len);
        metrics.chunk_reads = gauge(self.fetches.reading());
    }

    fn arrive(&mut self, asked: Asked, turn: &mut Turn<'_>) {
        let account = asked.asker.account;
        let is_known = self.uploaders.contains(&account);
        if !is_known && self.waiting >= BLOB_WAITING_MAX {
            return self.refuse(&asked.asker, FaultCode::UNAVAILABLE, turn);
        }
        self.pending_len += asked.wish.chunk_len();
        if is_known {
            self.handle(asked, turn);
            return self.uploaders.rest(&account);
        }
        self.waiting += 1;
        self.load(account, turn).push_back(asked);
    }

    /// Begins to read an account's records, unless that is under way; gives who waits for them.
    fn load(&mut self, account: Name, turn: &mut Turn<'_>) -> &mut VecDeque<Asked> {
        if !self.loading.contains_key(&account) {
            self.unread.push_back(account);
            self.load_next(turn);
        }
        self.loading.entry(account).or_default()
    }

    fn load_next(&mut self, turn: &mut Turn<'_>) {
        if self.loads < BLOB_LOADS_MAX
            && let Some(uploader) = self.unread.pop_front()
        {
            self.loads += 1;
            turn.read(ReadKey::Blobs(uploader), Read::Blobs { uploader });
        }
    }

    /// Decides on a question of an account whose records are in memory.
    fn handle(&mut self, asked: Asked, turn: &mut Turn<'_>) {
        let Asked { asker, blob, wish } = asked;
        match wish {
            Wish::Begin(len) => self.begin(&asker, blob, len, turn),
            Wish::Put(index, chunk) => {
                let chunk_len = chunk.len();
                if !self.put(&asker, blob, (index, chunk), turn) {
                    self.pending_len -= chunk_len;
                }
            }
        }
    }

    fn begin(&mut self, asker: &SessionAsker, blob: BlobId, len: u64, turn: &mut Turn<'_>) {
        self.expire(&asker.account, turn);
        let uploader = self.uploaders.get_mut(&asker.account);
        match uploader.record(&blob) {
            Some(record) if record.len == len => return self.tell_state(asker, &record, turn),
            Some(_) => return self.refuse(asker, FaultCode::MALFORMED, turn),
            None if self.is_refusing => {
                return self.refuse(asker, FaultCode::UNAVAILABLE, turn);
            }
            None => {}
        }
        let record = BlobRecord { len, have: 0, complete: false, touched: turn.wall };
        if !uploader.begin(blob, record) {
            return self.refuse(asker, FaultCode::QUOTA_EXCEEDED, turn);
        }
        self.uploaders.count_record();
        turn.metrics.blobs_begun += 1;
        let changes = vec![Change::PutBlob { uploader: asker.account, blob, record }];
        self.write(asker, &record, changes, 0);
    }

    /// Whether the chunk is going to be written.
    fn put(
        &mut self,
        asker: &SessionAsker,
        blob: BlobId,
        (index, chunk): (u32, Bytes),
        turn: &mut Turn<'_>,
    ) -> bool {
        let uploader = self.uploaders.get_mut(&asker.account);
        let record = match uploader.put(&blob, index, chunk.len(), turn.wall) {
            Put::Appended(record) => record,
            Put::NotNext(record) => {
                self.tell_state(asker, &record, turn);
                return false;
            }
            Put::Refused(code) => {
                self.refuse(asker, code, turn);
                return false;
            }
        };
        turn.metrics.chunks_put += 1;
        turn.metrics.blobs_completed += u64::from(record.complete);
        let (uploader, chunk_len) = (asker.account, chunk.len());
        let changes = vec![
            Change::PutChunk { uploader, blob, index, chunk },
            Change::PutBlob { uploader, blob, record },
        ];
        self.write(asker, &record, changes, chunk_len);
        true
    }

    /// Says how far a blob is, when that is durable.
    fn tell_state(&mut self, asker: &SessionAsker, record: &BlobRecord, turn: &mut Turn<'_>) {
        if self.uploaders.get_mut(&asker.account).is_durable() {
            return asker.answer(state(asker, record), turn);
        }
        self.write(asker, record, Vec::new(), 0);
    }

    /// Writes with the next batch that has room, and says then how far the blob is.
    fn write(
        &mut self,
        asker: &SessionAsker,
        record: &BlobRecord,
        changes: Vec<Change>,
        chunk_len: usize,
    ) {
        let uploader = asker.account;
        self.uploaders.note_write(&uploader);
        let answer = Some((*asker, state(asker, record)));
        self.writes.push(Write { uploader, changes, chunk_len, answer });
    }

    /// Deletes the blobs of an account whose time is over.
    fn expire(&mut self, account: &Name, turn: &mut Turn<'_>) {
        for blob in self.uploaders.expire(account, turn.wall) {
            let uploader = *account;
            self.uploaders.note_write(&uploader);
            let changes = vec![Change::DropBlob { uploader, blob }];
            self.writes.push(Write { uploader, changes, chunk_len: 0, answer: None });
            turn.metrics.blobs_expired += 1;
        }
    }

    fn refuse(&self, asker: &SessionAsker, code: FaultCode, turn: &mut Turn<'_>) {
        turn.metrics.blob_refusals += 1;
        asker.refuse(code, turn);
    }
}

fn state(asker: &SessionAsker, record: &BlobRecord) -> BlobState {
    BlobState { request: asker.request, have: record.have, complete: record.complete }
}
