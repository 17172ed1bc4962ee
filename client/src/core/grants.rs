//! The keys of others' message sessions: from memory, from the store, or fetched from the log's
//! home, verified with the sender's key and opened with one's own.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::message::{Announcement, Entry, FetchGrant, Grant, ReaderGrant};
use wire::{FaultCode, Instant, LogId, Name, RequestId};

use super::contacts::{Contacts, SenderKey};
use super::context::Context;
use super::grant_work::{GrantJob, Opened};
use super::job::{Job, JobKey};
use super::session_op::{SessionAnswer, SessionOp};
use crate::crypto::grant::{self, GrantError, SessionPlace};
use crate::crypto::keys::KeyId;
use crate::crypto::message_session::{Expected, Inbound, OpenError, read_message_session};
use crate::crypto::plaintext::Plaintext;
use crate::store::GrantedSession;

/// Message sessions kept in memory; above it, those at rest are forgotten (the store has them).
const HELD_MAX: usize = 1024;
/// Questions that wait for answers at one time; below the seat's limit of requests.
const ASKING_MAX: usize = 10;
/// Before an unavailable home is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// A grant that was missing is asked for again by what arrives later than this after the question.
const MISSING_TIME: Duration = Duration::from_secs(5);

/// The message sessions that entries were sealed in.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    held: BTreeMap<SessionPlace, Held>,
    asked: BTreeMap<RequestId, SessionPlace>,
}

#[derive(Debug)]
struct Held {
    stage: Stage,
    /// Some message session of the same installation in the same log was granted.
    is_origin_known: bool,
}

#[derive(Debug)]
enum Stage {
    /// The store was asked.
    Loading,
    /// Neither memory nor store has it.
    Wanted,
    /// The home was asked.
    Asking,
    /// The home cannot be asked before then.
    Pausing(Instant),
    /// The grant is here; the sender's key is awaited.
    Fetched(Box<Fetched>),
    /// A worker opens the grant.
    Opening(KeyId),
    Ready(Box<Inbound>, KeyId),
    /// The home had no grant at that time.
    Missing(Instant),
    /// The grant cannot be used.
    Failed(GrantFailure),
}

#[derive(Debug)]
struct Fetched {
    announcement: Announcement,
    grant: ReaderGrant,
    signing_key: KeyId,
    since: Instant,
}

#[derive(Clone, Debug)]
struct GrantFailure {
    reason: String,
    /// Another grant of the sender would help.
    is_askable: bool,
    at: Instant,
}

/// What became of an entry's body.
#[derive(Debug)]
pub(crate) enum Opening {
    /// The message session's key is awaited.
    Pending,
    /// It opened; whether the user trusts the key that announced its message session.
    Opened(Box<Plaintext>, bool),
    /// There is no grant, or none that opens. The sender may be asked for one; whether any message
    /// session of the same installation was granted before.
    NoGrant { place: SessionPlace, reason: String, is_origin_known: bool },
    /// It was sealed before the account was granted the message session.
    TooEarly,
    /// It does not open.
    Failed(String),
}

impl Grants {
    /// Opens `entry` of `log`, which `arrived` then.
    pub(crate) fn open(
        &mut self,
        log: LogId,
        entry: &Entry,
        arrived: Instant,
        contacts: &mut Contacts,
        ctx: &mut Context<'_>,
    ) -> Opening {
        let message_session = match read_message_session(&entry.body) {
            Ok(message_session) => message_session,
            Err(error) => return Opening::Failed(error.to_string()),
        };
        let place =
            SessionPlace { sender: entry.sender, log, origin: entry.origin, message_session };
        self.refresh(&place, arrived, ctx);
        self.advance(place, contacts, ctx);
        let Some(held) = self.held.get_mut(&place) else {
            return Opening::Pending;
        };
        let is_origin_known = held.is_origin_known;
        let no_grant = |reason: String| Opening::NoGrant { place, reason, is_origin_known };
        match &mut held.stage {
            Stage::Ready(inbound, signing_key) => {
                let key = sender_key((entry.sender, log), signing_key, arrived, contacts, ctx);
                open(inbound, &key, log, entry)
            }
            Stage::Missing(_) => no_grant("its sender has not granted its key".to_owned()),
            Stage::Failed(failure) if failure.is_askable => no_grant(failure.reason.clone()),
            Stage::Failed(failure) => Opening::Failed(failure.reason.clone()),
            _ => Opening::Pending,
        }
    }

