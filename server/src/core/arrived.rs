//! Accounts of slots that come here, or stand still before they go elsewhere.
//!
//! Who sits where is not moved with a slot. Whoever has taken one knows of its sessions what a home
//! knows that has just started: nothing is granted to another installation before every seat has
//! told which sessions of the slot it holds, or has no lease from the former holder any more.

use std::collections::BTreeSet;

use wire::limits::LEASE_TIME;
use wire::{Instant, LogId, Name, ServerId, Slot};

use super::account::{Accounts, Entry, Step};
use super::registry::Sittings;
use super::turn::Turn;

/// A slot that has come here.
#[derive(Debug)]
pub(super) struct Arrived {
    since: Instant,
    /// Seats that have not said which of its sessions they hold.
    untold: BTreeSet<ServerId>,
}

impl Accounts {
    /// The accounts of a slot are this home's, from now on or again; `others` may hold sessions.
    pub(super) fn open_slot(&mut self, slot: Slot, others: BTreeSet<ServerId>, now: Instant) {
        self.leaving.retain(|name| slot_of(name) != slot);
        let untold = others;
        self.arrived.insert(slot, Arrived { since: now, untold });
    }

    /// A seat has registered every session of these slots that it holds.
    pub(super) fn on_slots_told(&mut self, from: ServerId, slots: &[Slot], turn: &mut Turn<'_>) {
        let mut is_news = false;
        for slot in slots {
            if let Some(arrived) = self.arrived.get_mut(slot) {
                is_news |= arrived.untold.remove(&from);
            }
        }
        let now = turn.now;
        self.arrived.retain(|_, arrived| !arrived.is_settled(now));
        if is_news {
            let held = Entry::is_held;
            let waiting = self.entries.iter().filter(|(_, entry)| held(entry));
            for name in waiting.map(|(name, _)| *name).collect::<Vec<_>>() {
                self.reconsider(name, false, turn);
                self.advance(name, turn);
            }
        }
    }

    /// Nothing comes to the accounts of a slot any more: nobody waits for them, and who sits where
    /// is forgotten.
    pub(super) fn close_slot(&mut self, slot: Slot, turn: &mut Turn<'_>) {
        self.arrived.remove(&slot);
        let names = self.entries.iter().map(|(name, _)| *name);
        let leaving: Vec<Name> = names.filter(|name| slot_of(name) == slot).collect();
        self.leaving.retain(|name| self.entries.contains(name));
        self.leaving.extend(&leaving);
        for name in leaving {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.leave();
            }
            self.advance(name, turn);
        }
    }

    /// Whether nothing of slots that were closed is in memory.
    pub(super) fn is_closed(&self) -> bool {
        self.leaving.iter().all(|name| !self.entries.contains(name))
    }

    /// Whether every seat has said which sessions of the account's slot it holds, or acts for none.
    pub(super) fn is_slot_settled(&self, name: &Name, now: Instant) -> bool {
        let arrived = (!self.arrived.is_empty()).then(|| self.arrived.get(&slot_of(name)));
        arrived.flatten().is_none_or(|arrived| arrived.is_settled(now))
    }
}

impl Arrived {
    fn is_settled(&self, now: Instant) -> bool {
        self.untold.is_empty() || now.since(self.since) >= LEASE_TIME
    }
}

impl Entry {
    /// Only what is on its way to the disk is waited for.
    pub(super) fn leave(&mut self) {
        self.sittings = Sittings::default();
        let Some(work) = self.under_way_mut() else {
            return;
        };
        work.waiting.clear();
        match &mut work.step {
            Step::Newest(..) | Step::Held(..) => work.step = Step::Idle,
            Step::Writing(outcome) => {
                (outcome.live, outcome.ended, outcome.answer) = (None, None, None);
            }
            Step::Idle => {}
        }
    }
}

fn slot_of(name: &Name) -> Slot {
    Slot::of(&LogId::mailbox(*name))
}
