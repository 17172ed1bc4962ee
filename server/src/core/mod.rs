//! The pure core: `handle(now, wall, event, out)` and `deadline()`. No clock, socket, file, thread
//! or ambient randomness is named here; the simulator runs this very code.
//!
//! A core is a seat and a home: accounts, key logs and [`log`]s. Both are reached through
//! [`wire::ToPeer`] messages, which come from a link or, between a core's own seat and home, from
//! its own queue. Start reading at [`Core::handle`].

mod account;
mod arrived;
mod asker;
mod asks;
mod backoff;
mod blobs;
mod bundles;
mod claim;
mod commit;
mod config;
mod conn;
mod drain;
mod ends;
mod entries;
mod entropy;
pub mod event;
mod exchange;
mod few;
mod group_password;
mod guesses;
mod handles;
mod holders;
mod index;
mod lease;
mod limit;
mod load;
pub mod log;
mod maps;
mod metrics;
mod notes;
mod opaque;
mod parts;
mod password;
mod peers;
mod posting;
mod readers;
mod reading;
mod receipts;
mod registry;
mod relay;
mod request;
mod seat;
mod seat_slots;
mod seldom;
mod session;
mod sign;
mod slots;
mod table;
mod timer;
mod turn;
mod unseen;

use std::collections::VecDeque;

use storage::{Answer, Batch, Completion, Read, StorageError};
use wire::frame::Frame;
use wire::limits::{BLOBS_DISK_FREE_MIN, DISK_FREE_MIN};
use wire::message::Pong;
use wire::{ConnId, Instant, LogId, Name, ServerId, SessionEpoch, ToPeer, ToServer, Wall};

pub use config::Config;
pub use event::{Alarm, CloseReason, Effect, Event, Level, Outgoing, Side, Target};
pub use metrics::Metrics;
pub use opaque::SERVER_IDENTITY;

use commit::Tickets;
use ends::Role;
use parts::{Parts, gauge};
use timer::Timers;
use turn::{ReadKey, Turn};

/// One server without its I/O.
pub struct Core {
    parts: Parts,
    tickets: Tickets,
    timers: Timers,
    metrics: Metrics,
    peers: VecDeque<(ServerId, ToPeer)>,
    outdated: Vec<(Name, SessionEpoch)>,
    reads: Vec<(ReadKey, Read)>,
}

impl Core {
    /// A server that begins at `now`; `out` receives what it does first.
    #[must_use]
    pub fn new(config: Config, now: Instant, wall: Wall, out: &mut Vec<Effect>) -> Self {
        let mut core = Self {
            parts: Parts::new(config, now),
            tickets: Tickets::default(),
            timers: Timers::default(),
            metrics: Metrics::default(),
            peers: VecDeque::new(),
            outdated: Vec::new(),
            reads: Vec::new(),
        };
        core.turn(now, wall, out, |parts, turn| parts.start(turn));
        core
    }

    /// Handles one event and appends what is to be done to `out`, in order.
    ///
    /// # Errors
    /// The storage failed. The process must end: what was accepted is on disk, and nothing more
    /// may be said.
    pub fn handle(
        &mut self,
        now: Instant,
        wall: Wall,
        event: Event,
        out: &mut Vec<Effect>,
    ) -> Result<(), StorageError> {
        match event {
            Event::Stored(Completion::Poisoned { cause }) => return Err(cause),
            Event::Stored(Completion::Committed { ticket, writes }) => {
                self.tickets.on_committed(ticket);
                self.metrics.commits += 1;
                self.turn(now, wall, out, |parts, turn| parts.on_committed(writes, turn));
            }
            Event::Stored(Completion::Answered { ticket, answer }) => {
                let key = self.tickets.on_answered(ticket);
                self.turn(now, wall, out, |parts, turn| parts.on_read(key, answer, turn));
            }
            Event::Timeout => {
                while let Some(timer) = self.timers.pop_due(now) {
                    self.turn(now, wall, out, |parts, turn| parts.on_timer(timer, turn));
                }
            }
            event => self.turn(now, wall, out, |parts, turn| parts.on_event(event, turn)),
        }
        assert!(self.is_coherent(), "what is counted is what is held");
        Ok(())
    }

