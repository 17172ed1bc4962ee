//! What a signed-in client asks, other than posting and reading: open and close logs, fetch key
//! logs, sign out, pings. And the homes' answers to it.

use wire::limits::{HANDLES_MAX, REQUESTS_MAX};
use wire::message::{
    Answer, AnswerBody, AskOpenLog, CloseLog, FetchBundles, LogOpened, OpenLog, PeerDetach, Ping,
    Pong, Probe, ProbeAnswer, SessionClosed,
};
use wire::{ConnId, FaultCode, Kind, LogId, ServerId, Slot, ToServer};

use super::exchange::Exchange;
use super::seat::{Client, Seat, signed};
use super::session::{Handle, HandleState, Session};
use super::turn::Turn;

impl Seat {
    /// A message of a session. Posts have a way of their own.
    pub(super) fn on_request(&mut self, conn: ConnId, message: ToServer, turn: &mut Turn<'_>) {
        match message {
            ToServer::Ping(ping) => turn.tell_client(conn, Pong { nonce: ping.nonce }),
            ToServer::Pong(pong) => self.on_pong(conn, pong.nonce, turn),
            ToServer::Fault(_) => {}
            ToServer::OpenLog(open) => self.on_open_log(conn, &open, turn),
            ToServer::CloseLog(close) => self.on_close_log(conn, &close, turn),
            ToServer::Post(post) => self.on_post(conn, post, turn),
            ToServer::Attach(attach) => self.on_attach(conn, &attach, turn),
            ToServer::Seen(seen) => self.on_seen(conn, &seen, turn),
            ToServer::Shown(shown) => self.on_shown(conn, &shown, turn),
            ToServer::FetchBundles(fetch) => self.on_fetch_bundles(conn, fetch, turn),
            ToServer::SignOut(_) => self.on_sign_out(conn, turn),
            ToServer::GroupStart(start) => self.on_question(conn, start.into(), turn),
            ToServer::ChangeRoster(change) => self.on_question(conn, change.into(), turn),
            ToServer::FetchRoster(fetch) => self.on_question(conn, fetch.into(), turn),
            ToServer::PutGrants(put) => self.on_question(conn, put.into(), turn),
            ToServer::FetchGrant(fetch) => self.on_question(conn, fetch.into(), turn),
            ToServer::NoteGroup(note) => self.on_question(conn, note.into(), turn),
            ToServer::ListGroups(list) => self.on_question(conn, list.into(), turn),
            ToServer::BeginBlob(begin) => self.on_question(conn, begin.into(), turn),
            ToServer::PutChunk(put) => self.on_question(conn, put.into(), turn),
            ToServer::FetchChunk(fetch) => self.on_question(conn, fetch.into(), turn),
            ToServer::FetchKeyLog(fetch) => self.on_question(conn, fetch.into(), turn),
            ToServer::Hello(_)
            | ToServer::Redeem(_)
            | ToServer::SignUpStart(_)
            | ToServer::SignUpFinish(_)
            | ToServer::SignInStart(_)
            | ToServer::SignInFinish(_)
            | ToServer::Resume(_) => {
                self.reject(conn, FaultCode::WRONG_STATE, (message.kind(), 0), turn);
            }
        }
    }

    fn on_open_log(&mut self, conn: ConnId, open: &OpenLog, turn: &mut Turn<'_>) {
        let about = (Kind::OPEN_LOG, open.handle.0);
        let (home, slot) = (self.holders.of(&open.log), Slot::of(&open.log));
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        if let Some(code) = cannot_open(session, open) {
            return self.reject(conn, code, about, turn);
        }
        let question = AskOpenLog {
            handle: open.handle,
            log: open.log,
            account: session.account,
            origin: session.origin,
            epoch: session.epoch,
        };
        session.requests += 1;
        let account = session.account;
        let handle = Handle::opening(&open.log, account, (slot, home));
        session.handles.insert(open.handle, handle, account);
        let id = self.exchanges.fresh();
        let (kind, reference) = about;
        let exchange = Exchange { conn, home, slot, kind, reference };
        if !self.ask(id, exchange, question, turn)
            && let Some(session) = signed(&mut self.clients, conn)
        {
            session.requests -= 1;
            session.remove_handle(open.handle);
        }
    }

    fn on_close_log(&mut self, conn: ConnId, close: &CloseLog, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let opening = |handle: &Handle| matches!(handle.state, HandleState::Opening { .. });
        if session.handles.get(close.handle).is_none_or(opening) {
            return turn.fault(conn, FaultCode::BAD_HANDLE, Kind::CLOSE_LOG, close.handle.0);
        }
        let (account, epoch) = (session.account, session.epoch);
        let Some(handle) = session.remove_handle(close.handle) else {
            return;
        };
        if let Some(reading) = &handle.reading {
            if reading.is_asking() {
                session.stale_reads.need().insert(handle.log(account));
            }
            let log = handle.log(account);
            self.forget_reader(&log, conn);
            let message = PeerDetach { log, account, epoch };
            self.tell(handle.home, message, turn);
        }
    }

