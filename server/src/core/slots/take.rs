//! The next holder's side of a move: makes room for a slot, puts its rows into the store as they
//! come, and serves them when their holder says that it has let go.
//!
//! Before the first row is written, the store knows that what it has of the slot is a copy. What is
//! written afterwards is worth nothing until the holder's word, which it gives again whenever a
//! link comes up: it says which slots it has moved to whom.

use std::collections::BTreeSet;

use storage::{Copying, Read, SlotDigest, SlotPlace, SlotRecord, SlotRow, Tenure};
use wire::limits::SLOTS_TAKEN_MAX;
use wire::message::{
    MoveBegin, MoveEnd, MoveReady, MoveRows, MoveSum, MoveSummed, MoveTaken, MovedRow, SlotClaim,
};
use wire::{DecodeError, Seq, ServerId, Slot};

use super::super::event::Alarm;
use super::super::parts::Parts;
use super::super::turn::{ReadKey, Turn};
use super::{Done, SlotRead, Slots};

/// A slot on its way here.
#[derive(Debug)]
pub(super) struct Take {
    from: ServerId,
    epoch: u32,
    attempt: u64,
    step: Step,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// What is left of it here is deleted.
    Emptying,
    /// That what comes is a copy is being written.
    Marking,
    /// Rows come.
    Copying,
    /// They are added up; seqs above this store epoch are wanted.
    Summing { store_epoch: u32, sum: SlotDigest, is_whole: bool },
    /// The sum was said: only the holder knows what becomes of it.
    Summed,
    /// That it is held here is being written.
    Taking,
}

impl Slots {
    /// Whether this server may take the slot on this word.
    fn may_take(&self, from: ServerId, begin: &MoveBegin) -> bool {
        let record = self.record(begin.slot);
        let is_newer = match record.tenure {
            Some(Tenure::Held { epoch } | Tenure::Moved { epoch, .. }) => begin.epoch > epoch,
            None => begin.epoch > 0,
        };
        let is_other = |copy: Copying| copy.from != from && copy.epoch >= begin.epoch;
        let under_way = self.takes.get(&begin.slot);
        let is_taking = under_way.is_some_and(|take| take.step == Step::Taking);
        let has_room = under_way.is_some() || self.takes.len() < SLOTS_TAKEN_MAX;
        is_newer && !is_taking && has_room && !record.copy.is_some_and(is_other)
    }

    fn taken(&mut self, from: ServerId, slot: Slot, attempt: u64) -> Option<&mut Take> {
        let take = self.takes.get_mut(&slot)?;
        ((take.from, take.attempt) == (from, attempt)).then_some(take)
    }

    /// The attempt, if it is still under way.
    fn attempt(&mut self, slot: Slot, attempt: u64) -> Option<&mut Take> {
        self.takes.get_mut(&slot).filter(|take| take.attempt == attempt)
    }

    pub(super) fn is_taking(&self, slot: Slot) -> bool {
        self.takes.contains_key(&slot)
    }

    /// Of a slot that comes here: whether it is cleared before.
    pub(super) fn is_emptying(&self, slot: Slot) -> Option<bool> {
        self.takes.get(&slot).map(|take| take.step == Step::Emptying)
    }
}

impl Parts {
    /// A holder wants to move a slot here.
    pub(in super::super) fn on_move_begin(
        &mut self,
        from: ServerId,
        begin: &MoveBegin,
        turn: &mut Turn<'_>,
    ) {
        let MoveBegin { slot, attempt, epoch } = *begin;
        let is_holder = self.seat.holders.get(slot).server == from;
        let is_possible = is_holder && !self.is_disk_full && !self.is_stopping;
        if !is_possible || !self.slots.may_take(from, begin) {
            return turn.tell_server(from, MoveReady { slot, attempt, is_ready: false });
        }
        self.slots.forget_writes_of(slot);
        self.slots.takes.insert(slot, Take { from, epoch, attempt, step: Step::Emptying });
        self.close_slot(slot, turn);
        self.clear_slot(slot, turn);
    }

    /// Nothing is left: what comes is a copy.
    pub(super) fn mark(&mut self, slot: Slot) {
        let Some(take) = self.slots.takes.get_mut(&slot) else {
            return;
        };
        take.step = Step::Marking;
        let (from, epoch, attempt) = (take.from, take.epoch, take.attempt);
        let copy = Some(Copying { from, epoch });
        let record = SlotRecord { copy, ..self.slots.record(slot) };
        self.slots.put_record(slot, record, Done::Marked(slot, attempt, record));
    }

