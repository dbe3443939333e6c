//! A worker's turn to compute, the GIL or the event loop: which task has it, which tasks wait for
//! it, and when its holder has to hand it over.

use crate::model::host_cores::HostCores;
use crate::model::rules::TurnGoesTo;
use crate::model::scope::Scope;
use crate::model::tasks::{Process, Task};
use crate::model::traffic::request::{At, RequestId};
use crate::model::traffic::sampling::below;
use crate::model::{Event, WORKERS_HOST, World};
use crate::outcome::{Queue, Stage};
use crate::resource::slots::Seized;
use crate::site::WorkerKind;
use crate::units::{Span, Time};

/// How much longer than the switch interval a thread sleeps that waits for the GIL (traced: the
/// kernel's timer slack of 50 us, and waking up).
const OVERSLEEPS: Span = Span::from_micros(60);

/// How many of a GIL's waiters are asked when they will want it dropped. Of 32 with phases spread
/// over the switch interval, the first asks a thirtieth of it late on average: more would change
/// little, and asking thousands took more than half of a search's CPU (Django under ASGI).
const WAITERS_ASKED: usize = 32;

impl<S: Scope> World<'_, S> {
    /// Takes the worker's turn, or queues for it. Returns whether the request has it.
    #[inline]
    pub(in crate::model) fn take_turn(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        if request.has_turn {
            return true;
        }
        let index = request.worker;
        if self.features().threads_wake && !self.workers[index as usize].turn.is_free() {
            self.wake_thread(id);
            return false;
        }
        self.take_turn_awake(id)
    }

    /// [`World::take_turn`] for a thread that is on a core already, or needs none.
    #[inline]
    pub(super) fn take_turn_awake(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        let index = request.worker;
        let worker = &mut self.workers[index as usize];
        match worker.turn.seize(Task::request(id)) {
            Seized::Granted => {
                self.probe.levels.turns.rise(self.now, 1);
                self.grant_turn(Task::request(id));
                true
            }
            Seized::Queued => {
                request.at = At::Turn;
                self.watch_turn(index);
                false
            }
        }
    }

    /// The request, or the dispatcher, gets the turn.
    #[inline]
    pub(super) fn grant_turn(&mut self, task: Task) {
        let Some(id) = task.as_request() else { return self.grant_dispatcher(task) };
        let request = &mut self.requests[id];
        request.has_turn = true;
        let waited = request.spend(Stage::Gil, self.now);
        self.probe.waited(request, Queue::Gil, waited);
        let worker = &mut self.workers[request.worker as usize];
        (worker.holder, worker.switched) = (task, self.now);
    }

    #[inline(never)]
    fn grant_dispatcher(&mut self, task: Task) {
        let worker = &mut self.workers[task.dispatching_worker() as usize];
        (worker.holder, worker.switched) = (task, self.now);
        worker.dispatcher.granted();
    }

    /// A task waits for the turn. Where that is a GIL, its holder will have to hand it over in a
    /// while.
    pub(super) fn watch_turn(&mut self, index: u32) {
        let worker = &mut self.workers[index as usize];
        if let WorkerKind::Threads { switch_interval, .. } = self.site.server.kind
            && !worker.hand_over_due
        {
            worker.hand_over_due = true;
            self.agenda.at(self.now + switch_interval, Event::HandOver(index));
        }
    }

    /// The switch interval of a waiter may be over. If it is, the holder stops in the middle of its
    /// work, another gets the turn, and the holder queues behind all others.
    pub(in crate::model) fn hand_over(&mut self, index: u32) {
        let WorkerKind::Threads { switch_interval, .. } = self.site.server.kind else { return };
        let worker = &mut self.workers[index as usize];
        worker.hand_over_due = false;
        if worker.turn.first().is_none() {
            return;
        }
        let due = self.drop_due(index, switch_interval);
        if due > self.now {
            self.workers[index as usize].hand_over_due = true;
            // A later waiter may ask earlier, but not before that.
            let look = due.min(self.now + switch_interval);
            return self.agenda.at(look, Event::HandOver(index));
        }
        let holder = self.stop_holder(index);
        let next = self.next_turn(index).expect("a task waits");
        if !self.features().threads_wake {
            self.workers[index as usize].turn.seize(holder);
        }
        self.grant_turn(next);
        self.use_turn(next);
        if self.features().threads_wake {
            self.wake_holder(holder);
        }
        self.watch_turn(index);
    }

    /// The holder of the turn stops in the middle of its work. Returns it.
    fn stop_holder(&mut self, index: u32) -> Task {
        let holder = self.workers[index as usize].holder;
        let left = self.cores[WORKERS_HOST].stop(self.now, holder).expect("the holder computes");
        // Nothing left would mean a request with nothing to compute, whose burst begins again.
        self.interrupt(holder, left.max(Span::from_nanos(1)));
        holder
    }

    /// A stopped holder wakes up on its core, to wait for the turn again.
    fn wake_holder(&mut self, holder: Task) {
        match holder.as_request() {
            Some(id) => self.wake_thread(id),
            None => self.wake_dispatcher(holder.dispatching_worker()),
        }
    }

    /// When a waiter asks for the GIL to be dropped. In a textbook's that is the switch interval
    /// after the first waiter came or the last hand-over. CPython's waiters (`take_gil`, reference
    /// section 4.1) wake up every interval from when they came, and ask if the GIL has not changed
    /// hands since they last woke up: so the last hand-over was between one and two intervals ago.
    fn drop_due(&self, index: u32, interval: Span) -> Time {
        let worker = &self.workers[index as usize];
        let switched = worker.switched;
        if !self.features().dispatches {
            let first = worker.turn.first().map_or(self.now, |task| self.waits_since(index, task));
            return switched.max(first) + interval;
        }
        let asks = |task: Task| {
            let since = self.waits_since(index, task);
            let missed = switched.max(since) - since;
            since + interval * (missed.as_nanos().div_ceil(interval.as_nanos()) + 1)
        };
        worker.turn.queue().take(WAITERS_ASKED).map(asks).min().unwrap_or(Time::NEVER)
    }

    /// Since when `task` has waited for the turn.
    fn waits_since(&self, index: u32, task: Task) -> Time {
        match task.as_request() {
            Some(id) => self.requests[id].since,
            None => self.workers[index as usize].dispatcher.since(),
        }
    }

    /// Takes the next holder of the turn, which is free now, out of the queue. A loop and a
    /// textbook's GIL go to the first in the queue. CPython's GIL goes to the thread that has slept
    /// longest: the condition variable wakes threads in the order in which they went to sleep, and
    /// each wakes up by itself at every switch interval and goes to sleep again behind all others.
    /// On one core that was so each of 1,600 times; on two, 80 of 100 times
    /// (`tests/testbed/probes/gil.py`).
    #[inline]
    fn next_turn(&mut self, index: u32) -> Option<Task> {
        match self.features().turn_goes_to {
            TurnGoesTo::First => self.workers[index as usize].turn.release(),
            TurnGoesTo::LongestAsleep => self.wake_longest_asleep(index),
            TurnGoesTo::Any => self.wake_any(index),
        }
    }

    /// The turn goes to any waiter. (Where cores are shared fairly no thread oversleeps or comes
    /// late, so an order of waking would repeat for ever.)
    #[inline(never)]
    fn wake_any(&mut self, index: u32) -> Option<Task> {
        let waiting = self.workers[index as usize].turn.waiting();
        let place = if waiting > 1 { below(&mut self.streams.gil, waiting) } else { 0 };
        self.workers[index as usize].turn.release_to_any(place)
    }

    /// The turn goes to the thread that has slept longest.
    #[inline(never)]
    fn wake_longest_asleep(&mut self, index: u32) -> Option<Task> {
        let WorkerKind::Threads { switch_interval, .. } = self.site.server.kind else {
            return None;
        };
        let sleeps = (switch_interval + OVERSLEEPS).as_nanos();
        let slept = |task: Task| (self.now - self.waits_since(index, task)).as_nanos() % sleeps;
        let turn = &self.workers[index as usize].turn;
        let longest = turn.queue().enumerate().max_by_key(|(_, task)| slept(*task));
        let place = longest.map_or(0, |(place, _)| place);
        self.workers[index as usize].turn.release_to_any(place)
    }

    /// The holder of the turn has to stop with `left` of its work left, and waits for the turn
    /// again.
    fn interrupt(&mut self, holder: Task, left: Span) {
        let Some(id) = holder.as_request() else {
            let queued = (!self.features().threads_wake).then_some(self.now);
            let worker = &mut self.workers[holder.dispatching_worker() as usize];
            return worker.dispatcher.interrupted(queued, left);
        };
        let request = &mut self.requests[id];
        let done = request.left.saturating_sub(left);
        request.spend_running(Stage::Compute, self.cores[WORKERS_HOST].alone(done), self.now);
        (request.left, request.has_turn, request.at) = (left, false, At::Turn);
    }

    /// If the request has its worker's turn, the turn goes to the next waiter. Returns whether it
    /// had it.
    #[inline(always)]
    pub(in crate::model) fn release_turn(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        let had_turn = std::mem::take(&mut request.has_turn);
        if had_turn {
            let index = request.worker;
            self.pass_turn_on(index);
        }
        had_turn
    }

    /// The worker's turn goes to the next waiter, or is free.
    pub(in crate::model) fn pass_turn_on(&mut self, index: u32) {
        match self.next_turn(index) {
            Some(next) => {
                self.grant_turn(next);
                self.use_turn(next);
            }
            None => self.probe.levels.turns.fall(self.now, 1),
        }
    }

    /// The new holder of the turn computes. A request that only yielded, or came back from a wait,
    /// may have nothing to compute: it goes on.
    #[inline(always)]
    pub(super) fn use_turn(&mut self, holder: Task) {
        match holder.as_request() {
            Some(id) if self.requests[id].left.is_zero() => self.set_ready(id),
            _ => self.run_on_cores(holder),
        }
    }

    /// The holder of the turn computes what is left of its work.
    #[inline(always)]
    pub(in crate::model) fn run_on_cores(&mut self, holder: Task) {
        let Some(id) = holder.as_request() else {
            return self.dispatch(holder.dispatching_worker());
        };
        let request = &mut self.requests[id];
        request.at = At::Cores;
        let (worker, left) = (request.worker, request.left);
        if self.features().threads_wake {
            return self.start_thread(holder, left);
        }
        self.start_on_cores(WORKERS_HOST, holder, Process::worker(worker), left);
    }
}
