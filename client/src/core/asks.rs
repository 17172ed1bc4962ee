//! What was asked with a stored session: each ask waits for the session, is begun, and is answered
//! once.

use wire::message::SignOut;

use super::context::Context;
use super::notice::Notice;
use super::parts::Parts;
use super::request::{Request, Ticket};
use crate::failure::Failure;

/// One ask that was not answered.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) ticket: Ticket,
    pub(super) request: Request,
    /// It was begun on the present connection.
    pub(super) begun: bool,
}

impl Parts {
    pub(super) fn pump_asks(&mut self, ctx: &mut Context<'_>) {
        for mut ask in std::mem::take(&mut self.asks) {
            match self.pump_ask(&mut ask, ctx) {
                Some(result) => answer(ask.ticket, result, ctx),
                None => self.asks.push(ask),
            }
        }
        // Readers, and those who change a group or download, are answered by those parts.
        self.asks.retain(|ask| !(ask.begun && ask.is_handed_over()));
    }

    fn pump_ask(&mut self, ask: &mut Ask, ctx: &mut Context<'_>) -> Option<Result<(), Failure>> {
        if let Request::Trust { name, key, verified } = ask.request {
            return self.contacts.trust(name, key, verified, ctx);
        }
        if let Request::TrustGroup(group) = ask.request {
            return self.groups.agree(group, ctx);
        }
        if !self.auth.is_signing_in() {
            self.auth.resume(ctx);
            if !self.auth.has_session() {
                return Some(refuse(&ask.request));
            }
        }
        ctx.seat?;
        let begun = std::mem::replace(&mut ask.begun, true);
        match &ask.request {
            Request::Fetch(name) if begun => return self.contacts.refreshed(name),
            Request::Groups if begun => return self.groups.listed(),
            Request::Roster(group) if begun => return self.groups.refreshed(group),
            _ if begun => {}
            Request::Fetch(name) => self.contacts.refresh(*name, ctx),
            Request::Groups => self.groups.list(ctx),
            Request::Roster(group) => self.groups.refresh(*group, ctx),
            Request::Group { group, wish } => {
                self.groups.change(ask.ticket, *group, wish.clone(), ctx);
            }
            Request::Outbox => {
                self.outbox.load(ctx);
                self.transfers.load(ctx);
                return Some(Ok(()));
            }
            Request::Attach(reading) => self.inbox.attach(ask.ticket, *reading),
            Request::Download(message) => self.transfers.download(ask.ticket, *message, ctx),
            Request::SignOut => ctx.send(SignOut {}),
            Request::Trust { .. } | Request::TrustGroup(_) => {}
        }
        None
    }
}

impl Ask {
    fn is_handed_over(&self) -> bool {
        matches!(self.request, Request::Attach(_) | Request::Group { .. } | Request::Download(_))
    }
}

/// Tells the answer.
pub(super) fn answer(ticket: Ticket, result: Result<(), Failure>, ctx: &mut Context<'_>) {
    ctx.notify(Notice::Answered { ticket, result });
}

/// Without a session, signing out is done already, and everything else must wait for one.
fn refuse(request: &Request) -> Result<(), Failure> {
    match request {
        Request::SignOut => Ok(()),
        _ => Err(Failure::signed_out()),
    }
}
