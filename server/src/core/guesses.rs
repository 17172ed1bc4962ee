//! How often a password may be guessed, or a group joined: a burst, then one per interval, for each
//! key.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::limits::{
    GUESS_INTERVAL, GUESSED_ACCOUNTS_MAX, GUESSES_BURST, JOIN_INTERVAL, JOINS_BURST,
};
use wire::{FaultCode, Instant};

use super::limit::{Bucket, Rate};

/// The recent guesses of each key, an account or an account at a group.
#[derive(Debug)]
pub(super) struct Guesses<K> {
    rate: Rate,
    buckets: BTreeMap<K, Bucket>,
    /// When guesses that no longer count were last looked for.
    swept: Instant,
}

impl<K> Default for Guesses<K> {
    fn default() -> Self {
        Self::new(GUESS_INTERVAL, GUESSES_BURST)
    }
}

impl<K> Guesses<K> {
    /// Not of passwords but of joinings, which are as seldom.
    pub(super) fn of_joins() -> Self {
        Self::new(JOIN_INTERVAL, JOINS_BURST)
    }

    fn new(interval: Duration, burst: u32) -> Self {
        let rate = Rate { interval, burst };
        Self { rate, buckets: BTreeMap::new(), swept: Instant(0) }
    }
}

impl<K: Ord> Guesses<K> {
    /// Charges one guess, if there is one.
    pub(super) fn charge(&mut self, now: Instant, key: K) -> Result<(), FaultCode> {
        self.sweep(now);
        if !self.buckets.contains_key(&key) && self.buckets.len() >= GUESSED_ACCOUNTS_MAX {
            return Err(FaultCode::RATE_LIMITED);
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(now));
        bucket.try_charge(&self.rate, now).then_some(()).ok_or(FaultCode::RATE_LIMITED)
    }

    /// It was no guess: the password was proven.
    pub(super) fn refund(&mut self, key: &K) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.refund(&self.rate);
        }
    }

    /// Forgets guesses that no longer count.
    pub(super) fn sweep(&mut self, now: Instant) {
        if now.since(self.swept) >= self.rate.interval {
            self.swept = now;
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
        }
    }
}
