//! Other accounts' keys: load what is known, fetch what is new, verify it, pin at first use, and
//! never send to a changed key before the user agrees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wire::message::{Bundles, FetchBundles};
use wire::{FaultCode, Instant, Name, RequestId};

use super::context::Context;
use super::event::{ContactChange, Notice, StoreOp};
use super::job::{Job, JobKey};
use crate::crypto::key_log::{KeyLog, KeyLogError};
use crate::crypto::keys::{KeyId, SigningPublicKey};
use crate::failure::{Code, Failure};
use crate::store::{Contact, Trust};

/// A key log is asked for again when it was fetched longer ago than this.
pub(crate) const FRESH_TIME: Duration = Duration::from_secs(600);
/// Before an unavailable home is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// Questions that wait for answers at one time; below the seat's limit of requests.
const ASKING_MAX: usize = 24;
/// Accounts kept in memory; above it, those at rest are forgotten (the store has them).
const KNOWN_MAX: usize = 4096;

/// Every account that was of interest since the start.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    known: BTreeMap<Name, Known>,
    requests: BTreeMap<RequestId, Name>,
    last_fetch: u32,
    changes: u64,
}

#[derive(Debug)]
struct Known {
    stage: Stage,
    /// Fetch as soon as there is a session.
    wanted: bool,
    log: Option<Arc<KeyLog>>,
    pinned: Option<KeyId>,
    trust: Trust,
}

#[derive(Debug)]
enum Stage {
    /// The store was asked.
    Loading,
    /// The stored log is being verified: job number.
    Restoring(u32),
    /// What the store had is here.
    Rested,
    /// The home was asked.
    Asking(RequestId),
    /// The home's answer is being verified: job number; whether the home had no more.
    Verifying(u32, bool),
    /// Everything the home had then is here.
    Fresh(Instant),
    /// The home cannot be asked before then.
    Pausing(Instant),
    /// No answer will be better while this connection lasts.
    Failed(Failure),
}

/// An account's keys, for sending to it.
#[derive(Debug)]
pub(crate) enum ReaderKeys {
    /// Not known yet; it was asked for.
    Pending,
    /// Fetched lately and trusted.
    Ready(Arc<KeyLog>),
    /// Not to be used.
    Refused(Failure),
}

/// The keys of one among many readers, who must not keep the others from being written to.
#[derive(Debug)]
pub(crate) enum MemberKeys {
    /// Not known yet; they were asked for.
    Pending,
    /// The newest that are known, and trusted.
    Ready(Arc<KeyLog>),
    /// There are none, or none to be used now.
    LeftOut,
}

/// An account's signing key, for reading from it.
#[derive(Debug)]
pub(crate) enum SenderKey {
    /// Not known yet; it was asked for.
    Pending,
    /// The key, and whether the user trusts it.
    Found(SigningPublicKey, bool),
    /// There is none.
    Missing(String),
}

impl Contacts {
    /// The keys to seal for `name` with, fetched from its home during the last minutes.
    pub(crate) fn reader(&mut self, name: Name, ctx: &mut Context<'_>) -> ReaderKeys {
        let known = self.know(name, ctx);
        if matches!(known.stage, Stage::Fresh(since) if ctx.now.since(since) > FRESH_TIME) {
            known.stage = Stage::Rested;
        }
        let keys = match (&known.stage, &known.log) {
            (Stage::Failed(failure), _) => ReaderKeys::Refused(failure.clone()),
            (Stage::Fresh(_), Some(_)) if known.trust == Trust::Changed => {
                ReaderKeys::Refused(changed(&name))
            }
            (Stage::Fresh(_), Some(log)) => ReaderKeys::Ready(Arc::clone(log)),
            _ => ReaderKeys::Pending,
        };
        if matches!(keys, ReaderKeys::Pending) {
            known.wanted = true;
            self.advance(name, ctx);
        }
        keys
    }

