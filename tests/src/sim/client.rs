//! A client of a world: the real core and the real store, a shell without sockets.
//!
//! The store is a database in memory that outlives its process: each operation is one transaction
//! with full sync, so a crash between two effects loses the second and keeps the first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use client::core::event::OwnKeys;
use client::core::{
    Cause, Command, Core, Effect, Event, JobKey, JobResult, LinkId, Notice, Outgoing, Request,
    StoreOp, Stored, Ticket,
};
use client::crypto::Identity;
use client::shell::{saved, store::perform};
use client::store::{OutboxId, Store};
use wire::net::Policy;
use wire::{Frame, LogHandle, LogId, Name, Origin, Seq, ToClient, ToServer};

use super::fault::FaultKind;
use super::host::{Node, State};
use super::lies::Hearing;
use super::links::Told;
use super::net::{Local, Purpose};
use super::oracle::Fact;
use super::work::{self, Worker};
use super::world::{What, World};

/// How long a client that is left may take to close its connection.
const FAREWELL_TIME_MAX: Duration = Duration::from_millis(500);

/// One data directory, and the process that uses it.
pub struct Installation {
    /// Its place among all.
    pub index: usize,
    /// Whose it is.
    pub user: usize,
    /// What is on its disk.
    pub store: Store,
    /// The core, while the process runs.
    pub core: Option<Core>,
    /// What was written, by its place in the outbox.
    pub texts: BTreeMap<OutboxId, String>,
    /// The account's keys, as the store has them.
    pub identity: Option<Arc<Identity>>,
    /// What the core has told and nobody has heard yet.
    pub notices: Vec<Notice>,
    /// The process is about to end by itself.
    pub is_leaving: bool,
    /// Of its mailbox, on its newest connection to a seat.
    pub hearing: Hearing,
    handles: BTreeMap<LogHandle, LogId>,
    last_ticket: u64,
}

impl Installation {
    /// A fresh data directory.
    #[must_use]
    pub fn new(index: usize, user: usize, seed: [u8; 32]) -> Self {
        Self {
            index,
            user,
            store: Store::in_memory(seed).expect("a database in memory opens"),
            core: None,
            texts: BTreeMap::new(),
            identity: None,
            notices: Vec::new(),
            is_leaving: false,
            hearing: Hearing::default(),
            handles: BTreeMap::new(),
            last_ticket: 0,
        }
    }

    /// Its name for itself in logs.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.store.origin().expect("the store works")
    }

    /// What it calls an open log on its newest connection.
    #[must_use]
    pub fn handle_of(&self, log: LogId) -> Option<LogHandle> {
        let mut handles = self.handles.iter();
        handles.find(|(_, open)| **open == log).map(|(handle, _)| *handle)
    }

    /// A message came on its connection to a seat.
    fn hear(&mut self, message: &ToClient, own: LogId) {
        let is_own = |handle: &LogHandle| self.handles.get(handle) == Some(&own);
        match message {
            ToClient::Deliver(deliver) if is_own(&deliver.handle) => {
                self.hearing.newest = deliver.entry.seq;
            }
            ToClient::CaughtUp(caught_up) if is_own(&caught_up.handle) => {
                self.hearing.is_live = true;
                self.hearing.caught_up = caught_up.upto;
            }
            _ => {}
        }
    }

    /// Another connection to a seat begins.
    fn begin_hearing(&mut self) {
        self.handles.clear();
        self.hearing = Hearing::default();
    }

    /// A name for a question.
    pub fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }
}

impl World {
    pub(super) fn start_client(&mut self, index: usize) {
        let seed = self.dice.seed();
        let client = &mut self.clients[index];
        client.core = Some(Core::new(saved(&client.store).expect("the store works"), seed));
        client.is_leaving = false;
        client.begin_hearing();
        client.notices.clear();
    }

    /// The client's process is to end by itself: it says what it has to say first.
    pub(super) fn leave(&mut self, index: usize) {
        let node = Node::Client(index);
        if !self.host(node).is_up() || self.clients[index].is_leaving {
            return;
        }
        self.clients[index].is_leaving = true;
        self.feed_client(index, Event::Command(Command::Stop));
        let incarnation = self.host(node).incarnation;
        let at = self.now + FAREWELL_TIME_MAX;
        self.queue.push(at, What::Left { client: index, incarnation });
    }

    pub(super) fn on_left(&mut self, index: usize, incarnation: u32) {
        let host = self.host(Node::Client(index));
        if host.is_up() && host.incarnation == incarnation {
            self.kill(Node::Client(index), State::Down);
        }
    }

