//! A request, its steps, and how far it has come.
//!
//! | stage | waits for | holds meanwhile | left by | then |
//! |---|---|---|---|---|
//! | before the socket | the cores, for its client or Nginx | nothing | cores done | at the socket |
//! | at the socket | a place in a worker | a place in the backlog | admission | memory taken, next step |
//! | retrying (TCP) | its next try | nothing | `Retry` | at the socket |
//! | compute: queued | the worker's turn (GIL, loop) | its place, memory | turn granted | on the cores |
//! | compute: running | the cores to do the work | its place, turn, memory | cores done | turn released, next step |
//! | query: queued | a connection | its place, memory | connection granted | opening, or in the database |
//! | query: running | the database | its place, connection, memory | cores done, `WaitOver` | connection kept or given back, next step |
//! | call | something outside | its place, memory | `WaitOver` | next step |
//! | done | nothing | nothing | answer or failure | place, connection, memory released |
//!
//! | worker kind | place | turn | meaning |
//! |---|---|---|---|
//! | sync | 1 | 1, never contended | a waiting query blocks the worker |
//! | threads | one per thread, FIFO per process | 1: the GIL | many wait together, one computes |
//! | async | unlimited, or 503 | 1: the event loop | many wait together, one computes |
//!
//! A client that gives up changes nothing for the server: the work goes on. A request whose process
//! was killed is dead at once, but keeps its number until the wait or the query it is in is over,
//! so that no event ever names a request that is gone.

use std::collections::VecDeque;

use crate::outcome::{Cause, Stage};
use crate::units::{Span, Time};

/// Names a live request: its index in [`Requests`].
pub(in crate::model) type RequestId = u32;

/// The worker of a request that is in none.
pub(in crate::model) const NO_WORKER: u32 = u32::MAX;

/// Where a live request is, which says what moves it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum At {
    /// On the cores, for its client on the same host and for Nginx.
    Front,
    /// On its way to the listening socket, or in the shared backlog.
    Socket,
    /// Its connection attempt was dropped; it waits for the next one.
    Retrying,
    /// Given to a worker process: in its own backlog, or accepted and waiting for a thread or for
    /// the dispatcher to hand it over.
    Place,
    /// Its thread waits for a core to see whether its worker's turn is free.
    Waking,
    /// Waiting for its worker's turn.
    Turn,
    /// Its answer is with the event loop of its process.
    Loop,
    /// Computing on the workers' host.
    Cores,
    /// Waiting for a connection of its pool.
    Pool,
    /// Computing on the database's host.
    DatabaseCores,
    /// Waiting for a time on the agenda.
    Wait,
    /// About to go on with its next operation.
    Moving,
}

/// What a request has of a connection to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::model) enum ConnectionState {
    /// Nothing.
    #[default]
    None,
    /// It has been woken up for one, and has yet to take it.
    Promised,
    /// It holds one.
    Held,
}

impl ConnectionState {
    #[inline]
    pub(in crate::model) fn is_held(self) -> bool {
        self == ConnectionState::Held
    }
}

/// A request that has arrived and is not done with.
#[derive(Debug, Clone)]
pub(in crate::model) struct Request {
    /// When the client first tried.
    pub arrived: Time,
    /// When it entered the stage it is in.
    pub since: Time,
    /// Time spent in the stages it has left, by [`Stage`]; for the last two it is not recorded.
    pub spent: [Span; Stage::RECORDED],
    /// What is left of its current work on the cores.
    pub left: Span,
    /// Its number on the tape, modulo 2^32: unique among the requests that are live at a time.
    pub number: u32,
    /// A random number of its own, which decides after its arrival which process accepts it.
    pub chance: u32,
    /// The worker it is in, or [`NO_WORKER`].
    pub worker: u32,
    /// The operation that comes next or is under way, as an index of the operations of all
    /// programs.
    pub next: u32,
    /// The endpoint it asks for.
    pub endpoint: u16,
    /// Where it is.
    pub at: At,
    /// Whether it arrived in the measured window.
    pub measured: bool,
    /// Whether its client has stopped waiting: it was answered, it failed, or the client gave up.
    pub settled: bool,
    /// Whether its process was killed or its connection dropped: the wait or query it is in goes on
    /// without it.
    pub dead: bool,
    /// Whether it holds its worker's turn.
    pub has_turn: bool,
    /// What it has of a connection to the database.
    pub connection: ConnectionState,
}

