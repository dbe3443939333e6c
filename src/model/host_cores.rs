//! The cores of a host, whichever way they are shared.

use super::tasks::{Process, Task};
use crate::resource::cores::Cores;
use crate::resource::run_queue::Runner;
use crate::resource::sliced::{CoreCooling, Sliced};
use crate::site::{Cooling, Host, Sharing};
use crate::stats::level::{Level, Usage};
use crate::units::{Span, Time};

/// The cores of a host, and how many of them are busy. See [`Cores`] and [`Sliced`] for what each
/// operation does.
pub(super) trait HostCores {
    /// The idle cores of `host`, where the workers' processes are `threaded` or of one thread each.
    fn new(host: &Host, threaded: bool) -> Self;
    /// A task of `process` begins.
    fn start(&mut self, now: Time, task: Task, process: Process, work: Span);
    /// A thread of `process` wakes up for a task. It `stays` on its core though that is busy, or
    /// looks for an idle one; with cores shared fairly there is no difference.
    #[inline]
    fn wake(&mut self, now: Time, task: Task, process: Process, work: Span, _stays: bool) {
        self.start(now, task, process, work);
    }
    /// When the next task is done, or gives way.
    fn next_change(&mut self) -> Time;
    /// What changes at `now`: a task is done, and returned, or one has given way.
    fn change(&mut self, now: Time) -> Option<Task>;
    /// Takes a task off before it is done. Returns what is left of its work; `None` if it was not
    /// there.
    fn stop(&mut self, now: Time, task: Task) -> Option<Span>;
    /// For `span` from `now` on no task makes progress.
    fn stall(&mut self, now: Time, span: Span);
    /// How long `work` takes on a core of its own.
    fn alone(&self, work: Span) -> Span;
    /// The measured window opens.
    fn open(&mut self, now: Time);
    /// The window closes. Returns how many cores were busy in it.
    fn close(&mut self, now: Time) -> Usage;
}

/// Cores shared fairly.
#[derive(Debug)]
pub(super) struct FairCores {
    cores: Cores,
    /// When the measured window opened, and how busy they had been by then.
    opened: (Time, u128),
}

impl HostCores for FairCores {
    fn new(host: &Host, _threaded: bool) -> FairCores {
        FairCores { cores: Cores::new(host.cores, host.speed), opened: (Time::ZERO, 0) }
    }

    #[inline(always)]
    fn start(&mut self, now: Time, task: Task, _process: Process, work: Span) {
        self.cores.start(now, task.number(), work);
    }

    #[inline(always)]
    fn next_change(&mut self) -> Time {
        self.cores.next_finish()
    }

    #[inline(always)]
    fn change(&mut self, now: Time) -> Option<Task> {
        Some(Task::numbered(self.cores.finish(now)))
    }

    fn stop(&mut self, now: Time, task: Task) -> Option<Span> {
        self.cores.stop(now, task.number())
    }

    fn stall(&mut self, now: Time, span: Span) {
        self.cores.stall(now, span);
    }

    #[inline(always)]
    fn alone(&self, work: Span) -> Span {
        self.cores.alone(work)
    }

    fn open(&mut self, now: Time) {
        self.opened = (now, self.cores.worked(now));
        self.cores.most_busy();
    }

    fn close(&mut self, now: Time) -> Usage {
        let (opened, worked) = self.opened;
        let in_window = self.cores.worked(now) - worked;
        Usage::over(now - opened, in_window, self.cores.busy(), self.cores.most_busy())
    }
}

/// The session of all workers.
const SERVER: u64 = 0;

/// The thread that does `task` of `process`, and its session. Each process of the database is one
/// thread and a session of its own. So is a client on the same host; and a worker too, but all
/// workers are of one session. Where workers have threads, each request is done by another one.
fn runner(task: Task, process: Process, threaded: bool) -> Runner {
    let first = u64::from(process.number()) << 32;
    let own = first | u64::from(task.number());
    let whole = first | u64::from(u32::MAX);
    match process {
        Process::FRONT => Runner { thread: own, session: whole },
        _ if process.is_above_workers() => Runner { thread: own, session: own },
        _ => {
            // A worker's background work does not keep it from its next request here, and a thread
            // of its own answers pings.
            let is_own = threaded || task.is_beside_requests();
            Runner { thread: if is_own { own } else { whole }, session: SERVER }
        }
    }
}

