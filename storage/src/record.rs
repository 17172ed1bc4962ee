//! What is kept for an account, its session, and a sender's posts to a log.

use std::fmt;

use bytes::Bytes;
use wire::{Number, Origin, Seq, SessionEpoch, Wall};

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
}
