//! Tests of the local store, one file per promise.

mod account;
mod contacts;
mod files;
mod groups;
mod inbox;
mod outbox;
mod settings;

use tempfile::TempDir;
use wire::{LogId, Number, Origin};

use super::{DataDirectory, Store};
use crate::crypto::test_keys::name;

/// A data directory and its key directory, both gone after the test.
struct Place {
    data: TempDir,
    keys: TempDir,
}

impl Place {
    fn new() -> Self {
        let make = || tempfile::tempdir().expect("a temporary directory");
        Self { data: make(), keys: make() }
    }

    fn directory(&self) -> DataDirectory {
        DataDirectory::open_with_keys(self.data.path(), self.keys.path()).expect("opens")
    }

    fn open(&self) -> Store {
        Store::open(&self.directory()).expect("opens")
    }

    /// Everything in the data directory, one file after the other.
    fn bytes(&self) -> Vec<u8> {
        let entries = std::fs::read_dir(self.data.path()).expect("lists");
        let paths = entries.map(|entry| entry.expect("lists").path());
        paths.flat_map(|path| std::fs::read(path).expect("reads")).collect()
    }

    fn holds(&self, needle: &[u8]) -> bool {
        self.bytes().windows(needle.len()).any(|window| window == needle)
    }
}

fn log() -> LogId {
    LogId::mailbox(name("bob"))
}

fn number(number: u64) -> Number {
    Number::new(number).expect("in range")
}

fn origin(byte: u8) -> Origin {
    Origin([byte; 16])
}
