//! Getting to a worker: Nginx, the listening socket, the backlog, and who accepts.

use rand::Rng;

use super::arrivals::{Arrival, Reply, Tape};
use super::crash::FRONT;
use super::request::{At, NOWHERE, Request, RequestId};
use super::worker::State;
use super::{Coming, Event, HOST, World};
use crate::outcome::{Cause, Stage, Stopped};
use crate::resource::slots::Seized;
use crate::site::{Accept, Listen, WorkerKind};
use crate::units::{Span, Time};

/// Seconds after the first attempt at which a client's kernel tries again when its connection
/// attempt was dropped: `tcp_syn_linear_timeouts` = 4, then doubling (Linux 6.18, measured;
/// reference section 1.1). After the last one it gives up.
const RETRIES_S: [u64; 7] = [1, 2, 3, 4, 5, 7, 11];

impl<T: Tape> World<'_, T> {
    /// The next request of the tape arrives.
    #[inline(always)]
    pub(super) fn arrive(&mut self) {
        let Coming { id, endpoint, chance, .. } = self.coming;
        self.requests[id] = Request {
            arrived: self.now,
            since: self.now,
            number: self.arrivals,
            chance,
            next: self.starts[endpoint as usize],
            endpoint,
            measured: self.probe.measures(self.now),
            ..Request::COMING
        };
        self.probe.arrived(&self.requests[id]);
        self.arrivals = self.arrivals.wrapping_add(1);
        self.check_limits();
        self.expect_next();
        if self.rules.has_more_sources {
            self.patience.begin(id, self.now);
        }
        if self.rules.front_cpu.is_zero() {
            self.connect(id);
        } else {
            self.requests[id].at = At::Front;
            self.start_on_cores(HOST, id, FRONT, self.rules.front_cpu);
        }
    }

    /// Takes the next request off the tape; it waits for its time to come.
    #[inline(always)]
    pub(super) fn expect_next(&mut self) {
        let id = self.requests.reserve();
        let arrival = self.tape.next(self.requests.demands_mut(id));
        let Arrival { at, endpoint } = arrival.unwrap_or(Arrival { at: Time::NEVER, endpoint: 0 });
        let chance = self.chances.as_mut().map_or(0, Rng::next_u32);
        self.coming = Coming { id, at, endpoint, chance };
    }

    /// Ends the run where it has grown to a limit.
    fn check_limits(&mut self) {
        if self.requests.live() > self.site.horizon.in_flight_limit as usize {
            self.stopped = Some(Stopped::InFlight);
        } else if self.arrivals >= self.site.horizon.arrivals_limit {
            self.stopped = Some(Stopped::Arrivals);
        }
    }

    /// The request knocks at the listening socket.
    #[inline(always)]
    pub(super) fn connect(&mut self, id: RequestId) {
        if self.is_down {
            return self.turn_down(id, Cause::Down);
        }
        if self.backlog.is_empty()
            && let Some(worker) = self.acceptor(id)
        {
            self.come_in(id);
            self.admit(id, worker);
        } else if self.site.front.backlog.is_none_or(|most| self.backlog.len() <= most as usize) {
            self.come_in(id);
            self.requests[id].at = At::Backlog;
            self.backlog.push_back(id);
            self.probe.levels.backlog.rise(self.now, 1);
            if self.rules.dispatches {
                self.knock();
            }
        } else {
            match self.site.front.listen {
                Listen::Unix => self.turn_down(id, Cause::Backlog),
                Listen::Tcp => self.try_later(id),
            }
        }
    }

    /// The connection stands: from now on Nginx waits for the answer, unless its client gave up
    /// before.
    #[inline]
    fn come_in(&mut self, id: RequestId) {
        self.probe.levels.inside.rise(self.now, 1);
        if self.rules.has_more_sources && self.reading.is_limited() && !self.requests[id].settled {
            self.reading.begin(id, self.now);
        }
    }

    /// The connection attempt was dropped: the client's kernel will try again, until it or Nginx
    /// gives up.
    fn try_later(&mut self, id: RequestId) {
        let request = &mut self.requests[id];
        request.at = At::Away;
        let tries = usize::from(request.tries);
        request.tries += 1;
        let arrived = request.arrived;
        let gives_up = self.site.front.connect_timeout.map_or(Time::NEVER, |span| arrived + span);
        let next = RETRIES_S.get(tries).map(|secs| arrived + Span::from_whole_secs(*secs));
        match next {
            None => self.turn_down(id, Cause::Backlog),
            // Where Nginx took longer than a whole step, the step is over already.
            Some(next) if next <= self.now => self.try_later(id),
            // Nginx may have taken longer than its own patience.
            Some(next) => self.agenda.at(next.min(gives_up).max(self.now), Event::Retry(id)),
        }
    }

    /// A client's kernel tries again, or Nginx has given up trying.
    pub(super) fn retry(&mut self, id: RequestId) {
        let request = &self.requests[id];
        let patience = self.site.front.connect_timeout;
        if request.settled {
            self.requests.remove(id);
        } else if patience.is_some_and(|span| self.now >= request.arrived + span) {
            self.turn_down(id, Cause::Timeout);
        } else {
            self.connect(id);
        }
    }

    /// Which worker accepts the connection of `id` now, if any would.
    #[inline(always)]
    fn acceptor(&self, id: RequestId) -> Option<u32> {
        match self.rules.one_queue {
            true => self.idle.last().copied(),
            false => self.acceptor_of_many(self.requests[id].chance),
        }
    }

    /// Which of the workers that each have a queue of their own accepts a connection now.
    fn acceptor_of_many(&self, chance: u32) -> Option<u32> {
        // A dispatcher accepts in its own time.
        if self.rules.dispatches {
            return None;
        }
        match (self.site.server.accept, self.site.server.kind) {
            (Accept::Shared { .. }, WorkerKind::Async { .. }) if self.workers.len() == 1 => {
                self.workers[0].accepts(self.site.server.kind).then_some(0)
            }
            (Accept::Shared { bias }, _) => self.draw_acceptor(chance, bias),
            (Accept::PerProcess, _) => self.hashed_acceptor(chance),
        }
    }

    /// All processes that look at the socket are woken, and one wins: the k-th in the kernel's
    /// wake-up order (the last started is first) with weight `bias`^k. Fitted to the spreads
    /// measured in reference section 1.2 (240 requests over four uvloop workers: 69, 62, 58, 51;
    /// 0.91^k gives 69, 62, 57, 52). A process whose GIL is busy looks at the socket late, so it
    /// only gets what no other would take.
    fn draw_acceptor(&self, chance: u32, bias: f64) -> Option<u32> {
        let kind = self.site.server.kind;
        let drawn = self.draw_free_acceptor(chance, bias);
        // A loop accepts only while its turn is free.
        if drawn.is_some() || matches!(kind, WorkerKind::Async { .. }) {
            return drawn;
        }
        let accepts = |worker: &u32| self.workers[*worker as usize].accepts(kind);
        draw_weighted(self.wake_up_order().filter(accepts), bias, point(chance))
    }

    /// Of the processes that compute nothing.
    pub(super) fn draw_free_acceptor(&self, chance: u32, bias: f64) -> Option<u32> {
        let kind = self.site.server.kind;
        let free = |worker: &u32| {
            let worker = &self.workers[*worker as usize];
            worker.accepts(kind) && worker.turn.is_free()
        };
        draw_weighted(self.wake_up_order().filter(free), bias, point(chance))
    }

    fn wake_up_order(&self) -> impl Iterator<Item = u32> + Clone {
        (0..self.workers.len() as u32).rev()
    }

    /// The kernel hashes the connection to one of the processes that listen, free or not.
    pub(super) fn hashed_acceptor(&self, chance: u32) -> Option<u32> {
        let listens = |worker: &u32| self.workers[*worker as usize].state == State::Up;
        let all = 0..self.workers.len() as u32;
        let count = all.clone().filter(listens).count() as u64;
        let drawn = (u64::from(chance) * count) >> 32;
        all.filter(listens).nth(drawn as usize)
    }

    /// Lets the first in the backlog in, if a worker would have it.
    #[inline(always)]
    pub(super) fn accept_from_backlog(&mut self) -> bool {
        // Who it is does not matter where there is one queue, and there it is not looked up.
        if self.rules.one_queue {
            return self.accept_from_one_queue();
        }
        if self.rules.dispatches {
            self.knock();
            return false;
        }
        let worker = self.backlog.front().and_then(|id| self.acceptor(*id));
        worker.map(|worker| self.accept(worker)).is_some()
    }

    /// Lets the first in the backlog in where somebody is idle.
    #[inline(always)]
    fn accept_from_one_queue(&mut self) -> bool {
        let Some(index) = self.idle.pop() else { return false };
        let id = self.backlog.pop_front().expect("somebody waits");
        self.probe.levels.backlog.fall(self.now, 1);
        self.enter(id, index);
        if self.rules.uses_memory {
            self.take_request_memory(id, index);
        }
        true
    }

    /// `worker` accepts the first in the backlog.
    #[inline(always)]
    pub(super) fn accept(&mut self, worker: u32) {
        let id = self.backlog.pop_front().expect("somebody waits");
        self.probe.levels.backlog.fall(self.now, 1);
        self.admit(id, worker);
    }

    /// `worker` accepts the request: it has a place in it, or waits for one.
    #[inline(always)]
    pub(super) fn admit(&mut self, id: RequestId, index: u32) {
        if let Some(limit) = self.rules.limit
            && self.workers[index as usize].accepted + 1 >= limit
        {
            self.probe.levels.inside.fall(self.now, 1);
            return self.turn_down(id, Cause::Limit);
        }
        if self.rules.one_queue {
            self.idle.pop();
            self.enter(id, index);
        } else if self.workers[index as usize].take_in(id) == Seized::Granted {
            self.enter(id, index);
        } else {
            // Until it has a thread it holds no more than its connection.
            let request = &mut self.requests[id];
            return (request.worker, request.at) = (index, At::Place);
        }
        if self.rules.uses_memory {
            self.take_request_memory(id, index);
        }
    }

    /// The request has its place in a worker and begins.
    #[inline(always)]
    fn enter(&mut self, id: RequestId, index: u32) {
        self.probe.levels.workers.rise(self.now, 1);
        self.begin(id, index);
    }

    /// The request begins in a worker.
    #[inline(always)]
    fn begin(&mut self, id: RequestId, index: u32) {
        let request = &mut self.requests[id];
        request.spend(Stage::Worker, self.now);
        (request.worker, request.at) = (index, At::Moving);
        let waited = self.now - request.arrived;
        self.probe.waited_for_place(request, waited);
        self.ready.push(id);
    }

    /// Who would be accepted by a worker that falls idle now, and nothing happens before that.
    #[inline(always)]
    pub(super) fn successor(&mut self) -> Option<RequestId> {
        if self.backlog.is_empty() || !self.rules.hands_over || !self.ready.is_empty() {
            return None;
        }
        self.backlog.pop_front()
    }

    /// A request has left the worker, and its successor takes its place: the worker has not been
    /// idle in between.
    #[inline(always)]
    pub(super) fn succeed(&mut self, next: RequestId, index: u32) {
        self.probe.levels.inside.fall(self.now, 1);
        self.probe.levels.backlog.fall(self.now, 1);
        self.begin(next, index);
    }

    /// The request is no longer in its worker.
    pub(super) fn leave_worker(&mut self, id: RequestId) {
        let request = &mut self.requests[id];
        let index = std::mem::replace(&mut request.worker, NOWHERE);
        let endpoint = request.endpoint;
        self.free_place(index, endpoint);
    }

    /// A request for `endpoint` has left the worker: its place goes to the next, and its memory
    /// back.
    #[inline(always)]
    pub(super) fn free_place(&mut self, index: u32, endpoint: u16) {
        self.probe.levels.inside.fall(self.now, 1);
        self.probe.levels.workers.fall(self.now, 1);
        let mut next = None;
        if self.rules.one_queue {
            self.idle.push(index);
        } else {
            next = self.workers[index as usize].let_out();
            next.into_iter().for_each(|next| self.enter(next, index));
        }
        if self.rules.uses_memory {
            self.change_memory(index, endpoint, next);
        }
    }

    /// The memory of a request for `endpoint` goes back, and whoever has its place takes its own.
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

    /// The request never got to a worker.
    fn turn_down(&mut self, id: RequestId, cause: Cause) {
        self.settle(id, Some(cause));
        self.requests.remove(id);
    }

    /// The longest-waiting client's patience is over. The server does not learn of it.
    pub(super) fn patience_over(&mut self) {
        let id = self.patience.expire();
        self.settle(id, Some(Cause::Patience));
    }

    /// Nginx has waited long enough for an answer.
    pub(super) fn reading_over(&mut self) {
        let id = self.reading.expire();
        self.settle(id, Some(Cause::Timeout));
    }

    /// Somebody's wait is over, one way or another: answered, or failed for this cause. What
    /// happens to the request after that is nobody's business but the server's.
    #[inline(always)]
    pub(super) fn settle(&mut self, id: RequestId, failed: Option<Cause>) {
        let request = &mut self.requests[id];
        if request.settled {
            return;
        }
        request.settled = true;
        let way = if failed.is_none() { self.site.client.round_trip } else { Span::ZERO };
        let ended = self.now + way;
        match failed {
            None => {
                request.spent[Stage::Worker as usize] += way;
                self.write_down_soon(id);
            }
            Some(cause) => self.probe.failed(request, cause),
        }
        let request = &self.requests[id];
        let reply = Reply { arrived: request.arrived, ended: Some(ended), failed };
        self.tape.note(request.number, reply);
        if self.rules.has_more_sources {
            self.patience.end(id);
            self.reading.end(id);
        }
        if failed.is_none() && !self.rules.client_cpu.is_zero() {
            self.run_aside(HOST, FRONT, self.rules.client_cpu);
        }
    }
}

/// A number of a request's own, as a share of all there are.
fn point(chance: u32) -> f64 {
    f64::from(chance) / f64::from(u32::MAX)
}

/// Draws one of `candidates`, the k-th with weight `bias`^k, at `point` (0 to 1) of their sum.
fn draw_weighted(
    candidates: impl Iterator<Item = u32> + Clone,
    bias: f64,
    point: f64,
) -> Option<u32> {
    let mut all = candidates.clone();
    let first = all.next()?;
    if all.next().is_none() {
        return Some(first);
    }
    let weights = || std::iter::successors(Some(1.0), |weight| Some(weight * bias));
    let total: f64 = candidates.clone().zip(weights()).map(|(_, weight)| weight).sum();
    let mut below = 0.0;
    let mut last = None;
    for (candidate, weight) in candidates.zip(weights()) {
        below += weight;
        last = Some(candidate);
        if point * total < below {
            break;
        }
    }
    last
}
