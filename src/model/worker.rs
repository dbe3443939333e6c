//! A Python process: whom it admits, and whose turn it is.

use std::collections::VecDeque;

use super::database::{Closing, Pool};
use super::dispatcher::DispatcherState;
use super::heap::Heap;
use super::request::RequestId;
use crate::resource::slots::{Seized, Slots};
use crate::site::{Server, WorkerKind};
use crate::units::{Bytes, Span, Time};

/// A worker process.
#[derive(Debug)]
pub(super) struct Worker {
    /// What it is doing.
    pub state: State,
    /// Its threads (one for sync, without limit for async), and who was accepted and waits for
    /// one.
    pub places: Slots<RequestId>,
    /// The GIL, or the event loop's next callback: of requests, and of the dispatcher, which is
    /// the task [`super::tasks::DISPATCH`] of this worker.
    pub turn: Slots<u32>,
    /// Who has the turn, a request or the dispatcher; meaningless while nobody has.
    pub holder: u32,
    /// When the turn last changed hands.
    pub switched: Time,
    /// The thread that hands requests to its threads.
    pub dispatcher: DispatcherState,
    /// Who waits in its own backlog, where each process has a listening socket.
    pub own_backlog: VecDeque<RequestId>,
    /// Whether an event is due that forces the turn's hand-over.
    pub hand_over_due: bool,
    /// Bursts that its loop still runs before it looks at the socket again.
    pub bursts_left: usize,
    /// Requests it has accepted and not answered; not counted where there is one queue for all.
    pub accepted: u32,
    /// When it last accepted one.
    pub accepted_at: Time,
    /// Whether its first request is still to come.
    pub fresh: bool,
    /// What it will have grown by when its first request ends.
    pub growing: Bytes,
    /// CPU that its next burst takes beyond what its request asks for.
    pub extra_burst_cpu: Span,
    /// What of its requests' memory it holds, and keeps.
    pub heap: Heap,
    /// What it holds now.
    pub resident: Bytes,
    /// What it held when it was killed, until that is free.
    pub to_free: Bytes,
    /// Counts its lives, and orders workers by when they were started.
    pub life: u64,
    /// When code of the stack last ran in it.
    pub ran: Time,
    /// Its connections.
    pub pool: Pool,
}

/// What a worker process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It takes traffic.
    Up,
    /// It boots, and has so many slices of that before it.
    Booting(u32),
    /// It has imported everything, and waits for its pool to be open.
    Opening,
    /// It has imported everything, and has so many pieces of its late memory before it.
    Filling(u32),
    /// It was killed, and its threads end. These connections will close.
    EndingThreads(Closing),
    /// The last of its threads is about to give back the first of its memory.
    Unmapping(Closing),
    /// It was killed. The kernel frees its memory, and then closes these connections.
    Freeing(Closing),
    /// That is done, and its parent has yet to be told.
    Closed,
    /// It is no more.
    Gone,
}

impl Worker {
    /// The `index`-th process of `server`, not started yet.
    pub(super) fn new(server: &Server, index: u32) -> Worker {
        Worker {
            state: State::Gone,
            places: places(server),
            turn: Slots::new(1),
            holder: 0,
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

    /// Killed: everything in it is gone. Returns which idle connections closed.
    pub(super) fn clear(&mut self, server: &Server) -> Closing {
        self.places = places(server);
        self.turn = Slots::new(1);
        (self.dispatcher, self.own_backlog) = (DispatcherState::new(), VecDeque::new());
        (self.accepted, self.bursts_left) = (0, 0);
        (self.resident, self.heap) = (Bytes::ZERO, Heap::new(server, false));
        (self.growing, self.extra_burst_cpu) = (Bytes::ZERO, Span::ZERO);
        self.pool.clear()
    }

    /// A burst of its loop is over. Returns whether that was the last of an iteration: the next one
    /// runs whatever is ready now, and before it the loop looks at its sockets.
    #[inline]
    pub(super) fn burst_over(&mut self) -> bool {
        self.bursts_left = self.bursts_left.saturating_sub(1);
        if self.bursts_left > 0 {
            return false;
        }
        self.bursts_left = usize::from(!self.turn.is_free()) + self.turn.waiting();
        true
    }

    /// It accepts a request, which has a place or waits for one.
    #[inline]
    pub(super) fn accept(&mut self, id: RequestId, now: Time) -> Seized {
        self.accepted += 1;
        self.accepted_at = now;
        self.places.seize(id)
    }

    /// A request leaves. Returns who has its place.
    #[inline]
    pub(super) fn release_place(&mut self) -> Option<RequestId> {
        self.accepted -= 1;
        self.places.release()
    }

    /// Whether it would accept a connection now, going by its threads and its loop.
    #[inline]
    pub(super) fn accepts(&self, kind: WorkerKind) -> bool {
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
