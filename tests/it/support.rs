//! Sites for tests: everything costs nothing and has no limit, but for what a test says.

use tonnage::site::{
    Accept, Arrivals, Client, Connections, Costs, Database, Dispatcher, Dist, Endpoint,
    FirstRequest, Front, Hold, Horizon, Host, Listen, OnOom, Server, Sharing, Site, Step, Traffic,
    WorkerKind,
};
use tonnage::units::{Bytes, PerSecond, Span};

/// A uvicorn without a limit.
pub(crate) const ASYNC: WorkerKind = WorkerKind::Async { limit_concurrency: None };

/// A gunicorn with so many threads per process, and CPython's switch interval.
pub(crate) fn threads(threads: u32) -> WorkerKind {
    let switch_interval = Span::from_millis(5);
    WorkerKind::Threads { threads, switch_interval, worker_connections: None, dispatcher: None }
}

/// The same with a main thread that needs the GIL to accept, and to close after the answer.
pub(crate) fn with_main_thread(threads: u32, dispatch: Span, finish: Span) -> WorkerKind {
    dispatched(
        threads,
        Dispatcher {
            dispatch_cpu: dispatch,
            answer_cpu: None,
            finish_cpu: finish,
            limit_concurrency: None,
        },
    )
}

/// A uvicorn with so many threads per process for `def` endpoints, behind a loop that needs the
/// GIL to hand them requests and to send their answers.
pub(crate) fn behind_loop(threads: u32, dispatch: Span, answer: Span) -> WorkerKind {
    dispatched(
        threads,
        Dispatcher {
            dispatch_cpu: dispatch,
            answer_cpu: Some(answer),
            finish_cpu: Span::ZERO,
            limit_concurrency: None,
        },
    )
}

fn dispatched(threads: u32, dispatcher: Dispatcher) -> WorkerKind {
    WorkerKind::Threads {
        threads,
        switch_interval: Span::from_millis(5),
        worker_connections: None,
        dispatcher: Some(dispatcher),
    }
}

/// So many workers on so many cores and one endpoint with these steps, at one request a second.
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
            connections: Connections {
                keep: u32::MAX,
                limit: None,
                timeout: None,
                hold: Hold::Query,
            },
            opens_pool: false,
            on_oom: OnOom::Respawn,
        },
        database: database(),
        front: Front {
            listen: Listen::Unix,
            backlog: None,
            nginx_cpu: Span::ZERO,
            connect_timeout: None,
            read_timeout: None,
        },
        client: Client { patience: None, round_trip: Span::ZERO, cpu: Span::ZERO },
        traffic: Traffic {
            rate: PerSecond::new(1.0),
            arrivals: Arrivals::Poisson,
            endpoints: vec![endpoint(steps)],
        },
        horizon: Horizon {
            warmup: Span::ZERO,
            measured: Span::from_whole_secs(1_000),
            drain: Span::from_whole_secs(1_000_000),
            in_flight_limit: 1_000_000,
            arrivals_limit: 1_000_000_000,
        },
    }
}

fn database() -> Database {
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

/// An endpoint with these steps, of weight 1.
pub(crate) fn endpoint(steps: Vec<Step>) -> Endpoint {
    Endpoint {
        name: "page".to_owned(),
        weight: 1.0,
        memory: Bytes::ZERO,
        growth: Bytes::ZERO,
        steps,
    }
}

/// A query that waits so long and costs no CPU.
pub(crate) fn query(wait: Dist) -> Step {
    Step::Query { wait, cpu: Dist::Fixed(Span::ZERO), driver: None }
}

/// A call that waits so long.
pub(crate) fn call(wait: Dist) -> Step {
    Step::Call { wait, cpu: Span::ZERO }
}

/// Exponential with this mean in seconds.
pub(crate) fn exponential(mean_secs: f64) -> Dist {
    Dist::Exponential { mean: Span::from_secs(mean_secs) }
}

/// Always so many milliseconds.
pub(crate) fn millis(millis: u64) -> Dist {
    Dist::Fixed(Span::from_millis(millis))
}
