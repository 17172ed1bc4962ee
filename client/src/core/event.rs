//! What goes into the core and what comes out: plain data, so that a simulator can hold, delay and
//! repeat it.

use std::net::SocketAddr;

use bytes::BytesMut;
use wire::{Frame, ServerId, ToRouter, ToServer};

use super::job::{Job, JobKey, JobResult};

pub use super::notice::{ContactChange, Notice, Peeked, Step};
pub use super::request::{Admission, Command, GroupWish, Password, Reading, Request, Ticket};
pub use super::store_op::{LaneRecord, OwnKeys, StoreOp, Stored};

/// The core's own name for one attempt to connect; never used twice by one core.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub u32);

/// What the shell tells the core.
#[derive(Debug)]
pub enum Event {
    /// A dial has succeeded: TCP and TLS are done.
    Opened {
        /// From the dial.
        link: LinkId,
    },
    /// So many addresses of routers are known to the shell; said at each dial of one.
    Routers {
        /// How many; [`Effect::DialRouter`] counts modulo this.
        count: usize,
    },
    /// One whole frame came in.
    Frame {
        /// On which connection.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// A connection has ended or could not be made; its last event.
    Closed {
        /// From the dial.
        link: LinkId,
        /// Why.
        cause: Cause,
    },
    /// A store operation that has an answer is done.
    Stored(Stored),
    /// A job is done.
    Worked {
        /// From the effect.
        key: JobKey,
        /// What came out.
        result: JobResult,
    },
    /// The user wants something.
    Command(Command),
    /// The shell has fed all events of this turn: what is done once per turn is done now.
    TurnEnded,
    /// The deadline has come.
    Timeout,
}

/// Why a connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Refused, reset, timed out: trying again may help. The text is for people.
    Lost(String),
    /// The other side's certificate is not the expected one: trying again does not help.
    Untrusted(String),
}

/// What the core asks of the shell. Effects are performed in order.
#[derive(Debug)]
pub enum Effect {
    /// Connect to one of the configured routers.
    DialRouter {
        /// The connection's name from now on.
        link: LinkId,
        /// Index, modulo the number of routers' addresses.
        router: usize,
    },
    /// Connect to a server, verifying exactly its certificate name.
    DialSeat {
        /// The connection's name from now on.
        link: LinkId,
        /// Where it listens for clients.
        address: SocketAddr,
        /// Which server it must be.
        server: ServerId,
    },
    /// Send one message.
    Send {
        /// On which connection.
        link: LinkId,
        /// The message.
        message: Outgoing,
    },
    /// Close a connection; its `Closed` event is not needed any more.
    Close {
        /// Which connection.
        link: LinkId,
    },
    /// Perform one durable operation; what has an answer comes back as [`Event::Stored`].
    Store(StoreOp),
    /// Run slow cryptography elsewhere; comes back as [`Event::Worked`].
    Work {
        /// Comes back with the result.
        key: JobKey,
        /// What to compute.
        job: Job,
    },
    /// Tell the user.
    Notify(Notice),
}

/// A message to either kind of other side.
#[derive(Debug)]
pub enum Outgoing {
    /// To a router.
    Router(ToRouter),
    /// To the seat.
    Seat(ToServer),
}

impl Outgoing {
    /// Appends the message as one whole frame.
    pub fn append_frame(&self, out: &mut BytesMut) {
        match self {
            Self::Router(message) => message.append_frame(out),
            Self::Seat(message) => message.append_frame(out),
        }
    }
}
