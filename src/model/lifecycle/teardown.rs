//! How a killed worker ends: its threads, its memory, its connections, and how its parent learns of
//! it.
//!
//! The memory of a process with one thread is free for others at once: while the kernel frees it,
//! processes that want memory wait, and no other is killed.

use rand::RngExt;

use super::oom::RESPAWN_PAUSE_S;
use crate::model::database::pool::Closing;
use crate::model::host_cores::HostCores;
use crate::model::scope::Scope;
use crate::model::tasks::Process;
use crate::model::traffic::sampling::below;
use crate::model::worker::process::State;
use crate::model::{Event, WORKERS_HOST, World};
use crate::resource::eevdf::TICK;
use crate::site::{OnOom, Sharing, WorkerKind};
use crate::units::{Bytes, Span};

/// CPU of the end of a thread. Assumed.
const THREAD_END_CPU: Span = Span::from_micros(20);

/// How much the kernel unmaps before it gives any of it back (`tlb_next_batch`: some 10,000 pages).
const UNMAPPED_AT_ONCE: Bytes = Bytes::from_mib(38);

/// CPU of the end of a process that holds next to nothing (measured, on an AMD EPYC).
const EXIT_CPU: Span = Span::from_micros(600);

impl<S: Scope> World<'_, S> {
    /// A killed worker, which held `held`, begins to end.
    pub(super) fn start_teardown(&mut self, index: u32, held: Bytes, closing: Closing) {
        let freeing = self.freeing(held);
        match self.site.server.kind {
            WorkerKind::Threads { threads, .. } if !freeing.is_zero() => {
                self.end_threads(index, threads, held, closing);
            }
            _ => self.free(index, freeing, closing),
        }
    }

    /// CPU of the kernel to free `held`.
    fn freeing(&self, held: Bytes) -> Span {
        self.site.server.exit_cpu.scaled(held.as_mib())
    }

    /// The kernel frees what a killed worker held.
    fn free(&mut self, index: u32, freeing: Span, closing: Closing) {
        self.workers[index as usize].state = State::Freeing(closing);
        match freeing.is_zero() {
            true => self.freed(index, closing),
            false => self.start_lifecycle_task(index, freeing),
        }
    }

    /// The threads of a killed worker end, each in its own time; what it held stays until then.
    fn end_threads(&mut self, index: u32, threads: u32, held: Bytes, closing: Closing) {
        let worker = &mut self.workers[index as usize];
        (worker.state, worker.to_free) = (State::EndingThreads(closing), held);
        self.use_memory(WORKERS_HOST, held);
        self.start_lifecycle_task(index, THREAD_END_CPU * u64::from(threads));
    }

    /// The last thread of a killed worker ends, and gives back the first batch of its memory.
    pub(super) fn unmap(&mut self, index: u32, closing: Closing) {
        let worker = &mut self.workers[index as usize];
        let batch = worker.to_free.min(UNMAPPED_AT_ONCE);
        worker.state = State::Unmapping(closing);
        self.start_lifecycle_task(index, self.freeing(batch));
    }

    /// Whether a process that waits for memory has a core before a task is done that takes `alone`:
    /// another core, or the same one, which the task loses at the first tick after its slice.
    fn waiter_runs_before(&mut self, alone: Span) -> bool {
        let slice = match self.site.host.sharing {
            Sharing::Slices { slice } => slice,
            Sharing::Fair => Span::ZERO,
        };
        let exposed = alone.saturating_sub(slice).as_secs() / TICK.as_secs();
        self.site.host.cores > 1 || self.streams.in_time.random::<f64>() < exposed
    }

    /// The first batch of a killed worker's memory is back. A process that waited for memory and
    /// had a core meanwhile found none that was about to end: the kernel does not see a process
    /// whose main thread is gone and whose last one is at its end (`css_task_iter`), and kills
    /// another.
    pub(super) fn unmapped(&mut self, index: u32, closing: Closing) {
        let worker = &mut self.workers[index as usize];
        worker.state = State::Freeing(closing);
        let first = worker.to_free.min(UNMAPPED_AT_ONCE);
        if self.waiter_runs_before(self.cores[WORKERS_HOST].alone(self.freeing(first))) {
            self.relieve_memory(WORKERS_HOST);
        }
        let worker = &mut self.workers[index as usize];
        worker.to_free -= first;
        let rest = worker.to_free;
        self.give_memory(WORKERS_HOST, first);
        self.relieve_memory(WORKERS_HOST);
        self.free(index, self.freeing(rest), closing);
    }

    /// The memory of a killed worker is free. Now its connections close, and the database processes
    /// at their other ends are woken before the worker's own end is over.
    pub(in crate::model) fn freed(&mut self, index: u32, closing: Closing) {
        let rest = std::mem::take(&mut self.workers[index as usize].to_free);
        self.give_memory(WORKERS_HOST, rest);
        if self.site.server.exit_cpu.is_zero() {
            self.end_backends(closing);
            return self.torn_down(index);
        }
        // It closes one after the other, until a database process that it woke gets the core: any
        // of them.
        let count = closing.count() as usize;
        let woken = below(&mut self.streams.closing, count + 1) as u32;
        let first = Closing { used: woken.min(closing.used), unused: 0 };
        let first = Closing { unused: woken - first.used, ..first };
        self.end_backends(first);
        self.workers[index as usize].state = State::Closed;
        self.start_lifecycle_task(index, EXIT_CPU);
        let (used, unused) = (closing.used - first.used, closing.unused - first.unused);
        self.end_backends(Closing { used, unused });
    }

    /// A killed worker is gone. gunicorn's arbiter learns of it at once; uvicorn's supervisor will
    /// see it.
    pub(super) fn torn_down(&mut self, index: u32) {
        self.workers[index as usize].state = State::Gone;
        if self.site.server.on_oom != OnOom::Polled {
            let starts = self.now.max(self.forks_from);
            let pause = Span::from_secs(self.streams.respawn.random::<f64>() * RESPAWN_PAUSE_S);
            self.forks_from = starts + pause;
            self.agenda.at(starts, Event::Start(index));
        }
    }

    /// The database processes of closed connections have to end.
    pub(super) fn end_backends(&mut self, closing: Closing) {
        let (used, unused) = (self.site.database.close_cpu, self.site.database.unused_close_cpu);
        let (host, backend) = (self.database_host, Some(Process::DATABASE));
        (0..closing.used).for_each(|_| self.run_in_background(host, backend, used));
        (0..closing.unused).for_each(|_| self.run_in_background(host, backend, unused));
    }
}
