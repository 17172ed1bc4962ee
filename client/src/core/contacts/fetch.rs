//! Fetching: the account's own home is asked first. While it is away, the home of a log in which
//! the account wrote is asked for its copy.

use std::sync::Arc;

use bytes::Bytes;
use wire::message::{Bundles, FetchBundles, FetchKeyLog};
use wire::{FaultCode, LogId, Name, RequestId};

use super::known::{Answered, Known, Source, Stage};
use super::{Contacts, no_such_user};
use crate::core::context::Context;
use crate::core::job::{Job, JobKey};
use crate::crypto::key_log::{KeyLog, KeyLogError};
use crate::failure::{Code, Failure};

/// Questions that wait for answers at one time; below the seat's limit of requests.
const ASKING_MAX: usize = 24;

/// What an answer leads to.
enum Next {
    /// Nothing in it is new.
    Nothing,
    /// These follow what is here, or are the whole log.
    Verify(Option<Arc<KeyLog>>, Vec<Bytes>),
    /// The home has another log, this one if all of it came.
    Other(Option<Vec<Bytes>>),
}

impl Contacts {
    /// A home has answered.
    pub(crate) fn on_bundles(&mut self, answer: Bundles, ctx: &mut Context<'_>) {
        let Some((name, source)) = self.take_request(answer.request) else {
            return;
        };
        let bundles = answer.bundles.into_items().into_iter();
        let bundles: Vec<Bytes> = bundles.map(wire::Opaque::into_bytes).collect();
        match source {
            Source::Home(after) => self.on_home(name, after, (bundles, answer.complete), ctx),
            Source::Copy(at) => self.on_copy(name, at, &bundles, ctx),
        }
        self.advance_all(ctx);
    }

    fn on_home(
        &mut self,
        name: Name,
        after: u32,
        (bundles, complete): (Vec<Bytes>, bool),
        ctx: &mut Context<'_>,
    ) {
        let number = self.next_fetch();
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        match known.next(after, bundles) {
            Next::Nothing if known.log.is_some() && !known.is_other => known.refresh(ctx.now),
            Next::Nothing => {
                let text = format!("{name}'s server has no keys of {name}");
                known.stage = Stage::Failed(Failure::unexpected(text), ctx.now);
            }
            Next::Verify(held, bundles) => {
                known.stage = Stage::Verifying(number, Answered::Home { complete });
                verify(name, number, held, bundles, ctx);
            }
            Next::Other(None) => {
                known.is_other = true;
                known.stage = Stage::Rested;
            }
            Next::Other(Some(bundles)) => {
                known.is_other = true;
                known.stage = Stage::Verifying(number, Answered::Home { complete });
                verify(name, number, None, bundles, ctx);
            }
        }
    }

    fn on_copy(&mut self, name: Name, at: wire::Instant, bundles: &[Bytes], ctx: &mut Context<'_>) {
        let number = self.next_fetch();
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        let held = known.log.as_ref().map(|log| log.encoded()).unwrap_or_default();
        if bundles.len() <= held.len() || !bundles.starts_with(&held) {
            return known.settle_copy(at, ctx);
        }
        known.stage = Stage::Verifying(number, Answered::Copy(at));
        verify(name, number, known.log.clone(), bundles[held.len()..].to_vec(), ctx);
    }

