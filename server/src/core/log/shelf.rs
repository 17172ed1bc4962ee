//! The logs in memory. A mailbox in which nothing is going on *sleeps*: what is left of it is its
//! places and whose session is attached, in a fifth of the room. Mailboxes to
//! which nobody has written lately sleep, also while their owners are connected: rows of those who
//! write keep one awake. Whatever comes to one wakes it.

use std::num::NonZero;

use slab::Slab;
use wire::{LogId, LogKind, Name, Seq, ServerId};

use super::member::{Members, Resting};
use super::state::Log;
use super::stranger::Answered;
use super::tail::Tail;
use crate::core::index::Index;

/// See the module. Logs are found by their keys, which stay, and by their ids.
#[derive(Debug)]
pub(super) struct Shelf {
    places: Slab<Place>,
    keys: Index<u32>,
}

#[derive(Debug)]
enum Place {
    Awake(Box<Log>),
    Asleep(Box<Asleep>),
}

/// A mailbox that sleeps. What is not here follows from that it does.
#[derive(Clone, Debug)]
struct Asleep {
    owner: Name,
    is_prompt: bool,
    is_alarmed: bool,
    head: Seq,
    durable: Seq,
    due: Seq,
    written: Seq,
    truncated: Seq,
    tail_from: Seq,
    idle_since: Option<NonZero<u64>>,
    reader: Resting,
    /// `None` while the owner has answered nobody.
    answered: Option<Box<Answered>>,
}

impl Shelf {
    /// No logs. `secret` keys where they are found.
    pub(super) fn new(secret: &[u8; 16]) -> Self {
        Self { places: Slab::new(), keys: Index::new(secret) }
    }

    /// A log that nothing is known of yet; gives its key.
    pub(super) fn insert(&mut self, id: LogId) -> usize {
        assert!(self.find(&id).is_none(), "a log is in memory once");
        let place = self.places.vacant_entry();
        let key = place.key();
        place.insert(Place::Awake(Box::new(Log::new(id, key))));
        self.keys.insert(&id, u32::try_from(key).expect("far fewer than 2^32"));
        key
    }

    /// The key of a log, if it is in memory.
    pub(super) fn find(&self, id: &LogId) -> Option<usize> {
        let is_meant = |key: &u32| self.places[usize_of(*key)].id() == *id;
        self.keys.find(id, is_meant).copied().map(usize_of)
    }

    /// Every log's key.
    pub(super) fn keys(&self) -> impl Iterator<Item = usize> {
        self.places.iter().map(|(key, _)| key)
    }

    /// The key of every log that may know of `server`: of those that sleep, only those that are
    /// read there.
    pub(super) fn known_to(&self, server: ServerId) -> impl Iterator<Item = usize> {
        let knows = move |place: &Place| match place {
            Place::Awake(_) => true,
            Place::Asleep(asleep) => asleep.reader.is_attached_at(server),
        };
        self.places.iter().filter(move |(_, place)| knows(place)).map(|(key, _)| key)
    }

    /// Every log's id and key.
    pub(super) fn ids(&self) -> impl Iterator<Item = (LogId, usize)> {
        self.places.iter().map(|(key, place)| (place.id(), key))
    }

    /// The log, woken if it slept.
    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Log> {
        let place = self.places.get_mut(key)?;
        if let Place::Asleep(asleep) = place {
            *place = Place::Awake(Box::new(asleep.wake(key)));
        }
        match place {
            Place::Awake(log) => Some(log),
            Place::Asleep(_) => None,
        }
    }

    /// The log, woken if it slept.
    ///
    /// # Panics
    /// When there is none.
    pub(super) fn wake(&mut self, key: usize) -> &mut Log {
        self.get_mut(key).expect("the log is in memory")
    }

    /// The log, unless it sleeps.
    pub(super) fn awake_mut(&mut self, key: usize) -> Option<&mut Log> {
        match self.places.get_mut(key)? {
            Place::Awake(log) => Some(log),
            Place::Asleep(_) => None,
        }
    }

    /// Every log that does not sleep.
    pub(super) fn awake(&self) -> impl Iterator<Item = &Log> {
        self.places.iter().filter_map(|(_, place)| match place {
            Place::Awake(log) => Some(&**log),
            Place::Asleep(_) => None,
        })
    }

