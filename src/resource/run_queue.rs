//! Which thread gets a core next: sessions share it, and the threads of a session share what that
//! gets.
//!
//! Linux has a group for each session (CONFIG_SCHED_AUTOGROUP, on in the kernels of Debian and
//! Ubuntu), so that however many workers a server has, a database process that wakes up counts as
//! much as all of them: each of PostgreSQL's processes begins a session of its own (`setsid` in its
//! `InitPostmasterChild`).

use std::collections::BTreeMap;

use super::eevdf::{EevdfQueue, Presence};
use crate::units::{Span, Time};

/// A thread that wants a core, and its session. Numbers of the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runner {
    /// Which thread.
    pub thread: u64,
    /// Its session.
    pub session: u64,
}

/// The threads that want one core.
#[derive(Debug, Clone)]
pub(super) struct RunQueue {
    slice: Span,
    sessions: EevdfQueue,
    /// The threads of each session.
    threads: BTreeMap<u64, EevdfQueue>,
    /// The session of each thread in the queue.
    homes: BTreeMap<u64, u64>,
}

impl RunQueue {
    /// No thread wants the core yet.
    pub(super) fn new(slice: Span) -> RunQueue {
        let sessions = EevdfQueue::new(slice);
        RunQueue { slice, sessions, threads: BTreeMap::new(), homes: BTreeMap::new() }
    }

    /// Whether the thread is asleep, and has not left yet.
    pub(super) fn is_delayed(&self, thread: u64) -> bool {
        let session = self.homes.get(&thread).and_then(|session| self.threads.get(session));
        session.is_some_and(|threads| threads.presence(thread) == Presence::Delayed)
    }

    /// A thread wakes up. Returns whether the core should pick anew.
    pub(super) fn wake(&mut self, runner: Runner, now: Time) -> bool {
        let Runner { thread, session } = runner;
        self.homes.insert(thread, session);
        let slice = self.slice;
        let threads = self.threads.entry(session).or_insert_with(|| EevdfQueue::new(slice));
        let mut over = threads.account(now);
        threads.join(thread);
        if self.sessions.presence(session) != Presence::Runnable {
            over |= self.sessions.account(now);
            self.sessions.join(session);
        }
        over || self.preempts(runner, now)
    }

    /// Whether the thread, which has just woken up, is to run at once
    /// (`check_preempt_wakeup_fair`).
    fn preempts(&mut self, Runner { thread, session }: Runner, now: Time) -> bool {
        if self.sessions.current() != Some(session) {
            self.sessions.account(now);
            return self.sessions.pick() == Some(session);
        }
        let Some(threads) = self.threads.get_mut(&session) else { return false };
        threads.account(now);
        threads.pick() == Some(thread)
    }

    /// The tick comes. Returns whether the core should pick anew.
    pub(super) fn tick(&mut self, now: Time) -> bool {
        let over = self.sessions.account(now);
        let session = self.sessions.current().and_then(|session| self.threads.get_mut(&session));
        session.is_some_and(|threads| threads.account(now)) || over
    }

    /// When the thread that has the core will have had its slice, if others of its session wait;
    /// else never.
    pub(super) fn slice_ends(&self) -> Time {
        let threads = self.sessions.current().and_then(|session| self.threads.get(&session));
        threads.map_or(Time::NEVER, EevdfQueue::slice_ends)
    }

    /// Gives the core to the thread that is to have it, and returns that.
    pub(super) fn pick(&mut self, now: Time) -> Option<u64> {
        self.account(now);
        loop {
            let session = self.sessions.pick()?;
            if self.sessions.presence(session) == Presence::Delayed {
                self.sessions.leave(session);
                continue;
            }
            let threads = self.threads.get_mut(&session)?;
            let Some(thread) = threads.pick() else {
                self.sessions.leave(session);
                continue;
            };
            if threads.presence(thread) == Presence::Delayed {
                self.leave(Runner { thread, session }, now);
                continue;
            }
            self.give_to(Runner { thread, session }, now);
            return Some(thread);
        }
    }

    fn account(&mut self, now: Time) {
        let session = self.sessions.current();
        self.sessions.account(now);
        if let Some(threads) = session.and_then(|session| self.threads.get_mut(&session)) {
            threads.account(now);
        }
    }

    fn give_to(&mut self, Runner { thread, session }: Runner, now: Time) {
        if let Some(before) = self.sessions.current().filter(|before| *before != session)
            && let Some(threads) = self.threads.get_mut(&before)
        {
            threads.take_away();
        }
        self.sessions.give_to(session, now);
        if let Some(threads) = self.threads.get_mut(&session) {
            threads.give_to(thread, now);
        }
    }

    /// The thread that has the core falls asleep.
    pub(super) fn sleep(&mut self, runner: Runner, now: Time) {
        let Runner { thread, session } = runner;
        let Some(threads) = self.threads.get_mut(&session) else { return };
        if !threads.sleep(thread, now) {
            return;
        }
        self.homes.remove(&thread);
        if threads.is_empty() {
            self.sessions.sleep(session, now);
        }
    }

    /// A thread that does not have the core leaves.
    pub(super) fn leave(&mut self, Runner { thread, session }: Runner, now: Time) {
        let Some(threads) = self.threads.get_mut(&session) else { return };
        threads.leave(thread);
        self.homes.remove(&thread);
        if threads.is_empty() {
            self.sessions.account(now);
            self.sessions.leave(session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Time {
        Time::from_nanos(micros * 1_000)
    }

    fn runner(thread: u64, session: u64) -> Runner {
        Runner { thread, session }
    }

    /// How long each of those that never sleep has the core in a second, when it is looked at every
    /// tick: in ms, by thread.
    fn shares(runners: &[Runner]) -> BTreeMap<u64, u64> {
        let mut queue = RunQueue::new(Span::from_micros(1_400));
        runners.iter().for_each(|runner| {
            queue.wake(*runner, at(0));
        });
        let mut had = BTreeMap::new();
        let mut current = queue.pick(at(0)).unwrap();
        for tick in 1..=250 {
            *had.entry(current).or_insert(0) += 4;
            if queue.tick(at(tick * 4_000)) {
                current = queue.pick(at(tick * 4_000)).unwrap();
            }
        }
        had
    }

    #[test]
    fn a_session_gets_as_much_as_another_however_many_threads_either_has() {
        let had = shares(&[runner(1, 0), runner(2, 0), runner(3, 0), runner(9, 9)]);
        for (thread, share) in [(1, 167), (2, 167), (3, 167), (9, 500)] {
            // To a tick or two.
            assert!(had[&thread].abs_diff(share) <= 8, "{thread} had {} ms", had[&thread]);
        }
    }

    #[test]
    fn who_has_had_more_than_its_part_waits_though_it_slept_in_between() {
        let mut queue = RunQueue::new(Span::from_micros(1_400));
        let (busy, other) = (runner(1, 0), runner(2, 0));
        queue.wake(busy, at(0));
        assert_eq!(queue.pick(at(0)), Some(1));
        queue.wake(other, at(0));
        // It sleeps after 1 ms of its slice, for a moment: half of that it owes the other.
        queue.sleep(busy, at(1_000));
        assert!(queue.is_delayed(1));
        assert_eq!(queue.pick(at(1_000)), Some(2));
        assert!(!queue.wake(busy, at(1_100)), "the other has its slice");
        assert!(queue.tick(at(2_400)), "and has had it then");
        assert_eq!(queue.pick(at(2_400)), Some(1));
    }
}
