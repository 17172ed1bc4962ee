//! The newest map that this server knows: kept in its store, told to whoever has an older one.
//!
//! A map takes force when it is durable: after a restart the version has not fallen. Links carry
//! the version alone; who has an older map fetches the newer one from one server at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use storage::{Batch, Change};
use wire::message::{FetchMap, MapCopy, MapVersion};
use wire::{MapFile, MapHash, Opaque, ServerId, SignedMap, SlotMap};

use super::event::{Alarm, Giver};
use super::turn::Turn;

/// The map in force, and newer ones on their way to be.
pub(super) struct Maps {
    map: Arc<SlotMap>,
    /// The map in force as the operator signed it; nothing follows one that nobody signed.
    signed: Option<SignedMap>,
    /// The newest map, if the store does not hold it yet.
    unwritten: Option<SignedMap>,
    in_flight: Option<SignedMap>,
    /// What linked servers have.
    told: BTreeMap<ServerId, u32>,
    /// Who was asked for its map and has not answered.
    asked: Option<ServerId>,
}

impl Maps {
    /// `is_stored`: the store holds this map.
    pub(super) fn new(file: MapFile, is_stored: bool) -> Self {
        let map = Arc::clone(file.map());
        let signed = match file {
            MapFile::Signed(signed) => Some(signed),
            MapFile::Unsigned(_) => None,
        };
        let unwritten = signed.clone().filter(|_| !is_stored);
        let (told, asked) = (BTreeMap::new(), None);
        Self { map, signed, unwritten, in_flight: None, told, asked }
    }

    /// The map in force.
    pub(super) fn map(&self) -> &Arc<SlotMap> {
        &self.map
    }

    /// The operator, or another server (`from`), has a map.
    pub(super) fn on_map(&mut self, from: Option<ServerId>, map: SignedMap, turn: &mut Turn<'_>) {
        let Some(newest) = self.newest() else {
            return turn.alarm(Alarm::MapRefused { from });
        };
        let (version, known) = (map.map().version(), newest.map().version());
        if map.operator() != newest.operator() {
            turn.alarm(Alarm::MapRefused { from });
        } else if version == known && map.hash() != newest.hash() {
            turn.alarm(Alarm::MapForked { from, version });
        } else if version > known {
            if map.map().previous() != newest.hash() && version == known + 1 {
                turn.alarm(Alarm::MapForked { from, version });
            }
            self.unwritten = Some(map);
        } else if version < known {
            tracing::warn!(from = %Giver(from), version, known, "an older map; ignored");
        }
    }

    /// The link to `server` is up.
    pub(super) fn on_link_up(&self, server: ServerId, turn: &mut Turn<'_>) {
        if let Some(signed) = &self.signed {
            turn.tell_server(server, version_of(signed));
        }
    }

    /// The link to `server` is lost: another may have what it was asked for.
    pub(super) fn on_link_lost(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        self.told.remove(&server);
        if self.asked == Some(server) {
            self.asked = None;
            self.fetch(turn);
        }
    }

    /// A server says which map it has.
    pub(super) fn on_version(&mut self, from: ServerId, message: &MapVersion, turn: &mut Turn<'_>) {
        let (version, hash) = (message.version, MapHash(message.hash));
        if let Some(signed) = &self.signed
            && signed.map().version() == version
            && signed.hash() != hash
        {
            return turn.alarm(Alarm::MapForked { from: Some(from), version });
        }
        self.told.insert(from, version);
        self.fetch(turn);
    }

    /// What whoever asks is given.
    pub(super) fn copy(&self) -> Option<MapCopy> {
        let map = Opaque::new(self.signed.as_ref()?.bytes().clone());
        Some(MapCopy { map: map.expect("a signed map is at most MAP_LEN_MAX") })
    }

    /// Somebody gives a map: `from`, or a router.
    pub(super) fn on_copy(&mut self, from: Option<ServerId>, bytes: Bytes, turn: &mut Turn<'_>) {
        if from.is_some() && self.asked == from {
            self.asked = None;
        }
        let operator = self.signed.as_ref().map(SignedMap::operator);
        let read = operator.map(|operator| SignedMap::decode(bytes, operator));
        match read {
            Some(Ok(map)) => self.on_map(from, map, turn),
            Some(Err(_)) | None => {
                // It is not asked again before it says that it has another.
                if let Some(from) = from {
                    self.told.remove(&from);
                }
                turn.alarm(Alarm::MapRefused { from });
            }
        }
        self.fetch(turn);
    }

    /// A map is in force: all who can be reached hear of it.
    pub(super) fn announce(
        &mut self,
        servers: impl Iterator<Item = ServerId>,
        turn: &mut Turn<'_>,
    ) {
        if let Some(signed) = &self.signed {
            let message = version_of(signed);
            servers.for_each(|server| turn.tell_server(server, message.clone()));
        }
        self.fetch(turn);
    }

    pub(super) fn has_changes(&self) -> bool {
        self.unwritten.is_some()
    }

    pub(super) fn compose(&mut self, batch: &mut Batch) {
        assert!(self.in_flight.is_none(), "one batch is in flight at most");
        self.in_flight = self.unwritten.take();
        let maps = self.in_flight.iter().map(|map| Change::PutMap { map: map.bytes().clone() });
        batch.changes.extend(maps);
    }

    /// The batch last composed is durable. Gives the map that takes force, if one does.
    pub(super) fn on_committed(&mut self) -> Option<Arc<SlotMap>> {
        let written = self.in_flight.take()?;
        if written.map().version() <= self.map.version() {
            return None;
        }
        self.map = Arc::clone(written.map());
        self.signed = Some(written);
        Some(Arc::clone(&self.map))
    }

    /// The newest map that is known, in force or not.
    fn newest(&self) -> Option<&SignedMap> {
        let waiting = self.unwritten.as_ref().or(self.in_flight.as_ref());
        waiting.or(self.signed.as_ref())
    }

    /// Asks whoever has the newest map for it, unless somebody was asked or nobody has a newer one.
    fn fetch(&mut self, turn: &mut Turn<'_>) {
        let known = self.newest().map_or(u32::MAX, |newest| newest.map().version());
        let best = self.told.iter().max_by_key(|(_, version)| **version);
        if let (None, Some((server, version))) = (self.asked, best)
            && *version > known
        {
            self.asked = Some(*server);
            turn.tell_server(*server, FetchMap {});
        }
    }
}

fn version_of(signed: &SignedMap) -> MapVersion {
    MapVersion { version: signed.map().version(), hash: signed.hash().0 }
}
