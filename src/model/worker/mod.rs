//! Inside a worker process: its threads, its GIL or event loop, and what its code costs.
//!
//! | room | what it does |
//! |---|---|
//! | `process` | the state of a worker process |
//! | `turn` | the GIL or the event loop: which task has it, which wait |
//! | `system_calls` | how a thread loses the GIL over a system call |
//! | `waking` | how a thread wakes up on the cores |
//! | `dispatcher` | the thread that hands requests to the others |
//! | `iteration` | a loop's iterations |
//! | `cold` | code that has not run for a while |
//! | `heap` | what an allocator keeps of requests' memory |

pub(super) mod cold;
pub(super) mod dispatcher;
pub(super) mod heap;
pub(super) mod iteration;
pub(super) mod process;
pub(super) mod system_calls;
pub(super) mod turn;
pub(super) mod waking;