    /// The keys to seal for `name` with, as one reader among many: fetched from its home within
    /// `fresh`, or the newest ones known while that home is away.
    pub(crate) fn member(
        &mut self,
        name: Name,
        fresh: Duration,
        ctx: &mut Context<'_>,
    ) -> MemberKeys {
        let known = self.know(name, ctx);
        if matches!(known.stage, Stage::Fresh(since) if ctx.now.since(since) > fresh) {
            known.stage = Stage::Rested;
        }
        match (&known.stage, &known.log) {
            (Stage::Fresh(_) | Stage::Pausing(_), Some(log)) if known.trust != Trust::Changed => {
                return MemberKeys::Ready(Arc::clone(log));
            }
            (Stage::Fresh(_) | Stage::Pausing(_) | Stage::Failed(_), _) => {
                return MemberKeys::LeftOut;
            }
            _ => {}
        }
        known.wanted = true;
        self.advance(name, ctx);
        MemberKeys::Pending
    }

    /// Rises with everything that becomes known, or trusted, of anybody's keys.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The key `id` of `name`, as of `since` or later when an older log does not have it.
    pub(crate) fn sender(
        &mut self,
        name: Name,
        id: &KeyId,
        since: Instant,
        ctx: &mut Context<'_>,
    ) -> SenderKey {
        let known = self.know(name, ctx);
        if let Some(key) = known.log.as_ref().and_then(|log| log.signing_key(id)) {
            let trusted = known.pinned == Some(*id) && known.trust != Trust::Changed;
            return SenderKey::Found(key.clone(), trusted);
        }
        match &known.stage {
            Stage::Failed(failure) => return SenderKey::Missing(failure.text.clone()),
            Stage::Fresh(fetched) if *fetched >= since => {
                return SenderKey::Missing("signed with a key that is not the sender's".to_owned());
            }
            Stage::Fresh(_) => known.stage = Stage::Rested,
            _ => {}
        }
        known.wanted = true;
        self.advance(name, ctx);
        SenderKey::Pending
    }

    /// Fetches `name`'s key log anew, unless that is under way.
    pub(crate) fn refresh(&mut self, name: Name, ctx: &mut Context<'_>) {
        let known = self.know(name, ctx);
        if matches!(known.stage, Stage::Fresh(_) | Stage::Failed(_)) {
            known.stage = Stage::Rested;
        }
        known.wanted = true;
        self.advance(name, ctx);
    }

    /// The outcome of [`Self::refresh`]; `None` while it is under way.
    pub(crate) fn refreshed(&self, name: &Name) -> Option<Result<(), Failure>> {
        match &self.known.get(name)?.stage {
            Stage::Fresh(_) => Some(Ok(())),
            Stage::Failed(failure) => Some(Err(failure.clone())),
            _ => None,
        }
    }

    /// The user agrees to `key`; `None` while the contact is being loaded.
    pub(crate) fn trust(
        &mut self,
        name: Name,
        key: KeyId,
        verified: bool,
        ctx: &mut Context<'_>,
    ) -> Option<Result<(), Failure>> {
        let known = self.know(name, ctx);
        let Some(log) = &known.log else {
            return match known.stage {
                Stage::Loading | Stage::Restoring(_) => None,
                _ => Some(Err(Failure::usage(format!(
                    "{name} is not a contact yet; run `fastchat verify {name}` first"
                )))),
            };
        };
        if log.has_changed_from(&key) {
            return Some(Err(Failure::new(
                Code::UntrustedKey,
                format!("{name}'s key has changed again; compare the new safety number"),
            )));
        }
        if known.trust == Trust::Changed {
            ctx.store(StoreOp::AcceptChange(name));
            known.trust = Trust::Pinned;
            known.pinned = Some(key);
        }
        if verified {
            ctx.store(StoreOp::MarkVerified(name));
            known.trust = Trust::Verified;
        }
        self.changes += 1;
        notify(name, ContactChange::Trusted, ctx);
        Some(Ok(()))
    }

