//! Which posts reached whom, exactly: sets of numbers, not totals.

use std::collections::BTreeMap;
use std::time::Duration;

use super::text::{Identity, Texts};
use crate::numbers::Numbers;
use crate::record::float;

/// What arrived of one run.
pub struct Tally {
    texts: Texts,
    /// By reader and writer, the numbers that arrived.
    arrived: BTreeMap<(usize, u32), Numbers>,
    /// Posts that arrived, each counted once for each reader.
    pub delivered: u64,
    /// Posts that arrived again.
    pub doubled: u64,
    /// Texts that nobody wrote.
    pub damaged: u64,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(texts: Texts) -> Self {
        let arrived = BTreeMap::new();
        Self { texts, arrived, delivered: 0, doubled: 0, damaged: 0 }
    }

    /// The text of a post.
    #[must_use]
    pub fn compose(&self, user: u32, number: u64) -> Vec<u8> {
        self.texts.compose(Identity { user, number })
    }

    /// Counts a text that came to `reader`; whose it is, when it is the first time.
    pub fn take(&mut self, reader: usize, text: &[u8]) -> Option<Identity> {
        let identity = self.texts.identify(text).filter(|identity| identity.number > 0);
        let Some(identity) = identity else {
            self.damaged += 1;
            return None;
        };
        let numbers = self.arrived.entry((reader, identity.user)).or_default();
        let is_new = numbers.insert(identity.number);
        self.delivered += u64::from(is_new);
        self.doubled += u64::from(!is_new);
        is_new.then_some(identity)
    }

    /// How many of a writer's posts, numbered from 1 to `posts`, never came to `reader`.
    #[must_use]
    pub fn missing(&self, reader: usize, writer: u32, posts: u64) -> u64 {
        let Some(numbers) = self.arrived.get(&(reader, writer)) else {
            return posts;
        };
        let missing = (1..=posts).filter(|number| !numbers.contains(*number)).count();
        u64::try_from(missing).expect("usize fits u64")
    }
}

/// `total` in microseconds for each of `count`.
#[must_use]
pub fn micros_each(total: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| total.as_secs_f64() * 1e6 / float(count))
}

/// How many of `count` there are in each second of `time`.
#[must_use]
pub fn per_second(count: u64, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| float(count) / time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_post_counts_once_for_each_reader() {
        let mut tally = Tally::new(Texts::new(1));
        let (one, two) = (tally.compose(5, 1), tally.compose(5, 3));
        let first = tally.take(9, &one);
        assert_eq!(first, Some(Identity { user: 5, number: 1 }));
        assert_eq!(tally.take(9, &one), None);
        assert!(tally.take(8, &one).is_some());
        assert!(tally.take(9, &two).is_some());
        assert_eq!(tally.take(9, b"garbage"), None);
        assert_eq!((tally.delivered, tally.doubled, tally.damaged), (3, 1, 1));
        assert_eq!(tally.missing(9, 5, 4), 2);
        assert_eq!(tally.missing(7, 5, 4), 4);
    }

    #[test]
    fn what_did_not_happen_has_no_figure() {
        assert_eq!(micros_each(Duration::from_millis(3), 1_000), Some(3.0));
        assert_eq!(micros_each(Duration::from_millis(3), 0), None);
        assert_eq!(per_second(500, Duration::from_millis(250)), Some(2_000.0));
        assert_eq!(per_second(500, Duration::ZERO), None);
    }
}
