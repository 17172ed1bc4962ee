//! Acts on what members have signed about a group's roster: see `claims`.

use wire::Name;

use super::claims::Verdict;
use super::group::Stage;
use super::{Context, Groups};
use crate::core::notice::Notice;
use crate::core::store_op::StoreOp;
use crate::failure::Failure;
use crate::store::{KeptStatement, RosterClaim};

impl Groups {
    /// Whether what is here already says the same: then nothing need be kept.
    pub(crate) fn confirms(&self, group: &Name, claim: &RosterClaim) -> bool {
        use super::claims::HeadAt::Known;
        let known = self.known.get(group);
        known.is_some_and(|known| known.chain.head_at(claim.version) == Known(claim.head))
    }

    /// A member has signed this with a grant; the store has it.
    pub(crate) fn on_claim(&mut self, group: Name, claim: RosterClaim, ctx: &mut Context<'_>) {
        self.know(group, ctx).claims.add(claim);
        self.judge(group, ctx);
    }

    /// Asks the store what it has, once: a claim may wait there to be compared.
    pub(super) fn load(&mut self, group: Name, ctx: &mut Context<'_>) {
        let known = self.know(group, ctx);
        if matches!(known.stage, Stage::Unloaded) {
            known.stage = Stage::Loading;
            ctx.store(StoreOp::LoadGroup(group));
        }
    }

    /// The user agrees to go on; `None` while the group is being loaded.
    pub(crate) fn agree(
        &mut self,
        group: Name,
        ctx: &mut Context<'_>,
    ) -> Option<Result<(), Failure>> {
        let known = self.know(group, ctx);
        if matches!(known.stage, Stage::Unloaded | Stage::Loading) {
            self.load(group, ctx);
            return None;
        }
        if !known.claims.is_doubted() {
            let text = format!("nothing speaks against #{group}'s members");
            return Some(Err(Failure::usage(text)));
        }
        known.claims.agree();
        ctx.store(StoreOp::AgreeToRoster(group));
        ctx.notify(Notice::GroupChanged(group));
        Some(Ok(()))
    }

    pub(super) fn is_doubted(&self, group: &Name) -> bool {
        self.known.get(group).is_some_and(|known| known.claims.is_doubted())
    }

    /// Compares what can be compared with what is verified now.
    pub(super) fn judge(&mut self, group: Name, ctx: &mut Context<'_>) {
        let Some(known) = self.known.get_mut(&group) else {
            return;
        };
        if matches!(known.stage, Stage::Unloaded | Stage::Loading) {
            return self.load(group, ctx);
        }
        let end = known.is_current().then(|| known.chain.newest());
        let chain = &known.chain;
        let verdicts = known.claims.judge(group, |version| chain.head_at(version), end);
        self.enforce(group, verdicts, ctx);
    }

    /// The store has answered.
    pub(super) fn compare_stored(
        &mut self,
        group: Name,
        version: u32,
        kept: Option<&KeptStatement>,
        ctx: &mut Context<'_>,
    ) {
        if let Some(known) = self.known.get_mut(&group) {
            let verdicts = known.claims.on_statement(group, version, kept);
            self.enforce(group, verdicts, ctx);
        }
    }

    fn enforce(&mut self, group: Name, verdicts: Vec<Verdict>, ctx: &mut Context<'_>) {
        for verdict in verdicts {
            match verdict {
                Verdict::Holds(sender) => ctx.store(StoreOp::SettleClaim { group, sender }),
                Verdict::Contradicts(claim, text) => {
                    let at = ctx.wall;
                    ctx.store(StoreOp::Contradict { group, claim, text, at });
                    ctx.notify(Notice::GroupChanged(group));
                }
                Verdict::AskStore(version) => {
                    ctx.store(StoreOp::LoadStatement { group, version });
                }
                Verdict::AskHome => {
                    let known = self.know(group, ctx);
                    known.rest_unless_failed();
                    known.wanted = true;
                }
            }
        }
    }
}
