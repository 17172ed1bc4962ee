//! Framed connections over mio, with TLS 1.3. The only I/O in this crate.
//!
//! A shell owns one [`Net`] and turns with it: [`Net::poll`] fills a list of [`NetEvent`]s with a
//! bounded amount of work, the shell feeds them to its core, performs the core's effects with
//! [`Net::send`], [`Net::close`] and [`Net::dial`], and ends the turn with [`Net::flush`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mio::Interest;

use crate::id::ConnId;
use crate::time::{Instant, Wall};

mod callers;
mod clock;
mod conn;
mod descriptors;
mod dial;
mod early;
mod event;
mod listener;
mod own;
mod policy;
mod run_queue;
mod socket;
mod source;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod timers;
pub mod tls;
mod token;
mod turn;
mod write_queue;

pub use callers::Callers;
pub use clock::Clock;
pub use event::{CloseCause, Level, ListenerId, NetEvent, SourceId};
pub use own::Own;
pub use policy::{ListenSecurity, Policy, Security};
pub use socket::LocalAddress;
pub use write_queue::WriteQueue;

use early::Early;
use listener::Listener;
use run_queue::{RunQueue, WriteList};
use source::Sources;
use stream::READ_BUDGET;
use table::Table;
use timers::Timers;
use token::Owner;
use write_queue::Spare;

/// Readiness reports taken from the operating system in one turn, at most.
const REPORTS_MAX: usize = 1024;

/// The connections, listeners and foreign sources of one thread.
pub struct Net {
    clock: Clock,
    now: Instant,
    wall: Wall,
    poll: mio::Poll,
    ready: mio::Events,
    waker: Arc<mio::Waker>,
    table: Table,
    listeners: Vec<Listener>,
    sources: Sources,
    early: Early,
    timers: Timers,
    run: RunQueue,
    dirty: WriteList,
    pending: Vec<NetEvent>,
    scratch: Box<[u8]>,
    spare: Spare,
    sockets_max: usize,
}