/// Cores that run one task at a time each.
#[derive(Debug)]
pub(super) struct SlicedCores {
    cores: Sliced,
    /// Whether the workers' processes have several threads.
    threaded: bool,
    busy: Level,
}

impl HostCores for SlicedCores {
    fn new(host: &Host, threaded: bool) -> SlicedCores {
        let Sharing::Slices { slice } = host.sharing else {
            unreachable!("cores shared fairly have no slices")
        };
        let cooling =
            host.cooling.map(|Cooling { core, over, .. }| CoreCooling { most: core, over });
        let cores = Sliced::new(host.cores, host.speed, slice, cooling);
        SlicedCores { cores, threaded, busy: Level::default() }
    }

    fn start(&mut self, now: Time, task: Task, process: Process, work: Span) {
        self.wake(now, task, process, work, false);
    }

    fn wake(&mut self, now: Time, task: Task, process: Process, work: Span, stays: bool) {
        let runner = runner(task, process, self.threaded);
        let more = self.cores.start(now, (task.number(), process.number()), runner, work, stays);
        self.busy.rise(now, u64::from(more));
    }

    #[inline]
    fn next_change(&mut self) -> Time {
        self.cores.next_change()
    }

    fn change(&mut self, now: Time) -> Option<Task> {
        let done = self.cores.change(now).map(Task::numbered);
        let more = self.cores.busier();
        self.busy.rise(now, u64::from(more > 0));
        self.busy.fall(now, u64::from(more < 0));
        done
    }

    fn stop(&mut self, now: Time, task: Task) -> Option<Span> {
        let (left, fewer) = self.cores.stop(now, task.number())?;
        self.busy.fall(now, u64::from(fewer));
        Some(left)
    }

    fn stall(&mut self, now: Time, span: Span) {
        self.cores.stall(now, span);
    }

    #[inline]
    fn alone(&self, work: Span) -> Span {
        self.cores.alone(work)
    }

    fn open(&mut self, now: Time) {
        self.busy.open(now);
    }

    fn close(&mut self, now: Time) -> Usage {
        self.busy.close(now)
    }
}

/// Cores shared either way.
#[derive(Debug)]
pub(super) enum AnyCores {
    Fair(FairCores),
    Sliced(SlicedCores),
}

/// What the one or the other does.
macro_rules! either {
    ($self:ident, $cores:ident => $does:expr) => {
        match $self {
            AnyCores::Fair($cores) => $does,
            AnyCores::Sliced($cores) => $does,
        }
    };
}

impl HostCores for AnyCores {
    fn new(host: &Host, threaded: bool) -> AnyCores {
        match host.sharing {
            Sharing::Fair => AnyCores::Fair(FairCores::new(host, threaded)),
            Sharing::Slices { .. } => AnyCores::Sliced(SlicedCores::new(host, threaded)),
        }
    }

    #[inline(always)]
    fn start(&mut self, now: Time, task: Task, process: Process, work: Span) {
        either!(self, cores => cores.start(now, task, process, work));
    }

    fn wake(&mut self, now: Time, task: Task, process: Process, work: Span, stays: bool) {
        either!(self, cores => cores.wake(now, task, process, work, stays));
    }

    #[inline(always)]
    fn next_change(&mut self) -> Time {
        either!(self, cores => cores.next_change())
    }

    #[inline(always)]
    fn change(&mut self, now: Time) -> Option<Task> {
        either!(self, cores => cores.change(now))
    }

    fn stop(&mut self, now: Time, task: Task) -> Option<Span> {
        either!(self, cores => cores.stop(now, task))
    }

    fn stall(&mut self, now: Time, span: Span) {
        either!(self, cores => cores.stall(now, span));
    }

    #[inline(always)]
    fn alone(&self, work: Span) -> Span {
        either!(self, cores => cores.alone(work))
    }

    fn open(&mut self, now: Time) {
        either!(self, cores => cores.open(now));
    }

    fn close(&mut self, now: Time) -> Usage {
        either!(self, cores => cores.close(now))
    }
}
