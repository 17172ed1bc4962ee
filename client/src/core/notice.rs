//! What the core tells the user.

use wire::message::Entry;
use wire::{LogId, Name, Seq};

use super::request::Ticket;
use super::transfers::TransferProgress;
use crate::failure::Failure;
use crate::store::{InboxId, ReceivedContent};

/// What the core tells the user.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A slow step has begun.
    Progress(Step),
    /// The session is on: posts leave, the mailbox is read.
    Online,
    /// The account exists and the session is on.
    SignedUp {
        /// The frame had been stored by an earlier attempt: its password counts, not the last one
        /// typed.
        earlier_attempt: bool,
    },
    /// The password was right and the session is on.
    SignedIn,
    /// Sign-up or sign-in has ended without success.
    SignInFailed(Failure),
    /// No connection just now; the core goes on trying.
    Trouble(Failure),
    /// The session has ended for good.
    SessionOver(Failure),
    /// Posts were answered, or refused before they were sent; the store says which and how.
    OutboxChanged,
    /// Posts may have been stored twice or not at all under a worn-out origin: ask the user.
    Conflict,
    /// New messages are in the store.
    Received(Vec<InboxId>),
    /// Messages that stay where they are.
    Peeked(Vec<Peeked>),
    /// The reader of a mailbox was shown what this installation sent there, as its home says. It
    /// proves nothing.
    Receipt {
        /// The mailbox.
        log: LogId,
        /// The newest of the shown.
        upto: Seq,
    },
    /// An attachment has come further on its way.
    Transfer(TransferProgress),
    /// A contact was seen for the first time, or its key or trust has changed.
    ContactChanged {
        /// Who.
        name: Name,
        /// What happened.
        change: ContactChange,
    },
    /// The account's standing in a group, or who is in it, has changed; the store says how.
    GroupChanged(Name),
    /// Messages of a group are gone that were not received here.
    Expired {
        /// Which group.
        group: Name,
        /// How many.
        count: u64,
    },
    /// Something about a group that its members should know: its home may be lying.
    GroupWarning {
        /// Which group.
        group: Name,
        /// What, for people.
        text: String,
    },
    /// The answer to a [`super::Command::Ask`].
    Answered {
        /// From the command.
        ticket: Ticket,
        /// Done, or why not.
        result: Result<(), Failure>,
    },
}

/// A step that takes long enough to be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Two RSA key pairs are being made.
    MakingKeys,
    /// Router and seat are being asked.
    Connecting,
    /// The password is being stretched.
    Stretching,
}

/// What happened to a contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContactChange {
    /// First use: its key is trusted from now on.
    Pinned,
    /// Its signing key is another one now; nothing is sent to it before the user agrees.
    Changed,
    /// The user agreed to its key, or verified it.
    Trusted,
}

/// A message that was looked at without being received.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// The log it stays in.
    pub log: LogId,
    /// Its place and sender.
    pub entry: Entry,
    /// What it says.
    pub content: ReceivedContent,
}
