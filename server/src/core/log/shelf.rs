//! The logs in memory. A mailbox in which nothing is going on *sleeps*: what is left of it is its
//! places and whose session is attached, in a fifth of the room. Mailboxes to
//! which nobody has written lately sleep, also while their owners are connected: rows of those who
//! write keep one awake. Whatever comes to one wakes it.

use slab::Slab;
use wire::{LogId, LogKind, Name, Seq};

use super::member::{Members, Resting};
use super::state::Log;
use super::stranger::Answered;
use super::tail::Tail;

/// See the module. Logs are found by their keys, which stay.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    places: Slab<Place>,
}

#[derive(Debug)]
enum Place {
    Awake(Box<Log>),
    Asleep(Asleep),
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
    idle_since: Option<u64>,
    reader: Resting,
    answered: Answered,
}

impl Shelf {
    /// A log that nothing is known of yet; gives its key.
    pub(super) fn insert(&mut self, id: LogId) -> usize {
        let place = self.places.vacant_entry();
        let key = place.key();
        place.insert(Place::Awake(Box::new(Log::new(id, key))));
        key
    }

    /// The log, woken if it slept.
    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Log> {
        let place = self.places.get_mut(key)?;
        if let Place::Asleep(asleep) = place {
            *place = Place::Awake(Box::new(asleep.clone().wake(key)));
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
            *place = Place::Asleep(asleep);
        }
    }

    /// Forgets the log; gives its id.
    pub(super) fn remove(&mut self, key: usize) -> LogId {
        match self.places.remove(key) {
            Place::Awake(log) => log.id,
            Place::Asleep(asleep) => LogId::mailbox(asleep.owner),
        }
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

    /// Whether each log agrees with itself, and has this id.
    pub(super) fn is_coherent<'a>(
        &self,
        ids: impl Iterator<Item = (&'a LogId, &'a usize)>,
    ) -> bool {
        let mut ids = ids;
        ids.all(|(id, key)| match &self.places[*key] {
            Place::Awake(log) => log.id() == id && log.is_coherent(),
            Place::Asleep(asleep) => {
                let mut log = asleep.clone().wake(*key);
                log.id() == id && log.is_coherent() && Asleep::of(&mut log).is_some()
            }
        })
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
            answered: std::mem::take(&mut log.answered),
        })
    }

    fn wake(self, key: usize) -> Log {
        let mut log = Log::new(LogId::mailbox(self.owner), key);
        log.is_ready = true;
        (log.is_prompt, log.is_alarmed) = (self.is_prompt, self.is_alarmed);
        (log.head, log.pushed) = (self.head, self.head);
        (log.composed, log.durable) = (self.durable, self.durable);
        (log.due, log.written, log.truncated) = (self.due, self.written, self.truncated);
        log.tail = Tail::new(self.tail_from);
        *log.idle_since_mut() = self.idle_since;
        log.members = Members::woken(self.owner, self.reader);
        log.answered = self.answered;
        log
    }
}
