//! The one loop of a run: sockets and the clock around a [`Core`], and what the servers use.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use rand::TryRng;
use rand::rngs::SysRng;
use rustls::ClientConfig;
use wire::message::{Hello, ListServers};
use wire::net::{Clock, Net, NetEvent, Policy, Security, tls};
use wire::{ConnId, FromRouter, Instant, ServerId, ToRouter};

use super::ConnectError;
use super::core::{Core, Effect, Found, Phase};
use super::person::Action;
use super::plan::Plan;
use crate::cluster::{Cluster, Endpoint};
use crate::usage::{Reading, threads_cpu};

/// The DNS name that every router of a cluster proves.
const ROUTER_NAME: &str = "router.fastchat";
/// How often a request to stop is looked for when nothing happens.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A cluster has settled after this: what it had to write is written.
const SETTLE_TIME: Duration = Duration::from_secs(3);

/// A phase and what its servers used for it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What its users found.
    pub found: Found,
    /// CPU time of all servers.
    pub server_cpu: Duration,
    /// CPU time of this process.
    pub own_cpu: Duration,
}

/// All are connected and do nothing.
#[derive(Clone, Debug)]
pub struct Idle {
    /// How long.
    pub took: Duration,
    /// CPU time of all servers meanwhile.
    pub server_cpu: Duration,
    /// Pings that were answered meanwhile.
    pub pongs: u64,
}

/// See the module.
pub struct Shell<'a> {
    plan: &'a Plan,
    cluster: &'a Cluster,
    stop: &'a AtomicBool,
    tls: Option<Arc<ClientConfig>>,
    net: Net,
    clock: Clock,
    seats: BTreeMap<ServerId, SocketAddr>,
    users: BTreeMap<ConnId, usize>,
    conns: Vec<Option<ConnId>>,
    events: Vec<NetEvent>,
    effects: Vec<Effect>,
}

