//! The response times of a run, with each endpoint weighted by its share of the traffic.
//!
//! The number of requests for each endpoint within a window is random. Where one in twenty is slow,
//! p95 lies among the slow ones if a few more of them came, and among the others if a few fewer
//! did: nearly all of its noise is that number, whose expectation is known without simulating. So
//! each endpoint's responses count for its share of the traffic, not for how many came
//! (post-stratification: Cochran, Sampling Techniques, 1977, section 5A.9).

use crate::site::Site;
use crate::stats::histogram::{Histogram, bucket};

/// The responses of the requests answered well, by endpoint.
#[derive(Debug)]
pub(crate) struct Strata<'a> {
    all: Histogram,
    /// The responses of each endpoint, with the weight of one of them. All weights add up to 1.
    /// Empty where responses are not weighted.
    each: Vec<(f64, &'a Histogram)>,
}

impl<'a> Strata<'a> {
    /// The `responses` of each endpoint of `site`. They are not weighted unless they are
    /// `complete`, since answered requests need not be like the others, nor where some endpoint had
    /// no request.
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
        // The quantile of all lies between the smallest and the largest quantile of an endpoint.
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

    /// The weighted share of all responses that are at most `value`, or in its bucket.
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

    /// Half of the slow requests take longer than p95, which is ln 2 seconds. The variance of its
    /// estimate goes with that of how many exceed it: per request 0.05 · 0.95 = 0.0475, but 0.025
    /// if the number of slow ones is fixed. So the noise is √(0.025 / 0.0475) = 0.73 times as
    /// large. A standard deviation over 200 runs has a standard error of 5 %. If the two were
    /// independent the ratio would have 7 %, which is 0.05; as they share their runs, it has less,
    /// and 0.1 is at least two standard errors.
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
