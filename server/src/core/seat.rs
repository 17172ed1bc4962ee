//! The seat: client connections, their sessions, and what they wait for. Soft state that dies with
//! the process; clients come back and go on from what they hold.

use std::collections::{BTreeMap, BTreeSet};

use wire::limits::EARLY_TIME_MAX;
use wire::message::{Ask, EndSession, PeerDetach, Ping, Question, SessionClosed, SessionEnded, Up};
use wire::{
    ConnId, ExchangeId, FaultCode, Instant, Kind, LogHandle, LogId, Name, Reservation, ServerId,
    ToPeer,
};

use super::conn::Early;
use super::drain::Drain;
use super::event::Alarm;
use super::exchange::{Exchange, Exchanges};
use super::holders::Holders;
use super::index::Index;
use super::lease::Leases;
use super::posting::{drop_unanswered, tell_answers_again};
use super::readers::Readers;
use super::reading::resume_reading;
use super::session::{Beat, Handle, HandleState, Session};
use super::table::Table;
use super::timer::Timer;
use super::turn::Turn;
use super::unseen::Outstanding;

/// Every client of this server.
pub(super) struct Seat {
    pub(super) me: ServerId,
    /// Who holds what.
    pub(super) holders: Holders,
    pub(super) sessions_max: usize,
    /// The rate of posts is not limited.
    pub(super) unmetered: bool,
    pub(super) clients: Table<Client>,
    /// The session of each account that sits here.
    pub(super) sessions: Index<ConnId>,
    /// What they were sent and have not seen.
    pub(super) outstanding: Outstanding,
    /// Who reads which group.
    pub(super) readers: BTreeMap<LogId, Readers>,
    pub(super) exchanges: Exchanges,
    /// [`Timer::Exchanges`] is armed.
    is_watching: bool,
    /// Homes that can be reached, this server included.
    pub(super) up: BTreeSet<ServerId>,
    /// How long the sessions of others among them may be acted for.
    pub(super) leases: Leases,
    /// Reservations that were used or given up since they were last reported.
    pub(super) redeemed: Vec<Reservation>,
    stopping: bool,
    pub(super) drain: Option<Drain>,
}

/// One client connection, and how far it is.
pub(super) enum Client {
    /// It has not said hello, and must have signed in then.
    Fresh { until: Instant },
    /// It has not signed in.
    Early(Box<Early>),
    /// It has a session.
    Signed(Box<Session>),
    /// It is being closed; what still comes from it is skipped.
    Leaving,
}

/// The session on `conn`, if there is one.
pub(super) fn signed(clients: &mut Table<Client>, conn: ConnId) -> Option<&mut Session> {
    match clients.get_mut(conn)? {
        Client::Signed(session) => Some(session),
        Client::Fresh { .. } | Client::Early(_) | Client::Leaving => None,
    }
}

/// The account that has signed in on `conn`.
fn account_on(clients: &Table<Client>, conn: ConnId) -> Option<Name> {
    match clients.get(conn)? {
        Client::Signed(session) => Some(session.account),
        Client::Fresh { .. } | Client::Early(_) | Client::Leaving => None,
    }
}

impl Seat {
    pub(super) fn new(
        me: ServerId,
        holders: Holders,
        (sessions_max, unseen_max): (u32, usize),
        unmetered: bool,
        random: u64,
        secret: &[u8; 16],
    ) -> Self {
        Self {
            me,
            holders,
            sessions_max: sessions(sessions_max),
            unmetered,
            clients: Table::default(),
            sessions: Index::new(secret),
            outstanding: Outstanding::new(unseen_max),
            readers: BTreeMap::new(),
            exchanges: Exchanges::new(random),
            is_watching: false,
            up: BTreeSet::from([me]),
            leases: Leases::default(),
            redeemed: Vec::new(),
            stopping: false,
            drain: None,
        }
    }

    /// Other bounds. Who sits here above them stays.
    pub(super) fn set_bounds(&mut self, sessions_max: u32, unseen_max: usize) {
        self.sessions_max = sessions(sessions_max);
        self.outstanding.set_max(unseen_max);
    }

