//! What is simulated: a machine, a Python server on it, a database, and who comes to visit.
//!
//! A [`Site`] is plain data and already valid: it is built by the scenario floor, which checks
//! every value and every combination, or from [`Site::textbook`], by tests. Nothing here has a
//! default; where a number comes from (the user's file, or a preset with its source) is the
//! scenario floor's business.

mod arrivals;
mod first_request;
mod kind;
mod server;
mod textbook;

use std::sync::Arc;

pub use arrivals::{Arrivals, Trace, Traced};
pub use first_request::FirstRequest;
pub use kind::{Dispatcher, WorkerKind};
pub use server::{Accept, Connections, Costs, Hold, OnOom, Server};

use crate::units::{Bytes, Fraction, PerSecond, Span};

/// Everything one run needs to know, but for its seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The machine the workers run on.
    pub host: Host,
    /// The Python server: its processes and what handling a request costs them.
    pub server: Server,
    /// PostgreSQL.
    pub database: Database,
    /// What stands before the workers: the listening socket and, perhaps, Nginx.
    pub front: Front,
    /// The visitors' manners.
    pub client: Client,
    /// How many requests come, and wanting what.
    pub traffic: Traffic,
    /// How long is simulated, and how long of it measured.
    pub horizon: Horizon,
}

/// A machine: cores and memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// How many cores it has, at least one.
    pub cores: u32,
    /// How fast a core is: CPU time is written for a core of speed 1. From 0.01 to 100.
    pub speed: f64,
    /// How the cores are shared.
    pub sharing: Sharing,
    /// How they, and the code on them, go cold; `None`: they never do.
    pub cooling: Option<Cooling>,
    /// The ceiling; `None` where the scenario sets none.
    pub memory: Option<Bytes>,
    /// How long nobody gets anything done once memory is full, before the OOM killer comes: Linux first
    /// throws out what it can read again, the code that everybody runs, and reads it again and again.
    pub thrashing: Span,
    /// What lives on the machine beside workers and database.
    pub residents: Vec<Resident>,
}

/// How what is runnable on a host shares its cores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sharing {
    /// Everything gets an equal share, at once: processor sharing.
    Fair,
    /// Each core runs one task at a time, which has its slice, and then whichever has the earliest
    /// deadline of those that have had less than their part (EEVDF, Linux since 6.6; reference
    /// section 1.3). The server's processes share what each of the database's gets alone.
    Slices {
        /// How long a task runs before others are considered: those of its session then, others with
        /// the next one that wakes up, or the next tick. Above zero.
        slice: Span,
    },
}

/// How what has not run for a while goes cold: after a time t by the share 1 - e^(-t / `over`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cooling {
    /// What the first task on a core that was idle for long takes beyond its work, to wake it up:
    /// where cores are shared in slices, for else no task is on one core.
    pub core: Span,
    /// What the stack's own code, or a query's in the database, costs beyond its CPU time where
    /// nothing of its kind has run for long: so many times that, from 0 to 100, if the server says
    /// nothing else ([`Costs::cold_code`]).
    pub code: f64,
    /// The time it takes to get most of the way there. Above zero.
    pub over: Span,
}

/// Memory that is always there: the system, Redis, Celery children.
#[derive(Debug, Clone, PartialEq)]
pub struct Resident {
    /// What it is, as the memory arithmetic names it.
    pub name: String,
    /// How many processes of it there are.
    pub count: u32,
    /// What each of them holds.
    pub memory: Bytes,
    /// Whether each is one process that the OOM killer may take and a supervisor starts again
    /// (a Celery child); the system itself is not.
    pub killable: bool,
}

