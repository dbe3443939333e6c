//! What is named as giving way is that of which more helps most.

use super::*;
use crate::outcome::Stage;
use crate::site::Endpoint;

/// An async worker whose requests keep one of four connections for some 0.23 s, of which they
/// compute 20 ms: the pool carries 17.4/s, the loop 50.
fn small_pool_held_to_the_end() -> Site {
    let call = Step::Call { wait: exp(0.2), cpu: Span::ZERO };
    let steps = vec![query(exp(0.01)), Step::Compute(exp(0.02)), call];
    let mut site = bare(WorkerKind::Async { limit_concurrency: None }, 1, 1, steps);
    let connections = &mut site.server.connections;
    (connections.keep, connections.limit, connections.hold) = (4, Some(4), Hold::Request);
    site
}

/// Three workers on one core: requests compute 13 ms, and one of twenty keeps its worker for a call
/// outside of 0.35 s on average. The core carries 77/s and the workers 98.
fn a_few_long_calls() -> Site {
    let compute = || Step::Compute(exp(0.013));
    let call = Step::Call { wait: uniform(0.1, 0.6), cpu: Span::ZERO };
    let mut site = bare(WorkerKind::Sync, 3, 1, vec![compute()]);
    site.traffic.endpoints[0].weight = 19.0;
    site.traffic.endpoints.push(Endpoint::textbook(vec![compute(), call]));
    site
}

fn uniform(low: f64, high: f64) -> Dist {
    Dist::Uniform { low: Span::from_secs(low), high: Span::from_secs(high) }
}

/// `site` with twice as much of something.
type Doubled = fn(&mut Site);

const DOUBLED: [(Limit, Doubled); 3] = [
    (Limit::Cores, |site| site.host.cores *= 2),
    (Limit::Workers, |site| site.server.workers *= 2),
    (Limit::Pool, |site| {
        let connections = &mut site.server.connections;
        connections.keep = connections.keep.saturating_mul(2);
        connections.limit = connections.limit.map(|limit| 2 * limit);
    }),
];

/// Asserts that `expected` is what gives way first, and that twice as much of it carries more than
/// twice as much of anything else of [`DOUBLED`] but `same`, which comes with it. More is 3 % more:
/// each of the two rates is precise to a step of the search, 1 %, and to 1 % of noise.
fn assert_helps_most(site: Site, objective: Objective, expected: Limit, same: Option<Limit>) {
    let carried = |site| {
        let capacity = capacity(site, objective);
        (capacity.load_line.unwrap().rate().unwrap().get(), capacity.first_limit)
    };
    let helped = |(limit, double): (Limit, Doubled)| {
        let mut more = site.clone();
        double(&mut more);
        (limit, carried(more).0)
    };
    let found = DOUBLED.map(helped);
    let by_expected = found.iter().find(|(limit, _)| *limit == expected).unwrap().1;
    for (limit, rate) in found.iter().filter(|(limit, _)| Some(*limit) != same) {
        assert!(*limit == expected || *rate < 0.97 * by_expected, "{expected:?}: {found:?}");
    }
    assert_eq!(carried(site).1, Some(expected), "{found:?}");
}

#[test]
fn a_full_pool_gives_way_however_long_the_wait_for_it() {
    // Each worker has a pool of its own.
    let same = Some(Limit::Workers);
    assert_helps_most(small_pool_held_to_the_end(), p95(3000), Limit::Pool, same);
    let overloaded = row(small_pool_held_to_the_end(), 40.0).finding;
    assert!(overloaded.usage.cpu_utilisation < 0.5 && overloaded.saturated);
    assert_eq!(overloaded.bottleneck, Limit::Pool);
}

/// At the load line the core is busier than the workers with their own work, and slow requests wait
/// for workers all the same. At a rate that is too high for the core, the core is the limit.
#[test]
fn workers_give_way_where_a_few_long_calls_keep_them_and_cores_where_those_are_full() {
    assert_helps_most(a_few_long_calls(), p95(200), Limit::Workers, None);
    let overloaded = row(a_few_long_calls(), 150.0).finding;
    assert_eq!(overloaded.bottleneck, Limit::Cores);
}

#[test]
fn workers_that_wait_for_cores_are_no_limit_and_those_that_wait_for_the_database_are() {
    let crowd = sandwich(WorkerKind::Sync, 9, 2, [0.02, 0.02, 0.01]);
    assert_helps_most(crowd, p95(500), Limit::Cores, None);
    let few = sandwich(WorkerKind::Sync, 5, 2, [0.01, 0.05, 0.01]);
    assert_helps_most(few, p95(500), Limit::Workers, None);
}

/// Threads that open a connection each and find PostgreSQL's twenty slots taken.
fn refused(wait: f64, cpu: f64) -> Finding {
    let threads = WorkerKind::Threads {
        threads: 40,
        switch_interval: Span::from_millis(5),
        worker_connections: None,
        dispatcher: None,
    };
    let steps = vec![Step::Query { wait: exp(wait), cpu: exp(cpu), driver: Some(Span::ZERO) }];
    let mut site = bare(threads, 2, 2, steps);
    site.server.connections =
        Connections { keep: 0, limit: None, timeout: None, hold: Hold::Request };
    site.database.connection_slots = Some(20);
    site.database.host = Some(Host { cores: 1, ..site.host.clone() });
    row(site, 150.0).finding
}

