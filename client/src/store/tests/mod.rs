//! Tests of the local store, one file per promise.

mod account;
mod claims;
mod contacts;
mod files;
mod groups;
mod inbox;
mod message_sessions;
mod outbox;
mod receipts;
mod servers;
mod settings;

use bytes::Bytes;
use tempfile::TempDir;
use wire::message::Announcement;
use wire::{LogId, MessageSession, Number, Origin};

use super::{DataDirectory, OutboxId, SealedPost, SessionPart, Store, StoreError};
use crate::crypto::grant::Secret;
use crate::crypto::test_keys::name;

/// The message session that the tests' posts are sealed in.
const SESSION: MessageSession = MessageSession(1);

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

fn part(part: u16) -> SessionPart {
    let announcement = Announcement::new(Bytes::from("announced")).expect("short");
    SessionPart { part, roster_version: 0, announcement, secret: Secret::new([9; 32]) }
}

/// Begins [`SESSION`], which nobody is granted.
fn begin(store: &mut Store) {
    store.begin_message_session(&log(), SESSION, b"ratchet", &part(0), &[]).expect("keeps");
}

/// Seals a draft in [`SESSION`].
fn seal(
    store: &mut Store,
    id: OutboxId,
    n: u64,
    body: &Bytes,
    hash: &[u8; 32],
) -> Result<(), StoreError> {
    let body = body.clone();
    let post = SealedPost { id, number: number(n), message_session: SESSION, body };
    store.seal_draft(&log(), &post, hash, b"turned")
}
