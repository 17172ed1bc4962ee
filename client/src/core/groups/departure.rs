//! The end of a membership: by what the log, the roster or the home says, the account posts no
//! more. It reads the log up to its departure, until the home says that nothing is left.

use bytes::Bytes;
use wire::roster::{Act, Statement};
use wire::{FaultCode, Name};

use super::group::{Standing, departure};
use super::{Groups, is_end, warn};
use crate::core::context::Context;
use crate::core::notice::Notice;
use crate::core::store_op::StoreOp;
use crate::failure::Failure;
use crate::store::{Ended, Fate};

impl Groups {
    /// The home does not let this account read `group`, or has ended the reading.
    pub(crate) fn on_dismissed(&mut self, group: Name, code: FaultCode, ctx: &mut Context<'_>) {
        if is_end(code) {
            self.end(group, code, ctx);
        }
    }

    /// Whether the log of `group` ends for this account with a statement, and the account is no
    /// member by it: what was before has come.
    pub(crate) fn ends_with(&self, group: &Name, encoded: &Bytes, ctx: &Context<'_>) -> bool {
        let known = self.known.get(group);
        let is_departed =
            known.is_some_and(|known| matches!(known.standing, Standing::Departed(_)));
        let statement = Statement::decode(encoded.clone());
        is_departed
            && statement.is_ok_and(|statement| match statement.act {
                Act::Leave | Act::Remove => Some(statement.subject) == ctx.me.name,
                Act::Close => true,
                Act::Create | Act::Join | Act::Invite | Act::HandOver => false,
            })
    }

    /// Whether `group` was closed while the account was in it, and is still to be read.
    pub(crate) fn is_closed_unread(&self, group: &Name) -> bool {
        let standing = self.known.get(group).map(|known| known.standing);
        matches!(standing, Some(Standing::Departed(FaultCode::GROUP_CLOSED)))
    }

    /// How the sealed posts of a group end that the account is no member of; `None` while its home
    /// may still answer them.
    pub(crate) fn fate_of_posts(&self, group: &Name) -> Option<Fate> {
        let known = self.known.get(group);
        match known.map(|known| (known.standing, known.is_read)) {
            Some((Standing::Departed(_), false)) => None,
            Some((Standing::Departed(why) | Standing::Out(why), true)) => Some(Fate::Rejected(why)),
            _ => Some(Fate::Unknown),
        }
    }

    /// Everything that was posted in `group` before the account's departure is in the store. Who
    /// has left or was removed hears from the home that there is no more.
    pub(crate) fn on_read(&mut self, group: Name, ctx: &mut Context<'_>) {
        let known = self.know(group, ctx);
        if let Standing::Departed(why) = known.standing {
            known.is_read = true;
            if why == FaultCode::GROUP_CLOSED {
                self.end(group, why, ctx);
            }
        }
    }

    /// What the log tells counts at once, if it tells that the account is no member.
    pub(super) fn on_told(&mut self, group: Name, ctx: &mut Context<'_>) {
        let Some(known) = self.known.get(&group).filter(|known| known.chain.is_settled()) else {
            return;
        };
        let (Some(me), Some(roster)) = (ctx.me.name, known.chain.roster()) else {
            return;
        };
        match (departure(roster, &me), known.standing) {
            (Some(why), _) => self.depart(group, why, ctx),
            // It may have joined again since.
            (None, Standing::Departed(_)) => self.want(group, ctx),
            (None, _) => {}
        }
    }

    /// The account is a member no more; its log is read up to that.
    pub(super) fn depart(&mut self, group: Name, why: FaultCode, ctx: &mut Context<'_>) {
        let known = self.know(group, ctx);
        if known.standing == Standing::Member {
            known.standing = Standing::Departed(why);
            let ended = Ended { why, is_unread: true };
            ctx.store(StoreOp::EndGroup { group, ended });
            ctx.notify(Notice::GroupChanged(group));
        }
    }

    /// The account is a member no more, and nothing is left for it to read.
    pub(super) fn end(&mut self, group: Name, why: FaultCode, ctx: &mut Context<'_>) {
        let known = self.know(group, ctx);
        let former = known.standing;
        let why = match former {
            Standing::Departed(why) => why,
            Standing::Member | Standing::Out(_) => why,
        };
        known.standing = Standing::Out(why);
        if matches!(former, Standing::Out(_)) {
            return;
        }
        let was_seen = known
            .chain
            .roster()
            .is_some_and(|roster| ctx.me.name.is_some_and(|me| roster.is_member(&me)));
        if former == Standing::Member && was_seen {
            warn(group, format!("you are no member any more: {}", Failure::fault(why)), ctx);
        }
        self.know(group, ctx).is_over = true;
        let ended = Ended { why, is_unread: false };
        ctx.store(StoreOp::EndGroup { group, ended });
        ctx.notify(Notice::GroupChanged(group));
        self.drop_note(group);
    }
}
