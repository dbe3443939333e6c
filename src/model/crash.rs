//! Memory: who uses it, whom the OOM killer takes when it runs out, what is lost with it, and how
//! it comes back.

use rand::RngExt;

use super::admission::backlog_room;
use super::database::Closing;
use super::heap::Heap;
use super::processor::Processor;
use super::program::Op;
use super::request::{At, Connection, NOWHERE, RequestId};
use super::scope::Scope;
use super::worker::{State, Worker};
use super::{Event, HOST, OWN_HOST, World};
use crate::outcome::{Cause, Stage};
use crate::site::{Host, OnOom};
use crate::units::{Bytes, Span};

/// Marks a task on the cores that is not a request but the boot of a worker.
pub(super) const BOOT: u32 = 1 << 31;

/// Marks a task on the cores that is not a request but work that nobody waits for: the end of a
/// closed connection's process in the database, a client on the same host.
pub(super) const ASIDE: u32 = 1 << 30;
/// Marks a task on the cores that is a worker's word that it is well.
pub(super) const ANSWER: u32 = BOOT | ASIDE;
/// So many asides have different numbers: nobody asks for one of them again, and there are never as
/// many at once (PostgreSQL's processes for thousands of connections, at most).
pub(super) const ASIDES: u32 = 1 << 14;

/// Processes on the cores that are not workers, which have their own numbers: the database's, one
/// for each request that it works for, and what sends requests from the same host.
pub(super) const BACKEND: u32 = 1 << 30;
pub(super) const FRONT: u32 = 1 << 31;

/// gunicorn's arbiter pauses for a random time up to this after each fork of a missing worker, and
/// misses the next one after that only (`arbiter.py`, `spawn_workers`). Supervisors of other
/// resident processes are assumed to pause as long before they start one again.
pub(super) const RESPAWN_PAUSE_S: f64 = 0.1;

/// The database is away for so long at least, whatever a site says: to start a process takes some
/// time. One that does not fit would else be back and dead again, and again, all at one instant.
const LEAST_RECOVERY: Span = Span::from_millis(1);

/// Whom the OOM killer takes.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Worker(u32),
    Resident(usize),
    Database,
}

impl<'a, S: Scope> World<'a, S> {
    /// What is there when the run begins: everything that stays, and the workers, already up
    /// where all of them fit; else they boot, and what happens then is what would.
    pub(super) fn start_up(&mut self) {
        let own = self.site.database.host.as_ref().map_or(&[][..], |host| &host.residents[..]);
        for (host, residents) in [(HOST, &self.site.host.residents[..]), (OWN_HOST, own)] {
            for resident in residents {
                self.use_memory(host, resident.memory * u64::from(resident.count));
            }
        }
        self.use_memory(self.database_host, self.site.database.memory);
        // Whoever dies for it has what it gives back.
        [HOST, OWN_HOST].into_iter().for_each(|host| self.kill_until_it_fits(host));
        let all = self.site.server.worker_memory * u64::from(self.site.server.workers);
        let used = self.memory[HOST].used();
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

    /// A worker in its `life`-th life holds `bytes` more. Returns whether it outlived that.
    #[inline]
    pub(super) fn occupy(&mut self, index: u32, life: u64, bytes: Bytes) -> bool {
        if bytes == Bytes::ZERO {
            return true;
        }
        self.workers[index as usize].resident += bytes;
        self.take_memory(HOST, bytes);
        let lives = self.workers[index as usize].life == life;
        if !lives {
            self.never_had_it(index);
        }
        lives
    }

    /// What a worker was killed over it never had: nobody waits for that.
    fn never_had_it(&mut self, index: u32) {
        let worker = &mut self.workers[index as usize];
        let excess = self.memory[HOST].excess().min(worker.leaving);
        worker.leaving -= excess;
        self.give_memory(HOST, excess);
    }

    /// A request in a worker takes its memory, which may be there already, and where it is the
    /// first, what the worker keeps of it.
    pub(super) fn take_request_memory(&mut self, id: RequestId, index: u32) {
        let endpoint = self.requests[id].endpoint;
        let bytes = self.site.traffic.endpoints[endpoint as usize].memory;
        let worker = &mut self.workers[index as usize];
        let life = worker.life;
        let mut more = worker.heap.take(bytes);
        let touching = self.touching(more);
        let worker = &mut self.workers[index as usize];
        worker.owed += touching;
        if std::mem::take(&mut worker.fresh) {
            let first = self.site.server.first_request;
            worker.owed += first.cpu;
            // It grows over its first request: as if by half when that begins.
            worker.growing = Bytes::new(first.memory.get() / 2);
            more += first.memory - worker.growing;
        }
        self.occupy(index, life, more);
    }

    /// A request in a worker gives its memory back: to the worker, or to the system.
    fn vacate_request(&mut self, index: u32, bytes: Bytes) {
        let chance = || self.memory_chances.random();
        let bytes = self.workers[index as usize].heap.free(bytes, chance);
        self.vacate(index, bytes);
    }

    /// A request for `endpoint` gives its memory back, but for what it leaves behind.
    pub(super) fn leave_memory(&mut self, index: u32, endpoint: u16) {
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
            self.give_memory(HOST, bytes);
        }
    }

