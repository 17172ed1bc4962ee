//! A cluster whose router and servers are processes of their own, so that each can die alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use router::local::cluster::Cluster;
use tempfile::TempDir;
use wire::{ServerId, SlotMap};

use crate::chaos::process::{Process, output};
use crate::cluster::read_map;
use crate::lines::Lines;
use crate::programs::program;

/// One router and its servers; ended when dropped.
#[derive(Debug)]
pub struct Apart {
    router: Process,
    /// What the router says in its present life.
    heard: Lines,
    servers: Vec<Process>,
    cluster: Cluster,
    folder: TempDir,
    /// For clients, then for servers; the same in every life.
    addresses: [SocketAddr; 2],
}

impl Apart {
    /// Starts a cluster in a temporary directory and waits until seats are given.
    ///
    /// # Panics
    /// When a process does not come up before the deadline.
    #[must_use]
    pub fn start(servers: u16) -> Self {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let cluster = Cluster::prepare(folder.path(), servers).expect("a cluster can be made");
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut router = Process::new("router".to_owned());
        let mut heard = launch_router(&mut router, &cluster, [any_port; 2]);
        let line = heard.wait_for("listening");
        let addresses = ["clients=", "servers="].map(|name| value(&line, name));
        let mut apart = Self { router, heard, servers: Vec::new(), cluster, folder, addresses };
        for server in apart.cluster.servers().to_vec() {
            apart.launch_server(server);
        }
        apart.heard.wait_for("placing begins");
        apart
    }

    /// What a client needs to know.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let ca = self.cluster.dir().join("ca.pem").display().to_string();
        let pairs = [("FASTCHAT_ROUTER", self.addresses[0].to_string()), ("FASTCHAT_CA", ca)];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A place for people's machines.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where accounts and groups are at home.
    #[must_use]
    pub fn map(&self) -> SlotMap {
        read_map(self.folder.path())
    }

    /// Ends the router without a chance to clean up.
    ///
    /// # Panics
    /// When it did not run.
    pub fn kill_router(&mut self) {
        assert!(self.router.kill(), "the router runs");
    }

    /// Starts the router again where it was, and waits until it has heard from all servers; what it
    /// says then.
    ///
    /// # Panics
    /// When it has not before the deadline.
    pub fn return_router(&mut self) -> &mut Lines {
        self.heard = launch_router(&mut self.router, &self.cluster, self.addresses);
        for _ in self.cluster.servers() {
            self.heard.wait_for("joined");
        }
        &mut self.heard
    }

    fn launch_server(&mut self, server: ServerId) {
        let log = output(&self.folder.path().join(format!("{server}.log")));
        let mut command = Command::new(program("fastchat-server"));
        command.args(["--id", &server.0.to_string(), "--local"]);
        command.arg("--cluster").arg(self.cluster.dir());
        command.arg("--identity").arg(self.cluster.server_dir(server));
        command.arg("--store").arg(self.cluster.server_data(server).join("store"));
        command.args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"]);
        command.args(["--router", &self.addresses[1].to_string()]);
        command.env("NO_COLOR", "1").stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(log.expect("the folder can be written"));
        let mut process = Process::new(server.to_string());
        process.start(command);
        self.servers.push(process);
    }
}

fn launch_router(process: &mut Process, cluster: &Cluster, addresses: [SocketAddr; 2]) -> Lines {
    let [clients, servers] = addresses.map(|address| address.to_string());
    let mut command = Command::new(program("fastchat-router"));
    command.arg("--cluster").arg(cluster.dir());
    command.args(["--listen", &clients, "--server-listen", &servers]);
    command.env("NO_COLOR", "1").env("FASTCHAT_LOG", "info,router=trace");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let stderr = process.start(command).stderr.take();
    Lines::of(stderr.expect("it is a pipe"))
}

fn value(line: &str, name: &str) -> SocketAddr {
    let found = line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let found = found.unwrap_or_else(|| panic!("{name} in {line:?}"));
    found.parse().expect("an address")
}
