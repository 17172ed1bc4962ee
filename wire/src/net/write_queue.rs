//! Bytes that wait to be written on one connection, counted against its policy.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

use super::event::Level;

/// An empty queue keeps at most this much memory for the next turn.
const KEPT_LEN_MAX: u32 = 4 * 1024;

/// Memory of empty queues that is kept for the next ones to be filled, at most.
const SPARE_MAX: usize = 1024;

/// Memory of queues that are empty: an idle connection keeps none, and a busy one finds that which
/// was used last.
#[derive(Debug, Default)]
pub(super) struct Spare {
    /// Boxed as the queues have them; what was given last is taken first.
    buffers: VecDeque<Box<BytesMut>>,
}

/// Frames in the order they were sent. On a TLS connection the front moves into sealed records
/// before it reaches the socket; both parts count until the socket has taken them.
#[derive(Debug, Default)]
pub struct WriteQueue {
    /// `None` while nothing waits and the memory is lent to others.
    bytes: Option<Box<BytesMut>>,
    sealed: u32,
    peak: u32,
    level: Level,
}

impl WriteQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that the socket has not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.front().len() + usize::try_from(self.sealed).expect("usize has 64 bits")
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
        let bytes = self.bytes.get_or_insert_default();
        append(bytes);
        self.peak = self.peak.max(u32_of(bytes.len()));
    }

    /// What is neither written nor sealed.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| &bytes[..])
    }

    /// The socket took `len` bytes of the front.
    pub fn written(&mut self, len: usize) {
        let Some(bytes) = &mut self.bytes else {
            return assert_eq!(len, 0, "nothing waits");
        };
        bytes.advance(len);
        if bytes.is_empty() && std::mem::take(&mut self.peak) > KEPT_LEN_MAX {
            **bytes = BytesMut::new();
        }
    }

    /// `len` bytes of the front became TLS records.
    pub(super) fn seal(&mut self, len: usize) {
        self.written(len);
        self.sealed += u32_of(len);
    }

    /// The socket took every TLS record.
    pub(super) fn sealed_written(&mut self) {
        self.sealed = 0;
    }

    /// The socket takes nothing any more.
    pub(super) fn discard(&mut self) {
        self.bytes = None;
        self.sealed = 0;
    }

    /// The new level, when it has changed. Between half of `write_high` and `write_high` it stays.
    pub fn level_change(&mut self, write_high: usize) -> Option<Level> {
        let level = match self.len() {
            len if len > write_high => Level::High,
            len if len <= write_high / 2 => Level::Low,
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
        if self.bytes.is_none() {
            self.bytes = spare.buffers.pop_back();
        }
    }

    /// Gives its memory to others while it needs none.
    pub(super) fn lend_to(&mut self, spare: &mut Spare) {
        if let Some(bytes) = self.bytes.take_if(|bytes| bytes.is_empty())
            && spare.buffers.len() < SPARE_MAX
        {
            spare.buffers.push_back(bytes);
        }
    }
}

fn u32_of(len: usize) -> u32 {
    u32::try_from(len).expect("a queue is closed far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: usize = 100;

    fn push(queue: &mut WriteQueue, len: usize) {
        queue.append(|out| out.extend_from_slice(&vec![7; len]));
    }

    #[test]
    fn the_level_changes_above_high_and_at_half_of_it() {
        let mut queue = WriteQueue::new();
        push(&mut queue, 100);
        assert_eq!(queue.level_change(HIGH), None);
        push(&mut queue, 1);
        assert_eq!(queue.level_change(HIGH), Some(Level::High));
        queue.written(50);
        assert_eq!((queue.len(), queue.level_change(HIGH)), (51, None));
        queue.written(1);
        assert_eq!(queue.level_change(HIGH), Some(Level::Low));
        assert_eq!(queue.level_change(HIGH), None);
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
        assert_eq!((one.bytes.is_none(), spare.buffers.len()), (true, 1));
        other.borrow_from(&mut spare);
        push(&mut other, 100);
        assert_eq!((other.front(), spare.buffers.len()), (&[7; 100][..], 0));
        other.borrow_from(&mut spare);
        assert_eq!(other.len(), 100);
        for _ in 0..2 * SPARE_MAX {
            let mut queue = WriteQueue::new();
            queue.append(|_| {});
            queue.lend_to(&mut spare);
        }
        assert_eq!(spare.buffers.len(), SPARE_MAX);
    }

    #[test]
    fn an_emptied_queue_gives_large_memory_back_and_keeps_small() {
        let mut queue = WriteQueue::new();
        push(&mut queue, 4_096);
        queue.written(4_096);
        push(&mut queue, 1);
        assert!(queue.bytes.as_ref().is_some_and(|bytes| bytes.capacity() > 1));
        push(&mut queue, 40_960);
        queue.written(queue.front().len());
        assert!(queue.bytes.is_some_and(|bytes| bytes.capacity() == 0));
    }
}