    pub(super) fn on_opened(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        let until = turn.now + EARLY_TIME_MAX;
        turn.timers.arm(until, Timer::Early(conn));
        self.clients.insert(conn, Client::Fresh { until });
        if self.stopping {
            self.reject(conn, FaultCode::STOPPING, (Kind(0), 0), turn);
        } else if self.is_shut(turn.now) {
            self.reject(conn, FaultCode::DRAINING, (Kind(0), 0), turn);
        }
    }

    pub(super) fn on_closed(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        self.depart(conn, Some(false), turn);
        self.clients.remove(conn);
    }

    /// Answers with a fault and, when the code says so, ends the connection.
    pub(super) fn reject(
        &mut self,
        conn: ConnId,
        code: FaultCode,
        (kind, reference): (Kind, u32),
        turn: &mut Turn<'_>,
    ) {
        turn.fault(conn, code, kind, reference);
        if code.consequence() == wire::fault::Consequence::Closes {
            self.depart(conn, Some(false), turn);
            turn.close(conn);
        }
    }

    /// A client has not signed in within its time.
    pub(super) fn on_early_timeout(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        let Some(client) = self.clients.get(conn) else {
            return;
        };
        if matches!(client, Client::Fresh { .. } | Client::Early(_)) {
            turn.metrics.early_timeouts += 1;
            self.reject(conn, FaultCode::TOO_SLOW_TO_SIGN_IN, (Kind(0), 0), turn);
        }
    }

    /// A client may have been silent for long.
    pub(super) fn on_idle(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        match session.pulse.beat(turn.now) {
            Beat::Dead => {
                turn.metrics.idle_timeouts += 1;
                return self.reject(conn, FaultCode::IDLE, (Kind(0), 0), turn);
            }
            Beat::Ping(nonce) => turn.tell_client(conn, Ping { nonce }),
            Beat::Wait => {}
        }
        turn.timers.arm(session.pulse.armed, Timer::Idle(conn));
    }

    /// The server stops: everyone is told, and nobody new is let in.
    pub(super) fn on_stop(&mut self, turn: &mut Turn<'_>) {
        self.stopping = true;
        let conns: Vec<ConnId> = self.clients.iter().map(|(conn, _)| conn).collect();
        for conn in conns {
            self.reject(conn, FaultCode::STOPPING, (Kind(0), 0), turn);
        }
    }

    /// Asks a home for a client that has no session, or in its name.
    pub(super) fn ask(
        &mut self,
        id: ExchangeId,
        exchange: Exchange,
        question: impl Into<Question>,
        turn: &mut Turn<'_>,
    ) -> bool {
        self.relay(id, exchange, Ask { exchange: id, question: question.into() }, turn)
    }

    /// Begins an exchange. Without a way there, or a lease, the client hears `unavailable` at once.
    pub(super) fn relay(
        &mut self,
        id: ExchangeId,
        exchange: Exchange,
        message: impl Into<ToPeer>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let home = exchange.home;
        let is_served = self.holders.get(exchange.slot).serves;
        let is_possible = is_served && self.reaches(home) && !self.is_fenced(exchange.conn);
        if !is_possible || self.exchanges.is_full() {
            let about = (exchange.kind, exchange.reference);
            self.reject(exchange.conn, FaultCode::UNAVAILABLE, about, turn);
            return false;
        }
        self.exchanges.begin(id, exchange, turn.now);
        self.watch_exchanges(turn);
        turn.tell_server(home, message);
        true
    }

    /// Some question's time may be over.
    pub(super) fn on_exchanges_due(&mut self, turn: &mut Turn<'_>) {
        while let Some(expired) = self.exchanges.pop_expired(turn.now) {
            turn.metrics.unanswered += 1;
            self.fail(&expired, FaultCode::UNAVAILABLE, turn);
        }
        self.is_watching = false;
        self.watch_exchanges(turn);
    }

    /// One timer watches the oldest question.
    fn watch_exchanges(&mut self, turn: &mut Turn<'_>) {
        if let (Some(at), false) = (self.exchanges.deadline(), self.is_watching) {
            self.is_watching = true;
            turn.timers.arm(at, Timer::Exchanges);
        }
    }

