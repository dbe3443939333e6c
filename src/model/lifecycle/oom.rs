//! Where memory runs out: which process the OOM killer takes, and what the server does about that.

use rand::RngExt;

use crate::model::front::admission::backlog_room;
use crate::model::host_cores::HostCores;
use crate::model::scope::Scope;
use crate::model::traffic::request::Failure;
use crate::model::worker::process::{State, Worker};
use crate::model::{Event, OWN_DATABASE_HOST, WORKERS_HOST, World};
use crate::outcome::Cause;
use crate::site::{Host, OnOom};
use crate::units::{Bytes, Span};

/// gunicorn's arbiter pauses for a random time up to this after each fork of a missing worker, and
/// only then looks for the next one (`arbiter.py`, `spawn_workers`). Supervisors of other resident
/// processes are assumed to pause as long before they start one again.
pub(super) const RESPAWN_PAUSE_S: f64 = 0.1;

/// The process that the OOM killer takes.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Worker(u32),
    Resident(usize),
    Database,
}

impl<'a, S: Scope> World<'a, S> {
    /// If too much is used on `host`, the OOM killer takes processes, at once or after a while of
    /// thrashing.
    #[inline]
    pub(super) fn relieve_memory(&mut self, host: usize) {
        if self.memory[host].is_over() {
            self.out_of_memory(host);
        }
    }

    /// There is not enough memory on `host`: it thrashes for a while, if it does that, and then the
    /// OOM killer comes.
    #[cold]
    fn out_of_memory(&mut self, host: usize) {
        let thrashing = self.host(host).thrashing;
        if thrashing.is_zero() {
            self.kill_for_room(host);
        } else if !self.thrashes[host] && !self.is_about_to_die(host) {
            self.thrashes[host] = true;
            self.cores[host].stall(self.now, thrashing);
            self.agenda.at(self.now + thrashing, Event::ThrashingOver(host as u32));
        }
    }

    /// One of the two hosts.
    pub(in crate::model) fn host(&self, host: usize) -> &'a Host {
        let own = self.site.database.host.as_ref().filter(|_| host == OWN_DATABASE_HOST);
        own.unwrap_or(&self.site.host)
    }

    /// A host has thrashed for long enough: the OOM killer comes.
    pub(in crate::model) fn thrashing_over(&mut self, host: u32) {
        let host = host as usize;
        self.thrashes[host] = false;
        self.kill_for_room(host);
    }

    /// Kills processes while too much is used on `host`, unless one is about to die.
    #[cold]
    fn kill_for_room(&mut self, host: usize) {
        while self.memory[host].is_over() && !self.is_about_to_die(host) {
            // With no process left to kill Linux would panic; here the rest goes on.
            let Some(victim) = self.victim(host) else { return };
            self.probe.killed(host, self.now);
            match victim {
                Victim::Worker(index) => self.kill_worker(index),
                Victim::Resident(index) => self.kill_resident(index),
                Victim::Database => self.crash_database(),
            }
        }
    }

    /// Whether a killed process on `host` has yet to give back any memory.
    fn is_about_to_die(&self, host: usize) -> bool {
        let about_to_die =
            |worker: &Worker| matches!(worker.state, State::EndingThreads(_) | State::Unmapping(_));
        host == WORKERS_HOST && self.workers.iter().any(about_to_die)
    }

    /// The process with the largest resident set; among equals the one started last (reference
    /// section 1.4).
    fn victim(&self, host: usize) -> Option<Victim> {
        let mut largest: Option<((Bytes, u64), Victim)> = None;
        let mut consider = |size: Bytes, started: u64, victim: Victim| {
            let larger = largest.is_none_or(|(score, _)| (size, started) > score);
            if size > Bytes::ZERO && larger {
                largest = Some(((size, started), victim));
            }
        };
        if self.database_host == host && !self.postgres.recovering {
            consider(self.site.database.largest_process, 0, Victim::Database);
        }
        if host == WORKERS_HOST {
            for (index, resident) in self.site.host.residents.iter().enumerate() {
                if resident.killable && self.residents_killed[index] < resident.count {
                    consider(resident.memory, 0, Victim::Resident(index));
                }
            }
            for (index, worker) in (0..).zip(&self.workers) {
                consider(worker.resident, worker.life, Victim::Worker(index));
            }
        }
        largest.map(|(_, victim)| victim)
    }

    /// The OOM killer takes a worker, and with it every request in it.
    fn kill_worker(&mut self, index: u32) {
        match self.site.server.on_oom {
            OnOom::Stop => return self.stop_all(),
            OnOom::Polled => self.schedule_discovery(index),
            OnOom::Alone => self.close_socket(),
            OnOom::Respawn => {}
        }
        self.kill_and_respawn(index);
    }

    /// A worker process ends, and with it every request in it; another will be started.
    fn kill_and_respawn(&mut self, index: u32) {
        let held = self.workers[index as usize].resident;
        let closing = self.empty_worker(index);
        self.start_teardown(index, held, closing);
    }

    /// gunicorn's arbiter kills a worker that has been at its request for too long. The request is
    /// answered with a 500 (22.0 and later: the worker catches its own exit).
    #[cold]
    pub(in crate::model) fn overtime_over(&mut self) {
        let index = self.overtime.expire();
        for id in self.requests.in_worker(index) {
            self.settle(id, Some(Failure::with_error_page(Cause::Timeout)));
        }
        self.kill_and_respawn(index);
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

    /// A process listens.
    pub(super) fn open_socket(&mut self) {
        (self.is_down, self.backlog_room) = (false, backlog_room(&self.site.front));
    }

    /// No process listens any more, and the requests in the backlog fail.
    fn close_socket(&mut self) {
        (self.is_down, self.backlog_room) = (true, 0);
        while let Some(id) = self.backlog.pop_front() {
            self.probe.levels.backlog.fall(self.now, 1);
            self.probe.levels.inside.fall(self.now, 1);
            self.settle(id, Some(Failure::silent(Cause::Down)));
            self.requests.remove(id);
        }
    }

    /// The OOM killer takes one of a host's other processes.
    fn kill_resident(&mut self, index: usize) {
        self.residents_killed[index] += 1;
        self.give_memory(WORKERS_HOST, self.site.host.residents[index].memory);
        let pause = Span::from_secs(self.streams.respawn.random::<f64>() * RESPAWN_PAUSE_S);
        self.agenda.at(self.now + pause, Event::ResidentBack(index as u32));
    }

    /// A killed resident process is back.
    pub(in crate::model) fn resident_back(&mut self, index: u32) {
        self.residents_killed[index as usize] -= 1;
        self.take_memory(WORKERS_HOST, self.site.host.residents[index as usize].memory);
    }
}
