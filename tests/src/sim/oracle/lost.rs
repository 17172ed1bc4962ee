//! No accepted post is lost: when everything has come to rest, each reader was shown it.

use wire::{Instant, LogKind, Name, Seq};

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
        let missing = due.map(|(place, _)| (*place, Self::missing(*place, ledger)));
        missing.filter(|(_, names)| !names.is_empty())
    }
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
