//! Clients before they are signed in: hello, then sign-up, sign-in or resume. What comes in the
//! wrong order is answered with the right fault.

use wire::message::{
    AnswerBody, Hello, Pong, Question, Ready, Role, SessionClosed, SignInFinish, Welcome,
};
use wire::{
    ConnId, ExchangeId, FaultCode, Instant, Kind, LogId, Name, Origin, Reservation, ServerId, Slot,
    ToServer,
};

use super::event::{Alarm, Effect};
use super::exchange::Exchange;
use super::handles::Handles;
use super::limit::Bucket;
use super::seat::{Client, Seat};
use super::seldom::Seldom;
use super::session::{Pulse, Session};
use super::turn::Turn;

/// One step on the way to a session: its message's kind, and whose account.
#[derive(Clone, Copy)]
struct Stage {
    kind: Kind,
    name: Name,
    /// The origin of the session that this step may begin.
    origin: Option<Origin>,
}

/// A client that has said hello and not signed in.
#[derive(Debug)]
pub(super) struct Early {
    /// When it must have signed in.
    pub(super) until: Instant,
    pub(super) reservation: Option<Reservation>,
    dialogue: Dialogue,
}

/// Where a client stands on its way to a session.
#[derive(Debug, Default)]
enum Dialogue {
    /// It may begin with any step.
    #[default]
    Idle,
    /// Its home was asked; whose session begins, if this is the last step.
    Asked { name: Name, origin: Option<Origin> },
    /// Its home waits for the proof of the password.
    Challenged { exchange: ExchangeId, name: Name },
}

impl Early {
    fn new(until: Instant) -> Self {
        Self { until, reservation: None, dialogue: Dialogue::default() }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.dialogue, Dialogue::Asked { .. })
    }

    /// The question it waited for has ended.
    pub(super) fn is_answered(&mut self) {
        self.dialogue = Dialogue::Idle;
    }
}

impl Seat {
    /// Anything but a post.
    pub(super) fn on_message(&mut self, conn: ConnId, message: ToServer, turn: &mut Turn<'_>) {
        let Some(client) = self.clients.get_mut(conn) else {
            return;
        };
        match client {
            Client::Fresh { .. } => self.on_hello(conn, &message, turn),
            Client::Early(_) => self.on_early(conn, message, turn),
            Client::Signed(session) => {
                session.pulse.hear(turn.now);
                self.on_request(conn, message, turn);
            }
            Client::Leaving => {}
        }
    }

    /// A kind that belongs to sessions came from a client without one.
    pub(super) fn on_early_kind(&mut self, conn: ConnId, kind: Kind, turn: &mut Turn<'_>) {
        let code = match self.clients.get(conn) {
            Some(Client::Fresh { .. }) => FaultCode::BAD_MAGIC,
            Some(Client::Early(_)) => FaultCode::WRONG_STATE,
            Some(Client::Signed(_) | Client::Leaving) | None => return,
        };
        self.reject(conn, code, (kind, 0), turn);
    }

    fn on_hello(&mut self, conn: ConnId, message: &ToServer, turn: &mut Turn<'_>) {
        let agreed = match message {
            ToServer::Hello(hello) if hello.role == Role::Client => hello.agree(),
            ToServer::Hello(Hello { .. }) => Err(FaultCode::WRONG_PEER),
            _ => Err(FaultCode::BAD_MAGIC),
        };
        match agreed {
            Ok(version) => {
                let (server, at) = (self.me, turn.wall);
                turn.tell_client(conn, Ready { version, server, at });
                if let Some(client) = self.clients.get_mut(conn)
                    && let Client::Fresh { until } = *client
                {
                    *client = Client::Early(Box::new(Early::new(until)));
                }
            }
            Err(code) => self.reject(conn, code, (message.kind(), 0), turn),
        }
    }

