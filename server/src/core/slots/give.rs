//! The holder's side of a move: copies a slot to its next holder, and lets it go.
//!
//! What the other side gets is one stream of frames on an ordered link: pages, and behind each what
//! batches wrote since it was asked for. A page may hold such a write or not; what comes last is
//! true. Of a log the record that it is found by comes first, so that whoever has a part of it
//! finds that again. Until the write that says that the slot has moved is given to the storage,
//! every way out leads back to serving.

use std::collections::VecDeque;

use storage::{Read, SlotDigest, SlotPlace, SlotRecord, SlotRow, Tenure};
use wire::field::List;
use wire::limits::{
    FREEZE_TIME_MAX, MOVE_PAUSE, MOVE_RETRY, MOVE_SILENCE_MAX, MOVE_WAITING_MAX, SLOT_PAGE_LEN_MAX,
    SLOTS,
};
use wire::message::{
    MoveBegin, MoveEnd, MoveReady, MoveRows, MoveSum, MoveSummed, MoveTaken, MovedRow, SlotClaim,
};
use wire::{Instant, Opaque, ServerId, Slot};

use super::super::event::Alarm;
use super::super::parts::Parts;
use super::super::timer::Timer;
use super::super::turn::{ReadKey, Turn};
use super::{Done, SlotRead};

/// A slot on its way to another holder.
#[derive(Debug)]
pub(super) struct Give {
    slot: Slot,
    to: ServerId,
    /// Of the slot, once it has moved.
    epoch: u32,
    attempt: u64,
    step: Step,
    /// Where the next page begins.
    place: Option<SlotPlace>,
    /// What was written since a page was asked for.
    held: Vec<SlotRow>,
    held_len: usize,
    /// Lengths of the frames that the other side has not taken.
    sent: VecDeque<usize>,
    sent_len: usize,
    /// When the other side said something last.
    heard: Instant,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// The other side was asked.
    Asking,
    /// The next batch is the first that is watched; everything before it is seen by reads then.
    Arming,
    /// A page is being read.
    Reading,
    /// The next page is read then, if the other side keeps up.
    Pausing(Instant),
    /// Every page was sent.
    Draining,
    /// Nothing of the slot is served, until then at most; it leaves memory.
    Closing(Instant),
    /// Both sides add up what they hold.
    Summing { until: Instant, mine: SlotDigest, is_whole: bool, theirs: Option<SlotDigest> },
    /// That it has moved is being written.
    Committing,
}

impl Give {
    /// Whether a batch is wanted though nothing is to be written.
    pub(super) fn wants_batch(&self) -> bool {
        self.step == Step::Arming
    }

    /// The slot, if what is written of it must follow.
    pub(super) fn watched(&self) -> Option<Slot> {
        (self.step != Step::Asking).then_some(self.slot)
    }

    fn is_closed(&self) -> bool {
        matches!(self.step, Step::Closing(_) | Step::Summing { .. })
    }

    fn is(&self, from: ServerId, slot: Slot, attempt: u64) -> bool {
        (self.to, self.slot, self.attempt) == (from, slot, attempt)
    }

    /// Sends what batches wrote, as far as pages have come to its log: what is behind them, a page
    /// will have.
    fn send_written(&mut self, mut rows: Vec<SlotRow>, turn: &mut Turn<'_>) {
        if let Some(place) = &self.place {
            rows.retain(|row| place.covers(row));
        }
        self.send(rows, turn);
    }

    /// Sends rows in frames that are not too long.
    fn send(&mut self, rows: Vec<SlotRow>, turn: &mut Turn<'_>) {
        let (mut frame, mut len) = (Vec::new(), 0);
        for row in rows {
            if len > 0 && len + row.cost() > SLOT_PAGE_LEN_MAX {
                self.send_frame(std::mem::take(&mut frame), len, turn);
                len = 0;
            }
            len += row.cost();
            frame.push(moved(&row));
        }
        if len > 0 {
            self.send_frame(frame, len, turn);
        }
    }

    fn send_frame(&mut self, rows: Vec<MovedRow>, len: usize, turn: &mut Turn<'_>) {
        let rows = List::new(rows).expect("each counts 64 bytes of a frame");
        let (slot, attempt) = (self.slot, self.attempt);
        turn.tell_server(self.to, MoveRows { slot, attempt, rows });
        self.sent.push_back(len);
        self.sent_len += len;
    }

