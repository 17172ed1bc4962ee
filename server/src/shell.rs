//! The server's shell: feeds its core from sockets, storage, signals and the clock, and does what
//! the core wants.

mod error;
mod listening;
mod orders;
mod reach;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use operate::exposition::Program;
use operate::log::Log;
use operate::metrics;
use operate::poster::Poster;
use operate::readiness::Readiness;
use operate::service::Service;
use operate::settings::Reloader;
use rand::TryRng;
use rand::rngs::SysRng;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook_mio::v1_0::Signals;
use storage::{RocksStorage, Storage, StorageError};
use wire::message::Fanned;
use wire::net::{CloseCause, ListenerId, Net, NetEvent, Policy, Security};
use wire::{ConnId, Instant, ServerId};

use crate::backup::Hatch;
use crate::config::Config;
use crate::core::log::LogLimits;
use crate::core::{CloseReason, Config as CoreConfig, Core, Effect, Event, Level, Side, Target};
use crate::desk::{Desk, End};
use crate::identity::{Identity, callers, exposed_secrets};
use crate::map_file::{Newest, newest};
use crate::mark::Mark;
use crate::meter::LoadMeter;
use crate::setup_mark::SetupMark;

pub use error::{RunError, ShellError};
use listening::{listen_for_clients, listen_for_peers};
use reach::Reach;

/// The DNS name in the certificate of every router.
const ROUTER_NAME: &str = "router.fastchat";
/// How long clients may take to read that the server stops, and the store to finish.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// As its metrics name it.
const PROGRAM: Program = Program { name: "server", version: env!("CARGO_PKG_VERSION") };

/// A running server.
pub struct Shell {
    net: Net,
    core: Core,
    storage: RocksStorage,
    /// Where commands reach this server.
    _hatch: Option<Hatch>,
    desk: Desk,
    signals: Signals,
    /// The parent of a local cluster's server is gone.
    orphaned: Arc<AtomicBool>,
    identity: Identity,
    me: ServerId,
    /// The directory of the map, which may be read again.
    cluster: PathBuf,
    /// That of the certificate, which may, too.
    identity_folder: PathBuf,
    routers: Vec<SocketAddr>,
    clients: ListenerId,
    peers: ListenerId,
    certificate_names: Vec<(ServerId, String)>,
    dialing: BTreeMap<ConnId, Target>,
    reach: Reach,
    is_local: bool,
    meter: LoadMeter,
    drain_rate: u32,
    is_draining: bool,
    poster: Poster,
    mark: Mark,
    /// Who says that this process is superseded.
    superseded: Option<Target>,
    service: Service,
    /// What SIGHUP reads again.
    reloads: Option<(Reloader<Config>, Log)>,
    stop: bool,
    events: Vec<NetEvent>,
    effects: Vec<Effect>,
}

metrics! {
    /// What the shell knows beside its core.
    struct ShellMetrics {
        /// Bytes that the store's disk has left.
        store_free_len: Bytes,
        /// Slots that are held here.
        slots: Gauge,
        /// Slots that are held here until they have moved: the map gives them to other servers.
        slots_to_give: Gauge,
        /// Connections to the peer port that ended before TLS was agreed: without a certificate,
        /// with one that may not call, or too slow.
        peers_refused: Counter,
    }
}