    /// The store has answered.
    pub(crate) fn on_loaded(
        &mut self,
        name: Name,
        contact: Option<Contact>,
        ctx: &mut Context<'_>,
    ) {
        let number = self.next_fetch();
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        if !matches!(known.stage, Stage::Loading) {
            return;
        }
        known.stage = Stage::Rested;
        if let Some(contact) = contact {
            known.pinned = Some(contact.pinned);
            known.trust = contact.trust;
            known.stage = Stage::Restoring(number);
            verify(name, number, None, contact.bundles, ctx);
        }
        self.advance(name, ctx);
    }

    /// The home has answered.
    pub(crate) fn on_bundles(&mut self, answer: Bundles, ctx: &mut Context<'_>) {
        let Some(name) = self.requests.remove(&answer.request) else {
            return;
        };
        let number = self.next_fetch();
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        if !matches!(known.stage, Stage::Asking(asked) if asked == answer.request) {
            return;
        }
        let bundles: Vec<Bytes> =
            answer.bundles.into_items().into_iter().map(wire::Opaque::into_bytes).collect();
        if !bundles.is_empty() {
            known.stage = Stage::Verifying(number, answer.complete);
            verify(name, number, known.log.clone(), bundles, ctx);
        } else if known.log.is_some() {
            known.stage = Stage::Fresh(ctx.now);
            known.wanted = false;
        } else {
            let text = format!("{name}'s server has no keys of {name}");
            known.stage = Stage::Failed(Failure::unexpected(text));
        }
        self.advance_all(ctx);
    }

    /// The home will not answer this request.
    pub(crate) fn on_fault(&mut self, request: RequestId, code: FaultCode, ctx: &mut Context<'_>) {
        let Some(name) = self.requests.remove(&request) else {
            return;
        };
        let pause = ctx.jitter(PAUSE);
        if let Some(known) = self.known.get_mut(&name) {
            known.stage = match code {
                FaultCode::UNAVAILABLE | FaultCode::TOO_MANY_REQUESTS => {
                    Stage::Pausing(ctx.now + pause)
                }
                FaultCode::NO_SUCH_USER => Stage::Failed(no_such_user(&name)),
                _ => Stage::Failed(Failure::fault(code)),
            };
        }
        self.advance_all(ctx);
    }

    /// A log was verified, or not.
    pub(crate) fn on_verified(
        &mut self,
        name: Name,
        number: u32,
        result: Result<Arc<KeyLog>, KeyLogError>,
        ctx: &mut Context<'_>,
    ) {
        self.changes += 1;
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        match (&known.stage, result) {
            (Stage::Restoring(mine), Ok(log)) if *mine == number => {
                known.log = Some(log);
                known.stage = Stage::Rested;
            }
            (Stage::Verifying(mine, complete), Ok(log)) if *mine == number => {
                let complete = *complete;
                known.take(name, log, ctx);
                known.wanted = !complete;
                known.stage = match complete {
                    true => Stage::Fresh(ctx.now),
                    false => Stage::Rested,
                };
            }
            (Stage::Restoring(mine) | Stage::Verifying(mine, _), Err(error)) if *mine == number => {
                known.stage = Stage::Failed(Failure::new(
                    Code::UntrustedKey,
                    format!("{name}'s key log cannot be trusted: {error}"),
                ));
            }
            _ => {}
        }
        self.advance(name, ctx);
    }

    /// The session is on: ask what is wanted.
    pub(crate) fn on_online(&mut self, ctx: &mut Context<'_>) {
        self.advance_all(ctx);
    }

    /// The connection is gone: answers do not come, and failures count no more.
    pub(crate) fn on_offline(&mut self) {
        self.requests.clear();
        for known in self.known.values_mut() {
            if !matches!(known.stage, Stage::Loading | Stage::Restoring(_)) {
                known.stage = Stage::Rested;
            }
        }
    }

