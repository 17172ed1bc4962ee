//! A group's roster at its home: statements are checked, appended to the group's log, and answered
//! when they are durable. Who has become a member reads from then on; who has departed is
//! dismissed.
//!
//! A group's entries are shown to its readers when they are durable, unlike a mailbox's: what one
//! member has seen every member sees, in the same order, and no crash takes a statement back.
//!
//! Signatures are not verified here: the home may not hold the actor's keys, and every member
//! verifies them anyway.

use bytes::Bytes;
use storage::Read;
use wire::field::List;
use wire::limits::STATEMENTS_MAX;
use wire::message::{
    Answer, Body, Dismiss, Entry, FetchRoster, GroupStart, Roster as RosterPart, RosterChanged,
    StatementBytes,
};
use wire::roster::{Act, Policy, Roster, RosterError, Statement};
use wire::{FaultCode, Name, Number, Origin, Seq, ServerId, SessionEpoch, Wall};

use super::absence::Turn;
use super::arrival::{Arrival, not_opened};
use super::ask::{Asked, Asker, Entrance, LogQuestion, Started};
use super::group::{Group, Next};
use super::home::{Home, Pending, cost};
use super::key_log;
use super::out::LogOut;
use super::state::Log;

/// Why statements are read from the store.
#[derive(Debug)]
pub(super) enum StatementsFor {
    /// What follows this version of the roster was asked for.
    Part(Asker, u32),
    /// A statement of a version that there is came: it may be that one, sent again.
    Repeat(Asker, Change),
}

/// A statement that a session asks to add.
#[derive(Debug)]
pub(super) struct Change {
    at: Wall,
    origin: Origin,
    bytes: Bytes,
    key_log: Vec<Bytes>,
    statement: Box<Statement>,
    entrance: Entrance,
}

impl Log {
    /// Lets through what a group's existence and its members allow; answers the rest.
    pub(super) fn admit(
        &mut self,
        arrival: Arrival,
        home: &mut Home,
        out: &mut LogOut,
    ) -> Option<Arrival> {
        let Some(group) = &self.group else {
            if arrival.creates() {
                return Some(arrival);
            }
            arrival.refuse_absent(home, out);
            return None;
        };
        let (from, account, epoch) = match &arrival {
            Arrival::Open { from, ask, .. } => (*from, ask.account, ask.epoch),
            Arrival::Attach { from, attach } => (*from, attach.account, attach.epoch),
            Arrival::Seen { from, seen } => (*from, seen.account, seen.epoch),
            Arrival::Read { from, read } => (*from, read.account, read.epoch),
            _ => return Some(arrival),
        };
        if self.members.contains(&account) {
            return Some(arrival);
        }
        let code = group.refusal(&account);
        match &arrival {
            Arrival::Open { exchange, ask, .. } => {
                // It has joined by a statement that is not durable: soon there is more to say.
                let is_joining = group.roster().is_member(&account);
                let code = if is_joining { FaultCode::UNAVAILABLE } else { code };
                out.send(from, not_opened(code, *exchange, ask));
            }
            _ => out.send(from, Dismiss { log: self.id, account, epoch, code, upto: Seq(0) }),
        }
        None
    }

    /// Tells the seat of a session that has departed up to where it reads.
    pub(super) fn tell_departed(
        &self,
        server: ServerId,
        (account, epoch): (&Name, SessionEpoch),
        upto: Seq,
        out: &mut LogOut,
    ) {
        let Some(group) = &self.group else { return };
        let (log, account, code) = (self.id, *account, group.refusal(account));
        out.send(server, Dismiss { log, account, epoch, code, upto });
    }

