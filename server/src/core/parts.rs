//! The parts of a core, and which of them an event or a message is for.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use storage::{Answer, Batch};
use wire::frame::Frame;
use wire::limits::DISK_FREE_MIN;
use wire::message::{AnswerBody, Ask, Fault, Ping, Pong, Question};
use wire::{
    ConnId, FaultCode, Instant, Kind, LogId, Name, RouterToServer, ServerId, ToPeer, ToServer,
};

use super::account::{Accounts, refuse};
use super::bundles::KeyLogs;
use super::config::Config;
use super::entropy::Entropy;
use super::event::{Alarm, CloseReason, Event, Level, Side, Target};
use super::load::{Card, Routers};
use super::log::{LogOut, LogRead, Logs};
use super::metrics::Metrics;
use super::password::Passwords;
use super::peers::{LinkChange, Peers};
use super::seat::Seat;
use super::table::Table;
use super::timer::Timer;
use super::turn::{ReadKey, Turn};

/// Seat and home, and the connections to everyone else.
pub(super) struct Parts {
    me: ServerId,
    conns: Table<Role>,
    pub(super) seat: Seat,
    pub(super) accounts: Accounts,
    pub(super) key_logs: KeyLogs,
    logs: Logs,
    log_out: LogOut,
    peers: Peers,
    routers: Routers,
    /// Nothing new is taken; what makes room goes on.
    is_disk_full: bool,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Client,
    /// A peer; which one, once its link has been up.
    Peer(Option<ServerId>),
    Router(usize),
}

impl Parts {
    pub(super) fn new(config: Config, now: Instant) -> Self {
        let mut entropy = Entropy::new(config.seed);
        let servers = config.map.servers();
        let others: BTreeSet<ServerId> =
            servers.iter().copied().filter(|server| *server != config.me).collect();
        let me = config.me;
        let card = Card {
            server: me,
            client: config.client_address,
            peer: config.peer_address,
            store: config.opened.store,
            map_version: config.map.version(),
            sessions_max: config.sessions_max,
        };
        let sessions_max = usize::try_from(config.sessions_max).unwrap_or(usize::MAX);
        let hash_key = row_hash_key(&config.setup.serialize());
        let random = entropy.number();
        let peers = Peers::new(me, &servers, entropy.bytes());
        let routers = Routers::new(card, config.routers, entropy.bytes());
        let passwords = Passwords::new(config.setup, Entropy::new(entropy.bytes()));
        Self {
            me,
            conns: Table::default(),
            seat: Seat::new(me, config.map, sessions_max, config.unmetered, random),
            accounts: Accounts::new(passwords, entropy, others, now),
            key_logs: KeyLogs::default(),
            logs: Logs::new(me, config.opened.store_epoch, hash_key, config.log_limits),
            log_out: LogOut::default(),
            peers,
            routers,
            is_disk_full: false,
        }
    }

    pub(super) fn start(&mut self, turn: &mut Turn<'_>) {
        self.routers.start(turn);
    }

