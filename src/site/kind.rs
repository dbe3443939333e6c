//! The kinds of Python servers.

use crate::units::Span;

/// How a worker of a Python server handles requests. See the tables at the top of
/// `model/traffic/request.rs`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WorkerKind {
    /// One request per process at a time (gunicorn `sync`).
    Sync,
    /// Several threads per process under one GIL (gunicorn `gthread`).
    Threads {
        /// Threads per process, at least one.
        threads: u32,
        /// How long a thread computes while another waits for the GIL (CPython: 5 ms of wall
        /// time, counted anew at each hand-over).
        switch_interval: Span,
        /// Connections that a process has accepted at most, those waiting for a thread included
        /// (gunicorn `worker_connections`); `None`: without limit.
        worker_connections: Option<u32>,
        /// The thread that hands requests to the others; `None`: that takes no time.
        dispatcher: Option<Dispatcher>,
    },
    /// An event loop per process (uvicorn); each burst runs to its next await.
    Async {
        /// A connection with which the process has this many open is answered with an immediate
        /// 503: so a limit of N serves N - 1 at a time. `None`: without limit.
        limit_concurrency: Option<u32>,
    },
}

/// The thread of a process that accepts connections and hands them to its other threads: gunicorn's
/// main thread, or the event loop in front of `def` endpoints. It needs the GIL as they do. Each
/// amount of CPU is per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatcher {
    /// CPU to accept a connection, to read the request if this is a loop, and to hand it to a
    /// thread.
    pub dispatch_cpu: Span,
    /// CPU to send a thread's answer; `None` where the threads send their answers themselves.
    pub answer_cpu: Option<Span>,
    /// CPU to close the connection, when its client already has the answer.
    pub finish_cpu: Span,
    /// See `limit_concurrency` of [`WorkerKind::Async`].
    pub limit_concurrency: Option<u32>,
}

impl WorkerKind {
    /// The largest number of threads per process. It is as good as no limit, a thread for each
    /// request; more are taken for a mistake.
    pub const MOST_THREADS: u32 = 10_000;

    /// The thread that hands requests to the others, where there is one.
    pub fn dispatcher(&self) -> Option<Dispatcher> {
        match self {
            WorkerKind::Threads { dispatcher, .. } => *dispatcher,
            WorkerKind::Sync | WorkerKind::Async { .. } => None,
        }
    }

    /// Whether an event loop is in front of its threads and sends their answers.
    pub fn is_behind_loop(&self) -> bool {
        self.dispatcher().is_some_and(|its| its.answer_cpu.is_some())
    }
}
