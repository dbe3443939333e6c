//! Cores as Linux shares them: each runs one task at a time, and gives each its slice. A core that
//! was idle for long has gone cold.
//!
//! Which task runs next on a core is for its run queue to say. It is asked when a thread wakes up
//! on the core, when the running thread falls asleep, and once a tick; and among threads of one
//! session as soon as a slice is over, since the kernel looks there whenever a thread asks for its
//! own CPU time (`task_sched_runtime`), as the testbed's do every few microseconds.
//!
//! A thread that wakes up finds an idle core at once, or else the one that its waker is about to
//! leave. A thread that had to wait for a busy core stays there when another falls idle, until that
//! one looks for work, once a tick: on Linux 6.18 a core that falls idle mostly does not look
//! (`NI_RANDOM`: no more often than it found something before; of 478 times that there was
//! something, it took it 58 times, with gunicorn on two cores, a third busy).

use std::collections::BTreeMap;

use super::eevdf::TICK;
use super::run_queue::{RunQueue, Runner};
use crate::units::{Span, Time};

/// How cores go cold while they are idle: after a time t by the share 1 - e^(-t / over).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoreCooling {
    /// What the first task on a core that has gone cold takes beyond its work.
    pub most: Span,
    /// The time it takes to get most of the way there. Above zero.
    pub over: Span,
}

/// Some cores, and the tasks on them. A task is a number of the caller's.
#[derive(Debug, Clone)]
pub struct Sliced {
    speed: f64,
    cooling: Option<CoreCooling>,
    cores: Vec<Core>,
    /// The core that each process last ran on. There are no more entries than processes have
    /// numbers, which the caller uses again once the old ones are gone.
    homes: BTreeMap<u32, usize>,
    next_change: Time,
    /// When an idle core last looked for a task that waits for another core.
    looked: Time,
    /// By how many more cores are busy since the last change.
    busier: i32,
    /// Until when no task makes progress.
    stalled: Time,
}

/// A core, and the tasks that want it.
#[derive(Debug, Clone)]
struct Core {
    queue: RunQueue,
    /// The tasks that wait for it, in the order in which they came.
    waiting: Vec<Job>,
    running: Option<Job>,
    /// When the running task began to run; where none runs, when the core fell idle.
    since: Time,
    /// The last tick that was of any use to it.
    ticked: Time,
    /// A thread has woken up that may be to run instead of the running one, which may be about to
    /// fall asleep (TIF_NEED_RESCHED).
    resched: bool,
}

impl Core {
    /// Whether the running thread is about to fall asleep, and none waits.
    fn will_be_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_some_and(|job| job.done)
    }
}

/// A task that a thread has to do.
#[derive(Debug, Clone, Copy)]
struct Job {
    task: u32,
    process: u32,
    runner: Runner,
    /// What the task still needed when it last began to run.
    work: Span,
    /// Whether it is done: its thread falls asleep unless it has more to do at this instant.
    done: bool,
}

impl Sliced {
    /// `cores` idle cores (at least one) of speed `speed` (above zero), shared in slices of `slice`
    /// (above zero).
    pub fn new(cores: u32, speed: f64, slice: Span, cooling: Option<CoreCooling>) -> Sliced {
        assert!(cores > 0 && speed > 0.0 && speed.is_finite(), "{cores} cores of speed {speed}");
        assert!(!slice.is_zero(), "a slice takes time");
        let queue = RunQueue::new(slice);
        let idle = Core {
            queue,
            waiting: Vec::new(),
            running: None,
            since: Time::ZERO,
            ticked: Time::ZERO,
            resched: false,
        };
        Sliced {
            speed,
            cooling,
            cores: vec![idle; cores as usize],
            homes: BTreeMap::new(),
            next_change: Time::NEVER,
            looked: Time::ZERO,
            busier: 0,
            stalled: Time::ZERO,
        }
    }

