//! What is left of slots that are elsewhere: deleted page by page, beside everything else.
//!
//! A slot that has moved goes when its holder serves it, so that it is always on two disks or on
//! the right one; a copy, when its holder says that it has not moved here; and whatever there is,
//! before a slot is copied here.
//!
//! By the record of its session or group a log is found: those go last, when nothing else is left.

use std::collections::BTreeSet;

use storage::{Read, SlotPlace, SlotRecord, SlotRow, Tenure};
use wire::limits::{MOVE_PAUSE, SLOT_PAGE_LEN_MAX};
use wire::{Instant, Slot};

use super::super::parts::Parts;
use super::super::timer::Timer;
use super::super::turn::{ReadKey, Turn};
use super::{Done, SlotRead, Slots};

/// Which slots are cleared.
#[derive(Debug, Default)]
pub(super) struct Clearing {
    due: BTreeSet<Slot>,
    now: Option<Look>,
}

/// The slot that is looked through.
#[derive(Debug)]
struct Look {
    slot: Slot,
    number: u64,
    /// Nothing but what its logs are found by is left.
    is_last: bool,
    /// When and where the next page is read; `None`: something is on its way.
    next: Option<(Instant, Option<SlotPlace>)>,
}

impl Clearing {
    /// Whether the slot is being cleared, or about to be.
    pub(super) fn concerns(&self, slot: Slot) -> bool {
        self.due.contains(&slot) || self.now.as_ref().is_some_and(|look| look.slot == slot)
    }

    /// The look with this number, if it is under way.
    fn look(&mut self, number: u64) -> Option<&mut Look> {
        self.now.as_mut().filter(|look| look.number == number)
    }
}

impl Slots {
    /// The slot is neither held here nor coming, or about to come and not copied yet.
    fn may_clear(&self, slot: Slot) -> bool {
        let SlotRecord { tenure, copy } = self.record(slot);
        let is_left = match tenure {
            Some(Tenure::Held { .. }) => false,
            Some(Tenure::Moved { is_clear, .. }) => !is_clear || copy.is_some(),
            None => copy.is_some(),
        };
        self.is_emptying(slot).unwrap_or(is_left)
    }
}

impl Parts {
    /// What is left of a slot here is to go.
    pub(super) fn clear_slot(&mut self, slot: Slot, turn: &mut Turn<'_>) {
        if self.slots.may_clear(slot) && !self.slots.clearing.concerns(slot) {
            self.slots.clearing.due.insert(slot);
            self.step_clearing(turn);
        }
    }

    /// Goes on, when it is time.
    pub(super) fn step_clearing(&mut self, turn: &mut Turn<'_>) {
        if self.slots.clearing.now.is_none()
            && let Some(slot) = self.slots.clearing.due.pop_first()
            && self.slots.may_clear(slot)
        {
            let number = self.slots.next_number();
            let look = Look { slot, number, is_last: false, next: None };
            self.slots.clearing.now = Some(look);
            // Behind whatever a batch in flight may still write of it.
            self.slots.write(None, Done::Cleared(number, None, false));
        }
        if let Some(look) = &mut self.slots.clearing.now
            && let Some((_, after)) = look.next.take_if(|(at, _)| *at <= turn.now)
        {
            let (slot, number) = (look.slot, look.number);
            let read = Read::Slot { slot, after, len_max: SLOT_PAGE_LEN_MAX };
            turn.read(ReadKey::Slot(SlotRead::Clearing(number)), read);
        }
    }

    /// A page of what is left was read.
    pub(super) fn on_clearing(
        &mut self,
        number: u64,
        (mut rows, next): (Vec<SlotRow>, Option<SlotPlace>),
        turn: &mut Turn<'_>,
    ) {
        let Some(look) = self.slots.clearing.look(number) else {
            return;
        };
        let (slot, is_last) = (look.slot, look.is_last);
        let is_held = self.seat.holders.get(slot).server == self.me;
        assert!(!is_held, "what is held is not deleted");
        rows.retain(|row| is_last || !row.is_anchor());
        let is_read = next.is_none();
        if rows.is_empty() {
            return self.on_cleared(number, next, is_read, turn);
        }
        let rows = rows.into_iter().map(SlotRow::deleted).collect();
        self.slots.put_rows(slot, rows, Done::Cleared(number, next, is_read));
    }

    /// A page is gone; `is_read`: it was the last of this look.
    pub(super) fn on_cleared(
        &mut self,
        number: u64,
        next: Option<SlotPlace>,
        is_read: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(look) = self.slots.clearing.look(number) else {
            return;
        };
        if is_read && look.is_last {
            let slot = look.slot;
            return self.note_clear(slot, turn);
        }
        look.is_last |= is_read;
        let at = if next.is_some() { turn.now + MOVE_PAUSE } else { turn.now };
        look.next = Some((at, next));
        turn.timers.arm(at, Timer::Slots);
        self.step_clearing(turn);
    }

    /// Nothing is left of a slot.
    fn note_clear(&mut self, slot: Slot, turn: &mut Turn<'_>) {
        if self.slots.is_emptying(slot) == Some(true) {
            self.slots.clearing.now = None;
            self.mark(slot);
            return self.step_clearing(turn);
        }
        let tenure = match self.slots.record(slot).tenure {
            Some(Tenure::Moved { to, epoch, .. }) => {
                Some(Tenure::Moved { to, epoch, is_clear: true })
            }
            other => other,
        };
        let record = SlotRecord { tenure, copy: None };
        self.slots.put_record(slot, record, Done::Clear(slot, record));
    }

    /// That nothing is left is on disk.
    pub(super) fn on_clear(&mut self, slot: Slot, record: SlotRecord, turn: &mut Turn<'_>) {
        self.slots.records.insert(slot, record);
        self.slots.clearing.now.take_if(|look| look.slot == slot);
        if self.slots.is_emptying(slot) == Some(true) {
            self.mark(slot);
        }
        self.step_clearing(turn);
    }
}
