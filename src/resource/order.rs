//! Numbers in order, the smallest at hand.
//!
//! Of the few that run on the cores of a host at a time, a sorted list is cheaper to keep than a
//! heap; where they are many, a heap holds all but the smallest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many the sorted list holds at most.
const FEW: usize = 32;

/// Distinct numbers, of which the smallest is taken first.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The smallest ones, in falling order.
    few: Vec<u128>,
    /// The others, each larger than all of those.
    others: BinaryHeap<Reverse<u128>>,
}

impl Order {
    /// None.
    pub fn new() -> Order {
        Order { few: Vec::with_capacity(FEW + 1), others: BinaryHeap::new() }
    }

    /// Takes in `key`.
    #[inline]
    pub fn insert(&mut self, key: u128) {
        if self.others.is_empty() && self.few.len() < FEW {
            self.sort_in(key);
        } else {
            self.insert_among_many(key);
        }
    }

    /// Puts `key` where it belongs in the sorted list.
    #[inline]
    fn sort_in(&mut self, key: u128) {
        self.few.push(key);
        let mut place = self.few.len() - 1;
        while place > 0 && self.few[place - 1] < key {
            self.few[place] = self.few[place - 1];
            place -= 1;
        }
        self.few[place] = key;
    }

    #[cold]
    fn insert_among_many(&mut self, key: u128) {
        if self.few.first().is_none_or(|largest| key > *largest) {
            return self.others.push(Reverse(key));
        }
        self.sort_in(key);
        if self.few.len() > FEW {
            self.others.push(Reverse(self.few.remove(0)));
        }
    }

    /// The smallest.
    #[inline]
    pub fn first(&self) -> Option<u128> {
        let among_many = || self.others.peek().map(|Reverse(key)| *key);
        self.few.last().copied().or_else(among_many)
    }

    /// Takes the smallest out.
    #[inline]
    pub fn pop_first(&mut self) -> Option<u128> {
        let among_many = || self.others.pop().map(|Reverse(key)| key);
        self.few.pop().or_else(among_many)
    }

    /// Takes out the one that `is` the one wanted. Looks at each: for the rare cases only.
    pub fn remove(&mut self, is: impl Fn(u128) -> bool) -> Option<u128> {
        if let Some(place) = self.few.iter().position(|key| is(*key)) {
            return Some(self.few.remove(place));
        }
        let Reverse(found) = *self.others.iter().find(|Reverse(key)| is(*key))?;
        self.others.retain(|Reverse(key)| *key != found);
        Some(found)
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.few.len() + self.others.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// What is done: a number is taken in, or the smallest, or some one number, is taken out.
        #[test]
        fn it_does_what_a_sorted_set_does(
            steps in prop::collection::vec((0u8..8, 0u128..1000), 1..400),
        ) {
            let (mut order, mut set) = (Order::new(), BTreeSet::new());
            for (what, key) in steps {
                match what {
                    0..=4 if set.insert(key) => order.insert(key),
                    0..=4 => {}
                    5 => prop_assert_eq!(order.remove(|one| one == key), set.take(&key)),
                    _ => prop_assert_eq!(order.pop_first(), set.pop_first()),
                }
                prop_assert_eq!((order.first(), order.len()), (set.first().copied(), set.len()));
            }
        }
    }
}
