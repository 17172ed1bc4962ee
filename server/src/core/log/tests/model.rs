//! Random traffic with lost links, full bounds and crashes against what must hold (DESIGN §5):
//! what was accepted is shown exactly once and in its sender's order, what was rejected is not,
//! and every post is answered once, in the order of numbers. Accepted as stored is only what was
//! synced, and as seen what its reader holds durably.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::RngSeed;
use wire::message::{Class, PeerDeliver};

use super::*;

/// One step of the world.
#[derive(Clone, Debug)]
enum Step {
    /// A sender writes a new post and sends it.
    Post { sender: usize, len: usize },
    /// A sender's session ends; the next one sits on this seat and sends again what is unanswered.
    Reconnect { sender: usize, seat: u16 },
    /// The link to a seat is lost.
    LoseLink { seat: u16 },
    /// The reader's session ends; the next one sits on this seat.
    Attach { seat: u16 },
    /// The reader asks for a range, if it is behind.
    Read,
    /// The reader says what it holds.
    See,
    /// A batch is composed, if none is in flight.
    Compose,
    /// One completion arrives, if there is one.
    Poll,
    /// Time passes at the disk.
    Tick,
    /// Milliseconds pass.
    Wait { millis: u64 },
    /// The home is told to stop, and goes on for a while.
    Stop,
    /// The home dies and comes back.
    Crash { kept: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..2usize, 0..30usize).prop_map(|(sender, len)| Step::Post { sender, len }),
        2 => (0..2usize, 2..4u16).prop_map(|(sender, seat)| Step::Reconnect { sender, seat }),
        1 => (2..4u16).prop_map(|seat| Step::LoseLink { seat }),
        1 => (2..4u16).prop_map(|seat| Step::Attach { seat }),
        6 => Just(Step::Read),
        4 => Just(Step::See),
        8 => Just(Step::Compose),
        12 => Just(Step::Poll),
        6 => Just(Step::Tick),
        3 => (1..7u64).prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Stop),
        1 => any::<bool>().prop_map(|kept| Step::Crash { kept }),
    ]
}

/// A client that posts to alice: its outbox, and what it was told.
struct Sender {
    name: Name,
    seat: Option<ServerId>,
    epoch: u64,
    outbox: Vec<PeerPost>,
    /// By number; in the order of numbers.
    told: Vec<bool>,
    /// Something was refused for now: send again from here.
    goes_back: bool,
}

impl Sender {
    fn settled(&self) -> u64 {
        u64::try_from(self.told.len()).expect("few")
    }

    /// What is unanswered, stamped by the session of now.
    fn unanswered(&self) -> Vec<PeerPost> {
        let stamp = |post: &PeerPost| PeerPost {
            epoch: SessionEpoch(self.epoch),
            settled: number(self.settled()),
            again: true,
            ..post.clone()
        };
        self.outbox[self.told.len()..].iter().take(64).map(stamp).collect()
    }

    fn answer(&mut self, answered: Answered) {
        match answered {
            Answered::Accepted(upto) => {
                while self.settled() < upto {
                    self.told.push(true);
                }
            }
            Answered::Rejected(number, code) => {
                assert!(matches!(code, FaultCode::SENDER_FULL | FaultCode::MAILBOX_FULL));
                if number <= self.settled() {
                    let index = usize::try_from(number - 1).expect("few");
                    assert!(!self.told[index], "{number} was accepted before");
                } else {
                    assert_eq!(number, self.settled() + 1, "answers come in order");
                    self.told.push(false);
                }
            }
            Answered::Expected(..) | Answered::Busy(_) => self.goes_back = true,
            Answered::Conflict(number) => panic!("an honest sender conflicts at {number}"),
        }
    }
}

/// Alice's client and her seat's part in it.
#[derive(Default)]
struct Reader {
    seat: Option<ServerId>,
    epoch: u64,
    is_live: bool,
    is_reading: bool,
    cursor: Seq,
    /// What is in its store: what it has said that it holds.
    seen: Seq,
    /// By sender: the numbers shown, in order.
    shown: BTreeMap<Name, Vec<u64>>,
}

