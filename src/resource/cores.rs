//! Cores shared fairly by the tasks running on them.
//!
//! With k tasks on c cores each task runs at min(1, c/k) of a core: no task gets more than one
//! core, or more than another task (processor sharing, what Linux's fair scheduler comes to;
//! reference section 1.3). All tasks therefore receive work at the same rate, so one number says
//! how much *each* has received since the cores were last idle: the attained work. A task that
//! starts when it stands at `a` and needs `w` is done when it stands at `a + w`, whatever other
//! tasks come and go in between. So no task is ever touched between its start and its end.
//!
//! The cores are asked, not scheduled: [`Cores::next_finish`] says when the next task would be done
//! if nothing changed. Work is counted in nanoseconds of a core of speed 1, in floating point;
//! instants are rounded up, so that no work ends early.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::units::{Span, Time};

/// Some cores, and the tasks on them. A task is a number of the caller's.
#[derive(Debug, Clone)]
pub struct Cores {
    cores: u32,
    speed: f64,
    /// Whether the speed is 1, as it mostly is.
    is_standard: bool,
    /// Work each running task has received since the cores were last idle, at `since`.
    attained: f64,
    since: Time,
    /// The attained work at which each task is done (bits of a non-negative float order as it
    /// does), above the order of starting, above the task.
    running: BinaryHeap<Reverse<u128>>,
    /// Whether the first of them is done already. Its entry is left for the task that starts next,
    /// as a rule at once: to replace the first entry of a heap moves less than to remove it.
    finished_in_place: bool,
    started: u32,
    /// When the next task is done. Worked out when asked for, since between two calls several tasks
    /// may come and go.
    next_finish: Option<Time>,
    /// The pace by number of tasks.
    paces: Vec<Pace>,
    /// How many cores were busy for how long, up to `since`, in core-nanoseconds.
    worked: u128,
    /// How many cores were busy when the last stall began, and are until it is over at `since`.
    stalled: u64,
    /// The largest number of tasks since `most_busy` was last called.
    most: usize,
}

/// How fast work is done with some number of tasks.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Nanoseconds of work that each task receives per nanosecond.
    rate: f64,
    /// The inverse.
    slowness: f64,
    /// How many cores are busy.
    busy: u32,
}

impl Cores {
    /// `cores` idle cores (at least one) of speed `speed` (above zero).
    pub fn new(cores: u32, speed: f64) -> Cores {
        assert!(cores > 0 && speed > 0.0 && speed.is_finite(), "{cores} cores of speed {speed}");
        Cores {
            cores,
            speed,
            is_standard: speed.total_cmp(&1.0).is_eq(),
            attained: 0.0,
            since: Time::ZERO,
            running: BinaryHeap::new(),
            finished_in_place: false,
            started: 0,
            next_finish: None,
            paces: vec![Pace { rate: speed, slowness: 1.0 / speed, busy: 0 }],
            worked: 0,
            stalled: 0,
            most: 0,
        }
    }

    /// Starts `task`, which needs `work` on a core of speed 1.
    #[inline(always)]
    pub fn start(&mut self, now: Time, task: u32, work: Span) {
        self.settle(now);
        // A task alone ends exactly `alone(work)` from now; a task that starts before then clears
        // `next_finish`. Only below 2^53 ns (104 days), where a float holds every nanosecond.
        let is_alone = self.tasks() == 0 && work < EXACT;
        self.next_finish = is_alone.then(|| self.since + self.alone(work));
        let done_at = self.attained + nanos(work);
        self.started = self.started.wrapping_add(1);
        let low = u64::from(self.started) << 32 | u64::from(task);
        let key = Reverse(u128::from(done_at.to_bits()) << 64 | u128::from(low));
        if std::mem::take(&mut self.finished_in_place) {
            *self.running.peek_mut().expect("the one that is done") = key;
        } else {
            self.running.push(key);
            self.most = self.most.max(self.running.len());
        }
    }

    /// When the next task will be done if nothing changes; [`Time::NEVER`] where none runs.
    #[inline(always)]
    pub fn next_finish(&mut self) -> Time {
        match self.next_finish {
            Some(time) => time,
            None => self.look_ahead(),
        }
    }

