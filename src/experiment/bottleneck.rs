//! What gives way: the resource of which more would help most.

use crate::experiment::alone::overdue_alone;
use crate::experiment::answer::{Limit, Objective, Usages};
use crate::experiment::sample::Sample;
use crate::experiment::summary::Summary;
use crate::outcome::{Cause, Stage};
use crate::site::{Hold, Site, WorkerKind};
use crate::units::Span;

/// What makes `sample` miss `objective` or, where it does not, is closest to that.
///
/// Where more requests fail than may, or than a site that sustains its rate loses, it is what they
/// fail for: see [`of_errors`]. Where they would be too slow with nothing to wait for, it is the work
/// itself. Otherwise it is what slow requests wait for, or what that waits for: see
/// [`most_waited_for`]. That is told by `known`, a sample of about the same rate, as the one that
/// has most to tell.
pub(crate) fn limit(sample: &Sample, known: &Sample, objective: &Objective) -> Limit {
    let most = objective.allowed_errors();
    let failing = sample.mean(Summary::error_rate).mean > most;
    let failing = if failing { of_errors(sample, most) } else { None };
    failing.unwrap_or_else(|| match objective.p95 {
        Some(most) if is_work(known, most) => Limit::Work,
        _ => most_waited_for(known),
    })
}

/// What makes requests fail: the connection limit or the pool where those refuse most of them,
/// memory where a kill took most of them or whatever was refused in its wake. But who is refused
/// where something further on is busy nearly all the time would only wait for that. Requests turned
/// away, timed out or given up wait for something as well; but where nothing is busy nearly all
/// the time, the door itself is too narrow: the backlog, or the workers' own limit; or it is the work,
/// where more than `most` of the requests take longer than anyone waits with nothing to wait for.
/// `None` where none failed.
fn of_errors(sample: &Sample, most: f64) -> Option<Limit> {
    let failed = |cause: Cause| -> u64 {
        sample.summaries.iter().map(|summary| summary.counts.failed[cause as usize]).sum()
    };
    let worst = Cause::ALL.into_iter().max_by_key(|cause| failed(*cause))?;
    let killed = sample.summaries.iter().any(|summary| summary.kills > 0);
    let layers = layers(sample);
    // Whether something other than these is busy nearly all the time.
    let full = |but: &[Limit]| {
        layers.iter().any(|layer| layer.busy >= FULL && !but.contains(&layer.limit))
    };
    let door = [Limit::Workers, Limit::Pool];
    (failed(worst) > 0).then_some(match worst {
        _ if killed => Limit::Memory,
        Cause::Killed | Cause::Down => Limit::Memory,
        Cause::Connections if !full(&door) => Limit::Connections,
        Cause::Pool if !full(&door) => Limit::Pool,
        Cause::Backlog if !is_full(&sample.usage()) => Limit::Backlog,
        Cause::Limit if !is_full(&sample.usage()) => Limit::Workers,
        Cause::Timeout | Cause::Patience
            if !is_full(&sample.usage()) && overdue_alone(&sample.site) > most =>
        {
            Limit::Work
        }
        _ => most_waited_for(sample),
    })
}

/// From this utilisation on a resource is busy nearly all the time.
const FULL: f64 = 0.95;

/// Whether something is: with its own work, or while it waits for something else.
fn is_full(usage: &Usages) -> bool {
    let maybe =
        [usage.database_cpu_utilisation, usage.pool_utilisation].map(Option::unwrap_or_default);
    let sure = [usage.cpu_utilisation, usage.worker_utilisation, usage.gil_utilisation];
    maybe.into_iter().chain(sure).any(|share| share >= FULL)
}

/// Utilisations this close are a tie.
const TIE: f64 = 0.02;

/// Where slow requests wait for less than this share of their time, they tell nothing.
const MIN_WAITING: f64 = 0.01;

/// What counts for this share of what counts most is as good a guess: so much is noise, and the rule
/// is no better than that.
const AS_GOOD: f64 = 0.8;

/// Whether the requests around p95 would take longer than `most` with nothing to wait for.
fn is_work(sample: &Sample, most: Span) -> bool {
    let p95 = sample.p95().filter(|_| !sample.saturated());
    let alone = p95.map(|p95| p95.mean * (1.0 - waiting(sample)));
    alone.is_some_and(|alone| alone > most.as_secs())
}