    /// When [`Event::Timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Nothing waits to become durable: the process may end without anyone sending again.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.tickets.is_committing() && !self.parts.has_changes() && self.parts.logs.is_written()
    }

    /// Everybody has left after [`Event::Drain`]: the process may stop.
    #[must_use]
    pub fn is_emptied(&self, now: Instant) -> bool {
        self.parts.seat.is_emptied(now)
    }

    /// Counters, and gauges computed now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = self.metrics;
        metrics.reads = gauge(self.tickets.reads());
        metrics.timers = gauge(self.timers.len());
        self.parts.measure(&mut metrics);
        metrics
    }

    /// Clients that are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.parts.seat.clients.len()
    }

    /// Slots that are held here, and how many of them the map gives to other servers.
    #[must_use]
    pub fn slots(&self) -> (u64, u64) {
        let (here, leaving) = self.parts.seat.holders.count();
        (gauge(here), gauge(leaving))
    }

    /// Whether any router places sessions here.
    #[must_use]
    pub fn has_router(&self) -> bool {
        self.routers_in_touch() > 0
    }

    /// How many routers hear this server's reports.
    #[must_use]
    pub fn routers_in_touch(&self) -> usize {
        self.parts.routers.ready_count()
    }

    /// Whether whoever is dialed for this is there and answers.
    #[must_use]
    pub fn reaches(&self, target: Target) -> bool {
        match target {
            Target::Peer(server) => self.parts.seat.reaches(server),
            Target::Router(index) => self.parts.routers.is_ready(index),
        }
    }

    /// Whether there is to be a connection to whoever is dialed for this.
    #[must_use]
    pub fn wants(&self, target: Target) -> bool {
        match target {
            Target::Peer(server) => self.parts.peers.others().any(|other| other == server),
            Target::Router(_) => true,
        }
    }

    /// Whether this server holds the slot of a log, and serves it.
    #[must_use]
    pub fn serves(&self, log: &LogId) -> bool {
        self.parts.seat.holders.is_mine(log)
    }

    /// Whether what is counted is what is held.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        let counted = &self.metrics;
        let conns = counted.conns_opened - counted.conns_closed;
        let sessions = counted.sessions_begun - counted.sessions_ended;
        (conns, sessions) == self.parts.held()
    }

    /// Runs `step`, carries what it says between seat and home, and gives the storage its work.
    fn turn(
        &mut self,
        now: Instant,
        wall: Wall,
        out: &mut Vec<Effect>,
        step: impl FnOnce(&mut Parts, &mut Turn<'_>),
    ) {
        let mut turn = Turn {
            now,
            wall,
            effects: out,
            peers: &mut self.peers,
            outdated: &mut self.outdated,
            reads: &mut self.reads,
            timers: &mut self.timers,
            metrics: &mut self.metrics,
        };
        self.parts.seat.fence_due(&mut turn);
        step(&mut self.parts, &mut turn);
        loop {
            while let Some((server, message)) = turn.peers.pop_front() {
                self.parts.carry(server, message, &mut turn);
            }
            self.parts.step_slots(&mut turn);
            if turn.peers.is_empty() {
                break;
            }
        }
        self.parts.conclude(&mut turn);
        for (key, read) in self.reads.drain(..) {
            out.push(self.tickets.read(key, read));
        }
        if !self.tickets.is_committing() && self.parts.has_changes() {
            let mut batch = Batch::default();
            self.parts.compose(&mut batch);
            out.push(self.tickets.commit(batch));
        }
    }
}

