//! What is simulated: a machine, a Python server on it, a database, and the traffic.
//!
//! A [`Site`] is plain data and already valid: it is built by the scenario floor, which checks
//! every value and every combination, or from [`Site::textbook`], by tests. Nothing here has a
//! default; where a number comes from (the user's file, or a preset with its source) is the
//! scenario floor's business.

mod arrivals;
mod budget;
mod first_request;
mod kind;
mod server;
mod textbook;

use std::sync::Arc;

pub use arrivals::{Arrivals, Trace, Traced};
pub use budget::Budget;
pub use first_request::FirstRequest;
pub use kind::{Dispatcher, WorkerKind};
pub use server::{Accept, Connections, Costs, Hold, OnOom, Server};

use crate::units::{Bytes, Fraction, PerSecond, Span};

/// Everything that a run depends on, but for its seed.
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
    /// How clients behave: how long they wait, how far away they are, what they cost the workers'
    /// host.
    pub client: Client,
    /// How many requests arrive, when, and what they ask for.
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
    /// How the cores, and the code on them, go cold; `None`: they never do.
    pub cooling: Option<Cooling>,
    /// Its memory; `None`: without limit.
    pub memory: Option<Bytes>,
    /// How long the host does no useful work once memory is full, before the OOM killer strikes:
    /// Linux first evicts what it can read back, which is program code, and reads it again and
    /// again.
    pub thrashing: Span,
    /// What holds memory on the machine beside workers and database.
    pub residents: Vec<Resident>,
}

/// How the runnable tasks of a host share its cores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sharing {
    /// All tasks run at once, each with an equal share: processor sharing.
    Fair,
    /// Each core runs one task at a time, for a slice. Of the tasks that have had less than their
    /// share, the one with the earliest deadline is next (EEVDF, Linux since 6.6; reference section
    /// 1.3). The server's processes together get the share of one process of the database.
    Slices {
        /// How long a task runs before others are considered: tasks of its own session right then,
        /// others when the next task wakes up, or at the next tick. Above zero.
        slice: Span,
    },
}

/// How cores and code that have not run for a while go cold: after a time t by the share
/// 1 - e^(-t / `over`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cooling {
    /// CPU beyond its work of the first task on a core that is entirely cold: the cost of waking
    /// the core up. Only where cores are shared in slices; with fair shares no task is on one core.
    pub core: Span,
    /// Extra CPU of entirely cold code, relative to its CPU time, from 0 to 100: for the stack's
    /// own code and for a query in the database. A server may override it for the stack's code
    /// ([`Costs::cold_code`]).
    pub code: f64,
    /// The time constant. Above zero.
    pub over: Span,
}

/// Memory that is always there: the system, Redis, Celery children.
#[derive(Debug, Clone, PartialEq)]
pub struct Resident {
    /// Its name in the memory arithmetic.
    pub name: String,
    /// How many processes of it there are.
    pub count: u32,
    /// Memory of each process.
    pub memory: Bytes,
    /// Whether each is one process that the OOM killer may kill and a supervisor starts again (a
    /// Celery child); the system itself is not.
    pub killable: bool,
}

