//! A post at its home: row check, seq, push, tail. What a number is answered is decided in
//! `row.rs`; when an entry is durable, in `commit.rs`.

use storage::{IndexEntry, Read, RowRecord};
use wire::message::{Entry, PeerAccepted, PeerDeliver, PeerPost, PeerRefused, Refusal};
use wire::{FaultCode, Instant, Name, Origin, ServerId, SessionEpoch, Wall};

use super::Logs;
use super::arrival::{Arrival, Posted, opened};
use super::ask::{Asked, LogAsk, LogQuestion};
use super::home::{Home, Pending, cost};
use super::out::LogOut;
use super::row::{Claim, Outcome, Reply, Verdict};
use super::state::Log;

impl Logs {
    /// A post: answered by `PeerAccepted` once it is safe, or by `PeerRefused`.
    pub fn on_post(
        &mut self,
        (now, at): (Instant, Wall),
        from: ServerId,
        mut post: PeerPost,
        out: &mut LogOut,
    ) {
        // It is kept in the tail, where bounds count the body and not the buffer that it came in.
        post.body = post.body.detached();
        (self.home.instant, self.home.now) = (now, at);
        self.arrive(Arrival::Post(Posted { at, from, post }), out);
    }

    /// A session's question about a group or grants. What changes something is answered when that
    /// is durable.
    pub fn on_ask(
        &mut self,
        (now, at): (Instant, Wall),
        from: ServerId,
        ask: LogAsk,
        out: &mut LogOut,
    ) {
        (self.home.instant, self.home.now) = (now, at);
        self.arrive(Arrival::Ask(Box::new(Asked::new(at, from, ask))), out);
    }

    /// One operation: to its log when that is in memory, else it waits for the log.
    pub(super) fn arrive(&mut self, arrival: Arrival, out: &mut LogOut) {
        let Some(key) = self.logs.find(arrival.log()) else {
            return self.load(arrival, out);
        };
        let log = self.logs.wake(key);
        if log.is_leaving {
            // Its senders have heard that the slot is away, or are about to.
        } else if log.is_ready() {
            log.handle(arrival, &mut self.home, out);
        } else {
            log.wait(arrival, &mut self.home, out);
        }
        self.rest(key);
    }
}

impl Log {
    /// Does one operation.
    pub(super) fn handle(&mut self, arrival: Arrival, home: &mut Home, out: &mut LogOut) {
        let admitted =
            if self.is_mailbox() { Some(arrival) } else { self.admit(arrival, home, out) };
        let Some(arrival) = admitted else {
            return;
        };
        match arrival {
            Arrival::Ask(asked) if !matches!(asked.question, LogQuestion::PutGrants(_)) => {
                self.ask_log(*asked, home, out);
            }
            Arrival::Open { .. } | Arrival::Post(_) | Arrival::Ask(_) | Arrival::Sweep { .. } => {
                self.reach_row(arrival, home, out);
            }
            Arrival::Attach { from, attach } => self.attach(from, &attach, home, out),
            Arrival::Detach { from, detach } => self.detach(from, &detach, home),
            Arrival::Seen { from, seen } => self.seen(from, &seen, home, out),
            Arrival::Read { from, read } => self.read(from, &read, home, out),
            Arrival::Answered { from, told } => self.note_answered(from, &told, home, out),
        }
    }

    /// An open or a post: to its row when that is in memory, else it waits for the row.
    pub(super) fn reach_row(&mut self, arrival: Arrival, home: &mut Home, out: &mut LogOut) {
        let Some((sender, origin)) = arrival.poster() else {
            return;
        };
        let Some(key) = self.find_or_ask_row(sender, origin, home, out) else {
            arrival.refuse_busy(home, out);
            return;
        };
        match self.rows.get(key) {
            Ok(_) => {
                self.decide(key, arrival, home, out);
                self.forget_own_row(key, &sender);
            }
            Err(waiting) => waiting.push(arrival, home, out),
        }
    }

    /// Who opens its own mailbox reads it and hardly ever posts to it: its row would stay for
    /// nothing, as long as it is connected.
    fn forget_own_row(&mut self, key: usize, sender: &Name) {
        if self.is_mailbox() && *sender == self.id.name {
            self.rows.forget_if_unused(key);
        }
    }

    /// The row was read: what waited for it goes on, in order.
    pub(super) fn on_row(
        &mut self,
        key: usize,
        (record, grants_len): (Option<RowRecord>, u64),
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let mut waiting = self.rows.load(key, record, grants_len);
        self.drop_released(key, home);
        while let Some(arrival) = waiting.pop(home) {
            self.decide(key, arrival, home, out);
        }
        let (_, sender, _) = self.rows.ready(key);
        self.forget_own_row(key, &sender);
    }

