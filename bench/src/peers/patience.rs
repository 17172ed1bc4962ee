//! Waiting for what other processes do: looking again and again, but not for ever.

use std::thread;
use std::time::Duration;

use wire::Instant;
use wire::net::Clock;

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long one waits.
#[derive(Debug)]
pub struct Patience {
    clock: Clock,
    end: Instant,
}

impl Patience {
    /// So long from now.
    #[must_use]
    pub fn of(time: Duration) -> Self {
        let clock = Clock::new();
        let end = clock.now() + time;
        Self { clock, end }
    }

    /// Lets a moment pass; whether there is any patience left.
    #[must_use]
    pub fn wait(&self) -> bool {
        thread::park_timeout(LOOK_INTERVAL);
        self.clock.now() < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends() {
        let short = Patience::of(Duration::from_millis(50));
        let looks = (0..1_000).take_while(|_| short.wait()).count();
        assert!(looks < 1_000);
        assert!(Patience::of(Duration::from_secs(60)).wait());
    }
}
