//! A message is shown once on an installation, also when it was sent again under another number: no
//! two that people write are the same. One that did not open may be shown again when it comes again
//! and opens.

use std::collections::BTreeSet;

use client::store::ReceivedContent;
use wire::{Instant, Name, Number};

use super::{Fact, Ledger, Place, Property};

#[derive(Default)]
pub(super) struct Once {
    places: BTreeSet<(usize, Place, bool)>,
    texts: BTreeSet<(usize, Name, String)>,
}

impl Property for Once {
    fn name(&self) -> &'static str {
        "shown once"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        let Fact::Shown { client, message, .. } = fact else { return Ok(()) };
        let place = (message.sender, message.origin, message.log, message.number);
        // Statements of a roster have number 0, every one of them.
        let key = (*client, place, message.content.is_opened());
        if message.number != Number::NONE && !self.places.insert(key) {
            return Err(format!("client-{client} shows {place:?} again, as {:?}", message.seq));
        }
        if let ReceivedContent::Text { text, .. } = &message.content
            && !self.texts.insert((*client, message.sender, text.clone()))
        {
            return Err(format!("client-{client} shows {text:?} again, as {place:?}"));
        }
        Ok(())
    }
}
