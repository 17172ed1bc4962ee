//! A server of a world: the real core, a shell without sockets, and a disk.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use server::core::log::LogLimits;
use server::core::{Alarm, Config, Core, Effect, Event, Level, Side, Target};
use server::map_file::{Newest, newest};
use storage::{Completion, DiskModel, InFlight, MemStorage, Op};
use wire::net::Policy;
use wire::{ConnId, Instant, MapFile, ServerId, SignedMap, ToPeer, ToServer};

use super::disk::Disk;
use super::fault::FaultKind;
use super::host::{Node, State};
use super::links::Told;
use super::net::{ConnKey, Local, Purpose};
use super::oracle::Fact;
use super::world::{What, World};

/// How long a server that stops may take.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// How long it takes to put a store right that was refused.
const REPAIR_TIME_MAX: Duration = Duration::from_secs(5);

/// One server: its process while it runs, its disk always.
pub struct ServerProcess {
    /// The core, while the process runs.
    pub core: Option<Core>,
    /// The disk.
    pub disk: Disk,
    /// Its map file, where maps are signed.
    pub map: Option<SignedMap>,
    is_draining: bool,
    is_stopping: bool,
}

impl ServerProcess {
    /// A server that was never started.
    #[must_use]
    pub fn new(id: ServerId) -> Self {
        let (core, map) = (None, None);
        Self { core, disk: Disk::new(id), map, is_draining: false, is_stopping: false }
    }
}

/// Bytes that may be sent and not seen, in all, as a plan asks for.
#[must_use]
pub fn unseen_max(is_tiny: bool) -> usize {
    if is_tiny { 2_000 } else { 1 << 28 }
}

/// The bounds that a plan asks for.
#[must_use]
pub fn log_limits(is_tiny: bool) -> LogLimits {
    if !is_tiny {
        return LogLimits::standard();
    }
    // Real bodies are larger than those that the bounds of unit tests are made for.
    LogLimits {
        mailbox_bytes_max: 8_000,
        sender_bytes_max: 6_000,
        stranger_entries_max: 5,
        group_bytes_max: 40_000,
        tail_len_max: 3_000,
        tails_len_max: 5_000,
        pending_len_max: 8_000,
        batch_len_max: 1_000,
        range_len_max: 1_500,
        ..LogLimits::tiny()
    }
}

impl World {
    pub(super) fn start_server(&mut self, id: ServerId) {
        let node = Node::Server(id);
        let (now, wall) = (self.now, self.wall(node));
        let seed = self.dice.seed();
        if self.is_refused(id) {
            return;
        }
        let server = self.servers.get_mut(&id).expect("a server of this world");
        let opened = server.disk.open(now);
        let file = match &self.signed {
            Some(signed) => MapFile::Signed(server.map.get_or_insert(signed.clone()).clone()),
            None => MapFile::Unsigned(Arc::clone(&self.map)),
        };
        let begun = newest(id, Path::new("map"), file, server.disk.map());
        let Newest { map, is_stored: map_is_stored } = begun.expect("one of them is good");
        (server.is_draining, server.is_stopping) = (false, false);
        let config = Config {
            me: id,
            map,
            map_is_stored,
            setup: self.setup.clone(),
            seed,
            opened,
            slots: server.disk.slots(),
            client_address: address(id, 1),
            peer_address: address(id, 2),
            routers: self.plan.routers,
            sessions_max: self.plan.sessions_max,
            unseen_max: unseen_max(self.plan.is_tiny),
            unmetered: self.plan.is_unmetered,
            log_limits: log_limits(self.plan.is_tiny),
        };
        let mut effects = Vec::new();
        server.core = Some(Core::new(config, now, wall, &mut effects));
        self.perform_server(id, effects);
        self.send_map(id);
    }

    /// A store that has lost something must not be served; then its operator puts things right.
    fn is_refused(&mut self, id: ServerId) -> bool {
        let server = self.servers.get_mut(&id).expect("a server of this world");
        let Some(kind) = server.disk.wrong.take() else { return false };
        let Some(image) = server.disk.wronged(kind) else { return false };
        self.tally.count(kind);
        if let Ok((_, opened)) = MemStorage::open(image, DiskModel::default()) {
            let what = format!("{id}, {}, is served as {opened:?}", kind.name());
            self.oracle.report("a store that lost something is refused", self.now, what);
        }
        let node = Node::Server(id);
        self.host_mut(node).end(State::Down);
        let after = self.dice.time(Duration::ZERO, REPAIR_TIME_MAX);
        self.queue.push(self.now + after, What::Start { node });
        true
    }

