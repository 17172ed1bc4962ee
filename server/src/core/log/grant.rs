//! Grants at a log's home: put by senders, durable with or before the first entry that needs them,
//! fetched by their readers.

use std::collections::VecDeque;

use bytes::Bytes;
use storage::{Batch, Change, Read, StoredGrant};
use wire::limits::{ANNOUNCEMENT_LEN_MAX, GRANT_PARTS_MAX, WRAPPED_LEN_MAX};
use wire::message::{
    Announcement, Answer, FetchGrant, Grant, GrantsPut, PutGrants, ReaderGrant, Wrapped,
};
use wire::{FaultCode, LogId, MessageSession, Name, Origin, ServerId};

use super::ask::Asker;
use super::commit::Budget;
use super::home::{Home, Pending};
use super::key_log;
use super::limits::LogLimits;
use super::message_session::{Put as Counted, Standing};
use super::out::LogOut;
use super::rows::Rows;
use super::state::Log;

/// Memory, and room on disk, that a reader's grant needs beside its bytes.
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
    /// With it the message session is complete.
    completes: bool,
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
        let completes = false;
        Self { row, key, part, completes, announcement, grants, key_log, answer: None }
    }

    fn len(&self) -> usize {
        let key_log: usize = self.key_log.iter().map(Bytes::len).sum();
        self.granted_len() + key_log
    }

    /// What it takes of the sender's room: a log has one copy of a key log for each account.
    fn granted_len(&self) -> usize {
        let grants: usize =
            self.grants.iter().map(|grant| grant.wrapped.len() + GRANT_OVERHEAD).sum();
        self.announcement.len() + GRANT_OVERHEAD + grants
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

    /// None is on its way to the disk.
    pub(super) fn is_blank(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Whether some are in no batch.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Puts grants into a batch, in order, and notes it in their rows, which are about to follow;
    /// whether none are left.
    pub(super) fn compose(
        &mut self,
        log: LogId,
        rows: &mut Rows,
        budget: &mut Budget,
        batch: &mut Batch,
    ) -> bool {
        while let Some(put) = self.waiting.pop_front_if(|put| budget.take(put.len())) {
            put.compose(log, batch);
            rows.note_put(put.row, put.completes.then_some(put.key.message_session));
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
        let checked = self.check_grants(row, asker, put);
        // What was found to wait in vain goes.
        self.drop_released(row, home);
        if let Err(code) = checked {
            return self.answer_settled(asker, asker.fault(code), out);
        }
        let (session, sender) = (put.message_session, asker.account);
        let key = Key { sender, origin, message_session: session };
        let mut frame = Put::new(row, key, put, |reader| self.is_reader(reader));
        let counted = self.counted(put, frame.granted_len(), home);
        if self.rows.ready(row).0.message_sessions.growth(&counted) > self.grants_room(row, home) {
            return self.answer_settled(asker, asker.fault(FaultCode::GRANTS_FULL), out);
        }
        if !home.has_room(grants_cost(put)) {
            return out.answer(asker.fault(FaultCode::UNAVAILABLE));
        }
        let (kept, _, _) = self.rows.ready(row);
        kept.open(asker.epoch);
        kept.message_sessions.put(&counted);
        frame.completes = put.last
            && put.part == 0
            && kept.message_sessions.complete(session, put.roster_version);
        self.rows.note_grants(row);
        self.rows.pin(row);
        frame.answer = Some(asker.answer(GrantsPut { request: asker.request }));
        home.pending_len += frame.len();
        home.metrics.grants += u64::try_from(frame.grants.len()).expect("at most GRANTS_MAX");
        self.grants.push(frame);
        self.mark_dirty(home);
    }

    /// A look at a row that nobody may use any more: what nobody needs of its grants goes.
    pub(super) fn sweep_row(&mut self, row: usize, home: &mut Home) {
        let (now, truncated, head) = (home.now, self.truncated, self.head);
        self.rows.ready(row).0.message_sessions.expire(now, truncated, head);
        self.drop_released(row, home);
        home.metrics.swept += 1;
    }

    /// If there are grants of the row that nobody needs, they go with the next batch.
    pub(super) fn drop_released(&mut self, row: usize, home: &mut Home) {
        let truncated = self.truncated;
        if self.rows.ready(row).0.message_sessions.can_release(truncated) {
            self.mark_dirty(home);
        }
    }

    /// What the row counts of a frame.
    fn counted(&self, put: &PutGrants, len: usize, home: &Home) -> Counted {
        let grants_max = self.members.len() * (WRAPPED_LEN_MAX + GRANT_OVERHEAD);
        Counted {
            session: put.message_session,
            version: put.roster_version,
            part: put.part,
            len,
            len_max: (ANNOUNCEMENT_LEN_MAX + GRANT_OVERHEAD, grants_max),
            at: home.now,
        }
    }

    /// How many bytes of grants the sender of a row may still put.
    fn grants_room(&self, row: usize, home: &Home) -> u64 {
        let others = if self.is_mailbox() { 0 } else { self.members.len() };
        let others = u64::try_from(others).expect("at most GROUP_MEMBERS_MAX");
        let LogLimits { grants_len_max, grants_len_per_member, .. } = home.limits;
        let max = grants_len_max + others * grants_len_per_member;
        max.saturating_sub(self.rows.grants_len(row))
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
            && !self.members.contains(&reader)
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
    ) -> Result<(), FaultCode> {
        let (kept, ..) = self.rows.ready(row);
        if let Some(group) = &self.group {
            kept.message_sessions.drop_behind(group.roster().last_departure());
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
        let parts_max = if self.is_mailbox() { 1 } else { GRANT_PARTS_MAX };
        match standing {
            _ if put.part >= parts_max => Err(FaultCode::TOO_MANY_GRANTS),
            Standing::New | Standing::Partial if put.part > 0 => Err(FaultCode::GRANT_MISSING),
            Standing::New | Standing::Partial | Standing::Complete | Standing::Late => Ok(()),
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
