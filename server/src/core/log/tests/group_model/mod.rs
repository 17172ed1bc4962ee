//! Random life in a group, with lost links, full bounds and crashes, against what must hold: every
//! member reads the same entries in the same order, once, from each joining to its departure; what
//! was accepted is among them; nothing is sealed for somebody who had left; and a reader's grant is
//! there while it needs it.

mod person;
mod verdict;

use std::collections::BTreeMap;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::RngSeed;
use wire::RequestId;
use wire::message::{Answer, AnswerBody, FetchGrant, PeerDeliver};
use wire::roster::{Act, Roster, Statement};

use self::person::{Granted, Person};
use super::club::{change, grants, rust};
use super::*;
use crate::core::log::{Entrance, LogAsk, LogQuestion};

/// Exchanges from here on are about grants: + 10,000 × reader + 1,000 × sender + message session.
const GRANTS: u64 = 1_000_000;
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

#[derive(Clone, Debug)]
enum Step {
    /// Someone writes a new post and sends it.
    Post { who: usize, len: usize },
    /// Someone's session ends; the next one sits on this seat and goes on.
    Reconnect { who: usize, seat: u16 },
    /// The link to a seat is lost.
    LoseLink { seat: u16 },
    /// Someone asks for a range, if behind.
    Read { who: usize },
    /// Someone says what it holds.
    See { who: usize },
    /// Someone says a statement, as far as it knows the roster.
    Say { who: usize, act: Act, subject: usize },
    /// A batch is composed, if none is in flight.
    Compose,
    /// One completion arrives, if there is one.
    Poll,
    /// Time passes at the disk.
    Tick,
    /// Someone's next post begins a message session.
    Rotate { who: usize },
    /// Everything comes to rest, and everyone reads.
    Rest,
    /// The home dies and comes back.
    Crash { kept: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        4 => Just(Act::Join),
        2 => Just(Act::Leave),
        2 => Just(Act::Remove),
        3 => Just(Act::Invite),
    ];
    prop_oneof![
        10 => (0..4usize, 0..20usize).prop_map(|(who, len)| Step::Post { who, len }),
        2 => (0..4usize, 2..4u16).prop_map(|(who, seat)| Step::Reconnect { who, seat }),
        1 => (2..4u16).prop_map(|seat| Step::LoseLink { seat }),
        10 => (0..4usize).prop_map(|who| Step::Read { who }),
        5 => (0..4usize).prop_map(|who| Step::See { who }),
        6 => (1..4usize, act, 1..4usize).prop_map(|(who, act, subject)| {
            let is_admins = matches!(act, Act::Remove | Act::Invite);
            Step::Say { who: if is_admins { 0 } else { who }, act, subject }
        }),
        8 => Just(Step::Compose),
        16 => Just(Step::Poll),
        8 => Just(Step::Tick),
        2 => (0..4usize).prop_map(|who| Step::Rotate { who }),
        3 => Just(Step::Rest),
        1 => any::<bool>().prop_map(|kept| Step::Crash { kept }),
    ]
}

struct World {
    rig: Rig,
    people: Vec<Person>,
    /// Every statement that somebody has received, by version.
    chain: Vec<Bytes>,
    /// Which roster version each message session is for, by sender.
    granted: BTreeMap<(Name, u32), u32>,
    asks: u64,
}

fn limits() -> LogLimits {
    LogLimits {
        group_entries_max: 100_000,
        group_bytes_max: 1 << 30,
        cold_waiting_max: 32,
        waiting_max: 64,
        pending_len_max: 4_000,
        rows_max: 3,
        departed_max: PEOPLE.len(),
        ..LogLimits::tiny()
    }
}

impl World {
    fn new() -> Self {
        let people = PEOPLE.iter().map(|text| Person::new(name(text))).collect();
        let rig = Rig::new(limits());
        let (chain, granted) = (Vec::new(), BTreeMap::new());
        let mut world = Self { rig, people, chain, granted, asks: 0 };
        world.people[0].seat = Some(SEAT);
        world.say(0, Act::Create, 0);
        world.rig.settle();
        world.exchange();
        for who in 0..PEOPLE.len() {
            world.people[who].seat = Some(SEAT);
            world.read(0);
            world.rest();
            world.say(who, Act::Join, who);
            world.rest();
            world.reconnect(who, if who % 2 == 0 { SEAT } else { OTHER_SEAT });
        }
        world.rest();
        assert_eq!(world.chain.len(), PEOPLE.len(), "everyone is a member");
        world.slow_down();
        world
    }