    /// `bytes` more are used on `host`; where they do not fit, somebody dies until they do.
    pub(super) fn take_memory(&mut self, host: usize, bytes: Bytes) {
        if bytes == Bytes::ZERO {
            return;
        }
        self.use_memory(host, bytes);
        self.kill_until_it_fits(host);
    }

    /// `bytes` more are used on `host`, whether or not they fit.
    #[inline]
    pub(super) fn use_memory(&mut self, host: usize, bytes: Bytes) {
        let more = self.memory[host].take(bytes);
        if host == HOST {
            self.probe.levels.memory.rise(self.now, more.get());
        }
    }

    /// Where too much is used on `host`, somebody dies for it, now or when the kernel has looked for
    /// memory for long enough.
    #[inline]
    pub(super) fn kill_until_it_fits(&mut self, host: usize) {
        if self.memory[host].is_over() {
            self.out_of_memory(host);
        }
    }

    /// There is not enough memory on `host`: the kernel looks for some, if it does, and then kills.
    #[cold]
    fn out_of_memory(&mut self, host: usize) {
        let thrashing = self.host(host).thrashing;
        if thrashing.is_zero() {
            self.kill_for_room(host);
        } else if !self.thrashes[host] && !self.is_about_to_die(host) {
            self.thrashes[host] = true;
            self.cores[host].stall(self.now, thrashing);
            self.agenda.at(self.now + thrashing, Event::OutOfMemory(host as u32));
        }
    }

