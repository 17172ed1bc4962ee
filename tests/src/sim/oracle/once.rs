//! A message is shown once on an installation. One that did not open may be shown again when it
//! comes again and opens.

use std::collections::BTreeSet;

use wire::{Instant, Number};

use super::{Fact, Ledger, Place, Property};

#[derive(Default)]
pub(super) struct Once(BTreeSet<(usize, Place, bool)>);

impl Property for Once {
    fn name(&self) -> &'static str {
        "shown once"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        let Fact::Shown { client, message, .. } = fact else { return Ok(()) };
        let place = (message.sender, message.origin, message.log, message.number);
        // Statements of a roster have number 0, every one of them.
        let key = (*client, place, message.content.is_opened());
        if message.number == Number::NONE || self.0.insert(key) {
            return Ok(());
        }
        Err(format!("client-{client} shows {place:?} again, as {:?}", message.seq))
    }
}
