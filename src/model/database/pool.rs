//! Connections: the app's pools and the server's limit.

use std::collections::VecDeque;

use crate::model::traffic::request::RequestId;
use crate::site::Connections;

/// The connections of one worker process.
///
/// Every way to connect is a pool: a connection per request is a pool that keeps nothing and has no
/// limit, a persistent connection per thread is one that keeps as many as there are threads.
#[derive(Debug)]
pub(in crate::model) struct Pool {
    /// Idle connections kept open at most.
    keep: u32,
    /// Connections open or being opened at most.
    limit: u32,
    /// Open, and no request's.
    idle: u32,
    /// Of the idle ones, those that never had a query. (The one given back last is taken first.)
    unused: u32,
    /// Open, and a request's.
    used: u32,
    /// Being opened.
    opening: u32,
    waiting: VecDeque<RequestId>,
    /// Whether the first in the queue is only woken up for a connection that is given back, and may
    /// come late; else it gets it.
    wakes: bool,
    /// Whether an event is on the agenda that ends the wait of the first in the queue.
    pub timeout_due: bool,
}

/// What a request that wants a connection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Acquired {
    /// An open one.
    Open,
    /// Permission to open one.
    ToOpen,
    /// A place in the queue.
    Queued,
}

/// What becomes of a connection given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Returned {
    /// The first in the queue has it.
    To(RequestId),
    /// It stays open, and the first in the queue, which has left it, may try to take it.
    Wakes(RequestId),
    /// It stays open.
    Kept,
    /// It is closed.
    Closed,
}

impl Pool {
    /// An empty pool: connections are opened when first needed. In a loop, pools wait with
    /// `asyncio.Queue` (asyncpg's, and SQLAlchemy's for asyncio): a connection that is given back
    /// lies there until the task that has waited for longest has been woken up. If another request
    /// takes it before, that task waits again, behind all others. The pools of threads hand it
    /// over.
    pub(in crate::model) fn new(connections: &Connections, in_loop: bool) -> Pool {
        Pool {
            keep: connections.keep,
            limit: connections.limit.unwrap_or(u32::MAX),
            idle: 0,
            unused: 0,
            used: 0,
            opening: 0,
            waiting: VecDeque::new(),
            wakes: in_loop,
            timeout_due: false,
        }
    }

    /// `id` wants a connection.
    #[inline]
    pub(in crate::model) fn acquire(&mut self, id: RequestId) -> Acquired {
        if self.idle > 0 {
            self.idle -= 1;
            self.unused = self.unused.min(self.idle);
            self.used += 1;
            Acquired::Open
        } else if self.size() < self.limit {
            self.opening += 1;
            Acquired::ToOpen
        } else {
            self.waiting.push_back(id);
            Acquired::Queued
        }
    }

    /// How many are open or being opened.
    fn size(&self) -> u32 {
        self.idle + self.used + self.opening
    }

    /// A connection is open that no request asked for.
    pub(in crate::model) fn opened_idle(&mut self) {
        self.idle += 1;
        self.unused += 1;
    }

    /// A connection that a request was to open is open.
    pub(in crate::model) fn opened(&mut self) {
        self.opening -= 1;
        self.used += 1;
    }

    /// A connection is given back. As many lie idle as the pool keeps, however many are in use
    /// besides: any beyond that are closed. (SQLAlchemy 2.0, `QueuePool._do_return_conn`: `put`
    /// into a queue for `pool_size`, and closed where that is full. "The total number of sleeping
    /// connections the pool will allow is pool_size.")
    #[inline]
    pub(in crate::model) fn give_back(&mut self) -> Returned {
        let keeps = self.idle < self.keep;
        let next = self.waiting.pop_front();
        if let Some(id) = next
            && !(self.wakes && keeps)
        {
            return Returned::To(id);
        }
        self.used -= 1;
        self.idle += u32::from(keeps);
        match next {
            Some(id) => Returned::Wakes(id),
            None if keeps => Returned::Kept,
            None => Returned::Closed,
        }
    }

    /// A connection could not be opened. Returns the first in the queue, which may try.
    pub(super) fn failed_to_open(&mut self) -> Option<RequestId> {
        self.opening -= 1;
        let next = self.waiting.pop_front();
        self.opening += u32::from(next.is_some());
        next
    }

    /// The first request in the queue.
    pub(super) fn first_waiting(&self) -> Option<RequestId> {
        self.waiting.front().copied()
    }

    /// Takes `id` out of the queue.
    pub(in crate::model) fn leave(&mut self, id: RequestId) {
        self.waiting.retain(|other| *other != id);
    }

    /// The server closed every connection. Returns the requests that waited for one: each may open
    /// its own now.
    pub(in crate::model) fn lose_all(&mut self) -> VecDeque<RequestId> {
        (self.idle, self.unused, self.used) = (0, 0, 0);
        self.opening += self.waiting.len() as u32;
        std::mem::take(&mut self.waiting)
    }

