//! PostgreSQL's postmaster, which forks the processes of connections one at a time. So a pool that
//! is opened at once leaves part of the cores to other work; 150 processes that all started
//! together would leave almost nothing.

use std::collections::VecDeque;

use crate::model::World;
use crate::model::scope::Scope;
use crate::model::tasks::{Process, Task};

/// What a new connection costs the postmaster, as a share of what one that is opened alone costs
/// the database. Many in a row cost less, since the code for them is warm. Traced: 0.56 ms for the
/// postmaster and 1.5 ms for the process that it forks, on average of 3,900 that pools opened,
/// where one alone costs 2.8 (`async-oom-c1` at 110/s and `sync-w5-noconnreuse-c1` at 5/s, on an
/// AMD EPYC).
const FORKING: f64 = 0.2;
/// What it costs the process that is forked, as a share of the same (see [`FORKING`]).
const REST: f64 = 0.54;

/// The pools that it has yet to fork processes for, each in turn: workers that boot at once ask by
/// turns as well. What a killed worker has asked for waits in the listening socket, and is forked
/// too.
#[derive(Debug, Default)]
pub(in crate::model) struct Postmaster {
    pools: VecDeque<PoolRequest>,
}

/// Connections still wanted by a worker in one of its lives.
#[derive(Debug, Clone, Copy)]
struct PoolRequest {
    worker: u32,
    life: u64,
    left: u32,
}

impl Postmaster {
    /// Whether it has yet to fork processes for a worker in one of its lives.
    pub(in crate::model) fn is_opening_pool_of(&self, worker: u32, life: u64) -> bool {
        self.pools.iter().any(|request| (request.worker, request.life) == (worker, life))
    }
}

impl<S: Scope> World<'_, S> {
    /// A booting worker asks for `count` connections at once.
    pub(in crate::model) fn ask_for_pool(&mut self, worker: u32, count: u32) {
        if count == 0 || self.site.database.connect_cpu.is_zero() {
            return;
        }
        let is_idle = self.postmaster.pools.is_empty();
        let life = self.workers[worker as usize].life;
        self.postmaster.pools.push_back(PoolRequest { worker, life, left: count });
        if is_idle {
            self.fork();
        }
    }

    fn fork(&mut self) {
        let work = self.site.database.connect_cpu.scaled(FORKING);
        self.start_apart(self.database_host, Task::FORK, Process::DATABASE, work);
    }

    /// The process of a connection is forked, and does the rest. With the last one of a pool the
    /// worker goes on, if it is alive.
    pub(in crate::model) fn forked(&mut self) {
        let rest = self.site.database.connect_cpu.scaled(REST);
        self.run_in_background(self.database_host, Some(Process::DATABASE), rest);
        let Some(PoolRequest { worker, life, left }) = self.postmaster.pools.pop_front() else {
            return;
        };
        let left = left - 1;
        if left > 0 {
            self.postmaster.pools.push_back(PoolRequest { worker, life, left });
        }
        if !self.postmaster.pools.is_empty() {
            self.fork();
        }
        if left == 0 && self.workers[worker as usize].life == life {
            self.has_pool(worker);
        }
    }
}
