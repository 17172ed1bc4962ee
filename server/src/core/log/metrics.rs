//! What the logs count, and what they hold now.

/// Counters since the start, and gauges computed from real sizes when asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogMetrics {
    /// Entries appended.
    pub appended: u64,
    /// Entries whose batch became durable.
    pub committed: u64,
    /// Entries that were seen before they were written, and never are.
    pub unwritten: u64,
    /// Posts answered from their row because they were sent again.
    pub repeated: u64,
    /// Posts rejected for good: full mailbox, full share of it, bad number.
    pub rejected: u64,
    /// Posts answered `Expected`.
    pub expected: u64,
    /// Posts answered `Conflict`.
    pub conflicts: u64,
    /// Posts answered `Busy`.
    pub busy: u64,
    /// Entries pushed to servers with attached readers, once per server.
    pub pushed: u64,
    /// Statements appended to groups.
    pub statements: u64,
    /// Grants of readers taken.
    pub grants: u64,
    /// Rows looked at because nobody may need their grants any more.
    pub swept: u64,
    /// Entries of groups that expired before every member had received them.
    pub expired: u64,
    /// Sessions dismissed because their account is a member no more.
    pub dismissed: u64,
    /// Range replies from the tail alone.
    pub ranges_from_tail: u64,
    /// Range replies that read the store.
    pub ranges_from_store: u64,
    /// Logs read from the store.
    pub logs_loaded: u64,
    /// Idle logs dropped from memory.
    pub logs_dropped: u64,
    /// Alarms raised.
    pub alarms: u64,
    /// Gauge: logs in memory.
    pub logs: u64,
    /// Gauge: readers attached.
    pub readers: u64,
    /// Gauge: operations that wait for cold state.
    pub waiting: u64,
    /// Gauge: bytes of posts that wait for cold state or are not durable yet.
    pub pending_len: u64,
    /// Gauge: bytes in tails.
    pub tails_len: u64,
}
