//! Whole runs in virtual time against a small model of a cluster, which can be told to misbehave.

use std::collections::BTreeMap;

use bytes::BytesMut;
use wire::message::{
    Accepted, CaughtUp, Class, Deliver, Entry, Fault, LogOpened, Placed, Post, Refusal, Refused,
    SignUpChallenge, Unavailable, Up, Welcome,
};
use wire::{
    FaultCode, LogHandle, Message, Name, Number, Opaque, Origin, Reservation, Seq, ServerId,
    SessionEpoch, ToRouter, ToServer, Token, Wall,
};

use super::*;
use crate::fake_home::FakeHome;
use crate::layout::Pattern;
use crate::plan::{Keeping, Pace, Target as Where};

/// The handle of the partner's mailbox.
const PARTNER: LogHandle = LogHandle(1);

/// What the cluster does with the post of this count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trick {
    Honest,
    /// Accepts, delivers nothing.
    Lose,
    /// Delivers twice.
    Double,
    /// Delivers other bytes.
    Damage,
    /// Answers nothing, delivers nothing.
    Ignore,
    /// Refuses it for good.
    Reject,
    /// Has no room once.
    Busy,
    /// Cannot be reached for a moment.
    Down,
}

struct World {
    load: Load,
    home: FakeHome,
    now: Instant,
    inbox: VecDeque<Event>,
    users: BTreeMap<usize, Name>,
    /// The last number appended of each writer.
    last: BTreeMap<usize, u64>,
    seq: u64,
    posts: u64,
    trick: (u64, Trick),
    /// The cluster answers the first so many questions for a seat with `unavailable`.
    not_ready: u32,
    begins: u32,
    ends: u32,
    stored: u32,
    strikes: Vec<Strike>,
    /// Who has no connection; what is delivered to them waits.
    away: BTreeSet<usize>,
    waiting: BTreeMap<usize, Vec<Deliver>>,
    /// Who reads nothing now, and what waits for them.
    hushed: Range<usize>,
    withheld: VecDeque<Event>,
    at_once: usize,
    under_way: usize,
}

fn plan(pace: Pace) -> Plan {
    Plan {
        scenario: "direct",
        target: Where::Own { servers: 1, plaintext: false, store_all: false },
        pattern: Pattern::Pairs { pairs: 3 },
        course: Course::Steady,
        pace,
        keeping: Keeping::Journal,
        is_sealed: false,
        body_len: 32,
        silent: 0,
        images: 0,
        duration: Duration::from_secs(1),
        seed: 1,
        json: false,
        report: None,
    }
}

fn open_loop() -> Plan {
    plan(Pace::Open { rate: 300 })
}

fn run(plan: &Plan, trick: Trick) -> Record {
    let mut world = World::new(plan);
    world.trick = (50, trick);
    world.run().expect("the run ends")
}

impl World {
    fn new(plan: &Plan) -> Self {
        Self {
            load: Load::new(plan, [1; 32]),
            home: FakeHome::new(),
            now: Instant(0),
            inbox: VecDeque::new(),
            users: BTreeMap::new(),
            last: BTreeMap::new(),
            seq: 0,
            posts: 0,
            trick: (0, Trick::Honest),
            not_ready: 0,
            begins: 0,
            ends: 0,
            stored: 0,
            strikes: Vec::new(),
            away: BTreeSet::new(),
            waiting: BTreeMap::new(),
            hushed: 0..0,
            withheld: VecDeque::new(),
            at_once: 0,
            under_way: 0,
        }
    }

    fn run(mut self) -> Result<Record, LoadError> {
        while !self.load.is_done() {
            self.turn()?;
        }
        assert_eq!((self.begins, self.ends), (1, 1));
        assert!(self.at_once <= AT_ONCE, "{} sign-ups at once", self.at_once);
        Ok(self.load.finish())
    }