impl Request {
    /// A request that arrives at `at`, before anything happens to it.
    #[inline(always)]
    pub(in crate::model) fn arriving(at: Time) -> Request {
        Request {
            arrived: at,
            since: at,
            spent: [Span::ZERO; Stage::RECORDED],
            left: Span::ZERO,
            number: 0,
            chance: 0,
            worker: NO_WORKER,
            endpoint: 0,
            next: 0,
            at: At::Socket,
            measured: false,
            settled: false,
            dead: false,
            has_turn: false,
            connection: ConnectionState::None,
        }
    }

    /// It is done, answered or failed. Takes what it held from it, and returns that.
    #[inline(always)]
    pub(in crate::model) fn let_go(&mut self) -> Held {
        Held {
            endpoint: self.endpoint,
            worker: std::mem::replace(&mut self.worker, NO_WORKER),
            turn: std::mem::take(&mut self.has_turn),
            connection: std::mem::take(&mut self.connection).is_held(),
        }
    }

    /// Its client stops waiting. Returns the client, unless it had stopped before.
    #[inline(always)]
    pub(in crate::model) fn settle(&mut self) -> Option<Waiting> {
        let Request { number, arrived, measured, .. } = *self;
        let settled = std::mem::replace(&mut self.settled, true);
        (!settled).then_some(Waiting { number, arrived, measured })
    }

    /// On to its next operation: that there is one is checked where it is looked up.
    #[inline]
    pub(in crate::model) fn step_on(&mut self) {
        self.next = self.next.wrapping_add(1);
    }

    /// What took its time is done: on to its next operation.
    #[inline]
    pub(in crate::model) fn go_on(&mut self) {
        self.step_on();
        self.at = At::Moving;
    }

    /// Leaves the stage that it entered at `since`, and counts the time in it. Returns that time.
    #[inline]
    pub(in crate::model) fn spend(&mut self, stage: Stage, now: Time) -> Span {
        let span = now - self.since;
        self.add(stage, span);
        self.since = now;
        span
    }

    /// Leaves the cores of the workers' host, where its work on an idle core would have taken
    /// `alone`: the rest of the time went to other tasks on the cores.
    #[inline]
    pub(in crate::model) fn spend_running(&mut self, work: Stage, alone: Span, now: Time) {
        let span = now - self.since;
        let alone = alone.min(span);
        self.add(work, alone);
        self.add(Stage::Cores, span - alone);
        self.since = now;
    }

    /// Leaves the cores of the database's own host, where its work on an idle core would have taken
    /// `alone`. The rest of the time is not recorded (see [`Stage::RECORDED`]).
    #[inline]
    pub(in crate::model) fn spend_running_apart(&mut self, work: Stage, alone: Span, now: Time) {
        self.add(work, alone.min(now - self.since));
        self.since = now;
    }

    /// Counts `span` as time spent in `stage`.
    #[inline]
    pub(in crate::model) fn add(&mut self, stage: Stage, span: Span) {
        let spent = &mut self.spent[stage as usize];
        *spent = spent.plus_bounded(span);
    }
}

/// How a request fails.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Failure {
    /// Why.
    pub cause: Cause,
    /// Whether its server answers it with an error page.
    pub error_page: bool,
}

impl Failure {
    /// The server answers with an error page, from the application or from what is left of its
    /// worker.
    #[inline]
    pub(in crate::model) fn with_error_page(cause: Cause) -> Failure {
        Failure { cause, error_page: true }
    }

