//! What a connection may do: sizes of frames, input and write queue, by who is at the other end.

use std::num::NonZero;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::limits::{
    CLIENT_FRAME_LEN_MAX, CLIENT_WRITE_HARD, CLIENT_WRITE_HIGH, EARLY_BYTES_MAX,
    EARLY_FRAME_LEN_MAX, PEER_FRAME_LEN_MAX, PEER_WRITE_HARD, PEER_WRITE_HIGH,
    ROUTER_FRAME_LEN_MAX,
};

/// The limits of one connection, all in bytes. Replaced with
/// [`Net::set_policy`](super::Net::set_policy), for example when a client has signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Largest length that a frame's prefix may declare.
    pub frame_len_max: u32,
    /// Bytes that may come in, in all, until the policy is replaced. An accepted connection with
    /// such a limit counts as *early*: not signed in yet.
    pub input_len_max: Option<usize>,
    /// A write queue above this is `High`; it is `Low` again at half of it.
    pub write_high: usize,
    /// A write queue above this closes the connection as a slow reader.
    pub write_hard: usize,
    /// Whether the socket is read while its write queue is `High`.
    pub reads_while_high: bool,
    /// The socket is not read at all, and what was read is not delivered, until this is lifted.
    pub paused: bool,
}

impl Policy {
    /// A client that has not signed in yet.
    #[must_use]
    pub const fn early_client() -> Self {
        Self {
            frame_len_max: EARLY_FRAME_LEN_MAX,
            input_len_max: Some(EARLY_BYTES_MAX),
            ..Self::client()
        }
    }

    /// A signed-in client, as its seat sees it: not read while it does not read.
    #[must_use]
    pub const fn client() -> Self {
        Self {
            frame_len_max: CLIENT_FRAME_LEN_MAX,
            input_len_max: None,
            write_high: CLIENT_WRITE_HIGH,
            write_hard: CLIENT_WRITE_HARD,
            reads_while_high: false,
            paused: false,
        }
    }

    /// A seat, as its client sees it: always read, or two full connections could stop each other.
    #[must_use]
    pub const fn seat() -> Self {
        Self { write_hard: PEER_WRITE_HARD, reads_while_high: true, ..Self::client() }
    }

    /// Another server: always read.
    #[must_use]
    pub const fn peer() -> Self {
        Self {
            frame_len_max: PEER_FRAME_LEN_MAX,
            input_len_max: None,
            write_high: PEER_WRITE_HIGH,
            write_hard: PEER_WRITE_HARD,
            reads_while_high: true,
            paused: false,
        }
    }

    /// A router, as clients and servers see it, and a server, as its router sees it.
    #[must_use]
    pub const fn router() -> Self {
        Self { frame_len_max: ROUTER_FRAME_LEN_MAX, reads_while_high: true, ..Self::client() }
    }
}

/// A policy as each connection keeps it, in half the room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) frame_len_max: u32,
    input_len_max: Option<NonZero<u32>>,
    write_high: u32,
    write_hard: u32,
    pub(super) reads_while_high: bool,
    pub(super) paused: bool,
}

impl Bounds {
    pub(super) fn input_len_max(&self) -> Option<u32> {
        self.input_len_max.map(NonZero::get)
    }

    pub(super) fn write_high(&self) -> usize {
        usize_of(self.write_high)
    }

    pub(super) fn write_hard(&self) -> usize {
        usize_of(self.write_hard)
    }
}

impl From<Policy> for Bounds {
    /// # Panics
    /// When a limit is 4 GiB or more, or that of input is 0.
    fn from(policy: Policy) -> Self {
        let len = |len: usize| u32::try_from(len).expect("limits are far below 4 GiB");
        let input = |max| NonZero::new(len(max)).expect("something may come in");
        Self {
            frame_len_max: policy.frame_len_max,
            input_len_max: policy.input_len_max.map(input),
            write_high: len(policy.write_high),
            write_hard: len(policy.write_hard),
            reads_while_high: policy.reads_while_high,
            paused: policy.paused,
        }
    }
}

fn usize_of(len: u32) -> usize {
    usize::try_from(len).expect("usize has 64 bits on every target")
}

/// How a dialed connection is protected.
#[derive(Clone)]
pub enum Security {
    /// Not at all: loopback benches only.
    Plain,
    /// TLS 1.3; the other side's certificate must be for this DNS name.
    Connect(Arc<ClientConfig>, String),
}

/// How the connections of a listener are protected.
#[derive(Clone)]
pub enum ListenSecurity {
    /// Not at all: loopback benches only.
    Plain,
    /// TLS 1.3 with this certificate.
    Tls(Arc<ServerConfig>),
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Policy};

    #[test]
    fn a_connection_keeps_every_limit_of_its_policy() {
        let early = Policy { paused: true, ..Policy::early_client() };
        for policy in [early, Policy::client(), Policy::peer(), Policy::router()] {
            let bounds = Bounds::from(policy);
            let input_len_max = bounds.input_len_max().map(super::usize_of);
            let kept = Policy {
                frame_len_max: bounds.frame_len_max,
                input_len_max,
                write_high: bounds.write_high(),
                write_hard: bounds.write_hard(),
                reads_while_high: bounds.reads_while_high,
                paused: bounds.paused,
            };
            assert_eq!(kept, policy);
        }
    }
}