impl Reader {
    fn take(&mut self, entry: &Entry) {
        assert!(self.cursor < entry.seq, "seqs rise at the reader");
        self.cursor = entry.seq;
        let shown = self.shown.entry(entry.sender).or_default();
        if !shown.contains(&entry.number.value()) {
            assert!(shown.last().is_none_or(|last| *last < entry.number.value()), "in order");
            shown.push(entry.number.value());
        }
    }

    fn take_range(&mut self, range: &PeerRange) {
        if range.epoch != SessionEpoch(self.epoch) {
            return;
        }
        self.is_reading = false;
        range.entries.items().iter().for_each(|entry| self.take(entry));
        assert!(range.failed || range.upto >= self.cursor);
        self.is_live = range.caught_up;
    }
}

struct World {
    rig: Rig,
    senders: Vec<Sender>,
    reader: Reader,
}

impl World {
    fn new() -> Self {
        let senders = ["bob", "carol"].map(|sender| Sender {
            name: name(sender),
            seat: None,
            epoch: 0,
            outbox: Vec::new(),
            told: Vec::new(),
            goes_back: false,
        });
        let rig = Rig::new(LogLimits::tiny());
        let mut world = Self { rig, senders: senders.into(), reader: Reader::default() };
        world.slow_down();
        world
    }

