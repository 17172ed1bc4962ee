//! What the admin listener shows: written by the loop, read by the listener's thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wire::Instant;
use wire::net::Clock;

use crate::exposition::{self, Program};
use crate::metric::Metric;
use crate::readiness::Readiness;

/// A loop that has not posted for so long hangs. It posts once a second; a turn is bounded work,
/// so ten seconds are a disk, a debugger or a bug.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The latest that a program has posted about itself. Never held for longer than a copy.
#[derive(Debug)]
pub struct Board {
    program: Program,
    clock: Clock,
    post: Mutex<Post>,
}

#[derive(Debug, Default)]
struct Post {
    readiness: Readiness,
    metrics: Vec<Metric>,
    /// `None` before the loop began to turn.
    at: Option<Instant>,
}

impl Board {
    /// Of a program that is starting. `clock` is the loop's own.
    #[must_use]
    pub fn new(program: Program, clock: Clock) -> Self {
        Self { program, clock, post: Mutex::default() }
    }

    /// Replaces what is shown. Called by the loop.
    pub fn post(&self, readiness: Readiness, metrics: Vec<Metric>) {
        let at = Some(self.clock.now());
        *self.read() = Post { readiness, metrics, at };
    }

    /// Whether new work is taken. A loop that hangs takes none.
    ///
    /// # Errors
    /// Why not.
    pub fn readiness(&self) -> Result<(), String> {
        self.liveness()?;
        match self.read().readiness {
            Readiness::Ready => Ok(()),
            other => Err(other.reason().to_owned()),
        }
    }

    /// Whether the loop turns, or has not begun to.
    ///
    /// # Errors
    /// For how long it has not.
    pub fn liveness(&self) -> Result<(), String> {
        let Some(at) = self.read().at else { return Ok(()) };
        let silence = self.clock.now().since(at);
        if silence <= SILENCE_MAX {
            return Ok(());
        }
        Err(format!("the loop has not turned for {} s", silence.as_secs()))
    }

    /// Prometheus' text format of what was last posted.
    #[must_use]
    pub fn metrics(&self) -> String {
        let is_ready = self.readiness().is_ok();
        let metrics = self.read().metrics.clone();
        exposition::render(self.program, is_ready, &metrics)
    }

    fn read(&self) -> MutexGuard<'_, Post> {
        // What is there is whole: a post is replaced by one assignment.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
