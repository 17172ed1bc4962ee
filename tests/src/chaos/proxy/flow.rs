//! One direction of a connection: what was read from one socket and not written to the other yet.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use bytes::{Buf, Bytes};
use mio::net::TcpStream;
use wire::Instant;

/// What is held back at most; beyond that nothing more is read, as by a full network.
const HELD_MAX: usize = 1024 * 1024;

/// Whether all of it was forwarded, and its end, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    Yes,
    No,
}

/// Bytes on their way, each with the time when it may go on.
#[derive(Default)]
pub(super) struct Flow {
    held: VecDeque<(Instant, Bytes)>,
    len: usize,
    /// Later by this, until then.
    slow: Option<(Duration, Instant)>,
    hold_until: Instant,
    is_over: bool,
    is_shut: bool,
}

impl Flow {
    pub(super) fn slow(&mut self, by: Duration, until: Instant) {
        self.slow = Some((by, until));
    }

    pub(super) fn hold(&mut self, until: Instant) {
        self.hold_until = self.hold_until.max(until);
    }

    pub(super) fn is_ill(&self, now: Instant) -> bool {
        self.hold_until > now || self.slow.is_some_and(|(_, until)| until > now)
    }

    /// When the first of what is held may go on.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.held.front().map(|(at, _)| (*at).max(self.hold_until));
        due.or_else(|| (self.is_over && !self.is_shut).then_some(self.hold_until))
    }

    /// Moves what can be moved, `chunk` at a time.
    pub(super) fn pump(
        &mut self,
        (from, is_readable): (&mut TcpStream, &mut bool),
        (to, is_writable): (&mut TcpStream, &mut bool),
        (now, chunk): (Instant, &mut [u8]),
    ) -> io::Result<Ended> {
        self.write(to, is_writable, now)?;
        while *is_readable && !self.is_over && self.len < HELD_MAX {
            match from.read(chunk) {
                Ok(0) => self.is_over = true,
                Ok(len) => self.take(&chunk[..len], (to, is_writable), now)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => *is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.is_over && self.held.is_empty() && !self.is_shut && now >= self.hold_until {
            self.is_shut = true;
            to.shutdown(Shutdown::Write)?;
        }
        Ok(if self.is_shut { Ended::Yes } else { Ended::No })
    }

    fn take(
        &mut self,
        mut bytes: &[u8],
        (to, is_writable): (&mut TcpStream, &mut bool),
        now: Instant,
    ) -> io::Result<()> {
        let slow = self.slow.filter(|(_, until)| *until > now);
        let last = self.held.back().map_or(now, |(at, _)| *at);
        let at = slow.map_or(now, |(by, _)| now + by).max(last).max(self.hold_until);
        if at <= now && self.held.is_empty() && *is_writable {
            let written = write_some(to, bytes, is_writable)?;
            bytes = &bytes[written..];
        }
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.held.push_back((at, Bytes::copy_from_slice(bytes)));
        }
        Ok(())
    }

    fn write(
        &mut self,
        to: &mut TcpStream,
        is_writable: &mut bool,
        now: Instant,
    ) -> io::Result<()> {
        while let Some((at, bytes)) = self.held.front_mut() {
            if (*at).max(self.hold_until) > now || !*is_writable {
                return Ok(());
            }
            let written = write_some(to, bytes, is_writable)?;
            bytes.advance(written);
            self.len -= written;
            if bytes.is_empty() {
                self.held.pop_front();
            }
        }
        Ok(())
    }
}

/// Writes what the socket takes now.
fn write_some(to: &mut TcpStream, bytes: &[u8], is_writable: &mut bool) -> io::Result<usize> {
    match to.write(bytes) {
        Ok(written) => Ok(written),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            *is_writable = false;
            Ok(0)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}
