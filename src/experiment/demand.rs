//! The service demands of requests, and the bounds on the rate that follow by arithmetic.

use crate::experiment::answer::Limit;
use crate::site::{
    Accept, Arrivals, Connections, Database, Endpoint, Hold, Sharing, Site, Step, WorkerKind,
};
use crate::units::{Bytes, PerSecond, Span};

/// Seconds of work that a request asks of each resource on average, at the speed of the cores it
/// runs on, without any waiting. Connections that a pool opens now and then are not counted, so
/// each is a lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct ServiceDemands {
    /// CPU of its worker.
    worker_cpu: f64,
    /// CPU of Nginx.
    nginx_cpu: f64,
    /// CPU of the database.
    database_cpu: f64,
    /// From its start in a worker to the answer.
    no_load_response: f64,
    /// The part of that in which the database opens a connection.
    opening: f64,
    /// The time for which it holds a connection.
    connected: f64,
}

/// Upper bounds on the rate that the site sustains, by the utilisation law: no resource is busy
/// more than all the time. One for each resource that some request uses, the tightest first.
///
/// Only work that cannot be avoided is counted, so the true saturation point is at or below the
/// first bound (but for the 1 % of requests that may be lost).
pub fn bounds(site: &Site) -> Vec<(Limit, PerSecond)> {
    let demand = mean_demands(site);
    let workers = f64::from(site.server.workers);
    let cores = f64::from(site.host.cores);
    let mut bounds = vec![bound(Limit::Cores, cores, host_cpu(site, &demand))];
    if let Some(host) = &site.database.host {
        bounds.push(bound(Limit::DatabaseCores, f64::from(host.cores), demand.database_cpu));
    }
    if site.server.kind != WorkerKind::Sync {
        bounds.push(bound(Limit::Gil, workers, demand.worker_cpu));
    }
    if let Some(limit) = site.server.connections.limit {
        bounds.push(bound(Limit::Pool, workers * f64::from(limit), demand.connected));
    }
    if let Some(slots) = site.database.connection_slots {
        bounds.push(bound(Limit::Connections, f64::from(slots), demand.connected));
    }
    if let Some(slots) = slots(site) {
        bounds.push(bound(Limit::Workers, slots as f64, demand.no_load_response));
    }
    let mut bounds: Vec<_> = bounds.into_iter().flatten().collect();
    bounds.sort_by(|(_, a), (_, b)| a.get().total_cmp(&b.get()));
    bounds
}

/// How many requests workers can work on at a time; `None`: without limit.
pub(crate) fn slots(site: &Site) -> Option<u64> {
    let workers = u64::from(site.server.workers);
    match site.server.kind {
        WorkerKind::Sync => Some(workers),
        WorkerKind::Threads { threads, .. } => Some(workers * u64::from(threads)),
        WorkerKind::Async { limit_concurrency: limit } => {
            limit.map(|limit| workers * u64::from(limit.saturating_sub(1)))
        }
    }
}

/// How many requests can be inside at a time, in the backlog, or each process's own, and with the
/// workers; `None`: without limit.
pub(crate) fn most_inside(site: &Site) -> Option<u64> {
    let workers = u64::from(site.server.workers);
    let sockets = if site.server.accept == Accept::PerProcess { workers } else { 1 };
    let accepted = match site.server.kind {
        WorkerKind::Sync => Some(1),
        WorkerKind::Threads { worker_connections, .. } => worker_connections,
        WorkerKind::Async { limit_concurrency } => limit_concurrency,
    }?;
    Some(sockets * (u64::from(site.front.backlog?) + 1) + workers * u64::from(accepted))
}

/// The no-load response time of a request that one finds in progress, in seconds: E[S²]/E[S], since
/// long ones are found more often; of the endpoint for which it is largest. A site needs about that
/// long to forget that such a request was there.
pub(crate) fn length_biased_response(site: &Site) -> f64 {
    let wanted = site.traffic.endpoints.iter().filter(|endpoint| endpoint.weight > 0.0);
    let met = |endpoint: &Endpoint| match demands(site, endpoint).no_load_response {
        response if response > 0.0 => response + endpoint.variance_secs2() / response,
        _ => 0.0,
    };
    wanted.map(met).fold(0.0, f64::max)
}

