//! The world of the tests: servers, their disks, a router, and the connections between them all.

mod cuts;
mod disks;
pub(crate) mod maps;
mod pauses;
pub(crate) mod peers;
pub(crate) mod slots;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use opaque_ke::ServerSetup;
use rand_core_06::OsRng;
use server::core::log::LogLimits;
use server::core::{
    Alarm, CloseReason, Config, Core, Effect, Event, Level, Metrics, Outgoing, Side, Target,
};
use storage::{DiskModel, InFlight, MemDisk, MemStorage, Storage};
use wire::frame::Frame;
use wire::limits::SLOTS;
use wire::message::Report;
use wire::opaque::Suite;
use wire::{ConnId, Instant, LogId, Name, ServerId, SlotMap, StoreId, Wall};

/// Wall time when a world begins, in milliseconds.
const BEGINNING: u64 = 1_700_000_000_000;

/// One end of a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum End {
    /// A connection of a server.
    Server(ServerId, ConnId),
    /// A client, by number.
    Client(usize),
    /// The router's side of a server's connection.
    Router(ServerId),
}

/// What is under way to an end.
pub(crate) enum Arrival {
    Frame(End, Frame),
    Closed(End),
}

/// A server: its core while it runs, its disk always.
struct Node {
    core: Option<Core>,
    store: Option<MemStorage>,
    disk: MemDisk,
    paused: BTreeSet<ConnId>,
    slots: Vec<(u32, bool)>,
    alarms: Vec<Alarm>,
    superseded: Vec<Target>,
    incarnation: u8,
    /// What came while the process was paused.
    held: Option<VecDeque<Arrival>>,
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: Instant,
    map: Arc<SlotMap>,
    setup: ServerSetup<Suite>,
    sessions_max: u32,
    unmetered: bool,
    model: DiskModel,
    nodes: BTreeMap<ServerId, Node>,
    pub(crate) pairs: BTreeMap<End, End>,
    pub(crate) arrivals: VecDeque<Arrival>,
    /// Pairs of servers that cannot reach each other, the lower first.
    cut: BTreeSet<(ServerId, ServerId)>,
    pub(crate) reports: BTreeMap<ServerId, Report>,
    has_router: bool,
    pub(crate) maps: maps::Maps,
    /// Nothing more arrives after so many.
    pub(crate) arrivals_max: Option<usize>,
    /// Kills a server, when it is burnt.
    pub(crate) fuse: Option<slots::Fuse>,
    /// What becomes of what servers say to each other.
    pub(crate) alter: Option<slots::Alter>,
    /// What a disk keeps of the batch in flight when it fails; no disk may fail unless it is set.
    pub(crate) failing: Option<InFlight>,
    /// What each client received and has not taken; `None` at its end.
    pub(crate) inboxes: Vec<VecDeque<Option<Frame>>>,
}

impl World {
    /// This many servers, all up and linked.
    pub(crate) fn new(servers: u16) -> Self {
        Self::with(servers, 1_000, DiskModel::default())
    }

    pub(crate) fn with(servers: u16, sessions_max: u32, model: DiskModel) -> Self {
        let mut world = Self::unstarted(servers, sessions_max, model);
        let ids: Vec<ServerId> = world.nodes.keys().copied().collect();
        for id in &ids {
            world.start(*id);
        }
        world.advance(Duration::from_secs(2));
        for id in ids {
            assert_eq!(world.metrics(id).links, u64::from(servers - 1), "{id} is linked");
        }
        world
    }

    fn unstarted(servers: u16, sessions_max: u32, model: DiskModel) -> Self {
        let ids: Vec<ServerId> = (1..=servers).map(ServerId).collect();
        let homes = (0..SLOTS).map(|slot| ids[slot % ids.len()]).collect();
        let node = |id: &ServerId| {
            let mut store = [0; 16];
            store[0] = u8::try_from(id.0).expect("few servers");
            let disk = MemDisk::new(StoreId(store));
            (*id, Node::new(disk))
        };
        Self {
            now: Instant(1 << 40),
            map: Arc::new(SlotMap::new(1, homes)),
            setup: ServerSetup::new(&mut OsRng),
            sessions_max,
            unmetered: false,
            model,
            nodes: ids.iter().map(node).collect(),
            pairs: BTreeMap::new(),
            arrivals: VecDeque::new(),
            cut: BTreeSet::new(),
            reports: BTreeMap::new(),
            has_router: true,
            maps: maps::Maps::default(),
            arrivals_max: None,
            fuse: None,
            alter: None,
            failing: None,
            inboxes: Vec::new(),
        }
    }

