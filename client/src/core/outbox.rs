//! Everything that waits to be accepted: one lane for each log.

use std::collections::BTreeMap;

use wire::limits::UNANSWERED_MAX;
use wire::message::{Accepted, CloseLog, Refusal, Refused};
use wire::{FaultCode, Instant, LogHandle, LogId};

use super::contacts::{Contacts, ReaderKeys, no_such_user};
use super::context::Context;
use super::event::{LaneRecord, Notice, StoreOp};
use super::handles::HandleState;
use super::job::{Job, JobKey};
use super::lane::{Lane, Need, stored_body};
use crate::crypto::envelope::SealError;
use crate::failure::Failure;
use crate::store::{Draft, OutboxId};

/// Drafts taken from the store at a time: those to a home that is away must not hide the others.
pub const DRAFTS_MAX: usize = 512;
/// Above this many open logs, idle ones are closed.
const HANDLES_KEPT: usize = 256;

/// The lanes that are not empty.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: BTreeMap<LogId, Lane>,
    /// The store may have more drafts than were taken.
    more: bool,
    loading: bool,
    /// Numbers were used that this store does not know: the origin is worn out.
    worn_out: bool,
}

impl Outbox {
    /// Asks the store what waits, unless that is under way.
    pub(crate) fn load(&mut self, ctx: &mut Context<'_>) {
        if !self.loading {
            self.loading = true;
            ctx.store(StoreOp::LoadOutbox);
        }
    }

    /// The store has answered. What is here already is newer than what it says.
    pub(crate) fn on_loaded(&mut self, lanes: Vec<LaneRecord>, drafts: Vec<Draft>) {
        self.loading = false;
        self.more = drafts.len() >= DRAFTS_MAX;
        for record in lanes {
            self.lanes.entry(record.log).or_insert_with(|| restore(record));
        }
        for draft in drafts {
            if let Some(lane) = self.lanes.get_mut(&draft.log) {
                lane.add(draft);
            }
        }
    }

    /// Nothing waits that this process knows of.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.values().all(Lane::is_empty) && !self.loading && !self.more
    }

    /// The home knows numbers that the store does not: ends with a new origin.
    pub(crate) fn is_worn_out(&self) -> bool {
        self.worn_out
    }

    /// Forgets everything; the store is asked again under the new origin.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Does for each lane whatever can be done now.
    pub(crate) fn pump(&mut self, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        let logs: Vec<LogId> = self.lanes.keys().copied().collect();
        let unanswered: u64 = self.lanes.values().map(Lane::unanswered).sum();
        let mut room = UNANSWERED_MAX.saturating_sub(unanswered);
        for log in logs {
            room = self.pump_lane(log, room, contacts, ctx);
        }
        self.lanes.retain(|log, lane| {
            if lane.is_empty() && ctx.handles.len() > HANDLES_KEPT {
                close(log, ctx);
            }
            !lane.is_empty()
        });
        if self.more && self.lanes.values().map(Lane::drafts).sum::<usize>() < DRAFTS_MAX / 2 {
            self.more = false;
            self.load(ctx);
        }
    }

    pub(crate) fn on_sealed(
        &mut self,
        log: LogId,
        result: Result<(wire::message::Body, [u8; 32]), SealError>,
        ctx: &mut Context<'_>,
    ) {
        let Some(lane) = self.lanes.get_mut(&log) else {
            return;
        };
        match result {
            Ok((body, hash)) => lane.on_sealed(body, hash, ctx),
            Err(error) => {
                if let Some(id) = lane.drop_sealing() {
                    let failure = Failure::usage(format!("the message cannot be sealed: {error}"));
                    refuse(vec![id], &failure, ctx);
                }
            }
        }
    }

    pub(crate) fn on_saved(&mut self, log: LogId, id: OutboxId) {
        if let Some(lane) = self.lanes.get_mut(&log) {
            lane.on_saved(id);
        }
    }

    pub(crate) fn on_accepted(&mut self, accepted: &Accepted, ctx: &mut Context<'_>) {
        let lane = self.lane(accepted.handle, ctx);
        if lane.is_some_and(|lane| lane.on_accepted(accepted, ctx)) {
            ctx.notify(Notice::OutboxChanged);
        }
    }

    pub(crate) fn on_refused(&mut self, refused: &Refused, ctx: &mut Context<'_>) {
        let Some(log) = ctx.handles.log(refused.handle) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&log) else {
            return;
        };
        match refused.refusal {
            Refusal::Busy => lane.go_back(ctx),
            Refusal::Expected(number) if lane.can_go_back_to(number) => lane.go_back(ctx),
            Refusal::Expected(_) | Refusal::Conflict => self.worn_out = true,
            Refusal::Rejected(code) => {
                if lane.on_rejected(refused.number, ctx) {
                    let number = refused.number;
                    ctx.store(StoreOp::Reject { log, number, code });
                    ctx.notify(Notice::OutboxChanged);
                }
            }
        }
    }

    /// The log's home cannot be reached just now.
    pub(crate) fn on_unavailable(&mut self, handle: LogHandle, ctx: &mut Context<'_>) {
        if let Some(lane) = self.lane(handle, ctx) {
            lane.go_back(ctx);
        }
    }

    /// The log's home is back.
    pub(crate) fn on_up(&mut self, handle: LogHandle, ctx: &Context<'_>) {
        if let Some(lane) = self.lane(handle, ctx) {
            lane.on_up();
        }
    }

    pub(crate) fn on_offline(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.on_offline();
        }
    }

    pub(crate) fn on_timeout(&mut self, ctx: &mut Context<'_>) {
        for lane in self.lanes.values_mut() {
            lane.on_timeout(ctx);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.lanes.values().filter_map(Lane::deadline).min()
    }

    fn lane(&mut self, handle: LogHandle, ctx: &Context<'_>) -> Option<&mut Lane> {
        let log = ctx.handles.log(handle)?;
        self.lanes.get_mut(&log)
    }

    /// Of a session's posts at most [`UNANSWERED_MAX`] are unanswered; what is left of the `room`.
    fn pump_lane(
        &mut self,
        log: LogId,
        room: u64,
        contacts: &mut Contacts,
        ctx: &mut Context<'_>,
    ) -> u64 {
        let Some(lane) = self.lanes.get_mut(&log) else {
            return room;
        };
        if lane.is_empty() {
            return room;
        }
        let keys = contacts.reader(log.name, ctx);
        if let ReaderKeys::Refused(failure) = keys {
            refuse(lane.drain_drafts(), &failure, ctx);
            return room;
        }
        if let (ReaderKeys::Ready(keys), Need::Seal) = (&keys, lane.need())
            && let Some(identity) = ctx.identity()
            && let Some(plaintext) = lane.begin_sealing(ctx)
        {
            let seed = ctx.seed();
            ctx.work(
                JobKey::Seal(log),
                Job::Seal {
                    identity,
                    reader: log.name,
                    key: keys.newest().keys.wrapping.clone(),
                    plaintext: Box::new(plaintext),
                    seed,
                },
            );
        }
        let trusted = matches!(keys, ReaderKeys::Ready(_));
        match send(lane, log, room * u64::from(trusted), ctx) {
            Sent::Left(left) if trusted => left,
            Sent::Left(_) => room,
            Sent::WornOut => {
                self.worn_out = true;
                room
            }
        }
    }
}

