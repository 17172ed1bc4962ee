//! A seat's questions to homes, and who waits for their answers.

use std::collections::{BTreeMap, BTreeSet};

use wire::limits::{ANSWER_TIME_MAX, EXCHANGES_MAX};
use wire::{ConnId, ExchangeId, Instant, Kind, ServerId};

/// One question that waits for its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Exchange {
    /// Whose client asked.
    pub(super) conn: ConnId,
    /// Who was asked.
    pub(super) home: ServerId,
    /// The kind of the client's message.
    pub(super) kind: Kind,
    /// The handle or request in it; 0 when it has none.
    pub(super) reference: u32,
}

/// Every question that waits. Each ends by its answer, its time, or the loss of its home.
#[derive(Debug)]
pub(super) struct Exchanges {
    next: u64,
    waiting: BTreeMap<ExchangeId, (Instant, Exchange)>,
    /// Of those that wait, and of no others: answered questions must not count against new ones.
    deadlines: BTreeSet<(Instant, ExchangeId)>,
}

impl Exchanges {
    /// Begins at a random number: a home may still answer this seat's former process.
    pub(super) fn new(random: u64) -> Self {
        Self { next: random >> 1, waiting: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    /// A number that was not used before.
    pub(super) fn fresh(&mut self) -> ExchangeId {
        self.next += 1;
        ExchangeId(self.next)
    }

    /// Whether another question finds no room.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= EXCHANGES_MAX
    }

    /// Begins to wait.
    pub(super) fn begin(&mut self, id: ExchangeId, exchange: Exchange, now: Instant) {
        let deadline = now + ANSWER_TIME_MAX;
        let former = self.waiting.insert(id, (deadline, exchange));
        assert!(former.is_none(), "an exchange has one question at a time");
        self.deadlines.insert((deadline, id));
    }

    /// When [`Exchanges::pop_expired`] has something to look at.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Ends the wait for `id`, if `from` is who was asked.
    pub(super) fn take(&mut self, id: ExchangeId, from: ServerId) -> Option<Exchange> {
        let (_, asked) = self.waiting.get(&id)?;
        if asked.home != from {
            return None;
        }
        self.remove(id)
    }

    /// Ends every wait for `home`.
    pub(super) fn take_of(&mut self, home: ServerId) -> Vec<Exchange> {
        let lost = self.waiting.iter().filter(|(_, (_, exchange))| exchange.home == home);
        let lost: Vec<ExchangeId> = lost.map(|(id, _)| *id).collect();
        lost.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Ends one wait whose time is over, if there is one.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Exchange> {
        let (at, id) = *self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.remove(id)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn remove(&mut self, id: ExchangeId) -> Option<Exchange> {
        let (deadline, exchange) = self.waiting.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        assert_eq!(self.waiting.len(), self.deadlines.len(), "each question has one deadline");
        Some(exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::{Exchange, Exchanges};
    use wire::limits::{ANSWER_TIME_MAX, EXCHANGES_MAX};
    use wire::{ConnId, Instant, Kind, ServerId};

    #[test]
    fn only_who_was_asked_may_answer_and_once() {
        let mut exchanges = Exchanges::new(7);
        let id = exchanges.fresh();
        exchanges.begin(id, asked(Kind::RESUME), Instant(0));
        assert_eq!(exchanges.take(id, ServerId(3)), None);
        assert_eq!(exchanges.take(id, ServerId(2)), Some(asked(Kind::RESUME)));
        assert_eq!(exchanges.take(id, ServerId(2)), None);
    }

    #[test]
    fn the_second_step_of_an_exchange_has_its_own_time() {
        let mut exchanges = Exchanges::new(7);
        let id = exchanges.fresh();
        exchanges.begin(id, asked(Kind::SIGN_IN_START), Instant(0));
        let first = exchanges.deadline().expect("waits");
        exchanges.take(id, ServerId(2)).expect("asked");
        exchanges.begin(id, asked(Kind::SIGN_IN_FINISH), Instant(5));
        assert_eq!(exchanges.pop_expired(first), None);
        let expired = exchanges.pop_expired(Instant(5) + ANSWER_TIME_MAX);
        assert_eq!(expired, Some(asked(Kind::SIGN_IN_FINISH)));
        assert_eq!(exchanges.len(), 0);
    }

    #[test]
    fn answered_questions_leave_their_room() {
        let mut exchanges = Exchanges::new(7);
        for _ in 0..=EXCHANGES_MAX {
            let id = exchanges.fresh();
            exchanges.begin(id, asked(Kind::FETCH_BUNDLES), Instant(0));
            exchanges.take(id, ServerId(2)).expect("asked");
        }
        assert!(!exchanges.is_full());
        assert_eq!(exchanges.deadline(), None);
    }

    fn asked(kind: Kind) -> Exchange {
        Exchange { conn: ConnId { index: 0, generation: 0 }, home: ServerId(2), kind, reference: 0 }
    }
}