    /// The first name of the form `prefix0`, `prefix1` … whose home is this server.
    pub(crate) fn name_at(&self, home: u16, prefix: &str) -> Name {
        self.log_at(home, prefix, LogId::mailbox)
    }

    /// The same for a group.
    pub(crate) fn group_at(&self, home: u16, prefix: &str) -> Name {
        self.log_at(home, prefix, LogId::group)
    }

    /// Whether this server is the home of an account.
    pub(crate) fn is_home(&self, home: u16, account: &Name) -> bool {
        self.map.home_of(&LogId::mailbox(*account)) == ServerId(home)
    }

    fn log_at(&self, home: u16, prefix: &str, log: impl Fn(Name) -> LogId) -> Name {
        let mut names = (0..).map(|n| Name::parse(&format!("{prefix}{n}")).expect("a name"));
        let at_home = |name: &Name| self.map.home_of(&log(*name)) == ServerId(home);
        names.find(at_home).expect("every server is someone's home")
    }

    pub(crate) fn metrics(&self, server: ServerId) -> Metrics {
        self.nodes[&server].core.as_ref().expect("runs").metrics()
    }

    /// Whether a server has let everybody go.
    pub(crate) fn is_emptied(&self, server: u16) -> bool {
        let core = self.nodes[&ServerId(server)].core.as_ref();
        core.expect("runs").is_emptied(self.now)
    }

    pub(crate) fn alarms(&self, server: u16) -> &[Alarm] {
        &self.nodes[&ServerId(server)].alarms
    }

    pub(crate) fn report(&self, server: u16) -> &Report {
        &self.reports[&ServerId(server)]
    }

    /// A client connects to this server; nothing is said yet.
    pub(crate) fn connect(&mut self, server: u16) -> usize {
        let client = self.inboxes.len();
        self.inboxes.push(VecDeque::new());
        let id = ServerId(server);
        let conn = self.node(id).slot();
        self.join(End::Client(client), End::Server(id, conn));
        self.feed(id, Event::Opened { conn, side: Side::Client });
        client
    }

    /// A client's bytes: one frame.
    pub(crate) fn send(&mut self, client: usize, frame: &[u8]) {
        let mut bytes = BytesMut::from(frame);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("whole").expect("whole");
        if let Some(to) = self.pairs.get(&End::Client(client)).copied() {
            self.arrivals.push_back(Arrival::Frame(to, frame));
        }
    }

    /// A client's connection ends.
    pub(crate) fn hang_up(&mut self, client: usize) {
        self.part(End::Client(client));
        self.pump();
    }

    /// The write queue of a client's connection crosses its mark.
    pub(crate) fn press(&mut self, client: usize, level: Level) {
        let Some(End::Server(server, conn)) = self.pairs.get(&End::Client(client)).copied() else {
            panic!("client {client} is not connected");
        };
        self.feed(server, Event::Pressure { conn, level });
        self.pump();
    }

    pub(crate) fn is_paused(&self, client: usize) -> bool {
        match self.pairs.get(&End::Client(client)) {
            Some(End::Server(server, conn)) => self.nodes[server].paused.contains(conn),
            _ => false,
        }
    }

    /// Delivers everything that is under way, and what follows from it.
    pub(crate) fn pump(&mut self) {
        loop {
            while let Some(arrival) = self.next_arrival() {
                self.burn(&arrival);
                if let Some(arrival) = self.hold(arrival) {
                    self.arrive(arrival);
                }
            }
            if self.arrivals_max == Some(0) {
                return;
            }
            let stored: Vec<ServerId> = self.nodes.keys().copied().collect();
            let done = stored.into_iter().filter(|id| self.complete(*id)).count();
            if done == 0 && self.arrivals.is_empty() {
                return;
            }
        }
    }

