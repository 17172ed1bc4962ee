//! What one log's posts are sealed with: the running message session, who has its key, and the
//! grants on their way to the log's home.
//!
//! A new message session begins when there is none, after [`MESSAGES_MAX`] messages, after
//! [`AGE_MAX_MS`], when a reader has departed, or when a reader's wrapping key is another one; then
//! it waits until the posts in the one before are answered.
//! Readers who come later get the key from where it is by a further part. Everything is in the
//! store before it leaves; what the home has not confirmed is put again on the next connection,
//! before the posts.

use std::collections::BTreeMap;

use wire::message::GrantsPut;
use wire::{FaultCode, Instant, LogId, LogKind, MessageSession, Name, RequestId, Wall};

use super::audience::{Audience, Member};
use super::context::Context;
use super::grant_work::{Begun, GrantJob, GrantResult, Granted, ReaderKey};
use super::job::{Job, JobKey};
use super::readers::ReaderList;
use super::session_op::SessionOp;
use super::upload::Upload;
use crate::crypto::grant::{Announcing, SessionPlace};
use crate::crypto::keys::KeyId;
use crate::crypto::message_session::{Inbound, Outbound, message_hash};
use crate::crypto::plaintext::{Plaintext, PlaintextError};
use crate::failure::Failure;
use crate::store::{GrantedSession, SessionPart, SessionRecord, SessionStep, SessionsRecord};

/// Messages of one message session.
pub(super) const MESSAGES_MAX: u32 = 100;
/// Milliseconds from a message session's beginning to its last message: 7 days.
pub(super) const AGE_MAX_MS: u64 = 7 * 24 * 3600 * 1000;

/// One log's message sessions of this installation.
#[derive(Debug)]
pub(crate) struct Sealing {
    log: LogId,
    /// The highest number that was given.
    last: MessageSession,
    running: Option<Running>,
    /// Grants that the home has not confirmed, oldest first.
    uploads: Vec<Upload>,
    /// A worker makes a message session or grants: the job's number.
    job: Option<u32>,
    failed: Option<Failure>,
}

#[derive(Debug)]
struct Running {
    outbound: Outbound,
    parts: Vec<SessionPart>,
    /// Who has the key, and under which key it was wrapped.
    granted: BTreeMap<Name, KeyId>,
    /// For whom nothing is to be done.
    checked: Option<Checked>,
}

/// The readers and keys of a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Checked {
    version: u32,
    changes: u64,
    at: Instant,
}

/// Whether a post can be sealed.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Every reader has the running key, or is about to get it.
    Ready,
    /// Keys, the store or a worker are awaited.
    Waiting,
    /// Not at all.
    Refused(Failure),
}

/// A sealed post, and what the store keeps with it.
#[derive(Debug)]
pub(crate) struct SealedBody {
    pub(crate) body: wire::message::Body,
    pub(crate) hash: [u8; 32],
    pub(crate) step: SessionStep,
}

/// What is to be done before the next post.
enum Plan {
    Nothing,
    Begin,
    Extend(Vec<ReaderKey>),
    Wrap(usize, Vec<ReaderKey>),
}

impl Sealing {
    /// What the store knows of the log's message sessions.
    pub(crate) fn restore(log: LogId, record: SessionsRecord) -> Self {
        let mut sealing = Self {
            log,
            last: MessageSession(record.last),
            running: None,
            uploads: Vec::new(),
            job: None,
            failed: None,
        };
        for session in record.sessions {
            sealing.uploads.extend(Upload::restore(log, &session));
            if !session.is_ended && session.number == sealing.last {
                sealing.running = Running::restore(session);
            }
        }
        sealing
    }