    /// A question to the core.
    pub(super) fn ask(&mut self, index: usize, request: Request) -> Ticket {
        let ticket = self.clients[index].ticket();
        self.feed_client(index, Event::Command(Command::Ask { ticket, request }));
        ticket
    }

    pub(super) fn tell_client(&mut self, index: usize, link: LinkId, told: Told) {
        let event = match told {
            Told::Opened(_) => Event::Opened { link },
            Told::Frame(frame) => Event::Frame { link, frame },
            Told::Closed(why) => Event::Closed { link, cause: Cause::Lost(format!("{why:?}")) },
            Told::Pressure(_) => return,
        };
        self.feed_client(index, event);
    }

    pub(super) fn time_client(&mut self, index: usize) {
        self.feed_client(index, Event::Timeout);
    }

    pub(super) fn on_worked(
        &mut self,
        index: usize,
        incarnation: u32,
        key: JobKey,
        result: JobResult,
    ) {
        let host = self.host(Node::Client(index));
        if host.is_up() && host.incarnation == incarnation {
            self.feed_client(index, Event::Worked { key, result });
        }
    }

    /// Gives a client one event, with what follows from it, and ends its turn.
    pub(super) fn feed_client(&mut self, index: usize, event: Event) {
        for event in [event, Event::TurnEnded] {
            if !self.feed_client_once(index, event) {
                return;
            }
        }
        let deadline = self.clients[index].core.as_ref().and_then(Core::deadline);
        self.set_timer(Node::Client(index), deadline);
        for notice in std::mem::take(&mut self.clients[index].notices) {
            self.on_notice(index, notice);
        }
    }

