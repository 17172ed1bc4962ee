//! Rosters: who is in a group, folded from a chain of signed statements.
//!
//! Home and clients fold the same statements by the same rules. The home decides on the order and
//! on who may join; it cannot sign for others. A client verifies each signature and passes over a
//! statement that is not signed by its actor or breaks a rule ([`Roster::pass`]), so that a server
//! cannot insert a member whom clients would seal for.

mod snapshot;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::fault::FaultCode;
use crate::limits::{
    GROUP_MEMBERS_MAX, INVITED_MAX, REMOVED_MAX, ROSTER_RESERVE, ROSTER_VERSION_MAX,
};
use crate::name::Name;

pub use statement::{Act, Policy, Statement};

/// A group's members and rules after a number of statements.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Roster {
    group: Name,
    version: u32,
    head: [u8; 32],
    policy: Policy,
    admin: Name,
    /// Each with the version of its joining.
    members: BTreeMap<Name, u32>,
    /// Each with the version of its invitation.
    invited: BTreeMap<Name, u32>,
    /// Each with the version of its removal.
    removed: BTreeMap<Name, u32>,
    last_departure: u32,
    closed: bool,
}

/// Why a statement does not fit a roster.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RosterError {
    /// It is of another group.
    #[error("the statement is of another group")]
    OtherGroup,
    /// It does not follow the roster's head.
    #[error("the statement does not follow the roster's head")]
    NotNext,
    /// The first statement is no creation, or a later one is.
    #[error("a roster begins with its creation, and only then")]
    Creation,
    /// The group was closed.
    #[error("the group was closed")]
    Closed,
    /// The actor, or the subject of a handing over or removal, is not a member.
    #[error("not a member of the group")]
    NotAMember,
    /// Only the admin may do this.
    #[error("only the group's admin may do this")]
    NotAnAdmin,
    /// The actor or the invited is a member already.
    #[error("a member of the group already")]
    AlreadyAMember,
    /// The actor was removed and not invited since.
    #[error("removed by the admin")]
    Removed,
    /// Only the invited may join.
    #[error("an invitation is needed")]
    NotInvited,
    /// There are [`GROUP_MEMBERS_MAX`] members.
    #[error("the group is full")]
    Full,
    /// There are [`ROSTER_VERSION_MAX`] statements.
    #[error("the group's history is too long")]
    Worn,
}

impl RosterError {
    /// How the home answers it.
    #[must_use]
    pub fn fault(self) -> FaultCode {
        match self {
            Self::OtherGroup | Self::Creation => FaultCode::MALFORMED,
            Self::NotNext => FaultCode::ROSTER_MOVED,
            Self::Closed => FaultCode::GROUP_CLOSED,
            Self::NotAMember => FaultCode::NOT_A_MEMBER,
            Self::NotAnAdmin => FaultCode::NOT_AN_ADMIN,
            Self::AlreadyAMember => FaultCode::ALREADY_A_MEMBER,
            Self::Removed => FaultCode::REMOVED,
            Self::NotInvited => FaultCode::INVITATION_NEEDED,
            Self::Full => FaultCode::GROUP_FULL,
            Self::Worn => FaultCode::ROSTER_FULL,
        }
    }
}

impl Roster {
    /// The roster that a group's first statement makes; `hash` is the statement's.
    ///
    /// # Errors
    /// [`RosterError`] when it is no first statement.
    pub fn create(statement: &Statement, hash: [u8; 32]) -> Result<Self, RosterError> {
        let policy = statement.policy.ok_or(RosterError::Creation)?;
        if statement.version != 1 || statement.previous != [0; 32] {
            return Err(RosterError::NotNext);
        }
        Ok(Self {
            group: statement.group,
            version: 1,
            head: hash,
            policy,
            admin: statement.actor,
            members: BTreeMap::from([(statement.actor, 1)]),
            invited: BTreeMap::new(),
            removed: BTreeMap::new(),
            last_departure: 0,
            closed: false,
        })
    }

    /// Takes the next statement; `hash` is its [`Statement::hash`].
    ///
    /// # Errors
    /// [`RosterError`]; nothing has changed then.
    pub fn apply(&mut self, statement: &Statement, hash: [u8; 32]) -> Result<(), RosterError> {
        self.check(statement)?;
        self.advance(statement.version, hash);
        let (actor, subject) = (statement.actor, statement.subject);
        match statement.act {
            Act::Create => unreachable!("check refuses a second creation"),
            Act::Join => {
                self.invited.remove(&actor);
                self.removed.remove(&actor);
                self.members.insert(actor, self.version);
            }
            Act::Leave => self.depart(&actor),
            Act::Invite => {
                self.invited.insert(subject, self.version);
                forget_oldest(&mut self.invited, INVITED_MAX);
            }
            Act::Remove => {
                self.invited.remove(&subject);
                self.removed.insert(subject, self.version);
                forget_oldest(&mut self.removed, REMOVED_MAX);
                if self.members.contains_key(&subject) {
                    self.depart(&subject);
                }
            }
            Act::HandOver => self.admin = subject,
            Act::Close => {
                self.closed = true;
                self.last_departure = self.version;
            }
        }
        Ok(())
    }

