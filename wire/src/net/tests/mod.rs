//! One `Net` that talks to itself or to plain sockets of the standard library, over loopback.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::{BufMut, Bytes};

use super::{CloseCause, ListenSecurity, ListenerId, Net, NetEvent, Policy, Security};
use crate::frame::{self, Frame};
use crate::id::ConnId;
use crate::kind::Kind;

mod certs;
mod ends;
mod flow;
mod guard;
mod tls;

/// A test fails when what it waits for has not come by then.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for loopback to show what would have come.
const QUIET: Duration = Duration::from_millis(50);

/// A `Net` and everything it has told so far.
pub(super) struct Bench {
    pub(super) net: Net,
    pub(super) seen: Vec<NetEvent>,
    /// The listener that a test asks about.
    pub(super) listener: Option<ListenerId>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { net: Net::new().expect("a poll and a waker"), seen: Vec::new(), listener: None }
    }

    pub(super) fn listen(&mut self, security: ListenSecurity, policy: Policy) -> SocketAddr {
        self.net.listen(loopback(), security, policy).expect("a free port").1
    }

    /// One turn that waits a little.
    pub(super) fn turn(&mut self) {
        self.net.poll(Some(QUIET), &mut self.seen).expect("polls");
        self.net.flush();
    }

    /// Turns until `find` finds something in what was seen.
    pub(super) fn until<T>(&mut self, find: impl Fn(&Self) -> Option<T>) -> T {
        let end = self.net.clock.now() + PATIENCE;
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            assert!(self.net.clock.now() < end, "waited too long; saw {:?}", self.seen);
            self.turn();
        }
    }

    /// Turns until nothing happens for a while.
    pub(super) fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let before = self.seen.len();
            self.turn();
            quiet = if self.seen.len() == before { quiet + 1 } else { 0 };
        }
    }

    /// Lets the clock jump ahead.
    pub(super) fn leap(&mut self, ahead: Duration) {
        let start = self.net.clock.start.checked_sub(ahead);
        self.net.clock.start = start.expect("the machine has been up for longer");
    }

    pub(super) fn accepted(&mut self) -> ConnId {
        self.until(|bench| bench.accepts().first().copied())
    }

    pub(super) fn accepts(&self) -> Vec<ConnId> {
        let accepts = self.seen.iter().filter_map(|event| match event {
            NetEvent::Accepted { conn, .. } => Some(*conn),
            _ => None,
        });
        accepts.collect()
    }

    pub(super) fn frames(&self, of: ConnId) -> Vec<Frame> {
        let frames = self.seen.iter().filter_map(|event| match event {
            NetEvent::Frame { conn, frame } if *conn == of => Some(frame.clone()),
            _ => None,
        });
        frames.collect()
    }

    pub(super) fn closed(&mut self, of: ConnId) -> CloseCause {
        self.until(|bench| bench.closes(of).first().cloned())
    }

    pub(super) fn closes(&self, of: ConnId) -> Vec<CloseCause> {
        let closes = self.seen.iter().filter_map(|event| match event {
            NetEvent::Closed { conn, why } if *conn == of => Some(why.clone()),
            _ => None,
        });
        closes.collect()
    }

    pub(super) fn send(&mut self, conn: ConnId, body: &[u8]) {
        self.net.send(conn, |out| put_frame(out, body));
    }

    /// Sends until more than `len` bytes wait, although the sockets between have taken their fill.
    pub(super) fn fill(&mut self, conn: ConnId, len: usize) {
        while self.net.queued_bytes() <= len {
            while self.net.queued_bytes() <= len {
                self.send(conn, &[1; 60_000]);
                self.net.flush();
            }
            self.settle();
        }
    }

    /// A plain connection from a socket of the standard library; returns both ends.
    pub(super) fn plain_pair(&mut self, policy: Policy) -> (TcpStream, ConnId) {
        let address = self.listen(ListenSecurity::Plain, policy);
        let before = self.accepts().len();
        let socket = TcpStream::connect(address).expect("connects");
        socket.set_nodelay(true).expect("a socket takes the option");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes the option");
        (socket, self.until(|bench| bench.accepts().get(before).copied()))
    }

    /// A plain connection to a socket of the standard library; returns both ends.
    pub(super) fn plain_dial(&mut self, policy: Policy) -> (TcpStream, ConnId) {
        let listener = TcpListener::bind(loopback()).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let conn = self.net.dial(address, Security::Plain, policy);
        self.until(|bench| bench.seen.contains(&NetEvent::Connected { conn }).then_some(()));
        let socket = listener.accept().expect("a dial waits").0;
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes the option");
        (socket, conn)
    }
}

pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(super) fn put_frame(out: &mut bytes::BytesMut, body: &[u8]) {
    frame::append(out, Kind::PING, |out| out.put_slice(body));
}

pub(super) fn frame_bytes(body: &[u8]) -> Bytes {
    let mut out = bytes::BytesMut::new();
    put_frame(&mut out, body);
    out.freeze()
}

pub(super) fn bodies(frames: &[Frame]) -> Vec<Bytes> {
    frames.iter().map(|frame| frame.body.clone()).collect()
}
