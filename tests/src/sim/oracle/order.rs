//! What one installation sends to one log is shown in the order in which it was sent, and in which
//! it was written: a post that has to be sealed anew stays before those behind it.

use std::collections::BTreeMap;

use wire::{Instant, LogId, Name, Number, Origin};

use super::{Fact, Ledger, Property};

#[derive(Default)]
pub(super) struct Order(BTreeMap<(usize, LogId, Name, Origin), (Number, i64)>);

impl Property for Order {
    fn name(&self) -> &'static str {
        "each sender's order"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        let Fact::Shown { client, message, .. } = fact else { return Ok(()) };
        if message.number == Number::NONE || !message.content.is_opened() {
            return Ok(());
        }
        let key = (*client, message.log, message.sender, message.origin);
        let place = (message.sender, message.origin, message.log, message.number);
        let draft = ledger.posts.get(&place).map_or(i64::MAX, |post| post.draft);
        let shown = (message.number, draft);
        let last = self.0.entry(key).or_insert((Number::NONE, i64::MIN));
        if last.0 >= shown.0 || last.1 > shown.1 {
            return Err(format!("client-{client} shows {shown:?} of {key:?} after {last:?}"));
        }
        *last = shown;
        Ok(())
    }
}
