//! One group as far as this client knows it: how the account stands to it, its roster, and whether
//! that is up to date.

use std::sync::Arc;

use bytes::Bytes;
use wire::roster::{Act, Roster, Statement};
use wire::{FaultCode, Instant, Name};

use super::chain::{self, Chain, Taken};
use super::claims::Claims;
use super::{forked, warn};
use crate::core::context::Context;
use crate::core::notice::Notice;
use crate::core::readers::{Reader, ReaderList};
use crate::core::store_op::StoreOp;
use crate::failure::Failure;
use crate::store::{Ended, KeptStatement};

#[derive(Debug)]
pub(super) struct Group {
    pub(super) standing: Standing,
    /// Everything that came before the departure is in the store.
    pub(super) is_read: bool,
    /// It has ended on this connection: its note is being dropped.
    pub(super) is_over: bool,
    pub(super) stage: Stage,
    /// Bring the roster up to date.
    pub(super) wanted: bool,
    pub(super) chain: Chain,
    pub(super) claims: Claims,
    /// The readers as of the roster.
    readers: Option<Arc<ReaderList>>,
}

/// How the account stands to a group, as far as this machine knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    Member,
    /// No member, and why. Its log is still to be read up to the departure.
    Departed(FaultCode),
    /// No member, and why.
    Out(FaultCode),
}

impl Standing {
    /// What the store says.
    pub(super) fn stored(ended: Option<Ended>) -> Self {
        match ended {
            None => Self::Member,
            Some(Ended { why, is_unread: true }) => Self::Departed(why),
            Some(Ended { why, is_unread: false }) => Self::Out(why),
        }
    }

    /// Why the account is no member, if it is none.
    pub(super) fn why(self) -> Option<FaultCode> {
        match self {
            Self::Member => None,
            Self::Departed(why) | Self::Out(why) => Some(why),
        }
    }
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The store was not asked.
    Unloaded,
    /// The store was asked.
    Loading,
    /// What the store had is here.
    Rested,
    /// The home was asked.
    Asking,
    /// The home's answer is being verified; whether it had no more.
    Verifying { complete: bool },
    /// Everything the home had then is here.
    Fresh,
    /// The home cannot be asked before then.
    Pausing(Instant),
    /// No answer will be better while this connection lasts; the home's word, if it was its word.
    Failed(Trouble),
}

/// Why a roster cannot be had.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// Since when.
    pub(super) at: Instant,
    /// The home's word, if it was its word.
    pub(super) code: Option<FaultCode>,
    pub(super) failure: Failure,
}

impl Group {
    pub(super) fn new(name: Name) -> Self {
        Self {
            standing: Standing::Out(FaultCode::NOT_A_MEMBER),
            is_read: false,
            is_over: false,
            stage: Stage::Unloaded,
            wanted: false,
            chain: Chain::new(name),
            claims: Claims::default(),
            readers: None,
        }
    }

    /// Everything that the home has told of is here and verified.
    pub(super) fn is_current(&self) -> bool {
        matches!(self.stage, Stage::Fresh) && self.chain.is_settled()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.wanted || !self.chain.is_settled()
    }

    pub(super) fn refusal(&self) -> Failure {
        Failure::fault(self.standing.why().unwrap_or(FaultCode::NOT_A_MEMBER))
    }

    /// What the home has said may be old: it is asked again when that is wanted.
    pub(super) fn rest(&mut self) {
        if matches!(self.stage, Stage::Fresh | Stage::Failed(_)) {
            self.stage = Stage::Rested;
        }
    }

    /// The home's newest statements are wanted.
    pub(super) fn rest_unless_failed(&mut self) {
        if matches!(self.stage, Stage::Fresh) {
            self.stage = Stage::Rested;
        }
    }

    /// What the home shows is not believed.
    pub(super) fn fail(&mut self, failure: Failure, ctx: &mut Context<'_>) {
        self.chain.drop_waiting();
        self.wanted = false;
        self.stage = Stage::Failed(Trouble { at: ctx.now, code: None, failure });
    }

    /// Takes a statement of the home's answer; whether to go on.
    pub(super) fn take(&mut self, group: Name, encoded: Bytes, ctx: &mut Context<'_>) -> bool {
        let failure = match self.chain.take(encoded, ctx.now) {
            Ok(Taken::Queued | Taken::Held) => return true,
            Ok(Taken::Fork) => forked(group),
            Ok(Taken::Gap) => {
                Failure::unexpected(format!("the home of #{group} leaves out statements"))
            }
            Err(failure) => failure,
        };
        warn(group, failure.text.clone(), ctx);
        self.fail(failure, ctx);
        false
    }

    pub(super) fn keep(&mut self, group: Name, kept: Vec<KeptStatement>, ctx: &mut Context<'_>) {
        for statement in &kept {
            if let Some(why) = &statement.fault
                && let Ok(read) = Statement::decode(statement.encoded.clone())
            {
                warn(group, chain::warning(&read, why), ctx);
            }
        }
        self.readers = None;
        if let Some(roster) = self.chain.roster() {
            let roster = Box::new(roster.clone());
            let may_invite = kept.iter().any(|statement| is_invitation(statement, ctx));
            ctx.store(StoreOp::AddStatements { statements: kept, roster });
            if may_invite {
                ctx.store(StoreOp::LoadOutbox);
            }
            ctx.notify(Notice::GroupChanged(group));
        }
    }

    pub(super) fn reader_list(&mut self) -> Option<Arc<ReaderList>> {
        if self.readers.is_none() {
            self.readers = self.chain.roster().map(|roster| Arc::new(reader_list(roster)));
        }
        self.readers.clone()
    }
}

/// Whether the store may turn it into a message to the invited.
fn is_invitation(kept: &KeptStatement, ctx: &Context<'_>) -> bool {
    let is_mine =
        |statement: Statement| statement.act == Act::Invite && ctx.me.name == Some(statement.actor);
    kept.fault.is_none() && Statement::decode(kept.encoded.clone()).is_ok_and(is_mine)
}

fn reader_list(roster: &Roster) -> ReaderList {
    ReaderList {
        version: roster.version(),
        last_departure: roster.last_departure(),
        head: roster.head(),
        readers: roster.members().map(|(name, joined)| Reader { name: *name, joined }).collect(),
    }
}

/// Why `me` is no member by the roster, if it is none.
pub(super) fn departure(roster: &Roster, me: &Name) -> Option<FaultCode> {
    match roster.is_member(me) {
        false if roster.is_removed(me) => Some(FaultCode::REMOVED),
        _ if roster.is_closed() => Some(FaultCode::GROUP_CLOSED),
        true => None,
        false => Some(FaultCode::NOT_A_MEMBER),
    }
}