    /// Whether the process still runs afterwards.
    fn feed_client_once(&mut self, index: usize, event: Event) -> bool {
        let node = Node::Client(index);
        if !self.host(node).is_up() {
            return false;
        }
        self.note_client_event(index, &event);
        let (now, wall) = (self.now, self.wall(node));
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            let core = self.clients[index].core.as_mut().expect("a client that is up has a core");
            core.handle(now, wall, event, &mut effects);
            for effect in effects {
                if self.host_mut(node).is_dying() {
                    self.tally.count(FaultKind::ClientKilledMidway);
                    self.kill(node, State::Down);
                    return false;
                }
                events.extend(self.perform_client(index, effect));
            }
        }
        true
    }

    fn note_client_event(&mut self, index: usize, event: &Event) {
        let node = Node::Client(index);
        match event {
            Event::TurnEnded => {}
            Event::Frame { link, frame } => {
                let Frame { kind, body } = frame;
                let len = body.len();
                self.note(body, format_args!("{node:?} {link:?} {kind} {len} bytes"));
                if let Ok(message) = ToClient::decode(frame) {
                    self.trace.explain(&message);
                    let own = LogId::mailbox(self.users[self.clients[index].user].name);
                    self.clients[index].hear(&message, own);
                }
            }
            Event::Worked { key, .. } => self.note(&[], format_args!("{node:?} worked {key:?}")),
            event => self.note(&[], format_args!("{node:?} {event:?}")),
        }
    }

    fn perform_client(&mut self, index: usize, effect: Effect) -> Option<Event> {
        let node = Node::Client(index);
        match effect {
            Effect::DialRouter { link, router } => {
                let to = Node::Router(router % self.plan.routers);
                self.dial_from_client(index, link, (to, Policy::early_client()), Policy::router());
                return Some(Event::Routers { count: self.plan.routers });
            }
            Effect::DialSeat { link, server, .. } => {
                self.clients[index].begin_hearing();
                let to = Node::Server(server);
                self.dial_from_client(index, link, (to, Policy::early_client()), Policy::seat());
            }
            Effect::Send { link, message } => {
                self.note_sent(index, &message);
                self.write(node, Local::Link(link), |out| message.append_frame(out));
            }
            Effect::Close { link } => {
                if let Some((key, end)) = self.net.find(node, Local::Link(link)) {
                    self.begin_close(key, end, server::core::CloseReason::Local);
                    self.net.unname(key, end);
                }
            }
            Effect::Store(op) => return self.store_op(index, op).map(Event::Stored),
            Effect::Work { key, job } => {
                let is_real = self.plan.is_real_crypto;
                let worker = Worker { installation: index, is_real };
                let result = Box::new(worker.run(job));
                let after = self.dice.time(work::TIME_MIN, work::TIME_MAX);
                let incarnation = self.host(node).incarnation;
                let what = What::Worked { client: index, incarnation, key, result };
                self.queue.push(self.now + after, what);
            }
            Effect::Notify(notice) => self.clients[index].notices.push(notice),
        }
        None
    }

    fn dial_from_client(
        &mut self,
        index: usize,
        link: LinkId,
        (to, theirs): (Node, Policy),
        ours: Policy,
    ) {
        let node = Node::Client(index);
        let key = self.dial((node, ours), (to, theirs), Purpose::Client(link));
        self.net.name(key, super::net::End::Near, Local::Link(link));
    }

    /// What a client says to its seat, as far as a property is about it.
    fn note_sent(&mut self, index: usize, message: &Outgoing) {
        let client = &mut self.clients[index];
        match message {
            Outgoing::Seat(ToServer::OpenLog(open)) => {
                client.handles.insert(open.handle, open.log);
            }
            Outgoing::Seat(ToServer::Seen(seen)) => self.note_seen(index, seen.handle, seen.upto),
            Outgoing::Seat(ToServer::Attach(attach)) => {
                self.note_seen(index, attach.handle, attach.cursor);
            }
            _ => {}
        }
    }

    fn note_seen(&mut self, index: usize, handle: LogHandle, upto: Seq) {
        if let Some(log) = self.clients[index].handles.get(&handle).copied() {
            self.fact(&Fact::SeenSent { client: index, log, upto });
        }
    }

    /// One durable operation, and what it means.
    fn store_op(&mut self, index: usize, op: StoreOp) -> Option<Stored> {
        let reader = self.users[self.clients[index].user].name;
        self.before_store(index, reader, &op);
        let client = &mut self.clients[index];
        if let StoreOp::LoadIdentity = op {
            // Reading RSA keys back costs more than everything else of a process's start.
            let account = client.store.account().expect("the store works");
            let keys = client.identity.clone().zip(account);
            let keys = keys.map(|(identity, account)| OwnKeys { identity, bundle: account.bundle });
            return Some(Stored::Identity(keys));
        }
        let kept = match &op {
            StoreOp::Receive { log, items, .. } => Some((*log, items.clone())),
            _ => None,
        };
        let stored = perform(&mut client.store, op).expect("the store works");
        if let (Some((log, items)), Some(Stored::Received { cursor, new, .. })) = (kept, &stored) {
            let (cursor, new) = (*cursor, new.len());
            self.fact(&Fact::Kept { client: index, reader, log, items: &items, cursor, new });
        }
        stored
    }

    fn before_store(&mut self, index: usize, sender: Name, op: &StoreOp) {
        let origin = self.clients[index].origin();
        let now = self.now;
        let client = &mut self.clients[index];
        match op {
            StoreOp::SaveSignUp { identity, .. } => client.identity = Some(Arc::clone(identity)),
            StoreOp::SaveSignIn { identity, session, .. } => {
                client.identity = Some(Arc::clone(identity));
                let (name, session) = (sender, *session);
                self.oracle.hear(now, &Fact::Session { client: index, name, session });
            }
            StoreOp::SaveSession(session) => {
                let (name, session) = (sender, *session);
                self.oracle.hear(now, &Fact::Session { client: index, name, session });
            }
            StoreOp::ClearSignUp => client.identity = None,
            StoreOp::SealDraft { id, log, number, body, step, .. } => {
                let text = client.texts.get(id).map(String::as_str);
                let (place, message_session) = ((sender, origin, *log, *number), step.number);
                let (client, draft) = (index, id.0);
                let sealed = Fact::Sealed { client, place, message_session, body, text, draft };
                self.oracle.hear(now, &sealed);
            }
            StoreOp::Settle { log, upto, .. } => {
                let place = (sender, origin, *log, *upto);
                self.oracle.hear(now, &Fact::Accepted { client: index, place });
            }
            StoreOp::Reject { log, number, code } => {
                let place = (sender, origin, *log, *number);
                self.oracle.hear(now, &Fact::Rejected { client: index, place, code: *code });
            }
            StoreOp::Redraft { log, number } => {
                let place = (sender, origin, *log, *number);
                self.oracle.hear(now, &Fact::Redrafted { client: index, place });
            }
            StoreOp::Abandon { log, .. } => {
                self.oracle.hear(now, &Fact::Abandoned { client: index, sender, log: Some(*log) });
            }
            StoreOp::BeginOrigin(_) => {
                self.oracle.hear(now, &Fact::Abandoned { client: index, sender, log: None });
            }
            _ => {}
        }
    }
}
