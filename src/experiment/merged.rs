//! The responses of all replications of a sample together.
//!
//! The mean of the windows' quantiles is not the quantile of what all windows hold: it is biased by
//! about one over the length of a window, which took 11 % off p99 of M/M/1 at 95 % of capacity
//! (measured: 150 rows, give or take 0.5 %). So a quantile is that of all responses together, and
//! how much it varies is told by the quantiles of the windows around it (sectioning: Asmussen and
//! Glynn, Stochastic Simulation, 2007, section III.5a; Nakayama, ACM TOMACS 24(4), 2014).

use crate::experiment::strata::Strata;
use crate::experiment::summary::{QUANTILES, Summary, is_complete};
use crate::site::Site;
use crate::stats::histogram::Histogram;

/// The responses of all replications together.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    responses: Vec<Histogram>,
    complete: bool,
    /// The mean response, in seconds; `None` where nobody was answered.
    pub mean: Option<f64>,
    /// The quantiles of the response, in seconds.
    pub quantiles: [Option<f64>; QUANTILES.len()],
}

impl Merged {
    /// The responses of `summaries`, which are of `site`, taken out of them.
    pub(crate) fn of(summaries: &mut [Summary], site: &Site) -> Merged {
        let responses = vec![Histogram::new(); site.traffic.endpoints.len()];
        let mut merged =
            Merged { responses, complete: true, mean: None, quantiles: [None; QUANTILES.len()] };
        merged.extend(summaries, site);
        merged
    }

    /// Takes the responses of more summaries out of them.
    pub(crate) fn extend(&mut self, summaries: &mut [Summary], site: &Site) {
        for summary in summaries {
            let taken = std::mem::take(&mut summary.responses);
            self.responses.iter_mut().zip(&taken).for_each(|(all, of)| all.merge(of));
            self.complete &= is_complete(&summary.counts);
        }
        let together = Strata::of(&self.responses, self.complete, site);
        self.mean = together.mean().map(|nanos| nanos / 1e9);
        self.quantiles =
            QUANTILES.map(|share| together.quantile(share).map(|nanos| nanos as f64 / 1e9));
    }

    /// How many requests were answered of the endpoint that has the fewest; not known where some
    /// request was not answered well.
    pub(crate) fn fewest(&self, site: &Site) -> Option<u64> {
        let wanted = site.traffic.endpoints.iter().zip(&self.responses);
        let wanted = wanted.filter(|(endpoint, _)| endpoint.weight > 0.0);
        wanted.map(|(_, came)| came.count()).min().filter(|_| self.complete)
    }
}