    /// Time passes; every timer fires at its instant.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.pump();
        loop {
            let cores = self.nodes.values().filter(|node| node.held.is_none());
            let cores = cores.filter_map(|node| node.core.as_ref());
            let next = cores.filter_map(Core::deadline).min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.fire();
            self.pump();
        }
        self.now = end;
    }

    /// The process dies; its disk keeps what was synced.
    pub(crate) fn kill(&mut self, server: u16, in_flight: InFlight) {
        let id = ServerId(server);
        let node = self.node(id);
        node.core = None;
        node.disk = node.store.take().expect("runs").crash(in_flight);
        node.slots.clear();
        node.paused.clear();
        let of = |end: &&End| matches!(end, End::Server(owner, _) if *owner == id);
        let ends: Vec<End> = self.pairs.keys().filter(of).copied().collect();
        for end in ends {
            self.part(end);
        }
        let gone = |end: &End| matches!(end, End::Server(owner, _) if *owner == id);
        self.arrivals.retain(|arrival| match arrival {
            Arrival::Frame(end, _) | Arrival::Closed(end) => !gone(end),
        });
        self.pump();
    }

    /// The process starts, on the disk that is there.
    pub(crate) fn start(&mut self, id: ServerId) {
        let disk = std::mem::take(&mut self.node(id).disk);
        let (store, opened) = MemStorage::open(disk, self.model).expect("the disk opens");
        let (map, map_is_stored) = self.begin_with(id, store.map());
        let slots = store.slots().expect("records decode");
        let incarnation = self.node(id).incarnation;
        let config = Config {
            me: id,
            map,
            map_is_stored,
            setup: self.setup.clone(),
            seed: [incarnation ^ u8::try_from(id.0).expect("few servers"); 32],
            opened,
            slots,
            client_address: address(id, 1),
            peer_address: address(id, 2),
            routers: 1,
            sessions_max: self.sessions_max,
            unseen_max: 1 << 28,
            unmetered: self.unmetered,
            log_limits: LogLimits::standard(),
        };
        let mut effects = Vec::new();
        let core = Core::new(config, self.now, self.wall(), &mut effects);
        let node = self.node(id);
        node.core = Some(core);
        node.store = Some(store);
        node.incarnation = node.incarnation.wrapping_add(100);
        self.perform(id, effects);
        self.pump();
    }

    /// Gives one event to a server.
    pub(crate) fn feed(&mut self, id: ServerId, event: Event) {
        let (now, wall) = (self.now, self.wall());
        let mut effects = Vec::new();
        let Some(core) = &mut self.node(id).core else {
            return;
        };
        if let Err(error) = core.handle(now, wall, event, &mut effects) {
            let in_flight = self.failing.unwrap_or_else(|| panic!("the store holds: {error}"));
            return self.kill(id.0, in_flight);
        }
        let core = self.node(id).core.as_ref().expect("it runs");
        assert!(core.is_coherent(), "{id} counts what it holds");
        self.perform(id, effects);
    }

    fn perform(&mut self, id: ServerId, effects: Vec<Effect>) {
        for effect in effects.into_iter().flat_map(Effect::unfolded) {
            match effect {
                Effect::Send { conn, message } => self.carry(End::Server(id, conn), &message),
                Effect::Close { conn } => {
                    let end = End::Server(id, conn);
                    self.part(end);
                    self.arrivals.push_back(Arrival::Closed(end));
                }
                Effect::Admit { .. } | Effect::Know { .. } => {}
                Effect::Fan { .. } => unreachable!("it was unfolded"),
                Effect::SetReading { conn, reading } => {
                    let paused = &mut self.node(id).paused;
                    let changed = if reading { paused.remove(&conn) } else { paused.insert(conn) };
                    assert!(changed, "reading changes when it is said to");
                }
                Effect::DialPeer { server, address: to } => {
                    assert_eq!(to, address(server, 2));
                    self.dial_peer(id, server);
                }
                Effect::DialRouter { index: 0 } => self.dial_router(id),
                Effect::DialRouter { index } => panic!("there is no router {index}"),
                Effect::Store(op) => self.node(id).store.as_mut().expect("runs").submit(op),
                Effect::Superseded { by } => self.node(id).superseded.push(by),
                Effect::Alarm(alarm) => self.node(id).alarms.push(alarm),
            }
        }
    }

    fn dial_peer(&mut self, from: ServerId, to: ServerId) {
        let is_cut = self.cut.contains(&(from.min(to), from.max(to)));
        if is_cut || self.node(to).core.is_none() || self.node(to).held.is_some() {
            return self.feed(from, Event::DialFailed { target: Target::Peer(to) });
        }
        let (near, far) = (self.node(from).slot(), self.node(to).slot());
        self.join(End::Server(from, near), End::Server(to, far));
        self.feed(from, Event::Opened { conn: near, side: Side::PeerOut { server: to } });
        self.feed(to, Event::Opened { conn: far, side: Side::PeerIn { certified: Some(from) } });
    }

    fn dial_router(&mut self, from: ServerId) {
        if !self.has_router {
            return self.feed(from, Event::DialFailed { target: Target::Router(0) });
        }
        let conn = self.node(from).slot();
        self.join(End::Server(from, conn), End::Router(from));
        self.feed(from, Event::Opened { conn, side: Side::Router { index: 0 } });
    }

    fn carry(&mut self, from: End, message: &Outgoing) {
        let mut bytes = BytesMut::new();
        self.altered(message).append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("whole").expect("whole");
        if let Some(to) = self.pairs.get(&from).copied() {
            self.arrivals.push_back(Arrival::Frame(to, frame));
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Frame(End::Server(id, conn), frame) => {
                self.feed(id, Event::Frame { conn, frame });
            }
            Arrival::Closed(End::Server(id, conn)) => {
                let node = self.node(id);
                node.paused.remove(&conn);
                if let Some(slot) = node.slots.get_mut(usize::try_from(conn.index).expect("fits")) {
                    slot.1 = false;
                }
                self.feed(id, Event::Closed { conn, why: CloseReason::Gone });
            }
            Arrival::Frame(End::Client(client), frame) => {
                self.inboxes[client].push_back(Some(frame));
            }
            Arrival::Closed(End::Client(client)) => self.inboxes[client].push_back(None),
            Arrival::Frame(End::Router(server), frame) => self.on_router_frame(server, &frame),
            Arrival::Closed(End::Router(server)) => {
                self.reports.remove(&server);
            }
        }
    }

    fn complete(&mut self, id: ServerId) -> bool {
        let node = self.node(id);
        let store = node.store.as_mut().filter(|_| node.held.is_none());
        let Some(completion) = store.and_then(Storage::poll) else {
            return false;
        };
        self.feed(id, Event::Stored(completion));
        self.burn_at(id);
        true
    }

    fn fire(&mut self) {
        let ids: Vec<ServerId> = self.nodes.keys().copied().collect();
        for id in ids {
            let core = self.nodes[&id].core.as_ref().filter(|_| !self.is_away(id));
            if core.and_then(Core::deadline).is_some_and(|at| at <= self.now) {
                self.feed(id, Event::Timeout);
            }
        }
    }

    fn join(&mut self, a: End, b: End) {
        assert!(self.pairs.insert(a, b).is_none(), "{a:?} has one connection");
        assert!(self.pairs.insert(b, a).is_none(), "{b:?} has one connection");
    }

    /// What was sent arrives; then the other end hears of the close.
    fn part(&mut self, end: End) {
        if let Some(other) = self.pairs.remove(&end) {
            self.pairs.remove(&other);
            self.arrivals.push_back(Arrival::Closed(other));
        }
    }

    fn node(&mut self, id: ServerId) -> &mut Node {
        self.nodes.get_mut(&id).expect("a server of this world")
    }

    pub(crate) fn wall(&self) -> Wall {
        Wall(BEGINNING + self.now.0 / 1_000_000)
    }
}

impl Node {
    fn new(disk: MemDisk) -> Self {
        Self {
            core: None,
            store: None,
            disk,
            paused: BTreeSet::new(),
            slots: Vec::new(),
            alarms: Vec::new(),
            superseded: Vec::new(),
            incarnation: 0,
            held: None,
        }
    }

    /// A free slot, as a shell's connection table gives it.
    fn slot(&mut self) -> ConnId {
        let free = self.slots.iter().position(|(_, taken)| !taken);
        let index = free.unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push((0, false));
        }
        let (generation, taken) = &mut self.slots[index];
        *generation += 1;
        *taken = true;
        ConnId { index: u32::try_from(index).expect("few"), generation: *generation }
    }
}

fn address(id: ServerId, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(id.0).expect("few servers")], port))
}
