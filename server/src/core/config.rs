//! What a core is made of: who it is, its map, its secrets, its store.

use std::net::SocketAddr;

use opaque_ke::ServerSetup;
use storage::{Opened, SlotRecord};
use wire::opaque::Suite;
use wire::{MapFile, ServerId, Slot};

use super::log::LogLimits;

/// Everything a [`super::Core`] is told at its beginning.
pub struct Config {
    /// Which server this is.
    pub me: ServerId,
    /// Who is the home of what: the newest map that is known.
    pub map: MapFile,
    /// Whether the store holds this map.
    pub map_is_stored: bool,
    /// The cluster's OPAQUE setup, a secret; the same on every server.
    pub setup: ServerSetup<Suite>,
    /// Seeds every token and every OPAQUE answer: from the system's generator.
    pub seed: [u8; 32],
    /// The store that was opened.
    pub opened: Opened,
    /// What it knows of slots.
    pub slots: Vec<(Slot, SlotRecord)>,
    /// Where clients connect, as routers tell them.
    pub client_address: SocketAddr,
    /// Where peers connect, as routers tell them.
    pub peer_address: SocketAddr,
    /// How many routers are configured.
    pub routers: usize,
    /// Sessions that may sit here.
    pub sessions_max: u32,
    /// Bytes of entries that may be sent to sessions and not seen, in all; above it each session is
    /// sent little ahead, see [`wire::limits::UNSEEN_BYTES_SCARCE`].
    pub unseen_max: usize,
    /// Posts per second are not limited.
    pub unmetered: bool,
    /// The bounds of the logs.
    pub log_limits: LogLimits,
}
