//! Chunks for whoever knows a blob's name: its record is read, then the chunk.

use bytes::Bytes;
use storage::{BlobRecord, Read};
use wire::limits::CHUNK_READS_MAX;
use wire::message::{Chunk, ChunkBytes, FetchChunk};
use wire::{BlobId, FaultCode, Name};

use super::super::asker::SessionAsker;
use super::super::turn::{ReadKey, Turn};
use super::Blobs;
use super::uploader::is_over;

/// Who asked for which chunk.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Fetch {
    asker: SessionAsker,
    uploader: Name,
    blob: BlobId,
    index: u32,
}

/// How many chunks are being read.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    reading: usize,
}

impl Fetches {
    pub(super) fn reading(&self) -> usize {
        self.reading
    }
}

impl Blobs {
    /// A session fetches a chunk.
    pub(in super::super) fn on_fetch(
        &mut self,
        asker: SessionAsker,
        fetch: &FetchChunk,
        turn: &mut Turn<'_>,
    ) {
        if self.fetches.reading >= CHUNK_READS_MAX {
            return self.refuse(&asker, FaultCode::UNAVAILABLE, turn);
        }
        self.fetches.reading += 1;
        let FetchChunk { uploader, blob, index, .. } = *fetch;
        let fetch = Fetch { asker, uploader, blob, index };
        turn.read(ReadKey::Blob(fetch), Read::Blob { uploader, blob });
    }

    /// The record of a blob was read for a fetch.
    pub(in super::super) fn on_record(
        &mut self,
        fetch: Fetch,
        record: Option<BlobRecord>,
        turn: &mut Turn<'_>,
    ) {
        let Fetch { uploader, blob, index, .. } = fetch;
        let is_there = |record: BlobRecord| record.complete && !is_over(&record, turn.wall);
        if record.is_some_and(is_there) {
            return turn.read(ReadKey::Chunk(fetch), Read::Chunk { uploader, blob, index });
        }
        self.end_fetch(&fetch, None, turn);
    }

    /// A chunk was read.
    pub(in super::super) fn on_chunk(
        &mut self,
        fetch: Fetch,
        chunk: Option<Bytes>,
        turn: &mut Turn<'_>,
    ) {
        self.end_fetch(&fetch, chunk, turn);
    }

    fn end_fetch(&mut self, fetch: &Fetch, chunk: Option<Bytes>, turn: &mut Turn<'_>) {
        self.fetches.reading -= 1;
        let asker = &fetch.asker;
        match chunk.map(ChunkBytes::new) {
            Some(Ok(chunk)) => {
                turn.metrics.chunks_fetched += 1;
                asker.answer(Chunk { request: asker.request, chunk }, turn);
            }
            Some(Err(_)) | None => self.refuse(asker, FaultCode::NO_SUCH_BLOB, turn),
        }
    }
}