    /// One turn; the clock jumps to the next deadline when nothing waits.
    fn turn(&mut self) -> Result<(), LoadError> {
        let mut out = Vec::new();
        match self.load.deadline() {
            Some(at) if self.inbox.is_empty() => self.now = self.now.max(at),
            _ => self.now = self.now + Duration::from_micros(100),
        }
        for event in std::mem::take(&mut self.inbox) {
            self.load.handle(self.now, event, &mut out)?;
        }
        self.load.handle(self.now, Event::TurnEnd, &mut out)?;
        for effect in out {
            match effect {
                Effect::Act { user, action } => self.act(user, action),
                Effect::SignedUp(_) => self.under_way -= 1,
                Effect::Begin => self.begins += 1,
                Effect::End => self.ends += 1,
                Effect::Keep(_) => self.inbox.push_back(Event::Kept),
                Effect::Work(_) => panic!("nothing is sealed"),
                Effect::Stored => self.stored += 1,
                Effect::Strike(strike) => self.strikes.push(strike),
                Effect::Hush(users) => self.hushed = users,
                Effect::Hear(users) => {
                    assert_eq!(users, std::mem::take(&mut self.hushed));
                    self.inbox.append(&mut self.withheld);
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, user: usize, action: Action) {
        match action {
            Action::Ask(ToRouter::Place(place)) => self.place(user, place.name),
            Action::Say(message) => self.hear(user, message),
            Action::HangUp => {
                self.away.insert(user);
            }
            Action::Ask(_) | Action::DialRouter | Action::DialSeat { .. } => {}
        }
    }

    fn place(&mut self, user: usize, name: Name) {
        if self.not_ready > 0 {
            self.not_ready -= 1;
            return self.tell(user, &Fault::new(FaultCode::UNAVAILABLE));
        }
        self.users.insert(user, name);
        self.under_way += 1;
        self.at_once = self.at_once.max(self.under_way);
        let placed = Placed {
            home: ServerId(1),
            seat: ServerId(1),
            address: "127.0.0.1:1".parse().expect("an address"),
            reservation: Reservation([0; 16]),
        };
        self.tell(user, &placed);
    }

    fn hear(&mut self, user: usize, message: ToServer) {
        let base = Number::NONE;
        match message {
            ToServer::SignUpStart(start) => {
                let response = self.home.challenge(start.name, &start.request);
                self.tell(user, &SignUpChallenge { response });
            }
            ToServer::SignUpFinish(_) | ToServer::Resume(_) => self.welcome(user),
            ToServer::OpenLog(open) => {
                let handle = open.handle;
                self.tell(user, &LogOpened { handle, base });
            }
            ToServer::Attach(attach) => {
                let (handle, upto) = (attach.handle, attach.cursor);
                self.away.remove(&user);
                for deliver in self.waiting.remove(&user).unwrap_or_default() {
                    assert!(deliver.entry.seq > upto);
                    self.tell(user, &deliver);
                }
                self.tell(user, &CaughtUp { handle, upto, expired: 0 });
            }
            ToServer::Post(post) => self.post(user, post),
            ToServer::Seen(seen) => assert!(seen.upto.0 <= self.seq && seen.handle == MAILBOX),
            _ => {}
        }
    }

    fn welcome(&mut self, user: usize) {
        let welcome = Welcome {
            name: self.users[&user],
            epoch: SessionEpoch(1),
            token: Token([0; 32]),
            bundle: Opaque::default(),
            sealed_keys: Opaque::default(),
            at: Wall(0),
        };
        self.tell(user, &welcome);
    }

    /// DESIGN §5.1 for one origin, honest unless this is the post with the trick.
    fn post(&mut self, user: usize, post: Post) {
        let last = self.last.get(&user).copied().unwrap_or(0);
        let number = post.number.value();
        assert!(post.settled < post.number && number <= post.settled.value() + 64);
        if number > last + 1 {
            let next = Number::new(last + 1).expect("in range");
            return self.refuse(user, post.number, Refusal::Expected(next));
        }
        if number <= last {
            return self.accept(user, post.number);
        }
        self.posts += 1;
        let trick = match self.trick {
            (count, trick) if count == self.posts => trick,
            _ => Trick::Honest,
        };
        self.take(user, post, trick);
    }

    fn take(&mut self, user: usize, post: Post, trick: Trick) {
        let number = post.number;
        match trick {
            Trick::Busy => return self.refuse(user, number, Refusal::Busy),
            Trick::Down => {
                self.tell(user, &Unavailable { handle: PARTNER });
                return self.tell(user, &Up { handle: PARTNER });
            }
            _ => {}
        }
        self.last.insert(user, number.value());
        self.seq += 1;
        match trick {
            Trick::Ignore => return,
            Trick::Reject => {
                let full = Refusal::Rejected(FaultCode::MAILBOX_FULL);
                return self.refuse(user, number, full);
            }
            Trick::Lose => {}
            Trick::Double => {
                self.deliver(user, post.clone(), false);
                self.deliver(user, post, false);
            }
            Trick::Damage => self.deliver(user, post, true),
            _ => self.deliver(user, post, false),
        }
        self.accept(user, number);
    }

    fn accept(&mut self, user: usize, upto: Number) {
        let accepted = Accepted { handle: PARTNER, upto, seq: Seq(self.seq), class: Class::Stored };
        self.tell(user, &accepted);
    }

    fn refuse(&mut self, user: usize, number: Number, refusal: Refusal) {
        let handle = PARTNER;
        self.tell(user, &Refused { handle, number, refusal });
    }

    fn deliver(&mut self, user: usize, post: Post, is_damaged: bool) {
        let mut bytes = post.body.into_bytes().to_vec();
        bytes[20] ^= u8::from(is_damaged);
        let entry = Entry {
            seq: Seq(self.seq),
            sender: self.users[&user],
            origin: Origin([0; 16]),
            number: post.number,
            at: Wall(0),
            body: Opaque::new(bytes.into()).expect("as long as before"),
        };
        let deliver = Deliver { handle: MAILBOX, entry };
        match self.away.contains(&(user ^ 1)) {
            true => self.waiting.entry(user ^ 1).or_default().push(deliver),
            false => self.tell(user ^ 1, &deliver),
        }
    }

    fn tell(&mut self, user: usize, message: &impl Message) {
        let mut bytes = BytesMut::new();
        message.append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("a frame");
        let frame = frame.expect("a whole frame");
        let inbox = if self.hushed.contains(&user) { &mut self.withheld } else { &mut self.inbox };
        inbox.push_back(Event::Frame { user, frame });
    }
}

#[test]
fn silent_users_get_everything_in_the_end_and_pairs_are_measured_beside_them() {
    let record = run(&Plan { silent: 4, ..open_loop() }, Trick::Honest);
    let (pairs, silent) = (&record.counts, &record.silent);
    assert_eq!((pairs.posted, pairs.delivered), (600, 600), "for twice as long");
    assert!(silent.posted >= 52, "13 to each: {silent:?}");
    assert_eq!((silent.stored, silent.delivered), (silent.posted, silent.posted));
    assert!(record.is_sound());
    assert!(record.delivered.quantiles().is_some() && record.beside.quantiles().is_some());
}

#[test]
fn what_a_silent_user_never_gets_is_lost() {
    let mut world = World::new(&Plan { silent: 4, ..open_loop() });
    world.trick = (400, Trick::Honest);
    let lost = loop {
        world.turn().expect("goes on");
        if world.load.is_done() {
            break world.load.finish();
        }
        // One of the frames that wait for them goes astray.
        let is_delivery = |event: &Event| match event {
            Event::Frame { frame, .. } => frame.kind == wire::Kind::DELIVER,
            _ => false,
        };
        if let Some(at) = world.withheld.iter().position(is_delivery)
            && std::mem::replace(&mut world.trick.0, 0) > 0
        {
            world.withheld.remove(at);
        }
    };
    assert_eq!((lost.silent.lost, lost.is_sound()), (1, false));
}

#[test]
fn an_honest_cluster_delivers_every_scheduled_post_once() {
    let record = run(&open_loop(), Trick::Honest);
    let counts = &record.counts;
    assert_eq!((counts.posted, counts.stored, counts.delivered), (300, 300, 300));
    assert!(counts.is_sound() && counts.errors() == 0, "{counts:?}");
    let delivered = record.delivered.quantiles().expect("measured");
    assert!(delivered.max_us < 1_000.0, "{delivered:?}");
    assert!((290.0..310.0).contains(&record.per_second()));
}

#[test]
fn a_window_measures_throughput_and_no_latency() {
    let record = run(&plan(Pace::Closed { window: 4 }), Trick::Honest);
    assert!(record.counts.posted > 10_000, "{:?}", record.counts);
    assert!(record.counts.is_sound() && record.counts.unsent == 0);
    assert_eq!(record.delivered.quantiles(), None);
    assert_eq!(record.accepted.quantiles(), None);
}

#[test]
fn what_is_lost_doubled_or_damaged_is_counted() {
    let lost = run(&open_loop(), Trick::Lose).counts;
    assert_eq!((lost.lost, lost.delivered, lost.stored), (1, 299, 300));
    let doubled = run(&open_loop(), Trick::Double).counts;
    assert_eq!((doubled.doubled, doubled.delivered), (1, 300));
    let damaged = run(&open_loop(), Trick::Damage).counts;
    assert_eq!((damaged.damaged, damaged.lost), (1, 1));
    for counts in [lost, doubled, damaged] {
        assert!(!counts.is_sound());
    }
}

#[test]
fn a_rejected_post_is_an_error_and_no_loss() {
    let counts = run(&open_loop(), Trick::Reject).counts;
    assert_eq!(counts.rejected, BTreeMap::from([(FaultCode::MAILBOX_FULL, 1)]));
    assert_eq!((counts.lost, counts.stored, counts.errors()), (0, 299, 1));
}

#[test]
fn a_busy_or_lost_home_gets_the_same_posts_again() {
    for trick in [Trick::Busy, Trick::Down] {
        let counts = run(&open_loop(), trick).counts;
        assert_eq!((counts.delivered, counts.stored), (300, 300), "{trick:?}");
        assert!(counts.is_sound() && counts.resent >= 1, "{trick:?} {counts:?}");
    }
}

#[test]
fn an_unanswered_post_does_not_hold_up_the_end() {
    let mut world = World::new(&plan(Pace::Open { rate: 30 }));
    world.trick = (36, Trick::Ignore);
    let counts = world.run().expect("the run ends").counts;
    assert_eq!((counts.unanswered, counts.posted), (1, 30));
    assert!(!counts.is_sound());
}

#[test]
fn a_cluster_that_is_not_ready_is_waited_for() {
    let mut world = World::new(&open_loop());
    world.not_ready = 5;
    let counts = world.run().expect("the run ends").counts;
    assert_eq!(counts.delivered, 300);
}

#[test]
fn a_lost_connection_ends_the_run() {
    let mut world = World::new(&open_loop());
    while world.begins == 0 {
        world.turn().expect("setup goes on");
    }
    let (user, why) = (1, CloseCause::Peer);
    world.inbox.push_back(Event::Lost { user, why });
    let error = world.run().expect_err("it cannot go on");
    assert!(matches!(error, LoadError::Lost { .. }), "{error}");
}

#[test]
fn silence_in_setup_ends_the_run() {
    let mut world = World::new(&open_loop());
    world.turn().expect("it begins");
    world.inbox.clear();
    let error = world.run().expect_err("nobody answers");
    assert!(matches!(error, LoadError::Stalled("signing up")), "{error}");
}

#[test]
fn an_answer_for_another_log_ends_the_run() {
    let mut world = World::new(&open_loop());
    while world.begins == 0 {
        world.turn().expect("setup goes on");
    }
    let (handle, upto) = (LogHandle(7), Number::NONE);
    let (seq, class) = (Seq(1), Class::Stored);
    world.tell(0, &Accepted { handle, upto, seq, class });
    let error = world.run().expect_err("it cannot go on");
    assert!(matches!(error, LoadError::Traffic(_)), "{error}");
}

#[test]
fn what_was_stored_for_the_away_is_drained_when_they_are_back() {
    let away = Plan {
        scenario: "offline",
        course: Course::Away { posts: 40 },
        ..plan(Pace::Closed { window: 8 })
    };
    let mut world = World::new(&away);
    while !world.load.is_done() {
        world.turn().expect("goes on");
        assert!(
            world.stored > 0 || world.begins == 0 || world.load.traffic.progress() > Instant(0)
        );
    }
    assert_eq!(world.stored, 1);
    let record = world.load.finish();
    let counts = &record.counts;
    assert_eq!((counts.posted, counts.stored, counts.delivered), (120, 120, 120));
    assert!(record.is_sound() && record.stored > record.began && record.ended > record.stored);
}

#[test]
fn who_loses_its_connection_among_faults_comes_back_and_loses_nothing() {
    let faults = Plan { course: Course::Faults, ..open_loop() };
    let mut world = World::new(&faults);
    while world.begins == 0 {
        world.turn().expect("setup goes on");
    }
    for user in [0, 1] {
        world.inbox.push_back(Event::Lost { user, why: CloseCause::Peer });
        world.away.insert(user);
    }
    while !world.load.is_done() {
        world.turn().expect("goes on");
    }
    assert_eq!(world.strikes, [Strike::Drain, Strike::Kill]);
    let counts = world.load.finish().counts;
    assert_eq!((counts.delivered, counts.lost, counts.unanswered), (300, 0, 0), "{counts:?}");
}
