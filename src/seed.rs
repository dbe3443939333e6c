//! Where a run's randomness starts.

/// The seed of one run. Seeds are a function, not a sequence: every replication's seed is known
/// before anything runs, so results cannot depend on how many threads there are or on what ran
/// before. The point of the sweep is *not* mixed in: replication 3 of every plan, server and rate
/// faces the same requests, so that differences between them are paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(u64);

impl Seed {
    /// The root seed that a scenario gives.
    pub const fn new(root: u64) -> Seed {
        Seed(root)
    }

    /// The seed as a number, to print or store.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The seed of one replication of an experiment rooted here.
    pub fn replication(self, index: u32) -> Seed {
        Seed(mix(self.0, u64::from(index)))
    }

    /// The seed of the random stream for one purpose of a run with this seed.
    pub fn stream(self, purpose: u64) -> u64 {
        mix(self.0, purpose)
    }
}

/// Hashes two words to one, so that neighbouring inputs give unrelated outputs: the finaliser of
/// SplitMix64 (Steele, Lea, Flood 2014) over a sum with its golden-ratio increment.
fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_replications_of_neighbouring_roots_all_differ() {
        let mut seen: Vec<u64> = (0..10)
            .flat_map(|root| (0..1000).map(move |i| Seed::new(root).replication(i).get()))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
