//! What goes wrong, and when.

use std::time::Duration;

use wire::limits::LEASE_TIME;
use wire::{Instant, ServerId};

use super::fault::FaultKind;
use super::host::{Node, State};
use super::world::{What, World};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The longest that a process or a machine is away.
const AWAY_MAX: Duration = Duration::from_secs(15);
/// The shortest cut.
const CUT_MIN: Duration = ms(300);
/// The longest cut: beyond every lease.
const CUT_MAX: Duration = Duration::from_secs(20);
/// A process dies within so many effects.
const EFFECTS_MAX: u64 = 40;

impl World {
    /// One fault, and then another.
    pub(super) fn on_fault(&mut self) {
        if !self.has_faults {
            return;
        }
        let after = self.dice.time(ms(1), self.plan.calm);
        self.queue.push(self.now + after, What::Fault);
        self.perhaps_compete();
        if self.plan.faults.is_empty() {
            return;
        }
        let index = self.dice.index(self.plan.faults.len());
        let kind = self.plan.faults[index];
        if self.inject(kind) {
            self.note(&[], format_args!("fault: {}", kind.name()));
        }
    }

    /// Whether it happened at once; faults that need an occasion are counted when they have one.
    fn inject(&mut self, kind: FaultKind) -> bool {
        let happened = match kind {
            FaultKind::BrokenConnection => self.break_some(),
            FaultKind::Cut | FaultKind::CutOneWay | FaultKind::Isolated => self.cut_some(kind),
            FaultKind::ServerKilled => self.kill_some(State::Down),
            FaultKind::ServerDark => self.kill_some(State::Dark),
            FaultKind::ServerKilledMidway => {
                self.doom(Self::some_server);
                return false;
            }
            FaultKind::ServerStopped => self.stop_some(),
            FaultKind::RouterKilled => self.kill_router(),
            FaultKind::ClientKilled => self.kill_client(State::Down),
            FaultKind::ClientDark => self.kill_client(State::Dark),
            FaultKind::ClientKilledMidway => {
                self.doom(Self::some_client);
                return false;
            }
            FaultKind::Paused => self.pause(ms(50), LEASE_TIME / 2),
            FaultKind::PausedLong => self.pause(LEASE_TIME, 2 * LEASE_TIME),
            FaultKind::ClockSet => self.set_clock(),
            FaultKind::DiskStalled
            | FaultKind::DiskSlow
            | FaultKind::SyncFailed
            | FaultKind::ReadFailed
            | FaultKind::DiskFull => return self.hurt_disk(kind),
            FaultKind::RolledBack | FaultKind::Emptied | FaultKind::WatermarkLost => {
                self.wrong_store(kind);
                return false;
            }
            FaultKind::DialFailed
            | FaultKind::Split
            | FaultKind::TailLost
            | FaultKind::TailKept
            | FaultKind::MapChanged
            | FaultKind::SlotMoved => return false,
        };
        if happened {
            self.tally.count(kind);
        }
        happened
    }

    fn break_some(&mut self) -> bool {
        let open = self.net.open();
        if open.is_empty() {
            return false;
        }
        let key = open[self.dice.index(open.len())];
        self.break_conn(key);
        true
    }

    fn cut_some(&mut self, kind: FaultKind) -> bool {
        let nodes: Vec<Node> = self.hosts.keys().copied().collect();
        let (one, other) = (self.dice.pick(&nodes), self.dice.pick(&nodes));
        let until = self.now + self.dice.time(CUT_MIN, CUT_MAX);
        match kind {
            FaultKind::Isolated => {
                for node in nodes.into_iter().filter(|node| *node != one) {
                    self.cut(one, node, until);
                }
            }
            _ if one == other => return false,
            FaultKind::CutOneWay => {
                self.cuts.insert((one, other), until);
            }
            _ => self.cut(one, other, until),
        }
        true
    }

    /// Two machines do not hear each other.
    pub(super) fn cut(&mut self, one: Node, other: Node, until: Instant) {
        self.cuts.insert((one, other), until);
        self.cuts.insert((other, one), until);
    }

    fn some_server(&mut self) -> Option<Node> {
        let is_up = |id: &&ServerId| self.hosts[&Node::Server(**id)].is_up();
        let up: Vec<ServerId> = self.servers.keys().filter(is_up).copied().collect();
        let index = if up.is_empty() { return None } else { self.dice.index(up.len()) };
        Some(Node::Server(up[index]))
    }

    fn some_client(&mut self) -> Option<Node> {
        let all = (0..self.clients.len()).map(Node::Client);
        let up: Vec<Node> = all.filter(|node| self.hosts[node].is_up()).collect();
        let index = if up.is_empty() { return None } else { self.dice.index(up.len()) };
        Some(up[index])
    }

    fn kill_some(&mut self, state: State) -> bool {
        let Some(node) = self.some_server() else { return false };
        self.kill(node, state);
        true
    }

