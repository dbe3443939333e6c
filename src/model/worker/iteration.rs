//! A loop's iterations: all that is ready runs, then the loop looks at its sockets.

use super::process::State;
use crate::model::World;
use crate::model::scope::Scope;
use crate::model::tasks::Task;
use crate::model::traffic::request::{At, RequestId};
use crate::site::WorkerKind;
use crate::units::Span;

impl<S: Scope> World<'_, S> {
    /// The request goes behind everything that its loop has ready. Returns whether it keeps the
    /// turn, since nothing is.
    pub(in crate::model) fn yield_turn(&mut self, id: RequestId) -> bool {
        let request = &mut self.requests[id];
        request.step_on();
        request.left = Span::ZERO;
        let index = request.worker;
        let worker = &mut self.workers[index as usize];
        if !request.has_turn {
            return self.take_turn(id);
        }
        let stays = worker.turn.waiting() == 0;
        if !stays {
            (request.has_turn, request.at) = (false, At::Turn);
            // The first waiter takes over before this request queues.
            self.pass_turn_on(index);
            self.workers[index as usize].turn.seize(Task::request(id));
        }
        self.between_bursts(index);
        stays
    }

    /// A loop runs every burst that is ready, then looks at its sockets, and accepts one connection
    /// (libuv 1.45 and later; reference section 3.1). So a request that comes back from a query
    /// waits behind one newcomer per iteration, however many there are.
    #[inline]
    pub(in crate::model) fn between_bursts(&mut self, index: u32) {
        if !matches!(self.site.server.kind, WorkerKind::Async { .. }) {
            return;
        }
        if !self.workers[index as usize].burst_over() {
            return;
        }
        if self.features().per_process {
            self.look_at_own_socket(index);
        } else if !self.backlog.is_empty() && self.workers[index as usize].state == State::Up {
            self.accept_next(index);
        }
    }

    /// The loop looks at its own socket, where each process has one.
    #[inline(never)]
    fn look_at_own_socket(&mut self, index: u32) {
        let worker = &self.workers[index as usize];
        if worker.state == State::Up && !worker.own_backlog.is_empty() {
            self.accept_from_socket(index);
        }
    }
}
