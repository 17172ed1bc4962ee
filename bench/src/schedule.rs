//! The open loop: when each post is meant to be sent. Nothing that happens moves these times.

use std::time::Duration;

use wire::Instant;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// `rate` posts per second from `start` on; in turn, post `index` belongs to lane `index % lanes`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    start: Instant,
    rate: u64,
    lanes: u64,
    posts: u64,
}

impl Schedule {
    /// The posts of `duration`.
    ///
    /// # Panics
    /// When `rate` or `lanes` is 0: the plan has checked them.
    #[must_use]
    pub fn new(start: Instant, rate: u64, lanes: u32, duration: Duration) -> Self {
        assert!(rate > 0 && lanes > 0, "the plan has checked both");
        let posts = duration.as_nanos() * u128::from(rate) / NANOS_PER_SECOND;
        Self {
            start,
            rate,
            lanes: lanes.into(),
            posts: u64::try_from(posts).expect("an hour at RATE_MAX fits"),
        }
    }

    /// All posts.
    #[must_use]
    pub fn posts(&self) -> u64 {
        self.posts
    }

    /// How many posts are meant to be sent by `now`.
    #[must_use]
    pub fn due(&self, now: Instant) -> u64 {
        if now < self.start {
            return 0;
        }
        let passed = now.since(self.start).as_nanos();
        let due = passed * u128::from(self.rate) / NANOS_PER_SECOND + 1;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.posts)
    }

    /// When post `index` is meant to be sent: the first nanosecond at which it is due.
    #[must_use]
    pub fn intended(&self, index: u64) -> Instant {
        let nanos = (u128::from(index) * NANOS_PER_SECOND).div_ceil(u128::from(self.rate));
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The lane that sends post `index`, when all do in turn.
    #[must_use]
    pub fn lane(&self, index: u64) -> usize {
        usize::try_from(index % self.lanes).expect("below lanes, a u32")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_post_is_due_exactly_from_its_intended_time(
            rate in 1u64..200_000, index in 0u64..1_000_000, start in 0u64..1_000_000_000_000,
        ) {
            let day = Duration::from_secs(1_000_001);
            let schedule = Schedule::new(Instant(start), rate, 7, day);
            let at = schedule.intended(index);
            prop_assert!(schedule.due(at) > index);
            if at.0 > start {
                prop_assert!(schedule.due(Instant(at.0 - 1)) <= index);
            }
        }
    }

    #[test]
    fn the_whole_duration_is_filled_and_no_more() {
        let schedule = Schedule::new(Instant(5), 1_000, 50, Duration::from_secs(10));
        assert_eq!(schedule.posts(), 10_000);
        assert_eq!(schedule.due(Instant(4)), 0);
        assert_eq!(schedule.due(Instant(5)), 1);
        assert_eq!(schedule.due(Instant(u64::MAX)), 10_000);
        assert_eq!(schedule.intended(9_999), Instant(5 + 9_999_000_000));
    }
}
