//! Links between servers: one per pair, dialed by the lower id, always read.
//!
//! After hello and ready each side shows which opening of its store it works on: a process that
//! works on an old copy, or on another store, is turned away before anything else of it is heard,
//! and the link of the true one stays. Then the link is up. Each side says which sessions it holds,
//! then pings: the first ping tells the other side that it has heard of all of them. A link that
//! is silent for long is cut and dialed again. What is sent while there is no link is lost; seats
//! hear of the loss.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use wire::limits::{EARLY_TIME_MAX, PEER_PING_INTERVAL, PEER_SILENCE_MAX};
use wire::message::{Fault, Hello, PeerStore, Ping, Ready, Role, ServerEntry};
use wire::{ConnId, FaultCode, Instant, Opening, ServerId, SlotMap, ToPeer};

use super::backoff::Backoff;
use super::entropy::Entropy;
use super::event::Effect;
use super::timer::Timer;
use super::turn::Turn;

/// What a link's event means for the rest of the core.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LinkChange {
    /// The server can be reached.
    Up(ServerId),
    /// It no longer can; it was last heard then.
    Lost(ServerId, Instant),
}

/// The links to all other servers that are known.
pub(super) struct Peers {
    me: ServerId,
    /// What this process shows.
    opening: Opening,
    /// Which store each server must have, if it says so.
    map: Arc<SlotMap>,
    links: BTreeMap<ServerId, Link>,
    /// Where servers listen, as a router last said: also those that are not known yet.
    directory: BTreeMap<ServerId, SocketAddr>,
    /// Peers that connected and whose links are not up.
    arriving: BTreeMap<ConnId, Arriving>,
    entropy: Entropy,
}

/// How far a peer that connected has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Arriving {
    /// It has said nothing; which server its certificate is for.
    Silent(Option<ServerId>),
    /// It has said hello as this server, and not shown its store.
    Greeted(ServerId),
}

struct Link {
    address: Option<SocketAddr>,
    state: LinkState,
    backoff: Backoff,
    /// What [`Timer::Link`] is armed for.
    armed: Instant,
    /// What it last showed on a link.
    last: Option<Opening>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LinkState {
    /// No connection; dialed at this instant at the earliest.
    Down(Instant),
    /// Being dialed.
    Dialing,
    /// Dialed; our hello is not answered yet. Given up at the instant.
    Greeting(ConnId, Instant),
    /// Dialed and answered; it has not shown its store. Given up at the instant.
    Answered(ConnId, Instant),
    /// Hello and ready were said; last heard at the instant.
    Up(ConnId, Instant),
}

impl Peers {
    pub(super) fn new(
        me: ServerId,
        opening: Opening,
        map: Arc<SlotMap>,
        servers: &[ServerId],
        seed: [u8; 32],
    ) -> Self {
        let others = servers.iter().filter(|server| **server != me);
        Self {
            me,
            opening,
            map,
            links: others.map(|server| (*server, Link::new(None))).collect(),
            directory: BTreeMap::new(),
            arriving: BTreeMap::new(),
            entropy: Entropy::new(seed),
        }
    }

    /// The router says where everyone listens.
    pub(super) fn on_directory(&mut self, servers: &[ServerEntry], turn: &mut Turn<'_>) {
        self.directory = servers.iter().map(|entry| (entry.server, entry.peer)).collect();
        for entry in servers {
            if let Some(link) = self.links.get_mut(&entry.server) {
                if link.address != Some(entry.peer) {
                    link.address = Some(entry.peer);
                    link.backoff.reset();
                    if let LinkState::Down(next) = &mut link.state {
                        *next = turn.now;
                    }
                }
                self.dial(entry.server, turn);
            }
        }
    }

    /// Another map is in force, and these are the servers with links. Says which are lost by that.
    pub(super) fn set_map(
        &mut self,
        map: Arc<SlotMap>,
        servers: &[ServerId],
        turn: &mut Turn<'_>,
    ) -> Vec<LinkChange> {
        let former = std::mem::replace(&mut self.map, map);
        for (server, link) in &mut self.links {
            if self.map.accepted(*server) != former.accepted(*server) {
                link.last = None;
            }
        }
        let gone = self.links.keys().copied().filter(|server| !servers.contains(server));
        let mut changes = Vec::new();
        for server in gone.collect::<Vec<ServerId>>() {
            changes.extend(self.unlink(server, turn));
        }
        let me = self.me;
        for server in servers.iter().copied().filter(|server| *server != me) {
            let address = self.directory.get(&server).copied();
            self.links.entry(server).or_insert_with(|| Link::new(address));
            self.dial(server, turn);
        }
        changes
    }

