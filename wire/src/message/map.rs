//! How a newer slot map travels: between servers, and between servers and routers.

use super::message;
use crate::field::Opaque;
use crate::limits::MAP_LEN_MAX;

message! {
    /// A server tells another which map it has: when their link is up, and when it has a newer one.
    MapVersion = MAP_VERSION {
        /// The map's version.
        version: u32,
        /// The hash of the signed map.
        hash: [u8; 32],
    }
}

message! {
    /// Asks for the map that the other side has. Answered by [`MapCopy`].
    FetchMap = FETCH_MAP {}
}

message! {
    /// A whole map. Whoever gets it checks who has signed it.
    MapCopy = MAP_COPY {
        /// The signed map.
        map: Opaque<MAP_LEN_MAX>,
    }
}
