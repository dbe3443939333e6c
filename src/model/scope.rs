//! Which of a site's possible features its world is compiled with.
//!
//! Every event asks dozens of times whether the site has this or that: memory to take, code that
//! goes cold, a client that gives up. For a site that has none of it, such as a textbook's queue or
//! many a scenario's first draft, the same source is compiled without these questions.

use std::marker::PhantomData;

use super::host_cores::{AnyCores, FairCores, HostCores};
use super::traffic::arrivals::Tape;
use super::traffic::drawn_tape::DrawnTape;

/// What a world is compiled with.
pub(super) trait Scope {
    /// Where its requests come from.
    type Tape: Tape;
    /// The cores of its hosts.
    type Cores: HostCores;
    /// Whether it has none of [`crate::model::rules::Features`], nothing is ever killed, and every
    /// core is shared fairly.
    const PLAIN: bool;
}

/// Everything, with requests from `T`.
#[derive(Debug)]
pub(super) struct Full<T>(PhantomData<T>);

impl<T: Tape> Scope for Full<T> {
    type Tape = T;
    type Cores = AnyCores;
    const PLAIN: bool = false;
}

/// Nothing but what every site has, with requests that are drawn.
#[derive(Debug)]
pub(super) struct Plain;

impl Scope for Plain {
    type Tape = DrawnTape;
    type Cores = FairCores;
    const PLAIN: bool = true;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rules::is_plain;
    use crate::model::traffic::arrivals::SiteTape;
    use crate::model::traffic::program::Draws;
    use crate::model::{World, programs};
    use crate::outcome::Outcome;
    use crate::seed::Seed;
    use crate::site::{Dist, Site, Step, WorkerKind};
    use crate::units::{PerSecond, Span};

    /// Three workers of a kind and a database on two cores, two thirds busy.
    fn site(kind: WorkerKind) -> Site {
        let exponential = |millis| Dist::Exponential { mean: Span::from_millis(millis) };
        let query = Step::Query { wait: exponential(4), cpu: exponential(3), driver: None };
        let steps = vec![Step::Compute(exponential(8)), query, Step::Compute(exponential(2))];
        let mut site = Site::textbook(kind, 3, 2, steps);
        site.traffic.rate = PerSecond::new(100.0);
        site.horizon.measured = Span::from_whole_secs(30);
        site
    }

    fn simulated<S: Scope>(site: &Site, tape: S::Tape) -> Outcome {
        let programs = programs(site, Draws::Varying);
        World::<S>::new(site, programs, tape, Seed::new(1)).run().0
    }

    #[test]
    fn a_plain_site_comes_out_the_same_with_all_the_questions_asked() {
        let threads = WorkerKind::Threads {
            threads: 4,
            switch_interval: Span::from_millis(5),
            worker_connections: None,
            dispatcher: None,
        };
        let loops = WorkerKind::Async { limit_concurrency: None };
        for site in [WorkerKind::Sync, threads, loops].map(site) {
            assert!(is_plain(&site));
            let programs = programs(&site, Draws::Varying);
            let plain = simulated::<Plain>(&site, DrawnTape::new(&site, &programs, Seed::new(1)));
            let visitors = SiteTape::new(&site, &programs, Seed::new(1));
            assert_eq!(plain, simulated::<Full<SiteTape<'_>>>(&site, visitors));
            assert!(plain.counts.answered > 2_000);
        }
    }
}
