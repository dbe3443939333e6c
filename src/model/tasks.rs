//! The tasks on the cores, and the processes that do them, as numbers.
//!
//! A task that is not a request's has a number above all of theirs:
//!
//! | bit 31 | 30 | 29 | 14 | below | task |
//! |---|---|---|---|---|---|
//! | 0 | 0 | 0 | | the request's number | a request's |
//! | 0 | 0 | 1 | | worker | what the dispatcher of a worker does |
//! | 0 | 1 | 0 | 0 | count | background work, which no request waits for |
//! | 0 | 1 | 0 | 1 | 0, 1 | what the postmaster does, what the supervisor does |
//! | 1 | 0 | 0 | | worker | the boot or the teardown of a worker |
//! | 1 | 1 | 0 | | worker | a worker's answer to a ping |

use super::traffic::request::RequestId;

/// Marks what the dispatcher of a worker does.
const DISPATCHER: u32 = 1 << 29;
/// Marks background work.
const BACKGROUND: u32 = 1 << 30;
/// Marks the boot or the teardown of a worker.
const LIFECYCLE: u32 = 1 << 31;
/// Marks a worker's answer to a ping.
const PONG: u32 = LIFECYCLE | BACKGROUND;

/// How many background tasks have different numbers. Nothing asks for one of them again, and there
/// are never as many at once (PostgreSQL's processes for thousands of connections, at most).
pub(super) const BACKGROUND_NUMBERS: u32 = 1 << 14;

/// A task on the cores of a host. Requests and dispatchers are also what waits for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task(u32);

/// What a task is that is not a request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Other {
    /// What the dispatcher of a worker does.
    Dispatcher(u32),
    /// Work that no request waits for: the end of a closed connection's process in the database, a
    /// client on the same host.
    Background,
    /// The postmaster forks a process.
    Fork,
    /// The supervisor begins to check its workers.
    HealthCheck,
    /// The boot of a worker, or the teardown of a killed one: a worker has one of them at a time.
    Lifecycle(u32),
    /// A worker's answer to a ping.
    Pong(u32),
}

impl Task {
    /// The postmaster forks a process.
    pub(super) const FORK: Task = Task(BACKGROUND | BACKGROUND_NUMBERS);
    /// The supervisor begins to check its workers.
    pub(super) const HEALTH_CHECK: Task = Task(BACKGROUND | BACKGROUND_NUMBERS | 1);

    /// What a request is on the cores for.
    #[inline(always)]
    pub(super) fn request(id: RequestId) -> Task {
        Task(id)
    }

    /// What the dispatcher of `worker` does.
    #[inline]
    pub(super) fn dispatcher(worker: u32) -> Task {
        Task(DISPATCHER | worker)
    }

    /// The boot or the teardown of `worker`.
    #[inline]
    pub(super) fn lifecycle(worker: u32) -> Task {
        Task(LIFECYCLE | worker)
    }

    /// The answer of `worker` to a ping.
    #[inline]
    pub(super) fn pong(worker: u32) -> Task {
        Task(PONG | worker)
    }

    /// Background work, by a number below [`BACKGROUND_NUMBERS`].
    #[inline]
    pub(super) fn background(number: u32) -> Task {
        Task(BACKGROUND | number)
    }

    /// The request whose task it is, if it is one's.
    #[inline(always)]
    pub(super) fn as_request(self) -> Option<RequestId> {
        (self.0 < DISPATCHER).then_some(self.0)
    }

    /// The worker of a task that is its dispatcher's.
    #[inline]
    pub(super) fn dispatching_worker(self) -> u32 {
        debug_assert!(matches!(self.other(), Other::Dispatcher(_)), "{self:?} is a dispatcher's");
        self.0 & !DISPATCHER
    }

    /// What a task is that is not a request's.
    pub(super) fn other(self) -> Other {
        if self.0 & PONG == PONG {
            Other::Pong(self.0 & !PONG)
        } else if self.0 & LIFECYCLE != 0 {
            Other::Lifecycle(self.0 & !LIFECYCLE)
        } else if self == Task::FORK {
            Other::Fork
        } else if self == Task::HEALTH_CHECK {
            Other::HealthCheck
        } else if self.0 & BACKGROUND != 0 {
            Other::Background
        } else {
            Other::Dispatcher(self.0 & !DISPATCHER)
        }
    }

    /// Whether a worker does it beside its requests: background work, or the answer to a ping.
    pub(super) fn is_beside_requests(self) -> bool {
        self.0 & BACKGROUND != 0
    }

    /// Its number on the cores.
    #[inline(always)]
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// The task with this number on the cores.
    #[inline(always)]
    pub(super) fn numbered(number: u32) -> Task {
        Task(number)
    }
}

/// Marks a thread among the processes: each has a core of its own to go back to. Above the numbers
/// of all workers.
const THREAD: u32 = 1 << 27;
/// Marks a process of the database.
const BACKEND: u32 = 1 << 30;

/// A process on the cores of a host: a worker, or what has a number above all of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process(u32);

impl Process {
    /// The database's, for all work that needs no process of its own.
    pub(super) const DATABASE: Process = Process(BACKEND);
    /// What sends requests from the workers' host, and Nginx.
    pub(super) const FRONT: Process = Process(1 << 31);
    /// The supervisor's.
    pub(super) const SUPERVISOR: Process = Process(BACKEND - 1);

    /// A worker.
    #[inline(always)]
    pub(super) fn worker(index: u32) -> Process {
        Process(index)
    }

    /// The database's process for a request, or for background work.
    #[inline(always)]
    pub(super) fn backend(number: u32) -> Process {
        Process(BACKEND | number)
    }

    /// The thread that does `task`, as something that goes back to its own core.
    #[inline]
    pub(super) fn thread(task: Task) -> Process {
        Process(THREAD | task.0)
    }

    /// Whether it is the database's, or [`Process::FRONT`].
    pub(super) fn is_above_workers(self) -> bool {
        self.0 >= BACKEND
    }

    /// Its number on the cores.
    #[inline(always)]
    pub(super) fn number(self) -> u32 {
        self.0
    }
}
