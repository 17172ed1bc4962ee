//! A bare connection: any bytes out, frames in. For tests that misbehave.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use bytes::BufMut;
use wire::message::{Fault, Hello, Message, Place, Placed};
use wire::net::{CloseCause, Net, NetEvent, Own, Policy, Security, tls};
use wire::{ConnId, FaultCode, Frame, FromRouter, Kind, Name};

use crate::DEADLINE;
use crate::cluster::Cluster;

/// One connection and the loop that serves it.
pub struct Raw {
    net: Net,
    conn: ConnId,
    events: VecDeque<NetEvent>,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("conn", &self.conn).finish_non_exhaustive()
    }
}

impl Raw {
    /// Connects with TLS, trusting the cluster's CA, to the holder of `name`; with the certificate
    /// in the folder `identity` if there is one.
    ///
    /// # Panics
    /// When the cluster's files cannot be read.
    #[must_use]
    pub fn connect(ca: &Path, address: SocketAddr, name: &str, identity: Option<&Path>) -> Self {
        let read = |path: &Path| fs::read(path).expect("the cluster has this file");
        let own = identity.map(|at| {
            let (cert, key) = (read(&at.join("cert.pem")), read(&at.join("key.pem")));
            Own::read(&cert, &key).expect("the files fit")
        });
        let config = tls::client_config(&read(ca), own.as_ref()).expect("the files fit");
        let mut net = Net::new().expect("a loop can be made");
        let security = Security::Connect(config, name.to_owned());
        let conn = net.dial(address, security, Policy::peer());
        Self { net, conn, events: VecDeque::new() }
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.net.send(self.conn, |out| out.put_slice(bytes));
        self.net.flush();
    }

    /// Sends a message as one frame.
    pub fn say(&mut self, message: &impl Message) {
        self.net.send(self.conn, |out| message.append_frame(out));
        self.net.flush();
    }

    /// The next frame, or why there is none.
    ///
    /// # Errors
    /// The connection's end.
    ///
    /// # Panics
    /// At the deadline.
    pub fn frame(&mut self) -> Result<Frame, CloseCause> {
        loop {
            match self.next() {
                NetEvent::Frame { frame, .. } => return Ok(frame),
                NetEvent::Closed { why, .. } => return Err(why),
                _ => {}
            }
        }
    }

    /// Reads until a fault comes, or the end.
    ///
    /// # Errors
    /// The connection's end.
    ///
    /// # Panics
    /// At the deadline, or when the fault cannot be decoded.
    pub fn fault(&mut self) -> Result<FaultCode, CloseCause> {
        loop {
            let frame = self.frame()?;
            if frame.kind == Kind::FAULT {
                return Ok(frame.decode::<Fault>().expect("a fault decodes").code);
            }
        }
    }

    /// Reads until the end of the connection.
    ///
    /// # Panics
    /// At the deadline.
    pub fn end(&mut self) -> CloseCause {
        loop {
            if let Err(why) = self.frame() {
                return why;
            }
        }
    }

    #[allow(clippy::disallowed_methods)] // a test's deadline is real time
    fn next(&mut self) -> NetEvent {
        let until = std::time::Instant::now() + DEADLINE;
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let left = until.saturating_duration_since(std::time::Instant::now());
            assert!(!left.is_zero(), "nothing came before the deadline");
            let mut events = Vec::new();
            self.net.poll(Some(left), &mut events).expect("the loop runs");
            self.events.extend(events);
        }
    }
}

/// Asks the router where `name` sits: the server's name and its address for clients.
///
/// # Panics
/// When the router does not place it.
#[must_use]
pub fn seat_of(cluster: &Cluster, name: &str) -> (String, SocketAddr) {
    let placed = placed(cluster, Name::parse(name).expect("a valid name"));
    (placed.seat.certificate_name(), placed.address)
}

/// Asks the router for a seat for `name`.
///
/// # Panics
/// When the router does not place it.
#[must_use]
pub fn placed(cluster: &Cluster, name: Name) -> Placed {
    let environment = cluster.environment();
    let address = environment["FASTCHAT_ROUTER"].parse().expect("it is an address");
    let ca = Path::new(&environment["FASTCHAT_CA"]);
    let mut router = Raw::connect(ca, address, "router.fastchat", None);
    router.say(&Hello::client());
    router.say(&Place { name });
    loop {
        let frame = router.frame().expect("the router answers");
        match FromRouter::decode(&frame).expect("the answer decodes") {
            FromRouter::Placed(placed) => return placed,
            FromRouter::Fault(fault) => panic!("not placed: {fault:?}"),
            _ => {}
        }
    }
}
