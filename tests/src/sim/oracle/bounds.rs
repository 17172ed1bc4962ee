//! Everything that waits is bounded.

use server::core::log::LogLimits;
use wire::Instant;
use wire::limits::{
    BODY_LEN_MAX, CHUNKS_PENDING_MAX, EXCHANGES_MAX, NOTES_MAX, UNSEEN_BYTES_SCARCE,
};

use super::{Fact, Ledger, Property};
use crate::sim::plan::Plan;
use crate::sim::server::{log_limits, unseen_max};

pub(super) struct Bounds {
    limits: LogLimits,
    sessions_max: u64,
    /// Each session may be sent a little above the common bound, or one entry.
    unseen_max: u64,
}

impl Bounds {
    pub(super) fn new(plan: &Plan) -> Self {
        let limits = log_limits(plan.is_tiny);
        let each = (UNSEEN_BYTES_SCARCE + BODY_LEN_MAX) * (plan.groups + 1) * plan.installations;
        let unseen_max = unseen_max(plan.is_tiny) + each;
        let unseen_max = u64::try_from(unseen_max).expect("small");
        Self { limits, sessions_max: u64::from(plan.sessions_max), unseen_max }
    }
}

impl Property for Bounds {
    fn name(&self) -> &'static str {
        "queues are under their bounds"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        let Fact::Measured { server, metrics, .. } = fact else { return Ok(()) };
        let count = |max: usize| u64::try_from(max).expect("a small constant");
        let (limits, log) = (&self.limits, &metrics.log);
        // What is not durable is kept whatever it takes; it is bounded by `pending_len_max`.
        let tails = limits.tails_len_max + limits.pending_len_max + BODY_LEN_MAX;
        let bounds = [
            // What cannot be refused has twice the room.
            ("operations that wait for cold state", log.waiting, count(2 * limits.waiting_max)),
            ("bytes that are not durable", log.pending_len, count(limits.pending_len_max)),
            ("bytes in tails", log.tails_len, count(tails)),
            ("questions to homes", metrics.exchanges, count(EXCHANGES_MAX)),
            ("accounts being noted", metrics.noting, count(NOTES_MAX)),
            ("bytes of chunks", metrics.chunks_pending_len, count(CHUNKS_PENDING_MAX)),
            ("reads", metrics.reads, count(storage::READS_MAX)),
            ("bytes that sessions have not seen", metrics.unseen_len, self.unseen_max),
            ("sessions", metrics.sessions, self.sessions_max),
        ];
        match bounds.iter().find(|(_, held, max)| held > max) {
            Some((what, held, max)) => Err(format!("{server} holds {held} {what}, at most {max}")),
            None => Ok(()),
        }
    }
}