    pub(super) fn on_marked(
        &mut self,
        slot: Slot,
        attempt: u64,
        record: SlotRecord,
        turn: &mut Turn<'_>,
    ) {
        self.slots.records.insert(slot, record);
        if let Some(take) = self.slots.attempt(slot, attempt) {
            take.step = Step::Copying;
            turn.tell_server(take.from, MoveReady { slot, attempt, is_ready: true });
        } else {
            // It has ended meanwhile.
            self.clear_slot(slot, turn);
        }
    }

    /// Rows of the slot come.
    pub(in super::super) fn on_move_rows(
        &mut self,
        from: ServerId,
        message: MoveRows,
        turn: &mut Turn<'_>,
    ) {
        let MoveRows { slot, attempt, rows } = message;
        let Some(take) = self.slots.taken(from, slot, attempt) else {
            return;
        };
        if take.step != Step::Copying {
            return turn.alarm(Alarm::PeerConfused { from });
        }
        let rows: Result<Vec<SlotRow>, _> = rows.items().iter().map(row).collect();
        match rows.ok().filter(|rows| rows.iter().all(|row| row.slot() == slot)) {
            Some(rows) if !self.is_disk_full && self.slots.has_room() => {
                self.slots.put_rows(slot, rows, Done::Rows(slot, attempt));
            }
            Some(_) => self.end_take(slot, turn),
            None => {
                turn.alarm(Alarm::PeerConfused { from });
                self.end_take(slot, turn);
            }
        }
    }

    pub(super) fn on_rows_taken(&mut self, slot: Slot, attempt: u64, turn: &mut Turn<'_>) {
        if let Some(take) = self.slots.attempt(slot, attempt) {
            turn.tell_server(take.from, MoveTaken { slot, attempt });
        }
    }

    /// Everything has come.
    pub(in super::super) fn on_move_sum(
        &mut self,
        from: ServerId,
        message: &MoveSum,
        turn: &mut Turn<'_>,
    ) {
        let MoveSum { slot, attempt, store_epoch } = *message;
        let is_possible = store_epoch < Seq::STORE_EPOCH_MAX;
        let waits = |slots: &Slots| slots.gathered.iter().any(|write| write.done.is_row_of(slot));
        let is_behind = waits(&self.slots);
        let Some(take) = self.slots.taken(from, slot, attempt) else {
            return;
        };
        if !is_possible || is_behind || take.step != Step::Copying {
            turn.alarm(Alarm::PeerConfused { from });
            return self.end_take(slot, turn);
        }
        take.step = Step::Summing { store_epoch, sum: SlotDigest::default(), is_whole: false };
        self.logs.outgrow(store_epoch);
        let read = Read::SlotDigest { slot, after: None };
        turn.read(ReadKey::Slot(SlotRead::Copied(slot, attempt)), read);
    }

    /// A part of the copy's sum was read.
    pub(super) fn on_copied_sum(
        &mut self,
        slot: Slot,
        attempt: u64,
        (digest, next): (&SlotDigest, Option<SlotPlace>),
        turn: &mut Turn<'_>,
    ) {
        let take = self.slots.attempt(slot, attempt);
        let Some(Step::Summing { sum, is_whole, .. }) = take.map(|take| &mut take.step) else {
            return;
        };
        sum.add(digest);
        *is_whole = next.is_none();
        if next.is_some() {
            let read = Read::SlotDigest { slot, after: next };
            turn.read(ReadKey::Slot(SlotRead::Copied(slot, attempt)), read);
        }
    }

    /// Says what is known, when seqs that are given here are above those of the slot.
    pub(super) fn step_takes(&mut self, turn: &mut Turn<'_>) {
        let mut broken = Vec::new();
        for (slot, take) in &mut self.slots.takes {
            let Step::Summing { store_epoch, sum, is_whole: true } = take.step else {
                continue;
            };
            if sum.highest.store_epoch() > store_epoch {
                broken.push((*slot, take.from));
            } else if self.logs.is_above(store_epoch) {
                take.step = Step::Summed;
                let SlotDigest { rows, sum: parts, .. } = sum;
                tracing::info!(slot = slot.index(), rows, sum = ?parts, "a slot's copy");
                turn.tell_server(take.from, summed(*slot, take.attempt, &sum));
            }
        }
        for (slot, from) in broken {
            turn.alarm(Alarm::PeerConfused { from });
            self.end_take(slot, turn);
        }
    }

