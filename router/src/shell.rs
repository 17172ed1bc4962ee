//! The router's shell: feeds its core from sockets and signals, and does what the core wants.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use operate::admin::AdminError;
use operate::exposition::Program;
use operate::log::Log;
use operate::map::reread;
use operate::metrics;
use operate::poster::Poster;
use operate::readiness::Readiness;
use operate::service::Service;
use operate::settings::Reloader;
use rand::TryRng;
use rand::rngs::SysRng;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use thiserror::Error;
use wire::net::{Callers, ListenSecurity, ListenerId, Net, NetEvent, Own, Policy};
use wire::{ConnId, Instant, ServerId};

use crate::config::{Config, RouterConfig};
use crate::core::event::{Effect, Event, Outgoing, Side};
use crate::core::{Core, Settings};
use crate::identity::{Identity, IdentityError, exposed_secrets, read_map, read_own};

/// How long those who are connected may take to read that the router stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(1);
/// As its metrics name it.
const PROGRAM: Program = Program { name: "router", version: env!("CARGO_PKG_VERSION") };

/// A running router.
pub struct Shell {
    net: Net,
    core: Core,
    signals: Option<Signals>,
    clients: Listener,
    servers: Listener,
    certificate_names: Vec<(ServerId, String)>,
    callers: Callers,
    /// Connections that were refused at the servers' port, as far as it was looked at them.
    refused: u64,
    /// In PEM, as it was at the start.
    ca: Vec<u8>,
    own: Own,
    /// The directory of the map, which may be read again.
    cluster: PathBuf,
    /// That of the certificate, which may, too.
    identity: PathBuf,
    poster: Poster,
    service: Service,
    is_stopping: bool,
    events: Vec<NetEvent>,
    effects: Vec<Effect>,
}

#[derive(Clone, Copy)]
struct Listener {
    id: ListenerId,
    address: SocketAddr,
}

metrics! {
    /// What the shell knows beside its core.
    struct ShellMetrics {
        /// Connections to the servers' port that ended before TLS was agreed: without a
        /// certificate, with one that may not call, or too slow.
        servers_refused: Counter,
    }
}

/// What a turn has seen besides connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// SIGTERM or SIGINT arrived.
    pub stop: bool,
    /// SIGHUP arrived: the terminal is gone, or settings are to be read again.
    pub hangup: bool,
    /// A child process ended.
    pub child: bool,
}