impl<'a> Shell<'a> {
    /// A loop that knows the cluster's servers.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn new(
        plan: &'a Plan,
        cluster: &'a Cluster,
        stop: &'a AtomicBool,
    ) -> Result<Self, ConnectError> {
        let ca_pem = (!plan.plaintext).then_some(&cluster.endpoint().ca_pem);
        let mut shell = Self {
            plan,
            cluster,
            stop,
            tls: ca_pem.map(|ca_pem| tls::client_config(ca_pem, None)).transpose()?,
            net: Net::new()?,
            clock: Clock::new(),
            seats: BTreeMap::new(),
            users: BTreeMap::new(),
            conns: (0..plan.users).map(|_| None).collect(),
            events: Vec::new(),
            effects: Vec::new(),
        };
        shell.learn_seats()?;
        Ok(shell)
    }

    /// Leads the first `count` users through a phase.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn run(
        &mut self,
        core: &mut Core,
        phase: Phase,
        count: u32,
    ) -> Result<Measured, ConnectError> {
        let (servers, own) = (self.servers_cpu()?, threads_cpu(std::process::id())?);
        core.begin(phase, count, self.clock.now(), &mut self.effects)?;
        self.perform(phase);
        while !core.is_done() {
            self.turn(core, None)?;
        }
        self.net.flush();
        Ok(Measured {
            found: core.found().clone(),
            own_cpu: threads_cpu(std::process::id())?.saturating_sub(own),
            server_cpu: self.servers_cpu()?.saturating_sub(servers),
        })
    }

    /// Nobody does anything but answer pings.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn idle(&mut self, core: &mut Core, time: Duration) -> Result<Idle, ConnectError> {
        let (servers, pongs, start) = (self.servers_cpu()?, core.pongs(), self.clock.now());
        while self.clock.now() < start + time {
            self.turn(core, Some(start + time))?;
        }
        let server_cpu = self.servers_cpu()?.saturating_sub(servers);
        let took = self.clock.now().since(start);
        Ok(Idle { took, server_cpu, pongs: core.pongs() - pongs })
    }

    /// Gives the cluster time to finish what it does by itself.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn settle(&mut self, core: &mut Core) -> Result<(), ConnectError> {
        self.idle(core, SETTLE_TIME).map(|_| ())
    }

    /// Resident memory of all servers, in KiB.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn servers_rss_kib(&self) -> Result<u64, ConnectError> {
        let servers = servers(self.reading()?);
        Ok(servers.map(|(_, usage)| usage.rss_kib).sum())
    }

    fn turn(&mut self, core: &mut Core, until: Option<Instant>) -> Result<(), ConnectError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(ConnectError::Interrupted);
        }
        let now = self.clock.now();
        let wait = core.deadline().into_iter().chain(until).min();
        let wait = wait.map_or(LOOK_INTERVAL, |at| at.since(now)).min(LOOK_INTERVAL);
        let mut events = std::mem::take(&mut self.events);
        self.net.poll(Some(wait), &mut events)?;
        let now = self.clock.now();
        for event in events.drain(..) {
            self.on_event(now, core, event)?;
        }
        self.events = events;
        core.on_time(now, &mut self.effects)?;
        self.perform(core.phase());
        self.net.flush();
        Ok(())
    }

    fn on_event(
        &mut self,
        now: Instant,
        core: &mut Core,
        event: NetEvent,
    ) -> Result<(), ConnectError> {
        match event {
            NetEvent::Frame { conn, frame } => {
                if let Some(user) = self.users.get(&conn).copied() {
                    core.on_frame(now, user, &frame, &mut self.effects)?;
                }
            }
            NetEvent::Closed { conn, why } => {
                if let Some(user) = self.users.remove(&conn) {
                    self.conns[user] = None;
                    core.on_lost(now, user, why, &mut self.effects)?;
                }
            }
            _ => {}
        }
        self.perform(core.phase());
        Ok(())
    }

    fn perform(&mut self, phase: Phase) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Act(user, action) => self.act(phase, user, action),
                Effect::HangUp(user) => self.hang_up(user),
            }
        }
        self.effects = effects;
    }

    fn act(&mut self, phase: Phase, user: usize, action: Action) {
        match action {
            Action::Say(message) => self.send(user, |out| message.append_frame(out)),
            Action::Ask(message) => self.send(user, |out| message.append_frame(out)),
            Action::DialRouter => {
                let (to, name) = (self.cluster.endpoint().router, ROUTER_NAME.to_owned());
                self.dial((phase, user), to, name, Policy::router());
            }
            Action::DialSeat(server) => {
                // A server that is not listed is found by nobody: the dial fails, and says so.
                let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
                let to = self.seats.get(&server).copied().unwrap_or(nowhere);
                self.dial((phase, user), to, server.certificate_name(), Policy::seat());
            }
        }
    }

    fn send(&mut self, user: usize, append: impl FnOnce(&mut BytesMut)) {
        if let Some(conn) = self.conns[user] {
            self.net.send(conn, append);
        }
    }

    fn dial(
        &mut self,
        (phase, user): (Phase, usize),
        to: SocketAddr,
        name: String,
        policy: Policy,
    ) {
        self.hang_up(user);
        let from = self.plan.source(phase, user);
        let conn = self.net.dial_from(from, to, self.security(name), policy);
        self.users.insert(conn, user);
        self.conns[user] = Some(conn);
    }

    fn hang_up(&mut self, user: usize) {
        if let Some(conn) = self.conns[user].take() {
            self.users.remove(&conn);
            self.net.close(conn);
        }
    }

    fn security(&self, name: String) -> Security {
        match &self.tls {
            Some(tls) => Security::Connect(Arc::clone(tls), name),
            None => Security::Plain,
        }
    }

    /// Asks the router where the servers listen.
    fn learn_seats(&mut self) -> Result<(), ConnectError> {
        let Endpoint { router, .. } = *self.cluster.endpoint();
        let security = self.security(ROUTER_NAME.to_owned());
        let conn = self.net.dial(router, security, Policy::router());
        self.net.send(conn, |out| ToRouter::from(Hello::client()).append_frame(out));
        self.net.send(conn, |out| ToRouter::from(ListServers {}).append_frame(out));
        while self.seats.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(ConnectError::Interrupted);
            }
            let mut events = Vec::new();
            self.net.poll(Some(LOOK_INTERVAL), &mut events)?;
            for event in events {
                self.on_router(event)?;
            }
        }
        self.net.close(conn);
        Ok(())
    }

    fn on_router(&mut self, event: NetEvent) -> Result<(), ConnectError> {
        match event {
            NetEvent::Frame { frame, .. } => {
                if let FromRouter::Servers(servers) = FromRouter::decode(&frame)? {
                    let seats = servers.servers.into_items().into_iter();
                    self.seats = seats.map(|seat| (seat.server, seat.address)).collect();
                }
                Ok(())
            }
            NetEvent::Closed { why, .. } => Err(ConnectError::Router(why)),
            _ => Ok(()),
        }
    }

    fn servers_cpu(&self) -> Result<Duration, ConnectError> {
        let mut sum = Duration::ZERO;
        for ((_, pid), _) in servers(self.reading()?) {
            sum += threads_cpu(pid)?;
        }
        Ok(sum)
    }

    /// What the router and the servers use.
    fn reading(&self) -> Result<Reading, ConnectError> {
        Ok(self.cluster.usage()?.expect("it is our own"))
    }
}

fn servers(reading: Reading) -> impl Iterator<Item = (crate::usage::Process, crate::usage::Usage)> {
    reading.0.into_iter().filter(|((name, _), _)| name.starts_with("server-"))
}

/// A secret for the users' keys and passwords.
///
/// # Errors
/// The system has none.
pub fn secret() -> io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    SysRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
    Ok(secret)
}
