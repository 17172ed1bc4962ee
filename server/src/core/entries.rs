//! The accounts in memory, by their names.

use wire::Name;

use super::account::Entry;
use super::index::Index;

/// What is kept of each account of which something is kept.
pub(super) struct Entries {
    listed: Index<Box<(Name, Entry)>>,
}

impl Entries {
    /// None yet. `secret` keys where they are found.
    pub(super) fn new(secret: &[u8; 16]) -> Self {
        Self { listed: Index::new(secret) }
    }

    pub(super) fn get(&self, name: &Name) -> Option<&Entry> {
        self.listed.find(name, |listed| listed.0 == *name).map(|listed| &listed.1)
    }

    pub(super) fn get_mut(&mut self, name: &Name) -> Option<&mut Entry> {
        self.listed.find_mut(name, |listed| listed.0 == *name).map(|listed| &mut listed.1)
    }

    /// The entry, a blank one if there was none.
    pub(super) fn or_default(&mut self, name: Name) -> &mut Entry {
        if !self.contains(&name) {
            let blank = Box::new((name, Entry::default()));
            self.listed.insert(&name, blank);
        }
        self.get_mut(&name).expect("it is there or was just put there")
    }

    pub(super) fn remove(&mut self, name: &Name) {
        self.listed.remove(name, |listed| listed.0 == *name);
    }

    pub(super) fn contains(&self, name: &Name) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Entry)> {
        self.listed.iter().map(|listed| (&listed.0, &listed.1))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Name, &mut Entry)> {
        self.listed.iter_mut().map(|listed| (&listed.0, &mut listed.1))
    }
}
