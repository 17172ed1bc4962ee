//! Grants at a log's home: put by senders, durable with or before the first entry that needs them,
//! fetched by their readers.

use std::collections::VecDeque;

use bytes::Bytes;
use storage::{Batch, Change, Read, StoredGrant};
use wire::message::{
    Announcement, Answer, FetchGrant, Grant, GrantsPut, PutGrants, ReaderGrant, Wrapped,
};
use wire::{FaultCode, LogId, MessageSession, Name, Origin, ServerId};

use super::ask::Asker;
use super::commit::Budget;
use super::home::{Home, Pending};
use super::key_log;
use super::message_session::Standing;
use super::out::LogOut;
use super::state::Log;

/// Parts of one message session: one for its beginning, and one for each time that members join
/// while it is in use.
const PARTS_MAX: u16 = 1024;
/// Memory that a reader's grant needs beside its bytes.
const GRANT_OVERHEAD: usize = 128;

/// Grants that are not durable.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// In no batch yet.
    waiting: VecDeque<Put>,
    /// In the batch that is in flight.
    in_flight: Vec<Put>,
    len: usize,
}

/// One frame of grants.
#[derive(Debug)]
struct Put {
    /// The place of the sender's row, which stays in memory meanwhile.
    row: usize,
    key: Key,
    part: u16,
    announcement: Bytes,
    grants: Vec<StoredGrant>,
    key_log: Vec<Bytes>,
    answer: Option<(ServerId, Answer)>,
}

/// Whose message session it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Key {
    sender: Name,
    origin: Origin,
    message_session: MessageSession,
}

/// What grants cost wherever memory is bounded.
pub(super) fn grants_cost(put: &PutGrants) -> usize {
    let grants = put.grants.items().iter();
    let grants: usize = grants.map(|grant| grant.wrapped.bytes().len() + GRANT_OVERHEAD).sum();
    put.announcement.bytes().len() + GRANT_OVERHEAD + grants + key_log::len(&put.key_log)
}

impl Put {
    /// Copies: the buffers that they came in are not kept.
    fn new(row: usize, key: Key, put: &PutGrants, keeps: impl Fn(&Name) -> bool) -> Self {
        let grants = put.grants.items().iter().filter(|grant| keeps(&grant.reader));
        let grants = grants.map(|grant| StoredGrant {
            reader: grant.reader,
            part: put.part,
            wrapping_key: grant.wrapping_key,
            wrapped: Bytes::copy_from_slice(grant.wrapped.bytes()),
        });
        let announcement = Bytes::copy_from_slice(put.announcement.bytes());
        let (part, grants) = (put.part, grants.collect());
        let key_log = key_log::copied(&put.key_log);
        Self { row, key, part, announcement, grants, key_log, answer: None }
    }

    fn len(&self) -> usize {
        let grants: usize =
            self.grants.iter().map(|grant| grant.wrapped.len() + GRANT_OVERHEAD).sum();
        let key_log: usize = self.key_log.iter().map(Bytes::len).sum();
        self.announcement.len() + GRANT_OVERHEAD + grants + key_log
    }

    fn compose(&self, log: LogId, batch: &mut Batch) {
        let Key { sender, origin, message_session } = self.key;
        let (part, announcement) = (self.part, self.announcement.clone());
        let bundles = self.key_log.clone();
        batch.changes.push(Change::PutKeyLog { log, account: sender, bundles });
        batch.changes.push(Change::PutAnnouncement {
            log,
            sender,
            origin,
            message_session,
            part,
            announcement,
        });
        for grant in &self.grants {
            let grant = grant.clone();
            batch.changes.push(Change::PutGrant { log, sender, origin, message_session, grant });
        }
    }
}

impl Grants {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether some are in no batch.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Puts grants into a batch, in order; whether none are left.
    pub(super) fn compose(&mut self, log: LogId, budget: &mut Budget, batch: &mut Batch) -> bool {
        while let Some(put) = self.waiting.pop_front_if(|put| budget.take(put.len())) {
            put.compose(log, batch);
            self.in_flight.push(put);
        }
        self.waiting.is_empty()
    }

    /// Nobody waits at `server` any more.
    pub(super) fn forget_server(&mut self, server: ServerId) {
        for put in self.waiting.iter_mut().chain(&mut self.in_flight) {
            put.answer.take_if(|(to, _)| *to == server);
        }
    }

    pub(super) fn is_coherent(&self) -> bool {
        let len: usize = self.waiting.iter().chain(&self.in_flight).map(Put::len).sum();
        len == self.len
    }

    /// The newest key log of `sender` that is not durable, if there is one.
    pub(super) fn key_log(&self, sender: &Name) -> Option<&[Bytes]> {
        let puts = self.waiting.iter().rev().chain(self.in_flight.iter().rev());
        puts.filter(|put| put.key.sender == *sender).map(|put| &put.key_log[..]).next()
    }

    fn push(&mut self, put: Put) {
        self.len += put.len();
        self.waiting.push_back(put);
    }

    /// The newest grant of a reader, if it is not durable.
    fn find(&self, key: &Key, reader: &Name) -> Option<(Bytes, &StoredGrant)> {
        let puts = self.waiting.iter().rev().chain(self.in_flight.iter().rev());
        puts.filter(|put| put.key == *key).find_map(|put| {
            let grant = put.grants.iter().rev().find(|grant| grant.reader == *reader)?;
            Some((put.announcement.clone(), grant))
        })
    }
}