    /// Passes over a statement that is in the chain but is not valid: only the head moves.
    ///
    /// # Errors
    /// [`RosterError::NotNext`] when it is not even the next one.
    pub fn pass(&mut self, statement: &Statement, hash: [u8; 32]) -> Result<(), RosterError> {
        self.check_place(statement)?;
        self.advance(statement.version, hash);
        Ok(())
    }

    /// Whether `statement` may come next.
    ///
    /// # Errors
    /// [`RosterError`] says why not.
    pub fn check(&self, statement: &Statement) -> Result<(), RosterError> {
        self.check_place(statement)?;
        if self.closed {
            return Err(RosterError::Closed);
        }
        let grows = matches!(statement.act, Act::Join | Act::Invite);
        if grows && self.version >= ROSTER_VERSION_MAX - ROSTER_RESERVE {
            return Err(RosterError::Worn);
        }
        let (actor, subject) = (&statement.actor, &statement.subject);
        match statement.act {
            Act::Create => Err(RosterError::Creation),
            Act::Join => self.check_join(actor),
            Act::Leave => self.check_member(actor),
            Act::Invite if self.is_member(subject) => {
                self.check_admin(actor)?;
                Err(RosterError::AlreadyAMember)
            }
            Act::Invite | Act::Close => self.check_admin(actor),
            Act::Remove if self.invited.contains_key(subject) => self.check_admin(actor),
            Act::Remove | Act::HandOver => {
                self.check_admin(actor)?;
                self.check_member(subject)
            }
        }
    }

    /// Whether `account` may join, apart from a password.
    ///
    /// # Errors
    /// [`RosterError`] says why not.
    pub fn check_join(&self, account: &Name) -> Result<(), RosterError> {
        let invited = self.invited.contains_key(account);
        if self.closed {
            Err(RosterError::Closed)
        } else if self.is_member(account) {
            Err(RosterError::AlreadyAMember)
        } else if self.removed.contains_key(account) && !invited {
            Err(RosterError::Removed)
        } else if self.policy == Policy::Invitation && !invited {
            Err(RosterError::NotInvited)
        } else if self.members.len() >= GROUP_MEMBERS_MAX {
            Err(RosterError::Full)
        } else {
            Ok(())
        }
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> Name {
        self.group
    }

    /// How many statements there are.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Hash of the newest statement.
    #[must_use]
    pub fn head(&self) -> [u8; 32] {
        self.head
    }

    /// Who may join.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Who may invite, remove, hand over and close.
    #[must_use]
    pub fn admin(&self) -> Name {
        self.admin
    }

    /// Every member, each with the version of its joining.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&Name, u32)> {
        self.members.iter().map(|(name, version)| (name, *version))
    }

    /// Every account that is invited and has not joined.
    pub fn invited(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.invited.keys()
    }

    /// Whether `account` is a member.
    #[must_use]
    pub fn is_member(&self, account: &Name) -> bool {
        self.members.contains_key(account)
    }

    /// Whether `account` is invited and has not joined.
    #[must_use]
    pub fn is_invited(&self, account: &Name) -> bool {
        self.invited.contains_key(account)
    }

    /// Whether `account` was removed, and neither invited nor back since.
    #[must_use]
    pub fn is_removed(&self, account: &Name) -> bool {
        self.removed.contains_key(account) && !self.invited.contains_key(account)
    }

    /// The admin has ended the group, or its last member has left.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The version by which a member departed last; 0 for never. What was sealed for the members of
    /// an older version may be readable by somebody who has left.
    #[must_use]
    pub fn last_departure(&self) -> u32 {
        self.last_departure
    }

    fn check_place(&self, statement: &Statement) -> Result<(), RosterError> {
        if statement.group != self.group {
            return Err(RosterError::OtherGroup);
        }
        if self.version >= ROSTER_VERSION_MAX {
            return Err(RosterError::Worn);
        }
        if statement.version != self.version + 1 || statement.previous != self.head {
            return Err(RosterError::NotNext);
        }
        Ok(())
    }

    fn check_member(&self, account: &Name) -> Result<(), RosterError> {
        if self.is_member(account) { Ok(()) } else { Err(RosterError::NotAMember) }
    }

    fn check_admin(&self, account: &Name) -> Result<(), RosterError> {
        self.check_member(account)?;
        if self.admin == *account { Ok(()) } else { Err(RosterError::NotAnAdmin) }
    }

    fn advance(&mut self, version: u32, hash: [u8; 32]) {
        self.version = version;
        self.head = hash;
    }

    /// A member goes. An admin's office passes to the member of longest standing; with the last
    /// member the group ends.
    fn depart(&mut self, account: &Name) {
        self.members.remove(account);
        self.last_departure = self.version;
        if self.admin != *account {
            return;
        }
        match self.members.iter().min_by_key(|(_, joined)| **joined) {
            Some((oldest, _)) => self.admin = *oldest,
            None => self.closed = true,
        }
    }
}

fn forget_oldest(names: &mut BTreeMap<Name, u32>, max: usize) {
    if names.len() > max
        && let Some(oldest) = names.iter().min_by_key(|(_, version)| **version)
    {
        let oldest = *oldest.0;
        names.remove(&oldest);
    }
}