/// PostgreSQL and the network to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// Its own machine; `None`: it runs on the workers' host and shares its cores and memory.
    pub host: Option<Host>,
    /// One network round trip between application and database: added once to each query and
    /// [`Database::CONNECT_ROUND_TRIPS`] times to opening a connection.
    pub latency: Span,
    /// Connections it grants the application, the reserved ones already subtracted; the next is
    /// refused at once. `None`: without limit.
    pub connection_slots: Option<u32>,
    /// Shared buffers and everything else that does not depend on the connections.
    pub memory: Bytes,
    /// Memory of each open connection on top of that.
    pub connection_memory: Bytes,
    /// CPU of the database for opening a connection.
    pub connect_cpu: Span,
    /// Time that opening a connection takes beside CPU and round trips.
    pub connect_wait: Span,
    /// CPU of the database for ending the process of a closed connection. No request waits for it.
    pub close_cpu: Span,
    /// CPU of the database for ending the process of a connection that never had a query: it has
    /// less memory to free.
    pub unused_close_cpu: Span,
    /// CPU of the database for resetting a connection, where the pool does so.
    pub reset_cpu: Span,
    /// A query's wait is rounded up to whole multiples of this: `pg_sleep` waits for whole
    /// milliseconds (PostgreSQL's `src/backend/utils/adt/misc.c`). Zero: waits are not rounded.
    pub wait_step: Span,
    /// CPU of the database for refusing a connection.
    pub refusal_cpu: Span,
    /// The resident size of its largest process, as the OOM killer scores it.
    pub largest_process: Bytes,
    /// How long it is down after one of its processes was killed: at least a millisecond.
    pub recovery: Span,
}

/// The listening socket, and Nginx where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Front {
    /// What a full backlog does to the next connection.
    pub listen: Listen,
    /// The size of the accept queue, of each where there are several; it holds one connection more.
    /// `None`: without limit.
    pub backlog: Option<u32>,
    /// CPU of Nginx per request, on the workers' host, before admission.
    pub nginx_cpu: Span,
    /// After this long Nginx gives up connecting to the server (504); `None`: never.
    pub connect_timeout: Option<Span>,
    /// This long after connecting Nginx gives up on the answer (504); `None`: never.
    pub read_timeout: Option<Span>,
}

impl Front {
    /// Whether Nginx is in front of the server: it costs CPU, or has a timeout, or the socket is a
    /// Unix socket, which only Nginx uses.
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

/// How clients behave.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// How long a client waits for its answer, from its first attempt to connect, before it gives
    /// up; the server does not notice. `None`: for ever.
    pub patience: Option<Span>,
    /// The network round trip to the site and the client's own time: part of every response time,
    /// and no work for the site.
    pub round_trip: Span,
    /// CPU on the workers' host for each request of a client that runs there (a load generator):
    /// half before it connects, half after the answer. Zero: clients are elsewhere.
    pub cpu: Span,
}

/// How many requests arrive, when, and what they ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// The mean arrival rate.
    pub rate: PerSecond,
    /// When requests arrive.
    pub arrivals: Arrivals,
    /// What requests ask for: at least one endpoint, and at least one with a weight above zero.
    pub endpoints: Vec<Endpoint>,
}

/// One kind of request.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Its share of the traffic, relative to the others' weights.
    pub weight: f64,
    /// Memory of each request from its acceptance, or its start in a thread, to its answer.
    pub memory: Bytes,
    /// Memory that each request leaks into its worker.
    pub growth: Bytes,
    /// The steps of a request, in order.
    pub steps: Vec<Step>,
}

/// One step of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// CPU time of the worker.
    Compute(Dist),
    /// A query: CPU of the driver in the worker, then CPU of the database and waits there (disk,
    /// locks). It holds a connection meanwhile.
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

impl Step {
    /// Whether this is a query.
    pub const fn is_query(&self) -> bool {
        matches!(self, Step::Query { .. })
    }
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

/// How long is simulated. Only requests that arrive in the measured window count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// The time simulated before the measured window, so that the empty start does not show in it.
    pub warmup: Span,
    /// The measured window.
    pub measured: Span,
    /// How long the run may go on, with traffic as before, until every request that arrived in
    /// the window is answered. What is then still open is counted as such.
    pub drain: Span,
    /// The run stops when this many requests are inside. Otherwise an overloaded async worker would
    /// fill the simulator's memory as it fills its own.
    pub in_flight_limit: u32,
    /// The run stops after this many arrivals.
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

    /// Whether some request leaks memory into its worker.
    pub fn leaks(&self) -> bool {
        self.endpoints.iter().any(|each| each.weight > 0.0 && each.growth > Bytes::ZERO)
    }
}