impl Log {
    /// Takes grants for a message session of the row at `row`.
    pub(super) fn put_grants(
        &mut self,
        row: usize,
        (asker, origin): (&Asker, Origin),
        put: &PutGrants,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let standing = match self.check_grants(row, asker, put) {
            Ok(standing) => standing,
            Err(code) => return self.answer_settled(asker, asker.fault(code), out),
        };
        if !home.has_room(grants_cost(put)) {
            return out.answer(asker.fault(FaultCode::UNAVAILABLE));
        }
        let (session, sender) = (put.message_session, asker.account);
        let (kept, _, _) = self.rows.ready(row);
        kept.open(asker.epoch);
        if put.last && standing == Standing::New {
            kept.message_sessions.complete(session, put.roster_version);
            self.rows.note_change(row, false);
        }
        self.rows.pin(row);
        let key = Key { sender, origin, message_session: session };
        let mut frame = Put::new(row, key, put, |reader| self.is_reader(reader));
        frame.answer = Some(asker.answer(GrantsPut { request: asker.request }));
        home.pending_len += frame.len();
        home.metrics.grants += u64::try_from(frame.grants.len()).expect("at most GRANTS_MAX");
        self.grants.push(frame);
        self.mark_dirty(home);
    }

    /// The asker's own grant: from memory while it is not durable, else from the store.
    pub(super) fn fetch_grant(
        &mut self,
        asker: &Asker,
        fetch: &FetchGrant,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let reader = asker.account;
        if let Some(group) = &self.group
            && !group.roster().is_member(&reader)
        {
            let code = group.refusal(&reader);
            return self.answer_settled(asker, asker.fault(code), out);
        }
        let FetchGrant { log, sender, origin, message_session, .. } = *fetch;
        let key = Key { sender, origin, message_session };
        if let Some((announcement, grant)) = self.grants.find(&key, &reader) {
            let grant = grant.clone();
            return answer_grant(asker, Some((announcement, grant)), out);
        }
        if !home.can_read() {
            return out.answer(asker.fault(FaultCode::UNAVAILABLE));
        }
        let read = Read::Grant { log, sender, origin, message_session, reader };
        self.ask(Pending::Grant { log: self.key, asker: *asker }, read, home, out);
    }

    /// Everything composed is durable, and said.
    pub(super) fn settle_grants(&mut self, home: &mut Home, out: &mut LogOut) {
        for put in self.grants.in_flight.drain(..) {
            let len = put.len();
            self.grants.len -= len;
            home.pending_len -= len;
            self.rows.note_committed(put.row);
            put.answer.into_iter().for_each(|answer| out.answer(answer));
        }
    }

    fn check_grants(
        &mut self,
        row: usize,
        asker: &Asker,
        put: &PutGrants,
    ) -> Result<Standing, FaultCode> {
        let (kept, ..) = self.rows.ready(row);
        if let Some(group) = &self.group {
            kept.message_sessions.forget_behind(group.roster().last_departure());
        }
        let standing = kept.message_sessions.standing(put.message_session);
        if kept.is_stale(asker.epoch) || self.members.is_stale(&asker.account, asker.epoch) {
            return Err(FaultCode::STALE_EPOCH);
        }
        if put.message_session.0 == 0 || put.announcement.bytes().is_empty() {
            return Err(FaultCode::MALFORMED);
        }
        key_log::check(&put.key_log)?;
        self.check_readers(asker, put)?;
        match standing {
            _ if put.part >= PARTS_MAX => Err(FaultCode::TOO_MANY_GRANTS),
            Standing::New if put.part > 0 => Err(FaultCode::GRANT_MISSING),
            Standing::New | Standing::Complete | Standing::Late => Ok(standing),
            Standing::NotYet => Err(FaultCode::UNAVAILABLE),
            Standing::TooMany => Err(FaultCode::TOO_MANY_GRANTS),
            Standing::Gone => Err(FaultCode::GRANT_MISSING),
        }
    }

    /// In a group, the readers must be those of now but for who has joined since.
    fn check_readers(&self, asker: &Asker, put: &PutGrants) -> Result<(), FaultCode> {
        let Some(group) = &self.group else {
            let owner = &self.id.name;
            let is_owner = |grant: &ReaderGrant| grant.reader == *owner;
            let is_good = put.roster_version == 0 && put.grants.items().iter().all(is_owner);
            return if is_good { Ok(()) } else { Err(FaultCode::MALFORMED) };
        };
        if let Some(code) = group.refuses_post_of(&asker.account) {
            return Err(code);
        }
        let roster = group.roster();
        let is_known = (roster.last_departure()..=roster.version()).contains(&put.roster_version);
        if is_known { Ok(()) } else { Err(FaultCode::ROSTER_BEHIND) }
    }

    /// Whether `account` could fetch a grant.
    fn is_reader(&self, account: &Name) -> bool {
        match &self.group {
            Some(group) => group.roster().is_member(account),
            None => *account == self.id.name,
        }
    }
}

/// Tells a reader its grant, or that there is none.
pub(super) fn answer_grant(asker: &Asker, found: Option<(Bytes, StoredGrant)>, out: &mut LogOut) {
    let Some((announcement, grant)) = found else {
        return out.answer(asker.fault(FaultCode::GRANT_MISSING));
    };
    let StoredGrant { reader, wrapping_key, wrapped, .. } = grant;
    let wrapped = Wrapped::new(wrapped).expect("the store keeps what was put");
    out.answer(asker.answer(Grant {
        request: asker.request,
        announcement: Announcement::new(announcement).expect("the store keeps what was put"),
        grant: ReaderGrant { reader, wrapping_key, wrapped },
    }));
}
