//! uvicorn's parent process, the supervisor: every half a second it checks its workers, one after
//! the other, so that it may find out late that one was killed.

use rand::RngExt;

use super::boot::BOOT_SLICES;
use crate::model::scope::Scope;
use crate::model::tasks::{Process, Task};
use crate::model::worker::process::State;
use crate::model::{Event, WORKERS_HOST, World};
use crate::units::{Span, Time};

/// How often it checks its workers (uvicorn 0.54, `supervisors/multiprocess.py`).
const CHECK_INTERVAL: Span = Span::from_millis(500);

/// How long it waits for a worker's pong. It does not notice before that that a pinged worker was
/// killed, since it holds both ends of the pipe between them (same file).
const PING_TIMEOUT: Span = Span::from_millis(5_000);

/// For how long before it is killed a worker answers no ping: the kernel looks for memory to
/// reclaim in the middle of what the worker does, which holds its GIL, before it kills. Measured: a
/// memory cgroup stands at its limit for 48 ms before each of 46 kills, on average (four workers of
/// `sync-w4-ballast100-m400`, on an AMD EPYC).
const UNRESPONSIVE_BEFORE_KILL: Span = Span::from_millis(50);

/// CPU that the supervisor takes to wake up and begin a check. It does not come to that while the
/// database processes of a killed worker's connections have the cores; by then that worker is gone.
/// Traced: 0.04 to 0.25 ms (`async-oom-c1` at 110/s, on an AMD EPYC).
const CHECK_CPU: Span = Span::from_micros(200);

/// CPU of a worker to answer a ping: a thread of its own reads it and writes the pong. Measured: of
/// 99 pings in a loop of kills (`async-oom-c1` at 110/s, on an AMD EPYC), an idle worker answers
/// within 0.2 to 0.5 ms and a busy one in 6 ms, but in up to 180 ms where it has to share its core
/// with the ends of 150 connections' processes.
const PONG_CPU: Span = Span::from_micros(300);

/// With more slices of its boot left than this a worker answers no ping: it has not loaded uvicorn
/// yet. That this is half of its boot is assumed.
pub(super) const PONGS_AT_SLICE: u32 = BOOT_SLICES / 2;

/// How far the supervisor is with checking its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum HealthCheck {
    /// No check is of note: all its workers are up.
    Idle {
        /// When the last one ended, if there was one.
        last: Option<Time>,
    },
    /// The next check is on the agenda.
    Scheduled {
        /// When.
        at: Time,
    },
    /// It wakes up for a check, or is at one.
    Running,
    /// It waits for a worker's pong.
    AwaitingPong {
        /// Which worker.
        worker: u32,
        /// Until when at most.
        until: Time,
    },
}

impl<S: Scope> World<'_, S> {
    /// Worker `index` is killed. Unless it is looking already, the supervisor will find out at its
    /// next check; if it has just pinged that worker, it waits in vain for the pong first.
    pub(super) fn schedule_discovery(&mut self, index: u32) {
        let HealthCheck::Idle { last } = self.health_check else { return };
        let since_check = match last {
            // It starts a worker at a check, and that one is killed about as long after as others
            // were: in a loop of kills all of them come in step with the checks.
            Some(last) => (self.now - last) % CHECK_INTERVAL,
            None => CHECK_INTERVAL.scaled(self.streams.health_check.random::<f64>()),
        };
        let at = self.now + CHECK_INTERVAL.saturating_sub(since_check);
        if self.workers[index as usize].state == State::Up && since_check < UNRESPONSIVE_BEFORE_KILL
        {
            let until = self.now + (PING_TIMEOUT - since_check);
            self.health_check = HealthCheck::AwaitingPong { worker: index, until };
            self.agenda.at(until, Event::PingTimeout(index));
        } else {
            self.schedule_check(at);
        }
    }

    fn schedule_check(&mut self, at: Time) {
        self.health_check = HealthCheck::Scheduled { at };
        self.agenda.at(at, Event::HealthCheck);
    }

    /// The scheduled check is due, unless another has begun meanwhile.
    pub(in crate::model) fn wake_supervisor(&mut self) {
        if self.health_check == (HealthCheck::Scheduled { at: self.now }) {
            self.health_check = HealthCheck::Running;
            let (task, process) = (Task::HEALTH_CHECK, Process::SUPERVISOR);
            self.start_apart(WORKERS_HOST, task, process, CHECK_CPU);
        }
    }

    /// The supervisor is awake, and checks all its workers.
    pub(in crate::model) fn run_check(&mut self) {
        self.check_from(0);
    }

    /// Checks the workers from `first` on: starts those that are gone, up to the first process,
    /// which it pings. Once all are through, it schedules the next check if any is not up yet.
    fn check_from(&mut self, first: u32) {
        // It awaits no pong: a worker that boots in no time answers while it is started.
        self.health_check = HealthCheck::Running;
        for index in first..self.site.server.workers {
            match self.workers[index as usize].state {
                State::Gone => self.start(index),
                state => return self.ping(index, state),
            }
        }
        let all_up = self.workers.iter().all(|worker| worker.state == State::Up);
        if all_up {
            self.health_check = HealthCheck::Idle { last: Some(self.now) };
        } else {
            self.schedule_check(self.now + CHECK_INTERVAL);
        }
    }

    /// The supervisor pings a worker and waits for its pong, which takes a thread of the worker
    /// some CPU. One that is killed and not yet gone, or has not loaded uvicorn yet, does not
    /// answer.
    fn ping(&mut self, index: u32, state: State) {
        let until = self.now + PING_TIMEOUT;
        self.health_check = HealthCheck::AwaitingPong { worker: index, until };
        self.agenda.at(until, Event::PingTimeout(index));
        match state {
            State::EndingThreads(_)
            | State::Unmapping(_)
            | State::Freeing(_)
            | State::Closed
            | State::Gone => {}
            State::Booting(slices) if slices > PONGS_AT_SLICE => {}
            State::Booting(_) | State::Opening | State::Filling(_) | State::Up => {
                let (task, process) = (Task::pong(index), Process::worker(index));
                self.start_apart(WORKERS_HOST, task, process, PONG_CPU);
            }
        }
    }

    /// A worker has answered, or has booted far enough to: if the supervisor waits for it, it goes
    /// on to the next worker.
    pub(in crate::model) fn ponged(&mut self, index: u32) {
        if matches!(self.health_check, HealthCheck::AwaitingPong { worker, .. } if worker == index)
        {
            self.check_from(index + 1);
        }
    }

    /// If a worker has not answered in time, what is left of it is killed, and it is started again.
    pub(in crate::model) fn ping_timed_out(&mut self, index: u32) {
        if self.health_check == (HealthCheck::AwaitingPong { worker: index, until: self.now }) {
            if self.workers[index as usize].state != State::Gone {
                self.end_worker(index);
                self.relieve_memory(WORKERS_HOST);
            }
            self.check_from(index);
        }
    }
}
