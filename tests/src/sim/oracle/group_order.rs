//! All members of a group see one order.

use std::collections::BTreeMap;

use wire::{Instant, LogId, LogKind, Seq};

use super::{Fact, Ledger, Place, Property};

#[derive(Default)]
pub(super) struct GroupOrder {
    places: BTreeMap<(LogId, Seq), Place>,
    last: BTreeMap<(usize, LogId), Seq>,
}

impl Property for GroupOrder {
    fn name(&self) -> &'static str {
        "one order in a group"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        let Fact::Shown { client, message, .. } = fact else { return Ok(()) };
        let (log, seq) = (message.log, message.seq);
        if log.kind != LogKind::Group {
            return Ok(());
        }
        let place = (message.sender, message.origin, log, message.number);
        let first = self.places.entry((log, seq)).or_insert(place);
        if *first != place {
            return Err(format!("{log} {seq:?} is {first:?} and, to client-{client}, {place:?}"));
        }
        let last = self.last.entry((*client, log)).or_default();
        if *last >= seq {
            return Err(format!("client-{client} shows {log} {seq:?} after {last:?}"));
        }
        *last = seq;
        Ok(())
    }
}
