//! A TCP proxy on the loopback address that misbehaves when it is told to: it cuts connections,
//! delays what they carry, and accepts bytes without forwarding them.
//!
//! It stands below TLS and sees bytes only. Its thread is in `relay`; `pair` is one connection,
//! `flow` one direction of it.

mod flow;
mod pair;
mod relay;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::Waker;
use wire::ServerId;

use relay::Relay;

/// Between whom connections go that pass here.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// Clients and the router.
    RouterForClients,
    /// Servers and the router.
    RouterForServers,
    /// Clients and a server.
    Clients(ServerId),
    /// Servers and a server.
    Peers(ServerId),
}

/// What is done to connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blow {
    /// They end.
    Cut,
    /// What they carry comes later by this, for so long.
    Delay {
        /// Each byte, each way.
        by: Duration,
        /// So long.
        lasting: Duration,
    },
    /// Bytes are accepted and not forwarded, for so long.
    Blackhole {
        /// Which ways.
        ways: Ways,
        /// So long.
        lasting: Duration,
        /// Then the connection ends and what was accepted is gone; else it is forwarded then.
        is_swallowed: bool,
    },
}

/// Directions of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ways {
    /// From who dialed to who listens.
    There,
    /// And back.
    Back,
    /// Both.
    Both,
}

/// What was done, and to how many connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Struck {
    /// Connections that were cut.
    pub cuts: u64,
    /// That were delayed.
    pub delays: u64,
    /// That were blackholed.
    pub blackholes: u64,
}

enum Command {
    Aim(Place, Option<SocketAddr>),
    Strike { place: Place, which: Option<u64>, blow: Blow },
    Heal,
    Ask(Sender<Struck>),
    Stop,
}

/// The proxy's thread; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    addresses: BTreeMap<Place, SocketAddr>,
    commands: Sender<Command>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens in front of each place; nothing is behind it yet.
    ///
    /// # Errors
    /// The operating system's own.
    pub fn start(places: &[Place]) -> io::Result<Self> {
        let (commands, receiver) = channel();
        let (relay, waker) = Relay::new(places, receiver)?;
        let addresses = relay.addresses()?;
        let thread = std::thread::Builder::new().name("proxy".to_owned());
        let thread = Some(thread.spawn(move || relay.run())?);
        Ok(Self { addresses, commands, waker, thread })
    }

    /// Where to connect instead of the place itself.
    #[must_use]
    pub fn address(&self, place: Place) -> SocketAddr {
        self.addresses[&place]
    }

    /// From now on this is behind the place; with nothing behind it, who connects is cut off.
    pub fn aim(&self, place: Place, behind: Option<SocketAddr>) {
        self.command(Command::Aim(place, behind));
    }

    /// Strikes one connection of a place, that of this number modulo how many there are, or all of
    /// them and those that come while it lasts.
    pub fn strike(&self, place: Place, which: Option<u64>, blow: Blow) {
        self.command(Command::Strike { place, which, blow });
    }

    /// Ends what lasts: who is delayed or blackholed is cut, and may connect again.
    pub fn heal(&self) {
        self.command(Command::Heal);
    }

    /// What was done so far.
    ///
    /// # Panics
    /// When the proxy's thread has ended.
    #[must_use]
    pub fn struck(&self) -> Struck {
        let (sender, receiver) = channel();
        self.command(Command::Ask(sender));
        receiver.recv_timeout(crate::DEADLINE).expect("the proxy answers")
    }

    fn command(&self, command: Command) {
        self.commands.send(command).expect("the proxy runs until it is dropped");
        self.waker.wake().expect("a loop can be woken");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.command(Command::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the proxy has panicked");
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RouterForClients => write!(f, "clients and the router"),
            Self::RouterForServers => write!(f, "servers and the router"),
            Self::Clients(server) => write!(f, "clients and {server}"),
            Self::Peers(server) => write!(f, "other servers and {server}"),
        }
    }
}
