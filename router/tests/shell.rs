//! The router over real sockets and TLS: servers with certificates report, clients ask.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use operate::log::{Filter, LogFormat};
use router::config::RouterConfig;
use router::core::strategy::{Placing, Strategy};
use router::identity::ROUTER_NAME;
use router::local::cluster::Cluster;
use router::shell::Shell;
use tempfile::TempDir;
use wire::field::List;
use wire::message::{Hello, Place, Report, ServerEntry};
use wire::net::{CloseCause, Net, NetEvent, Own, Policy, Security, tls};
use wire::{
    ConnId, FaultCode, Frame, FromRouter, Name, Opening, ProcessId, RouterToServer, ServerId,
    ServerToRouter, StoreId, ToRouter,
};

const DEADLINE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(1);

/// A router and, in the same thread, everybody who connects to it.
struct Table {
    dir: TempDir,
    shell: Option<Shell>,
    net: Net,
    frames: BTreeMap<ConnId, Vec<Frame>>,
    closed: BTreeMap<ConnId, CloseCause>,
}

impl Table {
    fn new(servers: u16) -> Self {
        Self::with(servers, Strategy::BoundedHash)
    }

    fn with(servers: u16, strategy: Strategy) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let cluster = Cluster::prepare(dir.path(), servers).expect("makes the files");
        let config = RouterConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            server_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cluster: cluster.dir(),
            identity: cluster.router_dir(),
            placing: Placing { strategy, percent: 125 },
            admin: None,
            log: Filter::default(),
            log_format: LogFormat::default(),
            is_check: false,
            is_plaintext: false,
        };
        Self {
            dir,
            shell: Some(Shell::open(&config).expect("opens")),
            net: Net::new().expect("a net"),
            frames: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    fn shell(&mut self) -> &mut Shell {
        self.shell.as_mut().expect("runs")
    }

    fn file(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join("cluster").join(path)).expect("is there")
    }

    fn dial_as(&mut self, folder: Option<&str>, to: SocketAddr) -> ConnId {
        let ca = self.file("ca.pem");
        let own = folder.map(|folder| {
            let file = |name| self.file(&format!("{folder}/{name}"));
            Own::read(&file("cert.pem"), &file("key.pem")).expect("fits")
        });
        let config = tls::client_config(&ca, own.as_ref()).expect("fits");
        let security = Security::Connect(config, ROUTER_NAME.to_owned());
        self.net.dial(to, security, Policy::router())
    }

    fn client(&mut self) -> ConnId {
        let to = self.shell().client_address();
        let conn = self.dial_as(None, to);
        self.say(conn, Hello::client());
        conn
    }

    fn server(&mut self, folder: Option<&str>, claims: u16) -> ConnId {
        let to = self.shell().server_address();
        let conn = self.dial_as(folder, to);
        let hello = ServerToRouter::from(Hello::server(ServerId(claims)));
        self.net.send(conn, |out| hello.append_frame(out));
        conn
    }

    fn report(&mut self, conn: ConnId, id: u16) {
        let server = ServerId(id);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port + id));
        let report = ServerToRouter::from(Report {
            sequence: 1,
            entry: ServerEntry { server, client: at(1_000), peer: at(2_000) },
            opening: Opening { store: StoreId([1; 16]), epoch: 1, process: ProcessId([1; 16]) },
            map_version: 1,
            sessions: 0,
            sessions_max: 10,
            frames_per_second: 0,
            busy_permille: 0,
            queued_bytes: 0,
            open: true,
            redeemed: List::default(),
        });
        self.net.send(conn, |out| report.append_frame(out));
    }

    fn say(&mut self, conn: ConnId, message: impl Into<ToRouter>) {
        let message = message.into();
        self.net.send(conn, |out| message.append_frame(out));
    }

    /// Turns everybody until `is_done`.
    fn run(&mut self, is_done: impl Fn(&Self) -> bool) {
        let end = self.net.now() + DEADLINE;
        let mut events = Vec::new();
        while !is_done(self) {
            assert!(self.net.now() < end, "nothing more happens; closed: {:?}", self.closed);
            self.net.flush();
            if let Some(shell) = &mut self.shell {
                let until = shell.now() + STEP;
                shell.turn(Some(until)).expect("turns");
            }
            self.net.poll(Some(STEP), &mut events).expect("polls");
            for event in events.drain(..) {
                match event {
                    NetEvent::Frame { conn, frame } => {
                        self.frames.entry(conn).or_default().push(frame);
                    }
                    NetEvent::Closed { conn, why } => {
                        assert!(self.closed.insert(conn, why).is_none(), "closed once");
                    }
                    _ => {}
                }
            }
        }
    }

    fn heard(&self, conn: ConnId) -> Vec<FromRouter> {
        let frames = self.frames.get(&conn).into_iter().flatten();
        frames.map(|frame| FromRouter::decode(frame).expect("for a client")).collect()
    }

    fn server_heard(&self, conn: ConnId) -> Vec<RouterToServer> {
        let frames = self.frames.get(&conn).into_iter().flatten();
        frames.map(|frame| RouterToServer::decode(frame).expect("for a server")).collect()
    }
}

