//! Isotonic regression: evens out the falls that chance makes in values that ought to rise.

/// The values of `points` with every fall within the noise evened out. A point is a value and half
/// the width of its interval, above zero. Neighbours that fall although their intervals overlap get
/// their mean, weighted by precision (pooling adjacent violators: Barlow, Bartholomew, Bremner and
/// Brunk, *Statistical Inference under Order Restrictions*, 1972). Larger falls stay.
pub fn rising(points: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<Pool> = Vec::new();
    for (value, half) in points {
        let mut pool = Pool { value: *value, weight: half.powi(-2), count: 1 };
        while let Some(before) = pools.pop_if(|before| before.falls_by_chance_to(&pool)) {
            pool = before.joined(&pool);
        }
        pools.push(pool);
    }
    pools.iter().flat_map(|pool| std::iter::repeat_n(pool.value, pool.count)).collect()
}

/// Neighbouring points that share one value.
struct Pool {
    value: f64,
    /// The inverse of the square of half the interval's width.
    weight: f64,
    count: usize,
}

impl Pool {
    fn falls_by_chance_to(&self, next: &Pool) -> bool {
        let reach = self.weight.powf(-0.5) + next.weight.powf(-0.5);
        self.value > next.value && self.value - next.value < reach
    }

    fn joined(&self, next: &Pool) -> Pool {
        let weight = self.weight + next.weight;
        let value = (self.value * self.weight + next.value * next.weight) / weight;
        Pool { value, weight, count: self.count + next.count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_stays() {
        assert_eq!(rising(&[(1.0, 0.5), (1.0, 0.1), (3.0, 9.0)]), [1.0, 1.0, 3.0]);
        assert_eq!(rising(&[]), []);
    }

    #[test]
    fn a_fall_within_noise_becomes_the_mean_and_what_is_known_better_counts_more() {
        assert_eq!(rising(&[(1.0, 1.0), (4.0, 2.0), (3.0, 2.0), (9.0, 1.0)]), [1.0, 3.5, 3.5, 9.0]);
        // Weights 1 and 1/4: (4 + 3/4) / (5/4) = 3.8; then 3.8 with 5/4 and 3 with 1.
        let evened = rising(&[(4.0, 1.0), (3.0, 2.0), (3.0, 1.0)]);
        assert!(evened.iter().all(|it| (it - (3.8 * 1.25 + 3.0) / 2.25).abs() < 1e-12));
    }

    #[test]
    fn a_fall_that_cannot_be_chance_stays() {
        assert_eq!(rising(&[(4.0, 0.4), (3.0, 0.5), (5.0, 1.0)]), [4.0, 3.0, 5.0]);
    }
}