    fn unlink(&mut self, server: ServerId, turn: &mut Turn<'_>) -> Option<LinkChange> {
        let state = self.links.get(&server)?.state;
        let of = |arriving: &Arriving| *arriving == Arriving::Greeted(server);
        let arriving = self.arriving.iter().filter(|(_, arriving)| of(arriving));
        for conn in arriving.map(|(conn, _)| *conn).collect::<Vec<ConnId>>() {
            self.turn_away(conn, FaultCode::WRONG_PEER, turn);
        }
        if let Some(conn) = state.conn() {
            turn.close(conn);
        }
        let change = self.lose(server, turn);
        let link = self.links.remove(&server)?;
        turn.timers.disarm(link.armed, Timer::Link(server));
        change
    }

    /// A peer connected to us.
    pub(super) fn on_arrived(
        &mut self,
        conn: ConnId,
        certified: Option<ServerId>,
        turn: &mut Turn<'_>,
    ) {
        self.arriving.insert(conn, Arriving::Silent(certified));
        turn.timers.arm(turn.now + EARLY_TIME_MAX, Timer::Greeting(conn));
    }

    /// Our dial stands; the certificate is that of `server`.
    pub(super) fn on_dialed(&mut self, conn: ConnId, server: ServerId, turn: &mut Turn<'_>) {
        let Some(link) = self.links.get_mut(&server) else {
            return turn.close(conn);
        };
        if link.state != LinkState::Dialing {
            return turn.close(conn);
        }
        let until = turn.now + EARLY_TIME_MAX;
        link.state = LinkState::Greeting(conn, until);
        link.arm(until, server, turn);
        turn.tell_link(conn, Hello::server(self.me));
    }

    /// A dial came to nothing: again after a pause.
    pub(super) fn on_dial_failed(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        if let Some(link) = self.links.get_mut(&server)
            && link.state == LinkState::Dialing
        {
            rest(link, server, &mut self.entropy, turn);
        }
    }

    /// A peer that connected has not said hello, or not shown its store, in time.
    pub(super) fn on_greeting_timeout(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        if self.arriving.remove(&conn).is_some() {
            turn.close(conn);
        }
    }

    /// A peer connection has ended.
    pub(super) fn on_closed(&mut self, conn: ConnId, turn: &mut Turn<'_>) -> Option<LinkChange> {
        self.arriving.remove(&conn);
        let server = self.server_of(conn)?;
        self.lose(server, turn)
    }