    pub(super) fn tell_server(&mut self, id: ServerId, conn: ConnId, key: ConnKey, told: Told) {
        let event = match told {
            Told::Opened(from) => {
                let purpose = self.net.get(key).map(|conn| conn.purpose);
                let side = match (purpose, from) {
                    (Some(Purpose::Server(Target::Peer(server))), Node::Server(from)) => {
                        if from == id {
                            Side::PeerOut { server }
                        } else {
                            Side::PeerIn { certified: Some(from) }
                        }
                    }
                    (Some(Purpose::Server(Target::Router(index))), _) => Side::Router { index },
                    _ => Side::Client,
                };
                Event::Opened { conn, side }
            }
            Told::Frame(frame) => Event::Frame { conn, frame },
            Told::Pressure(wire::net::Level::Low) => Event::Pressure { conn, level: Level::Low },
            Told::Pressure(wire::net::Level::High) => Event::Pressure { conn, level: Level::High },
            Told::Closed(why) => Event::Closed { conn, why },
        };
        self.feed_server(id, event);
    }

    pub(super) fn time_server(&mut self, id: ServerId) {
        let queued = self.net.queued(Node::Server(id));
        let queued_bytes = u64::try_from(queued).expect("lengths fit 64 bits");
        let free_bytes = self.servers[&id].disk.free_bytes();
        let busy_permille = u16::try_from(self.dice.below(1000)).expect("below 1000");
        self.feed_server(id, Event::Measured { busy_permille, queued_bytes, free_bytes });
        self.feed_server(id, Event::Timeout);
    }

    /// The server is asked to stop, at once or when its sessions have left.
    pub(super) fn stop_server(&mut self, id: ServerId) {
        if !self.drains.chance(500) {
            return self.stop_now(id);
        }
        let per_second = self.drains.pick(&[1, 10, 1000]);
        self.note(&[], format_args!("{id} is emptied"));
        self.servers.get_mut(&id).expect("a server of this world").is_draining = true;
        self.feed_server(id, Event::Drain { per_second });
    }

    /// The server says that it stops; what remains after its time is killed.
    fn stop_now(&mut self, id: ServerId) {
        let incarnation = self.host(Node::Server(id)).incarnation;
        let server = self.servers.get_mut(&id).expect("a server of this world");
        (server.is_draining, server.is_stopping) = (false, true);
        self.feed_server(id, Event::Stop);
        let at = self.now + STOP_TIME_MAX;
        self.queue.push(at, What::StopDue { server: id, incarnation });
    }

    pub(super) fn on_stop_due(&mut self, id: ServerId, incarnation: u32) {
        let host = self.host(Node::Server(id));
        if host.is_up() && host.incarnation == incarnation {
            self.kill(Node::Server(id), State::Down);
        }
    }

    /// Gives one event to a server. A failed store ends it.
    pub(super) fn feed_server(&mut self, id: ServerId, event: Event) {
        let node = Node::Server(id);
        let (now, wall) = (self.now, self.wall(node));
        if !self.host(node).is_up() {
            return;
        }
        match &event {
            Event::Frame { conn, frame } => {
                let (kind, len) = (frame.kind, frame.body.len());
                let what = format_args!("{id} {conn:?} {kind} {len} bytes");
                self.trace.note(now, &frame.body, what);
                if let Ok(message) = ToPeer::decode(frame) {
                    self.trace.explain(&message);
                } else if let Ok(message) = ToServer::decode(frame) {
                    self.trace.explain(&message);
                }
            }
            event => self.trace.note(now, &[], format_args!("{id} {event:?}")),
        }
        let mut effects = Vec::new();
        let core = self.servers.get_mut(&id).and_then(|server| server.core.as_mut());
        let core = core.expect("a server that is up has a core");
        if let Err(error) = core.handle(now, wall, event, &mut effects) {
            self.note(&[], format_args!("{id} dies: {error}"));
            return self.kill(node, State::Down);
        }
        self.perform_server(id, effects);
        self.check_server(id);
    }

    fn perform_server(&mut self, id: ServerId, effects: Vec<Effect>) {
        let node = Node::Server(id);
        for effect in effects.into_iter().flat_map(Effect::unfolded) {
            if self.host_mut(node).is_dying() {
                self.tally.count(FaultKind::ServerKilledMidway);
                return self.kill(node, State::Down);
            }
            match effect {
                Effect::Send { conn, message } => {
                    self.fact(&Fact::Said { server: id, conn, message: &message });
                    self.write(node, Local::Conn(conn), |out| message.append_frame(out));
                }
                Effect::Close { conn } => {
                    if let Some((key, end)) = self.net.find(node, Local::Conn(conn)) {
                        self.begin_close(key, end, server::core::CloseReason::Local);
                    }
                }
                Effect::Know { .. } => {}
                Effect::Admit { conn } => self.set_policy(node, conn, Policy::client()),
                Effect::Fan { .. } => unreachable!("it was unfolded"),
                Effect::SetReading { conn, reading } => {
                    let policy = Policy { paused: !reading, ..Policy::client() };
                    self.set_policy(node, conn, policy);
                }
                Effect::DialPeer { server, address: to } => {
                    assert_eq!(to, address(server, 2), "a peer's address is its own");
                    let (from, to) = ((node, Policy::peer()), Node::Server(server));
                    let purpose = Purpose::Server(Target::Peer(server));
                    self.dial(from, (to, Policy::peer()), purpose);
                }
                Effect::DialRouter { index } => {
                    let (from, to) = ((node, Policy::router()), Node::Router(index));
                    let purpose = Purpose::Server(Target::Router(index));
                    self.dial(from, (to, Policy::router()), purpose);
                }
                Effect::Store(op) => self.submit(id, op),
                Effect::Superseded { by } => {
                    let what = format!("{id}, by {by:?}");
                    self.oracle.report("only copies are superseded", self.now, what);
                }
                Effect::Alarm(alarm) => self.on_alarm(id, alarm),
            }
        }
        let core = self.servers[&id].core.as_ref();
        self.set_timer(node, core.and_then(Core::deadline));
    }

