//! No entry is on a disk before the row that answers for it: they are written together, unless the
//! row knew its number before.

use std::collections::BTreeMap;

use storage::{Batch, Change};
use wire::{Instant, LogId, Name, Number, Origin};

use super::{Fact, Ledger, Property};

/// The highest number that each row on disk knows.
#[derive(Default)]
pub(super) struct Batches(BTreeMap<(LogId, Name, Origin), Number>);

impl Batches {
    fn commit(&mut self, batch: &Batch) -> Result<(), String> {
        for change in &batch.changes {
            if let Change::PutRow { log, sender, origin, row } = change {
                let known = self.0.entry((*log, *sender, *origin)).or_default();
                *known = (*known).max(row.last);
            }
        }
        for change in &batch.changes {
            // Statements have no row.
            if let Change::Append { log, entry } = change
                && entry.number != Number::NONE
            {
                let place = (*log, entry.sender, entry.origin);
                let known = self.0.get(&place).copied().unwrap_or_default();
                if known < entry.number {
                    let number = entry.number;
                    return Err(format!(
                        "{number:?} of {place:?} is written, its row is {known:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Property for Batches {
    fn name(&self) -> &'static str {
        "an entry is written with its row"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Committed { batch, .. } => self.commit(batch),
            _ => Ok(()),
        }
    }
}
