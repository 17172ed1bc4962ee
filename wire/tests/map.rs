//! The slot map: its bytes for ever, its signature, and what becomes of epochs.
//!
//! `UPDATE=1` rewrites the golden file; a change of it makes maps unreadable.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use wire::limits::{MAP_LEN_MAX, SERVERS_MAX, SLOTS};
use wire::map::MAP_DOMAIN;
use wire::{
    DecodeError, MapError, MapFile, MapHash, OperatorKey, OperatorPublic, ServerId, SignedMap,
    Slot, SlotMap, StoreId,
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/map.txt");
/// Bytes of magic, format, version and hash of the previous map.
const HEAD_LEN: usize = 44;

fn key(seed: u8) -> OperatorKey {
    OperatorKey::from_seed(&[seed; 32])
}

fn slot(index: usize) -> Slot {
    Slot::new(index).expect("below SLOTS")
}

/// Servers 1, 2 and 3 in turn.
fn homes() -> Vec<ServerId> {
    [1, 2, 3].into_iter().cycle().take(SLOTS).map(ServerId).collect()
}

fn first() -> SignedMap {
    SignedMap::first(SlotMap::new(1, homes()), &key(7))
}

/// Server 4 has come and got slot 0, and another store was accepted for server 2.
fn third() -> SignedMap {
    let mut homes = homes();
    homes[0] = ServerId(4);
    let second = first().follow(first().map().with_server(ServerId(4), &homes), &key(7));
    let third = second.map().with_store(ServerId(2), Some(StoreId([9; 16])));
    second.follow(third, &key(7))
}

/// A map as clusters had it before there were signatures.
fn unsigned(version: u32, homes: &[ServerId]) -> Bytes {
    let mut bytes = BytesMut::from(&b"FCmap\0\0\x01"[..]);
    bytes.extend_from_slice(&version.to_be_bytes());
    homes.iter().for_each(|home| bytes.extend_from_slice(&home.0.to_be_bytes()));
    bytes.freeze()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the operator signed, with `change` made to it, signed anew.
fn changed(map: &SignedMap, change: impl Fn(&mut [u8])) -> Result<SignedMap, MapError> {
    let mut body = map.map().encode().to_vec();
    change(&mut body);
    let signature = key(7).sign(MAP_DOMAIN, &body);
    body.extend_from_slice(&signature);
    SignedMap::decode(body.into(), &key(7).public())
}

#[test]
fn the_bytes_of_signed_maps_are_golden() {
    let mut text = String::new();
    let mut line = |what: &str, bytes: &[u8]| {
        writeln!(text, "{what}: {}", hex(bytes)).expect("writes");
    };
    line("operator.pub", &key(7).public().encode());
    for map in [first(), third()] {
        let len = map.bytes().len();
        line("a map's first bytes", &map.bytes()[..160]);
        line("its signature", &map.bytes()[len - 64..]);
        line("its hash", &map.hash().0);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(GOLDEN, &text).expect("the golden folder is there");
    }
    assert_eq!(std::fs::read_to_string(GOLDEN).expect("is there"), text);
}

#[test]
fn a_signed_map_is_read_as_it_was_written() {
    for map in [first(), third()] {
        let read = SignedMap::decode(map.bytes().clone(), &key(7).public());
        assert_eq!(read.as_ref(), Ok(&map));
    }
    let (first, third) = (first(), third());
    assert_eq!(first.map().previous(), MapHash::NONE);
    assert_eq!((first.map().version(), third.map().version()), (1, 3));
    let second = first.follow(first.map().with_homes(&homes()), &key(7));
    assert_eq!(second.map().previous(), first.hash());
}

#[test]
fn a_change_of_a_home_raises_the_slots_epoch_alone_and_keeps_its_first_home() {
    let map = third();
    let map = map.map();
    assert_eq!((map.home(slot(0)), map.slot_epoch(slot(0))), (ServerId(4), 1));
    assert_eq!(map.first_home(slot(0)), ServerId(1));
    for index in 1..SLOTS {
        assert_eq!(map.slot_epoch(slot(index)), 0);
        assert_eq!(map.home(slot(index)), map.first_home(slot(index)));
    }
    let back = map.with_homes(&homes());
    assert_eq!((back.home(slot(0)), back.slot_epoch(slot(0))), (ServerId(1), 2));
    assert_eq!((back.servers().len(), back.owners().len()), (4, 3));
    assert!(back.is_first_home(ServerId(1)) && !back.is_first_home(ServerId(4)));
    let without = back.without_server(ServerId(4));
    assert_eq!((without.servers(), without.version()), (back.owners(), 5));
}

#[test]
fn a_map_says_which_store_a_server_has_and_since_when() {
    let map = third();
    let member = |server| map.map().member(ServerId(server)).map(|m| (m.store, m.accepted));
    assert_eq!(member(2), Some((Some(StoreId([9; 16])), 3)));
    assert_eq!(member(3), Some((None, 0)));
    assert_eq!(member(5), None);
}

#[test]
fn a_map_that_the_operator_has_not_signed_is_refused() {
    let map = first();
    let bytes = map.bytes().clone();
    assert_eq!(SignedMap::decode(bytes.clone(), &key(8).public()), Err(MapError::Signature));
    for at in [8, 11, 12, 43, HEAD_LEN + 2, 200, bytes.len() - 65, bytes.len() - 1] {
        let mut other = bytes.to_vec();
        other[at] ^= 1;
        let read = SignedMap::decode(other.into(), &key(7).public());
        assert!(read.is_err(), "byte {at} is changed");
    }
    for len in [0, 7, 8, 44, 64, 65, bytes.len() - 1] {
        assert!(SignedMap::decode(bytes.slice(..len), &key(7).public()).is_err(), "{len}");
    }
    let long = Bytes::from(vec![0; MAP_LEN_MAX + 1]);
    let read = SignedMap::decode(long, &key(7).public());
    assert_eq!(read, Err(MapError::Decode(DecodeError::Long("map"))));
}

#[test]
fn a_signature_for_something_else_is_none_for_a_map() {
    let body = first().map().encode();
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&key(7).sign(b"FastChat other", &body));
    assert_eq!(SignedMap::decode(bytes.into(), &key(7).public()), Err(MapError::Signature));
}

#[test]
fn a_map_that_contradicts_itself_is_refused_though_it_is_signed() {
    let map = first();
    let servers = HEAD_LEN + 2;
    // A server of the first map: number, no store named, never accepted.
    let slots = servers + 3 * (2 + 1 + 4);
    let at = |place: usize, bytes: &'static [u8]| {
        changed(&map, move |body| body[place..place + bytes.len()].copy_from_slice(bytes))
    };
    let value = |field| Err(MapError::Decode(DecodeError::Value(field)));
    assert_eq!(at(0, b"FC").as_ref(), Ok(&map), "nothing is changed");
    assert_eq!(at(0, b"fc"), value("magic"));
    assert_eq!(at(7, b"\x03"), value("format"));
    assert_eq!(at(8, b"\0\0\0\0"), value("slot"), "an epoch is below the version");
    assert_eq!(at(HEAD_LEN, b"\0\0"), value("servers"), "there is at least one");
    assert_eq!(at(HEAD_LEN, b"\x04\x01"), value("servers"), "{SERVERS_MAX} at most");
    assert_eq!(at(servers, b"\0\x02"), value("server"), "two are the same");
    assert_eq!(at(servers + 2, b"\x02"), value("server"), "a store is named or not");
    assert_eq!(at(servers + 3, b"\0\0\0\x02"), value("server"), "accepted in the next version");
    assert_eq!(at(slots, b"\0\x04"), value("slot"), "its home is not listed, nor its first");
    assert_eq!(at(slots + 2, b"\0\0\0\x01"), value("slot"), "more changes than versions");
    assert_eq!(at(slots + 6, b"\0\x02"), value("slot"), "another first home, but no change");
}

