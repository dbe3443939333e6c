//! A listening socket for each process (`SO_REUSEPORT`): the kernel draws a socket for each
//! connection, whether its process is free or not. Each has a backlog of its own, all of the same
//! size.

use super::admission::ConnectOutcome;
use crate::model::World;
use crate::model::scope::Scope;
use crate::model::traffic::request::{At, RequestId};

impl<S: Scope> World<'_, S> {
    /// The request connects to the socket that is drawn for it; where no process is up, it waits
    /// until one is.
    #[inline(never)]
    pub(super) fn connect_to_one(&mut self, id: RequestId) -> ConnectOutcome {
        let Some(index) = self.hashed_acceptor(self.requests[id].chance) else {
            return self.wait_for_any(id);
        };
        let worker = &self.workers[index as usize];
        let is_free = worker.own_backlog.is_empty() && worker.accepts(self.site.server.kind);
        if is_free && !self.features().dispatches {
            self.client_connected(id);
            let begins = self.admit_now(id, index);
            return begins.map_or(ConnectOutcome::Rescan, ConnectOutcome::Started);
        }
        if worker.own_backlog.len() >= self.backlog_room {
            self.backlog_full(id);
            return ConnectOutcome::Rescan;
        }
        self.client_connected(id);
        self.probe.levels.backlog.rise(self.now, 1);
        self.join_own_backlog(id, index);
        if self.features().dispatches {
            self.wake_dispatcher(index);
        }
        ConnectOutcome::Rescan
    }

    /// No process is up. The request waits in the shared backlog until one listens again.
    fn wait_for_any(&mut self, id: RequestId) -> ConnectOutcome {
        if self.backlog.len() >= self.backlog_room {
            self.backlog_full(id);
        } else {
            self.client_connected(id);
            self.probe.levels.backlog.rise(self.now, 1);
            self.backlog.push_back(id);
        }
        ConnectOutcome::Rescan
    }

    /// The request joins the backlog of a process.
    fn join_own_backlog(&mut self, id: RequestId, index: u32) {
        let request = &mut self.requests[id];
        (request.worker, request.at) = (index, At::Place);
        self.workers[index as usize].own_backlog.push_back(id);
        self.own_backlogs_total += 1;
    }

    /// Lets each process accept from its own backlog if it can. Requests that came while no process
    /// was up are given a socket first. Returns whether a process accepted at once.
    #[inline(never)]
    pub(super) fn accept_from_sockets(&mut self) -> bool {
        while let Some(id) = self.backlog.front().copied()
            && let Some(index) = self.hashed_acceptor(self.requests[id].chance)
        {
            self.backlog.pop_front();
            self.join_own_backlog(id, index);
        }
        let kind = self.site.server.kind;
        for index in 0..self.workers.len() as u32 {
            let worker = &self.workers[index as usize];
            if worker.own_backlog.is_empty() || !worker.accepts(kind) {
                continue;
            }
            if !self.features().dispatches {
                self.accept_from_socket(index);
                return true;
            }
            self.wake_dispatcher(index);
        }
        false
    }

    /// `worker` accepts the first request in its own backlog.
    pub(in crate::model) fn accept_from_socket(&mut self, worker: u32) {
        let waiting = &mut self.workers[worker as usize].own_backlog;
        let id = waiting.pop_front().expect("a request waits");
        self.own_backlogs_total -= 1;
        self.probe.levels.backlog.fall(self.now, 1);
        self.admit_queued(id, worker);
    }
}
