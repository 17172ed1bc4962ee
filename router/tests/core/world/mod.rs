//! A router core, servers that report what they are told to, and clients that ask.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use router::core::event::{Effect, Event, Outgoing, Side};
use router::core::homes::build_map;
use router::core::strategy::{Placing, Strategy};
use router::core::{Core, Settings};
use wire::field::List;
use wire::message::{Hello, Place, Placed, Report, ServerEntry};
use wire::{
    ConnId, FaultCode, Frame, FromRouter, Instant, Kind, MapFile, Name, Opening, ProcessId,
    Reservation, RouterToServer, ServerId, ServerToRouter, StoreId, ToRouter, Wall,
};

/// The core under test and what its connections have received.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) sequence: u64,
    pub(crate) sessions: u32,
    pub(crate) sessions_max: u32,
    pub(crate) map_version: u32,
    pub(crate) opening: Opening,
    pub(crate) is_open: bool,
    pub(crate) redeemed: Vec<Reservation>,
    now: Instant,
    next_conn: u32,
    servers: BTreeMap<ServerId, ConnId>,
    received: BTreeMap<ConnId, Vec<Outgoing>>,
    closed: BTreeSet<ConnId>,
    /// Whose certificates count, if that has changed.
    pub(crate) known: Vec<ServerId>,
}

impl World {
    /// A router of `servers` servers, none of which is there yet.
    pub(crate) fn new(servers: u16) -> Self {
        Self::with(servers, Strategy::BoundedHash)
    }

    fn with(servers: u16, strategy: Strategy) -> Self {
        let ids: Vec<ServerId> = (1..=servers).map(ServerId).collect();
        let placing = Placing { strategy, percent: 125 };
        let map = MapFile::Unsigned(Arc::new(build_map(1, &ids)));
        Self::of(map, placing)
    }

    /// A router with this map.
    pub(crate) fn of(map: MapFile, placing: Placing) -> Self {
        let settings = Settings { map, placing, exempt_loopback: true };
        let now = Instant(5);
        Self {
            core: Core::new(now, settings, [7; 32]),
            sequence: 0,
            sessions: 0,
            sessions_max: 1_000,
            map_version: 1,
            opening: opening(0, 1, 0),
            is_open: true,
            redeemed: Vec::new(),
            now,
            next_conn: 0,
            servers: BTreeMap::new(),
            received: BTreeMap::new(),
            closed: BTreeSet::new(),
            known: Vec::new(),
        }
    }

    /// A router whose servers have all reported.
    pub(crate) fn started(servers: u16) -> Self {
        Self::started_with(servers, Strategy::BoundedHash)
    }

    /// The same with a strategy.
    pub(crate) fn started_with(servers: u16, strategy: Strategy) -> Self {
        let mut world = Self::with(servers, strategy);
        for id in 1..=servers {
            world.join(ServerId(id));
        }
        world
    }

    /// A server connects, says hello and reports.
    pub(crate) fn join(&mut self, server: ServerId) {
        let conn = self.open_server(Some(server));
        self.servers.insert(server, conn);
        self.send_server(conn, Hello::server(server));
        self.report(server);
    }

    pub(crate) fn report(&mut self, server: ServerId) {
        let report = self.report_of(server);
        self.send_server(self.server_conn(server), report);
    }

    pub(crate) fn report_all(&mut self) {
        let servers: Vec<ServerId> = self.servers.keys().copied().collect();
        for server in servers {
            self.report(server);
        }
    }

    pub(crate) fn report_of(&mut self, server: ServerId) -> Report {
        self.sequence += 1;
        Report {
            sequence: self.sequence,
            entry: self.entry(server),
            opening: self.opening,
            map_version: self.map_version,
            sessions: self.sessions,
            sessions_max: self.sessions_max,
            frames_per_second: 0,
            busy_permille: 0,
            queued_bytes: 0,
            open: self.is_open,
            redeemed: List::new(self.redeemed.drain(..).collect()).expect("few"),
        }
    }

