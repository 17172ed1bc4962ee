//! The list of connected servers: every server gets it to find its peers, and clients who ask for
//! it, for a time without a router.

use wire::field::List;
use wire::message::{Directory, SeatAddress, ServerEntry, Servers};

/// The directory of `entries`, which are ordered by server.
///
/// # Panics
/// With more servers than a map may have: only servers of the map are heard.
#[must_use]
pub fn directory(entries: Vec<ServerEntry>) -> Directory {
    debug_assert!(entries.is_sorted_by_key(|entry| entry.server));
    let servers = List::new(entries).expect("only servers of the map are heard");
    Directory { servers }
}

/// Where clients find the servers of `entries`, which are ordered by server.
///
/// # Panics
/// With more servers than a map may have: only servers of the map are heard.
#[must_use]
pub fn seats(entries: &[ServerEntry]) -> Servers {
    let seat = |entry: &ServerEntry| SeatAddress { server: entry.server, address: entry.client };
    let seats = entries.iter().map(seat).collect();
    let servers = List::new(seats).expect("only servers of the map are heard");
    Servers { servers }
}