    /// A question about the log that needs no row.
    pub(super) fn ask_log(&mut self, asked: Asked, home: &mut Home, out: &mut LogOut) {
        let Asked { at, asker, origin, question, .. } = asked;
        match question {
            LogQuestion::Start(start) => self.start(&asker, start, out),
            LogQuestion::Change { change, statement, entrance } => {
                // It is kept, and the buffer that it came in is not.
                let bytes = Bytes::copy_from_slice(change.statement.bytes());
                let key_log = key_log::copied(&change.key_log);
                let change = Change { at, origin, bytes, key_log, statement, entrance };
                self.change(&asker, change, home, out);
            }
            LogQuestion::FetchRoster(fetch) => self.fetch_roster(&asker, &fetch, home, out),
            LogQuestion::FetchGrant(fetch) => self.fetch_grant(&asker, &fetch, home, out),
            LogQuestion::FetchKeyLog(fetch) => self.fetch_key_log(&asker, &fetch, home, out),
            LogQuestion::PutGrants(_) => unreachable!("grants go to their row"),
        }
    }

    /// Statements were read.
    pub(super) fn on_statements(
        &mut self,
        asked: StatementsFor,
        statements: Vec<Bytes>,
        out: &mut LogOut,
    ) {
        let (asker, answer) = match asked {
            StatementsFor::Part(asker, after) => {
                let answer = self
                    .roster_limit(&asker.account)
                    .and_then(|upto| self.part(&asker, statements, (after, upto)));
                let answer = answer.map(|part| asker.answer(part));
                (asker, answer.unwrap_or_else(|code| asker.fault(code)))
            }
            StatementsFor::Repeat(asker, change) => {
                let is_known = statements.first() == Some(&change.bytes);
                (asker, change.repeated(&asker, is_known))
            }
        };
        self.answer_settled(&asker, answer, out);
    }

    /// Says what is true of the roster once it is durable.
    pub(super) fn answer_settled(
        &mut self,
        asker: &Asker,
        answer: (ServerId, Answer),
        out: &mut LogOut,
    ) {
        match &mut self.group {
            Some(group) if group.is_settling() => {
                if !group.answer_later(answer) {
                    out.answer(asker.fault(FaultCode::UNAVAILABLE));
                }
            }
            _ => out.answer(answer),
        }
    }

    /// The entries above `before` are durable: a group's readers are sent them, and what their
    /// statements say comes true between them.
    pub(super) fn reveal(&mut self, before: Seq, home: &mut Home, out: &mut LogOut) {
        if self.is_mailbox() {
            return self.push_granted(home, out);
        }
        let mut after = before;
        while let Some(entry) = self.next_revealed(after) {
            after = entry.seq;
            let is_statement = entry.number == Number::NONE;
            self.push(&entry, home, out);
            if is_statement {
                self.settle_statement(after, home, out);
            }
        }
        self.settle_floor(home);
    }

    /// The first durable entry of the tail above `after`.
    fn next_revealed(&self, after: Seq) -> Option<Entry> {
        let held = self.tail.above(after).next()?;
        (held.entry.seq <= self.durable).then(|| held.entry.clone())
    }

    fn settle_statement(&mut self, seq: Seq, home: &mut Home, out: &mut LogOut) {
        let group = self.group.as_mut().expect("only groups have statements");
        let (stated, len) = group.settle(seq).expect("each statement becomes durable once");
        home.pending_len -= len;
        if let Some((account, turn)) = stated.turn() {
            self.turn_member(&account, turn, home, out);
        }
        stated.into_answers().into_iter().for_each(|answer| out.answer(answer));
    }

    /// Somebody has become a member, or is one no more. An attached session hears up to where it
    /// reads now.
    fn turn_member(&mut self, account: &Name, turn: Turn, home: &mut Home, out: &mut LogOut) {
        let (reader, upto) = match turn {
            Turn::Joins { before } => (self.members.join(*account, before), Seq::MAX),
            Turn::Departs { seq, version } => {
                let count = |after, upto| self.usage.count(after, upto);
                (self.members.depart(account, (seq, version), count), seq)
            }
        };
        if let Some(reader) = reader {
            home.metrics.dismissed += u64::from(upto < Seq::MAX);
            self.tell_departed(reader.server, (account, reader.epoch), upto, out);
        }
        if let Some((first, Some(reader))) = self.members.bound_departed(home.limits.departed_max) {
            self.tell_departed(reader.server, (&first, reader.epoch), Seq(0), out);
        }
        if !self.members.is_written() {
            self.mark_dirty(home);
        }
    }

