//! What goes into one batch, and what its sync permits.
//!
//! A batch holds entries in the order of their log, and with each entry its row, cut to the
//! numbers that are in this or an earlier batch, or were seen and are never written (`hold.rs`):
//! a row on disk never knows an entry that is not safe.
//! A cursor is written up to what is composed, and truncation follows it in the same batch.
//! One batch is in flight; what does not fit waits for the next, first come first served.

use storage::{Batch, Change};
use wire::Seq;

use super::Logs;
use super::home::{Home, cost};
use super::limits::LogLimits;
use super::out::LogOut;
use super::state::Log;

/// What a batch may still hold.
#[derive(Debug)]
pub(super) struct Budget {
    entries: usize,
    len: usize,
    is_untouched: bool,
}

impl Logs {
    /// Whether [`Logs::compose`] would put something into a batch.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.home.dirty.is_empty() || self.home.wants_epoch()
    }

    /// Puts as much as fits into a batch that will be committed next.
    ///
    /// # Panics
    /// When the batch composed before is still in flight.
    pub fn compose(&mut self, batch: &mut Batch) {
        assert!(self.flight.is_empty(), "one batch is in flight");
        self.home.compose_epoch(batch);
        let mut budget = Budget::new(&self.home.limits);
        for _ in 0..self.home.dirty.len() {
            if budget.is_spent() {
                break;
            }
            let Some(key) = self.home.dirty.pop_front() else {
                break;
            };
            let log = self.logs.wake(key);
            log.compose(&mut budget, batch);
            if log.is_dirty {
                self.home.dirty.push_back(key);
            }
            self.flight.push(key);
        }
        self.compose_riding(&mut budget, batch);
    }

    /// Takes along what is written with other things only, while there is room.
    fn compose_riding(&mut self, budget: &mut Budget, batch: &mut Batch) {
        while !self.home.riding.is_empty() && budget.take(0) {
            let Some(key) = self.home.riding.pop_front() else {
                break;
            };
            let Some(log) = self.logs.awake_mut(key) else {
                continue;
            };
            let rides = std::mem::take(&mut log.is_riding) && !log.is_dirty && !log.in_flight;
            if rides && log.is_behind() {
                log.compose(budget, batch);
                self.flight.push(key);
            }
        }
    }

    /// The batch composed last is durable: what it holds is accepted.
    pub fn on_committed(&mut self, out: &mut LogOut) {
        self.home.on_committed();
        let mut flight = std::mem::take(&mut self.flight);
        for key in flight.drain(..) {
            self.logs.wake(key).on_committed(&mut self.home, out);
            self.rest(key);
        }
        self.flight = flight;
    }
}

impl Log {
    fn compose(&mut self, budget: &mut Budget, batch: &mut Batch) {
        let log = self.id;
        // Grants first: no entry is on disk before those that it needs. Their rows follow them in
        // the same batch: each grant on disk is known to a row, and a session is complete there
        // exactly when its grants are.
        let is_granted = self.grants.compose(log, &mut self.rows, budget, batch);
        if is_granted {
            self.compose_entries(budget, batch);
        }
        let mut turns = Vec::new();
        if let Some(group) = &self.group {
            group.compose(log, self.composed, batch);
            turns = group.turns(self.composed);
        }
        self.answered.compose(log, batch);
        let count = |after, upto| self.usage.count(after, upto);
        self.members.compose((log, self.composed), &turns, count, batch);
        let upto = self.floor().min(self.composed);
        if upto > self.truncated {
            if self.written > self.truncated {
                batch.changes.push(Change::Truncate { log, upto });
            }
            self.truncated = upto;
        }
        self.rows.compose(log, (self.composed, self.truncated), is_granted, batch);
        self.in_flight = true;
        self.is_dirty = self.grants.is_waiting()
            || !self.members.is_written()
            || self.due.min(self.head) > self.composed;
    }

    fn compose_entries(&mut self, budget: &mut Budget, batch: &mut Batch) {
        let log = self.id;
        for held in self.tail.above_mut(self.composed) {
            let is_due = held.entry.seq <= self.due;
            if !is_due || !budget.take(held.entry.body.bytes().len()) {
                break;
            }
            held.is_written = true;
            (self.composed, self.written) = (held.entry.seq, held.entry.seq);
            batch.changes.push(Change::Append { log, entry: held.entry.clone() });
        }
    }

    /// Everything composed is durable.
    fn on_committed(&mut self, home: &mut Home, out: &mut LogOut) {
        assert!(self.in_flight, "a batch of this log was composed");
        self.in_flight = false;
        let before = std::mem::replace(&mut self.durable, self.composed);
        self.settle_grants(home, out);
        self.reveal(before, home, out);
        let mut rows = self.tail.rows(before, self.durable);
        rows.extend(self.rows.on_committed());
        self.settle_committed(before, home);
        for row in rows {
            self.release(row, home, out);
        }
        self.expire(home);
        self.trim(home);
    }

    /// Counts the entries above `before` that became durable, or were seen and are not written.
    pub(super) fn settle_committed(&mut self, before: Seq, home: &mut Home) {
        let committed = self.tail.above(before);
        for held in committed.take_while(|held| held.entry.seq <= self.durable) {
            let cost = cost(&held.entry.body);
            self.uncommitted_len -= cost;
            home.pending_len -= cost;
            home.metrics.committed += u64::from(held.is_written);
            home.metrics.unwritten += u64::from(!held.is_written);
            if let Some(row) = held.row {
                self.rows.note_committed(row);
                if !held.is_written {
                    self.rows.note_riding(row);
                }
            }
        }
    }
}

impl Budget {
    fn new(limits: &LogLimits) -> Self {
        Self { entries: limits.batch_entries_max, len: limits.batch_len_max, is_untouched: true }
    }

    /// Room for one more entry of `len` bytes, if there is; the first one always fits.
    pub(super) fn take(&mut self, len: usize) -> bool {
        if !self.is_untouched && (self.entries == 0 || len > self.len) {
            return false;
        }
        self.is_untouched = false;
        self.entries = self.entries.saturating_sub(1);
        self.len = self.len.saturating_sub(len);
        true
    }

    fn is_spent(&self) -> bool {
        self.entries == 0 || self.len == 0
    }
}