    fn read_page(&mut self, turn: &mut Turn<'_>) {
        self.step = Step::Reading;
        let (slot, after) = (self.slot, self.place.clone());
        let read = Read::Slot { slot, after, len_max: SLOT_PAGE_LEN_MAX };
        turn.read(ReadKey::Slot(SlotRead::Page(slot, self.attempt)), read);
    }
}

fn moved(row: &SlotRow) -> MovedRow {
    let key = Opaque::new(row.key().clone()).expect("keys are short");
    let value = row.value().map(|value| Opaque::new(value.clone()).expect("a page holds it"));
    MovedRow { family: row.family(), key, value }
}

impl Parts {
    /// Begins to give the next slot that belongs elsewhere, if none is on its way.
    pub(in super::super) fn plan_move(&mut self, turn: &mut Turn<'_>) {
        if self.slots.give.is_some() || turn.now < self.slots.rests_until || self.is_stopping {
            return;
        }
        let first = self.slots.next;
        let slots = (0..SLOTS).filter_map(|index| Slot::new((first + index) % SLOTS));
        let Some(slot) = slots.into_iter().find(|slot| self.is_to_give(*slot)) else {
            return;
        };
        let map = self.seat.holders.map();
        let (to, epoch) = (map.home(slot), map.slot_epoch(slot));
        self.slots.next = (slot.index() + 1) % SLOTS;
        let attempt = self.slots.next_number();
        tracing::info!(slot = slot.index(), %to, epoch, "a slot begins to move");
        turn.tell_server(to, MoveBegin { slot, attempt, epoch });
        turn.timers.arm(turn.now + MOVE_SILENCE_MAX, Timer::Slots);
        self.slots.give = Some(Give {
            slot,
            to,
            epoch,
            attempt,
            step: Step::Asking,
            place: None,
            held: Vec::new(),
            held_len: 0,
            sent: VecDeque::new(),
            sent_len: 0,
            heard: turn.now,
        });
    }

    fn is_to_give(&self, slot: Slot) -> bool {
        let (holder, map) = (self.seat.holders.get(slot), self.seat.holders.map());
        let to = map.home(slot);
        let is_here = holder.server == self.me && holder.serves;
        is_here && to != self.me && map.slot_epoch(slot) > holder.epoch && self.seat.reaches(to)
    }

    /// The other side takes the slot, or not now.
    pub(in super::super) fn on_move_ready(
        &mut self,
        from: ServerId,
        ready: &MoveReady,
        turn: &mut Turn<'_>,
    ) {
        let Some(give) = self.given(from, ready.slot, ready.attempt, turn) else {
            return;
        };
        match (give.step, ready.is_ready) {
            (Step::Asking, true) => give.step = Step::Arming,
            (Step::Asking, false) => self.end_give(turn),
            _ => {}
        }
    }

    /// A batch is durable that wrote these rows of the slot.
    pub(super) fn on_written(&mut self, rows: Vec<SlotRow>, turn: &mut Turn<'_>) {
        let is_watched = std::mem::take(&mut self.slots.is_watched);
        let Some(give) = self.slots.give.as_mut().filter(|_| is_watched) else {
            return;
        };
        match give.step {
            Step::Asking => {}
            Step::Arming => give.read_page(turn),
            Step::Reading => {
                give.held_len += rows.iter().map(SlotRow::cost).sum::<usize>();
                give.held.extend(rows);
            }
            Step::Pausing(_) | Step::Draining | Step::Closing(_) => give.send_written(rows, turn),
            Step::Summing { .. } if rows.is_empty() => {}
            Step::Summing { .. } => return self.end_give(turn),
            Step::Committing => assert!(rows.is_empty(), "a slot that moves stands still"),
        }
        if self.slots.give.as_ref().is_some_and(|g| g.held_len + g.sent_len > MOVE_WAITING_MAX) {
            self.end_give(turn);
        }
    }

    /// A page was read.
    pub(super) fn on_page(
        &mut self,
        slot: Slot,
        attempt: u64,
        (rows, next): (Vec<SlotRow>, Option<SlotPlace>),
        turn: &mut Turn<'_>,
    ) {
        let give = self.slots.give.as_mut().filter(|give| give.attempt == attempt);
        let Some(give) = give.filter(|give| give.slot == slot && give.step == Step::Reading) else {
            return;
        };
        give.send(rows, turn);
        give.place = next.clone();
        let held = std::mem::take(&mut give.held);
        give.held_len = 0;
        give.send_written(held, turn);
        give.step = match next {
            Some(_) => Step::Pausing(turn.now + MOVE_PAUSE),
            None => Step::Draining,
        };
        turn.timers.arm(turn.now + MOVE_PAUSE, Timer::Slots);
    }

