//! What gives way: the resource of which more would help most.
//!
//! Resources are held one within the other, in layers: a request that has a place in a worker may
//! wait for a connection, one that has both for the GIL, and one that has that for the cores. So a
//! wait for an outer resource is partly a wait for the inner ones that its holders wait for.
//!
//! Example: a slow request waits 100 ms for a worker, 10 ms for a connection and 5 ms for a core.
//! Requests that hold a worker spend half of their time waiting for a connection and a tenth
//! waiting for a core; those that hold a connection spend a fifth of theirs waiting for a core.
//! Then connections account for 10 + 0.5 · 100 = 60 ms, and cores for 5 + 0.1 · 100 + 0.2 · 60 = 27
//! ms. More workers help only while the inner resources have room: if connections are busy all the
//! time, the wait for a worker does not count for the workers.

use crate::experiment::alone::overdue_alone;
use crate::experiment::answer::{Limit, Objective, Usages};
use crate::experiment::sample::Sample;
use crate::experiment::summary::Summary;
use crate::outcome::{Cause, Stage};
use crate::site::{Hold, Site, WorkerKind};
use crate::units::Span;

/// What makes `sample` miss `objective` or, where it does not, is closest to that.
///
/// If more requests fail than may, or than a site that sustains its rate loses, it is the cause of
/// the failures: see [`of_errors`]. If requests would be too slow without any waiting, it is the
/// work itself. Otherwise it is what slow requests wait for, or what that waits for: see
/// [`most_waited_for`]. Waits are taken from `known`, a sample of about the same rate that is more
/// precise.
pub(crate) fn limit(sample: &Sample, known: &Sample, objective: &Objective) -> Limit {
    let most = objective.allowed_errors();
    let failing = sample.mean(Summary::error_rate).mean > most;
    let failing = if failing { of_errors(sample, most) } else { None };
    failing.unwrap_or_else(|| match objective.p95 {
        Some(most) if is_work(known, most) => Limit::Work,
        _ => most_waited_for(known),
    })
}

/// What makes requests fail; `None` where none failed.
///
/// It is memory if a process was killed: other failures follow from that. It is the connection
/// limit or the pool if those refuse most of the failed requests, unless something further in is
/// busy nearly all the time: requests would then only wait for that. Requests that were turned
/// away, timed out or given up waited for something as well ([`most_waited_for`]). But if nothing
/// is busy nearly all the time, the backlog or the workers' own limit is too small; or it is the
/// work, if more than the share `most` of the requests takes longer than timeouts and patience
/// without any waiting.
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

/// Whether some resource is busy nearly all the time: with its own work, or while it is held by
/// requests that wait for something else.
fn is_full(usage: &Usages) -> bool {
    let maybe =
        [usage.database_cpu_utilisation, usage.pool_utilisation].map(Option::unwrap_or_default);
    let sure = [usage.cpu_utilisation, usage.worker_utilisation, usage.gil_utilisation];
    maybe.into_iter().chain(sure).any(|share| share >= FULL)
}

/// Utilisations this close count as equal.
const TIE: f64 = 0.02;

/// Where slow requests wait for less than this share of their time, waits do not single out a
/// resource: the busiest one is named.
const MIN_WAITING: f64 = 0.01;

/// A resource that accounts for this share of the longest wait is as good a guess as the first:
/// waits are as noisy, and the rule is no more precise.
const AS_GOOD: f64 = 0.8;

/// Whether the requests around p95 would take longer than `most` without any waiting.
fn is_work(sample: &Sample, most: Span) -> bool {
    let p95 = sample.p95().filter(|_| !sample.saturated());
    let alone = p95.map(|p95| p95.mean * (1.0 - waiting(sample)));
    alone.is_some_and(|alone| alone > most.as_secs())
}

/// The share of their time that slow requests wait for resources of which there could be more.
fn waiting(sample: &Sample) -> f64 {
    let all = slow_stages(sample).map_or(0.0, |slow| slow.iter().sum());
    let waits: f64 = layers(sample).iter().map(|layer| layer.wait).sum();
    if all > 0.0 { waits / all } else { 0.0 }
}

/// The resource of which more would shorten the waits of slow requests most, as far as this sample
/// shows.
///
/// That is the one with the longest wait once waits are propagated inwards ([`propagate_waits`])
/// and reduced by the room further in ([`room_inside`]). Nine workers that share two cores are thus
/// limited by the cores, though all nine are busy, while workers that wait for slow queries or
/// calls are limited by themselves. If requests do not wait, or about as long for several
/// resources, it is the busiest of all or of those.
fn most_waited_for(sample: &Sample) -> Limit {
    let mut layers = layers(sample);
    if waiting(sample) >= MIN_WAITING {
        let mean = mean_stages(sample).unwrap_or_default();
        let waits = propagate_waits(&layers, &mean).into_iter();
        let counts: Vec<f64> =
            waits.zip(room_inside(&layers)).map(|(wait, room)| wait * room).collect();
        let most = counts.iter().copied().fold(0.0, f64::max);
        let mut counts = counts.into_iter();
        layers.retain(|_| counts.next().is_some_and(|count| count >= AS_GOOD * most));
    }
    busiest(&layers)
}

