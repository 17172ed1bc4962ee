//! Framed connections over mio, with TLS 1.3. The only I/O in this crate.
//!
//! A shell owns one [`Net`] and turns with it: [`Net::poll`] fills a list of [`NetEvent`]s with a
//! bounded amount of work, the shell feeds them to its core, performs the core's effects with
//! [`Net::send`], [`Net::close`] and [`Net::dial`], and ends the turn with [`Net::flush`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use crate::id::ConnId;
use crate::time::{Instant, Wall};

mod clock;
mod event;
mod policy;
pub mod tls;

pub use clock::Clock;
pub use event::{CloseCause, Level, ListenerId, NetEvent, SourceId};
pub use policy::{ListenSecurity, Policy, Security};

/// The connections, listeners and foreign sources of one thread.
pub struct Net {
    clock: Clock,
    now: Instant,
    wall: Wall,
    poll: mio::Poll,
    waker: Arc<mio::Waker>,
}

impl Net {
    /// A network with nothing on it.
    ///
    /// # Errors
    /// The operating system gives no poll or no waker.
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(usize::MAX))?);
        let clock = Clock::new();
        Ok(Self {
            now: clock.now(),
            wall: clock.wall(),
            clock,
            poll,
            waker,
        })
    }

    /// Monotonic time, read once by each [`Net::poll`].
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The wall clock, read once by each [`Net::poll`].
    #[must_use]
    pub fn wall(&self) -> Wall {
        self.wall
    }

    /// Wakes [`Net::poll`] from any thread; seen as [`NetEvent::Woken`].
    #[must_use]
    pub fn waker(&self) -> Arc<mio::Waker> {
        Arc::clone(&self.waker)
    }

    /// Listens on `address` (port 0: any); says where it listens.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn listen(
        &mut self,
        address: SocketAddr,
        _security: ListenSecurity,
        _policy: Policy,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        Ok((ListenerId(0), address))
    }

    /// Stops or resumes taking connections; the backlog waits in the kernel.
    pub fn set_accepting(&mut self, _listener: ListenerId, _accepting: bool) {}

    /// Lifts the limit of early connections per address for loopback addresses.
    pub fn exempt_loopback(&mut self, _exempt: bool) {}

    /// Connects to `address`. Ends in `Connected` or `Closed`, within 10 s.
    pub fn dial(&mut self, _address: SocketAddr, _security: Security, _policy: Policy) -> ConnId {
        ConnId {
            index: 0,
            generation: 0,
        }
    }

    /// Appends frames to the connection's write queue. Unknown connections are skipped: their
    /// `Closed` is on its way.
    pub fn send(&mut self, _conn: ConnId, _append: impl FnOnce(&mut BytesMut)) {}

    /// Replaces the connection's limits; counting of input begins anew.
    pub fn set_policy(&mut self, _conn: ConnId, _policy: Policy) {}

    /// Closes after what is queued was written, within 5 s. Yields `Closed` with `Local`.
    pub fn close(&mut self, _conn: ConnId) {}

    /// Whether the other side's verified certificate names exactly this DNS name.
    #[must_use]
    pub fn is_certified_for(&self, _conn: ConnId, _dns_name: &str) -> bool {
        false
    }

    /// Watches a foreign source for reading.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub fn register(&mut self, source: &mut dyn mio::event::Source) -> io::Result<SourceId> {
        source.register(self.poll.registry(), mio::Token(0), mio::Interest::READABLE)?;
        Ok(SourceId {
            index: 0,
            generation: 0,
        })
    }

    /// Watches a foreign source for reading and writing.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub fn register_duplex(&mut self, source: &mut dyn mio::event::Source) -> io::Result<SourceId> {
        self.register(source)
    }

    /// Stops watching a foreign source; no event with its id comes afterwards.
    ///
    /// # Errors
    /// The operating system does not know it.
    pub fn deregister(
        &mut self,
        source: &mut dyn mio::event::Source,
        _id: SourceId,
    ) -> io::Result<()> {
        source.deregister(self.poll.registry())
    }

    /// Bytes in all write queues. Walks the connections: for reports, not for every turn.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        0
    }

    /// Connections that are held, in whatever state.
    #[must_use]
    pub fn connections(&self) -> usize {
        0
    }

    /// Waits until something happens, at most `timeout`, and appends what happened to `events`.
    /// Does a bounded amount of work; what is left over is done by the next call, which does not
    /// wait then.
    ///
    /// # Errors
    /// The poll itself failed: the process cannot go on.
    pub fn poll(
        &mut self,
        _timeout: Option<Duration>,
        _events: &mut Vec<NetEvent>,
    ) -> io::Result<()> {
        self.now = self.clock.now();
        self.wall = self.clock.wall();
        Ok(())
    }

    /// Writes what is queued, once per connection. Called at the end of each turn.
    pub fn flush(&mut self) {}
}