    /// The other side has one more frame on disk.
    pub(in super::super) fn on_move_taken(
        &mut self,
        from: ServerId,
        taken: &MoveTaken,
        turn: &mut Turn<'_>,
    ) {
        if let Some(give) = self.given(from, taken.slot, taken.attempt, turn)
            && let Some(len) = give.sent.pop_front()
        {
            give.sent_len -= len;
        }
    }

    /// Goes on where nothing has to be waited for any more.
    pub(super) fn step_give(&mut self, turn: &mut Turn<'_>) {
        let Some(give) = &mut self.slots.give else {
            return;
        };
        let sent_len = give.sent_len;
        match give.step {
            Step::Pausing(until) if until <= turn.now && sent_len <= 2 * SLOT_PAGE_LEN_MAX => {
                give.read_page(turn);
            }
            Step::Draining if sent_len <= SLOT_PAGE_LEN_MAX => self.close_given(turn),
            Step::Closing(until) if give.sent.is_empty() => self.sum_when_closed(until, turn),
            Step::Summing { until, mine, is_whole: true, theirs: Some(theirs) } => {
                self.compare(until, (&mine, &theirs), turn);
            }
            _ => {}
        }
    }

    fn sum_when_closed(&mut self, until: Instant, turn: &mut Turn<'_>) {
        if self.is_slot_closed() {
            self.begin_sum(until, turn);
        }
    }

    /// The slot stands still.
    fn close_given(&mut self, turn: &mut Turn<'_>) {
        let until = turn.now + FREEZE_TIME_MAX;
        let Some(give) = &mut self.slots.give else {
            return;
        };
        give.step = Step::Closing(until);
        let slot = give.slot;
        turn.timers.arm(until, Timer::Slots);
        tracing::info!(slot = slot.index(), "a slot stands still");
        self.close_slot(slot, turn);
        let epoch = self.seat.holders.get(slot).epoch;
        self.claim(SlotClaim { slot, epoch, holder: self.me, serves: false }, turn);
    }

    fn begin_sum(&mut self, until: Instant, turn: &mut Turn<'_>) {
        let store_epoch = self.logs.store_epoch();
        let Some(give) = &mut self.slots.give else {
            return;
        };
        let (mine, is_whole, theirs) = (SlotDigest::default(), false, None);
        give.step = Step::Summing { until, mine, is_whole, theirs };
        let (slot, attempt) = (give.slot, give.attempt);
        turn.tell_server(give.to, MoveSum { slot, attempt, store_epoch });
        let read = Read::SlotDigest { slot, after: None };
        turn.read(ReadKey::Slot(SlotRead::Sum(slot, attempt)), read);
    }

    /// A part of this store's sum was read.
    pub(super) fn on_own_sum(
        &mut self,
        slot: Slot,
        attempt: u64,
        (digest, next): (&SlotDigest, Option<SlotPlace>),
        turn: &mut Turn<'_>,
    ) {
        let give = self.slots.give.as_mut().filter(|give| give.attempt == attempt);
        let Some(Step::Summing { mine, is_whole, .. }) = give.map(|give| &mut give.step) else {
            return;
        };
        mine.add(digest);
        *is_whole = next.is_none();
        if next.is_some() {
            let read = Read::SlotDigest { slot, after: next };
            turn.read(ReadKey::Slot(SlotRead::Sum(slot, attempt)), read);
        }
    }

    /// What the other side's store adds up to.
    pub(in super::super) fn on_move_summed(
        &mut self,
        from: ServerId,
        summed: &MoveSummed,
        turn: &mut Turn<'_>,
    ) {
        let Some(give) = self.given(from, summed.slot, summed.attempt, turn) else {
            return;
        };
        if let Step::Summing { theirs, .. } = &mut give.step {
            *theirs = Some(super::take::digest_of(summed));
        }
    }

