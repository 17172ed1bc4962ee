//! What a shell tells the core, and what the core asks of its shell. Plain data, both ways.

use std::fmt;
use std::net::SocketAddr;

use bytes::BytesMut;
use storage::{Completion, Op};
use wire::frame::Frame;
use wire::message::{Deliver, Entry};
use wire::{
    ConnId, LogHandle, ServerId, ServerToRouter, SessionEpoch, SignedMap, ToClient, ToPeer,
};

use super::log;

/// Who is on the other side of a new connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// A client, on the client listener.
    Client,
    /// A peer, on the peer listener.
    PeerIn {
        /// The server its verified certificate is for; `None` when for none of the map.
        certified: Option<ServerId>,
    },
    /// A peer that this server dialed; its certificate was verified for exactly this server.
    PeerOut {
        /// Which server.
        server: ServerId,
    },
    /// A router that this server dialed.
    Router {
        /// Which of the configured routers.
        index: usize,
    },
}

/// What a dial was for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// A peer link.
    Peer(ServerId),
    /// The connection to one of the configured routers.
    Router(usize),
}

/// How full a connection's write queue is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// There is room again.
    Low,
    /// It is above its high mark.
    High,
}

/// Why a connection has ended, as far as the core tells the client or counts it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// The other side ended it, or the network did.
    Gone,
    /// The stream of bytes could not be cut into frames, or held too many before sign-in.
    BadStream,
    /// It did not read what was sent.
    SlowReader,
    /// This core closed it.
    Local,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A connection stands: accepted, or dialed.
    Opened {
        /// Which connection.
        conn: ConnId,
        /// Who is there.
        side: Side,
    },
    /// A dial came to nothing.
    DialFailed {
        /// What it was for.
        target: Target,
    },
    /// One frame arrived.
    Frame {
        /// On which connection.
        conn: ConnId,
        /// The frame, not yet decoded.
        frame: Frame,
    },
    /// A write queue crossed a mark.
    Pressure {
        /// Of which connection.
        conn: ConnId,
        /// On which side of the mark it is now.
        level: Level,
    },
    /// A connection has ended; nothing more comes from it.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// Why.
        why: CloseReason,
    },
    /// The operator has given this server a map, and has signed it.
    Map(SignedMap),
    /// The storage finished an operation.
    Stored(Completion),
    /// The instant of `Core::deadline` has come.
    Timeout,
    /// The shell measured itself: its load since the last measure, and its disk.
    Measured {
        /// Share of the time that the loop was busy, in thousandths.
        busy_permille: u16,
        /// Bytes that wait in write queues.
        queued_bytes: u64,
        /// Bytes that the disk has left for the store.
        free_bytes: u64,
    },
    /// An operator has set other bounds. Sessions above a lower one stay.
    Bounds {
        /// Sessions that may sit here.
        sessions_max: u32,
        /// Bytes of entries that may be sent to sessions and not seen, in all.
        unseen_max: usize,
    },
    /// The process was asked to become empty: no new sessions, and those that are here are told
    /// to go elsewhere. The shell stops it when `Core::is_emptied`.
    Drain {
        /// How many sessions are told in each second; not 0.
        per_second: u32,
    },
    /// The process was asked to stop: no new sessions, everyone is told.
    Stop,
}

/// A message on its way out, typed by its direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outgoing {
    /// To a client.
    Client(ToClient),
    /// To another server.
    Peer(ToPeer),
    /// To a router.
    Router(ServerToRouter),
}

impl Effect {
    /// The same with one [`Effect::Send`] for each reader of an entry, for shells that look at each
    /// message.
    #[must_use]
    pub fn unfolded(self) -> Vec<Self> {
        let Self::Fan { readers, entry } = self else {
            return vec![self];
        };
        let each = readers.into_iter().map(|(conn, handle)| {
            let deliver = Deliver { handle, entry: entry.clone() };
            Self::Send { conn, message: Outgoing::Client(deliver.into()) }
        });
        each.collect()
    }
}

impl Outgoing {
    /// Appends the message as one whole frame.
    pub fn append_frame(&self, out: &mut BytesMut) {
        match self {
            Self::Client(message) => message.append_frame(out),
            Self::Peer(message) => message.append_frame(out),
            Self::Router(message) => message.append_frame(out),
        }
    }
}

