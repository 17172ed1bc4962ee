//! What the logs count, and what they hold now.

use operate::metrics;

metrics! {
    /// Counters since the start, and gauges computed from real sizes when asked for.
    pub struct LogMetrics {
        /// Entries appended.
        appended: Counter,
        /// Entries whose batch became durable.
        committed: Counter,
        /// Entries that were seen before they were written, and never are.
        unwritten: Counter,
        /// Posts answered from their row because they were sent again.
        repeated: Counter,
        /// Posts rejected for good: full mailbox, full share of it, bad number.
        rejected: Counter,
        /// Posts answered `Expected`.
        expected: Counter,
        /// Posts answered `Conflict`.
        conflicts: Counter,
        /// Posts answered `Busy`.
        busy: Counter,
        /// Entries pushed to servers with attached readers, once per server.
        pushed: Counter,
        /// Statements appended to groups.
        statements: Counter,
        /// Grants of readers taken.
        grants: Counter,
        /// Rows looked at because nobody may need their grants any more.
        swept: Counter,
        /// Entries of groups that expired before every member had received them.
        expired: Counter,
        /// Sessions dismissed because their account is a member no more.
        dismissed: Counter,
        /// Range replies from the tail alone.
        ranges_from_tail: Counter,
        /// Range replies that read the store.
        ranges_from_store: Counter,
        /// Logs read from the store.
        logs_loaded: Counter,
        /// Idle logs dropped from memory.
        logs_dropped: Counter,
        /// Alarms raised.
        alarms: Counter,
        /// Logs in memory.
        logs: Gauge,
        /// Readers attached.
        readers: Gauge,
        /// Operations that wait for cold state.
        waiting: Gauge,
        /// Bytes of posts that wait for cold state or are not durable yet.
        pending_len: Bytes,
        /// Bytes in tails.
        tails_len: Bytes,
    }
}
