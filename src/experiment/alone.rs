//! Simulates requests that never meet another.

use crate::experiment::demand::length_biased_response;
use crate::experiment::horizon::{DRAIN, IN_FLIGHT, at};
use crate::model::simulate;
use crate::outcome::Cause;
use crate::seed::Seed;
use crate::site::{Horizon, Site};
use crate::units::{PerSecond, Span};

/// Requests simulated: enough to measure a share of 1 % with a standard error of a seventh of it.
const REQUESTS: f64 = 5_000.0;

/// The mean gap between two requests, as a multiple of [`length_biased_response`]: so long that
/// hardly any meets another.
const APART: f64 = 1_000.0;

/// The longest mean gap, in seconds: 5,000 such gaps are 158 years, and the clock holds 584.
const FARTHEST: f64 = 1e6;

/// The share of the requests to `site` that are cut off by a timeout, or take longer than their
/// client has patience, without any waiting for others. Code is taken to be warm, which it would be
/// under load.
pub(crate) fn overdue_alone(site: &Site) -> f64 {
    let gap = (APART * length_biased_response(site)).clamp(1e-6, FARTHEST);
    let horizon = Horizon {
        warmup: Span::ZERO,
        measured: Span::from_secs(REQUESTS * gap),
        drain: DRAIN,
        in_flight_limit: IN_FLIGHT,
        arrivals_limit: 2 * REQUESTS as u64,
    };
    let mut site = at(site, PerSecond::new(1.0 / gap), horizon);
    site.host.cooling = None;
    if let Some(host) = &mut site.database.host {
        host.cooling = None;
    }
    let counts = simulate(&site, Seed::new(1)).counts;
    let overdue = [Cause::Timeout, Cause::Patience].map(|it| counts.failed[it as usize]);
    overdue.iter().sum::<u64>() as f64 / (counts.arrived as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::sites::{bare, exp, query};
    use crate::site::WorkerKind;

    /// A share e^-2.5 = 8.2 % of exponential queries is longer than 2.5 times their mean. Of some
    /// 5,000 its standard error is 0.39 %.
    #[test]
    fn the_share_that_takes_longer_than_patience_is_that_of_the_work() {
        let mut site = bare(WorkerKind::Sync, 1, 1, vec![query(exp(0.2))]);
        site.traffic.rate = PerSecond::new(100.0);
        assert!(overdue_alone(&site) <= 0.0);
        site.client.patience = Some(Span::from_millis(500));
        let share = overdue_alone(&site);
        assert!((share - 0.0821).abs() < 4.0 * 0.0039, "{share}");
    }
}
