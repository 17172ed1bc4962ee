//! What the user wants of the core.

use std::sync::Arc;

use wire::roster::Policy;
use wire::{Name, Seq};
use zeroize::Zeroizing;

use crate::crypto::keys::KeyId;
use crate::store::InboxId;

/// Names a question of the shell, so that its answer finds the one who asked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// A password: wiped when the last copy goes, never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Password(Arc<Zeroizing<Vec<u8>>>);

impl Password {
    /// Takes the password's bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(bytes))
    }

    /// The password's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(secret)")
    }
}

/// What the user wants.
#[derive(Debug)]
pub enum Command {
    /// Make an account and begin a session.
    SignUp {
        /// The wanted name.
        name: Name,
        /// Its password.
        password: Password,
    },
    /// Begin a session with a password.
    SignIn {
        /// The account.
        name: Name,
        /// Its password.
        password: Password,
        /// End a live session elsewhere.
        takeover: bool,
    },
    /// Give up a sign-up or sign-in that is under way.
    Stop,
    /// The user was shown everything of the account's own mailbox up to this, and does not mind
    /// that those who wrote it hear so.
    Shown(Seq),
    /// Anything that works with a stored session; answered by [`super::Notice::Answered`].
    Ask {
        /// Comes back in the answer.
        ticket: Ticket,
        /// What is wanted.
        request: Request,
    },
}

/// What works with a stored session. Several processes may ask one holder of the connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// The store has new drafts: seal and post them. Answered as soon as they were taken.
    Outbox,
    /// Read the mailbox. Answered when everything that waited was received.
    Attach(Reading),
    /// Bring the account's keys up to date. Answered when that is done.
    Fetch(Name),
    /// The user agrees to the contact's newest key, provided it still is this one.
    Trust {
        /// The contact.
        name: Name,
        /// The signing key that the user has seen.
        key: KeyId,
        /// The user has compared safety numbers.
        verified: bool,
    },
    /// The user agrees to go on with a group in spite of what speaks against its members.
    TrustGroup(Name),
    /// Bring the list of one's groups up to date. Answered when that is done.
    Groups,
    /// Bring a group's roster up to date. Answered when that is done.
    Roster(Name),
    /// Change a group, or who is in it. Answered when that is done.
    Group {
        /// Which group.
        group: Name,
        /// The change.
        wish: GroupWish,
    },
    /// Bring the attachment of a received message here. Answered when its ciphertext is.
    Download(InboxId),
    /// End the session for good.
    SignOut,
}

/// A change of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GroupWish {
    /// Make it.
    Create(Admission),
    /// Become a member; with the group's password, if the user gave one.
    Join(Option<Password>),
    /// Be a member no more.
    Leave,
    /// Let this account join.
    Invite(Name),
    /// End this account's membership or invitation.
    Remove(Name),
    /// Make this member the admin.
    HandOver(Name),
    /// End the group.
    Close,
}

/// Who may join a new group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Admission {
    /// Everybody.
    Open,
    /// Whoever has this password.
    Password(Password),
    /// The invited.
    Invitation,
}

impl Admission {
    /// As the roster says it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        match self {
            Self::Open => Policy::Open,
            Self::Password(_) => Policy::Password,
            Self::Invitation => Policy::Invitation,
        }
    }
}

/// How the mailbox is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// Receive and acknowledge everything.
    All,
    /// Receive and acknowledge at most this many messages; the others stay at the home.
    Count(u32),
    /// Receive without acknowledging: everything stays at the home.
    Peek,
}