/// The share of their time that slow requests wait for what more could be had of.
fn waiting(sample: &Sample) -> f64 {
    let all = slow_stages(sample).map_or(0.0, |slow| slow.iter().sum());
    let waits: f64 = layers(sample).iter().map(|layer| layer.wait).sum();
    if all > 0.0 { waits / all } else { 0.0 }
}

/// The resource of which more would shorten the waits of slow requests most, as far as this sample
/// can tell.
///
/// Resources are held one within the other: who has a place in a worker may wait for a connection,
/// who has both for the GIL, and who has that for the cores. So who waits for a place waits, for a
/// part, for what those wait for who have one: for the share of their time that they do. And more
/// places would only let more wait further in, as far as what is there is busy already: what
/// waits for a place counts for the workers by the share of the time in which everything further in
/// has room. Nine workers that crowd two cores are thus limited by the cores, though all nine are
/// busy, while workers that wait for slow queries or calls are limited by themselves. Where nobody
/// waits, or as much for several, it is what is busiest of all or of those.
fn most_waited_for(sample: &Sample) -> Limit {
    let mut layers = layers(sample);
    if waiting(sample) >= MIN_WAITING {
        let counts = counts(sample, &layers);
        let most = counts.iter().copied().fold(0.0, f64::max);
        let mut counts = counts.into_iter();
        layers.retain(|_| counts.next().is_some_and(|count| count >= AS_GOOD * most));
    }
    busiest(&layers)
}

/// Seconds in each stage of the requests on average; where nobody is answered any more, as it began.
fn mean_stages(sample: &Sample) -> Option<[f64; Stage::COUNT]> {
    sample.stages(|summary| summary.stages).or(sample.began)
}

/// The same of the slow ones.
fn slow_stages(sample: &Sample) -> Option<[f64; Stage::COUNT]> {
    sample.stages(|summary| summary.slow).or(sample.began)
}

/// For how many seconds of a slow request's waits each of `layers` counts.
fn counts(sample: &Sample, layers: &[Layer]) -> Vec<f64> {
    let mean = mean_stages(sample).unwrap_or_default();
    let mut waits: Vec<f64> = layers.iter().map(|layer| layer.wait).collect();
    for (outer, layer) in layers.iter().enumerate() {
        for inner in outer + 1..layers.len() {
            waits[inner] += waits[outer] * layer.share(&mean, &layers[inner]);
        }
    }
    let room = |layer: usize| match layers[layer].held.is_empty() {
        true => 1.0,
        false => 1.0 - layers[layer + 1..].iter().map(|inner| inner.busy).fold(0.0, f64::max),
    };
    waits.iter().enumerate().map(|(layer, wait)| wait * room(layer)).collect()
}

/// The layer that is busy the most with its own work; of several as busy the one furthest in.
fn busiest(layers: &[Layer]) -> Limit {
    let most = layers.iter().map(|layer| layer.busy).fold(0.0, f64::max);
    let found = layers.iter().rev().find(|layer| layer.busy >= most - TIE);
    found.map_or(Limit::Cores, |layer| layer.limit)
}

/// A resource that requests wait for and hold.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Layer {
    limit: Limit,
    /// The stage of who waits for it.
    stage: Stage,
    /// How long a slow request waits for it, in seconds.
    wait: f64,
    /// The share of it that is busy with its own work: while a holder waits for something further in,
    /// it is a victim of that.
    busy: f64,
    /// The stages of who holds it; none of the cores, which nobody holds while waiting for more.
    held: &'static [Stage],
}

/// The stages of who has a place in a worker, the GIL (or its turn of the loop), or a connection: to
/// the end of the request, for a query on the cores that the workers have as well, or for one on its
/// own.
const IN_WORKER: &[Stage] = &[
    Stage::Gil,
    Stage::Cores,
    Stage::Connection,
    Stage::DatabaseCores,
    Stage::Compute,
    Stage::Database,
    Stage::Call,
];
const COMPUTING: &[Stage] = &[Stage::Cores, Stage::Compute];
const CONNECTED: &[Stage] =
    &[Stage::Gil, Stage::Cores, Stage::DatabaseCores, Stage::Compute, Stage::Database, Stage::Call];
const QUERYING: &[Stage] = &[Stage::Cores, Stage::Database];
const QUERYING_APART: &[Stage] = &[Stage::DatabaseCores, Stage::Database];

