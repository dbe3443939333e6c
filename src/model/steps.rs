//! A request's operations: computing, waiting, and the end; and the tasks on the cores that they
//! need.

use std::ops::Add;

use super::host_cores::HostCores;
use super::scope::Scope;
use super::tasks::{BACKGROUND_NUMBERS, Other, Process, Task};
use super::traffic::program::{Amount, Op, Share};
use super::traffic::request::{At, Failure, RequestId};
use super::{Event, WORKERS_HOST, World};
use crate::outcome::{Cause, Stage};
use crate::units::{Span, Time};

impl<S: Scope> World<'_, S> {
    /// Takes the request from operation to operation, until one takes time or has to wait. Where it
    /// is done and a request of the backlog takes its place at once, that one goes on here.
    #[inline(always)]
    pub(super) fn advance(&mut self, id: RequestId) {
        let mut id = id;
        loop {
            let request = &self.requests[id];
            if !S::PLAIN && request.dead {
                return self.drop_dead_request(id);
            }
            let goes_on = match self.ops[request.next as usize] {
                Op::Compute(amount) => self.compute(id, amount),
                Op::Yield => self.yield_turn(id),
                Op::Acquire { opening } => self.acquire(id, opening),
                Op::Open => self.open(id),
                Op::DatabaseCompute(amount, stage) => self.database_compute(id, amount, stage),
                Op::Wait(amount, _) => self.wait(id, amount),
                Op::PollResult(amount) => self.poll_result(id, amount),
                Op::WaitRemaining(amount, _) => self.wait_remaining(id, amount),
                Op::Release => self.release(id),
                Op::SystemCalls(calls) => self.system_calls(id, calls),
                Op::MarkStackRan => self.mark_stack_ran(id),
                Op::HandBack => self.hand_back(id),
                Op::AnswerThenLinger => self.answer_then_linger(id),
                Op::Answer => match self.finish(id, None) {
                    Some(next) => {
                        id = next;
                        true
                    }
                    None => false,
                },
                Op::Refused => self.fail(id, Cause::Connections),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// How much of something an operation of the request takes.
    #[inline]
    pub(super) fn amount(&self, id: RequestId, amount: Amount) -> Span {
        match (amount.drawn, amount.share) {
            (Some(index), Share::Whole) => self.requests.demand(id, index) + amount.known,
            (Some(index), share) => self.part(id, index, share) + amount.known,
            (None, _) => amount.known,
        }
    }

    /// The part of a drawn quantity that `share` says, or several of them.
    #[inline(never)]
    fn part(&self, id: RequestId, index: u16, share: Share) -> Span {
        let drawn = |index| self.requests.demand(id, index);
        match share {
            Share::Whole => drawn(index),
            Share::Stepped => drawn(index).round_up_to(self.site.database.wait_step),
            Share::Half => drawn(index).scaled(0.5),
            Share::Run(more) => (index..=index + more).map(drawn).fold(Span::ZERO, Add::add),
        }
    }

    /// On to the next operation.
    #[inline]
    pub(super) fn step_on(&mut self, id: RequestId) -> bool {
        self.requests[id].step_on();
        true
    }

    #[inline(always)]
    fn compute(&mut self, id: RequestId, amount: Amount) -> bool {
        let work = self.amount(id, amount);
        if work.is_zero() {
            return self.compute_nothing(id);
        }
        let mut work =
            if self.features().goes_cold { work + self.cold_stack(id, amount) } else { work };
        if self.features().has_extra_burst_cpu {
            work += self.take_extra_burst_cpu(id);
        }
        let request = &mut self.requests[id];
        request.left = work;
        // A sync worker has one request at a time: its turn is always free.
        if !self.rules.shares_turn {
            request.at = At::Cores;
            let worker = request.worker;
            let (task, process) = (Task::request(id), Process::worker(worker));
            self.start_on_cores(WORKERS_HOST, task, process, work);
        } else if self.take_turn(id) {
            self.run_on_cores(Task::request(id));
        }
        false
    }

    /// The request has nothing to compute. Where it needs its worker's turn even so, it may have to
    /// wait for that.
    #[inline(never)]
    fn compute_nothing(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        request.step_on();
        if !self.rules.goes_on_in_turn {
            return true;
        }
        request.left = Span::ZERO;
        self.take_turn(id)
    }

    /// The CPU that the next burst in the request's worker takes beyond what its request asks for.
    fn take_extra_burst_cpu(&mut self, id: RequestId) -> Span {
        let index = self.requests[id].worker;
        std::mem::take(&mut self.workers[index as usize].extra_burst_cpu)
    }

    /// The request's burst is over: its turn goes to the next task, and a loop that ends an
    /// iteration with it accepts one connection. Call it last when a request begins to wait, for
    /// memory may run out over the accepted one.
    #[inline]
    pub(super) fn end_burst(&mut self, id: RequestId) {
        let index = self.requests[id].worker;
        if self.release_turn(id) {
            self.between_bursts(index);
        }
    }

    /// A task of `process` begins on the cores of `host`.
    #[inline(always)]
    pub(super) fn start_on_cores(&mut self, host: usize, task: Task, process: Process, work: Span) {
        self.cores[host].start(self.now, task, process, work);
    }

    /// [`World::start_on_cores`] for rare tasks: not inlined, so that the compiler goes on inlining
    /// the others.
    #[inline(never)]
    pub(super) fn start_apart(&mut self, host: usize, task: Task, process: Process, work: Span) {
        self.start_on_cores(host, task, process, work);
    }

    /// The next task of a worker's boot or teardown.
    pub(super) fn start_lifecycle_task(&mut self, worker: u32, work: Span) {
        let (task, process) = (Task::lifecycle(worker), Process::worker(worker));
        self.start_apart(WORKERS_HOST, task, process, work);
    }

    /// Something is due on the cores of `host`. Returns the request that can go on at once, if one
    /// can.
    #[inline(always)]
    pub(super) fn cores_done(&mut self, host: usize) -> Option<RequestId> {
        let task = self.cores[host].change(self.now)?;
        let Some(id) = task.as_request() else {
            self.other_task_done(task);
            return None;
        };
        let request = &mut self.requests[id];
        let alone = self.cores[host].alone(request.left);
        match request.at {
            At::Cores => {
                request.spend_running(Stage::Compute, alone, self.now);
                let (op, worker) = (request.next, request.worker);
                request.go_on();
                if self.features().goes_cold && self.ops[op as usize].runs_stack() {
                    self.stack_ran(worker);
                }
            }
            At::DatabaseCores => {
                if let Op::DatabaseCompute(_, stage) = self.ops[request.next as usize] {
                    match host {
                        WORKERS_HOST => request.spend_running(stage, alone, self.now),
                        _ => request.spend_running_apart(stage, alone, self.now),
                    }
                }
                request.go_on();
                if self.features().goes_cold {
                    self.code_ran.database = self.now;
                }
            }
            At::Waking => {
                self.awake(id);
                return None;
            }
            _ => {
                request.at = At::Socket;
                return self.connect(id).started();
            }
        }
        Some(id)
    }

    /// A task is done that is not a request's.
    #[inline(never)]
    fn other_task_done(&mut self, task: Task) {
        match task.other() {
            Other::Pong(worker) => self.ponged(worker),
            Other::Lifecycle(worker) => self.lifecycle_task_done(worker),
            Other::Fork => self.forked(),
            Other::HealthCheck => self.run_check(),
            Other::Background => {}
            Other::Dispatcher(worker) => self.dispatched(worker),
        }
    }

    #[inline]
    fn database_compute(&mut self, id: RequestId, amount: Amount, stage: Stage) -> bool {
        let mut work = self.amount(id, amount);
        if work.is_zero() {
            return self.step_on(id);
        }
        if self.features().goes_cold && stage == Stage::Database {
            work += self.cold_query(work);
        }
        let request = &mut self.requests[id];
        (request.left, request.at) = (work, At::DatabaseCores);
        let (task, process) = (Task::request(id), Process::backend(id));
        self.start_on_cores(self.database_host, task, process, work);
        self.end_burst(id);
        false
    }

    /// The database has the request's query, and its thread wants the GIL back for a moment.
    #[inline(never)]
    fn poll_result(&mut self, id: RequestId, amount: Amount) -> bool {
        self.note_query_wait(id);
        match self.keeps_turn_sending() {
            true => self.step_on(id),
            false => self.compute(id, amount),
        }
    }

    /// The database begins to wait over the query of `id`.
    pub(super) fn note_query_wait(&mut self, id: RequestId) {
        if self.query_wait_began.len() <= id as usize {
            self.query_wait_began.resize(id as usize + 1, Time::ZERO);
        }
        self.query_wait_began[id as usize] = self.now;
    }

    /// When the database began to wait over the query of `id`.
    pub(super) fn query_wait_began(&self, id: RequestId) -> Time {
        self.query_wait_began[id as usize]
    }

    /// Waits for what is left of a query's wait.
    #[inline(never)]
    fn wait_remaining(&mut self, id: RequestId, amount: Amount) -> bool {
        let all = self.amount(id, amount);
        let span = all.saturating_sub(self.now - self.query_wait_began(id));
        self.wait_for(id, span)
    }

    #[inline]
    fn wait(&mut self, id: RequestId, amount: Amount) -> bool {
        let span = self.amount(id, amount);
        self.wait_for(id, span)
    }

    #[inline]
    fn wait_for(&mut self, id: RequestId, span: Span) -> bool {
        if span.is_zero() {
            return self.step_on(id);
        }
        self.requests[id].at = At::Wait;
        self.agenda.at(self.now + span, Event::WaitOver(id));
        self.end_burst(id);
        false
    }

    /// The request's wait is over: it can go on.
    #[inline]
    pub(super) fn wait_over(&mut self, id: RequestId) {
        let request = &mut self.requests[id];
        if let Op::Wait(_, stage) | Op::WaitRemaining(_, stage) = self.ops[request.next as usize] {
            request.spend(stage, self.now);
        }
        request.go_on();
    }

    /// The cores of `host` get `work` that no request waits for, in `process` or else in an idle
    /// process of the database.
    pub(super) fn run_in_background(&mut self, host: usize, process: Option<Process>, work: Span) {
        if !work.is_zero() {
            let number = (self.background_tasks + 1) % BACKGROUND_NUMBERS;
            self.background_tasks = number;
            let process = process.unwrap_or(Process::backend(number));
            self.start_apart(host, Task::background(number), process, work);
        }
    }

    /// The client has its answer, and the worker stays with the connection until the client closes
    /// its side. A client that has given up did so long ago: then the wait for that is skipped.
    fn answer_then_linger(&mut self, id: RequestId) -> bool {
        let gone = self.requests[id].settled;
        self.settle(id, None);
        self.requests[id].next += u32::from(gone);
        self.step_on(id)
    }

    /// The request fails with an error page of its application, and is done.
    pub(super) fn fail(&mut self, id: RequestId, cause: Cause) -> bool {
        if let Some(next) = self.finish(id, Some(cause)) {
            self.ready.push(next);
        }
        false
    }

    /// The request is done: answered well, or with an error page for this cause. Frees everything
    /// it holds. Returns the request that takes its place and starts at once, if one does.
    #[inline(always)]
    fn finish(&mut self, id: RequestId, failed: Option<Cause>) -> Option<RequestId> {
        let request = &mut self.requests[id];
        let (held, waiting) = (request.let_go(), request.settle());
        if let Some(waiting) = waiting {
            self.inform(id, waiting, failed.map(Failure::with_error_page));
        }
        let index = held.worker;
        if self.features().closes_later {
            self.close_later(index);
        }
        if held.turn {
            self.pass_turn_on(index);
        }
        if held.connection {
            self.take_back(index);
        }
        let next = self.successor();
        match next {
            Some(next) => self.succeed(next, index),
            None => self.free_place(index, held.endpoint),
        }
        self.requests.free(id);
        if held.turn {
            self.between_bursts(index);
        }
        next
    }
}