impl Shell {
    /// Reads the files, opens the store, listens, and begins to dial.
    ///
    /// # Errors
    /// [`ShellError`] names the flag or the file.
    pub fn open(config: &Config) -> Result<Self, ShellError> {
        let identity = Identity::read(config)?;
        exposed_secrets(config).iter().for_each(|advice| tracing::warn!("{advice}"));
        let mut net = Net::new()?;
        net.exempt_loopback(config.is_local);
        let poster = Poster::open(config.admin, PROGRAM, "server_loop", net.clock())?;
        let mark = unset_mark(&config.store)?;
        let (storage, opened) = RocksStorage::open(&config.store, waker(&net))?;
        SetupMark::beside(&config.store).set(&identity.setup)?;
        let newest = begin_with(config, &identity, &storage)?;
        let (clients, client_address) = listen_for_clients(&mut net, config, &identity)?;
        let (peers, peer_address) = listen_for_peers(&mut net, config, &identity)?;
        tracing::info!(%client_address, %peer_address, epoch = opened.store_epoch, "listening");
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR2, SIGHUP])?;
        net.register(&mut signals)?;
        let core = CoreConfig {
            me: config.id,
            map: newest.map,
            map_is_stored: newest.is_stored,
            setup: identity.setup.clone(),
            seed: seed()?,
            opened,
            slots: storage.slots().to_vec(),
            client_address: config.advertise.unwrap_or(client_address),
            peer_address: config.peer_advertise.unwrap_or(peer_address),
            routers: config.routers.len(),
            sessions_max: config.sessions_max,
            unseen_max: config.unseen_max,
            unmetered: config.is_local,
            log_limits: LogLimits { stores_all: config.stores_all, ..LogLimits::standard() },
        };
        let mut effects = Vec::new();
        let desk = Desk::new(waker(&net));
        let mut shell = Self {
            core: Core::new(core, net.now(), net.wall(), &mut effects),
            _hatch: Hatch::open(&config.store, storage.checkpointer(), desk.clone()),
            desk,
            storage,
            signals,
            orphaned: Arc::default(),
            routers: config.routers.clone(),
            clients,
            peers,
            certificate_names: Vec::new(),
            identity,
            me: config.id,
            cluster: config.cluster.clone(),
            identity_folder: config.identity.clone(),
            dialing: BTreeMap::new(),
            reach: Reach::default(),
            is_local: config.is_local,
            meter: LoadMeter::new(net.now()),
            drain_rate: config.drain_rate,
            is_draining: false,
            poster,
            mark,
            superseded: None,
            service: Service::of_environment(),
            reloads: None,
            stop: false,
            events: Vec::new(),
            effects,
            net,
        };
        if config.is_local {
            shell.watch_parent()?;
        }
        shell.perform();
        Ok(shell)
    }

    /// SIGHUP reads the settings again.
    pub fn reload_by(&mut self, reloader: Reloader<Config>, log: Log) {
        self.reloads = Some((reloader, log));
    }

    /// Runs until SIGTERM, SIGINT, the end of a local cluster, or until nobody is left after
    /// SIGUSR2; then tells everybody, and waits a little until they have read it and what was
    /// posted is on disk. A process that is superseded ends at once and tells nobody anything.
    ///
    /// # Errors
    /// The poll failed, the store's last writes did, or the process is superseded.
    pub fn run(mut self) -> Result<(), RunError> {
        self.service.ready();
        while !self.stop && !self.is_emptied() {
            self.turn(None)?;
            if let Some(by) = self.superseded {
                return Err(self.on_superseded(by)?);
            }
        }
        let is_emptied = self.is_emptied();
        self.stop = true;
        tracing::info!("stopping");
        self.service.stopping();
        self.net.set_accepting(self.clients, false);
        self.net.set_accepting(self.peers, false);
        self.feed(Event::Stop);
        let until = self.net.now() + STOP_TIME_MAX;
        while !self.is_done() && self.net.now() < until {
            self.turn(Some(until))?;
        }
        self.net.flush();
        self.storage.close()?;
        tracing::info!("stopped");
        self.desk.end(if is_emptied { End::Emptied } else { End::Stopped });
        tracing::debug!(metrics = %self.core.metrics(), "counted");
        Ok(())
    }

    /// Waits for what happens next, at most until `until`, and does what follows from it.
    fn turn(&mut self, until: Option<Instant>) -> io::Result<()> {
        let own = [self.poster.deadline(), self.service.deadline()];
        let deadline = own.into_iter().chain([self.core.deadline(), until]).flatten().min();
        let now = self.net.now();
        let mut events = std::mem::take(&mut self.events);
        self.net.poll(deadline.map(|at| at.since(now)), &mut events)?;
        for event in events.drain(..) {
            self.on_net(event);
        }
        self.events = events;
        while let Some(completion) = self.storage.poll() {
            self.feed(Event::Stored(completion));
        }
        if self.core.deadline().is_some_and(|at| at <= self.net.now()) {
            self.measure();
            self.feed(Event::Timeout);
        }
        if self.desk.look(self.core.clients()) {
            self.drain();
        }
        self.net.flush();
        self.stop |= self.orphaned.load(Ordering::Acquire);
        let ended = self.net.clock().now();
        self.meter.note(self.net.now(), ended);
        self.tell_of_changes();
        self.post(ended);
        self.service.end_turn(ended);
        Ok(())
    }

    fn on_net(&mut self, event: NetEvent) {
        match event {
            NetEvent::Frame { conn, frame } => self.feed(Event::Frame { conn, frame }),
            NetEvent::Accepted { conn, listener, .. } => {
                let side = self.side(conn, listener);
                self.feed(Event::Opened { conn, side });
            }
            NetEvent::Connected { conn } => {
                if let Some(target) = self.dialing.remove(&conn) {
                    self.reach.on_connected(conn, target);
                    let side = match target {
                        Target::Peer(server) => Side::PeerOut { server },
                        Target::Router(index) => Side::Router { index },
                    };
                    self.feed(Event::Opened { conn, side });
                }
            }
            NetEvent::Pressure { conn, level } => {
                let level = match level {
                    wire::net::Level::Low => Level::Low,
                    wire::net::Level::High => Level::High,
                };
                self.feed(Event::Pressure { conn, level });
            }
            NetEvent::Closed { conn, why } => self.on_closed(conn, &why),
            NetEvent::Source { .. } => self.on_signals(),
            NetEvent::Woken => {}
        }
    }

    fn on_closed(&mut self, conn: ConnId, why: &CloseCause) {
        if let Some(target) = self.dialing.remove(&conn) {
            self.tell_of_trouble(target, why);
            return self.feed(Event::DialFailed { target });
        }
        if let Some(target) = self.reach.on_closed(conn) {
            self.tell_of_trouble(target, why);
        }
        tracing::debug!(?conn, %why, "closed");
        let why = match why {
            CloseCause::Frame(_) | CloseCause::TooMuchInput => CloseReason::BadStream,
            CloseCause::SlowReader => CloseReason::SlowReader,
            CloseCause::Local => CloseReason::Local,
            CloseCause::Peer | CloseCause::Io(_) | CloseCause::Tls(_) | CloseCause::TimedOut => {
                CloseReason::Gone
            }
        };
        self.feed(Event::Closed { conn, why });
    }

    fn side(&self, conn: ConnId, listener: ListenerId) -> Side {
        if listener == self.clients {
            return Side::Client;
        }
        let mut names = self.certificate_names.iter();
        let certified = names.find(|(_, name)| self.net.is_certified_for(conn, name));
        Side::PeerIn { certified: certified.map(|(server, _)| *server) }
    }

    fn feed(&mut self, event: Event) {
        let (now, wall) = (self.net.now(), self.net.wall());
        if let Err(error) = self.core.handle(now, wall, event, &mut self.effects) {
            die(&error);
        }
        self.perform();
    }

    fn perform(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { conn, message } => {
                    self.net.send(conn, |out| message.append_frame(out));
                }
                Effect::Fan { readers, entry } => {
                    let fanned = Fanned::new(&entry);
                    for (conn, handle) in readers {
                        self.net.send(conn, |out| fanned.append_frame(handle, out));
                    }
                }
                Effect::Close { conn } => self.net.close(conn),
                Effect::Admit { conn } => self.net.set_policy(conn, Policy::client()),
                Effect::SetReading { conn, reading } => {
                    let policy = Policy { paused: !reading, ..Policy::client() };
                    self.net.set_policy(conn, policy);
                }
                Effect::DialPeer { server, address } => {
                    let target = Target::Peer(server);
                    self.dial(target, address, server.certificate_name(), Policy::peer());
                }
                Effect::DialRouter { index } => {
                    let (target, address) = (Target::Router(index), self.routers[index]);
                    self.dial(target, address, ROUTER_NAME.to_owned(), Policy::router());
                }
                Effect::Know { servers } => {
                    self.identity.callers.replace(callers(&servers, self.me));
                    let named = |server: &ServerId| (*server, server.certificate_name());
                    self.certificate_names = servers.iter().map(named).collect();
                }
                Effect::Store(op) => self.storage.submit(op),
                Effect::Superseded { by } => self.superseded = Some(by),
                Effect::Alarm(alarm) => tracing::warn!(%alarm, "alarm"),
            }
        }
        self.effects = effects;
    }

    /// Keeps the store from being served again before an operator has looked.
    fn on_superseded(&self, by: Target) -> io::Result<RunError> {
        let by = match by {
            Target::Peer(server) => server.to_string(),
            Target::Router(index) => format!("the router at {}", self.routers[index]),
        };
        let wall = self.net.wall().0;
        self.mark.set(&format!("said by {by}, {wall} ms after 1970 began"))?;
        let mark = self.mark.path().to_owned();
        Ok(RunError::Superseded { by, mark })
    }

    fn dial(&mut self, target: Target, address: SocketAddr, name: String, policy: Policy) {
        let security = Security::Connect(Arc::clone(&self.identity.dialing), name);
        let conn = self.net.dial(address, security, policy);
        self.dialing.insert(conn, target);
    }

    fn measure(&mut self) {
        let queued = self.net.queued_bytes();
        let event = Event::Measured {
            busy_permille: self.meter.take(self.net.now()),
            queued_bytes: u64::try_from(queued).unwrap_or(u64::MAX),
            free_bytes: self.storage.free_bytes(),
        };
        self.feed(event);
    }

    /// Standard input is a pipe that only the parent holds: its end is the parent's end.
    fn watch_parent(&mut self) -> io::Result<()> {
        let (orphaned, waker) = (Arc::clone(&self.orphaned), self.net.waker());
        let watch = move || {
            if let Err(error) = io::copy(&mut io::stdin().lock(), &mut io::sink()) {
                tracing::warn!(%error, "standard input");
            }
            orphaned.store(true, Ordering::Release);
            if let Err(error) = waker.wake() {
                tracing::warn!(%error, "wake");
            }
        };
        std::thread::Builder::new().name("parent-watch".to_owned()).spawn(watch)?;
        Ok(())
    }

    fn post(&mut self, ended: Instant) {
        let readiness = self.readiness();
        let (net, core, storage, peers) = (&self.net, &self.core, &self.storage, self.peers);
        self.poster.end_turn((net.now(), ended), readiness, |out| {
            let metrics = core.metrics();
            metrics.list("server", out);
            metrics.log.list("server_log", out);
            let (store_free_len, peers_refused) = (storage.free_bytes(), net.refused(peers));
            let (slots, slots_to_give) = core.slots();
            let shell = ShellMetrics { store_free_len, slots, slots_to_give, peers_refused };
            shell.list("server", out);
            (net.sockets(), net.queued_bytes())
        });
    }

    fn readiness(&self) -> Readiness {
        if self.stop {
            Readiness::Stopping
        } else if self.is_draining {
            Readiness::Draining
        } else if self.core.has_router() {
            Readiness::Ready
        } else {
            Readiness::NoRouter
        }
    }

    fn is_done(&self) -> bool {
        self.core.clients() == 0 && self.core.is_quiet()
    }
}

