//! Connections as data: who is at each end, what waits, what is under way. `links` moves it.
//!
//! Each direction has the write queue of `wire::net` in its sender, then bytes under way, then
//! bytes that its reader has not taken; the last two share a window, as a socket's buffers do.
//! A stream may break anywhere, but what it carries keeps its order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use client::core::LinkId;
use server::core::Target;
use wire::net::{Policy, WriteQueue};
use wire::{ConnId, Instant};

use super::host::Node;

/// One connection of a world.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ConnKey(pub u64);

/// One of its ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum End {
    /// Who dialed.
    Near,
    /// Who was dialed.
    Far,
}

impl End {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Near => 0,
            Self::Far => 1,
        }
    }
}

/// A process's own name for a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Local {
    /// Of a server or router.
    Conn(ConnId),
    /// Of a client.
    Link(LinkId),
}

/// What a dial is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A server's.
    Server(Target),
    /// A client's, to a router or a seat.
    Client(LinkId),
}

/// How far one end is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// It has dialed, or was dialed, and does not know of the other yet.
    Opening,
    /// Frames travel.
    Open,
    /// What is queued leaves; nothing is read any more.
    Closing,
    /// Over.
    Closed,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Side {
    /// Whose it is.
    pub node: Node,
    /// Its process's name for it, while it has one.
    pub local: Option<Local>,
    /// How far it is.
    pub stage: Stage,
    /// What it may do.
    pub policy: Policy,
    /// Read, and not a whole frame yet.
    pub input: BytesMut,
    /// Bytes read since the policy was set.
    pub input_len: usize,
}

/// What is under way.
#[derive(Debug)]
pub enum Segment {
    /// The far end learns that there is a connection.
    Opening,
    /// Bytes.
    Bytes(Bytes),
    /// Nothing more comes.
    End,
}

/// One direction.
#[derive(Debug)]
pub struct Pipe {
    /// In the sender.
    pub queue: WriteQueue,
    /// Under way.
    pub flight: VecDeque<Segment>,
    /// Bytes of that.
    pub flight_len: usize,
    /// Arrived, not read.
    pub unread: BytesMut,
    /// The end has arrived behind that.
    pub has_ended: bool,
    /// When the last that is under way arrives.
    pub last: Instant,
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    sides: [Side; 2],
    pipes: [Pipe; 2],
    /// What it was dialed for.
    pub purpose: Purpose,
    /// What is written to it goes nowhere.
    pub is_broken: bool,
    /// One way.
    pub delay: Duration,
}

impl Conn {
    /// One end.
    #[must_use]
    pub fn side(&self, end: End) -> &Side {
        &self.sides[end.index()]
    }

    /// One end.
    pub fn side_mut(&mut self, end: End) -> &mut Side {
        &mut self.sides[end.index()]
    }

    /// The direction that begins at `end`.
    #[must_use]
    pub fn from(&self, end: End) -> &Pipe {
        &self.pipes[end.index()]
    }

    /// The direction that begins at `end`.
    pub fn from_mut(&mut self, end: End) -> &mut Pipe {
        &mut self.pipes[end.index()]
    }

    /// Both ends are closed, and their processes have heard of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sides.iter().all(|side| side.stage == Stage::Closed && side.local.is_none())
    }
}

/// All connections.
#[derive(Debug, Default)]
pub struct Net {
    conns: BTreeMap<ConnKey, Conn>,
    locals: BTreeMap<(Node, Local), (ConnKey, End)>,
    last: u64,
}

impl Net {
    /// A connection that is being dialed.
    pub fn add(&mut self, near: (Node, Policy), far: (Node, Policy), purpose: Purpose) -> ConnKey {
        self.last += 1;
        let key = ConnKey(self.last);
        let side = |(node, policy)| Side {
            node,
            local: None,
            stage: Stage::Opening,
            policy,
            input: BytesMut::new(),
            input_len: 0,
        };
        let pipe = || Pipe {
            queue: WriteQueue::new(),
            flight: VecDeque::new(),
            flight_len: 0,
            unread: BytesMut::new(),
            has_ended: false,
            last: Instant(0),
        };
        let conn = Conn {
            sides: [side(near), side(far)],
            pipes: [pipe(), pipe()],
            purpose,
            is_broken: false,
            delay: Duration::ZERO,
        };
        self.conns.insert(key, conn);
        key
    }

    /// A connection, unless it is over.
    pub fn get(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.conns.get_mut(&key)
    }

    /// The connection that a process calls `local`.
    #[must_use]
    pub fn find(&self, node: Node, local: Local) -> Option<(ConnKey, End)> {
        self.locals.get(&(node, local)).copied()
    }

    /// From now on the process at `end` calls it `local`.
    pub fn name(&mut self, key: ConnKey, end: End, local: Local) {
        let side = self.conns.get_mut(&key).expect("it is there").side_mut(end);
        side.local = Some(local);
        let doubled = self.locals.insert((side.node, local), (key, end));
        assert!(doubled.is_none(), "{local:?} of {:?} names one connection", side.node);
    }

    /// Takes the name back.
    pub fn unname(&mut self, key: ConnKey, end: End) -> Option<Local> {
        let side = self.conns.get_mut(&key)?.side_mut(end);
        let local = side.local.take()?;
        self.locals.remove(&(side.node, local));
        Some(local)
    }

    /// Forgets a connection that is over.
    pub fn forget(&mut self, key: ConnKey) {
        if self.conns.get(&key).is_some_and(Conn::is_over) {
            self.conns.remove(&key);
        }
    }

    /// The ends at a node that are not closed.
    #[must_use]
    pub fn of(&self, node: Node) -> Vec<(ConnKey, End)> {
        let ends = self
            .conns
            .iter()
            .flat_map(|(key, conn)| [End::Near, End::Far].map(|end| (*key, end, conn.side(end))));
        let mine = ends.filter(|(_, _, side)| side.node == node && side.stage != Stage::Closed);
        mine.map(|(key, end, _)| (key, end)).collect()
    }

    /// Connections that are open at both ends.
    #[must_use]
    pub fn open(&self) -> Vec<ConnKey> {
        let is_open = |conn: &Conn| conn.sides.iter().all(|side| side.stage == Stage::Open);
        self.conns.iter().filter(|(_, conn)| is_open(conn)).map(|(key, _)| *key).collect()
    }

    /// Ends that the process at `node` has been told of, and not of their end.
    #[must_use]
    pub fn told(&self, node: Node) -> usize {
        self.locals.keys().filter(|(owner, _)| *owner == node).count()
    }

    /// Bytes in the write queues of a node, and the longest of them.
    #[must_use]
    pub fn queued(&self, node: Node) -> usize {
        let ends = self
            .conns
            .values()
            .flat_map(|conn| [End::Near, End::Far].map(|end| (conn.side(end), conn.from(end))));
        ends.filter(|(side, _)| side.node == node).map(|(_, pipe)| pipe.queue.len()).sum()
    }
}
