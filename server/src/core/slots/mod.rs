//! Slots move between servers while they are used. See `docs/decisions/0031`.
//!
//! A slot that is held here and whose home by the map is another server is *given* (`give.rs`): its
//! rows are copied in pages, followed by what is written meanwhile, until the slot stands still for
//! a moment, both stores add up to the same, and one synced write says that it has moved. Who
//! *takes* a slot (`take.rs`) puts the rows into its store and serves them on the giver's word that
//! it has moved, and on nothing else. What is left of a slot elsewhere is *cleared* (`clear.rs`).
//! `claims.rs` says who holds what, to the other servers and to this one's seat.
//!
//! A crash of either side leaves what is on disk: the giver serves the slot, or has moved it; the
//! taker has a copy, or has taken it. When their link comes up again, the giver's word decides.

mod claims;
mod clear;
mod give;
mod take;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use storage::{Answer, Batch, Change, SlotPlace, SlotRecord, SlotRow, Tenure};
use wire::limits::{MOVE_WAITING_MAX, SLOT_PAGE_LEN_MAX};
use wire::{ServerId, Slot};

use super::parts::Parts;
use super::turn::Turn;
use clear::Clearing;
use give::Give;
use take::Take;

pub(super) use claims::apply_own;

/// Bytes of rows of slots in one batch: posts that share it hardly wait for them.
const ROWS_BATCH_LEN_MAX: usize = 4 * SLOT_PAGE_LEN_MAX;

/// The slots of this server, as far as they move.
#[derive(Debug)]
pub(super) struct Slots {
    /// What is on disk of each.
    records: BTreeMap<Slot, SlotRecord>,
    give: Option<Give>,
    /// The slot after the one that was given, or tried, last.
    next: usize,
    /// Nothing is given before.
    rests_until: wire::Instant,
    /// Attempts that came to nothing, since the last that did not.
    failures: u32,
    takes: BTreeMap<Slot, Take>,
    clearing: Clearing,
    /// The number of the last attempt, or of the last look through a slot.
    last_number: u64,
    gathered: VecDeque<Write>,
    /// Bytes of rows among them.
    gathered_len: usize,
    in_flight: Vec<Done>,
    /// Whether the batch in flight watches the slot that is given.
    is_watched: bool,
}

/// What is to be written, and what it is then.
#[derive(Debug)]
struct Write {
    change: Option<Change>,
    len: usize,
    done: Done,
}

/// What a batch has made durable.
#[derive(Debug)]
enum Done {
    /// The slot has moved.
    Moved(Slot, SlotRecord),
    /// The slot is copied here, in this attempt.
    Marked(Slot, u64, SlotRecord),
    /// A frame of rows.
    Rows(Slot, u64),
    /// The slot is held here.
    Held(Slot, SlotRecord),
    /// A page of what is left of a slot is deleted; where the next begins, and whether there is
    /// none.
    Cleared(u64, Option<SlotPlace>, bool),
    /// Nothing is left of it.
    Clear(Slot, SlotRecord),
}

/// Who waits for a read of a slot's rows, and in which attempt or look.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlotRead {
    /// The next page of what is given.
    Page(Slot, u64),
    /// Their sum.
    Sum(Slot, u64),
    /// The sum of what was copied here.
    Copied(Slot, u64),
    /// What is left of a slot.
    Clearing(u64),
}

impl Slots {
    pub(super) fn new(records: Vec<(Slot, SlotRecord)>, random: u64) -> Self {
        Self {
            records: records.into_iter().collect(),
            give: None,
            next: 0,
            rests_until: wire::Instant(0),
            failures: 0,
            takes: BTreeMap::new(),
            clearing: Clearing::default(),
            last_number: random >> 1,
            gathered: VecDeque::new(),
            gathered_len: 0,
            in_flight: Vec::new(),
            is_watched: false,
        }
    }

    /// Slots of which this server may have rows that it does not hold.
    pub(super) fn strange(&self) -> Vec<Slot> {
        let is_strange = |record: &SlotRecord| match record.tenure {
            Some(Tenure::Held { .. }) => false,
            Some(Tenure::Moved { .. }) => true,
            None => record.copy.is_some(),
        };
        let strange = self.records.iter().filter(|(_, record)| is_strange(record));
        strange.map(|(slot, _)| *slot).collect()
    }

    /// Something waits for a batch.
    pub(super) fn has_changes(&self) -> bool {
        !self.gathered.is_empty() || self.give.as_ref().is_some_and(Give::wants_batch)
    }

