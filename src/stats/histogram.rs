//! Counts in logarithmic buckets; quantiles with a stated error.
//!
//! Recording takes constant time, memory is constant, and merging is exact whatever the order,
//! which is what keeps results the same for any number of threads.

use crate::units::Span;

/// A histogram of whole numbers: nanoseconds, or requests.
///
/// Values below 256 are kept exactly. Above, each doubling is cut into 128 buckets, so a bucket
/// is at most 1/128 of its value wide and its middle, which stands for all of it, is within
/// 0.4 % of each value in it. Mean, smallest and largest value are exact, and no quantile lies
/// beyond those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

/// log2 of the buckets per doubling.
const BITS: u32 = 7;

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Histogram {
        // Buckets for values up to nine minutes in nanoseconds; longer ones make it grow.
        Histogram { buckets: vec![0; 33 << BITS], sum: 0, min: u64::MAX, max: 0 }
    }

    /// Records one span, in nanoseconds.
    #[inline]
    pub fn record_span(&mut self, span: Span) {
        self.record(span.as_nanos());
    }

    /// Records one value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.record_in(bucket(value), value);
    }

    /// Records one value, whose [`bucket`] the caller has computed.
    #[inline]
    pub fn record_in(&mut self, bucket: usize, value: u64) {
        match self.buckets.get_mut(bucket) {
            // Neither this count nor the sum can wrap: it would take centuries of recording.
            Some(count) => *count = count.wrapping_add(1),
            None => self.grow(bucket),
        }
        self.sum = self.sum.wrapping_add(u128::from(value));
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
    }

    /// Records a value beyond the last bucket, by adding buckets up to its own.
    #[cold]
    fn grow(&mut self, bucket: usize) {
        self.buckets.resize(bucket, 0);
        self.buckets.push(1);
    }

    /// Adds what `other` recorded.
    pub fn merge(&mut self, other: &Histogram) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The largest value recorded, exactly; 0 if empty.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean of the values recorded, exactly; `None` if empty.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum as f64 / count as f64)
    }

    /// Mean and mean square, both computed from the midpoints of the buckets; `None` if empty. The
    /// exact mean ([`Histogram::mean`]) must not be mixed in: mean square less its square could
    /// then be negative, which is no variance.
    pub fn moments(&self) -> Option<(f64, f64)> {
        let mean = |power: i32| {
            let of = |(bucket, count): (usize, &u64)| match count {
                0 => 0.0,
                _ => (middle(bucket) as f64).powi(power) * *count as f64,
            };
            self.buckets.iter().enumerate().map(of).sum::<f64>() / self.count() as f64
        };
        (self.count() > 0).then(|| (mean(1), mean(2)))
    }

    /// The `share` quantile: the smallest recorded value with at least that share of all values
    /// at or below it, within 0.4 %. `None` if empty. `share` is above 0 and at most 1.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        assert!(share > 0.0 && share <= 1.0, "a quantile's share lies in (0, 1], not {share}");
        let rank = (share * self.count() as f64).ceil() as u64;
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if *count > 0 && below >= rank {
                return Some(middle(bucket).clamp(self.min, self.max));
            }
        }
        None
    }

    /// How many values are at most `value`, those in its own bucket all included.
    pub fn count_to(&self, value: u64) -> u64 {
        let end = (bucket(value) + 1).min(self.buckets.len());
        self.buckets[..end].iter().sum()
    }
}

/// The index of a value's bucket.
#[inline]
pub fn bucket(value: u64) -> usize {
    if value < 1 << BITS {
        value as usize
    } else if value < 1 << f64::MANTISSA_DIGITS {
        // A float's bits are its exponent, which is the octave, followed by its mantissa, whose
        // leading bits are the bucket within the octave: one conversion finds both.
        let bits = (value as i64 as f64).to_bits() >> (f64::MANTISSA_DIGITS - 1 - BITS);
        (bits as usize).wrapping_sub(FIRST_OF_FLOATS)
    } else {
        last_buckets(value)
    }
}

