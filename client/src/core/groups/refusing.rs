//! The end of a change that was refused: what was noted for it is taken back.

use std::time::Duration;

use wire::Name;

use super::change::Step;
use super::group::{Stage, Standing};
use super::{Groups, is_end};
use crate::core::context::Context;
use crate::core::request::GroupWish;
use crate::core::store_op::StoreOp;
use crate::failure::Failure;

/// A refusal waits so long for what the group's home says.
const ASKING_TIME_MAX: Duration = Duration::from_secs(2);

/// Whether the account's other machines need its note of a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    Yes,
    No,
    /// The home cannot say. The note stays: whoever finds it asks the group's home.
    Unknown,
}

impl Groups {
    /// The change was refused for good. It was noted first where it would make a member: then the
    /// roster says whether the account is one anyway, since an earlier change may have got through
    /// to a process that died before it heard.
    pub(super) fn refuse(&mut self, id: u32, failure: Failure, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get(&id) else {
            return;
        };
        let (group, noted) = (change.group, change.noted);
        let known = self.know(group, ctx);
        if !noted || !matches!(known.standing, Standing::Out(_)) {
            return self.answer_refused(id, failure, ctx);
        }
        if matches!(known.stage, Stage::Pausing(_)) {
            known.stage = Stage::Rested;
        }
        if let Some(change) = self.changes.get_mut(&id) {
            change.step = Step::Refused(failure, ctx.now + ASKING_TIME_MAX);
        }
        self.refresh(group, ctx);
    }

    /// The note of a refused change goes, stays, or has still to be asked about.
    pub(super) fn conclude(&mut self, id: u32, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get(&id) else {
            return;
        };
        let Step::Refused(failure, until) = &change.step else {
            return;
        };
        let (group, failure, until) = (change.group, failure.clone(), *until);
        match self.need_of_note(&group) {
            None if ctx.now < until => self.want(group, ctx),
            need => {
                self.answer_refused(id, failure, ctx);
                if need == Some(Need::No) {
                    self.drop_note(group);
                }
            }
        }
    }

    /// The connection is lost: who was refused hears it now. Whether the note is needed is asked
    /// when the account's groups are listed.
    pub(super) fn tell_refused(&mut self, ctx: &mut Context<'_>) {
        let refused = self.changes.iter().filter_map(|(id, change)| match &change.step {
            Step::Refused(failure, _) => Some((*id, failure.clone())),
            _ => None,
        });
        for (id, failure) in refused.collect::<Vec<_>>() {
            self.answer_refused(id, failure, ctx);
        }
    }

    /// The account is not in a group: its note goes, once no joining that needs it is under way.
    pub(super) fn drop_note(&mut self, group: Name) {
        let mut entries = self.changes.values_mut().filter(|change| change.is_entry());
        match entries.find(|change| change.is_of(&group)) {
            Some(entry) => entry.noted = true,
            None => drop(self.forgetting.insert(group)),
        }
    }

    /// `None` until the group's home was asked.
    fn need_of_note(&self, group: &Name) -> Option<Need> {
        let known = self.known.get(group)?;
        let is_out = matches!(known.standing, Standing::Out(_));
        match &known.stage {
            _ if !is_out => Some(Need::Yes),
            Stage::Failed(trouble) => {
                let is_end = trouble.code.is_some_and(is_end);
                Some(if is_end { Need::No } else { Need::Unknown })
            }
            Stage::Pausing(_) => Some(Need::Unknown),
            _ => known.is_current().then_some(Need::No),
        }
    }

    fn answer_refused(&mut self, id: u32, failure: Failure, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.remove(&id) else {
            return;
        };
        if let GroupWish::Invite(user) = change.wish {
            ctx.store(StoreOp::DropInvitation { group: change.group, user });
        }
        change.answer(Err(failure), ctx);
    }
}
