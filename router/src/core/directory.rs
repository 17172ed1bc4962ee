//! The list of connected servers, which every server gets and uses to find its peers.

use wire::field::List;
use wire::message::{Directory, ServerEntry};

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
