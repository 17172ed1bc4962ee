//! Reads RocksDB's settings back from the store's folder.

use std::fs;
use std::path::Path;

use storage::RocksStorage;

/// `key=value` lines of the newest OPTIONS file, by section.
fn options(folder: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder exists")
        .map(|file| file.expect("it is listed").file_name().into_string().expect("ASCII"))
        .filter(|name| name.starts_with("OPTIONS-"))
        .collect();
    files.sort();
    let newest = files.last().expect("the store has an OPTIONS file");
    fs::read_to_string(folder.join(newest)).expect("it is text")
}

fn section<'a>(options: &'a str, title: &str) -> Vec<&'a str> {
    let mut lines = options.lines().map(str::trim);
    lines.find(|line| *line == title).unwrap_or_else(|| panic!("no section {title}"));
    lines.take_while(|line| !line.starts_with('[')).collect()
}

fn assert_set(lines: &[&str], expected: &[&str]) {
    for line in expected {
        assert!(lines.contains(line), "{line} is not set");
    }
}

fn with_options(check: impl FnOnce(&str)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The second opening, of a store that exists, sets the same.
    for _ in 0..2 {
        drop(
            RocksStorage::open(&folder.path().join("store"), Box::new(|| {}))
                .expect("the store opens"),
        );
    }
    check(&options(&folder.path().join("store")));
}

#[test]
fn database_keeps_what_it_synced() {
    with_options(|options| {
        let expected = [
            "manual_wal_flush=false",
            "recycle_log_file_num=0",
            "wal_bytes_per_sync=0",
            "wal_recovery_mode=kPointInTimeRecovery",
            "paranoid_checks=true",
            "track_and_verify_wals_in_manifest=true",
            "use_fsync=false",
            "unordered_write=false",
            "enable_pipelined_write=false",
            "allow_mmap_writes=false",
            "best_efforts_recovery=false",
            // What is shown, and counted in the watermark, is synced.
            "two_write_queues=false",
            "avoid_flush_during_recovery=false",
            // New ways to open or make files, each with less time on its bugs than the old one.
            "async_wal_precreate=false",
            "background_close_inactive_wals=false",
            "reuse_manifest_on_open=false",
            "fast_sst_open=false",
            "open_files_async=false",
        ];
        assert_set(&section(options, "[DBOptions]"), &expected);
    });
}

#[test]
fn database_checks_what_it_reads_and_writes() {
    with_options(|options| {
        let expected = [
            "verify_sst_unique_id_in_manifest=true",
            "flush_verify_memtable_count=true",
            "compaction_verify_record_count=true",
            "enforce_single_del_contracts=true",
        ];
        assert_set(&section(options, "[DBOptions]"), &expected);
    });
}

#[test]
fn database_is_bounded() {
    with_options(|options| {
        let expected = [
            "max_total_wal_size=268435456",
            "db_write_buffer_size=134217728",
            "max_open_files=256",
            "max_log_file_size=4194304",
            "keep_log_file_num=4",
            "max_background_jobs=2",
            "WAL_ttl_seconds=0",
            "WAL_size_limit_MB=0",
        ];
        assert_set(&section(options, "[DBOptions]"), &expected);
    });
}

#[test]
fn every_family_is_set() {
    let families = [
        "accounts",
        "sessions",
        "bundles",
        "entries",
        "rows",
        "cursors",
        "index",
        "groups",
        "statements",
        "announcements",
        "grants",
        "key_logs",
        "notes",
        "answered",
        "blobs",
        "chunks",
        "meta",
    ];
    with_options(|options| {
        let titles = options.lines().filter(|line| line.starts_with("[CFOptions"));
        assert_eq!(titles.count(), families.len() + 1, "ours, and RocksDB's default");
        for family in families {
            let lines = section(options, &format!("[CFOptions \"{family}\"]"));
            let buffer = match family {
                "entries" => "write_buffer_size=67108864",
                _ => "write_buffer_size=16777216",
            };
            let separate = match family {
                "chunks" => "enable_blob_files=true",
                _ => "enable_blob_files=false",
            };
            let expected =
                ["compression=kNoCompression", "max_write_buffer_number=2", buffer, separate];
            assert_set(&lines, &expected);
            let title = format!("[TableOptions/BlockBasedTable \"{family}\"]");
            let lines = section(options, &title);
            assert_set(
                &lines,
                &["cache_index_and_filter_blocks=true", "filter_policy=bloomfilter"],
            );
        }
    });
}

#[test]
fn chunks_stand_apart() {
    with_options(|options| {
        let expected = [
            "min_blob_size=4096",
            "blob_compression_type=kNoCompression",
            "enable_blob_garbage_collection=true",
            "blob_garbage_collection_force_threshold=0.500000",
        ];
        assert_set(&section(options, "[CFOptions \"chunks\"]"), &expected);
    });
}
