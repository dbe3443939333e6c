//! A worker's turn to compute, the GIL or the event loop: who takes it, who waits for it, and when
//! its holder has to hand it over.

use rand::RngExt;

use super::arrivals::below;
use super::dispatcher::DISPATCH;
use super::processor::Processor;
use super::request::{At, RequestId};
use super::scope::Scope;
use super::{Event, HOST, World};
use crate::outcome::{Queue, Stage};
use crate::resource::slots::Seized;
use crate::site::{Sharing, WorkerKind};
use crate::units::{Span, Time};

/// How often a thread that computed for up to 4.5 ms lost the GIL over one `send` while another
/// waited for it (measured here, some 50 times each): with a second core 5 of 100 times; on one
/// core 5 of 100 times within the first 1.0 ms and 43 of 100 from 1.5 ms on, where a slice is over.
const LOST_TO_ANOTHER_CORE: f64 = 0.05;
/// See there.
const LOST_AFTER_A_SLICE: f64 = 0.43;

/// CPU of a short system call: a send over the loopback.
const SYSTEM_CALL: Span = Span::from_micros(10);

impl<S: Scope> World<'_, S> {
    /// Takes the worker's turn, or queues for it.
    #[inline]
    pub(super) fn take_turn(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        if request.has_turn {
            return true;
        }
        let index = request.worker;
        let worker = &mut self.workers[index as usize];
        match worker.turn.seize(id) {
            Seized::Granted => {
                self.probe.levels.turns.rise(self.now, 1);
                self.grant_turn(id);
                true
            }
            Seized::Queued => {
                request.at = At::Turn;
                self.watch_turn(index);
                false
            }
        }
    }

    /// The turn is the request's, or the dispatcher's.
    #[inline]
    pub(super) fn grant_turn(&mut self, id: u32) {
        if id >= DISPATCH {
            return self.grant_dispatcher(id);
        }
        let request = &mut self.requests[id];
        request.has_turn = true;
        let waited = request.spend(Stage::Gil, self.now);
        self.probe.waited(request, Queue::Gil, waited);
        let worker = &mut self.workers[request.worker as usize];
        (worker.holder, worker.switched) = (id, self.now);
    }

    #[inline(never)]
    fn grant_dispatcher(&mut self, id: u32) {
        let worker = &mut self.workers[(id & !DISPATCH) as usize];
        (worker.holder, worker.switched) = (id, self.now);
        worker.dispatcher.granted();
    }

    /// Somebody waits for the GIL: the holder will have to hand it over in a while.
    pub(super) fn watch_turn(&mut self, index: u32) {
        let worker = &mut self.workers[index as usize];
        if let WorkerKind::Threads { switch_interval, .. } = self.site.server.kind
            && !worker.hand_over
        {
            worker.hand_over = true;
            self.agenda.at(self.now + switch_interval, Event::HandOver(index));
        }
    }

    /// A waiter's switch interval may be over: then the holder stops in the middle of its work,
    /// another gets the turn, and the holder queues behind everyone.
    pub(super) fn hand_over(&mut self, index: u32) {
        let WorkerKind::Threads { switch_interval, .. } = self.site.server.kind else { return };
        let worker = &mut self.workers[index as usize];
        worker.hand_over = false;
        if worker.turn.first().is_none() {
            return;
        }
        let due = self.drop_due(index, switch_interval);
        if due > self.now {
            self.workers[index as usize].hand_over = true;
            // Who comes later may ask earlier, but not before that.
            let look = due.min(self.now + switch_interval);
            return self.agenda.at(look, Event::HandOver(index));
        }
        let holder = self.workers[index as usize].holder;
        let left = self.cores[HOST].stop(self.now, holder).expect("who has the turn computes");
        self.interrupt(holder, left);
        let next = self.next_turn(index).expect("somebody waits");
        self.workers[index as usize].turn.seize(holder);
        self.grant_turn(next);
        self.run_on_cores(next);
        self.watch_turn(index);
    }

    /// When a waiter asks for the GIL to be dropped. A textbook's waits for the switch interval,
    /// from when it came or from the last hand-over. CPython's (`take_gil`, reference section 4.1)
    /// wakes up every interval from when it came, and asks if nobody has handed over since it last
    /// woke up: so the last hand-over was between one and two intervals ago.
    fn drop_due(&self, index: u32, interval: Span) -> Time {
        let worker = &self.workers[index as usize];
        let switched = worker.switched;
        let since = |id: u32| match id >= DISPATCH {
            true => worker.dispatcher.since(),
            false => self.requests[id].since,
        };
        if !self.extras().dispatches {
            let first = worker.turn.first().map_or(self.now, since);
            return switched.max(first) + interval;
        }
        let asks = |id: u32| {
            let since = since(id);
            let missed = switched.max(since) - since;
            since + interval * (missed.as_nanos().div_ceil(interval.as_nanos()) + 1)
        };
        worker.turn.queue().map(asks).min().unwrap_or(Time::NEVER)
    }

    /// Who gets the turn that is free now: a textbook's GIL goes to who has waited longest, and so
    /// does a loop. CPython's goes to any of the threads that wait: which of them the condition
    /// variable wakes, and which is awake already for its interval is over, is as good as chance
    /// (measured with two and three that compute, and one that does so rarely).
    #[inline]
    fn next_turn(&mut self, index: u32) -> Option<u32> {
        let is_any = self.extras().dispatches;
        let turn = &mut self.workers[index as usize].turn;
        match is_any {
            true => turn.release_to_any(|waiting| below(&mut self.gil, waiting)),
            false => turn.release(),
        }
    }

    /// Who had the turn has to stop with so much of its work left, and waits for it again.
    fn interrupt(&mut self, id: u32, left: Span) {
        if id >= DISPATCH {
            let worker = &mut self.workers[(id & !DISPATCH) as usize];
            return worker.dispatcher.interrupted(self.now, left);
        }
        let request = &mut self.requests[id];
        let done = request.left.saturating_sub(left);
        request.spend_running(Stage::Compute, self.cores[HOST].alone(done), self.now);
        (request.left, request.has_turn, request.at) = (left, false, At::Turn);
    }

    /// Gives the worker's turn to the next that waits for it. Returns whether the request had it.
    #[inline(always)]
    pub(super) fn release_turn(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        let had_turn = std::mem::take(&mut request.has_turn);
        if had_turn {
            let index = request.worker;
            self.pass_turn_on(index);
        }
        had_turn
    }

    /// The worker's turn goes to the next that waits for it.
    pub(super) fn pass_turn_on(&mut self, index: u32) {
        match self.next_turn(index) {
            Some(next) => {
                self.grant_turn(next);
                // In a loop, one that only went behind the others has nothing to compute.
                if next < DISPATCH && self.requests[next].left.is_zero() {
                    self.set_ready(next);
                } else {
                    self.run_on_cores(next);
                }
            }
            None => self.probe.levels.turns.fall(self.now, 1),
        }
    }

    /// Who has the turn computes what it has left to.
    #[inline(always)]
    pub(super) fn run_on_cores(&mut self, id: u32) {
        if id >= DISPATCH {
            return self.dispatch(id & !DISPATCH);
        }
        let request = &mut self.requests[id];
        request.at = At::Cores;
        let (worker, left) = (request.worker, request.left);
        self.start_on_cores(HOST, id, worker, left);
    }

    /// The thread of `id` makes a system call, for which it drops the GIL, and then wants it back.
    /// That it may find gone: then it needs a core for the call itself, and waits for the GIL.
    #[inline(never)]
    pub(super) fn send(&mut self, id: RequestId) -> bool {
        if !self.loses_turn(id) {
            self.requests[id].step_on();
            return true;
        }
        self.release_turn(id);
        let request = &mut self.requests[id];
        (request.at, request.left) = (At::Cores, SYSTEM_CALL);
        let worker = request.worker;
        self.start_apart(HOST, id, worker, SYSTEM_CALL);
        false
    }

    /// Whether another thread takes the GIL while `id` makes a short system call: where one waits,
    /// it was woken. On a core of its own it is hardly ever awake in time. On the one core there is
    /// it runs at once only if whoever has it has had its slice.
    fn loses_turn(&mut self, id: RequestId) -> bool {
        let request = &self.requests[id];
        let worker = &self.workers[request.worker as usize];
        let Sharing::Slices { slice, .. } = self.site.host.sharing else { return false };
        if !request.has_turn || worker.turn.waiting() == 0 {
            return false;
        }
        let has_spare_core = self.cores[HOST].idle().is_some_and(|idle| idle > 0);
        let share = match has_spare_core {
            true => LOST_TO_ANOTHER_CORE,
            false if self.now - worker.switched > slice => LOST_AFTER_A_SLICE,
            false => return false,
        };
        self.gil.random::<f64>() < share
    }
}
