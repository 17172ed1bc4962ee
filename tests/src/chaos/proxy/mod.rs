//! A TCP proxy on the loopback address that misbehaves when it is told to: it cuts connections,
//! delays what they carry, and accepts bytes without forwarding them.
//!
//! It stands below TLS and sees bytes only. [`pair`] is one connection, [`flow`] one direction of
//! it.

mod flow;
mod pair;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use wire::net::Clock;
use wire::{Instant, ServerId};

use pair::Pair;

const WAKER: Token = Token(0);
/// What is read at a time.
const CHUNK: usize = 64 * 1024;
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

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
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut fronts = Vec::new();
        let mut addresses = BTreeMap::new();
        for (index, place) in places.iter().enumerate() {
            let mut listener = TcpListener::bind(ANY_PORT)?;
            let token = Token(1 + index);
            poll.registry().register(&mut listener, token, Interest::READABLE)?;
            addresses.insert(*place, listener.local_addr()?);
            fronts.push(Front { place: *place, listener, behind: None, weather: None });
        }
        let (commands, receiver) = channel();
        let clock = Clock::new();
        let (pairs, struck) = (BTreeMap::new(), Struck::default());
        let relay = Relay { poll, clock, fronts, pairs, last_pair: 0, receiver, struck };
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

struct Front {
    place: Place,
    listener: TcpListener,
    behind: Option<SocketAddr>,
    /// What happens to those who connect until then.
    weather: Option<(Blow, Instant)>,
}

struct Relay {
    poll: Poll,
    clock: Clock,
    fronts: Vec<Front>,
    pairs: BTreeMap<usize, Pair>,
    last_pair: usize,
    receiver: Receiver<Command>,
    struck: Struck,
}

impl Relay {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut chunk = vec![0; CHUNK];
        let mut now = self.clock.now();
        while self.obey() {
            let deadline = self.pairs.values().filter_map(|pair| pair.deadline(now)).min();
            let timeout = deadline.map(|at| at.since(self.clock.now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    panic!("waiting failed: {error}")
                }
                _ => {}
            }
            for event in &events {
                self.on_ready(event);
            }
            now = self.clock.now();
            self.pairs.retain(|_, pair| pair.pump(now, &mut chunk));
        }
    }

    /// Whether it goes on.
    fn obey(&mut self) -> bool {
        while let Ok(command) = self.receiver.try_recv() {
            match command {
                Command::Aim(place, behind) => self.front(place).behind = behind,
                Command::Strike { place, which, blow } => self.strike(place, which, blow),
                Command::Heal => self.heal(),
                Command::Ask(sender) => sender.send(self.struck).expect("who asks waits"),
                Command::Stop => return false,
            }
        }
        true
    }

    fn front(&mut self, place: Place) -> &mut Front {
        let front = self.fronts.iter_mut().find(|front| front.place == place);
        front.expect("there is a front for each place")
    }

    fn strike(&mut self, place: Place, which: Option<u64>, blow: Blow) {
        let now = self.clock.now();
        let mut pairs: Vec<&mut Pair> =
            self.pairs.values_mut().filter(|pair| pair.place == place).collect();
        let count = u64::try_from(pairs.len()).expect("few");
        let hit = match which {
            Some(_) if count == 0 => 0,
            Some(which) => {
                let index = usize::try_from(which % count).expect("below a length");
                pairs[index].strike(blow, now);
                1
            }
            None => {
                pairs.iter_mut().for_each(|pair| pair.strike(blow, now));
                count
            }
        };
        let (counter, lasting) = match blow {
            Blow::Cut => (&mut self.struck.cuts, None),
            Blow::Delay { lasting, .. } => (&mut self.struck.delays, Some(lasting)),
            Blow::Blackhole { lasting, .. } => (&mut self.struck.blackholes, Some(lasting)),
        };
        *counter += hit;
        if let (None, Some(lasting)) = (which, lasting) {
            self.front(place).weather = Some((blow, now + lasting));
        }
    }

    fn heal(&mut self) {
        let now = self.clock.now();
        self.fronts.iter_mut().for_each(|front| front.weather = None);
        let ill = self.pairs.values_mut().filter(|pair| pair.is_ill(now));
        ill.for_each(|pair| pair.strike(Blow::Cut, now));
    }

    fn on_ready(&mut self, event: &mio::event::Event) {
        let Token(token) = event.token();
        let fronts = self.fronts.len();
        match token.checked_sub(1) {
            None => {}
            Some(index) if index < fronts => self.accept(index),
            Some(rest) => {
                let (id, side) = ((rest - fronts) / 2, (rest - fronts) % 2);
                if let Some(pair) = self.pairs.get_mut(&id) {
                    pair.note_ready(side, event.is_readable(), event.is_writable());
                }
            }
        }
    }

    fn accept(&mut self, index: usize) {
        let now = self.clock.now();
        let front = &mut self.fronts[index];
        let weather = front.weather.filter(|(_, until)| *until > now);
        let (place, behind) = (front.place, front.behind);
        while let Ok((near, _)) = self.fronts[index].listener.accept() {
            let Some(behind) = behind else { continue };
            self.last_pair += 1;
            let token = 1 + self.fronts.len() + 2 * self.last_pair;
            match Pair::dial(place, near, behind, (self.poll.registry(), token)) {
                Ok(mut pair) => {
                    if let Some((blow, until)) = weather {
                        pair.strike_until(blow, now, until);
                    }
                    self.pairs.insert(self.last_pair, pair);
                }
                Err(error) => eprintln!("proxy to {behind}: {error}"),
            }
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
