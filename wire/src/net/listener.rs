//! A listening socket and the taking of its connections.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::Interest;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use rustls::{Connection, ServerConnection};

use super::Net;
use super::conn::{Conn, Newcomer, Way};
use super::event::ListenerId;
use super::policy::{ListenSecurity, Policy};
use super::stream::Stream;
use super::token::Owner;
use crate::limits::EARLY_TIME_MAX;
use crate::time::Instant;

/// Connections taken from one listener in one turn, at most.
const ACCEPT_MAX: usize = 64;
/// After a failure such as "no more descriptors" the listener rests for this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Half-open connections that are given up for their descriptors before a listener rests.
const SACRIFICE_MAX: usize = 16;

/// A listening socket, its readiness, and what its connections begin with.
pub(super) struct Listener {
    socket: TcpListener,
    security: ListenSecurity,
    policy: Policy,
    is_ready: bool,
    is_accepting: bool,
    resumes_at: Option<Instant>,
    /// Connections that ended before they were open.
    pub(super) refused: u64,
}

impl Listener {
    pub(super) fn bind(
        address: SocketAddr,
        security: ListenSecurity,
        policy: Policy,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        let (is_ready, is_accepting, resumes_at) = (false, true, None);
        Ok(Self { socket, security, policy, is_ready, is_accepting, resumes_at, refused: 0 })
    }

    pub(super) fn register(&mut self, registry: &mio::Registry, id: ListenerId) -> io::Result<()> {
        self.socket.register(registry, Owner::Listener(id).token(), Interest::READABLE)
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(super) fn note_ready(&mut self) {
        self.is_ready = true;
    }

    pub(super) fn set_accepting(&mut self, accepting: bool) {
        self.is_accepting = accepting;
    }

    /// When there is something to take: now (zero), after a pause, or unknown.
    pub(super) fn next_work(&self) -> Option<Instant> {
        (self.is_ready && self.is_accepting).then(|| self.resumes_at.unwrap_or_default())
    }
}

impl Net {
    /// Takes waiting connections from every listener, a bounded number of each.
    pub(super) fn accept(&mut self) {
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT_MAX {
                if !self.accept_one(index) {
                    break;
                }
            }
        }
    }

    fn accept_one(&mut self, index: usize) -> bool {
        let now = self.now;
        let listener = &mut self.listeners[index];
        if listener.next_work().is_none_or(|at| at > now) {
            return false;
        }
        listener.resumes_at = None;
        match listener.socket.accept() {
            Ok((socket, address)) => {
                self.admit(index, socket, address);
                true
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => {
                    listener.is_ready = false;
                    false
                }
                ErrorKind::ConnectionAborted
                | ErrorKind::ConnectionReset
                | ErrorKind::Interrupted => true,
                _ => self.make_room(index),
            },
        }
    }

    /// The system gives no more descriptors: half-open connections give up theirs, else a pause.
    fn make_room(&mut self, index: usize) -> bool {
        for freed in 0..SACRIFICE_MAX {
            let Some(oldest) = self.early.oldest_half_open() else {
                if freed == 0 {
                    self.listeners[index].resumes_at = Some(self.now + ACCEPT_PAUSE);
                }
                return freed > 0;
            };
            self.remove(oldest);
        }
        true
    }

    /// Gives a new connection its slot, or drops it when there are too many: in all, not signed
    /// in, or of its address.
    fn admit(&mut self, index: usize, socket: TcpStream, address: SocketAddr) {
        if self.early.is_full() || self.table.len() >= self.sockets_max {
            let Some(oldest) = self.early.oldest_half_open() else {
                return;
            };
            self.remove(oldest);
        }
        let Some(seat) = self.early.enter(address.ip()) else {
            return;
        };
        let Some(stream) = self.secure(index, socket) else {
            return self.early.leave(seat);
        };
        let listener = ListenerId(u32::try_from(index).expect("few listeners"));
        let policy = self.listeners[index].policy;
        let id = self.table.next_id();
        let mut conn = Conn::new(id, Way::Accepted { listener }, stream, policy);
        conn.newcomer = Some(Box::new(Newcomer { address, seat }));
        if conn.stream.register(self.poll.registry(), Owner::Conn(id).token()).is_err() {
            return self.release(conn);
        }
        let deadline = self.now + EARLY_TIME_MAX;
        self.early.begin_handshake(deadline, id);
        self.timers.set(&mut conn, deadline);
        self.run.add(self.table.insert(conn));
    }

    fn secure(&self, index: usize, socket: TcpStream) -> Option<Stream> {
        socket.set_nodelay(true).ok()?;
        let tls = match &self.listeners[index].security {
            ListenSecurity::Plain => None,
            ListenSecurity::Tls(config) => {
                let connection = ServerConnection::new(std::sync::Arc::clone(config)).ok()?;
                Some(Connection::Server(connection))
            }
        };
        Some(Stream::accepted(socket, tls))
    }
}
