//! What is in memory, found by a key that it holds itself: the index has a place for each and five
//! bytes beside it (nine beside a pointer), and no copy of the key. Names are 33 bytes, and a user
//! has several.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher24};

/// Values, or where to find them. Each key is there once. What order they are in follows from the
/// secret and from what came and went, so that a simulated run repeats it on machines of one kind.
#[derive(Debug)]
pub(super) struct Index<T> {
    table: HashTable<Placed<T>>,
    /// Keyed: users choose their names, and shall not choose places.
    hasher: SipHasher13,
}

/// A value with the hash of its key: a table that grows reads no keys, which lie all over memory.
#[derive(Debug)]
struct Placed<T> {
    hash: u32,
    value: T,
}

/// The golden ratio of 2⁶⁴ (Knuth, The Art of Computer Programming 3, 6.4): a table takes the place
/// from the lowest bits of a hash and a mark from the highest.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

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
        let found = self.table.find(spread(self.hash(key)), |placed| is_meant(&placed.value));
        found.map(|placed| &placed.value)
    }

    /// The same, to be changed: not its key.
    pub(super) fn find_mut(
        &mut self,
        key: &impl Hash,
        is_meant: impl Fn(&T) -> bool,
    ) -> Option<&mut T> {
        let hash = spread(self.hash(key));
        let found = self.table.find_mut(hash, |placed| is_meant(&placed.value));
        found.map(|placed| &mut placed.value)
    }

    /// Puts a value under a key that has none.
    pub(super) fn insert(&mut self, key: &impl Hash, value: T) {
        let hash = self.hash(key);
        let placed = Placed { hash, value };
        self.table.insert_unique(spread(hash), placed, |other| spread(other.hash));
    }

    /// Takes the value of `key` out.
    pub(super) fn remove(&mut self, key: &impl Hash, is_meant: impl Fn(&T) -> bool) -> Option<T> {
        let hash = spread(self.hash(key));
        let found = self.table.find_entry(hash, |placed| is_meant(&placed.value));
        found.ok().map(|entry| entry.remove().0.value)
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.table.iter().map(|placed| &placed.value)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.table.iter_mut().map(|placed| &mut placed.value)
    }

    fn hash(&self, key: &impl Hash) -> u32 {
        let mut hasher = self.hasher;
        key.hash(&mut hasher);
        let [_, _, _, _, low @ ..] = hasher.finish().to_be_bytes();
        u32::from_be_bytes(low)
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

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
                        index.insert(&key, (key, value));
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

    #[test]
    fn a_hash_is_spread_over_places_and_marks() {
        let marks: BTreeSet<u64> = (0..2_048).map(|n| super::spread(n << 20) >> 57).collect();
        assert_eq!(marks.len(), 128, "seven bits, of hashes with one place");
        let places: BTreeSet<u64> = (0..1_024).map(|n| super::spread(n) & 1_023).collect();
        assert_eq!(places.len(), 1_024, "of hashes that differ in their lowest bits");
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