    fn set_policy(&mut self, node: Node, conn: ConnId, policy: Policy) {
        let Some((key, end)) = self.net.find(node, Local::Conn(conn)) else { return };
        let Some(found) = self.net.get(key) else { return };
        found.side_mut(end).policy = policy;
        found.side_mut(end).input_len = 0;
        let at = self.now;
        self.queue.push(at, What::Writable { key, end });
    }

    fn on_alarm(&mut self, id: ServerId, alarm: Alarm) {
        self.note(&[], format_args!("{id} alarm: {alarm}"));
        self.fact(&Fact::Alarm { server: id, alarm });
    }

    fn submit(&mut self, id: ServerId, op: Op) {
        let now = self.now;
        match &op {
            Op::Commit { ticket, batch } => {
                for change in &batch.changes {
                    self.trace.explain(&format_args!("{ticket:?} {change:?}"));
                }
            }
            Op::Read { ticket, read } => self.trace.explain(&format_args!("{ticket:?} {read:?}")),
        }
        if let Op::Commit { batch, .. } = &op {
            self.oracle.hear(now, &Fact::Submitted { server: id, batch });
        }
        let delays = match &op {
            Op::Commit { .. } => self.plan.commit,
            Op::Read { .. } => self.plan.read,
        };
        let delay = self.dice.time(delays.0, delays.1);
        let server = self.servers.get_mut(&id).expect("a server of this world");
        server.disk.submit(now, delay, op);
        self.await_disk(id);
    }

    fn await_disk(&mut self, id: ServerId) {
        let incarnation = self.host(Node::Server(id)).incarnation;
        if let Some(at) = self.servers[&id].disk.next_due() {
            let at = at.max(self.now);
            self.queue.push(at, What::Disk { server: id, incarnation });
        }
    }

    pub(super) fn on_disk(&mut self, id: ServerId, incarnation: u32) {
        let now = self.now;
        loop {
            let host = self.host(Node::Server(id));
            if !host.is_up() || host.incarnation != incarnation {
                return;
            }
            let server = self.servers.get_mut(&id).expect("a server of this world");
            let Some(completion) = server.disk.poll(now) else {
                return self.await_disk(id);
            };
            match &completion {
                Completion::Committed { .. } => {
                    let batch = server.disk.take_batch().expect("a commit was in flight");
                    self.oracle.hear(now, &Fact::Committed { server: id, batch: &batch });
                    self.count_moved(&batch);
                }
                Completion::Poisoned { cause } => {
                    self.tally.count(Disk::fault_of(cause));
                }
                Completion::Answered { .. } => {}
            }
            self.feed_server(id, Event::Stored(completion));
        }
    }

    /// What a dead server's disk holds, by chance, of what was being synced.
    pub(super) fn crash_disk(&mut self, id: ServerId) {
        let in_flight = self.dice.pick(&[InFlight::Lost, InFlight::Kept]);
        let now = self.now;
        let server = self.servers.get_mut(&id).expect("a server of this world");
        server.core = None;
        self.oracle.hear(now, &Fact::Died { server: id });
        let Some((batch, fate)) = server.disk.crash(in_flight) else { return };
        match fate {
            InFlight::Lost => self.tally.count(FaultKind::TailLost),
            InFlight::Kept => {
                self.tally.count(FaultKind::TailKept);
                self.oracle.hear(now, &Fact::Committed { server: id, batch: &batch });
            }
        }
    }

    pub(super) fn mend_disk(&mut self, id: ServerId) {
        self.servers.get_mut(&id).expect("a server of this world").disk.mend();
    }

    fn check_server(&mut self, id: ServerId) {
        if !self.host(Node::Server(id)).is_up() {
            return;
        }
        self.note_served(id);
        let known = self.net.told(Node::Server(id));
        let server = &self.servers[&id];
        let core = server.core.as_ref().expect("a server that is up has a core");
        let metrics = core.metrics();
        let is_done = server.is_stopping && metrics.clients == 0 && core.is_quiet();
        let is_empty = server.is_draining && core.is_emptied(self.now);
        self.fact(&Fact::Measured { server: id, metrics: &metrics, conns: known });
        if is_done {
            self.kill(Node::Server(id), State::Down);
        } else if is_empty {
            self.stop_now(id);
        }
    }
}

/// Where a server listens.
#[must_use]
pub fn address(id: ServerId, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(id.0).expect("few servers")], port))
}

/// When an operation is due, by a disk's own steps.
#[must_use]
pub fn micros(since: Instant, now: Instant) -> u64 {
    now.0.saturating_sub(since.0) / 1000
}
