//! A core with everything around it played by the test: clock, store, workers, router, server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::{Bytes, BytesMut};
use wire::message::{
    Accepted, Body, CaughtUp, Class, Deliver, Entry, FetchBundles, Grant, Placed, Ready,
    SealedKeys, Welcome,
};
use wire::roster::Roster;
use wire::{
    FaultCode, Frame, FromRouter, Instant, LogHandle, LogId, Name, Number, Origin, Reservation,
    Seq, ServerId, SessionEpoch, ToClient, ToRouter, ToServer, Token, Wall,
};

use super::author::Author;
use super::fake_store::FakeStore;
use crate::core::{
    Cause, Command, Core, Effect, Event, Job, JobKey, JobResult, LinkId, Notice, Outgoing, Request,
    Saved, StoreOp, Stored, Ticket,
};
use crate::crypto::grant::SessionPlace;
use crate::crypto::test_keys::{alice, bob, carol, name, rng};
use crate::crypto::{Content, Identity, SignedBundle};
use crate::failure::Failure;
use crate::store::{Draft, KnownServers, OutboxId, Session};

/// What happened, in order, as far as order matters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Stored(&'static str),
    Sent(wire::Kind),
    DialedRouter(usize),
    DialedSeat(ServerId),
    Closed,
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Instant,
    pub(super) steps: Vec<Step>,
    pub(super) to_router: Vec<ToRouter>,
    pub(super) sent: Vec<ToServer>,
    pub(super) notices: Vec<Notice>,
    pub(super) jobs: VecDeque<(JobKey, Job)>,
    pub(super) store: FakeStore,
    pub(super) link: Option<LinkId>,
    /// The disk is slow: answers of the store wait for [`World::release`].
    pub(super) is_disk_slow: bool,
    /// The disk is slow with operations of this name only.
    pub(super) slow: Option<&'static str>,
    /// Who writes to alice, by sender and log.
    pub(super) authors: BTreeMap<(Name, LogId), Author>,
    /// Alice's grants at the homes of logs.
    pub(super) grants: BTreeMap<SessionPlace, Grant>,
    /// What homes answer to grants that are put, instead of keeping them.
    pub(super) put_fault: Option<FaultCode>,
    /// The groups that alice's home has noted.
    pub(super) noted: Vec<Name>,
    /// The home of this account's keys is away.
    pub(super) unreachable: Option<Name>,
    /// Key logs as the homes of logs have copied them.
    pub(super) copies: BTreeMap<Name, Vec<Bytes>>,
    /// A group's roster as its home has it.
    pub(super) roster: Option<Roster>,
    /// What the next announcements say of a group's roster, instead of what it is.
    pub(super) claim: Option<(u32, [u8; 32])>,
    /// The statements of it that the store does not have.
    pub(super) statements: Vec<(u32, Bytes)>,
    /// For people.
    pub(super) wall: Wall,
    held: VecDeque<Stored>,
    pub(super) seq: u64,
    tickets: u64,
    /// Of what was sent, so much was looked through by [`World::give_grants`].
    pub(super) given: usize,
}

/// The account under test is alice's; its keys are made beforehand.
pub(super) fn me() -> Name {
    name("alice")
}

pub(super) fn mailbox(who: &str) -> LogId {
    LogId::mailbox(name(who))
}

pub(super) fn number(value: u64) -> Number {
    Number::new(value).expect("in range")
}

pub(super) fn bundle_of(identity: &Identity, who: &str) -> SignedBundle {
    SignedBundle::first(identity, name(who), Wall(1), &mut rng()).expect("signs")
}

pub(super) fn identity_of(who: &str) -> &'static Identity {
    match who {
        "alice" => alice(),
        "bob" => bob(),
        _ => carol(),
    }
}

