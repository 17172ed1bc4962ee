//! Who holds which slot: said to the other servers, heard from them, and passed on to the seat.

use std::collections::{BTreeMap, BTreeSet};

use storage::{SlotRecord, Tenure};
use wire::field::List;
use wire::message::{PeerSlots, Ping, SlotClaim, SlotsTold};
use wire::{ServerId, Slot};

use super::super::event::Alarm;
use super::super::holders::{Change, Holders};
use super::super::parts::Parts;
use super::super::turn::Turn;

/// What claims change for those who use slots.
#[derive(Default)]
struct Changes {
    lost: BTreeSet<Slot>,
    up: BTreeSet<Slot>,
}

impl Changes {
    fn note(&mut self, slot: Slot, change: Change) {
        match change {
            Change::None => {}
            Change::Lost => {
                self.lost.insert(slot);
                self.up.remove(&slot);
            }
            Change::Up => {
                self.lost.insert(slot);
                self.up.insert(slot);
            }
        }
    }
}

/// What the records on a server's disk say, to it before anybody else.
pub(in super::super) fn apply_own(
    me: ServerId,
    records: &[(Slot, SlotRecord)],
    holders: &mut Holders,
) {
    for (slot, record) in records {
        if let Some(claim) = claim_of(me, *slot, record, true) {
            holders.apply(me, &claim);
        }
    }
}

fn claim_of(me: ServerId, slot: Slot, record: &SlotRecord, serves: bool) -> Option<SlotClaim> {
    match record.tenure? {
        Tenure::Held { epoch } => Some(SlotClaim { slot, epoch, holder: me, serves }),
        Tenure::Moved { to: holder, epoch, .. } => {
            Some(SlotClaim { slot, epoch, holder, serves: false })
        }
    }
}

impl Parts {
    /// All that this server has to say of slots.
    pub(in super::super) fn whole_claims(&self) -> PeerSlots {
        let me = self.me;
        let mut claims = BTreeMap::new();
        for (slot, holder) in self.seat.holders.held_back_by(me) {
            let claim = SlotClaim { slot, epoch: holder.epoch, holder: me, serves: false };
            claims.insert(slot, claim);
        }
        for (slot, record) in &self.slots.records {
            let holder = self.seat.holders.get(*slot);
            let serves = holder.server == me && holder.serves;
            claims.extend(claim_of(me, *slot, record, serves).map(|claim| (*slot, claim)));
        }
        let claims = claims.into_values().collect();
        PeerSlots { whole: true, claims: List::new(claims).expect("one for each slot") }
    }

    /// Says something of a slot to everybody, this server's seat included.
    pub(super) fn claim(&mut self, claim: SlotClaim, turn: &mut Turn<'_>) {
        let mut changes = Changes::default();
        changes.note(claim.slot, self.seat.holders.apply(self.me, &claim));
        // Also to those that have not said theirs: they have heard all of this server's.
        for server in self.peers.linked() {
            let claims = List::new(vec![claim]).expect("one");
            turn.tell_server(server, PeerSlots { whole: false, claims });
        }
        self.tell_seat(&changes, turn);
    }

    /// A server says which slots it holds.
    pub(in super::super) fn on_peer_slots(
        &mut self,
        from: ServerId,
        message: PeerSlots,
        turn: &mut Turn<'_>,
    ) {
        let claims = message.claims.into_items();
        let mut changes = Changes::default();
        for claim in &claims {
            self.on_claim(from, claim, &mut changes, turn);
        }
        if message.whole {
            for slot in self.seat.holders.fill(from, &claims) {
                changes.note(slot, Change::Up);
            }
            self.drop_void_copies(from, &claims, turn);
        }
        self.tell_seat(&changes, turn);
        if message.whole && !self.seat.reaches(from) {
            self.seat.on_link_up(from, turn);
            turn.tell_server(from, Ping { nonce: turn.now.0 });
            self.seat.on_link_ready(from, turn);
        }
        let served = claims.iter().filter(|claim| claim.serves && claim.holder == from);
        let slots: Vec<Slot> = served.map(|claim| claim.slot).collect();
        if !slots.is_empty() && self.seat.reaches(from) {
            let slots = List::new(slots).expect("at most as many as claims");
            turn.tell_server(from, SlotsTold { slots });
        }
        self.plan_move(turn);
    }

    fn on_claim(
        &mut self,
        from: ServerId,
        claim: &SlotClaim,
        changes: &mut Changes,
        turn: &mut Turn<'_>,
    ) {
        let SlotClaim { slot, epoch, holder, serves } = *claim;
        let before = self.seat.holders.get(slot);
        if holder == self.me {
            if !self.on_given(from, claim) {
                turn.alarm(Alarm::SlotMissing { from });
            }
            return;
        }
        if before.server == self.me && epoch > before.epoch {
            // This store was put back from before the slot moved on.
            turn.alarm(Alarm::SlotTaken { from });
            self.forget_give_of(slot);
            self.close_slot(slot, turn);
        }
        changes.note(slot, self.seat.holders.apply(from, claim));
        let is_gone =
            |tenure| matches!(tenure, Tenure::Moved { epoch: moved, .. } if moved <= epoch);
        if serves && holder == from && self.slots.record(slot).tenure.is_some_and(is_gone) {
            self.clear_slot(slot, turn);
        }
    }

    fn tell_seat(&mut self, changes: &Changes, turn: &mut Turn<'_>) {
        if !changes.lost.is_empty() {
            self.seat.on_slots_lost(&changes.lost, turn);
        }
        if !changes.up.is_empty() {
            self.seat.on_slots_up(&changes.up, turn);
        }
    }

    /// Nothing of a slot is taken any more, and what is in memory of it goes to the disk.
    pub(super) fn close_slot(&mut self, slot: Slot, turn: &mut Turn<'_>) {
        let everybody = self.everybody();
        self.logs.close_slot(slot, &everybody);
        self.accounts.close_slot(slot, turn);
        self.blobs.close_slot(slot);
        self.notes.close_slot(slot);
    }

    /// Whether nothing of closed slots is in memory.
    pub(super) fn is_slot_closed(&mut self) -> bool {
        self.logs.is_closed()
            && self.accounts.is_closed()
            && self.blobs.is_closed()
            && self.notes.is_closed()
    }

    /// This server serves a slot, from now on or again.
    pub(super) fn open_slot(&mut self, slot: Slot, epoch: u32, turn: &mut Turn<'_>) {
        self.logs.open_slot(slot);
        self.blobs.open_slot(slot);
        self.notes.open_slot(slot);
        self.accounts.open_slot(slot, self.others(), turn.now);
        self.claim(SlotClaim { slot, epoch, holder: self.me, serves: true }, turn);
    }
}
