//! One router or one server, as an operator starts it, and its admin listener over raw HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use router::local::cluster::Cluster as Files;
use wire::ServerId;

use crate::DEADLINE;
use crate::lines::Lines;
use crate::metrics::values;
use crate::programs::{program, signal, wait};

/// Between two looks at a number that is shown anew each second.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A process that is ended when this is dropped.
#[derive(Debug)]
pub struct Operated {
    child: Child,
    lines: Lines,
    /// Where its admin listener is.
    pub admin: SocketAddr,
    /// Where clients connect to it, if it is a server.
    pub clients: Option<SocketAddr>,
    /// Where peers connect to it, if it is a server.
    pub peers: Option<SocketAddr>,
}

impl Operated {
    /// A router of the cluster whose files these are, and where it listens for servers.
    ///
    /// # Panics
    /// When it does not listen before the deadline.
    #[must_use]
    pub fn router(files: &Files) -> (Self, SocketAddr) {
        let mut command = Command::new(program("fastchat-router"));
        command.arg("--cluster").arg(files.dir());
        command.args(["--listen", "127.0.0.1:0", "--server-listen", "127.0.0.1:0"]);
        let mut router = Self::start(command);
        let servers = address_after(&router.lines.wait_for("servers="), "servers=");
        (router, servers)
    }

    /// The server with this id, which reports to `router`.
    ///
    /// # Panics
    /// When it does not listen before the deadline.
    #[must_use]
    pub fn server(files: &Files, id: u16, router: SocketAddr) -> Self {
        let store = files.server_data(ServerId(id)).join("store");
        Self::server_on(files, id, &store, &[router])
    }

    /// The same, on this store and with these routers.
    ///
    /// # Panics
    /// When it does not listen before the deadline.
    #[must_use]
    pub fn server_on(files: &Files, id: u16, store: &Path, routers: &[SocketAddr]) -> Self {
        Self::serving(server_command(files, id, store, routers))
    }

    /// The server that this command starts.
    ///
    /// # Panics
    /// When it does not listen before the deadline.
    #[must_use]
    pub fn serving(command: Command) -> Self {
        let mut server = Self::start(command);
        let line = server.lines.wait_for("client_address=");
        server.clients = Some(address_after(&line, "client_address="));
        server.peers = Some(address_after(&line, "peer_address="));
        server
    }

    /// Starts a program with an admin listener, and waits until that is there.
    ///
    /// # Panics
    /// When that is not before the deadline.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command.args(["--admin", "127.0.0.1:0"]);
        command.env("NO_COLOR", "1").env("FASTCHAT_LOG", "info").stdin(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it can be started");
        let mut lines = Lines::of(child.stderr.take().expect("stderr is piped"));
        let admin = address_after(&lines.wait_for("admin listening"), "address=");
        Self { child, lines, admin, clients: None, peers: None }
    }

    /// What it logs.
    pub fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    /// Asks its admin listener; status line and body.
    #[must_use]
    pub fn get(&self, path: &str) -> (String, String) {
        get(self.admin, path)
    }

    /// What it shows of one metric, not older than a second.
    ///
    /// # Panics
    /// When it has no such metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        values(&self.get("/metrics").1)[name]
    }

    /// Waits until a metric is as wanted.
    ///
    /// # Panics
    /// When it is not before the deadline.
    #[allow(clippy::disallowed_methods)] // a test's deadline is real time
    pub fn await_metric(&self, name: &str, is_wanted: impl Fn(f64) -> bool) {
        let until = Instant::now() + DEADLINE;
        loop {
            // A process that has just begun shows nothing yet.
            let now = values(&self.get("/metrics").1).get(name).copied();
            if now.is_some_and(&is_wanted) {
                return;
            }
            assert!(Instant::now() < until, "{name} stays at {now:?}");
            // Nothing but a look tells that a number has changed.
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end before the deadline.
    pub fn ended(&mut self) -> ExitStatus {
        wait(&mut self.child).expect("it ends before the deadline")
    }

    /// Sends the named signal to it.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }
}

impl Drop for Operated {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            if let Err(error) = wait(&mut self.child) {
                eprintln!("a program did not stop: {error}");
            }
        }
    }
}

/// What starts a server, but for its admin listener.
#[must_use]
pub fn server_command(files: &Files, id: u16, store: &Path, routers: &[SocketAddr]) -> Command {
    let mut command = Command::new(program("fastchat-server"));
    command.args(["--id", &id.to_string()]).arg("--cluster").arg(files.dir());
    for router in routers {
        command.args(["--router", &router.to_string()]);
    }
    command.arg("--store").arg(store);
    command.args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"]);
    command
}

/// Asks an admin listener; status line and body.
///
/// # Panics
/// When it does not answer before the deadline.
#[must_use]
pub fn get(admin: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(admin).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in time");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    let status = head.lines().next().expect("a head begins");
    (status.to_owned(), body.to_owned())
}

fn address_after(line: &str, word: &str) -> SocketAddr {
    let rest = line.split(word).nth(1).and_then(|rest| rest.split_whitespace().next());
    rest.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{word} in {line}"))
}