    fn start(&mut self, asker: &Asker, start: GroupStart, out: &mut LogOut) {
        match self.started(asker, start) {
            Ok(started) => out.starts.push(started),
            Err(code) => self.answer_settled(asker, asker.fault(code), out),
        }
    }

    fn started(&self, asker: &Asker, start: GroupStart) -> Result<Started, FaultCode> {
        let (policy, version, head, password) = match (&self.group, start.act) {
            (None, Act::Create) if start.opening.bytes().is_empty() => {
                (Policy::Open, 0, [0; 32], Bytes::new())
            }
            (None, Act::Create) => (Policy::Password, 0, [0; 32], Bytes::new()),
            (Some(_), Act::Create) => return Err(FaultCode::GROUP_NAME_TAKEN),
            (Some(group), Act::Join) => {
                let roster = group.roster();
                roster.check_join(&asker.account).map_err(RosterError::fault)?;
                (roster.policy(), roster.version(), roster.head(), group.password().clone())
            }
            _ => return Err(FaultCode::MALFORMED),
        };
        let (to, exchange, account) = (asker.to, asker.exchange, asker.account);
        Ok(Started { to, exchange, account, start, policy, version, head, password })
    }

    fn change(&mut self, asker: &Asker, change: Change, home: &mut Home, out: &mut LogOut) {
        if self.members.is_stale(&asker.account, asker.epoch) {
            return out.answer(asker.fault(FaultCode::STALE_EPOCH));
        }
        self.members.raise_floor(&asker.account, asker.epoch);
        let version = self.group.as_ref().map_or(0, |group| group.roster().version());
        if (1..=version).contains(&change.statement.version) {
            return self.change_again(asker, change, home, out);
        }
        match self.next_roster(&change) {
            Ok(roster) => self.state(asker, change, roster, home, out),
            Err(code) => self.answer_settled(asker, asker.fault(code), out),
        }
    }

    /// There is a statement of this version: it may be this one.
    fn change_again(&mut self, asker: &Asker, change: Change, home: &mut Home, out: &mut LogOut) {
        let (group, version) = (self.id.name, change.statement.version);
        let unsettled = self.group.as_ref().and_then(|group| group.unsettled(version));
        if let Some(bytes) = unsettled {
            let answer = change.repeated(asker, *bytes == change.bytes);
            return self.answer_settled(asker, answer, out);
        }
        if !home.can_read() {
            return out.answer(asker.fault(FaultCode::UNAVAILABLE));
        }
        let asked = StatementsFor::Repeat(*asker, change);
        let read = Read::Statements { group, after: version - 1 };
        self.ask(Pending::Statements { log: self.key, asked }, read, home, out);
    }

    /// The roster with the statement, if its place, the rules and the group's password allow it.
    fn next_roster(&self, change: &Change) -> Result<Roster, FaultCode> {
        let statement = &change.statement;
        let hash = Statement::hash(&change.bytes);
        let Some(group) = &self.group else {
            let is_registered = matches!(change.entrance, Entrance::Registered(_));
            if is_registered != (statement.policy == Some(Policy::Password)) {
                return Err(FaultCode::MALFORMED);
            }
            return Roster::create(statement, hash).map_err(RosterError::fault);
        };
        let mut roster = group.roster().clone();
        roster.apply(statement, hash).map_err(RosterError::fault)?;
        if statement.act != Act::Join || roster.policy() != Policy::Password {
            return Ok(roster);
        }
        match &change.entrance {
            Entrance::Proven => Ok(roster),
            Entrance::Failed(code) => Err(*code),
            Entrance::None | Entrance::Registered(_) => Err(FaultCode::WRONG_GROUP_PASSWORD),
        }
    }

