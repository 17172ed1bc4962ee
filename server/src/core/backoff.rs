//! Pauses between dials: doubled after each failure, with jitter, so that servers do not dial in
//! step.

use std::time::Duration;

use wire::Instant;
use wire::limits::{REDIAL_MAX, REDIAL_MIN};

use super::entropy::Entropy;

/// How long to wait before the next dial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pause: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { pause: REDIAL_MIN }
    }

    /// The instant of the next dial: between half of the pause and the whole of it from now.
    pub(super) fn next(&mut self, now: Instant, entropy: &mut Entropy) -> Instant {
        let half = self.pause / 2;
        let nanos = u64::try_from(half.as_nanos()).expect("pauses are seconds");
        let jitter = Duration::from_nanos(entropy.number() % (nanos + 1));
        self.pause = (self.pause * 2).min(REDIAL_MAX);
        now + half + jitter
    }

    /// A dial succeeded.
    pub(super) fn reset(&mut self) {
        self.pause = REDIAL_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Entropy};
    use wire::Instant;
    use wire::limits::{REDIAL_MAX, REDIAL_MIN};

    #[test]
    fn pauses_grow_to_their_limit() {
        let (mut backoff, mut entropy) = (Backoff::new(), Entropy::new([7; 32]));
        let first = backoff.next(Instant(0), &mut entropy);
        assert!((Instant(0) + REDIAL_MIN / 2..=Instant(0) + REDIAL_MIN).contains(&first));
        for _ in 0..20 {
            backoff.next(Instant(0), &mut entropy);
        }
        let last = backoff.next(Instant(0), &mut entropy);
        assert!((Instant(0) + REDIAL_MAX / 2..=Instant(0) + REDIAL_MAX).contains(&last));
        backoff.reset();
        assert!(backoff.next(Instant(0), &mut entropy) <= Instant(0) + REDIAL_MIN);
    }
}
