//! The router's core: pure state, no clock, socket or random source of its own.
//!
//! [`Core::handle`] takes one event and pushes what is to be done. Seats are chosen by [`placer`];
//! what the servers say is kept in [`load`], what was promised in [`reservations`].

pub mod directory;
pub mod event;
pub mod homes;
pub mod load;
pub mod metrics;
pub mod placer;
pub mod reservations;
pub mod ring;
pub mod strategy;
pub mod tally;
pub mod timers;

mod client_side;
mod maps;
mod placing;
mod server_side;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wire::fault::Consequence;
use wire::message::Fault;
use wire::{ConnId, FaultCode, Frame, Instant, MapFile, Name, ServerId, Wall};

use crate::limits::{
    CLIENT_IDLE_MAX, LINK_SILENCE_MAX, RESERVATIONS_PER_ADDRESS_MAX, START_TIME_MAX, WAITING_MAX,
};
use event::{Effect, Event, Side};
use load::Loads;
use metrics::{Gauges, Metrics};
use placer::Placer;
use reservations::Reservations;
use strategy::Placing;
use timers::{Timer, Timers};

/// What a router is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The home of each slot.
    pub map: MapFile,
    /// How seats are chosen.
    pub placing: Placing,
    /// Whether clients from a loopback address are exempt from the limits per address.
    pub exempt_loopback: bool,
}

/// The state of one router.
#[derive(Debug)]
pub struct Core {
    exempt_loopback: bool,
    map: MapFile,
    /// The connection on which a newer map was asked for.
    fetching: Option<ConnId>,
    servers: Vec<ServerId>,
    placer: Placer,
    random: StdRng,
    conns: BTreeMap<ConnId, Conn>,
    loads: Loads,
    reservations: Reservations,
    /// Nothing is placed before every server has reported or the start's time is over.
    is_started: bool,
    waiting: VecDeque<Waiting>,
    timers: Timers,
    metrics: Metrics,
}

/// One connection, until its end.
#[derive(Clone, Copy, Debug)]
struct Conn {
    side: Side,
    stage: Stage,
    /// A client was told which servers there are.
    is_told: bool,
    /// The highest version of the map that a server was asked for.
    asked: u32,
    /// The highest version of the map that a server was given.
    given: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// No hello yet.
    New,
    /// The hello was right.
    Greeted,
    /// A client whose question waits for the start.
    Waiting,
    /// We have closed it; what still arrives is ignored.
    Closing,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    conn: ConnId,
    name: Name,
}

impl Core {
    /// A router that begins at `now`. `seed` makes its reservations and must be secret; it
    /// also decides what is random in placing.
    ///
    /// # Panics
    /// When `settings.placing.percent` is 0: the caller has checked its range.
    #[must_use]
    pub fn new(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        let Settings { map, placing, exempt_loopback } = settings;
        let mut random = StdRng::from_seed(seed);
        let mut placer_seed = [0; 32];
        random.fill_bytes(&mut placer_seed);
        let mut timers = Timers::default();
        timers.set(Timer::Start, now + START_TIME_MAX);
        Self {
            exempt_loopback,
            servers: map.map().servers(),
            loads: Loads::new(match &map {
                MapFile::Signed(_) => None,
                MapFile::Unsigned(map) => Some(map.version()),
            }),
            placer: Placer::new(Arc::clone(map.map()), placing, placer_seed),
            map,
            fetching: None,
            random,
            conns: BTreeMap::new(),
            reservations: Reservations::new(RESERVATIONS_PER_ADDRESS_MAX),
            is_started: false,
            waiting: VecDeque::new(),
            timers,
            metrics: Metrics::default(),
        }
    }

    /// Takes one event. Effects are pushed in the order in which they must be done.
    pub fn handle(&mut self, now: Instant, wall: Wall, event: Event, out: &mut Vec<Effect>) {
        self.reservations.expire(now);
        match event {
            Event::Opened { conn, side } => self.on_opened(now, conn, side),
            Event::Frame { conn, frame } => self.on_frame(now, wall, conn, &frame, out),
            Event::Closed { conn } => self.on_closed(conn, out),
            Event::Timeout => self.on_timeout(now, out),
            Event::Map(map) => self.on_map(map, out),
            Event::Stop => self.on_stop(out),
            Event::Placing(placing) => self.placer.set_placing(placing),
        }
        self.check();
    }

    /// When [`Event::Timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.timers.next(), self.reservations.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// How many servers may be placed on.
    #[must_use]
    pub fn placeable(&self, now: Instant) -> usize {
        self.loads.placeable(now).count()
    }

    /// Whether any server may be placed on.
    #[must_use]
    pub fn can_place(&self, now: Instant) -> bool {
        self.loads.placeable(now).next().is_some()
    }

