//! How many of something each key has, with a most.

use std::collections::BTreeMap;

/// Counts by key; keys without any are not kept.
#[derive(Debug)]
pub struct Tally<K> {
    counts: BTreeMap<K, u32>,
    max: u32,
}

impl<K: Ord> Tally<K> {
    /// None yet; a key with `max` is full.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self { counts: BTreeMap::new(), max }
    }

    /// How many `key` has.
    #[must_use]
    pub fn of(&self, key: &K) -> u32 {
        self.counts.get(key).copied().unwrap_or(0)
    }

    /// Whether `key` has as many as it may.
    #[must_use]
    pub fn is_full(&self, key: &K) -> bool {
        self.of(key) >= self.max
    }

    /// One more for `key`. The caller asks [`Self::is_full`] first where there is a most.
    pub fn add(&mut self, key: K) {
        *self.counts.entry(key).or_insert(0) += 1;
    }

    /// One less for `key`.
    ///
    /// # Panics
    /// When it has none: each removal follows its addition.
    pub fn remove(&mut self, key: &K) {
        let count = self.counts.get_mut(key).expect("added before");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(key);
        }
    }
}
