//! How threads of one process wake up on shared cores.
//!
//! Each thread has a core of its own to go back to, the one that it last ran on, whatever the others
//! of its process do: so two processes of threads get into each other's way on two cores, while one
//! of them idles.

use rand::RngExt;

use super::host_cores::HostCores;
use super::request::{At, ConnectionState, RequestId};
use super::scope::Scope;
use super::tasks::THREAD;
use super::{WORKERS_HOST, World};
use crate::outcome::{Queue, Stage};
use crate::units::{Span, Time};

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
        self.start_thread(id, SYSTEM_CALL);
    }

    /// A thread wakes up, with `work` to do.
    #[inline(never)]
    pub(super) fn start_thread(&mut self, thread: u32, work: Span) {
        let stays = self.streams.waking.random::<f64>() < STAYS_ON_CORE;
        self.cores[WORKERS_HOST].wake(self.now, thread, THREAD | thread, work, stays);
    }

    /// The database has the query of `id`.
    pub(super) fn note_query_sent(&mut self, id: RequestId) {
        if self.query_sent.len() <= id as usize {
            self.query_sent.resize(id as usize + 1, Time::ZERO);
        }
        self.query_sent[id as usize] = self.now;
    }

    /// Since when it has had it.
    pub(super) fn query_sent_at(&self, id: RequestId) -> Time {
        self.query_sent[id as usize]
    }

    /// The request is woken up for a connection, after it was in the queue for so long: that is not yet
    /// the end of its wait, for another may take the connection before it comes to it.
    pub(super) fn goes_on_waiting(&mut self, id: RequestId, queued: Span) {
        let before = self.waited_before(id);
        if self.pool_waited.len() <= id as usize {
            self.pool_waited.resize(id as usize + 1, Span::ZERO);
        }
        self.pool_waited[id as usize] = before + queued;
        self.requests[id].connection = ConnectionState::Promised;
    }

    /// How long the request was in the queue before it was last woken up for a connection.
    #[inline]
    fn waited_before(&self, id: RequestId) -> Span {
        match self.requests[id].connection {
            ConnectionState::Promised => self.pool_waited[id as usize],
            ConnectionState::None | ConnectionState::Held => Span::ZERO,
        }
    }

    /// The request's wait for a connection is over, one way or another, after it was in the queue for so
    /// long since it was last woken up for one, if it was.
    #[inline]
    pub(super) fn has_waited_for_connection(&mut self, id: RequestId, queued: Span) {
        let waited = self.waited_before(id) + queued;
        self.probe.waited(&self.requests[id], Queue::Connection, waited);
    }

    /// The thread of `id` is on a core: it takes the GIL, or begins to wait for it.
    #[inline(never)]
    pub(super) fn awake(&mut self, id: RequestId) {
        self.requests[id].spend(Stage::Cores, self.now);
        if self.take_turn_awake(id) {
            self.use_turn(id);
        }
    }
}
