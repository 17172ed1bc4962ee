//! What makes a log a group: its roster, its password, and the statements that are not durable yet.
//!
//! Two things are true at once. The *roster* is folded from every statement that was taken: it
//! decides which statement comes next and who may post. The log's *members* are those of the
//! durable statements: they read. What is said of a statement is said when it is durable.

use std::collections::VecDeque;

use bytes::Bytes;
use storage::{Batch, Change, GroupRecord};
use wire::message::Answer;
use wire::roster::{Act, Roster, Statement};
use wire::{FaultCode, LogId, Name, Seq, ServerId, Wall};

use super::absence::Turn;

/// Statements of one group that may wait for their batch.
const STATED_MAX: usize = 64;
/// Answers that may wait for one statement.
const ANSWERS_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Group {
    roster: Roster,
    password: Bytes,
    created: Wall,
    stated: VecDeque<Stated>,
    len: usize,
}

/// A statement that is not durable.
#[derive(Debug)]
pub(super) struct Stated {
    pub(super) statement: Statement,
    bytes: Bytes,
    /// The seq of its entry.
    seq: Seq,
    /// The log's head before it: where a new member begins to read.
    before: Seq,
    /// The roster with it.
    roster: Bytes,
    /// Its actor's key log.
    key_log: Vec<Bytes>,
    answers: Vec<(ServerId, Answer)>,
}

/// A new statement, the roster with it, and its place in the log.
pub(super) struct Next {
    pub(super) roster: Roster,
    /// The roster as bytes.
    pub(super) snapshot: Bytes,
    pub(super) statement: Statement,
    pub(super) bytes: Bytes,
    pub(super) key_log: Vec<Bytes>,
    pub(super) seq: Seq,
    pub(super) before: Seq,
    pub(super) answer: (ServerId, Answer),
}

impl Stated {
    /// What it costs while it is not durable, beside its entry.
    fn len(&self) -> usize {
        let key_log: usize = self.key_log.iter().map(Bytes::len).sum();
        self.roster.len() + key_log
    }

    /// Who becomes a reader by it, or is to be one no more.
    pub(super) fn turn(&self) -> Option<(Name, Turn)> {
        let Statement { version, act, actor, subject, .. } = self.statement;
        match act {
            Act::Create | Act::Join => Some((actor, Turn::Joins { before: self.before })),
            Act::Leave | Act::Remove => Some((subject, Turn::Departs { seq: self.seq, version })),
            Act::Invite | Act::HandOver | Act::Close => None,
        }
    }

    pub(super) fn into_answers(self) -> Vec<(ServerId, Answer)> {
        self.answers
    }
}

impl Group {
    /// A group with this roster.
    pub(super) fn new(roster: Roster, password: Bytes, created: Wall) -> Self {
        Self { roster, password, created, stated: VecDeque::new(), len: 0 }
    }