    fn on_early(&mut self, conn: ConnId, message: ToServer, turn: &mut Turn<'_>) {
        let kind = message.kind();
        match message {
            ToServer::Ping(ping) => turn.tell_client(conn, Pong { nonce: ping.nonce }),
            ToServer::Pong(_) | ToServer::Fault(_) => {}
            ToServer::Redeem(redeem) => self.on_redeem(conn, redeem.reservation, turn),
            ToServer::SignUpStart(start) => {
                self.begin(conn, stage(kind, start.name, None), start, turn);
            }
            ToServer::SignInStart(start) => {
                self.begin(conn, stage(kind, start.name, None), start, turn);
            }
            ToServer::SignUpFinish(finish) => {
                self.begin(conn, stage(kind, finish.name, Some(finish.origin)), finish, turn);
            }
            ToServer::Resume(resume) => {
                self.begin(conn, stage(kind, resume.name, Some(resume.origin)), resume, turn);
            }
            ToServer::SignInFinish(finish) => self.on_sign_in_finish(conn, finish, turn),
            // Everything else is for those who have signed in.
            _ => self.reject(conn, FaultCode::WRONG_STATE, (kind, 0), turn),
        }
    }

    fn on_redeem(&mut self, conn: ConnId, reservation: Reservation, turn: &mut Turn<'_>) {
        match self.early(conn) {
            Some(early) if early.reservation.is_none() => early.reservation = Some(reservation),
            _ => self.reject(conn, FaultCode::WRONG_STATE, (Kind::REDEEM, 0), turn),
        }
    }

    /// The first step of a dialogue, or its only one.
    fn begin(
        &mut self,
        conn: ConnId,
        stage: Stage,
        question: impl Into<Question>,
        turn: &mut Turn<'_>,
    ) {
        let idle = self.early(conn).is_some_and(|early| !early.is_waiting());
        if !idle {
            return self.reject(conn, FaultCode::WRONG_STATE, (stage.kind, 0), turn);
        }
        let id = self.exchanges.fresh();
        self.ask_early(conn, id, stage, question, turn);
    }

    /// The proof of a password: the second step of the exchange that asked for it.
    fn on_sign_in_finish(&mut self, conn: ConnId, finish: SignInFinish, turn: &mut Turn<'_>) {
        let stage = stage(Kind::SIGN_IN_FINISH, finish.name, Some(finish.origin));
        match self.early(conn).map(|early| &early.dialogue) {
            Some(Dialogue::Challenged { exchange, name }) if *name == finish.name => {
                let id = *exchange;
                self.ask_early(conn, id, stage, finish, turn);
            }
            _ => self.reject(conn, FaultCode::WRONG_STATE, (stage.kind, 0), turn),
        }
    }

    fn ask_early(
        &mut self,
        conn: ConnId,
        id: ExchangeId,
        stage: Stage,
        question: impl Into<Question>,
        turn: &mut Turn<'_>,
    ) {
        let Stage { kind, name, origin } = stage;
        if self.is_full_for(&name) {
            return self.reject(conn, FaultCode::SEAT_FULL, (kind, 0), turn);
        }
        let (home, slot) = (self.home_of(name), Slot::of(&LogId::mailbox(name)));
        let exchange = Exchange { conn, home, slot, kind, reference: 0 };
        if self.ask(id, exchange, question, turn)
            && let Some(early) = self.early(conn)
        {
            early.dialogue = Dialogue::Asked { name, origin };
        }
    }

    /// Whether a session of `name` would be one too many. One that it replaces makes room.
    fn is_full_for(&self, name: &Name) -> bool {
        self.sessions.len() >= self.sessions_max && self.conn_of(name).is_none()
    }

