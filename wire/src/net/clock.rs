//! The only place that reads a clock.

use std::time::{Duration, SystemTime};

use crate::time::{Instant, Wall};

/// Monotonic time since the clock was made, and the wall clock beside it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub(super) start: std::time::Instant,
}

impl Clock {
    /// A clock that reads zero now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that shells read")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// Time since the clock was made.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(0) + self.start.elapsed()
    }

    /// The wall clock; zero when it stands before 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that shells read")]
    pub fn wall(&self) -> Wall {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Wall(u64::try_from(since.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
