//! Slots: which of them a store holds, and their rows as they travel from store to store.

mod row;

use bytes::{BufMut, Bytes, BytesMut};
use wire::{DecodeError, Field, LogId, Reader, Seq, ServerId};

use crate::key::{self, Family};
use crate::value::Value;

pub use row::SlotRow;

/// What a store knows of a slot, beside its rows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SlotRecord {
    /// Whether it has the slot; `None`: it never said, and the slot is that of its first home.
    pub tenure: Option<Tenure>,
    /// Some of the slot's rows here are a copy of what another server has.
    pub copy: Option<Copying>,
}

/// Who has a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tenure {
    /// This store, which took it.
    Held {
        /// Of the slot, since then.
        epoch: u32,
    },
    /// Not this store any more, for ever: another has it, or had it later.
    Moved {
        /// To whom.
        to: ServerId,
        /// Of the slot, since then.
        epoch: u32,
        /// Nothing of it is left here.
        is_clear: bool,
    },
}

/// A copy that is made, or was made and not yet taken or deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Copying {
    /// Who has the slot.
    pub from: ServerId,
    /// Of the slot, once it is taken.
    pub epoch: u32,
}

/// How far a slot's rows were read. They have an order: log by log, in each first the row that
/// the log is found by, then family by family, by key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlotPlace {
    pub(crate) log: LogId,
    /// The last row that was read of that log; `None`: all of it was, or it has nothing here.
    pub(crate) row: Option<(Family, Bytes)>,
}

impl SlotPlace {
    /// Whether the log of a row was reached: what was read of it may be older than the row, what
    /// was not is still to be read.
    #[must_use]
    pub fn covers(&self, row: &SlotRow) -> bool {
        key::log(&row.log()) <= key::log(&self.log)
    }
}

/// What the rows of a slot add up to. Rows in another order add up to the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SlotDigest {
    /// How many there are.
    pub rows: u64,
    /// The sum of the hashes of all rows, in four parts.
    pub sum: [u64; 4],
    /// The highest seq that any of them names.
    pub highest: Seq,
}

impl SlotDigest {
    /// Adds what other rows add up to.
    pub fn add(&mut self, other: &Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        for (sum, other) in self.sum.iter_mut().zip(other.sum) {
            *sum = sum.wrapping_add(other);
        }
        self.highest = self.highest.max(other.highest);
    }
}

/// Layout: tenure `u8` (0 none, 1 held, 2 moved), after a 1 epoch, after a 2 to ‖ epoch ‖ clear
/// `u8`; copy `u8` 0, or 1 ‖ from ‖ epoch.
impl Value for SlotRecord {
    fn put_fields(&self, out: &mut BytesMut) {
        match self.tenure {
            None => out.put_u8(0),
            Some(Tenure::Held { epoch }) => {
                out.put_u8(1);
                epoch.put(out);
            }
            Some(Tenure::Moved { to, epoch, is_clear }) => {
                out.put_u8(2);
                to.put(out);
                epoch.put(out);
                is_clear.put(out);
            }
        }
        out.put_u8(u8::from(self.copy.is_some()));
        if let Some(Copying { from, epoch }) = self.copy {
            from.put(out);
            epoch.put(out);
        }
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        let tenure = match reader.u8("slot.tenure")? {
            0 => None,
            1 => Some(Tenure::Held { epoch: reader.u32("slot.epoch")? }),
            2 => Some(Tenure::Moved {
                to: ServerId::get(reader, "slot.to")?,
                epoch: reader.u32("slot.epoch")?,
                is_clear: bool::get(reader, "slot.is_clear")?,
            }),
            _ => return Err(DecodeError::Value("slot.tenure")),
        };
        let copy = match bool::get(reader, "slot.copy")? {
            true => Some(Copying {
                from: ServerId::get(reader, "slot.from")?,
                epoch: reader.u32("slot.epoch")?,
            }),
            false => None,
        };
        Ok(Self { tenure, copy })
    }
}

#[cfg(test)]
mod tests;
