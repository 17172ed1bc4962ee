//! Newer maps: fetched from the server that reports one, given to the server that reports an older
//! one, or read by the operator's wish.
//!
//! Any server may be placed on, whichever version of a signed map it has: who holds what does not
//! follow from the version. Maps that nobody signs must be the same.

use std::sync::Arc;

use wire::message::{FetchMap, MapCopy};
use wire::{ConnId, MapFile, Opaque, ServerId, SignedMap};

use super::Core;
use super::event::Effect;

impl Core {
    /// The operator has given this router a map.
    pub(super) fn on_map(&mut self, map: SignedMap, out: &mut Vec<Effect>) {
        let MapFile::Signed(known) = &self.map else {
            return tracing::warn!("a map that was not signed at the start stays");
        };
        if map.operator() != known.operator() {
            return tracing::warn!("a map that the operator has not signed; ignored");
        }
        let (version, ours) = (map.map().version(), known.map().version());
        if version == ours && map.hash() != known.hash() {
            return tracing::error!(version, "another map of the same version; ignored");
        }
        if version < ours {
            return tracing::warn!(version, ours, "an older map; ignored");
        }
        if version > ours {
            self.adopt(map, out);
        }
    }

    /// A server has given its map.
    pub(super) fn on_map_copy(
        &mut self,
        (conn, server): (ConnId, ServerId),
        copy: MapCopy,
        out: &mut Vec<Effect>,
    ) {
        if self.fetching == Some(conn) {
            self.fetching = None;
        }
        let MapFile::Signed(known) = &self.map else { return };
        match SignedMap::decode(copy.map.into_bytes(), known.operator()) {
            Ok(map) => self.on_map(map, out),
            Err(error) => tracing::warn!(%server, %error, "a map that does not count"),
        }
    }

    /// A server has reported the version of its map: whoever has the older one gets the newer one.
    pub(super) fn compare_maps(&mut self, conn: ConnId, theirs: u32, out: &mut Vec<Effect>) {
        let MapFile::Signed(known) = &self.map else { return };
        let Some(found) = self.conns.get_mut(&conn) else { return };
        let ours = known.map().version();
        if theirs > ours && theirs > found.asked && self.fetching.is_none() {
            found.asked = theirs;
            self.fetching = Some(conn);
            out.push(Effect::to_server(conn, FetchMap {}));
        } else if theirs < ours && found.given < ours {
            found.given = ours;
            let map = Opaque::new(known.bytes().clone());
            let map = map.expect("a signed map is at most MAP_LEN_MAX");
            out.push(Effect::to_server(conn, MapCopy { map }));
        }
    }

    fn adopt(&mut self, map: SignedMap, out: &mut Vec<Effect>) {
        let (version, hash) = (map.map().version(), map.hash());
        tracing::info!(version, %hash, "slot map in force");
        self.servers = map.map().servers();
        self.placer.set_map(Arc::clone(map.map()));
        out.push(Effect::Know { servers: self.servers.clone() });
        self.map = MapFile::Signed(map);
    }
}
