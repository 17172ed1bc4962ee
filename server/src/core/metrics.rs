//! What the core counts, and what it holds now.

use std::fmt;

use super::log::LogMetrics;

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Counters since the start, and gauges computed from real sizes when asked for.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct Metrics {
            $($(#[$doc])* pub $field: u64,)*
            /// What the logs count.
            pub log: LogMetrics,
        }

        /// Every metric of the core itself as `name=value`, on one line.
        impl fmt::Display for Metrics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(write!(f, "{}={} ", stringify!($field), self.$field)?;)*
                write!(f, "{:?}", self.log)
            }
        }
    };
}

metrics! {
    /// Connections that stood: clients, peers and routers.
    conns_opened,
    /// Connections that ended.
    conns_closed,
    /// Gauge: connections that stand.
    conns,
    /// Gauge: clients among them.
    clients,
    /// Connections closed because the other side did not read.
    slow_readers,
    /// Connections whose bytes could not be cut into frames, or were too many before sign-in.
    bad_streams,
    /// Frames handled.
    frames,
    /// Faults sent to clients.
    faults,
    /// Clients closed because they did not sign in in time.
    early_timeouts,
    /// Clients closed because they did not answer pings.
    idle_timeouts,
    /// Accounts made.
    sign_ups,
    /// Sign-ins granted: with the password.
    sign_ins,
    /// Sessions restored with a token.
    resumes,
    /// Sign-ups, sign-ins and resumes that were refused.
    refusals,
    /// Sign-ins refused because of too many guesses.
    guesses_refused,
    /// Sessions that began at this seat.
    sessions_begun,
    /// Sessions that ended at this seat.
    sessions_ended,
    /// Sessions that were told to go elsewhere, because this server is emptied.
    moved,
    /// Sessions for which this seat did nothing more when the lease from their home was over.
    fenced,
    /// Those of them that went on when their home had said so.
    unfenced,
    /// Gauge: sessions at this seat.
    sessions,
    /// Posts relayed to their homes.
    posts,
    /// Posts that found no room at this seat.
    posts_busy,
    /// Posts dropped because their home could not be reached.
    posts_dropped,
    /// Entries sent to clients.
    delivered,
    /// Gauge: bytes of entries that sessions were sent and have not seen.
    unseen_len,
    /// Times that a session fell behind.
    behind,
    /// Times that a client was not read for a while because it posted too fast.
    pauses,
    /// Questions that a home did not answer in time.
    unanswered,
    /// Gauge: questions that wait for their home.
    exchanges,
    /// Links to peers that came up.
    links_up,
    /// Links to peers that were lost.
    links_lost,
    /// Messages to a server without a link.
    unsent,
    /// Gauge: links that are up.
    links,
    /// Gauge: accounts in memory.
    accounts,
    /// Uploads begun at this home.
    blobs_begun,
    /// Uploads whose last chunk was taken.
    blobs_completed,
    /// Blobs deleted because their time was over.
    blobs_expired,
    /// Chunks taken.
    chunks_put,
    /// Chunks given to clients.
    chunks_fetched,
    /// Questions about blobs that were refused.
    blob_refusals,
    /// Gauge: records of blobs in memory, and one more for each account they are of.
    blob_records,
    /// Gauge: questions that wait for their account's blobs to be read.
    blob_waiting,
    /// Gauge: bytes of chunks that are not durable yet.
    chunks_pending_len,
    /// Gauge: chunks that are being read.
    chunk_reads,
    /// Gauge: accounts whose notes of groups are being read or written.
    noting,
    /// Batches committed.
    commits,
    /// Gauge: reads of the storage that wait.
    reads,
    /// Gauge: timers that are armed.
    timers,
    /// Alarms raised.
    alarms,
}
