//! What all logs of one home share: the seq counter, the bounds and the sums they bound.

use std::collections::VecDeque;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;
use slab::Slab;
use storage::{Batch, Change, Read};
use wire::message::{Body, PeerPost, Refusal};
use wire::{Instant, LogId, Name, Seq, ServerId, Wall};

use super::arrival::refused;
use super::ask::Asker;
use super::hold::Held;
use super::limits::LogLimits;
use super::metrics::LogMetrics;
use super::out::{AlarmCause, LogOut, LogRead};
use super::roster::StatementsFor;
use super::state::Log;
use super::sweep::Sweep;
use crate::core::guesses::Guesses;

/// Memory that an entry needs beside its body.
const ENTRY_OVERHEAD: usize = 128;

/// What a body costs wherever memory is bounded.
pub(super) fn cost(body: &Body) -> usize {
    body.bytes().len() + ENTRY_OVERHEAD
}

/// What the answer to a read is for. Each names its log's key, but for
/// the sweep's rows of all logs.
#[derive(Debug)]
pub(super) enum Pending {
    Rows,
    Account { log: usize },
    Group { log: usize },
    Log { log: usize },
    Row { log: usize, row: usize },
    Range(PendingRange),
    Statements { log: usize, asked: StatementsFor },
    Grant { log: usize, asker: Asker },
    KeyLog { log: usize, asker: Asker, name: Name },
}

/// A range read in flight, and for whom.
#[derive(Debug)]
pub(super) struct PendingRange {
    pub(super) log: usize,
    pub(super) account: Name,
    /// The reader's attachment: a later one does not want the answer.
    pub(super) attachment: u64,
    pub(super) after: Seq,
    pub(super) entries_max: usize,
    /// What was durable when the read was submitted: the read saw all of it.
    pub(super) watermark: Seq,
}

impl Pending {
    pub(super) fn log(&self) -> usize {
        match self {
            Self::Account { log }
            | Self::Group { log }
            | Self::Log { log }
            | Self::Row { log, .. }
            | Self::Statements { log, .. }
            | Self::Grant { log, .. }
            | Self::KeyLog { log, .. } => *log,
            Self::Range(range) => range.log,
            Self::Rows => panic!("a page of rows is of no log"),
        }
    }
}

/// The epoch after the one whose seqs are being given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum NextEpoch {
    Unneeded,
    /// The next batch raises the store's to this.
    Wanted(u32),
    InFlight(u32),
    /// It is durable: its seqs may be given.
    Ready(u32),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Home {
    me: ServerId,
    last_seq: Seq,
    /// No entry of before this opening of the store is above this, nor of before a log came here.
    opened: Seq,
    next_epoch: NextEpoch,
    /// Seqs above those of this epoch are to be given.
    outgrown: Option<u32>,
    hash_key: [u8; 16],
    refusing: bool,
    /// The wall clock, as it was told last.
    pub(super) now: Wall,
    /// The clock that counts, as it was told last.
    pub(super) instant: Instant,
    /// Recent joinings, by group and account.
    pub(super) joins: Guesses<(Name, Name)>,
    attachments: u64,
    reads: Slab<Pending>,
    pub(super) limits: LogLimits,
    pub(super) metrics: LogMetrics,
    /// Operations that wait for cold state, in all.
    pub(super) waiting: usize,
    /// Costs of posts, statements and grants that wait for cold state or are not durable, in all.
    pub(super) pending_len: usize,
    /// Costs of entries in tails, in all.
    pub(super) tails_len: usize,
    /// Logs with changes that are in no batch yet, first come first served.
    pub(super) dirty: VecDeque<usize>,
    /// Logs with changes that go along with those of others.
    pub(super) riding: VecDeque<usize>,
    /// Entries that wait for their reader, and some that waited.
    pub(super) held: VecDeque<Held>,
    /// Nothing is held any more.
    pub(super) is_stopping: bool,
}