    /// A process will die between two effects.
    fn doom(&mut self, who: impl FnOnce(&mut Self) -> Option<Node>) {
        if let Some(node) = who(self) {
            let effects = u32::try_from(self.dice.below(EFFECTS_MAX)).expect("few");
            self.host_mut(node).effects_left = Some(effects);
        }
    }

    fn stop_some(&mut self) -> bool {
        let Some(Node::Server(id)) = self.some_server() else { return false };
        if self.host(Node::Server(id)).paused.is_some() {
            return false;
        }
        self.stop_server(id);
        true
    }

    fn kill_router(&mut self) -> bool {
        let node = Node::Router(self.dice.index(self.routers.len()));
        let is_up = self.host(node).is_up();
        self.kill(node, State::Down);
        is_up
    }

    fn kill_client(&mut self, state: State) -> bool {
        let Some(node) = self.some_client() else { return false };
        self.kill(node, state);
        true
    }

    fn pause(&mut self, low: Duration, high: Duration) -> bool {
        let nodes: Vec<Node> = self.hosts.keys().copied().collect();
        let node = self.dice.pick(&nodes);
        let until = self.now + self.dice.time(low, high);
        let host = self.host(node);
        if !host.is_up() || host.paused.is_some() {
            return false;
        }
        self.pause_until(node, until);
        true
    }

    /// A process does nothing for a while.
    pub(super) fn pause_until(&mut self, node: Node, until: Instant) {
        let host = self.host_mut(node);
        host.paused = Some(until);
        let incarnation = host.incarnation;
        self.queue.push(until, What::Resume { node, incarnation });
    }

    fn set_clock(&mut self) -> bool {
        let nodes: Vec<Node> = self.hosts.keys().copied().collect();
        let node = self.dice.pick(&nodes);
        let ahead = self.dice.below(3_600_000);
        self.host_mut(node).clock_ahead = ahead;
        true
    }

    fn hurt_disk(&mut self, kind: FaultKind) -> bool {
        let ids: Vec<ServerId> = self.servers.keys().copied().collect();
        let id = self.dice.pick(&ids);
        let long = self.dice.time(ms(200), Duration::from_secs(9));
        let lag = self.dice.time(ms(10), ms(600));
        let disk = &mut self.servers.get_mut(&id).expect("just listed").disk;
        match kind {
            // Some stalls outlast a client's patience: it must not take what it knows nothing of
            // for refused.
            FaultKind::DiskStalled => disk.stall = 3 * long,
            FaultKind::DiskSlow => disk.lag = lag,
            FaultKind::SyncFailed => disk.is_sync_failing = true,
            FaultKind::ReadFailed => disk.is_read_failing = true,
            _ => disk.is_full = true,
        }
        if matches!(kind, FaultKind::DiskSlow | FaultKind::DiskFull) {
            self.queue.push(self.now + long, What::DiskMended { server: id });
        }
        // Failures count when they have happened.
        let is_now = !matches!(kind, FaultKind::SyncFailed | FaultKind::ReadFailed);
        if is_now {
            self.tally.count(kind);
        }
        is_now
    }

    /// A server ends, and something happens to its store's folder before it starts again.
    fn wrong_store(&mut self, kind: FaultKind) {
        let Some(Node::Server(id)) = self.some_server() else { return };
        self.servers.get_mut(&id).expect("it is up").disk.wrong = Some(kind);
        self.kill(Node::Server(id), State::Down);
    }

    /// A process ends, without a word. Servers and routers come back.
    pub(super) fn kill(&mut self, node: Node, state: State) {
        if !self.host(node).is_up() {
            return;
        }
        self.note(&[], format_args!("{node:?} ends: {state:?}"));
        self.abandon_conns(node, state);
        self.host_mut(node).end(state);
        match node {
            Node::Router(index) => self.routers[index].core = None,
            Node::Server(server) => self.crash_disk(server),
            Node::Client(index) => self.clients[index].core = None,
        }
        if !matches!(node, Node::Client(_)) {
            let longest = if self.has_faults { AWAY_MAX } else { ms(500) };
            let after = self.dice.time(ms(50), longest);
            self.queue.push(self.now + after, What::Start { node });
        }
    }

    /// The faults end: all machines run, the network is whole, the disks are well.
    pub(super) fn heal(&mut self) {
        self.note(&[], format_args!("faults end"));
        self.has_faults = false;
        self.cuts.clear();
        for server in self.servers.values_mut() {
            server.disk.mend();
        }
        let nodes: Vec<Node> = self.hosts.keys().copied().collect();
        for node in nodes {
            let host = self.host_mut(node);
            host.effects_left = None;
            let incarnation = host.incarnation;
            self.resume(node, incarnation);
            if !matches!(node, Node::Client(_)) {
                self.queue.push(self.now + ms(100), What::Start { node });
            }
        }
    }
}
