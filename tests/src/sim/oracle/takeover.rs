//! A session that another one has taken over acknowledges nothing any more: a mailbox's cursor is
//! what sessions said while they were the newest.

use std::collections::BTreeMap;

use storage::Change;
use wire::{Instant, LogId, LogKind, Name, Seq, SessionEpoch};

use super::{Fact, Ledger, Property};

#[derive(Default)]
pub(super) struct Takeover {
    /// The newest session of each account, by what is durable.
    newest: BTreeMap<Name, SessionEpoch>,
    /// The session of each installation.
    sessions: BTreeMap<usize, SessionEpoch>,
    said: BTreeMap<LogId, Seq>,
}

impl Takeover {
    fn say(&mut self, client: usize, log: LogId, upto: Seq) {
        let newest = self.newest.get(&log.name).copied().unwrap_or_default();
        let own = self.sessions.get(&client).copied().unwrap_or_default();
        if log.kind == LogKind::Mailbox && own >= newest {
            let said = self.said.entry(log).or_default();
            *said = (*said).max(upto);
        }
    }

    fn check(&self, log: LogId, cursor: Seq) -> Result<(), String> {
        let said = self.said.get(&log).copied().unwrap_or_default();
        if log.kind == LogKind::Group || cursor <= said {
            return Ok(());
        }
        Err(format!("the cursor of {log} is {cursor:?}; its sessions have said {said:?}"))
    }
}

impl Property for Takeover {
    fn name(&self) -> &'static str {
        "the newest session acknowledges"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Session { client, session, .. } => {
                self.sessions.insert(*client, session.epoch);
                Ok(())
            }
            Fact::SeenSent { client, log, upto } | Fact::Lied { client, log, upto } => {
                self.say(*client, *log, *upto);
                Ok(())
            }
            Fact::Committed { batch, .. } => {
                for change in &batch.changes {
                    if let Change::PutSession { name, session } = change {
                        self.newest.insert(*name, session.epoch);
                    }
                }
                Ok(())
            }
            Fact::Submitted { batch, .. } => {
                batch.changes.iter().try_for_each(|change| match change {
                    Change::PutCursor { log, cursor, .. } => self.check(*log, cursor.cursor),
                    _ => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }
}
