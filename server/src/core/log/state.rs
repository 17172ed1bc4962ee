//! One log in memory.

use std::num::NonZero;

use storage::{CursorRecord, IndexEntry, Read};
use wire::{LogId, LogKind, Name, Seq, ServerId, SessionEpoch};

use super::arrival::Arrival;
use super::grant::Grants;
use super::group::Group;
use super::home::{Home, Pending};
use super::member::Members;
use super::out::LogOut;
use super::rows::Rows;
use super::stranger::Answered;
use super::tail::Tail;
use super::usage::Usage;
use super::waiting::Waiting;

/// A log of this home. `truncated ≤ head`, `durable ≤ composed`, and what is above `durable` is
/// in the tail.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) id: LogId,
    pub(super) key: usize,
    pub(super) is_ready: bool,
    pub(super) waiting: Waiting,
    /// What a group has beside its log; none in a mailbox, or while the group does not exist.
    pub(super) group: Option<Box<Group>>,
    pub(super) members: Members,
    pub(super) grants: Grants,
    pub(super) usage: Usage,
    /// Whom the owner of a mailbox has answered.
    pub(super) answered: Answered,
    pub(super) rows: Rows,
    pub(super) tail: Tail,
    /// The newest entry that the log ever held, as far as is known.
    pub(super) head: Seq,
    /// A mailbox's readers were sent everything up to this, or can ask for it.
    pub(super) pushed: Seq,
    /// Entries up to this are in a batch or on disk, or were seen and are never written.
    pub(super) composed: Seq,
    /// Entries up to this are on disk, or were seen and are never written.
    pub(super) durable: Seq,
    /// Entries up to this go into the next batch; later ones wait for their reader.
    pub(super) due: Seq,
    /// The newest entry that a batch held, or that was on disk.
    pub(super) written: Seq,
    /// Entries up to this are gone, by a batch or on disk.
    pub(super) truncated: Seq,
    /// Costs of entries that are not durable.
    pub(super) uncommitted_len: usize,
    pub(super) is_dirty: bool,
    pub(super) in_flight: bool,
    /// Something goes into a batch that is composed for other reasons.
    pub(super) is_riding: bool,
    /// The reader answered in time, last.
    pub(super) is_prompt: bool,
    /// A cursor above the head was reported.
    pub(super) is_alarmed: bool,
    /// Nothing comes to it any more; it leaves memory when everything is written.
    pub(super) is_leaving: bool,
    reads: usize,
    idle_since: Option<NonZero<u64>>,
}

impl Log {
    /// A log that nothing is known of yet.
    pub(super) fn new(id: LogId, key: usize) -> Self {
        let owner = (id.kind == LogKind::Mailbox).then_some(id.name);
        Self {
            id,
            key,
            is_ready: false,
            waiting: Waiting::default(),
            group: None,
            members: Members::of(owner),
            grants: Grants::default(),
            usage: Usage::default(),
            answered: Answered::default(),
            rows: Rows::default(),
            tail: Tail::new(Seq(0)),
            head: Seq(0),
            pushed: Seq(0),
            composed: Seq(0),
            durable: Seq(0),
            due: Seq(0),
            written: Seq(0),
            truncated: Seq(0),
            uncommitted_len: 0,
            is_dirty: false,
            in_flight: false,
            is_riding: false,
            is_prompt: false,
            is_alarmed: false,
            is_leaving: false,
            reads: 0,
            idle_since: None,
        }
    }

