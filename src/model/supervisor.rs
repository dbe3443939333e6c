//! uvicorn's parent process, which looks after its workers every half a second, one after the
//! other, and so may find out late that one was killed.

use rand::RngExt;

use super::boot::BOOT_SLICES;
use super::scope::Scope;
use super::tasks::{HEALTH_CHECK, PONG, SUPERVISOR};
use super::worker::State;
use super::{Event, WORKERS_HOST, World};
use crate::units::{Span, Time};

/// How often it looks after its workers (uvicorn 0.54, `supervisors/multiprocess.py`).
const CHECK_INTERVAL: Span = Span::from_millis(500);

/// How long it waits for a worker to say that it is well. One that is killed meanwhile is not
/// missed before that, since the parent holds both ends of the pipe between them (as above).
const PING_TIMEOUT: Span = Span::from_millis(5_000);

/// How long before it is killed a worker says nothing any more: the kernel looks for memory to
/// reclaim in the middle of what the worker does, which holds its GIL, before it kills. Measured: a
/// memory cgroup stands at its limit for 48 ms before each of 46 kills, on average (four workers of
/// `sync-w4-ballast100-m400`, on an AMD EPYC).
const UNRESPONSIVE_BEFORE_KILL: Span = Span::from_millis(50);

/// What it takes the parent to wake up and look. It does not come to that while the processes of a
/// killed worker's connections have the cores: by then that worker is gone. Traced: 0.04 to 0.25 ms
/// (`async-oom-c1` at 110/s, on an AMD EPYC).
const CHECK_CPU: Span = Span::from_micros(200);

/// What it costs a worker to say so: a thread of its own reads the question and writes the answer.
/// Measured: an idle worker answers within 0.2 to 0.5 ms, and a busy one in 6 ms, of 99 times that
/// its parent asked in a loop of kills (`async-oom-c1` at 110/s, on an AMD EPYC), but in up to
/// 180 ms where it has to share its core with the ends of 150 connections' processes.
const PONG_CPU: Span = Span::from_micros(300);

/// With more slices of its boot left than this a worker cannot say that it is well: it has not
/// loaded uvicorn yet. That this is half of its boot is assumed.
pub(super) const PONGS_AT_SLICE: u32 = BOOT_SLICES / 2;

/// What uvicorn's parent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthCheck {
    /// Nothing of note: all its workers are up.
    Idle {
        /// When it last looked, once it has.
        last: Option<Time>,
    },
    /// It will look after its workers.
    Scheduled {
        /// When.
        at: Time,
    },
    /// It wakes up for that, or does it.
    Running,
    /// It waits for word from a worker.
    AwaitingPong {
        /// Which one.
        worker: u32,
        /// How long at most.
        until: Time,
    },
}

impl<S: Scope> World<'_, S> {
    /// A worker is killed, the first for a while: sooner or later the parent will find out. If it
    /// has just asked that worker how it is, it waits in vain for an answer first.
    pub(super) fn schedule_discovery(&mut self, index: u32) {
        let HealthCheck::Idle { last } = self.health_check else { return };
        let since_check = match last {
            // It starts a worker when it looks, and that is killed about as long after as others
            // were: in a loop of kills they all come in step with its looking.
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

    /// It is time for the parent to look after its workers, unless it waits for one of them.
    pub(super) fn wake_supervisor(&mut self) {
        if self.health_check == (HealthCheck::Scheduled { at: self.now }) {
            self.health_check = HealthCheck::Running;
            self.start_apart(WORKERS_HOST, HEALTH_CHECK, SUPERVISOR, CHECK_CPU);
        }
    }

    /// The parent is awake, and looks after all its workers.
    pub(super) fn run_check(&mut self) {
        self.check_from(0);
    }

    /// The parent looks after its workers, from `first` on: it starts those that are gone, and
    /// waits for word from those that live.
    fn check_from(&mut self, first: u32) {
        // One that boots in no time has word at once, and nobody waits for it.
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

    /// The parent asks a worker how it is, and waits for its answer. That takes a thread of the
    /// worker some CPU, and somewhere to compute; one that has been killed and is not yet gone, or
    /// is not yet there, says nothing.
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
                self.start_apart(WORKERS_HOST, PONG | index, index, PONG_CPU);
            }
        }
    }

    /// A booting worker can say that it is well: who waited for that goes on.
    pub(super) fn ponged(&mut self, index: u32) {
        if matches!(self.health_check, HealthCheck::AwaitingPong { worker, .. } if worker == index)
        {
            self.check_from(index + 1);
        }
    }

    /// A worker has said nothing for too long: what is left of it is killed, and it starts again.
    pub(super) fn ping_timed_out(&mut self, index: u32) {
        if self.health_check == (HealthCheck::AwaitingPong { worker: index, until: self.now }) {
            if self.workers[index as usize].state != State::Gone {
                self.end_worker(index);
                self.relieve_memory(WORKERS_HOST);
            }
            self.check_from(index);
        }
    }
}
