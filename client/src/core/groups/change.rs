//! One change of a group: note it, ask for the head, prove the password, sign, send; on a lost
//! answer look whether it got through; on a moved roster sign again.

use std::time::Duration;

use bytes::Bytes;
use wire::limits::JOIN_INTERVAL;
use wire::message::{Challenge, ChangeRoster, NoteGroup, RosterChanged, StatementBytes};
use wire::roster::{Act, Policy, Statement};
use wire::{FaultCode, Instant, Name};

use super::group::Stage;
use super::{Groups, Question, is_end};
use crate::core::asks;
use crate::core::contacts::{Contacts, ReaderKeys};
use crate::core::context::Context;
use crate::core::job::{GroupPassword, Job, JobKey};
use crate::core::request::{Admission, GroupWish, Ticket};
use crate::core::store_op::StoreOp;
use crate::crypto::keys::KeyError;
use crate::failure::{Code, Failure};

/// Changes that may be under way at one time.
const CHANGES_MAX: usize = 16;
/// How often a change is signed again because others were faster.
const TRIES_MAX: u32 = 24;
/// Before it is signed again, for each time so far.
const TRY_PAUSE: Duration = Duration::from_millis(15);
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(500);

/// What is wanted, and how far it has come.
#[derive(Debug)]
pub(super) struct Change {
    ticket: Ticket,
    pub(super) group: Name,
    pub(super) wish: GroupWish,
    pub(super) step: Step,
    /// The group is noted at the own home.
    pub(super) noted: bool,
    tries: u32,
    /// The password was proven on this connection, by this; it is good for each further try.
    pub(super) proof: Option<Challenge>,
}

#[derive(Debug)]
pub(super) enum Step {
    /// Nothing is under way.
    Begin,
    /// Nothing, for a while; then it begins, or a statement of unknown fate is looked for.
    Pausing(Instant, Option<Bytes>),
    /// The note is asked for.
    Noting,
    /// The group's head is asked for, with a password's first step.
    Opening(Option<GroupPassword>),
    /// A worker proves the password: the job's number.
    Proving(u32, Head),
    /// The roster is being brought up to date.
    Updating,
    /// The own keys are awaited.
    Ready(Head, Challenge),
    /// A worker signs the statement: the job's number.
    Signing(u32, Challenge),
    /// The home has the statement.
    Sent(Bytes),
    /// Its answer was lost: the roster is being brought up to date, and says it.
    Looking(Bytes),
    /// Refused for good: the roster is being brought up to date, and says whether the note stays,
    /// if it does so before then.
    Refused(Failure, Instant),
}

/// The statement that the next one follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) hash: [u8; 32],
}

impl Change {
    pub(super) fn answer(self, result: Result<(), Failure>, ctx: &mut Context<'_>) {
        asks::answer(self.ticket, result, ctx);
    }

    pub(super) fn is_of(&self, group: &Name) -> bool {
        self.group == *group
    }

    pub(super) fn on_offline(&mut self) {
        self.proof = None;
        self.step = match std::mem::replace(&mut self.step, Step::Begin) {
            Step::Sent(encoded) | Step::Looking(encoded) => Step::Looking(encoded),
            Step::Pausing(_, Some(encoded)) => Step::Looking(encoded),
            _ => Step::Begin,
        };
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if let Step::Pausing(until, sent) = &mut self.step
            && *until <= now
        {
            self.step = sent.take().map_or(Step::Begin, Step::Looking);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Pausing(until, _) | Step::Refused(_, until) => Some(until),
            _ => None,
        }
    }

    /// Makes the account a member.
    pub(super) fn is_entry(&self) -> bool {
        matches!(self.wish, GroupWish::Create(_) | GroupWish::Join(_))
    }

