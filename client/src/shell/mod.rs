//! The one thread that owns sockets and store: it feeds the core and performs its effects.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use wire::net::{CloseCause, Net, NetEvent, Policy};
use wire::{ConnId, Instant, LogId, Wall};

use crate::core::{Cause, Command, Core, Effect, Event, LinkId, Notice, Request, Saved, Ticket};
use crate::failure::{Code, Failure};
use crate::store::{Account, ConnectionLock, DataDirectory, Store, StoreError};
use dialer::{Dialer, Router};
use hub::Hub;
use workers::Workers;

pub mod dialer;
pub mod follower;
pub mod hub;
mod lines;
mod session_store;
pub mod store;
mod workers;

/// How long a goodbye may take.
const FAREWELL_TIME_MAX: Duration = Duration::from_millis(500);
/// First ticket of questions that other processes ask; those of this process are below.
const HUB_TICKETS: u64 = 1 << 32;

/// Wakes the loop from another thread.
pub type Wake = Box<dyn Fn() + Send>;

/// The holder of a data directory's connection.
pub struct Shell {
    net: Net,
    core: Core,
    store: Store,
    directory: DataDirectory,
    workers: Workers,
    hub: Hub,
    dialer: Dialer,
    links: BTreeMap<LinkId, ConnId>,
    conns: BTreeMap<ConnId, LinkId>,
    net_events: Vec<NetEvent>,
    effects: Vec<Effect>,
    notices: Vec<Notice>,
    last_ticket: u64,
    _lock: ConnectionLock,
}

