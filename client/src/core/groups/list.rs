//! Which groups the account is in: what the store knows, and what the account's home has noted for
//! its other machines.

use std::collections::BTreeSet;

use wire::message::{GroupNoted, Groups as Noted, ListGroups, NoteGroup};
use wire::{Instant, Name};

use super::group::{Stage as GroupStage, Standing};
use super::{Groups, PAUSE, Question, warn};
use crate::core::context::Context;
use crate::core::store_op::StoreOp;
use crate::failure::Failure;
use crate::store::Ended;

/// How far the list has come.
#[derive(Debug, Default)]
pub(super) struct List {
    stage: Stage,
    wanted: bool,
    /// Their homes are asked whether the account is a member, and who else: noted and not known
    /// here before, or all, when that is wanted.
    undecided: BTreeSet<Name>,
    /// Every group's roster is wanted as it is now.
    whole: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    #[default]
    Unloaded,
    /// The store was asked.
    Loading,
    /// What the store had is here.
    Loaded,
    /// The account's home was asked.
    Asking,
    /// Its answer is here.
    Done,
    /// It cannot be asked before then.
    Pausing(Instant),
}

impl List {
    /// Nothing better is known at this moment.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Pausing(_))
    }

    pub(super) fn on_offline(&mut self) {
        if !matches!(self.stage, Stage::Unloaded | Stage::Loading) {
            self.stage = Stage::Loaded;
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Pausing(until) if until <= now) {
            self.stage = Stage::Loaded;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Pausing(until) => Some(until),
            _ => None,
        }
    }
}

impl Groups {
    /// Asks for the list anew, unless that is under way, and for the roster of every group in it.
    pub(crate) fn list(&mut self, ctx: &mut Context<'_>) {
        self.list.whole = true;
        if self.list.stage == Stage::Done {
            self.list.stage = Stage::Loaded;
        }
        self.advance_list(ctx);
    }

    /// The outcome of [`Self::list`]; `None` while it is under way.
    pub(crate) fn listed(&self) -> Option<Result<(), Failure>> {
        let undecided = self.list.undecided.iter().filter_map(|name| self.known.get(name));
        let is_open = |stage: &GroupStage| {
            !matches!(stage, GroupStage::Fresh | GroupStage::Failed(_) | GroupStage::Pausing(_))
        };
        let decided = undecided.into_iter().all(|known| !is_open(&known.stage));
        (self.list.stage == Stage::Done && decided).then_some(Ok(()))
    }

    /// Begins to ask for the list, once for each connection.
    pub(super) fn advance_list(&mut self, ctx: &mut Context<'_>) {
        self.list.wanted = true;
        self.pump_list(ctx);
    }

    pub(super) fn pump_list(&mut self, ctx: &mut Context<'_>) {
        match self.list.stage {
            _ if !self.list.wanted => {}
            Stage::Unloaded => {
                self.list.stage = Stage::Loading;
                ctx.store(StoreOp::LoadGroups);
            }
            Stage::Loaded if ctx.seat.is_some() => {
                if let Some(request) = self.request(Question::List) {
                    self.list.stage = Stage::Asking;
                    ctx.send(ListGroups { request });
                }
            }
            _ => {}
        }
    }

    /// The store has answered. What is here already is newer.
    pub(crate) fn on_groups_loaded(
        &mut self,
        groups: Vec<(Name, Option<Ended>)>,
        ctx: &mut Context<'_>,
    ) {
        for (name, ended) in groups {
            let known = self.know(name, ctx);
            if matches!(known.stage, GroupStage::Unloaded | GroupStage::Loading) {
                known.standing = Standing::stored(ended);
            }
        }
        self.list.stage = Stage::Loaded;
        self.pump_list(ctx);
    }

    /// The account's home has answered.
    pub(crate) fn on_noted_groups(&mut self, answer: Noted, ctx: &mut Context<'_>) {
        if self.requests.remove(&answer.request) != Some(Question::List) {
            return;
        }
        self.list.stage = Stage::Done;
        self.list.undecided.clear();
        for name in answer.groups.into_items() {
            let changing = self.changes.values().any(|change| change.is_of(&name));
            let known = self.know(name, ctx);
            let (standing, is_over) = (known.standing, known.is_over);
            if changing || is_over || standing == Standing::Member {
                continue;
            }
            // Another machine may have joined again.
            if matches!(standing, Standing::Out(_)) {
                self.keep(name, ctx);
            }
            self.list.undecided.insert(name);
            self.refresh(name, ctx);
        }
        if std::mem::take(&mut self.list.whole) {
            for name in self.readings().collect::<Vec<_>>() {
                if self.list.undecided.insert(name) {
                    self.refresh(name, ctx);
                }
            }
        }
    }

    /// A home cannot be asked now. Who lists groups hears that what is shown of it may be old.
    pub(super) fn on_silent_home(&mut self, group: Name, ctx: &mut Context<'_>) {
        if self.list.undecided.remove(&group) {
            let text = "its home cannot be reached now; this is what was known last";
            warn(group, text.to_owned(), ctx);
        }
    }

    pub(super) fn on_list_fault(&mut self, ctx: &mut Context<'_>) {
        self.list.stage = Stage::Pausing(ctx.now + ctx.jitter(PAUSE));
    }

    /// Drops notes of groups that the account is not in.
    pub(super) fn pump_forgetting(&mut self, ctx: &mut Context<'_>) {
        while ctx.seat.is_some()
            && let Some(group) = self.forgetting.first().copied()
            && let Some(request) = self.request(Question::Forget)
        {
            self.forgetting.remove(&group);
            ctx.send(NoteGroup { request, group, kept: false });
        }
    }

    /// A note is on disk, or gone.
    pub(crate) fn on_noted(&mut self, answer: &GroupNoted, ctx: &mut Context<'_>) {
        if let Some(Question::Change(id)) = self.requests.remove(&answer.request) {
            self.on_change_noted(id, ctx);
        }
    }
}