    /// Answers what is safe of a row, in order.
    pub(super) fn release(&mut self, key: usize, home: &mut Home, out: &mut LogOut) {
        let (log, safe) = (self.id, self.safe(home));
        let (row, sender, origin) = self.rows.ready(key);
        row.release(safe, |to, reply| {
            home.metrics.rejected += u64::from(matches!(reply, Reply::Rejected(..)));
            send_reply(to, (log, sender, origin), reply, out);
        });
    }

    fn find_or_ask_row(
        &mut self,
        sender: Name,
        origin: Origin,
        home: &mut Home,
        out: &mut LogOut,
    ) -> Option<usize> {
        if let Some(key) = self.rows.find(sender, origin) {
            return Some(key);
        }
        if !home.can_read() {
            return None;
        }
        let row = self.rows.insert_loading(sender, origin, home.limits.rows_max);
        let read = Read::Row { log: self.id, sender, origin };
        self.ask(Pending::Row { log: self.key, row }, read, home, out);
        if self.rows.len() > home.limits.rows_max && self.is_behind() {
            // Written, they make room for the next one.
            self.mark_dirty(home);
        }
        Some(row)
    }

    fn decide(&mut self, key: usize, arrival: Arrival, home: &mut Home, out: &mut LogOut) {
        match arrival {
            Arrival::Open { from, exchange, ask } => {
                self.note_epoch(&ask.account, ask.epoch);
                let (row, ..) = self.rows.ready(key);
                row.open(ask.epoch);
                out.send(from, opened(exchange, &ask, row.base()));
            }
            Arrival::Post(posted) => self.post(key, posted, home, out),
            Arrival::Sweep { .. } => self.sweep_row(key, home),
            Arrival::Ask(asked) => {
                let Asked { asker, origin, question, .. } = *asked;
                if let LogQuestion::PutGrants(put) = question {
                    self.put_grants(key, (&asker, origin), &put, home, out);
                }
            }
            other => panic!("{other:?} does not wait for a row"),
        }
    }

    fn post(&mut self, key: usize, posted: Posted, home: &mut Home, out: &mut LogOut) {
        let Posted { from, ref post, .. } = posted;
        if !self.note_epoch(&post.sender, post.epoch) {
            return home.refuse(from, post, Refusal::Busy, out);
        }
        let hash = home.hash(&post.body);
        let (epoch, number, settled) = (post.epoch, post.number, post.settled);
        let claim = Claim { from, epoch, number, settled, hash };
        let refusal = match self.rows.ready(key).0.check(&claim) {
            Verdict::Next => return self.append(key, hash, posted, home, out),
            Verdict::Repeat => return self.repeat(key, from, post, home, out),
            Verdict::Conflict => Refusal::Conflict,
            Verdict::Expected(number) => Refusal::Expected(number),
            Verdict::BadNumber => Refusal::Rejected(FaultCode::BAD_NUMBER),
            Verdict::Stale => Refusal::Busy,
        };
        home.refuse(from, post, refusal, out);
    }

    /// The next number of its row: appended, rejected for good, or without room just now.
    fn append(
        &mut self,
        key: usize,
        hash: u64,
        Posted { at, from, post }: Posted,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        if let Some(code) = self.forbidden(key, &post, home) {
            return self.reject((key, hash), code, (from, &post), home, out);
        }
        if self.rows.ready(key).0.is_blocked() || !home.has_room(cost(&post.body)) {
            return home.refuse(from, &post, Refusal::Busy, out);
        }
        let seq = home.next_seq();
        let is_mailbox = self.is_mailbox();
        let (row, ..) = self.rows.ready(key);
        row.push(hash, Outcome::Appended(seq));
        if is_mailbox {
            row.note_unshown(seq);
        }
        row.message_sessions.post(post.message_session, seq);
        self.rows.note_change(key, true);
        let PeerPost { sender, origin, number, body, .. } = post;
        self.keep(Some(key), Entry { seq, sender, origin, number, at, body }, home, out);
    }

    /// Rejects a post for good, unless that is not certain yet.
    fn reject(
        &mut self,
        (key, hash): (usize, u64),
        code: FaultCode,
        (from, post): (ServerId, &PeerPost),
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let is_settling = self.group.as_ref().is_some_and(|group| group.is_settling());
        // The statement that forbids it may be lost by a crash.
        let may_be_undone = is_settling && code != FaultCode::GRANT_MISSING;
        // Its reader may hold it, see `row.rs`.
        let is_for_room = matches!(
            code,
            FaultCode::SENDER_FULL | FaultCode::STRANGER_LIMIT | FaultCode::MAILBOX_FULL
        );
        let may_be_held = post.again && is_for_room;
        if may_be_undone || may_be_held {
            return home.refuse(from, post, Refusal::Busy, out);
        }
        self.stop_holding(home);
        self.mark_dirty(home);
        if self.rows.unwritten() >= home.limits.rows_max {
            return home.refuse(from, post, Refusal::Busy, out);
        }
        self.rows.ready(key).0.push(hash, Outcome::Rejected(code));
        self.rows.note_change(key, false);
    }

