//! Files: private, whole or absent, found again, and without a readable secret.

use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use wire::{Seq, SessionEpoch, Token, Wall};

use super::{Place, begin, log, number, origin, seal};
use crate::crypto::test_keys::{alice, name};
use crate::store::{DataDirectory, Received, ReceivedContent, Session, Store, StoreError};

const CANARY: &str = "canary-7f3a-canary";

#[test]
fn no_secret_and_no_text_is_readable_in_any_file() {
    let place = Place::new();
    let mut store = place.open();
    let session = Session { epoch: SessionEpoch(1), token: Token([0xa5; 32]) };
    let frame = format!("frame {CANARY}");
    store
        .save_sign_up(&name("alice"), origin(1), alice(), b"bundle", frame.as_bytes())
        .expect("keeps");
    let draft = store.add_draft(&log(), CANARY, Wall(1)).expect("keeps");
    assert!(!place.holds(CANARY.as_bytes()));
    let body = Bytes::from(format!("body {CANARY}"));
    begin(&mut store);
    seal(&mut store, draft, 1, &body, &[1; 32]).expect("seals");
    store.save_session(&session).expect("keeps");
    let (text, sent, previous, verified) = (CANARY.to_owned(), Wall(1), [0; 32], true);
    let content = ReceivedContent::Text { text, sent, previous, verified };
    let (seq, at, hash) = (Seq(1), Wall(1), [1; 32]);
    let sender = name("bob");
    let (origin, request) = (origin(2), None);
    let entry = Received { seq, sender, origin, number: number(1), at, hash, content, request };
    store.receive(&log(), &[entry], Seq(1)).expect("keeps");
    for prime in alice().primes().iter().flatten() {
        assert!(!place.holds(&prime[..32]), "a private key");
    }
    assert!(!place.holds(CANARY.as_bytes()));
    assert!(!place.holds(&[0xa5; 32]), "a token");
    drop(store);
    assert!(!place.holds(CANARY.as_bytes()), "after the journal was written back");
    assert!(place.holds(b"alice"), "the search itself works: names are readable");
}

#[test]
fn every_file_is_its_owners_alone() {
    let place = Place::new();
    let root = place.data.path().join("made/here");
    let keys = place.keys.path().join("made");
    let directory = DataDirectory::open_with_keys(&root, &keys).expect("opens");
    let mut store = Store::open(&directory).expect("opens");
    store.add_draft(&log(), "hello", Wall(1)).expect("keeps");
    let _lock = directory.try_lock().expect("locks");
    let mode =
        |path: &std::path::Path| path.metadata().expect("exists").permissions().mode() & 0o777;
    assert_eq!((mode(&root), mode(&keys)), (0o700, 0o700));
    for folder in [&root, &keys] {
        let files = std::fs::read_dir(folder).expect("lists");
        let files: Vec<_> = files.map(|file| file.expect("lists").path()).collect();
        assert!(!files.is_empty());
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
}

#[test]
fn the_key_is_outside_the_data_directory_and_cannot_be_put_inside() {
    let place = Place::new();
    drop(place.open());
    let keys: Vec<_> = std::fs::read_dir(place.keys.path()).expect("lists").collect();
    assert_eq!(keys.len(), 1);
    let key = std::fs::read(keys[0].as_ref().expect("lists").path()).expect("reads");
    assert_eq!(key.len(), 32);
    assert!(!place.holds(&key));
    let inside = place.data.path().join("keys");
    let refused = DataDirectory::open_with_keys(place.data.path(), &inside);
    assert!(matches!(refused, Err(StoreError::KeyInside { .. })));
}

fn only_file(folder: &std::path::Path) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(folder).expect("lists");
    files.next().expect("one file").expect("lists").path()
}

#[test]
fn a_missing_damaged_or_foreign_key_is_named_and_never_replaced() {
    let place = Place::new();
    drop(place.open());
    let path = only_file(place.keys.path());
    let key = std::fs::read(&path).expect("reads");
    let open = || Store::open(&place.directory()).err();
    std::fs::write(&path, &key[..31]).expect("damages");
    assert!(matches!(open(), Some(StoreError::KeyDamaged { .. })));
    std::fs::write(&path, [1; 32]).expect("exchanges");
    assert!(matches!(open(), Some(StoreError::Vault(_))));
    std::fs::remove_file(&path).expect("removes");
    assert!(matches!(open(), Some(StoreError::KeyMissing { .. })));
    assert!(!path.exists());
    std::fs::write(&path, key).expect("restores");
    assert!(open().is_none());
}

/// A crash may leave the id, the key and half-written files, but no database yet.
#[test]
fn opening_goes_on_where_a_crash_stopped_it() {
    let place = Place::new();
    drop(place.open());
    let key = std::fs::read(only_file(place.keys.path())).expect("reads");
    for name in ["fastchat.db", "fastchat.db-wal", "fastchat.db-shm"] {
        let path = place.data.path().join(name);
        if path.exists() {
            std::fs::remove_file(path).expect("removes");
        }
    }
    let half = place.keys.path().join("0123456789abcdef.00.new");
    std::fs::write(&half, [1; 7]).expect("leaves half a file");
    let mut store = place.open();
    store.add_draft(&log(), "hello", Wall(1)).expect("works");
    let keys = std::fs::read_dir(place.keys.path()).expect("lists");
    let keys = keys.map(|entry| entry.expect("lists").path()).filter(|path| *path != half);
    let keys: Vec<_> = keys.map(|path| std::fs::read(path).expect("reads")).collect();
    assert_eq!(keys, [key], "the key that exists is used");
}

#[test]
fn one_process_at_a_time_holds_the_connection() {
    let place = Place::new();
    let directory = place.directory();
    let lock = directory.try_lock().expect("locks");
    assert!(lock.is_some());
    assert!(directory.try_lock().expect("tries").is_none());
    drop(lock);
    assert!(directory.try_lock().expect("tries").is_some());
}

/// The first opening makes key and tables; others at the same time wait and find them.
#[test]
fn many_may_open_a_new_store_at_once() {
    let place = Place::new();
    let add = || {
        let mut store = place.open();
        store.add_draft(&log(), "hello", Wall(1)).expect("keeps");
        store.origin().expect("reads")
    };
    let origins = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("ends");
        threads.into_iter().map(join).collect::<Vec<_>>()
    });
    assert!(origins.iter().all(|origin| *origin == origins[0]));
    assert_eq!(place.open().drafts(100).expect("reads").len(), 8);
}