    fn slow_down(&mut self) {
        let model = DiskModel { commit_steps: 2, read_steps: 1, ..DiskModel::default() };
        self.rig.store.set_model(model);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Post { sender, len } => self.write(sender, len),
            Step::Reconnect { sender, seat } => self.reconnect(sender, ServerId(seat)),
            Step::LoseLink { seat } => self.lose_link(ServerId(seat)),
            Step::Attach { seat } => self.attach(ServerId(seat)),
            Step::Read => self.read(),
            Step::See => self.see(),
            Step::Compose => drop(self.rig.compose()),
            Step::Poll => drop(self.rig.poll()),
            Step::Tick => self.rig.store.step(),
            Step::Wait { millis } => self.wait(millis),
            Step::Stop => self.rig.logs.on_stop(),
            Step::Crash { kept } => self.crash(kept),
        }
        self.exchange();
    }

    fn wait(&mut self, millis: u64) {
        self.rig.now = self.rig.now + Duration::from_millis(millis);
        self.rig.logs.on_holds_due(self.rig.now);
        let held = self.rig.logs.holds_until();
        assert!(held.is_none_or(|until| until > self.rig.now), "nothing is held for longer");
    }

    fn write(&mut self, index: usize, len: usize) {
        let sender = &mut self.senders[index];
        let value = u64::try_from(sender.outbox.len() + 1).expect("few");
        let text = format!("{value}{}", "x".repeat(len));
        sender.outbox.push(PeerPost { sender: sender.name, ..post(value, 0, &text) });
        let window = sender.unanswered();
        match (sender.seat, window.last()) {
            (Some(seat), Some(last)) if last.number.value() == value => {
                let post = PeerPost { again: false, ..last.clone() };
                self.rig.post(seat, post);
            }
            _ => {}
        }
    }

    fn reconnect(&mut self, index: usize, seat: ServerId) {
        let sender = &mut self.senders[index];
        sender.seat = Some(seat);
        sender.epoch += 1;
        self.send_again(index);
    }

    fn send_again(&mut self, index: usize) {
        let sender = &mut self.senders[index];
        sender.goes_back = false;
        let Some(seat) = sender.seat else { return };
        for post in sender.unanswered() {
            self.rig.post(seat, post);
        }
    }

    fn lose_link(&mut self, seat: ServerId) {
        self.exchange();
        self.rig.logs.on_link_lost(seat);
        for sender in &mut self.senders {
            sender.seat = sender.seat.filter(|other| *other != seat);
        }
        self.reader.seat = self.reader.seat.filter(|other| *other != seat);
    }

    fn attach(&mut self, seat: ServerId) {
        self.exchange();
        self.reader.seat = Some(seat);
        self.reader.epoch += 1;
        self.reader.seen = self.reader.cursor;
        let epoch = SessionEpoch(self.reader.epoch);
        self.rig.logs.end_reader(&name("alice"), epoch);
        (self.reader.is_live, self.reader.is_reading) = (false, false);
        self.rig.attach(seat, "alice", self.reader.epoch, self.reader.cursor);
    }

    fn read(&mut self) {
        let Reader { seat: Some(seat), is_live: false, is_reading: false, .. } = self.reader else {
            return;
        };
        self.reader.is_reading = true;
        self.rig.read(seat, "alice", self.reader.epoch, self.reader.cursor);
    }

    fn see(&mut self) {
        if let Some(seat) = self.reader.seat
            && self.reader.seen < self.reader.cursor
        {
            self.reader.seen = self.reader.cursor;
            self.rig.seen(seat, self.reader.epoch, self.reader.cursor);
        }
    }

    fn crash(&mut self, kept: bool) {
        self.exchange();
        let rig = std::mem::replace(&mut self.rig, Rig::new(LogLimits::tiny()));
        self.rig = rig.crash(if kept { InFlight::Kept } else { InFlight::Lost });
        self.senders.iter_mut().for_each(|sender| sender.seat = None);
        self.reader.seat = None;
        self.slow_down();
    }

    /// Everything sent arrives where it still has a receiver.
    fn exchange(&mut self) {
        for (to, message) in self.rig.take() {
            match message {
                ToPeer::PeerDeliver(PeerDeliver { entry, .. }) => {
                    if self.reader.seat == Some(to) && self.reader.is_live {
                        self.reader.take(&entry);
                    }
                }
                ToPeer::PeerRange(range) => {
                    if self.reader.seat == Some(to) {
                        self.reader.take_range(&range);
                    }
                }
                ToPeer::PeerAccepted(PeerAccepted { sender, .. })
                | ToPeer::PeerRefused(PeerRefused { sender, .. }) => {
                    self.answer(to, sender, &message);
                }
                other => panic!("{other:?} is not for these seats"),
            }
        }
        assert_eq!(self.rig.causes(), [], "nobody lies");
    }

    fn answer(&mut self, to: ServerId, name: Name, message: &ToPeer) {
        let answered = Answered::of(message).expect("it is an answer");
        let sender = self.senders.iter_mut().find(|sender| sender.name == name);
        let sender = sender.expect("answers are for senders");
        if let ToPeer::PeerAccepted(accepted) = message {
            let is_safe = match accepted.class {
                Class::Seen => accepted.seq <= self.reader.seen,
                Class::Stored => self.rig.synced.contains(&accepted.seq),
            };
            assert!(is_safe, "{accepted:?} is in the reader's store or on the home's disk");
        }
        if sender.seat == Some(to) {
            sender.answer(answered);
        }
    }

    /// Faults end: everyone connects, and everything comes to rest.
    fn heal(&mut self) {
        self.rig.store.set_model(DiskModel::default());
        self.attach(SEAT);
        for index in 0..self.senders.len() {
            self.reconnect(index, OTHER_SEAT);
        }
        for _ in 0..400 {
            self.rig.store.step();
            self.rig.settle();
            self.exchange();
            self.read();
            self.see();
            for index in 0..self.senders.len() {
                self.send_again(index);
            }
        }
        self.rig.settle();
        self.exchange();
    }

    fn verdict(&self) {
        assert!(self.reader.is_live, "the reader is caught up");
        for sender in &self.senders {
            assert_eq!(sender.told.len(), sender.outbox.len(), "every post is answered");
            let numbers = 1..=sender.settled();
            let accepted = numbers.zip(&sender.told).filter(|(_, accepted)| **accepted);
            let accepted: Vec<u64> = accepted.map(|(number, _)| number).collect();
            let shown = self.reader.shown.get(&sender.name).cloned().unwrap_or_default();
            assert_eq!(shown, accepted, "accepted is shown, once and in order, and nothing else");
        }
        let metrics = self.rig.logs.metrics();
        assert_eq!((metrics.pending_len, metrics.waiting), (0, 0));
        assert!(self.rig.logs.is_written() || !self.rig.logs.has_changes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn accepted_is_shown_once_and_in_order(steps in proptest::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        world.reconnect(0, SEAT);
        world.reconnect(1, OTHER_SEAT);
        world.attach(SEAT);
        steps.iter().for_each(|step| world.step(step));
        world.heal();
        world.verdict();
    }
}
