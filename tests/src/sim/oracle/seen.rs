//! A client says that it has something only after its own store has kept it.

use wire::Instant;

use super::{Fact, Ledger, Property};

pub(super) struct Seen;

impl Property for Seen {
    fn name(&self) -> &'static str {
        "seen is kept"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        let Fact::SeenSent { client, log, upto } = fact else { return Ok(()) };
        let kept = ledger.cursors.get(&(*client, *log)).copied().unwrap_or_default();
        if *upto <= kept {
            return Ok(());
        }
        Err(format!("client-{client} has seen {log} up to {upto:?} and kept it up to {kept:?}"))
    }
}
