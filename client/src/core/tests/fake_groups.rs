//! The groups that a real store would hold, in memory.

use std::collections::{BTreeMap, BTreeSet};

use wire::roster::Roster;
use wire::{FaultCode, Name};

use crate::core::{StoreOp, Stored};
use crate::store::{
    ClaimState, Ended, GroupRecord, InboxId, KeptClaim, KeptStatement, RosterClaim,
};

/// What a real store would hold.
#[derive(Default)]
pub(super) struct FakeGroups {
    pub(super) ended: BTreeMap<Name, Option<Ended>>,
    pub(super) rosters: BTreeMap<Name, Roster>,
    pub(super) statements: BTreeMap<(Name, u32), KeptStatement>,
    /// What members have signed, by group and member.
    pub(super) claims: BTreeMap<(Name, Name), KeptClaim>,
    /// What was told of claims that contradict.
    pub(super) warnings: Vec<String>,
    /// Invitations that were noted.
    pub(super) invitations: BTreeSet<(Name, Name)>,
}

impl FakeGroups {
    pub(super) fn perform(&mut self, op: StoreOp) -> (&'static str, Option<Stored>) {
        match op {
            StoreOp::LoadGroups => {
                let groups = self.ended.iter().map(|(name, ended)| (*name, *ended)).collect();
                ("groups", Some(Stored::Groups(groups)))
            }
            StoreOp::LoadGroup(name) => {
                let record = self.ended.get(&name).map(|ended| {
                    let roster = self.rosters.get(&name).cloned();
                    let claims = self.claims.iter().filter(|((group, _), _)| *group == name);
                    let claims = claims.map(|(_, kept)| *kept).collect();
                    Box::new(GroupRecord { name, ended: *ended, roster, claims })
                });
                ("group", Some(Stored::Group { name, record }))
            }
            StoreOp::LoadStatement { group, version } => {
                let statement = self.statements.get(&(group, version)).cloned();
                ("statement", Some(Stored::Statement { group, version, statement }))
            }
            StoreOp::Contradict { group, claim, text, .. } => {
                let state = ClaimState::Contradicting;
                self.claims.insert((group, claim.sender), KeptClaim { claim, state });
                self.warnings.push(text);
                let id = i64::try_from(self.warnings.len()).expect("few");
                ("contradicted", Some(Stored::Contradicted(InboxId(-id))))
            }
            op => (self.perform_silent(op), None),
        }
    }

    /// In the transaction that keeps its grant.
    pub(super) fn note(&mut self, group: Name, claim: RosterClaim) {
        let state = ClaimState::Open;
        self.claims.entry((group, claim.sender)).or_insert(KeptClaim { claim, state });
    }

    fn perform_silent(&mut self, op: StoreOp) -> &'static str {
        match op {
            StoreOp::KeepGroup(name) => {
                self.ended.insert(name, None);
                "kept"
            }
            StoreOp::EndGroup { group, ended } => {
                self.ended.insert(group, Some(ended));
                "ended"
            }
            StoreOp::SettleClaim { group, sender } => {
                self.claims.remove(&(group, sender));
                "settled claim"
            }
            StoreOp::AgreeToRoster(group) => {
                let of_it = self.claims.iter_mut().filter(|((of, _), _)| *of == group);
                of_it.for_each(|(_, kept)| kept.state = ClaimState::Agreed);
                "agreed"
            }
            StoreOp::NoteInvitation { group, user } => {
                self.invitations.insert((group, user));
                "invitation"
            }
            StoreOp::DropInvitation { group, user } => {
                self.invitations.remove(&(group, user));
                "no invitation"
            }
            StoreOp::AddStatements { statements, roster } => {
                let group = roster.group();
                self.ended
                    .entry(group)
                    .or_insert(Some(Ended { why: FaultCode::NOT_A_MEMBER, is_unread: false }));
                for statement in statements {
                    let newest = self.statements.range((group, 0)..=(group, u32::MAX)).count();
                    assert_eq!(u32::try_from(newest).expect("few") + 1, statement.version);
                    self.statements.insert((group, statement.version), statement);
                }
                self.rosters.insert(group, *roster);
                "statements"
            }
            op => panic!("{op:?} is not played"),
        }
    }
}