impl Home {
    pub(super) fn new(
        me: ServerId,
        store_epoch: u32,
        hash_key: [u8; 16],
        limits: LogLimits,
    ) -> Self {
        assert!(store_epoch > 0, "an opened store has an epoch");
        Self {
            me,
            last_seq: Seq::new(store_epoch, 0),
            opened: Seq::new(store_epoch, 0),
            next_epoch: NextEpoch::Unneeded,
            outgrown: None,
            hash_key,
            refusing: false,
            now: Wall(0),
            instant: Instant(0),
            joins: Guesses::of_joins(),
            attachments: 0,
            reads: Slab::new(),
            limits,
            metrics: LogMetrics::default(),
            waiting: 0,
            pending_len: 0,
            tails_len: 0,
            dirty: VecDeque::new(),
            riding: VecDeque::new(),
            held: VecDeque::new(),
            is_stopping: false,
        }
    }

    pub(super) fn me(&self) -> ServerId {
        self.me
    }

    /// The newest seq given to any entry of this store.
    pub(super) fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Every entry of before this opening of the store is at or below this.
    pub(super) fn opened(&self) -> Seq {
        self.opened
    }

    /// Gives the next seq: one counter for the whole store.
    ///
    /// # Panics
    /// When [`Home::has_room`] said no.
    pub(super) fn next_seq(&mut self) -> Seq {
        let (mut epoch, mut counter) = (self.last_seq.store_epoch(), self.last_seq.counter());
        if counter == self.limits.counter_max {
            let NextEpoch::Ready(next) = self.next_epoch else {
                panic!("seqs of a durable epoch are given");
            };
            self.next_epoch = NextEpoch::Unneeded;
            (epoch, counter) = (next, 0);
        }
        self.last_seq = Seq::new(epoch, counter + 1);
        let is_half_spent = counter >= self.limits.counter_max / 2;
        let can_rise = epoch < Seq::STORE_EPOCH_MAX;
        if is_half_spent && can_rise && self.next_epoch == NextEpoch::Unneeded {
            self.next_epoch = NextEpoch::Wanted(epoch + 1);
        }
        self.last_seq
    }

    /// Whether a batch should raise the store's epoch.
    pub(super) fn wants_epoch(&self) -> bool {
        matches!(self.next_epoch, NextEpoch::Wanted(_))
    }

    /// Raises the epoch with this batch, when that is wanted.
    pub(super) fn compose_epoch(&mut self, batch: &mut Batch) {
        if let NextEpoch::Wanted(store_epoch) = self.next_epoch {
            self.next_epoch = NextEpoch::InFlight(store_epoch);
            batch.changes.push(Change::RaiseEpoch { store_epoch });
        }
    }

    /// From now on, or as soon as that may be, no seq of this epoch or an earlier one is given:
    /// logs come here that have them.
    pub(super) fn outgrow(&mut self, store_epoch: u32) {
        assert!(store_epoch < Seq::STORE_EPOCH_MAX, "there is an epoch above");
        self.outgrown = self.outgrown.max(Some(store_epoch));
        self.settle_outgrown();
    }

    /// Whether every seq that is given is above those of this epoch.
    pub(super) fn is_above(&self, store_epoch: u32) -> bool {
        self.last_seq.store_epoch() > store_epoch && self.opened.store_epoch() > store_epoch
    }

    fn settle_outgrown(&mut self) {
        let Some(outgrown) = self.outgrown else { return };
        if let NextEpoch::Ready(next) = self.next_epoch
            && self.last_seq.store_epoch() <= outgrown
            && next > outgrown
        {
            self.last_seq = Seq::new(next, 0);
            self.next_epoch = NextEpoch::Unneeded;
        }
        if self.last_seq.store_epoch() > outgrown {
            self.outgrown = None;
            self.opened = self.opened.max(Seq::new(outgrown + 1, 0));
        } else if !matches!(self.next_epoch, NextEpoch::InFlight(_)) {
            self.next_epoch = NextEpoch::Wanted(outgrown + 1);
        }
    }