    pub(crate) fn entry(&self, server: ServerId) -> ServerEntry {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port + server.0));
        ServerEntry { server, client: at(1_000), peer: at(2_000) }
    }

    pub(crate) fn server_conn(&self, server: ServerId) -> ConnId {
        self.servers[&server]
    }

    /// Asks over a new connection from this machine, and leaves.
    pub(crate) fn place(&mut self, name: &str) -> Result<Placed, FaultCode> {
        self.place_from([127, 0, 0, 1], name)
    }

    pub(crate) fn place_from(&mut self, ip: [u8; 4], name: &str) -> Result<Placed, FaultCode> {
        let conn = self.client(ip);
        self.ask(conn, name);
        let answer = self.take_client(conn);
        self.close(conn);
        match &answer[..] {
            [FromRouter::Placed(placed)] => Ok(placed.clone()),
            [FromRouter::Fault(fault)] => {
                assert_eq!(fault.about, Kind::PLACE.0);
                Err(fault.code)
            }
            other => panic!("one answer, not {other:?}"),
        }
    }

    /// A client that has said hello.
    pub(crate) fn client(&mut self, ip: [u8; 4]) -> ConnId {
        let conn = self.open_client(ip);
        self.send_client(conn, Hello::client());
        assert!(matches!(self.take_client(conn)[..], [FromRouter::Ready(_)]));
        conn
    }

    pub(crate) fn ask(&mut self, conn: ConnId, name: &str) {
        let name = Name::parse(name).expect("a name");
        self.send_client(conn, Place { name });
    }

    pub(crate) fn open_client(&mut self, ip: [u8; 4]) -> ConnId {
        let address = IpAddr::from(ip);
        self.open(Side::Client { address })
    }

    pub(crate) fn open_server(&mut self, certified: Option<ServerId>) -> ConnId {
        self.open(Side::Server { certified })
    }

    pub(crate) fn send_client(&mut self, conn: ConnId, message: impl Into<ToRouter>) {
        let mut bytes = BytesMut::new();
        message.into().append_frame(&mut bytes);
        self.deliver(conn, bytes);
    }

    pub(crate) fn send_server(&mut self, conn: ConnId, message: impl Into<ServerToRouter>) {
        let mut bytes = BytesMut::new();
        message.into().append_frame(&mut bytes);
        self.deliver(conn, bytes);
    }

    pub(crate) fn send_raw(&mut self, conn: ConnId, kind: Kind, body: &[u8]) {
        let body = Bytes::copy_from_slice(body);
        let frame = Frame { kind, body };
        self.feed(Event::Frame { conn, frame });
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        self.feed(Event::Closed { conn });
    }

    pub(crate) fn stop(&mut self) {
        self.feed(Event::Stop);
    }

    /// Lets time pass, with a time-out at each deadline on the way.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.core.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            self.feed(Event::Timeout);
            let next = self.core.deadline();
            assert!(next.is_none_or(|next| next > self.now), "a deadline passes once");
        }
        self.now = end;
    }

    /// What a client has received since the last call.
    pub(crate) fn take_client(&mut self, conn: ConnId) -> Vec<FromRouter> {
        let received = self.received.remove(&conn).unwrap_or_default();
        let message = |message| match message {
            Outgoing::Client(message) => message,
            Outgoing::Server(message) => panic!("a client received {message:?}"),
        };
        received.into_iter().map(message).collect()
    }

    pub(crate) fn take_faults(&mut self, conn: ConnId) -> Vec<FaultCode> {
        let fault = |message| match message {
            FromRouter::Fault(fault) => Some(fault.code),
            _ => None,
        };
        self.take_client(conn).into_iter().filter_map(fault).collect()
    }

    pub(crate) fn take_server_faults(&mut self, conn: ConnId) -> Vec<FaultCode> {
        let fault = |message| match message {
            RouterToServer::Fault(fault) => Some(fault.code),
            _ => None,
        };
        self.take_server(conn).into_iter().filter_map(fault).collect()
    }

    /// The ids in each directory that a server has received since the last call.
    pub(crate) fn take_directories(&mut self, conn: ConnId) -> Vec<Vec<u16>> {
        let ids = |message| match message {
            RouterToServer::Directory(directory) => {
                let servers = directory.servers.items().iter();
                Some(servers.map(|entry| entry.server.0).collect())
            }
            _ => None,
        };
        self.take_server(conn).into_iter().filter_map(ids).collect()
    }

    pub(crate) fn is_closed(&self, conn: ConnId) -> bool {
        self.closed.contains(&conn)
    }

    /// What a server has received since the last call.
    pub(crate) fn take_server(&mut self, conn: ConnId) -> Vec<RouterToServer> {
        let received = self.received.remove(&conn).unwrap_or_default();
        let message = |message| match message {
            Outgoing::Server(message) => message,
            Outgoing::Client(message) => panic!("a server received {message:?}"),
        };
        received.into_iter().map(message).collect()
    }

    fn open(&mut self, side: Side) -> ConnId {
        self.next_conn += 1;
        let (index, generation) = (self.next_conn, 0);
        let conn = ConnId { index, generation };
        self.feed(Event::Opened { conn, side });
        conn
    }

    fn deliver(&mut self, conn: ConnId, mut bytes: BytesMut) {
        let frame = Frame::split(&mut bytes, 1 << 20).expect("frames").expect("a whole frame");
        self.feed(Event::Frame { conn, frame });
    }

    pub(crate) fn feed(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.core.handle(self.now, Wall(1), event, &mut effects);
        for effect in effects {
            match effect {
                Effect::Send { conn, message } => {
                    assert!(!self.closed.contains(&conn), "nothing is sent after a close");
                    self.received.entry(conn).or_default().push(message);
                }
                Effect::Know { servers } => self.known = servers,
                Effect::Close { conn } => {
                    assert!(self.closed.insert(conn), "closed once");
                }
            }
        }
    }
}

pub(crate) fn server_hello(id: u16) -> Hello {
    Hello::server(ServerId(id))
}

pub(crate) fn opening(store: u8, epoch: u32, process: u8) -> Opening {
    Opening { store: StoreId([store; 16]), epoch, process: ProcessId([process; 16]) }
}