    fn on_fetch_bundles(&mut self, conn: ConnId, fetch: FetchBundles, turn: &mut Turn<'_>) {
        let about = (Kind::FETCH_BUNDLES, fetch.request.0);
        let (home, slot) = (self.home_of(fetch.name), Slot::of(&LogId::mailbox(fetch.name)));
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        if usize::from(session.requests) >= REQUESTS_MAX {
            return self.reject(conn, FaultCode::TOO_MANY_REQUESTS, about, turn);
        }
        session.requests += 1;
        let id = self.exchanges.fresh();
        let (kind, reference) = about;
        let exchange = Exchange { conn, home, slot, kind, reference };
        if !self.ask(id, exchange, fetch, turn)
            && let Some(session) = signed(&mut self.clients, conn)
        {
            session.requests -= 1;
        }
    }

    /// The home forgets the session's tokens durably, and ends the session then.
    fn on_sign_out(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let (account, epoch, home) = (session.account, session.epoch, session.home);
        let is_second = std::mem::replace(&mut session.signing_out, true);
        if is_second {
            self.reject(conn, FaultCode::WRONG_STATE, (Kind::SIGN_OUT, 0), turn);
        } else if self.reaches(home) {
            turn.tell_server(home, SessionClosed { account, epoch, signed_out: true });
            // From now on the home may grant a session to another installation.
            self.fence(conn, turn);
        } else {
            self.fail_sign_out(conn, turn);
        }
    }

    /// The home did not say that it has ended the session: nobody knows.
    pub(super) fn fail_sign_out(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        if let Some(session) = signed(&mut self.clients, conn)
            && std::mem::take(&mut session.signing_out)
        {
            self.reject(conn, FaultCode::UNAVAILABLE, (Kind::SIGN_OUT, 0), turn);
        }
    }

    /// A home asks whether a session's client still answers: the client is pinged.
    pub(super) fn on_probe(&mut self, from: ServerId, probe: &Probe, turn: &mut Turn<'_>) {
        let conn = self.conn_of(&probe.account);
        let session = conn.and_then(|conn| signed(&mut self.clients, conn));
        match (conn, session) {
            (Some(conn), Some(session)) if session.epoch == probe.epoch => {
                let nonce = session.pulse.probe();
                turn.tell_client(conn, Ping { nonce });
            }
            _ => {
                let message =
                    ProbeAnswer { account: probe.account, epoch: probe.epoch, alive: false };
                turn.tell_server(from, message);
            }
        }
    }

    fn on_pong(&mut self, conn: ConnId, nonce: u64, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        if session.pulse.answers_probe(nonce) {
            let message =
                ProbeAnswer { account: session.account, epoch: session.epoch, alive: true };
            let home = session.home;
            self.tell(home, message, turn);
        }
    }

    /// A home answers a question of a client here.
    pub(super) fn on_answer(&mut self, from: ServerId, answer: Answer, turn: &mut Turn<'_>) {
        let Answer { exchange: id, body } = answer;
        let Some(exchange) = self.exchanges.take(id, from) else {
            return self.decline(from, &body, turn);
        };
        match self.clients.get(exchange.conn) {
            Some(Client::Signed(_)) => self.on_request_answer(&exchange, body, turn),
            Some(_) | None => self.on_early_answer(id, &exchange, body, turn),
        }
    }

    fn on_request_answer(&mut self, exchange: &Exchange, body: AnswerBody, turn: &mut Turn<'_>) {
        let conn = exchange.conn;
        if self.is_fenced(conn) {
            return self.fail(exchange, FaultCode::UNAVAILABLE, turn);
        }
        match (exchange.kind, body) {
            (_, AnswerBody::Fault(fault)) => self.fail(exchange, fault.code, turn),
            (Kind::OPEN_LOG, AnswerBody::LogOpened(opened)) => {
                self.end_request(conn, exchange.kind);
                self.on_log_opened(conn, opened, turn);
            }
            (Kind::FETCH_BUNDLES, AnswerBody::Bundles(bundles)) => {
                self.end_request(conn, exchange.kind);
                turn.tell_client(conn, bundles);
            }
            (_, body) => self.on_question_answered(exchange, body, turn),
        }
    }

    fn on_log_opened(&mut self, conn: ConnId, opened: LogOpened, turn: &mut Turn<'_>) {
        let id = opened.handle;
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let Some(handle) = session.handles.get_mut(id) else {
            return;
        };
        let HandleState::Opening { attach } = handle.state else {
            return;
        };
        handle.state = HandleState::Open;
        turn.tell_client(conn, opened);
        if let Some(cursor) = attach {
            self.begin_reading(conn, id, cursor, turn);
        }
    }
}

fn cannot_open(session: &Session, open: &OpenLog) -> Option<FaultCode> {
    let handles = &session.handles;
    if handles.get(open.handle).is_some() || handles.of(&open.log, session.account).is_some() {
        Some(FaultCode::BAD_HANDLE)
    } else if handles.len() >= HANDLES_MAX {
        Some(FaultCode::TOO_MANY_HANDLES)
    } else if usize::from(session.requests) >= REQUESTS_MAX {
        Some(FaultCode::TOO_MANY_REQUESTS)
    } else {
        None
    }
}
