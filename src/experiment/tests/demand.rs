//! The arithmetic of demands against theory and simulation.

use super::spans::spans;
use super::*;
use crate::experiment::demand::{
    Work, bounds, busy_cores, busy_slots, heavy_traffic_variability, most_inside, work,
};
use crate::site::{Accept, Cooling, Dispatcher, Listen, Resident};
use crate::stats::estimate::Estimate;

#[test]
fn the_utilisation_law_bounds_the_rate_by_each_resource() {
    let steps = vec![
        Step::Compute(exp(0.02)),
        Step::Query { wait: exp(0.15), cpu: exp(0.05), driver: Some(Span::from_millis(5)) },
    ];
    let mut site = bare(WorkerKind::Async { limit_concurrency: Some(11) }, 2, 4, steps);
    site.server.connections.limit = Some(5);
    let named = |site: &Site| -> Vec<(&str, f64)> {
        let rounded = |rate: PerSecond| (rate.get() * 100.0).round() / 100.0;
        bounds(site).into_iter().map(|(limit, rate)| (limit.name(), rounded(rate))).collect()
    };
    // Pool 10 / 0.2; cores 4 / 0.075; loops 2 / 0.025; slots 20 / 0.225.
    let expected = [("pool", 50.0), ("cores", 53.33), ("gil", 80.0), ("workers", 88.89)];
    assert_eq!(named(&site), expected);
    // Its own host takes the database's CPU, at half the speed, and holding longer.
    site.database.host = Some(Host {
        cores: 1,
        speed: 0.5,
        sharing: Sharing::Fair,
        cooling: None,
        memory: None,
        thrashing: Span::ZERO,
        residents: Vec::new(),
    });
    let expected = [
        ("database cores", 10.0),
        ("pool", 40.0),
        ("workers", 72.73),
        ("gil", 80.0),
        ("cores", 160.0),
    ];
    assert_eq!(named(&site), expected);
    // A connection per request costs CPU on both sides.
    site.server.connections.keep = 0;
    site.server.costs.connect_cpu = Span::from_millis(5);
    site.database.connect_cpu = Span::from_millis(50);
    assert_eq!(named(&site)[0], ("database cores", 5.0));
}

/// The expected work that p95 is corrected to: the mean over 64 windows of 100 s lies within four
/// standard errors of it.
#[test]
fn cores_and_slots_are_as_busy_as_the_utilisation_law_says() {
    let steps = || vec![Step::Compute(exp(0.02)), query(exp(0.1)), Step::Compute(exp(0.01))];
    for kind in [WorkerKind::Sync, threads(None), WorkerKind::Async { limit_concurrency: None }] {
        for keep in [0, 20] {
            let mut site = bare(kind, 4, 2, steps());
            site.traffic.rate = PerSecond::new(20.0);
            let costs = &mut site.server.costs;
            [costs.request_cpu, costs.query_cpu] = [2, 1].map(Span::from_millis);
            [costs.connect_cpu, costs.reset_cpu] = [4, 1].map(Span::from_millis);
            site.database.connect_cpu = Span::from_millis(3);
            site.server.connections.keep = keep;
            site.server.connections.limit = (keep > 0).then_some(keep);
            assert!(busy_cores(&site).is_some() && busy_slots(&site).is_some());
            is_as_busy_as_arithmetic_says(&format!("{kind:?}, {keep}"), &site, 64);
        }
    }
}

/// Asserts that cores and slots of a site are as busy in the mean of `runs` runs as arithmetic
/// says, if it says anything, to within four standard errors.
fn is_as_busy_as_arithmetic_says(name: &str, site: &Site, runs: u64) {
    let run = |seed| Summary::of(&simulate(site, Seed::new(seed)), site);
    let runs: Vec<Summary> = (0..runs).map(run).collect();
    let cores: Vec<f64> = runs.iter().map(Summary::cores).collect();
    let slots: Vec<f64> = runs.iter().map(Summary::slots).collect();
    let slots_said = busy_cores(site).and_then(|_| busy_slots(site));
    let said = [(busy_cores(site), cores, "cores"), (slots_said, slots, "slots")];
    for (expected, came, what) in said {
        let Some(expected) = expected else { continue };
        let found = Estimate::of(&came).unwrap();
        let off = (found.mean - expected) / found.standard_error.unwrap();
        assert!(off.abs() < 4.0, "{name}: {found:?} {what}, not {expected}");
    }
}

