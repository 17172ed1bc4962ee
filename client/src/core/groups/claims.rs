//! What members have signed about a group's roster, compared with the own verified chain.
//!
//! Whoever grants a key signs for which roster it has sealed: a version and the hash of its
//! statement. A home that shows two members two histories cannot make these agree. A claim of a
//! version that the own chain has not reached waits; when the home, asked after the claim came,
//! still does not show that version, it withholds statements.

use std::collections::BTreeMap;

use wire::Name;
use wire::roster::Statement;

use crate::failure::{Code, Failure};
use crate::store::{ClaimState, KeptClaim, KeptStatement, RosterClaim};

/// The claims about one group's roster: one of each member at most.
#[derive(Debug, Default)]
pub(super) struct Claims {
    open: BTreeMap<Name, Open>,
    /// Those that contradict; whether the user has agreed to go on.
    doubts: BTreeMap<Name, bool>,
}

#[derive(Debug)]
struct Open {
    claim: RosterClaim,
    /// The home was asked for its statements after the claim came.
    is_home_asked: bool,
    is_store_asked: bool,
}

/// What the own chain has at a version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HeadAt {
    /// A statement with this hash.
    Known([u8; 32]),
    /// One that the store has.
    Stored,
    /// Nothing yet.
    Ahead,
}

/// What is to be done about a claim.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is what the home shows here.
    Holds(Name),
    /// It is not; what the user is told.
    Contradicts(RosterClaim, String),
    /// The store must be asked for this version's statement.
    AskStore(u32),
    /// The home must be asked for its newest statements.
    AskHome,
}

impl Claims {
    /// What the store had.
    pub(super) fn restore(&mut self, kept: Vec<KeptClaim>) {
        for KeptClaim { claim, state } in kept {
            match state {
                ClaimState::Open => self.add(claim),
                state => {
                    self.doubts.insert(claim.sender, state == ClaimState::Agreed);
                }
            }
        }
    }

    /// A claim to be compared. Of one member the newest counts; of one whose claim contradicts,
    /// nothing more is asked.
    pub(super) fn add(&mut self, claim: RosterClaim) {
        let sender = claim.sender;
        let is_newer = self.open.get(&sender).is_none_or(|o| o.claim.version < claim.version);
        if is_newer && !self.doubts.contains_key(&sender) {
            self.open.insert(sender, Open { claim, is_home_asked: false, is_store_asked: false });
        }
    }

    /// The home is being asked.
    pub(super) fn on_home_asked(&mut self) {
        self.open.values_mut().for_each(|open| open.is_home_asked = true);
    }

    /// The home's answer is not to be had.
    pub(super) fn on_offline(&mut self) {
        self.open.values_mut().for_each(|open| open.is_home_asked = false);
    }

    /// The members are in doubt, and the user has not agreed to go on.
    pub(super) fn is_doubted(&self) -> bool {
        self.doubts.values().any(|is_agreed| !is_agreed)
    }

    /// The user agrees to go on.
    pub(super) fn agree(&mut self) {
        self.doubts.values_mut().for_each(|is_agreed| *is_agreed = true);
    }

    /// Compares what can be compared. `head_at` is the own chain; `end` its newest version, when
    /// everything is here that the home has told of.
    pub(super) fn judge(
        &mut self,
        group: Name,
        head_at: impl Fn(u32) -> HeadAt,
        end: Option<u32>,
    ) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for open in self.open.values_mut() {
            let claim = open.claim;
            verdicts.extend(match (head_at(claim.version), end) {
                (HeadAt::Known(head), _) => Some(verdict(group, claim, head)),
                (HeadAt::Stored, _) if open.is_store_asked => None,
                (HeadAt::Stored, _) => {
                    open.is_store_asked = true;
                    Some(Verdict::AskStore(claim.version))
                }
                (HeadAt::Ahead, Some(end)) if open.is_home_asked => {
                    Some(Verdict::Contradicts(claim, withheld(group, &claim, end)))
                }
                (HeadAt::Ahead, _) if open.is_home_asked => None,
                (HeadAt::Ahead, _) => Some(Verdict::AskHome),
            });
        }
        verdicts.iter().for_each(|verdict| self.note(verdict));
        verdicts
    }

    /// The store has answered. What it has not cannot be compared.
    pub(super) fn on_statement(
        &mut self,
        group: Name,
        version: u32,
        kept: Option<&KeptStatement>,
    ) -> Vec<Verdict> {
        let asked = |open: &&Open| open.is_store_asked && open.claim.version == version;
        let claims = self.open.values().filter(asked).map(|open| open.claim);
        let verdicts: Vec<Verdict> = claims
            .map(|claim| match kept {
                Some(kept) => verdict(group, claim, Statement::hash(&kept.encoded)),
                None => Verdict::Holds(claim.sender),
            })
            .collect();
        verdicts.iter().for_each(|verdict| self.note(verdict));
        verdicts
    }

    fn note(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Holds(sender) => {
                self.open.remove(sender);
            }
            Verdict::Contradicts(claim, _) => {
                self.open.remove(&claim.sender);
                self.doubts.insert(claim.sender, false);
            }
            Verdict::AskStore(_) | Verdict::AskHome => {}
        }
    }
}

fn verdict(group: Name, claim: RosterClaim, head: [u8; 32]) -> Verdict {
    match claim.head == head {
        true => Verdict::Holds(claim.sender),
        false => Verdict::Contradicts(claim, other_history(group, &claim)),
    }
}

fn other_history(group: Name, claim: &RosterClaim) -> String {
    let RosterClaim { sender, version, .. } = claim;
    format!(
        "{sender} was shown another history of #{group}'s members (change {version}) than is shown \
         here: the group's home is lying, or {sender} is. {}",
        advice(group)
    )
}

fn withheld(group: Name, claim: &RosterClaim, end: u32) -> String {
    let RosterClaim { sender, version, .. } = claim;
    format!(
        "{sender} knows {version} changes of #{group}'s members, of which its home shows only \
         {end} here: the home withholds them, or {sender} is lying. {}",
        advice(group)
    )
}

fn advice(group: Name) -> String {
    format!(
        "Compare `fastchat group members {group}` with the others. Nothing is sent to #{group} \
         before you agree: `fastchat group trust {group}`"
    )
}

/// Why nothing is sealed for the group.
pub(super) fn doubted(group: Name) -> Failure {
    let text = format!(
        "the members of #{group} are in doubt; see `fastchat group members {group}`, and to go on \
         nevertheless run `fastchat group trust {group}`"
    );
    Failure::new(Code::UntrustedKey, text)
}
