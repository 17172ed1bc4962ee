//! The bare relay itself: frames copied from one socket to another, on one loop. It checks no
//! password, keeps nothing and knows nobody's name: what any server must at least do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::adapters::relay::{Frame, Kind};

const LISTENER: Token = Token(usize::MAX);
/// Bytes read from one socket at a time.
const SCRATCH_LEN: usize = 1 << 18;
const EVENTS_LEN: usize = 4_096;

struct Relay {
    poll: Poll,
    listener: TcpListener,
    /// Never reused: a run opens few connections twice.
    connections: Vec<Option<Connection>>,
    /// The connection of each user.
    users: Vec<usize>,
    group: Vec<usize>,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

/// Relays at `address` until the process is killed.
///
/// # Errors
/// When the system refuses the loop something it needs.
pub fn serve(address: SocketAddr) -> io::Result<()> {
    let mut relay = Relay::new(address)?;
    let mut events = Events::with_capacity(EVENTS_LEN);
    loop {
        match relay.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LISTENER => relay.accept()?,
                Token(at) => relay.serve(at, event.is_readable(), event.is_writable()),
            }
        }
        relay.flush();
    }
}

impl Relay {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let (poll, mut listener) = (Poll::new()?, TcpListener::bind(address)?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            connections: Vec::new(),
            users: Vec::new(),
            group: Vec::new(),
            dirty: Vec::new(),
            scratch: vec![0; SCRATCH_LEN],
        })
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let (mut socket, _) = match self.listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                accepted => accepted?,
            };
            socket.set_nodelay(true)?;
            let token = Token(self.connections.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, token, both)?;
            let (unread, unsent) = (Vec::new(), Vec::new());
            self.connections.push(Some(Connection { socket, unread, unsent }));
        }
    }

    fn serve(&mut self, at: usize, readable: bool, writable: bool) {
        if writable {
            self.dirty.push(at);
        }
        if readable && !self.read(at) {
            self.connections[at] = None;
        }
    }

    /// Whether the connection goes on.
    fn read(&mut self, at: usize) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let goes_on = loop {
            let Some(connection) = &mut self.connections[at] else {
                break false;
            };
            match connection.socket.read(&mut scratch) {
                Ok(0) => break false,
                Ok(len) => {
                    if !self.take(at, &scratch[..len]) {
                        break false;
                    }
                    if len < scratch.len() {
                        break true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() == ErrorKind::WouldBlock,
            }
        };
        self.scratch = scratch;
        goes_on
    }

    fn take(&mut self, at: usize, input: &[u8]) -> bool {
        let Some(connection) = &mut self.connections[at] else {
            return false;
        };
        let mut unread = std::mem::take(&mut connection.unread);
        let rest = match unread.is_empty() {
            true => self.relay_all(at, input).map(<[u8]>::to_vec),
            false => {
                unread.extend_from_slice(input);
                self.relay_all(at, &unread).map(<[u8]>::to_vec)
            }
        };
        match (rest, &mut self.connections[at]) {
            (Some(rest), Some(connection)) => {
                connection.unread = rest;
                true
            }
            _ => false,
        }
    }

    /// Relays the whole frames of `input`; what is left, or nothing when it is garbage.
    fn relay_all<'a>(&mut self, at: usize, mut input: &'a [u8]) -> Option<&'a [u8]> {
        while let Some(frame) = Frame::first(input).ok()? {
            self.relay(at, frame);
            input = &input[frame.bytes.len()..];
        }
        Some(input)
    }

    fn relay(&mut self, from: usize, frame: Frame<'_>) {
        let user = usize::try_from(frame.user).unwrap_or(usize::MAX);
        match frame.kind {
            Kind::Hello => {
                if user >= self.users.len() {
                    self.users.resize(user + 1, usize::MAX);
                }
                self.users[user] = from;
                self.copy(from, frame.bytes);
            }
            Kind::Join => {
                self.group.push(from);
                self.copy(from, frame.bytes);
            }
            Kind::Direct => {
                let to = self.users.get(user).copied().unwrap_or(usize::MAX);
                self.copy(to, frame.bytes);
            }
            Kind::Group => {
                for member in 0..self.group.len() {
                    let to = self.group[member];
                    if to != from {
                        self.copy(to, frame.bytes);
                    }
                }
            }
        }
    }

    fn copy(&mut self, to: usize, bytes: &[u8]) {
        if let Some(Some(connection)) = self.connections.get_mut(to) {
            if connection.unsent.is_empty() {
                self.dirty.push(to);
            }
            connection.unsent.extend_from_slice(bytes);
        }
    }

    /// One write per socket and turn.
    fn flush(&mut self) {
        for at in std::mem::take(&mut self.dirty) {
            let Some(connection) = &mut self.connections[at] else {
                continue;
            };
            if connection.flush().is_err() {
                self.connections[at] = None;
            }
        }
    }
}

impl Connection {
    /// What does not fit now is written when the socket says that it can be.
    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.socket.write(&self.unsent[sent..]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        match sent == self.unsent.len() {
            // An idle connection holds no memory.
            true if self.unsent.capacity() > 1 << 16 => self.unsent = Vec::new(),
            _ => drop(self.unsent.drain(..sent)),
        }
        Ok(())
    }
}
