//! What only the engine's inside shows: syncs, settings, locks, folders it must not touch.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::open;
use super::writer::Writer;
use crate::op::Batch;

#[test]
fn every_commit_is_one_synced_write() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (tables, _) = open::open(folder.path()).expect("a new store opens");
    let tables = Arc::new(tables);
    let mut writer = Writer::new(Arc::clone(&tables), Arc::new(AtomicU64::new(0)));
    for _ in 0..5 {
        writer.commit(&Batch::default()).expect("a batch commits");
    }
    let statistics = tables.statistics();
    // The sixth raised the epoch.
    assert!(
        statistics.contains("Cumulative WAL: 6 writes, 6 syncs"),
        "{statistics}"
    );
}
