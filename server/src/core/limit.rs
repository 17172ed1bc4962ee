//! Token buckets: how often something may happen.

use std::time::Duration;

use wire::Instant;

/// How often: up to `burst` permits, and one more each `interval`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) interval: Duration,
    pub(super) burst: u32,
}

/// The permits of one. It may go into debt: what has already been read from a socket is handled,
/// and paid back before the socket is read again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// The instant at which the bucket is, or was, full.
    full_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one permit, into debt if there is none.
    pub(super) fn charge(&mut self, rate: &Rate, now: Instant) {
        self.full_at = self.full_at.max(now) + rate.interval;
    }

    /// Takes one permit if there is one.
    pub(super) fn try_charge(&mut self, rate: &Rate, now: Instant) -> bool {
        let room = self.permit_at(rate) <= now;
        if room {
            self.charge(rate, now);
        }
        room
    }

    /// Gives one permit back.
    pub(super) fn refund(&mut self, rate: &Rate) {
        let interval = u64::try_from(rate.interval.as_nanos()).unwrap_or(u64::MAX);
        self.full_at = Instant(self.full_at.0.saturating_sub(interval));
    }

    /// When the next permit is there; in the past when it is there now.
    pub(super) fn permit_at(&self, rate: &Rate) -> Instant {
        let spare = rate.interval.saturating_mul(rate.burst.saturating_sub(1));
        let spare = u64::try_from(spare.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.full_at.0.saturating_sub(spare))
    }

    /// Whether nothing is owed: the bucket says no more than a new one.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Rate};
    use std::time::Duration;
    use wire::Instant;

    #[test]
    fn a_burst_then_one_each_interval() {
        let start = Instant(1_000_000_000_000);
        let rate = Rate { interval: Duration::from_secs(30), burst: 3 };
        let mut bucket = Bucket::new(start);
        for _ in 0..3 {
            assert!(bucket.try_charge(&rate, start));
        }
        assert!(!bucket.try_charge(&rate, start + Duration::from_secs(29)));
        assert!(bucket.try_charge(&rate, start + Duration::from_secs(30)));
        assert!(!bucket.try_charge(&rate, start + Duration::from_secs(30)));
        bucket.refund(&rate);
        assert!(bucket.try_charge(&rate, start + Duration::from_secs(30)));
        assert!(!bucket.is_full(start + Duration::from_secs(119)));
        assert!(bucket.is_full(start + Duration::from_secs(120)));
    }

    #[test]
    fn debt_is_paid_back_first() {
        let start = Instant(1_000_000_000_000);
        let rate = Rate { interval: Duration::from_secs(1), burst: 2 };
        let mut bucket = Bucket::new(start);
        for _ in 0..5 {
            bucket.charge(&rate, start);
        }
        assert_eq!(bucket.permit_at(&rate), start + Duration::from_secs(4));
    }
}
