//! Answers to readers who have lost, or never got, their grant of one of the account's own message
//! sessions: the stored secret is wrapped again for those who are entitled to it, and put to the
//! log's home. Best effort: an answer that this process does not live to give is not given.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::message::{PutGrants, ReaderGrant};
use wire::{Instant, List, LogId, MessageSession, Name, RequestId};

use super::audience::Audience;
use super::contacts::Contacts;
use super::context::Context;
use super::grant_work::{GrantJob, GrantResult};
use super::groups::Groups;
use super::job::{Job, JobKey};
use super::outbox::readers;
use super::readers::{Reader, ReaderList, Readers};
use super::session_op::{SessionAnswer, SessionOp};
use crate::crypto::content::GrantRequest;
use crate::store::{SessionPart, SessionRecord};

/// Requests that are being answered at one time; more are not answered.
const ANSWERS_MAX: usize = 32;
/// Grants that may be put and unconfirmed; below the seat's limit of requests.
const PUTS_MAX: usize = 4;
/// How long an answer may take: keys that do not come, or a home that is away, end it.
const TIME_MAX: Duration = Duration::from_secs(60);

/// The requests that are being answered.
#[derive(Debug, Default)]
pub(crate) struct GrantAnswers {
    answers: BTreeMap<u32, Answer>,
    last: u32,
}

#[derive(Debug)]
struct Answer {
    asker: Name,
    log: LogId,
    number: MessageSession,
    until: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The store was asked for the message session.
    Loading,
    /// The asker's right and keys are being looked up.
    Checking(Box<SessionRecord>),
    /// A worker wraps.
    Wrapping,
    /// To be put, or put and not confirmed.
    Putting(Box<(SessionPart, ReaderGrant)>, Option<RequestId>),
    Done,
}

impl GrantAnswers {
    /// `asker` asks for its grant, in a message that has opened.
    pub(crate) fn on_request(
        &mut self,
        asker: Name,
        request: &GrantRequest,
        ctx: &mut Context<'_>,
    ) {
        let GrantRequest { log, origin, message_session: number } = *request;
        let is_known = self
            .answers
            .values()
            .any(|answer| (answer.asker, answer.log, answer.number) == (asker, log, number));
        if origin != ctx.me.origin || is_known || self.answers.len() >= ANSWERS_MAX {
            return;
        }
        self.last = self.last.wrapping_add(1);
        let (until, stage) = (ctx.now + TIME_MAX, Stage::Loading);
        self.answers.insert(self.last, Answer { asker, log, number, until, stage });
        ctx.store(SessionOp::LoadOwn { log, number });
    }

    /// The store has answered.
    pub(crate) fn on_loaded(&mut self, answer: SessionAnswer) {
        let SessionAnswer::Own { log, number, record } = answer else {
            return;
        };
        let loading = self.answers.values_mut().find(|answer| {
            (answer.log, answer.number) == (log, number) && matches!(answer.stage, Stage::Loading)
        });
        if let Some(answer) = loading {
            answer.stage = match record {
                Some(record) => Stage::Checking(Box::new(record)),
                None => Stage::Done,
            };
        }
    }

    /// A worker has wrapped, or not.
    pub(crate) fn on_worked(&mut self, number: u32, result: GrantResult) {
        let Some(answer) = self.answers.get_mut(&number) else {
            return;
        };
        answer.stage = match result {
            GrantResult::Wrapped(Ok(mut granted)) => match granted.grants.pop() {
                Some(grant) => Stage::Putting(Box::new((granted.part, grant)), None),
                None => Stage::Done,
            },
            _ => Stage::Done,
        };
    }

    /// The home has a grant on its disk.
    pub(crate) fn on_put(&mut self, request: RequestId) {
        let asked = |answer: &mut Answer| answer.is_asked(request);
        self.answers.retain(|_, answer| !asked(answer));
    }

    /// The home does not take a grant; whether it is one of these.
    pub(crate) fn on_fault(&mut self, request: RequestId) -> bool {
        let Some(answer) = self.answers.values_mut().find(|answer| answer.is_asked(request)) else {
            return false;
        };
        answer.stage = Stage::Done;
        true
    }

    /// The connection is gone: what was not confirmed is put again.
    pub(crate) fn on_offline(&mut self) {
        for answer in self.answers.values_mut() {
            if let Stage::Putting(_, asked) = &mut answer.stage {
                *asked = None;
            }
        }
    }

    /// Does whatever can be done now.
    pub(crate) fn pump(
        &mut self,
        contacts: &mut Contacts,
        groups: &mut Groups,
        ctx: &mut Context<'_>,
    ) {
        let now = ctx.now;
        self.answers.retain(|_, a| !matches!(a.stage, Stage::Done) && a.until > now);
        if ctx.seat.is_none() {
            return;
        }
        let is_put = |answer: &&Answer| matches!(answer.stage, Stage::Putting(_, Some(_)));
        let mut room = PUTS_MAX.saturating_sub(self.answers.values().filter(is_put).count());
        for (number, answer) in &mut self.answers {
            match &answer.stage {
                Stage::Checking(_) => match readers(answer.log, contacts, groups, ctx) {
                    Readers::Pending => {}
                    Readers::Refused(_) => answer.stage = Stage::Done,
                    Readers::Ready(readers) => {
                        answer.wrap(*number, &readers, &mut Audience { contacts }, ctx);
                    }
                },
                Stage::Putting(_, None) if room > 0 => {
                    room -= 1;
                    answer.put(ctx);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.answers.values().map(|answer| answer.until).min()
    }
}

impl Answer {
    fn is_asked(&self, request: RequestId) -> bool {
        matches!(self.stage, Stage::Putting(_, Some(asked)) if asked == request)
    }

    /// Wraps the first part that the asker is entitled to, if there is one.
    fn wrap(
        &mut self,
        number: u32,
        readers: &ReaderList,
        audience: &mut Audience<'_>,
        ctx: &mut Context<'_>,
    ) {
        let Stage::Checking(record) = &self.stage else {
            return;
        };
        let joined = readers.joining(&self.asker);
        let part =
            record.parts.iter().find(|part| joined.is_some_and(|j| j <= part.roster_version));
        let (Some(joined), Some(part)) = (joined, part) else {
            self.stage = Stage::Done;
            return;
        };
        let asker = vec![Reader { name: self.asker, joined }];
        let asker = ReaderList { readers: asker, ..readers.clone() };
        let members = match audience.members(&self.log, &asker, ctx) {
            Ok(Some(members)) => members,
            Ok(None) => return,
            Err(_) => Vec::new(),
        };
        let Some(identity) = ctx.identity() else {
            return;
        };
        let keys = members.iter().map(super::audience::Member::reader_key).collect();
        let job = GrantJob::Wrap { part: part.clone(), readers: keys };
        self.stage = Stage::Wrapping;
        let seed = ctx.seed();
        ctx.work(JobKey::GrantAnswer(number), Job::Grant { job: Box::new(job), identity, seed });
    }

    fn put(&mut self, ctx: &mut Context<'_>) {
        let Stage::Putting(grant, asked) = &mut self.stage else {
            return;
        };
        let (part, grant) = &**grant;
        let request = ctx.request();
        ctx.send(PutGrants {
            request,
            log: self.log,
            message_session: self.number,
            part: part.part,
            roster_version: part.roster_version,
            announcement: part.announcement.clone(),
            grants: List::new(vec![grant.clone()]).expect("one is below the limit"),
            last: true,
        });
        *asked = Some(request);
    }
}
