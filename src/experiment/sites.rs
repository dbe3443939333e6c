//! Sites and combinations for tests: bare ones, whose answers theory gives.

use crate::experiment::answer::Combination;
use crate::site::{Budget, Dist, Horizon, Site, Step, WorkerKind};
use crate::units::{PerSecond, Span};

/// An exponential distribution with a mean of `secs` seconds.
pub(crate) fn exp(secs: f64) -> Dist {
    Dist::Exponential { mean: Span::from_secs(secs) }
}

/// A query that waits for `wait` and costs no CPU.
pub(crate) fn query(wait: Dist) -> Step {
    Step::Query { wait, cpu: Dist::Fixed(Span::ZERO), driver: None }
}

/// A site where only `steps` take time.
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

/// A combination of `site` without a price, a memory budget or tiers.
pub(crate) fn combination(site: Site) -> Combination {
    Combination {
        plan: "plan".into(),
        server: "server".into(),
        price: None,
        site,
        budget: Budget { lines: Vec::new(), ceiling: None },
        database_budget: None,
        tiers: Vec::new(),
    }
}
