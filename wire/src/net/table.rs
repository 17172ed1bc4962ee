//! The connections by slot. A slot's next owner has another generation, so a late event or a late
//! order never reaches it.

use slab::Slab;

use super::conn::Conn;
use crate::id::ConnId;

#[derive(Default)]
pub(super) struct Table {
    /// Boxed: when a table of whole connections grows, it leaves its former memory behind.
    slots: Slab<Box<Conn>>,
    generation: u32,
}

impl Table {
    /// The id of the connection that is made next; given out once.
    pub(super) fn next_id(&mut self) -> ConnId {
        self.generation = self.generation.wrapping_add(1);
        let index = u32::try_from(self.slots.vacant_key()).expect("far fewer than 2^32 sockets");
        ConnId { index, generation: self.generation }
    }

    /// Puts a connection into the slot of its id, which [`Table::next_id`] gave just before.
    pub(super) fn insert(&mut self, conn: Conn) -> &mut Conn {
        let (id, slot) = (conn.id, self.slots.vacant_entry());
        assert_eq!(index_of(id), slot.key(), "next_id is followed by insert");
        slot.insert(Box::new(conn))
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.slots.get(index_of(id)).filter(|conn| conn.id == id).map(|conn| &**conn)
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(index_of(id)).filter(|conn| conn.id == id).map(|conn| &mut **conn)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        self.get(id)?;
        self.slots.try_remove(index_of(id)).map(|conn| *conn)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.slots.iter().map(|(_, conn)| &**conn)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

fn index_of(id: ConnId) -> usize {
    usize::try_from(id.index).expect("usize has 64 bits on every target")
}
