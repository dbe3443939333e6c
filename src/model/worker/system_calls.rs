//! System calls of a thread that has CPython's GIL: it drops the GIL for each, which wakes a
//! waiting thread. The first one that is awake has it.

use rand::RngExt;

use super::waking::SYSTEM_CALL;
use crate::model::World;
use crate::model::scope::Scope;
use crate::model::tasks::Task;
use crate::model::traffic::program::SystemCalls;
use crate::model::traffic::request::{At, RequestId};
use crate::site::{Dispatcher, Sharing};

/// How often a thread on one core that had computed past its slice lost the GIL over one `send`
/// while another waited for it (measured here, some 50 times; within the slice, 5 of 100 times).
const LOST_AFTER_A_SLICE: f64 = 0.43;

/// How often a thread on two cores lost the GIL, while another waited for it, over the first system
/// call after it had computed: that sends a query or an answer, and takes 20 to 300 us. 65 of 100
/// times with gunicorn's threads, 76 with those behind a loop (`tests/testbed/probes/gil.py`).
const LOST_SENDING: f64 = 0.7;
/// How often it lost the GIL over the brief system calls that it makes in a row, to receive a
/// request or a result, or to accept or close a connection. A call of up to 2, 5, 15, 40, 100 us
/// lost it 3, 10, 13, 25, 58 of 100 times, and 93 when it took longer; gunicorn's threads make
/// three to five between two stretches of work. Reckoned from that, not counted.
const LOST_BRIEFLY: f64 = 0.45;
/// [`LOST_BRIEFLY`] for a loop and the threads behind it, which make fewer calls.
const LOST_BRIEFLY_TO_A_LOOP: f64 = 0.2;

/// How often a loop on one core loses the GIL to one of the threads that wait for it, over the some
/// five brief system calls that it takes to accept a request or to answer one. 3.8 of 100 calls
/// lost it, mostly the first that the loop made since it had the GIL
/// (`tests/testbed/probes/gil.py`, with `async-def-w1-c1` at 50 and 75 a second,
/// `fastapi-def-w1-c1` at 75, `async-def-w1-mix-c1` at 45).
const LOST_BY_A_LOOP: f64 = 0.18;
/// [`LOST_BY_A_LOOP`] while more than [`UNCROWDED_WAITERS`] wait: 11 of 100 calls.
const LOST_IN_A_CROWD: f64 = 0.45;
/// Up to this many waiters, the share of calls that lose the GIL does not grow with their number (3
/// to 5 of 100, traced).
const UNCROWDED_WAITERS: usize = 5;

impl<S: Scope> World<'_, S> {
    /// The thread of `id` makes system calls, for which it drops the GIL, and then wants it back.
    /// If another thread has taken it, this one needs a core for the call itself, and waits for the
    /// GIL.
    #[inline(never)]
    pub(in crate::model) fn system_calls(&mut self, id: RequestId, calls: SystemCalls) -> bool {
        if !self.loses_turn(id, calls) {
            self.requests[id].step_on();
            return true;
        }
        self.release_turn(id);
        let request = &mut self.requests[id];
        (request.at, request.left) = (At::Cores, SYSTEM_CALL);
        self.start_thread(Task::request(id), SYSTEM_CALL);
        false
    }

    /// Whether another thread takes the GIL while `id` makes system calls. A waiter was woken by
    /// the drop; on a single core it runs at once only if the holder has had its slice.
    fn loses_turn(&mut self, id: RequestId, calls: SystemCalls) -> bool {
        let request = &self.requests[id];
        let worker = &self.workers[request.worker as usize];
        let Sharing::Slices { slice } = self.site.host.sharing else { return false };
        if !request.has_turn || worker.turn.waiting() == 0 {
            return false;
        }
        let share = match (self.site.host.cores > 1, calls) {
            (true, SystemCalls::Send) => LOST_SENDING,
            (true, SystemCalls::Brief) => self.lost_briefly(),
            (false, SystemCalls::Send) if self.now - worker.switched > slice => LOST_AFTER_A_SLICE,
            (false, _) => return false,
        };
        self.streams.system_call.random::<f64>() < share
    }

    /// How often the GIL is lost over brief system calls, where there is a second core.
    pub(super) fn lost_briefly(&self) -> f64 {
        match self.features().dispatcher {
            Some(Dispatcher { answer_cpu: None, .. }) => LOST_BRIEFLY,
            _ => LOST_BRIEFLY_TO_A_LOOP,
        }
    }

    /// How often a dispatcher on one core loses the GIL over the system calls of a job, while
    /// `waiting` threads wait for it. gunicorn's main thread keeps it (1 of 100 calls lost it).
    pub(super) fn lost_on_one_core(&self, waiting: usize) -> Option<f64> {
        self.features().dispatcher?.answer_cpu?;
        Some(if waiting > UNCROWDED_WAITERS { LOST_IN_A_CROWD } else { LOST_BY_A_LOOP })
    }

    /// Whether a thread that has sent a query has the GIL back before another takes it. On one core
    /// it has not: the process of the database runs there first.
    pub(in crate::model) fn keeps_turn_sending(&mut self) -> bool {
        self.site.host.cores > 1 && self.streams.system_call.random::<f64>() >= LOST_SENDING
    }
}
