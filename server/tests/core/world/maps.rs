//! Signed maps: which file each server has, and servers that come later.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use server::core::Event;
use server::map_file::newest;
use storage::{DiskModel, MemDisk};
use wire::{MapFile, OperatorKey, ServerId, SignedMap, StoreId};

use super::{Node, World};

/// What is known of maps outside of the servers.
#[derive(Default)]
pub(crate) struct Maps {
    /// Each server's file; without one it has the world's unsigned map.
    files: BTreeMap<ServerId, SignedMap>,
    /// What servers gave the router.
    pub(crate) copies: Vec<(ServerId, Bytes)>,
}

/// The operator of the tests.
pub(crate) fn operator() -> OperatorKey {
    OperatorKey::from_seed(&[5; 32])
}

impl World {
    /// Servers whose map is signed, with links between all of them.
    pub(crate) fn signed(servers: u16) -> (Self, SignedMap) {
        let mut world = Self::unstarted(servers, 1_000, DiskModel::default());
        let map = SignedMap::first((*world.map).clone(), &operator());
        for id in (1..=servers).map(ServerId) {
            world.maps.files.insert(id, map.clone());
            world.start(id);
        }
        world.advance(Duration::from_secs(2));
        (world, map)
    }

    /// The map that the operator copied to a server last.
    pub(crate) fn file(&self, server: u16) -> SignedMap {
        self.maps.files[&ServerId(server)].clone()
    }

    /// The operator copies a map to a server, and says so.
    pub(crate) fn give_map(&mut self, server: u16, map: &SignedMap) {
        self.put_map(server, map);
        self.feed(ServerId(server), Event::Map(map.clone()));
        self.pump();
    }

    /// The operator copies a map to a server, which hears of it when it starts.
    pub(crate) fn put_map(&mut self, server: u16, map: &SignedMap) {
        self.maps.files.insert(ServerId(server), map.clone());
    }

    /// A server that was never there, with this map.
    pub(crate) fn come(&mut self, server: u16, map: &SignedMap) {
        let mut store = [0; 16];
        store[0] = u8::try_from(server).expect("few servers");
        self.nodes.insert(ServerId(server), Node::new(MemDisk::new(StoreId(store))));
        self.put_map(server, map);
        self.start(ServerId(server));
        self.advance(Duration::from_secs(2));
    }

    /// The version of the map in force on a server.
    pub(crate) fn map_version(&self, server: u16) -> u64 {
        self.metrics(ServerId(server)).map_version
    }

    pub(super) fn begin_with(&self, id: ServerId, stored: Option<Bytes>) -> (MapFile, bool) {
        let file = match self.maps.files.get(&id) {
            Some(file) => MapFile::Signed(file.clone()),
            None => MapFile::Unsigned(Arc::clone(&self.map)),
        };
        let found = newest(id, Path::new("map"), file, stored).expect("one of them serves");
        (found.map, found.is_stored)
    }
}
