//! No server raises an alarm: an alarm says that something happened that never may.
//!
//! One has another cause, too: an entry was pushed to its reader, who has it, and its home died
//! before its batch was synced. The reader is ahead of the log then, and nothing is wrong.

use std::collections::BTreeSet;

use server::core::Alarm;
use server::core::log::AlarmCause;
use wire::{Instant, ServerId};

use super::{Fact, Ledger, Property};

#[derive(Default)]
pub(super) struct Alarms {
    /// Servers that have died.
    died: BTreeSet<ServerId>,
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
            Fact::Alarm { server, alarm } => Err(format!("{server}: {alarm}")),
            _ => Ok(()),
        }
    }
}
