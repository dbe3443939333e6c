//! The rows' models as sites.

use tonnage::site::{Accept, Dist, Endpoint, Hold, Resident, Site, Step, WorkerKind};
use tonnage::units::{Bytes, Span};

use super::check::{Theorem, lasting};
use super::table::{Row, rows};
use crate::support::{ASYNC, call, exponential, query};

/// So many sync workers that none is ever missed: requests only share the cores.
const PLENTY: u32 = 300;

/// Waiting room enough for overload, in rows that ask what is served when there is always work.
const FULL_HOUSE: u32 = 60;

/// Sync workers with a core each, and one burst of work per request: a multi-server queue, with
/// as much waiting room as the row says.
pub(crate) fn queue(family: &str, names: &str, service: impl Fn(f64) -> Dist) -> Theorem {
    let rows = rows(family, names);
    let row = &rows[0];
    let servers = row.number("servers").unwrap_or(1.0) as u32;
    let step = Step::Compute(service(row.service()));
    let site = on_servers(row, servers, servers, step);
    Theorem::of(rows, site)
}

/// Workers that wait in the database instead of computing: the cores hardly matter.
pub(crate) fn waiting_queue(family: &str, names: &str) -> Theorem {
    let rows = rows(family, names);
    let step = query(exponential(rows[0].service()));
    let site = on_servers(&rows[0], rows[0].count(&["servers"]), 1, step);
    Theorem::of(rows, site)
}

fn on_servers(row: &Row, servers: u32, cores: u32, step: Step) -> Site {
    let mut site = Site::textbook(WorkerKind::Sync, servers, cores, vec![step]);
    site.front.backlog = row.number("capacity_total").map(|total| total as u32 - servers - 1);
    lasting(site, row.rate(), f64::from(servers) / row.service(), row.service())
}

/// A loop that refuses a request when `servers` are inside: Erlang's loss system.
pub(crate) fn loss(family: &str, service: fn(f64) -> Dist) -> Theorem {
    let rows = rows(family, "");
    let row = &rows[0];
    let servers = row.count(&["servers"]);
    let kind = WorkerKind::Async { limit_concurrency: Some(servers + 1) };
    let site = Site::textbook(kind, 1, 1, vec![call(service(row.service()))]);
    // It relaxes as fast as requests leave, however many come.
    let site = lasting(site, row.rate(), f64::INFINITY, row.service());
    Theorem::of(rows, site)
}

/// Cores shared by all requests that are there.
pub(crate) fn shared_cores(family: &str, names: &str, service: fn(f64) -> Dist) -> Theorem {
    let rows = rows(family, names);
    let row = &rows[0];
    let cores = row.number("cores").unwrap_or(1.0) as u32;
    let work = service(row.service());
    let site = Site::textbook(WorkerKind::Sync, PLENTY, cores, vec![Step::Compute(work)]);
    let site = lasting(site, row.rate(), f64::from(cores) / row.service(), row.service());
    Theorem::of(rows, site)
}

/// A fifth of the requests have the row's size, the others what makes the mean come out.
pub(crate) fn shared_core_by_size() -> Theorem {
    let rows = rows("G5", "slow");
    let row = &rows[0];
    let size = row.one_of(&["job_size_s"]);
    let other = (row.service() - 0.2 * size) / 0.8;
    let page = |weight: f64, size: f64| {
        let work = Dist::Fixed(Span::from_secs(size));
        Endpoint { weight, ..Endpoint::textbook(vec![Step::Compute(work)]) }
    };
    let mut site = Site::textbook(WorkerKind::Sync, PLENTY, 1, Vec::new());
    site.traffic.endpoints = vec![page(0.2, size), page(0.8, other)];
    let site = lasting(site, row.rate(), 1.0 / row.service(), row.service());
    Theorem::of(rows, site)
}

