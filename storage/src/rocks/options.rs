//! RocksDB's settings. What could lose or reorder what was synced is off; what could grow is
//! bounded. A test reads them back from the store's OPTIONS file.

use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel,
    Options, WriteOptions,
};

use crate::key::Family;

const MIB: usize = 1024 * 1024;

/// Memory for blocks read from files, indexes and filters among them.
const BLOCK_CACHE_LEN: usize = 64 * MIB;
/// Open files; below the usual limit of 1,024 per process, with room for connections.
const OPEN_FILES_MAX: i32 = 256;
/// Values from this length on stand in files of their own: chunks of blobs, but for short last
/// ones.
const SEPARATE_LEN_MIN: u64 = 4 * 1024;
/// Share of garbage in the oldest quarter of the chunks' files above which they are rewritten.
const GARBAGE_MAX: f64 = 0.5;
/// A file is compacted when, of so many keys in a row, this many are deletions: what is deleted
/// makes room, and nobody walks over it, though nothing new is written.
const DELETIONS: (usize, usize) = (256, 128);
/// RocksDB's own text log.
const INFO_LOG_LEN_MAX: usize = 4 * MIB;
const INFO_LOGS_MAX: usize = 4;
/// One byte of ten bits per key answers most questions for a key that is not there.
const FILTER_BITS_PER_KEY: f64 = 10.0;

/// When the engine does what it does now and then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sizing {
    /// Memory of all write buffers: a flush starts above it.
    pub write_buffers_len_max: usize,
    /// Memory of the buffer that takes the entries, the largest records.
    pub entries_buffer_len: usize,
    /// Memory of every other family's buffer.
    pub buffer_len: usize,
    /// Write-ahead log in all: also what a restart reads again.
    pub wal_len_max: u64,
    /// How often the watermark is synced.
    pub watermark_every: Duration,
}

impl Sizing {
    /// What a server runs with.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            write_buffers_len_max: 128 * MIB,
            entries_buffer_len: 64 * MIB,
            buffer_len: 16 * MIB,
            wal_len_max: 256 * 1024 * 1024,
            watermark_every: Duration::from_secs(1),
        }
    }

    /// What tests of crashes run with: flushes, new write-ahead logs, compactions and watermarks
    /// come within a few hundred commits.
    #[must_use]
    pub const fn tiny() -> Self {
        Self {
            write_buffers_len_max: MIB,
            entries_buffer_len: 64 * 1024,
            buffer_len: 64 * 1024,
            wal_len_max: 256 * 1024,
            watermark_every: Duration::from_millis(5),
        }
    }
}

/// The settings of the whole database.
pub(super) fn database(sizing: &Sizing) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    set_durable(&mut options);
    set_bounded(&mut options, sizing);
    options
}

/// The settings for a look into a database that is not to be changed.
pub(super) fn reading() -> Options {
    let mut options = Options::default();
    set_durable(&mut options);
    options
}

/// The settings of each family, the default one that RocksDB insists on among them.
pub(super) fn families(sizing: &Sizing) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_LEN);
    let name = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
    let mut families = vec![ColumnFamilyDescriptor::new(name, family(&cache, sizing.buffer_len))];
    families.extend(Family::ALL.map(|each| {
        let buffer_len = match each {
            Family::Entries => sizing.entries_buffer_len,
            _ => sizing.buffer_len,
        };
        let mut options = family(&cache, buffer_len);
        if each == Family::Chunks {
            set_separate(&mut options);
        }
        if matches!(each, Family::Announcements | Family::Grants | Family::Blobs | Family::Chunks) {
            let (window, deletions) = DELETIONS;
            options.add_compact_on_deletion_collector_factory(window, deletions, 0.0);
        }
        ColumnFamilyDescriptor::new(each.name(), options)
    }));
    families
}

/// Keeps large values out of the sorted files, which compactions write again and again.
fn set_separate(options: &mut Options) {
    options.set_enable_blob_files(true);
    options.set_min_blob_size(SEPARATE_LEN_MIN);
    options.set_blob_compression_type(DBCompressionType::None);
    // Chunks written together expire together, but for unfinished uploads: most files go whole.
    options.set_enable_blob_gc(true);
    options.set_blob_gc_force_threshold(GARBAGE_MAX);
}

/// A write that returns after its sync.
pub(super) fn synced_write() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn set_durable(options: &mut Options) {
    options.set_paranoid_checks(true);
    // What was synced before a damage is kept, nothing after it: the log stays without holes.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A closed log that vanished or shrank is found at the next open.
    options.set_track_and_verify_wals_in_manifest(true);
    // Each of these three has lost or misread synced writes in some version.
    options.set_manual_wal_flush(false);
    options.set_recycle_log_file_num(0);
    options.set_wal_bytes_per_sync(0);
    // fdatasync writes the data and the length, which is all that reading needs.
    options.set_use_fsync(false);
    options.set_allow_mmap_writes(false);
    options.set_unordered_write(false);
    options.set_enable_pipelined_write(false);
}

fn set_bounded(options: &mut Options, sizing: &Sizing) {
    options.set_max_total_wal_size(sizing.wal_len_max);
    options.set_db_write_buffer_size(sizing.write_buffers_len_max);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_LEN_MAX);
    options.set_keep_log_file_num(INFO_LOGS_MAX);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
}

fn family(cache: &Cache, buffer_len: usize) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // Bodies are ciphertext: they do not shrink.
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(buffer_len);
    options.set_max_write_buffer_number(2);
    options.set_paranoid_checks(true);
    options
}
