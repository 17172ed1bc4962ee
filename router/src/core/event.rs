//! What the core hears and what it wants done. Plain data: the simulator speaks it as well.

use std::net::IpAddr;

use wire::{ConnId, Frame, FromRouter, RouterToServer, ServerId, SignedMap};

use super::strategy::Placing;

/// Something happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A connection is open; nothing was said on it yet.
    Opened {
        /// Which connection.
        conn: ConnId,
        /// Who may be on the other side.
        side: Side,
    },
    /// A whole frame arrived.
    Frame {
        /// On which connection.
        conn: ConnId,
        /// The frame, not yet decoded.
        frame: Frame,
    },
    /// A connection is gone; its last event.
    Closed {
        /// Which connection.
        conn: ConnId,
    },
    /// The operator has given this router a map, and has signed it.
    Map(SignedMap),
    /// The deadline has passed.
    Timeout,
    /// The process stops: everybody is told.
    Stop,
    /// An operator has set how seats are chosen from now on.
    Placing(Placing),
}

/// The listener that a connection came in by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The clients' listener.
    Client {
        /// Where it came from.
        address: IpAddr,
    },
    /// The servers' listener, where a certificate is mandatory.
    Server {
        /// The server of the map that the certificate is for, if any.
        certified: Option<ServerId>,
    },
}

/// Something to be done, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Send a message.
    Send {
        /// On which connection.
        conn: ConnId,
        /// The message.
        message: Outgoing,
    },
    /// From now on these are the servers whose certificates count.
    Know {
        /// Which, in order.
        servers: Vec<ServerId>,
    },
    /// Close a connection, after what was sent on it before.
    Close {
        /// Which connection.
        conn: ConnId,
    },
}

/// A message to either side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outgoing {
    /// To a client.
    Client(FromRouter),
    /// To a server.
    Server(RouterToServer),
}

impl Effect {
    /// Sends `message` to a client.
    pub(crate) fn to_client(conn: ConnId, message: impl Into<FromRouter>) -> Self {
        let message = Outgoing::Client(message.into());
        Self::Send { conn, message }
    }

    /// Sends `message` to a server.
    pub(crate) fn to_server(conn: ConnId, message: impl Into<RouterToServer>) -> Self {
        let message = Outgoing::Server(message.into());
        Self::Send { conn, message }
    }
}