/// A few sync workers share one core, and the work is hyperexponential: two exponential phases
/// of balanced means, which bring half of the work each.
pub(crate) fn few_workers_on_one_core(family: &str) -> Theorem {
    let rows = rows(family, "R");
    let row = &rows[0];
    let workers = row.count(&["workers"]);
    let work = hyperexponential(row.service(), row.one_of(&["cv2"]));
    let site = Site::textbook(WorkerKind::Sync, workers, 1, vec![Step::Compute(work)]);
    let site = lasting(site, row.rate(), 1.0 / row.service(), row.service());
    Theorem::of(rows, site)
}

fn hyperexponential(mean: f64, cv2: f64) -> Dist {
    let often = (1.0 + ((cv2 - 1.0) / (cv2 + 1.0)).sqrt()) / 2.0;
    let phase = |share: f64| (share, exponential(mean / (2.0 * share)));
    Dist::Mix(vec![phase(often), phase(1.0 - often)])
}

/// Compute, query, compute; the workers have a connection each.
fn compute_query_compute(row: &Row, kind: WorkerKind, workers: u32) -> Site {
    let mut steps = vec![
        Step::Compute(exponential(row.one_of(&["cpu1_s"]))),
        query(exponential(row.one_of(&["db_s"]))),
    ];
    let last = row.one_of(&["cpu2_s"]);
    if last > 0.0 {
        steps.push(Step::Compute(exponential(last)));
    }
    let mut site = Site::textbook(kind, workers, row.count(&["cores"]), steps);
    let connections = row.count(&["db_conns"]) / workers;
    site.server.connections.limit = Some(connections);
    site.server.connections.keep = connections;
    site
}

/// The quantities that the table gives for sync workers that compute, query, and compute.
const SYNC_ROWS: &str = "mean_response mean_backlog_wait prob_all_workers_busy cpu_utilisation \
                         mean_busy_workers mean_db_conns_busy mean_waiting_for_db_conn \
                         p50 p95 p99";

/// Sync workers that compute, query, and compute; what they could serve is the row's own
/// `saturation_throughput_rps`.
pub(crate) fn sync_workers(family: &str) -> Theorem {
    let all = rows(family, SYNC_ROWS);
    let row = &all[0];
    let capacity = rows(family, "sat")[0].expected;
    let site = compute_query_compute(row, WorkerKind::Sync, row.count(&["workers"]));
    let site = lasting(site, row.rate(), capacity, 0.1);
    Theorem::of(all, site)
}

/// The same with a finite backlog.
pub(crate) fn sync_workers_overloaded() -> Theorem {
    let rows =
        rows("H9", "throughput_rps reject_fraction mean_response_accepted_s cpu_utilisation");
    let row = &rows[0];
    let workers = row.count(&["workers"]);
    let mut site = compute_query_compute(row, WorkerKind::Sync, workers);
    site.front.backlog = Some(row.count(&["backlog_limit"]) - 1);
    let site = lasting(site, row.rate(), row.expected, 0.1);
    Theorem::of(rows, site)
}

/// What sync workers serve when there is always work.
pub(crate) fn sync_workers_saturated(family: &str) -> Theorem {
    let rows = rows(family, "sat");
    let row = &rows[0];
    let site = compute_query_compute(row, WorkerKind::Sync, row.count(&["workers"]));
    let site = saturated(site, row);
    Theorem::of(rows, site)
}

/// Two and a half times what can be served, and a waiting room that is then never empty.
fn saturated(mut site: Site, row: &Row) -> Site {
    site.front.backlog = Some(FULL_HOUSE);
    lasting(site, 2.5 * row.expected, row.expected, 0.1)
}

/// One process with some threads. The table's threads share the GIL evenly, so they hand it over
/// forty times in a burst of mean length, not twice as CPython would.
pub(crate) fn one_gil(names: &str) -> Theorem {
    let all = rows("H12", names);
    let row = &all[0];
    let kind = WorkerKind::Threads {
        threads: row.count(&["threads"]),
        switch_interval: Span::from_micros(250),
        worker_connections: (names == "sat").then_some(FULL_HOUSE),
        dispatcher: None,
    };
    let site = compute_query_compute(row, kind, 1);
    let site = match row.number("lambda_rps") {
        Some(rate) => lasting(site, rate, rows("H12", "sat")[0].expected, 0.1),
        None => saturated(site, row),
    };
    Theorem::of(all, site)
}