/// The stretch of the tests: as fast as Argon2id gets.
pub(super) fn toy() -> Argon2<'static> {
    let params = Params::new(8, 1, 1, None).expect("in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl World {
    /// A machine that nobody has used.
    pub(super) fn fresh() -> Self {
        Self::with(None, None)
    }

    /// A machine with alice's stored session.
    pub(super) fn with_session() -> Self {
        let session = Session { epoch: SessionEpoch(1), token: Token([1; 32]) };
        Self::with(Some(me()), Some(session))
    }

    /// A machine with alice's account, whose session has ended.
    pub(super) fn signed_out() -> Self {
        Self::with(Some(me()), None)
    }

    fn with(name: Option<Name>, session: Option<Session>) -> Self {
        let origin = Origin([9; 16]);
        let servers = KnownServers::default();
        let bundle = name.map(|_| bundle_of(alice(), "alice").encoded().clone());
        let kept = bundle.clone();
        let saved = Saved { name, bundle, origin, session, pending_sign_up: None, servers };
        let identity = name.map(|_| Arc::new(alice().clone()));
        Self {
            core: Core::new(saved, [3; 32]),
            now: Instant(1),
            steps: Vec::new(),
            to_router: Vec::new(),
            sent: Vec::new(),
            notices: Vec::new(),
            jobs: VecDeque::new(),
            store: FakeStore { identity, bundle: kept, session, ..FakeStore::default() },
            link: None,
            is_disk_slow: false,
            slow: None,
            authors: BTreeMap::new(),
            grants: BTreeMap::new(),
            put_fault: None,
            noted: Vec::new(),
            unreachable: None,
            copies: BTreeMap::new(),
            roster: None,
            claim: None,
            statements: Vec::new(),
            wall: Wall(1000),
            held: VecDeque::new(),
            seq: 0,
            tickets: 0,
            given: 0,
        }
    }

    /// The same machine after its process has ended.
    pub(super) fn restart(&mut self) {
        let is_new = self.store.sign_up.as_ref().is_some_and(|pending| !pending.had_existed);
        let saved = Saved {
            name: self.store.identity.as_ref().map(|_| me()),
            bundle: self.store.bundle.clone().filter(|_| !is_new),
            origin: self.store.origin.unwrap_or(Origin([9; 16])),
            session: self.store.session,
            pending_sign_up: self.store.sign_up.clone(),
            servers: self.store.servers.clone(),
        };
        self.core = Core::new(saved, [4; 32]);
        self.jobs.clear();
        self.link = None;
    }

    pub(super) fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.core.handle(self.now, self.wall, event, &mut effects);
            for effect in effects {
                events.extend(self.perform(effect));
            }
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        self.feed(Event::Command(command));
    }

    pub(super) fn ask(&mut self, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.command(Command::Ask { ticket, request });
        ticket
    }

    /// The answer to `ticket`, if it has come.
    pub(super) fn answer(&self, ticket: Ticket) -> Option<Result<(), Failure>> {
        self.notices.iter().find_map(|notice| match notice {
            Notice::Answered { ticket: answered, result } if *answered == ticket => {
                Some(result.clone())
            }
            _ => None,
        })
    }

    /// Lets `time` pass; the deadline is met on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.core.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.feed(Event::Timeout);
            self.feed(Event::TurnEnded);
            let next = self.core.deadline();
            assert!(next.is_none_or(|at| at > self.now), "a deadline that stays is a busy loop");
        }
        self.now = until;
    }

    /// The slow disk is done with everything so far.
    pub(super) fn release(&mut self) {
        self.is_disk_slow = false;
        self.slow = None;
        while let Some(stored) = self.held.pop_front() {
            self.feed(Event::Stored(stored));
        }
    }

    /// Workers compute everything that waits; a turn ends.
    pub(super) fn work(&mut self) {
        while let Some((key, job)) = self.jobs.pop_front() {
            let result = run(job);
            self.feed(Event::Worked { key, result });
        }
        self.feed(Event::TurnEnded);
    }

    /// The network brings the core to a seat that is ready to hear who it is.
    pub(super) fn connect(&mut self) {
        let router = self.link.expect("a router is being dialed");
        self.feed(Event::Opened { link: router });
        let ready = Ready { version: 1, server: ServerId(0), at: Wall(1) };
        self.router(router, ready);
        let placed = Placed {
            home: ServerId(1),
            seat: ServerId(2),
            address: "127.0.0.1:1".parse().expect("an address"),
            reservation: Reservation([5; 16]),
        };
        self.router(router, placed);
        let seat = self.link.expect("a seat is being dialed");
        assert_ne!(seat, router);
        self.feed(Event::Opened { link: seat });
        self.server(Ready { version: 1, server: ServerId(2), at: Wall(1) });
    }

    /// Resumes the stored session.
    pub(super) fn go_online(&mut self) {
        self.connect();
        assert!(matches!(self.sent.last(), Some(ToServer::Resume(_))), "{:?}", self.sent);
        self.welcome();
        assert!(self.core.is_online());
    }

    pub(super) fn welcome(&mut self) {
        self.server(Welcome {
            name: me(),
            epoch: SessionEpoch(7),
            token: Token([7; 32]),
            bundle: Body::default().bytes().clone().try_into_bundle(),
            sealed_keys: SealedKeys::default(),
            at: Wall(1),
        });
    }

    /// The server says something on the seat's connection.
    pub(super) fn server(&mut self, message: impl Into<ToClient>) {
        let message = message.into();
        let link = self.link.expect("there is a connection");
        self.feed(frame(link, |out| message.append_frame(out)));
    }

    /// A router says something.
    pub(super) fn router(&mut self, link: LinkId, message: impl Into<FromRouter>) {
        let message = message.into();
        self.feed(frame(link, |out| message.append_frame(out)));
    }

    /// The network breaks.
    pub(super) fn cut(&mut self) {
        let link = self.link.take().expect("there is a connection");
        let cause = Cause::Lost("cut".to_owned());
        self.feed(Event::Closed { link, cause });
    }

    /// The newest question for keys.
    pub(super) fn fetch(&self) -> FetchBundles {
        let fetches = self.sent.iter().rev().filter_map(|message| match message {
            ToServer::FetchBundles(fetch) => Some(fetch.clone()),
            _ => None,
        });
        fetches.into_iter().next().expect("keys were asked for")
    }

    /// Puts a draft into the store and tells the core.
    pub(super) fn draft(&mut self, to: &str, text: &str) -> OutboxId {
        let id = OutboxId(i64::try_from(self.store.drafts.len()).expect("few") + 1);
        self.draft_to(id, mailbox(to), text)
    }

    /// Puts a draft to a group into the store and tells the core.
    pub(super) fn draft_to_group(&mut self, group: &str, text: &str) -> OutboxId {
        let id = OutboxId(i64::try_from(self.store.drafts.len()).expect("few") + 1);
        self.draft_to(id, LogId::group(name(group)), text)
    }

    fn draft_to(&mut self, id: OutboxId, log: LogId, text: &str) -> OutboxId {
        let content = Content::Text(text.to_owned());
        self.store.drafts.insert(id.0, Draft { id, log, content, created: Wall(1) });
        self.ask(Request::Outbox);
        id
    }

    /// The posts that were sent since `from`.
    pub(super) fn posts(&self, from: usize) -> Vec<(u64, Bytes)> {
        let sent = self.sent.get(from..).unwrap_or_default();
        sent.iter()
            .filter_map(|message| match message {
                ToServer::Post(post) => Some((post.number.value(), post.body.bytes().clone())),
                _ => None,
            })
            .collect()
    }

    /// Of each post that was sent since `from`, whether it said that it may have left before.
    pub(super) fn said_again(&self, from: usize) -> Vec<bool> {
        let posts = self.sent.get(from..).unwrap_or_default().iter();
        let again = posts.filter_map(|message| match message {
            ToServer::Post(post) => Some(post.again),
            _ => None,
        });
        again.collect()
    }

    pub(super) fn numbers(&self, from: usize) -> Vec<u64> {
        self.posts(from).into_iter().map(|(number, _)| number).collect()
    }

    pub(super) fn accept(&mut self, upto: u64) {
        self.server(Accepted {
            handle: LogHandle(1),
            upto: number(upto),
            seq: Seq(100 + upto),
            class: Class::Stored,
        });
    }

    /// Attaches the mailbox; returns the ticket that is answered when everything was received.
    pub(super) fn attach(&mut self, reading: crate::core::Reading) -> Ticket {
        let from = self.sent.len();
        let ticket = self.ask(Request::Attach(reading));
        if self.link.is_some() && !self.core.is_online() {
            self.go_online();
        }
        self.answer_questions(from, 0);
        assert!(matches!(self.sent.last(), Some(ToServer::Attach(_))), "{:?}", self.sent);
        ticket
    }

    pub(super) fn deliver(&mut self, entry: &Entry) {
        self.server(Deliver { handle: LogHandle(0), entry: entry.clone() });
    }

    pub(super) fn caught_up(&mut self) {
        self.server(CaughtUp { handle: LogHandle(0), upto: Seq(self.seq), expired: 0 });
        self.feed(Event::TurnEnded);
    }

    /// What the reader has said to have seen, in order.
    pub(super) fn seen(&self) -> Vec<u64> {
        let seen = self.sent.iter().filter_map(|message| match message {
            ToServer::Seen(seen) => Some(seen.upto.0),
            _ => None,
        });
        seen.collect()
    }

    /// The texts that were stored, in order; reasons for those that did not open.
    pub(super) fn texts(&self) -> Vec<String> {
        self.store.received.iter().map(|received| text_of(&received.content)).collect()
    }

    /// The position of a step, which must have happened.
    pub(super) fn at(&self, step: &Step) -> usize {
        let found = self.steps.iter().position(|found| found == step);
        found.unwrap_or_else(|| panic!("{step:?} in {:?}", self.steps))
    }

    pub(super) fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::DialRouter { link, router } => {
                self.link = Some(link);
                self.steps.push(Step::DialedRouter(router));
            }
            Effect::DialSeat { link, server, .. } => {
                self.link = Some(link);
                self.steps.push(Step::DialedSeat(server));
            }
            Effect::Send { link, message } => self.send(link, &message),
            Effect::Close { link } => {
                if self.link == Some(link) {
                    self.link = None;
                }
                self.steps.push(Step::Closed);
            }
            Effect::Store(op) => {
                let stored = self.store(op);
                let is_slow = self.is_disk_slow || self.slow == Some(self.last_stored());
                if !is_slow {
                    return stored.map(Event::Stored);
                }
                self.held.extend(stored);
            }
            Effect::Work { key, job } => self.jobs.push_back((key, job)),
            Effect::Notify(notice) => self.notices.push(notice),
        }
        None
    }

    /// Messages go through their bytes, as on a socket.
    fn send(&mut self, link: LinkId, message: &Outgoing) {
        assert_eq!(self.link, Some(link), "nothing is sent to a connection that is gone");
        let mut bytes = BytesMut::new();
        message.append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("a frame").expect("whole");
        self.steps.push(Step::Sent(frame.kind));
        match message {
            Outgoing::Router(_) => self.to_router.push(ToRouter::decode(&frame).expect("decodes")),
            Outgoing::Seat(_) => self.sent.push(ToServer::decode(&frame).expect("decodes")),
        }
    }

    fn last_stored(&self) -> &'static str {
        match self.steps.last() {
            Some(Step::Stored(name)) => name,
            _ => "",
        }
    }

    fn store(&mut self, op: StoreOp) -> Option<Stored> {
        let (name, stored) = self.store.perform(op);
        self.steps.push(Step::Stored(name));
        stored
    }
}

