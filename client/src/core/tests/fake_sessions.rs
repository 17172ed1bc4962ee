//! The message sessions and grants that a real store would hold, in memory.

use std::collections::{BTreeMap, BTreeSet};

use wire::message::ReaderGrant;
use wire::{LogId, MessageSession, Name};

use crate::core::grant_answers::ANSWERS_MAX;
use crate::core::session_op::{SessionAnswer, SessionOp};
use crate::crypto::content::GrantRequest;
use crate::crypto::grant::SessionPlace;
use crate::store::{
    GrantedSession, SessionGrant, SessionRecord, SessionsRecord, WantedGrant, WantedId,
};

/// What a real store would hold.
#[derive(Default)]
pub(super) struct FakeSessions {
    pub(super) own: BTreeMap<(LogId, MessageSession), SessionRecord>,
    pub(super) granted: BTreeMap<SessionPlace, GrantedSession>,
    pub(super) asked: BTreeSet<SessionPlace>,
    /// Requests that became drafts and were not taken out yet.
    pub(super) drafts: Vec<(SessionPlace, GrantRequest)>,
    /// What others ask for.
    pub(super) wanted: Vec<WantedGrant>,
    last_wanted: i64,
}

impl FakeSessions {
    pub(super) fn perform(&mut self, op: SessionOp) -> (&'static str, Option<SessionAnswer>) {
        match op {
            SessionOp::Begin { log, number, state, part, grants } => {
                for (_, record) in self.of(log) {
                    record.is_ended = true;
                }
                let grants = open(part.part, &grants);
                let (is_ended, parts) = (false, vec![part]);
                let record = SessionRecord { number, state, is_ended, parts, grants };
                assert!(self.own.insert((log, number), record).is_none(), "a number is given once");
                ("begun", Some(SessionAnswer::Kept(log)))
            }
            SessionOp::AddPart { log, number, part, grants } => {
                let record = self.own.get_mut(&(log, number)).expect("it was begun");
                record.grants.extend(open(part.part, &grants));
                record.parts.push(part);
                ("part", Some(SessionAnswer::Kept(log)))
            }
            SessionOp::AddGrants { log, number, part, grants } => {
                let record = self.own.get_mut(&(log, number)).expect("it was begun");
                record.grants.extend(open(part, &grants));
                ("grants", Some(SessionAnswer::Kept(log)))
            }
            SessionOp::LoadOwn { log, number } => {
                let record = self.own.get(&(log, number)).cloned();
                ("own", Some(SessionAnswer::Own { log, number, record }))
            }
            SessionOp::LoadGranted(place) => {
                let session = self.granted.get(&place).cloned();
                let same = |held: &&SessionPlace| {
                    (held.log, held.sender, held.origin) == (place.log, place.sender, place.origin)
                };
                let is_origin_known = self.granted.keys().any(|held| same(&held));
                let answer = SessionAnswer::Granted { place, session, is_origin_known };
                ("granted", Some(answer))
            }
            SessionOp::Request { place, request, .. } => {
                let is_new = self.asked.insert(place);
                self.drafts.extend(is_new.then_some((place, request)));
                ("request", Some(SessionAnswer::Requested(is_new)))
            }
            SessionOp::LoadWanted(after) => {
                let behind = self.wanted.iter().filter(|wanted| wanted.id > after);
                let wanted = behind.take(ANSWERS_MAX).copied().collect();
                ("wanted", Some(SessionAnswer::Wanted(wanted)))
            }
            op => (self.perform_silent(op), None),
        }
    }

    /// A request that was received: in the transaction of its `Receive`.
    pub(super) fn note(&mut self, asker: Name, request: &GrantRequest) {
        let GrantRequest { log, message_session: number, .. } = *request;
        let is_known =
            self.wanted.iter().any(|w| (w.asker, w.log, w.number) == (asker, log, number));
        if self.own.contains_key(&(log, number)) && !is_known {
            self.last_wanted += 1;
            let id = WantedId(self.last_wanted);
            self.wanted.push(WantedGrant { id, asker, log, number });
        }
    }

    /// What the posts to `log` need.
    pub(super) fn record(&self, log: LogId) -> SessionsRecord {
        let all = self.own.iter().filter(|((of, _), _)| *of == log);
        let last = all.clone().map(|((_, number), _)| number.0).max().unwrap_or(0);
        let is_open = |record: &&SessionRecord| {
            !record.is_ended || record.grants.iter().any(|grant| !grant.is_put)
        };
        let sessions = all.map(|(_, record)| record).filter(is_open).cloned().collect();
        SessionsRecord { last, sessions }
    }

    /// The logs with grants that were not confirmed.
    pub(super) fn busy(&self) -> impl Iterator<Item = LogId> {
        let is_open = |record: &SessionRecord| record.grants.iter().any(|grant| !grant.is_put);
        self.own.iter().filter(move |(_, record)| is_open(record)).map(|((log, _), _)| *log)
    }

    fn perform_silent(&mut self, op: SessionOp) -> &'static str {
        match op {
            SessionOp::Confirm { log, number, readers } => {
                // A later message session may have pushed this one out.
                if let Some(record) = self.own.get_mut(&(log, number)) {
                    let mine = record.grants.iter_mut();
                    mine.filter(|g| readers.contains(&g.grant.reader)).for_each(confirm);
                }
                "confirmed"
            }
            SessionOp::End { log, number } => {
                let record = self.own.get_mut(&(log, number)).expect("it was begun");
                record.is_ended = true;
                record.grants.iter_mut().for_each(confirm);
                "over"
            }
            SessionOp::KeepGranted { place, session, .. } => {
                self.granted.insert(place, session);
                "kept grant"
            }
            SessionOp::DropWanted(id) => {
                self.wanted.retain(|wanted| wanted.id != id);
                "given"
            }
            op => panic!("{op:?} is not played"),
        }
    }

    fn of(
        &mut self,
        log: LogId,
    ) -> impl Iterator<Item = (&(LogId, MessageSession), &mut SessionRecord)> {
        self.own.iter_mut().filter(move |((of, _), _)| *of == log)
    }
}

fn open(part: u16, grants: &[ReaderGrant]) -> Vec<SessionGrant> {
    let open = |grant: &ReaderGrant| SessionGrant { part, grant: grant.clone(), is_put: false };
    grants.iter().map(open).collect()
}

fn confirm(grant: &mut SessionGrant) {
    grant.is_put = true;
}
