//! What the core asks of the store about message sessions, and what the store answers.

use wire::message::ReaderGrant;
use wire::{LogId, MessageSession, Name, Wall};
use zeroize::Zeroizing;

use crate::crypto::content::GrantRequest;
use crate::crypto::grant::SessionPlace;
use crate::store::{
    GrantedSession, RosterClaim, SessionPart, SessionRecord, WantedGrant, WantedId,
};

/// One durable operation on message sessions. Each is one transaction with full sync.
#[derive(Debug)]
pub enum SessionOp {
    /// Keep a new message session before anything of it leaves → [`SessionAnswer::Kept`].
    Begin {
        /// In which log.
        log: LogId,
        /// Its number.
        number: MessageSession,
        /// Its ratchet.
        state: Zeroizing<Vec<u8>>,
        /// Its first part.
        part: SessionPart,
        /// To whom it is granted.
        grants: Vec<ReaderGrant>,
    },
    /// Keep a further part → [`SessionAnswer::Kept`].
    AddPart {
        /// In which log.
        log: LogId,
        /// Of which message session.
        number: MessageSession,
        /// The part.
        part: SessionPart,
        /// To whom it is granted.
        grants: Vec<ReaderGrant>,
    },
    /// Keep further grants of a part → [`SessionAnswer::Kept`].
    AddGrants {
        /// In which log.
        log: LogId,
        /// Of which message session.
        number: MessageSession,
        /// Of which part.
        part: u16,
        /// To whom.
        grants: Vec<ReaderGrant>,
    },
    /// The home has confirmed grants.
    Confirm {
        /// In which log.
        log: LogId,
        /// Of which message session.
        number: MessageSession,
        /// Whose.
        readers: Vec<Name>,
    },
    /// Nothing more is sealed in a message session, nor are its grants put.
    End {
        /// In which log.
        log: LogId,
        /// Which one.
        number: MessageSession,
    },
    /// Load one of the own message sessions → [`SessionAnswer::Own`].
    LoadOwn {
        /// In which log.
        log: LogId,
        /// Which one.
        number: MessageSession,
    },
    /// Load a granted one → [`SessionAnswer::Granted`].
    LoadGranted(SessionPlace),
    /// Keep one that was granted.
    KeepGranted {
        /// Which one.
        place: SessionPlace,
        /// What opens it.
        session: GrantedSession,
        /// What its sender has signed about the group's roster, if that is to be compared yet.
        claim: Option<RosterClaim>,
    },
    /// Ask its sender for a grant, unless that was done before → [`SessionAnswer::Requested`].
    Request {
        /// Which message session.
        place: SessionPlace,
        /// What is asked.
        request: GrantRequest,
        /// When.
        created: Wall,
    },
    /// Load the grants behind this one that others have asked for → [`SessionAnswer::Wanted`].
    LoadWanted(WantedId),
    /// A grant that was asked for was given, or never will be.
    DropWanted(WantedId),
}

/// The answer to a [`SessionOp`].
#[derive(Debug)]
pub enum SessionAnswer {
    /// The grants may leave.
    Kept(LogId),
    /// One of the own message sessions, if it is still kept.
    Own {
        /// In which log.
        log: LogId,
        /// Its number.
        number: MessageSession,
        /// The record.
        record: Option<SessionRecord>,
    },
    /// A granted message session.
    Granted {
        /// Which one.
        place: SessionPlace,
        /// What opens it, if it was granted and is still kept.
        session: Option<GrantedSession>,
        /// Some message session of the same installation in the same log was granted.
        is_origin_known: bool,
    },
    /// Whether there is a new draft that asks.
    Requested(bool),
    /// Grants that others have asked for, oldest first, at most
    /// [`super::grant_answers::ANSWERS_MAX`].
    Wanted(Vec<WantedGrant>),
}