/// PostgreSQL and the way to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// Its own machine; `None`: it lives on the workers' host and shares its cores and memory.
    pub host: Option<Host>,
    /// Round trips added to each query and, three times, to each connection set-up.
    pub latency: Span,
    /// Connections it grants the application, the reserved ones already taken off; the next is
    /// refused at once. `None`: without limit.
    pub connection_slots: Option<u32>,
    /// Shared buffers and everything else that does not depend on the connections.
    pub memory: Bytes,
    /// What each open connection holds on top.
    pub connection_memory: Bytes,
    /// CPU of the server for opening a connection.
    pub connect_cpu: Span,
    /// What opening a connection waits for, beside CPU.
    pub connect_wait: Span,
    /// CPU of the server for the end of a connection's process, once it is closed; nobody waits
    /// for it.
    pub close_cpu: Span,
    /// The same for one that never had a query: it has less to give back.
    pub unused_close_cpu: Span,
    /// CPU of the server for resetting a connection, where the pool does so.
    pub reset_cpu: Span,
    /// A query's wait is rounded up to whole steps of this: `pg_sleep` waits for whole
    /// milliseconds (PostgreSQL's `src/backend/utils/adt/misc.c`). Zero: it is not.
    pub wait_step: Span,
    /// CPU of the server for refusing one.
    pub refusal_cpu: Span,
    /// The resident size of its largest process, as the OOM killer scores it.
    pub largest_process: Bytes,
    /// How long it is away after one of its processes was killed: at least a millisecond.
    pub recovery: Span,
}

/// The listening socket, and Nginx where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Front {
    /// What a full backlog does to the next connection.
    pub listen: Listen,
    /// The accept queue's size, or that of each where there are several; it holds one more. `None`:
    /// without limit.
    pub backlog: Option<u32>,
    /// CPU of Nginx per request, on the workers' host, before admission.
    pub nginx_cpu: Span,
    /// Nginx gives up connecting after this long (504).
    pub connect_timeout: Option<Span>,
    /// Nginx gives up on an answer this long after it connected (504).
    pub read_timeout: Option<Span>,
}

impl Front {
    /// Whether Nginx is in front of the server: it takes some CPU or gives up some time, and nobody else
    /// comes through a Unix socket.
    pub fn has_nginx(&self) -> bool {
        let gives_up = self.connect_timeout.is_some() || self.read_timeout.is_some();
        !self.nginx_cpu.is_zero() || gives_up || self.listen == Listen::Unix
    }
}

/// What a full backlog does to the next connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Drops it silently; the client's kernel tries again.
    Tcp,
    /// Refuses it at once (502).
    Unix,
}

/// The visitors' manners.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// How long a client waits, from its first attempt, for the answer to come to it; the server does
    /// not learn of it.
    pub patience: Option<Span>,
    /// The way to the site and back, and the client's own time: part of every response that is
    /// answered, and nobody's work.
    pub round_trip: Span,
    /// CPU of the workers' host that each request costs a client that lives there (a load
    /// generator): half before it connects, half after the answer. Zero: clients live elsewhere.
    pub cpu: Span,
}

/// How many requests come, when, and wanting what.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// The mean arrival rate.
    pub rate: PerSecond,
    /// When they come.
    pub arrivals: Arrivals,
    /// What they ask for; at least one, of which at least one has a weight above zero.
    pub endpoints: Vec<Endpoint>,
}

/// One kind of request.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Its share of the traffic, relative to the others' weights.
    pub weight: f64,
    /// Memory each request holds from when it is accepted, or has a thread, to its answer.
    pub memory: Bytes,
    /// Memory each request leaves behind in its worker for good.
    pub growth: Bytes,
    /// What it does, in order.
    pub steps: Vec<Step>,
}

/// One step of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// CPU time of the worker.
    Compute(Dist),
    /// A query: CPU time of the database, and what it waits there (disk, locks) while it holds
    /// its connection. The driver's CPU comes first, unless the query says its own.
    Query {
        /// Waiting in the database.
        wait: Dist,
        /// CPU of the database.
        cpu: Dist,
        /// CPU of the worker for this query, in place of the stack's `query_cpu`.
        driver: Option<Span>,
    },
    /// A wait outside the host that holds no connection: an external API, a cache.
    Call {
        /// The wait.
        wait: Dist,
        /// CPU of the worker for making the call.
        cpu: Span,
    },
}