    /// A home answers a client that is on its way to a session; `false` when nobody waits.
    pub(super) fn on_early_answer(
        &mut self,
        id: ExchangeId,
        exchange: &Exchange,
        body: AnswerBody,
        turn: &mut Turn<'_>,
    ) {
        let conn = exchange.conn;
        let Some(early) = self.early(conn) else {
            return self.decline(exchange.home, &body, turn);
        };
        let dialogue = std::mem::take(&mut early.dialogue);
        let Dialogue::Asked { name, origin } = dialogue else {
            return self.decline(exchange.home, &body, turn);
        };
        match (exchange.kind, body) {
            (_, AnswerBody::Fault(fault)) => {
                self.reject(conn, fault.code, (exchange.kind, 0), turn);
            }
            (Kind::SIGN_UP_START, AnswerBody::SignUpChallenge(challenge)) => {
                turn.tell_client(conn, challenge);
            }
            (Kind::SIGN_IN_START, AnswerBody::SignInChallenge(challenge)) => {
                let exchange = id;
                early.dialogue = Dialogue::Challenged { exchange, name };
                turn.tell_client(conn, challenge);
            }
            (kind, AnswerBody::Welcome(welcome)) => match origin {
                Some(origin) if name == welcome.name => {
                    self.on_welcome(conn, exchange, origin, welcome, turn);
                }
                Some(_) | None => self.confused(conn, exchange.home, kind, turn),
            },
            (kind, _) => self.confused(conn, exchange.home, kind, turn),
        }
    }

    /// A home has granted a session; it sits here now.
    fn on_welcome(
        &mut self,
        conn: ConnId,
        exchange: &Exchange,
        origin: Origin,
        welcome: Welcome,
        turn: &mut Turn<'_>,
    ) {
        let home = exchange.home;
        if let Some(former) = self.conn_of(&welcome.name) {
            self.end_session(former, FaultCode::STALE_EPOCH, turn);
        }
        let obstacle = if !self.may_act_for(home) {
            Some(FaultCode::UNAVAILABLE)
        } else {
            self.is_full_for(&welcome.name).then_some(FaultCode::SEAT_FULL)
        };
        if let Some(code) = obstacle {
            self.decline(home, &AnswerBody::Welcome(welcome), turn);
            return self.reject(conn, code, (exchange.kind, 0), turn);
        }
        if let Some(reservation) = self.early(conn).and_then(|early| early.reservation.take()) {
            self.redeemed.push(reservation);
        }
        let session = Session {
            account: welcome.name,
            origin,
            epoch: welcome.epoch,
            home,
            slot: exchange.slot,
            handles: Handles::default(),
            stale_reads: Seldom::default(),
            requests: 0,
            chunks: 0,
            unanswered: 0,
            bucket: Bucket::new(turn.now),
            is_metered: !self.unmetered,
            paused: false,
            high: false,
            is_fenced: false,
            signing_out: false,
            pulse: Pulse::new(turn.now),
        };
        turn.effects.push(Effect::Admit { conn });
        turn.tell_client(conn, welcome);
        self.admit(conn, session, turn);
    }

    /// Nobody waits for this answer any more: a session that it granted has nobody in it.
    pub(super) fn decline(&mut self, home: ServerId, body: &AnswerBody, turn: &mut Turn<'_>) {
        if let AnswerBody::Welcome(welcome) = body {
            let message =
                SessionClosed { account: welcome.name, epoch: welcome.epoch, signed_out: false };
            self.tell(home, message, turn);
        }
    }

    /// The answer does not fit the question.
    pub(super) fn confused(
        &mut self,
        conn: ConnId,
        from: ServerId,
        kind: Kind,
        turn: &mut Turn<'_>,
    ) {
        turn.alarm(Alarm::PeerConfused { from });
        self.reject(conn, FaultCode::UNAVAILABLE, (kind, 0), turn);
    }

    fn early(&mut self, conn: ConnId) -> Option<&mut Early> {
        match self.clients.get_mut(conn)? {
            Client::Early(early) => Some(early),
            Client::Fresh { .. } | Client::Signed(_) | Client::Leaving => None,
        }
    }
}

fn stage(kind: Kind, name: Name, origin: Option<Origin>) -> Stage {
    Stage { kind, name, origin }
}
