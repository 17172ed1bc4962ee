//! Nothing is deleted before its readers have it; a group's entries may expire by its rules.

use std::time::Duration;

use server::core::log::LogLimits;
use storage::Change;
use wire::{Instant, LogId, LogKind, Name, Seq};

use super::ledger::Membership;
use super::{Fact, Ledger, Property};
use crate::sim::plan::Plan;
use crate::sim::server::log_limits;

pub(super) struct Deletion {
    limits: LogLimits,
    /// Clocks are set by up to this: retention may end early or late by it.
    has_retention: bool,
}

impl Deletion {
    pub(super) fn new(plan: &Plan) -> Self {
        let limits = log_limits(plan.is_tiny);
        let has_retention = limits.group_retention > Duration::from_secs(24 * 3600);
        Self { limits, has_retention }
    }

    fn check(&self, log: LogId, upto: Seq, ledger: &Ledger) -> Result<(), String> {
        let last = ledger.written.range((log, Seq(0))..=(log, upto)).next_back();
        let Some(((_, last), _)) = last else { return Ok(()) };
        if log.kind == LogKind::Mailbox {
            let cursor = ledger.cursor(log.name, log);
            if cursor < *last {
                return Err(format!("{log} up to {upto:?}; its reader has {cursor:?}"));
            }
            return Ok(());
        }
        let Some(members) = ledger.members.get(&log.name) else { return Ok(()) };
        let has = |(name, member): &(&Name, &Membership)| {
            ledger.cursor(**name, log).max(member.joined) >= *last
        };
        let behind = members.iter().find(|member| !has(member));
        match behind {
            Some((name, _)) if self.has_retention && !self.is_crowded(log, ledger) => {
                Err(format!("{log} up to {upto:?}; {name} does not have that"))
            }
            _ => Ok(()),
        }
    }

    /// The group holds so much that its oldest entries go.
    fn is_crowded(&self, log: LogId, ledger: &Ledger) -> bool {
        let before = ledger.truncated.get(&log).copied().unwrap_or_default();
        let held = ledger.written.range((log, before)..=(log, Seq(u64::MAX)));
        let (mut entries, mut len) = (0, 0);
        for (_, written) in held {
            entries += 1;
            len += written.len;
        }
        entries > self.limits.group_entries_max || len > self.limits.group_bytes_max
    }
}

impl Property for Deletion {
    fn name(&self) -> &'static str {
        "nothing is deleted before it was received"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        let Fact::Submitted { batch, .. } = fact else { return Ok(()) };
        batch.changes.iter().try_for_each(|change| match change {
            Change::Truncate { log, upto } => self.check(*log, *upto, ledger),
            _ => Ok(()),
        })
    }
}
