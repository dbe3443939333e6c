//! Which resource is closest to giving way.

use crate::experiment::answer::{Limit, Usages};
use crate::experiment::finding::{LOSS, Sample};
use crate::experiment::summary::Summary;
use crate::outcome::{Cause, Stage};
use crate::site::{Hold, Site, WorkerKind};

/// What is closest to giving way in `sample`.
///
/// Where more than 1 % of the requests fail, what they fail for: see [`of_errors`]. Otherwise
/// the resource that is busy the most *with its own work*: a worker that waits for the cores, the
/// GIL or a connection, and a GIL whose holder waits for the cores, are victims of those, and only
/// the rest of their time counts. So nine workers crowding two cores are limited by the cores,
/// though all nine are busy, while five workers waiting for slow queries are limited by the
/// workers. Ties (within 2 %) go to the first of: cores, the database's cores, the GIL or event
/// loop, the pool, workers.
pub(crate) fn bottleneck(sample: &Sample) -> Limit {
    let busiest = busiest(sample);
    if sample.mean(Summary::error_rate).mean > LOSS {
        of_errors(sample).unwrap_or(busiest.0)
    } else {
        busiest.0
    }
}

/// What makes requests fail: the connection limit or the pool where those refuse most of them,
/// memory where a kill took most of them or whatever was refused in its wake. Requests turned
/// away, timed out or given up wait for whatever is busiest; but where nothing is busy nearly all
/// the time, the door itself is too narrow: the backlog, or the workers' own limit. `None` where
/// none failed.
pub(crate) fn of_errors(sample: &Sample) -> Option<Limit> {
    let failed = |cause: Cause| -> u64 {
        sample.summaries.iter().map(|summary| summary.counts.failed[cause as usize]).sum()
    };
    let worst = Cause::ALL.into_iter().max_by_key(|cause| failed(*cause))?;
    let killed = sample.summaries.iter().any(|summary| summary.kills > 0);
    let (busiest, share) = busiest(sample);
    (failed(worst) > 0).then_some(match worst {
        _ if killed => Limit::Memory,
        Cause::Killed | Cause::Down => Limit::Memory,
        Cause::Connections => Limit::Connections,
        Cause::Pool => Limit::Pool,
        Cause::Backlog if share < FULL => Limit::Backlog,
        Cause::Limit if share < FULL => Limit::Workers,
        Cause::Backlog | Cause::Limit | Cause::Timeout | Cause::Patience => busiest,
    })
}

/// From this utilisation on a resource is busy nearly all the time.
const FULL: f64 = 0.95;

/// Utilisations this close are a tie.
const TIE: f64 = 0.02;

/// The resource that is busy the most with its own work, and how busy it is.
fn busiest(sample: &Sample) -> (Limit, f64) {
    let candidates = own_utilisations(sample);
    let most = candidates.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    candidates.into_iter().find(|(_, share)| *share >= most - TIE).unwrap_or((Limit::Cores, 0.0))
}

/// How busy each resource is with its own work, in the order of ties.
fn own_utilisations(sample: &Sample) -> Vec<(Limit, f64)> {
    let site = &sample.site;
    let usage: Usages = sample.usage();
    let stages = sample.stages(|summary| summary.stages);
    let own =
        |own: &[Stage], waits: &[Stage]| stages.map_or(1.0, |all| own_share(&all, own, waits));
    let mut found = vec![(Limit::Cores, usage.cpu_utilisation)];
    found.extend(usage.database_cpu_utilisation.map(|share| (Limit::DatabaseCores, share)));
    if site.server.kind != WorkerKind::Sync {
        let computing = own(&[Stage::Compute], &[Stage::Cores]);
        found.push((Limit::Gil, usage.gil_utilisation * computing));
    }
    let working = own(
        &[Stage::Compute, Stage::Database, Stage::Call],
        &[Stage::Gil, Stage::Cores, Stage::Connection],
    );
    let connected = if site.server.connections.hold == Hold::Request { working } else { 1.0 };
    found.extend(usage.pool_utilisation.map(|share| (Limit::Pool, share * connected)));
    if has_slots(site) {
        found.push((Limit::Workers, usage.worker_utilisation * working));
    }
    found
}

/// Whether workers admit a fixed number of requests, so that they can run out of places while
/// their loops or GILs are free.
fn has_slots(site: &Site) -> bool {
    !matches!(site.server.kind, WorkerKind::Async { .. })
}

/// The share of `own` in `own` and `waits` together; 1 where there is neither.
fn own_share(stages: &[f64; Stage::COUNT], own: &[Stage], waits: &[Stage]) -> f64 {
    let sum = |of: &[Stage]| of.iter().map(|stage| stages[*stage as usize]).sum::<f64>();
    let (own, waits) = (sum(own), sum(waits));
    if own + waits > 0.0 { own / (own + waits) } else { 1.0 }
}