    /// What the store holds.
    pub(super) fn from_record(record: GroupRecord) -> Self {
        let roster = Roster::decode(record.roster).expect("the store keeps what was put");
        Self::new(roster, record.password, record.created)
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(super) fn password(&self) -> &Bytes {
        &self.password
    }

    /// Whether some statement is not durable.
    pub(super) fn is_settling(&self) -> bool {
        !self.stated.is_empty()
    }

    /// Whether another statement may wait for its batch.
    pub(super) fn has_room(&self) -> bool {
        self.stated.len() < STATED_MAX
    }

    /// Costs of statements that are not durable, beside their entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes the next statement; gives what it costs until it is durable.
    pub(super) fn state(&mut self, next: Next) -> usize {
        let Next { roster, snapshot, statement, bytes, key_log, seq, before, answer } = next;
        self.roster = roster;
        let answers = vec![answer];
        let stated = Stated { statement, bytes, seq, before, roster: snapshot, key_log, answers };
        let len = stated.len();
        self.len += len;
        self.stated.push_back(stated);
        len
    }

    /// The statement of this version, if it is not durable.
    pub(super) fn unsettled(&self, version: u32) -> Option<&Bytes> {
        let stated = self.stated.iter().find(|stated| stated.statement.version == version);
        stated.map(|stated| &stated.bytes)
    }

    /// What the statements up to `composed` do to who reads. No batch is in flight, so that none of
    /// them is in one.
    pub(super) fn turns(&self, composed: Seq) -> Vec<(Name, Turn)> {
        let stated = self.stated.iter().take_while(|stated| stated.seq <= composed);
        stated.filter_map(Stated::turn).collect()
    }

    /// The version of the statement by which `account` departs, if that is not durable.
    pub(super) fn departing(&self, account: &Name) -> Option<u32> {
        let departs = |stated: &&Stated| {
            let turn = stated.turn();
            turn.is_some_and(|(subject, turn)| {
                subject == *account && matches!(turn, Turn::Departs { .. })
            })
        };
        self.stated.iter().find(departs).map(|stated| stated.statement.version)
    }

    /// Lets an answer wait until every statement is durable; whether there was room.
    pub(super) fn answer_later(&mut self, answer: (ServerId, Answer)) -> bool {
        let last = self.stated.back_mut();
        let last = last.filter(|stated| stated.answers.len() < ANSWERS_MAX);
        last.map(|stated| stated.answers.push(answer)).is_some()
    }

    /// The statement with this seq is durable; gives it, and what it cost.
    pub(super) fn settle(&mut self, seq: Seq) -> Option<(Stated, usize)> {
        let stated = self.stated.pop_front_if(|stated| stated.seq == seq)?;
        let len = stated.len();
        self.len -= len;
        Some((stated, len))
    }

    /// Nobody waits at `server` any more.
    pub(super) fn forget_server(&mut self, server: ServerId) {
        for stated in &mut self.stated {
            stated.answers.retain(|(to, _)| *to != server);
        }
    }

    /// Puts the statements up to `composed` into a batch that holds their entries, with the roster
    /// and the actors' key logs. No batch is in flight, so that none of them is in one.
    pub(super) fn compose(&self, log: LogId, composed: Seq, batch: &mut Batch) {
        let group = log.name;
        let mut newest = None;
        for stated in self.stated.iter().take_while(|stated| stated.seq <= composed) {
            let (version, statement) = (stated.statement.version, stated.bytes.clone());
            batch.changes.push(Change::AddStatement { group, version, statement });
            let (account, bundles) = (stated.statement.actor, stated.key_log.clone());
            batch.changes.push(Change::PutKeyLog { log, account, bundles });
            newest = Some(stated.roster.clone());
        }
        if let Some(roster) = newest {
            let (password, created) = (self.password.clone(), self.created);
            let record = GroupRecord { roster, password, created };
            batch.changes.push(Change::PutGroup { group, record });
        }
    }

    /// Why `account`, which is no member, may not use the group.
    pub(super) fn refusal(&self, account: &Name) -> FaultCode {
        if self.roster.is_removed(account) {
            FaultCode::REMOVED
        } else if self.roster.is_closed() {
            FaultCode::GROUP_CLOSED
        } else {
            FaultCode::NOT_A_MEMBER
        }
    }

    /// Why `account` may not post, if it may not.
    pub(super) fn refuses_post_of(&self, account: &Name) -> Option<FaultCode> {
        if !self.roster.is_member(account) {
            return Some(self.refusal(account));
        }
        self.roster.is_closed().then_some(FaultCode::GROUP_CLOSED)
    }

    pub(super) fn is_coherent(&self) -> bool {
        let len: usize = self.stated.iter().map(Stated::len).sum();
        len == self.len
            && self.stated.iter().is_sorted_by(|a, b| a.seq < b.seq)
            && self.stated.back().is_none_or(|last| last.statement.version == self.roster.version())
    }
}
