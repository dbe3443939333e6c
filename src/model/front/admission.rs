//! Getting to a worker: Nginx, the listening socket, the backlog, and a place.

use rand::Rng;

use crate::model::scope::Scope;
use crate::model::tasks::{Process, Task};
use crate::model::traffic::arrivals::{Arrival, Reply, Tape};
use crate::model::traffic::request::{At, Failure, NO_WORKER, Request, RequestId, Waiting};
use crate::model::{Event, NextArrival, WORKERS_HOST, World};
use crate::outcome::{Cause, Stage, Stopped};
use crate::resource::slots::Seized;
use crate::site::{Client, Front, Listen};
use crate::units::{Span, Time};

/// Seconds after the first attempt at which a client's kernel tries again when its connection
/// attempt was dropped: `tcp_syn_linear_timeouts` = 4, then `tcp_syn_retries` = 6 more, doubling
/// (Linux 6.18; reference section 1.1, and connected after 19.4 and 35.5 s here where there was no
/// room for 12 and 22).
const RETRIES_S: [u64; 10] = [1, 2, 3, 4, 5, 7, 11, 19, 35, 67];

/// How long after the first attempt at which it gives up.
const GIVES_UP: Span = Span::from_whole_secs(131);

/// How often gunicorn's arbiter looks for workers whose heartbeat is too old (reference section
/// 2.4).
const ARBITER_INTERVAL: Span = Span::from_whole_secs(1);

/// How many requests the backlog holds: the kernel lets in one more than it was asked for
/// (reference section 1.1).
pub(in crate::model) fn backlog_room(front: &Front) -> usize {
    front.backlog.map_or(usize::MAX, |most| most as usize + 1)
}

/// How long a client waits, as seen at the site: until an answer that the site sends would come too
/// late, after the client's way to it and back.
pub(in crate::model) fn patience_at_site(client: &Client) -> Option<Span> {
    client.patience.map(|patience| patience.saturating_sub(client.round_trip))
}

/// What becomes of a request that connects to the listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum ConnectOutcome {
    /// It has a place in a worker, and starts.
    Started(RequestId),
    /// It waits in the backlog, and nothing else has changed.
    Queued,
    /// Anything else, after which other events may be due: it is at Nginx, dropped, refused, or in
    /// a queue whose state has changed.
    Rescan,
}

impl ConnectOutcome {
    /// The request that starts, if it does.
    #[inline(always)]
    pub(in crate::model) fn started(self) -> Option<RequestId> {
        match self {
            ConnectOutcome::Started(id) => Some(id),
            ConnectOutcome::Queued | ConnectOutcome::Rescan => None,
        }
    }
}

