//! The proxy's thread: it accepts, dials what is behind, and moves bytes.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use wire::Instant;
use wire::net::Clock;

use super::pair::Pair;
use super::{Blow, Command, Place, Struck};

/// What is read at a time.
const CHUNK: usize = 64 * 1024;
const WAKER: Token = Token(0);
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Front {
    place: Place,
    listener: TcpListener,
    behind: Option<SocketAddr>,
    /// What happens to those who connect until then.
    weather: Option<(Blow, Instant)>,
}

/// All fronts and all connections.
pub(super) struct Relay {
    poll: Poll,
    clock: Clock,
    fronts: Vec<Front>,
    pairs: BTreeMap<usize, Pair>,
    last_pair: usize,
    receiver: Receiver<Command>,
    struck: Struck,
}

impl Relay {
    /// Listens in front of each place.
    pub(super) fn new(
        places: &[Place],
        receiver: Receiver<Command>,
    ) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut fronts = Vec::new();
        for (index, place) in places.iter().enumerate() {
            let mut listener = TcpListener::bind(ANY_PORT)?;
            poll.registry().register(&mut listener, Token(1 + index), Interest::READABLE)?;
            fronts.push(Front { place: *place, listener, behind: None, weather: None });
        }
        let (clock, pairs, struck) = (Clock::new(), BTreeMap::new(), Struck::default());
        Ok((Self { poll, clock, fronts, pairs, last_pair: 0, receiver, struck }, waker))
    }

    pub(super) fn addresses(&self) -> io::Result<BTreeMap<Place, SocketAddr>> {
        let address = |front: &Front| Ok((front.place, front.listener.local_addr()?));
        self.fronts.iter().map(address).collect()
    }

    /// Moves bytes until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut chunk = vec![0; CHUNK];
        let mut now = self.clock.now();
        loop {
            let deadline = self.pairs.values().filter_map(|pair| pair.deadline(now)).min();
            let timeout = deadline.map(|at| at.since(self.clock.now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    panic!("waiting failed: {error}")
                }
                _ => {}
            }
            // Before the sockets: who is told what is behind a place may connect at once.
            if !self.obey() {
                return;
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