    /// The server sends no answer, or none that says so.
    #[inline]
    pub(in crate::model) fn silent(cause: Cause) -> Failure {
        Failure { cause, error_page: false }
    }
}

/// What a request held until it was done.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Held {
    /// What it asked for.
    pub endpoint: u16,
    /// The worker it was in.
    pub worker: u32,
    /// Whether it had its turn.
    pub turn: bool,
    /// Whether it had a connection.
    pub connection: bool,
}

/// A client that waits for the answer to a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Waiting {
    /// The request's number on the tape.
    pub number: u32,
    /// When the client first tried.
    pub arrived: Time,
    /// Whether the request is measured.
    pub measured: bool,
}

/// How many demands are stored with the request itself: few requests have more.
pub(super) const FIRST_DEMANDS: usize = 3;
/// The first demands of a request.
pub(super) type FirstDemands = [Span; FIRST_DEMANDS];
/// The first demands of a request that wants nothing.
pub(super) const NO_DEMANDS: FirstDemands = [Span::ZERO; FIRST_DEMANDS];

/// A request, and its first demands as they were drawn before it arrived.
#[derive(Debug, Clone)]
struct Entry {
    demands: FirstDemands,
    request: Request,
}

/// Where the demands of a request are written.
#[derive(Debug)]
pub(in crate::model) struct DemandSlots<'a> {
    /// The first of them.
    pub first: &'a mut FirstDemands,
    /// The others.
    pub more: &'a mut [Span],
}

impl DemandSlots<'_> {
    /// Writes the demands, in order.
    pub(super) fn fill(self, wanted: impl Iterator<Item = Span>) {
        let places = self.first.iter_mut().chain(self.more);
        places.zip(wanted).for_each(|(place, demand)| *place = demand);
    }
}

/// The live requests, by number. Numbers are used again.
#[derive(Debug)]
pub(in crate::model) struct Requests {
    requests: Vec<Entry>,
    /// The demands of each beyond its first: `stride` of them for each number.
    more: Vec<Span>,
    stride: usize,
    free: Vec<RequestId>,
}

impl Requests {
    /// No requests yet; each will have up to `demands` demands.
    pub(in crate::model) fn new(demands: usize) -> Requests {
        let stride = demands.saturating_sub(FIRST_DEMANDS);
        Requests { requests: Vec::new(), more: Vec::new(), stride, free: Vec::new() }
    }

    /// A free number, for a request that has yet to arrive.
    #[inline]
    pub(in crate::model) fn reserve(&mut self) -> RequestId {
        self.free.pop().unwrap_or_else(|| self.grow())
    }

    /// A number that was never used.
    #[cold]
    fn grow(&mut self) -> RequestId {
        self.requests.push(Entry { demands: NO_DEMANDS, request: Request::arriving(Time::NEVER) });
        self.more.resize(self.more.len() + self.stride, Span::ZERO);
        (self.requests.len() - 1) as RequestId
    }

    /// The request, and where its demands are written.
    #[inline(always)]
    pub(in crate::model) fn entry_mut(&mut self, id: RequestId) -> (&mut Request, DemandSlots<'_>) {
        let begin = self.more_begin(id);
        let more = if self.stride == 0 { &mut [] } else { &mut self.more[begin..][..self.stride] };
        let Entry { demands, request } = &mut self.requests[id as usize];
        (request, DemandSlots { first: demands, more })
    }

    /// Where in `more` the request's demands begin. The product cannot overflow, for all of them
    /// are in one list.
    #[inline]
    fn more_begin(&self, id: RequestId) -> usize {
        (id as usize).wrapping_mul(self.stride)
    }

    /// The request is done: its number is free.
    #[inline]
    pub(in crate::model) fn remove(&mut self, id: RequestId) {
        let request = &mut self[id];
        (request.worker, request.connection) = (NO_WORKER, ConnectionState::None);
        self.free(id);
    }

