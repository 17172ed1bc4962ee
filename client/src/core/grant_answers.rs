//! Answers to readers who have lost, or never got, their grant of one of the account's own message
//! sessions: the stored secret is wrapped again for those who are entitled to it, and put to the
//! log's home.
//!
//! The store keeps each request from the transaction that received it until the home has its grant,
//! or until it is known that there will be none: the asker asks once, and this process may end at
//! any moment. What cannot be answered on one connection is tried on the next.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::message::{PutGrants, ReaderGrant};
use wire::{FaultCode, Instant, List, RequestId};

use super::audience::Audience;
use super::contacts::Contacts;
use super::context::Context;
use super::grant_work::{GrantJob, GrantResult};
use super::groups::Groups;
use super::job::{Job, JobKey};
use super::outbox::readers;
use super::readers::{Reader, ReaderList, Readers};
use super::session_op::{SessionAnswer, SessionOp};
use crate::failure::Code;
use crate::store::{SessionPart, SessionRecord, WantedGrant, WantedId};

/// Requests that are taken from the store at a time.
pub const ANSWERS_MAX: usize = 32;
/// Grants that may be put and unconfirmed; below the seat's limit of requests.
const PUTS_MAX: usize = 4;
/// How long an answer may take: keys that do not come, or a home that is away, end it for this
/// connection.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Before an unavailable home is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// The requests that are being answered.
#[derive(Debug, Default)]
pub(crate) struct GrantAnswers {
    answers: BTreeMap<WantedId, Answer>,
    /// Requests up to this were taken from the store on this connection.
    last: WantedId,
    loading: bool,
    /// The store may have more behind them.
    more: bool,
}

#[derive(Debug)]
struct Answer {
    wanted: WantedGrant,
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
    /// On its way to the home.
    Putting(Box<(SessionPart, ReaderGrant)>, Put),
    /// The home has it, or there will be none: the store may forget the request.
    Over,
    /// Not on this connection.
    Postponed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Put {
    Waiting,
    Asked(RequestId),
    /// The home cannot be asked before then.
    Pausing(Instant),
}

impl GrantAnswers {
    /// Asks the store for requests that came in.
    pub(crate) fn load(&mut self, ctx: &mut Context<'_>) {
        self.more = self.loading;
        if !self.loading {
            self.loading = true;
            ctx.store(SessionOp::LoadWanted(self.last));
        }
    }

    /// The store has answered.
    pub(crate) fn on_wanted(&mut self, wanted: Vec<WantedGrant>, ctx: &mut Context<'_>) {
        self.loading = false;
        self.more |= wanted.len() >= ANSWERS_MAX;
        for wanted in wanted {
            let WantedGrant { id, log, number, .. } = wanted;
            self.last = self.last.max(id);
            let (until, stage) = (ctx.now + TIME_MAX, Stage::Loading);
            self.answers.insert(id, Answer { wanted, until, stage });
            ctx.store(SessionOp::LoadOwn { log, number });
        }
    }

    /// The store has answered.
    pub(crate) fn on_loaded(&mut self, answer: SessionAnswer) {
        let SessionAnswer::Own { log, number, record } = answer else {
            return;
        };
        let loading = self.answers.values_mut().find(|answer| {
            (answer.wanted.log, answer.wanted.number) == (log, number)
                && matches!(answer.stage, Stage::Loading)
        });
        if let Some(answer) = loading {
            answer.stage = match record {
                Some(record) => Stage::Checking(Box::new(record)),
                None => Stage::Over,
            };
        }
    }

    /// A worker has wrapped, or not.
    pub(crate) fn on_worked(&mut self, id: WantedId, result: GrantResult) {
        let found = self.answers.get_mut(&id);
        let Some(answer) = found.filter(|answer| matches!(answer.stage, Stage::Wrapping)) else {
            return;
        };
        answer.stage = match result {
            GrantResult::Wrapped(Ok(mut granted)) => match granted.grants.pop() {
                Some(grant) => Stage::Putting(Box::new((granted.part, grant)), Put::Waiting),
                None => Stage::Postponed,
            },
            _ => Stage::Over,
        };
    }

    /// The home has a grant on its disk.
    pub(crate) fn on_put(&mut self, request: RequestId) {
        if let Some(answer) = self.asked(request) {
            answer.stage = Stage::Over;
        }
    }

    /// The home does not take a grant; whether it is one of these.
    pub(crate) fn on_fault(
        &mut self,
        request: RequestId,
        code: FaultCode,
        ctx: &mut Context<'_>,
    ) -> bool {
        let pause = ctx.now + ctx.jitter(PAUSE);
        let Some(answer) = self.asked(request) else {
            return false;
        };
        match (code, &mut answer.stage) {
            (FaultCode::UNAVAILABLE | FaultCode::TOO_MANY_REQUESTS, Stage::Putting(_, put)) => {
                *put = Put::Pausing(pause);
            }
            (_, stage) => *stage = Stage::Over,
        }
        true
    }

