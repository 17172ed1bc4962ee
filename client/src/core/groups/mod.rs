//! The account's groups: their rosters, brought up to date and verified; changes of them; and which
//! of them are read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wire::message::{Entry, FetchRoster};
use wire::roster::Statement;
use wire::{FaultCode, Instant, LogId, Name, RequestId};

use super::contacts::Contacts;
use super::context::Context;
use super::notice::Notice;
use super::readers::{Readers, Told};
use super::store_op::StoreOp;
use crate::crypto::roster::StatementError;
use crate::failure::{Code, Failure};
use crate::store::{GroupRecord, KeptStatement, ReceivedContent};
use chain::{Fate, Taken};
use change::Change;
use claims::doubted;
use group::{Group, Stage, Standing, Trouble, departure};
use list::List;

mod chain;
mod change;
mod claims;
mod departure;
mod doubt;
mod group;
mod list;
mod lost;
mod making;
mod refusing;

/// Before an unavailable home is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// After this long, somebody who wants to post may ask a home again that has refused.
const FAILED_TIME: Duration = Duration::from_secs(2);
/// Questions that wait for answers at one time; below the seat's limit of requests.
const ASKING_MAX: usize = 8;

/// Every group that was of interest since the start, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    known: BTreeMap<Name, Group>,
    list: List,
    changes: BTreeMap<u32, Change>,
    requests: BTreeMap<RequestId, Question>,
    /// Notes at the own home that are to be dropped.
    forgetting: BTreeSet<Name>,
    last_request: u32,
    last_change: u32,
    last_job: u32,
}

/// What a request of ours asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Question {
    /// The statements of a roster.
    Roster(Name),
    /// The groups that are noted.
    List,
    /// To drop a note.
    Forget,
    /// A step of this change.
    Change(u32),
}

impl Groups {
    /// Who reads `group`'s log, by its verified roster.
    pub(crate) fn readers(&mut self, group: Name, ctx: &mut Context<'_>) -> Readers {
        let me = ctx.me.name;
        let known = self.know(group, ctx);
        if let Stage::Failed(trouble) = &known.stage {
            if ctx.now < trouble.at + FAILED_TIME {
                return Readers::Refused(trouble.failure.clone());
            }
            known.stage = Stage::Rested;
        }
        if !known.is_current() {
            self.want(group, ctx);
            return Readers::Pending;
        }
        let is_member = known.standing == Standing::Member;
        match known.reader_list() {
            Some(list) if is_member && me.is_some_and(|me| list.joining(&me).is_some()) => {
                Readers::Ready(list)
            }
            _ => Readers::Refused(known.refusal()),
        }
    }

    /// For whom something may be sealed: as [`Self::readers`], unless the members are in doubt.
    pub(crate) fn audience(&mut self, group: Name, ctx: &mut Context<'_>) -> Readers {
        match self.readers(group, ctx) {
            Readers::Ready(_) if self.is_doubted(&group) => Readers::Refused(doubted(group)),
            readers => readers,
        }
    }

    /// The groups to be read, also those that the account has departed from and has still to read;
    /// `None` until the store and the account's home were asked.
    pub(crate) fn joined(&mut self, ctx: &mut Context<'_>) -> Option<Vec<Name>> {
        self.advance_list(ctx);
        if !self.list.is_settled() {
            return None;
        }
        let joined: Vec<Name> = self.readings().collect();
        joined.iter().for_each(|group| self.load(*group, ctx));
        Some(joined)
    }

    /// What became of an entry with number 0 of `group`'s log.
    pub(crate) fn on_statement(
        &mut self,
        group: Name,
        entry: &Entry,
        contacts: &mut Contacts,
        ctx: &mut Context<'_>,
    ) -> Told {
        let known = self.know(group, ctx);
        if matches!(known.stage, Stage::Unloaded | Stage::Loading) {
            self.want(group, ctx);
            return Told::Pending;
        }
        let encoded = entry.body.bytes();
        match known.chain.fate(encoded, ctx.me.name) {
            Err(failure) => Told::Done(Some(unreadable(failure.text))),
            Ok(Fate::Folded(content)) => {
                self.on_told(group, ctx);
                Told::Done(Some(content))
            }
            Ok(Fate::Waiting) => Told::Pending,
            Ok(Fate::Stored) => {
                if let Some(version) = version_of(encoded) {
                    ctx.store(StoreOp::LoadStatement { group, version });
                }
                Told::Pending
            }
            Ok(Fate::Ahead) => self.on_new_statement(group, entry, contacts, ctx),
        }
    }

