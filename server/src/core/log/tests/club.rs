//! A rig with a group: `#rust`, created by alice.

use storage::Answer as Stored;
use wire::RequestId;
use wire::field::{List, Opaque};
use wire::limits::GRANTS_SWEEP_INTERVAL;
use wire::message::{
    Announcement, Answer, AnswerBody, ChangeRoster, Dismiss, FetchGrant, FetchKeyLog, FetchRoster,
    Grant, KeyLogCopy, PutGrants, ReaderGrant, StatementBytes, Wrapped,
};
use wire::roster::{Act, Policy, Statement};

use super::super::{Entrance, LogAsk, LogQuestion};
use super::*;

pub(super) fn rust() -> LogId {
    LogId::group(name("rust"))
}

/// A post to the group under message session 1.
pub(super) fn say(sender: &str, value: u64, settled: u64, text: &str) -> PeerPost {
    PeerPost {
        log: rust(),
        sender: name(sender),
        message_session: MessageSession(1),
        again: false,
        ..post(value, settled, text)
    }
}

/// The rig, and the head of its group's roster.
pub(super) struct Club {
    pub(super) rig: Rig,
    pub(super) now: Instant,
    pub(super) version: u32,
    pub(super) head: [u8; 32],
}

impl Club {
    /// The group stands, with everything at rest.
    pub(super) fn new(limits: LogLimits) -> Self {
        Self::with_policy(limits, Policy::Open)
    }

    pub(super) fn with_policy(limits: LogLimits, policy: Policy) -> Self {
        let (rig, now) = (Rig::new(limits), Instant(5));
        let mut club = Self { rig, now, version: 0, head: [0; 32] };
        let first = Statement { policy: Some(policy), ..club.next(Act::Create, "alice", "alice") };
        let entrance = match policy {
            Policy::Password => Entrance::Registered(Bytes::from_static(b"record")),
            Policy::Open | Policy::Invitation => Entrance::None,
        };
        club.ask("alice", change(&first, entrance));
        assert_eq!(club.outcome(&first), Ok(1));
        club
    }

    /// The group with these members besides alice, each with grants of message session 1.
    pub(super) fn of(limits: LogLimits, members: &[&str]) -> Self {
        let mut club = Self::new(limits);
        for member in members {
            assert!(club.act(Act::Join, member, member).is_ok(), "{member} joins");
        }
        for member in members.iter().chain(&["alice"]) {
            assert_eq!(club.grant(member, 1, club.version), Ok(()));
        }
        club
    }

    /// The statement that would come next.
    pub(super) fn next(&self, act: Act, actor: &str, subject: &str) -> Statement {
        Statement {
            group: name("rust"),
            version: self.version + 1,
            previous: self.head,
            act,
            policy: (act == Act::Create).then_some(Policy::Open),
            actor: name(actor),
            subject: name(subject),
            key: [7; 32],
            at: Wall(5),
            signature: Bytes::from_static(b"signature"),
        }
    }

    /// Says the next statement and lets everything come to rest.
    pub(super) fn act(&mut self, act: Act, actor: &str, subject: &str) -> Result<u32, FaultCode> {
        let statement = self.next(act, actor, subject);
        self.ask(actor, change(&statement, Entrance::None));
        self.outcome(&statement)
    }

    /// What `statement`, asked for before, comes to.
    pub(super) fn outcome(&mut self, statement: &Statement) -> Result<u32, FaultCode> {
        self.rig.settle();
        let version = match self.answer() {
            AnswerBody::RosterChanged(changed) => Ok(changed.version),
            AnswerBody::Fault(fault) => Err(fault.code),
            other => panic!("{other:?} does not answer a statement"),
        }?;
        if statement.version > self.version {
            (self.version, self.head) = (version, Statement::hash(&statement.encode()));
        }
        Ok(version)
    }

    /// Asks from SEAT, with epoch 1.
    pub(super) fn ask(&mut self, account: &str, question: LogQuestion) {
        self.ask_in(account, 1, question);
    }

    pub(super) fn ask_in(&mut self, account: &str, epoch: u64, question: LogQuestion) {
        self.ask_of(account, (ORIGIN, SessionEpoch(epoch)), question);
    }

    /// Asks from another installation.
    pub(super) fn ask_from(&mut self, account: &str, origin: Origin, question: LogQuestion) {
        self.ask_of(account, (origin, SessionEpoch(1)), question);
    }

    fn ask_of(
        &mut self,
        account: &str,
        (origin, epoch): (Origin, SessionEpoch),
        question: LogQuestion,
    ) {
        let account = name(account);
        let ask = LogAsk { exchange: ExchangeId(11), account, origin, epoch, question };
        self.rig.logs.on_ask((self.now, Wall(5)), SEAT, ask, &mut self.rig.out);
        self.rig.drain();
    }

