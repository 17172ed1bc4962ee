//! Token buckets: how often something may happen.

use std::time::Duration;

use wire::Instant;

/// Holds up to `burst` permits and gains one each `interval`. It may go into debt: what has already
/// been read from a socket is handled, and paid back before the socket is read again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    interval: Duration,
    burst: u32,
    /// The instant at which the bucket is, or was, full.
    full_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(interval: Duration, burst: u32, now: Instant) -> Self {
        Self { interval, burst, full_at: now }
    }

    /// Takes one permit, into debt if there is none.
    pub(super) fn charge(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval;
    }

    /// Takes one permit if there is one.
    pub(super) fn try_charge(&mut self, now: Instant) -> bool {
        let room = self.permit_at() <= now;
        if room {
            self.charge(now);
        }
        room
    }

    /// Gives one permit back.
    pub(super) fn refund(&mut self) {
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        self.full_at = Instant(self.full_at.0.saturating_sub(interval));
    }

    /// When the next permit is there; in the past when it is there now.
    pub(super) fn permit_at(&self) -> Instant {
        let spare = self.interval.saturating_mul(self.burst.saturating_sub(1));
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
    use super::Bucket;
    use std::time::Duration;
    use wire::Instant;

    #[test]
    fn a_burst_then_one_each_interval() {
        let start = Instant(1_000_000_000_000);
        let mut bucket = Bucket::new(Duration::from_secs(30), 3, start);
        for _ in 0..3 {
            assert!(bucket.try_charge(start));
        }
        assert!(!bucket.try_charge(start + Duration::from_secs(29)));
        assert!(bucket.try_charge(start + Duration::from_secs(30)));
        assert!(!bucket.try_charge(start + Duration::from_secs(30)));
        bucket.refund();
        assert!(bucket.try_charge(start + Duration::from_secs(30)));
        assert!(!bucket.is_full(start + Duration::from_secs(119)));
        assert!(bucket.is_full(start + Duration::from_secs(120)));
    }

    #[test]
    fn debt_is_paid_back_first() {
        let start = Instant(1_000_000_000_000);
        let mut bucket = Bucket::new(Duration::from_secs(1), 2, start);
        for _ in 0..5 {
            bucket.charge(start);
        }
        assert_eq!(bucket.permit_at(), start + Duration::from_secs(4));
    }
}
