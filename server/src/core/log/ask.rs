//! What sessions ask about groups and grants, as a log's home hears it.

use bytes::Bytes;
use wire::message::{
    Answer, AnswerBody, ChangeRoster, Fault, FetchGrant, FetchKeyLog, FetchRoster, GroupStart,
    PutGrants,
};
use wire::roster::{Act, Policy, Statement};
use wire::{
    ExchangeId, FaultCode, Kind, LogId, Name, Origin, RequestId, ServerId, SessionEpoch, Wall,
};

/// A session's question, stamped by its seat.
#[derive(Debug)]
pub struct LogAsk {
    /// Comes back in the answer.
    pub exchange: ExchangeId,
    /// The session's account.
    pub account: Name,
    /// The session's origin.
    pub origin: Origin,
    /// The session's epoch.
    pub epoch: SessionEpoch,
    /// What is asked.
    pub question: LogQuestion,
}

/// What is asked of a log's home.
#[derive(Debug)]
pub enum LogQuestion {
    /// Before a group is created or joined. Answered through [`super::LogOut::starts`], or a fault.
    Start(GroupStart),
    /// A statement for a group's roster, decoded, of the asking account.
    Change {
        /// As it came.
        change: ChangeRoster,
        /// What `change` holds.
        statement: Box<Statement>,
        /// What its proof came to.
        entrance: Entrance,
    },
    /// A part of a group's roster.
    FetchRoster(FetchRoster),
    /// Grants of the asker's message session.
    PutGrants(PutGrants),
    /// The asker's own grant.
    FetchGrant(FetchGrant),
    /// The copy of somebody's key log.
    FetchKeyLog(FetchKeyLog),
}

/// What the OPAQUE part of a statement came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entrance {
    /// There was none.
    None,
    /// The group's password was proven.
    Proven,
    /// It was not, and that is what to say where a password is needed.
    Failed(FaultCode),
    /// What a new group keeps of its password.
    Registered(Bytes),
}

/// A group that may be created or joined. What is said to the client needs the group's password
/// record, if it has one.
#[derive(Debug)]
pub struct Started {
    /// The seat that asked.
    pub to: ServerId,
    /// Comes back in the answer.
    pub exchange: ExchangeId,
    /// Who asks.
    pub account: Name,
    /// What was asked.
    pub start: GroupStart,
    /// Who may join.
    pub policy: Policy,
    /// Version of the roster; 0 when the group does not exist.
    pub version: u32,
    /// Hash of its newest statement.
    pub head: [u8; 32],
    /// The group's OPAQUE record; empty when it has none.
    pub password: Bytes,
}

impl LogQuestion {
    pub(super) fn log(&self) -> LogId {
        match self {
            Self::Start(start) => LogId::group(start.group),
            Self::Change { change, .. } => LogId::group(change.group),
            Self::FetchRoster(fetch) => LogId::group(fetch.group),
            Self::PutGrants(put) => put.log,
            Self::FetchGrant(fetch) => fetch.log,
            Self::FetchKeyLog(fetch) => fetch.log,
        }
    }

    /// Whether the answer may be that a group begins.
    pub(super) fn creates(&self) -> bool {
        match self {
            Self::Start(start) => start.act == Act::Create,
            Self::Change { statement, .. } => statement.act == Act::Create,
            Self::FetchRoster(_)
            | Self::PutGrants(_)
            | Self::FetchGrant(_)
            | Self::FetchKeyLog(_) => false,
        }
    }

    fn about(&self) -> (Kind, RequestId) {
        match self {
            Self::Start(start) => (Kind::GROUP_START, start.request),
            Self::Change { change, .. } => (Kind::CHANGE_ROSTER, change.request),
            Self::FetchRoster(fetch) => (Kind::FETCH_ROSTER, fetch.request),
            Self::PutGrants(put) => (Kind::PUT_GRANTS, put.request),
            Self::FetchGrant(fetch) => (Kind::FETCH_GRANT, fetch.request),
            Self::FetchKeyLog(fetch) => (Kind::FETCH_KEY_LOG, fetch.request),
        }
    }
}

/// A question on its way, and when it came.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) at: Wall,
    pub(super) asker: Asker,
    pub(super) log: LogId,
    pub(super) origin: Origin,
    pub(super) question: LogQuestion,
}

/// Who asked, and how the answer finds its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) to: ServerId,
    pub(super) exchange: ExchangeId,
    pub(super) account: Name,
    pub(super) epoch: SessionEpoch,
    kind: Kind,
    pub(super) request: RequestId,
}

impl Asked {
    pub(super) fn new(at: Wall, to: ServerId, ask: LogAsk) -> Self {
        let LogAsk { exchange, account, origin, epoch, question } = ask;
        let (kind, request) = question.about();
        let asker = Asker { to, exchange, account, epoch, kind, request };
        Self { at, asker, log: question.log(), origin, question }
    }
}

impl Asker {
    pub(super) fn answer(&self, body: impl Into<AnswerBody>) -> (ServerId, Answer) {
        (self.to, Answer { exchange: self.exchange, body: body.into() })
    }

    pub(super) fn fault(&self, code: FaultCode) -> (ServerId, Answer) {
        self.answer(Fault::about(code, self.kind, self.request.0))
    }
}