    /// Puts grants of a sender's message session for every member, and lets them become durable.
    pub(super) fn grant(
        &mut self,
        sender: &str,
        session: u32,
        roster_version: u32,
    ) -> Result<(), FaultCode> {
        self.ask(sender, put(rust(), session, roster_version, &["alice", "bob", "carol"]));
        self.granted()
    }

    pub(super) fn granted(&mut self) -> Result<(), FaultCode> {
        self.rig.settle();
        match self.answer() {
            AnswerBody::GrantsPut(_) => Ok(()),
            AnswerBody::Fault(fault) => Err(fault.code),
            other => panic!("{other:?} does not answer grants"),
        }
    }

    /// The asker's own grant of a sender's message session.
    pub(super) fn fetch_grant(
        &mut self,
        reader: &str,
        (log, sender): (LogId, &str),
        session: u32,
    ) -> Result<Grant, FaultCode> {
        let fetch = FetchGrant {
            request: RequestId(9),
            log,
            sender: name(sender),
            origin: ORIGIN,
            message_session: MessageSession(session),
        };
        self.rig.take();
        self.ask(reader, LogQuestion::FetchGrant(fetch));
        if self.rig.sent.is_empty() {
            self.rig.load();
        }
        match self.answer() {
            AnswerBody::Grant(grant) => Ok(grant),
            AnswerBody::Fault(fault) => Err(fault.code),
            other => panic!("{other:?} does not answer the asker of a grant"),
        }
    }

    /// The copy of somebody's key log, as texts.
    pub(super) fn fetch_key_log(
        &mut self,
        reader: &str,
        (log, who): (LogId, &str),
    ) -> Result<Vec<String>, FaultCode> {
        let fetch = FetchKeyLog { request: RequestId(9), log, name: name(who) };
        self.rig.take();
        self.ask(reader, LogQuestion::FetchKeyLog(fetch));
        if self.rig.sent.is_empty() {
            self.rig.load();
        }
        match self.answer() {
            AnswerBody::Bundles(answer) => {
                assert!(answer.complete && answer.name == name(who), "{answer:?}");
                let bundles = answer.bundles.into_items().into_iter();
                Ok(bundles.map(|b| String::from_utf8_lossy(b.bytes()).into_owned()).collect())
            }
            AnswerBody::Fault(fault) => Err(fault.code),
            other => panic!("{other:?} does not answer the asker of keys"),
        }
    }

    pub(super) fn fetch_roster(&mut self, reader: &str, after: u32) -> Result<usize, FaultCode> {
        let fetch = FetchRoster { request: RequestId(9), group: name("rust"), after };
        self.ask(reader, LogQuestion::FetchRoster(fetch));
        self.rig.settle();
        match self.answer() {
            AnswerBody::Roster(part) => Ok(part.statements.items().len()),
            AnswerBody::Fault(fault) => Err(fault.code),
            other => panic!("{other:?} does not answer the asker of a roster"),
        }
    }

    /// The one answer to a question since the last call; other messages are dropped.
    pub(super) fn answer(&mut self) -> AnswerBody {
        let mut answers = self.rig.take().into_iter().filter_map(|(_, message)| match message {
            ToPeer::Answer(Answer { body, .. }) => Some(body),
            _ => None,
        });
        let answer = answers.next().expect("an answer");
        assert!(answers.next().is_none(), "one answer");
        answer
    }

    /// The result of opening the group.
    pub(super) fn open(&mut self, account: &str) -> Result<(), FaultCode> {
        self.rig.open(rust(), account);
        self.rig.load();
        match self.answer() {
            AnswerBody::LogOpened(_) => Ok(()),
            AnswerBody::Fault(fault) => Err(fault.code),
            other => panic!("{other:?} does not answer an opening"),
        }
    }

    pub(super) fn attach(&mut self, from: ServerId, account: &str, epoch: u64, cursor: Seq) {
        let (account, epoch) = (name(account), SessionEpoch(epoch));
        let attach = PeerAttach { log: rust(), account, epoch, cursor };
        self.rig.logs.on_attach(from, attach, &mut self.rig.out);
        self.rig.drain();
    }

    pub(super) fn seen(&mut self, from: ServerId, account: &str, upto: Seq) {
        let seen = PeerSeen { log: rust(), account: name(account), epoch: SessionEpoch(1), upto };
        self.rig.logs.on_seen(self.rig.now, from, seen, &mut self.rig.out);
        self.rig.drain();
    }

