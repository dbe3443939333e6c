//! What tests build their sites of.

use tonnage::site::{Dispatcher, Dist, Endpoint, Step, WorkerKind};
use tonnage::units::Span;

/// A uvicorn without a limit.
pub(crate) const ASYNC: WorkerKind = WorkerKind::Async { limit_concurrency: None };

/// A gunicorn with so many threads per process, and CPython's switch interval.
pub(crate) fn threads(threads: u32) -> WorkerKind {
    let switch_interval = Span::from_millis(5);
    WorkerKind::Threads { threads, switch_interval, worker_connections: None, dispatcher: None }
}

/// A gunicorn with threads, and a main thread that needs the GIL to accept, and to close after the
/// answer.
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

/// Seconds of CPU that a request for `endpoint` asks of a worker and of the database on average,
/// beside the costs of the stack.
pub(crate) fn mean_cpu(endpoint: &Endpoint) -> (f64, f64) {
    endpoint.steps.iter().fold((0.0, 0.0), |(worker, database), step| match step {
        Step::Compute(dist) => (worker + dist.mean_secs(), database),
        Step::Query { cpu, .. } => (worker, database + cpu.mean_secs()),
        Step::Call { .. } => (worker, database),
    })
}
