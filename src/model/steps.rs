//! A request's steps: the worker's turn, the cores, connections, queries, and the end.

use std::ops::Add;

use super::database::{Acquired, Returned};
use super::host_cores::HostCores;
use super::program::{Amount, Op, Share};
use super::request::{At, ConnectionState, Failure, RequestId};
use super::scope::Scope;
use super::tasks::{ASIDE, ASIDES, BACKEND, DISPATCH, FORK, HEALTH_CHECK, LIFECYCLE, PONG};
use super::{Event, WORKERS_HOST, World};
use crate::outcome::{Cause, Stage};
use crate::units::Span;

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
            self.start_on_cores(WORKERS_HOST, id, worker, work);
        } else if self.take_turn(id) {
            self.run_on_cores(id);
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
    fn end_burst(&mut self, id: RequestId) {
        let index = self.requests[id].worker;
        if self.release_turn(id) {
            self.between_bursts(index);
        }
    }

    #[inline(always)]
    pub(super) fn start_on_cores(&mut self, host: usize, task: u32, process: u32, work: Span) {
        self.cores[host].start(self.now, task, process, work);
    }

    /// [`World::start_on_cores`] for rare tasks: not inlined, so that the compiler goes on inlining
    /// the others.
    #[inline(never)]
    pub(super) fn start_apart(&mut self, host: usize, task: u32, process: u32, work: Span) {
        self.start_on_cores(host, task, process, work);
    }

    /// Something is due on the cores of `host`. Returns the request that can go on at once, if one
    /// can.
    #[inline(always)]
    pub(super) fn cores_done(&mut self, host: usize) -> Option<RequestId> {
        let task = self.cores[host].change(self.now)?;
        if task >= DISPATCH {
            self.no_request_done(task);
            return None;
        }
        let request = &mut self.requests[task];
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
                self.awake(task);
                return None;
            }
            _ => {
                request.at = At::Socket;
                return self.connect(task).started();
            }
        }
        Some(task)
    }

    /// A task is done that is not a request's.
    #[inline(never)]
    fn no_request_done(&mut self, task: u32) {
        if task & PONG == PONG {
            self.ponged(task & !PONG);
        } else if task & LIFECYCLE != 0 {
            self.lifecycle_task_done(task & !LIFECYCLE);
        } else if task == FORK {
            self.forked();
        } else if task == HEALTH_CHECK {
            self.run_check();
        } else if task & ASIDE == 0 {
            self.dispatched(task & !DISPATCH);
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
        self.start_on_cores(self.database_host, id, BACKEND | id, work);
        self.end_burst(id);
        false
    }

    /// The database has the request's query, and its thread wants the GIL back for a moment.
    #[inline(never)]
    fn poll_result(&mut self, id: RequestId, amount: Amount) -> bool {
        self.note_query_sent(id);
        match self.keeps_turn_sending() {
            true => self.step_on(id),
            false => self.compute(id, amount),
        }
    }

    /// Waits for what is left of a query's wait.
    #[inline(never)]
    fn wait_remaining(&mut self, id: RequestId, amount: Amount) -> bool {
        let all = self.amount(id, amount);
        let span = all.saturating_sub(self.now - self.query_sent_at(id));
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
    pub(super) fn wait_over(&mut self, id: RequestId) -> Option<RequestId> {
        let request = &mut self.requests[id];
        if let Op::Wait(_, stage) | Op::WaitRemaining(_, stage) = self.ops[request.next as usize] {
            request.spend(stage, self.now);
        }
        request.go_on();
        Some(id)
    }

    /// Takes a connection of the worker's pool, opens one, or queues.
    #[inline]
    fn acquire(&mut self, id: RequestId, opening: u16) -> bool {
        let index = self.requests[id].worker;
        match self.workers[index as usize].pool.acquire(id) {
            Acquired::Open => self.connected(id, 1 + opening),
            Acquired::ToOpen => self.open_own(id),
            Acquired::Queued => {
                self.requests[id].at = At::Pool;
                self.probe.levels.pool_queue.rise(self.now, 1);
                self.watch_pool(index);
                self.end_burst(id);
                false
            }
        }
    }

    /// The request may open a new connection.
    pub(super) fn open_own(&mut self, id: RequestId) -> bool {
        let waited = self.requests[id].spend(Stage::Connection, self.now);
        self.has_waited_for_connection(id, waited);
        self.step_on(id)
    }

    /// The request has an open connection, and goes on with the `on`-th operation from here.
    #[inline]
    fn connected(&mut self, id: RequestId, on: u16) -> bool {
        let request = &mut self.requests[id];
        let waited = request.spend(Stage::Connection, self.now);
        request.next += u32::from(on);
        self.has_waited_for_connection(id, waited);
        self.requests[id].connection = ConnectionState::Held;
        self.probe.levels.connections.rise(self.now, 1);
        true
    }

    /// Asks the database for a new connection.
    fn open(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        let index = request.worker;
        if self.postgres.recovering || !self.postgres.open() {
            let away = self.postgres.recovering;
            let endpoint = request.endpoint as usize;
            let refused = self.programs[endpoint].refused;
            request.next = self.starts[endpoint] + refused;
            if let Some(next) = self.workers[index as usize].pool.failed_to_open() {
                self.leave_pool_queue(next);
                self.open_own(next);
                self.set_ready(next);
            }
            return if away { self.fail(id, Cause::Down) } else { true };
        }
        request.connection = ConnectionState::Held;
        request.next += 1;
        self.workers[index as usize].pool.opened();
        self.probe.levels.connections.rise(self.now, 1);
        self.probe.levels.open_connections.rise(self.now, 1);
        self.take_memory(self.database_host, self.site.database.connection_memory);
        true
    }

    pub(super) fn leave_pool_queue(&mut self, id: RequestId) {
        self.requests[id].at = At::Moving;
        self.probe.levels.pool_queue.fall(self.now, 1);
    }

    #[inline]
    fn release(&mut self, id: RequestId) -> bool {
        self.give_back(id);
        self.step_on(id)
    }

    /// Gives the request's connection back to its worker's pool.
    #[inline(always)]
    fn give_back(&mut self, id: RequestId) {
        let request = &mut self.requests[id];
        if std::mem::take(&mut request.connection).is_held() {
            let index = request.worker;
            self.take_back(index);
        }
    }

    /// A worker's pool has a connection back.
    #[inline]
    fn take_back(&mut self, index: u32) {
        self.probe.levels.connections.fall(self.now, 1);
        match self.workers[index as usize].pool.give_back() {
            Returned::To(next) => {
                self.leave_pool_queue(next);
                let request = &self.requests[next];
                let Op::Acquire { opening } = self.ops[request.next as usize] else {
                    unreachable!("who waits for a connection is about to acquire it")
                };
                self.connected(next, 1 + opening);
                self.set_ready(next);
            }
            Returned::Wakes(next) => self.wake_for_connection(next),
            Returned::Kept => {}
            Returned::Closed => self.close_in_order(),
        }
    }

    /// A request that has waited for a connection is woken up in its loop, to take it unless
    /// another request does before. (If it has to wait again, the pool's timeout starts afresh;
    /// asyncio's goes on.)
    fn wake_for_connection(&mut self, id: RequestId) {
        self.leave_pool_queue(id);
        let request = &mut self.requests[id];
        let waited = request.spend(Stage::Connection, self.now);
        request.left = Span::ZERO;
        self.goes_on_waiting(id, waited);
        if self.take_turn(id) {
            self.set_ready(id);
        }
    }

    /// A worker closes a connection. Its process in the database has to end, which no request waits
    /// for.
    fn close_in_order(&mut self) {
        self.close_connections(1);
        self.run_aside(self.database_host, None, self.site.database.close_cpu);
    }

    /// The cores of `host` get `work` that no request waits for, in `process` or else in an idle
    /// process of the database.
    pub(super) fn run_aside(&mut self, host: usize, process: Option<u32>, work: Span) {
        if !work.is_zero() {
            self.asides = (self.asides + 1) % ASIDES;
            let process = process.unwrap_or(BACKEND | self.asides);
            self.start_apart(host, ASIDE | self.asides, process, work);
        }
    }

    /// `count` connections close.
    pub(super) fn close_connections(&mut self, count: u32) {
        self.postgres.close(count);
        self.probe.levels.open_connections.fall(self.now, u64::from(count));
        let bytes = self.site.database.connection_memory * u64::from(count);
        self.give_memory(self.database_host, bytes);
    }

    /// A request waits for a connection: an event will end its wait at the pool's timeout.
    fn watch_pool(&mut self, index: u32) {
        let pool = &mut self.workers[index as usize].pool;
        if let Some(timeout) = self.site.server.connections.timeout
            && !pool.timeout_due
        {
            pool.timeout_due = true;
            self.agenda.at(self.now + timeout, Event::PoolTimeout(index));
        }
    }

    /// Fails the requests that have waited for a connection for the pool's timeout.
    pub(super) fn pool_timeout(&mut self, index: u32) {
        let Some(timeout) = self.site.server.connections.timeout else { return };
        self.workers[index as usize].pool.timeout_due = false;
        while let Some(first) = self.workers[index as usize].pool.first_waiting() {
            let due = self.requests[first].since + timeout;
            if due > self.now {
                self.workers[index as usize].pool.timeout_due = true;
                return self.agenda.at(due, Event::PoolTimeout(index));
            }
            self.workers[index as usize].pool.leave(first);
            self.leave_pool_queue(first);
            let waited = self.requests[first].spend(Stage::Connection, self.now);
            self.has_waited_for_connection(first, waited);
            self.fail(first, Cause::Pool);
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
    fn fail(&mut self, id: RequestId, cause: Cause) -> bool {
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
