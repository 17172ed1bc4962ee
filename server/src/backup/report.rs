//! What a command says on standard error: progress at most once a second, and its result.

use std::time::Duration;

use storage::backup::{Progress, Step};
use wire::Instant;
use wire::net::Clock;

const REPORT_EVERY: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

/// One line for people.
pub(super) fn say(line: &str) {
    eprintln!("fastchat-server: {line}");
}

/// Bytes as people say them.
pub(super) fn size(bytes: u64) -> String {
    format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
}

/// Says now and then how far it is.
pub(super) struct Report {
    clock: Clock,
    last: Instant,
}

impl Report {
    /// Nothing is said in the first second.
    pub(super) fn new() -> Self {
        let clock = Clock::new();
        let last = clock.now();
        Self { clock, last }
    }

    pub(super) fn hear(&mut self, progress: Progress) {
        if self.is_due() {
            say(&line(progress));
        }
    }

    /// A second has passed since something was said.
    pub(super) fn is_due(&mut self) -> bool {
        let now = self.clock.now();
        let is_due = now.since(self.last) >= REPORT_EVERY;
        if is_due {
            self.last = now;
        }
        is_due
    }
}

fn line(Progress { step, done, total }: Progress) -> String {
    let done = size(done.min(total));
    match step {
        Step::Copying => format!("copied {done} of {}", size(total)),
        Step::Comparing => format!("compared {done} of {}", size(total)),
        Step::Reading => format!("read {done} of at most {} through", size(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, Step, line, size};

    #[test]
    fn sizes_are_cut_to_tenths() {
        assert_eq!(size(0), "0.0 MiB");
        assert_eq!(size((3 << 20) + (1 << 19)), "3.5 MiB");
        assert_eq!(size(u64::MAX), "17592186044415.9 MiB");
        let progress = Progress { step: Step::Reading, done: 9 << 20, total: 8 << 20 };
        assert_eq!(line(progress), "read 8.0 MiB of at most 8.0 MiB through");
    }
}
