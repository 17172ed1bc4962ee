//! A session's questions about groups, grants and blobs: the seat stamps whose they are, relays
//! them to the home that knows, and brings its answers back.

use wire::limits::{CHUNKS_MAX, PEER_CHUNKS_MAX, REQUESTS_MAX};
use wire::message::{AnswerBody, AskAs, SessionQuestion};
use wire::{ConnId, FaultCode, Kind, LogId, Name, RequestId, Slot, ToClient};

use super::exchange::{Exchange, is_about_chunks};
use super::posting::charge;
use super::seat::{Seat, signed};
use super::session::Session;
use super::turn::Turn;

/// Whom a question is for, and how its answer names it.
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) request: RequestId,
    /// The log whose home is asked.
    pub(super) log: LogId,
}

impl Subject {
    /// The subject of what `account` asks.
    pub(super) fn of(question: &SessionQuestion, account: Name) -> Self {
        let own = LogId::mailbox(account);
        let of = |kind, request, log| Self { kind, request, log };
        match question {
            SessionQuestion::GroupStart(start) => {
                of(Kind::GROUP_START, start.request, LogId::group(start.group))
            }
            SessionQuestion::ChangeRoster(change) => {
                of(Kind::CHANGE_ROSTER, change.request, LogId::group(change.group))
            }
            SessionQuestion::FetchRoster(fetch) => {
                of(Kind::FETCH_ROSTER, fetch.request, LogId::group(fetch.group))
            }
            SessionQuestion::PutGrants(put) => of(Kind::PUT_GRANTS, put.request, put.log),
            SessionQuestion::FetchGrant(fetch) => of(Kind::FETCH_GRANT, fetch.request, fetch.log),
            SessionQuestion::FetchKeyLog(fetch) => {
                of(Kind::FETCH_KEY_LOG, fetch.request, fetch.log)
            }
            SessionQuestion::NoteGroup(note) => of(Kind::NOTE_GROUP, note.request, own),
            SessionQuestion::ListGroups(list) => of(Kind::LIST_GROUPS, list.request, own),
            SessionQuestion::BeginBlob(begin) => of(Kind::BEGIN_BLOB, begin.request, own),
            SessionQuestion::PutChunk(put) => of(Kind::PUT_CHUNK, put.request, own),
            SessionQuestion::FetchChunk(fetch) => {
                of(Kind::FETCH_CHUNK, fetch.request, LogId::mailbox(fetch.uploader))
            }
        }
    }
}

impl Seat {
    /// A session asks the home of a group, a log or an account.
    pub(super) fn on_question(
        &mut self,
        conn: ConnId,
        question: SessionQuestion,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let Subject { kind, request, log } = Subject::of(&question, session.account);
        let about = (kind, request.0);
        // Little to say and much to write: like posts.
        if is_written(kind) {
            charge(session, conn, turn);
        }
        if !has_room(session, kind) {
            return self.reject(conn, FaultCode::TOO_MANY_REQUESTS, about, turn);
        }
        let (home, slot) = (self.holders.of(&log), Slot::of(&log));
        // One link carries them all: what it owes must stay far below what cuts it.
        if is_about_chunks(kind) && self.exchanges.chunks_at(home) >= PEER_CHUNKS_MAX {
            return self.reject(conn, FaultCode::UNAVAILABLE, about, turn);
        }
        session.requests += 1;
        session.chunks += u16::from(is_about_chunks(kind));
        let (account, origin, epoch) = (session.account, session.origin, session.epoch);
        let id = self.exchanges.fresh();
        let exchange = Exchange { conn, home, slot, kind, reference: request.0 };
        let stamped = AskAs { exchange: id, account, origin, epoch, question };
        if !self.relay(id, exchange, stamped, turn) {
            self.end_request(conn, kind);
        }
    }

    /// A home has answered such a question.
    pub(super) fn on_question_answered(
        &mut self,
        exchange: &Exchange,
        body: AnswerBody,
        turn: &mut Turn<'_>,
    ) {
        self.end_request(exchange.conn, exchange.kind);
        match answer_to(exchange.kind, body) {
            Some(message) => turn.tell_client(exchange.conn, message),
            None => self.confused(exchange.conn, exchange.home, exchange.kind, turn),
        }
    }

    /// A request of a session is over.
    pub(super) fn end_request(&mut self, conn: ConnId, kind: Kind) {
        if let Some(session) = signed(&mut self.clients, conn) {
            session.end_request(kind);
        }
    }
}

impl Session {
    /// A request of this kind is over.
    pub(super) fn end_request(&mut self, kind: Kind) {
        self.requests -= 1;
        self.chunks -= u16::from(is_about_chunks(kind));
    }
}

/// Whether the home writes for a question that costs little to ask.
fn is_written(kind: Kind) -> bool {
    matches!(kind, Kind::NOTE_GROUP | Kind::BEGIN_BLOB | Kind::PUT_GRANTS | Kind::CHANGE_ROSTER)
}

fn has_room(session: &Session, kind: Kind) -> bool {
    let (requests, chunks) = (usize::from(session.requests), usize::from(session.chunks));
    requests < REQUESTS_MAX && (!is_about_chunks(kind) || chunks < CHUNKS_MAX)
}

/// The home's answer as the client gets it, if it is one to a question of this kind.
fn answer_to(kind: Kind, body: AnswerBody) -> Option<ToClient> {
    Some(match (kind, body) {
        (Kind::GROUP_START, AnswerBody::GroupChallenge(answer)) => answer.into(),
        (Kind::CHANGE_ROSTER, AnswerBody::RosterChanged(answer)) => answer.into(),
        (Kind::FETCH_ROSTER, AnswerBody::Roster(answer)) => answer.into(),
        (Kind::PUT_GRANTS, AnswerBody::GrantsPut(answer)) => answer.into(),
        (Kind::FETCH_GRANT, AnswerBody::Grant(answer)) => answer.into(),
        (Kind::FETCH_KEY_LOG, AnswerBody::Bundles(answer)) => answer.into(),
        (Kind::NOTE_GROUP, AnswerBody::GroupNoted(answer)) => answer.into(),
        (Kind::LIST_GROUPS, AnswerBody::Groups(answer)) => answer.into(),
        (Kind::BEGIN_BLOB | Kind::PUT_CHUNK, AnswerBody::BlobState(answer)) => answer.into(),
        (Kind::FETCH_CHUNK, AnswerBody::Chunk(answer)) => answer.into(),
        _ => return None,
    })
}
