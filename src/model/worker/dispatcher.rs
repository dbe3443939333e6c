//! The thread in front of a process's threads: gunicorn's main thread, which accepts connections
//! and closes them, or the event loop before `def` endpoints, which also reads the requests and
//! sends the answers.
//!
//! It computes under the same GIL as the threads, so a request waits for the GIL before it is even
//! accepted, behind a thread that computes for the rest of a switch interval; and then its own
//! thread waits once more. A dispatcher does one thing after the other while there is something to
//! do, and accepts one connection each time it looks at the socket (gunicorn's `gthread.py`; libuv
//! 1.45 and later). It drops the GIL for each system call, and now and then finds it taken after
//! one that does not block. Then its current job has to wait for another turn, and with it all
//! requests that come and all answers, while the threads that compute hand the GIL round.

use std::collections::VecDeque;

use rand::RngExt;

use super::waking::SYSTEM_CALL;
use crate::model::host_cores::HostCores;
use crate::model::scope::Scope;
use crate::model::tasks::{Process, Task};
use crate::model::traffic::request::{At, NO_WORKER, RequestId};
use crate::model::{WORKERS_HOST, World};
use crate::outcome::{Queue, Stage};
use crate::resource::slots::Seized;
use crate::site::Accept;
use crate::units::{Span, Time};

/// What the dispatcher of a worker is doing.
#[derive(Debug)]
pub(in crate::model) struct DispatcherState {
    phase: DispatcherPhase,
    /// When it last woke up.
    woken: Time,
    /// Its current job, if it has one.
    job: Option<DispatcherJob>,
    /// How much of the job's work is left.
    left: Span,
    /// The job's work in all.
    work: Span,
    /// Whether it has lost the GIL over this job already.
    lost: bool,
    /// Requests whose threads have handed it an answer to send.
    answers: VecDeque<RequestId>,
    /// How many connections it has to close.
    finished: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DispatcherPhase {
    /// It sleeps until something happens to its sockets or its threads.
    Asleep,
    /// It has woken up, and needs a core to see whether its turn is free.
    Waking,
    /// It waits for its turn, since this time.
    Queued(Time),
    /// It has the turn.
    Busy,
}

/// What a dispatcher does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DispatcherJob {
    /// It accepts this request and hands it to a thread.
    Accept(RequestId),
    /// It sends the answer to this request.
    Answer(RequestId),
    /// It closes a connection.
    Finish,
}

impl DispatcherState {
    /// A dispatcher that sleeps.
    pub(in crate::model) fn new() -> DispatcherState {
        DispatcherState {
            phase: DispatcherPhase::Asleep,
            woken: Time::ZERO,
            job: None,
            left: Span::ZERO,
            work: Span::ZERO,
            lost: false,
            answers: VecDeque::new(),
            finished: 0,
        }
    }

    /// Since when it has waited for its turn.
    pub(in crate::model) fn since(&self) -> Time {
        match self.phase {
            DispatcherPhase::Queued(since) => since,
            DispatcherPhase::Asleep | DispatcherPhase::Waking | DispatcherPhase::Busy => {
                unreachable!("it waits for its turn")
            }
        }
    }

    /// It has its turn, and goes on with its job.
    pub(in crate::model) fn granted(&mut self) {
        self.phase = DispatcherPhase::Busy;
    }

    /// It had to give up its turn, with `left` of its job's work left. `queued` is since when it
    /// waits for the turn again; `None` if it has to wake up for that first.
    pub(super) fn interrupted(&mut self, queued: Option<Time>, left: Span) {
        (self.phase, self.left) =
            (queued.map_or(DispatcherPhase::Asleep, DispatcherPhase::Queued), left);
    }
}

