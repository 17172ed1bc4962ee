//! Very many clients in one process: for each the real core and the real store, in memory, over
//! real connections; one loop for all. Only what costs most is made cheap, as in the simulator:
//! keys come from a pool, signatures of grants and the stretching of passwords are toys, which
//! servers cannot see.

mod light;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::core::{Cause, Command, Effect, Event, LinkId, Password, Reading, Request};
use rustls::ClientConfig;
use wire::net::{CloseCause, Net, NetEvent, Policy, Security, tls};
use wire::{ConnId, Instant, LogId, Name};
use zeroize::Zeroizing;

pub use light::{Light, Sent};

/// The DNS name in every router's certificate.
const ROUTER_NAME: &str = "router.fastchat";
/// How long the loop waits at most before it looks again whether what it waits for is so.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The clients and the loop that serves them.
pub struct Swarm {
    net: Net,
    tls: Arc<ClientConfig>,
    router: SocketAddr,
    lights: Vec<Light>,
    conns: BTreeMap<ConnId, (usize, LinkId)>,
    deadlines: BTreeSet<(Instant, usize)>,
    /// Whose turn has not ended.
    touched: BTreeSet<usize>,
}

impl Swarm {
    /// A fresh machine for each of these people; nobody connects yet.
    ///
    /// # Panics
    /// When the CA cannot be read.
    #[must_use]
    pub fn new(router: SocketAddr, ca: &Path, names: &[Name]) -> Self {
        let ca = fs::read(ca).expect("the cluster has a CA");
        let light = |(index, name): (usize, &Name)| Light::new(index, *name);
        Self {
            net: Net::new().expect("a loop can be made"),
            tls: tls::client_config(&ca, None).expect("it is a CA"),
            router,
            lights: names.iter().enumerate().map(light).collect(),
            conns: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Everybody.
    #[must_use]
    pub fn lights(&self) -> &[Light] {
        &self.lights
    }

    /// Monotonic time, as of the last turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.net.now()
    }

    /// Somebody makes an account, and reads its mailbox from then on.
    pub fn sign_up(&mut self, index: usize) {
        let name = self.lights[index].name;
        let password = Password::new(Zeroizing::new(name.as_bytes().to_vec()));
        self.feed(index, Event::Command(Command::SignUp { name, password }));
    }

    /// Somebody begins to read its mailbox.
    pub fn read(&mut self, index: usize) {
        self.ask(index, Request::Attach(Reading::All));
    }

    /// Somebody writes the next text to another.
    pub fn write(&mut self, index: usize, to: usize) {
        let log = LogId::mailbox(self.lights[to].name);
        let (now, wall) = (self.net.now(), self.net.wall());
        self.lights[index].draft(log, to, (now, wall));
        self.ask(index, Request::Outbox);
    }

    /// Lets time pass until `is_so`; whether that came before the limit.
    ///
    /// # Panics
    /// When the loop fails.
    pub fn pass_until(
        &mut self,
        limit: Duration,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let until = self.net.now() + limit;
        while !is_so(self) {
            if self.net.now() >= until {
                return false;
            }
            self.turn();
        }
        true
    }

    fn ask(&mut self, index: usize, request: Request) {
        let ticket = self.lights[index].ticket();
        self.feed(index, Event::Command(Command::Ask { ticket, request }));
    }

    /// Waits a little for what happens, and does what follows from it.
    ///
    /// # Panics
    /// When the loop fails.
    pub fn turn(&mut self) {
        let now = self.net.now();
        let due = self.deadlines.first().map_or(LOOK_INTERVAL, |(at, _)| at.since(now));
        let mut events = Vec::new();
        self.net.poll(Some(due.min(LOOK_INTERVAL)), &mut events).expect("the loop runs");
        for event in events {
            self.on_net(event);
        }
        while let Some((at, index)) = self.deadlines.first().copied()
            && at <= self.net.now()
        {
            self.deadlines.remove(&(at, index));
            self.lights[index].armed = None;
            self.feed(index, Event::Timeout);
        }
        for index in std::mem::take(&mut self.touched) {
            self.feed(index, Event::TurnEnded);
        }
        self.touched.clear();
        self.net.flush();
    }

    fn on_net(&mut self, event: NetEvent) {
        match event {
            NetEvent::Connected { conn } => {
                if let Some((index, link)) = self.conns.get(&conn).copied() {
                    self.feed(index, Event::Opened { link });
                }
            }
            NetEvent::Frame { conn, frame } => {
                if let Some((index, link)) = self.conns.get(&conn).copied() {
                    self.lights[index].hear(&frame);
                    self.feed(index, Event::Frame { link, frame });
                }
            }
            NetEvent::Closed { conn, why } => {
                if let Some((index, link)) = self.conns.remove(&conn) {
                    self.lights[index].links.remove(&link);
                    let cause = match why {
                        CloseCause::Tls(text) => Cause::Untrusted(text),
                        why => Cause::Lost(why.to_string()),
                    };
                    self.feed(index, Event::Closed { link, cause });
                }
            }
            _ => {}
        }
    }

    fn feed(&mut self, index: usize, event: Event) {
        self.touched.insert(index);
        let (now, wall) = (self.net.now(), self.net.wall());
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let effects = self.lights[index].handle(now, wall, event);
            for effect in effects {
                events.extend(self.perform(index, effect));
            }
        }
        self.arm(index);
    }

    fn perform(&mut self, index: usize, effect: Effect) -> Option<Event> {
        let light = &mut self.lights[index];
        match effect {
            Effect::DialRouter { link, .. } => {
                self.dial(index, link, self.router, ROUTER_NAME.to_owned(), Policy::router());
                return Some(Event::Routers { count: 1 });
            }
            Effect::DialSeat { link, address, server } => {
                light.seat = Some(server);
                self.dial(index, link, address, server.certificate_name(), Policy::seat());
            }
            Effect::Send { link, message } => {
                light.note_sent(&message);
                if let Some(conn) = light.links.get(&link) {
                    self.net.send(*conn, |out| message.append_frame(out));
                }
            }
            Effect::Close { link } => {
                if let Some(conn) = light.links.remove(&link) {
                    self.conns.remove(&conn);
                    self.net.close(conn);
                }
            }
            Effect::Store(op) => return light.store_op(op).map(Event::Stored),
            Effect::Work { key, job } => {
                return Some(Event::Worked { key, result: light.work(job) });
            }
            Effect::Notify(notice) => light.on_notice(&notice, self.net.now()),
        }
        None
    }

    fn dial(
        &mut self,
        index: usize,
        link: LinkId,
        address: SocketAddr,
        name: String,
        policy: Policy,
    ) {
        let security = Security::Connect(Arc::clone(&self.tls), name);
        let conn = self.net.dial(address, security, policy);
        self.conns.insert(conn, (index, link));
        self.lights[index].links.insert(link, conn);
    }

    fn arm(&mut self, index: usize) {
        let light = &mut self.lights[index];
        let next = light.deadline();
        if light.armed == next {
            return;
        }
        if let Some(at) = std::mem::replace(&mut light.armed, next) {
            self.deadlines.remove(&(at, index));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, index));
        }
    }
}
