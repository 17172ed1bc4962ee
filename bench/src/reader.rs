//! One user's mailbox as it arrives: what came once, twice, out of order; and what to say of it.

use wire::Seq;

use crate::numbers::Numbers;

/// What one reader has received from its partner. Keeps numbers, no bodies.
#[derive(Debug, Default)]
pub struct Reader {
    numbers: Numbers,
    last: Seq,
    is_unseen: bool,
}

/// How an entry arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// For the first time, after all that its writer posted before.
    InOrder,
    /// For the first time, after a later post or at a place that was passed.
    OutOfOrder,
    /// Again.
    Doubled,
}

impl Reader {
    /// Takes an entry in.
    pub fn on_entry(&mut self, seq: Seq, number: u64) -> Arrival {
        let rises = seq > self.last && number > self.numbers.highest();
        self.last = self.last.max(seq);
        self.is_unseen = true;
        match self.numbers.insert(number) {
            true if rises => Arrival::InOrder,
            true => Arrival::OutOfOrder,
            false => Arrival::Doubled,
        }
    }

    /// Takes an entry in that is no post of the partner's: it is acknowledged all the same.
    pub fn on_foreign(&mut self, seq: Seq) {
        self.last = self.last.max(seq);
        self.is_unseen = true;
    }

    /// Whether there is something to acknowledge.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.is_unseen
    }

    /// What to acknowledge, once per turn with entries.
    pub fn take_seen(&mut self) -> Option<Seq> {
        std::mem::take(&mut self.is_unseen).then_some(self.last)
    }

    /// Every number received.
    #[must_use]
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart() {
        let mut reader = Reader::default();
        assert_eq!(reader.on_entry(Seq(10), 1), Arrival::InOrder);
        assert_eq!(reader.on_entry(Seq(12), 3), Arrival::InOrder);
        assert_eq!(reader.on_entry(Seq(13), 2), Arrival::OutOfOrder);
        assert_eq!(reader.on_entry(Seq(12), 3), Arrival::Doubled);
        assert_eq!(reader.on_entry(Seq(11), 4), Arrival::OutOfOrder);
        assert_eq!(reader.numbers().highest(), 4);
    }

    #[test]
    fn seen_is_said_once_and_cumulative() {
        let mut reader = Reader::default();
        assert_eq!(reader.take_seen(), None);
        reader.on_entry(Seq(10), 1);
        reader.on_entry(Seq(11), 2);
        assert_eq!(reader.take_seen(), Some(Seq(11)));
        assert_eq!(reader.take_seen(), None);
    }
}