/// How much more the number of waiting requests varies at the edge of stability than with
/// exponential gaps and work: sqrt((C_a² + C_s²) / 2), where C_a² = 1 is that of the gaps and C_s²
/// that of the no-load response times (the diffusion coefficient of G/G/c in heavy traffic,
/// Köllerström 1974). Where something other than the workers' slots is the tightest bound, it is
/// not known and taken to be 1.
pub(crate) fn heavy_traffic_variability(site: &Site) -> f64 {
    let by_slots = bounds(site).first().is_some_and(|(limit, _)| *limit == Limit::Workers);
    let (mut mean, mut square) = (0.0, 0.0);
    for endpoint in &site.traffic.endpoints {
        let share = site.traffic.share(endpoint).get();
        let response = demands(site, endpoint).no_load_response;
        mean += share * response;
        square += share * (endpoint.variance_secs2() + response * response);
    }
    if by_slots && mean > 0.0 { (0.5 * square).sqrt() / mean } else { 1.0 }
}

/// How long the average request takes without any waiting, in seconds.
pub(crate) fn no_load_response(site: &Site) -> f64 {
    mean_demands(site).no_load_response
}

/// The work that comes on average at a site's rate, where no request is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// How many cores of the workers' host it keeps busy.
    Cores(f64),
    /// How many slots of workers it takes, computing or waiting, with no request waiting for
    /// another.
    Slots(f64),
}

/// The work whose chance variation best explains that of p95 and of the throughput: that of the
/// workers' slots, if they are the tightest bound, and else of the cores. `None` where some work is
/// not counted here.
pub(crate) fn work(site: &Site) -> Option<Work> {
    let busy = busy_cores(site)?;
    match bounds(site).first() {
        Some((Limit::Workers, _)) => busy_slots(site).map(Work::Slots),
        _ => Some(Work::Cores(busy)),
    }
}

/// How many slots of workers are taken on average at the site's rate, by Little's law, if no
/// request waits for another; without the time for opening connections. `None` where the database
/// rounds waits up, which is not counted here.
pub(crate) fn busy_slots(site: &Site) -> Option<f64> {
    let mean = mean_demands(site);
    let counted = site.database.wait_step.is_zero();
    counted.then(|| site.traffic.rate.get() * (mean.no_load_response - mean.opening))
}

/// How many cores of the workers' host are busy on average at the site's rate, by the utilisation
/// law, where no request is lost. `None` where they have work that is not counted here, or where
/// traffic is recorded: the work of whole rounds does not vary.
pub(crate) fn busy_cores(site: &Site) -> Option<f64> {
    let Connections { keep, limit, .. } = site.server.connections;
    let workers = u64::from(site.server.workers);
    let pools = limit.map(|each| u64::from(each) * workers);
    let most = [pools, slots(site)].into_iter().flatten().min();
    let costs = site.server.costs.connect_cpu + site.database.connect_cpu + site.database.close_cpu;
    let opened_at_times = keep > 0 && most.is_none_or(|most| most > u64::from(keep) * workers);
    let opened_at_times = opened_at_times && !costs.is_zero();
    let closed = keep == 0 && !site.database.close_cpu.is_zero();
    let counted = site.host.sharing == Sharing::Fair && site.client.cpu.is_zero();
    let drawn = site.traffic.arrivals == Arrivals::Poisson;
    let all = counted && drawn && !opened_at_times && !closed && !has_more_work(site);
    all.then(|| site.traffic.rate.get() * host_cpu(site, &mean_demands(site)))
}

/// Whether the cores of the workers' host have work that depends on the state of the site: idle
/// workers that are woken in vain, memory that a worker has to take or has already, memory that is
/// full. (Work that kills make is not asked here; see [`Summary::work_correction`].)
///
/// [`Summary::work_correction`]: crate::experiment::summary::Summary::work_correction
fn has_more_work(site: &Site) -> bool {
    let Site { server, host, .. } = site;
    let wakes = server.kind == WorkerKind::Sync && !server.herd_cpu.is_zero();
    let takes = site.traffic.endpoints.iter().any(|endpoint| endpoint.memory > Bytes::ZERO);
    let touches = takes && !server.touch_cpu.is_zero();
    let thrashes = host.memory.is_some() && !host.thrashing.is_zero();
    wakes || touches || thrashes
}

fn bound(limit: Limit, servers: f64, demand: f64) -> Option<(Limit, PerSecond)> {
    (demand > 0.0 && servers > 0.0).then(|| (limit, PerSecond::new(servers / demand)))
}