/// Why a router cannot run.
#[derive(Debug, Error)]
pub enum ShellError {
    /// Its files cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// An address cannot be listened on.
    #[error("{flag} {address}: {source}")]
    Listen {
        /// The flag of the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The admin listener cannot be had.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The operating system gave no poll, no signals or no random bytes.
    #[error("the operating system: {0}")]
    System(#[from] io::Error),
    /// The operating system has no random bytes.
    #[error("the operating system has no random bytes: {0}")]
    Random(#[from] rand::rngs::SysError),
}

impl Shell {
    /// Reads the files and listens.
    ///
    /// # Errors
    /// [`ShellError`] names the flag or the file.
    pub fn open(config: &RouterConfig) -> Result<Self, ShellError> {
        Self::open_with(config, false)
    }

    /// As [`Self::open`]; with `exempt_loopback` no limit per address holds for this machine.
    ///
    /// # Errors
    /// [`ShellError`] names the flag or the file.
    pub fn open_with(config: &RouterConfig, exempt_loopback: bool) -> Result<Self, ShellError> {
        let identity = Identity::read(&config.cluster, &config.identity)?;
        for advice in exposed_secrets(&config.identity) {
            tracing::warn!("{advice}");
        }
        let mut net = Net::new()?;
        net.exempt_loopback(exempt_loopback);
        let poster = Poster::open(config.admin, PROGRAM, "router_loop", net.clock())?;
        let security = if config.is_plaintext {
            tracing::warn!("--plaintext: clients are served without TLS, for benches");
            ListenSecurity::Plain
        } else {
            ListenSecurity::Tls(identity.clients)
        };
        let policy = Policy::early_client();
        let clients = listen(&mut net, "--listen", config.listen, security, policy)?;
        let security = ListenSecurity::Tls(identity.servers);
        let policy = Policy::router();
        let address = config.server_listen;
        let servers = listen(&mut net, "--server-listen", address, security, policy)?;
        let settings = Settings { map: identity.map, placing: config.placing, exempt_loopback };
        let known = settings.map.map().servers();
        let core = Core::new(net.now(), settings, seed()?);
        let mut shell = Self {
            certificate_names: Vec::new(),
            callers: identity.callers,
            refused: 0,
            ca: identity.ca,
            own: identity.own,
            cluster: config.cluster.clone(),
            identity: config.identity.clone(),
            net,
            core,
            signals: None,
            poster,
            service: Service::of_environment(),
            is_stopping: false,
            clients,
            servers,
            events: Vec::new(),
            effects: Vec::new(),
        };
        shell.know(&known);
        Ok(shell)
    }

    /// From now on SIGTERM, SIGINT, SIGHUP and SIGCHLD are seen by [`Self::turn`] instead of doing
    /// what they do by themselves.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub fn catch_signals(&mut self) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGCHLD, SIGHUP])?;
        self.net.register(&mut signals)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// Where clients connect.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        self.clients.address
    }

    /// Where servers connect.
    #[must_use]
    pub fn server_address(&self) -> SocketAddr {
        self.servers.address
    }

    /// The core, for questions.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The time of the last turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.net.now()
    }

    /// Runs until SIGTERM or SIGINT. SIGHUP reads the settings and the map again.
    ///
    /// # Errors
    /// The poll failed.
    pub fn run(mut self, mut reloader: Reloader<Config>, log: &Log) -> io::Result<()> {
        let (clients, servers) = (self.clients.address, self.servers.address);
        tracing::info!(%clients, %servers, "listening");
        self.catch_signals()?;
        self.service.ready();
        loop {
            let seen = self.turn(None)?;
            if seen.stop {
                return self.stop();
            }
            if seen.hangup {
                self.service.reloading();
                if let Some(Config::Router(config)) = reloader.reload() {
                    log.refilter(&config.log);
                    self.feed(Event::Placing(config.placing));
                }
                self.read_certificate();
                self.read_map();
                self.service.ready();
            }
        }
    }

    /// Waits for what happens next, at most until `until`, and does what follows from it.
    ///
    /// # Errors
    /// The poll failed.
    pub fn turn(&mut self, until: Option<Instant>) -> io::Result<Seen> {
        let own = [self.poster.deadline(), self.service.deadline()];
        let deadline = own.into_iter().chain([self.core.deadline(), until]).flatten().min();
        let now = self.net.now();
        let timeout = deadline.map(|deadline| deadline.since(now));
        let mut events = std::mem::take(&mut self.events);
        self.net.poll(timeout, &mut events)?;
        let mut seen = Seen::default();
        for event in events.drain(..) {
            self.on_net(event, &mut seen);
        }
        self.events = events;
        if self.core.deadline().is_some_and(|at| at <= self.net.now()) {
            self.feed(Event::Timeout);
        }
        self.net.flush();
        self.tell_of_the_turned_away();
        self.post();
        self.service.end_turn(self.net.clock().now());
        Ok(seen)
    }

    /// Tells everybody that the router stops, and waits a little until they have read it.
    ///
    /// # Errors
    /// The poll failed.
    pub fn stop(mut self) -> io::Result<()> {
        self.is_stopping = true;
        tracing::info!("stopping");
        self.service.stopping();
        self.net.set_accepting(self.clients.id, false);
        self.net.set_accepting(self.servers.id, false);
        self.feed(Event::Stop);
        self.net.flush();
        let until = self.net.now() + STOP_TIME_MAX;
        while self.net.connections() > 0 && self.net.now() < until {
            self.turn(Some(until))?;
        }
        Ok(())
    }

    fn post(&mut self) {
        let readiness = self.readiness();
        let (net, core, servers) = (&self.net, &self.core, self.servers.id);
        self.poster.end_turn((net.now(), net.clock().now()), readiness, |out| {
            core.metrics().list("router", out);
            core.gauges(net.now()).list("router", out);
            ShellMetrics { servers_refused: net.refused(servers) }.list("router", out);
            (net.sockets(), net.queued_bytes())
        });
    }

    fn readiness(&self) -> Readiness {
        if self.is_stopping {
            Readiness::Stopping
        } else if !self.core.is_started() {
            Readiness::Starting
        } else if !self.core.can_place(self.net.now()) {
            Readiness::NoServer
        } else {
            Readiness::Ready
        }
    }

    fn on_net(&mut self, event: NetEvent, seen: &mut Seen) {
        match event {
            NetEvent::Accepted { conn, listener, address } => {
                let side = self.side(conn, listener, address);
                self.feed(Event::Opened { conn, side });
            }
            NetEvent::Frame { conn, frame } => self.feed(Event::Frame { conn, frame }),
            NetEvent::Closed { conn, why } => {
                tracing::debug!(?conn, %why, "closed");
                self.feed(Event::Closed { conn });
            }
            NetEvent::Source { .. } => self.read_signals(seen),
            // The router dials nobody, wakes itself never, and its answers are small: the hard
            // limit of the write queue is all it needs.
            NetEvent::Connected { .. } | NetEvent::Pressure { .. } | NetEvent::Woken => {}
        }
    }

    fn read_signals(&mut self, seen: &mut Seen) {
        let signals = self.signals.iter_mut().flat_map(Signals::pending);
        for signal in signals {
            match signal {
                SIGCHLD => seen.child = true,
                SIGHUP => seen.hangup = true,
                _ => seen.stop = true,
            }
        }
    }

    /// The operator may have put another certificate there.
    fn read_certificate(&mut self) {
        if std::fs::read(self.cluster.join("ca.pem")).is_ok_and(|ca| ca != self.ca) {
            tracing::warn!("another ca.pem counts from the next start on");
        }
        match read_own(&self.ca, &self.identity) {
            Ok(own) => {
                self.own.replace(&own);
                tracing::info!("certificate read");
            }
            Err(error) => tracing::warn!(%error, "the certificate stays as it is"),
        }
    }

    /// The operator has put another map there.
    fn read_map(&mut self) {
        if let Some(map) = reread(read_map(&self.cluster)) {
            self.feed(Event::Map(map));
        }
    }

    /// Servers that the map does not list, or whose certificates are others', never join.
    fn tell_of_the_turned_away(&mut self) {
        let refused = self.net.refused(self.servers.id);
        if refused == std::mem::replace(&mut self.refused, refused) {
            return;
        }
        let version = self.core.map_version();
        for name in self.callers.turned_away() {
            tracing::warn!(
                name,
                version,
                "turned away: this map lists no such server; if it should, give this router the \
                 newest map and send it SIGHUP"
            );
        }
    }

    /// Whose certificates count.
    fn know(&mut self, servers: &[ServerId]) {
        let named = |server: &ServerId| (*server, server.certificate_name());
        self.certificate_names = servers.iter().map(named).collect();
        self.callers.replace(self.certificate_names.iter().map(|(_, name)| name.clone()));
    }

    fn side(&self, conn: ConnId, listener: ListenerId, address: SocketAddr) -> Side {
        if listener == self.clients.id {
            let address = address.ip();
            return Side::Client { address };
        }
        let mut names = self.certificate_names.iter();
        let certified = names.find(|(_, name)| self.net.is_certified_for(conn, name));
        Side::Server { certified: certified.map(|(server, _)| *server) }
    }

    fn feed(&mut self, event: Event) {
        let (now, wall) = (self.net.now(), self.net.wall());
        self.core.handle(now, wall, event, &mut self.effects);
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { conn, message } => self.net.send(conn, |out| match message {
                    Outgoing::Client(message) => message.append_frame(out),
                    Outgoing::Server(message) => message.append_frame(out),
                }),
                Effect::Close { conn } => self.net.close(conn),
                Effect::Know { servers } => self.know(&servers),
            }
        }
        self.effects = effects;
    }
}

fn listen(
    net: &mut Net,
    flag: &'static str,
    address: SocketAddr,
    security: ListenSecurity,
    policy: Policy,
) -> Result<Listener, ShellError> {
    let bound = net.listen(address, security, policy);
    let (id, address) = bound.map_err(|source| ShellError::Listen { flag, address, source })?;
    Ok(Listener { id, address })
}

fn seed() -> Result<[u8; 32], rand::rngs::SysError> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed)?;
    Ok(seed)
}