    /// Puts into the batch what fits beside the posts.
    pub(super) fn compose(&mut self, batch: &mut Batch) {
        assert!(self.in_flight.is_empty(), "one batch is in flight at most");
        let watched = self.give.as_ref().and_then(Give::watched);
        self.is_watched = watched.is_some();
        batch.watched.extend(watched);
        let mut len = 0;
        while let Some(write) = self.gathered.pop_front_if(|write| {
            len += write.len;
            len <= ROWS_BATCH_LEN_MAX
        }) {
            self.gathered_len -= write.len;
            batch.changes.extend(write.change);
            self.in_flight.push(write.done);
        }
    }

    /// What is on disk of a slot.
    fn record(&self, slot: Slot) -> SlotRecord {
        self.records.get(&slot).copied().unwrap_or_default()
    }

    fn write(&mut self, change: Option<Change>, done: Done) {
        self.gathered.push_back(Write { change, len: 0, done });
    }

    fn put_record(&mut self, slot: Slot, record: SlotRecord, done: Done) {
        self.write(Some(Change::PutSlot { slot, record }), done);
    }

    fn put_rows(&mut self, slot: Slot, rows: Vec<SlotRow>, done: Done) {
        let len: usize = rows.iter().map(SlotRow::cost).sum();
        self.gathered_len += len;
        let change = Some(Change::PutSlotRows { slot, rows });
        self.gathered.push_back(Write { change, len, done });
    }

    /// What waits to be written of a slot, but for that it has moved or is held, is void.
    fn forget_writes_of(&mut self, slot: Slot) {
        self.gathered.retain(|write| !write.done.is_row_of(slot));
        self.gathered_len = self.gathered.iter().map(|write| write.len).sum();
    }

    /// Whether more rows may wait for batches: a holder sends no more than this ahead.
    fn has_room(&self) -> bool {
        self.gathered_len <= 2 * MOVE_WAITING_MAX
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl Parts {
    /// A batch is durable: what it wrote of the slot that is given.
    pub(super) fn on_slot_writes(&mut self, rows: Vec<SlotRow>, turn: &mut Turn<'_>) {
        self.on_written(rows, turn);
        for done in std::mem::take(&mut self.slots.in_flight) {
            match done {
                Done::Moved(slot, record) => self.on_moved(slot, record, turn),
                Done::Marked(slot, attempt, record) => self.on_marked(slot, attempt, record, turn),
                Done::Rows(slot, attempt) => self.on_rows_taken(slot, attempt, turn),
                Done::Held(slot, record) => self.on_held(slot, record, turn),
                Done::Cleared(number, next, is_read) => {
                    self.on_cleared(number, next, is_read, turn);
                }
                Done::Clear(slot, record) => self.on_clear(slot, record, turn),
            }
        }
    }

    pub(super) fn on_slot_read(&mut self, read: SlotRead, answer: Answer, turn: &mut Turn<'_>) {
        match (read, answer) {
            (SlotRead::Page(slot, attempt), Answer::Slot { rows, next }) => {
                self.on_page(slot, attempt, (rows, next), turn);
            }
            (SlotRead::Sum(slot, attempt), Answer::SlotDigest { digest, next }) => {
                self.on_own_sum(slot, attempt, (&digest, next), turn);
            }
            (SlotRead::Copied(slot, attempt), Answer::SlotDigest { digest, next }) => {
                self.on_copied_sum(slot, attempt, (&digest, next), turn);
            }
            (SlotRead::Clearing(number), Answer::Slot { rows, next }) => {
                self.on_clearing(number, (rows, next), turn);
            }
            (read, _) => unreachable!("the storage answers {read:?} with its own kind of answer"),
        }
    }

    /// Time has passed, or everything that followed from an event has been done.
    pub(super) fn step_slots(&mut self, turn: &mut Turn<'_>) {
        self.step_give(turn);
        self.step_takes(turn);
    }

    pub(super) fn on_slots_timer(&mut self, turn: &mut Turn<'_>) {
        self.on_give_timer(turn);
        self.step_clearing(turn);
        self.plan_move(turn);
    }

    /// The link to a server is lost.
    pub(super) fn on_slots_link_lost(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        self.end_give_to(server, turn);
        self.forget_takes_from(server);
    }

    fn others(&self) -> BTreeSet<ServerId> {
        self.peers.others().collect()
    }

    /// Every server whose seat may use a slot, this one included.
    fn everybody(&self) -> Vec<ServerId> {
        self.peers.others().chain([self.me]).collect()
    }
}
