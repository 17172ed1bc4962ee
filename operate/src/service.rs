//! What the service manager hears: that a program is ready, reads its settings again or stops, and
//! that its loop turns. Spoken as `sd_notify(3)` describes; where nobody listens nothing is said.

use std::time::Duration;

use sd_notify::NotifyState;
use wire::Instant;

/// This process as a service.
#[derive(Debug)]
pub struct Service {
    /// How often the manager hears that the loop turns, if it asks for that.
    interval: Option<Duration>,
    next: Instant,
}

impl Service {
    /// What the environment of this process asks for.
    #[must_use]
    pub fn of_environment() -> Self {
        // Twice in the time after which the manager takes the process for stuck.
        let interval = sd_notify::watchdog_enabled().map(|silence| silence / 2);
        Self { interval, next: Instant(0) }
    }

    /// It serves.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// It reads its settings again, until it is [ready](Self::ready).
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the monotonic clock"),
        }
    }

    /// It stops.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// When the next turn must have ended.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.interval.map(|_| self.next)
    }

    /// A turn of the loop has ended.
    pub fn end_turn(&mut self, ended: Instant) {
        if let Some(interval) = self.interval
            && ended >= self.next
        {
            tell(&[NotifyState::Watchdog]);
            self.next = ended + interval;
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