/// Event loops that compute, then wait outside; the kernel spreads the requests over them.
pub(crate) fn event_loops(family: &str, names: &str) -> Theorem {
    let rows = rows(family, names);
    let row = &rows[0];
    let loops = row.count(&["event_loops"]);
    let (cpu, io) = (row.one_of(&["cpu_s"]), row.one_of(&["io_s"]));
    let steps = vec![Step::Compute(exponential(cpu)), call(exponential(io))];
    let mut site = Site::textbook(ASYNC, loops, loops, steps);
    if loops > 1 {
        site.server.accept = Accept::PerProcess;
    }
    let site = lasting(site, row.rate(), f64::from(loops) / cpu, io);
    Theorem::of(rows, site)
}

/// An event loop that computes, then queries through a pool.
pub(crate) fn event_loop_with_pool() -> Theorem {
    let rows = rows("I4", "R p95 p99 dbwait");
    let row = &rows[0];
    let (cpu, db) = (row.one_of(&["cpu_s"]), row.one_of(&["db_s"]));
    let steps = vec![Step::Compute(exponential(cpu)), query(exponential(db))];
    let mut site = Site::textbook(ASYNC, 1, 1, steps);
    let connections = row.count(&["db_conns"]);
    site.server.connections.limit = Some(connections);
    let site = lasting(site, row.rate(), f64::from(connections) / db, cpu + db);
    Theorem::of(rows, site)
}

/// Bursts that share a core, whatever their distribution, around a wait of any other.
pub(crate) fn shared_core_around_io() -> Theorem {
    let rows = rows("I6", "R");
    let row = &rows[0];
    let seconds = |name: &str| row.one_of(&[name]);
    let steps = vec![
        Step::Compute(Dist::LogNormal { mean: Span::from_secs(seconds("cpu1_s")), cv: 1.5 }),
        call(Dist::Uniform { low: Span::ZERO, high: Span::from_secs(2.0 * seconds("io_s")) }),
        Step::Compute(Dist::Fixed(Span::from_secs(seconds("cpu2_s")))),
    ];
    let site = Site::textbook(WorkerKind::Sync, PLENTY, 1, steps);
    let capacity = 1.0 / (seconds("cpu1_s") + seconds("cpu2_s"));
    let site = lasting(site, row.rate(), capacity, seconds("io_s"));
    Theorem::of(rows, site)
}

/// Two event loops whose pools have room for exactly what the loops can compute. All spans are
/// fixed: with anything else the pools' queue at balance would grow for ever.
pub(crate) fn event_loops_saturated() -> Theorem {
    let rows = rows("I9", "sat");
    let row = &rows[0];
    let loops = row.count(&["event_loops"]);
    let fixed = |name: &str| Dist::Fixed(Span::from_secs(row.one_of(&[name])));
    let steps = vec![Step::Compute(fixed("cpu_s")), query(fixed("db_s"))];
    let mut site = Site::textbook(ASYNC, loops, row.count(&["cores"]), steps);
    site.server.connections.limit = Some(row.count(&["db_conns"]) / loops);
    let site = saturated(site, row);
    Theorem::of(rows, site)
}

/// A pool of one connection for which a request waits so long and no longer.
pub(crate) fn pool_with_timeout() -> Theorem {
    let rows = rows("K4.1", "Pto Wq");
    let row = &rows[0];
    let mut site = Site::textbook(ASYNC, 1, 1, vec![query(exponential(row.service()))]);
    site.server.connections.limit = Some(1);
    site.server.connections.timeout = Some(Span::from_secs(row.one_of(&["queue_timeout_s"])));
    site.server.connections.hold = Hold::Query;
    let site = lasting(site, row.rate(), 1.0 / row.service(), row.service());
    Theorem::of(rows, site)
}

