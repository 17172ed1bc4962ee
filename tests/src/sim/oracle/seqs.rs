//! A seq is given once: to one entry of one log of one store, also after a crash.

use std::collections::BTreeMap;

use storage::Change;
use wire::{Instant, LogId, Seq, ServerId};

use super::ledger::place_of;
use super::{Fact, Ledger, Place, Property};

#[derive(Default)]
pub(super) struct Seqs {
    /// By log: what readers and disks were given.
    given: BTreeMap<(LogId, Seq), Place>,
    /// By store.
    logs: BTreeMap<(ServerId, Seq), LogId>,
}

impl Seqs {
    fn give(&mut self, log: LogId, seq: Seq, place: Place) -> Result<(), String> {
        let first = *self.given.entry((log, seq)).or_insert(place);
        if first == place {
            return Ok(());
        }
        Err(format!("{log} {seq:?} is {first:?} and {place:?}"))
    }
}

impl Property for Seqs {
    fn name(&self) -> &'static str {
        "a seq is given once"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Submitted { server, batch } => {
                for change in &batch.changes {
                    let Change::Append { log, entry } = change else { continue };
                    self.give(*log, entry.seq, place_of(*log, entry))?;
                    let first = *self.logs.entry((*server, entry.seq)).or_insert(*log);
                    if first != *log {
                        return Err(format!("{server} gives {:?} to {first} and {log}", entry.seq));
                    }
                }
                Ok(())
            }
            Fact::Kept { log, items, .. } => items.iter().try_for_each(|item| {
                self.give(*log, item.seq, (item.sender, item.origin, *log, item.number))
            }),
            _ => Ok(()),
        }
    }
}
