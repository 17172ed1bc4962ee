//! What the core counts, and what it holds now.

use operate::metrics;

use super::log::LogMetrics;

metrics! {
    /// Counters since the start, and gauges computed from real sizes when asked for.
    pub struct Metrics {
        /// Connections that stood: clients, peers and routers.
        conns_opened: Counter,
        /// Connections that ended.
        conns_closed: Counter,
        /// Connections that stand.
        conns: Gauge,
        /// Clients among them.
        clients: Gauge,
        /// Connections closed because the other side did not read.
        slow_readers: Counter,
        /// Connections whose bytes could not be cut into frames, or were too many before sign-in.
        bad_streams: Counter,
        /// Frames handled.
        frames: Counter,
        /// Faults sent to clients.
        faults: Counter,
        /// Clients closed because they did not sign in in time.
        early_timeouts: Counter,
        /// Clients closed because they did not answer pings.
        idle_timeouts: Counter,
        /// Accounts made.
        sign_ups: Counter,
        /// Sign-ins granted: with the password.
        sign_ins: Counter,
        /// Sessions restored with a token.
        resumes: Counter,
        /// Sign-ups, sign-ins and resumes that were refused.
        refusals: Counter,
        /// Sign-ins refused because of too many guesses.
        guesses_refused: Counter,
        /// Sessions that began at this seat.
        sessions_begun: Counter,
        /// Sessions that ended at this seat.
        sessions_ended: Counter,
        /// Sessions that were told to go elsewhere, because this server is emptied.
        moved: Counter,
        /// Sessions for which this seat did nothing more: the lease from their home was over, or
        /// they signed out.
        fenced: Counter,
        /// Those of them that went on when their home had said so.
        unfenced: Counter,
        /// Sessions at this seat.
        sessions: Gauge,
        /// Posts relayed to their homes.
        posts: Counter,
        /// Posts that found no room at this seat.
        posts_busy: Counter,
        /// Posts dropped because their home could not be reached.
        posts_dropped: Counter,
        /// Entries sent to clients.
        delivered: Counter,
        /// Bytes of entries that sessions were sent and have not seen.
        unseen_len: Bytes,
        /// Times that a session fell behind.
        behind: Counter,
        /// Times that a client was not read for a while because it posted too fast.
        pauses: Counter,
        /// Questions that a home did not answer in time.
        unanswered: Counter,
        /// Questions that wait for their home.
        exchanges: Gauge,
        /// Links to peers that came up.
        links_up: Counter,
        /// Links to peers that were lost.
        links_lost: Counter,
        /// Times that the write queue of a link to a peer crossed its high mark.
        links_full: Counter,
        /// Peers that were turned away for the store that they showed: an old copy, or another.
        peers_superseded: Counter,
        /// Messages to a server without a link.
        unsent: Counter,
        /// Links that are up.
        links: Gauge,
        /// Version of the slot map in force.
        map_version: Gauge,
        /// Routers that hear this server's reports.
        routers: Gauge,
        /// Accounts in memory: those of this home that are in use now, not all that it has.
        accounts: Gauge,
        /// Uploads begun at this home.
        blobs_begun: Counter,
        /// Uploads whose last chunk was taken.
        blobs_completed: Counter,
        /// Blobs deleted because their time was over.
        blobs_expired: Counter,
        /// Chunks taken.
        chunks_put: Counter,
        /// Chunks given to clients.
        chunks_fetched: Counter,
        /// Questions about blobs that were refused.
        blob_refusals: Counter,
        /// Records of blobs in memory, and one more for each account they are of.
        blob_records: Gauge,
        /// Questions that wait for their account's blobs to be read.
        blob_waiting: Gauge,
        /// Bytes of chunks that are not durable yet.
        chunks_pending_len: Bytes,
        /// Chunks that are being read.
        chunk_reads: Gauge,
        /// Accounts whose notes of groups are being read or written.
        noting: Gauge,
        /// Batches committed, each with one sync.
        commits: Counter,
        /// Reads of the storage that wait.
        reads: Gauge,
        /// Timers that are armed.
        timers: Gauge,
        /// Slots that have moved from here to another server.
        slots_given: Counter,
        /// Slots that have come here from another server.
        slots_taken: Counter,
        /// Moves of slots from here that came to nothing, and are tried again.
        moves_ended: Counter,
        /// Alarms raised.
        alarms: Counter,
    }
    with {
        /// What the logs count.
        log: LogMetrics,
    }
}
