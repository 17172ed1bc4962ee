//! Groups: begin to create or join one, change its roster, and which groups an account keeps.

use super::auth::{Challenge, KeyLogCopy};
use super::message;
use crate::field::{List, Opaque};
use crate::id::RequestId;
use crate::limits::{GROUPS_MAX, STATEMENT_LEN_MAX, STATEMENTS_MAX};
use crate::name::Name;
use crate::roster::{Act, Policy};

/// One signed statement of a roster; see [`crate::roster::Statement`].
pub type StatementBytes = Opaque<STATEMENT_LEN_MAX>;

message! {
    /// Before a group is created or joined: asks for the roster's head, and begins OPAQUE where the
    /// group has a password. Answered by [`GroupChallenge`] or a fault with this request.
    GroupStart = GROUP_START {
        /// Comes back in the answer.
        request: RequestId,
        /// The group's name.
        group: Name,
        /// [`Act::Create`] or [`Act::Join`].
        act: Act,
        /// OPAQUE `RegistrationRequest` to create with a password, `KE1` to join with one; else
        /// empty.
        opening: Challenge,
    }
}

message! {
    /// The home's answer to [`GroupStart`].
    GroupChallenge = GROUP_CHALLENGE {
        /// From the question.
        request: RequestId,
        /// Who may join. What was asked for when the group does not exist yet.
        policy: Policy,
        /// Version of the roster's head; 0 when the group does not exist yet.
        version: u32,
        /// Hash of the roster's head; zeros when the group does not exist yet.
        head: [u8; 32],
        /// OPAQUE `RegistrationResponse` or `KE2`; empty when the opening was, or needs none.
        response: Challenge,
    }
}

message! {
    /// Adds a signed statement to a roster, creating the group with the first one. Answered by
    /// [`RosterChanged`] or a fault with this request. The same bytes again are answered again.
    ChangeRoster = CHANGE_ROSTER {
        /// Comes back in the answer.
        request: RequestId,
        /// The group's name.
        group: Name,
        /// The signed statement.
        statement: StatementBytes,
        /// OPAQUE `RegistrationRecord` to create with a password, `KE3` to join with one; else
        /// empty.
        proof: Challenge,
        /// The actor's key log, for members who find the actor's own home away.
        key_log: KeyLogCopy,
    }
}

message! {
    /// The statement is on disk, and in the group's log.
    RosterChanged = ROSTER_CHANGED {
        /// From the question.
        request: RequestId,
        /// Its version.
        version: u32,
    }
}

message! {
    /// Asks for a roster's statements; for members and the invited only. Answered by [`Roster`] or
    /// a fault with this request.
    FetchRoster = FETCH_ROSTER {
        /// Comes back in the answer.
        request: RequestId,
        /// The group's name.
        group: Name,
        /// Only statements with a version above this; 0 for all.
        after: u32,
    }
}

message! {
    /// A part of a roster, oldest first.
    Roster = ROSTER {
        /// From [`FetchRoster`].
        request: RequestId,
        /// The group's name.
        group: Name,
        /// The statements, each signed and naming the hash of the one before.
        statements: List<StatementBytes, STATEMENTS_MAX>,
        /// Nothing newer is known to the home.
        complete: bool,
    }
}

message! {
    /// Keeps or forgets, at the account's home, that the account is in a group, so that its other
    /// machines find it. Answered by [`GroupNoted`] or a fault with this request.
    NoteGroup = NOTE_GROUP {
        /// Comes back in the answer.
        request: RequestId,
        /// The group's name.
        group: Name,
        /// Keep it; else forget it.
        kept: bool,
    }
}

message! {
    /// The note is on disk.
    GroupNoted = GROUP_NOTED {
        /// From the question.
        request: RequestId,
    }
}

message! {
    /// Asks for the groups that were noted. Answered by [`Groups`] or a fault with this request.
    ListGroups = LIST_GROUPS {
        /// Comes back in the answer.
        request: RequestId,
    }
}

message! {
    /// Every group that the account has noted, by name. Whether it is a member only their homes
    /// know.
    Groups = GROUPS {
        /// From the question.
        request: RequestId,
        /// The names.
        groups: List<Name, GROUPS_MAX>,
    }
}
