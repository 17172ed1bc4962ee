//! Bytes that wait to be written on one connection, counted against its policy.

use bytes::{Buf, BytesMut};

use super::event::Level;
use super::policy::Policy;

/// An empty queue keeps at most this much memory for the next turn.
const KEPT_LEN_MAX: usize = 4 * 1024;

/// Memory of empty queues that is kept for the next ones to be filled, at most.
const SPARE_MAX: usize = 1024;

/// Memory of queues that are empty: an idle connection keeps none, and a busy one finds that which
/// was used last.
#[derive(Debug, Default)]
pub(super) struct Spare {
    buffers: Vec<BytesMut>,
}

/// Frames in the order they were sent. On a TLS connection the front moves into sealed records
/// before it reaches the socket; both parts count until the socket has taken them.
#[derive(Debug, Default)]
pub struct WriteQueue {
    bytes: BytesMut,
    sealed: usize,
    peak: usize,
    level: Level,
}

impl WriteQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: BytesMut::new(), sealed: 0, peak: 0, level: Level::Low }
    }

    /// Bytes that the socket has not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.sealed
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The level as it was last reported.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Queues what `append` writes.
    pub fn append(&mut self, append: impl FnOnce(&mut BytesMut)) {
        append(&mut self.bytes);
        self.peak = self.peak.max(self.bytes.len());
    }

    /// What is neither written nor sealed.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        &self.bytes
    }

    /// The socket took `len` bytes of the front.
    pub fn written(&mut self, len: usize) {
        self.bytes.advance(len);
        if self.bytes.is_empty() {
            self.release();
        }
    }

    /// `len` bytes of the front became TLS records.
    pub(super) fn seal(&mut self, len: usize) {
        self.written(len);
        self.sealed += len;
    }

    /// The socket took every TLS record.
    pub(super) fn sealed_written(&mut self) {
        self.sealed = 0;
    }

    /// The socket takes nothing any more.
    pub(super) fn discard(&mut self) {
        self.bytes = BytesMut::new();
        self.sealed = 0;
    }

    /// The new level, when it has changed. Between half of `write_high` and `write_high` it stays.
    pub fn level_change(&mut self, policy: &Policy) -> Option<Level> {
        let level = match self.len() {
            len if len > policy.write_high => Level::High,
            len if len <= policy.write_high / 2 => Level::Low,
            _ => self.level,
        };
        if level == self.level {
            return None;
        }
        self.level = level;
        Some(level)
    }

    /// Uses memory of `spare` while it is empty.
    pub(super) fn borrow_from(&mut self, spare: &mut Spare) {
        if self.bytes.is_empty()
            && let Some(bytes) = spare.buffers.pop()
        {
            self.bytes = bytes;
        }
    }

    /// Gives its memory to others while it needs none.
    pub(super) fn lend_to(&mut self, spare: &mut Spare) {
        if self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            if spare.buffers.len() < SPARE_MAX {
                spare.buffers.push(bytes);
            }
        }
    }

    fn release(&mut self) {
        if self.peak > KEPT_LEN_MAX {
            self.bytes = BytesMut::new();
        }
        self.peak = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy { write_high: 100, write_hard: 200, ..Policy::client() }
    }

    fn push(queue: &mut WriteQueue, len: usize) {
        queue.append(|out| out.extend_from_slice(&vec![7; len]));
    }

    #[test]
    fn the_level_changes_above_high_and_at_half_of_it() {
        let mut queue = WriteQueue::new();
        push(&mut queue, 100);
        assert_eq!(queue.level_change(&policy()), None);
        push(&mut queue, 1);
        assert_eq!(queue.level_change(&policy()), Some(Level::High));
        queue.written(50);
        assert_eq!((queue.len(), queue.level_change(&policy())), (51, None));
        queue.written(1);
        assert_eq!(queue.level_change(&policy()), Some(Level::Low));
        assert_eq!(queue.level_change(&policy()), None);
    }

    #[test]
    fn sealed_bytes_count_until_the_socket_took_them() {
        let mut queue = WriteQueue::new();
        push(&mut queue, 150);
        queue.seal(120);
        assert_eq!((queue.front().len(), queue.len()), (30, 150));
        queue.sealed_written();
        assert_eq!(queue.len(), 30);
        queue.discard();
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn an_empty_queue_lends_its_memory_to_the_next_that_is_filled() {
        let (mut spare, mut one, mut other) =
            (Spare::default(), WriteQueue::new(), WriteQueue::new());
        push(&mut one, 1_000);
        one.lend_to(&mut spare);
        assert_eq!((one.len(), spare.buffers.len()), (1_000, 0), "it needs its memory");
        one.written(1_000);
        one.lend_to(&mut spare);
        assert_eq!((one.bytes.capacity(), spare.buffers.len()), (0, 1));
        other.borrow_from(&mut spare);
        push(&mut other, 100);
        assert_eq!((other.front(), spare.buffers.len()), (&[7; 100][..], 0));
        other.borrow_from(&mut spare);
        assert_eq!(other.len(), 100);
        (0..2 * SPARE_MAX).for_each(|_| WriteQueue::new().lend_to(&mut spare));
        assert_eq!(spare.buffers.len(), SPARE_MAX);
    }

    #[test]
    fn an_emptied_queue_gives_large_memory_back_and_keeps_small() {
        let mut queue = WriteQueue::new();
        push(&mut queue, KEPT_LEN_MAX);
        queue.written(KEPT_LEN_MAX);
        push(&mut queue, 1);
        assert!(queue.bytes.capacity() > 1);
        push(&mut queue, 10 * KEPT_LEN_MAX);
        queue.written(queue.front().len());
        assert_eq!(queue.bytes.capacity(), 0);
    }
}
