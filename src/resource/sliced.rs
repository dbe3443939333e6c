//! Cores as Linux shares them: each runs one task at a time, and what wakes up waits until the
//! one that runs has had its slice. A core that was idle for long has gone cold.
//!
//! For tasks much longer than a slice this is [`super::cores`], fair shares; a task shorter than
//! one waits for others' slices where fair shares would let it through at half the speed.
//!
//! What wakes up finds an idle core at once. What had to wait for a busy one stays there when another
//! falls idle, until that looks for work, once a tick: on Linux 6.18 a core that falls idle mostly
//! does not look (`NI_RANDOM`: no more often than it found something before; of 478 times that there
//! was something, it took it 58 times, with gunicorn on two cores, a third busy).

use std::collections::{BTreeMap, VecDeque};

use crate::units::{Span, Time};

/// How cores and what runs on them go cold: after a time t they have by the share 1 - e^(-t /
/// over).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cooling {
    /// What the first task on a core that has gone cold while it was idle takes beyond its work.
    pub most: Span,
    /// How many times more code costs that has gone cold, beyond what it costs warm.
    pub code: f64,
    /// The time it takes to get most of the way there. Above zero.
    pub over: Span,
}

/// What a task does that wakes up where its own core is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waking {
    /// It stays there, and does not look for an idle core.
    pub stays: bool,
    /// Where it finds none it takes over at once; what ran there goes on behind it.
    pub preempts: bool,
}

/// How often a core without work looks for some: CONFIG_HZ is 250 in the kernels of Debian, Ubuntu
/// and the testbed.
const TICK: Span = Span::from_millis(4);

/// Some cores, and the tasks on them, in the order of a queue. A task is a number of the caller's.
#[derive(Debug, Clone)]
pub struct Sliced {
    speed: f64,
    slice: Span,
    cooling: Option<Cooling>,
    cores: Vec<Core>,
    /// The process that each task is of.
    processes: BTreeMap<u32, u32>,
    /// The core that each process last ran on.
    homes: BTreeMap<u32, usize>,
    next_change: Time,
    /// When an idle core finds something to do that waits for another.
    looks_at: Time,
    /// Whether the last change put a core to work that had none.
    woke: bool,
}

#[derive(Debug, Clone)]
struct Core {
    /// Tasks that wait for this core, with the work each still needs.
    queue: VecDeque<(u32, Span)>,
    /// What runs, and the work it needed at `since`.
    running: Option<(u32, Span)>,
    /// When it began to run; where nothing runs, when the core fell idle.
    since: Time,
}

impl Sliced {
    /// `cores` idle cores (at least one) of speed `speed` (above zero), shared in slices of `slice`
    /// (above zero).
    pub fn new(cores: u32, speed: f64, slice: Span, cooling: Option<Cooling>) -> Sliced {
        assert!(cores > 0 && speed > 0.0 && speed.is_finite(), "{cores} cores of speed {speed}");
        assert!(!slice.is_zero(), "a slice takes time");
        let idle = Core { queue: VecDeque::new(), running: None, since: Time::ZERO };
        Sliced {
            speed,
            slice,
            cooling,
            cores: vec![idle; cores as usize],
            processes: BTreeMap::new(),
            homes: BTreeMap::new(),
            next_change: Time::NEVER,
            looks_at: Time::NEVER,
            woke: false,
        }
    }

    /// Starts `task`, which `process` (a number of the caller's) has to do and which needs `work` on
    /// a warm core of speed 1. Returns whether one more core is busy with it.
    pub fn start(&mut self, now: Time, task: u32, process: u32, work: Span) -> bool {
        let home = self.home(process);
        self.begin(now, (task, process), (home, self.idle_for(home)), work)
    }

