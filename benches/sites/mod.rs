//! The sites that are measured. Everything costs nothing and has no limit, but for what a model
//! says, so that what is measured is what the model names.

use tonnage::site::{Dist, Resident, Server, Site, Step, WorkerKind};
use tonnage::units::{Bytes, PerSecond, Span};

/// A site with a name, for as many requests as asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    /// What it is called, here and in `instructions.csv`.
    pub(crate) name: &'static str,
    build: fn() -> Site,
}

impl Model {
    /// The site, measured from the start, over the time in which about `requests` come.
    pub(crate) fn site(&self, requests: u64) -> Site {
        lasting((self.build)(), requests)
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every model.
pub(crate) const MODELS: [Model; 9] = [
    Model { name: "mm1", build: mm1 },
    Model { name: "mm5", build: mm5 },
    Model { name: "ps500", build: ps500 },
    Model { name: "sync5", build: sync5 },
    Model { name: "sync5-io", build: sync5_io },
    Model { name: "threads", build: threads },
    Model { name: "async-pool", build: async_pool },
    Model { name: "oom-loop", build: oom_loop },
    Model { name: "asyncflow", build: asyncflow },
];

/// One loop that has about `in_flight` requests in flight, half busy, over `requests` arrivals or
/// twenty times the time that one takes, whichever is longer. None takes so long that the run, which
/// ends with the last answer, would be prolonged by much.
pub(crate) fn in_flight(in_flight: u32, requests: u64) -> Site {
    let rate = f64::from(in_flight);
    let (low, high) = (Span::from_millis(500), Span::from_millis(1_500));
    let steps = vec![compute(0.5 / rate), call(Dist::Uniform { low, high })];
    let site = bare(loops(1), 1, rate, steps);
    lasting(site, requests.max(20 * u64::from(in_flight)))
}

/// The same page by sync workers and by event loops on two cores, with the database this far away,
/// at 60 % of what the sync workers carry.
pub(crate) fn trade_off(is_async: bool, latency: Span, requests: u64) -> Site {
    let steps = vec![compute(0.004), query(0.0005, Span::from_millis(2)), compute(0.004)];
    let stay = 0.0105 + latency.as_secs();
    let rate = 0.6 * (5.0 / stay).min(2.0 / 0.0085);
    let server = if is_async { loops(2) } else { Server::textbook(WorkerKind::Sync, 5) };
    let mut site = bare(server, 2, rate, steps);
    site.database.latency = latency;
    lasting(site, requests)
}

/// One worker on one core, 90 % busy.
fn mm1() -> Site {
    bare(Server::textbook(WorkerKind::Sync, 1), 1, 0.9, vec![compute(1.0)])
}

/// Five workers on five cores, 90 % busy.
fn mm5() -> Site {
    bare(Server::textbook(WorkerKind::Sync, 5), 5, 4.5, vec![compute(1.0)])
}

/// Processor sharing: 500 sync workers on one core, 90 % busy.
fn ps500() -> Site {
    bare(Server::textbook(WorkerKind::Sync, 500), 1, 0.9, vec![compute(1.0)])
}

/// Five sync workers and their database on two cores, 75 % busy.
fn sync5() -> Site {
    let steps = vec![compute(0.008), query(0.004, Span::ZERO), compute(0.008)];
    bare(Server::textbook(WorkerKind::Sync, 5), 2, 75.0, steps)
}

/// The same, and the query waits as well.
fn sync5_io() -> Site {
    let steps = vec![compute(0.008), query(0.004, Span::from_millis(4)), compute(0.008)];
    bare(Server::textbook(WorkerKind::Sync, 5), 2, 75.0, steps)
}

/// Two processes of ten threads, each under its GIL.
fn threads() -> Site {
    let switch_interval = Span::from_millis(5);
    let kind = WorkerKind::Threads {
        threads: 10,
        switch_interval,
        worker_connections: None,
        dispatcher: None,
    };
    let steps = vec![compute(0.010), query(0.003, Span::from_millis(20)), compute(0.010)];
    bare(Server::textbook(kind, 2), 2, 60.0, steps)
}

/// Two loops with a pool of twenty each and three hundred requests in flight.
fn async_pool() -> Site {
    let query = query(0.0002, Span::from_millis(50));
    let steps = vec![compute(0.001), query, call(exponential(0.5)), compute(0.001)];
    let mut server = loops(2);
    server.connections.keep = 20;
    server.connections.limit = Some(20);
    bare(server, 2, 500.0, steps)
}

/// Five workers of 200 MB on 1 GB, dying: the hosting guide's first common mistake, as in `scenarios/too-many-workers.toml`.
fn oom_loop() -> Site {
    let mut server = Server::textbook(WorkerKind::Sync, 5);
    server.worker_memory = Bytes::from_mib(200);
    server.boot_cpu = Span::from_millis(500);
    let steps = vec![compute(0.005), query(0.003, Span::from_millis(3)), compute(0.005)];
    let mut site = bare(server, 2, 50.0, steps);
    site.host.memory = Some(Bytes::from_mib(1024));
    let system = Bytes::from_mib(200);
    site.host.residents.push(Resident {
        name: "system".to_owned(),
        count: 1,
        memory: system,
        killable: false,
    });
    site.database.memory = Bytes::from_mib(300);
    site.traffic.endpoints[0].memory = Bytes::from_mib(2);
    site.front.backlog = Some(2048);
    site.client.patience = Some(Span::from_whole_secs(30));
    site
}

/// AsyncFlow's README scenario: 100 users x 100 requests a minute, three edges of 3 ms, 2 ms of CPU,
/// 12 ms of waiting. All edges come after the loop: what comes by a random way is as random as what
/// left, and before it they would wait to be accepted, as they do not there.
fn asyncflow() -> Site {
    let edge = || call(exponential(0.003));
    let cpu = Step::Compute(Dist::Fixed(Span::from_millis(2)));
    let wait = call(Dist::Fixed(Span::from_millis(12)));
    let steps = vec![cpu, wait, edge(), edge(), edge()];
    let mut site = bare(loops(1), 1, 100.0 * 100.0 / 60.0, steps);
    site.traffic.endpoints[0].memory = Bytes::from_mib(120);
    site
}

fn loops(count: u32) -> Server {
    Server::textbook(WorkerKind::Async { limit_concurrency: None }, count)
}

fn bare(server: Server, cores: u32, rate: f64, steps: Vec<Step>) -> Site {
    let mut site = Site::textbook(server.kind, server.workers, cores, steps);
    site.server = server;
    site.traffic.rate = PerSecond::new(rate);
    site.horizon.arrivals_limit = u64::MAX;
    site
}

fn lasting(mut site: Site, requests: u64) -> Site {
    site.horizon.measured = Span::from_secs(requests as f64 / site.traffic.rate.get());
    site
}

fn exponential(mean_secs: f64) -> Dist {
    Dist::Exponential { mean: Span::from_secs(mean_secs) }
}

fn compute(mean_secs: f64) -> Step {
    Step::Compute(exponential(mean_secs))
}

/// A query with exponential CPU and, unless it is zero, exponential wait.
fn query(cpu_secs: f64, wait: Span) -> Step {
    let wait = if wait.is_zero() { Dist::Fixed(wait) } else { Dist::Exponential { mean: wait } };
    Step::Query { wait, cpu: exponential(cpu_secs), driver: None }
}

fn call(wait: Dist) -> Step {
    Step::Call { wait, cpu: Span::ZERO }
}
