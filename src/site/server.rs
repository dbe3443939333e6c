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
    /// What a worker process holds between requests, once it has booted and served one.
    pub worker_memory: Bytes,
    /// What of that it takes at once at the end of its boot: a model, a dictionary. The rest grows
    /// all along.
    pub late_memory: Bytes,
    /// What its first request costs, and takes of that memory.
    pub first_request: FirstRequest,
    /// CPU for each MiB that its late memory or a request takes of the system: the kernel clears
    /// and maps page after page. Zero: that takes no time.
    pub touch_cpu: Span,
    /// CPU of each idle worker of the kernel's one queue (sync) that an arriving connection wakes as
    /// well, and that finds it gone (the thundering herd; reference section 1.2).
    pub herd_cpu: Span,
    /// CPU for each MiB that a killed worker held, which the kernel frees before all else.
    pub exit_cpu: Span,
    /// Whether a worker keeps the memory of its requests for the next ones: blocks that the
    /// allocator takes from its heap stay there (glibc's mmap threshold grows to what was freed), and
    /// each thread of a pool has a heap of its own.
    pub keeps_memory: bool,
    /// Whether a pool of threads has all of its threads when a run begins, as after a burst: a server
    /// that was recorded has. Otherwise it adds one when none is idle.
    pub has_threads: bool,
    /// How long a worker, or a thread, stays with its client after the answer, until that has
    /// closed its side (gunicorn 26 and later; reference section 2.2).
    pub linger: Span,
    /// CPU a worker burns from its start until it takes traffic; its memory grows over that time.
    pub boot_cpu: Span,
    /// How long a sync worker may be at one request before gunicorn's arbiter kills it over that
    /// (reference section 2.4); `None`: for ever. The other kinds write their heartbeat all the same.
    pub timeout: Option<Span>,
    /// Which process gets an arriving connection, where more than one could.
    pub accept: Accept,
    /// What the stack itself costs the worker, beside what the endpoints ask for.
    pub costs: Costs,
    /// How the application connects to the database.
    pub connections: Connections,
    /// Whether a worker opens all connections of its pool while it boots, and not one by one as
    /// they are needed. Nothing where the pool has no limit.
    pub opens_pool: bool,
    /// What happens to the site when the OOM killer takes a worker.
    pub on_oom: OnOom,
}

impl Server {
    /// How many connections a process has open while nobody uses any: as many as it keeps, but no
    /// more than could ever be asked for at a time, unless it opens its pool unasked.
    pub fn kept_connections(&self) -> u32 {
        let keep = self.connections.keep;
        match self.kind {
            _ if self.opens_pool => keep,
            WorkerKind::Sync => keep.min(1),
            WorkerKind::Threads { threads, .. } => keep.min(threads),
            WorkerKind::Async { .. } => keep,
        }
    }

    /// Whether a thread that comes back from a wait needs the GIL to go on, and a task its loop, though
    /// it has nothing to compute. Where neither requests nor drivers cost anything, as in a textbook,
    /// that takes no turn.
    pub fn goes_on_in_turn(&self) -> bool {
        let costs = !self.costs.request_cpu.is_zero() || !self.costs.query_cpu.is_zero();
        self.kind != WorkerKind::Sync && costs
    }

    /// Whether a connection changes hands only as an event loop comes to it. Where drivers cost
    /// nothing, as in a textbook, that takes no turn of it.
    pub fn shares_connections_in_loop(&self) -> bool {
        matches!(self.kind, WorkerKind::Async { .. }) && !self.costs.query_cpu.is_zero()
    }
}

/// Which process an arriving connection goes to (threads and async; sync workers share one queue).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Accept {
    /// One listening socket: whichever process is free to accept takes it; among several free
    /// ones, the k-th in the kernel's wake-up order has weight `bias`^k; but gunicorn's processes
    /// with threads take turns where they have one core.
    Shared {
        /// Above 0, at most 1. 1 is an even chance.
        bias: f64,
    },
    /// A socket per process (`SO_REUSEPORT`): the kernel draws one, free or not. Each has a backlog of
    /// its own, all of the same size, and who is in it when its process dies loses the connection.
    PerProcess,
}

/// CPU that the stack costs the worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// Per request: accepting, parsing, routing, middlewares, answering.
    pub request_cpu: Span,
    /// Per query: the driver and the ORM.
    pub query_cpu: Span,
    /// Per new database connection: the client's side of the handshake.
    pub connect_cpu: Span,
    /// Per connection given back to a pool that resets it first, which is a query more (asyncpg's
    /// pool: `pg_advisory_unlock_all`, `CLOSE ALL`, `UNLISTEN *`, `RESET ALL`). Zero: none does.
    pub reset_cpu: Span,
    /// What its own code costs beyond its CPU time where it is cold, so many times that, from 0 to 100,
    /// in place of what the host says of all code ([`Cooling::code`](super::Cooling::code)).
    pub cold_code: Option<f64>,
}

/// How the application connects to the database. Everything is a pool per worker process that
/// keeps `keep` connections and opens at most `limit`: a connection per request is one that keeps
/// none and knows no limit, a persistent connection per thread keeps as many as there are threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// How many stay open when nobody uses them.
    pub keep: u32,
    /// How many may be open at a time, `keep` included; `None`: without limit.
    pub limit: Option<u32>,
    /// How long a request waits for one before it fails; `None`: for ever.
    pub timeout: Option<Span>,
    /// When a request gives its connection back.
    pub hold: Hold,
}

/// When a request gives its connection back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// After each query.
    Query,
    /// After its last query.
    Queries,
    /// At its end.
    Request,
}

/// What happens to the site when the OOM killer takes a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOom {
    /// The worker boots again: its parent is told at once (gunicorn).
    Respawn,
    /// The only process boots again, for whoever runs it (systemd with `Restart=`, Docker). The
    /// listening socket was its own: whoever has connected to it loses the connection, and nobody
    /// else is let in until it is up (uvicorn without `--workers`).
    Alone,
    /// The worker boots again once its parent looks after it (uvicorn `--workers`): every half a
    /// second, one worker after the other.
    Polled,
    /// The whole unit is stopped for good (systemd's default `OOMPolicy=stop` without `Restart=`).
    Stop,
}
