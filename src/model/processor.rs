//! The cores of a host, however they are shared.

use super::crash::{BACKEND, FRONT};
use crate::resource::cores::Cores;
use crate::resource::run_queue::Runner;
use crate::resource::sliced::{Cooling, Sliced};
use crate::site::{Host, Sharing};
use crate::units::{Span, Time};

/// The cores of a host. See [`Cores`] and [`Sliced`] for what each operation does.
#[derive(Debug)]
pub(super) enum Processor {
    Fair(Cores),
    Sliced {
        cores: Sliced,
        /// Whether the workers' processes have several threads.
        threaded: bool,
    },
}

/// The session that all workers are of.
const SERVER: u64 = 0;

/// Who has to do `task` of `process`: every process of the database is one thread, and a session
/// of its own; so is whoever sends requests from the same host, and a worker, but for its session.
/// Where workers have threads each request is done by another one.
fn runner(task: u32, process: u32, threaded: bool) -> Runner {
    let own = u64::from(process) << 32 | u64::from(task);
    let whole = u64::from(process) << 32 | u64::from(u32::MAX);
    match process {
        FRONT => Runner { thread: own, session: whole },
        _ if process >= BACKEND => Runner { thread: own, session: own },
        _ => Runner { thread: if threaded { own } else { whole }, session: SERVER },
    }
}

impl Processor {
    /// The idle cores of `host`.
    pub(super) fn new(host: &Host, threaded: bool) -> Processor {
        match host.sharing {
            Sharing::Fair => Processor::Fair(Cores::new(host.cores, host.speed)),
            Sharing::Slices { slice, cold, cold_code, cold_after } => {
                let cooling = Cooling { most: cold, code: cold_code, over: cold_after };
                let cooling = (!cold_after.is_zero()).then_some(cooling);
                let cores = Sliced::new(host.cores, host.speed, slice, cooling);
                Processor::Sliced { cores, threaded }
            }
        }
    }

    /// Returns whether one more core is busy.
    #[inline]
    pub(super) fn start(&mut self, now: Time, task: u32, process: u32, work: Span) -> bool {
        match self {
            Processor::Fair(cores) => cores.start(now, task, work),
            Processor::Sliced { cores, threaded } => {
                cores.start(now, task, process, runner(task, process, *threaded), work)
            }
        }
    }

    /// When the next task is done, or gives way.
    #[inline]
    pub(super) fn next_change(&mut self) -> Time {
        match self {
            Processor::Fair(cores) => cores.next_finish(),
            Processor::Sliced { cores, .. } => cores.next_change(),
        }
    }

    /// What changes at `now`: a task is done, and returned with whether one core fewer is busy,
    /// or one has given way.
    #[inline]
    pub(super) fn change(&mut self, now: Time) -> Option<(u32, bool)> {
        match self {
            Processor::Fair(cores) => Some(cores.finish(now)),
            Processor::Sliced { cores, .. } => cores.change(now).map(|task| (task, false)),
        }
    }

    /// By how many more cores the last change made busy, where it was nobody's end: -1, 0 or 1.
    pub(super) fn busier(&self) -> i32 {
        match self {
            Processor::Fair(_) => 0,
            Processor::Sliced { cores, .. } => cores.busier(),
        }
    }

    pub(super) fn stop(&mut self, now: Time, task: u32) -> Option<(Span, bool)> {
        match self {
            Processor::Fair(cores) => cores.stop(now, task),
            Processor::Sliced { cores, .. } => cores.stop(now, task),
        }
    }

    /// See [`Sliced::chill`]; cores shared fairly have no caches.
    #[inline]
    pub(super) fn chill(&self, code: Span, away: Span) -> Span {
        match self {
            Processor::Fair(_) => Span::ZERO,
            Processor::Sliced { cores, .. } => cores.chill(code, away),
        }
    }

    /// How many cores run nothing, where each runs one task at a time.
    pub(super) fn idle(&self) -> Option<usize> {
        match self {
            Processor::Fair(_) => None,
            Processor::Sliced { cores, .. } => Some(cores.idle()),
        }
    }

    #[inline]
    pub(super) fn alone(&self, work: Span) -> Span {
        match self {
            Processor::Fair(cores) => cores.alone(work),
            Processor::Sliced { cores, .. } => cores.alone(work),
        }
    }
}
