//! The live path of a mailbox: an entry whose reader answers at once is never written.
//!
//! A reader that is caught up and answered its last entries in time gets a few milliseconds for
//! each new one before that goes into a batch. If its `Seen` comes first, the entry is in the
//! reader's durable store: it is accepted as seen, and this home never writes it. If the time
//! passes, everything that was held is written, and nothing is held until the reader is quick
//! again.
//!
//! Rows and cursors that know of unwritten entries *ride*: they go into the next batch that is
//! composed for other reasons. A crash may lose them, and that is sound. A sender who heard
//! `Accepted` says with its next post what is settled, and `row.rs` begins there. One who did not
//! hear sends the post again, it is appended under a new seq, and its reader knows the number and
//! acknowledges without showing. A reader's cursor may then be above what the disk knows: see
//! `reader.rs`. A log is not dropped from memory while something of it rides.
//!
//! Entries go in order: none is written while an earlier one is held. Groups hold nothing, nor does
//! a home that stores everything.

use wire::{Instant, Seq};

use super::Logs;
use super::home::Home;
use super::out::LogOut;
use super::row::Safe;
use super::state::Log;

/// An entry that waits for its reader, unless it has been seen since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    until: Instant,
    log: usize,
    seq: Seq,
}

impl Logs {
    /// When [`Logs::on_holds_due`] should be called, if entries are held.
    #[must_use]
    pub fn holds_until(&self) -> Option<Instant> {
        self.home.held.front().map(|held| held.until)
    }

    /// Entries that were held long enough are written.
    pub fn on_holds_due(&mut self, now: Instant) {
        while let Some(held) = self.home.held.front().copied() {
            // Seqs are of the whole store: a log that came to this place later is above it.
            let log = self.logs.awake_mut(held.log).filter(|log| log.holds_entry(held.seq));
            if log.is_some() && held.until > now {
                return;
            }
            self.home.held.pop_front();
            if let Some(log) = log {
                log.is_prompt = false;
                log.stop_holding(&mut self.home);
            }
        }
    }

    /// The process is about to end: everything is written from now on.
    pub fn on_stop(&mut self) {
        self.home.is_stopping = true;
        for log in self.logs.all_awake_mut() {
            log.stop_holding(&mut self.home);
            if log.is_behind() {
                log.mark_dirty(&mut self.home);
            }
        }
    }

    /// Whether everything is written or in a batch, or will be in the next one.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.logs.awake().all(|log| log.is_dirty || !(log.is_holding() || log.is_behind()))
    }
}

impl Log {
    /// The entry at the head waits for its reader, or goes into the next batch.
    pub(super) fn hold(&mut self, home: &mut Home) {
        // What a post needs of grants is on disk before it is safe.
        let holds = self.is_mailbox()
            && self.is_prompt
            && self.members.readers() > 0
            && self.grants.len() == 0
            && home.can_hold();
        if !holds {
            return self.stop_holding(home);
        }
        let until = home.instant + home.limits.hold;
        home.held.push_back(Held { until, log: self.key, seq: self.head });
    }

    /// Whether some entry waits for its reader.
    pub(super) fn is_holding(&self) -> bool {
        self.head > self.due.max(self.composed)
    }

    /// What is held goes into the next batch.
    pub(super) fn stop_holding(&mut self, home: &mut Home) {
        if self.is_holding() {
            self.due = self.head;
            self.mark_dirty(home);
        }
    }

    /// The row or the cursor on disk does not know of entries that were seen and never written.
    pub(super) fn is_behind(&self) -> bool {
        self.is_mailbox() && self.is_ready && (self.rows.rides() || !self.members.is_written())
    }

    /// What was changed by an entry that is not written goes into a later batch.
    fn ride(&mut self, home: &mut Home) {
        if home.is_stopping {
            self.mark_dirty(home);
        } else if !std::mem::replace(&mut self.is_riding, true) {
            home.riding.push_back(self.key);
        }
    }

    /// What is safe, and what of it because its reader has it.
    pub(super) fn safe(&self, home: &Home) -> Safe {
        let may_skip = self.is_mailbox() && !home.limits.stores_all;
        let is_seen = may_skip && self.grants.len() == 0;
        let seen = if is_seen { self.floor() } else { Seq(0) };
        Safe { upto: self.durable.max(seen), seen }
    }

    /// The reader of a mailbox holds more: what is in no batch yet is never written. `before` was
    /// safe already.
    pub(super) fn skip_seen(&mut self, before: Seq, home: &mut Home, out: &mut LogOut) {
        let Safe { seen, .. } = self.safe(home);
        if seen < self.floor() {
            // Grants are on their way to the disk: its entries follow them. Or all are stored.
            self.stop_holding(home);
            return self.mark_dirty(home);
        }
        let mut rows = self.tail.rows(before, seen);
        self.composed = self.composed.max(seen);
        if !self.in_flight {
            let before = std::mem::replace(&mut self.durable, self.composed);
            self.settle_committed(before, home);
        }
        for row in rows.drain(..) {
            self.release(row, home, out);
        }
        if self.written > self.truncated {
            self.mark_dirty(home);
        } else {
            self.ride(home);
        }
    }

    fn holds_entry(&self, seq: Seq) -> bool {
        seq > self.due.max(self.composed)
    }
}
