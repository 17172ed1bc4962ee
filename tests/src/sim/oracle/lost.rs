//! No accepted post is lost: when everything has come to rest, each reader was shown it.

use std::collections::BTreeMap;

use wire::{Instant, LogId, LogKind, Name, Seq};

use super::ledger::Post;
use super::{Fact, Ledger, Place, PostState, Property};

pub(super) struct Lost;

impl Lost {
    /// Who should have been shown a post and was not.
    fn missing(place: Place, ledger: &Ledger) -> Vec<Name> {
        let log = place.2;
        let was_shown = |name: &Name| ledger.shown.contains(&(*name, place));
        if log.kind == LogKind::Mailbox {
            return [log.name].into_iter().filter(|name| !was_shown(name)).collect();
        }
        let Some(members) = ledger.members.get(&log.name) else { return Vec::new() };
        // Nobody tells of the disks of real processes; whoever is a member there was one before.
        let seq = ledger.durable.get(&place).copied().unwrap_or(Seq(u64::MAX));
        let readers = members.iter().filter(|(_, member)| member.joined < seq);
        let readers = readers.map(|(name, _)| *name);
        let kept = readers.filter(|name| !ledger.expired.contains(&(*name, log, seq)));
        // Who did not know of a newcomer yet grants it the key later, unless it departs before.
        let departed = ledger.departures.get(&(log.name, place.0));
        let has_departed = departed.is_some_and(|at| *at > seq);
        let is_excused = |name: &Name| has_departed && ledger.ungranted.contains(&(*name, place));
        kept.filter(|name| !was_shown(name) && !is_excused(name)).collect()
    }

    /// The posts that someone should have seen and has not.
    pub(super) fn all(ledger: &Ledger) -> impl Iterator<Item = (Place, Vec<Name>)> {
        let is_due = |post: &Post| post.state == PostState::Accepted && post.text.is_some();
        let due = ledger.posts.iter().filter(move |(_, post)| is_due(post));
        let mut told = Self::told_beyond(ledger);
        let missing = due.map(move |(place, _)| {
            let mut names = Self::missing(*place, ledger);
            names.retain(|name| !take_one(&mut told, (*name, place.2)));
            (*place, names)
        });
        missing.filter(|(_, names)| !names.is_empty())
    }

    /// How many more entries a member was told to be gone than were seen to go before it had them.
    /// A home tells of those that go with its next batch, in which the member's cursor, which has
    /// passed them since, may go as well.
    fn told_beyond(ledger: &Ledger) -> BTreeMap<(Name, LogId), u64> {
        let mut told = ledger.told_expired.clone();
        for (name, log, _) in &ledger.expired {
            take_one(&mut told, (*name, *log));
        }
        told
    }
}

/// Whether there was one.
fn take_one(counts: &mut BTreeMap<(Name, LogId), u64>, key: (Name, LogId)) -> bool {
    let count = counts.get_mut(&key).filter(|count| **count > 0);
    count.map(|count| *count -= 1).is_some()
}

impl Property for Lost {
    fn name(&self) -> &'static str {
        "no accepted post is lost"
    }

    fn hear(&mut self, _now: Instant, _fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        Ok(())
    }

    fn conclude(&mut self, ledger: &Ledger) -> Result<(), String> {
        let lost: Vec<_> = Self::all(ledger).take(3).collect();
        if lost.is_empty() { Ok(()) } else { Err(format!("not shown: {lost:?}")) }
    }
}

impl Ledger {
    /// Everyone was shown everything.
    #[must_use]
    pub fn is_all_shown(&self) -> bool {
        Lost::all(self).next().is_none()
    }
}
