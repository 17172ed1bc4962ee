//! What the routers are told: where this server listens and how loaded it is. And what they tell:
//! where the other servers are.

use std::net::SocketAddr;

use bytes::Bytes;
use wire::limits::{
    EARLY_TIME_MAX, PEER_PING_INTERVAL, PEER_SILENCE_MAX, REDEEMED_MAX, REPORT_GAP,
    REPORT_INTERVAL, RESERVATION_TIME,
};
use wire::message::{Hello, Ping, Pong, Report, ServerEntry};
use wire::{ConnId, Instant, Opening, Reservation, RouterToServer, ServerId};

use super::backoff::Backoff;
use super::entropy::Entropy;
use super::event::Effect;
use super::timer::Timer;
use super::turn::Turn;

/// Reservations that wait to be reported: what reports of 30 s do not hold has lapsed meanwhile.
const REDEEMED_WAITING_MAX: usize = 30 * REDEEMED_MAX;
const _: () = assert!(RESERVATION_TIME.as_secs() == 30 * REPORT_INTERVAL.as_secs());

/// What this server is, in its reports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Card {
    pub(super) server: ServerId,
    pub(super) client: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) opening: Opening,
    pub(super) map_version: u32,
    pub(super) sessions_max: u32,
}

/// What a router has said that others must hear of.
pub(super) enum Told {
    /// Where the servers are.
    Directory(Vec<ServerEntry>),
    /// It wants to know the map.
    FetchMap,
    /// It has a map.
    Map(Bytes),
}

/// The connections to the configured routers, and the load that they hear of.
pub(super) struct Routers {
    card: Card,
    routers: Vec<Router>,
    entropy: Entropy,
    sequence: u64,
    /// What [`Timer::Report`] is armed for.
    next: Instant,
    reported: Option<(Instant, usize)>,
    frames_at_report: u64,
    busy_permille: u16,
    queued_bytes: u64,
    closing: bool,
}

struct Router {
    state: RouterState,
    backoff: Backoff,
    armed: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RouterState {
    Down,
    Dialing,
    /// Our hello is not answered yet.
    Greeting(ConnId),
    /// It hears reports; last heard at the instant.
    Ready(ConnId, Instant),
}

impl Routers {
    pub(super) fn new(card: Card, count: usize, seed: [u8; 32]) -> Self {
        let router =
            || Router { state: RouterState::Down, backoff: Backoff::new(), armed: Instant(0) };
        Self {
            card,
            routers: (0..count).map(|_| router()).collect(),
            entropy: Entropy::new(seed),
            sequence: 0,
            next: Instant(0),
            reported: None,
            frames_at_report: 0,
            busy_permille: 0,
            queued_bytes: 0,
            closing: false,
        }
    }

    /// The server begins: every router is dialed, and the reports begin.
    pub(super) fn start(&mut self, turn: &mut Turn<'_>) {
        for index in 0..self.routers.len() {
            self.dial(index, turn);
        }
        self.schedule(turn.now + REPORT_INTERVAL, turn);
    }

    /// Another bound, reported at once.
    pub(super) fn set_sessions_max(&mut self, sessions_max: u32, turn: &mut Turn<'_>) {
        self.card.sessions_max = sessions_max;
        self.schedule(turn.now, turn);
    }

    pub(super) fn on_dialed(&mut self, conn: ConnId, index: usize, turn: &mut Turn<'_>) {
        let Some(router) = self.routers.get_mut(index) else {
            return turn.close(conn);
        };
        router.state = RouterState::Greeting(conn);
        router.arm(turn.now + EARLY_TIME_MAX, index, turn);
        turn.tell_router(conn, Hello::server(self.card.server));
    }

    /// A dial failed or a connection ended: again after a pause.
    pub(super) fn on_lost(&mut self, index: usize, turn: &mut Turn<'_>) {
        let Some(router) = self.routers.get_mut(index) else {
            return;
        };
        router.state = RouterState::Down;
        let next = router.backoff.next(turn.now, &mut self.entropy);
        router.arm(next, index, turn);
    }

    /// A router speaks. Says what others must hear of it.
    pub(super) fn on_message(
        &mut self,
        conn: ConnId,
        index: usize,
        message: RouterToServer,
        turn: &mut Turn<'_>,
    ) -> Option<Told> {
        let router = self.routers.get_mut(index)?;
        match (&mut router.state, message) {
            (RouterState::Greeting(greeted), RouterToServer::Ready(_)) if *greeted == conn => {
                router.state = RouterState::Ready(conn, turn.now);
                router.backoff.reset();
                router.arm(turn.now + PEER_PING_INTERVAL, index, turn);
                self.schedule(turn.now, turn);
                None
            }
            (RouterState::Ready(ready, heard), message) if *ready == conn => {
                *heard = turn.now;
                match message {
                    RouterToServer::Directory(directory) => {
                        Some(Told::Directory(directory.servers.into_items()))
                    }
                    RouterToServer::FetchMap(_) => Some(Told::FetchMap),
                    RouterToServer::MapCopy(copy) => Some(Told::Map(copy.map.into_bytes())),
                    RouterToServer::Ping(ping) => {
                        turn.tell_router(conn, Pong { nonce: ping.nonce });
                        None
                    }
                    RouterToServer::Ready(_)
                    | RouterToServer::Fault(_)
                    | RouterToServer::Pong(_) => None,
                }
            }
            _ => {
                turn.close(conn);
                None
            }
        }
    }

