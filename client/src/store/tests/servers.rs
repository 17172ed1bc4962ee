//! The servers that a router has named.

use wire::{ServerId, Wall};

use super::Place;
use crate::store::{KnownServer, KnownServers};

fn known(home: u16, servers: &[(u16, &str)]) -> KnownServers {
    let known = |(server, address): &(u16, &str)| {
        let address = address.parse().expect("an address");
        KnownServer { server: ServerId(*server), address, heard: Wall(u64::MAX) }
    };
    KnownServers { home: Some(ServerId(home)), servers: servers.iter().map(known).collect() }
}

#[test]
fn servers_are_kept_and_replaced_as_a_whole() {
    let place = Place::new();
    let mut store = place.open();
    assert_eq!(store.known_servers().expect("reads"), KnownServers::default());
    let first = known(2, &[(1, "192.0.2.1:1"), (2, "[2001:db8::1]:65535")]);
    store.save_servers(&first).expect("writes");
    drop(store);
    let mut store = place.open();
    assert_eq!(store.known_servers().expect("reads"), first);
    let second = known(65_535, &[(2, "192.0.2.1:1"), (65_535, "192.0.2.2:2")]);
    store.save_servers(&second).expect("writes");
    assert_eq!(store.known_servers().expect("reads"), second);
}

#[test]
fn what_cannot_be_read_is_as_good_as_none() {
    let place = Place::new();
    let mut store = place.open();
    store.save_servers(&known(1, &[(1, "192.0.2.1:1"), (2, "192.0.2.2:2")])).expect("writes");
    let broken = "UPDATE servers SET address = 'here' WHERE server = 1";
    store.connection.execute(broken, ()).expect("writes");
    let other = "INSERT INTO servers VALUES (70000, '192.0.2.3:3', 0, 1)";
    store.connection.execute(other, ()).expect("writes");
    let left = store.known_servers().expect("reads");
    assert_eq!(left, KnownServers { home: None, ..known(1, &[(2, "192.0.2.2:2")]) });
}
