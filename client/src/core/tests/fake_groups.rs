//! The groups that a real store would hold, in memory.

use std::collections::BTreeMap;

use wire::roster::Roster;
use wire::{FaultCode, Name};

use crate::core::{StoreOp, Stored};
use crate::store::{GroupRecord, KeptStatement};

/// What a real store would hold.
#[derive(Default)]
pub(super) struct FakeGroups {
    pub(super) ended: BTreeMap<Name, Option<FaultCode>>,
    pub(super) rosters: BTreeMap<Name, Roster>,
    pub(super) statements: BTreeMap<(Name, u32), KeptStatement>,
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
                    Box::new(GroupRecord { name, ended: *ended, roster })
                });
                ("group", Some(Stored::Group { name, record }))
            }
            StoreOp::LoadStatement { group, version } => {
                let statement = self.statements.get(&(group, version)).cloned();
                ("statement", Some(Stored::Statement { group, version, statement }))
            }
            op => (self.perform_silent(op), None),
        }
    }

    fn perform_silent(&mut self, op: StoreOp) -> &'static str {
        match op {
            StoreOp::KeepGroup(name) => {
                self.ended.insert(name, None);
                "kept"
            }
            StoreOp::EndGroup { group, why } => {
                self.ended.insert(group, Some(why));
                "ended"
            }
            StoreOp::AddStatements { statements, roster } => {
                let group = roster.group();
                self.ended.entry(group).or_insert(Some(FaultCode::NOT_A_MEMBER));
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
