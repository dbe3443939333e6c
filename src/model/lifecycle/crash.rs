//! What is lost with a worker, or with the database.

use crate::model::database::pool::Closing;
use crate::model::host_cores::HostCores;
use crate::model::scope::Scope;
use crate::model::tasks::Task;
use crate::model::traffic::program::Op;
use crate::model::traffic::request::{At, ConnectionState, Failure, NO_WORKER, RequestId};
use crate::model::worker::process::State;
use crate::model::{Event, WORKERS_HOST, World};
use crate::outcome::{Cause, Stage};
use crate::units::Span;

/// The database recovers for at least this long, whatever a site says: to start a process takes
/// some time. Without it, one that does not fit would be back and dead again, over and over, at one
/// instant.
const LEAST_RECOVERY: Span = Span::from_millis(1);

impl<S: Scope> World<'_, S> {
    /// A worker process ends at once, and with it every request in it.
    pub(super) fn end_worker(&mut self, index: u32) {
        let closing = self.empty_worker(index);
        self.end_backends(closing);
        self.workers[index as usize].state = State::Gone;
    }

    /// Removes everything that is in a worker, which computes no more. Returns the idle connections
    /// of its pool.
    pub(super) fn empty_worker(&mut self, index: u32) -> Closing {
        self.stop_dispatcher(index);
        self.overtime.end(index);
        let waiting = self.workers[index as usize].own_backlog.len();
        self.own_backlogs_total -= waiting;
        self.probe.levels.backlog.fall(self.now, waiting as u64);
        for id in self.requests.in_worker(index) {
            self.lose_request(id);
        }
        // Its boot or teardown.
        self.cores[WORKERS_HOST].stop(self.now, Task::lifecycle(index));
        self.cores[WORKERS_HOST].stop(self.now, Task::pong(index));
        let worker = &mut self.workers[index as usize];
        let (resident, busy) = (worker.resident, !worker.turn.is_free());
        let to_free = std::mem::take(&mut worker.to_free);
        let closing = worker.clear(&self.site.server);
        worker.life = self.lives;
        self.lives += 1;
        self.idle.retain(|other| *other != index);
        self.probe.levels.turns.fall(self.now, u64::from(busy));
        self.give_memory(WORKERS_HOST, resident + to_free);
        self.close_connections(closing.count());
        closing
    }

    /// A request's process is gone. The database goes on with what it does for the request.
    fn lose_request(&mut self, id: RequestId) {
        self.settle(id, Some(Failure::silent(Cause::Killed)));
        let request = &self.requests[id];
        let at = request.at;
        self.probe.levels.inside.fall(self.now, 1);
        self.probe.levels.workers.fall(self.now, u64::from(at != At::Place));
        self.probe.levels.pool_queue.fall(self.now, u64::from(at == At::Pool));
        match at {
            At::Place | At::Turn | At::Pool | At::Loop => {
                self.drop_connection(id);
                self.requests.remove(id);
            }
            At::Cores | At::Waking => {
                self.cores[WORKERS_HOST].stop(self.now, Task::request(id));
                self.drop_connection(id);
                self.requests.remove(id);
            }
            _ => {
                if !self.in_database(id) {
                    self.drop_connection(id);
                }
                self.requests[id].dead = true;
            }
        }
    }

    /// Whether the database works for the request, or is about to.
    fn in_database(&self, id: RequestId) -> bool {
        let request = &self.requests[id];
        let waits = matches!(
            self.ops[request.next as usize],
            Op::Wait(_, Stage::Database | Stage::Connection) | Op::WaitRemaining(..)
        );
        request.at == At::DatabaseCores || request.at == At::Wait && waits
    }

    /// The request's connection closes with its process.
    fn drop_connection(&mut self, id: RequestId) {
        if std::mem::take(&mut self.requests[id].connection).is_held() {
            self.probe.levels.connections.fall(self.now, 1);
            self.close_connections(1);
            self.end_backends(Closing { used: 1, unused: 0 });
        }
    }

    /// The event that named a dead request has come: frees its number.
    pub(in crate::model) fn drop_dead_request(&mut self, id: RequestId) {
        self.drop_connection(id);
        self.requests.remove(id);
    }

    /// The OOM killer takes a process of the database: every connection drops, and the requests
    /// that hold one fail. There are no new connections until the database has recovered (reference
    /// section 6.5).
    pub(super) fn crash_database(&mut self) {
        // First, since what failing requests leave behind may call the OOM killer again.
        self.postgres.recovering = true;
        let recovery = self.site.database.recovery.max(LEAST_RECOVERY);
        self.agenda.at(self.now + recovery, Event::DatabaseBack);
        let connected = self.requests.connected();
        for id in &connected {
            self.requests[*id].connection = ConnectionState::None;
            self.probe.levels.connections.fall(self.now, 1);
        }
        for index in 0..self.workers.len() {
            for id in self.workers[index].pool.lose_all() {
                self.leave_pool_queue(id);
                self.open_own(id);
                self.set_ready(id);
            }
        }
        let open = self.postgres.close_all();
        self.probe.levels.open_connections.fall(self.now, u64::from(open));
        let connections = self.site.database.connection_memory * u64::from(open);
        self.give_memory(self.database_host, self.site.database.memory + connections);
        for id in connected {
            // Not if its worker was killed, before or just now.
            if self.requests[id].worker != NO_WORKER && !self.requests[id].dead {
                self.fail_without_connection(id);
            }
        }
    }

    /// The request's connection dropped, and the request fails.
    fn fail_without_connection(&mut self, id: RequestId) {
        self.settle(id, Some(Failure::with_error_page(Cause::Killed)));
        let request = &self.requests[id];
        match request.at {
            At::Cores | At::Waking => {
                self.cores[WORKERS_HOST].stop(self.now, Task::request(id));
            }
            At::Turn => self.workers[request.worker as usize].turn.leave(Task::request(id)),
            _ => {}
        }
        let gone = matches!(self.requests[id].at, At::Cores | At::Waking | At::Turn);
        self.release_turn(id);
        self.leave_worker(id);
        if gone {
            self.requests.remove(id);
        } else {
            self.requests[id].dead = true;
        }
    }

    /// The database has recovered.
    pub(in crate::model) fn database_back(&mut self) {
        self.postgres.recovering = false;
        self.take_memory(self.database_host, self.site.database.memory);
    }
}