    /// A router's time has come: to be dialed, pinged, or given up.
    pub(super) fn on_router_timer(&mut self, index: usize, turn: &mut Turn<'_>) {
        let Some(router) = self.routers.get_mut(index) else {
            return;
        };
        match router.state {
            RouterState::Down => self.dial(index, turn),
            RouterState::Dialing => {}
            RouterState::Greeting(conn) => turn.close(conn),
            RouterState::Ready(conn, heard) if turn.now.since(heard) >= PEER_SILENCE_MAX => {
                turn.close(conn);
            }
            RouterState::Ready(conn, _) => {
                turn.tell_router(conn, Ping { nonce: turn.now.0 });
                router.arm(turn.now + PEER_PING_INTERVAL, index, turn);
            }
        }
    }

    /// Whether this router hears reports.
    pub(super) fn is_ready(&self, index: usize) -> bool {
        self.routers.get(index).is_some_and(|router| router.ready().is_some())
    }

    /// How many routers hear reports.
    pub(super) fn ready_count(&self) -> usize {
        self.routers.iter().filter(|router| router.ready().is_some()).count()
    }

    /// The shell has measured itself.
    pub(super) fn on_measured(&mut self, busy_permille: u16, queued_bytes: u64) {
        self.busy_permille = busy_permille;
        self.queued_bytes = queued_bytes;
    }

    /// Another map is in force: the routers hear of it now.
    pub(super) fn set_map_version(&mut self, version: u32, turn: &mut Turn<'_>) {
        self.card.map_version = version;
        self.schedule(turn.now, turn);
    }

    /// No new sessions from now on.
    pub(super) fn close(&mut self, turn: &mut Turn<'_>) {
        self.closing = true;
        self.schedule(turn.now, turn);
    }

    /// Sessions came or went: the routers hear of it soon.
    pub(super) fn note_sessions(&mut self, sessions: usize, turn: &mut Turn<'_>) {
        if let Some((at, reported)) = self.reported
            && reported != sessions
            && at + REPORT_GAP < self.next
        {
            self.schedule((at + REPORT_GAP).max(turn.now), turn);
        }
    }

    /// Reports to every router that listens.
    pub(super) fn report(
        &mut self,
        sessions: usize,
        redeemed: &mut Vec<Reservation>,
        turn: &mut Turn<'_>,
    ) {
        self.schedule(turn.now + REPORT_INTERVAL, turn);
        let conns = self.routers.iter().filter_map(Router::ready);
        let conns: Vec<ConnId> = conns.collect();
        let spare = redeemed.len().saturating_sub(REDEEMED_WAITING_MAX);
        redeemed.drain(..spare);
        if !conns.is_empty() {
            let told = redeemed.len().min(REDEEMED_MAX);
            let redeemed: Vec<Reservation> = redeemed.drain(..told).collect();
            let report = self.compose(sessions, redeemed, turn);
            for conn in conns {
                turn.tell_router(conn, report.clone());
            }
        }
        // Also when nobody listens: else the change would be reported again at this instant.
        self.reported = Some((turn.now, sessions));
        self.frames_at_report = turn.metrics.frames;
    }

    fn compose(&mut self, sessions: usize, redeemed: Vec<Reservation>, turn: &Turn<'_>) -> Report {
        self.sequence += 1;
        let card = &self.card;
        Report {
            sequence: self.sequence,
            entry: ServerEntry { server: card.server, client: card.client, peer: card.peer },
            opening: card.opening,
            map_version: card.map_version,
            sessions: u32::try_from(sessions).unwrap_or(u32::MAX),
            sessions_max: card.sessions_max,
            frames_per_second: self.frames_per_second(turn),
            busy_permille: self.busy_permille,
            queued_bytes: self.queued_bytes,
            open: !self.closing,
            redeemed: wire::field::List::new(redeemed).expect("cut to REDEEMED_MAX"),
        }
    }

    fn frames_per_second(&self, turn: &Turn<'_>) -> u32 {
        let since = self.reported.map_or(Instant(0), |(at, _)| at);
        let millis = turn.now.since(since).as_millis().max(1);
        let frames = u128::from(turn.metrics.frames - self.frames_at_report);
        u32::try_from(frames * 1000 / millis).unwrap_or(u32::MAX)
    }

    fn dial(&mut self, index: usize, turn: &mut Turn<'_>) {
        if let Some(router) = self.routers.get_mut(index) {
            router.state = RouterState::Dialing;
            turn.effects.push(Effect::DialRouter { index });
        }
    }

    fn schedule(&mut self, at: Instant, turn: &mut Turn<'_>) {
        turn.timers.disarm(self.next, Timer::Report);
        self.next = at;
        turn.timers.arm(at, Timer::Report);
    }
}

impl Router {
    fn ready(&self) -> Option<ConnId> {
        match self.state {
            RouterState::Ready(conn, _) => Some(conn),
            RouterState::Down | RouterState::Dialing | RouterState::Greeting(_) => None,
        }
    }

    fn arm(&mut self, at: Instant, index: usize, turn: &mut Turn<'_>) {
        turn.timers.disarm(self.armed, Timer::Router(index));
        self.armed = at;
        turn.timers.arm(at, Timer::Router(index));
    }
}