    /// A home will not answer this request.
    pub(crate) fn on_fault(&mut self, request: RequestId, code: FaultCode, ctx: &mut Context<'_>) {
        let Some((name, source)) = self.take_request(request) else {
            return;
        };
        let is_passing = matches!(code, FaultCode::UNAVAILABLE | FaultCode::TOO_MANY_REQUESTS);
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        match (source, known.copy_at) {
            (Source::Home(_), Some(log)) if code == FaultCode::UNAVAILABLE => {
                known.copy_at = None;
                self.ask_copy(name, log, ctx);
            }
            _ if is_passing => known.pause(ctx),
            (Source::Copy(at), _) => known.settle_copy(at, ctx),
            (Source::Home(_), _) => {
                let failure = match code {
                    FaultCode::NO_SUCH_USER => no_such_user(&name),
                    _ => Failure::fault(code),
                };
                known.stage = Stage::Failed(failure, ctx.now);
            }
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
        match known.stage {
            Stage::Restoring(mine) if mine == number => match result {
                Ok(log) => {
                    known.log = Some(log);
                    known.stage = Stage::Rested;
                }
                Err(error) => known.stage = Stage::Failed(untrusted(&name, error), ctx.now),
            },
            Stage::Verifying(mine, Answered::Home { complete }) if mine == number => {
                known.on_home_verified(name, complete, result, ctx);
            }
            Stage::Verifying(mine, Answered::Copy(at)) if mine == number => {
                if let Ok(log) = result
                    && known.may_take_copy(&log)
                {
                    known.take(name, log, ctx);
                }
                known.settle_copy(at, ctx);
            }
            _ => {}
        }
        self.advance(name, ctx);
    }

    pub(super) fn advance_all(&mut self, ctx: &mut Context<'_>) {
        let names: Vec<Name> =
            self.known.iter().filter(|(_, known)| known.may_ask()).map(|(name, _)| *name).collect();
        for name in names {
            self.advance(name, ctx);
        }
    }

    /// Asks the home when that is wanted and possible.
    pub(super) fn advance(&mut self, name: Name, ctx: &mut Context<'_>) {
        let room = ctx.seat.is_some() && self.requests.len() < ASKING_MAX;
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        if !room || !known.may_ask() {
            return;
        }
        let (request, after) = (ctx.request(), known.after());
        self.requests.insert(request, name);
        known.stage = Stage::Asking(request, Source::Home(after));
        ctx.send(FetchBundles { request, name, after });
    }

    /// The account's home is away: asks the home of `log`. The question takes the other's place.
    fn ask_copy(&mut self, name: Name, log: LogId, ctx: &mut Context<'_>) {
        let request = ctx.request();
        self.requests.insert(request, name);
        if let Some(known) = self.known.get_mut(&name) {
            known.stage = Stage::Asking(request, Source::Copy(ctx.now));
        }
        ctx.send(FetchKeyLog { request, log, name });
    }

    /// Who was asked for whose keys, if the answer is awaited.
    fn take_request(&mut self, request: RequestId) -> Option<(Name, Source)> {
        let name = self.requests.remove(&request)?;
        match self.known.get(&name)?.stage {
            Stage::Asking(asked, source) if asked == request => Some((name, source)),
            _ => None,
        }
    }
}

impl Known {
    /// What the home's bundles above `after` mean for the log that is here.
    fn next(&self, after: u32, mut bundles: Vec<Bytes>) -> Next {
        let held = self.log.as_ref().filter(|_| !self.is_other);
        let (Some(held), Some(first)) = (held, bundles.first()) else {
            return match bundles.is_empty() {
                true => Next::Nothing,
                false => Next::Verify(None, bundles),
            };
        };
        let newest = held.encoded().pop().expect("a key log is never empty");
        match (*first == newest, after) {
            (true, _) if bundles.len() == 1 => Next::Nothing,
            (true, _) => Next::Verify(Some(Arc::clone(held)), bundles.split_off(1)),
            (false, 0) => Next::Other(Some(bundles)),
            (false, _) => Next::Other(None),
        }
    }

    fn on_home_verified(
        &mut self,
        name: Name,
        complete: bool,
        result: Result<Arc<KeyLog>, KeyLogError>,
        ctx: &mut Context<'_>,
    ) {
        let log = match result {
            Ok(log) => log,
            Err(error) => {
                self.stage = Stage::Failed(untrusted(&name, error), ctx.now);
                return;
            }
        };
        match self.is_other {
            true => self.replace(name, log, ctx),
            false => self.take(name, log, ctx),
        }
        match complete {
            true => self.refresh(ctx.now),
            false => self.stage = Stage::Rested,
        }
    }
}

fn untrusted(name: &Name, error: KeyLogError) -> Failure {
    Failure::new(Code::UntrustedKey, format!("{name}'s key log cannot be trusted: {error}"))
}

pub(super) fn verify(
    name: Name,
    number: u32,
    known: Option<Arc<KeyLog>>,
    bundles: Vec<Bytes>,
    ctx: &mut Context<'_>,
) {
    ctx.work(JobKey::KeyLog(name, number), Job::VerifyKeyLog { name, known, bundles });
}
