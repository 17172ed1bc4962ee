//! Accepted means safe: synced at the home, or committed in the store of every reader.

use wire::{Instant, LogKind};

use super::{Fact, Ledger, Place, Property};

pub(super) struct Safe;

fn is_safe(place: &Place, ledger: &Ledger) -> bool {
    let log = place.2;
    let is_kept = log.kind == LogKind::Mailbox && ledger.kept.contains(&(log.name, *place));
    is_kept || ledger.durable.contains_key(place)
}

impl Property for Safe {
    fn name(&self) -> &'static str {
        "accepted is safe"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        let Fact::Accepted { client, .. } = fact else { return Ok(()) };
        match ledger.just_accepted.iter().find(|place| !is_safe(place, ledger)) {
            Some(place) => Err(format!("client-{client} hears that {place:?} is, on no disk")),
            None => Ok(()),
        }
    }
}
