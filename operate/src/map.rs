//! The file of the map, when it is read again while a program runs.

use std::fmt::Display;

use wire::{MapFile, SignedMap};

/// The map that may take the place of the one in force, if that is what was read; the log says
/// what becomes of it.
pub fn reread(read: Result<MapFile, impl Display>) -> Option<SignedMap> {
    match read {
        Ok(MapFile::Signed(map)) => {
            tracing::info!(version = map.map().version(), "map read");
            return Some(map);
        }
        Ok(MapFile::Unsigned(_)) => tracing::info!("an unsigned map is read at the start only"),
        Err(error) => tracing::warn!(%error, "the map stays as it is"),
    }
    None
}
