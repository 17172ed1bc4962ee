//! Examples of the messages about slots.

use wire::field::List;
use wire::message::{
    MoveBegin, MoveEnd, MoveReady, MoveRows, MoveSum, MoveSummed, MoveTaken, MovedRow, PeerSlots,
    SlotClaim, SlotsTold,
};
use wire::{Seq, ServerId, Slot};

use crate::examples::{Example, opaque, show};

pub(crate) fn slots() -> Vec<Example> {
    let slot = Slot::new(0x0123).expect("below 4,096");
    let (attempt, holder) = (7, ServerId(2));
    let claim = SlotClaim { slot, epoch: 4, holder, serves: true };
    let moved = SlotClaim { epoch: 5, holder: ServerId(3), serves: false, ..claim };
    let claims = |claims| List::new(claims).expect("few");
    let put = MovedRow { family: 12, key: opaque(b"\x02al"), value: Some(opaque(b"value")) };
    let deleted = MovedRow { value: None, ..put.clone() };
    let rows = List::new(vec![put, deleted]).expect("few");
    let summed = MoveSummed { slot, attempt, rows: 9, sum: [0x33; 32], highest: Seq::new(3, 8) };
    vec![
        show("all slots of a server", &PeerSlots { whole: true, claims: claims(vec![claim]) }),
        show("a slot moved", &PeerSlots { whole: false, claims: claims(vec![moved]) }),
        show("slots told", &SlotsTold { slots: List::new(vec![slot]).expect("one") }),
        show("move begin", &MoveBegin { slot, attempt, epoch: 5 }),
        show("move ready", &MoveReady { slot, attempt, is_ready: true }),
        show("move rows", &MoveRows { slot, attempt, rows }),
        show("move taken", &MoveTaken { slot, attempt }),
        show("move sum", &MoveSum { slot, attempt, store_epoch: 3 }),
        show("move summed", &summed),
        show("move end", &MoveEnd { slot, attempt }),
    ]
}
