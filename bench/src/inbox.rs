//! What readers have received, and when they say so. As real clients do, a reader acknowledges a
//! mailbox once per turn, a group after 32 entries or 200 ms, and both only when what it received
//! is on disk; unless the run says that readers keep nothing.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use wire::{Instant, LogHandle, Seq};

use crate::body::Identity;
use crate::layout::MAILBOX;
use crate::plan::Keeping;

/// Entries of a group that are acknowledged together.
const GROUP_ENTRIES: u32 = 32;
/// How long an entry of a group waits for others to be acknowledged with.
const GROUP_TIME: Duration = Duration::from_millis(200);

/// An acknowledgement: whose, of which log, up to where.
pub type Acknowledgement = (usize, LogHandle, Seq);

/// All readers.
#[derive(Debug)]
pub struct Inboxes {
    keeping: Keeping,
    /// Each user's mailbox and group.
    cursors: Vec<[Cursor; 2]>,
    /// Acknowledged at the end of the turn.
    due: Vec<(usize, LogHandle)>,
    /// Acknowledged at that time.
    later: VecDeque<(Instant, usize, LogHandle)>,
    /// Received and not on its way to the disk.
    journal: BytesMut,
    /// What the write that is under way covers.
    covered: Option<Vec<Acknowledgement>>,
}

/// How far one log was received.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    last: Seq,
    kept: Seq,
    unseen: u32,
    is_due: bool,
}

impl Inboxes {
    /// Of so many users who have received nothing.
    #[must_use]
    pub fn new(users: usize, keeping: Keeping) -> Self {
        Self {
            keeping,
            cursors: vec![[Cursor::default(); 2]; users],
            due: Vec::new(),
            later: VecDeque::new(),
            journal: BytesMut::new(),
            covered: None,
        }
    }

    /// Takes an entry in, with whose post it is if that is known; whether its place is above all
    /// before.
    pub fn on_entry(
        &mut self,
        now: Instant,
        (user, handle, seq): Acknowledgement,
        identity: Option<Identity>,
    ) -> bool {
        let cursor = &mut self.cursors[user][place(handle)];
        let rises = seq > cursor.last;
        cursor.last = cursor.last.max(seq);
        cursor.unseen += 1;
        let is_enough = handle == MAILBOX || cursor.unseen >= GROUP_ENTRIES;
        if is_enough && !std::mem::replace(&mut cursor.is_due, true) {
            self.due.push((user, handle));
        } else if !is_enough && cursor.unseen == 1 {
            self.later.push_back((now + GROUP_TIME, user, handle));
        }
        if let (Keeping::Journal, Some(identity)) = (self.keeping, identity) {
            self.write((user, handle, seq), identity);
        }
        rises
    }

    /// A reader has no session any more: what it has not acknowledged it says when it is back.
    pub fn on_left(&mut self, user: usize) {
        self.due.retain(|(due, _)| *due != user);
        for cursor in &mut self.cursors[user] {
            (cursor.is_due, cursor.unseen) = (false, 0);
        }
    }

    /// Up to where a log is kept: it is read from there when its reader comes back.
    #[must_use]
    pub fn kept(&self, user: usize, handle: LogHandle) -> Seq {
        self.cursors[user][place(handle)].kept
    }

    /// The end of a turn: what is acknowledged now goes to `out`, and what must be on disk before
    /// more can be is returned.
    pub fn on_turn_end(&mut self, now: Instant, out: &mut Vec<Acknowledgement>) -> Option<Bytes> {
        while let Some((at, user, handle)) = self.later.front().copied()
            && at <= now
        {
            self.later.pop_front();
            let cursor = &mut self.cursors[user][place(handle)];
            if cursor.unseen > 0 && !std::mem::replace(&mut cursor.is_due, true) {
                self.due.push((user, handle));
            }
        }
        if self.due.is_empty() || self.covered.is_some() {
            return None;
        }
        if self.journal.is_empty() {
            self.take_due(out);
            out.iter().for_each(|kept| self.keep(kept));
            return None;
        }
        let mut covered = Vec::with_capacity(self.due.len());
        self.take_due(&mut covered);
        self.covered = Some(covered);
        Some(self.journal.split().freeze())
    }

