//! What is shown was sent: byte for byte, by that sender, in that log.

use client::store::ReceivedContent;
use wire::Instant;

use super::{Fact, Ledger, Property};

pub(super) struct Authentic;

impl Property for Authentic {
    fn name(&self) -> &'static str {
        "shown is what was sent"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        let Fact::Shown { client, message, .. } = fact else { return Ok(()) };
        let ReceivedContent::Text { text, .. } = &message.content else { return Ok(()) };
        let place = (message.sender, message.origin, message.log, message.number);
        let sent = ledger.posts.get(&place).and_then(|post| post.text.as_ref());
        if sent == Some(text) {
            return Ok(());
        }
        Err(format!("client-{client} shows {text:?} as {place:?}, where {sent:?} was sent"))
    }
}
