//! Everything that waits to be accepted: one lane for each log.

use std::collections::BTreeMap;

use wire::limits::UNANSWERED_MAX;
use wire::message::{Accepted, CloseLog, GrantsPut, Refusal, Refused};
use wire::{FaultCode, Instant, LogHandle, LogId, LogKind, Number, RequestId};

use super::audience::Audience;
use super::contacts::{Contacts, ReaderKeys, no_such_user};
use super::context::Context;
use super::event::{LaneRecord, Notice, StoreOp};
use super::grant_work::GrantResult;
use super::groups::Groups;
use super::handles::HandleState;
use super::lane::{Lane, Need, stored_body};
use super::readers::{ReaderList, Readers};
use super::sealing::{Prepared, PutFault, Sealing};
use crate::failure::{Code, Failure};
use crate::store::{Draft, Fate, OutboxId};

/// Drafts taken from the store at a time: those to a home that is away must not hide the others.
pub const DRAFTS_MAX: usize = 512;
/// Above this many open logs, idle ones are closed.
const HANDLES_KEPT: usize = 256;
/// Frames of grants that may be unanswered: a whole group's, below the seat's limit of requests.
const PUTS_MAX: usize = 12;

/// The lanes that are not empty.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: BTreeMap<LogId, (Lane, Sealing)>,
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
            if let Some((lane, _)) = self.lanes.get_mut(&draft.log) {
                lane.add(draft);
            }
        }
    }

    /// Nothing waits that this process knows of.
    pub(crate) fn is_empty(&self) -> bool {
        let is_empty = |(lane, sealing): &(Lane, Sealing)| lane.is_empty() && sealing.is_idle();
        self.lanes.values().all(is_empty) && !self.loading && !self.more
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
    pub(crate) fn pump(
        &mut self,
        contacts: &mut Contacts,
        groups: &mut Groups,
        ctx: &mut Context<'_>,
    ) {
        let logs: Vec<LogId> = self.lanes.keys().copied().collect();
        let unanswered: u64 = self.lanes.values().map(|(lane, _)| lane.unanswered()).sum();
        let asked: usize = self.lanes.values().map(|(_, sealing)| sealing.asked()).sum();
        let mut room = Room {
            posts: UNANSWERED_MAX.saturating_sub(unanswered),
            puts: PUTS_MAX.saturating_sub(asked),
        };
        for log in logs {
            self.pump_lane(log, &mut room, (contacts, groups), ctx);
        }
        self.lanes.retain(|log, (lane, sealing)| {
            let is_over = lane.is_empty() && sealing.is_idle();
            if is_over && ctx.handles.len() > HANDLES_KEPT {
                close(log, ctx);
            }
            !is_over
        });
        let drafts = self.lanes.values().map(|(lane, _)| lane.drafts()).sum::<usize>();
        if self.more && drafts < DRAFTS_MAX / 2 {
            self.more = false;
            self.load(ctx);
        }
    }

    /// A worker has made a message session or grants.
    pub(crate) fn on_worked(
        &mut self,
        (log, job): (LogId, u32),
        result: GrantResult,
        ctx: &mut Context<'_>,
    ) {
        if let Some((_, sealing)) = self.lanes.get_mut(&log) {
            sealing.on_worked(job, result, ctx);
        }
    }

    /// The store has grants that were just made: they may leave.
    pub(crate) fn on_kept(&mut self, log: LogId) {
        if let Some((_, sealing)) = self.lanes.get_mut(&log) {
            sealing.on_kept();
        }
    }

    pub(crate) fn on_saved(&mut self, log: LogId, id: OutboxId) {
        if let Some((lane, _)) = self.lanes.get_mut(&log) {
            lane.on_saved(id);
        }
    }

    /// The user gave the post up before it was kept.
    pub(crate) fn on_gone(&mut self, log: LogId, id: OutboxId) {
        if let Some((lane, _)) = self.lanes.get_mut(&log) {
            lane.on_gone(id);
        }
    }

    /// The store has made a rejected post a draft again.
    pub(crate) fn on_redrafted(&mut self, draft: Draft, previous: [u8; 32]) {
        if let Some((lane, _)) = self.lanes.get_mut(&draft.log) {
            lane.on_redrafted(draft, previous);
        }
    }

    pub(crate) fn on_accepted(&mut self, accepted: &Accepted, ctx: &mut Context<'_>) {
        let lane = self.lane(accepted.handle, ctx);
        if lane.is_some_and(|lane| lane.on_accepted(accepted, ctx)) {
            ctx.notify(Notice::OutboxChanged);
        }
    }

    /// The home has grants on its disk.
    pub(crate) fn on_grants_put(&mut self, put: &GrantsPut, ctx: &mut Context<'_>) {
        for (_, sealing) in self.lanes.values_mut() {
            if sealing.on_put(put, ctx) {
                return;
            }
        }
    }

    /// The home does not take grants; the group whose roster is to be fetched anew, if one is.
    pub(crate) fn on_grants_fault(
        &mut self,
        request: RequestId,
        code: FaultCode,
        ctx: &mut Context<'_>,
    ) -> Option<LogId> {
        for (log, (lane, sealing)) in &mut self.lanes {
            match sealing.on_put_fault(request, code, ctx) {
                None => {}
                Some(PutFault::Repeat) => {
                    lane.go_back(ctx);
                    return None;
                }
                Some(PutFault::RosterBehind) => return Some(*log),
                Some(PutFault::Ended) => return None,
            }
        }
        None
    }

    /// The home does not take a post; the group whose roster is to be fetched anew, if one is.
    pub(crate) fn on_refused(&mut self, refused: &Refused, ctx: &mut Context<'_>) -> Option<LogId> {
        let log = ctx.handles.log(refused.handle)?;
        let (lane, sealing) = self.lanes.get_mut(&log)?;
        match refused.refusal {
            Refusal::Busy => lane.on_busy(refused.number, ctx),
            Refusal::Expected(number) if lane.can_go_back_to(number) => {
                lane.on_busy(refused.number, ctx);
            }
            Refusal::Expected(_) | Refusal::Conflict => self.worn_out = true,
            Refusal::Rejected(code) if is_about_key(code) => {
                match lane.on_rejected_for_key(refused.number, ctx) {
                    Some(message_session) => sealing.end(message_session, ctx),
                    None => reject(lane, log, (refused.number, code), ctx),
                }
                return (code == FaultCode::ROSTER_BEHIND).then_some(log);
            }
            Refusal::Rejected(code) => reject(lane, log, (refused.number, code), ctx),
        }
        None
    }

    /// The log's home cannot be reached just now.
    pub(crate) fn on_unavailable(&mut self, handle: LogHandle, ctx: &mut Context<'_>) {
        let log = ctx.handles.log(handle);
        if let Some((lane, sealing)) = log.and_then(|log| self.lanes.get_mut(&log)) {
            // Grants on their way to that home are lost like the posts behind them.
            sealing.on_offline();
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
        for (lane, sealing) in self.lanes.values_mut() {
            lane.on_offline();
            sealing.on_offline();
        }
    }

    pub(crate) fn on_timeout(&mut self, ctx: &mut Context<'_>) {
        for (lane, _) in self.lanes.values_mut() {
            lane.on_timeout(ctx);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|(lane, _)| lane.deadline()).min()
    }

    fn lane(&mut self, handle: LogHandle, ctx: &Context<'_>) -> Option<&mut Lane> {
        let log = ctx.handles.log(handle)?;
        self.lanes.get_mut(&log).map(|(lane, _)| lane)
    }

    fn pump_lane(
        &mut self,
        log: LogId,
        room: &mut Room,
        (contacts, groups): (&mut Contacts, &mut Groups),
        ctx: &mut Context<'_>,
    ) {
        let Some((lane, sealing)) = self.lanes.get_mut(&log) else {
            return;
        };
        let readers = match readers(log, contacts, groups, ctx) {
            Readers::Pending => return open(log, ctx),
            Readers::Refused(failure) => {
                refuse(lane.drain_drafts(), &failure, ctx);
                if is_departure(log, &failure) {
                    match groups.fate_of_posts(&log.name) {
                        Some(fate) => abandon(lane, sealing, fate, ctx),
                        None => self.worn_out |= !resend(lane, sealing, log, room, ctx),
                    }
                }
                return;
            }
            Readers::Ready(readers) => readers,
        };
        if lane.need() == Need::Seal {
            seal(lane, sealing, &readers, contacts, ctx);
        }
        if !send(lane, sealing, log, room, ctx) {
            self.worn_out = true;
        }
    }
}

/// The account is no member of the group any more.
fn is_departure(log: LogId, failure: &Failure) -> bool {
    let codes = [Code::NotAMember, Code::Removed, Code::NoSuchGroup];
    log.kind == LogKind::Group && codes.contains(&failure.code)
}

/// Of posts without an answer nothing more is heard.
fn abandon(lane: &mut Lane, sealing: &mut Sealing, fate: Fate, ctx: &mut Context<'_>) {
    sealing.end_all(ctx);
    if lane.abandon(fate, ctx) {
        if fate == Fate::Unknown {
            ctx.notify(Notice::Conflict);
        }
        ctx.notify(Notice::OutboxChanged);
    }
}

/// While the account has still to read what was before its departure, the home answers its posts.
/// `false` when the home knows numbers that were never given here.
fn resend(
    lane: &mut Lane,
    sealing: &mut Sealing,
    log: LogId,
    room: &mut Room,
    ctx: &mut Context<'_>,
) -> bool {
    sealing.end_all(ctx);
    if lane.is_empty() {
        return true;
    }
    open(log, ctx);
    let Some(HandleState::Open(base)) = ctx.handles.state(&log) else {
        return true;
    };
    if !lane.checked && !lane.fits(base) {
        return false;
    }
    lane.checked = true;
    if let Some(handle) = ctx.handles.open_handle(&log) {
        room.posts = lane.send(handle, room.posts, ctx);
    }
    true
}

/// How much more may be unanswered: of a session's posts at most [`UNANSWERED_MAX`].
struct Room {
    posts: u64,
    puts: usize,
}

/// Who reads `log`. A mailbox's owner must be known and trusted before anything is sent there.
pub(crate) fn readers(
    log: LogId,
    contacts: &mut Contacts,
    groups: &mut Groups,
    ctx: &mut Context<'_>,
) -> Readers {
    if log.kind == LogKind::Group {
        return groups.audience(log.name, ctx);
    }
    if ctx.me.name == Some(log.name) {
        return Readers::Ready(ReaderList::mailbox(log.name).into());
    }
    match contacts.reader(log.name, ctx) {
        ReaderKeys::Pending => Readers::Pending,
        ReaderKeys::Ready(_) => Readers::Ready(ReaderList::mailbox(log.name).into()),
        ReaderKeys::Refused(failure) => Readers::Refused(failure),
    }
}

/// Seals the oldest draft, as soon as a message session is there for its readers.
fn seal(
    lane: &mut Lane,
    sealing: &mut Sealing,
    readers: &ReaderList,
    contacts: &mut Contacts,
    ctx: &mut Context<'_>,
) {
    let unanswered = lane.has_sealed();
    match sealing.prepare(readers, unanswered, &mut Audience { contacts }, ctx) {
        Prepared::Waiting => {}
        Prepared::Refused(failure) => refuse(lane.drain_drafts(), &failure, ctx),
        Prepared::Ready => {
            let Some(plaintext) = lane.next_plaintext(ctx) else {
                return;
            };
            match sealing.seal(&plaintext) {
                Ok(sealed) => lane.on_sealed(sealed, ctx),
                Err(error) => {
                    let text = format!("the message cannot be sealed: {error}");
                    refuse(Vec::from_iter(lane.drop_draft()), &Failure::usage(text), ctx);
                }
            }
        }
    }
}

/// Rejections that a new message session answers.
fn is_about_key(code: FaultCode) -> bool {
    matches!(code, FaultCode::GRANT_MISSING | FaultCode::ROSTER_BEHIND)
}

fn reject(lane: &mut Lane, log: LogId, (number, code): (Number, FaultCode), ctx: &mut Context<'_>) {
    if lane.on_rejected(number, ctx) {
        ctx.store(StoreOp::Reject { log, number, code });
        ctx.notify(Notice::OutboxChanged);
    }
}

/// Opens the log and sends grants and what is sealed, as far as there is room. `false` when the
/// home knows numbers that were never given here.
fn send(
    lane: &mut Lane,
    sealing: &mut Sealing,
    log: LogId,
    room: &mut Room,
    ctx: &mut Context<'_>,
) -> bool {
    if ctx.seat.is_none() {
        return true;
    }
    open(log, ctx);
    match ctx.handles.state(&log) {
        Some(HandleState::Open(base)) if !lane.checked && !lane.fits(base) => return false,
        Some(HandleState::Open(_)) => {
            lane.checked = true;
            let handle = ctx.handles.open_handle(&log);
            if let Some(handle) = handle.filter(|_| !lane.is_pausing(ctx.now))
                && sealing.put_grants(&mut room.puts, ctx)
            {
                room.posts = lane.send(handle, room.posts, ctx);
            }
        }
        Some(HandleState::Failed(code, _)) => {
            let failure = match code {
                FaultCode::NO_SUCH_USER => no_such_user(&log.name),
                code => Failure::fault(code),
            };
            refuse(lane.drain_drafts(), &failure, ctx);
        }
        Some(HandleState::Opening | HandleState::Pausing(_)) | None => {}
    }
    true
}

/// Opens the log, unless that is under way, done or hopeless.
fn open(log: LogId, ctx: &mut Context<'_>) {
    let me = ctx.me.name;
    if ctx.seat.is_some()
        && let Some(open) = ctx.handles.want(log, me, ctx.now)
    {
        ctx.send(open);
    }
}

fn restore(record: LaneRecord) -> (Lane, Sealing) {
    let mut lane = Lane::new(record.log, record.chain.next, record.chain.previous);
    for post in record.sealed {
        if let Some(body) = stored_body(&post.body) {
            lane.restore(&post, body);
        }
    }
    (lane, Sealing::restore(record.log, record.sessions))
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
    let may_be_read = log.kind == LogKind::Group || ctx.me.name == Some(log.name);
    if !may_be_read && let Some(handle) = ctx.handles.forget(log) {
        ctx.send(CloseLog { handle });
    }
}