    /// Whether nothing that is due waits for the disk. What waits for its time may.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.due.is_empty() && self.covered.is_none()
    }

    /// What was last given to be written is on disk.
    ///
    /// # Panics
    /// When nothing was.
    pub fn on_kept(&mut self, out: &mut Vec<Acknowledgement>) {
        let covered = self.covered.take().expect("one write is under way");
        covered.iter().for_each(|kept| self.keep(kept));
        out.extend(covered);
    }

    /// When something must be acknowledged.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.later.front().map(|(at, _, _)| *at)
    }

    fn take_due(&mut self, out: &mut Vec<Acknowledgement>) {
        for (user, handle) in self.due.drain(..) {
            let cursor = &mut self.cursors[user][place(handle)];
            (cursor.is_due, cursor.unseen) = (false, 0);
            out.push((user, handle, cursor.last));
        }
    }

    fn keep(&mut self, (user, handle, seq): &Acknowledgement) {
        self.cursors[*user][place(*handle)].kept = *seq;
    }

    /// One record: who read what, and whose post it is. The bytes of its body follow from that.
    fn write(&mut self, (user, handle, seq): Acknowledgement, identity: Identity) {
        self.journal.put_u32(u32::try_from(user).expect("the plan bounds users"));
        self.journal.put_u32(handle.0);
        self.journal.put_u64(seq.0);
        self.journal.put_u32(identity.lane);
        self.journal.put_u64(identity.number);
    }
}

fn place(handle: LogHandle) -> usize {
    usize::from(handle != MAILBOX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: LogHandle = LogHandle(1);
    const POST: Option<Identity> = Some(Identity { lane: 0, number: 1 });

    fn turn(inboxes: &mut Inboxes, now: u64) -> (Vec<Acknowledgement>, Option<Bytes>) {
        let mut out = Vec::new();
        let bytes = inboxes.on_turn_end(Instant(now), &mut out);
        (out, bytes)
    }

    #[test]
    fn a_mailbox_is_acknowledged_once_per_turn() {
        let mut inboxes = Inboxes::new(1, Keeping::Nothing);
        assert!(inboxes.on_entry(Instant(0), (0, MAILBOX, Seq(4)), POST));
        assert!(inboxes.on_entry(Instant(0), (0, MAILBOX, Seq(5)), POST));
        assert!(!inboxes.on_entry(Instant(0), (0, MAILBOX, Seq(5)), POST));
        assert_eq!(turn(&mut inboxes, 0), (vec![(0, MAILBOX, Seq(5))], None));
        assert_eq!(inboxes.kept(0, MAILBOX), Seq(5));
        assert_eq!(turn(&mut inboxes, 0), (vec![], None));
    }

    #[test]
    fn nothing_is_acknowledged_before_it_is_on_disk() {
        let mut inboxes = Inboxes::new(2, Keeping::Journal);
        inboxes.on_entry(Instant(0), (1, MAILBOX, Seq(4)), POST);
        let (said, bytes) = turn(&mut inboxes, 0);
        assert_eq!((said, bytes.expect("a record").len()), (vec![], 28));
        assert_eq!(inboxes.kept(1, MAILBOX), Seq(0));
        inboxes.on_entry(Instant(0), (1, MAILBOX, Seq(5)), POST);
        assert_eq!(turn(&mut inboxes, 0), (vec![], None), "one write at a time");
        let mut out = Vec::new();
        inboxes.on_kept(&mut out);
        assert_eq!(out, [(1, MAILBOX, Seq(4))]);
        assert!(turn(&mut inboxes, 0).1.is_some(), "the next one");
    }

    #[test]
    fn a_group_is_acknowledged_after_32_entries_or_200_ms() {
        let mut inboxes = Inboxes::new(1, Keeping::Nothing);
        inboxes.on_entry(Instant(0), (0, GROUP, Seq(1)), POST);
        assert_eq!(turn(&mut inboxes, 199_999_999), (vec![], None));
        assert_eq!(inboxes.deadline(), Some(Instant(200_000_000)));
        assert_eq!(turn(&mut inboxes, 200_000_000), (vec![(0, GROUP, Seq(1))], None));
        for seq in 2..34 {
            inboxes.on_entry(Instant(200_000_000), (0, GROUP, Seq(seq)), POST);
        }
        assert_eq!(turn(&mut inboxes, 200_000_000), (vec![(0, GROUP, Seq(33))], None));
        assert_eq!(turn(&mut inboxes, u64::MAX), (vec![], None), "said already");
    }
}
