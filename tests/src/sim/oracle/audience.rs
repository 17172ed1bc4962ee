//! Who has departed from a group cannot read what is written afterwards: no entry behind a
//! departure is sealed in a message session that was granted to who departed.

use std::collections::{BTreeMap, BTreeSet};

use storage::Change;
use wire::message::Entry;
use wire::roster::{Act, Statement};
use wire::{Instant, LogId, LogKind, MessageSession, Name, Number, Origin};

use super::ledger::place_of;
use super::{Fact, Ledger, Place, Property};

/// A message session, by the log and the installation that posts in it.
type SessionKey = (LogId, Name, Origin, MessageSession);

#[derive(Default)]
pub(super) struct Audience {
    sealed: BTreeMap<Place, MessageSession>,
    granted: BTreeMap<SessionKey, BTreeSet<Name>>,
    departed: BTreeMap<LogId, BTreeSet<Name>>,
}

impl Audience {
    fn commit(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::PutGrant { log, sender, origin, message_session, grant } => {
                let key = (*log, *sender, *origin, *message_session);
                self.granted.entry(key).or_default().insert(grant.reader);
            }
            Change::Append { log, entry } if log.kind == LogKind::Group => {
                if entry.number == Number::NONE {
                    self.state(*log, entry);
                } else {
                    return self.check(*log, entry);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn state(&mut self, log: LogId, entry: &Entry) {
        let bytes = entry.body.bytes().clone();
        let statement = Statement::decode(bytes).expect("a home appends whole statements");
        let departed = self.departed.entry(log).or_default();
        match statement.act {
            Act::Create | Act::Join => {
                departed.remove(&statement.actor);
            }
            Act::Leave | Act::Remove => {
                departed.insert(statement.subject);
            }
            Act::Close | Act::Invite | Act::HandOver => {}
        }
    }

    fn check(&self, log: LogId, entry: &Entry) -> Result<(), String> {
        let place = place_of(log, entry);
        let Some(session) = self.sealed.get(&place) else { return Ok(()) };
        let granted = self.granted.get(&(log, entry.sender, entry.origin, *session));
        let departed = self.departed.get(&log);
        let (Some(granted), Some(departed)) = (granted, departed) else { return Ok(()) };
        match granted.intersection(departed).next() {
            Some(name) => {
                Err(format!("{place:?} is in {log}, and {name}, who departed, has its key"))
            }
            None => Ok(()),
        }
    }
}

impl Property for Audience {
    fn name(&self) -> &'static str {
        "who has departed cannot read"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Sealed { place, message_session, .. } => {
                self.sealed.insert(*place, *message_session);
                Ok(())
            }
            Fact::Committed { batch, .. } => {
                batch.changes.iter().try_for_each(|change| self.commit(change))
            }
            _ => Ok(()),
        }
    }
}