    pub(super) fn on_event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Frame { conn, frame } => self.on_frame(conn, &frame, turn),
            Event::Opened { conn, side } => self.on_opened(conn, side, turn),
            Event::Closed { conn, why } => self.on_closed(conn, why, turn),
            Event::Pressure { conn, level } => {
                self.seat.on_pressure(conn, level == Level::High, turn);
            }
            Event::DialFailed { target } => match target {
                Target::Peer(server) => self.peers.on_dial_failed(server, turn),
                Target::Router(index) => self.routers.on_lost(index, turn),
            },
            Event::Measured { busy_permille, queued_bytes, free_bytes } => {
                self.is_disk_full = free_bytes < DISK_FREE_MIN;
                self.logs.set_refusing(self.is_disk_full);
                self.routers.on_measured(busy_permille, queued_bytes);
            }
            Event::Stop => {
                self.routers.close(turn);
                self.seat.on_stop(turn);
            }
            Event::Stored(_) | Event::Timeout => unreachable!("the core handles these itself"),
        }
    }

    /// Everything that followed from an event has been done.
    pub(super) fn conclude(&mut self, turn: &mut Turn<'_>) {
        self.routers.note_sessions(self.seat.sessions.len(), turn);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Early(conn) => self.seat.on_early_timeout(conn, turn),
            Timer::Idle(conn) => self.seat.on_idle(conn, turn),
            Timer::Refill(conn) => self.seat.on_refill(conn, turn),
            Timer::Reread(conn) => self.seat.on_reread(conn, turn),
            Timer::Exchanges => self.seat.on_exchanges_due(turn),
            Timer::Logins => self.accounts.on_logins_due(turn),
            Timer::Held(name) => self.accounts.on_held_timeout(name, turn),
            Timer::Leases => self.accounts.on_leases_due(turn),
            Timer::Greeting(conn) => self.peers.on_greeting_timeout(conn, turn),
            Timer::Link(server) => {
                let change = self.peers.on_link_timer(server, turn);
                self.on_link_changes(change, turn);
            }
            Timer::Router(index) => self.routers.on_router_timer(index, turn),
            Timer::Report => {
                let sessions = self.seat.sessions.len();
                self.routers.report(sessions, &mut self.seat.redeemed, turn);
            }
        }
    }

    /// Hands a message to its server's link, or to this server's own seat or home.
    pub(super) fn carry(&mut self, server: ServerId, message: ToPeer, turn: &mut Turn<'_>) {
        if server == self.me {
            self.on_peer_message(self.me, message, turn);
        } else {
            self.peers.send(server, message, turn);
        }
    }

    pub(super) fn on_committed(&mut self, turn: &mut Turn<'_>) {
        self.accounts.on_committed(turn);
        self.logs.on_committed(&mut self.log_out);
        self.drain_logs(turn);
        for (account, below) in turn.outdated.drain(..) {
            self.logs.end_reader(&account, below);
        }
    }

    pub(super) fn on_log_read(&mut self, read: LogRead, answer: Answer, turn: &mut Turn<'_>) {
        self.logs.on_answer(read, answer, &mut self.log_out);
        self.drain_logs(turn);
    }

    pub(super) fn has_changes(&self) -> bool {
        self.accounts.has_changes() || self.logs.has_changes()
    }

    pub(super) fn compose(&mut self, batch: &mut Batch) {
        self.accounts.compose(batch);
        self.logs.compose(batch);
    }

    /// How many connections and sessions are held.
    pub(super) fn held(&self) -> (u64, u64) {
        (gauge(self.conns.len()), gauge(self.seat.sessions.len()))
    }

    pub(super) fn measure(&self, metrics: &mut Metrics) {
        (metrics.conns, metrics.sessions) = self.held();
        metrics.clients = gauge(self.seat.clients.len());
        metrics.exchanges = gauge(self.seat.exchanges.len());
        metrics.links = gauge(self.peers.up_count());
        metrics.accounts = gauge(self.accounts.len());
        metrics.log = self.logs.metrics();
    }

    fn on_opened(&mut self, conn: ConnId, side: Side, turn: &mut Turn<'_>) {
        turn.metrics.conns_opened += 1;
        match side {
            Side::Client => {
                self.conns.insert(conn, Role::Client);
                self.seat.on_opened(conn, turn);
            }
            Side::PeerIn { certified } => {
                self.conns.insert(conn, Role::Peer(None));
                self.peers.on_arrived(conn, certified, turn);
            }
            Side::PeerOut { server } => {
                self.conns.insert(conn, Role::Peer(None));
                self.peers.on_dialed(conn, server, turn);
            }
            Side::Router { index } => {
                self.conns.insert(conn, Role::Router(index));
                self.routers.on_dialed(conn, index, turn);
            }
        }
    }

    fn on_closed(&mut self, conn: ConnId, why: CloseReason, turn: &mut Turn<'_>) {
        let Some(role) = self.conns.remove(conn) else {
            return;
        };
        turn.metrics.conns_closed += 1;
        match why {
            CloseReason::SlowReader => turn.metrics.slow_readers += 1,
            CloseReason::BadStream => turn.metrics.bad_streams += 1,
            CloseReason::Gone | CloseReason::Local => {}
        }
        match role {
            Role::Client => self.seat.on_closed(conn, turn),
            Role::Peer(_) => {
                let change = self.peers.on_closed(conn, turn);
                self.on_link_changes(change, turn);
            }
            Role::Router(index) => self.routers.on_lost(index, turn),
        }
    }

    /// Posts go straight on: the hot path.
    fn on_frame(&mut self, conn: ConnId, frame: &Frame, turn: &mut Turn<'_>) {
        turn.metrics.frames += 1;
        tracing::trace!(?conn, kind = %frame.kind, "frame");
        match self.conns.get(conn).copied() {
            Some(Role::Client) => match ToServer::decode(frame) {
                Ok(ToServer::Post(post)) => self.seat.on_post(conn, post, turn),
                Ok(message) => self.seat.on_message(conn, message, turn),
                Err(error) => self.seat.reject(conn, error.into(), (frame.kind, 0), turn),
            },
            Some(Role::Peer(server)) => self.on_peer_frame(conn, server, frame, turn),
            Some(Role::Router(index)) => self.on_router_frame(conn, index, frame, turn),
            None => {}
        }
    }

    fn on_peer_frame(
        &mut self,
        conn: ConnId,
        server: Option<ServerId>,
        frame: &Frame,
        turn: &mut Turn<'_>,
    ) {
        let message = match ToPeer::decode(frame) {
            Ok(message) => message,
            Err(error) => {
                // What follows would leave a gap: the link is lost now, not when it has closed.
                self.peers.turn_away(conn, error.into(), turn);
                let change = self.peers.on_closed(conn, turn);
                return self.on_link_changes(change, turn);
            }
        };
        match server {
            Some(server) if self.peers.up(conn, server, turn.now) => {
                self.on_peer_message(server, message, turn);
            }
            Some(_) => {}
            None => {
                let changes = self.peers.on_greeting(conn, &message, turn);
                for change in &changes {
                    if let LinkChange::Up(server) = change
                        && let Some(role) = self.conns.get_mut(conn)
                    {
                        *role = Role::Peer(Some(*server));
                    }
                }
                self.on_link_changes(changes, turn);
            }
        }
    }

    fn on_router_frame(&mut self, conn: ConnId, index: usize, frame: &Frame, turn: &mut Turn<'_>) {
        let Ok(message) = RouterToServer::decode(frame) else {
            return turn.close(conn);
        };
        if let Some(servers) = self.routers.on_message(conn, index, message, turn) {
            self.peers.on_directory(&servers, turn);
        }
    }

    fn on_link_changes(
        &mut self,
        changes: impl IntoIterator<Item = LinkChange>,
        turn: &mut Turn<'_>,
    ) {
        for change in changes {
            match change {
                LinkChange::Up(server) => {
                    self.seat.on_link_up(server, turn);
                    turn.tell_server(server, Ping { nonce: 0 });
                    self.seat.on_link_ready(server, turn);
                }
                LinkChange::Lost(server) => {
                    self.logs.on_link_lost(server);
                    self.accounts.on_link_lost(server, turn);
                    self.seat.on_link_lost(server, turn);
                }
            }
        }
    }

    /// What a server says: to this home from its seat, or to this seat from its home.
    fn on_peer_message(&mut self, from: ServerId, message: ToPeer, turn: &mut Turn<'_>) {
        match message {
            ToPeer::PeerPost(post) => {
                self.logs.on_post(turn.wall, from, post, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::PeerAccepted(accepted) => self.seat.on_accepted(from, &accepted, turn),
            ToPeer::PeerDeliver(deliver) => self.seat.on_deliver(from, deliver, turn),
            ToPeer::PeerRefused(refused) => self.seat.on_refused(from, &refused, turn),
            ToPeer::PeerRange(range) => self.seat.on_range(from, range, turn),
            ToPeer::PeerSeen(_)
            | ToPeer::PeerRead(_)
            | ToPeer::PeerAttach(_)
            | ToPeer::PeerDetach(_) => self.on_reader(from, message, turn),
            ToPeer::Ask(ask) => self.on_ask(from, ask, turn),
            ToPeer::Answer(answer) => self.seat.on_answer(from, answer, turn),
            ToPeer::Probe(probe) => self.seat.on_probe(from, &probe, turn),
            ToPeer::ProbeAnswer(answer) => self.accounts.on_probe_answer(&answer, turn),
            ToPeer::EndSession(end) => self.seat.on_end_session(from, &end, turn),
            ToPeer::SessionClosed(closed) => self.accounts.on_session_closed(from, &closed, turn),
            ToPeer::RegisterSession(register) => self.accounts.on_register(from, &register, turn),
            ToPeer::Ping(ping) => {
                self.accounts.on_told(from, turn);
                turn.tell_server(from, Pong { nonce: ping.nonce });
            }
            ToPeer::Pong(_) | ToPeer::Fault(_) => {}
            ToPeer::Hello(_) | ToPeer::Ready(_) => turn.alarm(Alarm::PeerConfused { from }),
        }
    }

    fn on_reader(&mut self, from: ServerId, message: ToPeer, turn: &mut Turn<'_>) {
        match message {
            ToPeer::PeerSeen(seen) => self.logs.on_seen(from, seen, &mut self.log_out),
            ToPeer::PeerRead(read) => self.logs.on_read(from, read, &mut self.log_out),
            ToPeer::PeerAttach(attach) => self.logs.on_attach(from, attach, &mut self.log_out),
            ToPeer::PeerDetach(detach) => self.logs.on_detach(from, detach, &mut self.log_out),
            _ => {}
        }
        self.drain_logs(turn);
    }

    fn on_ask(&mut self, from: ServerId, ask: Ask, turn: &mut Turn<'_>) {
        let Ask { exchange, question } = ask;
        let (log, kind, reference) = subject(&question);
        if self.seat.map.home_of(&log) != self.me {
            turn.alarm(Alarm::NotHome { from });
            let body = AnswerBody::Fault(Fault::about(FaultCode::UNAVAILABLE, kind, reference));
            return turn.tell_server(from, wire::message::Answer { exchange, body });
        }
        match question {
            Question::AskOpenLog(open) => {
                self.logs.on_open(from, exchange, &open, &mut self.log_out);
                self.drain_logs(turn);
            }
            Question::FetchBundles(fetch) => self.key_logs.on_fetch(from, exchange, &fetch, turn),
            Question::SignUpFinish(_) if self.is_disk_full => {
                let code = FaultCode::UNAVAILABLE;
                refuse(from, exchange, code, Kind::SIGN_UP_FINISH, turn);
            }
            question => self.accounts.on_question(from, exchange, question, turn),
        }
    }

    fn drain_logs(&mut self, turn: &mut Turn<'_>) {
        turn.peers.extend(self.log_out.messages.drain(..));
        for (read, asked) in self.log_out.reads.drain(..) {
            turn.read(ReadKey::Log(read), asked);
        }
        for alarm in self.log_out.alarms.drain(..) {
            turn.alarm(Alarm::Log(alarm));
        }
    }
}

/// A size as metrics count it.
pub(super) fn gauge(len: usize) -> u64 {
    u64::try_from(len).expect("lengths fit 64 bits")
}

/// The log whose home a question is for, and how its fault names it.
fn subject(question: &Question) -> (LogId, Kind, u32) {
    let mailbox = |name: Name, kind: Kind| (LogId::mailbox(name), kind, 0);
    match question {
        Question::SignUpStart(start) => mailbox(start.name, Kind::SIGN_UP_START),
        Question::SignUpFinish(finish) => mailbox(finish.name, Kind::SIGN_UP_FINISH),
        Question::SignInStart(start) => mailbox(start.name, Kind::SIGN_IN_START),
        Question::SignInFinish(finish) => mailbox(finish.name, Kind::SIGN_IN_FINISH),
        Question::Resume(resume) => mailbox(resume.name, Kind::RESUME),
        Question::FetchBundles(fetch) => {
            (LogId::mailbox(fetch.name), Kind::FETCH_BUNDLES, fetch.request.0)
        }
        Question::AskOpenLog(open) => (open.log, Kind::OPEN_LOG, open.handle.0),
    }
}

/// The key of the hashes in rows: the same for ever and on every server, and unknown to clients.
fn row_hash_key(setup: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"fastchat row hash key 1");
    hash.update(setup);
    let digest: [u8; 32] = hash.finalize().into();
    *digest.first_chunk().expect("32 bytes begin with 16")
}