/// Where others' word would stand that the store must not be served; it does not.
fn unset_mark(store: &Path) -> Result<Mark, ShellError> {
    let mark = Mark::beside(store);
    if mark.is_set()? {
        let (mark, store) = (mark.path().to_owned(), store.to_owned());
        return Err(ShellError::Marked { mark, store });
    }
    Ok(mark)
}

/// The map to begin with.
fn begin_with(
    config: &Config,
    identity: &Identity,
    storage: &RocksStorage,
) -> Result<Newest, ShellError> {
    let path = config.cluster.join("map");
    let newest = newest(config.id, &path, identity.map.clone(), storage.map());
    newest.map_err(|source| ShellError::Map { path, source })
}

fn waker(net: &Net) -> Box<dyn Fn() + Send + Sync> {
    let waker = net.waker();
    Box::new(move || {
        if let Err(error) = waker.wake() {
            tracing::warn!(%error, "wake");
        }
    })
}

fn seed() -> Result<[u8; 32], rand::rngs::SysError> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed)?;
    Ok(seed)
}

/// What was accepted is on disk; what is not may neither be said nor tried again by this process.
fn die(error: &StorageError) -> ! {
    tracing::error!(%error, "the storage failed");
    eprintln!("fastchat-server: the storage failed: {error}");
    std::process::abort();
}