    /// Nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.job.is_none() && self.uploads.is_empty()
    }

    /// Sees to it that the next post can be sealed for `readers`. With posts `unanswered`, which
    /// are sealed in the running message session, no other begins: were they rejected for theirs
    /// and sealed anew, they would come behind those of the next. Their home may have forgotten its
    /// grants by then, too, as those of a message session that was replaced.
    pub(crate) fn prepare(
        &mut self,
        readers: &ReaderList,
        unanswered: bool,
        audience: &mut Audience<'_>,
        ctx: &mut Context<'_>,
    ) -> Prepared {
        if let Some(failure) = self.failed.take() {
            return Prepared::Refused(failure);
        }
        if self.job.is_some() {
            return Prepared::Waiting;
        }
        let now = Checked { version: readers.version, changes: audience.changes(), at: ctx.now };
        if self.is_checked(&now, ctx.wall) {
            return Prepared::Ready;
        }
        let members = match audience.members(&self.log, readers, ctx) {
            Ok(Some(members)) => members,
            Ok(None) => return Prepared::Waiting,
            Err(failure) => return Prepared::Refused(failure),
        };
        match self.plan(readers, &members, ctx.wall) {
            Plan::Nothing => {
                let running = self.running.as_mut().expect("otherwise one is begun");
                running.checked = Some(now);
                Prepared::Ready
            }
            Plan::Begin if unanswered => Prepared::Waiting,
            plan => {
                self.work(plan, readers, &members, ctx);
                Prepared::Waiting
            }
        }
    }

    /// Seals a post; [`Self::prepare`] has said that it can be.
    pub(crate) fn seal(&mut self, plaintext: &Plaintext) -> Result<SealedBody, PlaintextError> {
        let running = self.running.as_mut().expect("prepared");
        let body = running.outbound.seal(plaintext)?;
        let (number, state) = (running.outbound.number(), running.outbound.encode());
        let hash = message_hash(&body);
        Ok(SealedBody { body, hash, step: SessionStep { number, state } })
    }

    /// Puts the grants that posts rely on; whether all of them are on their way.
    pub(crate) fn put_grants(&mut self, room: &mut usize, ctx: &mut Context<'_>) -> bool {
        self.uploads.iter_mut().all(|upload| upload.put(room, ctx))
    }

    /// Questions that the home has not answered.
    pub(crate) fn asked(&self) -> usize {
        self.uploads.iter().map(Upload::asked).sum()
    }

    /// The store has the newest grants: they may leave.
    pub(crate) fn on_kept(&mut self) {
        if let Some(upload) = self.uploads.iter_mut().find(|upload| !upload.is_kept) {
            upload.is_kept = true;
        }
    }

    /// The home has some grants on its disk; whether they are of this log.
    pub(crate) fn on_put(&mut self, put: &GrantsPut, ctx: &mut Context<'_>) -> bool {
        let of_it = |upload: &mut Upload| upload.on_put(put.request, ctx);
        let is_mine = self.uploads.iter_mut().any(of_it);
        self.uploads.retain(|upload| !upload.is_done());
        is_mine
    }

    /// The home does not take some grants; `None` when they are not of this log. What cannot be
    /// repeated ends the message session: posts under it are rejected and sealed anew.
    pub(crate) fn on_put_fault(
        &mut self,
        request: RequestId,
        code: FaultCode,
        ctx: &mut Context<'_>,
    ) -> Option<PutFault> {
        let upload = self.uploads.iter_mut().find(|upload| upload.is_about(request))?;
        if matches!(code, FaultCode::UNAVAILABLE | FaultCode::TOO_MANY_REQUESTS) {
            upload.unask();
            return Some(PutFault::Repeat);
        }
        let number = upload.session();
        self.end(number, ctx);
        match code {
            FaultCode::ROSTER_BEHIND => return Some(PutFault::RosterBehind),
            // Another message session would find no room either: the user hears why.
            FaultCode::GRANTS_FULL | FaultCode::TOO_MANY_GRANTS => {
                self.failed = Some(Failure::fault(code));
            }
            _ => {}
        }
        Some(PutFault::Ended)
    }

    /// Nothing more is sealed in this message session, nor are its grants put.
    pub(crate) fn end(&mut self, number: MessageSession, ctx: &mut Context<'_>) {
        let is_running = self.running.as_ref().is_some_and(|r| r.outbound.number() == number);
        let has_uploads = self.uploads.iter().any(|upload| upload.session() == number);
        if is_running {
            self.running = None;
        }
        self.uploads.retain(|upload| upload.session() != number);
        if is_running || has_uploads {
            ctx.store(SessionOp::End { log: self.log, number });
        }
    }

    /// Nothing can be posted there any more: no message session is of use.
    pub(crate) fn end_all(&mut self, ctx: &mut Context<'_>) {
        let running = self.running.as_ref().map(|running| running.outbound.number());
        let uploads = self.uploads.iter().map(Upload::session);
        let all: Vec<_> = uploads.chain(running).collect();
        for number in all {
            self.end(number, ctx);
        }
    }

    /// The connection is gone: what was not confirmed is put again.
    pub(crate) fn on_offline(&mut self) {
        self.uploads.iter_mut().for_each(Upload::unask);
    }

    /// A worker is done.
    pub(crate) fn on_worked(&mut self, job: u32, result: GrantResult, ctx: &mut Context<'_>) {
        if self.job != Some(job) {
            return;
        }
        self.job = None;
        let done = match result {
            GrantResult::Begun(begun) => begun.map(|begun| self.on_begun(*begun, ctx)),
            GrantResult::Extended(granted) => granted.map(|granted| {
                self.on_granted(granted, true, ctx);
            }),
            GrantResult::Wrapped(granted) => granted.map(|granted| {
                self.on_granted(granted, false, ctx);
            }),
            GrantResult::Opened(_) => unreachable!("a sender opens no grants"),
        };
        if let Err(error) = done {
            let text = format!("the message's key cannot be handed out: {error}");
            self.failed = Some(Failure::unexpected(text));
        }
    }

    fn on_begun(&mut self, begun: Begun, ctx: &mut Context<'_>) {
        let Begun { outbound, key, granted: Granted { part, grants } } = begun;
        let number = outbound.number();
        self.keep_own(&key, ctx);
        ctx.store(SessionOp::Begin {
            log: self.log,
            number,
            state: outbound.encode(),
            part: part.clone(),
            grants: grants.clone(),
        });
        let granted = grants.iter().map(|grant| (grant.reader, KeyId(grant.wrapping_key)));
        let granted = granted.collect();
        self.uploads.push(Upload::new(self.log, number, &part, &grants));
        self.running = Some(Running { outbound, granted, parts: vec![part], checked: None });
    }

    /// Of a log that this account reads, its own posts come back: it keeps their key.
    fn keep_own(&self, key: &crate::crypto::SessionKey, ctx: &mut Context<'_>) {
        let Some(me) = ctx.me.name else {
            return;
        };
        if self.log.kind == LogKind::Mailbox && self.log.name != me {
            return;
        }
        let (Ok(inbound), Some(identity)) = (Inbound::new(key), ctx.identity()) else {
            return;
        };
        let place = SessionPlace {
            sender: me,
            log: self.log,
            origin: ctx.me.origin,
            message_session: key.number(),
        };
        let signing_key = identity.public().signing.id();
        let session = GrantedSession { signing_key, state: inbound.encode() };
        ctx.store(SessionOp::KeepGranted { place, session, claim: None });
    }

    fn on_granted(&mut self, granted: Granted, is_new: bool, ctx: &mut Context<'_>) {
        let Granted { part, grants } = granted;
        // The message session may have been ended meanwhile.
        let Some(running) = &mut self.running else {
            return;
        };
        let (log, number) = (self.log, running.outbound.number());
        for grant in &grants {
            running.granted.insert(grant.reader, KeyId(grant.wrapping_key));
        }
        self.uploads.push(Upload::new(log, number, &part, &grants));
        if is_new {
            running.parts.push(part.clone());
            ctx.store(SessionOp::AddPart { log, number, part, grants });
        } else {
            ctx.store(SessionOp::AddGrants { log, number, part: part.part, grants });
        }
    }

    fn is_checked(&self, now: &Checked, wall: Wall) -> bool {
        let Some(running) = &self.running else {
            return false;
        };
        let same = |checked: &Checked| {
            checked.version == now.version
                && checked.changes == now.changes
                && now.at.since(checked.at) <= Audience::fresh_time(&self.log)
        };
        !running.is_worn(wall) && running.checked.as_ref().is_some_and(same)
    }

    fn plan(&self, readers: &ReaderList, members: &[Member], wall: Wall) -> Plan {
        let Some(running) = &self.running else {
            return Plan::Begin;
        };
        let is_other = |member: &Member| {
            running.granted.get(&member.name).is_some_and(|held| *held != member.key.id())
        };
        if running.is_worn(wall)
            || readers.last_departure > running.version()
            || members.iter().any(is_other)
        {
            return Plan::Begin;
        }
        let mut missing = members.iter().filter(|m| !running.granted.contains_key(&m.name));
        let Some(first) = missing.next() else {
            return Plan::Nothing;
        };
        let part = running.part_for(first.joined);
        let same = |member: &&Member| running.part_for(member.joined) == part;
        let keys = std::iter::once(first).chain(missing.filter(same)).map(Member::reader_key);
        match part {
            Some(part) => Plan::Wrap(part, keys.collect()),
            None => Plan::Extend(keys.collect()),
        }
    }

    fn work(
        &mut self,
        plan: Plan,
        readers: &ReaderList,
        members: &[Member],
        ctx: &mut Context<'_>,
    ) {
        let (Some(identity), Some(sender)) = (ctx.identity(), ctx.me.name) else {
            return;
        };
        let part = self.running.as_ref().and_then(|running| running.parts.last());
        let announcing = Announcing {
            sender,
            log: self.log,
            origin: ctx.me.origin,
            part: part.map_or(0, |part| part.part + 1),
            roster_version: readers.version,
            roster_head: readers.head,
            created: ctx.wall,
        };
        let job = match (plan, &self.running) {
            (Plan::Extend(readers), Some(running)) => {
                let key = running.outbound.session_key();
                GrantJob::Extend { key, announcing, readers }
            }
            (Plan::Wrap(part, readers), Some(running)) => {
                GrantJob::Wrap { part: running.parts[part].clone(), readers }
            }
            _ => {
                self.last = MessageSession(self.last.0 + 1);
                let readers = members.iter().map(Member::reader_key).collect();
                let announcing = Announcing { part: 0, ..announcing };
                GrantJob::Begin { number: self.last, announcing, readers }
            }
        };
        let number = ctx.request().0;
        self.job = Some(number);
        let seed = ctx.seed();
        ctx.work(
            JobKey::Sealing(self.log, number),
            Job::Grant { job: Box::new(job), identity, seed },
        );
    }
}

/// What a refused grant means for the posts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PutFault {
    /// Send grants and posts again after a pause.
    Repeat,
    /// The message session is over; somebody has left the group.
    RosterBehind,
    /// The message session is over.
    Ended,
}

impl Running {
    fn restore(record: SessionRecord) -> Option<Self> {
        let outbound = Outbound::decode(&record.state).ok()?;
        let key = |grant: &crate::store::SessionGrant| KeyId(grant.grant.wrapping_key);
        let granted = record.grants.iter().map(|grant| (grant.grant.reader, key(grant)));
        Some(Self { outbound, granted: granted.collect(), parts: record.parts, checked: None })
    }

    /// It has served for long enough.
    fn is_worn(&self, wall: Wall) -> bool {
        let age = wall.0.saturating_sub(self.outbound.begun().0);
        self.outbound.count() >= MESSAGES_MAX || age >= AGE_MAX_MS
    }

    /// Version of the roster that it was begun for.
    fn version(&self) -> u32 {
        self.parts.first().map_or(0, |part| part.roster_version)
    }

    /// The first part whose readers include one who joined at that version.
    fn part_for(&self, joined: u32) -> Option<usize> {
        self.parts.iter().position(|part| part.roster_version >= joined)
    }
}