/// The most workers with which the OOM killer has nothing to do.
pub(crate) fn workers_in_memory(family: &str) -> Theorem {
    let all = rows(family, "W");
    let row = all[0].clone();
    let mib = move |name: &str| Bytes::from_mib(u64::from(row.count(&[name])));
    Theorem::by(all, move |seed| {
        let fits = |workers: &u32| {
            let mut site = Site::textbook(WorkerKind::Sync, *workers, 1, Vec::new());
            site.host.memory = Some(mib("ram_mb"));
            let os = Resident {
                name: "system".to_owned(),
                count: 1,
                memory: mib("os_mb"),
                killable: false,
            };
            site.host.residents = vec![os];
            site.database.memory = mib("postgres_mb");
            site.server.worker_memory = mib("worker_mb");
            site.server.boot_cpu = Span::from_millis(500);
            site.horizon.measured = Span::from_whole_secs(10);
            tonnage::model::simulate(&site, seed).kills == 0
        };
        vec![f64::from((1..).take_while(fits).last().unwrap_or(0))]
    })
}

/// Requests that wait for the one connection of an overloaded pool, each holding memory, until
/// the row's number of them are too many.
pub(crate) fn memory_runs_out() -> Theorem {
    let rows = rows("N5", "T");
    let row = &rows[0];
    let mut site = Site::textbook(ASYNC, 1, 1, vec![query(exponential(row.service()))]);
    site.server.connections.limit = Some(1);
    site.traffic.endpoints[0].memory = Bytes::from_mib(1);
    site.host.memory = Some(Bytes::from_mib(row.one_of(&["oom_when_in_system"]) as u64 - 1));
    let mut site = lasting(site, row.rate(), 1.0 / row.service(), 0.0);
    site.horizon.warmup = Span::ZERO;
    site.horizon.measured = Span::from_whole_secs(1_000);
    // A single passage varies much: a replication is the mean of a hundred.
    let metric = row.metric.clone();
    Theorem::by(rows, move |seed| {
        let passage = |index: u32| {
            let outcome = tonnage::model::simulate(&site, seed.replication(index));
            super::table::measure(&metric, &site, &outcome)
        };
        vec![(0..100).map(passage).sum::<f64>() / 100.0]
    })
}

/// Service that pauses now and then: after each stretch of work it is done, or pauses and goes
/// on. So a request with k pauses is one of k + 1 stretches, and there are fewer of them by the
/// same factor each.
pub(crate) fn pausing_server() -> Theorem {
    let rows = rows("O1", "R");
    let row = &rows[0];
    let (done, pause) = (1.0 / row.service(), row.one_of(&["pause_rate_per_busy_s"]));
    let stretch = 1.0 / (done + pause);
    let page = |pauses: i32| {
        let mut steps = vec![Step::Compute(exponential(stretch))];
        for _ in 0..pauses {
            steps.push(query(exponential(row.one_of(&["mean_pause_s"]))));
            steps.push(Step::Compute(exponential(stretch)));
        }
        Endpoint { weight: (pause * stretch).powi(pauses), ..Endpoint::textbook(steps) }
    };
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, Vec::new());
    // Nine pauses and more have a probability of 1e-12.
    site.traffic.endpoints = (0..9).map(page).collect();
    let with_pauses = row.service() * (1.0 + pause * row.one_of(&["mean_pause_s"]));
    let site = lasting(site, row.rate(), 1.0 / with_pauses, row.service());
    Theorem::of(rows, site)
}

/// Requests inside are rate times response: on the site of the rows A1, though it holds on any.
pub(crate) fn littles_law() -> Theorem {
    let step = Step::Compute(exponential(0.1));
    let site = lasting(Site::textbook(WorkerKind::Sync, 1, 1, vec![step]), 8.0, 10.0, 0.1);
    Theorem::of(rows("R6", "T"), site)
}