/// Which part an event or a message is for.
impl Parts {
    fn on_event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Frame { conn, frame } => self.on_frame(conn, &frame, turn),
            Event::Opened { conn, side } => self.on_opened(conn, side, turn),
            Event::Closed { conn, why } => self.on_closed(conn, why, turn),
            Event::Pressure { conn, level } => {
                let is_high = level == Level::High;
                if is_high && let Some(Role::Peer(_)) = self.conns.get(conn) {
                    turn.metrics.links_full += 1;
                }
                self.seat.on_pressure(conn, is_high, turn);
            }
            Event::DialFailed { target } => match target {
                Target::Peer(server) => self.peers.on_dial_failed(server, turn),
                Target::Router(index) => self.routers.on_lost(index, turn),
            },
            Event::Measured { busy_permille, queued_bytes, free_bytes } => {
                self.is_disk_full = free_bytes < DISK_FREE_MIN;
                self.logs.set_refusing(self.is_disk_full);
                self.blobs.set_refusing(free_bytes < BLOBS_DISK_FREE_MIN);
                self.routers.on_measured(busy_permille, queued_bytes);
            }
            Event::Map(map) => self.maps.on_map(None, map, turn),
            Event::Bounds { sessions_max, unseen_max } => {
                self.routers.set_sessions_max(sessions_max, turn);
                self.seat.set_bounds(sessions_max, unseen_max);
            }
            Event::Drain { per_second } => {
                self.routers.close(turn);
                self.seat.on_drain(per_second, turn);
            }
            Event::Stop => {
                self.is_stopping = true;
                self.end_give(turn);
                self.routers.close(turn);
                self.seat.on_stop(turn);
                self.logs.on_stop();
            }
            Event::Stored(_) | Event::Timeout => unreachable!("the core handles these itself"),
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
            Some(Role::Router(index)) => self.on_router_frame(conn, index.into(), frame, turn),
            None => {}
        }
    }

    /// Whether this server holds an account and serves it. If not, whoever asks hears so from the
    /// slot's holder.
    fn is_account_here(&self, account: Name) -> bool {
        self.seat.holders.is_mine(&LogId::mailbox(account))
    }

    /// Hands a message to its server's link, or to this server's own seat or home.
    fn carry(&mut self, server: ServerId, message: ToPeer, turn: &mut Turn<'_>) {
        if server == self.me {
            self.on_peer_message(self.me, message, turn);
        } else {
            self.peers.send(server, message, turn);
        }
    }

    /// What a server says: to this home from its seat, or to this seat from its home.
    fn on_peer_message(&mut self, from: ServerId, message: ToPeer, turn: &mut Turn<'_>) {
        match message {
            ToPeer::PeerPost(post) => {
                self.logs.on_post((turn.now, turn.wall), from, post, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::PeerAccepted(accepted) => self.seat.on_accepted(from, &accepted, turn),
            ToPeer::PeerDeliver(deliver) => self.seat.on_deliver(from, deliver, turn),
            ToPeer::PeerRefused(refused) => self.seat.on_refused(from, &refused, turn),
            ToPeer::PeerRange(range) => self.seat.on_range(from, range, turn),
            ToPeer::PeerSeen(seen) => {
                self.logs.on_seen(turn.now, from, seen, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::PeerRead(read) => {
                self.logs.on_read(from, read, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::PeerAttach(attach) => {
                self.logs.on_attach(from, attach, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::PeerDetach(detach) => {
                self.logs.on_detach(from, detach, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::Ask(ask) => self.on_ask(from, ask, turn),
            ToPeer::AskAs(ask) => self.on_ask_as(from, ask, turn),
            ToPeer::Dismiss(dismiss) => self.seat.on_dismiss(from, &dismiss, turn),
            ToPeer::Answer(answer) => self.seat.on_answer(from, answer, turn),
            ToPeer::Probe(probe) => self.seat.on_probe(from, &probe, turn),
            ToPeer::ProbeAnswer(answer) => self.accounts.on_probe_answer(from, &answer, turn),
            ToPeer::EndSession(end) => self.seat.on_end_session(from, &end, turn),
            ToPeer::SessionClosed(closed) if self.is_account_here(closed.account) => {
                self.accounts.on_session_closed(from, &closed, turn);
            }
            ToPeer::RegisterSession(register) if self.is_account_here(register.account) => {
                self.accounts.on_register(from, &register, turn);
            }
            ToPeer::Ping(ping) => {
                self.accounts.on_told(from, turn);
                turn.tell_server(from, Pong { nonce: ping.nonce });
            }
            ToPeer::Pong(pong) => self.seat.on_answered_ping(from, Instant(pong.nonce), turn),
            ToPeer::PeerAnswered(told) => {
                self.logs.on_peer_answered(from, told, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::PeerShown(shown) => {
                self.logs.on_shown(from, &shown, &mut self.log_out);
                self.drain_logs(turn);
            }
            ToPeer::PeerReceipt(receipt) => self.seat.on_receipt(from, &receipt, turn),
            ToPeer::SessionRegistered(message) => self.seat.on_registered(from, &message, turn),
            ToPeer::MapVersion(version) => self.maps.on_version(from, &version, turn),
            ToPeer::FetchMap(_) => {
                if let Some(copy) = self.maps.copy() {
                    turn.tell_server(from, copy);
                }
            }
            ToPeer::MapCopy(copy) => self.maps.on_copy(Some(from), copy.map.into_bytes(), turn),
            ToPeer::SessionClosed(_) | ToPeer::RegisterSession(_) | ToPeer::Fault(_) => {}
            ToPeer::Hello(_) | ToPeer::Ready(_) | ToPeer::PeerStore(_) => {
                turn.alarm(Alarm::PeerConfused { from });
            }
            message => self.on_slot_message(from, message, turn),
        }
    }

    /// What a server says of slots.
    fn on_slot_message(&mut self, from: ServerId, message: ToPeer, turn: &mut Turn<'_>) {
        match message {
            ToPeer::PeerSlots(slots) => self.on_peer_slots(from, slots, turn),
            ToPeer::SlotsTold(told) => {
                self.accounts.on_slots_told(from, told.slots.items(), turn);
            }
            ToPeer::MoveBegin(begin) => self.on_move_begin(from, &begin, turn),
            ToPeer::MoveReady(ready) => self.on_move_ready(from, &ready, turn),
            ToPeer::MoveRows(rows) => self.on_move_rows(from, rows, turn),
            ToPeer::MoveTaken(taken) => self.on_move_taken(from, &taken, turn),
            ToPeer::MoveSum(sum) => self.on_move_sum(from, &sum, turn),
            ToPeer::MoveSummed(summed) => self.on_move_summed(from, &summed, turn),
            ToPeer::MoveEnd(end) => self.on_move_end(from, &end, turn),
            _ => turn.alarm(Alarm::PeerConfused { from }),
        }
    }

    fn on_read(&mut self, key: ReadKey, answer: Answer, turn: &mut Turn<'_>) {
        match (key, answer) {
            (ReadKey::Log(read), answer) => self.on_log_read(read, answer, turn),
            (ReadKey::Slot(read), answer) => self.on_slot_read(read, answer, turn),
            (ReadKey::Account(name), Answer::Account(account, session)) => {
                self.accounts.on_account_read(name, account, session, turn);
            }
            (ReadKey::NewestBundle(name), Answer::Bundles { bundles, complete }) => {
                self.accounts.on_bundles_read(name, bundles, complete, turn);
            }
            (ReadKey::Bundles(asker), Answer::Bundles { bundles, complete }) => {
                self.key_logs.on_read(asker, bundles, complete, turn);
            }
            (ReadKey::Blobs(account), Answer::Blobs(records)) => {
                self.blobs.on_loaded(account, records, turn);
            }
            (ReadKey::BlobPage, Answer::BlobsAfter(page)) => self.blobs.on_page(&page, turn),
            (ReadKey::Blob(fetch), Answer::Blob(record)) => {
                self.blobs.on_record(fetch, record, turn);
            }
            (ReadKey::Chunk(fetch), Answer::Chunk(chunk)) => {
                self.blobs.on_chunk(fetch, chunk, turn);
            }
            (ReadKey::Notes(account), Answer::Notes(groups)) => {
                self.notes.on_read(account, groups, turn);
            }
            (ReadKey::Groups(asker), Answer::Notes(groups)) => {
                self.notes.on_listed(&asker, groups, turn);
            }
            (key, _) => unreachable!("the storage answers {key:?} with its own kind of answer"),
        }
    }
}
