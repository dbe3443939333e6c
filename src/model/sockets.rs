//! A listening socket for each process (`SO_REUSEPORT`): the kernel draws one for each connection,
//! whether its process is free or not, and each has a backlog of its own, all of the same size.

use super::World;
use super::admission::Reception;
use super::request::{At, RequestId};
use super::scope::Scope;

impl<S: Scope> World<'_, S> {
    /// The request knocks at the socket that is drawn for it; where no process is up, it waits until
    /// one is.
    #[inline(never)]
    pub(super) fn connect_to_one(&mut self, id: RequestId) -> Reception {
        let Some(index) = self.hashed_acceptor(self.requests[id].chance) else {
            return self.wait_for_any(id);
        };
        let worker = &self.workers[index as usize];
        let is_free = worker.knocking.is_empty() && worker.accepts(self.site.server.kind);
        if is_free && !self.extras().dispatches {
            self.come_in(id);
            let begins = self.admit(id, index);
            return begins.map_or(Reception::Elsewhere, Reception::Begins);
        }
        if worker.knocking.len() >= self.backlog_room {
            self.shut_out(id);
            return Reception::Elsewhere;
        }
        self.come_in(id);
        self.probe.levels.backlog.rise(self.now, 1);
        self.knock_at_one(id, index);
        if self.extras().dispatches {
            self.wake_dispatcher(index);
        }
        Reception::Elsewhere
    }

    /// No process is up: the sockets are there again with the first of them.
    fn wait_for_any(&mut self, id: RequestId) -> Reception {
        if self.backlog.len() >= self.backlog_room {
            self.shut_out(id);
        } else {
            self.come_in(id);
            self.probe.levels.backlog.rise(self.now, 1);
            self.backlog.push_back(id);
        }
        Reception::Elsewhere
    }

    /// The request is in the backlog of a process.
    fn knock_at_one(&mut self, id: RequestId, index: u32) {
        let request = &mut self.requests[id];
        (request.worker, request.at) = (index, At::Place);
        self.workers[index as usize].knocking.push_back(id);
        self.knocking += 1;
    }

    /// The processes that can accept from their own backlogs; those that came while none was up are
    /// drawn for first. Returns whether one did at once.
    #[inline(never)]
    pub(super) fn accept_from_sockets(&mut self) -> bool {
        while let Some(id) = self.backlog.front().copied()
            && let Some(index) = self.hashed_acceptor(self.requests[id].chance)
        {
            self.backlog.pop_front();
            self.knock_at_one(id, index);
        }
        let kind = self.site.server.kind;
        for index in 0..self.workers.len() as u32 {
            let worker = &self.workers[index as usize];
            if worker.knocking.is_empty() || !worker.accepts(kind) {
                continue;
            }
            if !self.extras().dispatches {
                self.accept_from_socket(index);
                return true;
            }
            self.wake_dispatcher(index);
        }
        false
    }

    /// `worker` accepts the first in its own backlog.
    pub(super) fn accept_from_socket(&mut self, worker: u32) {
        let knocking = &mut self.workers[worker as usize].knocking;
        let id = knocking.pop_front().expect("somebody waits");
        self.knocking -= 1;
        self.probe.levels.backlog.fall(self.now, 1);
        self.admit_last(id, worker);
    }
}
