//! A map for what is mostly one or two: no more memory than its entries need.

/// Entries sorted by key, in one piece of memory. It grows by one entry at a time while it is
/// small, and a tree's node would be mostly empty. Putting an entry among *n* moves up to *n*.
#[derive(Debug)]
pub(super) struct Few<K, V> {
    entries: Vec<(K, V)>,
}

/// Up to so many entries there is room for no more than there are.
const EXACT_MAX: usize = 4;

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, V> Few<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let at = self.find(key).ok()?;
        Some(&self.entries[at].1)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        Some(&mut self.entries[at].1)
    }

    pub(super) fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Gives what stood there before.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.put(at, key, value);
                None
            }
        }
    }

    /// What stands there, after `value` was put there if nothing did.
    pub(super) fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let at = self.find(&key);
        if let Err(at) = at {
            self.put(at, key, value());
        }
        let (Ok(at) | Err(at)) = at;
        &mut self.entries[at].1
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        let (_, value) = self.entries.remove(at);
        if self.entries.is_empty() {
            self.entries = Vec::new();
        }
        Some(value)
    }

    /// Keeps what `keep` says.
    pub(super) fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        self.entries.retain(|(key, value)| keep(key, value));
        if self.entries.is_empty() {
            self.entries = Vec::new();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(super) fn as_slice(&self) -> &[(K, V)] {
        &self.entries
    }

    /// The same, to be changed: not the keys.
    pub(super) fn as_mut_slice(&mut self) -> &mut [(K, V)] {
        &mut self.entries
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The entries from `first` to `last`, both included.
    pub(super) fn range(&self, first: &K, last: &K) -> impl Iterator<Item = &V> {
        let from = self.entries.partition_point(|(key, _)| key < first);
        self.entries[from..].iter().take_while(|(key, _)| *key <= *last).map(|(_, value)| value)
    }

    fn find(&self, key: &K) -> Result<usize, usize> {
        self.entries.binary_search_by(|(other, _)| other.cmp(key))
    }

    fn put(&mut self, at: usize, key: K, value: V) {
        if self.entries.len() < EXACT_MAX {
            self.entries.reserve_exact(1);
        }
        self.entries.insert(at, (key, value));
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Few<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.dedup_by(|(one, _), (other, _)| one == other);
        entries.shrink_to_fit();
        Self { entries }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Few;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert(u8, u16),
        OrInsert(u8, u16),
        Remove(u8),
        Retain(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (key, value) = (0..12_u8, any::<u16>());
        prop_oneof![
            (key.clone(), value).prop_map(|(key, value)| Step::Insert(key, value)),
            (key.clone(), value).prop_map(|(key, value)| Step::OrInsert(key, value)),
            key.clone().prop_map(Step::Remove),
            key.prop_map(Step::Retain),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in vec(step(), 0..60), first in 0..12_u8, last in 0..12_u8) {
            let (mut few, mut map) = (Few::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(few.insert(key, value), map.insert(key, value));
                    }
                    Step::OrInsert(key, value) => {
                        let own = *few.or_insert_with(key, || value);
                        prop_assert_eq!(own, *map.entry(key).or_insert(value));
                    }
                    Step::Remove(key) => prop_assert_eq!(few.remove(&key), map.remove(&key)),
                    Step::Retain(from) => {
                        few.retain(|key, _| *key >= from);
                        map.retain(|key, _| *key >= from);
                    }
                }
                prop_assert!(few.iter().eq(map.iter()));
                prop_assert_eq!((few.len(), few.is_empty()), (map.len(), map.is_empty()));
                prop_assert_eq!(few.get(&first), map.get(&first));
                prop_assert_eq!(few.get_mut(&last), map.get_mut(&last));
                prop_assert_eq!(few.contains_key(&last), map.contains_key(&last));
                if first <= last {
                    prop_assert!(few.range(&first, &last).eq(map.range(first..=last).map(|e| e.1)));
                }
            }
            let collected: Few<u8, u16> = map.iter().rev().map(|(k, v)| (*k, *v)).collect();
            prop_assert!(collected.iter().eq(map.iter()));
            prop_assert!(few.values().eq(map.values()) && few.values_mut().eq(map.values_mut()));
            prop_assert!(few.iter_mut().eq(map.iter_mut()));
            let pairs = few.as_slice().to_vec();
            prop_assert!(pairs == few.as_mut_slice() && pairs.into_iter().eq(map));
        }
    }

    #[test]
    fn one_entry_takes_the_room_of_one() {
        let mut few = Few::default();
        few.insert(1, [0; 100]);
        assert_eq!(few.entries.capacity(), 1);
        few.insert(2, [0; 100]);
        assert_eq!(few.entries.capacity(), 2);
        few.remove(&1);
        few.remove(&2);
        assert_eq!(few.entries.capacity(), 0);
    }
}