    /// The same for a task that wakes up in this way.
    pub fn wake(
        &mut self,
        now: Time,
        task: (u32, u32),
        work: Span,
        Waking { stays, preempts }: Waking,
    ) -> bool {
        let home = self.home(task.1);
        let idle = match stays {
            true => self.cores[home].running.is_none().then_some(home),
            false => self.idle_for(home),
        };
        if let (None, true, Some((other, all))) = (idle, preempts, self.cores[home].running) {
            let left = all.saturating_sub(self.done(now - self.cores[home].since));
            self.cores[home].queue.push_front((other, left));
            self.processes.insert(task.0, task.1);
            self.run(now, home, Some((task.0, work)));
            self.look_ahead(now);
            return false;
        }
        self.begin(now, task, (home, idle), work)
    }

    /// The core that `process` last ran on.
    fn home(&self, process: u32) -> usize {
        let home = self.homes.get(&process).copied();
        home.unwrap_or(process as usize % self.cores.len())
    }

    /// Begins `task` of a process on an idle core, or waits for that of its own.
    fn begin(
        &mut self,
        now: Time,
        (task, process): (u32, u32),
        (home, idle): (usize, Option<usize>),
        work: Span,
    ) -> bool {
        self.processes.insert(task, process);
        match idle {
            Some(index) => {
                let idle = now - self.cores[index].since;
                let most = self.cooling.map_or(Span::ZERO, |cooling| cooling.most);
                let work = work + most.scaled(self.coldness(idle));
                self.run(now, index, Some((task, work)));
            }
            None => self.cores[home].queue.push_back((task, work)),
        }
        self.look_ahead(now);
        idle.is_some()
    }

    /// The idle core that a task wakes up on: its own, or else the one that fell idle last.
    fn idle_for(&self, home: usize) -> Option<usize> {
        let idle = self.cores.iter().enumerate().filter(|(_, core)| core.running.is_none());
        let best = |(index, core): &(usize, &Core)| (*index == home, core.since);
        idle.max_by_key(best).map(|(index, _)| index)
    }

    /// Lets `core` run that.
    fn run(&mut self, now: Time, core: usize, task: Option<(u32, Span)>) {
        if let Some((task, _)) = task {
            let process = self.processes.get(&task).copied().unwrap_or(task);
            self.homes.insert(process, core);
        }
        (self.cores[core].running, self.cores[core].since) = (task, now);
    }

    /// An idle core takes what has waited for longest at the core with most to do.
    fn pull(&mut self, now: Time) {
        let idle = self.cores.iter().position(|core| core.running.is_none());
        let idle = idle.expect("only an idle core looks for work");
        let busiest = self.cores.iter_mut().max_by_key(|core| core.queue.len());
        let task = busiest.and_then(|core| core.queue.pop_front());
        self.woke = task.is_some();
        self.run(now, idle, task);
        self.look_ahead(now);
    }

    /// What `code` costs beyond its work where it has not run for so long, because its core slept
    /// or ran something else.
    pub fn chill(&self, code: Span, away: Span) -> Span {
        let times = self.cooling.map_or(0.0, |cooling| cooling.code);
        code.scaled(times * self.coldness(away))
    }

    /// How cold something has gone in such a time: 0 to 1.
    fn coldness(&self, away: Span) -> f64 {
        self.cooling.map_or(0.0, |Cooling { over, .. }| {
            -(-(away.as_nanos() as f64) / over.as_nanos() as f64).exp_m1()
        })
    }

    /// How many cores run nothing.
    pub fn idle(&self) -> usize {
        self.cores.iter().filter(|core| core.running.is_none()).count()
    }

    /// When a task will be done, or give way to another, if nothing changes; [`Time::NEVER`]
    /// where none runs.
    #[inline]
    pub fn next_change(&self) -> Time {
        self.next_change
    }

    /// What happens at `now`, which must be [`Sliced::next_change`]: a task is done, and returned
    /// with whether one core fewer is busy, or has had its slice and given way, or is taken over by
    /// an idle core.
    pub fn change(&mut self, now: Time) -> Option<(u32, bool)> {
        self.woke = false;
        if now >= self.looks_at {
            self.pull(now);
            return None;
        }
        let due = |core: &Core| self.due(core, now) <= now;
        let index = self.cores.iter().position(due).expect("something is due");
        let (task, work) = self.cores[index].running.expect("what is due runs");
        let left = work.saturating_sub(self.done(now - self.cores[index].since));
        let done = left.is_zero();
        if !done {
            self.cores[index].queue.push_back((task, left));
        }
        let next = self.cores[index].queue.pop_front();
        self.run(now, index, next);
        self.look_ahead(now);
        done.then_some((task, next.is_none()))
    }