    /// A question ends without its answer.
    pub(super) fn fail(&mut self, exchange: &Exchange, code: FaultCode, turn: &mut Turn<'_>) {
        let Some(client) = self.clients.get_mut(exchange.conn) else {
            return;
        };
        match client {
            Client::Early(early) => early.is_answered(),
            Client::Signed(session) => {
                session.end_request(exchange.kind);
                if exchange.kind == Kind::OPEN_LOG {
                    session.remove_handle(LogHandle(exchange.reference));
                }
            }
            Client::Fresh { .. } | Client::Leaving => return,
        }
        let about = (exchange.kind, exchange.reference);
        self.reject(exchange.conn, code, about, turn);
    }

    /// A home can be reached: it learns which of its sessions sit here, before anything else.
    pub(super) fn on_link_up(&mut self, home: ServerId, turn: &mut Turn<'_>) {
        self.up.insert(home);
        self.register_sessions(home, false, turn);
    }

    /// The home has heard of the sessions: their logs go on.
    pub(super) fn on_link_ready(&mut self, home: ServerId, turn: &mut Turn<'_>) {
        for conn in self.conns() {
            let Some(session) = signed(&mut self.clients, conn).filter(|s| !s.is_fenced) else {
                continue;
            };
            let is_up =
                |handle: &Handle| handle.home == home && self.holders.get(handle.slot).serves;
            for id in opened(session, is_up) {
                open_again(session, conn, id, turn);
            }
        }
    }

    /// A home cannot be reached: what waits for it ends, and clients are told.
    pub(super) fn on_link_lost(&mut self, home: ServerId, turn: &mut Turn<'_>) {
        self.up.remove(&home);
        for exchange in self.exchanges.take_if(|exchange| exchange.home == home) {
            self.fail(&exchange, FaultCode::UNAVAILABLE, turn);
        }
        for conn in self.conns() {
            let Some(session) = signed(&mut self.clients, conn) else {
                continue;
            };
            for id in opened(session, |handle| handle.home == home) {
                shut(session, conn, id, turn);
            }
            if session.home == home {
                tell_answers_again(session);
                self.fail_sign_out(conn, turn);
            }
        }
    }

    /// A home ends a session that sits here, or older ones of that account. It hears when that is
    /// done: then it may grant another.
    pub(super) fn on_end_session(&mut self, from: ServerId, end: &EndSession, turn: &mut Turn<'_>) {
        let (account, epoch) = (end.account, end.epoch);
        if let Some(conn) = self.conn_of(&account)
            && let Some(session) = signed(&mut self.clients, conn)
        {
            if session.home != from {
                return self.confused_about(&LogId::mailbox(account), from, turn);
            }
            if session.epoch <= epoch {
                self.end_session(conn, end.code, turn);
            }
        }
        turn.tell_server(from, SessionClosed { account, epoch, signed_out: false });
    }

    /// Ends a session that its home no longer counts.
    pub(super) fn end_session(&mut self, conn: ConnId, code: FaultCode, turn: &mut Turn<'_>) {
        turn.tell_client(conn, SessionEnded { code });
        self.depart(conn, None, turn);
        turn.close(conn);
    }

    /// Takes a client out of everything, once; `closing` says what its home is told.
    pub(super) fn depart(&mut self, conn: ConnId, closing: Option<bool>, turn: &mut Turn<'_>) {
        let Some(client) = self.clients.get_mut(conn) else {
            return;
        };
        match std::mem::replace(client, Client::Leaving) {
            Client::Leaving => {}
            Client::Fresh { until } => turn.timers.disarm(until, Timer::Early(conn)),
            Client::Early(early) => {
                turn.timers.disarm(early.until, Timer::Early(conn));
                self.redeemed.extend(early.reservation);
            }
            Client::Signed(session) => self.forget(conn, &session, closing, turn),
        }
    }

