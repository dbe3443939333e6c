//! A Python process: which requests it accepts, and which of them has its turn.

use std::collections::VecDeque;

use super::dispatcher::DispatcherState;
use super::heap::Heap;
use crate::model::database::pool::{Closing, Pool};
use crate::model::tasks::Task;
use crate::model::traffic::request::RequestId;
use crate::resource::slots::{Seized, Slots};
use crate::site::{Server, WorkerKind};
use crate::units::{Bytes, Span, Time};

/// A worker process.
#[derive(Debug)]
pub(in crate::model) struct Worker {
    /// What it is doing.
    pub state: State,
    /// Its threads (one for sync, without limit for async), and the accepted requests that wait for
    /// one.
    pub places: Slots<RequestId>,
    /// The GIL, or the event loop: one task at a time computes. Requests queue for it, and so does
    /// the worker's dispatcher.
    pub turn: Slots<Task>,
    /// What has the turn, a request or the dispatcher; meaningless while the turn is free.
    pub holder: Task,
    /// When the turn last changed hands.
    pub switched: Time,
    /// The thread that hands requests to the others, where there is one.
    pub dispatcher: DispatcherState,
    /// Requests in its own backlog, where each process has a listening socket.
    pub own_backlog: VecDeque<RequestId>,
    /// Whether an event is on the agenda that may hand its turn over.
    pub hand_over_due: bool,
    /// How many bursts its loop still runs before it looks at its sockets again.
    pub bursts_left: usize,
    /// Requests that it has accepted and not answered; not counted where all workers share one
    /// queue.
    pub accepted: u32,
    /// When it last accepted one.
    pub accepted_at: Time,
    /// Whether its first request is still to come.
    pub fresh: bool,
    /// The rest of what its first request leaves behind: it takes that when the request ends.
    pub growing: Bytes,
    /// CPU that its next burst takes beyond what its request asks for.
    pub extra_burst_cpu: Span,
    /// What it holds of its requests' memory.
    pub heap: Heap,
    /// The memory it holds now.
    pub resident: Bytes,
    /// What it held when it was killed and the kernel has not freed yet.
    pub to_free: Bytes,
    /// The number of its life: no other life of any worker has it, and later lives have larger
    /// ones.
    pub life: u64,
    /// When code of the stack last ran in it.
    pub ran: Time,
    /// Its connections to the database.
    pub pool: Pool,
}

/// What a worker process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum State {
    /// It takes traffic.
    Up,
    /// It imports its application, and has this many slices of that left.
    Booting(u32),
    /// It has imported everything, and waits for the connections of its pool.
    Opening,
    /// It has imported everything, and has this many pieces of its late memory left to touch.
    Filling(u32),
    /// It was killed, and its threads end. These connections will close.
    EndingThreads(Closing),
    /// The last of its threads is about to give back the first batch of its memory.
    Unmapping(Closing),
    /// The kernel frees its memory, and then closes these connections.
    Freeing(Closing),
    /// Its memory is free and its connections are closed; it is about to exit.
    Closed,
    /// It is no process: not started yet, or killed and not started again.
    Gone,
}

impl Worker {
    /// The `index`-th process of `server`, not started yet.
    pub(in crate::model) fn new(server: &Server, index: u32) -> Worker {
        Worker {
            state: State::Gone,
            places: places(server),
            turn: Slots::new(1),
            holder: Task::request(0),
            switched: Time::ZERO,
            dispatcher: DispatcherState::new(),
            own_backlog: VecDeque::new(),
            hand_over_due: false,
            bursts_left: 0,
            accepted: 0,
            accepted_at: Time::ZERO,
            fresh: false,
            growing: Bytes::ZERO,
            extra_burst_cpu: Span::ZERO,
            heap: Heap::new(server, false),
            resident: Bytes::ZERO,
            to_free: Bytes::ZERO,
            life: u64::from(index),
            ran: Time::ZERO,
            pool: Pool::new(&server.connections, server.shares_connections_in_loop()),
        }
    }

    /// It was killed: nothing is in it any more. Returns the idle connections that close with it.
    pub(in crate::model) fn clear(&mut self, server: &Server) -> Closing {
        self.places = places(server);
        self.turn = Slots::new(1);
        (self.dispatcher, self.own_backlog) = (DispatcherState::new(), VecDeque::new());
        (self.accepted, self.bursts_left) = (0, 0);
        (self.resident, self.heap) = (Bytes::ZERO, Heap::new(server, false));
        (self.growing, self.extra_burst_cpu) = (Bytes::ZERO, Span::ZERO);
        self.pool.clear()
    }

    /// A burst of its loop is over. Returns whether that was the last one of an iteration: then the
    /// loop looks at its sockets, and the next iteration runs all that is ready now.
    #[inline]
    pub(super) fn burst_over(&mut self) -> bool {
        self.bursts_left = self.bursts_left.saturating_sub(1);
        if self.bursts_left > 0 {
            return false;
        }
        self.bursts_left = usize::from(!self.turn.is_free()) + self.turn.waiting();
        true
    }

    /// It accepts a request. Returns whether that has a place or waits for one.
    #[inline]
    pub(in crate::model) fn accept(&mut self, id: RequestId, now: Time) -> Seized {
        self.accepted += 1;
        self.accepted_at = now;
        self.places.seize(id)
    }

    /// A request leaves. Returns the one that has its place now, if one waited.
    #[inline]
    pub(in crate::model) fn release_place(&mut self) -> Option<RequestId> {
        self.accepted -= 1;
        self.places.release()
    }

    /// Whether it would accept a connection now.
    #[inline]
    pub(in crate::model) fn accepts(&self, kind: WorkerKind) -> bool {
        self.state == State::Up
            && match kind {
                WorkerKind::Sync => self.places.is_free(),
                WorkerKind::Threads { worker_connections, .. } => {
                    worker_connections.is_none_or(|most| self.accepted < most)
                }
                // A loop that runs a callback is not looking at the socket.
                WorkerKind::Async { .. } => self.turn.is_free(),
            }
    }
}

fn places(server: &Server) -> Slots<RequestId> {
    Slots::new(match server.kind {
        WorkerKind::Sync => 1,
        WorkerKind::Threads { threads, .. } => threads,
        WorkerKind::Async { .. } => u32::MAX,
    })
}
