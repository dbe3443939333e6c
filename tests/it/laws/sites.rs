//! The sites that are held to the laws, beside those that chance makes and those that ship.

use tonnage::site::{
    Accept, Connections, Front, Hold, Host, Listen, Resident, Sharing, Site, Step, WorkerKind,
};
use tonnage::units::{Bytes, PerSecond, Span};

use super::ms;
use crate::support::{ASYNC, behind_loop, call, exponential, millis, threads, with_main_thread};

/// Some sites of every kind, from idle to hopeless.
pub(crate) fn all() -> Vec<(&'static str, Site)> {
    vec![
        ("sync workers", page(WorkerKind::Sync, 3, 40.0)),
        ("threads", page(threads(4), 2, 60.0)),
        ("threads and their main thread", page(with_main_thread(4, ms(1), ms(1)), 2, 60.0)),
        ("threads behind a loop", page(behind_loop(4, ms(1), ms(1)), 2, 60.0)),
        ("a loop and a socket per process", loops_with_their_sockets()),
        ("event loops", page(ASYNC, 2, 70.0)),
        ("a socket per process", per_process()),
        ("a database of its own", database_apart()),
        ("a connection per request", connection_per_request()),
        ("a small pool", small_pool()),
        ("a crowded backlog", crowded()),
        ("no memory to spare", tight()),
        ("workers that cannot all fit", too_many()),
    ]
}

fn loops_with_their_sockets() -> Site {
    let mut site = page(behind_loop(2, ms(1), ms(1)), 3, 60.0);
    site.server.accept = Accept::PerProcess;
    site
}

pub(super) fn page(kind: WorkerKind, workers: u32, rate: f64) -> Site {
    let steps = vec![
        Step::Compute(exponential(0.008)),
        Step::Query { wait: exponential(0.02), cpu: millis(1), driver: None },
        Step::Compute(exponential(0.004)),
        call(exponential(0.01)),
    ];
    let mut site = Site::textbook(kind, workers, 2, steps);
    site.traffic.rate = PerSecond::new(rate);
    site.server.costs.request_cpu = Span::from_millis(1);
    site.server.costs.query_cpu = Span::from_micros(300);
    site.horizon.warmup = Span::from_whole_secs(20);
    site.horizon.measured = Span::from_whole_secs(200);
    site.horizon.drain = Span::from_whole_secs(60);
    site
}

fn per_process() -> Site {
    let mut site = page(threads(3), 3, 60.0);
    site.server.accept = Accept::PerProcess;
    site.front.nginx_cpu = Span::from_micros(500);
    site
}

fn database_apart() -> Site {
    let mut site = page(ASYNC, 2, 50.0);
    let host = Host {
        cores: 1,
        speed: 1.5,
        sharing: Sharing::Fair,
        cooling: None,
        memory: None,
        thrashing: Span::ZERO,
        residents: Vec::new(),
    };
    site.database.host = Some(host);
    site.database.latency = Span::from_millis(1);
    site.host.speed = 0.8;
    site
}

fn connection_per_request() -> Site {
    let mut site = page(WorkerKind::Sync, 4, 30.0);
    site.server.connections.keep = 0;
    site.server.connections.hold = Hold::Request;
    site.server.costs.connect_cpu = Span::from_millis(3);
    site.database.connect_cpu = Span::from_millis(3);
    site.database.connect_wait = Span::from_millis(2);
    site
}

fn small_pool() -> Site {
    let mut site = page(ASYNC, 1, 45.0);
    site.server.connections = Connections {
        keep: 1,
        limit: Some(1),
        timeout: Some(Span::from_millis(150)),
        hold: Hold::Query,
    };
    site
}

fn crowded() -> Site {
    let mut site = page(WorkerKind::Sync, 2, 90.0);
    site.front = Front {
        listen: Listen::Tcp,
        backlog: Some(20),
        nginx_cpu: Span::from_micros(200),
        connect_timeout: Some(Span::from_whole_secs(6)),
        read_timeout: Some(Span::from_millis(700)),
    };
    site.client.patience = Some(Span::from_whole_secs(4));
    site
}

fn tight() -> Site {
    let mut site = page(ASYNC, 2, 110.0);
    site.host.memory = Some(Bytes::from_mib(500));
    let system =
        Resident { name: "os".to_owned(), count: 1, memory: Bytes::from_mib(100), killable: false };
    site.host.residents = vec![system];
    site.server.worker_memory = Bytes::from_mib(120);
    site.server.boot_cpu = Span::from_millis(600);
    site.traffic.endpoints[0].memory = Bytes::from_mib(3);
    site.traffic.endpoints[0].growth = Bytes::new(2_000);
    site.database.memory = Bytes::from_mib(60);
    site.database.connection_memory = Bytes::from_mib(1);
    site.database.largest_process = Bytes::from_mib(90);
    site.database.recovery = Span::from_millis(2_700);
    site
}

fn too_many() -> Site {
    let mut site = tight();
    site.server.kind = WorkerKind::Sync;
    site.server.workers = 5;
    site.traffic.rate = PerSecond::new(20.0);
    site
}