    /// The process is gone, and its queue with it; an event for its timeout may still come. Returns
    /// the idle connections that close.
    pub(in crate::model) fn clear(&mut self) -> Closing {
        let closing = Closing { used: self.idle - self.unused, unused: self.unused };
        (self.idle, self.unused, self.used, self.opening) = (0, 0, 0, 0);
        self.waiting.clear();
        closing
    }
}

/// Connections that close with their process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) struct Closing {
    /// Those that had a query.
    pub used: u32,
    /// Those that never had one.
    pub unused: u32,
}

impl Closing {
    /// How many they are.
    pub(in crate::model) fn count(self) -> u32 {
        self.used + self.unused
    }
}

/// PostgreSQL's count of connections.
#[derive(Debug)]
pub(in crate::model) struct Postgres {
    slots: u32,
    open: u32,
    /// Whether it recovers from a crash: it refuses every connection.
    pub recovering: bool,
}

impl Postgres {
    /// No connection is open, of `slots` or without a limit.
    pub(in crate::model) fn new(slots: Option<u32>) -> Postgres {
        Postgres { slots: slots.unwrap_or(u32::MAX), open: 0, recovering: false }
    }

    /// Opens a connection. Returns whether there was a slot for it.
    #[inline]
    pub(in crate::model) fn open(&mut self) -> bool {
        let granted = self.open < self.slots;
        self.open += u32::from(granted);
        granted
    }

    /// Closes `count` connections.
    #[inline]
    pub(in crate::model) fn close(&mut self, count: u32) {
        self.open -= count;
    }

    /// Closes them all. Returns how many there were.
    pub(in crate::model) fn close_all(&mut self) -> u32 {
        std::mem::take(&mut self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Hold;

    fn pool(keep: u32, limit: Option<u32>) -> Pool {
        Pool::new(&Connections { keep, limit, timeout: None, hold: Hold::Query }, false)
    }

    #[test]
    fn a_pool_opens_up_to_its_limit_and_keeps_what_it_may() {
        let mut pool = pool(1, Some(2));
        let acquired = [0, 1, 2].map(|id| pool.acquire(id));
        assert_eq!(acquired, [Acquired::ToOpen, Acquired::ToOpen, Acquired::Queued]);
        pool.opened();
        pool.opened();
        let returned = [pool.give_back(), pool.give_back(), pool.give_back()];
        assert_eq!(returned, [Returned::To(2), Returned::Kept, Returned::Closed]);
        assert_eq!(pool.acquire(3), Acquired::Open);
    }

    #[test]
    fn connections_beyond_those_kept_stay_open_while_fewer_lie_idle() {
        let mut pool = pool(2, Some(4));
        (0..4).for_each(|id| assert_eq!(pool.acquire(id), Acquired::ToOpen));
        (0..4).for_each(|_| pool.opened());
        for id in 4..100 {
            assert_eq!([pool.give_back(), pool.give_back()], [Returned::Kept; 2]);
            assert_eq!([pool.acquire(id), pool.acquire(id)], [Acquired::Open; 2]);
        }
        let returned = [0; 4].map(|_| pool.give_back());
        let last = [Returned::Kept, Returned::Kept, Returned::Closed, Returned::Closed];
        assert_eq!(returned, last);
    }

    #[test]
    fn in_a_loop_who_comes_first_takes_what_another_was_woken_up_for() {
        let one = Connections { keep: 1, limit: Some(1), timeout: None, hold: Hold::Query };
        let mut pool = Pool::new(&one, true);
        let acquired = [0, 1, 2].map(|id| pool.acquire(id));
        assert_eq!(acquired, [Acquired::ToOpen, Acquired::Queued, Acquired::Queued]);
        pool.opened();
        assert_eq!(pool.give_back(), Returned::Wakes(1));
        assert_eq!([3, 1].map(|id| pool.acquire(id)), [Acquired::Open, Acquired::Queued]);
        assert_eq!((pool.give_back(), pool.acquire(2)), (Returned::Wakes(2), Acquired::Open));
        assert_eq!(pool.give_back(), Returned::Wakes(1));
    }

    #[test]
    fn a_connection_per_request_is_a_pool_that_keeps_none() {
        let mut pool = pool(0, None);
        assert_eq!(pool.acquire(0), Acquired::ToOpen);
        pool.opened();
        assert_eq!(pool.give_back(), Returned::Closed);
    }

    #[test]
    fn who_waits_may_try_when_another_was_refused() {
        let mut pool = pool(1, Some(1));
        pool.acquire(0);
        pool.acquire(1);
        assert_eq!(pool.failed_to_open(), Some(1));
        assert_eq!(pool.failed_to_open(), None);
        assert_eq!(pool.acquire(2), Acquired::ToOpen);
    }
}