/// Every span of a site that takes time is counted, or the arithmetic says that it is not. Each
/// span is tested by itself, on a site where everything costs a little.
#[test]
fn every_span_of_a_site_is_counted_or_known_not_to_be() {
    let kinds = [
        WorkerKind::Sync,
        threads(None),
        threads(Some(None)),
        threads(Some(Some(Span::ZERO))),
        WorkerKind::Async { limit_concurrency: None },
    ];
    for (at, kind) in kinds.into_iter().enumerate() {
        for (keep, cold, apart) in [(0, false, false), (20, true, false), (0, false, true)] {
            let plain = of_many_costs(kind, keep, cold, apart);
            for index in 0..spans(&mut plain.clone()).len() {
                let mut site = plain.clone();
                let (key, span) = spans(&mut site).swap_remove(index);
                *span += Span::from_millis(4);
                let name = format!("{key}, {kind:?}, {keep} connections kept");
                is_as_busy_as_arithmetic_says(&name, &site, 16);
                let told = busy_cores(&site).is_some();
                let unknown = match key {
                    "herd_cpu" => at == 0,
                    "touch_cpu" | "thrashing" | "client_cpu" => true,
                    "close_cpu" => keep == 0,
                    _ => false,
                };
                assert_eq!(told, !unknown, "{name}");
            }
        }
    }
}

/// Four workers of this kind on two cores, whose requests take memory, query, and wait, so many
/// connections kept in each; with code that goes cold, or the database on its own host.
fn of_many_costs(kind: WorkerKind, keep: u32, cold: bool, apart: bool) -> Site {
    let steps = vec![Step::Compute(exp(0.01)), query(exp(0.03)), Step::Compute(exp(0.005))];
    let mut site = bare(kind, 4, 2, steps);
    site.traffic.rate = PerSecond::new(20.0);
    site.traffic.endpoints[0].memory = Bytes::from_mib(5);
    site.host.memory = Some(Bytes::from_mib(100_000));
    let cooling = Cooling { core: Span::ZERO, code: 2.0, over: Span::from_millis(8) };
    site.host.cooling = cold.then_some(cooling);
    let own = Host { residents: Vec::new(), ..site.host.clone() };
    site.database.host = apart.then_some(own);
    site.server.costs.request_cpu = Span::from_millis(1);
    // Where the driver's side of a reset costs nothing, nothing is reset.
    site.server.costs.reset_cpu = Span::from_micros(if keep > 0 { 500 } else { 0 });
    site.database.latency = Span::from_millis(1);
    site.server.connections.keep = keep;
    site.server.connections.limit = (keep > 0).then_some(keep);
    site
}

fn threads(answers: Option<Option<Span>>) -> WorkerKind {
    let dispatcher = |answer_cpu| Dispatcher {
        dispatch_cpu: Span::from_millis(1),
        answer_cpu,
        finish_cpu: Span::ZERO,
        limit_concurrency: None,
    };
    WorkerKind::Threads {
        threads: 8,
        switch_interval: Span::from_millis(5),
        worker_connections: None,
        dispatcher: answers.map(dispatcher),
    }
}

/// A resident is killed when memory runs out, and no request is lost by that. Had it been an idle
/// worker, another would have booted in its place, which is work that is not counted.
#[test]
fn a_run_with_a_kill_is_not_corrected() {
    let mut site = bare(WorkerKind::Sync, 2, 1, vec![Step::Compute(exp(0.02))]);
    site.traffic.rate = PerSecond::new(10.0);
    let work_correction = |site: &Site| {
        let run = Summary::of(&simulate(site, Seed::new(1)), site);
        assert_eq!(run.counts.answered, run.counts.arrived);
        run.work_correction(Work::Cores(1.0))
    };
    assert!(work_correction(&site) > 2.0, "a fifth of that comes");
    let celery =
        Resident { name: "celery".into(), count: 1, memory: Bytes::from_mib(100), killable: true };
    site.host.residents = vec![celery];
    site.host.memory = Some(Bytes::from_mib(105));
    site.traffic.endpoints[0].memory = Bytes::from_mib(10);
    assert!((work_correction(&site) - 1.0).abs() < 1e-12);
}

