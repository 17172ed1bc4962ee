//! What is in memory, found by a key that it holds itself: the index has a place and a byte for
//! each, and no copy of the key. Names are 33 bytes, and a user has several.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher24};

/// Values, or where to find them. Each key is there once. What order they are in follows from the
/// secret and from what came and went, so that a simulated run repeats it.
#[derive(Debug)]
pub(super) struct Index<T> {
    table: HashTable<T>,
    /// Keyed: users choose their names, and shall not choose places.
    hasher: SipHasher13,
}

impl<T> Index<T> {
    /// An empty one, whose hashes nobody can tell without `secret`.
    pub(super) fn new(secret: &[u8; 16]) -> Self {
        let mut derived = SipHasher24::new_with_key(secret);
        derived.write(b"fastchat index 1");
        let hasher = SipHasher13::new_with_key(&derived.finish128().as_bytes());
        Self { table: HashTable::new(), hasher }
    }

    /// The value of `key`; `is_meant` compares keys.
    pub(super) fn find(&self, key: &impl Hash, is_meant: impl Fn(&T) -> bool) -> Option<&T> {
        self.table.find(hash(self.hasher, key), is_meant)
    }

    /// The same, to be changed: not its key.
    pub(super) fn find_mut(
        &mut self,
        key: &impl Hash,
        is_meant: impl Fn(&T) -> bool,
    ) -> Option<&mut T> {
        self.table.find_mut(hash(self.hasher, key), is_meant)
    }

    /// Puts a value under a key that has none; `key_of` gives the keys of all others.
    pub(super) fn insert<K: Hash>(
        &mut self,
        key: &K,
        value: T,
        key_of: impl Fn(&T) -> K,
    ) -> &mut T {
        let hasher = self.hasher;
        let rehash = |other: &T| hash(hasher, &key_of(other));
        self.table.insert_unique(hash(hasher, key), value, rehash).into_mut()
    }

    /// Takes the value of `key` out.
    pub(super) fn remove(&mut self, key: &impl Hash, is_meant: impl Fn(&T) -> bool) -> Option<T> {
        let found = self.table.find_entry(hash(self.hasher, key), is_meant);
        found.ok().map(|entry| entry.remove().0)
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.table.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.table.iter_mut()
    }
}

fn hash(mut hasher: SipHasher13, key: &impl Hash) -> u64 {
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Index;

    type Kept = (u8, u16);

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Put(u8, u16),
        Change(u8, u16),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<Kept>().prop_map(|(key, value)| Step::Put(key, value)),
            any::<Kept>().prop_map(|(key, value)| Step::Change(key, value)),
            any::<u8>().prop_map(Step::Remove),
        ]
    }

    fn filled(steps: &[Step]) -> (Index<Kept>, BTreeMap<u8, u16>) {
        let (mut index, mut map) = (Index::new(&[7; 16]), BTreeMap::new());
        for step in steps {
            match *step {
                Step::Put(key, value) => {
                    let is_new = index.find(&key, |(other, _)| *other == key).is_none();
                    assert_eq!(is_new, !map.contains_key(&key));
                    if is_new {
                        index.insert(&key, (key, value), |(other, _)| *other);
                        map.insert(key, value);
                    }
                }
                Step::Change(key, value) => {
                    let found = index.find_mut(&key, |(other, _)| *other == key);
                    assert_eq!(found.as_deref().map(|(_, old)| *old), map.get(&key).copied());
                    if let Some((_, old)) = found {
                        *old = value;
                        map.insert(key, value);
                    }
                }
                Step::Remove(key) => {
                    let removed = index.remove(&key, |(other, _)| *other == key);
                    assert_eq!(removed.map(|(_, value)| value), map.remove(&key));
                }
            }
        }
        (index, map)
    }

    proptest! {
        #[test]
        fn it_is_a_map_whose_order_repeats(steps in vec(step(), 0..600)) {
            let (mut index, map) = filled(&steps);
            prop_assert_eq!((index.len(), index.is_empty()), (map.len(), map.is_empty()));
            let order: Vec<Kept> = index.iter().copied().collect();
            let (again, _) = filled(&steps);
            prop_assert!(order.iter().eq(again.iter()));
            prop_assert!(index.iter_mut().map(|kept| *kept).eq(order.iter().copied()));
            let sorted: BTreeMap<u8, u16> = order.into_iter().collect();
            prop_assert_eq!(sorted, map);
        }
    }
}
