//! How threads of one process wake up on shared cores.
//!
//! Each thread has a core of its own to go back to, the one that it last ran on, whatever the other
//! threads of its process do. So two processes of threads get into each other's way on two cores,
//! while one of the cores idles.

use rand::RngExt;

use crate::model::host_cores::HostCores;
use crate::model::scope::Scope;
use crate::model::tasks::{Process, Task};
use crate::model::traffic::request::{At, RequestId};
use crate::model::{WORKERS_HOST, World};
use crate::outcome::Stage;
use crate::units::Span;

/// How often a thread that wakes up stays on the core that it last ran on, though another runs
/// there and a second core is idle: 83 to 93 of 100 times (Linux 6.18 hardly looks for an idle core
/// once both are half busy, `SIS_UTIL`; traced with gunicorn and uvicorn on two cores).
const STAYS_ON_CORE: f64 = 0.85;

/// CPU of a short system call: a send over the loopback.
pub(super) const SYSTEM_CALL: Span = Span::from_micros(10);

impl<S: Scope> World<'_, S> {
    /// A thread wakes up and wants the GIL, which another has. It needs a core to find that out,
    /// and where all are busy it gets one when the running task has had its slice: only then does
    /// it begin to wait for the GIL.
    #[inline(never)]
    pub(super) fn wake_thread(&mut self, id: RequestId) {
        self.requests[id].at = At::Waking;
        self.start_thread(Task::request(id), SYSTEM_CALL);
    }

    /// A thread wakes up, with `work` to do.
    #[inline(never)]
    pub(super) fn start_thread(&mut self, task: Task, work: Span) {
        let stays = self.streams.waking.random::<f64>() < STAYS_ON_CORE;
        self.cores[WORKERS_HOST].wake(self.now, task, Process::thread(task), work, stays);
    }

    /// The thread of `id` is on a core: it takes the GIL, or begins to wait for it.
    #[inline(never)]
    pub(in crate::model) fn awake(&mut self, id: RequestId) {
        self.requests[id].spend(Stage::Cores, self.now);
        if self.take_turn_awake(id) {
            self.use_turn(Task::request(id));
        }
    }
}