/// Seconds of work that a request asks of the cores of the workers' host.
fn host_cpu(site: &Site, demand: &ServiceDemands) -> f64 {
    let database = if site.database.host.is_none() { demand.database_cpu } else { 0.0 };
    demand.worker_cpu + demand.nginx_cpu + database
}

fn mean_demands(site: &Site) -> ServiceDemands {
    let mut mean = ServiceDemands::default();
    for endpoint in &site.traffic.endpoints {
        let share = site.traffic.share(endpoint).get();
        let each = demands(site, endpoint);
        mean.worker_cpu += share * each.worker_cpu;
        mean.nginx_cpu += share * each.nginx_cpu;
        mean.database_cpu += share * each.database_cpu;
        mean.no_load_response += share * each.no_load_response;
        mean.opening += share * each.opening;
        mean.connected += share * each.connected;
    }
    mean
}

fn demands(site: &Site, endpoint: &Endpoint) -> ServiceDemands {
    let speed = site.host.speed;
    let own = site.server.costs.request_cpu;
    let (on_the_way, after) = site.server.kind.dispatcher().map_or((own, Span::ZERO), |its| {
        (own + its.dispatch_cpu + its.answer_cpu.unwrap_or_default(), its.finish_cpu)
    });
    let mut sum = ServiceDemands {
        worker_cpu: (on_the_way + after).as_secs() / speed,
        nginx_cpu: site.front.nginx_cpu.as_secs() / speed,
        no_load_response: on_the_way.as_secs() / speed,
        ..ServiceDemands::default()
    };
    let mut queried = false;
    for (index, step) in endpoint.steps.iter().enumerate() {
        let connections = site.server.connections;
        let opens = opens_connection(connections, step, queried);
        let last = !endpoint.steps[index + 1..].iter().any(Step::is_query);
        let held = queried
            && match connections.hold {
                Hold::Query => false,
                Hold::Queries => step.is_query() || !last,
                Hold::Request => true,
            };
        let resets = step.is_query() && (last || connections.hold == Hold::Query);
        queried |= step.is_query();
        add_step(&mut sum, site, step, ConnectionUse { opens, held, resets });
    }
    sum
}

/// How a step uses a connection: whether it opens one, whether the request holds one from before,
/// and whether the connection is reset after the step.
#[derive(Debug, Clone, Copy)]
struct ConnectionUse {
    opens: bool,
    held: bool,
    resets: bool,
}

/// Whether `step` must open a connection: where none is kept, every query does, or the first one
/// of a request that keeps it to its end.
fn opens_connection(connections: Connections, step: &Step, queried: bool) -> bool {
    let first = connections.hold == Hold::Query || !queried;
    step.is_query() && connections.keep == 0 && first
}

fn add_step(sum: &mut ServiceDemands, site: &Site, step: &Step, connection: ConnectionUse) {
    let ConnectionUse { opens, held, resets } = connection;
    let speed = site.host.speed;
    let database = &site.database;
    let database_speed = database.host.as_ref().map_or(speed, |host| host.speed);
    let (mut worker_cpu, mut database_cpu, mut wait) = match step {
        Step::Compute(dist) => (dist.mean_secs(), 0.0, 0.0),
        Step::Call { wait, cpu } => (cpu.as_secs(), 0.0, wait.mean_secs()),
        Step::Query { wait, cpu, driver } => {
            let driver = driver.unwrap_or(site.server.costs.query_cpu);
            let wait = wait.mean_secs() + database.latency.as_secs();
            (driver.as_secs(), cpu.mean_secs(), wait)
        }
    };
    if held || step.is_query() {
        sum.connected += database_cpu / database_speed + wait;
    }
    if held {
        sum.connected += worker_cpu / speed;
    }
    if opens {
        worker_cpu += site.server.costs.connect_cpu.as_secs();
        database_cpu += database.connect_cpu.as_secs();
        let round_trips = f64::from(Database::CONNECT_ROUND_TRIPS);
        let there = database.connect_wait.as_secs() + round_trips * database.latency.as_secs();
        wait += there;
        sum.opening += database.connect_cpu.as_secs() / database_speed + there;
    }
    if resets && !site.server.costs.reset_cpu.is_zero() {
        worker_cpu += site.server.costs.reset_cpu.as_secs();
        database_cpu += database.reset_cpu.as_secs();
        wait += database.latency.as_secs();
    }
    sum.worker_cpu += worker_cpu / speed;
    sum.database_cpu += database_cpu / database_speed;
    sum.no_load_response += worker_cpu / speed + database_cpu / database_speed + wait;
}
