//! Changes to blobs on their way to the disk, in order, a part of them in each batch.

use std::collections::VecDeque;

use storage::{Batch, Change};
use wire::Name;
use wire::limits::{CHUNK_LEN_MAX, CHUNKS_BATCH_LEN_MAX};
use wire::message::BlobState;

use super::super::asker::SessionAsker;

/// What one question changes, and what is said when that is durable.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) uploader: Name,
    /// None for a question that only waits for what was written before it.
    pub(super) changes: Vec<Change>,
    /// Bytes of the chunk among them.
    pub(super) chunk_len: usize,
    /// `None` when nobody asked.
    pub(super) answer: Option<(SessionAsker, BlobState)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Writes {
    gathered: VecDeque<Write>,
    in_flight: Vec<Write>,
}

impl Write {
    /// What it costs a batch: the deletion of a blob as much as a chunk.
    fn cost(&self) -> usize {
        let drops = self.changes.iter().filter(|change| matches!(change, Change::DropBlob { .. }));
        self.chunk_len + drops.count() * CHUNK_LEN_MAX
    }
}

impl Writes {
    pub(super) fn push(&mut self, write: Write) {
        self.gathered.push_back(write);
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Puts the first ones into a batch, up to [`CHUNKS_BATCH_LEN_MAX`].
    pub(super) fn compose(&mut self, batch: &mut Batch) {
        assert!(self.in_flight.is_empty(), "one batch is in flight at most");
        let mut len = 0;
        while let Some(mut write) = self.gathered.pop_front_if(|write| {
            len += write.cost();
            len <= CHUNKS_BATCH_LEN_MAX
        }) {
            batch.changes.append(&mut write.changes);
            self.in_flight.push(write);
        }
    }

    /// The batch last composed is durable: what it held.
    pub(super) fn take_committed(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.in_flight)
    }
}

const _: () = assert!(CHUNK_LEN_MAX <= CHUNKS_BATCH_LEN_MAX, "each batch holds a chunk");
