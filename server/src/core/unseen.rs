//! What was sent to a session and not seen. It may wait in this server's memory, for as long as the
//! client does not read: each session has its bound, and all of them have one together.
//!
//! Above the common bound a session is sent only little ahead of what it has seen. So sessions that
//! read go on, each with a few messages under way, whatever those hold that do not read. Memory is
//! bounded by the common bound and that little for each session.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use wire::Seq;
use wire::limits::{UNSEEN_BYTES_MAX, UNSEEN_BYTES_SCARCE, UNSEEN_ENTRIES_MAX};

use super::seldom::Seldom;

/// Bytes of entries that all sessions of a server were sent and have not seen.
#[derive(Clone, Debug)]
pub(super) struct Outstanding {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bytes: Cell<usize>,
    max: Cell<usize>,
}

/// What one session was sent of one log and has not seen.
#[derive(Debug)]
pub(super) struct Unseen {
    entries: Seldom<VecDeque<(Seq, usize)>>,
    bytes: usize,
    outstanding: Outstanding,
}

impl Outstanding {
    /// Nothing yet; from `max` bytes on, sessions are sent little.
    pub(super) fn new(max: usize) -> Self {
        Self { shared: Rc::new(Shared { bytes: Cell::new(0), max: Cell::new(max) }) }
    }

    /// Another bound, also for sessions that there are.
    pub(super) fn set_max(&self, max: usize) {
        self.shared.max.set(max);
    }

    pub(super) fn bytes(&self) -> usize {
        self.shared.bytes.get()
    }

    fn add(&self, len: usize) {
        self.shared.bytes.set(self.bytes() + len);
    }

    fn remove(&self, len: usize) {
        let left = self.bytes().checked_sub(len);
        self.shared.bytes.set(left.expect("what is removed was added"));
    }

    fn session_max(&self, len: usize) -> usize {
        let is_scarce = self.bytes() + len > self.shared.max.get();
        if is_scarce { UNSEEN_BYTES_SCARCE } else { UNSEEN_BYTES_MAX }
    }
}

impl Unseen {
    pub(super) fn new(outstanding: &Outstanding) -> Self {
        Self { entries: Seldom::default(), bytes: 0, outstanding: outstanding.clone() }
    }

    /// Entries.
    pub(super) fn len(&self) -> usize {
        self.entries.get().map_or(0, VecDeque::len)
    }

    /// Whether an entry of `len` bytes may be sent now; the first one always may.
    pub(super) fn has_room(&self, len: usize) -> bool {
        let fits = self.bytes + len <= self.outstanding.session_max(len);
        self.len() == 0 || (fits && self.len() < UNSEEN_ENTRIES_MAX)
    }

    /// An entry was sent; they come in order.
    pub(super) fn push(&mut self, seq: Seq, len: usize) {
        self.entries.need().push_back((seq, len));
        self.bytes += len;
        self.outstanding.add(len);
    }

    /// Everything up to `upto` was seen.
    pub(super) fn pop(&mut self, upto: Seq) {
        let Some(entries) = self.entries.get_mut() else {
            return;
        };
        while let Some((_, len)) = entries.pop_front_if(|(seq, _)| *seq <= upto) {
            self.bytes -= len;
            self.outstanding.remove(len);
        }
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.outstanding.remove(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_its_bounds_and_its_first_entry_always_fits() {
        let outstanding = Outstanding::new(usize::MAX);
        let mut unseen = Unseen::new(&outstanding);
        assert!(unseen.has_room(UNSEEN_BYTES_MAX + 1));
        unseen.push(Seq(1), UNSEEN_BYTES_MAX - 1);
        assert!(unseen.has_room(1) && !unseen.has_room(2));
        unseen.pop(Seq(1));
        (0..64).for_each(|seq| unseen.push(Seq(seq), 1));
        assert!(!unseen.has_room(1));
    }

    #[test]
    fn when_much_is_unseen_in_all_each_session_is_sent_little_ahead() {
        let outstanding = Outstanding::new(100_000);
        let mut stuck = Unseen::new(&outstanding);
        stuck.push(Seq(1), 99_000);
        let mut quick = Unseen::new(&outstanding);
        assert!(!stuck.has_room(2_000) && stuck.has_room(1_000));
        assert!(quick.has_room(60_000), "the first one always fits");
        quick.push(Seq(2), 10_000);
        assert!(quick.has_room(6_000) && !quick.has_room(7_000));
        quick.pop(Seq(2));
        drop(stuck);
        assert_eq!(outstanding.bytes(), 0, "who leaves frees what it was sent");
    }
}