    fn slow_down(&mut self) {
        let model = DiskModel { commit_steps: 2, read_steps: 1, ..DiskModel::default() };
        self.rig.store.set_model(model);
    }

    /// The roster after this many statements.
    fn roster(&self, version: u32) -> Roster {
        let chain = self.chain.iter().take(usize::try_from(version).expect("few"));
        let mut chain = chain.map(|bytes| {
            let statement = Statement::decode(bytes.clone()).expect("a statement");
            (statement, Statement::hash(bytes))
        });
        let (first, hash) = chain.next().expect("a creation");
        let mut roster = Roster::create(&first, hash).expect("the first");
        for (statement, hash) in chain {
            roster.apply(&statement, hash).expect("the home keeps the rules");
        }
        roster
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Post { who, len } => self.write(who, len),
            Step::Reconnect { who, seat } => self.reconnect(who, ServerId(seat)),
            Step::LoseLink { seat } => self.lose_link(ServerId(seat)),
            Step::Read { who } => self.read(who),
            Step::See { who } => self.see(who),
            Step::Say { who, act, subject } => self.say(who, act, subject),
            Step::Compose => drop(self.rig.compose()),
            Step::Poll => drop(self.rig.poll()),
            Step::Tick => self.rig.store.step(),
            Step::Rotate { who } => self.people[who].needs_session = true,
            Step::Rest => self.rest(),
            Step::Crash { kept } => self.crash(kept),
        }
        self.exchange();
    }

    fn rest(&mut self) {
        for _ in 0..8 {
            (0..4).for_each(|_| self.rig.store.step());
            self.rig.settle();
            self.exchange();
            (0..self.people.len()).for_each(|who| self.read(who));
        }
    }

    fn write(&mut self, who: usize, len: usize) {
        let version = self.people[who].version;
        if version == 0 {
            return;
        }
        let person = &mut self.people[who];
        if std::mem::take(&mut person.needs_session) {
            person.sessions.push(Granted { version });
            let session = u32::try_from(person.sessions.len()).expect("few");
            self.granted.insert((person.name, session), version);
            self.put(who, session);
        }
        let person = &mut self.people[who];
        let value = u64::try_from(person.outbox.len() + 1).expect("few");
        let session = u32::try_from(person.sessions.len()).expect("few");
        let written = PeerPost {
            log: rust(),
            sender: person.name,
            message_session: MessageSession(session),
            ..post(value, 0, &format!("{session} {}", "x".repeat(len)))
        };
        person.outbox.push((written, session));
        if value <= person.settled() + 64 {
            self.send(who, value);
        }
    }

    /// Puts the grants of a message session for who reads, as its sender knows.
    fn put(&mut self, who: usize, session: u32) {
        let person = &self.people[who];
        let Some(seat) = person.seat else { return };
        let version = person.sessions[usize::try_from(session - 1).expect("few")].version;
        let roster = self.roster(version);
        let readers: Vec<&str> = roster.members().map(|(account, _)| account.as_str()).collect();
        let put = LogQuestion::PutGrants(grants(rust(), session, version, &readers));
        self.ask(seat, person.ask(put));
    }

    fn ask(&mut self, seat: ServerId, ask: LogAsk) {
        self.asks += 1;
        // Nobody joins too often.
        let now = Instant(self.asks << 40);
        self.rig.logs.on_ask((now, Wall(5)), seat, ask, &mut self.rig.out);
        self.rig.drain();
    }

    fn send(&mut self, who: usize, value: u64) {
        let person = &self.people[who];
        let Some(seat) = person.seat else { return };
        let (post, _) = &person.outbox[usize::try_from(value - 1).expect("few")];
        let post = PeerPost {
            epoch: SessionEpoch(person.epoch),
            settled: number(person.settled()),
            ..post.clone()
        };
        self.rig.post(seat, post);
    }

    /// Sends again what is unanswered, each message session's grants first.
    fn send_again(&mut self, who: usize) {
        self.people[who].goes_back = false;
        let from = self.people[who].told.len();
        let mut granted = 0;
        for index in from..self.people[who].outbox.len().min(from + 64) {
            let (_, session) = self.people[who].outbox[index];
            if session > granted {
                granted = session;
                self.put(who, session);
            }
            self.send(who, u64::try_from(index + 1).expect("few"));
        }
    }

    fn reconnect(&mut self, who: usize, seat: ServerId) {
        self.exchange();
        let person = &mut self.people[who];
        person.seat = Some(seat);
        person.epoch += 1;
        person.seen = person.cursor;
        (person.is_live, person.is_reading, person.end) = (false, false, None);
        let (account, epoch) = (person.name, SessionEpoch(person.epoch));
        let attach = PeerAttach { log: rust(), account, epoch, cursor: person.cursor };
        self.rig.logs.on_attach(seat, attach, &mut self.rig.out);
        self.rig.drain();
        let asked: Vec<_> = self.people[who].asked.iter().copied().collect();
        asked.into_iter().for_each(|(sender, session)| self.fetch(who, sender, session));
        self.send_again(who);
    }

    fn fetch(&mut self, who: usize, sender: Name, session: u32) {
        let person = &mut self.people[who];
        person.asked.insert((sender, session));
        let Some(seat) = person.seat else { return };
        let fetch = FetchGrant {
            request: RequestId(session),
            log: rust(),
            sender,
            origin: ORIGIN,
            message_session: MessageSession(session),
        };
        let mut ask = person.ask(LogQuestion::FetchGrant(fetch));
        let place = |name: &str| PEOPLE.iter().position(|other| *other == name).expect("one of us");
        let asked = 10 * place(ask.account.as_str()) + place(sender.as_str());
        let asked = u64::try_from(asked).expect("few") * 1_000 + u64::from(session);
        ask.exchange = ExchangeId(GRANTS + asked);
        self.ask(seat, ask);
    }

    fn lose_link(&mut self, seat: ServerId) {
        self.exchange();
        self.rig.logs.on_link_lost(seat);
        for person in &mut self.people {
            person.seat = person.seat.filter(|other| *other != seat);
        }
    }

    fn read(&mut self, who: usize) {
        let person = &mut self.people[who];
        let Some(seat) = person.seat.filter(|_| !person.is_live && !person.is_reading) else {
            return;
        };
        person.is_reading = true;
        let (account, epoch, after) = (person.name, SessionEpoch(person.epoch), person.cursor);
        let read = PeerRead { log: rust(), account, epoch, after, entries_max: 100 };
        self.rig.logs.on_read(seat, read, &mut self.rig.out);
        self.rig.drain();
    }

    /// Nothing is acknowledged whose grant is on its way.
    fn see(&mut self, who: usize) {
        let person = &mut self.people[who];
        let Some(seat) = person.seat.filter(|_| person.asked.is_empty()) else {
            return;
        };
        if person.seen < person.cursor {
            person.seen = person.cursor;
            let (account, epoch, upto) = (person.name, SessionEpoch(person.epoch), person.cursor);
            let seen = PeerSeen { log: rust(), account, epoch, upto };
            self.rig.logs.on_seen(self.rig.now, seat, seen, &mut self.rig.out);
            self.rig.drain();
        }
    }

    /// A statement on the newest head that anybody knows; it may be behind all the same.
    fn say(&mut self, who: usize, act: Act, subject: usize) {
        let Some(seat) = self.people[who].seat else { return };
        let version = u32::try_from(self.chain.len()).expect("few");
        let previous = self.chain.last().map_or([0; 32], |newest| Statement::hash(newest));
        let is_alone = matches!(act, Act::Create | Act::Join | Act::Leave);
        let (actor, subject) = (name(PEOPLE[who]), name(PEOPLE[subject]));
        let subject = if is_alone { actor } else { subject };
        // Alice stays, and so does somebody who has received everything.
        if actor == subject && !is_alone || (who == 0 && act == Act::Leave) {
            return;
        }
        let statement = Statement {
            group: name("rust"),
            version: version + 1,
            previous,
            act,
            policy: (act == Act::Create).then_some(wire::roster::Policy::Open),
            actor,
            subject,
            key: [7; 32],
            at: Wall(u64::from(version)),
            signature: Bytes::from_static(b"s"),
        };
        let ask = self.people[who].ask(change(&statement, Entrance::None));
        self.ask(seat, ask);
    }

    fn crash(&mut self, kept: bool) {
        self.exchange();
        let rig = std::mem::replace(&mut self.rig, Rig::new(limits()));
        self.rig = rig.crash(if kept { InFlight::Kept } else { InFlight::Lost });
        self.people.iter_mut().for_each(|person| person.seat = None);
        self.slow_down();
    }

    /// Everything sent arrives where it still has a receiver.
    fn exchange(&mut self) {
        for (to, message) in self.rig.take() {
            match message {
                ToPeer::PeerDeliver(PeerDeliver { entry, .. }) => {
                    for who in 0..self.people.len() {
                        let person = &self.people[who];
                        let is_for = person.end.is_none_or(|end| entry.seq <= end);
                        if person.seat == Some(to) && person.is_live && is_for {
                            self.receive(who, &entry);
                        }
                    }
                }
                ToPeer::PeerRange(range) => self.take_range(to, &range),
                ToPeer::PeerAccepted(PeerAccepted { sender, .. })
                | ToPeer::PeerRefused(PeerRefused { sender, .. }) => {
                    let answered = Answered::of(&message).expect("it is an answer");
                    let person = self.person(sender);
                    if person.seat == Some(to) {
                        person.answer(answered);
                    }
                }
                ToPeer::Dismiss(dismiss) => {
                    let person = self.person(dismiss.account);
                    if person.seat == Some(to) && dismiss.epoch.0 >= person.epoch {
                        person.bound(dismiss.upto);
                    }
                }
                ToPeer::Answer(answer) => self.hear(&answer),
                other => panic!("{other:?} is not for these seats"),
            }
        }
        assert_eq!(self.rig.causes(), []);
    }

    fn person(&mut self, name: Name) -> &mut Person {
        self.people.iter_mut().find(|person| person.name == name).expect("one of the people")
    }

    fn take_range(&mut self, to: ServerId, range: &PeerRange) {
        let who = self.people.iter().position(|person| person.name == range.account);
        let who = who.expect("one of the people");
        let person = &mut self.people[who];
        if person.seat != Some(to) || range.epoch != SessionEpoch(person.epoch) {
            return;
        }
        person.is_reading = false;
        person.has_missed |= range.expired > 0;
        for entry in range.entries.items() {
            self.receive(who, entry);
        }
        let person = &mut self.people[who];
        assert!(range.failed || range.upto >= person.cursor);
        person.is_live = range.caught_up;
    }

    fn receive(&mut self, who: usize, entry: &Entry) {
        let person = &mut self.people[who];
        assert!(person.cursor < entry.seq, "seqs rise at the reader");
        assert!(person.end.is_none_or(|end| entry.seq <= end), "nothing after its departure");
        person.cursor = entry.seq;
        person.received.push(entry.clone());
        if entry.number == Number::NONE {
            let bytes = entry.body.bytes().clone();
            let statement = Statement::decode(bytes.clone()).expect("a statement");
            person.version = statement.version;
            let place = usize::try_from(statement.version - 1).expect("few");
            match self.chain.get(place) {
                Some(known) => assert_eq!(*known, bytes, "one chain for all, whatever crashes"),
                None => self.chain.push(bytes),
            }
            return;
        }
        let session = session_of(entry);
        if !person.had.contains(&(entry.sender, session)) {
            self.fetch(who, entry.sender, session);
        }
    }

    /// Only grants matter; what became of statements is seen in the log.
    fn hear(&mut self, answer: &Answer) {
        let Some(asked) = answer.exchange.0.checked_sub(GRANTS) else {
            return;
        };
        let (who, sender, session) = (asked / 10_000, asked / 1_000 % 10, asked % 1_000);
        let place = |index: u64| usize::try_from(index).expect("few");
        let sender = self.people[place(sender)].name;
        let session = u32::try_from(session).expect("few");
        match &answer.body {
            AnswerBody::Grant(grant) => {
                let person = &mut self.people[place(who)];
                assert_eq!(grant.grant.reader, person.name);
                person.asked.remove(&(sender, session));
                person.had.insert((sender, session));
            }
            AnswerBody::Fault(fault) if fault.code == FaultCode::GRANT_MISSING => {
                let (person, version) =
                    (&self.people[place(who)], self.granted[&(sender, session)]);
                let is_entitled = self.roster(version).is_member(&person.name);
                assert!(!is_entitled, "{} needs {session} of {sender}", person.name);
                self.people[place(who)].asked.remove(&(sender, session));
            }
            _ => {}
        }
    }
}

fn session_of(entry: &Entry) -> u32 {
    let text = text(entry);
    text.split(' ').next().and_then(|session| session.parse().ok()).expect("posts begin with it")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn every_member_reads_the_same(steps in proptest::collection::vec(step(), 1..200)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        world.heal();
        world.verdict();
    }
}
