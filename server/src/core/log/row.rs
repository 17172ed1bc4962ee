//! The row of one (log, sender, origin): what a post with a number is answered.
//!
//! With `base = max(last, settled)`, `settled` being the highest that any post claimed:
//!
//! | number | answer |
//! | --- | --- |
//! | `base + 1` | it is appended, or rejected for want of room; either way it is used |
//! | `base + 1`, sent again, and there is no room | `Busy` |
//! | `base + 1`, there is room, but the number before was rejected and is not settled | `Busy` |
//! | up to `last`, same bytes | the same answer again, once it is safe |
//! | up to `last`, other bytes, or answered so long ago that its hash is gone | `Conflict` |
//! | above `base + 1` | `Expected(base + 1)` |
//! | outside `settled < number ≤ settled + 64` | `Rejected(bad-number)`; the row is untouched |
//! | any, from a session older than the row's | `Busy`; the row is untouched |
//!
//! *Hash gone*: a client resends from its settled + 1 on, so that it never asks for these.
//! *Bad number*: no honest seat lets it pass, and no client counts so.
//! *Stale session*: `Busy` is the one refusal that says what is true: nothing was done, the number
//! is not spent, try again. The client of that session is on its way out; its newer session sends
//! the same post.
//!
//! **A rejection is told once the row on disk knows it**, and after every lower number was
//! answered: a copy of the post that is still under way when the home dies gets the same answer
//! afterwards. One that no sync covered may be decided anew: nobody was told of it.
//!
//! **Nothing is appended behind a rejection that its sender has not settled**: the reader would
//! hold the later entry when a crash lets the earlier number be decided anew, and appended. The
//! sender's next try, once it has heard, carries what it settled.
//!
//! **What a reader may hold is not rejected.** A mailbox's entry is pushed before it is durable,
//! and may be lost by a crash with its row. Its grants are not: they are durable before it is
//! pushed. Its sender, who was not answered, says that it sends the post *again*, and such a post
//! may take an eighth more room; when others have taken that too it is `Busy`, until the reader
//! makes room.
//!
//! `Accepted` is cumulative. To each session that posts, the row therefore answers its numbers one
//! after the other from what that session said is settled: no `Accepted` passes over a rejection
//! that this session was not told.

use std::collections::VecDeque;

use storage::RowRecord;
use wire::limits::UNANSWERED_MAX;
use wire::message::Class;
use wire::{FaultCode, Number, Seq, ServerId, SessionEpoch};

use super::message_session::MessageSessions;

/// Entries of one row that may yet be told as shown; a later one's receipt covers older ones.
const UNSHOWN_MAX: usize = 64;

/// What a used number came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Its entry has this seq.
    Appended(Seq),
    /// It was rejected.
    Rejected(FaultCode),
}

impl Outcome {
    /// On disk, a rejection is its code under store epoch 0, which no store ever has.
    fn to_seq(self) -> Seq {
        match self {
            Self::Appended(seq) => seq,
            Self::Rejected(code) => Seq::new(0, u64::from(code.0)),
        }
    }

    fn from_seq(seq: Seq) -> Self {
        match u16::try_from(seq.0) {
            Ok(code) => Self::Rejected(FaultCode(code)),
            Err(_) => Self::Appended(seq),
        }
    }

    /// Whether a batch that holds the log's entries up to `composed` may say so.
    fn is_within(self, composed: Seq) -> bool {
        match self {
            Self::Appended(seq) => seq <= composed,
            Self::Rejected(_) => true,
        }
    }
}

/// What a post says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) from: ServerId,
    pub(super) epoch: SessionEpoch,
    pub(super) number: Number,
    pub(super) settled: Number,
    pub(super) hash: u64,
}

/// What the row says to a post.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is the next one.
    Next,
    /// It was used, with these bytes.
    Repeat,
    /// It was used with other bytes, or too long ago.
    Conflict,
    /// This one comes first.
    Expected(Number),
    /// Its number is outside of what it may be.
    BadNumber,
    /// A newer session posts.
    Stale,
}

/// One answer on its way to the session that posts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reply {
    /// Safe up to this number, whose entry has this seq, in this way.
    Accepted(Number, Seq, Class),
    /// This number was rejected.
    Rejected(Number, FaultCode),
}

/// What of a log is safe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Safe {
    /// Everything up to this.
    pub(super) upto: Seq,
    /// Up to this its reader holds it durably.
    pub(super) seen: Seq,
}

