//! `fastchat-server --restored`, `backup` and `restore`: taking a store for what it is, and putting
//! one back.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use storage::{Breach, RESTORED_EPOCHS, RocksStorage, StorageError};

fn restored(store: &Path) -> (bool, String) {
    server(&["--restored".as_ref(), store])
}

fn server(words: &[&Path]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastchat-server"));
    let Output { status, stderr, .. } =
        command.args(words).output().expect("the server's program runs");
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

#[test]
fn a_stopped_store_is_backed_up_and_put_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, to) = (folder.path().join("store"), folder.path().join("backup"));
    let word = Path::new;
    let backup = [word("backup"), word("--store"), &store, word("--to"), &to];
    let restore = [word("restore"), word("--from"), &to, word("--store"), &store];
    let (is_done, told) = server(&backup);
    assert!(!is_done && told.contains("there is no store"), "{told}");
    let (open, _) = RocksStorage::open(&store, Box::new(|| {})).expect("a new store opens");
    let (is_done, told) = server(&backup);
    assert!(!is_done && told.contains("is in use"), "{told}");
    drop(open);
    let (is_done, told) = server(&backup);
    assert!(is_done && told.contains("is whole: epoch 1"), "{told}");
    let (is_done, told) = server(&restore);
    assert!(!is_done && told.contains("mv "), "{told}");
    fs::rename(&store, folder.path().join("store.old")).expect("it is moved away");
    let (is_done, told) = server(&restore);
    assert!(is_done && told.contains("nothing that was on disk is known to be lost"), "{told}");
    let (_, opened) = RocksStorage::open(&store, Box::new(|| {})).expect("it is served");
    assert_eq!(opened.store_epoch, 2 + RESTORED_EPOCHS);
}