    fn compare(
        &mut self,
        until: Instant,
        (mine, theirs): (&SlotDigest, &SlotDigest),
        turn: &mut Turn<'_>,
    ) {
        let Some(give) = &mut self.slots.give else {
            return;
        };
        if mine != theirs {
            turn.alarm(Alarm::SlotsDiffer { to: give.to });
            return self.end_give(turn);
        }
        if until <= turn.now {
            return self.end_give(turn);
        }
        give.step = Step::Committing;
        let (slot, to, epoch) = (give.slot, give.to, give.epoch);
        let tenure = Some(Tenure::Moved { to, epoch, is_clear: false });
        let record = SlotRecord { tenure, copy: None };
        tracing::info!(slot = slot.index(), rows = mine.rows, sum = ?mine.sum, "a slot is copied");
        self.slots.put_record(slot, record, Done::Moved(slot, record));
    }

    /// That it has moved is on disk.
    pub(super) fn on_moved(&mut self, slot: Slot, record: SlotRecord, turn: &mut Turn<'_>) {
        self.slots.records.insert(slot, record);
        if let Some(Give { to: holder, epoch, .. }) = self.slots.give.take() {
            self.slots.failures = 0;
            turn.metrics.slots_given += 1;
            tracing::info!(slot = slot.index(), to = %holder, epoch, "a slot has moved");
            self.claim(SlotClaim { slot, epoch, holder, serves: false }, turn);
            if self.seat.holders.count().1 == 0 {
                tracing::info!("every slot that the map gives to others has moved");
            }
        }
        self.plan_move(turn);
    }

    /// The attempt comes to nothing: this server goes on to serve the slot.
    pub(in super::super) fn end_give(&mut self, turn: &mut Turn<'_>) {
        let is_over = |give: &mut Give| give.step != Step::Committing;
        let Some(give) = self.slots.give.take_if(is_over) else {
            return;
        };
        let (slot, attempt) = (give.slot, give.attempt);
        tracing::info!(slot = slot.index(), step = ?give.step, "a slot does not move now");
        turn.metrics.moves_ended += 1;
        if self.seat.reaches(give.to) {
            turn.tell_server(give.to, MoveEnd { slot, attempt });
        }
        self.slots.rests_until = turn.now + MOVE_RETRY * (1 << self.slots.failures.min(5));
        self.slots.failures += 1;
        turn.timers.arm(self.slots.rests_until, Timer::Slots);
        if give.is_closed() {
            let epoch = self.seat.holders.get(slot).epoch;
            self.open_slot(slot, epoch, turn);
        }
    }

    /// The slot is another's: nothing of it is served here again.
    pub(super) fn forget_give_of(&mut self, slot: Slot) {
        self.slots.give.take_if(|give| give.slot == slot && give.step != Step::Committing);
    }

    pub(super) fn end_give_to(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        if self.slots.give.as_ref().is_some_and(|give| give.to == server) {
            self.end_give(turn);
        }
    }

    /// The map may give the slot to another server than that it is on its way to.
    pub(in super::super) fn end_outdated_give(&mut self, turn: &mut Turn<'_>) {
        let map = self.seat.holders.map();
        let meant = |give: &Give| (map.home(give.slot), map.slot_epoch(give.slot));
        if self.slots.give.as_ref().is_some_and(|give| meant(give) != (give.to, give.epoch)) {
            self.end_give(turn);
            self.slots.failures = 0;
            self.slots.rests_until = turn.now;
        }
    }

    pub(super) fn on_give_timer(&mut self, turn: &mut Turn<'_>) {
        let Some(give) = &self.slots.give else {
            return;
        };
        let waits = give.step == Step::Asking || !give.sent.is_empty();
        let is_late = match give.step {
            Step::Closing(until) | Step::Summing { until, .. } => until <= turn.now,
            Step::Committing => return,
            _ => waits && turn.now.since(give.heard) >= MOVE_SILENCE_MAX,
        };
        if is_late {
            return self.end_give(turn);
        }
        turn.timers.arm(turn.now + MOVE_RETRY, Timer::Slots);
        self.step_give(turn);
    }

    /// The attempt that a message is about, if it is the one under way.
    fn given(
        &mut self,
        from: ServerId,
        slot: Slot,
        attempt: u64,
        turn: &Turn<'_>,
    ) -> Option<&mut Give> {
        let give = self.slots.give.as_mut().filter(|give| give.is(from, slot, attempt))?;
        give.heard = turn.now;
        Some(give)
    }

    /// The other side does not go on.
    pub(super) fn on_give_ended(&mut self, from: ServerId, end: &MoveEnd, turn: &mut Turn<'_>) {
        if self.given(from, end.slot, end.attempt, turn).is_some() {
            self.end_give(turn);
        }
    }
}