    /// Brings `group`'s roster up to date, unless that is under way.
    pub(crate) fn refresh(&mut self, group: Name, ctx: &mut Context<'_>) {
        self.know(group, ctx).rest();
        self.want(group, ctx);
    }

    /// The outcome of [`Self::refresh`]; `None` while it is under way.
    pub(crate) fn refreshed(&self, group: &Name) -> Option<Result<(), Failure>> {
        let known = self.known.get(group)?;
        match &known.stage {
            Stage::Failed(trouble) => Some(Err(trouble.failure.clone())),
            _ if !known.is_current() => None,
            _ if known.standing == Standing::Member => Some(Ok(())),
            _ => Some(Err(known.refusal())),
        }
    }

    /// The store has answered.
    pub(crate) fn on_loaded(
        &mut self,
        name: Name,
        record: Option<GroupRecord>,
        ctx: &mut Context<'_>,
    ) {
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        if !matches!(known.stage, Stage::Loading) {
            return;
        }
        known.stage = Stage::Rested;
        if let Some(record) = record {
            if !matches!(known.standing, Standing::Departed(_)) {
                known.standing = Standing::stored(record.ended);
            }
            known.chain.restore(record.roster);
            known.claims.restore(record.claims);
        }
        self.judge(name, ctx);
        self.advance(name, ctx);
    }

    /// The store has answered.
    pub(crate) fn on_statement_loaded(
        &mut self,
        group: Name,
        version: u32,
        statement: Option<KeptStatement>,
        ctx: &mut Context<'_>,
    ) {
        self.compare_stored(group, version, statement.as_ref(), ctx);
        if let Some(known) = self.known.get_mut(&group) {
            known.chain.on_statement(version, statement);
        }
    }

    /// The home has answered with statements.
    pub(crate) fn on_roster(&mut self, answer: wire::message::Roster, ctx: &mut Context<'_>) {
        let Some(Question::Roster(group)) = self.requests.remove(&answer.request) else {
            return;
        };
        let Some(known) = self.known.get_mut(&group) else {
            return;
        };
        let is_empty = answer.statements.items().is_empty();
        known.stage = Stage::Verifying { complete: answer.complete };
        if is_empty && !answer.complete {
            let text = format!("the home of #{group} does not show its roster");
            known.fail(Failure::unexpected(text), ctx);
        }
        for statement in answer.statements.into_items() {
            if !known.take(group, statement.into_bytes(), ctx) {
                break;
            }
        }
        self.settle(group, ctx);
    }

    /// A worker has verified a statement.
    pub(crate) fn on_verified(
        &mut self,
        group: Name,
        job: u32,
        result: Result<(), StatementError>,
        ctx: &mut Context<'_>,
    ) {
        if let Some(known) = self.known.get_mut(&group) {
            known.chain.on_verified(job, result);
            self.settle(group, ctx);
        }
    }

    /// The home will not answer this request.
    pub(crate) fn on_fault(&mut self, request: RequestId, code: FaultCode, ctx: &mut Context<'_>) {
        match self.requests.remove(&request) {
            Some(Question::Roster(group)) => self.on_roster_fault(group, code, ctx),
            Some(Question::List) => self.on_list_fault(ctx),
            Some(Question::Change(id)) => self.on_change_fault(id, code, ctx),
            Some(Question::Forget) | None => {}
        }
    }

    /// Lets everything go on that can.
    pub(crate) fn pump(&mut self, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        let busy = self.known.iter().filter(|(_, known)| known.is_busy());
        for group in busy.map(|(name, _)| *name).collect::<Vec<_>>() {
            self.verify(group, contacts, ctx);
        }
        self.pump_changes(contacts, ctx);
        self.pump_forgetting(ctx);
        self.pump_list(ctx);
    }

