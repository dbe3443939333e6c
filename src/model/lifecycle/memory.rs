//! Memory: which process holds how much of it.

use rand::RngExt;

use crate::model::scope::Scope;
use crate::model::traffic::request::RequestId;
use crate::model::worker::heap::Heap;
use crate::model::{OWN_DATABASE_HOST, WORKERS_HOST, World};
use crate::units::Bytes;

impl<S: Scope> World<'_, S> {
    /// What is there when the run begins: everything that stays, and the workers, which are up
    /// already if all of them fit. Else they boot, and memory runs out as it would.
    pub(in crate::model) fn start_up(&mut self) {
        let own = self.site.database.host.as_ref().map_or(&[][..], |host| &host.residents[..]);
        for (host, residents) in
            [(WORKERS_HOST, &self.site.host.residents[..]), (OWN_DATABASE_HOST, own)]
        {
            for resident in residents {
                self.use_memory(host, resident.memory * u64::from(resident.count));
            }
        }
        self.use_memory(self.database_host, self.site.database.memory);
        // Only now, since a process that is killed has to have taken what it gives back.
        [WORKERS_HOST, OWN_DATABASE_HOST].into_iter().for_each(|host| self.relieve_memory(host));
        let all = self.site.server.worker_memory * u64::from(self.site.server.workers);
        let used = self.memory[WORKERS_HOST].used();
        let fits = self.site.host.memory.is_none_or(|ceiling| used + all <= ceiling);
        for index in 0..self.site.server.workers {
            if fits && !self.is_stopped() {
                let worker = &mut self.workers[index as usize];
                worker.heap = Heap::new(&self.site.server, self.site.server.has_threads);
                let life = worker.life;
                self.occupy(index, life, self.site.server.worker_memory);
                self.come_up(index);
            } else {
                self.start(index);
            }
        }
    }

    /// A worker in its `life`-th life holds `bytes` more. Returns whether it survives that.
    #[inline]
    pub(super) fn occupy(&mut self, index: u32, life: u64, bytes: Bytes) -> bool {
        if bytes == Bytes::ZERO {
            return true;
        }
        self.workers[index as usize].resident += bytes;
        self.take_memory(WORKERS_HOST, bytes);
        let lives = self.workers[index as usize].life == life;
        if !lives {
            self.drop_ungranted(index);
        }
        lives
    }

    /// The worker was killed while it asked for memory, and never had what exceeds the host's: that
    /// need not be freed.
    fn drop_ungranted(&mut self, index: u32) {
        let worker = &mut self.workers[index as usize];
        let excess = self.memory[WORKERS_HOST].excess().min(worker.to_free);
        worker.to_free -= excess;
        self.give_memory(WORKERS_HOST, excess);
    }

    /// A request in a worker takes its memory, which the worker may hold already; the first one
    /// also takes what it leaves behind.
    pub(in crate::model) fn take_request_memory(&mut self, id: RequestId, index: u32) {
        let endpoint = self.requests[id].endpoint;
        let bytes = self.site.traffic.endpoints[endpoint as usize].memory;
        let worker = &mut self.workers[index as usize];
        let life = worker.life;
        let mut more = worker.heap.take(bytes);
        let touching = self.touching(more);
        let worker = &mut self.workers[index as usize];
        worker.extra_burst_cpu += touching;
        if std::mem::take(&mut worker.fresh) {
            let first = self.site.server.first_request;
            worker.extra_burst_cpu += first.cpu;
            // It grows over its first request: as if by half at the beginning.
            worker.growing = Bytes::new(first.memory.get() / 2);
            more += first.memory - worker.growing;
        }
        self.occupy(index, life, more);
    }

    /// A request in a worker gives its memory back: to the worker, or to the system.
    fn vacate_request(&mut self, index: u32, bytes: Bytes) {
        let chance = || self.streams.memory.random();
        let bytes = self.workers[index as usize].heap.free(bytes, chance);
        self.vacate(index, bytes);
    }

    /// A request for `endpoint` gives its memory back, except for what it leaves behind.
    pub(in crate::model) fn leave_memory(&mut self, index: u32, endpoint: u16) {
        let endpoint = &self.site.traffic.endpoints[endpoint as usize];
        self.vacate_request(index, endpoint.memory);
        let worker = &mut self.workers[index as usize];
        let (life, growing) = (worker.life, std::mem::take(&mut worker.growing));
        self.occupy(index, life, endpoint.growth + growing);
    }

    /// A worker holds `bytes` less.
    fn vacate(&mut self, index: u32, bytes: Bytes) {
        if bytes > Bytes::ZERO {
            self.workers[index as usize].resident -= bytes;
            self.give_memory(WORKERS_HOST, bytes);
        }
    }

    /// `bytes` more are used on `host`; if they do not fit, processes are killed.
    pub(in crate::model) fn take_memory(&mut self, host: usize, bytes: Bytes) {
        if bytes == Bytes::ZERO {
            return;
        }
        self.use_memory(host, bytes);
        self.relieve_memory(host);
    }

    /// `bytes` more are used on `host`, whether or not they fit.
    #[inline]
    pub(super) fn use_memory(&mut self, host: usize, bytes: Bytes) {
        let more = self.memory[host].take(bytes);
        if host == WORKERS_HOST {
            self.probe.levels.memory.rise(self.now, more.get());
        }
    }

    /// `bytes` less are used on `host`.
    #[inline]
    pub(in crate::model) fn give_memory(&mut self, host: usize, bytes: Bytes) {
        if bytes > Bytes::ZERO {
            let fewer = self.memory[host].give(bytes);
            if host == WORKERS_HOST {
                self.probe.levels.memory.fall(self.now, fewer.get());
            }
        }
    }
}