/// Three workers at ten times what they carry, behind one backlog for all or one for each: backlogs
/// and workers fill.
#[test]
fn no_more_are_inside_than_backlogs_and_workers_hold() {
    let threads = WorkerKind::Threads {
        threads: 2,
        switch_interval: Span::from_millis(5),
        worker_connections: Some(4),
        dispatcher: None,
    };
    for (kind, one, each) in [(WorkerKind::Sync, 6 + 3, 18 + 3), (threads, 6 + 12, 18 + 12)] {
        for (accept, most) in [(Accept::Shared { bias: 1.0 }, one), (Accept::PerProcess, each)] {
            let mut site = bare(kind, 3, 1, vec![Step::Compute(exp(0.1))]);
            site.traffic.rate = PerSecond::new(100.0);
            (site.front.listen, site.front.backlog) = (Listen::Unix, Some(5));
            site.server.accept = accept;
            let found = simulate(&site, Seed::new(1)).levels.inside.peak;
            assert_eq!((most_inside(&site), found), (Some(most), most), "{kind:?}, {accept:?}");
        }
    }
}

/// It is √((1 + C²) / 2), and 1 + C² is E[S²] / E[S]²: 100.99 / 1.99² where one request in 100
/// waits 100 times as long as the others.
#[test]
fn queues_vary_more_the_more_uneven_response_times_are() {
    let variability =
        |wait| heavy_traffic_variability(&bare(WorkerKind::Sync, 5, 2, vec![query(wait)]));
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
    close(variability(exp(0.1)), 1.0);
    close(variability(Dist::Fixed(Span::from_millis(100))), 0.5f64.sqrt());
    let fixed = |millis| Dist::Fixed(Span::from_millis(millis));
    let rare = Dist::Mix(vec![(0.99, fixed(10)), (0.01, fixed(1_000))]);
    close(variability(rare), (0.5f64 * 100.99).sqrt() / 1.99);
    close(heavy_traffic_variability(&mm1(8.0, 10.0)), 1.0);
}

/// A control variate must have something to do with what it controls.
#[test]
fn the_work_that_tells_of_p95_is_that_of_what_is_short() {
    let told = |workers, steps| {
        let mut site = bare(WorkerKind::Sync, workers, 1, steps);
        site.traffic.rate = PerSecond::new(10.0);
        work(&site)
    };
    let page = || vec![Step::Compute(exp(0.02)), query(exp(0.08))];
    assert_eq!(told(4, page()), Some(Work::Slots(1.0)), "40 a second find a slot, 50 a core");
    assert_eq!(told(8, page()), Some(Work::Cores(0.2)), "80 find a slot");
    assert_eq!(told(1, vec![Step::Compute(exp(0.02))]), Some(Work::Cores(0.2)), "it is the same");
}

/// Where there is work that arithmetic does not count, p95 is not corrected.
#[test]
fn work_that_is_not_counted_is_not_corrected() {
    let site = bare(WorkerKind::Sync, 4, 2, vec![Step::Compute(exp(0.02)), query(exp(0.1))]);
    assert!(busy_cores(&site).is_some());
    let mut grows = loops(10);
    grows.server.connections.limit = Some(20);
    grows.server.costs.connect_cpu = Span::from_millis(4);
    let mut closes = site.clone();
    closes.server.connections.keep = 0;
    closes.database.close_cpu = Span::from_millis(4);
    let mut shared = site.clone();
    shared.client.cpu = Span::from_millis(1);
    let mut wakes = site.clone();
    wakes.server.herd_cpu = Span::from_millis(1);
    let mut touches = site;
    touches.server.touch_cpu = Span::from_millis(1);
    touches.traffic.endpoints[0].memory = Bytes::from_mib(20);
    let sites = [grows, closes, shared, wakes, touches];
    assert_eq!(sites.map(|site| busy_cores(&site)), [None; 5]);
}

#[test]
fn a_connection_held_to_the_end_of_the_request_bounds_more() {
    let mut steps =
        vec![Step::Compute(exp(0.02)), query(exp(0.1)), Step::Compute(exp(0.1)), query(exp(0.2))];
    steps.push(Step::Compute(exp(0.1)));
    let mut site = bare(WorkerKind::Async { limit_concurrency: None }, 4, 4, steps);
    site.server.connections.limit = Some(1);
    let pool = |site: &Site| {
        let (_, rate) = *bounds(site).iter().find(|(limit, _)| *limit == Limit::Pool).unwrap();
        rate.get()
    };
    assert!((pool(&site) - 4.0 / 0.3).abs() < 1e-9);
    for (hold, held) in [(Hold::Queries, 0.4), (Hold::Request, 0.5)] {
        site.server.connections.hold = hold;
        assert!((pool(&site) - 4.0 / held).abs() < 1e-9, "{hold:?}");
    }
}
