//! The Python server of a site: its workers, what the stack costs, and how it connects.

use super::first_request::FirstRequest;
use super::kind::WorkerKind;
use crate::units::{Bytes, Span};

/// The Python server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// How a worker admits requests and what it holds between their steps.
    pub kind: WorkerKind,
    /// How many worker processes, at least one.
    pub workers: u32,
    /// Memory of a worker process between requests, once it has booted and served one.
    pub worker_memory: Bytes,
    /// The part of `worker_memory` that is taken at the end of the boot: a model, a dictionary. The
    /// rest grows during the boot.
    pub late_memory: Bytes,
    /// What a worker's first request takes beyond later ones.
    pub first_request: FirstRequest,
    /// CPU of the kernel for each MiB of late memory or of a request's memory that comes from the
    /// system: it clears and maps the pages.
    pub touch_cpu: Span,
    /// CPU of each idle worker (sync) that a connection wakes although another takes it (the
    /// thundering herd; reference section 1.2).
    pub herd_cpu: Span,
    /// CPU of the kernel for each MiB of a killed worker's memory, which it frees before all else.
    pub exit_cpu: Span,
    /// Whether a worker keeps the memory of its requests for later ones: blocks that the allocator
    /// takes from its heap stay there (glibc's mmap threshold grows to what was freed), and each
    /// thread of a pool has a heap of its own.
    pub keeps_memory: bool,
    /// Whether a pool of threads has all its threads when a run begins, as after a burst; a
    /// recorded server does. Otherwise it starts one when a request finds none idle.
    pub has_threads: bool,
    /// How long a worker, or a thread, stays with its client after the answer, until the client has
    /// closed its side (gunicorn 26 and later; reference section 2.2).
    pub linger: Span,
    /// CPU of a worker's boot, before it takes traffic; its memory grows over that time.
    pub boot_cpu: Span,
    /// How long a sync worker may work on one request before gunicorn's arbiter kills it (reference
    /// section 2.4); `None`: for ever. Workers of other kinds send heartbeats during requests.
    pub timeout: Option<Span>,
    /// Which process gets an arriving connection, where more than one could.
    pub accept: Accept,
    /// What the stack itself costs the worker, beside what the endpoints ask for.
    pub costs: Costs,
    /// How the application connects to the database.
    pub connections: Connections,
    /// Whether a worker opens all connections of its pool while it boots, and not one by one as
    /// they are needed. Has no effect where the pool has no limit.
    pub opens_pool: bool,
    /// What happens to the site when the OOM killer takes a worker.
    pub on_oom: OnOom,
}

impl Server {
    /// How many connections an idle process has open: as many as its pool keeps, but no more than
    /// its requests could use at a time, unless it opens its pool at boot.
    pub fn kept_connections(&self) -> u32 {
        let keep = self.connections.keep;
        match self.kind {
            _ if self.opens_pool => keep,
            WorkerKind::Sync => keep.min(1),
            WorkerKind::Threads { threads, .. } => keep.min(threads),
            WorkerKind::Async { .. } => keep,
        }
    }

    /// Whether a request that returns from a wait needs the GIL or the loop even if it has nothing
    /// to compute. It does not where neither requests nor queries cost CPU, as in a textbook.
    pub fn goes_on_in_turn(&self) -> bool {
        let costs = !self.costs.request_cpu.is_zero() || !self.costs.query_cpu.is_zero();
        self.kind != WorkerKind::Sync && costs
    }

    /// Whether a freed connection passes to a waiting request only when the event loop comes to it.
    /// Where queries cost no CPU, as in a textbook, it passes at once.
    pub fn shares_connections_in_loop(&self) -> bool {
        matches!(self.kind, WorkerKind::Async { .. }) && !self.costs.query_cpu.is_zero()
    }
}

/// Which process an arriving connection goes to (threads and async; sync workers share one queue).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Accept {
    /// One listening socket. A process that is free takes the connection; of several, the k-th in
    /// the kernel's wake-up order (the last started comes first) with weight `bias`^k. On a host of
    /// one core gunicorn's threaded processes take turns instead: the one that accepted longest ago
    /// is next.
    Shared {
        /// Above 0, at most 1. With 1 all are as likely.
        bias: f64,
    },
    /// A socket per process (`SO_REUSEPORT`): the kernel draws one, whether its process is free or
    /// not. Each has a backlog of its own, all of the same size; connections in it are lost when
    /// the process dies.
    PerProcess,
}

/// CPU that the stack costs the worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// CPU per request: accepting, parsing, routing, middlewares, answering.
    pub request_cpu: Span,
    /// CPU per query: the driver and the ORM.
    pub query_cpu: Span,
    /// CPU per new database connection: the client's side of the handshake.
    pub connect_cpu: Span,
    /// CPU per connection that is given back, where the pool resets it with one more query
    /// (asyncpg's: `pg_advisory_unlock_all`, `CLOSE ALL`, `UNLISTEN *`, `RESET ALL`). Zero: it does
    /// not.
    pub reset_cpu: Span,
    /// Extra CPU of the stack's code when it is entirely cold, relative to its CPU time, from 0 to
    /// 100; `None`: as the host has it ([`Cooling::code`](super::Cooling::code)).
    pub cold_code: Option<f64>,
}

/// How the application connects to the database: always through a pool per worker process. A
/// connection per request is a pool that keeps none and has no limit; a persistent connection per
/// thread is a pool that keeps as many as there are threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// How many connections stay open when they are idle.
    pub keep: u32,
    /// How many connections may be open at a time; `None`: without limit.
    pub limit: Option<u32>,
    /// How long a request waits for a connection before it fails; `None`: for ever.
    pub timeout: Option<Span>,
    /// When a request gives its connection back.
    pub hold: Hold,
}

/// When a request gives its connection back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// After each query.
    Query,
    /// After the last query of the request.
    Queries,
    /// At the end of the request.
    Request,
}

/// What happens to the site when the OOM killer kills a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOom {
    /// The worker boots again at once: its parent is notified (gunicorn).
    Respawn,
    /// The only process is started again from outside (systemd with `Restart=`, Docker). The
    /// listening socket was its own: open connections are lost, and new ones are refused until it
    /// has booted (uvicorn without `--workers`).
    Alone,
    /// The worker boots again once its parent finds it dead (uvicorn `--workers`): the parent
    /// checks its workers one after the other, every half a second.
    Polled,
    /// The whole unit is stopped for good (systemd's default `OOMPolicy=stop` without `Restart=`).
    Stop,
}
