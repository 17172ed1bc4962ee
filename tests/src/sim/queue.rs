//! What is to happen, ordered by time; at one time, in the order in which it was decided.

use std::collections::BTreeMap;

use wire::Instant;

/// The one queue of a world.
#[derive(Debug)]
pub struct Queue<T> {
    items: BTreeMap<(Instant, u64), T>,
    last: u64,
}

impl<T> Queue<T> {
    /// Nothing is to happen.
    #[must_use]
    pub fn new() -> Self {
        Self { items: BTreeMap::new(), last: 0 }
    }

    /// `item` is to happen at this time.
    pub fn push(&mut self, at: Instant, item: T) {
        self.last += 1;
        self.items.insert((at, self.last), item);
    }

    /// What happens next.
    pub fn pop(&mut self) -> Option<(Instant, T)> {
        self.items.pop_first().map(|((at, _), item)| (at, item))
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}
