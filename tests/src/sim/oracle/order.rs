//! What one installation sends to one log is shown in the order in which it was sent.

use std::collections::BTreeMap;

use wire::{Instant, LogId, Name, Number, Origin};

use super::{Fact, Ledger, Property};

#[derive(Default)]
pub(super) struct Order(BTreeMap<(usize, LogId, Name, Origin), Number>);

impl Property for Order {
    fn name(&self) -> &'static str {
        "each sender's order"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        let Fact::Shown { client, message, .. } = fact else { return Ok(()) };
        if message.number == Number::NONE || !message.content.is_opened() {
            return Ok(());
        }
        let key = (*client, message.log, message.sender, message.origin);
        let last = self.0.entry(key).or_default();
        if *last >= message.number {
            let number = message.number;
            return Err(format!("client-{client} shows {number:?} of {key:?} after {last:?}"));
        }
        *last = message.number;
        Ok(())
    }
}
