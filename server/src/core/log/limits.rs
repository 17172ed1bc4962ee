//! The bounds of a home's logs, from `wire::limits`, and a tiny set that makes the edges happen.

use std::time::Duration;

use wire::{Seq, limits};

/// Bounds of everything that grows in [`super::Logs`]. Bytes are bytes of bodies; where memory is
/// bounded (`tail`, `tails`, `pending`) each entry counts 128 bytes more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogLimits {
    /// Entries in one mailbox above its owner's cursor.
    pub mailbox_entries_max: u64,
    /// Bytes in one mailbox above its owner's cursor.
    pub mailbox_bytes_max: u64,
    /// Entries of one sender in one mailbox.
    pub sender_entries_max: u64,
    /// Bytes of one sender in one mailbox.
    pub sender_bytes_max: u64,
    /// Entries of one sender in one mailbox whose owner has not answered it.
    pub stranger_entries_max: u64,
    /// Entries of one group that are kept for members who have not received them.
    pub group_entries_max: u64,
    /// Bytes of one group that are kept.
    pub group_bytes_max: u64,
    /// How long entries of a group are kept.
    pub group_retention: Duration,
    /// Bytes of grants of one sender in one log.
    pub grants_len_max: u64,
    /// So many more for each member of a group.
    pub grants_len_per_member: u64,
    /// Accounts that have departed from one group and have still to read what was before.
    pub departed_max: usize,
    /// Bytes of one log's tail that are kept for readers; what is not durable is kept anyway.
    pub tail_len_max: usize,
    /// Bytes of all tails; above it a log keeps only what is not durable.
    pub tails_len_max: usize,
    /// Operations that may wait for one log's, or one row's, cold state.
    pub cold_waiting_max: usize,
    /// Operations that may wait for cold state in all.
    pub waiting_max: usize,
    /// Bytes of posts that wait for cold state or are not durable yet, in all.
    pub pending_len_max: usize,
    /// Reads of these logs that may be unanswered.
    pub reads_max: usize,
    /// Entries in one storage batch.
    pub batch_entries_max: usize,
    /// Bytes in one storage batch; one entry may exceed it.
    pub batch_len_max: usize,
    /// Entries in one range reply.
    pub range_entries_max: usize,
    /// Bytes in one range reply; one entry may exceed it.
    pub range_len_max: usize,
    /// Rows of one log in memory; above it those that nothing waits for are forgotten.
    pub rows_max: usize,
    /// Idle logs in memory, each counted as 1 + its entries + its rows.
    pub idle_weight_max: usize,
    /// How long an entry may wait for its reader before it is written.
    pub hold: Duration,
    /// Entries that may wait for their reader, in all.
    pub held_max: usize,
    /// Every entry is written, also one that its reader has seen before: for benches.
    pub stores_all: bool,
    /// Seqs of one store epoch; above half of them the next epoch is made durable.
    pub counter_max: u64,
}

impl LogLimits {
    /// What a post that is sent again may take: an eighth more of a mailbox.
    pub(super) fn for_post(&self, again: bool) -> Self {
        let more = |bound: u64| if again { bound.saturating_add(bound / 8) } else { bound };
        Self {
            mailbox_entries_max: more(self.mailbox_entries_max),
            mailbox_bytes_max: more(self.mailbox_bytes_max),
            sender_entries_max: more(self.sender_entries_max),
            sender_bytes_max: more(self.sender_bytes_max),
            stranger_entries_max: more(self.stranger_entries_max),
            ..*self
        }
    }

    /// What a server runs with.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            mailbox_entries_max: limits::MAILBOX_ENTRIES_MAX,
            mailbox_bytes_max: limits::MAILBOX_BYTES_MAX,
            sender_entries_max: limits::SENDER_ENTRIES_MAX,
            sender_bytes_max: limits::SENDER_BYTES_MAX,
            stranger_entries_max: limits::STRANGER_ENTRIES_MAX,
            group_entries_max: limits::GROUP_ENTRIES_MAX,
            group_bytes_max: limits::GROUP_BYTES_MAX,
            group_retention: limits::GROUP_RETENTION,
            grants_len_max: limits::GRANTS_LEN_MAX,
            grants_len_per_member: limits::GRANTS_LEN_PER_MEMBER,
            departed_max: limits::DEPARTED_MAX,
            tail_len_max: limits::TAIL_LEN_MAX,
            tails_len_max: 64 * limits::TAIL_LEN_MAX,
            cold_waiting_max: limits::COLD_WAITING_MAX,
            waiting_max: 16 * limits::COLD_WAITING_MAX,
            pending_len_max: 4 * limits::BATCH_LEN_MAX,
            reads_max: 16 * limits::COLD_WAITING_MAX,
            batch_entries_max: limits::BATCH_ENTRIES_MAX,
            batch_len_max: limits::BATCH_LEN_MAX,
            range_entries_max: limits::RANGE_ENTRIES_MAX,
            range_len_max: limits::RANGE_LEN_MAX,
            rows_max: 1024,
            idle_weight_max: 512 * 1024,
            hold: limits::SEEN_WAIT,
            held_max: limits::HELD_ENTRIES_MAX,
            stores_all: false,
            counter_max: Seq::COUNTER_MAX,
        }
    }

    /// What simulations and tests run with: every bound is reached within a few posts.
    #[must_use]
    pub const fn tiny() -> Self {
        Self {
            mailbox_entries_max: 12,
            mailbox_bytes_max: 160,
            sender_entries_max: 8,
            sender_bytes_max: 120,
            stranger_entries_max: 8,
            group_entries_max: 24,
            group_bytes_max: 6_000,
            group_retention: Duration::from_secs(60),
            grants_len_max: 12_000,
            grants_len_per_member: 2_000,
            departed_max: 2,
            tail_len_max: 500,
            tails_len_max: 900,
            cold_waiting_max: 4,
            waiting_max: 8,
            pending_len_max: 1_300,
            reads_max: 6,
            batch_entries_max: 3,
            batch_len_max: 40,
            range_entries_max: 3,
            range_len_max: 40,
            rows_max: 2,
            idle_weight_max: 4,
            hold: Duration::from_millis(5),
            held_max: 3,
            stores_all: false,
            counter_max: 20,
        }
    }
}

const _: () = assert!(LogLimits::standard().reads_max <= storage::READS_MAX / 2);
const _: () = assert!(
    LogLimits::standard().pending_len_max >= 2 * LogLimits::standard().batch_len_max,
    "the next batch gathers while one is in flight"
);