    /// Whether `conn` is the link of a server that is up, and whose.
    pub(super) fn up(&mut self, conn: ConnId, server: ServerId, now: Instant) -> bool {
        match self.links.get_mut(&server).map(|link| &mut link.state) {
            Some(LinkState::Up(up, heard)) if *up == conn => {
                *heard = now;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The first words on a peer connection. Says what became of the link, and whose it is.
    pub(super) fn on_greeting(
        &mut self,
        conn: ConnId,
        message: &ToPeer,
        turn: &mut Turn<'_>,
    ) -> Vec<LinkChange> {
        match (self.arriving.get(&conn).copied(), message) {
            (Some(Arriving::Silent(certified)), ToPeer::Hello(hello)) => {
                self.on_hello(conn, certified, hello, turn);
            }
            (Some(Arriving::Greeted(server)), ToPeer::PeerStore(shown)) => {
                return self.on_store(conn, server, shown.opening, turn);
            }
            (Some(Arriving::Silent(_)), _) => self.turn_away(conn, FaultCode::BAD_MAGIC, turn),
            (Some(Arriving::Greeted(_)), _) => self.turn_away(conn, FaultCode::WRONG_STATE, turn),
            (None, message) => return self.on_answer(conn, message, turn),
        }
        Vec::new()
    }

    /// A peer shows its store: the first time, or again on a link that is up.
    pub(super) fn on_store(
        &mut self,
        conn: ConnId,
        server: ServerId,
        shown: Opening,
        turn: &mut Turn<'_>,
    ) -> Vec<LinkChange> {
        let link = self.links.get_mut(&server).expect("who is unlinked is turned away");
        let named = self.map.store_of(server).filter(|store| *store != shown.store);
        if let Some(store) = named {
            let named = Opening { store, ..shown };
            return self.on_superseded(conn, server, (shown, named), turn);
        }
        if let Some(last) = link.last
            && !shown.may_follow(&last)
        {
            return self.on_superseded(conn, server, (shown, last), turn);
        }
        link.last = Some(shown);
        self.arriving.remove(&conn);
        let mut changes = Vec::new();
        if let LinkState::Up(former, _) = link.state {
            if former == conn {
                return changes;
            }
            turn.close(former);
            changes.extend(self.lose(server, turn));
        }
        changes.push(self.rise(server, conn, turn));
        changes
    }

    /// Who is at the other end of a peer connection, if it has said so.
    pub(super) fn whose(&self, conn: ConnId) -> Option<ServerId> {
        match self.arriving.get(&conn) {
            Some(Arriving::Greeted(server)) => Some(*server),
            Some(Arriving::Silent(_)) => None,
            None => self.server_of(conn),
        }
    }

    /// Bytes that are no message of a peer: the connection ends.
    pub(super) fn turn_away(&mut self, conn: ConnId, code: FaultCode, turn: &mut Turn<'_>) {
        self.arriving.remove(&conn);
        turn.tell_link(conn, Fault::new(code));
        turn.close(conn);
    }

    /// Gives a message to its link.
    pub(super) fn send(&self, server: ServerId, message: ToPeer, turn: &mut Turn<'_>) {
        match self.links.get(&server).map(|link| link.state) {
            Some(LinkState::Up(conn, _)) => turn.tell_link(conn, message),
            Some(_) | None => turn.metrics.unsent += 1,
        }
    }

    /// A link's time has come: to dial, to ping, or to give it up. A ping says that all sessions
    /// `are_registered`: before that it is none.
    pub(super) fn on_link_timer(
        &mut self,
        (server, are_registered): (ServerId, bool),
        turn: &mut Turn<'_>,
    ) -> Option<LinkChange> {
        let link = self.links.get_mut(&server)?;
        match link.state {
            LinkState::Dialing => None,
            LinkState::Down(_) => {
                self.dial(server, turn);
                None
            }
            LinkState::Greeting(conn, until) | LinkState::Answered(conn, until)
                if until <= turn.now =>
            {
                turn.close(conn);
                self.lose(server, turn)
            }
            LinkState::Greeting(..) | LinkState::Answered(..) => None,
            LinkState::Up(conn, heard) if turn.now.since(heard) >= PEER_SILENCE_MAX => {
                turn.close(conn);
                self.lose(server, turn)
            }
            LinkState::Up(conn, _) => {
                if are_registered {
                    turn.tell_link(conn, Ping { nonce: turn.now.0 });
                }
                link.arm(turn.now + PEER_PING_INTERVAL, server, turn);
                None
            }
        }
    }

    /// Servers with a link that is up.
    pub(super) fn linked(&self) -> impl Iterator<Item = ServerId> {
        let up = |(_, link): &(&ServerId, &Link)| matches!(link.state, LinkState::Up(..));
        self.links.iter().filter(up).map(|(server, _)| *server)
    }

    /// Every other server.
    pub(super) fn others(&self) -> impl Iterator<Item = ServerId> {
        self.links.keys().copied()
    }

    /// How many links are up.
    pub(super) fn up_count(&self) -> usize {
        let up = |link: &&Link| matches!(link.state, LinkState::Up(..));
        self.links.values().filter(up).count()
    }

    fn on_hello(
        &mut self,
        conn: ConnId,
        certified: Option<ServerId>,
        hello: &Hello,
        turn: &mut Turn<'_>,
    ) {
        let server = hello.server;
        let expected = certified == Some(server) && server < self.me && hello.role == Role::Server;
        let version = match hello.agree() {
            Ok(version) if expected && self.links.contains_key(&server) => version,
            Ok(_) => {
                return self.turn_away(conn, FaultCode::WRONG_PEER, turn);
            }
            Err(code) => return self.turn_away(conn, code, turn),
        };
        self.arriving.insert(conn, Arriving::Greeted(server));
        let (me, at) = (self.me, turn.wall);
        turn.tell_link(conn, Ready { version, server: me, at });
        turn.tell_link(conn, PeerStore { opening: self.opening });
    }

    /// What a server that we dialed says before the link is up.
    fn on_answer(
        &mut self,
        conn: ConnId,
        message: &ToPeer,
        turn: &mut Turn<'_>,
    ) -> Vec<LinkChange> {
        let server = self.server_of(conn);
        let link = server.and_then(|server| self.links.get_mut(&server).map(|link| (server, link)));
        match (link, message) {
            (Some((server, link)), ToPeer::Ready(ready)) if ready.server == server => {
                if let LinkState::Greeting(_, until) = link.state {
                    link.state = LinkState::Answered(conn, until);
                    turn.tell_link(conn, PeerStore { opening: self.opening });
                    return Vec::new();
                }
            }
            (Some((server, link)), ToPeer::PeerStore(shown)) => {
                if let LinkState::Answered(..) = link.state {
                    return self.on_store(conn, server, shown.opening, turn);
                }
            }
            _ => {}
        }
        turn.close(conn);
        Vec::new()
    }

    /// A process works on a store that is not that server's, or no longer: it is told, and nothing
    /// of it is heard. Another connection of that server stays as it is.
    fn on_superseded(
        &mut self,
        conn: ConnId,
        server: ServerId,
        (shown, last): (Opening, Opening),
        turn: &mut Turn<'_>,
    ) -> Vec<LinkChange> {
        turn.metrics.peers_superseded += 1;
        let (epoch, known) = (shown.epoch, last.epoch);
        if shown.store == last.store {
            tracing::error!(%server, epoch, known, "turned away: it works on an old copy of its \
                store, or a later process of it was heard; stop it, see OPERATING");
        } else {
            tracing::error!(%server, "turned away: it shows another store than before; if that is \
                meant, see OPERATING");
        }
        self.turn_away(conn, FaultCode::SUPERSEDED, turn);
        match self.server_of(conn) {
            Some(server) => self.lose(server, turn).into_iter().collect(),
            None => Vec::new(),
        }
    }

    fn rise(&mut self, server: ServerId, conn: ConnId, turn: &mut Turn<'_>) -> LinkChange {
        let link = self.links.get_mut(&server).expect("only who is known says hello");
        link.state = LinkState::Up(conn, turn.now);
        link.backoff.reset();
        turn.metrics.links_up += 1;
        tracing::info!(%server, "link up");
        link.arm(turn.now + PEER_PING_INTERVAL, server, turn);
        LinkChange::Up(server)
    }

    fn lose(&mut self, server: ServerId, turn: &mut Turn<'_>) -> Option<LinkChange> {
        let link = self.links.get_mut(&server)?;
        let former = link.state;
        rest(link, server, &mut self.entropy, turn);
        let LinkState::Up(_, heard) = former else {
            return None;
        };
        turn.metrics.links_lost += 1;
        tracing::info!(%server, "link lost");
        Some(LinkChange::Lost(server, heard))
    }

    /// Dials a server that is ours to dial, if it is time.
    fn dial(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        let Some(link) = self.links.get_mut(&server) else {
            return;
        };
        if let (LinkState::Down(from), Some(address)) = (link.state, link.address)
            && from <= turn.now
            && self.me < server
        {
            link.state = LinkState::Dialing;
            turn.effects.push(Effect::DialPeer { server, address });
        }
    }

    /// The server that `conn` is the link of, up or not yet.
    fn server_of(&self, conn: ConnId) -> Option<ServerId> {
        let mut links = self.links.iter();
        links.find(|(_, link)| link.state.conn() == Some(conn)).map(|(server, _)| *server)
    }
}

/// The link is down; it is dialed again after a pause.
fn rest(link: &mut Link, server: ServerId, entropy: &mut Entropy, turn: &mut Turn<'_>) {
    let next = link.backoff.next(turn.now, entropy);
    link.state = LinkState::Down(next);
    link.arm(next, server, turn);
}

impl LinkState {
    fn conn(self) -> Option<ConnId> {
        match self {
            Self::Greeting(conn, _) | Self::Answered(conn, _) | Self::Up(conn, _) => Some(conn),
            Self::Down(_) | Self::Dialing => None,
        }
    }
}

impl Link {
    fn new(address: Option<SocketAddr>) -> Self {
        let state = LinkState::Down(Instant(0));
        let (backoff, armed) = (Backoff::new(), Instant(0));
        Self { address, state, backoff, armed, last: None }
    }

    fn arm(&mut self, at: Instant, server: ServerId, turn: &mut Turn<'_>) {
        turn.timers.disarm(self.armed, Timer::Link(server));
        self.armed = at;
        turn.timers.arm(at, Timer::Link(server));
    }
}
