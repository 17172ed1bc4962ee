//! How busy the loop is: the share of time that it does not wait.

use std::time::Duration;

use wire::Instant;

/// Adds up the turns since it was last asked.
#[derive(Debug)]
pub struct LoadMeter {
    since: Instant,
    busy: Duration,
}

impl LoadMeter {
    /// Begins at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { since: now, busy: Duration::ZERO }
    }

    /// A turn took from `begun` to `ended`.
    pub fn note(&mut self, begun: Instant, ended: Instant) {
        self.busy += ended.since(begun);
    }

    /// Thousandths of the time since the last call that went into turns.
    pub fn take(&mut self, now: Instant) -> u16 {
        let passed = now.since(self.since).as_micros().max(1);
        let busy = (self.busy.as_micros() * 1000 / passed).min(1000);
        *self = Self::new(now);
        u16::try_from(busy).expect("at most 1,000")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wire::Instant;

    use super::LoadMeter;

    #[test]
    fn turns_are_measured_against_the_time_that_passed() {
        let second = Duration::from_secs(1);
        let mut meter = LoadMeter::new(Instant(0));
        meter.note(Instant(0), Instant(0) + second / 4);
        assert_eq!(meter.take(Instant(0) + second), 250);
        assert_eq!(meter.take(Instant(0) + 2 * second), 0);
        meter.note(Instant(0), Instant(0) + 5 * second);
        assert_eq!(meter.take(Instant(0) + 3 * second), 1000);
    }
}