    /// The slot's holder says that it has moved here. Says whether there is something to take.
    pub(super) fn on_given(&mut self, from: ServerId, claim: &SlotClaim) -> bool {
        let SlotClaim { slot, epoch, .. } = *claim;
        let record = self.slots.record(slot);
        let is_whole = !self.slots.clearing.concerns(slot);
        if record.copy != Some(Copying { from, epoch }) || !is_whole {
            let known = match record.tenure {
                Some(Tenure::Held { epoch } | Tenure::Moved { epoch, .. }) => Some(epoch),
                None => None,
            };
            return known >= Some(epoch);
        }
        let take = self.slots.takes.entry(slot);
        let take = take.or_insert(Take { from, epoch, attempt: 0, step: Step::Summed });
        if take.step != Step::Taking {
            take.step = Step::Taking;
            let held = SlotRecord { tenure: Some(Tenure::Held { epoch }), copy: None };
            self.slots.put_record(slot, held, Done::Held(slot, held));
        }
        true
    }

    /// That the slot is held here is on disk.
    pub(super) fn on_held(&mut self, slot: Slot, record: SlotRecord, turn: &mut Turn<'_>) {
        self.slots.records.insert(slot, record);
        if let Some(Take { epoch, .. }) = self.slots.takes.remove(&slot) {
            turn.metrics.slots_taken += 1;
            tracing::info!(slot = slot.index(), epoch, "a slot has come");
            self.open_slot(slot, epoch, turn);
            self.plan_move(turn);
        }
    }

    /// Either side's word that an attempt is over.
    pub(in super::super) fn on_move_end(
        &mut self,
        from: ServerId,
        end: &MoveEnd,
        turn: &mut Turn<'_>,
    ) {
        self.on_give_ended(from, end, turn);
        let take = self.slots.taken(from, end.slot, end.attempt);
        if take.is_some_and(|take| take.step != Step::Taking) {
            self.slots.takes.remove(&end.slot);
            self.slots.forget_writes_of(end.slot);
            self.clear_slot(end.slot, turn);
        }
    }

    /// This side does not go on.
    fn end_take(&mut self, slot: Slot, turn: &mut Turn<'_>) {
        if let Some(Take { from, attempt, .. }) = self.slots.takes.remove(&slot) {
            turn.tell_server(from, MoveEnd { slot, attempt });
            self.slots.forget_writes_of(slot);
            self.clear_slot(slot, turn);
        }
    }

    /// What becomes of slots on their way from there, the next link's first word says.
    pub(super) fn forget_takes_from(&mut self, server: ServerId) {
        self.slots.takes.retain(|_, take| take.from != server || take.step == Step::Taking);
    }

    /// A server has said all of its slots: copies of those that it did not move here are void.
    pub(super) fn drop_void_copies(
        &mut self,
        from: ServerId,
        claims: &[SlotClaim],
        turn: &mut Turn<'_>,
    ) {
        let me = self.me;
        let given: BTreeSet<(Slot, u32)> =
            claims.iter().filter(|c| c.holder == me).map(|c| (c.slot, c.epoch)).collect();
        let copies = self.slots.records.iter().filter_map(|(slot, record)| {
            let copy = record.copy.filter(|copy| copy.from == from)?;
            (!given.contains(&(*slot, copy.epoch))).then_some(*slot)
        });
        for slot in copies.collect::<Vec<_>>() {
            if !self.slots.is_taking(slot) {
                self.clear_slot(slot, turn);
            }
        }
    }
}

impl Done {
    /// Whether it is about what is copied here of the slot.
    pub(super) fn is_row_of(&self, slot: Slot) -> bool {
        match self {
            Self::Marked(of, ..) | Self::Rows(of, _) => *of == slot,
            Self::Moved(..) | Self::Held(..) | Self::Cleared(..) | Self::Clear(..) => false,
        }
    }
}

fn row(row: &MovedRow) -> Result<SlotRow, DecodeError> {
    // It waits for its batch, where bounds count it and not the buffer that it came in.
    let value = row.value.as_ref().map(|value| value.detached().into_bytes());
    SlotRow::new(row.family, row.key.detached().into_bytes(), value)
}

fn summed(slot: Slot, attempt: u64, digest: &SlotDigest) -> MoveSummed {
    let mut sum = [0; 32];
    for (bytes, part) in sum.chunks_exact_mut(8).zip(digest.sum) {
        bytes.copy_from_slice(&part.to_be_bytes());
    }
    MoveSummed { slot, attempt, rows: digest.rows, sum, highest: digest.highest }
}

/// The sum that a message tells.
pub(super) fn digest_of(summed: &MoveSummed) -> SlotDigest {
    let mut sum = [0; 4];
    for (part, bytes) in sum.iter_mut().zip(summed.sum.as_chunks::<8>().0) {
        *part = u64::from_be_bytes(*bytes);
    }
    SlotDigest { rows: summed.rows, sum, highest: summed.highest }
}