/// Runs a job; keys are not made but taken from the tests.
pub(super) fn run(job: Job) -> JobResult {
    match job {
        Job::GenerateKeys { name, .. } => {
            let bundle = bundle_of(alice(), name.as_str());
            JobResult::Keys(Ok((Arc::new(alice().clone()), bundle.encoded().clone())))
        }
        job => job.run(&toy()),
    }
}

pub(super) fn text_of(content: &crate::store::ReceivedContent) -> String {
    match content {
        crate::store::ReceivedContent::Text { text, .. } => text.clone(),
        crate::store::ReceivedContent::Undecryptable { reason } => reason.clone(),
        other => format!("{other:?}"),
    }
}

/// Bytes as a bundle field.
pub(super) trait IntoBundle {
    fn try_into_bundle(self) -> wire::message::Bundle;
}

impl IntoBundle for Bytes {
    fn try_into_bundle(self) -> wire::message::Bundle {
        wire::message::Bundle::new(self).expect("short")
    }
}

fn frame(link: LinkId, append: impl Fn(&mut BytesMut)) -> Event {
    let mut bytes = BytesMut::new();
    append(&mut bytes);
    let frame = Frame::split(&mut bytes, u32::MAX).expect("a frame").expect("whole");
    Event::Frame { link, frame }
}