    /// The store has answered.
    pub(crate) fn on_loaded(&mut self, answer: SessionAnswer) {
        let SessionAnswer::Granted { place, session, is_origin_known } = answer else {
            return;
        };
        let Some(held) = self.held.get_mut(&place) else {
            return;
        };
        if !matches!(held.stage, Stage::Loading) {
            return;
        }
        held.is_origin_known = is_origin_known;
        // What the store cannot give back is fetched anew.
        held.stage = Stage::Wanted;
        if let Some(session) = session
            && let Ok(inbound) = Inbound::decode(&session.state)
        {
            held.stage = Stage::Ready(Box::new(inbound), session.signing_key);
        }
    }

    /// The home has answered.
    pub(crate) fn on_grant(&mut self, answer: Grant, ctx: &Context<'_>) {
        let Some(place) = self.asked.remove(&answer.request) else {
            return;
        };
        let Some(held) = self.held.get_mut(&place) else {
            return;
        };
        let Grant { announcement, grant, .. } = answer;
        held.stage = match grant::read_header(&announcement) {
            Ok(header) => {
                let (signing_key, since) = (header.signing_key, ctx.now);
                Stage::Fetched(Box::new(Fetched { announcement, grant, signing_key, since }))
            }
            Err(error) => Stage::Failed(GrantFailure::new(&error, ctx.now)),
        };
    }

    /// The home does not give a grant.
    pub(crate) fn on_fault(&mut self, request: RequestId, code: FaultCode, ctx: &mut Context<'_>) {
        let Some(place) = self.asked.remove(&request) else {
            return;
        };
        let pause = ctx.now + ctx.jitter(PAUSE);
        if let Some(held) = self.held.get_mut(&place) {
            held.stage = match code {
                FaultCode::UNAVAILABLE | FaultCode::TOO_MANY_REQUESTS => Stage::Pausing(pause),
                _ => Stage::Missing(ctx.now),
            };
        }
    }

    /// A worker has opened a grant, or not. The claim in it is kept to be compared.
    pub(crate) fn on_worked(
        &mut self,
        place: SessionPlace,
        result: Result<Box<Opened>, GrantError>,
        ctx: &mut Context<'_>,
    ) {
        let Some(held) = self.held.get_mut(&place) else {
            return;
        };
        let Stage::Opening(signing_key) = held.stage else {
            return;
        };
        held.stage = match result {
            Ok(opened) => {
                let Opened { inbound, claim } = *opened;
                let session = GrantedSession { signing_key, state: inbound.encode() };
                ctx.store(SessionOp::KeepGranted { place, session, claim });
                Stage::Ready(Box::new(inbound), signing_key)
            }
            Err(error) => Stage::Failed(GrantFailure::new(&error, ctx.now)),
        };
    }

    /// The connection is gone: answers do not come, and failures count no more.
    pub(crate) fn on_offline(&mut self) {
        self.asked.clear();
        for held in self.held.values_mut() {
            if !matches!(held.stage, Stage::Loading | Stage::Opening(_) | Stage::Ready(..)) {
                held.stage = Stage::Wanted;
            }
        }
    }

