//! Which of the workers accepts a connection.

use crate::model::World;
use crate::model::scope::Scope;
use crate::model::traffic::request::RequestId;
use crate::model::worker::process::State;
use crate::site::{Accept, WorkerKind};

impl<S: Scope> World<'_, S> {
    /// The worker that accepts the connection of `id` now, if any would.
    ///
    /// Of the idle workers of the one queue that is the one that has been idle longest. All are
    /// woken, and on one core the scheduler begins with the one that has had least of it: that
    /// worker had 235 of 253 requests at 10/s, and 64 of 96 at 60/s (four sync workers of gunicorn,
    /// `tests/testbed/probes/accept.py`). On two cores the one that had worked last had 181 of 254
    /// at 10/s, 54 of 102 at 60/s and 12 of 36 at 120/s, and of the others any. They are taken to
    /// have turns there as well: which one it is matters for what is cold and for which has a
    /// connection, and with turns every worker gets its share.
    #[inline(always)]
    pub(in crate::model) fn acceptor(&self, id: RequestId) -> Option<u32> {
        match self.rules.one_queue {
            _ if !S::PLAIN && self.is_down => None,
            true => self.idle.front().copied(),
            false => self.acceptor_of_many(self.requests[id].chance),
        }
    }

    /// The worker that accepts a connection now, where each has a queue of its own.
    fn acceptor_of_many(&self, chance: u32) -> Option<u32> {
        // A dispatcher accepts in its own time.
        if self.features().dispatches {
            return None;
        }
        match (self.site.server.accept, self.site.server.kind) {
            (Accept::Shared { .. }, WorkerKind::Async { .. }) if self.workers.len() == 1 => {
                self.workers[0].accepts(self.site.server.kind).then_some(0)
            }
            (Accept::Shared { bias }, _) => self.draw_acceptor(chance, bias),
            (Accept::PerProcess, _) => unreachable!("each process accepts from its own backlog"),
        }
    }

    /// All processes that look at the socket are woken, and one wins: the k-th in the kernel's
    /// wake-up order (the last started is first) with weight `bias`^k. Fitted to the spreads
    /// measured in reference section 1.2 (240 requests over four uvloop workers: 69, 62, 58, 51;
    /// 0.91^k gives 69, 62, 57, 52). A process whose GIL is busy looks at the socket late, so it
    /// only gets what no other would take.
    fn draw_acceptor(&self, chance: u32, bias: f64) -> Option<u32> {
        let kind = self.site.server.kind;
        let drawn = self.free_acceptor(chance, bias);
        // A loop accepts only while its turn is free.
        if drawn.is_some() || matches!(kind, WorkerKind::Async { .. }) {
            return drawn;
        }
        let accepts = |worker: &u32| self.workers[*worker as usize].accepts(kind);
        draw_weighted(self.wake_up_order().filter(accepts), bias, point(chance))
    }

    /// Draws a process among those whose GIL or loop is free. On one core gunicorn's threaded
    /// processes take turns, since the scheduler begins with the one that has had least of the
    /// core: of two, the one that accepted longer ago took 290 of 300 connections at 10/s, 241 at
    /// 45/s and 224 at 75/s. (Loops of uvicorn: 177 at 10/s and 225 at 45/s. On two cores: 85 and
    /// 107 of 300 at 10/s, 159 and 180 at 60/s.)
    pub(in crate::model) fn free_acceptor(&self, chance: u32, bias: f64) -> Option<u32> {
        let kind = self.site.server.kind;
        let free = |worker: &u32| {
            let worker = &self.workers[*worker as usize];
            worker.accepts(kind) && worker.turn.is_free()
        };
        let all = self.wake_up_order().filter(free);
        match (kind, self.site.host.cores) {
            (WorkerKind::Threads { .. }, 1) if !kind.is_behind_loop() => {
                all.min_by_key(|worker| self.workers[*worker as usize].accepted_at)
            }
            _ => draw_weighted(all, bias, point(chance)),
        }
    }

    fn wake_up_order(&self) -> impl Iterator<Item = u32> + Clone {
        (0..self.workers.len() as u32).rev()
    }

    /// The process whose socket the kernel's hash gives the connection to: any that listens, free
    /// or not.
    pub(super) fn hashed_acceptor(&self, chance: u32) -> Option<u32> {
        let listens = |worker: &u32| self.workers[*worker as usize].state == State::Up;
        let all = 0..self.workers.len() as u32;
        let count = all.clone().filter(listens).count() as u64;
        let drawn = (u64::from(chance) * count) >> 32;
        all.filter(listens).nth(drawn as usize)
    }
}

/// The request's random number, mapped to 0 to 1.
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