    /// The batch in flight is durable.
    pub(super) fn on_committed(&mut self) {
        if let NextEpoch::InFlight(store_epoch) = self.next_epoch {
            self.next_epoch = NextEpoch::Ready(store_epoch);
        }
        self.settle_outgrown();
    }

    fn has_seq(&self) -> bool {
        self.last_seq.counter() < self.limits.counter_max
            || matches!(self.next_epoch, NextEpoch::Ready(_))
    }

    /// The 64-bit keyed hash of a body that rows keep.
    pub(super) fn hash(&self, body: &Body) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.hash_key);
        hasher.write(body.bytes());
        hasher.finish()
    }

    pub(super) fn next_attachment(&mut self) -> u64 {
        self.attachments += 1;
        self.attachments
    }

    pub(super) fn can_read(&self) -> bool {
        self.reads.len() < self.limits.reads_max
    }

    pub(super) fn read(&mut self, pending: Pending, read: Read, out: &mut LogOut) {
        out.reads.push((LogRead(self.reads.insert(pending)), read));
    }

    pub(super) fn take_read(&mut self, read: LogRead) -> Pending {
        self.reads.try_remove(read.0).expect("the core answers each read once")
    }

    /// Whether a body of this cost may be appended now.
    pub(super) fn has_room(&self, cost: usize) -> bool {
        !self.refusing && self.has_seq() && self.pending_len + cost <= self.limits.pending_len_max
    }

    /// Whether an entry may wait for its reader: there is room for those that come meanwhile.
    pub(super) fn can_hold(&self) -> bool {
        !self.is_stopping
            && !self.limits.stores_all
            && self.held.len() < self.limits.held_max
            && self.pending_len <= self.limits.pending_len_max / 2
    }

    pub(super) fn set_refusing(&mut self, refusing: bool) {
        self.refusing = refusing;
    }

    pub(super) fn refuse(
        &mut self,
        from: ServerId,
        post: &PeerPost,
        refusal: Refusal,
        out: &mut LogOut,
    ) {
        let count = match refusal {
            Refusal::Rejected(_) => &mut self.metrics.rejected,
            Refusal::Expected(_) => &mut self.metrics.expected,
            Refusal::Conflict => &mut self.metrics.conflicts,
            Refusal::Busy => &mut self.metrics.busy,
        };
        *count += 1;
        out.send(from, refused(post, refusal));
    }

    pub(super) fn alarm(
        &mut self,
        cause: AlarmCause,
        from: ServerId,
        log: &LogId,
        out: &mut LogOut,
    ) {
        self.metrics.alarms += 1;
        out.alarm(cause, from, *log);
    }

    pub(super) fn count_dropped(&mut self) {
        self.metrics.logs_dropped += 1;
    }

    pub(super) fn metrics(&self, logs: usize, readers: usize) -> LogMetrics {
        let gauge = |size: usize| u64::try_from(size).expect("sizes fit");
        LogMetrics {
            logs: gauge(logs),
            readers: gauge(readers),
            waiting: gauge(self.waiting),
            pending_len: gauge(self.pending_len),
            tails_len: gauge(self.tails_len),
            ..self.metrics
        }
    }

    /// The sums equal their parts.
    pub(super) fn is_coherent<'a>(
        &self,
        logs: impl Iterator<Item = &'a Log>,
        sweep: &Sweep,
    ) -> bool {
        let (mut waiting, mut pending_len, mut tails_len) = (0, 0, 0);
        let mut reads = usize::from(matches!(sweep, Sweep::Reading));
        for log in logs {
            waiting += log.waiting();
            pending_len += log.pending_len();
            tails_len += log.tail_len();
            reads += log.reads();
        }
        waiting == self.waiting
            && pending_len == self.pending_len
            && tails_len == self.tails_len
            && reads == self.reads.len()
    }
}
