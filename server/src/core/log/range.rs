//! A reader that is behind reads a range. The reply is what the store held and the tail as it is
//! when the reply is sent, so that on one link everything up to `upto` is in replies and, once
//! `caught_up`, everything above follows as live entries.

use storage::Read;
use wire::field::List;
use wire::message::{Entry, PeerRange, PeerRead};
use wire::{Name, Seq, ServerId, SessionEpoch};

use super::absence;
use super::arrival::failed;
use super::home::{Home, Pending, PendingRange};
use super::out::{AlarmCause, LogOut};
use super::state::Log;

/// Who gets a reply, and what was asked.
struct Asker {
    to: ServerId,
    account: Name,
    epoch: SessionEpoch,
    after: Seq,
}

impl Log {
    /// Answers from the tail when that reaches back far enough, else asks the store.
    pub(super) fn read(
        &mut self,
        from: ServerId,
        read: &PeerRead,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        if !self.may_read(from, read, home, out) {
            return;
        }
        let entries_max = usize::from(read.entries_max).clamp(1, home.limits.range_entries_max);
        // Who joined late, or again, begins where it joined, whatever it says.
        let record = self.members.record(&read.account);
        let covered = absence::passed(&record, read.after);
        if covered >= self.tail.from() || covered >= absence::last_readable(&record, self.head) {
            home.metrics.ranges_from_tail += 1;
            let PeerRead { account, epoch, after, .. } = *read;
            let page = Page::new(Vec::new(), entries_max, home.limits.range_len_max);
            self.reply(&Asker { to: from, account, epoch, after }, page, covered, out);
        } else if home.can_read() {
            self.read_store(from, read, (covered, entries_max), home, out);
        } else {
            out.send(from, failed(read));
        }
    }

    /// The store's rows are here: the tail joins them, and the reply leaves, if the reader is
    /// still the one that asked.
    pub(super) fn on_range(
        &mut self,
        range: &PendingRange,
        entries: Vec<Entry>,
        (upto, more): (Seq, bool),
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let Some(reader) = self.members.attached(&range.account, range.attachment) else {
            return;
        };
        reader.is_reading = false;
        home.metrics.ranges_from_store += 1;
        let (to, epoch) = (reader.server, reader.epoch);
        let asker = Asker { to, account: range.account, epoch, after: range.after };
        let record = self.members.record(&range.account);
        let visible = absence::last_readable(&record, self.visible());
        let entries = entries.into_iter();
        let is_visible =
            |entry: &Entry| absence::is_readable(&record, entry.seq) && entry.seq <= visible;
        let entries = entries.filter(is_visible).collect();
        let page = Page::new(entries, range.entries_max, home.limits.range_len_max);
        let covered = if more { upto } else { upto.max(range.watermark) };
        let covered = covered.min(visible.max(range.after));
        self.reply(&asker, page, covered, out);
    }

    /// Whether a session may have a range now. One that is not attached becomes so, unless a newer
    /// one is known: its attach found no room, or the home has forgotten it.
    fn may_read(
        &mut self,
        from: ServerId,
        read: &PeerRead,
        home: &mut Home,
        out: &mut LogOut,
    ) -> bool {
        match self.members.reader(&read.account, from, read.epoch) {
            Some(reader) if reader.is_reading => {
                home.alarm(AlarmCause::ReadOverlaps, from, &self.id, out);
                false
            }
            Some(_) => true,
            None => self.attach_reader(from, (&read.account, read.epoch), home, out),
        }
    }

    fn read_store(
        &mut self,
        from: ServerId,
        read: &PeerRead,
        (covered, entries_max): (Seq, usize),
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let reader = self.members.reader(&read.account, from, read.epoch);
        let reader = reader.expect("may_read attached it");
        reader.is_reading = true;
        let range = PendingRange {
            log: self.key,
            account: read.account,
            attachment: reader.attachment,
            after: read.after,
            entries_max,
            watermark: self.durable,
        };
        let bytes_max = home.limits.range_len_max;
        let read = Read::Range { log: self.id, after: covered, entries_max, bytes_max };
        self.ask(Pending::Range(range), read, home, out);
    }

    /// What readers may be sent: of a group what is durable, see `roster.rs`; of a mailbox what
    /// needs no grants but durable ones.
    pub(super) fn visible(&self) -> Seq {
        if self.is_mailbox() { self.pushed } else { self.head.min(self.durable) }
    }

    /// Sends `page`, which holds everything above `asker.after` and up to `covered`, with as much
    /// of the tail as still fits.
    fn reply(&mut self, asker: &Asker, mut page: Page, mut covered: Seq, out: &mut LogOut) {
        let record = self.members.record(&asker.account);
        let visible = absence::last_readable(&record, self.visible());
        let mut caught_up = covered >= self.tail.from() || covered >= visible;
        if caught_up {
            let above = self.tail.above(covered);
            for held in above.take_while(|held| held.entry.seq <= visible) {
                if !absence::is_readable(&record, held.entry.seq) {
                    continue;
                }
                caught_up = page.push(&held.entry);
                if !caught_up {
                    break;
                }
                covered = held.entry.seq;
            }
        }
        let upto = if caught_up { visible } else { covered.min(visible) };
        let upto = upto.max(asker.after);
        // Until it shows otherwise, a reader that has caught up is quick.
        self.is_prompt |= caught_up;
        let expired = self.members.tell_expired(&asker.account, caught_up.then_some(upto));
        let range = PeerRange {
            log: self.id,
            account: asker.account,
            epoch: asker.epoch,
            after: asker.after,
            entries: page.into_list(),
            upto,
            expired,
            caught_up,
            failed: false,
        };
        out.send(asker.to, range);
    }
}

/// The entries of one reply, within its bounds.
struct Page {
    entries: Vec<Entry>,
    len: usize,
    entries_max: usize,
    len_max: usize,
}

impl Page {
    fn new(entries: Vec<Entry>, entries_max: usize, len_max: usize) -> Self {
        assert!(entries.len() <= entries_max, "the store gives what was asked for");
        let len = entries.iter().map(|entry| entry.body.bytes().len()).sum();
        Self { entries, len, entries_max, len_max }
    }

    /// Adds the next entry if it fits; the first one always does.
    fn push(&mut self, entry: &Entry) -> bool {
        let len = self.len + entry.body.bytes().len();
        let fits = self.entries.len() < self.entries_max && len <= self.len_max;
        if !fits && !self.entries.is_empty() {
            return false;
        }
        self.len = len;
        self.entries.push(entry.clone());
        true
    }

    fn into_list<const MAX: usize>(self) -> List<Entry, MAX> {
        List::new(self.entries).expect("entries_max is at most RANGE_ENTRIES_MAX")
    }
}