    /// A client signed in: its time before that is over.
    pub(super) fn admit(&mut self, conn: ConnId, session: Session, turn: &mut Turn<'_>) {
        let account = session.account;
        turn.timers.arm(session.pulse.armed, Timer::Idle(conn));
        turn.metrics.sessions_begun += 1;
        tracing::debug!(%account, epoch = session.epoch.0, "session begun");
        assert!(self.conn_of(&account).is_none(), "an account has one session here");
        if let Some(client) = self.clients.get_mut(conn) {
            if let Client::Early(early) = client {
                turn.timers.disarm(early.until, Timer::Early(conn));
            }
            *client = Client::Signed(Box::new(session));
            self.sessions.insert(&account, conn);
        }
    }

    fn forget(
        &mut self,
        conn: ConnId,
        session: &Session,
        closing: Option<bool>,
        turn: &mut Turn<'_>,
    ) {
        let (account, epoch) = (session.account, session.epoch);
        turn.timers.disarm(session.pulse.armed, Timer::Idle(conn));
        turn.metrics.sessions_ended += 1;
        tracing::debug!(%account, epoch = epoch.0, "session ended");
        self.sessions.remove(&account, |other| *other == conn);
        for handle in session.handles.values() {
            if handle.reading.is_some() {
                let log = handle.log(account);
                self.forget_reader(&log, conn);
                let message = PeerDetach { log, account, epoch };
                self.tell(handle.home, message, turn);
            }
        }
        if let Some(signed_out) = closing {
            let message = SessionClosed { account, epoch, signed_out };
            self.tell(session.home, message, turn);
        }
    }

    /// Nobody on `conn` reads `log` any more.
    pub(super) fn forget_reader(&mut self, log: &LogId, conn: ConnId) {
        if let Some(left) = self.readers.remove(log).and_then(|readers| readers.without(conn)) {
            self.readers.insert(*log, left);
        }
    }

    /// Tells a home, if it can be reached; else it has forgotten what this is about.
    pub(super) fn tell(
        &self,
        home: ServerId,
        message: impl Into<wire::ToPeer>,
        turn: &mut Turn<'_>,
    ) {
        if self.up.contains(&home) {
            turn.tell_server(home, message);
        }
    }

    /// Where the session of `account` is, if it sits here.
    pub(super) fn conn_of(&self, account: &Name) -> Option<ConnId> {
        let is_its = |conn: &ConnId| account_on(&self.clients, *conn) == Some(*account);
        self.sessions.find(account, is_its).copied()
    }

    /// Whether `home` can be reached.
    pub(super) fn reaches(&self, home: ServerId) -> bool {
        self.up.contains(&home)
    }

    /// The server that holds `account`.
    pub(super) fn home_of(&self, account: Name) -> ServerId {
        self.holders.of(&LogId::mailbox(account))
    }

    /// A server speaks of a log that is not its own: something is wrong, unless the log has moved
    /// since it said so.
    pub(super) fn confused_about(&self, log: &LogId, from: ServerId, turn: &mut Turn<'_>) {
        if self.holders.is_unmoved(log) {
            turn.alarm(Alarm::PeerConfused { from });
        }
    }

    pub(super) fn conns(&self) -> Vec<ConnId> {
        self.sessions.iter().copied().collect()
    }
}

/// The session's handles that were opened, and that are meant.
pub(super) fn opened(session: &Session, is_meant: impl Fn(&Handle) -> bool) -> Vec<LogHandle> {
    let handles = session.handles.iter().filter(|(_, handle)| {
        is_meant(handle) && !matches!(handle.state, HandleState::Opening { .. })
    });
    handles.map(|(id, _)| id).collect()
}

/// An open log goes on.
pub(super) fn open_again(session: &mut Session, conn: ConnId, id: LogHandle, turn: &mut Turn<'_>) {
    let Some(handle) = session.handles.get_mut(id) else {
        return;
    };
    handle.state = HandleState::Open;
    turn.tell_client(conn, Up { handle: id });
    resume_reading(session, id, turn);
}

/// Nothing comes from an open log, nor goes there, until further notice.
pub(super) fn shut(session: &mut Session, conn: ConnId, id: LogHandle, turn: &mut Turn<'_>) {
    let Some(handle) = session.handles.get_mut(id) else {
        return;
    };
    if let Some(reading) = &mut handle.reading {
        reading.interrupt();
    }
    if handle.state == HandleState::Open {
        session.unanswered -= drop_unanswered(conn, id, handle, turn);
    }
}

fn sessions(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