    /// Keeps the entry for a batch, and for readers. Those of a mailbox have it at once, unless
    /// grants that it may need are not durable.
    pub(super) fn keep(
        &mut self,
        row: Option<usize>,
        entry: Entry,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let is_pushed = self.is_mailbox() && self.grants.len() == 0;
        if is_pushed {
            assert_eq!(self.pushed, self.head, "entries are pushed in order");
            self.push(&entry, home, out);
            self.pushed = entry.seq;
        }
        let (cost, len) = (cost(&entry.body), entry.body.bytes().len());
        let len = u32::try_from(len).expect("a body is at most BODY_LEN_MAX");
        self.usage.append(IndexEntry { seq: entry.seq, sender: entry.sender, len, at: entry.at });
        self.head = entry.seq;
        self.tail.push(entry, row, home.instant);
        self.uncommitted_len += cost;
        home.pending_len += cost;
        home.tails_len += cost;
        home.metrics.appended += 1;
        self.hold(home);
        self.trim(home);
    }

    /// Sends the entries of a mailbox that waited for grants which are durable now.
    pub(super) fn push_granted(&mut self, home: &mut Home, out: &mut LogOut) {
        let upto = if self.grants.len() == 0 { self.head } else { self.head.min(self.durable) };
        let waited: Vec<Entry> =
            self.tail.above(self.pushed).map(|held| held.entry.clone()).collect();
        for entry in waited.iter().take_while(|entry| entry.seq <= upto) {
            self.push(entry, home, out);
        }
        self.pushed = self.pushed.max(upto);
    }

    /// Sends an entry to every server with attached readers, once.
    pub(super) fn push(&self, entry: &Entry, home: &mut Home, out: &mut LogOut) {
        for (server, _) in self.members.servers() {
            out.send(*server, PeerDeliver { log: self.id, entry: entry.clone() });
            home.metrics.pushed += 1;
        }
    }

    fn repeat(
        &mut self,
        key: usize,
        from: ServerId,
        post: &PeerPost,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        home.metrics.repeated += 1;
        let safe = self.safe(home);
        match self.rows.ready(key).0.repeat(post.number, safe) {
            Some(reply) => send_reply(from, (self.id, post.sender, post.origin), reply, out),
            None => self.release(key, home, out),
        }
    }

    /// Why a post is never stored, if it is not.
    fn forbidden(&mut self, key: usize, post: &PeerPost, home: &Home) -> Option<FaultCode> {
        let len = u64::try_from(post.body.bytes().len()).expect("sizes fit");
        let session = post.message_session;
        let usable = self.rows.ready(key).0.message_sessions.usable(session);
        let Some(group) = &self.group else {
            let full = self.full(&post.sender, len, &home.limits.for_post(post.again));
            let is_granted = session.0 == 0 || usable.is_some();
            return full.or((!is_granted).then_some(FaultCode::GRANT_MISSING));
        };
        group.refuses_post_of(&post.sender).or_else(|| match usable {
            None => Some(FaultCode::GRANT_MISSING),
            Some(version) if version < group.roster().last_departure() => {
                Some(FaultCode::ROSTER_BEHIND)
            }
            Some(_) => None,
        })
    }

    /// A member of a group acts in a session with this epoch: older ones do no more. Whether it is
    /// the newest known. A mailbox hears of its owner's sessions from the account, and knows the
    /// one that reads it; others who post there are told apart by their rows.
    fn note_epoch(&mut self, account: &Name, epoch: SessionEpoch) -> bool {
        if self.is_mailbox() {
            return *account != self.id.name || !self.members.is_stale(account, epoch);
        }
        if self.members.is_stale(account, epoch) {
            return false;
        }
        self.members.raise_floor(account, epoch);
        true
    }
}

fn send_reply(
    to: ServerId,
    (log, sender, origin): (wire::LogId, Name, Origin),
    reply: Reply,
    out: &mut LogOut,
) {
    match reply {
        Reply::Accepted(upto, seq, class) => {
            out.send(to, PeerAccepted { log, sender, origin, upto, seq, class });
        }
        Reply::Rejected(number, code) => {
            let refusal = Refusal::Rejected(code);
            out.send(to, PeerRefused { log, sender, origin, number, refusal });
        }
    }
}