impl<S: Scope> World<'_, S> {
    /// The next request of the tape arrives.
    #[inline(always)]
    pub(in crate::model) fn arrive(&mut self) -> ConnectOutcome {
        let id = self.next_arrival.id;
        self.probe.arrived(self.now);
        self.arrivals = self.arrivals.wrapping_add(1);
        self.check_limits();
        self.expect_next();
        if self.features().has_deadlines_or_second_host {
            self.patience.begin(id, self.now);
        }
        if self.features().front_cpu.is_zero() {
            return self.connect(id);
        }
        self.requests[id].at = At::Front;
        let work = self.features().front_cpu;
        self.start_on_cores(WORKERS_HOST, Task::request(id), Process::FRONT, work);
        ConnectOutcome::Rescan
    }

    /// Takes the next request off the tape; it arrives when its time comes.
    #[inline(always)]
    pub(in crate::model) fn expect_next(&mut self) {
        let id = self.requests.reserve();
        let (request, demands) = self.requests.entry_mut(id);
        let Arrival { at, endpoint } = self.tape.next(demands).unwrap_or(Arrival::NEVER);
        self.next_arrival = NextArrival { id, at };
        *request = Request {
            number: self.arrivals as u32,
            chance: self.streams.accept.as_mut().map_or(0, Rng::next_u32),
            next: self.starts[endpoint as usize],
            endpoint,
            measured: self.probe.measures(at),
            ..Request::arriving(at)
        };
    }

    /// Ends the run where it has grown to a limit.
    #[inline(always)]
    fn check_limits(&mut self) {
        if self.requests.live_exceed(self.rules.in_flight_limit) {
            self.stop(Stopped::InFlight);
        } else if self.arrivals >= self.rules.arrivals_limit {
            self.stop(Stopped::Arrivals);
        }
    }

    /// The request connects to the listening socket.
    #[inline(always)]
    pub(in crate::model) fn connect(&mut self, id: RequestId) -> ConnectOutcome {
        if self.features().per_process {
            return self.connect_to_one(id);
        }
        if self.backlog.is_empty()
            && let Some(worker) = self.acceptor(id)
        {
            self.client_connected(id);
            let begins = self.admit_now(id, worker);
            if !self.features().herd_cpu.is_zero() {
                self.wake_herd();
            }
            return match begins {
                Some(id) => ConnectOutcome::Started(id),
                None => ConnectOutcome::Rescan,
            };
        }
        if self.backlog.len() >= self.backlog_room {
            self.backlog_full(id);
            return ConnectOutcome::Rescan;
        }
        self.client_connected(id);
        self.backlog.push_back(id);
        self.probe.levels.backlog.rise(self.now, 1);
        if self.features().dispatches {
            self.wake_acceptors();
            return ConnectOutcome::Rescan;
        }
        ConnectOutcome::Queued
    }

    /// The connection has woken the other idle workers as well, which will find it taken.
    #[inline(never)]
    fn wake_herd(&mut self) {
        if self.rules.one_queue && !self.idle.is_empty() {
            self.agenda.at(self.now, Event::Herd(self.idle.len() as u32));
        }
    }

    /// `count` idle workers look for a connection that is taken already.
    pub(in crate::model) fn herd(&mut self, count: u32) {
        for place in 0..self.idle.len().min(count as usize) {
            let process = Process::worker(self.idle[place]);
            self.run_in_background(WORKERS_HOST, Some(process), self.features().herd_cpu);
        }
    }

    /// The backlog has no room for the request, or nothing listens.
    #[cold]
    pub(super) fn backlog_full(&mut self, id: RequestId) {
        match self.site.front.listen {
            _ if self.is_down => self.fail_before_worker(id, Failure::silent(Cause::Down)),
            Listen::Unix => self.fail_before_worker(id, Failure::silent(Cause::Backlog)),
            Listen::Tcp => self.try_later(id),
        }
    }

    /// The connection stands. From now on Nginx waits for the answer, unless its client has given
    /// up.
    #[inline]
    pub(super) fn client_connected(&mut self, id: RequestId) {
        self.probe.levels.inside.rise(self.now, 1);
        if self.features().has_deadlines_or_second_host
            && self.reading.is_limited()
            && !self.requests[id].settled
        {
            self.reading.begin(id, self.now);
        }
    }

    /// The connection attempt was dropped: the client's kernel will try again, until it or Nginx
    /// gives up.
    fn try_later(&mut self, id: RequestId) {
        let request = &mut self.requests[id];
        request.at = At::Retrying;
        let arrived = request.arrived;
        let patience = self.site.front.connect_timeout.unwrap_or(GIVES_UP).min(GIVES_UP);
        // Where Nginx took longer than a whole step, the step is over already.
        let mut tries = RETRIES_S.iter().map(|secs| arrived + Span::from_whole_secs(*secs));
        let next = tries.find(|time| *time > self.now).unwrap_or(Time::NEVER);
        // Nginx may have taken longer than its own patience.
        self.agenda.at(next.min(arrived + patience).max(self.now), Event::Retry(id));
    }

    /// The client's kernel tries again, unless its client or Nginx has given up. Returns the
    /// request where it starts at once.
    pub(in crate::model) fn retry(&mut self, id: RequestId) -> Option<RequestId> {
        let request = &mut self.requests[id];
        let (patience, trying) = (self.site.front.connect_timeout, self.now - request.arrived);
        if request.settled {
            self.requests.remove(id);
        } else if patience.is_some_and(|span| trying >= span) {
            self.fail_before_worker(id, Failure::silent(Cause::Timeout));
        } else if trying >= GIVES_UP {
            self.fail_before_worker(id, Failure::silent(Cause::Backlog));
        } else {
            request.at = At::Socket;
            return self.connect(id).started();
        }
        None
    }

    /// Admits the first request in the backlog, if a worker would have it. Returns whether one went
    /// on.
    #[inline(always)]
    pub(in crate::model) fn accept_from_backlog(&mut self) -> bool {
        // With one queue any idle worker will do: no need to look at the request.
        if self.rules.one_queue {
            return self.accept_from_one_queue();
        }
        if self.features().per_process {
            return self.accept_from_sockets();
        }
        if self.features().dispatches {
            self.wake_acceptors();
            return false;
        }
        let worker = self.backlog.front().and_then(|id| self.acceptor(*id));
        worker.map(|worker| self.accept_next(worker)).is_some()
    }

    /// Admits the first request in the backlog if a worker of the one queue is idle.
    #[inline(always)]
    fn accept_from_one_queue(&mut self) -> bool {
        let Some(index) = self.idle.pop_front() else { return false };
        let id = self.backlog.pop_front().expect("a request waits");
        self.probe.levels.backlog.fall(self.now, 1);
        self.occupy_place(id, index);
        self.ready.push(id);
        if self.features().uses_memory {
            self.take_request_memory(id, index);
        }
        true
    }

    /// `worker` accepts the first request in the backlog.
    #[inline(always)]
    pub(in crate::model) fn accept_next(&mut self, worker: u32) {
        let id = self.backlog.pop_front().expect("a request waits");
        self.probe.levels.backlog.fall(self.now, 1);
        self.admit_queued(id, worker);
    }

    /// Worker `index` accepts the request, which takes a place or waits for one. Returns it where
    /// it starts, before the requests that can go on already.
    #[inline(always)]
    pub(super) fn admit_now(&mut self, id: RequestId, index: u32) -> Option<RequestId> {
        let begins = self.take_place(id, index);
        // Until it has a thread it holds no more than its connection.
        if begins && self.features().uses_memory {
            self.take_request_memory(id, index);
        }
        begins.then_some(id)
    }

    /// [`World::admit_now`], but a request that starts does so after those that can go on already.
    #[inline(always)]
    pub(in crate::model) fn admit_queued(&mut self, id: RequestId, index: u32) {
        if !self.take_place(id, index) {
            return;
        }
        self.ready.push(id);
        if self.features().uses_memory {
            self.take_request_memory(id, index);
        }
    }

    /// Whether worker `index` refuses the request that it has just accepted.
    #[inline(always)]
    fn is_full(&self, index: u32) -> bool {
        let accepted = |limit| self.workers[index as usize].accepted + 1 >= limit;
        self.features().limit_concurrency.is_some_and(accepted)
    }

    /// The worker that accepted the request refuses it.
    fn refuse_over_limit(&mut self, id: RequestId) {
        self.probe.levels.inside.fall(self.now, 1);
        self.fail_before_worker(id, Failure::with_error_page(Cause::Limit));
    }

    /// The request takes a place in a worker that accepts it, waits for one, or is refused. Returns
    /// whether it starts.
    #[inline(always)]
    fn take_place(&mut self, id: RequestId, index: u32) -> bool {
        if self.is_full(index) {
            self.refuse_over_limit(id);
            return false;
        }
        if self.rules.one_queue {
            self.idle.pop_front();
        } else if self.workers[index as usize].accept(id, self.now) == Seized::Queued {
            let request = &mut self.requests[id];
            (request.worker, request.at) = (index, At::Place);
            return false;
        }
        self.occupy_place(id, index);
        true
    }

    /// The request has its place in a worker, and starts.
    #[inline(always)]
    fn occupy_place(&mut self, id: RequestId, index: u32) {
        self.probe.levels.workers.rise(self.now, 1);
        self.start_in_worker(id, index);
    }

    /// The request starts in a worker.
    #[inline(always)]
    fn start_in_worker(&mut self, id: RequestId, index: u32) {
        let request = &mut self.requests[id];
        request.spend(Stage::Worker, self.now);
        (request.worker, request.at) = (index, At::Moving);
        let waited = self.now - request.arrived;
        self.probe.waited_for_place(request, waited);
        if self.rules.one_queue && self.features().has_deadlines_or_second_host {
            self.overtime.end(index);
            self.overtime.begin_polled(index, self.now, ARBITER_INTERVAL);
        }
    }

    /// Takes the next request of the backlog for a worker that falls idle now, if no other could
    /// take it first.
    #[inline(always)]
    pub(in crate::model) fn successor(&mut self) -> Option<RequestId> {
        if self.backlog.is_empty() || !self.rules.hands_over || !self.ready.is_empty() {
            return None;
        }
        self.backlog.pop_front()
    }

    /// A request has left the worker, and `next` takes its place: the worker is not idle in
    /// between.
    #[inline(always)]
    pub(in crate::model) fn succeed(&mut self, next: RequestId, index: u32) {
        self.probe.levels.inside.fall(self.now, 1);
        self.probe.levels.backlog.fall(self.now, 1);
        self.start_in_worker(next, index);
    }

    /// The request is no longer in its worker.
    pub(in crate::model) fn leave_worker(&mut self, id: RequestId) {
        let request = &mut self.requests[id];
        let index = std::mem::replace(&mut request.worker, NO_WORKER);
        let endpoint = request.endpoint;
        self.free_place(index, endpoint);
    }

    /// A request for `endpoint` has left the worker: its place goes to the next request, and its
    /// memory back.
    #[inline(always)]
    pub(in crate::model) fn free_place(&mut self, index: u32, endpoint: u16) {
        self.probe.levels.inside.fall(self.now, 1);
        self.probe.levels.workers.fall(self.now, 1);
        let mut next = None;
        if self.rules.one_queue {
            if self.features().has_deadlines_or_second_host {
                self.overtime.end(index);
            }
            self.idle.push_back(index);
        } else {
            next = self.workers[index as usize].release_place();
            if let Some(next) = next {
                self.occupy_place(next, index);
                self.ready.push(next);
            }
        }
        if self.features().uses_memory {
            self.change_memory(index, endpoint, next);
        }
    }

    /// The memory of a request for `endpoint` goes back, and the request that has its place takes
    /// its own.
    #[inline(never)]
    fn change_memory(&mut self, index: u32, endpoint: u16, next: Option<RequestId>) {
        let life = self.workers[index as usize].life;
        self.leave_memory(index, endpoint);
        if let Some(next) = next
            && self.workers[index as usize].life == life
        {
            self.take_request_memory(next, index);
        }
    }

    /// The request fails without having got to a worker.
    fn fail_before_worker(&mut self, id: RequestId, failure: Failure) {
        self.settle(id, Some(failure));
        self.requests.remove(id);
    }

    /// The patience of the first client to run out of it is over. The server does not learn of
    /// that.
    pub(in crate::model) fn patience_over(&mut self) {
        let id = self.patience.expire();
        self.settle(id, Some(Failure::silent(Cause::Patience)));
    }

    /// Nginx has waited for an answer for its read timeout.
    pub(in crate::model) fn reading_over(&mut self) {
        let id = self.reading.expire();
        self.settle(id, Some(Failure::silent(Cause::Timeout)));
    }

    /// A client's wait is over, one way or another: its request was answered, or failed. Whatever
    /// happens to the request afterwards concerns the server alone.
    #[inline(always)]
    pub(in crate::model) fn settle(&mut self, id: RequestId, failure: Option<Failure>) {
        if let Some(waiting) = self.requests[id].settle() {
            self.inform(id, waiting, failure);
        }
    }

    /// The client that waited for the request learns how it ended.
    #[inline(always)]
    pub(in crate::model) fn inform(
        &mut self,
        id: RequestId,
        waiting: Waiting,
        failure: Option<Failure>,
    ) {
        let failed = failure.map(|failure| failure.cause);
        let is_there = matches!(failed, None | Some(Cause::Patience));
        let way = if is_there { self.features().round_trip } else { Span::ZERO };
        match failed {
            None => self.record_soon(id),
            Some(cause) => self.probe.failed(waiting.measured, cause),
        }
        let ended = Some(self.now + way);
        let error_page = failure.is_some_and(|failure| failure.error_page);
        let reply = Reply { arrived: waiting.arrived, ended, failed, error_page };
        self.tape.note(waiting.number, reply);
        if self.features().has_deadlines_or_second_host {
            self.patience.end(id);
            self.reading.end(id);
        }
        if failed.is_none() && !self.features().client_cpu.is_zero() {
            self.run_in_background(WORKERS_HOST, Some(Process::FRONT), self.features().client_cpu);
        }
    }
}
