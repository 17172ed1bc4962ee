//! The cluster: a router and its servers, each a process of its own, and the proxy between them,
//! their clients and each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use router::local::cluster::Cluster;
use wire::ServerId;

use super::process::{Process, output};
use super::proxy::{Place, Proxy};
use super::schedule::Target;
use crate::programs::{program, signal};

/// What is heard of a process: where it listens, now that it does.
#[derive(Debug)]
pub struct Heard {
    /// Which process.
    pub target: Target,
    /// In which of its lives.
    pub life: u32,
    /// Its two addresses: for clients, then for servers.
    pub addresses: [SocketAddr; 2],
}

/// The cluster's processes.
#[derive(Debug)]
pub struct Machines {
    /// Between everybody.
    pub proxy: Proxy,
    cluster: Cluster,
    folder: PathBuf,
    processes: BTreeMap<Target, Process>,
    listening: BTreeSet<Target>,
    tell: Sender<Heard>,
}

impl Machines {
    /// A cluster in `folder` with so many servers; none of its processes runs yet.
    ///
    /// # Panics
    /// When its files cannot be made.
    #[must_use]
    pub fn new(folder: &Path, servers: u16, tell: Sender<Heard>) -> Self {
        let cluster = Cluster::prepare(folder, servers).expect("a cluster can be made");
        let mut places = vec![Place::RouterForClients, Place::RouterForServers];
        let mut processes = BTreeMap::new();
        processes.insert(Target::Router, Process::new("router".to_owned()));
        for server in cluster.servers() {
            places.extend([Place::Clients(*server), Place::Peers(*server)]);
            processes.insert(Target::Server(*server), Process::new(server.to_string()));
        }
        let proxy = Proxy::start(&places).expect("the loopback address has free ports");
        let (folder, listening) = (folder.to_owned(), BTreeSet::new());
        Self { proxy, cluster, folder, processes, listening, tell }
    }

    /// What leads clients to it.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let router = self.proxy.address(Place::RouterForClients).to_string();
        let ca = self.cluster.dir().join("ca.pem").display().to_string();
        let pairs = [("FASTCHAT_ROUTER", router), ("FASTCHAT_CA", ca)];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Its processes, by what they are.
    pub fn processes(&mut self) -> &mut BTreeMap<Target, Process> {
        &mut self.processes
    }

    /// Where a server keeps its store.
    #[must_use]
    pub fn store(&self, server: ServerId) -> PathBuf {
        self.cluster.server_data(server).join("store")
    }

    /// What a process has said in all its lives.
    #[must_use]
    pub fn log(&self, target: Target) -> PathBuf {
        self.folder.join(format!("{}.log", self.processes[&target].name))
    }

    /// Starts one of its processes.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&mut self, target: Target) {
        self.start_under(target, None);
    }

    /// Starts one of its processes as the program that `tracer` runs and watches, if there is one.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_under(&mut self, target: Target, tracer: Option<Command>) {
        let command = self.command(target, tracer);
        let log = self.log(target);
        self.listening.remove(&target);
        let process = self.processes.get_mut(&target).expect("one of its own");
        let child = process.start(command);
        let stderr = child.stderr.take().expect("it is a pipe");
        let (life, tell) = (process.lives, self.tell.clone());
        thread::spawn(move || listen(stderr, &log, (target, life), &tell));
    }

    /// Ends one of its processes; whether it ran until then.
    pub fn kill(&mut self, target: Target) -> bool {
        for place in places(target) {
            self.proxy.aim(place, None);
        }
        self.processes.get_mut(&target).is_some_and(Process::kill)
    }

    /// A process listens now: the proxy forwards to it.
    pub fn on_heard(&mut self, heard: &Heard) {
        let process = &self.processes[&heard.target];
        if process.lives != heard.life || !process.is_running() {
            return;
        }
        for (place, address) in places(heard.target).into_iter().zip(heard.addresses) {
            self.proxy.aim(place, Some(address));
        }
        self.listening.insert(heard.target);
    }

    /// Whether a process has said where it listens since it was started last.
    #[must_use]
    pub fn is_listening(&self, target: Target) -> bool {
        self.listening.contains(&target)
    }

    /// Asks a server to let its sessions go and then to stop.
    pub fn drain(&self, server: ServerId) {
        if let Some(pid) = self.processes[&Target::Server(server)].pid() {
            signal(pid, "USR2");
        }
    }

    fn command(&self, target: Target, tracer: Option<Command>) -> Command {
        let (own, stdin) = match target {
            Target::Server(server) => (self.server(server), Stdio::piped()),
            _ => (self.router(), Stdio::null()),
        };
        let mut command = match tracer {
            Some(mut tracer) => {
                tracer.arg(own.get_program()).args(own.get_args());
                tracer
            }
            None => own,
        };
        command.env("NO_COLOR", "1").env("FASTCHAT_LOG", "info");
        command.stdin(stdin).stderr(Stdio::piped());
        let out = output(&self.folder.join("stdout.log")).expect("the folder can be written");
        command.stdout(out);
        command
    }

    fn router(&self) -> Command {
        let mut command = Command::new(program("fastchat-router"));
        command.arg("--cluster").arg(self.cluster.dir());
        command.args(["--listen", "127.0.0.1:0", "--server-listen", "127.0.0.1:0"]);
        command
    }

    fn server(&self, server: ServerId) -> Command {
        let address = |place| self.proxy.address(place).to_string();
        let mut command = Command::new(program("fastchat-server"));
        command.args(["--id", &server.0.to_string(), "--local"]);
        command.arg("--cluster").arg(self.cluster.dir());
        command.arg("--identity").arg(self.cluster.server_dir(server));
        command.arg("--store").arg(self.store(server));
        command.args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"]);
        command.args(["--advertise", &address(Place::Clients(server))]);
        command.args(["--peer-advertise", &address(Place::Peers(server))]);
        command.args(["--router", &address(Place::RouterForServers)]);
        command
    }
}

/// The places before a process: for clients, then for servers.
fn places(target: Target) -> [Place; 2] {
    match target {
        Target::Server(server) => [Place::Clients(server), Place::Peers(server)],
        _ => [Place::RouterForClients, Place::RouterForServers],
    }
}

/// Keeps what a process says in its log, and tells where it listens.
fn listen(stderr: ChildStderr, log: &Path, (target, life): (Target, u32), tell: &Sender<Heard>) {
    let file = OpenOptions::new().create(true).append(true).open(log);
    let mut file = file.expect("the folder can be written");
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        writeln!(file, "{line}").expect("the folder can be written");
        let addresses = match target {
            Target::Server(_) => both(&line, ["client_address=", "peer_address="]),
            _ => both(&line, ["clients=", "servers="]),
        };
        if let (true, Some(addresses)) = (line.contains("listening"), addresses)
            && tell.send(Heard { target, life, addresses }).is_err()
        {
            return;
        }
    }
}

fn both(line: &str, names: [&str; 2]) -> Option<[SocketAddr; 2]> {
    let value = |name| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let [one, other] = names.map(|name| value(name)?.parse().ok());
    Some([one?, other?])
}
