//! Whom the owner of a mailbox has not answered may have few entries in it.
//!
//! The answer goes to the other's mailbox, at another home. So the owner's seat, which has seen
//! that it was accepted, tells the home of the owner's mailbox, with the first answer of each
//! session.

use storage::{Batch, Change};
use wire::limits::ANSWERED_MAX;
use wire::message::PeerAnswered;
use wire::{FaultCode, LogId, Name, ServerId};

use super::home::Home;
use super::limits::LogLimits;
use super::out::{AlarmCause, LogOut};
use super::state::Log;

/// Whom an owner has answered, in the order of the first answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    people: Vec<Name>,
    is_changed: bool,
}

impl Answered {
    /// Takes in what the store holds.
    pub(super) fn load(&mut self, people: Vec<Name>) {
        self.people = people;
    }

    /// Whether the owner has answered this one.
    pub(super) fn has(&self, person: &Name) -> bool {
        self.people.contains(person)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there is no news for a batch.
    pub(super) fn is_written(&self) -> bool {
        !self.is_changed
    }

    /// Puts them into a batch, if that is news.
    pub(super) fn compose(&mut self, log: LogId, batch: &mut Batch) {
        if std::mem::take(&mut self.is_changed) {
            batch.changes.push(Change::PutAnswered { log, people: self.people.clone() });
        }
    }

    /// Whether that is news.
    pub(super) fn add(&mut self, person: Name) -> bool {
        if self.people.contains(&person) {
            return false;
        }
        if self.people.len() >= ANSWERED_MAX {
            self.people.remove(0);
        }
        self.people.push(person);
        self.is_changed = true;
        true
    }
}

impl Log {
    /// Why a mailbox has no room for another `len` bytes of `sender`, if it has none.
    pub(super) fn full(&self, sender: &Name, len: u64, limits: &LogLimits) -> Option<FaultCode> {
        let is_known = *sender == self.id.name || self.answered.has(sender);
        self.usage.full((sender, !is_known), len, limits)
    }

    /// The owner has answered somebody.
    pub(super) fn note_answered(
        &mut self,
        from: ServerId,
        told: &PeerAnswered,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        if !self.is_mailbox() || self.id.name != told.account {
            return home.alarm(AlarmCause::NotAReader, from, &self.id, out);
        }
        let is_stale = self.members.is_stale(&told.account, told.epoch);
        if !is_stale && self.answered.add(told.person) {
            self.mark_dirty(home);
        }
    }
}
