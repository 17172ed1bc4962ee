//! A slot is served by one server at a time, whatever becomes of the map and of who moves it.

use std::collections::{BTreeMap, BTreeSet};

use wire::{Instant, LogId, ServerId};

use super::{Fact, Ledger, Property};

/// Which logs each server that runs serves.
#[derive(Default)]
pub(super) struct Served(BTreeMap<ServerId, BTreeSet<LogId>>);

impl Property for Served {
    fn name(&self) -> &'static str {
        "a slot is served by one server at a time"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Died { server } => {
                self.0.remove(server);
            }
            Fact::Serves { server, logs } => {
                let logs: BTreeSet<LogId> = logs.iter().copied().collect();
                let others = self.0.iter().filter(|(other, _)| *other != server);
                for (other, theirs) in others {
                    if let Some(log) = theirs.intersection(&logs).next() {
                        return Err(format!("{server} and {other} serve {log}"));
                    }
                }
                self.0.insert(*server, logs);
            }
            _ => {}
        }
        Ok(())
    }
}
