//! Accounts, sessions, key logs.

use bytes::Bytes;
use storage::{AccountRecord, Answer, Change, Read, SessionRecord};
use wire::limits::BUNDLES_MAX;
use wire::{Origin, SessionEpoch, Wall};

use crate::engine::{Engine, name};

pub(crate) fn account(mark: u8) -> AccountRecord {
    AccountRecord {
        record: Bytes::from(vec![mark; 192]),
        sign_up_hash: [mark; 32],
        sealed_keys: Bytes::from(vec![mark; 4000]),
        created: Wall(u64::from(mark)),
    }
}

pub(crate) fn create(text: &str, mark: u8) -> Change {
    let (name, account) = (name(text), account(mark));
    Change::CreateAccount { name, account }
}

pub(crate) fn bundle(text: &str, version: u32) -> Change {
    let bundle = Bytes::from(version.to_be_bytes().to_vec());
    Change::AddBundle { name: name(text), version, bundle }
}

pub(crate) fn epoch_rises_and_identity_stays<E: Engine>() {
    let (engine, first) = E::fresh();
    let (engine, second) = engine.reopened();
    let (_, third) = engine.reopened();
    assert_eq!(first.store_epoch, 1);
    assert_eq!((second.store, second.store_epoch), (first.store, 2));
    assert_eq!((third.store, third.store_epoch), (first.store, 3));
}

pub(crate) fn raised_epoch_stays_raised<E: Engine>() {
    let (mut engine, _) = E::fresh();
    for store_epoch in 2..=4 {
        engine.commit(vec![Change::RaiseEpoch { store_epoch }]);
    }
    let (_, opened) = engine.reopened();
    assert_eq!(opened.store_epoch, 5);
}

pub(crate) fn the_newest_map_is_kept<E: Engine>() {
    let (mut engine, _) = E::fresh();
    assert_eq!(engine.map(), None);
    for map in [&b"first"[..], b"second"] {
        engine.commit(vec![Change::PutMap { map: Bytes::from_static(map) }]);
    }
    let (engine, _) = engine.reopened();
    assert_eq!(engine.map().as_deref(), Some(&b"second"[..]));
    let (engine, _) = engine.reopened();
    assert_eq!(engine.map().as_deref(), Some(&b"second"[..]));
}

pub(crate) fn accounts_are_found_by_name<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let read = |text| Read::Account { name: name(text) };
    assert_eq!(engine.read(read("alice")), Answer::Account(None, None));
    engine.commit(vec![create("alice", 1), create("al", 2)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(read("alice")), Answer::Account(Some(account(1)), None));
    assert_eq!(engine.read(read("al")), Answer::Account(Some(account(2)), None));
    assert_eq!(engine.read(read("alic")), Answer::Account(None, None));
}

pub(crate) fn sessions_are_replaced<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let session = |epoch| SessionRecord {
        epoch_reserved: SessionEpoch(1000),
        epoch: SessionEpoch(epoch),
        origin: Origin([7; 16]),
        token_hash: Some([1; 32]),
        previous_token_hash: (epoch > 1).then_some([2; 32]),
        origins: vec![Origin([6; 16]), Origin([7; 16])],
    };
    for epoch in [1, 2] {
        let (name, session) = (name("alice"), session(epoch));
        engine.commit(vec![Change::PutSession { name, session }]);
    }
    let (mut engine, _) = engine.reopened();
    let answer = engine.read(Read::Account { name: name("alice") });
    assert_eq!(answer, Answer::Account(None, Some(session(2))));
}

pub(crate) fn key_logs_are_read_in_pages<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let count = u32::try_from(BUNDLES_MAX).expect("small") + 3;
    engine.commit((1..=count).map(|version| bundle("alice", version)).collect());
    engine.commit(vec![bundle("alic", 1), bundle("alicf", 1)]);
    let (mut engine, _) = engine.reopened();
    let mut read = |after| match engine.read(Read::Bundles { name: name("alice"), after }) {
        Answer::Bundles { bundles, complete } => (bundles, complete),
        other => panic!("{other:?}"),
    };
    let expected = |first: u32, last: u32| -> Vec<Bytes> {
        (first..=last).map(|version| Bytes::from(version.to_be_bytes().to_vec())).collect()
    };
    assert_eq!(read(0), (expected(1, count - 3), false));
    assert_eq!(read(3), (expected(4, count), true));
    assert_eq!(read(count), (vec![], true));
    assert_eq!(read(u32::MAX), (vec![], true));
}
