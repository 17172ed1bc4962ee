//! Attachments on their way: encrypted files go up to the account's home before their messages
//! leave, and come down from their uploaders' homes when they are asked for.
//!
//! One transfer is active at a time, with at most [`CHUNKS_MAX`] chunks on the way, so that posts
//! keep their room on the connection. After any trouble it begins where it was: an upload asks the
//! home what it has, a download knows it from its file.

mod active;

use std::collections::VecDeque;
use std::time::Duration;

use wire::limits::CHUNK_LEN_MAX;
use wire::message::{BlobState, Chunk};
use wire::{BlobId, FaultCode, Instant, Name, RequestId};

use super::asks::answer;
use super::context::{Backoff, Context};
use super::event::{Notice, StoreOp, Ticket};
use crate::failure::{Code, Failure};
use crate::store::{ChunkBytes, Download, InboxId, OutboxId, Upload};
use active::{Active, After};

const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LONGEST: Duration = Duration::from_secs(10);

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TransferProgress {
    /// To the home; else from it.
    pub is_upload: bool,
    /// Bytes that are safe on the other side, or here.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Everything that is on its way or waits for it.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    waiting: VecDeque<Transfer>,
    active: Option<Active>,
    last_request: u32,
    /// Downloads whose message the store is looking for.
    sought: Vec<(Ticket, InboxId)>,
    is_online: bool,
}

/// One file's way.
#[derive(Debug)]
struct Transfer {
    direction: Direction,
    blob: BlobId,
    /// Bytes of the ciphertext.
    len: u64,
    /// Chunks below this are on the other side.
    have: u32,
    not_before: Instant,
    backoff: Backoff,
}

#[derive(Debug)]
enum Direction {
    /// For this draft, which waits for it.
    Up(OutboxId),
    /// From this account's home, for those who asked.
    Down(Name, Vec<Ticket>),
}

impl Transfer {
    fn new(direction: Direction, blob: BlobId, len: u64, have: u32) -> Self {
        let backoff = Backoff::new(PAUSE_FIRST, PAUSE_LONGEST);
        Self { direction, blob, len, have, not_before: Instant(0), backoff }
    }

    fn chunks(&self) -> u32 {
        u32::try_from(self.len.div_ceil(chunk_len())).unwrap_or(u32::MAX)
    }

    /// Bytes of the chunk with this index, which is below [`Self::chunks`].
    fn len_of(&self, index: u32) -> u64 {
        (self.len - u64::from(index) * chunk_len()).min(chunk_len())
    }

    fn progress(&self) -> TransferProgress {
        TransferProgress {
            is_upload: matches!(self.direction, Direction::Up(_)),
            done: (u64::from(self.have) * chunk_len()).min(self.len),
            total: self.len,
        }
    }
}

impl Transfers {
    /// Asks the store which uploads wait.
    pub(crate) fn load(&self, ctx: &mut Context<'_>) {
        ctx.store(StoreOp::LoadUploads);
    }

    /// The store has answered; what is under way already is known.
    pub(crate) fn on_loaded(&mut self, uploads: Vec<Upload>) {
        for Upload { id, blob, len } in uploads {
            if self.find(&blob).is_none() {
                self.waiting.push_back(Transfer::new(Direction::Up(id), blob, len, 0));
            }
        }
    }

    /// The attachment of a received message is wanted; `ticket` is answered when its ciphertext is
    /// here.
    pub(crate) fn download(&mut self, ticket: Ticket, message: InboxId, ctx: &mut Context<'_>) {
        self.sought.push((ticket, message));
        ctx.store(StoreOp::LoadDownload(message));
    }