    /// Takes off the task that is done at `now`, which must be [`Cores::next_finish`], and returns
    /// it.
    #[inline(always)]
    pub fn finish(&mut self, now: Time) -> u32 {
        debug_assert_eq!(Some(now), self.next_finish, "a task ends when it is done");
        self.settle(now);
        let Reverse(key) = *self.running.peek().expect("a task is running");
        let done_at = f64::from_bits((key >> 64) as u64);
        if done_at > self.attained {
            self.attained = done_at;
        }
        self.finished_in_place = true;
        self.ended();
        key as u32
    }

    /// Takes `task` off before it is done. Returns how much work it still needed; `None` if it is
    /// not running. Looks at every running task: for rare cases only.
    pub fn stop(&mut self, now: Time, task: u32) -> Option<Span> {
        self.settle(now);
        self.remove_finished();
        let Reverse(key) = *self.running.iter().find(|Reverse(key)| *key as u32 == task)?;
        self.running.retain(|Reverse(other)| *other != key);
        let left = f64::from_bits((key >> 64) as u64) - self.attained;
        self.ended();
        Some(Span::from_nanos_f64(left))
    }

    /// Until `now + span` no task makes progress. Cores busy at `now` count as busy throughout;
    /// tasks started meanwhile count from the end of the stall.
    pub fn stall(&mut self, now: Time, span: Span) {
        self.settle(now);
        self.stalled = self.busy();
        self.worked += core_time(self.stalled, span);
        self.since = now + span;
        self.next_finish = None;
    }

    /// How long `work` takes with a core of its own.
    #[inline]
    pub fn alone(&self, work: Span) -> Span {
        if self.is_standard { work } else { work.scaled(self.paces[0].slowness) }
    }

    /// How many cores were busy for how long until `now`, in core-nanoseconds.
    pub fn worked(&self, now: Time) -> u128 {
        match now >= self.since {
            true => self.worked + core_time(self.busy(), now - self.since),
            false => self.worked - core_time(self.stalled, self.since - now),
        }
    }

    /// How many cores are busy.
    pub fn busy(&self) -> u64 {
        (self.tasks() as u64).min(u64::from(self.cores))
    }

    /// The largest number of cores that were busy at a time since the last call.
    pub fn most_busy(&mut self) -> u64 {
        let tasks = self.tasks();
        let most = std::mem::replace(&mut self.most, tasks);
        (most as u64).min(u64::from(self.cores))
    }

    /// How many tasks run.
    #[inline(always)]
    fn tasks(&self) -> usize {
        self.running.len().wrapping_sub(usize::from(self.finished_in_place))
    }

    /// A task has ended.
    #[inline(always)]
    fn ended(&mut self) {
        self.next_finish = None;
        if self.tasks() == 0 {
            // Counting starts afresh, so that a long run is as precise as a short one.
            self.attained = 0.0;
        }
    }

    /// Removes the finished task from the heap, if no new one has taken its place.
    #[inline(always)]
    fn remove_finished(&mut self) {
        if std::mem::take(&mut self.finished_in_place) {
            self.running.pop();
        }
    }

    /// Brings the attained work up to `now`.
    #[inline(always)]
    fn settle(&mut self, now: Time) {
        if now <= self.since {
            return;
        }
        let tasks = self.tasks();
        if tasks > 0 {
            let elapsed = now - self.since;
            let Pace { rate, busy, .. } = self.pace(tasks);
            self.attained += nanos(elapsed) * rate;
            let worked = u128::from(busy) * u128::from(elapsed.as_nanos());
            self.worked = self.worked.wrapping_add(worked);
        }
        self.since = now;
    }

    /// Works out when the next task will be done.
    #[inline(always)]
    fn look_ahead(&mut self) -> Time {
        self.remove_finished();
        let next = match self.running.peek() {
            None => Time::NEVER,
            Some(&Reverse(first)) => {
                let left = f64::from_bits((first >> 64) as u64) - self.attained;
                let slowness = self.pace(self.running.len()).slowness;
                self.since + Span::from_nanos_f64(left * slowness)
            }
        };
        self.next_finish = Some(next);
        next
    }

