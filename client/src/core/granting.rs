//! Which part an event about grants and message sessions is for.

use wire::message::{GrantsPut, Refused};
use wire::{FaultCode, LogHandle, RequestId};

use super::context::Context;
use super::grant_work::GrantResult;
use super::parts::Parts;
use super::reader::Desk;
use super::session_op::SessionAnswer;
use crate::crypto::grant::SessionPlace;

impl Parts {
    /// Lets what is read be opened, and requests for grants that came be answered.
    pub(super) fn pump_inbox(&mut self, ctx: &mut Context<'_>) {
        let Self { inbox, contacts, grants, groups, grant_answers, .. } = self;
        inbox.pump(&mut Desk { contacts, grants, groups }, ctx);
        if inbox.take_asked() {
            grant_answers.load(ctx);
        }
        grant_answers.pump(contacts, groups, ctx);
    }

    pub(super) fn on_grants_put(&mut self, put: &GrantsPut, ctx: &mut Context<'_>) {
        self.outbox.on_grants_put(put, ctx);
        self.grant_answers.on_put(put.request);
    }

    pub(super) fn on_grants_fault(
        &mut self,
        request: RequestId,
        code: FaultCode,
        ctx: &mut Context<'_>,
    ) {
        if self.grant_answers.on_fault(request, code, ctx) {
            return;
        }
        if let Some(log) = self.outbox.on_grants_fault(request, code, ctx) {
            self.groups.refresh(log.name, ctx);
        }
    }

    /// A worker has opened a grant, or not. What its sender has signed about the group's roster is
    /// compared with what the home shows here.
    pub(super) fn on_grant_worked(
        &mut self,
        place: SessionPlace,
        result: GrantResult,
        ctx: &mut Context<'_>,
    ) {
        let GrantResult::Opened(mut result) = result else {
            unreachable!("only grants are opened for a reader");
        };
        let group = place.log.name;
        let open = result.as_mut().ok().and_then(|opened| {
            opened.claim.take_if(|claim| self.groups.confirms(&group, claim));
            opened.claim
        });
        self.grants.on_worked(place, result, ctx);
        if let Some(claim) = open {
            self.groups.on_claim(group, claim, ctx);
        }
    }

    /// The home does not take a post.
    pub(super) fn on_refused(&mut self, refused: &Refused, ctx: &mut Context<'_>) {
        if let Some(log) = self.outbox.on_refused(refused, ctx) {
            self.groups.refresh(log.name, ctx);
        }
    }

    /// The home does not let this account read a log, or not any more: its handle is closed.
    pub(super) fn on_attach_fault(
        &mut self,
        handle: LogHandle,
        code: FaultCode,
        ctx: &mut Context<'_>,
    ) {
        if let Some(log) = ctx.handles.log(handle) {
            ctx.handles.forget(&log);
            self.inbox.on_dismissed(log, code, &mut self.groups, ctx);
        }
    }

    pub(super) fn on_session_answer(&mut self, answer: SessionAnswer, ctx: &mut Context<'_>) {
        match answer {
            SessionAnswer::Kept(log) => self.outbox.on_kept(log),
            SessionAnswer::Wanted(wanted) => self.grant_answers.on_wanted(wanted, ctx),
            SessionAnswer::Own { .. } => self.grant_answers.on_loaded(answer),
            SessionAnswer::Granted { .. } => self.grants.on_loaded(answer),
            SessionAnswer::Requested(true) => self.outbox.load(ctx),
            SessionAnswer::Requested(false) => {}
        }
    }
}