/// What a shell does after `handle` has returned, in order.
#[derive(Debug)]
pub enum Effect {
    /// Queue a message on a connection.
    Send {
        /// Which connection.
        conn: ConnId,
        /// What to send.
        message: Outgoing,
    },
    /// Queue an entry on several connections of clients, encoded once.
    Fan {
        /// Which connections, and the handle of the entry's log on each.
        readers: Vec<(ConnId, LogHandle)>,
        /// The entry.
        entry: Entry,
    },
    /// Close a connection after what is queued was written. Answered by [`Event::Closed`].
    Close {
        /// Which connection.
        conn: ConnId,
    },
    /// Allow a connection what a signed-in client may send.
    Admit {
        /// Which connection.
        conn: ConnId,
    },
    /// Stop or resume the reading of a client's socket.
    SetReading {
        /// Which connection.
        conn: ConnId,
        /// Whether to read it.
        reading: bool,
    },
    /// Connect to a peer. Answered by [`Event::Opened`] or [`Event::DialFailed`].
    DialPeer {
        /// Which server, exactly as its certificate must name it.
        server: ServerId,
        /// Where it listens for peers.
        address: SocketAddr,
    },
    /// Connect to a router. Answered by [`Event::Opened`] or [`Event::DialFailed`].
    DialRouter {
        /// Which of the configured routers.
        index: usize,
    },
    /// From now on these are the servers whose certificates count. This one is among them.
    Know {
        /// Which, in order.
        servers: Vec<ServerId>,
    },
    /// Give an operation to the storage.
    Store(Op),
    /// Others know a later process of this server, or another store: this one must not serve.
    Superseded {
        /// Who said so.
        by: Target,
    },
    /// Something that must never happen did: worth waking someone.
    Alarm(Alarm),
}

/// What must never happen in a healthy cluster. Never a reason to delete anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alarm {
    /// A log noticed it.
    Log(log::Alarm),
    /// A seat asked this home about an account or a log whose home is elsewhere: the maps differ.
    NotHome {
        /// Which server asked.
        from: ServerId,
    },
    /// A seat speaks for a session whose epoch was never handed out: this store lost its newest
    /// writes.
    EpochNeverGiven {
        /// What the seat claimed.
        epoch: SessionEpoch,
        /// Which server said so.
        from: ServerId,
    },
    /// Two maps of the same version, or a map that was made from another one than this server's.
    MapForked {
        /// Which server has the other; `None`: this server's file, or a router.
        from: Option<ServerId>,
        /// The version.
        version: u32,
    },
    /// A map that this cluster's operator has not signed.
    MapRefused {
        /// Which server gave it; `None`: this server's file, or a router.
        from: Option<ServerId>,
    },
    /// Two stores that should hold the same of a slot do not: it stays where it is.
    SlotsDiffer {
        /// Where it was to go.
        to: ServerId,
    },
    /// A slot was moved here, and nothing is known of it: this store was put back from before.
    SlotMissing {
        /// Who has moved it.
        from: ServerId,
    },
    /// Another server has taken a slot that this store holds: it was put back from before that.
    /// What is here of it is not served.
    SlotTaken {
        /// Who says so.
        from: ServerId,
    },
    /// A peer sent what does not answer its question, or has no place here.
    PeerConfused {
        /// Which server.
        from: ServerId,
    },
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(alarm) => write!(f, "{}: {}", alarm.from, alarm.cause),
            Self::NotHome { from } => write!(f, "{from}: its slot map differs from this server's"),
            Self::EpochNeverGiven { epoch, from } => {
                write!(f, "{from}: session epoch {} was never given", epoch.0)
            }
            Self::MapForked { from, version } => {
                write!(f, "{}: another map of version {version}", Giver(*from))
            }
            Self::MapRefused { from } => {
                write!(f, "{}: a map that the operator has not signed", Giver(*from))
            }
            Self::SlotsDiffer { to } => write!(f, "{to}: a slot's copy there is not the same"),
            Self::SlotMissing { from } => write!(f, "{from}: it moved a slot that is not here"),
            Self::SlotTaken { from } => write!(f, "{from}: a slot of this store is elsewhere"),
            Self::PeerConfused { from } => write!(f, "{from}: a message without a question"),
        }
    }
}

/// Who gave a map.
pub(super) struct Giver(pub(super) Option<ServerId>);

impl fmt::Display for Giver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(server) => write!(f, "{server}"),
            None => f.write_str("the map file or a router"),
        }
    }
}