    /// The statement to be signed, on `head`.
    fn statement(&self, me: Name, head: Head, ctx: &Context<'_>) -> Statement {
        let (act, subject) = match &self.wish {
            GroupWish::Create(_) => (Act::Create, me),
            GroupWish::Join(_) => (Act::Join, me),
            GroupWish::Leave => (Act::Leave, me),
            GroupWish::Invite(user) => (Act::Invite, *user),
            GroupWish::Remove(user) => (Act::Remove, *user),
            GroupWish::HandOver(user) => (Act::HandOver, *user),
            GroupWish::Close => (Act::Close, me),
        };
        let policy: Option<Policy> = match &self.wish {
            GroupWish::Create(admission) => Some(admission.policy()),
            _ => None,
        };
        Statement {
            group: self.group,
            version: head.version + 1,
            previous: head.hash,
            act,
            policy,
            actor: me,
            subject,
            key: [0; 32],
            at: ctx.wall,
            signature: Bytes::new(),
        }
    }
}

/// A home counts how often an account joins a group, and gives one joining back in this time.
fn joined_too_often(group: &Name) -> Failure {
    let minutes = JOIN_INTERVAL.as_secs() / 60;
    let text = format!("you joined #{group} too often lately; try again in {minutes} minutes");
    Failure::new(Code::RateLimited, text)
}

impl Groups {
    /// Begins a change; its ticket is answered when it is done or refused.
    pub(crate) fn change(
        &mut self,
        ticket: Ticket,
        group: Name,
        wish: GroupWish,
        ctx: &mut Context<'_>,
    ) {
        let (step, noted, tries, proof) = (Step::Begin, false, 0, None);
        let change = Change { ticket, group, wish, step, noted, tries, proof };
        if let Some(failure) = about_oneself(&change, ctx) {
            return change.answer(Err(failure), ctx);
        }
        if self.changes.len() >= CHANGES_MAX {
            let text = "too many changes of groups are under way; try again in a moment";
            return change.answer(Err(Failure::new(Code::Unavailable, text)), ctx);
        }
        self.last_change = self.last_change.wrapping_add(1);
        self.changes.insert(self.last_change, change);
    }

    pub(super) fn pump_changes(&mut self, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        if ctx.seat.is_none() {
            return;
        }
        for id in self.changes.keys().copied().collect::<Vec<_>>() {
            // A look may end in a new beginning.
            self.look(id, ctx);
            match self.changes.get(&id).map(|change| &change.step) {
                Some(Step::Begin) => self.begin(id, contacts, ctx),
                Some(Step::Updating) => self.on_updated(id, ctx),
                Some(Step::Ready(..)) => self.sign(id, ctx),
                Some(Step::Refused(..)) => self.conclude(id, ctx),
                _ => {}
            }
        }
    }

    /// The account's home has the note: the change may begin.
    pub(super) fn on_change_noted(&mut self, id: u32, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get_mut(&id) else {
            return;
        };
        if matches!(change.step, Step::Noting) {
            change.noted = true;
            self.open(id, ctx);
        }
    }

    /// The statement is signed.
    pub(crate) fn on_signed(
        &mut self,
        job: u32,
        result: Result<Bytes, KeyError>,
        ctx: &mut Context<'_>,
    ) {
        let signing =
            |change: &Change| matches!(change.step, Step::Signing(mine, _) if mine == job);
        let Some((&id, change)) = self.changes.iter().find(|(_, change)| signing(change)) else {
            return;
        };
        let group = change.group;
        let Step::Signing(_, proof) = &change.step else { return };
        let proof = proof.clone();
        let statement = result
            .map_err(|error| error.to_string())
            .and_then(|encoded| StatementBytes::new(encoded).map_err(|error| error.to_string()));
        let key_log = ctx.key_log().ok_or_else(|| "its public keys are lost".to_owned());
        match statement.and_then(|statement| Ok((statement, key_log?))) {
            Ok((statement, key_log)) => {
                let encoded = statement.bytes().clone();
                if let GroupWish::Invite(user) = change.wish {
                    ctx.store(StoreOp::NoteInvitation { group, user });
                }
                self.ask(id, Step::Sent(encoded), ctx, |request| {
                    ChangeRoster { request, group, statement, proof, key_log }.into()
                });
            }
            Err(error) => self.refuse(id, Failure::unexpected(error), ctx),
        }
    }