    /// Pauses that are over end.
    pub(crate) fn on_timeout(&mut self, ctx: &mut Context<'_>) {
        if self.deadline().is_none_or(|at| at > ctx.now) {
            return;
        }
        for known in self.known.values_mut() {
            if matches!(known.stage, Stage::Pausing(until) if until <= ctx.now) {
                known.stage = Stage::Rested;
            }
        }
        self.advance_all(ctx);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.known
            .values()
            .filter_map(|known| match known.stage {
                Stage::Pausing(until) => Some(until),
                _ => None,
            })
            .min()
    }

    fn know(&mut self, name: Name, ctx: &mut Context<'_>) -> &mut Known {
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&name) {
            self.known.retain(|_, known| !known.is_at_rest());
        }
        self.known.entry(name).or_insert_with(|| {
            ctx.store(StoreOp::LoadContact(name));
            Known {
                stage: Stage::Loading,
                wanted: false,
                log: None,
                pinned: None,
                trust: Trust::Pinned,
            }
        })
    }

    fn next_fetch(&mut self) -> u32 {
        self.last_fetch = self.last_fetch.wrapping_add(1);
        self.last_fetch
    }

    fn advance_all(&mut self, ctx: &mut Context<'_>) {
        let names: Vec<Name> =
            self.known.iter().filter(|(_, known)| known.may_ask()).map(|(name, _)| *name).collect();
        for name in names {
            self.advance(name, ctx);
        }
    }

    /// Asks the home when that is wanted and possible.
    fn advance(&mut self, name: Name, ctx: &mut Context<'_>) {
        let room = ctx.seat.is_some() && self.requests.len() < ASKING_MAX;
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        if !room || !known.may_ask() {
            return;
        }
        let request = ctx.request();
        self.requests.insert(request, name);
        known.stage = Stage::Asking(request);
        let after = known.log.as_ref().map_or(0, |log| log.version());
        ctx.send(FetchBundles { request, name, after });
    }
}

impl Known {
    fn may_ask(&self) -> bool {
        self.wanted && matches!(self.stage, Stage::Rested)
    }

    fn is_at_rest(&self) -> bool {
        !self.wanted && matches!(self.stage, Stage::Rested | Stage::Fresh(_))
    }

    /// A longer log was verified: pin it, extend it, or see that the key has changed.
    fn take(&mut self, name: Name, log: Arc<KeyLog>, ctx: &mut Context<'_>) {
        self.log = Some(Arc::clone(&log));
        match self.pinned {
            None => {
                self.pinned = Some(log.newest().keys.signing.id());
                ctx.store(StoreOp::Pin(name, log));
                notify(name, ContactChange::Pinned, ctx);
            }
            Some(pinned) if log.has_changed_from(&pinned) => {
                self.trust = Trust::Changed;
                ctx.store(StoreOp::MarkChanged(name, log));
                notify(name, ContactChange::Changed, ctx);
            }
            Some(_) => ctx.store(StoreOp::Extend(name, log)),
        }
    }
}

fn verify(
    name: Name,
    number: u32,
    known: Option<Arc<KeyLog>>,
    bundles: Vec<Bytes>,
    ctx: &mut Context<'_>,
) {
    ctx.work(JobKey::KeyLog(name, number), Job::VerifyKeyLog { name, known, bundles });
}

fn notify(name: Name, change: ContactChange, ctx: &mut Context<'_>) {
    ctx.notify(Notice::ContactChanged { name, change });
}

/// What the user hears when a message would go to a changed key.
fn changed(name: &Name) -> Failure {
    Failure::new(
        Code::UntrustedKey,
        format!(
            "{name}'s key has changed; compare safety numbers with `fastchat verify {name}`, \
             then agree with `fastchat verify {name} --ok`"
        ),
    )
}

/// What the user hears when there is no such account.
pub(crate) fn no_such_user(name: &Name) -> Failure {
    Failure::new(Code::NoSuchUser, format!("no user is called {name}; check the spelling"))
}
