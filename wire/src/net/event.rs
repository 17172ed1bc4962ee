//! What a [`Net`](super::Net) tells its shell.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::frame::{Frame, FrameError};
use crate::id::ConnId;

/// A listening socket of one `Net`. Never crosses a socket itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ListenerId(pub(super) u32);

/// A foreign source of readiness, registered with one `Net`: a signal pipe, a Unix socket.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SourceId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// How full a connection's write queue is, as last reported.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// At most half of the policy's `write_high` waits, after it was above it.
    #[default]
    Low,
    /// More than the policy's `write_high` waits.
    High,
}

/// Why a connection has ended.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CloseCause {
    /// The other side ended it.
    #[error("the other side closed")]
    Peer,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Io(io::ErrorKind),
    /// The TLS handshake or a record failed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The bytes cannot be cut into frames. The other side was told `bad-frame`.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// More bytes than the policy's `input_len_max`. The other side was told.
    #[error("more bytes than are allowed before sign-in")]
    TooMuchInput,
    /// The write queue grew above the policy's `write_hard`.
    #[error("the other side does not read")]
    SlowReader,
    /// [`Net::close`](super::Net::close) was called.
    #[error("closed here")]
    Local,
    /// A dial or its TLS handshake took too long.
    #[error("timed out")]
    TimedOut,
}

impl From<io::Error> for CloseCause {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

/// Something happened on the network. For one connection the order is: `Accepted` or `Connected`,
/// then frames and pressure, then `Closed` once. A dial that fails yields `Closed` alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NetEvent {
    /// A connection came in; its TLS handshake is done.
    Accepted {
        /// The new connection.
        conn: ConnId,
        /// Where it came in.
        listener: ListenerId,
        /// Who connected.
        address: SocketAddr,
    },
    /// A dialed connection is ready; its TLS handshake is done here. In TLS 1.3 the other side
    /// may still refuse our certificate: `Closed` follows then.
    Connected {
        /// From [`Net::dial`](super::Net::dial).
        conn: ConnId,
    },
    /// A whole frame arrived.
    Frame {
        /// On which connection.
        conn: ConnId,
        /// Not yet decoded.
        frame: Frame,
    },
    /// The write queue crossed a mark. Every connection begins `Low`.
    Pressure {
        /// Whose queue.
        conn: ConnId,
        /// Its new level.
        level: Level,
    },
    /// The connection has ended; its id is never used again.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// Why.
        why: CloseCause,
    },
    /// The waker fired, once or more often.
    Woken,
    /// A foreign source is ready; handle it until it would block.
    Source {
        /// From [`Net::register`](super::Net::register).
        id: SourceId,
    },
}