    /// One of the two hosts.
    pub(super) fn host(&self, host: usize) -> &'a Host {
        let own = self.site.database.host.as_ref().filter(|_| host == OWN_HOST);
        own.unwrap_or(&self.site.host)
    }

    /// The kernel has looked for memory for long enough.
    pub(super) fn looked_for_memory(&mut self, host: u32) {
        let host = host as usize;
        self.thrashes[host] = false;
        self.kill_for_room(host);
    }

    /// While too much is used on `host`, somebody dies for it, unless somebody is about to.
    #[cold]
    fn kill_for_room(&mut self, host: usize) {
        while self.memory[host].is_over() && !self.is_about_to_die(host) {
            // With nobody left to kill Linux would panic; here what is left goes on.
            let Some(victim) = self.victim(host) else { return };
            self.probe.killed(host, self.now);
            match victim {
                Victim::Worker(index) => self.kill_worker(index),
                Victim::Resident(index) => self.kill_resident(index),
                Victim::Database => self.crash_database(),
            }
        }
    }

    /// Whether a killed process on `host` has not given back anything yet.
    fn is_about_to_die(&self, host: usize) -> bool {
        let ending =
            |worker: &Worker| matches!(worker.state, State::Ending(_) | State::Unmapping(_));
        host == HOST && self.workers.iter().any(ending)
    }

    /// `bytes` less are used on `host`.
    #[inline]
    pub(super) fn give_memory(&mut self, host: usize, bytes: Bytes) {
        if bytes > Bytes::ZERO {
            let fewer = self.memory[host].give(bytes);
            if host == HOST {
                self.probe.levels.memory.fall(self.now, fewer.get());
            }
        }
    }

    /// The process with the largest resident set; among equals the one started last (reference
    /// section 1.4).
    fn victim(&self, host: usize) -> Option<Victim> {
        let mut fattest: Option<((Bytes, u64), Victim)> = None;
        let mut consider = |size: Bytes, started: u64, victim: Victim| {
            let larger = fattest.is_none_or(|(score, _)| (size, started) > score);
            if size > Bytes::ZERO && larger {
                fattest = Some(((size, started), victim));
            }
        };
        if self.database_host == host && !self.postgres.away {
            consider(self.site.database.largest_process, 0, Victim::Database);
        }
        if host == HOST {
            for (index, resident) in self.site.host.residents.iter().enumerate() {
                if resident.killable && !self.residents_away[index] {
                    consider(resident.memory, 0, Victim::Resident(index));
                }
            }
            for (index, worker) in (0..).zip(&self.workers) {
                consider(worker.resident, worker.life, Victim::Worker(index));
            }
        }
        fattest.map(|(_, victim)| victim)
    }

    /// The OOM killer takes a worker, and with it every request in it.
    fn kill_worker(&mut self, index: u32) {
        match self.site.server.on_oom {
            OnOom::Stop => return self.stop_all(),
            OnOom::Polled => self.will_be_missed(index),
            OnOom::Alone => self.close_socket(),
            OnOom::Respawn => {}
        }
        self.begin_anew(index);
    }

    /// A worker process ends, and with it every request in it; the next one boots.
    fn begin_anew(&mut self, index: u32) {
        let held = self.workers[index as usize].resident;
        let closing = self.empty_worker(index);
        self.begin_to_end(index, held, closing);
    }

    /// gunicorn's arbiter kills a worker that has been at its request for too long. The request is
    /// answered with a 500 (22.0 and later: the worker catches its own exit).
    #[cold]
    pub(super) fn overtime_over(&mut self) -> Option<RequestId> {
        let index = self.overtime.expire();
        for id in self.requests.in_worker(index) {
            self.settle(id, Some(Cause::Timeout));
        }
        self.begin_anew(index);
        None
    }

    /// Whether systemd has stopped the whole unit, for good.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_down && self.site.server.on_oom == OnOom::Stop
    }

    /// systemd stops the whole unit: every worker, and the socket with its backlog.
    fn stop_all(&mut self) {
        (0..self.site.server.workers).for_each(|index| self.end_worker(index));
        self.close_socket();
    }

    /// Somebody listens.
    pub(super) fn open_socket(&mut self) {
        (self.is_down, self.backlog_room) = (false, backlog_room(&self.site.front));
    }

    /// Nobody listens any more, and whoever was in the backlog is cut off.
    fn close_socket(&mut self) {
        (self.is_down, self.backlog_room) = (true, 0);
        while let Some(id) = self.backlog.pop_front() {
            self.probe.levels.backlog.fall(self.now, 1);
            self.probe.levels.inside.fall(self.now, 1);
            self.settle(id, Some(Cause::Down));
            self.requests.remove(id);
        }
    }

    /// A worker process ends at once, and with it every request in it.
    pub(super) fn end_worker(&mut self, index: u32) {
        let closing = self.empty_worker(index);
        self.end_backends(closing);
        self.workers[index as usize].state = State::Gone;
    }

    /// Everything in a worker is gone, and it computes no more. Returns the connections of its pool
    /// that nobody had.
    fn empty_worker(&mut self, index: u32) -> Closing {
        self.stop_dispatcher(index);
        self.overtime.end(index);
        let knocking = self.workers[index as usize].knocking.len();
        self.knocking -= knocking;
        self.probe.levels.backlog.fall(self.now, knocking as u64);
        for id in self.requests.in_worker(index) {
            self.lose(id);
        }
        // Its boot, or its end.
        self.cores[HOST].stop(self.now, BOOT | index);
        self.cores[HOST].stop(self.now, ANSWER | index);
        let worker = &mut self.workers[index as usize];
        let (resident, busy) = (worker.resident, !worker.turn.is_free());
        let leaving = std::mem::take(&mut worker.leaving);
        let closing = worker.clear(&self.site.server);
        worker.life = self.lives;
        self.lives += 1;
        self.idle.retain(|other| *other != index);
        self.probe.levels.turns.fall(self.now, u64::from(busy));
        self.give_memory(HOST, resident + leaving);
        self.close_connections(closing.count());
        closing
    }

    /// A request's process is gone. What it is in the database for goes on without it.
    fn lose(&mut self, id: RequestId) {
        self.settle(id, Some(Cause::Killed));
        let request = &self.requests[id];
        let at = request.at;
        self.probe.levels.inside.fall(self.now, 1);
        self.probe.levels.workers.fall(self.now, u64::from(at != At::Place));
        self.probe.levels.pool_queue.fall(self.now, u64::from(at == At::Pool));
        match at {
            At::Place | At::Turn | At::Pool | At::Loop => {
                self.hang_up(id);
                self.requests.remove(id);
            }
            At::Cores | At::Waking => {
                self.cores[HOST].stop(self.now, id);
                self.hang_up(id);
                self.requests.remove(id);
            }
            _ => {
                if !self.in_database(id) {
                    self.hang_up(id);
                }
                self.requests[id].dead = true;
            }
        }
    }

    /// Whether the database is at work for the request, or about to be.
    fn in_database(&self, id: RequestId) -> bool {
        let request = &self.requests[id];
        let waits = matches!(
            self.ops[request.next as usize],
            Op::Wait(_, Stage::Database | Stage::Connection) | Op::WaitOn(..)
        );
        request.at == At::DatabaseCores || request.at == At::Wait && waits
    }

    /// The request's connection closes with its process.
    fn hang_up(&mut self, id: RequestId) {
        if std::mem::take(&mut self.requests[id].connection).is_held() {
            self.probe.levels.connections.fall(self.now, 1);
            self.close_connections(1);
            self.end_backends(Closing { used: 1, unused: 0 });
        }
    }

    /// The event that named a dead request has come.
    pub(super) fn bury(&mut self, id: RequestId) {
        self.hang_up(id);
        self.requests.remove(id);
    }

    /// The OOM killer takes a process of the database: every connection drops, and whoever holds
    /// one fails; nobody gets a new one until it has recovered (reference section 6.5).
    fn crash_database(&mut self) {
        // Away at once: what failing requests leave behind may call the OOM killer again.
        self.postgres.away = true;
        let recovery = self.site.database.recovery.max(LEAST_RECOVERY);
        self.agenda.at(self.now + recovery, Event::DatabaseBack);
        let connected = self.requests.connected();
        for id in &connected {
            self.requests[*id].connection = Connection::None;
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
            // Some went with their worker, before or just now, and have no more to lose.
            if self.requests[id].worker != NOWHERE && !self.requests[id].dead {
                self.fail_without_connection(id);
            }
        }
    }

    /// The request's connection is gone, and the request fails.
    fn fail_without_connection(&mut self, id: RequestId) {
        self.settle(id, Some(Cause::Killed));
        let request = &self.requests[id];
        match request.at {
            At::Cores | At::Waking => {
                self.cores[HOST].stop(self.now, id);
            }
            At::Turn => self.workers[request.worker as usize].turn.leave(id),
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
    pub(super) fn database_back(&mut self) {
        self.postgres.away = false;
        self.take_memory(self.database_host, self.site.database.memory);
    }

    /// The OOM killer takes one of a host's other processes.
    fn kill_resident(&mut self, index: usize) {
        self.residents_away[index] = true;
        self.give_memory(HOST, self.site.host.residents[index].memory);
        let pause = Span::from_secs(self.respawns.random::<f64>() * RESPAWN_PAUSE_S);
        self.agenda.at(self.now + pause, Event::ResidentBack(index as u32));
    }

    /// A killed resident process is back.
    pub(super) fn resident_back(&mut self, index: u32) {
        self.residents_away[index as usize] = false;
        self.take_memory(HOST, self.site.host.residents[index as usize].memory);
    }
}
