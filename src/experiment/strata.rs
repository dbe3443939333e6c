//! The responses of a run, each endpoint taken as often as it comes on average.
//!
//! How many requests of each endpoint come within a window is drawn. Where one in twenty is slow,
//! p95 lies among the slow ones if a few more of them came, and among the others if a few fewer
//! did: nearly all of its noise is how many there were, which is known without simulating. So each
//! endpoint's responses count for its share of the traffic, not for how many came
//! (post-stratification: Cochran, Sampling Techniques, 1977, section 5A.9).

use crate::site::Site;
use crate::stats::histogram::{Histogram, bucket};

/// The responses of the requests answered well, by endpoint.
#[derive(Debug)]
pub(crate) struct Strata<'a> {
    all: Histogram,
    /// The endpoints' responses, each with what one of them counts for; all of them count for 1.
    each: Vec<(f64, &'a Histogram)>,
}

impl<'a> Strata<'a> {
    /// The `responses` of each endpoint of `site`. Unless they are `complete`, since some requests
    /// were not answered well, or where none came of some endpoint, they count as they came: those
    /// that were answered do not tell of the others.
    pub(crate) fn of(responses: &'a [Histogram], complete: bool, site: &Site) -> Strata<'a> {
        let mut all = Histogram::new();
        responses.iter().for_each(|endpoint| all.merge(endpoint));
        let wanted = site.traffic.endpoints.iter().zip(responses);
        let wanted = wanted.filter(|(endpoint, _)| endpoint.weight > 0.0);
        let each: Vec<_> = wanted
            .map(|(endpoint, came)| {
                (site.traffic.share(endpoint).get() / came.count() as f64, came)
            })
            .collect();
        let complete = complete && each.iter().all(|(weight, _)| weight.is_finite());
        Strata { all, each: if complete { each } else { Vec::new() } }
    }

    /// The mean response in nanoseconds; `None` where there was none.
    pub(crate) fn mean(&self) -> Option<f64> {
        let of = |(weight, came): &(f64, &Histogram)| {
            came.mean().map(|mean| weight * came.count() as f64 * mean)
        };
        if self.each.is_empty() { self.all.mean() } else { self.each.iter().map(of).sum() }
    }

    /// The smallest response, in nanoseconds, with at least `share` of all at or below it, as a
    /// histogram has it; `None` where there was none.
    pub(crate) fn quantile(&self, share: f64) -> Option<u64> {
        if self.each.len() < 2 {
            return self.all.quantile(share);
        }
        let own = || self.each.iter().filter_map(|(_, came)| came.quantile(share));
        // Where every endpoint has that much below, so have all together, and where none, neither.
        let (mut low, mut high) = (own().min()?, own().max()?);
        while bucket(low) < bucket(high) {
            let middle = low + (high - low) / 2;
            if self.below(middle) < share {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let rank = self.all.count_to(high) as f64 - 0.5;
        self.all.quantile(rank / self.all.count() as f64)
    }

    /// The share of all that is at most `value`, or in its bucket.
    fn below(&self, value: u64) -> f64 {
        self.each.iter().map(|(weight, came)| weight * came.count_to(value) as f64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::sites::{bare, exp};
    use crate::model::simulate;
    use crate::seed::Seed;
    use crate::site::{Dist, Endpoint, Step, WorkerKind};
    use crate::stats::estimate::Estimate;
    use crate::units::{PerSecond, Span};

    /// One request in ten waits for a second on average, the others for 10 ms.
    fn site() -> Site {
        let wait = |wait: Dist| vec![Step::Call { wait, cpu: Span::ZERO }];
        let kind = WorkerKind::Async { limit_concurrency: None };
        let mut site = bare(kind, 1, 1, wait(Dist::Fixed(Span::from_millis(10))));
        site.traffic.endpoints[0].weight = 9.0;
        site.traffic.endpoints.push(Endpoint::textbook(wait(exp(1.0))));
        site.traffic.rate = PerSecond::new(10.0);
        site
    }

    /// Half of the slow ones take longer than p95, which is ln 2 seconds. What a thousand requests
    /// tell of it has the variance of how many exceed it: 0.0475 of the requests as they come, 0.025
    /// with the number of slow ones known. So the noise is 0.73 times as much; over 200 runs it is
    /// known to a twentieth, and the ratio better, as the runs are the same.
    #[test]
    fn how_many_slow_requests_came_does_not_move_p95() {
        let (site, mut plain, mut strata) = (site(), Vec::new(), Vec::new());
        for seed in 1..=200 {
            let outcome = simulate(&site, Seed::new(seed));
            let mine = Strata::of(&outcome.response, true, &site);
            plain.push(mine.all.quantile(0.95).unwrap() as f64 / 1e9);
            strata.push(mine.quantile(0.95).unwrap() as f64 / 1e9);
        }
        let [plain, strata] = [plain, strata].map(|values| Estimate::of(&values).unwrap());
        let [was, error] = [plain, strata].map(|it| it.standard_error.unwrap());
        // A quantile of 1,000 is off by 0.1 % or so on average, its bucket by 0.4 % at most.
        assert!((strata.mean - 2f64.ln()).abs() < 4.0 * error + 0.005, "{strata:?}");
        assert!((error / was - 0.73).abs() < 0.1, "{error} and {was}");
    }

    #[test]
    fn a_quantile_is_one_that_was_recorded_and_the_mean_is_that_of_the_shares() {
        let site = site();
        let outcome = simulate(&site, Seed::new(1));
        let mine = Strata::of(&outcome.response, true, &site);
        for share in [0.5, 0.92, 0.95, 0.99] {
            let value = mine.quantile(share).unwrap();
            assert!(mine.below(value) >= share && mine.below(value - value / 64) < share);
            let rank = mine.all.count_to(value) as f64 - 0.5;
            assert_eq!(mine.all.quantile(rank / mine.all.count() as f64), Some(value));
        }
        let [fast, slow] = [0, 1].map(|index: usize| outcome.response[index].mean().unwrap());
        assert!((mine.mean().unwrap() / (0.9 * fast + 0.1 * slow) - 1.0).abs() < 1e-12);
    }
}
