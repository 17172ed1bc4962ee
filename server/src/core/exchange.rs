//! A seat's questions to homes, and who waits for their answers.

use std::collections::{BTreeMap, BTreeSet};

use wire::limits::{ANSWER_TIME_MAX, EXCHANGES_MAX};
use wire::{ConnId, ExchangeId, Instant, Kind, ServerId, Slot};

/// One question that waits for its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Exchange {
    /// Whose client asked.
    pub(super) conn: ConnId,
    /// Who was asked.
    pub(super) home: ServerId,
    /// The slot that the question is about.
    pub(super) slot: Slot,
    /// The kind of the client's message.
    pub(super) kind: Kind,
    /// The handle or request in it; 0 when it has none.
    pub(super) reference: u32,
}

impl Exchange {
    /// Whether question or answer brings a whole chunk of a blob.
    fn brings_chunk(&self) -> bool {
        is_about_chunks(self.kind)
    }
}

/// Whether a question of this kind, or its answer, brings a whole chunk of a blob.
pub(super) fn is_about_chunks(kind: Kind) -> bool {
    matches!(kind, Kind::PUT_CHUNK | Kind::FETCH_CHUNK)
}

/// Every question that waits. Each ends by its answer, its time, or the loss of its home.
#[derive(Debug)]
pub(super) struct Exchanges {
    next: u64,
    waiting: BTreeMap<ExchangeId, (Instant, Exchange)>,
    /// Of those that wait, and of no others: answered questions must not count against new ones.
    deadlines: BTreeSet<(Instant, ExchangeId)>,
    /// Those of them that bring a whole chunk, by who was asked.
    chunks: BTreeMap<ServerId, usize>,
}

impl Exchanges {
    /// Begins at a random number: a home may still answer this seat's former process.
    pub(super) fn new(random: u64) -> Self {
        let (waiting, deadlines) = (BTreeMap::new(), BTreeSet::new());
        Self { next: random >> 1, waiting, deadlines, chunks: BTreeMap::new() }
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

    /// How many questions about chunks wait for `home`.
    pub(super) fn chunks_at(&self, home: ServerId) -> usize {
        self.chunks.get(&home).copied().unwrap_or_default()
    }

    /// Begins to wait.
    pub(super) fn begin(&mut self, id: ExchangeId, exchange: Exchange, now: Instant) {
        if exchange.brings_chunk() {
            *self.chunks.entry(exchange.home).or_default() += 1;
        }
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

    /// Ends every wait that is meant.
    pub(super) fn take_if(&mut self, is_meant: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        let lost = self.waiting.iter().filter(|(_, (_, exchange))| is_meant(exchange));
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
        if exchange.brings_chunk() {
            *self.chunks.get_mut(&exchange.home).expect("begin counted it") -= 1;
        }
        assert_eq!(self.waiting.len(), self.deadlines.len(), "each question has one deadline");
        Some(exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::{Exchange, Exchanges};
    use wire::limits::{ANSWER_TIME_MAX, EXCHANGES_MAX};
    use wire::{ConnId, Instant, Kind, ServerId, Slot};

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

    #[test]
    fn chunks_are_counted_until_their_question_ends() {
        let mut exchanges = Exchanges::new(7);
        let ids: Vec<_> = (0..4).map(|_| exchanges.fresh()).collect();
        let kinds = [Kind::PUT_CHUNK, Kind::FETCH_CHUNK, Kind::BEGIN_BLOB, Kind::PUT_CHUNK];
        for (id, kind) in ids.iter().zip(kinds) {
            exchanges.begin(*id, asked(kind), Instant(0));
        }
        assert_eq!((exchanges.chunks_at(ServerId(2)), exchanges.chunks_at(ServerId(3))), (3, 0));
        exchanges.take(ids[0], ServerId(2)).expect("asked");
        exchanges.take(ids[2], ServerId(2)).expect("asked");
        assert_eq!(exchanges.chunks_at(ServerId(2)), 2);
        exchanges.pop_expired(Instant(0) + ANSWER_TIME_MAX).expect("its time is over");
        assert_eq!(exchanges.chunks_at(ServerId(2)), 1);
        exchanges.take_if(|exchange| exchange.home == ServerId(2));
        assert_eq!(exchanges.chunks_at(ServerId(2)), 0);
    }

    fn asked(kind: Kind) -> Exchange {
        let (conn, slot) = (ConnId { index: 0, generation: 0 }, Slot::new(7).expect("below 4,096"));
        Exchange { conn, home: ServerId(2), slot, kind, reference: 0 }
    }
}