#[test]
fn a_map_of_format_1_counts_only_where_nobody_signs() {
    let bytes = unsigned(1, &homes());
    let read = MapFile::decode(bytes.clone(), None).expect("a map");
    assert_eq!(**read.map(), SlotMap::new(1, homes()));
    let operator = key(7).public();
    assert_eq!(MapFile::decode(bytes.clone(), Some(&operator)), Err(MapError::Unsigned));
    let signed = MapFile::decode(first().bytes().clone(), Some(&operator));
    assert_eq!(signed, Ok(MapFile::Signed(first())));
    assert_eq!(MapFile::decode(first().bytes().clone(), None), Err(MapError::NoOperator));
    assert!(MapFile::decode(bytes.slice(..bytes.len() - 1), None).is_err());
    assert!(MapFile::decode(unsigned(0, &homes()), None).is_err());
    let too_many: Vec<ServerId> = (0..4096).map(ServerId).collect();
    assert!(MapFile::decode(unsigned(1, &too_many), None).is_err());
}

#[test]
fn the_largest_map_fits() {
    let ids: Vec<ServerId> = (1..=1024).map(ServerId).collect();
    let mut map = SlotMap::new(1, ids.iter().copied().cycle().take(SLOTS).collect());
    for id in &ids {
        map = map.with_store(*id, Some(StoreId([1; 16])));
    }
    let signed = SignedMap::first(map, &key(7));
    assert!(signed.bytes().len() <= MAP_LEN_MAX, "{}", signed.bytes().len());
    assert!(SignedMap::decode(signed.bytes().clone(), &key(7).public()).is_ok());
}

#[test]
fn an_operators_key_is_read_as_it_was_written_and_shown_to_nobody() {
    let read = OperatorKey::decode(&key(7).encode()).expect("a key");
    assert_eq!(read.public(), key(7).public());
    assert_eq!(OperatorPublic::decode(&key(7).public().encode()), Ok(key(7).public()));
    assert!(OperatorKey::decode(&key(7).public().encode()).is_err(), "the other half");
    assert!(OperatorPublic::decode(&key(7).encode()).is_err(), "the other half");
    assert!(OperatorPublic::decode(&key(7).public().encode()[..39]).is_err());
    let mut weak = b"FCoppub\x01".to_vec();
    weak.extend_from_slice(&[1]);
    weak.extend_from_slice(&[0; 31]);
    assert!(OperatorPublic::decode(&weak).is_err(), "everything has a signature of this key");
    assert_eq!(format!("{:?}", key(7)), "OperatorKey(secret)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_a_signed_map_by_chance(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut body = b"FCmap\0\0\x02".to_vec();
        body.extend_from_slice(&bytes);
        prop_assert!(SignedMap::decode(body.clone().into(), &key(7).public()).is_err());
        let signature = key(7).sign(MAP_DOMAIN, &body);
        body.extend_from_slice(&signature);
        prop_assert!(SignedMap::decode(body.into(), &key(7).public()).is_err());
    }
}