    /// What a session is sent of the group after `after`; what was sent before is dropped.
    pub(super) fn read(&mut self, from: ServerId, account: &str, after: Seq) -> PeerRange {
        self.rig.take();
        let (account, epoch) = (name(account), SessionEpoch(1));
        let read = PeerRead { log: rust(), account, epoch, after, entries_max: 100 };
        self.rig.logs.on_read(from, read, &mut self.rig.out);
        self.rig.drain();
        if !self.rig.sent.iter().any(|(_, message)| matches!(message, ToPeer::PeerRange(_))) {
            self.rig.load();
        }
        self.rig.range()
    }

    /// The texts of the posts of the group, as a member reads them; a statement is its act.
    pub(super) fn history(&mut self, account: &str) -> Vec<String> {
        let mut after = Seq(0);
        let mut history = Vec::new();
        loop {
            let range = self.read(SEAT, account, after);
            history.extend(range.entries.items().iter().map(told));
            after = range.upto;
            if range.caught_up {
                return history;
            }
        }
    }

    pub(super) fn dismissed(&mut self) -> Vec<(ServerId, Dismiss)> {
        let sent = self.rig.take().into_iter();
        sent.filter_map(|(to, message)| match message {
            ToPeer::Dismiss(dismiss) => Some((to, dismiss)),
            _ => None,
        })
        .collect()
    }

    /// The process dies and comes back.
    pub(super) fn crash(self, in_flight: InFlight) -> Self {
        Self { rig: self.rig.crash(in_flight), ..self }
    }

    /// The process dies when everything is durable, and comes back.
    pub(super) fn crash_at_rest(mut self) -> Self {
        self.rig.settle();
        self.crash(InFlight::Lost)
    }

    /// A whole look for grants that nobody needs.
    pub(super) fn sweep(&mut self, now: Wall) {
        while self.rig.logs.sweep(now, &mut self.rig.out) != GRANTS_SWEEP_INTERVAL {
            self.rig.drain();
            self.rig.settle();
        }
        self.rig.take();
    }

    /// Whether the store holds a grant.
    pub(super) fn stores_grant(&mut self, sender: &str, session: u32, reader: &str) -> bool {
        let read = storage::Read::Grant {
            log: rust(),
            sender: name(sender),
            origin: ORIGIN,
            message_session: MessageSession(session),
            reader: name(reader),
        };
        let ticket = self.rig.ticket();
        self.rig.store.submit(Op::Read { ticket, read });
        match self.rig.store.poll() {
            Some(Completion::Answered { answer: Stored::Grant(found), .. }) => found.is_some(),
            other => panic!("{other:?} does not answer"),
        }
    }
}

pub(super) fn change(statement: &Statement, entrance: Entrance) -> LogQuestion {
    let change = ChangeRoster {
        request: RequestId(9),
        group: statement.group,
        statement: StatementBytes::new(statement.encode()).expect("short"),
        proof: Default::default(),
        key_log: key_log(statement.actor.as_str()),
    };
    LogQuestion::Change { change, statement: Box::new(statement.clone()), entrance }
}

/// The whole of part 0 of a message session.
pub(super) fn put(log: LogId, session: u32, roster_version: u32, readers: &[&str]) -> LogQuestion {
    LogQuestion::PutGrants(grants(log, session, roster_version, readers))
}

pub(super) fn grants(log: LogId, session: u32, roster_version: u32, readers: &[&str]) -> PutGrants {
    let reader = |reader: &&str| ReaderGrant {
        reader: name(reader),
        wrapping_key: [3; 32],
        wrapped: Wrapped::new(Bytes::copy_from_slice(reader.as_bytes())).expect("short"),
    };
    PutGrants {
        request: RequestId(9),
        log,
        message_session: MessageSession(session),
        part: 0,
        roster_version,
        announcement: Announcement::new(Bytes::from_static(b"announcement")).expect("short"),
        grants: List::new(readers.iter().map(reader).collect()).expect("few"),
        last: true,
        key_log: key_log("a sender"),
    }
}

/// What stands for the key log of `who`.
pub(super) fn key_log(who: &str) -> KeyLogCopy {
    let bundle = Bytes::from(format!("keys of {who}"));
    List::new(vec![Opaque::new(bundle).expect("short")]).expect("one")
}

/// A post's text, or a statement's act and subject.
pub(super) fn told(entry: &Entry) -> String {
    if entry.number != Number::NONE {
        return text(entry);
    }
    let statement = Statement::decode(entry.body.bytes().clone()).expect("a statement");
    format!("{:?} {}", statement.act, statement.subject)
}
