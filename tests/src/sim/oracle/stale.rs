//! What is stale changes nothing: epochs, rows and cursors on disk never go back.

use std::collections::BTreeMap;

use storage::Change;
use wire::{Instant, LogId, Name, Number, Origin, Seq, SessionEpoch};

use super::{Fact, Ledger, Property};

type RowKey = (LogId, Name, Origin);

#[derive(Default)]
pub(super) struct Stale {
    sessions: BTreeMap<Name, (SessionEpoch, SessionEpoch)>,
    rows: BTreeMap<RowKey, (SessionEpoch, Number)>,
    /// The highest number in each log.
    appended: BTreeMap<RowKey, Number>,
    cursors: BTreeMap<(LogId, Name), Seq>,
}

impl Stale {
    fn check(&mut self, change: &Change, ledger: &Ledger) -> Result<(), String> {
        match change {
            Change::PutSession { name, session } => {
                let next = (session.epoch_reserved, session.epoch);
                let last = self.sessions.insert(*name, next).unwrap_or_default();
                if next.0 < last.0 || next.1 < last.1 || next.1 > next.0 {
                    return Err(format!("{name}'s session: {next:?} after {last:?}"));
                }
            }
            Change::PutRow { log, sender, origin, row } => {
                let key = (*log, *sender, *origin);
                let next = (row.epoch, row.settled);
                let last = self.rows.insert(key, next).unwrap_or_default();
                if next.0 < last.0 || next.1 < last.1 {
                    return Err(format!("row of {sender} in {log}: {next:?} after {last:?}"));
                }
                // Rejections may be forgotten, entries may not.
                let appended = self.appended.get(&key).copied().unwrap_or_default();
                if row.last < appended {
                    let last = row.last;
                    return Err(format!("row of {sender} in {log}: {last:?}, not {appended:?}"));
                }
            }
            Change::Append { log, entry } => {
                let key = (*log, entry.sender, entry.origin);
                let appended = self.appended.entry(key).or_default();
                *appended = (*appended).max(entry.number);
            }
            Change::PutCursor { log, reader, cursor } => {
                let last = self.cursors.insert((*log, *reader), cursor.cursor).unwrap_or_default();
                // Cursors of former members do not count.
                if cursor.cursor < last && ledger.reads(*reader, *log) {
                    return Err(format!("cursor of {reader} in {log}: {cursor:?} after {last:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Property for Stale {
    fn name(&self) -> &'static str {
        "what is stale changes nothing"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        let Fact::Committed { batch, .. } = fact else { return Ok(()) };
        batch.changes.iter().try_for_each(|change| self.check(change, ledger))
    }
}