/// Mean seconds of the requests in each stage; if none is answered any more, of those that were
/// answered as the overload began.
fn mean_stages(sample: &Sample) -> Option<[f64; Stage::COUNT]> {
    sample.stages(|summary| summary.stages).or(sample.began)
}

/// Seconds of the slow requests in each stage; if none is answered any more, of those that were
/// answered as the overload began.
fn slow_stages(sample: &Sample) -> Option<[f64; Stage::COUNT]> {
    sample.stages(|summary| summary.slow).or(sample.began)
}

/// For how many seconds a slow request waits for each layer, directly or because requests that hold
/// an outer one wait for it. `mean` is where requests spend their time on average.
fn propagate_waits(layers: &[Layer], mean: &[f64; Stage::COUNT]) -> Vec<f64> {
    let mut waits: Vec<f64> = layers.iter().map(|layer| layer.wait).collect();
    for (outer, layer) in layers.iter().enumerate() {
        for inner in outer + 1..layers.len() {
            waits[inner] += waits[outer] * layer.share(mean, &layers[inner]);
        }
    }
    waits
}

/// The share of the time in which every layer further in than each one has room; 1 for cores, which
/// no request holds while it waits.
fn room_inside(layers: &[Layer]) -> Vec<f64> {
    let room = |(index, layer): (usize, &Layer)| match layer.held.is_empty() {
        true => 1.0,
        false => 1.0 - layers[index + 1..].iter().map(|inner| inner.busy).fold(0.0, f64::max),
    };
    layers.iter().enumerate().map(room).collect()
}

/// The layer that is busiest with its own work; of several as busy the innermost.
fn busiest(layers: &[Layer]) -> Limit {
    let most = layers.iter().map(|layer| layer.busy).fold(0.0, f64::max);
    let found = layers.iter().rev().find(|layer| layer.busy >= most - TIE);
    found.map_or(Limit::Cores, |layer| layer.limit)
}

/// A resource that requests wait for and hold.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Layer {
    limit: Limit,
    /// The stage of requests that wait for it.
    stage: Stage,
    /// How long a slow request waits for it, in seconds.
    wait: f64,
    /// The share of it that is busy with its own work, and not held by a request that waits for
    /// something further in.
    busy: f64,
    /// The stages of requests that hold it; none for cores, which no request holds while it waits.
    held: &'static [Stage],
}

/// The stages of requests that have a place in a worker.
const IN_WORKER: &[Stage] = &[
    Stage::Gil,
    Stage::Cores,
    Stage::Connection,
    Stage::DatabaseCores,
    Stage::Compute,
    Stage::Database,
    Stage::Call,
];

/// The stages of requests that hold the GIL, or have the loop's turn.
const COMPUTING: &[Stage] = &[Stage::Cores, Stage::Compute];

/// The stages of requests that hold a connection to their end.
const CONNECTED: &[Stage] =
    &[Stage::Gil, Stage::Cores, Stage::DatabaseCores, Stage::Compute, Stage::Database, Stage::Call];

/// The stages of requests that hold a connection for a query, with the database on the workers'
/// host.
const QUERYING: &[Stage] = &[Stage::Cores, Stage::Database];

/// The stages of requests that hold a connection for a query, with the database on its own host.
const QUERYING_APART: &[Stage] = &[Stage::DatabaseCores, Stage::Database];

impl Layer {
    /// The share of their time that requests which hold it spend waiting for `inner`. `mean` is
    /// where requests spend their time on average.
    fn share(&self, mean: &[f64; Stage::COUNT], inner: &Layer) -> f64 {
        // If holders do nothing but compute, and there are no more cores than holders, a wait for
        // this resource is a wait for a core: a busy loop is a busy core.
        let computes = share_of(mean, self.held, |stage| COMPUTING.contains(&stage)) >= 1.0 - TIE;
        if computes && inner.limit == Limit::Cores && inner.busy >= self.busy - TIE {
            return 1.0;
        }
        let waits = self.held.contains(&inner.stage);
        if waits { share_of(mean, self.held, |stage| stage == inner.stage) } else { 0.0 }
    }
}

/// The share of the time in the stages `held` that is spent in those of them that are `counted`;
/// zero if there is no such time.
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
        // Without a pool, all of that time is the work to open a connection.
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
        // The loop accepts every request once it has its turn: the wait is one for the loop.
        slow[Stage::Gil as usize] += slow[door];
    }
    slow[connection] *= queueing(sample);
    slow
}

/// The share of the time for getting a connection that is waiting for the pool, by Little's law;
/// the rest is the work to open one.
fn queueing(sample: &Sample) -> f64 {
    let all = mean_stages(sample).map_or(0.0, |it| it[Stage::Connection as usize]);
    let wait = sample.usage().pool_queue_mean / sample.site.traffic.rate.get();
    if all > 0.0 { (wait / all).min(1.0) } else { 0.0 }
}

/// The stages of requests that hold a connection.
fn connected(site: &Site) -> &'static [Stage] {
    match (site.server.connections.hold, &site.database.host) {
        (Hold::Request | Hold::Queries, _) => CONNECTED,
        (Hold::Query, None) => QUERYING,
        (Hold::Query, Some(_)) => QUERYING_APART,
    }
}

/// Whether workers admit a limited number of requests, so that others wait for a place even while
/// loops or GILs are free.
fn has_slots(site: &Site) -> bool {
    !matches!(site.server.kind, WorkerKind::Async { .. })
}