    /// Pauses that are over end: who still waits asks again.
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        for held in self.held.values_mut() {
            if matches!(held.stage, Stage::Pausing(until) if until <= now) {
                held.stage = Stage::Wanted;
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let pausing = |held: &Held| match held.stage {
            Stage::Pausing(until) => Some(until),
            _ => None,
        };
        self.held.values().filter_map(pausing).min()
    }

    /// Makes room, and lets what arrives late enough ask again for what was missing.
    fn refresh(&mut self, place: &SessionPlace, arrived: Instant, ctx: &mut Context<'_>) {
        if self.held.len() >= HELD_MAX && !self.held.contains_key(place) {
            self.held.retain(|_, held| !held.is_at_rest());
        }
        let held = self.held.entry(*place).or_insert_with(|| {
            ctx.store(SessionOp::LoadGranted(*place));
            Held { stage: Stage::Loading, is_origin_known: false }
        });
        let missed = match &held.stage {
            Stage::Missing(at) => Some(*at),
            Stage::Failed(failure) => Some(failure.at),
            _ => None,
        };
        if missed.is_some_and(|at| arrived > at + MISSING_TIME) {
            held.stage = Stage::Wanted;
        }
    }

    fn advance(&mut self, place: SessionPlace, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        let room = ctx.seat.is_some() && self.asked.len() < ASKING_MAX;
        let Some(held) = self.held.get_mut(&place) else {
            return;
        };
        match &held.stage {
            Stage::Wanted if room => {
                let request = ctx.request();
                self.asked.insert(request, place);
                held.stage = Stage::Asking;
                let SessionPlace { sender, log, origin, message_session } = place;
                ctx.send(FetchGrant { request, log, sender, origin, message_session });
            }
            Stage::Fetched(fetched) => {
                if let Some(stage) = verify(place, fetched, contacts, ctx) {
                    held.stage = stage;
                }
            }
            _ => {}
        }
    }
}

impl Held {
    fn is_at_rest(&self) -> bool {
        matches!(self.stage, Stage::Ready(..) | Stage::Missing(_) | Stage::Failed(_))
    }
}

impl GrantFailure {
    fn new(error: &GrantError, at: Instant) -> Self {
        let is_askable = matches!(error, GrantError::NotForThisKey | GrantError::Unwrap);
        Self { reason: error.to_string(), is_askable, at }
    }
}

/// The key `id` of an account; one's own needs no asking.
fn sender_key(
    (sender, log): (Name, LogId),
    id: &KeyId,
    since: Instant,
    contacts: &mut Contacts,
    ctx: &mut Context<'_>,
) -> SenderKey {
    if ctx.me.name == Some(sender) {
        let Some(identity) = ctx.identity() else {
            return SenderKey::Pending;
        };
        let own = &identity.public().signing;
        if own.id() == *id {
            return SenderKey::Found(own.clone(), true);
        }
    }
    contacts.sender((sender, log), id, since, ctx)
}

/// Gives a fetched grant to a worker, as soon as its sender's key is known.
fn verify(
    place: SessionPlace,
    fetched: &Fetched,
    contacts: &mut Contacts,
    ctx: &mut Context<'_>,
) -> Option<Stage> {
    let Fetched { announcement, grant, signing_key, since } = fetched;
    match sender_key((place.sender, place.log), signing_key, *since, contacts, ctx) {
        SenderKey::Pending => None,
        SenderKey::Away => {
            let reason = format!("{}'s keys cannot be had now: their server is away", place.sender);
            Some(Stage::Failed(GrantFailure { reason, is_askable: false, at: ctx.now }))
        }
        SenderKey::Missing(reason) => {
            let (is_askable, at) = (false, ctx.now);
            Some(Stage::Failed(GrantFailure { reason, is_askable, at }))
        }
        SenderKey::Found(key, _) => {
            let identity = ctx.identity()?;
            let (announcement, grant) = (announcement.clone(), grant.clone());
            let job = GrantJob::Open { place, key, announcement, grant };
            let seed = ctx.seed();
            ctx.work(JobKey::Grant(place), Job::Grant { job: Box::new(job), identity, seed });
            Some(Stage::Opening(*signing_key))
        }
    }
}

fn open(inbound: &mut Inbound, key: &SenderKey, log: LogId, entry: &Entry) -> Opening {
    let is_trusted = match key {
        SenderKey::Pending => return Opening::Pending,
        SenderKey::Found(_, is_trusted) => *is_trusted,
        SenderKey::Away | SenderKey::Missing(_) => false,
    };
    let Entry { sender, origin, number, .. } = *entry;
    match inbound.open(&Expected { log, sender, origin, number }, &entry.body) {
        Ok(plaintext) => Opening::Opened(Box::new(plaintext), is_trusted),
        Err(OpenError::TooEarly) => Opening::TooEarly,
        Err(error) => Opening::Failed(error.to_string()),
    }
}
