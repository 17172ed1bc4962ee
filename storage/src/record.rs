//! What is kept for an account, its session, a sender's posts to a log, a reader, a group, a grant
//! and a blob.

use std::fmt;

use bytes::Bytes;
use wire::{MessageSession, Name, Number, Origin, Seq, SessionEpoch, Wall};

/// What sign-up leaves behind.
#[derive(Clone, Eq, PartialEq)]
pub struct AccountRecord {
    /// OPAQUE's `ServerRegistration`; at most `OPAQUE_LEN_MAX` bytes.
    pub record: Bytes,
    /// SHA-256 of the fields of the `SignUpFinish` that made the account: its repetition is known.
    pub sign_up_hash: [u8; 32],
    /// The account's private keys under the OPAQUE export key; at most `SEALED_KEYS_LEN_MAX`.
    pub sealed_keys: Bytes,
    /// When the account was made, by its home's clock.
    pub created: Wall,
}

/// No contents: they are what an attacker on the password needs.
impl fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRecord").field("created", &self.created).finish_non_exhaustive()
    }
}

/// An account's session, and which epochs and origins were used.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct SessionRecord {
    /// No session has an epoch above this: it was reserved before the first was given out.
    pub epoch_reserved: SessionEpoch,
    /// The newest session's epoch.
    pub epoch: SessionEpoch,
    /// The newest session's origin.
    pub origin: Origin,
    /// SHA-256 of its resume token; `None` after a sign-out.
    pub token_hash: Option<[u8; 32]>,
    /// SHA-256 of the token before that, until the newest is first used.
    pub previous_token_hash: Option<[u8; 32]>,
    /// Origins of this account, at most `ORIGINS_MAX`, the oldest first.
    pub origins: Vec<Origin>,
}

/// Without the hashes: they belong to secrets.
impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRecord")
            .field("epoch_reserved", &self.epoch_reserved)
            .field("epoch", &self.epoch)
            .field("origin", &self.origin)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// What a log's home keeps per (log, sender, origin).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RowRecord {
    /// The session epoch of the newest post.
    pub epoch: SessionEpoch,
    /// Every number up to this one was answered, as the sender said.
    pub settled: Number,
    /// The highest number used.
    pub last: Number,
    /// Hash and seq of each number above `settled` up to `last`, in order; at most
    /// `UNANSWERED_MAX`.
    pub seen: Vec<(u64, Seq)>,
    /// Message sessions whose grants are here, or are about to be, in order: those that ended, the
    /// one in use, those that wait for their first post. At most `GRANTED_SESSIONS_MAX`.
    pub sessions: Vec<GrantedSession>,
}

/// What a row knows of a message session with grants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GrantedSession {
    /// Its number.
    pub message_session: MessageSession,
    /// Of the roster that its readers are from; 0 in a mailbox.
    pub roster_version: u32,
    /// Parts of it below this were announced.
    pub parts: u16,
    /// At most so many bytes of grants.
    pub len: u32,
    /// When the first of them came, by the home's clock.
    pub since: Wall,
    /// How far it is.
    pub state: GrantedState,
}

/// How far a message session is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantedState {
    /// Its part 0 is not complete.
    Partial,
    /// It waits for its first post.
    Complete,
    /// It is the newest that was posted under, so far up to this seq.
    InUse(Seq),
    /// The entry with this seq was the first under a newer one.
    Ended(Seq),
}

/// How far a reader is in a log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CursorRecord {
    /// The last entry the reader holds durably, or that expired before it did.
    pub cursor: Seq,
    /// Entries that expired before the reader received them, since it last was told.
    pub missed: u64,
    /// What it is not to have, while it has not received everything before that.
    pub absence: Option<Absence>,
}

/// The entries of a group from a member's departure to its next joining: it does not receive them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Absence {
    /// The entry of the statement by which it departed, the last one that it receives.
    pub after: Seq,
    /// That statement's version.
    pub version: u32,
    /// The last entry before its next joining; none while it is no member.
    pub until: Option<Seq>,
}

/// What is kept for a group.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct GroupRecord {
    /// `wire::roster::Roster::encode`: what all its statements have come to.
    pub roster: Bytes,
    /// OPAQUE's `ServerRegistration`; empty without a password; at most `OPAQUE_LEN_MAX` bytes.
    pub password: Bytes,
    /// When the group was made, by its home's clock.
    pub created: Wall,
}

/// Without the password's record: it is what an attacker on the password needs.
impl fmt::Debug for GroupRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupRecord")
            .field("roster_len", &self.roster.len())
            .field("has_password", &!self.password.is_empty())
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// A reader's own part of a grant.
#[derive(Clone, Eq, PartialEq)]
pub struct StoredGrant {
    /// Who may open it.
    pub reader: Name,
    /// Which announcement of the message session it opens.
    pub part: u16,
    /// Id of the key that it is wrapped with.
    pub wrapping_key: [u8; 32],
    /// The announcement's secret, wrapped; at most `WRAPPED_LEN_MAX` bytes.
    pub wrapped: Bytes,
}

/// Without the wrapped secret.
impl fmt::Debug for StoredGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredGrant")
            .field("reader", &self.reader)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

/// How far a blob is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BlobRecord {
    /// Bytes of the whole ciphertext, as its uploader declared.
    pub len: u64,
    /// Chunks below this are stored.
    pub have: u32,
    /// All of them are.
    pub complete: bool,
    /// When it was begun, last grew, or became complete, by its home's clock.
    pub touched: Wall,
}
