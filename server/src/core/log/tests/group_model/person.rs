//! Someone's client, and its seat's part in it.

use std::collections::BTreeSet;

use crate::core::log::tests::*;
use crate::core::log::{LogAsk, LogQuestion};

/// A message session as its sender knows it.
#[derive(Clone, Copy)]
pub(super) struct Granted {
    /// Of the roster whose members it is for.
    pub(super) version: u32,
}

/// Someone's client, and its seat's part in it.
pub(super) struct Person {
    pub(super) name: Name,
    pub(super) seat: Option<ServerId>,
    pub(super) epoch: u64,
    pub(super) is_reading: bool,
    pub(super) is_live: bool,
    /// Up to where it reads, while it is no member and its home has said so.
    pub(super) end: Option<Seq>,
    /// It was told that it missed something.
    pub(super) has_missed: bool,
    pub(super) cursor: Seq,
    pub(super) seen: Seq,
    /// What was received, in order.
    pub(super) received: Vec<Entry>,
    /// The version of the newest statement that it knows.
    pub(super) version: u32,
    pub(super) outbox: Vec<(PeerPost, u32)>,
    /// By number, in order: whether it was accepted.
    pub(super) told: Vec<bool>,
    /// By number of the message session.
    pub(super) sessions: Vec<Granted>,
    pub(super) needs_session: bool,
    pub(super) goes_back: bool,
    /// Grants that it asked for and did not get an answer about.
    pub(super) asked: BTreeSet<(Name, u32)>,
    pub(super) had: BTreeSet<(Name, u32)>,
}

impl Person {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            seat: None,
            epoch: 0,
            is_reading: false,
            is_live: false,
            end: None,
            has_missed: false,
            cursor: Seq(0),
            seen: Seq(0),
            received: Vec::new(),
            version: 0,
            outbox: Vec::new(),
            told: Vec::new(),
            sessions: Vec::new(),
            needs_session: true,
            goes_back: false,
            asked: BTreeSet::new(),
            had: BTreeSet::new(),
        }
    }

    pub(super) fn settled(&self) -> u64 {
        u64::try_from(self.told.len()).expect("few")
    }

    pub(super) fn ask(&self, question: LogQuestion) -> LogAsk {
        let (account, epoch) = (self.name, SessionEpoch(self.epoch));
        LogAsk { exchange: ExchangeId(0), account, origin: ORIGIN, epoch, question }
    }

    /// The home says up to where it reads.
    pub(super) fn bound(&mut self, upto: Seq) {
        self.end = (upto < Seq::MAX).then_some(upto);
        if self.end.is_none() || self.seen >= upto {
            self.is_live = false;
        }
        if upto == Seq(0) {
            // No range comes any more, and who joins again reads anew.
            (self.is_reading, self.end) = (false, None);
        }
    }

    pub(super) fn answer(&mut self, answered: Answered) {
        match answered {
            Answered::Accepted(upto) => {
                while self.settled() < upto {
                    self.told.push(true);
                }
            }
            Answered::Rejected(number, code) => self.reject(number, code),
            Answered::Expected(..) | Answered::Busy(_) => self.goes_back = true,
            Answered::Conflict(number) => panic!("an honest sender conflicts at {number}"),
        }
    }

    pub(super) fn reject(&mut self, number: u64, code: FaultCode) {
        let index = usize::try_from(number - 1).expect("few");
        if number <= self.settled() {
            assert!(!self.told[index], "{number} was accepted before");
            return;
        }
        assert_eq!(number, self.settled() + 1, "answers come in order");
        self.told.push(false);
        let (_, session) = self.outbox[index];
        let is_newest =
            usize::try_from(session).is_ok_and(|session| session == self.sessions.len());
        match code {
            FaultCode::GRANT_MISSING | FaultCode::ROSTER_BEHIND => {
                self.needs_session |= is_newest;
            }
            FaultCode::NOT_A_MEMBER | FaultCode::REMOVED => {}
            other => panic!("{number} was rejected: {other}"),
        }
    }
}
