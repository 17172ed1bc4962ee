//! Everything: machines, connections, disks, people, and what is to happen next.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use client::core::{JobKey, JobResult};
use opaque_ke::ServerSetup;
use router::core::homes::build_map;
use server::core::CloseReason;
use wire::net::Level;
use wire::opaque::Suite;
use wire::{Instant, ServerId, SignedMap, SlotMap, Wall};

use super::client::Installation;
use super::dice::{Chances, Dice};
use super::fault::Tally;
use super::host::{Host, Node};
use super::links::Told;
use super::net::{ConnKey, End, Local, Net, Purpose};
use super::oracle::{Fact, Oracle};
use super::plan::Plan;
use super::queue::Queue;
use super::router::RouterProcess;
use super::server::ServerProcess;
use super::trace::Trace;
use super::user::User;

/// When a world begins.
const BEGINNING: Instant = Instant(1_000_000_000);

/// What is to happen.
#[derive(Debug)]
pub enum What {
    /// A dial has met someone.
    Connected {
        /// Which connection.
        key: ConnKey,
    },
    /// A dial has met nobody.
    DialFailed {
        /// Which connection.
        key: ConnKey,
    },
    /// The next segment reaches an end.
    Arrive {
        /// Which connection.
        key: ConnKey,
        /// Which end.
        end: End,
    },
    /// There is room to write.
    Writable {
        /// Which connection.
        key: ConnKey,
        /// Which end.
        end: End,
    },
    /// A write queue has crossed a mark.
    Pressure {
        /// Which connection.
        key: ConnKey,
        /// Which end.
        end: End,
        /// The new level.
        level: Level,
    },
    /// A close has had its time.
    CloseDue {
        /// Which connection.
        key: ConnKey,
        /// Which end.
        end: End,
        /// Why.
        why: CloseReason,
    },
    /// A connection has ended on this side.
    Closed {
        /// Which connection.
        key: ConnKey,
        /// Which end.
        end: End,
        /// Why.
        why: CloseReason,
    },
    /// The deadline of a core.
    Timer {
        /// Whose.
        node: Node,
        /// Of which process.
        incarnation: u32,
        /// For when it was set.
        at: Instant,
    },
    /// A disk is done with something.
    Disk {
        /// Which server.
        server: ServerId,
        /// Of which process.
        incarnation: u32,
    },
    /// A client's worker is done.
    Worked {
        /// Which installation.
        client: usize,
        /// Of which process.
        incarnation: u32,
        /// Whose job it is.
        key: JobKey,
        /// What came of it.
        result: Box<JobResult>,
    },
    /// A person does something.
    Act {
        /// Who.
        user: usize,
    },
    /// A client that was left has closed its connection, or has had its time.
    Left {
        /// Which installation.
        client: usize,
        /// Of which process.
        incarnation: u32,
    },
    /// Something breaks.
    Fault,
    /// A paused process goes on.
    Resume {
        /// Whose.
        node: Node,
        /// Of which process.
        incarnation: u32,
    },
    /// A process begins.
    Start {
        /// Whose.
        node: Node,
    },
    /// A server that was asked to stop has had its time.
    StopDue {
        /// Which server.
        server: ServerId,
        /// Of which process.
        incarnation: u32,
    },
    /// The operator makes another map.
    NewMap,
    /// A server hears of the newest map.
    MapTold {
        /// Which server.
        server: ServerId,
    },
    /// A disk is as it was before.
    DiskMended {
        /// Which server.
        server: ServerId,
    },
}

/// A whole cluster with its people.
pub struct World {
    pub(super) now: Instant,
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) lies: Dice,
    pub(super) rivalries: Dice,
    pub(super) drains: Dice,
    pub(super) moves: Dice,
    pub(super) queue: Queue<What>,
    pub(super) trace: Trace,
    pub(super) tally: Tally,
    pub(super) net: Net,
    pub(super) hosts: BTreeMap<Node, Host>,
    pub(super) cuts: BTreeMap<(Node, Node), Instant>,
    pub(super) dirty: Vec<(ConnKey, End)>,
    pub(super) routers: Vec<RouterProcess>,
    pub(super) servers: BTreeMap<ServerId, ServerProcess>,
    pub(super) clients: Vec<Installation>,
    pub(super) users: Vec<User>,
    pub(super) oracle: Oracle,
    pub(super) map: Arc<SlotMap>,
    /// The newest map as the operator signed it, in worlds where it changes.
    pub(super) signed: Option<SignedMap>,
    pub(super) setup: ServerSetup<Suite>,
    /// There are faults; afterwards everything must come to rest.
    pub(super) has_faults: bool,
}