impl Net {
    /// A network with nothing on it. Raises the process's limit of open files as far as it may;
    /// at most three quarters of them become accepted connections.
    ///
    /// # Errors
    /// The operating system gives no poll or no waker.
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), Owner::Waker.token())?);
        let clock = Clock::new();
        Ok(Self {
            now: clock.now(),
            wall: clock.wall(),
            clock,
            poll,
            ready: mio::Events::with_capacity(REPORTS_MAX),
            waker,
            table: Table::default(),
            listeners: Vec::new(),
            sources: Sources::default(),
            early: Early::default(),
            timers: Timers::default(),
            run: RunQueue::default(),
            dirty: WriteList::default(),
            pending: Vec::new(),
            scratch: vec![0; READ_BUDGET].into_boxed_slice(),
            spare: Spare::default(),
            sockets_max: descriptors::raise(),
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

    /// The clock behind [`Net::now`]: for measuring how long a turn took.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Wakes [`Net::poll`] from any thread; seen as [`NetEvent::Woken`].
    #[must_use]
    pub fn waker(&self) -> Arc<mio::Waker> {
        Arc::clone(&self.waker)
    }

    /// Listens on `address` (port 0: any); says where it listens. Connections are told of when
    /// their TLS handshake is done; those that are not done in time are dropped without a word.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn listen(
        &mut self,
        address: SocketAddr,
        security: ListenSecurity,
        policy: Policy,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let mut listener = Listener::bind(address, security, policy)?;
        let id = ListenerId(u32::try_from(self.listeners.len()).expect("few listeners"));
        listener.register(self.poll.registry(), id)?;
        let address = listener.address()?;
        self.listeners.push(listener);
        Ok((id, address))
    }

    /// Stops or resumes taking connections; meanwhile they wait in the operating system.
    pub fn set_accepting(&mut self, listener: ListenerId, accepting: bool) {
        self.listeners[index(listener)].set_accepting(accepting);
    }

    /// Connections that came in here and ended before their TLS handshake was done: without a
    /// certificate that is demanded, with one that may not call, or too slow. Nothing they said
    /// was read.
    #[must_use]
    pub fn refused(&self, listener: ListenerId) -> u64 {
        self.listeners[index(listener)].refused
    }

    /// Lifts the limit of early connections per address for loopback addresses.
    pub fn exempt_loopback(&mut self, exempt: bool) {
        self.early.exempt_loopback(exempt);
    }

    /// Connects to `address`. Ends in `Connected` or `Closed`, within 10 s. Frames may be sent at
    /// once; they leave when the connection is ready.
    pub fn dial(&mut self, address: SocketAddr, security: Security, policy: Policy) -> ConnId {
        self.begin_dial((None, address), security, policy)
    }

    /// As [`Net::dial`], from this address of this machine: one alone has a port for some 28,000
    /// connections to the same place.
    pub fn dial_from(
        &mut self,
        local: IpAddr,
        address: SocketAddr,
        security: Security,
        policy: Policy,
    ) -> ConnId {
        self.begin_dial((Some(local), address), security, policy)
    }

    /// Appends frames to the connection's write queue; [`Net::flush`] writes it. Unknown and
    /// closing connections are skipped: their `Closed` is on its way.
    pub fn send(&mut self, conn: ConnId, append: impl FnOnce(&mut BytesMut)) {
        let Some(conn) = self.table.get_mut(conn).filter(|conn| conn.takes_output()) else {
            return;
        };
        conn.queue.borrow_from(&mut self.spare);
        conn.queue.append(append);
        self.dirty.add(conn);
        if conn.queue.len() > conn.bounds.write_hard() {
            // The socket may have room that this turn has not used yet.
            conn.stream.transmit(&mut conn.queue);
        }
        if conn.queue.len() > conn.bounds.write_hard() {
            let id = conn.id;
            let closed = self.end(id, CloseCause::SlowReader);
            self.pending.extend(closed);
        }
    }

    /// Replaces the connection's limits; counting of input begins anew.
    pub fn set_policy(&mut self, conn: ConnId, policy: Policy) {
        let Some(conn) = self.table.get_mut(conn) else {
            return;
        };
        conn.set_policy(policy);
        if policy.input_len_max.is_none()
            && let Some(newcomer) = conn.newcomer.take()
        {
            self.early.leave(newcomer.seat);
        }
        if conn.has_work() {
            self.run.add(conn);
        }
        // The next flush judges the write queue by the new marks.
        self.dirty.add(conn);
    }

    /// Closes after what is queued was written, within 5 s. Yields `Closed` with `Local`; no frame
    /// comes between.
    pub fn close(&mut self, conn: ConnId) {
        let closed = self.begin_close(conn, CloseCause::Local);
        self.pending.extend(closed);
    }

    /// Whether the other side's verified certificate names exactly this DNS name.
    #[must_use]
    pub fn is_certified_for(&self, conn: ConnId, dns_name: &str) -> bool {
        self.table.get(conn).is_some_and(|conn| conn.stream.is_certified_for(dns_name))
    }

    /// Watches a foreign source for reading.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub fn register(&mut self, source: &mut dyn mio::event::Source) -> io::Result<SourceId> {
        self.watch(source, Interest::READABLE)
    }

    /// Watches a foreign source for reading and writing.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub fn register_duplex(&mut self, source: &mut dyn mio::event::Source) -> io::Result<SourceId> {
        self.watch(source, Interest::READABLE.add(Interest::WRITABLE))
    }

    /// Stops watching a foreign source; no event with its id is made afterwards.
    ///
    /// # Errors
    /// The operating system does not know it.
    pub fn deregister(
        &mut self,
        source: &mut dyn mio::event::Source,
        id: SourceId,
    ) -> io::Result<()> {
        self.sources.remove(id);
        source.deregister(self.poll.registry())
    }

    /// Bytes in all write queues. Walks the connections: for reports, not for every turn.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.table.iter().map(|conn| conn.queue.len()).sum()
    }

    /// Connections that the shell knows. Walks the connections: for reports, not for every turn.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.iter().filter(|conn| conn.owes_closed()).count()
    }

    /// Sockets that are held, half-open and draining ones included.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.table.len()
    }

    /// Waits until something happens, at most `timeout`, and appends what happened to `events`.
    /// Does a bounded amount of work; what is left over is done by the next call, which does not
    /// wait then.
    ///
    /// # Errors
    /// The poll itself failed: the process cannot go on.
    pub fn poll(
        &mut self,
        timeout: Option<Duration>,
        events: &mut Vec<NetEvent>,
    ) -> io::Result<()> {
        self.flush();
        self.wait(timeout)?;
        events.append(&mut self.pending);
        self.note(events);
        self.expire(events);
        self.accept();
        self.run(events);
        Ok(())
    }

    /// Writes what is queued, once per connection. Called at the end of each turn.
    pub fn flush(&mut self) {
        for _ in 0..self.dirty.len() {
            if let Some(id) = self.dirty.pop() {
                self.flush_one(id);
            }
        }
    }

    fn watch(
        &mut self,
        source: &mut dyn mio::event::Source,
        interest: Interest,
    ) -> io::Result<SourceId> {
        let id = self.sources.add();
        let token = Owner::Source(id).token();
        if let Err(error) = source.register(self.poll.registry(), token, interest) {
            self.sources.remove(id);
            return Err(error);
        }
        Ok(id)
    }
}

fn index(listener: ListenerId) -> usize {
    usize::try_from(listener.0).expect("usize has 64 bits on every target")
}
