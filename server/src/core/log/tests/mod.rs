//! The logs over the engine in memory: a rig that plays the core.

mod club;
mod departed;
mod epochs;
mod expiry;
mod grants;
mod group_model;
mod groups;
mod hold;
mod joining;
mod key_logs;
mod loading;
mod message_sessions;
mod model;
mod posts;
mod readers;
mod receipts;
mod strangers;

use std::collections::BTreeSet;

use bytes::Bytes;
use storage::{AccountRecord, Batch, Change, Completion, DiskModel, InFlight, MemStorage};
use storage::{Op, Storage, Ticket};
use wire::message::{
    AskOpenLog, Body, Entry, PeerAccepted, PeerAttach, PeerDetach, PeerPost, PeerRange, PeerRead,
    PeerRefused, PeerSeen, Refusal,
};
use wire::{
    ExchangeId, FaultCode, Instant, LogHandle, LogId, MessageSession, Name, Number, Origin, Seq,
    ServerId, SessionEpoch, ToPeer, Wall,
};

use super::{Alarm, AlarmCause, LogLimits, LogOut, LogRead, Logs};

const HOME: ServerId = ServerId(1);
const SEAT: ServerId = ServerId(2);
const OTHER_SEAT: ServerId = ServerId(3);
const ORIGIN: Origin = Origin([7; 16]);

fn name(text: &str) -> Name {
    Name::parse(text).expect("tests use good names")
}

fn alice() -> LogId {
    LogId::mailbox(name("alice"))
}

fn number(value: u64) -> Number {
    Number::new(value).expect("tests use good numbers")
}

fn body(text: &str) -> Body {
    Body::new(Bytes::copy_from_slice(text.as_bytes())).expect("tests use short bodies")
}

/// A post of bob's, with epoch 1.
fn post(value: u64, settled: u64, text: &str) -> PeerPost {
    PeerPost {
        log: alice(),
        sender: name("bob"),
        origin: ORIGIN,
        epoch: SessionEpoch(1),
        number: number(value),
        settled: number(settled),
        message_session: MessageSession(0),
        again: false,
        body: body(text),
    }
}

/// The logs, their store, and everything they said.
struct Rig {
    logs: Logs,
    store: MemStorage,
    limits: LogLimits,
    now: Instant,
    out: LogOut,
    tickets: u64,
    reads: Vec<(Ticket, LogRead)>,
    /// What was composed last.
    batch: Batch,
    /// The batch in flight is the logs'.
    is_committing: bool,
    /// Entries whose batch was synced, or was in flight at a crash.
    synced: BTreeSet<Seq>,
    sent: Vec<(ServerId, ToPeer)>,
    alarms: Vec<Alarm>,
}

impl Rig {
    /// A home on an instant disk with the accounts alice, bob and carol.
    fn new(limits: LogLimits) -> Self {
        let (store, opened) = MemStorage::new(DiskModel::default());
        let mut rig = Self::over(store, opened.store_epoch, limits);
        ["alice", "bob", "carol"].into_iter().for_each(|account| rig.create(account));
        rig
    }

    fn standard() -> Self {
        Self::new(LogLimits::standard())
    }

    fn over(store: MemStorage, store_epoch: u32, limits: LogLimits) -> Self {
        Self {
            logs: Logs::new(HOME, store_epoch, [9; 16], limits),
            store,
            limits,
            now: Instant(0),
            out: LogOut::default(),
            tickets: 0,
            reads: Vec::new(),
            batch: Batch::default(),
            is_committing: false,
            synced: BTreeSet::new(),
            sent: Vec::new(),
            alarms: Vec::new(),
        }
    }

    /// The process dies and comes back over what its disk kept.
    fn crash(mut self, in_flight: InFlight) -> Self {
        if self.is_committing {
            // It may have been; if not, its seqs are lost with its rows, and are never given again.
            self.note_synced();
        }
        let disk = self.store.crash(in_flight);
        let (store, opened) = MemStorage::open(disk, DiskModel::default()).expect("it opens");
        let synced = std::mem::take(&mut self.synced);
        let (now, over) = (self.now, Self::over(store, opened.store_epoch, self.limits));
        Self { now, synced, ..over }
    }

    fn note_synced(&mut self) {
        self.synced.extend(self.batch.changes.iter().filter_map(|change| match change {
            Change::Append { entry, .. } => Some(entry.seq),
            _ => None,
        }));
    }

