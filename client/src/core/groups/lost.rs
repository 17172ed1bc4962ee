//! A statement whose answer was lost: whether it got through is seen in the roster.

use wire::FaultCode;

use super::change::Step;
use super::group::Stage;
use super::{Groups, is_end};
use crate::core::context::Context;
use crate::core::request::GroupWish;
use crate::failure::Failure;

impl Groups {
    /// Whether a statement of unknown fate is in the roster.
    pub(super) fn look(&mut self, id: u32, ctx: &mut Context<'_>) {
        let (Some(change), Some(me)) = (self.changes.get(&id), ctx.me.name) else {
            return;
        };
        let Step::Looking(encoded) = &change.step else {
            return;
        };
        let (group, encoded) = (change.group, encoded.clone());
        let known = self.known.get(&group);
        if let Some(known) = known.filter(|known| known.is_current()) {
            let joined = matches!(change.wish, GroupWish::Join(_))
                && known.chain.roster().is_some_and(|roster| roster.is_member(&me));
            match joined || known.chain.holds(&encoded) {
                true => self.finish(id, None, ctx),
                false => self.begin_again(id),
            }
            return;
        }
        match known.map(|known| &known.stage) {
            Some(Stage::Failed(trouble)) => {
                let (code, failure) = (trouble.code, trouble.failure.clone());
                self.look_at_fault(id, code, failure, ctx);
            }
            _ => self.want(group, ctx),
        }
    }

    /// The home does not show the roster: that may say what became of the statement.
    fn look_at_fault(
        &mut self,
        id: u32,
        code: Option<FaultCode>,
        failure: Failure,
        ctx: &mut Context<'_>,
    ) {
        let Some(change) = self.changes.get(&id) else {
            return;
        };
        match (&change.wish, code) {
            (GroupWish::Leave | GroupWish::Close, Some(code)) if is_end(code) => {
                self.finish(id, None, ctx);
            }
            (GroupWish::Join(_), Some(FaultCode::NOT_A_MEMBER))
            | (GroupWish::Create(_), Some(FaultCode::NO_SUCH_GROUP)) => self.begin_again(id),
            (GroupWish::Create(_), Some(FaultCode::NOT_A_MEMBER)) => {
                self.refuse(id, Failure::fault(FaultCode::GROUP_NAME_TAKEN), ctx);
            }
            _ => self.refuse(id, failure, ctx),
        }
    }

    fn begin_again(&mut self, id: u32) {
        if let Some(change) = self.changes.get_mut(&id) {
            change.step = Step::Begin;
        }
    }
}