    /// Whether the last change put a core to work that had none.
    pub fn woke(&self) -> bool {
        self.woke
    }

    /// Takes `task` off before it is done. Returns how much work it still needed, and whether one
    /// core fewer is busy without it; `None` where it is not there.
    pub fn stop(&mut self, now: Time, task: u32) -> Option<(Span, bool)> {
        let is = |other: &(u32, Span)| other.0 == task;
        let found = self.cores.iter().position(|core| core.running.as_ref().is_some_and(is));
        let stopped = match found {
            Some(index) => {
                let (_, work) = self.cores[index].running?;
                let left = work.saturating_sub(self.done(now - self.cores[index].since));
                let next = self.cores[index].queue.pop_front();
                self.run(now, index, next);
                (left, next.is_none())
            }
            None => (self.unqueue(task)?, false),
        };
        self.look_ahead(now);
        Some(stopped)
    }

    /// Takes `task` out of the queue it is in.
    fn unqueue(&mut self, task: u32) -> Option<Span> {
        self.cores.iter_mut().find_map(|core| {
            let at = core.queue.iter().position(|(other, _)| *other == task)?;
            core.queue.remove(at).map(|(_, left)| left)
        })
    }

    /// How long `work` takes with a warm core of its own.
    pub fn alone(&self, work: Span) -> Span {
        work.scaled(1.0 / self.speed)
    }

    /// The work done in `span`.
    fn done(&self, span: Span) -> Span {
        span.scaled(self.speed)
    }

    /// When what runs on `core` is done or, where others wait, gives way.
    fn due(&self, core: &Core, now: Time) -> Time {
        let Some((_, work)) = core.running else { return Time::NEVER };
        let done = core.since + self.alone(work);
        if core.queue.is_empty() {
            return done;
        }
        // Slices follow one another while a task runs, whether or not others wait.
        let ran = (now - core.since).as_nanos();
        let slices = ran.div_ceil(self.slice.as_nanos()).max(1);
        done.min(core.since + self.slice * slices)
    }

    fn look_ahead(&mut self, now: Time) {
        let due = self.cores.iter().map(|core| self.due(core, now));
        let due = due.min().unwrap_or(Time::NEVER);
        let somebody_waits = self.cores.iter().any(|core| !core.queue.is_empty());
        let finds_work = somebody_waits && self.cores.iter().any(|core| core.running.is_none());
        self.looks_at = if finds_work { next_tick(now) } else { Time::NEVER };
        self.next_change = due.min(self.looks_at);
    }
}

