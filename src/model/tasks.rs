//! The numbers of what the cores have to do: a task that is no request has one above all of theirs, and
//! a process that is no worker one above all of those.
//!
//! | bit 31 | 30 | 29 | 14 | below | task |
//! |---|---|---|---|---|---|
//! | 0 | 0 | 0 | | | a request |
//! | 0 | 0 | 1 | | worker | what the dispatcher of a worker does |
//! | 0 | 1 | 0 | 0 | count | work that nobody waits for |
//! | 0 | 1 | 0 | 1 | 0, 1 | what the postmaster does, what the workers' parent does |
//! | 1 | 0 | 0 | | worker | the boot of a worker |
//! | 1 | 1 | 0 | | worker | a worker's word that it is well |

/// Marks a task on the cores that is not a request but the boot of a worker.
pub(super) const LIFECYCLE: u32 = 1 << 31;

/// Marks a task on the cores that is not a request but work that nobody waits for: the end of a
/// closed connection's process in the database, a client on the same host.
pub(super) const ASIDE: u32 = 1 << 30;
/// Marks a task on the cores that is a worker's word that it is well.
pub(super) const PONG: u32 = LIFECYCLE | ASIDE;
/// So many asides have different numbers: nobody asks for one of them again, and there are never as
/// many at once (PostgreSQL's processes for thousands of connections, at most).
pub(super) const ASIDES: u32 = 1 << 14;

/// Processes on the cores that are not workers, which have their own numbers: the database's, one
/// for each request that it works for, and what sends requests from the same host.
pub(super) const BACKEND: u32 = 1 << 30;
pub(super) const FRONT: u32 = 1 << 31;

/// Marks a task on the cores, or one who waits for a turn, that is not a request but the
/// dispatcher of a worker. Above the numbers of all requests.
pub(super) const DISPATCH: u32 = 1 << 29;

/// Marks the task on the cores that is the postmaster's. Above the numbers of all asides.
pub(super) const FORK: u32 = ASIDE | ASIDES;

/// Marks the task on the cores that is the parent's. Above the numbers of all asides.
pub(super) const HEALTH_CHECK: u32 = ASIDE | ASIDES | 1;

/// The parent's process on the cores.
pub(super) const SUPERVISOR: u32 = BACKEND - 1;

/// Marks a thread among what has a core of its own to go back to. Above all numbers of workers.
pub(super) const THREAD: u32 = 1 << 27;