impl World {
    /// The world of a plan, at its beginning: everything is about to start.
    #[must_use]
    pub fn new(plan: Plan, chances: Chances, is_printed: bool) -> Self {
        let Chances { mut dice, lies, rivalries, drains, moves } = chances;
        let ids: Vec<ServerId> = (1..=plan.servers).map(ServerId).collect();
        let setup = ServerSetup::new(&mut dice);
        let server = |id: &ServerId| (*id, ServerProcess::new(*id));
        let mut world = Self {
            now: BEGINNING,
            queue: Queue::new(),
            trace: Trace::new(is_printed),
            tally: Tally::new(),
            net: Net::default(),
            hosts: BTreeMap::new(),
            cuts: BTreeMap::new(),
            dirty: Vec::new(),
            routers: (0..plan.routers).map(|_| RouterProcess::default()).collect(),
            servers: ids.iter().map(server).collect(),
            clients: Vec::new(),
            users: Vec::new(),
            oracle: Oracle::new(&plan),
            map: Arc::new(build_map(1, &ids)),
            signed: None,
            setup,
            has_faults: true,
            plan,
            dice,
            lies,
            rivalries,
            drains,
            moves,
        };
        world.add_hosts();
        world.begin_maps();
        world
    }

    fn add_hosts(&mut self) {
        let routers = (0..self.plan.routers).map(Node::Router);
        let servers = (1..=self.plan.servers).map(|id| Node::Server(ServerId(id)));
        let clients = (0..self.plan.installations).map(Node::Client);
        for node in routers.chain(servers).chain(clients) {
            let ahead = self.dice.below(120_000);
            self.hosts.insert(node, Host::new(ahead));
            if !matches!(node, Node::Client(_)) {
                let after = self.dice.time(Duration::ZERO, Duration::from_secs(1));
                self.queue.push(self.now + after, What::Start { node });
            }
        }
        for index in 0..self.plan.installations {
            let seed = self.dice.seed();
            let user = index % self.plan.users;
            self.clients.push(Installation::new(index, user, seed));
        }
        for index in 0..self.plan.users {
            self.users.push(User::new(index, &self.plan));
            let after = self.dice.time(Duration::ZERO, self.plan.pause);
            self.queue.push(self.now + after, What::Act { user: index });
        }
        let after = self.dice.time(Duration::ZERO, self.plan.calm);
        self.queue.push(self.now + after, What::Fault);
    }

