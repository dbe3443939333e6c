//! What a request does to get a connection to the database and to give it back.

use super::pool::{Acquired, Returned};
use crate::model::scope::Scope;
use crate::model::traffic::program::Op;
use crate::model::traffic::request::{At, ConnectionState, RequestId};
use crate::model::{Event, World};
use crate::outcome::{Cause, Queue, Stage};
use crate::units::Span;

impl<S: Scope> World<'_, S> {
    /// Takes a connection of the worker's pool, opens one, or queues.
    #[inline]
    pub(in crate::model) fn acquire(&mut self, id: RequestId, opening: u16) -> bool {
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
    pub(in crate::model) fn open_own(&mut self, id: RequestId) -> bool {
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
    pub(in crate::model) fn open(&mut self, id: RequestId) -> bool {
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

    pub(in crate::model) fn leave_pool_queue(&mut self, id: RequestId) {
        self.requests[id].at = At::Moving;
        self.probe.levels.pool_queue.fall(self.now, 1);
    }

    #[inline]
    pub(in crate::model) fn release(&mut self, id: RequestId) -> bool {
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
    pub(in crate::model) fn take_back(&mut self, index: u32) {
        self.probe.levels.connections.fall(self.now, 1);
        match self.workers[index as usize].pool.give_back() {
            Returned::To(next) => {
                self.leave_pool_queue(next);
                let request = &self.requests[next];
                let Op::Acquire { opening } = self.ops[request.next as usize] else {
                    unreachable!("a request that waits for a connection is about to acquire it")
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

    /// The request is woken up for a connection, after it has queued for `queued`. That is not yet
    /// the end of its wait, for another request may take the connection first.
    pub(super) fn goes_on_waiting(&mut self, id: RequestId, queued: Span) {
        let before = self.waited_before(id);
        if self.pool_waited.len() <= id as usize {
            self.pool_waited.resize(id as usize + 1, Span::ZERO);
        }
        self.pool_waited[id as usize] = before + queued;
        self.requests[id].connection = ConnectionState::Promised;
    }

    /// How long the request had queued before it was last woken up for a connection.
    #[inline]
    fn waited_before(&self, id: RequestId) -> Span {
        match self.requests[id].connection {
            ConnectionState::Promised => self.pool_waited[id as usize],
            ConnectionState::None | ConnectionState::Held => Span::ZERO,
        }
    }

    /// The request's wait for a connection is over, one way or another, after it has queued for
    /// `queued` since it was last woken up for one, or in all.
    #[inline]
    pub(super) fn has_waited_for_connection(&mut self, id: RequestId, queued: Span) {
        let waited = self.waited_before(id) + queued;
        self.probe.waited(&self.requests[id], Queue::Connection, waited);
    }

    /// A worker closes a connection. Its process in the database has to end, which no request waits
    /// for.
    fn close_in_order(&mut self) {
        self.close_connections(1);
        self.run_in_background(self.database_host, None, self.site.database.close_cpu);
    }

    /// `count` connections close.
    pub(in crate::model) fn close_connections(&mut self, count: u32) {
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
    pub(in crate::model) fn pool_timeout(&mut self, index: u32) {
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
}