/// A distribution of spans.
#[derive(Debug, Clone, PartialEq)]
pub enum Dist {
    /// Always the same.
    Fixed(Span),
    /// Exponential.
    Exponential {
        /// Its mean, above zero.
        mean: Span,
    },
    /// Lognormal.
    LogNormal {
        /// Its mean, above zero.
        mean: Span,
        /// Standard deviation over mean, above zero.
        cv: f64,
    },
    /// Gamma.
    Gamma {
        /// Its mean, above zero.
        mean: Span,
        /// Standard deviation over mean, above zero.
        cv: f64,
    },
    /// Uniform between the two.
    Uniform {
        /// The shortest.
        low: Span,
        /// The longest, above `low`.
        high: Span,
    },
    /// One of several, by weight.
    Mix(Vec<(f64, Dist)>),
    /// One of the recorded values, each as likely as the next; at least one.
    Empirical(Arc<[Span]>),
}

impl Dist {
    /// Its mean, in seconds.
    pub fn mean_secs(&self) -> f64 {
        match self {
            Dist::Fixed(span) => span.as_secs(),
            Dist::Exponential { mean }
            | Dist::LogNormal { mean, .. }
            | Dist::Gamma { mean, .. } => mean.as_secs(),
            Dist::Uniform { low, high } => (low.as_secs() + high.as_secs()) / 2.0,
            Dist::Mix(parts) => {
                let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
                parts.iter().map(|(weight, part)| weight * part.mean_secs()).sum::<f64>() / total
            }
            Dist::Empirical(values) => {
                values.iter().map(|span| span.as_secs()).sum::<f64>() / values.len() as f64
            }
        }
    }

    /// Its variance, in seconds squared.
    pub fn variance_secs2(&self) -> f64 {
        let mean = self.mean_secs();
        match self {
            Dist::Fixed(_) => 0.0,
            Dist::Exponential { .. } => mean * mean,
            Dist::LogNormal { cv, .. } | Dist::Gamma { cv, .. } => (cv * mean).powi(2),
            Dist::Uniform { low, high } => (high.as_secs() - low.as_secs()).powi(2) / 12.0,
            Dist::Mix(parts) => {
                let square = |part: &Dist| part.variance_secs2() + part.mean_secs().powi(2);
                let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
                let squares: f64 = parts.iter().map(|(weight, part)| weight * square(part)).sum();
                squares / total - mean * mean
            }
            Dist::Empirical(values) => {
                let squares = values.iter().map(|span| (span.as_secs() - mean).powi(2));
                squares.sum::<f64>() / values.len() as f64
            }
        }
    }
}

/// How long is simulated. Figures count the requests that arrive in the measured window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Simulated first and not measured, so that what is measured does not remember the empty
    /// start.
    pub warmup: Span,
    /// The measured window.
    pub measured: Span,
    /// How long the run may go on, with traffic as before, until every request that arrived in
    /// the window is answered. What is then still open is counted as such.
    pub drain: Span,
    /// The run stops when this many requests are inside: an async worker far beyond its capacity
    /// would otherwise fill the simulator's memory as it fills its own.
    pub in_flight_limit: u32,
    /// The run stops after this many requests arrived.
    pub arrivals_limit: u64,
}

impl Endpoint {
    /// The variance of all its steps together, in seconds squared.
    pub fn variance_secs2(&self) -> f64 {
        let of = |step: &Step| match step {
            Step::Compute(dist) => dist.variance_secs2(),
            Step::Query { wait, cpu, .. } => wait.variance_secs2() + cpu.variance_secs2(),
            Step::Call { wait, .. } => wait.variance_secs2(),
        };
        self.steps.iter().map(of).sum()
    }
}

impl Database {
    /// Connections that PostgreSQL keeps back for the administrator
    /// (`superuser_reserved_connections`, PostgreSQL 15; reference section 6.1).
    pub const RESERVED_CONNECTIONS: u32 = 3;

    /// Round trips that opening a connection takes: TCP's handshake is one, start-up and
    /// authentication are the others (reference section 6.2, less what overlaps).
    pub const CONNECT_ROUND_TRIPS: u32 = 3;
}

impl Traffic {
    /// The share of the traffic that `endpoint` gets.
    pub fn share(&self, endpoint: &Endpoint) -> Fraction {
        let total: f64 = self.endpoints.iter().map(|each| each.weight).sum();
        Fraction::new(endpoint.weight / total)
    }

    /// Whether requests that come leave memory behind in their workers for good.
    pub fn leaks(&self) -> bool {
        self.endpoints.iter().any(|each| each.weight > 0.0 && each.growth > Bytes::ZERO)
    }
}
