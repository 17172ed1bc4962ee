//! Idle logs in memory: bounded by weight, the longest unused go first.

use std::collections::BTreeMap;
use std::num::NonZero;

/// Idle logs by when they were last used.
#[derive(Debug)]
pub(super) struct Idle {
    by_use: BTreeMap<NonZero<u64>, (usize, usize)>,
    uses: u64,
    weight: usize,
    weight_max: usize,
}

impl Idle {
    pub(super) fn new(weight_max: usize) -> Self {
        Self { by_use: BTreeMap::new(), uses: 0, weight: 0, weight_max }
    }

    /// The log with this key is idle from now on; `since` is its own note of it.
    pub(super) fn insert(&mut self, key: usize, weight: usize, since: &mut Option<NonZero<u64>>) {
        self.remove(since);
        self.uses += 1;
        let stamp = NonZero::new(self.uses).expect("it counts from 1");
        self.by_use.insert(stamp, (key, weight));
        self.weight += weight;
        *since = Some(stamp);
    }

    /// The log is in use, if it was idle.
    pub(super) fn remove(&mut self, since: &mut Option<NonZero<u64>>) {
        let Some(stamp) = since.take() else { return };
        let (_, weight) = self.by_use.remove(&stamp).expect("an idle log is noted here");
        self.weight -= weight;
    }

    /// The log to drop while they weigh too much together.
    pub(super) fn pop_excess(&mut self) -> Option<usize> {
        if self.weight <= self.weight_max {
            return None;
        }
        let (_, (key, weight)) = self.by_use.pop_first()?;
        self.weight -= weight;
        Some(key)
    }
}
