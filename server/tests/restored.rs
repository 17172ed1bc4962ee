//! `fastchat-server --restored`: taking a store for what it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use storage::{Breach, RESTORED_EPOCHS, RocksStorage, StorageError};

fn restored(store: &Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastchat-server"));
    let Output { status, stderr, .. } =
        command.arg("--restored").arg(store).output().expect("the server's program runs");
    (status.success(), String::from_utf8(stderr).expect("it speaks UTF-8"))
}

#[test]
fn store_that_was_emptied_is_served_after_the_operator_agreed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = folder.path().join("store");
    drop(RocksStorage::open(&store, Box::new(|| {})).expect("a new store opens"));
    fs::rename(&store, folder.path().join("away")).expect("it is taken away");
    let refused = RocksStorage::open(&store, Box::new(|| {})).map(|_| ()).expect_err("it is gone");
    let StorageError::Refused { breach: Breach::Emptied(known), .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(known.store_epoch, 1);
    let next_step = format!("fastchat-server --restored {}", store.display());
    assert!(refused.to_string().contains(&next_step), "{refused}");
    let (is_done, told) = restored(&store);
    assert!(is_done && told.contains(&format!("epoch {}", 1 + RESTORED_EPOCHS)), "{told}");
    let (_, opened) = RocksStorage::open(&store, Box::new(|| {})).expect("the operator agreed");
    assert_eq!(opened.store_epoch, 2 + RESTORED_EPOCHS);
}

#[test]
fn mistyped_folder_is_named_and_not_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = folder.path().join("stroe");
    let (is_done, told) = restored(&store);
    assert!(!is_done && told.contains("stroe"), "{told}");
    assert!(!store.exists());
}
