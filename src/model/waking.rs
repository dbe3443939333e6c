//! How threads of one process wake up on shared cores, and the database's processes beside them.
//!
//! Each thread has a core of its own to go back to, the one that it last ran on, whatever the others
//! of its process do: so two processes of threads get into each other's way on two cores, while one
//! of them idles.

use rand::RngExt;

use super::arrivals::Tape;
use super::crash::BACKEND;
use super::request::{At, RequestId};
use super::{HOST, World};
use crate::outcome::Stage;
use crate::resource::sliced::Waking;
use crate::units::Span;

/// How often a thread that wakes up stays at the core that it last ran on though another runs there
/// and a second core is idle: 83 to 93 of 100 times (Linux 6.18 hardly looks for an idle core once
/// both are half busy, `SIS_UTIL`; traced with gunicorn and uvicorn on two cores).
const STAYS: f64 = 0.85;
/// How often one that wakes up where another runs has the core within 0.1 ms: 54 to 83 of 100 times
/// in that one's first slice, by how much either has run of late, and 77 to 97 behind it.
const PREEMPTS: f64 = 0.7;
/// The same for a process of the database, which has hardly run: 83 to 93 of 100 times.
const BACKEND_PREEMPTS: f64 = 0.88;

/// CPU of a short system call: a send over the loopback.
pub(super) const SYSTEM_CALL: Span = Span::from_micros(10);

/// Marks a thread among what has a core of its own to go back to. Above all numbers of workers.
const THREAD: u32 = 1 << 27;

impl<T: Tape> World<'_, T> {
    /// A thread wakes up and wants the GIL, that another has. To find that out it needs a core, and
    /// where each is busy it gets one when what runs there has had its slice: only then it begins to
    /// wait.
    #[inline(never)]
    pub(super) fn wake_thread(&mut self, id: RequestId) {
        self.requests[id].at = At::Waking;
        self.start_thread(id, SYSTEM_CALL);
    }

    /// The same for one that had to hand the GIL over. It has just run, so where it finds its core
    /// busy it takes that from nobody: on one core a thread that computes keeps the GIL for 6.45 ms
    /// and not for 5.05, if the one that it took it from wants it back (measured:
    /// `tests/testbed/probes/gil.py`).
    #[inline(never)]
    pub(super) fn queue_thread(&mut self, id: RequestId) {
        self.requests[id].at = At::Waking;
        let waking = Waking { stays: self.gil.random::<f64>() < STAYS, preempts: false };
        self.wake_on_cores((id, THREAD | id), SYSTEM_CALL, waking);
    }

    /// A thread wakes up, with so much to do.
    #[inline(never)]
    pub(super) fn start_thread(&mut self, thread: u32, work: Span) {
        let waking = Waking {
            stays: self.gil.random::<f64>() < STAYS,
            preempts: self.gil.random::<f64>() < PREEMPTS,
        };
        self.wake_on_cores((thread, THREAD | thread), work, waking);
    }

    /// A process of the database wakes up beside threads, with so much to do.
    #[inline(never)]
    pub(super) fn start_backend(&mut self, id: RequestId, work: Span) {
        let preempts = self.gil.random::<f64>() < BACKEND_PREEMPTS;
        self.wake_on_cores((id, BACKEND | id), work, Waking { stays: false, preempts });
    }

    fn wake_on_cores(&mut self, task: (u32, u32), work: Span, waking: Waking) {
        let more = self.cores[HOST].wake(self.now, task, work, waking);
        self.probe.levels.cores[HOST].rise(self.now, u64::from(more));
    }

    /// The thread of `id` is on a core and takes the GIL, or begins to wait for it.
    #[inline(never)]
    pub(super) fn awake(&mut self, id: RequestId) {
        self.requests[id].spend(Stage::Cores, self.now);
        if self.take_turn_awake(id) {
            self.run_on_cores(id);
        }
    }
}