    /// Frees the number of a request that is in no worker and holds nothing.
    #[inline]
    pub(in crate::model) fn free(&mut self, id: RequestId) {
        debug_assert!(
            self[id].worker == NO_WORKER && !self[id].connection.is_held(),
            "it holds nothing"
        );
        self.free.push(id);
    }

    /// The request's `index`-th drawn quantity.
    #[inline(always)]
    pub(in crate::model) fn demand(&self, id: RequestId, index: u16) -> Span {
        let index = index as usize;
        match self.requests[id as usize].demands.get(index) {
            Some(demand) => *demand,
            None => self.more[self.more_begin(id).wrapping_add(index - FIRST_DEMANDS)],
        }
    }

    /// Whether more than `most` requests are live, the one that is yet to arrive included.
    #[inline]
    pub(in crate::model) fn live_exceed(&self, most: usize) -> bool {
        self.requests.len() > most && self.requests.len() - self.free.len() > most
    }

    /// The numbers of the live requests that are in `worker` and not dead, in order. Looks at all
    /// requests: for crashes only.
    pub(in crate::model) fn in_worker(&self, worker: u32) -> Vec<RequestId> {
        let here = |request: &Request| request.worker == worker && !request.dead;
        (0..self.requests.len() as u32).filter(|id| here(&self[*id])).collect()
    }

    /// The numbers of the requests that hold a connection, in order, dead ones included: their
    /// queries go on without them. Looks at all requests: for crashes only.
    pub(in crate::model) fn connected(&self) -> Vec<RequestId> {
        let connected = |request: &Request| request.connection.is_held();
        (0..self.requests.len() as u32).filter(|id| connected(&self[*id])).collect()
    }
}

impl std::ops::Index<RequestId> for Requests {
    type Output = Request;
    #[inline]
    fn index(&self, id: RequestId) -> &Request {
        &self.requests[id as usize].request
    }
}

impl std::ops::IndexMut<RequestId> for Requests {
    #[inline]
    fn index_mut(&mut self, id: RequestId) -> &mut Request {
        &mut self.requests[id as usize].request
    }
}

/// Requests that can go on, in the order in which they could. As a rule there is at most one, which
/// does without the queue.
#[derive(Debug)]
pub(in crate::model) struct Ready {
    /// The first, or [`NO_REQUEST`].
    first: RequestId,
    /// Those behind it; empty while there is no first.
    others: VecDeque<RequestId>,
}

/// No request has this number.
pub(in crate::model) const NO_REQUEST: RequestId = RequestId::MAX;

impl Ready {
    /// No request can go on.
    pub(in crate::model) fn new() -> Ready {
        Ready { first: NO_REQUEST, others: VecDeque::new() }
    }

    /// `id` can go on, after all that can already.
    #[inline]
    pub(in crate::model) fn push(&mut self, id: RequestId) {
        match self.first {
            NO_REQUEST => self.first = id,
            _ => self.others.push_back(id),
        }
    }

    /// Whether no request can go on.
    #[inline]
    pub(in crate::model) fn is_empty(&self) -> bool {
        self.first == NO_REQUEST
    }

    /// Takes the first request off the list.
    #[inline]
    pub(in crate::model) fn pop(&mut self) -> Option<RequestId> {
        if self.is_empty() {
            return None;
        }
        let next = if self.others.is_empty() { None } else { self.others.pop_front() };
        Some(std::mem::replace(&mut self.first, next.unwrap_or(NO_REQUEST)))
    }
}

/// 128 bytes, a power of two: indexing is a shift, and a request takes two cache lines.
const _: () = assert!(size_of::<Entry>() == 128, "a request has two cache lines");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_on_in_the_order_in_which_they_could() {
        let mut ready = Ready::new();
        ready.push(7);
        ready.push(3);
        assert_eq!(ready.pop(), Some(7));
        ready.push(5);
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(3), Some(5), None]);
    }
}
