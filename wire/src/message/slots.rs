//! Between servers: who holds which slot, and the rows of a slot on their way to another holder.

use bytes::{BufMut, BytesMut};

use super::message;
use crate::field::{Field, List, Opaque};
use crate::id::{Seq, ServerId, Slot};
use crate::limits::{MOVED_KEY_LEN_MAX, MOVED_ROWS_MAX, SLOT_PAGE_LEN_MAX, SLOTS};
use crate::reader::{DecodeError, Reader};

/// What a server says of a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SlotClaim {
    /// Which slot.
    pub slot: Slot,
    /// Of the slot; of two claims the one with the higher epoch is true.
    pub epoch: u32,
    /// Who holds it: the server that says so, or the one to which that has moved it.
    pub holder: ServerId,
    /// The server that says so holds it and serves it now.
    pub serves: bool,
}

/// Layout: slot `u16`, epoch `u32`, holder `u16`, serves `bool`.
impl Field for SlotClaim {
    fn put(&self, out: &mut BytesMut) {
        self.slot.put(out);
        self.epoch.put(out);
        self.holder.put(out);
        self.serves.put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self {
            slot: Slot::get(reader, field)?,
            epoch: reader.u32(field)?,
            holder: ServerId::get(reader, field)?,
            serves: bool::get(reader, field)?,
        })
    }
}

/// A row of a store, or the place of one that was deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MovedRow {
    /// The number of its family.
    pub family: u8,
    /// Its key.
    pub key: Opaque<MOVED_KEY_LEN_MAX>,
    /// Its value; `None`: it was deleted.
    pub value: Option<Opaque<SLOT_PAGE_LEN_MAX>>,
}

/// Layout: family `u8`, key `bytes`, `bool`, value `bytes` after a 1.
impl Field for MovedRow {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.family);
        self.key.put(out);
        self.value.is_some().put(out);
        self.value.iter().for_each(|value| value.put(out));
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self {
            family: reader.u8(field)?,
            key: Opaque::get(reader, field)?,
            value: match bool::get(reader, field)? {
                true => Some(Opaque::get(reader, field)?),
                false => None,
            },
        })
    }
}

message! {
    /// Which slots the server holds, or has moved to another: all of which it has more to say than
    /// the map, first of all when a link comes up, and each change later.
    PeerSlots = PEER_SLOTS {
        /// It says nothing of other slots.
        whole: bool,
        /// What it says.
        claims: List<SlotClaim, SLOTS>,
    }
}

message! {
    /// Seat → holder, in answer to its claim: every session of these slots that sits here was
    /// registered before.
    SlotsTold = SLOTS_TOLD {
        /// The slots.
        slots: List<Slot, SLOTS>,
    }
}

message! {
    /// Holder → next holder: rows of the slot are about to come. Answered by [`MoveReady`].
    MoveBegin = MOVE_BEGIN {
        /// Which slot.
        slot: Slot,
        /// The number of this attempt; every message of it has it.
        attempt: u64,
        /// Of the slot, once it is taken.
        epoch: u32,
    }
}

message! {
    /// Next holder → holder: whether it takes the slot. Nothing of it is here now.
    MoveReady = MOVE_READY {
        /// Which slot.
        slot: Slot,
        /// Which attempt.
        attempt: u64,
        /// It does; if not, not now.
        is_ready: bool,
    }
}

message! {
    /// Holder → next holder: rows as they are there, or were written since, in order. Answered by
    /// [`MoveTaken`].
    MoveRows = MOVE_ROWS {
        /// Which slot.
        slot: Slot,
        /// Which attempt.
        attempt: u64,
        /// The rows.
        rows: List<MovedRow, MOVED_ROWS_MAX>,
    }
}

message! {
    /// Next holder → holder: the rows of one more frame are durable.
    MoveTaken = MOVE_TAKEN {
        /// Which slot.
        slot: Slot,
        /// Which attempt.
        attempt: u64,
    }
}

message! {
    /// Holder → next holder: nothing more changes. Answered by [`MoveSummed`].
    MoveSum = MOVE_SUM {
        /// Which slot.
        slot: Slot,
        /// Which attempt.
        attempt: u64,
        /// The holder has given no seq of an epoch above this.
        store_epoch: u32,
    }
}

message! {
    /// Next holder → holder: what its store holds of the slot.
    MoveSummed = MOVE_SUMMED {
        /// Which slot.
        slot: Slot,
        /// Which attempt.
        attempt: u64,
        /// How many rows.
        rows: u64,
        /// What they add up to.
        sum: [u8; 32],
        /// The highest seq among them.
        highest: Seq,
    }
}

message! {
    /// Either to the other: this attempt comes to nothing. The holder goes on to serve.
    MoveEnd = MOVE_END {
        /// Which slot.
        slot: Slot,
        /// Which attempt.
        attempt: u64,
    }
}
