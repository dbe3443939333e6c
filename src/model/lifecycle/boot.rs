//! How a worker comes up: its imports, the memory it takes during and after them, and its pool.

use super::supervisor::PONGS_AT_SLICE;
use crate::model::scope::Scope;
use crate::model::worker::process::State;
use crate::model::{WORKERS_HOST, World};
use crate::site::OnOom;
use crate::units::{Bytes, Span};

/// In how many slices a booting worker's memory grows to its full size: importing an application
/// touches memory all along, so the OOM killer finds it half-grown.
pub(super) const BOOT_SLICES: u32 = 8;

/// With this many slices of its boot left a worker asks for all connections of its pool, each a
/// process that the database starts. It comes up when it has them all.
const POOL_OPENS_AT_SLICE: u32 = 1;

/// In how many pieces a booting worker takes memory that it asks for at once.
const MEMORY_PIECES: u32 = 16;

impl<S: Scope> World<'_, S> {
    /// A worker is started, and boots; unless systemd has stopped the unit, and with it the arbiter
    /// that was to start the worker.
    pub(in crate::model) fn start(&mut self, index: u32) {
        if self.is_stopped() {
            return;
        }
        let worker = &mut self.workers[index as usize];
        (worker.state, worker.fresh) = (State::Booting(BOOT_SLICES), true);
        self.boot_on(index);
    }

    /// The next slice of a worker's boot.
    fn boot_on(&mut self, index: u32) {
        let mut slice = self.site.server.boot_cpu.scaled(1.0 / f64::from(BOOT_SLICES));
        if self.workers[index as usize].state == State::Booting(POOL_OPENS_AT_SLICE) {
            let pool = self.pool_at_start();
            slice += self.site.server.costs.connect_cpu * u64::from(pool);
            self.ask_for_pool(index, pool);
        }
        if slice.is_zero() {
            self.lifecycle_task_done(index);
        } else {
            self.start_lifecycle_task(index, slice);
        }
    }

    /// A worker's boot or teardown has finished a task: its state says which, and what comes next.
    pub(in crate::model) fn lifecycle_task_done(&mut self, index: u32) {
        match self.workers[index as usize].state {
            State::Booting(slices) => self.imported(index, slices - 1),
            State::Filling(pieces) => self.filled(index, pieces - 1),
            State::EndingThreads(closing) => self.unmap(index, closing),
            State::Unmapping(closing) => self.unmapped(index, closing),
            State::Freeing(closing) => self.freed(index, closing),
            State::Closed => self.torn_down(index),
            State::Opening | State::Up | State::Gone => {}
        }
    }

    /// A slice of a worker's boot is done, and `left` are left: it has grown.
    fn imported(&mut self, index: u32, left: u32) {
        if !self.grow(index, State::Booting(left)) {
            return;
        }
        let worker = &mut self.workers[index as usize];
        match left {
            0 if self.postmaster.is_opening_pool_of(index, worker.life) => {
                worker.state = State::Opening
            }
            0 => self.filled(index, MEMORY_PIECES),
            _ => self.boot_on(index),
        }
        if left == PONGS_AT_SLICE {
            self.ponged(index);
        }
    }

    /// The pool of a booting worker is open.
    pub(in crate::model) fn has_pool(&mut self, index: u32) {
        if self.workers[index as usize].state == State::Opening {
            self.filled(index, MEMORY_PIECES);
        }
    }

    /// The worker has `left` pieces of its late memory left to touch. After the last it takes
    /// traffic.
    fn filled(&mut self, index: u32, left: u32) {
        let touching = self.touching(self.site.server.late_memory);
        let left = if touching.is_zero() { 0 } else { left };
        if !self.grow(index, State::Filling(left)) {
            return;
        }
        if left == 0 {
            self.come_up(index)
        } else {
            self.start_lifecycle_task(index, touching.scaled(1.0 / f64::from(MEMORY_PIECES)));
        }
    }

    /// CPU of the kernel until a process has `bytes` more.
    pub(super) fn touching(&self, bytes: Bytes) -> Span {
        let each = self.site.server.touch_cpu;
        if each.is_zero() { each } else { each.scaled(bytes.as_mib()) }
    }

    /// How many connections a worker opens while it boots.
    fn pool_at_start(&self) -> u32 {
        let server = &self.site.server;
        server.connections.limit.filter(|_| server.opens_pool).unwrap_or(0)
    }

    /// What a worker in `state` of its boot holds.
    fn grown(&self, state: State) -> Bytes {
        let server = &self.site.server;
        let late = server.late_memory.get();
        let first = server.first_request.memory.get();
        let early = server.worker_memory.get().saturating_sub(late + first);
        let part = |of: u64, left, all| of * u64::from(all - left) / u64::from(all);
        Bytes::new(match state {
            State::Booting(left) => part(early, left, BOOT_SLICES),
            State::Opening => early,
            State::Filling(left) => early + part(late, left, MEMORY_PIECES),
            State::Up
            | State::EndingThreads(_)
            | State::Unmapping(_)
            | State::Freeing(_)
            | State::Closed
            | State::Gone => early + late,
        })
    }

    /// A booting worker enters `state`, and holds what it does by then. Returns whether it survives
    /// that.
    fn grow(&mut self, index: u32, state: State) -> bool {
        let worker = &mut self.workers[index as usize];
        worker.state = state;
        let (life, resident) = (worker.life, worker.resident);
        let more = self.grown(state).saturating_sub(resident);
        self.occupy_by_and_by(index, life, more)
    }

    /// A booting worker takes `bytes` more. Where they do not fit it takes them piece by piece, so
    /// that the OOM killer takes a process that is larger than what the worker holds by then.
    /// Returns whether the worker survives.
    fn occupy_by_and_by(&mut self, index: u32, life: u64, bytes: Bytes) -> bool {
        if self.memory[WORKERS_HOST].has_room_for(bytes) {
            return self.occupy(index, life, bytes);
        }
        let piece = Bytes::new(bytes.get().div_ceil(u64::from(MEMORY_PIECES)));
        let mut left = bytes;
        while left > Bytes::ZERO {
            let now = left.min(piece);
            left -= now;
            if !self.occupy(index, life, now) {
                return false;
            }
        }
        true
    }

    /// The worker takes traffic.
    pub(super) fn come_up(&mut self, index: u32) {
        if !self.open_pool(index) {
            return;
        }
        self.workers[index as usize].state = State::Up;
        if self.site.server.on_oom == OnOom::Alone {
            self.open_socket();
        }
        if self.rules.one_queue {
            self.idle.push_back(index);
        }
    }

    /// The worker's pool is open, as far as the database grants connections. Returns whether the
    /// worker survives what that takes.
    fn open_pool(&mut self, index: u32) -> bool {
        let life = self.workers[index as usize].life;
        for _ in 0..self.pool_at_start() {
            if self.postgres.recovering || !self.postgres.open() {
                break;
            }
            self.workers[index as usize].pool.opened_idle();
            self.probe.levels.open_connections.rise(self.now, 1);
            self.take_memory(self.database_host, self.site.database.connection_memory);
            if self.workers[index as usize].life != life {
                return false;
            }
        }
        true
    }
}