impl Safe {
    fn class(self, seq: Seq) -> Class {
        if seq <= self.seen { Class::Seen } else { Class::Stored }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Row {
    epoch: SessionEpoch,
    settled: Number,
    last: Number,
    /// Hash and outcome of each number above `settled` up to `last`.
    seen: VecDeque<(u64, Outcome)>,
    /// Numbers up to this are in the row that a batch held last.
    composed: Number,
    /// Numbers up to this are in the row on disk.
    durable: Number,
    pub(super) message_sessions: MessageSessions,
    /// The session that posts, and the server it sits on.
    poster: Option<(ServerId, SessionEpoch)>,
    /// The highest number that this session posted.
    asked: Number,
    /// The highest number that this session was answered, or said is settled.
    told: Number,
    /// Entries of a mailbox that its owner is not known to have been shown; the newest of them.
    unshown: VecDeque<Seq>,
}

impl Row {
    /// Nobody has ever posted by it, nor put a grant.
    pub(super) fn is_unused(&self) -> bool {
        let is_blank = self.last == Number::default() && self.settled == Number::default();
        is_blank && self.poster.is_none() && self.message_sessions.is_empty()
    }

    pub(super) fn from_record(record: RowRecord) -> Self {
        let RowRecord { epoch, settled, last, seen, sessions } = record;
        let message_sessions = MessageSessions::from_record(sessions);
        let seen = seen.into_iter().map(|(hash, seq)| (hash, Outcome::from_seq(seq))).collect();
        let last = last.max(settled);
        let (composed, durable) = (last, last);
        let row = Self {
            epoch,
            settled,
            last,
            seen,
            composed,
            durable,
            message_sessions,
            ..Self::default()
        };
        assert!(row.is_coherent(), "the store keeps what was put");
        row
    }

    /// The row for a batch, with the numbers that are safe with it when it holds the log's entries
    /// up to `composed`, and whether that is all.
    pub(super) fn compose(&mut self, composed: Seq) -> (RowRecord, bool) {
        let within = self.seen.iter().take_while(|(_, outcome)| outcome.is_within(composed));
        let seen: Vec<_> = within.map(|(hash, outcome)| (*hash, outcome.to_seq())).collect();
        let is_whole = seen.len() == self.seen.len();
        let last = self.number_at(seen.len());
        self.composed = last;
        let (epoch, settled, sessions) = (self.epoch, self.settled, self.message_sessions.record());
        (RowRecord { epoch, settled, last, seen, sessions }, is_whole)
    }

    /// The batch that held the row last is durable; whether a rejection may now be told.
    pub(super) fn on_committed(&mut self) -> bool {
        self.durable = self.composed;
        self.is_blocked()
    }

    /// `max(last, settled)`: the next number is the one after.
    pub(super) fn base(&self) -> Number {
        self.last
    }

    /// A session opens the log to post: older ones post no more.
    pub(super) fn open(&mut self, epoch: SessionEpoch) {
        self.epoch = self.epoch.max(epoch);
    }

    /// A newer session than that with this epoch has posted.
    pub(super) fn is_stale(&self, epoch: SessionEpoch) -> bool {
        epoch < self.epoch
    }

    /// Decides on a post. Only what the claim settles is noted.
    pub(super) fn check(&mut self, claim: &Claim) -> Verdict {
        let (number, settled) = (claim.number.value(), claim.settled.value());
        if number <= settled || number > settled + UNANSWERED_MAX {
            return Verdict::BadNumber;
        }
        if claim.epoch < self.epoch {
            return Verdict::Stale;
        }
        self.meet(claim);
        self.settle(claim.settled);
        let base = self.base();
        if claim.number <= base {
            return self.repeated(claim);
        }
        if number > base.value() + 1 {
            return Verdict::Expected(base.next());
        }
        Verdict::Next
    }

    /// The newest number was rejected, and its sender has not said that it knows.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self.seen.back(), Some((_, Outcome::Rejected(_))))
    }

    /// Uses the next number.
    pub(super) fn push(&mut self, hash: u64, outcome: Outcome) {
        self.last = self.last.next();
        self.asked = self.asked.max(self.last);
        self.seen.push_back((hash, outcome));
        debug_assert!(self.is_coherent());
    }

    /// The owner of the mailbox may yet be shown this entry.
    pub(super) fn note_unshown(&mut self, seq: Seq) {
        if self.unshown.len() >= UNSHOWN_MAX {
            self.unshown.pop_front();
        }
        self.unshown.push_back(seq);
    }

    /// The owner was shown everything up to `upto`: the newest entry for which that is news, and
    /// where its poster sits.
    pub(super) fn take_shown(&mut self, upto: Seq) -> Option<(ServerId, Seq)> {
        let count = self.unshown.partition_point(|seq| *seq <= upto);
        let newest = self.unshown.drain(..count).next_back()?;
        self.poster.map(|(server, _)| (server, newest))
    }

    /// A used number was posted again: it is answered again, now if it was before.
    pub(super) fn repeat(&mut self, number: Number, safe: Safe) -> Option<Reply> {
        self.asked = self.asked.max(number);
        if number > self.told {
            return None;
        }
        Some(match self.outcome(number)? {
            Outcome::Appended(seq) => Reply::Accepted(number, seq, safe.class(seq)),
            Outcome::Rejected(code) => Reply::Rejected(number, code),
        })
    }

    /// Answers what is safe now, in the order of numbers. What is seen and what is stored is told
    /// apart: seqs rise with numbers, so that the seen ones come first.
    pub(super) fn release(&mut self, safe: Safe, mut tell: impl FnMut(ServerId, Reply)) {
        let Some((server, _)) = self.poster else {
            return;
        };
        let mut accepted: Option<(Number, Seq, Class)> = None;
        let reply = |(number, seq, class)| Reply::Accepted(number, seq, class);
        while self.told < self.asked {
            let number = self.told.next();
            match self.outcome(number) {
                Some(Outcome::Appended(seq)) if seq > safe.upto => break,
                Some(Outcome::Rejected(_)) if number > self.durable => break,
                Some(Outcome::Appended(seq)) => {
                    let class = safe.class(seq);
                    let others = accepted.replace((number, seq, class));
                    let others = others.filter(|(_, _, other)| *other != class);
                    others.into_iter().for_each(|others| tell(server, reply(others)));
                }
                Some(Outcome::Rejected(code)) => {
                    accepted.take().into_iter().for_each(|safe| tell(server, reply(safe)));
                    tell(server, Reply::Rejected(number, code));
                }
                None => assert!(number <= self.settled, "only settled numbers are forgotten"),
            }
            self.told = number;
        }
        accepted.into_iter().for_each(|safe| tell(server, reply(safe)));
    }

    /// Nobody waits at `server` any more.
    pub(super) fn forget_server(&mut self, server: ServerId) {
        self.poster = self.poster.filter(|(poster, _)| *poster != server);
    }

    pub(super) fn is_coherent(&self) -> bool {
        let used = self.last.value().checked_sub(self.settled.value());
        used == u64::try_from(self.seen.len()).ok()
            && used.is_some_and(|used| used <= UNANSWERED_MAX)
            && self.asked <= self.last.max(self.told)
            && self.durable <= self.composed
            && self.composed <= self.last
            && self.message_sessions.is_coherent()
    }

    /// Another session posts: what it said is settled is all that it was told.
    fn meet(&mut self, claim: &Claim) {
        self.epoch = claim.epoch;
        if self.poster != Some((claim.from, claim.epoch)) {
            self.poster = Some((claim.from, claim.epoch));
            self.told = claim.settled;
            self.asked = claim.settled;
        }
    }

    fn settle(&mut self, upto: Number) {
        while self.settled < upto && self.seen.pop_front().is_some() {
            self.settled = self.settled.next();
        }
        self.settled = self.settled.max(upto);
        self.last = self.last.max(self.settled);
        self.told = self.told.max(self.settled);
    }

    fn repeated(&self, claim: &Claim) -> Verdict {
        match self.index(claim.number).map(|index| self.seen[index]) {
            Some((hash, _)) if hash == claim.hash => Verdict::Repeat,
            _ => Verdict::Conflict,
        }
    }

    fn outcome(&self, number: Number) -> Option<Outcome> {
        self.index(number).map(|index| self.seen[index].1)
    }

    /// Where `number` is in `seen`; none for settled and unused ones.
    fn index(&self, number: Number) -> Option<usize> {
        let above = number.value().checked_sub(self.settled.value() + 1)?;
        usize::try_from(above).ok().filter(|index| *index < self.seen.len())
    }

    /// The number of the last of the first `count` in `seen`.
    fn number_at(&self, count: usize) -> Number {
        let count = u64::try_from(count).expect("at most 64");
        Number::new(self.settled.value() + count).expect("at most last")
    }
}