    /// The home has taken the statement.
    pub(crate) fn on_roster_changed(&mut self, answer: &RosterChanged, ctx: &mut Context<'_>) {
        let Some(Question::Change(id)) = self.requests.remove(&answer.request) else {
            return;
        };
        if let Some(Step::Sent(encoded)) = self.changes.get(&id).map(|change| &change.step) {
            let encoded = encoded.clone();
            self.finish(id, Some(&encoded), ctx);
        }
    }

    /// The home has refused a step.
    pub(super) fn on_change_fault(&mut self, id: u32, code: FaultCode, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get_mut(&id) else {
            return;
        };
        let group = change.group;
        match Code::from(code) {
            _ if code == FaultCode::ROSTER_MOVED && change.tries < TRIES_MAX => {
                change.tries += 1;
                let pause = ctx.jitter(TRY_PAUSE * change.tries);
                change.step = Step::Pausing(ctx.now + pause, None);
                if !change.is_entry() {
                    self.refresh(group, ctx);
                }
            }
            Code::Unavailable => {
                change.proof = None;
                let sent = match &change.step {
                    Step::Sent(encoded) => Some(encoded.clone()),
                    _ => None,
                };
                let pause = ctx.jitter(UNAVAILABLE_PAUSE);
                change.step = Step::Pausing(ctx.now + pause, sent);
                if let Some(known) = self.known.get_mut(&group) {
                    known.rest();
                }
            }
            _ => self.on_refused(id, code, ctx),
        }
    }

    /// The home's word is final; it may also say how the account stands.
    fn on_refused(&mut self, id: u32, code: FaultCode, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get(&id) else {
            return;
        };
        // Of others' changes, "not a member" may be about the one who is to be changed.
        let about_me = code != FaultCode::NOT_A_MEMBER || change.wish == GroupWish::Leave;
        let (group, is_entry) = (change.group, change.is_entry());
        let is_join = is_entry && matches!(change.step, Step::Sent(_));
        if is_entry && code == FaultCode::ALREADY_A_MEMBER {
            self.keep(group, ctx);
        } else if !is_entry && about_me && is_end(code) {
            self.depart(group, code, ctx);
        }
        let failure = match code {
            FaultCode::RATE_LIMITED if is_join => joined_too_often(&group),
            code => Failure::fault(code),
        };
        self.refuse(id, failure, ctx);
    }

    /// Asks the home as a step of a change, when there is room for the question.
    pub(super) fn ask(
        &mut self,
        id: u32,
        step: Step,
        ctx: &mut Context<'_>,
        message: impl FnOnce(wire::RequestId) -> wire::ToServer,
    ) {
        let next = match self.request(Question::Change(id)) {
            Some(request) => {
                ctx.send(message(request));
                step
            }
            None => Step::Pausing(ctx.now + ctx.jitter(TRY_PAUSE), None),
        };
        if let Some(change) = self.changes.get_mut(&id) {
            change.step = next;
        }
    }

    fn begin(&mut self, id: u32, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get(&id) else {
            return;
        };
        let group = change.group;
        if change.is_entry() && !change.noted {
            self.forgetting.remove(&group);
            self.ask(id, Step::Noting, ctx, |request| {
                NoteGroup { request, group, kept: true }.into()
            });
            return;
        }
        match &change.wish {
            GroupWish::Create(_) | GroupWish::Join(_) => self.open(id, ctx),
            GroupWish::Invite(user) => match contacts.reader(*user, ctx) {
                ReaderKeys::Pending => {}
                ReaderKeys::Refused(failure) if failure.code == Code::NoSuchUser => {
                    self.refuse(id, failure, ctx);
                }
                _ => self.update(id, ctx),
            },
            _ => self.update(id, ctx),
        }
    }

    /// Needs the roster as it is now.
    fn update(&mut self, id: u32, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get_mut(&id) else {
            return;
        };
        change.step = Step::Updating;
        if let Some(known) = self.known.get_mut(&change.group)
            && matches!(known.stage, Stage::Failed(_))
        {
            known.rest();
        }
        self.on_updated(id, ctx);
    }