/// The first tick after `now`.
fn next_tick(now: Time) -> Time {
    Time::ZERO + TICK * ((now - Time::ZERO).as_nanos() / TICK.as_nanos() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * MS)
    }

    /// Runs everything to its end: which task is done when, in milliseconds.
    fn ends(cores: &mut Sliced) -> Vec<(u32, u64)> {
        let mut ends = Vec::new();
        while cores.next_change() < Time::NEVER {
            let now = cores.next_change();
            if let Some((task, _)) = cores.change(now) {
                ends.push((task, now.as_nanos() / MS));
            }
        }
        ends
    }

    #[test]
    fn what_wakes_up_waits_for_the_slice_of_what_runs() {
        let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), None);
        cores.start(at(0), 1, 1, Span::from_millis(7));
        cores.start(at(3), 2, 2, Span::from_millis(1));
        // The second of 1's slices ends at 4; 2 then runs to its end, and 1 has 3 left.
        assert_eq!(ends(&mut cores), [(2, 5), (1, 8)]);
    }

    #[test]
    fn long_tasks_get_fair_shares_and_no_task_runs_on_two_cores() {
        let mut cores = Sliced::new(2, 1.0, Span::from_millis(2), None);
        for task in 0..4 {
            cores.start(at(0), task, task, Span::from_millis(40));
        }
        assert!(ends(&mut cores).iter().all(|(_, end)| (78..=80).contains(end)));
        let mut fast = Sliced::new(4, 2.0, Span::from_millis(2), None);
        fast.start(at(0), 1, 1, Span::from_millis(40));
        assert_eq!(ends(&mut fast), [(1, 20)]);
    }

    #[test]
    fn an_idle_core_takes_what_waits_for_another_at_the_next_tick_and_what_wakes_at_once() {
        let mut cores = Sliced::new(2, 1.0, Span::from_millis(2), None);
        for (task, work) in [(0, 20), (1, 5), (2, 20)] {
            cores.start(at(0), task, task, Span::from_millis(work));
        }
        // 2 waits for 0's core; 1 ends at 5, and its core takes over who waits there at 8: by then 0
        // and 2 have had 4 each.
        assert_eq!(ends(&mut cores), [(1, 5), (2, 24), (0, 24)]);
        assert!(cores.start(at(30), 0, 0, Span::from_millis(9)));
        assert!(cores.start(at(31), 2, 2, Span::from_millis(1)), "on the core that is idle");
        assert_eq!(ends(&mut cores), [(2, 32), (0, 39)]);
    }

    #[test]
    fn a_process_wakes_up_on_the_core_it_last_ran_on_whatever_it_does() {
        let mut cores = Sliced::new(2, 1.0, Span::from_millis(2), None);
        cores.start(at(0), 1, 1, Span::from_millis(1));
        assert_eq!(ends(&mut cores), [(1, 1)]);
        // Core 1 is that of process 1; 4 and 5 are of process 0, and wait for each other.
        for (task, process) in [(4, 0), (6, 1), (5, 0)] {
            cores.start(at(2), task, process, Span::from_millis(2));
        }
        assert_eq!(ends(&mut cores), [(4, 4), (6, 4), (5, 6)]);
    }

    #[test]
    fn what_stays_waits_for_its_own_core_and_what_preempts_takes_it_over() {
        let (stays, moves) = (true, false);
        let wakes = |cores: &mut Sliced, task, stays, preempts| {
            let waking = Waking { stays, preempts };
            cores.wake(at(1), (task, 0), Span::from_millis(1), waking)
        };
        for (stays, preempts, then) in [
            (moves, true, [(1, 2), (0, 6)]),
            (stays, true, [(1, 2), (0, 7)]),
            (stays, false, [(1, 3), (0, 7)]),
        ] {
            let mut cores = Sliced::new(2, 1.0, Span::from_millis(2), None);
            cores.start(at(0), 0, 0, Span::from_millis(6));
            assert_eq!(wakes(&mut cores, 1, stays, preempts), !stays);
            assert_eq!(ends(&mut cores), then, "stays {stays}, preempts {preempts}");
        }
    }

    #[test]
    fn a_core_goes_cold_while_it_is_idle() {
        let (most, over) = (Span::from_millis(8), Span::from_millis(1));
        let cooling = Cooling { most, code: 3.0, over };
        let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), Some(cooling));
        let code = Span::from_millis(2);
        assert_eq!(cores.chill(code, Span::from_whole_secs(1)), code * 3);
        assert_eq!(cores.chill(code, Span::ZERO), Span::ZERO);
        cores.start(at(1_000), 1, 1, Span::from_millis(5));
        assert_eq!(ends(&mut cores), [(1, 1_013)]);
        cores.start(at(1_013), 2, 2, Span::from_millis(5));
        assert_eq!(ends(&mut cores), [(2, 1_018)]);
    }

    #[test]
    fn a_stopped_task_says_what_it_still_needed_and_the_next_begins() {
        let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), None);
        cores.start(at(0), 1, 1, Span::from_millis(5));
        cores.start(at(0), 2, 2, Span::from_millis(5));
        assert_eq!(cores.stop(at(1), 1), Some((Span::from_millis(4), false)));
        assert_eq!(cores.stop(at(1), 1), None);
        assert_eq!(ends(&mut cores), [(2, 6)]);
    }
}
