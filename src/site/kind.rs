//! The ways a Python server works.

use crate::units::Span;

/// The three ways a Python server works. See the tables at the top of `model/traffic/request.rs`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WorkerKind {
    /// One request per process at a time (gunicorn `sync`).
    Sync,
    /// Some threads per process under one GIL (gunicorn `gthread`).
    Threads {
        /// Threads per process, at least one.
        threads: u32,
        /// How long a thread computes while another waits for the GIL (CPython: 5 ms of wall
        /// time, counted anew at each hand-over).
        switch_interval: Span,
        /// Connections a process accepts at most, in threads and queued for one
        /// (gunicorn `worker_connections`); `None`: without limit.
        worker_connections: Option<u32>,
        /// Who hands requests to the threads; `None`: that takes nobody any time.
        dispatcher: Option<Dispatcher>,
    },
    /// An event loop per process (uvicorn); each burst runs to its next await.
    Async {
        /// At this many open connections in the process, the one that just came included, the
        /// answer is an immediate 503: so a limit of N serves N - 1 at a time.
        limit_concurrency: Option<u32>,
    },
}

/// The thread of a process that accepts connections and hands them to its threads: gunicorn's main
/// thread, or the event loop in front of `def` endpoints. It needs the GIL as they do. Each amount
/// of CPU is per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatcher {
    /// To accept a connection, for a loop also to read the request, and to hand it to a thread.
    pub dispatch_cpu: Span,
    /// To take a thread's answer and send it; `None` where threads send theirs.
    pub answer_cpu: Option<Span>,
    /// To close the connection; its client has the answer by then.
    pub finish_cpu: Span,
    /// As for [`WorkerKind::Async`].
    pub limit_concurrency: Option<u32>,
}

impl WorkerKind {
    /// So many threads of a process are as good as no limit: each request has one. More are taken for a
    /// mistake.
    pub const MOST_THREADS: u32 = 10_000;

    /// Who hands requests to its threads, where it has threads and that takes time.
    pub fn dispatcher(&self) -> Option<Dispatcher> {
        match self {
            WorkerKind::Threads { dispatcher, .. } => *dispatcher,
            WorkerKind::Sync | WorkerKind::Async { .. } => None,
        }
    }

    /// Whether its threads have an event loop in front of them, which sends their answers.
    pub fn is_behind_loop(&self) -> bool {
        self.dispatcher().is_some_and(|its| its.answer_cpu.is_some())
    }
}
