//! Rows on how much estimates scatter. What is checked is a variance, as the mean over
//! replications of squared deviations from the true value.

use tonnage::model;
use tonnage::seed::Seed;
use tonnage::site::{Site, Step, WorkerKind};
use tonnage::units::{PerSecond, Span};

use super::check::Theorem;
use super::table::rows;
use crate::support::{ASYNC, call, exponential};

/// Runs in one replication: a mean of so many squares.
const RUNS: u32 = 250;

fn mean_of_squares(seed: Seed, deviation: impl Fn(Seed) -> f64) -> f64 {
    let squares = (0..RUNS).map(|run| deviation(seed.replication(run)).powi(2));
    squares.sum::<f64>() / f64::from(RUNS)
}

/// The time average of what is in an M/M/1 queue scatters, over a horizon T that is long, with a
/// variance of the row's value over T; hence also the horizon for an interval of 5 %.
pub(crate) fn scatter_of_time_averages() -> Theorem {
    let mut all = rows("R1", "avar");
    all.extend(rows("R2", "T"));
    let (rho, rate_of_service, seconds) = (0.8, 10.0, 2_000.0);
    let inside = rho / (1.0 - rho);
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(exponential(0.1))]);
    site.traffic.rate = PerSecond::new(rho * rate_of_service);
    site.horizon.warmup = Span::from_whole_secs(100);
    site.horizon.measured = Span::from_secs(seconds);
    Theorem::by(all, move |seed| {
        let deviation = |seed| model::simulate(&site, seed).levels.inside.mean - inside;
        let variance = mean_of_squares(seed, deviation);
        // R1 speaks of services at one a second. R2: 1.96 standard deviations are 5 %.
        let horizon = variance * seconds * (1.96 / (0.05 * inside)).powi(2);
        vec![variance * seconds * rate_of_service, horizon]
    })
}

/// p95 of ten thousand exponential responses.
pub(crate) fn scatter_of_p95() -> Theorem {
    let all = rows("R5", "sd");
    let row = &all[0];
    let mut site: Site = Site::textbook(ASYNC, 1, 1, vec![call(exponential(1.0))]);
    site.horizon.measured = Span::from_secs(row.one_of(&["n"]));
    let truth = (1.0 - row.one_of(&["p"])).recip().ln();
    Theorem::by(all, move |seed| {
        let p95 = |seed| model::simulate(&site, seed).response[0].quantile(0.95).unwrap();
        let deviation = |seed| p95(seed) as f64 / 1e9 - truth;
        vec![mean_of_squares(seed, deviation).sqrt()]
    })
}