impl Shell {
    /// Takes over the data directory whose lock is held. Connects when a command asks it to.
    ///
    /// # Errors
    /// The store or the operating system fails.
    pub fn start(
        directory: &DataDirectory,
        lock: ConnectionLock,
        store: Store,
        dialer: Dialer,
    ) -> Result<Self, Failure> {
        let mut net = Net::new().map_err(|error| Failure::unexpected(error.to_string()))?;
        let mut seed = [0; 32];
        SysRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| Failure::unexpected(format!("no randomness: {error}")))?;
        let core = Core::new(saved(&store)?, seed);
        let workers = Workers::new(net.waker());
        let hub = Hub::open(&directory.socket_path(), &mut net);
        Ok(Self {
            net,
            core,
            store,
            directory: directory.clone(),
            workers,
            hub,
            dialer,
            links: BTreeMap::new(),
            conns: BTreeMap::new(),
            net_events: Vec::new(),
            effects: Vec::new(),
            notices: Vec::new(),
            last_ticket: 0,
            _lock: lock,
        })
    }

    /// The local store.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// The core, to be looked at.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Monotonic time, as of the last turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.net.now()
    }

    /// Wakes [`Self::turn`] from any thread.
    #[must_use]
    pub fn waker(&self) -> Wake {
        let waker = self.net.waker();
        Box::new(move || {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "the loop cannot be woken");
            }
        })
    }

    /// Wall clock, as of the last turn.
    #[must_use]
    pub fn wall(&self) -> Wall {
        self.net.wall()
    }

    /// Gives the core a command.
    ///
    /// # Errors
    /// The store fails, or the settings are wrong.
    pub fn command(&mut self, command: Command) -> Result<(), Failure> {
        self.feed(Event::Command(command))
    }

    /// Asks the core; the answer is a notice with the ticket.
    ///
    /// # Errors
    /// The store fails, or the settings are wrong.
    pub fn ask(&mut self, request: Request) -> Result<Ticket, Failure> {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.command(Command::Ask { ticket, request })?;
        Ok(ticket)
    }

    /// Waits until something happens or `until` comes, deals with it, and tells what it means.
    ///
    /// # Errors
    /// The store or the operating system fails, or the settings are wrong.
    pub fn turn(&mut self, until: Option<Instant>) -> Result<Vec<Notice>, Failure> {
        self.tell_shown()?;
        self.net.flush();
        let mut events = std::mem::take(&mut self.net_events);
        let timeout = self.timeout(until);
        self.net
            .poll(timeout, &mut events)
            .map_err(|error| Failure::unexpected(format!("waiting failed: {error}")))?;
        for event in events.drain(..) {
            self.on_net_event(event)?;
        }
        self.net_events = events;
        while let Some((key, result)) = self.workers.next() {
            self.feed(Event::Worked { key, result })?;
        }
        if self.core.deadline().is_some_and(|at| at <= self.net.now()) {
            self.feed(Event::Timeout)?;
        }
        self.feed(Event::TurnEnded)?;
        self.net.flush();
        let notices = std::mem::take(&mut self.notices);
        self.hub.tell(&notices, &mut self.net);
        Ok(notices)
    }

    /// Other processes wait on this one's socket for answers.
    #[must_use]
    pub fn has_followers(&self) -> bool {
        self.hub.has_peers()
    }

    /// Sends what is queued and closes, so that the server knows at once that nobody is here.
    ///
    /// # Errors
    /// The operating system fails.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.tell_shown()?;
        self.feed(Event::Command(Command::Stop))?;
        let until = self.net.now() + FAREWELL_TIME_MAX;
        while self.net.connections() > 0 && self.net.now() < until {
            self.net.flush();
            let timeout = until.since(self.net.now());
            self.net_events.clear();
            self.net
                .poll(Some(timeout), &mut self.net_events)
                .map_err(|error| Failure::unexpected(format!("waiting failed: {error}")))?;
        }
        Ok(())
    }

    /// What the user was shown since is for those who wrote it, unless the user minds.
    fn tell_shown(&mut self) -> Result<(), Failure> {
        let Some(me) = self.core.name() else {
            return Ok(());
        };
        let shown = self.store.newly_shown(&LogId::mailbox(me), &self.directory);
        match shown.map_err(|e| store_failure(&e))? {
            Some(upto) => self.command(Command::Shown(upto)),
            None => Ok(()),
        }
    }

    fn timeout(&self, until: Option<Instant>) -> Option<Duration> {
        if !self.notices.is_empty() {
            return Some(Duration::ZERO);
        }
        [until, self.core.deadline()].into_iter().flatten().min().map(|at| at.since(self.net.now()))
    }

    fn on_net_event(&mut self, event: NetEvent) -> Result<(), Failure> {
        match event {
            NetEvent::Connected { conn } => match self.conns.get(&conn) {
                Some(link) => self.feed(Event::Opened { link: *link }),
                None => Ok(()),
            },
            NetEvent::Frame { conn, frame } => match self.conns.get(&conn) {
                Some(link) => self.feed(Event::Frame { link: *link, frame }),
                None => Ok(()),
            },
            NetEvent::Closed { conn, why } => match self.conns.remove(&conn) {
                Some(link) => {
                    self.links.remove(&link);
                    let cause = cause(why);
                    self.feed(Event::Closed { link, cause })
                }
                None => Ok(()),
            },
            NetEvent::Source { id } => {
                for (peer, request) in self.hub.on_ready(id, &mut self.net) {
                    let ticket = Ticket(HUB_TICKETS + peer);
                    self.command(Command::Ask { ticket, request })?;
                }
                Ok(())
            }
            NetEvent::Accepted { .. } | NetEvent::Pressure { .. } | NetEvent::Woken => Ok(()),
        }
    }

    /// Feeds one event and the events that follow from its effects.
    fn feed(&mut self, event: Event) -> Result<(), Failure> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let (now, wall) = (self.net.now(), self.net.wall());
            let mut effects = std::mem::take(&mut self.effects);
            self.core.handle(now, wall, event, &mut effects);
            for effect in effects.drain(..) {
                events.extend(self.perform(effect)?);
            }
            self.effects = effects;
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Result<Option<Event>, Failure> {
        match effect {
            Effect::DialRouter { link, router } => return self.dial_router(link, router).map(Some),
            Effect::DialSeat { link, address, server } => {
                let security = self.dialer.seat(server)?;
                let conn = self.net.dial(address, security, Policy::seat());
                self.pair(link, conn);
            }
            Effect::Send { link, message } => {
                if let Some(conn) = self.links.get(&link) {
                    self.net.send(*conn, |out| message.append_frame(out));
                }
            }
            Effect::Close { link } => {
                if let Some(conn) = self.links.remove(&link) {
                    self.conns.remove(&conn);
                    self.net.close(conn);
                }
            }
            Effect::Store(op) => {
                let stored = store::perform(&mut self.store, op).map_err(|e| store_failure(&e))?;
                return Ok(stored.map(Event::Stored));
            }
            Effect::Work { key, job } => self.workers.submit(key, job)?,
            Effect::Notify(notice) => self.notices.push(notice),
        }
        Ok(None)
    }

    /// Dials; a router whose name cannot be looked up is a lost one, as others may be known.
    fn dial_router(&mut self, link: LinkId, router: usize) -> Result<Event, Failure> {
        let Router { address, security, count } = match self.dialer.router(router) {
            Ok(found) => found,
            Err(failure) if failure.code == Code::Unavailable => {
                return Ok(Event::Closed { link, cause: Cause::Lost(failure.text) });
            }
            Err(failure) => return Err(failure),
        };
        let conn = self.net.dial(address, security, Policy::router());
        self.pair(link, conn);
        Ok(Event::Routers { count })
    }

    fn pair(&mut self, link: LinkId, conn: ConnId) {
        self.links.insert(link, conn);
        self.conns.insert(conn, link);
    }
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").field("links", &self.links).finish_non_exhaustive()
    }
}

/// A store error as the user hears it.
#[must_use]
pub fn store_failure(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::OtherAccount { .. } | StoreError::NoHome => Code::Usage,
        _ => Code::Unexpected,
    };
    Failure::new(code, error.to_string())
}

/// What a core begins with.
///
/// # Errors
/// The store fails.
pub fn saved(store: &Store) -> Result<Saved, Failure> {
    let origin = store.origin().map_err(|e| store_failure(&e))?;
    let account = store.account().map_err(|e| store_failure(&e))?;
    let servers = store.known_servers().map_err(|e| store_failure(&e))?;
    let has_existed = |account: &Account| {
        account.pending_sign_up.as_ref().is_none_or(|pending| pending.had_existed)
    };
    Ok(match account {
        Some(account) => Saved {
            name: Some(account.name),
            bundle: has_existed(&account).then_some(account.bundle),
            origin,
            session: account.session,
            pending_sign_up: account.pending_sign_up,
            servers,
        },
        None => Saved {
            name: None,
            bundle: None,
            origin,
            session: None,
            pending_sign_up: None,
            servers,
        },
    })
}

fn cause(why: CloseCause) -> Cause {
    match why {
        CloseCause::Tls(text) => Cause::Untrusted(text),
        why => Cause::Lost(why.to_string()),
    }
}
