//! Sites for tests: bare ones, whose answers theory knows.

use crate::site::{Dist, Horizon, Site, Step, WorkerKind};
use crate::units::{PerSecond, Span};

/// An exponential span of so many seconds on average.
pub(crate) fn exp(secs: f64) -> Dist {
    Dist::Exponential { mean: Span::from_secs(secs) }
}

/// A query that waits `wait` and costs no CPU.
pub(crate) fn query(wait: Dist) -> Step {
    Step::Query { wait, cpu: Dist::Fixed(Span::ZERO), driver: None }
}

/// A site where nothing costs anything but `steps`.
pub(crate) fn bare(kind: WorkerKind, workers: u32, cores: u32, steps: Vec<Step>) -> Site {
    let mut site = Site::textbook(kind, workers, cores, steps);
    site.horizon = Horizon {
        warmup: Span::from_whole_secs(20),
        measured: Span::from_whole_secs(100),
        drain: Span::from_whole_secs(100),
        in_flight_limit: 100_000,
        arrivals_limit: 10_000_000,
    };
    site
}

/// One sync worker on one core: M/M/1.
pub(crate) fn mm1(rate: f64, service_rate: f64) -> Site {
    let compute = Step::Compute(exp(1.0 / service_rate));
    let mut site = bare(WorkerKind::Sync, 1, 1, vec![compute]);
    site.traffic.rate = PerSecond::new(rate);
    site
}
