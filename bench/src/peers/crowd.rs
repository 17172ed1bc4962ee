//! The connections of all users of a run, on one loop.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use thiserror::Error;
use wire::Instant;
use wire::net::Clock;

use super::adapter::{Adapter, AdapterError, Event};
use crate::shell::timer::Timer;

const TIMER: Token = Token(usize::MAX);
/// Bytes read from one socket at a time.
const SCRATCH_LEN: usize = 1 << 18;
const EVENTS_LEN: usize = 4_096;
/// How often a request to stop is looked for when nothing happens.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Why a crowd cannot go on.
#[derive(Debug, Error)]
pub enum CrowdError {
    /// The system refuses the loop something it needs.
    #[error("the loop cannot run: {0}")]
    Loop(#[from] io::Error),
    /// A server refused a user, or does not speak its protocol.
    #[error("user {user}: {error}")]
    Adapter {
        /// The connection's number.
        user: usize,
        /// What it said.
        error: AdapterError,
    },
    /// A server closed a connection.
    #[error("the server closed the connection of user {user}: {why}")]
    Closed {
        /// The connection's number.
        user: usize,
        /// How.
        why: String,
    },
    /// SIGINT or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// Hears what arrives.
pub trait Listener {
    /// Something arrived at `now` for the connection of this number.
    fn hear(&mut self, now: Instant, user: usize, event: Event<'_>);
}

/// The connections, by their numbers.
pub struct Crowd {
    poll: Poll,
    timer: Timer,
    clock: Clock,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    connections: Vec<Option<Connection>>,
    /// Connections that may have something to send at the end of the turn.
    touched: Vec<usize>,
    scratch: Vec<u8>,
    events: Events,
}

struct Connection {
    socket: TcpStream,
    adapter: Box<dyn Adapter>,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    is_touched: bool,
}

impl Crowd {
    /// Nobody yet; connections go to `address`, until `stop` is set.
    ///
    /// # Errors
    /// [`CrowdError::Loop`].
    pub fn new(address: SocketAddr, stop: Arc<AtomicBool>) -> Result<Self, CrowdError> {
        let (poll, mut timer) = (Poll::new()?, Timer::new()?);
        poll.registry().register(&mut timer, TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            timer,
            clock: Clock::new(),
            address,
            stop,
            connections: Vec::new(),
            touched: Vec::new(),
            scratch: vec![0; SCRATCH_LEN],
            events: Events::with_capacity(EVENTS_LEN),
        })
    }

    /// The time by the crowd's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Connects as connection `user`, instead of the one that it had.
    ///
    /// # Errors
    /// [`CrowdError::Loop`].
    pub fn open(&mut self, user: usize, adapter: Box<dyn Adapter>) -> Result<(), CrowdError> {
        let mut socket = TcpStream::connect(self.address)?;
        // A small write would else wait 40 ms for the server to acknowledge the one before.
        socket.set_nodelay(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(user), both)?;
        if user >= self.connections.len() {
            self.connections.resize_with(user + 1, || None);
        }
        let (unread, unsent) = (Vec::new(), Vec::new());
        let connection = Connection { socket, adapter, unread, unsent, is_touched: false };
        self.connections[user] = Some(connection);
        self.say(user, |adapter, out| adapter.begin(out));
        Ok(())
    }

    /// Takes leave and hangs up.
    pub fn close(&mut self, user: usize) {
        self.say(user, |adapter, out| adapter.end(out));
        if let Some(Some(mut connection)) = self.connections.get_mut(user).map(Option::take) {
            // The server sees the connection end, at any rate.
            drop(connection.flush());
        }
    }

    /// Lets an adapter say something; it is sent at the end of the turn.
    pub fn say(&mut self, user: usize, what: impl FnOnce(&mut dyn Adapter, &mut Vec<u8>)) {
        if let Some(Some(connection)) = self.connections.get_mut(user) {
            what(connection.adapter.as_mut(), &mut connection.unsent);
            if !connection.is_touched {
                connection.is_touched = true;
                self.touched.push(user);
            }
        }
    }

    /// Sends what was said, then waits for something to arrive, or until `deadline`.
    ///
    /// # Errors
    /// [`CrowdError`].
    pub fn turn(
        &mut self,
        deadline: Option<Instant>,
        listener: &mut dyn Listener,
    ) -> Result<(), CrowdError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(CrowdError::Interrupted);
        }
        self.flush()?;
        let timeout = self.timer.arm(self.clock.now(), deadline)?;
        let timeout = timeout.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL);
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                TIMER => self.timer.clear()?,
                Token(user) => {
                    if event.is_writable() {
                        self.touch(user);
                    }
                    if event.is_readable() {
                        self.read(user, listener)?;
                    }
                }
            }
        }
        self.events = events;
        Ok(())
    }

    fn touch(&mut self, user: usize) {
        self.say(user, |_, _| {});
    }

    fn read(&mut self, user: usize, listener: &mut dyn Listener) -> Result<(), CrowdError> {
        let Some(Some(connection)) = self.connections.get_mut(user) else {
            return Ok(());
        };
        let clock = &self.clock;
        let closed = |why: String| CrowdError::Closed { user, why };
        loop {
            let len = match connection.socket.read(&mut self.scratch) {
                Ok(0) => return Err(closed("it ended".to_owned())),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(closed(error.to_string())),
            };
            let now = clock.now();
            let mut tell = |event: Event<'_>| listener.hear(now, user, event);
            let taken = connection.take(&self.scratch[..len], &mut tell);
            taken.map_err(|error| CrowdError::Adapter { user, error })?;
            if len < self.scratch.len() {
                break;
            }
        }
        self.touch(user);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CrowdError> {
        for user in std::mem::take(&mut self.touched) {
            let Some(Some(connection)) = self.connections.get_mut(user) else {
                continue;
            };
            connection.is_touched = false;
            connection.adapter.end_turn(&mut connection.unsent);
            let why = |error: io::Error| CrowdError::Closed { user, why: error.to_string() };
            connection.flush().map_err(why)?;
        }
        Ok(())
    }
}

impl Connection {
    fn take(&mut self, input: &[u8], tell: &mut dyn FnMut(Event<'_>)) -> Result<(), AdapterError> {
        if self.unread.is_empty() {
            let read = self.adapter.receive(input, &mut self.unsent, tell)?;
            self.unread.extend_from_slice(&input[read..]);
            return Ok(());
        }
        self.unread.extend_from_slice(input);
        let read = self.adapter.receive(&self.unread, &mut self.unsent, tell)?;
        self.unread.drain(..read);
        Ok(())
    }

    /// What does not fit now is sent when the socket says that it can be.
    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.socket.write(&self.unsent[sent..]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Not connected yet: it will say when it is.
                Err(error) if error.kind() == ErrorKind::NotConnected => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }
}
