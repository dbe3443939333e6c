//! Sites for tests: bare ones, whose answers theory knows.

use crate::site::{
    Accept, Arrivals, Client, Connections, Costs, Database, Dist, Endpoint, FirstRequest, Front,
    Hold, Horizon, Host, Listen, OnOom, Server, Sharing, Site, Step, Traffic, WorkerKind,
};
use crate::units::{Bytes, PerSecond, Span};

/// An exponential span of so many seconds on average.
pub(crate) fn exp(secs: f64) -> Dist {
    Dist::Exponential { mean: Span::from_secs(secs) }
}

/// A query that waits `wait` and costs no CPU.
pub(crate) fn query(wait: Dist) -> Step {
    Step::Query { wait, cpu: Dist::Fixed(Span::ZERO), driver: None }
}

/// A site where nothing costs anything but `steps`.
pub(crate) fn bare(kind: WorkerKind, workers: u32, cores: u32, steps: Vec<Step>) -> Site {
    Site {
        host: Host {
            cores,
            speed: 1.0,
            sharing: Sharing::Fair,
            memory: None,
            residents: Vec::new(),
        },
        server: Server {
            kind,
            workers,
            worker_memory: Bytes::ZERO,
            late_memory: Bytes::ZERO,
            first_request: FirstRequest::LIKE_ANY,
            touch_cpu: Span::ZERO,
            keeps_memory: false,
            linger: Span::ZERO,
            boot_cpu: Span::ZERO,
            accept: Accept::Shared { bias: 1.0 },
            costs: Costs {
                request_cpu: Span::ZERO,
                query_cpu: Span::ZERO,
                connect_cpu: Span::ZERO,
                reset_cpu: Span::ZERO,
            },
            connections: Connections { keep: 1, limit: None, timeout: None, hold: Hold::Query },
            opens_pool: false,
            on_oom: OnOom::Respawn,
        },
        database: no_database(),
        front: Front {
            listen: Listen::Tcp,
            backlog: None,
            nginx_cpu: Span::ZERO,
            connect_timeout: None,
            read_timeout: None,
        },
        client: Client { patience: None, round_trip: Span::ZERO, cpu: Span::ZERO },
        traffic: Traffic {
            rate: PerSecond::new(1.0),
            arrivals: Arrivals::Poisson,
            endpoints: vec![Endpoint {
                name: "page".into(),
                weight: 1.0,
                memory: Bytes::ZERO,
                growth: Bytes::ZERO,
                steps,
            }],
        },
        horizon: Horizon {
            warmup: Span::from_whole_secs(20),
            measured: Span::from_whole_secs(100),
            drain: Span::from_whole_secs(100),
            in_flight_limit: 100_000,
            arrivals_limit: 10_000_000,
        },
    }
}

/// One sync worker on one core: M/M/1.
pub(crate) fn mm1(rate: f64, service_rate: f64) -> Site {
    let compute = Step::Compute(exp(1.0 / service_rate));
    let mut site = bare(WorkerKind::Sync, 1, 1, vec![compute]);
    site.traffic.rate = PerSecond::new(rate);
    site
}

fn no_database() -> Database {
    Database {
        host: None,
        latency: Span::ZERO,
        connection_slots: None,
        memory: Bytes::ZERO,
        connection_memory: Bytes::ZERO,
        connect_cpu: Span::ZERO,
        connect_wait: Span::ZERO,
        refusal_cpu: Span::ZERO,
        close_cpu: Span::ZERO,
        reset_cpu: Span::ZERO,
        wait_step: Span::ZERO,
        largest_process: Bytes::ZERO,
        recovery: Span::ZERO,
    }
}
