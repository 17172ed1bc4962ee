//! The transfer that has the connection: which chunks were asked, read, sent and answered.

use std::collections::BTreeMap;

use wire::limits::CHUNKS_MAX;
use wire::message::{BeginBlob, BlobState, Chunk, FetchChunk, PutChunk};
use wire::{BlobId, FaultCode, RequestId};

use super::{Direction, Transfer};
use crate::core::context::Context;
use crate::core::event::{Notice, StoreOp};
use crate::store::ChunkBytes;

/// A transfer on the present connection.
#[derive(Debug)]
pub(super) struct Active {
    transfer: Transfer,
    /// The other side's state is known.
    is_begun: bool,
    /// The store is reading the next chunk.
    is_reading: bool,
    /// The next chunk to be asked or sent.
    next: u32,
    /// What each unanswered question is about.
    asked: BTreeMap<RequestId, Asked>,
    /// Chunks that came before an earlier one.
    early: BTreeMap<u32, ChunkBytes>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Begin,
    Chunk(u32),
}

/// What becomes of the active transfer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// It stays active.
    GoOn,
    /// It is tried again after a pause.
    Pause,
    /// It is whole.
    Done,
    /// Trying again does not help.
    Fail(FaultCode),
}

impl Active {
    pub(super) fn new(transfer: Transfer) -> Self {
        Self {
            is_begun: matches!(transfer.direction, Direction::Down(..)),
            next: transfer.have,
            transfer,
            is_reading: false,
            asked: BTreeMap::new(),
            early: BTreeMap::new(),
        }
    }

    pub(super) fn transfer(&mut self) -> &mut Transfer {
        &mut self.transfer
    }

    pub(super) fn as_transfer(&self) -> &Transfer {
        &self.transfer
    }

    pub(super) fn into_transfer(self) -> Transfer {
        self.transfer
    }

    pub(super) fn is_of(&self, blob: &BlobId) -> bool {
        self.transfer.blob == *blob
    }

    pub(super) fn has_asked(&self, request: RequestId) -> bool {
        self.asked.contains_key(&request)
    }

    pub(super) fn is_passing(&self, code: FaultCode) -> bool {
        super::is_passing(code, matches!(self.transfer.direction, Direction::Up(_)))
    }

    pub(super) fn pump(&mut self, last_request: &mut u32, ctx: &mut Context<'_>) -> After {
        let Transfer { blob, len, have, .. } = self.transfer;
        let chunks = self.transfer.chunks();
        match &self.transfer.direction {
            Direction::Down(..) if have >= chunks => return After::Done,
            Direction::Down(uploader, _) => {
                let uploader = *uploader;
                while self.next < chunks && self.asked.len() + self.early.len() < CHUNKS_MAX {
                    let index = self.next;
                    self.next += 1;
                    let request = self.ask(Asked::Chunk(index), last_request);
                    ctx.send(FetchChunk { request, uploader, blob, index });
                }
            }
            Direction::Up(_) if !self.is_begun => {
                if self.asked.is_empty() {
                    let request = self.ask(Asked::Begin, last_request);
                    ctx.send(BeginBlob { request, blob, len });
                }
            }
            Direction::Up(_) => {
                let is_stuck = self.next >= chunks && self.asked.is_empty();
                if is_stuck {
                    return After::Pause;
                }
                if self.next < chunks && !self.is_reading && self.asked.len() < CHUNKS_MAX {
                    self.is_reading = true;
                    ctx.store(StoreOp::ReadUpload { blob, index: self.next });
                }
            }
        }
        After::GoOn
    }

    /// The store has read a chunk; `None` when the file is not there any more.
    pub(super) fn on_read(
        &mut self,
        index: u32,
        chunk: Option<ChunkBytes>,
        last_request: &mut u32,
        ctx: &mut Context<'_>,
    ) -> After {
        if !std::mem::take(&mut self.is_reading) || index != self.next {
            return After::GoOn;
        }
        let Some(chunk) = chunk else {
            return After::Fail(FaultCode::NO_SUCH_BLOB);
        };
        self.next += 1;
        let request = self.ask(Asked::Chunk(index), last_request);
        ctx.send(PutChunk { request, blob: self.transfer.blob, index, chunk });
        After::GoOn
    }

    pub(super) fn on_blob_state(&mut self, state: &BlobState, ctx: &mut Context<'_>) -> After {
        let Some(asked) = self.asked.remove(&state.request) else {
            return After::GoOn;
        };
        let have = state.have.min(self.transfer.chunks());
        match asked {
            Asked::Begin => {
                self.is_begun = true;
                self.next = have;
                self.transfer.have = have;
            }
            Asked::Chunk(_) => self.transfer.have = self.transfer.have.max(have),
        }
        self.on_progress(ctx);
        if state.complete { After::Done } else { After::GoOn }
    }

    pub(super) fn on_chunk(&mut self, chunk: Chunk, ctx: &mut Context<'_>) -> After {
        let Some(Asked::Chunk(index)) = self.asked.remove(&chunk.request) else {
            return After::GoOn;
        };
        let len = u64::try_from(chunk.chunk.bytes().len()).unwrap_or(u64::MAX);
        if len != self.transfer.len_of(index) {
            return After::Fail(FaultCode::MALFORMED);
        }
        self.early.insert(index, chunk.chunk);
        while let Some(chunk) = self.early.remove(&self.transfer.have) {
            let (blob, index) = (self.transfer.blob, self.transfer.have);
            ctx.store(StoreOp::WriteDownload { blob, index, chunk });
            self.transfer.have += 1;
            self.on_progress(ctx);
        }
        After::GoOn
    }

    fn on_progress(&mut self, ctx: &mut Context<'_>) {
        self.transfer.backoff.reset();
        ctx.notify(Notice::Transfer(self.transfer.progress()));
    }

    fn ask(&mut self, what: Asked, last_request: &mut u32) -> RequestId {
        *last_request = last_request.wrapping_add(1);
        let request = RequestId(*last_request);
        self.asked.insert(request, what);
        request
    }
}