    /// Starts `task` of `process` (a number of the caller's), which `runner` has to do and which
    /// needs `work` on a warm core of speed 1. If it `stays`, it does so on the core that the
    /// process last ran on, even if that is busy and another is not. Returns whether one more core
    /// is busy with it.
    pub fn start(
        &mut self,
        now: Time,
        (task, process): (u32, u32),
        runner: Runner,
        work: Span,
        stays: bool,
    ) -> bool {
        let mut job = Job { task, process, runner, work, done: false };
        let on = |core: &Core| core.running.is_some_and(|it| it.done && it.runner == runner);
        if let Some(index) = self.cores.iter().position(on) {
            (self.cores[index].running, self.cores[index].since) = (Some(job), self.begins(now));
            if std::mem::take(&mut self.cores[index].resched) {
                self.switch(now, index);
            }
            self.look_ahead(now);
            return false;
        }
        let has = |job: &Job| !job.done && job.runner == runner;
        debug_assert!(!self.jobs().any(has), "a thread does one thing at a time: {job:?}");
        let index = self.core_for(process, runner, stays);
        let idle = self.cores[index].running.is_none();
        if idle {
            let asleep = now - self.cores[index].since;
            let cold = |it: CoreCooling| it.most.scaled(asleep.decayed_share(it.over));
            job.work += self.cooling.map_or(Span::ZERO, cold);
        }
        self.cores[index].waiting.push(job);
        let core = &mut self.cores[index];
        core.resched |= core.queue.wake(runner, now);
        let may_sleep = core.running.is_some_and(|running| running.done);
        if idle || !may_sleep && core.resched {
            self.switch(now, index);
        }
        self.look_ahead(now);
        idle
    }

    fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.cores.iter().flat_map(|core| core.running.iter().chain(&core.waiting))
    }

    /// The core that a thread wakes up on: the one where it is still in the queue; else the one its
    /// process last ran on, if that is idle, or the one that fell idle last; and where none is
    /// idle, that of its waker, if that is about to fall asleep and no other waits there
    /// (`wake_affine_idle`: what comes through a socket is a wake-up of that kind), or else its
    /// process's.
    fn core_for(&self, process: u32, runner: Runner, stays: bool) -> usize {
        if let Some(index) = self.cores.iter().position(|core| core.queue.is_delayed(runner.thread))
        {
            return index;
        }
        let home = self.homes.get(&process).copied();
        let home = home.unwrap_or(process as usize % self.cores.len());
        if stays {
            return home;
        }
        let idle = self.cores.iter().enumerate().filter(|(_, core)| core.running.is_none());
        let best = |(index, core): &(usize, &Core)| (*index == home, core.since);
        let waker = || self.cores.iter().position(|core| core.will_be_idle()).unwrap_or(home);
        idle.max_by_key(best).map_or_else(waker, |(index, _)| index)
    }

    /// Lets the core run the task that its queue picks.
    fn switch(&mut self, now: Time, index: usize) {
        self.cores[index].resched = false;
        let next = self.cores[index].queue.pick(now);
        let before = self.cores[index].running;
        if next.is_some() && before.map(|job| job.runner.thread) == next {
            return;
        }
        if let Some(job) = before.filter(|job| !job.done) {
            let work = job.work.saturating_sub(self.done_since(self.cores[index].since, now));
            self.cores[index].waiting.push(Job { work, ..job });
        }
        let begins = self.begins(now);
        let core = &mut self.cores[index];
        let at = core.waiting.iter().position(|job| Some(job.runner.thread) == next);
        (core.running, core.since) = (at.map(|at| core.waiting.remove(at)), now);
        if let Some(job) = core.running {
            core.since = begins;
            self.homes.insert(job.process, index);
        }
    }

    /// An idle core takes the task that has waited for longest at the core with the most waiting.
    fn pull(&mut self, now: Time) {
        let idle = self.cores.iter().position(|core| core.running.is_none());
        let idle = idle.expect("only an idle core resched for work");
        let busiest = self.cores.iter_mut().max_by_key(|core| core.waiting.len());
        let busiest = busiest.filter(|core| !core.waiting.is_empty());
        if let Some(core) = busiest {
            let job = core.waiting.remove(0);
            core.queue.leave(job.runner, now);
            self.cores[idle].waiting.push(job);
            self.cores[idle].queue.wake(job.runner, now);
            self.switch(now, idle);
            self.busier = 1;
        }
        self.look_ahead(now);
    }

    /// When a task will be done, or something else changes, if nothing happens before;
    /// [`Time::NEVER`] where none runs.
    #[inline]
    pub fn next_change(&self) -> Time {
        self.next_change
    }

    /// What happens at `now`, which must be [`Sliced::next_change`]: a task is done, and returned;
    /// or a thread falls asleep, a tick comes, or an idle core takes a task over.
    pub fn change(&mut self, now: Time) -> Option<u32> {
        self.busier = 0;
        let done = match self.cores.iter().position(|core| self.due(core, now) <= now) {
            Some(index) => self.core_changes(now, index),
            None => {
                self.looked = now;
                self.pull(now);
                None
            }
        };
        self.look_ahead(now);
        done
    }

    /// Something is due on a core: its task is done, the task's thread falls asleep, or the tick
    /// comes.
    fn core_changes(&mut self, now: Time, index: usize) -> Option<u32> {
        let job = self.cores[index].running.expect("what is due runs");
        if job.done {
            self.fall_asleep(now, index, job);
            return None;
        }
        let core = &mut self.cores[index];
        if core.since + alone(self.speed, job.work) <= now {
            (core.running, core.since) = (Some(Job { done: true, ..job }), now);
            return Some(job.task);
        }
        core.ticked = core.ticked.max(now);
        if core.queue.tick(now) {
            self.switch(now, index);
        }
        None
    }

    /// The thread that a core ran falls asleep, and it runs another.
    fn fall_asleep(&mut self, now: Time, index: usize, job: Job) {
        let core = &mut self.cores[index];
        core.queue.sleep(job.runner, now);
        (core.running, core.since) = (None, now);
        self.switch(now, index);
        self.busier = if self.cores[index].running.is_none() { -1 } else { 0 };
    }

    /// By how many more cores are busy after the last change: -1, 0 or 1.
    pub fn busier(&self) -> i32 {
        self.busier
    }

    /// Takes `task` off before it is done. Returns how much work it still needed, and whether one
    /// core fewer is busy without it; `None` if it is not there.
    pub fn stop(&mut self, now: Time, task: u32) -> Option<(Span, bool)> {
        let is = |job: &Job| job.task == task && !job.done;
        let found = self.cores.iter().position(|core| core.running.as_ref().is_some_and(is));
        let stopped = match found {
            Some(index) => {
                let job = self.cores[index].running?;
                let left = job.work.saturating_sub(self.done_since(self.cores[index].since, now));
                self.fall_asleep(now, index, job);
                (left, self.busier < 0)
            }
            None => (self.unqueue(now, task)?, false),
        };
        self.look_ahead(now);
        Some(stopped)
    }

    /// Takes a waiting `task` off its core.
    fn unqueue(&mut self, now: Time, task: u32) -> Option<Span> {
        self.cores.iter_mut().find_map(|core| {
            let at = core.waiting.iter().position(|job| job.task == task)?;
            let job = core.waiting.remove(at);
            core.queue.leave(job.runner, now);
            Some(job.work)
        })
    }

    /// How long `work` takes with a warm core of its own.
    pub fn alone(&self, work: Span) -> Span {
        alone(self.speed, work)
    }

    /// How much work a task has had done that began to run at `since`.
    fn done_since(&self, since: Time, now: Time) -> Span {
        (now.max(since) - since).scaled(self.speed)
    }

    /// When a task that runs from `now` on begins to make progress.
    fn begins(&self, now: Time) -> Time {
        now.max(self.stalled)
    }

    /// For `span` from `now` on no task makes progress, though the cores are busy.
    pub fn stall(&mut self, now: Time, span: Span) {
        let until = now + span;
        for index in 0..self.cores.len() {
            let since = self.cores[index].since;
            let done = self.done_since(since, now);
            let core = &mut self.cores[index];
            if let Some(job) = core.running.as_mut().filter(|job| !job.done) {
                job.work = job.work.saturating_sub(done);
                core.since = until;
            }
        }
        self.stalled = until;
        self.look_ahead(now);
    }

    /// When the task on `core` is done or, if others wait, the tick comes.
    fn due(&self, core: &Core, now: Time) -> Time {
        let Some(job) = core.running else { return Time::NEVER };
        if job.done {
            return core.since;
        }
        let done = core.since + self.alone(job.work);
        match core.waiting.is_empty() {
            true => done,
            false => done.min(tick_after(core.ticked, now)).min(core.queue.slice_ends().max(now)),
        }
    }

    /// Works out when the next change is due.
    fn look_ahead(&mut self, now: Time) {
        let due = self.cores.iter().map(|core| self.due(core, now));
        let due = due.min().unwrap_or(Time::NEVER);
        let somebody_waits = self.cores.iter().any(|core| !core.waiting.is_empty());
        let finds_work = somebody_waits && self.cores.iter().any(|core| core.running.is_none());
        let looks = if finds_work { tick_after(self.looked, now) } else { Time::NEVER };
        self.next_change = due.min(looks);
    }
}

fn alone(speed: f64, work: Span) -> Span {
    work.scaled(1.0 / speed)
}

/// The first tick after the one at `last` that is not before `now`.
fn tick_after(last: Time, now: Time) -> Time {
    let from = now.max(last + Span::from_nanos(1));
    Time::ZERO + TICK * (from - Time::ZERO).as_nanos().div_ceil(TICK.as_nanos())
}

#[cfg(test)]
mod tests;
