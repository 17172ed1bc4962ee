//! Foreign sources of readiness: signal pipes, Unix sockets. Only their tokens are kept here.

use slab::Slab;

use super::event::SourceId;

#[derive(Debug, Default)]
pub(super) struct Sources {
    slots: Slab<u32>,
    generation: u32,
}

impl Sources {
    pub(super) fn add(&mut self) -> SourceId {
        self.generation = self.generation.wrapping_add(1);
        let index = u32::try_from(self.slots.insert(self.generation)).expect("few sources");
        SourceId { index, generation: self.generation }
    }

    pub(super) fn has(&self, id: SourceId) -> bool {
        self.slots.get(index_of(id)) == Some(&id.generation)
    }

    pub(super) fn remove(&mut self, id: SourceId) {
        if self.has(id) {
            self.slots.remove(index_of(id));
        }
    }
}

fn index_of(id: SourceId) -> usize {
    usize::try_from(id.index).expect("usize has 64 bits on every target")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_owner_of_a_slot_has_another_id() {
        let mut sources = Sources::default();
        let old = sources.add();
        sources.remove(old);
        let new = sources.add();
        assert_eq!(old.index, new.index);
        assert!(!sources.has(old) && sources.has(new));
        sources.remove(old);
        assert!(sources.has(new));
    }
}