/// What to subtract from the leading bits of a float to get its bucket's index.
const FIRST_OF_FLOATS: usize = (f64::MAX_EXP as usize - 1 + BITS as usize - 1) << BITS;

/// The index of a value's bucket, for values of at least 2^BITS that a float may not hold exactly.
#[cold]
fn last_buckets(value: u64) -> usize {
    let octave = value.ilog2() - BITS;
    ((octave as usize) << BITS).wrapping_add((value >> octave) as usize)
}

/// The value that stands for a bucket: its middle.
fn middle(bucket: usize) -> u64 {
    let octave = (bucket >> BITS).saturating_sub(1);
    let low = ((bucket - (octave << BITS)) as u64) << octave;
    low + ((1u64 << octave) - 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_the_stated_error_of_its_bucket() {
        let mut value = 1u64;
        while value < u64::MAX / 3 {
            for probe in [value - 1, value, value + 1] {
                let stands_for = middle(bucket(probe));
                assert!(probe < 1 << BITS || bucket(probe) == last_buckets(probe), "{probe}");
                let error = stands_for.abs_diff(probe) as f64 / probe.max(1) as f64;
                assert!(error <= 1.0 / 256.0, "{probe} is told as {stands_for}");
            }
            value += value / 16 + 1;
        }
    }

    #[test]
    fn a_quantile_is_the_smallest_value_with_that_share_at_or_below_it() {
        let mut histogram = Histogram::new();
        for value in 1..=100 {
            histogram.record(value);
        }
        let quantiles = [0.01, 0.5, 0.95, 0.955, 1.0].map(|share| histogram.quantile(share));
        assert_eq!(quantiles, [Some(1), Some(50), Some(95), Some(96), Some(100)]);
        assert_eq!(histogram.mean(), Some(50.5));
        assert_eq!(histogram.moments(), Some((50.5, 3383.5)));
        assert_eq!(Histogram::new().quantile(0.5), None);
        assert_eq!(Histogram::new().moments(), None);
    }

    /// Buckets are two wide from 256 on, and four from 512 on. Values spread over a bucket of four
    /// have a variance of 5 / 4 that midpoints do not see.
    #[test]
    fn the_variance_of_large_values_close_together_is_theirs_to_the_width_of_a_bucket() {
        for start in [100, 300, 600, 10_000] {
            let mut histogram = Histogram::new();
            let width = start.max(256) / 128;
            (start..start + 20 * width).for_each(|value| histogram.record(value));
            let (mean, square) = histogram.moments().unwrap();
            let n = (20 * width) as f64;
            let expected = (n * n - 1.0) / 12.0;
            let told = square - mean * mean;
            assert!((told / expected - 1.0).abs() < 0.01, "{start}: {told}, and not {expected}");
        }
    }

    /// The middle of the bucket of 10 ms is 9.99 ms.
    #[test]
    fn a_value_that_is_the_only_one_is_every_quantile() {
        let ten_ms = 10_000_000;
        assert!(middle(bucket(ten_ms)) < ten_ms);
        let (mut one, mut other) = (Histogram::new(), Histogram::new());
        one.record(ten_ms);
        other.record(ten_ms);
        one.merge(&other);
        assert_eq!([0.01, 0.95, 1.0].map(|share| one.quantile(share)), [Some(ten_ms); 3]);
        one.record(ten_ms - 10);
        assert_eq!(one.quantile(0.5), Some(ten_ms - 10));
    }

    #[test]
    fn merging_is_exact_in_any_order() {
        let of = |values: &[u64]| {
            let mut histogram = Histogram::new();
            values.iter().for_each(|value| histogram.record(*value));
            histogram
        };
        let (mut ab, mut ba) = (of(&[3, 70_000]), of(&[u64::MAX / 2, 5]));
        let (a, b) = (ab.clone(), ba.clone());
        ab.merge(&b);
        ba.merge(&a);
        assert_eq!(
            (ab.quantile(0.5), ab.max(), ab.mean()),
            (ba.quantile(0.5), ba.max(), ba.mean())
        );
    }
}
