//! The listener's own loop: accepts, proceeds with what is ready, ends what is overdue.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use wire::Instant;
use wire::net::Clock;

use super::Limits;
use super::conn::{Conn, Fate};
use crate::board::Board;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// Connections taken in one turn; those beyond are taken in the next.
const ACCEPT_MAX: usize = 64;
/// How long to wait when the system gives no socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Service {
    poll: Poll,
    listener: TcpListener,
    conns: Slab<Conn>,
    accepted: u64,
    /// When connections may wait of which the system will not tell again.
    accept_at: Option<Instant>,
    clock: Clock,
    board: Arc<Board>,
    limits: Limits,
}

impl Service {
    pub(super) fn bind(
        address: SocketAddr,
        board: Arc<Board>,
        limits: Limits,
    ) -> io::Result<(Self, SocketAddr)> {
        let mut listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let service = Self {
            poll,
            listener,
            conns: Slab::new(),
            accepted: 0,
            accept_at: None,
            clock: Clock::new(),
            board,
            limits,
        };
        Ok((service, address))
    }

    pub(super) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    /// Until `stop` is set and the waker is woken.
    pub(super) fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(128);
        while !stop.load(Ordering::Acquire) {
            let timeout = self.deadline().map(|at| at.since(self.clock.now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let now = self.clock.now();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_at = Some(now),
                    WAKER => {}
                    Token(key) => self.proceed(key, now),
                }
            }
            self.expire(now);
            if self.accept_at.is_some_and(|at| at <= now) {
                self.accept(now);
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        self.conns.iter().map(|(_, conn)| conn.until).chain(self.accept_at).min()
    }

    fn accept(&mut self, now: Instant) {
        self.accept_at = None;
        for _ in 0..ACCEPT_MAX {
            match self.listener.accept() {
                Ok((stream, _)) => self.add(stream, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::debug!(%error, "admin accept");
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        self.accept_at = Some(now);
    }

    fn add(&mut self, mut stream: TcpStream, now: Instant) {
        if self.conns.len() >= self.limits.conns_max {
            self.evict();
        }
        let entry = self.conns.vacant_entry();
        let (key, interest) = (entry.key(), Interest::READABLE.add(Interest::WRITABLE));
        if let Err(error) = self.poll.registry().register(&mut stream, Token(key), interest) {
            tracing::debug!(%error, "admin connection");
            return;
        }
        self.accepted += 1;
        entry.insert(Conn::new(stream, now + self.limits.request_time, self.accepted));
    }

    /// The oldest makes room.
    fn evict(&mut self) {
        let oldest = self.conns.iter().min_by_key(|(_, conn)| conn.number);
        if let Some(key) = oldest.map(|(key, _)| key) {
            self.conns.remove(key);
        }
    }

    /// An event of a connection that has ended in this turn finds nobody, or the next owner of its
    /// place, who is merely asked whether it can go on.
    fn proceed(&mut self, key: usize, now: Instant) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.proceed(now, &self.board, &self.limits) == Fate::Ends {
            self.conns.remove(key);
        }
    }

    fn expire(&mut self, now: Instant) {
        let (board, limits) = (&self.board, &self.limits);
        self.conns
            .retain(|_, conn| conn.until > now || conn.expire(now, board, limits) == Fate::Stays);
    }
}