    /// Takes in what the store holds. Nothing above `last_seq`, the newest seq given to any
    /// entry, exists yet.
    pub(super) fn load(
        &mut self,
        cursors: &[(Name, CursorRecord)],
        index: Vec<IndexEntry>,
        last_seq: Seq,
    ) {
        assert!(!self.is_ready, "a log is loaded once");
        self.members.load(cursors);
        index.into_iter().for_each(|entry| self.usage.append(entry));
        self.head = self.usage.last().unwrap_or_default().max(self.members.highest_cursor());
        self.truncated = self.floor();
        assert!(self.head <= last_seq, "a store's epoch is above its entries");
        self.usage.truncate(self.truncated);
        self.tail = Tail::new(self.head);
        (self.composed, self.durable) = (last_seq, last_seq);
        (self.due, self.written, self.pushed) = (self.head, self.head, self.head);
        self.is_ready = true;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(super) fn is_mailbox(&self) -> bool {
        self.id.kind == LogKind::Mailbox
    }

    /// It is known that there is no such group.
    pub(super) fn is_absent(&self) -> bool {
        self.is_ready && !self.is_mailbox() && self.group.is_none()
    }

    /// Lets one operation wait until the log is ready.
    pub(super) fn wait(&mut self, arrival: Arrival, home: &mut Home, out: &mut LogOut) {
        assert!(!self.is_ready, "nothing waits for a log in memory");
        self.waiting.push(arrival, home, out);
    }

    /// Asks the store; the answer comes back to this log.
    pub(super) fn ask(&mut self, pending: Pending, read: Read, home: &mut Home, out: &mut LogOut) {
        assert_eq!(pending.log(), self.key, "answers find their log");
        self.reads += 1;
        home.read(pending, read, out);
    }

    /// An answer came.
    pub(super) fn count_answer(&mut self) {
        self.reads -= 1;
    }

    /// There is something for the next batch.
    pub(super) fn mark_dirty(&mut self, home: &mut Home) {
        if !self.is_dirty {
            self.is_dirty = true;
            home.dirty.push_back(self.key);
        }
    }

    /// Forgets of the tail what nobody needs: what every reader has, and what is durable while
    /// nobody reads or memory is short.
    pub(super) fn trim(&mut self, home: &mut Home) {
        let is_read = self.members.readers() > 0 && home.tails_len <= home.limits.tails_len_max;
        let len_max = if is_read { home.limits.tail_len_max } else { 0 };
        let seen = self.floor().min(self.durable);
        home.tails_len -= self.tail.trim(seen, 0);
        home.tails_len -= self.tail.trim(self.durable, len_max);
    }

    pub(super) fn end_reader(&mut self, account: &Name, below: SessionEpoch, home: &mut Home) {
        self.members.raise_floor(account, below);
        self.waiting.retain(home, |arrival| {
            arrival.reader().is_none_or(|(reader, epoch)| reader != account || epoch >= below)
        });
        self.trim(home);
    }

    pub(super) fn forget_server(&mut self, server: ServerId, home: &mut Home) {
        self.members.forget_server(server);
        self.waiting.retain(home, |arrival| arrival.from() != server);
        self.rows.forget_server(server, home);
        self.grants.forget_server(server);
        self.group.iter_mut().for_each(|group| group.forget_server(server));
        self.trim(home);
    }

    /// Nobody reads: nothing waits for a reader, and the log may soon be dropped.
    pub(super) fn settle_readerless(&mut self, home: &mut Home) {
        if self.members.servers().is_empty() {
            self.is_prompt = false;
            self.stop_holding(home);
            if self.is_behind() {
                self.mark_dirty(home);
            }
        }
    }

    /// Nothing would be lost or interrupted if the log were not in memory.
    pub(super) fn is_idle(&self) -> bool {
        self.is_ready
            && self.reads == 0
            && !self.is_dirty
            && !self.in_flight
            && !self.is_holding()
            && !self.is_behind()
            && self.members.servers().is_empty()
    }

    pub(super) fn idle_since_mut(&mut self) -> &mut Option<NonZero<u64>> {
        &mut self.idle_since
    }

    /// What an idle log costs in memory, roughly in units of 64 bytes.
    pub(super) fn weight(&self) -> usize {
        self.members.len().max(1) + self.usage.entries() + self.rows.len() + self.answered.len()
    }

    pub(super) fn readers(&self) -> usize {
        self.members.readers()
    }

    pub(super) fn reads(&self) -> usize {
        self.reads
    }

    /// Operations that wait here.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.rows.waiting().0
    }

    /// Costs of posts that wait here or are not durable.
    pub(super) fn pending_len(&self) -> usize {
        let group = self.group.as_ref().map_or(0, |group| group.len());
        let waiting = self.waiting.pending_len() + self.rows.waiting().1;
        waiting + self.uncommitted_len + self.grants.len() + group
    }

    pub(super) fn tail_len(&self) -> usize {
        self.tail.len()
    }

    /// What waits to be pushed waits for grants, and is not durable.
    fn is_pushed_well(&self) -> bool {
        (self.grants.len() > 0 || self.pushed == self.head)
            && self.tail.above(self.pushed).all(|held| held.entry.seq > self.durable)
    }

    pub(super) fn is_coherent(&self) -> bool {
        self.truncated <= self.head
            && (!self.is_mailbox() || self.is_pushed_well())
            && self.durable <= self.composed
            && (self.in_flight || self.durable == self.composed)
            && (self.is_mailbox() || !self.is_ready || !self.is_holding())
            && self.tail.from() <= self.durable
            && (self.is_ready || !self.is_dirty)
            && (self.waiting.is_empty() || !self.is_ready)
            && self.uncommitted_len <= self.tail.len()
            && self.usage.is_coherent()
            && self.rows.is_coherent()
            && self.tail.is_coherent()
            && self.members.is_coherent()
            && self.grants.is_coherent()
            && self.group.as_ref().is_none_or(|group| group.is_coherent())
    }
}
