//! One client of a swarm.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::core::event::OwnKeys;
use client::core::{
    Core, Effect, Event, Job, JobResult, LinkId, Notice, Outgoing, StoreOp, Stored, Ticket,
};
use client::crypto::Identity;
use client::shell::{saved, store::perform};
use client::store::{OutboxId, PostState, ReceivedContent, Store};
use wire::message::Fault;
use wire::{ConnId, FaultCode, Frame, Instant, Kind, LogId, Name, ServerId, ToServer, Wall};

use crate::sim::work::Worker;

/// Messages that are shown at a time.
const PAGE: u32 = 64;

/// Something that was written.
#[derive(Clone, Debug)]
pub struct Sent {
    /// To whom.
    pub to: usize,
    /// When.
    pub at: Instant,
    /// When it was called accepted.
    pub accepted: Option<Instant>,
    text: String,
    id: OutboxId,
}

/// One person with one machine.
pub struct Light {
    /// The account.
    pub name: Name,
    /// The server of its newest connection to a seat.
    pub seat: Option<ServerId>,
    /// When its session was on last after it had not been.
    pub since: Option<Instant>,
    /// Times that a session was on and then not.
    pub breaks: u64,
    /// Times that a home could not be reached, as servers said.
    pub unavailable: u64,
    /// Times that its password was used.
    pub passwords: u64,
    /// What it has written, in order.
    pub sent: Vec<Sent>,
    /// How often it was shown each text, by what it says.
    pub shown: BTreeMap<String, u32>,
    /// What must not happen and did.
    pub wrongs: Vec<String>,
    pub(super) links: BTreeMap<LinkId, ConnId>,
    pub(super) armed: Option<Instant>,
    core: Core,
    store: Store,
    worker: Worker,
    identity: Option<Arc<Identity>>,
    was_online: bool,
    unanswered: Vec<usize>,
    tickets: u64,
}

impl Light {
    pub(super) fn new(index: usize, name: Name) -> Self {
        let mut seed = [0x5e; 32];
        seed[..8].copy_from_slice(&u64::try_from(index).expect("few").to_be_bytes());
        let store = Store::in_memory(seed).expect("a database in memory opens");
        seed[31] = 1;
        Self {
            name,
            seat: None,
            since: None,
            breaks: 0,
            unavailable: 0,
            passwords: 0,
            sent: Vec::new(),
            shown: BTreeMap::new(),
            wrongs: Vec::new(),
            links: BTreeMap::new(),
            armed: None,
            core: Core::new(saved(&store).expect("the store works"), seed),
            store,
            worker: Worker { installation: index, is_real: false },
            identity: None,
            was_online: false,
            unanswered: Vec::new(),
            tickets: 0,
        }
    }

    /// Its session is on.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.core.is_online()
    }

    /// When its session was on again, if it is and was not at `then`.
    #[must_use]
    pub fn resumed(&self, then: Instant) -> Option<Instant> {
        self.since.filter(|since| self.is_online() && *since > then)
    }

    /// Everything it wrote was accepted.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// What it wrote to this person, as it is read there.
    pub fn texts_to(&self, to: usize) -> impl Iterator<Item = &str> {
        self.sent.iter().filter(move |sent| sent.to == to).map(|sent| sent.text.as_str())
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    pub(super) fn draft(&mut self, log: LogId, to: usize, (at, wall): (Instant, Wall)) {
        let text = format!("{} by {} to {log}", self.sent.len() + 1, self.name);
        let id = self.store.add_draft(&log, &text, wall).expect("the store works");
        self.unanswered.push(self.sent.len());
        self.sent.push(Sent { to, at, accepted: None, text, id });
    }

    /// A frame came, from a router or a seat.
    pub(super) fn hear(&mut self, frame: &Frame) {
        let is_fault = || frame.decode::<Fault>().is_ok_and(|f| f.code == FaultCode::UNAVAILABLE);
        if frame.kind == Kind::UNAVAILABLE || (frame.kind == Kind::FAULT && is_fault()) {
            self.unavailable += 1;
        }
    }

    /// Gives the core one event; what it wants.
    pub(super) fn handle(&mut self, now: Instant, wall: Wall, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.core.handle(now, wall, event, &mut effects);
        self.breaks += u64::from(self.was_online && !self.is_online());
        if self.is_online() && !self.was_online {
            self.since = Some(now);
        }
        self.was_online = self.is_online();
        effects
    }

    pub(super) fn note_sent(&mut self, message: &Outgoing) {
        if let Outgoing::Seat(ToServer::SignUpStart(_) | ToServer::SignInStart(_)) = message {
            self.passwords += 1;
        }
    }

    pub(super) fn work(&self, job: Job) -> JobResult {
        self.worker.run(job)
    }

    pub(super) fn store_op(&mut self, op: StoreOp) -> Option<Stored> {
        match &op {
            // Reading RSA keys back costs more than everything else.
            StoreOp::LoadIdentity => {
                let account = self.store.account().expect("the store works");
                let keys = self.identity.clone().zip(account);
                let keys =
                    keys.map(|(identity, account)| OwnKeys { identity, bundle: account.bundle });
                return Some(Stored::Identity(keys));
            }
            StoreOp::SaveSignUp { identity, .. } => self.identity = Some(Arc::clone(identity)),
            _ => {}
        }
        perform(&mut self.store, op).expect("the store works")
    }

    pub(super) fn on_notice(&mut self, notice: &Notice, now: Instant) {
        match notice {
            Notice::Received(_) => self.show(),
            Notice::OutboxChanged => self.look(now),
            Notice::SignInFailed(failure) | Notice::SessionOver(failure) => {
                self.wrongs.push(format!("{}: {failure}", self.name));
            }
            Notice::Conflict => self.wrongs.push(format!("{}: a conflict", self.name)),
            _ => {}
        }
    }

    fn show(&mut self) {
        loop {
            let messages = self.store.unshown(PAGE).expect("the store works");
            if messages.is_empty() {
                return;
            }
            let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
            self.store.mark_shown(&ids).expect("the store works");
            for message in messages {
                match message.content {
                    ReceivedContent::Text { text, .. } => {
                        *self.shown.entry(text).or_default() += 1;
                    }
                    other => self.wrongs.push(format!("{} is shown {other:?}", self.name)),
                }
            }
        }
    }

    /// Which posts were answered.
    fn look(&mut self, now: Instant) {
        for at in std::mem::take(&mut self.unanswered) {
            let post = self.store.post(self.sent[at].id).expect("the store works");
            match post.map(|post| post.state) {
                Some(PostState::Draft | PostState::Sealed) => self.unanswered.push(at),
                Some(PostState::Accepted { .. }) => self.sent[at].accepted = Some(now),
                other => self.wrongs.push(format!("{}: {other:?}", self.sent[at].text)),
            }
        }
    }
}