impl Layer {
    /// The share of its holders' time that goes by waiting for `inner`, where requests take `mean` on
    /// average.
    fn share(&self, mean: &[f64; Stage::COUNT], inner: &Layer) -> f64 {
        // Who holds nothing but a core, where there are no more cores than such holders, waits for one
        // as for the other: a busy loop is a busy core.
        let computes = share_of(mean, self.held, |stage| COMPUTING.contains(&stage)) >= 1.0 - TIE;
        if computes && inner.limit == Limit::Cores && inner.busy >= self.busy - TIE {
            return 1.0;
        }
        let waits = self.held.contains(&inner.stage);
        if waits { share_of(mean, self.held, |stage| stage == inner.stage) } else { 0.0 }
    }
}

/// The share of the time in the stages `held` that goes to those of them that are `counted`; zero
/// where no time does.
fn share_of(mean: &[f64; Stage::COUNT], held: &[Stage], counted: impl Fn(Stage) -> bool) -> f64 {
    let time = |stage: &Stage| mean[*stage as usize];
    let all: f64 = held.iter().map(time).sum();
    let part: f64 = held.iter().filter(|stage| counted(**stage)).map(time).sum();
    if all > 0.0 { part / all } else { 0.0 }
}

/// What requests of `sample` wait for, from the outermost in.
fn layers(sample: &Sample) -> Vec<Layer> {
    let (site, usage): (&Site, Usages) = (&sample.site, sample.usage());
    let mean = mean_stages(sample).unwrap_or_default();
    let waits = waits(sample);
    let is_wait = |stage: Stage| match stage {
        Stage::Gil | Stage::Cores | Stage::DatabaseCores => true,
        // Without a pool, all of that is the work to open one.
        Stage::Connection => usage.pool_utilisation.is_some(),
        Stage::Worker | Stage::Compute | Stage::Database | Stage::Call | Stage::Network => false,
    };
    let layer = |limit, stage, share: f64, held| {
        let busy = share * (1.0 - share_of(&mean, held, is_wait));
        Layer { limit, stage, wait: waits[stage as usize], busy, held }
    };
    let mut found = Vec::new();
    if has_slots(site) {
        found.push(layer(Limit::Workers, Stage::Worker, usage.worker_utilisation, IN_WORKER));
    }
    let pool = usage.pool_utilisation;
    found.extend(pool.map(|share| layer(Limit::Pool, Stage::Connection, share, connected(site))));
    if site.server.kind != WorkerKind::Sync {
        found.push(layer(Limit::Gil, Stage::Gil, usage.gil_utilisation, COMPUTING));
    }
    let apart = usage.database_cpu_utilisation;
    found.extend(apart.map(|it| layer(Limit::DatabaseCores, Stage::DatabaseCores, it, &[])));
    found.push(layer(Limit::Cores, Stage::Cores, usage.cpu_utilisation, &[]));
    found
}

/// How long a slow request of `sample` waits in each stage, in seconds.
fn waits(sample: &Sample) -> [f64; Stage::COUNT] {
    let mut slow = slow_stages(sample).unwrap_or_default();
    let (door, connection) = (Stage::Worker as usize, Stage::Connection as usize);
    if !has_slots(&sample.site) {
        // There is room for everyone, once the loop comes to accept them.
        slow[Stage::Gil as usize] += slow[door];
    }
    slow[connection] *= queueing(sample);
    slow
}

/// The share of the time for getting a connection that is waiting for the pool; the rest is the work
/// to open one. (The wait by Little's law.)
fn queueing(sample: &Sample) -> f64 {
    let all = mean_stages(sample).map_or(0.0, |it| it[Stage::Connection as usize]);
    let wait = sample.usage().pool_queue_mean / sample.site.traffic.rate.get();
    if all > 0.0 { (wait / all).min(1.0) } else { 0.0 }
}

/// The stages of who has a connection.
fn connected(site: &Site) -> &'static [Stage] {
    match (site.server.connections.hold, &site.database.host) {
        (Hold::Request | Hold::Queries, _) => CONNECTED,
        (Hold::Query, None) => QUERYING,
        (Hold::Query, Some(_)) => QUERYING_APART,
    }
}

/// Whether workers admit a fixed number of requests, so that others wait for a place while loops or
/// GILs are free.
fn has_slots(site: &Site) -> bool {
    !matches!(site.server.kind, WorkerKind::Async { .. })
}