impl<S: Scope> World<'_, S> {
    /// A request is in the shared backlog: wakes the dispatchers that could accept it. A process
    /// whose GIL is free is there first; where none is, the dispatchers of all processes wake up
    /// and wait for their turns, and the first to get one accepts.
    #[inline(never)]
    pub(in crate::model) fn wake_acceptors(&mut self) {
        let Some(first) = self.backlog.front() else { return };
        let Accept::Shared { bias } = self.site.server.accept else { return };
        let chance = self.requests[*first].chance;
        match self.free_acceptor(chance, bias) {
            Some(index) => self.wake_dispatcher(index),
            None => self.wake_all_acceptors(),
        }
    }

    fn wake_all_acceptors(&mut self) {
        for index in 0..self.workers.len() as u32 {
            if self.workers[index as usize].accepts(self.site.server.kind) {
                self.wake_dispatcher(index);
            }
        }
    }

    /// The thread of `id` hands its answer to the loop.
    #[inline(never)]
    pub(in crate::model) fn hand_back(&mut self, id: RequestId) -> bool {
        self.requests[id].at = At::Loop;
        let index = self.requests[id].worker;
        self.workers[index as usize].dispatcher.answers.push_back(id);
        self.wake_dispatcher(index);
        self.release_turn(id);
        false
    }

    /// A client of worker `index` has its answer: its connection is to be closed.
    #[inline(never)]
    pub(in crate::model) fn close_later(&mut self, index: u32) {
        self.workers[index as usize].dispatcher.finished += 1;
        self.wake_dispatcher(index);
    }

    /// The dispatcher has something to do. If it slept, it asks for its turn.
    pub(in crate::model) fn wake_dispatcher(&mut self, index: u32) {
        let needs_core = self.features().threads_wake;
        let worker = &mut self.workers[index as usize];
        if worker.dispatcher.phase != DispatcherPhase::Asleep {
            return;
        }
        worker.dispatcher.woken = self.now;
        if worker.turn.is_free() || !needs_core {
            return self.dispatcher_awake(index);
        }
        worker.dispatcher.phase = DispatcherPhase::Waking;
        self.start_thread(Task::dispatcher(index), SYSTEM_CALL);
    }

    /// The dispatcher is on a core, or needs none: it takes its turn, or begins to wait for it.
    fn dispatcher_awake(&mut self, index: u32) {
        let worker = &mut self.workers[index as usize];
        match worker.turn.seize(Task::dispatcher(index)) {
            Seized::Granted => {
                self.probe.levels.turns.rise(self.now, 1);
                self.grant_turn(Task::dispatcher(index));
                self.dispatch(index);
            }
            Seized::Queued => {
                worker.dispatcher.phase = DispatcherPhase::Queued(self.now);
                self.watch_turn(index);
            }
        }
    }

    /// The dispatcher has its turn: it goes on with its job, or takes the next one, or falls
    /// asleep. A job without work goes through the cores as well: memory may run out over the
    /// accepted request, and the caller that passed the turn on is not done with the worker yet.
    #[inline(never)]
    pub(super) fn dispatch(&mut self, index: u32) {
        if self.workers[index as usize].dispatcher.job.is_none() && !self.take_job(index) {
            self.workers[index as usize].dispatcher.phase = DispatcherPhase::Asleep;
            return self.pass_turn_on(index);
        }
        let left = self.workers[index as usize].dispatcher.left;
        match self.features().threads_wake {
            true => self.start_thread(Task::dispatcher(index), left),
            false => {
                let (task, process) = (Task::dispatcher(index), Process::worker(index));
                self.start_apart(WORKERS_HOST, task, process, left);
            }
        }
    }

    /// The dispatcher's task on the cores is done.
    pub(in crate::model) fn dispatched(&mut self, index: u32) {
        if self.workers[index as usize].dispatcher.phase == DispatcherPhase::Waking {
            return self.dispatcher_awake(index);
        }
        if self.loses_in_job(index) {
            let dispatcher = &mut self.workers[index as usize].dispatcher;
            (dispatcher.lost, dispatcher.left, dispatcher.phase) =
                (true, SYSTEM_CALL, DispatcherPhase::Asleep);
            self.pass_turn_on(index);
            return self.wake_dispatcher(index);
        }
        let life = self.workers[index as usize].life;
        self.end_job(index);
        if self.workers[index as usize].life == life {
            self.dispatch(index);
        }
    }

    /// Whether it finds the GIL taken after the system calls of its job.
    fn loses_in_job(&mut self, index: u32) -> bool {
        let worker = &self.workers[index as usize];
        let waiting = worker.turn.waiting();
        if !self.features().threads_wake || waiting == 0 || worker.dispatcher.lost {
            return false;
        }
        let share = match self.site.host.cores {
            1 => self.lost_on_one_core(waiting),
            _ => Some(self.lost_briefly()),
        };
        share.is_some_and(|share| self.streams.system_call.random::<f64>() < share)
    }

    /// The dispatcher of `index` takes its next job, if there is one: what its threads have handed
    /// it comes before new connections.
    fn take_job(&mut self, index: u32) -> bool {
        let Some(costs) = self.features().dispatcher else { return false };
        let dispatcher = &mut self.workers[index as usize].dispatcher;
        let (job, work) = if let Some(id) = dispatcher.answers.pop_front() {
            let waited = self.requests[id].spend(Stage::Gil, self.now);
            self.probe.waited(&self.requests[id], Queue::Gil, waited);
            (DispatcherJob::Answer(id), costs.answer_cpu.unwrap_or_default())
        } else if dispatcher.finished > 0 {
            dispatcher.finished -= 1;
            (DispatcherJob::Finish, costs.finish_cpu)
        } else if let Some(id) = self.next_to_accept(index) {
            // From when the dispatcher woke up, the request waited for its turn.
            let woken = self.workers[index as usize].dispatcher.woken;
            let request = &mut self.requests[id];
            request.spend(Stage::Worker, woken.max(request.since));
            request.spend(Stage::Gil, self.now);
            (DispatcherJob::Accept(id), costs.dispatch_cpu)
        } else {
            return false;
        };
        let more = self.cold_dispatch(work);
        if job == DispatcherJob::Finish {
            self.probe.cold_closing_cpu(more);
        }
        let work = work + more;
        let dispatcher = &mut self.workers[index as usize].dispatcher;
        (dispatcher.job, dispatcher.left, dispatcher.work) = (Some(job), work, work);
        true
    }

    /// Takes the request that the dispatcher of `index` accepts next out of its backlog.
    fn next_to_accept(&mut self, index: u32) -> Option<RequestId> {
        let own = self.features().per_process;
        let worker = &mut self.workers[index as usize];
        if !worker.accepts(self.site.server.kind) {
            return None;
        }
        let backlog = if own { &mut worker.own_backlog } else { &mut self.backlog };
        let id = backlog.pop_front()?;
        self.own_backlogs_total -= usize::from(own);
        self.probe.levels.backlog.fall(self.now, 1);
        let request = &mut self.requests[id];
        (request.worker, request.at) = (index, At::Place);
        Some(id)
    }

    /// The dispatcher has finished its job.
    fn end_job(&mut self, index: u32) {
        self.code_ran.dispatcher = self.now;
        let dispatcher = &mut self.workers[index as usize].dispatcher;
        let alone = self.cores[WORKERS_HOST].alone(dispatcher.work);
        dispatcher.lost = false;
        match dispatcher.job.take() {
            Some(DispatcherJob::Accept(id)) => {
                let request = &mut self.requests[id];
                request.spend_running(Stage::Compute, alone, self.now);
                request.worker = NO_WORKER;
                self.admit_queued(id, index);
            }
            Some(DispatcherJob::Answer(id)) => {
                let request = &mut self.requests[id];
                request.spend_running(Stage::Compute, alone, self.now);
                request.go_on();
                self.ready.push(id);
            }
            Some(DispatcherJob::Finish) | None => {}
        }
    }

    /// The dispatcher's process was killed.
    pub(in crate::model) fn stop_dispatcher(&mut self, index: u32) {
        if matches!(
            self.workers[index as usize].dispatcher.phase,
            DispatcherPhase::Busy | DispatcherPhase::Waking
        ) {
            self.cores[WORKERS_HOST].stop(self.now, Task::dispatcher(index));
        }
        let dispatcher = &mut self.workers[index as usize].dispatcher;
        let mut unsent = std::mem::take(&mut dispatcher.answers);
        if let Some(DispatcherJob::Answer(id)) = dispatcher.job.take() {
            unsent.push_back(id);
        }
        // Answers of requests that failed before their process was killed: dead, and not in it any
        // more.
        for id in unsent {
            if self.requests[id].dead {
                self.drop_dead_request(id);
            }
        }
    }
}