    /// The next thing happens. False: nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some((at, what)) = self.queue.pop() else {
            return false;
        };
        self.now = self.now.max(at);
        let owner = self.owner(&what);
        if let Some(host) = owner.and_then(|node| self.hosts.get_mut(&node))
            && host.paused.is_some()
        {
            host.held.push_back(what);
            return true;
        }
        self.happen(what);
        self.flush_dirty();
        true
    }

    /// Whose process does it.
    fn owner(&mut self, what: &What) -> Option<Node> {
        match what {
            What::Connected { key } | What::DialFailed { key } => {
                self.net.get(*key).map(|conn| conn.side(End::Near).node)
            }
            What::Arrive { key, end }
            | What::Writable { key, end }
            | What::Pressure { key, end, .. }
            | What::CloseDue { key, end, .. }
            | What::Closed { key, end, .. } => self.net.get(*key).map(|conn| conn.side(*end).node),
            What::Timer { node, .. } => Some(*node),
            What::Disk { server, .. } => Some(Node::Server(*server)),
            What::Worked { client, .. } | What::Left { client, .. } => Some(Node::Client(*client)),
            What::Act { .. }
            | What::Fault
            | What::Resume { .. }
            | What::Start { .. }
            | What::StopDue { .. }
            | What::NewMap
            | What::DiskMended { .. } => None,
            What::MapTold { server } => Some(Node::Server(*server)),
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Connected { key } => self.on_connected(key),
            What::DialFailed { key } => self.on_dial_failed(key),
            What::Arrive { key, end } => self.on_arrive(key, end),
            What::Writable { key, end } => self.on_writable(key, end),
            What::Pressure { key, end, level } => self.tell(key, end, Told::Pressure(level)),
            What::CloseDue { key, end, why } => self.finish_close(key, end, why),
            What::Closed { key, end, why } => self.tell_closed(key, end, why),
            What::Timer { node, incarnation, at } => self.on_timer(node, incarnation, at),
            What::Disk { server, incarnation } => self.on_disk(server, incarnation),
            What::Worked { client, incarnation, key, result } => {
                self.on_worked(client, incarnation, key, *result);
            }
            What::Act { user } => self.act(user),
            What::Left { client, incarnation } => self.on_left(client, incarnation),
            What::Fault => self.on_fault(),
            What::Resume { node, incarnation } => self.resume(node, incarnation),
            What::Start { node } => self.start(node),
            What::StopDue { server, incarnation } => self.on_stop_due(server, incarnation),
            What::NewMap => self.on_new_map(),
            What::MapTold { server } => self.on_map_told(server),
            What::DiskMended { server } => self.mend_disk(server),
        }
    }

    fn on_writable(&mut self, key: ConnKey, end: End) {
        self.flush(key, end);
        // A queue that has become low lets its connection be read again.
        self.read(key, end);
    }

    fn on_timer(&mut self, node: Node, incarnation: u32, at: Instant) {
        let host = self.host_mut(node);
        if !host.is_up() || host.incarnation != incarnation || host.timer != Some(at) {
            return;
        }
        host.timer = None;
        match node {
            Node::Router(index) => self.time_router(index),
            Node::Server(server) => self.time_server(server),
            Node::Client(index) => self.time_client(index),
        }
    }

    /// Sets the timer of a core to its deadline.
    pub(super) fn set_timer(&mut self, node: Node, deadline: Option<Instant>) {
        let now = self.now;
        let host = self.host_mut(node);
        if host.timer == deadline || !host.is_up() {
            return;
        }
        host.timer = deadline;
        let incarnation = host.incarnation;
        if let Some(at) = deadline {
            self.queue.push(at.max(now), What::Timer { node, incarnation, at });
        }
    }

    /// Starts a process whose host has none.
    pub(super) fn start(&mut self, node: Node) {
        if self.host(node).is_up() {
            return;
        }
        self.note(&[], format_args!("{node:?} starts"));
        self.host_mut(node).start();
        match node {
            Node::Router(index) => self.start_router(index),
            Node::Server(server) => self.start_server(server),
            Node::Client(index) => self.start_client(index),
        }
    }

    /// A paused process does what it has not done.
    pub(super) fn resume(&mut self, node: Node, incarnation: u32) {
        let host = self.host_mut(node);
        if host.incarnation != incarnation || host.paused.take().is_none() {
            return;
        }
        let held = std::mem::take(&mut host.held);
        self.note(&[], format_args!("{node:?} goes on"));
        for what in held {
            self.happen(what);
            self.flush_dirty();
        }
    }

    /// Tells the process at an end of a connection what has happened to it.
    pub(super) fn tell(&mut self, key: ConnKey, end: End, told: Told) {
        let Some(conn) = self.net.get(key) else { return };
        let (node, local) = (conn.side(end).node, conn.side(end).local);
        if let Some(local) = local {
            self.tell_as(node, local, key, told);
        }
    }

    pub(super) fn tell_as(&mut self, node: Node, local: Local, key: ConnKey, told: Told) {
        match (node, local) {
            (Node::Router(index), Local::Conn(conn)) => self.tell_router(index, conn, told),
            (Node::Server(server), Local::Conn(conn)) => self.tell_server(server, conn, key, told),
            (Node::Client(index), Local::Link(link)) => self.tell_client(index, link, told),
            (node, local) => unreachable!("{node:?} does not call a connection {local:?}"),
        }
    }

    pub(super) fn tell_dial_failed(&mut self, node: Node, purpose: Purpose) {
        match (node, purpose) {
            (Node::Server(server), Purpose::Server(target)) => {
                self.feed_server(server, server::core::Event::DialFailed { target });
            }
            (Node::Client(index), Purpose::Client(link)) => {
                self.tell_client(index, link, Told::Closed(CloseReason::Gone));
            }
            (node, purpose) => unreachable!("{node:?} does not dial for {purpose:?}"),
        }
    }

    pub(super) fn host(&self, node: Node) -> &Host {
        self.hosts.get(&node).expect("every node has a host")
    }

    pub(super) fn host_mut(&mut self, node: Node) -> &mut Host {
        self.hosts.get_mut(&node).expect("every node has a host")
    }

    /// What the clock of a machine says.
    pub(super) fn wall(&self, node: Node) -> Wall {
        self.host(node).wall(self.now)
    }

    pub(super) fn note(&mut self, bytes: &[u8], event: fmt::Arguments<'_>) {
        self.trace.note(self.now, bytes, event);
    }

    /// Something that a property may be about.
    pub(super) fn fact(&mut self, fact: &Fact<'_>) {
        self.oracle.hear(self.now, fact);
    }
}