    /// The roster is up to date: check the change by its rules, then sign it.
    fn on_updated(&mut self, id: u32, ctx: &mut Context<'_>) {
        let (Some(change), Some(me)) = (self.changes.get(&id), ctx.me.name) else {
            return;
        };
        let group = change.group;
        let Some(known) = self.known.get(&group).filter(|known| known.is_current()) else {
            match self.known.get(&group).map(|known| &known.stage) {
                Some(Stage::Failed(trouble)) => {
                    let failure = trouble.failure.clone();
                    self.refuse(id, failure, ctx);
                }
                _ => self.want(group, ctx),
            }
            return;
        };
        let Some(roster) = known.chain.roster() else {
            return;
        };
        let head = Head { version: roster.version(), hash: roster.head() };
        let checked = roster.check(&change.statement(me, head, ctx));
        match checked {
            Ok(()) => self.ready(id, head, Challenge::default(), ctx),
            Err(error) => {
                let failure = match (roster.is_member(&me), error.fault()) {
                    (true, FaultCode::NOT_A_MEMBER) => not_here(change),
                    (true, code) => Failure::fault(code),
                    (false, _) => known.refusal(),
                };
                self.refuse(id, failure, ctx);
            }
        }
    }

    /// Everything but the signature is there.
    pub(super) fn ready(&mut self, id: u32, head: Head, proof: Challenge, ctx: &mut Context<'_>) {
        if let Some(change) = self.changes.get_mut(&id) {
            change.step = Step::Ready(head, proof);
            self.sign(id, ctx);
        }
    }

    fn sign(&mut self, id: u32, ctx: &mut Context<'_>) {
        let (Some(identity), Some(me)) = (ctx.identity(), ctx.me.name) else {
            return;
        };
        let Some(change) = self.changes.get_mut(&id) else {
            return;
        };
        let Step::Ready(head, proof) = &change.step else {
            return;
        };
        let statement = Box::new(change.statement(me, *head, ctx));
        self.last_job = self.last_job.wrapping_add(1);
        change.step = Step::Signing(self.last_job, proof.clone());
        let seed = ctx.seed();
        let job = Job::SignStatement { identity, statement, seed };
        ctx.work(JobKey::Change(self.last_job), job);
    }

    /// The change is done; `made` is the statement when it is known to be the newest.
    pub(super) fn finish(&mut self, id: u32, made: Option<&Bytes>, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.remove(&id) else {
            return;
        };
        let group = change.group;
        if change.is_entry() {
            self.keep(group, ctx);
        }
        if let Some(encoded) = made {
            self.know(group, ctx).chain.take_own(encoded, ctx.now);
            self.settle(group, ctx);
        }
        match change.wish {
            GroupWish::Leave => self.depart(group, FaultCode::NOT_A_MEMBER, ctx),
            GroupWish::Close => self.depart(group, FaultCode::GROUP_CLOSED, ctx),
            _ => {}
        }
        change.answer(Ok(()), ctx);
    }
}

/// Whoever means themselves wants something else.
fn about_oneself(change: &Change, ctx: &Context<'_>) -> Option<Failure> {
    let group = change.group;
    let (user, text) = match change.wish {
        GroupWish::Remove(user) => {
            (user, format!("that is you; leave with `fastchat group leave {group}`"))
        }
        GroupWish::HandOver(user) => {
            (user, format!("that is you; hand #{group} over to another member"))
        }
        GroupWish::Invite(user) => {
            (user, format!("that is you; join with `fastchat group join {group}`"))
        }
        _ => return None,
    };
    (ctx.me.name == Some(user)).then(|| Failure::usage(text))
}

/// The one whom the change is about is no member.
fn not_here(change: &Change) -> Failure {
    let who = match change.wish {
        GroupWish::Remove(user) | GroupWish::HandOver(user) | GroupWish::Invite(user) => user,
        _ => return Failure::fault(FaultCode::NOT_A_MEMBER),
    };
    let group = change.group;
    Failure::new(
        Code::NotAMember,
        format!("{who} is not a member of #{group}; see `fastchat group members {group}`"),
    )
}

/// What creating with a password needs.
pub(super) fn creation_password(wish: &GroupWish) -> Option<&crate::core::request::Password> {
    match wish {
        GroupWish::Create(Admission::Password(password)) => Some(password),
        _ => None,
    }
}
