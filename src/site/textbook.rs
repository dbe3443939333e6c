//! Sites as queueing theory has them, to start from.

use super::{
    Accept, Arrivals, Client, Connections, Costs, Database, Endpoint, FirstRequest, Front, Hold,
    Horizon, Host, Listen, OnOom, Server, Sharing, Site, Step, Traffic, WorkerKind,
};
use crate::units::{Bytes, PerSecond, Span};

impl Site {
    /// A site of `workers` (at least one) on `cores` (at least one) with one endpoint of `steps`,
    /// at one request a second. Nothing else costs anything, and nothing has a limit. The measured
    /// window begins at the start and takes 1,000 s.
    pub fn textbook(kind: WorkerKind, workers: u32, cores: u32, steps: Vec<Step>) -> Site {
        Site {
            host: Host {
                cores,
                speed: 1.0,
                sharing: Sharing::Fair,
                cooling: None,
                memory: None,
                thrashing: Span::ZERO,
                residents: Vec::new(),
            },
            server: Server::textbook(kind, workers),
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
                endpoints: vec![Endpoint::textbook(steps)],
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
}

impl Server {
    /// A server of `workers` (at least one) that cost nothing. Each one that is free to accept a
    /// request is as likely to get it.
    pub fn textbook(kind: WorkerKind, workers: u32) -> Server {
        Server {
            kind,
            workers,
            worker_memory: Bytes::ZERO,
            late_memory: Bytes::ZERO,
            first_request: FirstRequest::LIKE_ANY,
            touch_cpu: Span::ZERO,
            herd_cpu: Span::ZERO,
            exit_cpu: Span::ZERO,
            keeps_memory: false,
            has_threads: false,
            linger: Span::ZERO,
            boot_cpu: Span::ZERO,
            timeout: None,
            accept: Accept::Shared { bias: 1.0 },
            costs: Costs {
                request_cpu: Span::ZERO,
                query_cpu: Span::ZERO,
                connect_cpu: Span::ZERO,
                reset_cpu: Span::ZERO,
                cold_code: None,
            },
            connections: Connections {
                keep: u32::MAX,
                limit: None,
                timeout: None,
                hold: Hold::Query,
            },
            opens_pool: false,
            on_oom: OnOom::Respawn,
        }
    }
}

impl Endpoint {
    /// An endpoint of `steps` that takes no memory.
    pub fn textbook(steps: Vec<Step>) -> Endpoint {
        Endpoint {
            name: "page".to_owned(),
            weight: 1.0,
            memory: Bytes::ZERO,
            growth: Bytes::ZERO,
            steps,
        }
    }
}

/// A database on the workers' host that costs nothing.
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
        unused_close_cpu: Span::ZERO,
        reset_cpu: Span::ZERO,
        wait_step: Span::ZERO,
        largest_process: Bytes::ZERO,
        recovery: Span::ZERO,
    }
}
