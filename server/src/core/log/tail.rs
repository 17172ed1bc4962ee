//! The newest entries of a log in memory: those not durable yet, and those just pushed.

use std::collections::VecDeque;

use wire::message::Entry;
use wire::{Instant, Seq};

use super::home::cost;

/// Every entry that the log holds above [`Tail::from`], in order.
#[derive(Debug)]
pub(super) struct Tail {
    entries: VecDeque<TailEntry>,
    len: usize,
    from: Seq,
}

/// An entry, and where its row is while it is not durable; a statement has none.
#[derive(Debug)]
pub(super) struct TailEntry {
    pub(super) entry: Entry,
    pub(super) row: Option<usize>,
    /// When it was appended, and pushed to readers.
    pub(super) since: Instant,
    /// A batch holds or held it.
    pub(super) is_written: bool,
}

impl Tail {
    /// Nothing: all that exists is at or below `from`.
    pub(super) fn new(from: Seq) -> Self {
        Self { entries: VecDeque::new(), len: 0, from }
    }

    /// Everything above this is here.
    pub(super) fn from(&self) -> Seq {
        self.from
    }

    /// Costs of the entries here.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, entry: Entry, row: Option<usize>, since: Instant) {
        let last = self.entries.back().map_or(self.from, |last| last.entry.seq);
        assert!(last < entry.seq, "seqs rise");
        self.len += cost(&entry.body);
        self.entries.push_back(TailEntry { entry, row, since, is_written: false });
    }

    /// The entries above `after`, in order.
    pub(super) fn above(&self, after: Seq) -> impl Iterator<Item = &TailEntry> {
        let first = self.entries.partition_point(|held| held.entry.seq <= after);
        self.entries.range(first..)
    }

    /// The same, to be changed.
    pub(super) fn above_mut(&mut self, after: Seq) -> impl Iterator<Item = &mut TailEntry> {
        let first = self.entries.partition_point(|held| held.entry.seq <= after);
        self.entries.range_mut(first..)
    }

    /// The rows of the entries above `after` and up to `upto`, in order.
    pub(super) fn rows(&self, after: Seq, upto: Seq) -> Vec<usize> {
        let within = self.above(after).take_while(|held| held.entry.seq <= upto);
        let mut rows: Vec<usize> = within.filter_map(|held| held.row).collect();
        rows.dedup();
        rows
    }

    /// Forgets entries up to `upto` from the front while more than `len_max` is held; gives what
    /// that freed.
    pub(super) fn trim(&mut self, upto: Seq, len_max: usize) -> usize {
        let before = self.len;
        while self.len > len_max {
            let Some(held) = self.entries.pop_front_if(|held| held.entry.seq <= upto) else {
                break;
            };
            self.len -= cost(&held.entry.body);
            self.from = held.entry.seq;
        }
        before - self.len
    }

    pub(super) fn is_coherent(&self) -> bool {
        let len: usize = self.entries.iter().map(|held| cost(&held.entry.body)).sum();
        let first = self.entries.front().map(|held| held.entry.seq);
        len == self.len && first.is_none_or(|first| self.from < first)
    }
}