enum Sent {
    /// So much of the room is left.
    Left(u64),
    /// The home knows numbers that were never given here.
    WornOut,
}

/// Opens the log and sends what is sealed, as far as there is room.
fn send(lane: &mut Lane, log: LogId, room: u64, ctx: &mut Context<'_>) -> Sent {
    if ctx.seat.is_none() {
        return Sent::Left(room);
    }
    let me = ctx.me.name;
    if let Some(open) = ctx.handles.want(log, me) {
        ctx.send(open);
    }
    match ctx.handles.state(&log) {
        Some(HandleState::Open(base)) if !lane.checked && !lane.fits(base) => Sent::WornOut,
        Some(HandleState::Open(_)) => {
            lane.checked = true;
            let handle = ctx.handles.open_handle(&log);
            Sent::Left(handle.map_or(room, |handle| lane.send(handle, room, ctx)))
        }
        Some(HandleState::Failed(code)) => {
            let failure = match code {
                FaultCode::NO_SUCH_USER => no_such_user(&log.name),
                code => Failure::fault(code),
            };
            refuse(lane.drain_drafts(), &failure, ctx);
            Sent::Left(room)
        }
        Some(HandleState::Opening | HandleState::Pausing(_)) | None => Sent::Left(room),
    }
}

fn restore(record: LaneRecord) -> Lane {
    let mut lane = Lane::new(record.log, record.chain.next, record.chain.previous);
    for post in record.sealed {
        if let Some(body) = stored_body(&post.body) {
            lane.restore(&post, body);
        }
    }
    lane
}

fn refuse(ids: Vec<OutboxId>, failure: &Failure, ctx: &mut Context<'_>) {
    if ids.is_empty() {
        return;
    }
    for id in ids {
        let failure = failure.clone();
        ctx.store(StoreOp::Refuse { id, failure });
    }
    ctx.notify(Notice::OutboxChanged);
}

fn close(log: &LogId, ctx: &mut Context<'_>) {
    let own = ctx.me.name.map(LogId::mailbox) == Some(*log);
    if !own && let Some(handle) = ctx.handles.forget(log) {
        ctx.send(CloseLog { handle });
    }
}
