//! A timer that wakes the loop to the microsecond: the loop's own waiting is in whole milliseconds,
//! which an open loop would add to every latency.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use wire::Instant;

/// A one-shot timer of the system, readable when it has expired.
pub(crate) struct Timer {
    fd: OwnedFd,
    armed: Option<Instant>,
}

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self { fd: timerfd_create(TimerfdClockId::Monotonic, flags)?, armed: None })
    }

    /// Wakes the loop at `at`. Says how long the loop may wait by itself: not at all when `at` has
    /// passed.
    pub(crate) fn arm(
        &mut self,
        now: Instant,
        at: Option<Instant>,
    ) -> io::Result<Option<Duration>> {
        let Some(at) = at else {
            return Ok(None);
        };
        let left = at.since(now);
        if left.is_zero() {
            return Ok(Some(Duration::ZERO));
        }
        if self.armed != Some(at) {
            timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once(left))?;
            self.armed = Some(at);
        }
        Ok(None)
    }

    /// Takes note that the timer has expired.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.armed = None;
        match rustix::io::read(&self.fd, &mut [0; 8]) {
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn once(left: Duration) -> Itimerspec {
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    Itimerspec {
        it_interval: none,
        it_value: Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        },
    }
}

impl Source for Timer {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.fd.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.fd.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.fd.as_raw_fd()).deregister(registry)
    }
}
