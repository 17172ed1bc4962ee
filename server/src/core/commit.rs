//! Tickets of the storage: one batch in flight, composed from everything that waits, and reads by
//! who asked for them.

use std::collections::BTreeMap;

use storage::{Batch, Op, Read, Ticket};

use super::event::Effect;
use super::turn::ReadKey;

/// Operations given to the storage and not finished.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    last: u64,
    commit: Option<Ticket>,
    reads: BTreeMap<Ticket, ReadKey>,
}

impl Tickets {
    /// Whether a batch is in flight: the next one gathers.
    pub(super) fn is_committing(&self) -> bool {
        self.commit.is_some()
    }

    /// Gives a batch to the storage.
    ///
    /// # Panics
    /// When one is in flight.
    pub(super) fn commit(&mut self, batch: Batch) -> Effect {
        assert!(self.commit.is_none(), "one batch is in flight at most");
        let ticket = self.next();
        self.commit = Some(ticket);
        Effect::Store(Op::Commit { ticket, batch })
    }

    /// Gives a read to the storage.
    pub(super) fn read(&mut self, key: ReadKey, read: Read) -> Effect {
        let ticket = self.next();
        self.reads.insert(ticket, key);
        Effect::Store(Op::Read { ticket, read })
    }

    /// The batch is durable.
    ///
    /// # Panics
    /// When it is not the one in flight.
    pub(super) fn on_committed(&mut self, ticket: Ticket) {
        assert_eq!(self.commit.take(), Some(ticket), "the batch in flight commits");
    }

    /// Who asked for this read.
    ///
    /// # Panics
    /// When nobody did.
    pub(super) fn on_answered(&mut self, ticket: Ticket) -> ReadKey {
        self.reads.remove(&ticket).expect("the storage answers what was asked, once")
    }

    /// How many reads wait.
    pub(super) fn reads(&self) -> usize {
        self.reads.len()
    }

    fn next(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }
}
