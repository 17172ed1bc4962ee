//! No server raises an alarm: an alarm says that something happened that never may.
//!
//! One has another cause, too: an entry was pushed to its reader, who has it, and its home died
//! before its batch was synced. The reader is ahead of the log then, and nothing is wrong.

use std::collections::BTreeSet;

use server::core::Alarm;
use server::core::log::AlarmCause;
use wire::{Instant, ServerId};

use super::{Fact, Ledger, Property};
use crate::sim::plan::Plan;

pub(super) struct Alarms {
    /// Honest seats send more than the tiny bounds have room for.
    is_tiny: bool,
    /// Servers that have died.
    died: BTreeSet<ServerId>,
}

impl Alarms {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { is_tiny: plan.is_tiny, died: BTreeSet::new() }
    }
}

impl Property for Alarms {
    fn name(&self) -> &'static str {
        "no alarms"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Died { server } => {
                self.died.insert(*server);
                Ok(())
            }
            Fact::Alarm { server, alarm: Alarm::Log(alarm) }
                if alarm.cause == AlarmCause::CursorAboveHead && self.died.contains(server) =>
            {
                Ok(())
            }
            Fact::Alarm { alarm: Alarm::Log(alarm), .. }
                if self.is_tiny && alarm.cause == AlarmCause::WaitingOverflow =>
            {
                Ok(())
            }
            Fact::Alarm { server, alarm } => Err(format!("{server}: {alarm}")),
            _ => Ok(()),
        }
    }
}