#[test]
fn servers_report_and_a_client_is_placed() {
    let mut table = Table::new(2);
    let client = table.client();
    let name = Name::parse("alice").expect("a name");
    table.say(client, Place { name });
    let servers = [1, 2].map(|id| table.server(Some(&format!("server-{id}")), id));
    table.report(servers[0], 1);
    table.report(servers[1], 2);
    table.run(|table| table.heard(client).len() == 2);
    let heard = table.heard(client);
    let [FromRouter::Ready(_), FromRouter::Placed(placed)] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(placed.address.port(), 1_000 + placed.seat.0);
    let has_both = |heard: Vec<RouterToServer>| {
        heard.iter().any(|message| {
            matches!(message, RouterToServer::Directory(both) if both.servers.items().len() == 2)
        })
    };
    table.run(|table| servers.iter().all(|conn| has_both(table.server_heard(*conn))));
}

#[test]
fn the_configured_strategy_chooses_the_seats() {
    let mut table = Table::with(3, Strategy::RoundRobin);
    let servers = [1, 2, 3].map(|id| table.server(Some(&format!("server-{id}")), id));
    for (conn, id) in servers.into_iter().zip(1..) {
        table.report(conn, id);
    }
    let clients = ["alice", "bob", "carol"].map(|name| {
        let client = table.client();
        table.say(client, Place { name: Name::parse(name).expect("a name") });
        client
    });
    table.run(|table| clients.iter().all(|client| table.heard(*client).len() == 2));
    let mut seats = clients.map(|client| match &table.heard(client)[1] {
        FromRouter::Placed(placed) => placed.seat,
        other => panic!("{other:?}"),
    });
    seats.sort_unstable();
    assert_eq!(seats, [1, 2, 3].map(ServerId));
}

#[test]
fn the_servers_port_is_for_servers_with_their_own_certificate() {
    let mut table = Table::new(2);
    let nobody = table.server(None, 1);
    let other = table.server(Some("server-2"), 1);
    let router = table.server(Some("router-1"), 1);
    table.run(|table| [nobody, other, router].iter().all(|conn| table.closed.contains_key(conn)));
    assert!(matches!(table.closed[&nobody], CloseCause::Tls(_)), "{:?}", table.closed[&nobody]);
    assert!(table.server_heard(nobody).is_empty());
    let heard = table.server_heard(other);
    assert!(
        matches!(&heard[..], [RouterToServer::Fault(fault)] if fault.code == FaultCode::WRONG_PEER),
        "{heard:?}"
    );
    assert!(table.server_heard(router).is_empty(), "a router is no server");
}

#[test]
fn clients_hear_that_the_router_stops() {
    let mut table = Table::new(1);
    let client = table.client();
    table.run(|table| table.heard(client).len() == 1);
    let shell = table.shell.take().expect("runs");
    shell.stop().expect("stops");
    table.run(|table| table.closed.contains_key(&client));
    let heard = table.heard(client);
    assert!(
        matches!(&heard[1..], [FromRouter::Fault(fault)] if fault.code == FaultCode::STOPPING),
        "{heard:?}"
    );
}
