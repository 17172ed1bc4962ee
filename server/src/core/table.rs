//! What is kept per connection, found by the connection's slot and checked by its generation.

use wire::ConnId;

/// A table whose index is the slot of a [`ConnId`]. Shells number slots densely from 0.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: Vec<Option<(u32, T)>>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }
}

impl<T> Table<T> {
    /// Keeps `value` for `conn`.
    ///
    /// # Panics
    /// When the slot is still taken: a shell closes a connection before it reuses its slot.
    pub(super) fn insert(&mut self, conn: ConnId, value: T) {
        let index = slot_index(conn);
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        let slot = &mut self.slots[index];
        assert!(slot.is_none(), "the slot of {conn:?} is still taken");
        *slot = Some((conn.generation, value));
        self.len += 1;
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<&T> {
        let (generation, value) = self.slots.get(slot_index(conn))?.as_ref()?;
        (*generation == conn.generation).then_some(value)
    }

    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut T> {
        let (generation, value) = self.slots.get_mut(slot_index(conn))?.as_mut()?;
        (*generation == conn.generation).then_some(value)
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<T> {
        self.get(conn)?;
        let (_, value) = self.slots[slot_index(conn)].take()?;
        self.len -= 1;
        Some(value)
    }

    /// How many connections are kept.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Every connection, by slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let (generation, value) = slot.as_ref()?;
            let index = u32::try_from(index).expect("slots are numbered by u32");
            let generation = *generation;
            Some((ConnId { index, generation }, value))
        })
    }
}

fn slot_index(conn: ConnId) -> usize {
    usize::try_from(conn.index).expect("u32 fits usize on 64-bit targets")
}

#[cfg(test)]
mod tests {
    use super::Table;
    use wire::ConnId;

    #[test]
    fn a_late_id_never_reaches_the_next_owner() {
        let (first, second) = (conn(3, 0), conn(3, 1));
        let mut table = Table::default();
        table.insert(first, 'a');
        assert_eq!(table.remove(first), Some('a'));
        table.insert(second, 'b');
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&'b'));
        assert_eq!(table.len(), 1);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(second, &'b')]);
    }

    fn conn(index: u32, generation: u32) -> ConnId {
        ConnId { index, generation }
    }
}
