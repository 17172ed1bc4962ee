//! Other accounts' keys: load what is known, fetch what is new, verify it, pin at first use, and
//! never send to a changed key before the user agrees.
//!
//! An account's own home has the last word about its keys. While it is away, what the account has
//! written in a log is verified with the copy of its key log at that log's home; later the two are
//! compared (`fetch.rs`).

mod fetch;
mod known;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wire::{Instant, LogId, Name, RequestId};

use self::known::{Known, Stage};
use super::context::Context;
use super::event::{ContactChange, Notice, StoreOp};
use crate::crypto::key_log::KeyLog;
use crate::crypto::keys::{KeyId, SigningPublicKey};
use crate::failure::{Code, Failure};
use crate::store::{Contact, Trust};

/// A key log is asked for again when it was fetched longer ago than this.
pub(crate) const FRESH_TIME: Duration = Duration::from_secs(600);
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
    /// Its home is away, and the copy does not have it. It may come later.
    Away,
    /// There is none.
    Missing(String),
}

impl Contacts {
    /// The keys to seal for `name` with, fetched from its home during the last minutes.
    pub(crate) fn reader(&mut self, name: Name, ctx: &mut Context<'_>) -> ReaderKeys {
        let now = ctx.now;
        let known = self.know(name, ctx);
        known.age(FRESH_TIME, now);
        let keys = match (&known.stage, &known.log) {
            (Stage::Failed(failure, _), _) => ReaderKeys::Refused(failure.clone()),
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

    /// The keys to seal for `name` with, as one reader of `log` among many: fetched from its home
    /// within `fresh`, or the newest ones known while that home is away.
    pub(crate) fn member(
        &mut self,
        name: Name,
        fresh: Duration,
        log: LogId,
        ctx: &mut Context<'_>,
    ) -> MemberKeys {
        let now = ctx.now;
        let known = self.know(name, ctx);
        known.age(fresh, now);
        match (&known.stage, &known.log) {
            (Stage::Fresh(_) | Stage::Pausing(_), Some(log)) if known.trust != Trust::Changed => {
                return MemberKeys::Ready(Arc::clone(log));
            }
            (Stage::Fresh(_) | Stage::Pausing(_) | Stage::Failed(..), _) => {
                return MemberKeys::LeftOut;
            }
            _ => {}
        }
        known.wanted = true;
        if known.log.is_none() {
            known.copy_at = Some(log);
        }
        self.advance(name, ctx);
        MemberKeys::Pending
    }

    /// Rises with everything that becomes known, or trusted, of anybody's keys.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The key `id` of `name`, which wrote in `log`; as of `since` or later when an older key log
    /// does not have it.
    pub(crate) fn sender(
        &mut self,
        (name, log): (Name, LogId),
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
            Stage::Failed(failure, asked) if *asked >= since => {
                return SenderKey::Missing(failure.text.clone());
            }
            Stage::Fresh(fetched) if *fetched >= since => {
                return SenderKey::Missing("signed with a key that is not the sender's".to_owned());
            }
            Stage::Fresh(_) | Stage::Failed(..) => known.stage = Stage::Rested,
            _ => {}
        }
        known.wanted = true;
        known.copy_at = Some(log);
        let is_paused = matches!(known.stage, Stage::Pausing(_));
        if is_paused && known.copied.is_some_and(|at| at >= since) {
            return SenderKey::Away;
        }
        self.advance(name, ctx);
        SenderKey::Pending
    }

    /// Fetches `name`'s key log anew, unless that is under way.
    pub(crate) fn refresh(&mut self, name: Name, ctx: &mut Context<'_>) {
        let known = self.know(name, ctx);
        if matches!(known.stage, Stage::Fresh(_) | Stage::Failed(..)) {
            known.stage = Stage::Rested;
        }
        known.wanted = true;
        self.advance(name, ctx);
    }

    /// The outcome of [`Self::refresh`]; `None` while it is under way.
    pub(crate) fn refreshed(&self, name: &Name) -> Option<Result<(), Failure>> {
        match &self.known.get(name)?.stage {
            Stage::Fresh(_) => Some(Ok(())),
            Stage::Failed(failure, _) => Some(Err(failure.clone())),
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
            fetch::verify(name, number, None, contact.bundles, ctx);
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
        self.known.values_mut().for_each(Known::on_offline);
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
            Known::loading()
        })
    }

    fn next_fetch(&mut self) -> u32 {
        self.last_fetch = self.last_fetch.wrapping_add(1);
        self.last_fetch
    }
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
