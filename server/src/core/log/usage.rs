//! What a log holds above its readers' cursors, without the bodies: entries and bytes in all and
//! per sender.

use std::collections::{BTreeMap, VecDeque};

use storage::IndexEntry;
use wire::{FaultCode, Name, Seq, Wall};

use super::limits::LogLimits;

/// A log's entries by place, and their sums.
#[derive(Debug, Default)]
pub(super) struct Usage {
    index: VecDeque<IndexEntry>,
    all: Share,
    by_sender: BTreeMap<Name, Share>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Share {
    entries: u64,
    len: u64,
}

impl Usage {
    /// Takes the next entry in.
    pub(super) fn append(&mut self, entry: IndexEntry) {
        assert!(self.index.back().is_none_or(|last| last.seq < entry.seq), "seqs rise");
        self.all.add(entry.len);
        self.by_sender.entry(entry.sender).or_default().add(entry.len);
        self.index.push_back(entry);
    }

    /// Forgets the entries up to `upto`.
    pub(super) fn truncate(&mut self, upto: Seq) {
        while let Some(entry) = self.index.pop_front_if(|entry| entry.seq <= upto) {
            self.all.remove(entry.len);
            self.remove_from_sender(&entry);
        }
    }

    /// Why a mailbox has no room for another `len` bytes of `sender`, if it has none.
    pub(super) fn full(
        &self,
        (sender, is_stranger): (&Name, bool),
        len: u64,
        limits: &LogLimits,
    ) -> Option<FaultCode> {
        let own = self.by_sender.get(sender).copied().unwrap_or_default();
        if own.is_above(len, limits.sender_entries_max, limits.sender_bytes_max) {
            return Some(FaultCode::SENDER_FULL);
        }
        if is_stranger && own.entries >= limits.stranger_entries_max {
            return Some(FaultCode::STRANGER_LIMIT);
        }
        self.all
            .is_above(len, limits.mailbox_entries_max, limits.mailbox_bytes_max)
            .then_some(FaultCode::MAILBOX_FULL)
    }

    /// Up to where a group's entries expire now: because of their age, their number or their bytes.
    pub(super) fn expired(&self, now: Wall, limits: &LogLimits) -> Seq {
        let retention = u64::try_from(limits.group_retention.as_millis()).unwrap_or(u64::MAX);
        let mut left = self.all;
        let mut upto = Seq(0);
        for entry in &self.index {
            let is_old = entry.at.0.saturating_add(retention) <= now.0;
            let is_much =
                left.entries > limits.group_entries_max || left.len > limits.group_bytes_max;
            if !is_old && !is_much {
                break;
            }
            left.remove(entry.len);
            upto = entry.seq;
        }
        upto
    }

    /// How many entries are held above `after` and up to `upto`.
    pub(super) fn count(&self, after: Seq, upto: Seq) -> u64 {
        let place = |seq: Seq| self.index.partition_point(|entry| entry.seq <= seq);
        let count = place(upto).saturating_sub(place(after));
        u64::try_from(count).expect("sizes fit")
    }

    /// Entries held.
    pub(super) fn entries(&self) -> usize {
        self.index.len()
    }

    /// The newest entry held.
    pub(super) fn last(&self) -> Option<Seq> {
        self.index.back().map(|entry| entry.seq)
    }

    pub(super) fn is_coherent(&self) -> bool {
        let entries: u64 = self.by_sender.values().map(|share| share.entries).sum();
        let len: u64 = self.by_sender.values().map(|share| share.len).sum();
        self.all == Share { entries, len }
            && usize::try_from(entries).is_ok_and(|entries| entries == self.index.len())
    }

    fn remove_from_sender(&mut self, entry: &IndexEntry) {
        let share = self.by_sender.get_mut(&entry.sender).expect("append counted it");
        share.remove(entry.len);
        if share.entries == 0 {
            self.by_sender.remove(&entry.sender);
        }
    }
}

impl Share {
    fn add(&mut self, len: u32) {
        self.entries += 1;
        self.len += u64::from(len);
    }

    fn remove(&mut self, len: u32) {
        self.entries -= 1;
        self.len -= u64::from(len);
    }

    fn is_above(&self, len: u64, entries_max: u64, len_max: u64) -> bool {
        self.entries >= entries_max || self.len + len > len_max
    }
}
