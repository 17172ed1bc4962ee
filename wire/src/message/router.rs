//! Clients and servers with a router: where do I sit, and how loaded is everyone.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::message;
use crate::field::{Field, List};
use crate::id::{Reservation, ServerId};
use crate::limits::{REDEEMED_MAX, SERVERS_MAX};
use crate::name::Name;
use crate::opening::Opening;
use crate::reader::{DecodeError, Reader};

/// How to reach a server. Its certificate is for `server-N.server.fastchat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerEntry {
    /// Which server.
    pub server: ServerId,
    /// Where clients connect.
    pub client: SocketAddr,
    /// Where peers connect.
    pub peer: SocketAddr,
}

impl Field for ServerEntry {
    fn put(&self, out: &mut BytesMut) {
        self.server.put(out);
        self.client.put(out);
        self.peer.put(out);
    }

    fn get(reader: &mut Reader, _field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self {
            server: Field::get(reader, "server")?,
            client: Field::get(reader, "client")?,
            peer: Field::get(reader, "peer")?,
        })
    }
}

/// Where a server listens for clients. Its certificate is for `server-N.server.fastchat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SeatAddress {
    /// Which server.
    pub server: ServerId,
    /// Where it listens for clients.
    pub address: SocketAddr,
}

impl Field for SeatAddress {
    fn put(&self, out: &mut BytesMut) {
        self.server.put(out);
        self.address.put(out);
    }

    fn get(reader: &mut Reader, _field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self { server: Field::get(reader, "server")?, address: Field::get(reader, "address")? })
    }
}

message! {
    /// A client asks where to sit. Answered by [`Placed`] or the fault `unavailable`.
    Place = PLACE {
        /// The account that will sign up, sign in or resume.
        name: Name,
    }
}

message! {
    /// The client's seat.
    Placed = PLACED {
        /// The server that owns the account.
        home: ServerId,
        /// The server to connect to: the home unless it is at its cap.
        seat: ServerId,
        /// Where it listens for clients.
        address: SocketAddr,
        /// Presented to the seat; good for 30 s.
        reservation: Reservation,
    }
}

message! {
    /// A client asks, once on a connection, which servers there are. Answered by [`Servers`].
    ListServers = LIST_SERVERS {}
}

message! {
    /// The servers that the router hears from, for a time without a router.
    Servers = SERVERS {
        /// Where they listen, by id.
        servers: List<SeatAddress, SERVERS_MAX>,
    }
}

message! {
    /// A server's load, each second and after each change of its addresses.
    Report = REPORT {
        /// Rises with each report of this process; an older one is ignored.
        sequence: u64,
        /// How to reach it.
        entry: ServerEntry,
        /// The process and its store.
        opening: Opening,
        /// Version of its slot map.
        map_version: u32,
        /// Sessions that sit here now.
        sessions: u32,
        /// Sessions that may sit here.
        sessions_max: u32,
        /// Frames handled in the last second.
        frames_per_second: u32,
        /// Share of the last second that the loop was busy, in thousandths.
        busy_permille: u16,
        /// Bytes that wait in write queues.
        queued_bytes: u64,
        /// It accepts new sessions: it is neither starting nor draining.
        open: bool,
        /// Reservations presented since the last report.
        redeemed: List<Reservation, REDEEMED_MAX>,
    }
}

message! {
    /// Every live server, sent when it changes.
    Directory = DIRECTORY {
        /// The servers, by id.
        servers: List<ServerEntry, SERVERS_MAX>,
    }
}