    /// The session is over: nothing more will be answered.
    pub(crate) fn end_all(&mut self, failure: &Failure, ctx: &mut Context<'_>) {
        self.on_offline(ctx);
        for change in std::mem::take(&mut self.changes).into_values() {
            change.answer(Err(failure.clone()), ctx);
        }
    }

    pub(crate) fn on_offline(&mut self, ctx: &mut Context<'_>) {
        self.tell_refused(ctx);
        self.requests.clear();
        for known in self.known.values_mut() {
            known.is_over = false;
            known.claims.on_offline();
            if !matches!(known.stage, Stage::Unloaded | Stage::Loading) {
                known.stage = Stage::Rested;
            }
        }
        self.list.on_offline();
        for change in self.changes.values_mut() {
            change.on_offline();
        }
    }

    /// Pauses that are over end.
    pub(crate) fn on_timeout(&mut self, ctx: &mut Context<'_>) {
        for known in self.known.values_mut() {
            if matches!(known.stage, Stage::Pausing(until) if until <= ctx.now) {
                known.stage = Stage::Rested;
            }
        }
        self.list.on_timeout(ctx.now);
        for change in self.changes.values_mut() {
            change.on_timeout(ctx.now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let stages = self.known.values().filter_map(|known| match known.stage {
            Stage::Pausing(until) => Some(until),
            _ => None,
        });
        let changes = self.changes.values().filter_map(Change::deadline);
        stages.chain(changes).chain(self.list.deadline()).min()
    }

    fn know(&mut self, name: Name, ctx: &Context<'_>) -> &mut Group {
        assert!(ctx.me.name.is_some(), "groups are somebody's");
        self.known.entry(name).or_insert_with(|| Group::new(name))
    }

    /// Asks store or home for `group`'s roster as soon as possible.
    fn want(&mut self, group: Name, ctx: &mut Context<'_>) {
        self.know(group, ctx).wanted = true;
        self.advance(group, ctx);
    }

    fn advance(&mut self, group: Name, ctx: &mut Context<'_>) {
        let Some(known) = self.known.get_mut(&group).filter(|known| known.wanted) else {
            return;
        };
        match known.stage {
            Stage::Unloaded => self.load(group, ctx),
            Stage::Rested if ctx.seat.is_some() && known.chain.is_settled() => {
                let after = known.chain.newest();
                if let Some(request) = self.request(Question::Roster(group)) {
                    ctx.send(FetchRoster { request, group, after });
                    let known = self.know(group, ctx);
                    known.stage = Stage::Asking;
                    known.claims.on_home_asked();
                }
            }
            _ => {}
        }
    }

    /// A number for a question, if there is room for one.
    fn request(&mut self, question: Question) -> Option<RequestId> {
        if self.requests.len() >= ASKING_MAX {
            return None;
        }
        self.last_request = self.last_request.wrapping_add(1);
        let request = RequestId(self.last_request);
        self.requests.insert(request, question);
        Some(request)
    }

    fn on_new_statement(
        &mut self,
        group: Name,
        entry: &Entry,
        contacts: &mut Contacts,
        ctx: &mut Context<'_>,
    ) -> Told {
        let known = self.know(group, ctx);
        if let Stage::Failed(trouble) = &known.stage {
            let why = &trouble.failure;
            let text = format!("a change of its members that cannot be checked: {why}");
            return Told::Done(Some(unreadable(text)));
        }
        match known.chain.take(entry.body.bytes().clone(), ctx.now) {
            Ok(Taken::Queued) => self.verify(group, contacts, ctx),
            Ok(Taken::Fork) => {
                let failure = forked(group);
                warn(group, failure.text.clone(), ctx);
                self.know(group, ctx).fail(failure, ctx);
            }
            Ok(Taken::Gap) => self.refresh(group, ctx),
            Ok(Taken::Held) | Err(_) => {}
        }
        Told::Pending
    }

    fn on_roster_fault(&mut self, group: Name, code: FaultCode, ctx: &mut Context<'_>) {
        let pause = ctx.now + ctx.jitter(PAUSE);
        if let Some(known) = self.known.get_mut(&group) {
            known.stage = match Code::from(code) {
                Code::Unavailable => Stage::Pausing(pause),
                _ => {
                    let (at, failure) = (ctx.now, Failure::fault(code));
                    Stage::Failed(Trouble { at, code: Some(code), failure })
                }
            };
        }
        if is_end(code) {
            self.end(group, code, ctx);
        } else if Code::from(code) == Code::Unavailable {
            self.on_silent_home(group, ctx);
        }
    }

    fn verify(&mut self, group: Name, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        if let Some(known) = self.known.get_mut(&group) {
            known.chain.verify(&mut self.last_job, contacts, ctx);
            self.settle(group, ctx);
        }
    }

    /// Folds what is verified, keeps it, and sees how the account stands now.
    fn settle(&mut self, group: Name, ctx: &mut Context<'_>) {
        let Some(known) = self.known.get_mut(&group) else {
            return;
        };
        let folded = known.chain.fold();
        match folded {
            Ok(kept) if kept.is_empty() => {}
            Ok(kept) => known.keep(group, kept, ctx),
            Err(failure) => {
                warn(group, failure.text.clone(), ctx);
                known.fail(failure, ctx);
            }
        }
        if let Stage::Verifying { complete } = known.stage
            && known.chain.is_settled()
        {
            known.wanted = !complete;
            known.stage = if complete { Stage::Fresh } else { Stage::Rested };
        }
        self.review(group, ctx);
        self.judge(group, ctx);
        self.advance(group, ctx);
    }

    /// The roster is the newest: the account is a member by it, or not.
    fn review(&mut self, group: Name, ctx: &mut Context<'_>) {
        let Some(known) = self.known.get(&group).filter(|known| known.is_current()) else {
            return;
        };
        let (Some(me), Some(roster)) = (ctx.me.name, known.chain.roster()) else {
            return;
        };
        match (departure(roster, &me), known.standing) {
            (None, Standing::Member) => {}
            (None, _) => self.keep(group, ctx),
            (Some(why), Standing::Out(_)) => self.know(group, ctx).standing = Standing::Out(why),
            (Some(why), _) => self.depart(group, why, ctx),
        }
    }

    /// The account is a member from now on.
    fn keep(&mut self, group: Name, ctx: &mut Context<'_>) {
        let known = self.know(group, ctx);
        known.standing = Standing::Member;
        (known.is_read, known.is_over) = (false, false);
        if matches!(known.stage, Stage::Failed(_)) {
            known.stage = Stage::Rested;
        }
        self.forgetting.remove(&group);
        // What the home refused to who was no member counts no more.
        ctx.handles.forgive(&LogId::group(group));
        ctx.store(StoreOp::KeepGroup(group));
        ctx.notify(Notice::GroupChanged(group));
    }

    fn readings(&self) -> impl Iterator<Item = Name> {
        let read = |known: &Group| !matches!(known.standing, Standing::Out(_));
        self.known.iter().filter(move |(_, known)| read(known)).map(|(name, _)| *name)
    }
}

/// The home's word that the account is no member.
fn is_end(code: FaultCode) -> bool {
    matches!(
        code,
        FaultCode::NOT_A_MEMBER
            | FaultCode::REMOVED
            | FaultCode::GROUP_CLOSED
            | FaultCode::NO_SUCH_GROUP
    )
}

fn forked(group: Name) -> Failure {
    Failure::new(
        Code::UntrustedKey,
        format!("the home of #{group} shows two histories of its members; do not use the group"),
    )
}

fn warn(group: Name, text: String, ctx: &mut Context<'_>) {
    ctx.notify(Notice::GroupWarning { group, text });
}

fn unreadable(reason: String) -> ReceivedContent {
    ReceivedContent::Undecryptable { reason }
}

fn version_of(encoded: &bytes::Bytes) -> Option<u32> {
    Statement::decode(encoded.clone()).ok().map(|statement| statement.version)
}