#[test]
fn refused_connections_are_the_limits_fault_unless_the_database_has_no_core_for_more() {
    let (slow, busy) = (refused(0.2, 0.001), refused(0.002, 0.012));
    let lost = |finding: &Finding| finding.errors[Cause::Connections as usize];
    assert!(lost(&slow) > 0.1 && lost(&busy) > 0.1, "{} {}", lost(&slow), lost(&busy));
    assert_eq!([slow.bottleneck, busy.bottleneck], [Limit::Connections, Limit::DatabaseCores]);
}

/// M/G/1 processor sharing: 60 queries a second of 10 ms on the database's one core wait
/// 10 ms x 0.6 / 0.4. The mean over 64 windows is held to it within four standard errors.
#[test]
fn a_wait_for_the_databases_own_cores_is_told_from_one_for_the_workers() {
    let steps = vec![Step::Query {
        wait: Dist::Fixed(Span::ZERO),
        cpu: exp(0.01),
        driver: Some(Span::ZERO),
    }];
    let mut site = bare(WorkerKind::Async { limit_concurrency: None }, 1, 1, steps);
    site.traffic.rate = PerSecond::new(60.0);
    let waits = |site: &Site, stage: Stage| {
        let mean = |run| simulate(site, Seed::new(run)).profile.mean().unwrap()[stage as usize];
        Estimate::of(&(0..64).map(mean).collect::<Vec<_>>()).unwrap()
    };
    let mut apart = site.clone();
    apart.database.host = Some(apart.host.clone());
    for (site, stage, other) in
        [(site, Stage::Cores, Stage::DatabaseCores), (apart, Stage::DatabaseCores, Stage::Cores)]
    {
        let wait = waits(&site, stage);
        let error = (wait.mean - 0.015) / wait.standard_error.unwrap();
        assert!(error.abs() < 4.0, "{stage:?}: {wait:?}");
        assert!(waits(&site, other).mean < 1e-12, "{other:?}");
    }
}

#[test]
fn work_that_alone_takes_too_long_is_named_and_what_waits_is_not() {
    let call = Step::Call { wait: Dist::Fixed(Span::from_millis(600)), cpu: Span::ZERO };
    let site = bare(WorkerKind::Sync, 5, 2, vec![Step::Compute(exp(0.005)), call]);
    let limits = |most: u64, rate: f64| {
        answer(&study(site.clone(), p95(most), &[rate]), false, 2).rows[0].finding.bottleneck
    };
    assert_eq!(limits(500, 0.2), Limit::Work);
    assert_eq!(limits(700, 7.0), Limit::Workers);
}

/// Of exponential queries, 8.2 % take longer than the clients' patience of 2.5 times their mean,
/// and 4.4 % are cut off by gunicorn's timeout of 1.5 times it, which is checked once a second. So
/// the work is the limit at a twentieth of what four workers carry, and at half of it, where one
/// request in six has to wait. At ten times what they carry, the workers are.
#[test]
fn work_that_takes_longer_than_patience_is_what_fails() {
    let patient = bare(WorkerKind::Sync, 4, 1, vec![query(exp(0.2))]);
    let (mut timed, mut hurried) = (patient.clone(), patient);
    timed.server.timeout = Some(Span::from_millis(300));
    hurried.client.patience = Some(Span::from_millis(500));
    for site in [timed, hurried] {
        let limits = [1.0, 10.0, 200.0].map(|rate| row(site.clone(), rate).finding.bottleneck);
        assert_eq!(limits, [Limit::Work, Limit::Work, Limit::Workers]);
        let capacity = capacity(site, Objective::default());
        assert_eq!(capacity.saturation, Threshold::AtRest);
        assert_eq!(capacity.first_limit, Some(Limit::Work));
    }
}

/// Calls of 300 ms take longer than the clients' patience of 100 ms, so none is answered, and the
/// work is the limit. Calls of 30 ms fail only because they wait for workers.
#[test]
fn patience_that_runs_out_in_a_queue_is_no_matter_of_work() {
    let limit = |wait: u64, rate: f64| {
        let call = Step::Call { wait: Dist::Fixed(Span::from_millis(wait)), cpu: Span::ZERO };
        let mut site = bare(WorkerKind::Sync, 3, 1, vec![call]);
        site.client.patience = Some(Span::from_millis(100));
        row(site, rate).finding
    };
    let (work, queue) = (limit(300, 1.0), limit(30, 99.0));
    assert_eq!((work.error_rate.mean, work.bottleneck), (1.0, Limit::Work));
    assert!(queue.error_rate.mean > 0.01, "{:?}", queue.error_rate);
    assert_eq!(queue.bottleneck, Limit::Workers);
}
