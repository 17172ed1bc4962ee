//! One account as far as its keys are known, and what is being done to know more.

use std::sync::Arc;
use std::time::Duration;

use wire::{Instant, LogId, Name, RequestId};

use super::notify;
use crate::core::context::{Backoff, Context};
use crate::core::event::{ContactChange, StoreOp};
use crate::crypto::key_log::KeyLog;
use crate::crypto::keys::KeyId;
use crate::failure::Failure;
use crate::store::Trust;

/// Before a home that is away is asked again for the first time …
const PAUSE: Duration = Duration::from_millis(500);
/// … and when it has been away for longer.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// An answer that was of no use is asked for again by what wants it later than this: an account may
/// have been made meanwhile.
const FAILED_TIME: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stage: Stage,
    /// Fetch as soon as there is a session.
    pub(super) wanted: bool,
    pub(super) log: Option<Arc<KeyLog>>,
    pub(super) pinned: Option<KeyId>,
    pub(super) trust: Trust,
    /// The home of this log is asked for its copy if the account's own home is away.
    pub(super) copy_at: Option<LogId>,
    /// When a copy was asked for that has said all it knows.
    pub(super) copied: Option<Instant>,
    /// The account's home has another log than the one here: all of it is to be fetched.
    pub(super) is_other: bool,
    backoff: Backoff,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The store was asked.
    Loading,
    /// The stored log is being verified: job number.
    Restoring(u32),
    /// What the store had is here.
    Rested,
    /// A home was asked.
    Asking(RequestId, Source),
    /// A home's answer is being verified: job number.
    Verifying(u32, Answered),
    /// Everything the account's home had then is here.
    Fresh(Instant),
    /// The account's home is not asked before then.
    Pausing(Instant),
    /// The home had no better answer then.
    Failed(Failure, Instant),
}

/// Who was asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// The account's own home, for what follows this version.
    Home(u32),
    /// The home of a log with a copy, at that time.
    Copy(Instant),
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answered {
    /// The account's own home; whether it had no more.
    Home { complete: bool },
    /// The home of a log with a copy, which was asked at that time.
    Copy(Instant),
}

impl Known {
    /// The store is being asked.
    pub(super) fn loading() -> Self {
        Self {
            stage: Stage::Loading,
            wanted: false,
            log: None,
            pinned: None,
            trust: Trust::Pinned,
            copy_at: None,
            copied: None,
            is_other: false,
            backoff: Backoff::new(PAUSE, PAUSE_MAX),
        }
    }

    pub(super) fn may_ask(&self) -> bool {
        self.wanted && matches!(self.stage, Stage::Rested)
    }

    pub(super) fn is_at_rest(&self) -> bool {
        !self.wanted && matches!(self.stage, Stage::Rested | Stage::Fresh(_))
    }

    /// What was fetched longer ago than `fresh` is to be fetched again.
    pub(super) fn age(&mut self, fresh: Duration, now: Instant) {
        let is_old = match self.stage {
            Stage::Fresh(since) => now.since(since) > fresh,
            Stage::Failed(_, since) => now.since(since) > FAILED_TIME,
            _ => false,
        };
        if is_old {
            self.stage = Stage::Rested;
        }
    }

    /// The connection is gone.
    pub(super) fn on_offline(&mut self) {
        self.backoff.reset();
        if !matches!(self.stage, Stage::Loading | Stage::Restoring(_)) {
            self.stage = Stage::Rested;
        }
    }

    /// Versions that the account's home need not send. The newest one that is here is sent again:
    /// it shows whether both have the same log.
    pub(super) fn after(&self) -> u32 {
        match &self.log {
            Some(log) if !self.is_other => log.version() - 1,
            _ => 0,
        }
    }

    /// The account's home has said all it knows.
    pub(super) fn refresh(&mut self, now: Instant) {
        self.backoff.reset();
        self.stage = Stage::Fresh(now);
        self.wanted = false;
    }

    /// The account's home is away, and nothing more is known of its keys before it is back.
    pub(super) fn pause(&mut self, ctx: &mut Context<'_>) {
        let pause = ctx.jitter(self.backoff.next());
        self.stage = Stage::Pausing(ctx.now + pause);
    }

    /// The copy that was asked for `at` that time has been seen.
    pub(super) fn settle_copy(&mut self, at: Instant, ctx: &mut Context<'_>) {
        self.copied = Some(at);
        self.copy_at = None;
        self.pause(ctx);
    }

    /// A longer log was verified: pin it, extend it, or see that the key has changed.
    pub(super) fn take(&mut self, name: Name, log: Arc<KeyLog>, ctx: &mut Context<'_>) {
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

    /// The account's home has another log than the one here, which came from a copy or from a time
    /// that the home forgot. The pinned key stays pinned.
    pub(super) fn replace(&mut self, name: Name, log: Arc<KeyLog>, ctx: &mut Context<'_>) {
        self.is_other = false;
        self.log = Some(Arc::clone(&log));
        if self.pinned.is_some_and(|pinned| log.has_changed_from(&pinned)) {
            self.trust = Trust::Changed;
            notify(name, ContactChange::Changed, ctx);
        }
        ctx.store(StoreOp::ReplaceKeyLog(name, log));
    }

    /// Whether a copy's log may follow the one here: nobody but the account's own home can say that
    /// the signing key has changed.
    pub(super) fn may_take_copy(&self, log: &KeyLog) -> bool {
        self.pinned.is_none_or(|pinned| !log.has_changed_from(&pinned))
    }
}