    /// What the store knows of a download.
    pub(crate) fn on_sought(
        &mut self,
        message: InboxId,
        download: Option<Download>,
        ctx: &mut Context<'_>,
    ) {
        let (found, sought) = std::mem::take(&mut self.sought)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, sought)| *sought == message);
        self.sought = sought;
        let tickets: Vec<Ticket> = found.into_iter().map(|(ticket, _)| ticket).collect();
        let Some(Download { uploader, blob, len, have }) = download else {
            let failure = Failure::usage("this message has no attachment");
            return answer_all(&tickets, &Err(failure), ctx);
        };
        match self.find(&blob) {
            Some(Transfer { direction: Direction::Down(_, asked), .. }) => asked.extend(tickets),
            Some(_) => answer_all(&tickets, &Err(Failure::fault(FaultCode::NO_SUCH_BLOB)), ctx),
            None => {
                let direction = Direction::Down(uploader, tickets);
                self.waiting.push_back(Transfer::new(direction, blob, len, have));
            }
        }
    }

    /// Does whatever can be done now.
    pub(crate) fn pump(&mut self, ctx: &mut Context<'_>) {
        self.is_online = ctx.seat.is_some();
        if !self.is_online {
            return;
        }
        if self.active.is_none() {
            let is_due = |transfer: &Transfer| transfer.not_before <= ctx.now;
            let next = self.waiting.iter().position(is_due);
            let next = next.and_then(|index| self.waiting.remove(index));
            self.active = next.map(Active::new);
        }
        if let Some(active) = &mut self.active {
            let after = active.pump(&mut self.last_request, ctx);
            self.go_on(after, ctx);
        }
    }

    pub(crate) fn on_read(
        &mut self,
        blob: BlobId,
        index: u32,
        chunk: Option<ChunkBytes>,
        ctx: &mut Context<'_>,
    ) {
        if let Some(active) = &mut self.active
            && active.is_of(&blob)
        {
            let after = active.on_read(index, chunk, &mut self.last_request, ctx);
            self.go_on(after, ctx);
        }
    }

    pub(crate) fn on_blob_state(&mut self, state: &BlobState, ctx: &mut Context<'_>) {
        if let Some(active) = &mut self.active {
            let after = active.on_blob_state(state, ctx);
            self.go_on(after, ctx);
        }
    }

    pub(crate) fn on_chunk(&mut self, chunk: Chunk, ctx: &mut Context<'_>) {
        if let Some(active) = &mut self.active {
            let after = active.on_chunk(chunk, ctx);
            self.go_on(after, ctx);
        }
    }

    /// A question about a blob was answered with a fault.
    pub(crate) fn on_fault(&mut self, request: RequestId, code: FaultCode, ctx: &mut Context<'_>) {
        if let Some(active) = &self.active
            && active.has_asked(request)
        {
            let after = if active.is_passing(code) { After::Pause } else { After::Fail(code) };
            self.go_on(after, ctx);
        }
    }

    pub(crate) fn on_offline(&mut self) {
        self.is_online = false;
        if let Some(active) = self.active.take() {
            self.waiting.push_front(active.into_transfer());
        }
    }

    /// A draft waits for an upload.
    pub(crate) fn is_uploading(&self) -> bool {
        let is_up = |transfer: &Transfer| matches!(transfer.direction, Direction::Up(_));
        let active = self.active.as_ref().map(Active::as_transfer);
        self.waiting.iter().chain(active).any(is_up)
    }

    /// The session is over: nobody waits any more.
    pub(crate) fn end(&mut self, failure: &Failure, ctx: &mut Context<'_>) {
        self.on_offline();
        for transfer in self.waiting.drain(..) {
            if let Direction::Down(_, tickets) = transfer.direction {
                answer_all(&tickets, &Err(failure.clone()), ctx);
            }
        }
        let sought: Vec<Ticket> = self.sought.drain(..).map(|(ticket, _)| ticket).collect();
        answer_all(&sought, &Err(failure.clone()), ctx);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if !self.is_online || self.active.is_some() {
            return None;
        }
        self.waiting.iter().map(|transfer| transfer.not_before).min()
    }

    fn find(&mut self, blob: &BlobId) -> Option<&mut Transfer> {
        let active = self.active.as_mut().map(Active::transfer);
        self.waiting.iter_mut().chain(active).find(|transfer| transfer.blob == *blob)
    }

    fn go_on(&mut self, after: After, ctx: &mut Context<'_>) {
        if let After::GoOn = after {
            return;
        }
        let active = self.active.take().expect("only the active one comes to an end");
        let mut transfer = active.into_transfer();
        match after {
            After::GoOn => unreachable!("returned above"),
            After::Pause => {
                transfer.not_before = ctx.now + ctx.jitter(transfer.backoff.next());
                self.waiting.push_back(transfer);
            }
            After::Done => finish(transfer, ctx),
            After::Fail(code) => fail(transfer, code, ctx),
        }
    }
}

fn finish(transfer: Transfer, ctx: &mut Context<'_>) {
    match transfer.direction {
        Direction::Up(id) => {
            ctx.store(StoreOp::FinishUpload { id, blob: transfer.blob });
            ctx.store(StoreOp::LoadOutbox);
        }
        Direction::Down(_, tickets) => answer_all(&tickets, &Ok(()), ctx),
    }
}

fn fail(transfer: Transfer, code: FaultCode, ctx: &mut Context<'_>) {
    match transfer.direction {
        Direction::Up(id) => {
            ctx.store(StoreOp::RejectUpload { id, blob: transfer.blob, code });
            ctx.notify(Notice::OutboxChanged);
        }
        Direction::Down(_, tickets) => answer_all(&tickets, &Err(Failure::fault(code)), ctx),
    }
}

fn answer_all(tickets: &[Ticket], result: &Result<(), Failure>, ctx: &mut Context<'_>) {
    for ticket in tickets {
        answer(*ticket, result.clone(), ctx);
    }
}

fn chunk_len() -> u64 {
    u64::try_from(CHUNK_LEN_MAX).expect("a small constant")
}

/// Whether trying again helps.
fn is_passing(code: FaultCode, is_upload: bool) -> bool {
    // An upload whose beginning the home has forgotten begins again.
    let is_forgotten = is_upload && matches!(code, FaultCode::NO_SUCH_BLOB | FaultCode::BAD_NUMBER);
    is_forgotten || matches!(Code::from(code), Code::Unavailable | Code::RateLimited)
}