    /// The servers of the map, by id.
    #[must_use]
    pub fn servers(&self) -> &[ServerId] {
        &self.servers
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What there is now.
    #[must_use]
    pub fn gauges(&self, now: Instant) -> Gauges {
        let gauge = |count: usize| u64::try_from(count).expect("a count fits 64 bits");
        let sessions = self.loads.placeable(now).map(|(_, load)| u64::from(load.sessions));
        Gauges {
            conns: gauge(self.conns.len()),
            waiting: gauge(self.waiting.len()),
            servers: gauge(self.servers.len()),
            map_version: u64::from(self.map_version()),
            placeable: gauge(self.placeable(now)),
            sessions: sessions.sum(),
            reservations: gauge(self.reservations.len()),
        }
    }

    /// Which map is in force.
    #[must_use]
    pub fn map_version(&self) -> u32 {
        self.map.map().version()
    }

    /// Whether questions are answered, and no more kept for the servers' first reports.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.is_started
    }

    fn on_opened(&mut self, now: Instant, conn: ConnId, side: Side) {
        let stage = Stage::New;
        let doubled =
            self.conns.insert(conn, Conn { side, stage, is_told: false, asked: 0, given: 0 });
        assert!(doubled.is_none(), "a connection opens once");
        self.metrics.conns_opened += 1;
        self.keep_open(now, conn, side);
    }

    fn on_frame(
        &mut self,
        now: Instant,
        wall: Wall,
        conn: ConnId,
        frame: &Frame,
        out: &mut Vec<Effect>,
    ) {
        let Some(Conn { side, stage, .. }) = self.conns.get(&conn).copied() else {
            return;
        };
        if stage == Stage::Closing {
            return;
        }
        self.keep_open(now, conn, side);
        let now = (now, wall);
        match side {
            Side::Client { .. } => self.on_client_frame(now, conn, frame, out),
            Side::Server { certified } => self.on_server_frame(now, conn, certified, frame, out),
        }
    }

    fn on_closed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(Conn { side, .. }) = self.conns.remove(&conn) else {
            return;
        };
        self.metrics.conns_closed += 1;
        self.timers.cancel(Timer::Idle(conn));
        self.fetching = self.fetching.filter(|fetching| *fetching != conn);
        match side {
            Side::Client { .. } => self.waiting.retain(|waiting| waiting.conn != conn),
            Side::Server { certified } => self.on_server_closed(conn, certified, out),
        }
    }

    fn on_timeout(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Start => self.start(now, out),
                Timer::Idle(conn) => self.fault(conn, Fault::new(FaultCode::IDLE), out),
                Timer::Silence(server) => {
                    self.metrics.silences += 1;
                    tracing::warn!(%server, "silent; nobody is placed there");
                }
            }
        }
    }

    fn on_stop(&mut self, out: &mut Vec<Effect>) {
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in conns {
            self.fault(conn, Fault::new(FaultCode::STOPPING), out);
        }
    }

    /// Sends a fault and does what its table entry says.
    fn fault(&mut self, conn: ConnId, fault: Fault, out: &mut Vec<Effect>) {
        let Some(found) = self.conns.get(&conn) else {
            return;
        };
        if found.stage == Stage::Closing {
            return;
        }
        tracing::debug!(?conn, code = %fault.code, "fault");
        self.metrics.faults += 1;
        let consequence = fault.code.consequence();
        out.push(match found.side {
            Side::Client { .. } => Effect::to_client(conn, fault),
            Side::Server { .. } => Effect::to_server(conn, fault),
        });
        if consequence == Consequence::Closes {
            self.close(conn, out);
        }
    }

    fn close(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.set_stage(conn, Stage::Closing);
        self.timers.cancel(Timer::Idle(conn));
        out.push(Effect::Close { conn });
    }

    fn set_stage(&mut self, conn: ConnId, stage: Stage) {
        if let Some(found) = self.conns.get_mut(&conn) {
            found.stage = stage;
        }
    }

    fn stage(&self, conn: ConnId) -> Option<Stage> {
        self.conns.get(&conn).map(|found| found.stage)
    }

    fn keep_open(&mut self, now: Instant, conn: ConnId, side: Side) {
        let silence = match side {
            Side::Client { .. } => CLIENT_IDLE_MAX,
            Side::Server { .. } => LINK_SILENCE_MAX,
        };
        self.timers.set(Timer::Idle(conn), now + silence);
    }

    fn check(&self) {
        let live = u64::try_from(self.conns.len()).expect("a count fits 64 bits");
        let metrics = &self.metrics;
        assert_eq!(metrics.conns_opened - metrics.conns_closed, live);
        assert!(self.waiting.len() <= WAITING_MAX);
        assert!(self.waiting.is_empty() || !self.is_started);
    }
}
