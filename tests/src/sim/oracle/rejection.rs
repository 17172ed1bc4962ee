//! A rejection is final: what was rejected is in no log, then or later.

use wire::{Instant, Number};

use super::{Fact, Ledger, Place, PostState, Property};

pub(super) struct Rejection;

impl Rejection {
    fn check(place: Place, ledger: &Ledger) -> Result<(), String> {
        match ledger.posts.get(&place).map(|post| post.state) {
            Some(PostState::Rejected) if place.3 != Number::NONE => {
                Err(format!("{place:?} was rejected, and is in the log, or shown"))
            }
            _ => Ok(()),
        }
    }
}

impl Property for Rejection {
    fn name(&self) -> &'static str {
        "a rejection is final"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Rejected { place, .. } | Fact::Redrafted { place, .. } => {
                if ledger.durable.contains_key(place)
                    || ledger.kept.iter().any(|(_, kept)| kept == place)
                {
                    return Err(format!("{place:?} is rejected, and was in the log"));
                }
                Ok(())
            }
            Fact::Submitted { batch, .. } => batch.changes.iter().try_for_each(|change| {
                let storage::Change::Append { log, entry } = change else { return Ok(()) };
                Self::check(super::ledger::place_of(*log, entry), ledger)
            }),
            Fact::Kept { log, items, .. } => items.iter().try_for_each(|item| {
                Self::check((item.sender, item.origin, *log, item.number), ledger)
            }),
            Fact::Shown { message, .. } => {
                let place = (message.sender, message.origin, message.log, message.number);
                Self::check(place, ledger)
            }
            _ => Ok(()),
        }
    }
}