    fn create(&mut self, account: &str) {
        let created = AccountRecord {
            record: Bytes::new(),
            sign_up_hash: [0; 32],
            sealed_keys: Bytes::new(),
            created: Wall(0),
        };
        let change = Change::CreateAccount { name: name(account), account: created };
        let ticket = self.ticket();
        self.store.submit(Op::Commit { ticket, batch: Batch::of(vec![change]) });
        assert_eq!(self.store.poll(), Some(Completion::Committed { ticket, writes: Vec::new() }));
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Performs what the logs asked for; completions are left to come.
    fn drain(&mut self) {
        for (read, question) in std::mem::take(&mut self.out.reads) {
            let ticket = self.ticket();
            self.reads.push((ticket, read));
            self.store.submit(Op::Read { ticket, read: question });
        }
        self.sent.append(&mut self.out.messages);
        self.alarms.append(&mut self.out.alarms);
        assert!(self.logs.is_coherent());
    }

    /// Hands over one completion; whether there was one.
    fn poll(&mut self) -> bool {
        match self.store.poll() {
            None => return false,
            Some(Completion::Committed { .. }) => {
                assert!(std::mem::take(&mut self.is_committing));
                self.note_synced();
                self.logs.on_committed(&mut self.out);
            }
            Some(Completion::Answered { ticket, answer }) => {
                let place = self.reads.iter().position(|(asked, _)| *asked == ticket);
                let (_, read) = self.reads.remove(place.expect("each read is answered once"));
                self.logs.on_answer(read, answer, &mut self.out);
            }
            Some(Completion::Poisoned { cause }) => panic!("the store failed: {cause}"),
        }
        self.drain();
        true
    }

    /// Begins a commit when there is something to write and none is in flight.
    fn compose(&mut self) -> bool {
        if self.is_committing || !self.logs.has_changes() {
            return false;
        }
        let mut batch = Batch::default();
        self.logs.compose(&mut batch);
        assert!(!batch.changes.is_empty(), "has_changes promised some");
        let ticket = self.ticket();
        self.batch = batch.clone();
        self.store.submit(Op::Commit { ticket, batch });
        self.is_committing = true;
        self.drain();
        true
    }

    /// Answers reads until none is in flight; writes nothing.
    fn load(&mut self) {
        assert!(!self.is_committing, "a commit would complete too");
        while self.poll() {}
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        loop {
            while self.poll() {}
            if !self.compose() && !self.wait_for_readers() {
                return;
            }
        }
    }

    /// Lets the time of what is held pass; whether something was.
    fn wait_for_readers(&mut self) -> bool {
        let Some(until) = self.logs.holds_until() else {
            return false;
        };
        self.now = self.now.max(until);
        self.logs.on_holds_due(self.now);
        true
    }

    fn post(&mut self, from: ServerId, post: PeerPost) {
        self.logs.on_post((self.now, Wall(5)), from, post, &mut self.out);
        self.drain();
    }

    fn open(&mut self, log: LogId, account: &str) {
        let ask = AskOpenLog {
            handle: LogHandle(4),
            log,
            account: name(account),
            origin: ORIGIN,
            epoch: SessionEpoch(1),
        };
        self.logs.on_open(SEAT, ExchangeId(11), &ask, &mut self.out);
        self.drain();
    }

    fn attach(&mut self, from: ServerId, account: &str, epoch: u64, cursor: Seq) {
        let (account, epoch) = (name(account), SessionEpoch(epoch));
        let attach = PeerAttach { log: alice(), account, epoch, cursor };
        self.logs.on_attach(from, attach, &mut self.out);
        self.drain();
    }

    fn detach(&mut self, from: ServerId, epoch: u64) {
        let (account, epoch) = (name("alice"), SessionEpoch(epoch));
        self.logs.on_detach(from, PeerDetach { log: alice(), account, epoch }, &mut self.out);
        self.drain();
    }

    fn seen(&mut self, from: ServerId, epoch: u64, upto: Seq) {
        let (account, epoch) = (name("alice"), SessionEpoch(epoch));
        let seen = PeerSeen { log: alice(), account, epoch, upto };
        self.logs.on_seen(self.now, from, seen, &mut self.out);
        self.drain();
    }

    fn read(&mut self, from: ServerId, account: &str, epoch: u64, after: Seq) {
        let read = PeerRead {
            log: alice(),
            account: name(account),
            epoch: SessionEpoch(epoch),
            after,
            entries_max: 100,
        };
        self.logs.on_read(from, read, &mut self.out);
        self.drain();
    }

    /// What was sent since the last call, in order.
    fn take(&mut self) -> Vec<(ServerId, ToPeer)> {
        std::mem::take(&mut self.sent)
    }

    /// What was answered to posters since the last call, shortened; other messages are dropped.
    fn answers(&mut self) -> Vec<Answered> {
        self.take().into_iter().filter_map(|(_, message)| Answered::of(&message)).collect()
    }

    /// Entries pushed since the last call; other messages are dropped.
    fn pushed(&mut self) -> Vec<(ServerId, Entry)> {
        let sent = self.take().into_iter();
        sent.filter_map(|(to, message)| match message {
            ToPeer::PeerDeliver(deliver) => Some((to, deliver.entry)),
            _ => None,
        })
        .collect()
    }

    /// The one range sent since the last call.
    fn range(&mut self) -> PeerRange {
        let mut ranges = self.take().into_iter().filter_map(|(_, message)| match message {
            ToPeer::PeerRange(range) => Some(range),
            _ => None,
        });
        let range = ranges.next().expect("a range was sent");
        assert!(ranges.next().is_none(), "one range is sent");
        range
    }

    fn causes(&self) -> Vec<AlarmCause> {
        self.alarms.iter().map(|alarm| alarm.cause).collect()
    }
}

/// An answer to a post, short enough to compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answered {
    Accepted(u64),
    Rejected(u64, FaultCode),
    Expected(u64, u64),
    Conflict(u64),
    Busy(u64),
}

impl Answered {
    fn of(message: &ToPeer) -> Option<Self> {
        match message {
            ToPeer::PeerAccepted(PeerAccepted { upto, .. }) => Some(Self::Accepted(upto.value())),
            ToPeer::PeerRefused(PeerRefused { number, refusal, .. }) => {
                let number = number.value();
                Some(match *refusal {
                    Refusal::Rejected(code) => Self::Rejected(number, code),
                    Refusal::Expected(next) => Self::Expected(number, next.value()),
                    Refusal::Conflict => Self::Conflict(number),
                    Refusal::Busy => Self::Busy(number),
                })
            }
            _ => None,
        }
    }
}

fn texts(range: &PeerRange) -> Vec<String> {
    range.entries.items().iter().map(text).collect()
}

fn text(entry: &Entry) -> String {
    String::from_utf8(entry.body.bytes().to_vec()).expect("tests post text")
}
