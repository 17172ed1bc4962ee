//! At most one session of an account is in force: its epoch is given once, and none that is kept
//! later is older.

use std::collections::BTreeMap;

use wire::{Instant, Name, SessionEpoch};

use super::{Fact, Ledger, Property};

#[derive(Default)]
pub(super) struct Sessions {
    given: BTreeMap<(Name, SessionEpoch), (usize, [u8; 32])>,
    newest: BTreeMap<usize, SessionEpoch>,
}

impl Property for Sessions {
    fn name(&self) -> &'static str {
        "one session in force"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        let Fact::Session { client, name, session } = fact else { return Ok(()) };
        let holder = (*client, session.token.0);
        let first = *self.given.entry((*name, session.epoch)).or_insert(holder);
        if first != holder {
            let epoch = session.epoch;
            return Err(format!("{name} {epoch:?}: client-{} and client-{client}", first.0));
        }
        let newest = self.newest.entry(*client).or_default();
        if *newest > session.epoch {
            return Err(format!("client-{client} gets {:?} after {newest:?}", session.epoch));
        }
        *newest = session.epoch;
        Ok(())
    }
}