    #[inline(always)]
    fn pace(&mut self, tasks: usize) -> Pace {
        while self.paces.len() <= tasks {
            self.extend_paces();
        }
        self.paces[tasks]
    }

    /// Adds the pace for one task more than there have been so far.
    #[cold]
    fn extend_paces(&mut self) {
        let tasks = self.paces.len();
        let share = f64::from(self.cores) / tasks as f64;
        let rate = self.speed * share.min(1.0);
        let busy = self.cores.min(u32::try_from(tasks).unwrap_or(u32::MAX));
        self.paces.push(Pace { rate, slowness: 1.0 / rate, busy });
    }
}

/// Every whole nanosecond below this is a float.
const EXACT: Span = Span::from_nanos(1 << f64::MANTISSA_DIGITS);

/// What `cores` cores do in a span, in core-nanoseconds.
fn core_time(cores: u64, span: Span) -> u128 {
    u128::from(cores) * u128::from(span.as_nanos())
}

/// A span as a float; by way of a signed number, which is one step for the processor.
#[inline]
fn nanos(span: Span) -> f64 {
    span.as_nanos() as i64 as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The slow, obvious way: every task knows what it still needs, and everything that happens
    /// touches every task.
    struct Slow {
        cores: f64,
        speed: f64,
        now: f64,
        left: Vec<(u32, f64)>,
    }

    impl Slow {
        fn rate(&self) -> f64 {
            self.speed * (self.cores / self.left.len() as f64).min(1.0)
        }

        fn run_until(&mut self, now: f64) {
            let work = (now - self.now) * self.rate();
            self.left.iter_mut().for_each(|(_, left)| *left -= work);
            self.now = now;
        }

        fn next(&self) -> Option<(u32, f64)> {
            let shortest = self.left.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
            Some((shortest.0, self.now + shortest.1 / self.rate()))
        }
    }

    /// Runs `tasks` (start, work) through both; returns how each task's end differs, in ns.
    fn differences(cores: u32, speed: f64, tasks: &[(u64, u64)]) -> Vec<f64> {
        let mut fast = Cores::new(cores, speed);
        let mut slow = Slow { cores: f64::from(cores), speed, now: 0.0, left: Vec::new() };
        let mut ends = vec![(0.0, 0.0); tasks.len()];
        let mut coming = tasks.iter().enumerate().peekable();
        let mut now = 0;
        loop {
            let next = coming.peek().map_or(u64::MAX, |(_, (gap, _))| now + gap);
            while fast.next_finish() <= Time::from_nanos(next) && fast.next_finish() < Time::NEVER {
                let at = fast.next_finish();
                let task = fast.finish(at);
                ends[task as usize].0 = at.as_nanos() as f64;
            }
            while let Some((task, at)) = slow.next().filter(|(_, at)| *at <= next as f64) {
                slow.run_until(at);
                slow.left.retain(|(other, _)| *other != task);
                ends[task as usize].1 = at;
            }
            let Some((task, (_, work))) = coming.next() else { break };
            now = next;
            fast.start(Time::from_nanos(now), task as u32, Span::from_nanos(*work));
            slow.run_until(now as f64);
            slow.left.push((task as u32, *work as f64));
        }
        ends.iter().map(|(fast, slow)| fast - slow).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// The fast way tells whole nanoseconds, rounded up: each end is late by less than one, and
        /// makes those still running late by at most as much. So the k-th end differs by at most k.
        #[test]
        fn the_fast_way_and_the_slow_way_agree_to_a_nanosecond_an_end(
            cores in 1u32..9,
            speed in prop::sample::select(vec![1.0, 0.5, 1.25]),
            tasks in prop::collection::vec((0u64..3_000_000, 1u64..5_000_000), 1..60),
        ) {
            let mut differences = differences(cores, speed, &tasks);
            differences.sort_by(f64::total_cmp);
            for (ends, difference) in differences.iter().enumerate() {
                let allowed = -0.01..=(ends + 1) as f64;
                prop_assert!(allowed.contains(difference), "ends differ by {difference} ns");
            }
        }
    }

    #[test]
    fn two_tasks_on_one_core_take_turns_and_one_task_never_uses_two() {
        let at = Time::from_nanos;
        let mut cores = Cores::new(1, 1.0);
        cores.start(at(0), 7, Span::from_nanos(10));
        cores.start(at(4), 8, Span::from_nanos(10));
        // 7 has 6 left, at half speed: done at 16. 8 then has 4 left, alone: done at 20.
        assert_eq!(cores.next_finish(), at(16));
        assert_eq!(cores.finish(at(16)), 7);
        assert_eq!(cores.next_finish(), at(20));
        let mut many = Cores::new(4, 2.0);
        many.start(at(0), 1, Span::from_nanos(10));
        assert_eq!(many.next_finish(), at(5));
    }

    #[test]
    fn who_starts_as_another_ends_shares_the_cores_as_if_it_came_later() {
        let at = Time::from_nanos;
        let mut cores = Cores::new(1, 1.0);
        cores.start(at(0), 1, Span::from_nanos(10));
        cores.start(at(0), 2, Span::from_nanos(20));
        assert_eq!(cores.next_finish(), at(20));
        assert_eq!(cores.finish(at(20)), 1);
        cores.start(at(20), 3, Span::from_nanos(4));
        // 2 has 10 left, and both have half the core: 3 is done at 28, and 2, then alone, at 34.
        assert_eq!(cores.next_finish(), at(28));
        assert_eq!((cores.finish(at(28)), cores.next_finish()), (3, at(34)));
        assert_eq!(cores.finish(at(34)), 2);
        assert_eq!((cores.next_finish(), cores.worked(at(50))), (Time::NEVER, 34));
        assert_eq!((cores.busy(), cores.most_busy(), cores.most_busy()), (0, 1, 0));
    }

    #[test]
    fn while_the_cores_stall_nobody_gets_anything_done() {
        let at = Time::from_nanos;
        let mut cores = Cores::new(1, 1.0);
        cores.start(at(0), 1, Span::from_nanos(10));
        cores.stall(at(4), Span::from_nanos(10));
        cores.start(at(6), 2, Span::from_nanos(3));
        // From 14 on each has half the core: 2 is done at 20, and 1, then alone, at 23.
        assert_eq!(cores.worked(at(10)), 10, "they are busy with it");
        assert_eq!(cores.next_finish(), at(20));
        assert_eq!((cores.finish(at(20)), cores.next_finish()), (2, at(23)));
        assert_eq!((cores.finish(at(23)), cores.worked(at(30))), (1, 23));
        cores.stall(at(30), Span::from_nanos(10));
        cores.start(at(35), 3, Span::from_nanos(5));
        assert_eq!(cores.next_finish(), at(45));
    }

    #[test]
    fn who_comes_while_the_cores_stall_does_not_change_how_busy_they_were() {
        let at = Time::from_nanos;
        let mut cores = Cores::new(4, 1.0);
        cores.start(at(0), 0, Span::from_nanos(100));
        cores.stall(at(10), Span::from_nanos(70));
        (1..4).for_each(|task| cores.start(at(15), task, Span::from_nanos(100)));
        assert_eq!(cores.stop(at(40), 0), Some(Span::from_nanos(90)));
        // One until 80, and three from there on.
        assert_eq!([20, 50, 80, 90].map(|time| cores.worked(at(time))), [20, 50, 80, 110]);
    }

    #[test]
    fn a_stopped_task_says_what_it_still_needed_and_the_others_speed_up() {
        let at = Time::from_nanos;
        let mut cores = Cores::new(1, 1.0);
        cores.start(at(0), 1, Span::from_nanos(10));
        cores.start(at(0), 2, Span::from_nanos(10));
        assert_eq!(cores.stop(at(10), 1), Some(Span::from_nanos(5)));
        assert_eq!(cores.stop(at(10), 1), None);
        assert_eq!(cores.next_finish(), at(15));
    }
}
