//! Everything that waits to be accepted: one lane for each log.

use std::collections::BTreeMap;

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

/// Drafts taken from the store at a time.
pub const DRAFTS_MAX: usize = 64;
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
        for log in logs {
            self.pump_lane(log, contacts, ctx);
        }
        self.lanes.retain(|log, lane| {
            if lane.is_empty() && ctx.handles.len() > HANDLES_KEPT {
                close(log, ctx);
            }
            !lane.is_empty()
        });
        if self.more && self.lanes.is_empty() {
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

    fn pump_lane(&mut self, log: LogId, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        let Some(lane) = self.lanes.get_mut(&log) else {
            return;
        };
        if lane.is_empty() {
            return;
        }
        let keys = contacts.reader(log.name, ctx);
        if let ReaderKeys::Refused(failure) = keys {
            refuse(lane.drain_drafts(), &failure, ctx);
            return;
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
        self.worn_out |= send(lane, log, trusted, ctx) == Sent::WornOut;
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Sent {
    Fine,
    WornOut,
}

/// Opens the log and sends what is sealed, provided the reader's key is `trusted`.
fn send(lane: &mut Lane, log: LogId, trusted: bool, ctx: &mut Context<'_>) -> Sent {
    if ctx.seat.is_none() {
        return Sent::Fine;
    }
    let (me, now) = (ctx.me.name, ctx.now);
    if let Some(open) = ctx.handles.want(log, me, now) {
        ctx.send(open);
    }
    match ctx.handles.state(&log) {
        Some(HandleState::Open(base)) if !lane.checked && !lane.fits(base) => Sent::WornOut,
        Some(HandleState::Open(_)) => {
            lane.checked = true;
            if let (true, Some(handle)) = (trusted, ctx.handles.open_handle(&log)) {
                lane.send(handle, ctx);
            }
            Sent::Fine
        }
        Some(HandleState::Failed(code)) => {
            let failure = match code {
                FaultCode::NO_SUCH_USER => no_such_user(&log.name),
                code => Failure::fault(code),
            };
            refuse(lane.drain_drafts(), &failure, ctx);
            Sent::Fine
        }
        Some(HandleState::Opening | HandleState::Pausing(_)) | None => Sent::Fine,
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