    /// Appends the statement to the log; it is answered when it is durable.
    fn state(
        &mut self,
        asker: &Asker,
        change: Change,
        roster: Roster,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let Change { at, origin, bytes, key_log, statement, entrance } = change;
        let body = Body::new(bytes.clone()).expect("a statement is shorter than a body");
        let snapshot = roster.encode();
        let has_room = self.group.as_ref().is_none_or(|group| group.has_room());
        let keys_len: usize = key_log.iter().map(Bytes::len).sum();
        if !has_room || !home.has_room(cost(&body) + snapshot.len() + keys_len) {
            return out.answer(asker.fault(FaultCode::UNAVAILABLE));
        }
        let place = (self.id.name, statement.actor);
        if statement.act == Act::Join && home.joins.charge(home.instant, place).is_err() {
            return self.answer_settled(asker, asker.fault(FaultCode::RATE_LIMITED), out);
        }
        let (seq, before, sender) = (home.next_seq(), self.head, statement.actor);
        let answer = asker.answer(asker.changed(statement.version));
        let group = self.group.get_or_insert_with(|| {
            let password = match entrance {
                Entrance::Registered(record) => record,
                _ => Bytes::new(),
            };
            Box::new(Group::new(roster.clone(), password, at))
        });
        let statement = *statement;
        let next = Next { roster, snapshot, statement, bytes, key_log, seq, before, answer };
        home.pending_len += group.state(next);
        home.metrics.statements += 1;
        let number = Number::NONE;
        self.keep(None, Entry { seq, sender, origin, number, at, body }, home, out);
    }

    fn fetch_roster(
        &mut self,
        asker: &Asker,
        fetch: &FetchRoster,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        if let Err(code) = self.roster_limit(&asker.account) {
            return self.answer_settled(asker, asker.fault(code), out);
        }
        if !home.can_read() {
            return out.answer(asker.fault(FaultCode::UNAVAILABLE));
        }
        let asked = StatementsFor::Part(*asker, fetch.after);
        let read = Read::Statements { group: fetch.group, after: fetch.after };
        self.ask(Pending::Statements { log: self.key, asked }, read, home, out);
    }

    /// The newest statement that `account` may fetch: who has departed fetches up to that.
    pub(super) fn roster_limit(&self, account: &Name) -> Result<u32, FaultCode> {
        let group = self.group.as_ref().ok_or(FaultCode::NO_SUCH_GROUP)?;
        if group.roster().is_member(account) || group.roster().is_invited(account) {
            return Ok(u32::MAX);
        }
        let departed = self.members.departure(account).map(|(_, version)| version);
        let departing = || group.departing(account).filter(|_| self.members.contains(account));
        departed.or_else(departing).ok_or_else(|| group.refusal(account))
    }

    /// The statements behind `after`, of which the store knew these when it was asked: those that
    /// were not durable then are when this is told.
    fn part(
        &self,
        asker: &Asker,
        mut statements: Vec<Bytes>,
        (after, upto): (u32, u32),
    ) -> Result<RosterPart, FaultCode> {
        let group = self.group.as_ref().ok_or(FaultCode::NO_SUCH_GROUP)?;
        let room = group.roster().version().min(upto).saturating_sub(after);
        let room = usize::try_from(room).expect("32 bits fit");
        let known = u32::try_from(statements.len()).expect("at most STATEMENTS_MAX");
        let unsettled = (after + known + 1..).map_while(|version| group.unsettled(version));
        statements.extend(unsettled.take(STATEMENTS_MAX - statements.len()).cloned());
        if statements.is_empty() && room > 0 {
            // The store was asked before they were written, and answers after that.
            return Err(FaultCode::UNAVAILABLE);
        }
        statements.truncate(room);
        let complete = statements.len() == room;
        let statements = statements.into_iter();
        let statements = statements
            .map(|statement| StatementBytes::new(statement).expect("the store keeps what was put"));
        let statements = List::new(statements.collect()).expect("at most STATEMENTS_MAX");
        Ok(RosterPart { request: asker.request, group: self.id.name, statements, complete })
    }
}

impl Asker {
    fn changed(&self, version: u32) -> RosterChanged {
        RosterChanged { request: self.request, version }
    }
}

impl Change {
    /// What is said to a statement of a version that there is.
    fn repeated(&self, asker: &Asker, is_known: bool) -> (ServerId, Answer) {
        match self.statement.act {
            _ if is_known => asker.answer(asker.changed(self.statement.version)),
            Act::Create => asker.fault(FaultCode::GROUP_NAME_TAKEN),
            _ => asker.fault(FaultCode::ROSTER_MOVED),
        }
    }
}