    /// The connection is gone: on the next one everything is taken from the store again.
    pub(crate) fn on_offline(&mut self) {
        self.answers.clear();
        self.last = WantedId::default();
        self.more = false;
    }

    /// Pauses that are over end.
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        for answer in self.answers.values_mut() {
            if let Stage::Putting(_, put) = &mut answer.stage
                && matches!(put, Put::Pausing(until) if *until <= now)
            {
                *put = Put::Waiting;
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
        if ctx.seat.is_some() {
            self.advance(contacts, groups, ctx);
        }
        for (id, _) in self.answers.extract_if(.., |_, a| matches!(a.stage, Stage::Over)) {
            ctx.store(SessionOp::DropWanted(id));
        }
        let now = ctx.now;
        self.answers.retain(|_, a| !matches!(a.stage, Stage::Postponed) && a.until > now);
        if self.more && self.answers.len() < ANSWERS_MAX / 2 {
            self.load(ctx);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.answers.values().map(Answer::deadline).min()
    }

    fn advance(&mut self, contacts: &mut Contacts, groups: &mut Groups, ctx: &mut Context<'_>) {
        let is_put = |answer: &&Answer| matches!(answer.stage, Stage::Putting(_, Put::Asked(_)));
        let mut room = PUTS_MAX.saturating_sub(self.answers.values().filter(is_put).count());
        for answer in self.answers.values_mut() {
            match &answer.stage {
                Stage::Checking(_) => match readers(answer.wanted.log, contacts, groups, ctx) {
                    Readers::Pending => {}
                    Readers::Refused(failure) => answer.stage = refused(failure.code),
                    Readers::Ready(readers) => {
                        answer.wrap(&readers, &mut Audience { contacts }, ctx);
                    }
                },
                Stage::Putting(_, Put::Waiting) if room > 0 => {
                    room -= 1;
                    answer.put(ctx);
                }
                _ => {}
            }
        }
    }

    fn asked(&mut self, request: RequestId) -> Option<&mut Answer> {
        let wanted = Put::Asked(request);
        let is_it = |stage: &Stage| matches!(stage, Stage::Putting(_, put) if *put == wanted);
        self.answers.values_mut().find(|answer| is_it(&answer.stage))
    }
}

/// What becomes of a request when the log cannot be written to: who is no member any more grants
/// nothing; a changed key may be agreed to, and what is unavailable comes back.
fn refused(code: Code) -> Stage {
    match code {
        Code::NotAMember | Code::Removed | Code::NoSuchGroup | Code::NoSuchUser => Stage::Over,
        _ => Stage::Postponed,
    }
}

impl Answer {
    fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Putting(_, Put::Pausing(until)) => until.min(self.until),
            _ => self.until,
        }
    }

    /// Wraps the first part that the asker is entitled to, if there is one.
    fn wrap(&mut self, readers: &ReaderList, audience: &mut Audience<'_>, ctx: &mut Context<'_>) {
        let Stage::Checking(record) = &self.stage else {
            return;
        };
        let WantedGrant { id, asker, log, .. } = self.wanted;
        let joined = readers.joining(&asker);
        let part =
            record.parts.iter().find(|part| joined.is_some_and(|j| j <= part.roster_version));
        let (Some(joined), Some(part)) = (joined, part) else {
            self.stage = Stage::Over;
            return;
        };
        let asker = vec![Reader { name: asker, joined }];
        let asker = ReaderList { readers: asker, ..readers.clone() };
        let members = match audience.members(&log, &asker, ctx) {
            Ok(Some(members)) if !members.is_empty() => members,
            Ok(None) => return,
            _ => {
                self.stage = Stage::Postponed;
                return;
            }
        };
        let Some(identity) = ctx.identity() else {
            return;
        };
        let keys = members.iter().map(super::audience::Member::reader_key).collect();
        let job = GrantJob::Wrap { part: part.clone(), readers: keys };
        self.stage = Stage::Wrapping;
        let seed = ctx.seed();
        ctx.work(JobKey::GrantAnswer(id), Job::Grant { job: Box::new(job), identity, seed });
    }

    fn put(&mut self, ctx: &mut Context<'_>) {
        let Stage::Putting(grant, put) = &mut self.stage else {
            return;
        };
        let Some(key_log) = ctx.key_log() else {
            return;
        };
        let (part, grant) = &**grant;
        let request = ctx.request();
        ctx.send(PutGrants {
            request,
            log: self.wanted.log,
            message_session: self.wanted.number,
            part: part.part,
            roster_version: part.roster_version,
            announcement: part.announcement.clone(),
            grants: List::new(vec![grant.clone()]).expect("one is below the limit"),
            last: true,
            key_log,
        });
        *put = Put::Asked(request);
    }
}