    /// The same, to be changed.
    pub(super) fn all_awake_mut(&mut self) -> impl Iterator<Item = &mut Log> {
        self.places.iter_mut().filter_map(|(_, place)| match place {
            Place::Awake(log) => Some(&mut **log),
            Place::Asleep(_) => None,
        })
    }

    /// Nothing is going on in this log for now: it sleeps, if it can.
    pub(super) fn settle(&mut self, key: usize) {
        let Some(place) = self.places.get_mut(key) else {
            return;
        };
        if let Place::Awake(log) = place
            && let Some(asleep) = Asleep::of(log)
        {
            *place = Place::Asleep(Box::new(asleep));
        }
    }

    /// Forgets the log.
    pub(super) fn remove(&mut self, key: usize) {
        let id = self.places.remove(key).id();
        self.keys.remove(&id, |other| usize_of(*other) == key).expect("each log is in the index");
    }

    /// How many logs are in memory.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Attached readers of all logs.
    pub(super) fn readers(&self) -> usize {
        let readers = self.places.iter().map(|(_, place)| match place {
            Place::Awake(log) => log.readers(),
            Place::Asleep(asleep) => usize::from(asleep.reader.is_attached()),
        });
        readers.sum()
    }

    /// Whether each log agrees with itself, and is found.
    pub(super) fn is_coherent(&self) -> bool {
        self.keys.len() == self.places.len()
            && self
                .places
                .iter()
                .all(|(key, place)| self.find(&place.id()) == Some(key) && place.is_coherent(key))
    }
}

impl Place {
    fn id(&self) -> LogId {
        match self {
            Self::Awake(log) => log.id,
            Self::Asleep(asleep) => LogId::mailbox(asleep.owner),
        }
    }

    fn is_coherent(&self, key: usize) -> bool {
        match self {
            Self::Awake(log) => log.is_coherent(),
            Self::Asleep(asleep) => {
                let mut log = asleep.clone().wake(key);
                log.is_coherent() && Asleep::of(&mut log).is_some()
            }
        }
    }
}

impl Asleep {
    /// What is left of a log in which nothing is going on; `None` where something is.
    fn of(log: &mut Log) -> Option<Self> {
        let is_still = log.is_ready
            && log.id.kind == LogKind::Mailbox
            && !(log.is_dirty || log.in_flight || log.is_riding || log.is_leaving)
            && log.reads() == 0
            && log.waiting.is_empty()
            && log.usage.entries() == 0
            && log.tail.len() == 0
            && log.rows.is_blank()
            && log.grants.is_blank()
            && log.answered.is_written();
        if !is_still || log.pushed != log.head || log.composed != log.durable {
            return None;
        }
        let reader = log.members.resting(&log.id.name)?;
        let answered = std::mem::take(&mut log.answered);
        Some(Self {
            owner: log.id.name,
            is_prompt: log.is_prompt,
            is_alarmed: log.is_alarmed,
            head: log.head,
            durable: log.durable,
            due: log.due,
            written: log.written,
            truncated: log.truncated,
            tail_from: log.tail.from(),
            idle_since: *log.idle_since_mut(),
            reader,
            answered: (answered.len() > 0).then(|| Box::new(answered)),
        })
    }

    fn wake(&mut self, key: usize) -> Log {
        let mut log = Log::new(LogId::mailbox(self.owner), key);
        log.is_ready = true;
        (log.is_prompt, log.is_alarmed) = (self.is_prompt, self.is_alarmed);
        (log.head, log.pushed) = (self.head, self.head);
        (log.composed, log.durable) = (self.durable, self.durable);
        (log.due, log.written, log.truncated) = (self.due, self.written, self.truncated);
        log.tail = Tail::new(self.tail_from);
        *log.idle_since_mut() = self.idle_since;
        log.members = Members::woken(self.owner, self.reader);
        log.answered = self.answered.take().map(|answered| *answered).unwrap_or_default();
        log
    }
}

fn usize_of(key: u32) -> usize {
    usize::try_from(key).expect("usize has 64 bits on every target")
}

#[cfg(test)]
mod tests {
    use super::Asleep;

    #[test]
    fn a_mailbox_that_sleeps_takes_128_bytes() {
        assert!(size_of::<Asleep>() <= 128, "{}", size_of::<Asleep>());
    }
}
