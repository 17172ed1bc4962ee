//! Exact sets of post numbers, small when they have few gaps.

use std::collections::BTreeMap;

/// A set of numbers from 1 on, kept as ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Numbers {
    /// First to last number of each range.
    ranges: BTreeMap<u64, u64>,
    /// What was added last, when all that is below is there too: the common case costs no search.
    upto: u64,
}

impl Numbers {
    /// Adds a number; whether it was new.
    ///
    /// # Panics
    /// On 0, which is no post's number.
    pub fn insert(&mut self, number: u64) -> bool {
        assert!(number > 0, "posts are numbered from 1");
        if number == self.upto + 1 && self.ranges.is_empty() {
            self.upto = number;
            return true;
        }
        self.insert_beyond(number)
    }

    fn insert_beyond(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let last = match self.ranges.remove(&(number + 1)) {
            Some(last) => last,
            None => number,
        };
        match self.ranges.range_mut(..number).next_back() {
            Some((_, before)) if *before == number - 1 => *before = last,
            _ => {
                self.ranges.insert(number, last);
            }
        }
        if let Some(last) = self.ranges.remove(&(self.upto + 1)) {
            self.upto = last;
        }
        true
    }

    /// Whether a number is in the set.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        if (1..=self.upto).contains(&number) {
            return true;
        }
        let before = self.ranges.range(..=number).next_back();
        before.is_some_and(|(_, last)| number <= *last)
    }

    /// The highest number, 0 when there is none.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.ranges.last_key_value().map_or(self.upto, |(_, last)| *last)
    }

    /// How many numbers of this set are not in `other`.
    #[must_use]
    pub fn missing_in(&self, other: &Self) -> u64 {
        if self.ranges.is_empty() && self.upto <= other.upto {
            return 0;
        }
        let beyond = self.ranges.iter().map(|(first, last)| *first..=*last);
        let all = std::iter::once(1..=self.upto).chain(beyond).flatten();
        let missing = all.filter(|number| !other.contains(*number)).count();
        u64::try_from(missing).expect("usize fits u64")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(ours in prop::collection::vec(1u64..40, 0..60),
                       theirs in prop::collection::vec(1u64..40, 0..60)) {
            let (mut set, mut plain) = (Numbers::default(), BTreeSet::new());
            for number in ours {
                prop_assert_eq!(set.insert(number), plain.insert(number));
            }
            let (mut other, mut plain_other) = (Numbers::default(), BTreeSet::new());
            for number in theirs {
                prop_assert_eq!(other.insert(number), plain_other.insert(number));
            }
            for number in 0..42 {
                prop_assert_eq!(set.contains(number), plain.contains(&number));
            }
            prop_assert_eq!(set.highest(), plain.last().copied().unwrap_or(0));
            let missing = plain.difference(&plain_other).count();
            prop_assert_eq!(usize::try_from(set.missing_in(&other)), Ok(missing));
        }
    }

    #[test]
    fn a_gap_costs_one_range_and_closes() {
        let mut set = Numbers::default();
        for number in (1..1_000).filter(|number| *number != 5) {
            assert!(set.insert(number));
        }
        assert_eq!((set.upto, set.ranges.len()), (4, 1));
        assert!(set.insert(5));
        assert_eq!((set.upto, set.ranges.len()), (999, 0));
    }
}
