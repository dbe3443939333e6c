//! Which of several runs next, as Linux decides it: EEVDF, earliest eligible virtual deadline first
//! (Linux 6.6 and later; what follows is `kernel/sched/fair.c` of 6.18, whose names for things
//! stand in brackets).
//!
//! The virtual time of each member goes by as it runs; all have the same weight here. A member that
//! has had less than a fair part is behind the average, and may run (is eligible); of those that
//! may, the one runs whose slice would end first. Once it runs, it has its slice (RUN_TO_PARITY). A
//! member that falls asleep ahead of the average stays in the queue until the average has caught up
//! with it (DELAY_DEQUEUE), so that sleeping does not wipe out what it owes.

use std::collections::BTreeMap;

use crate::units::{Span, Time};

/// How often the kernel looks at the running task, and by how much more than a slice it remembers
/// what a member is owed at most (`update_entity_lag`). CONFIG_HZ is 250 in the kernels of Debian,
/// Ubuntu and the testbed.
pub const TICK: Span = Span::from_millis(4);

/// Whether something is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is not.
    Absent,
    /// It is, and wants to run.
    Runnable,
    /// It is asleep, and stays until it no longer owes anything (DELAY_DEQUEUE).
    Delayed,
}

/// Those that share one core, or what a session gets of it (`cfs_rq`).
#[derive(Debug, Clone)]
pub(super) struct EevdfQueue {
    /// All in the queue, in the order in which they joined it.
    members: Vec<Member>,
    /// The member that runs (`curr`).
    current: Option<u64>,
    /// Up to when the virtual time of `current` is accounted for.
    since: Time,
    /// The virtual time while there is no member.
    base: f64,
    /// In nanoseconds.
    slice: f64,
    /// What those are owed that have left, in virtual nanoseconds: at most one entry for each key
    /// that there is.
    lags: BTreeMap<u64, f64>,
}

/// A member of the queue (`sched_entity`).
#[derive(Debug, Clone, Copy)]
struct Member {
    key: u64,
    /// For how many virtual nanoseconds it has run.
    vruntime: f64,
    /// When its slice ends, in its virtual time.
    deadline: f64,
    /// Until when, in its virtual time, no other takes over from it.
    protected: f64,
    /// Asleep, and still in the competition.
    delayed: bool,
}

impl EevdfQueue {
    /// An empty queue, whose members run for `slice` at a time.
    pub(super) fn new(slice: Span) -> EevdfQueue {
        EevdfQueue {
            members: Vec::new(),
            current: None,
            since: Time::ZERO,
            base: 0.0,
            slice: slice.as_nanos() as f64,
            lags: BTreeMap::new(),
        }
    }

    /// The member that runs.
    pub(super) fn current(&self) -> Option<u64> {
        self.current
    }

    /// Whether there is no member, not even one asleep.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether `key` is in the queue, awake or asleep.
    pub(super) fn presence(&self, key: u64) -> Presence {
        match self.member(key) {
            None => Presence::Absent,
            Some(member) if member.delayed => Presence::Delayed,
            Some(_) => Presence::Runnable,
        }
    }

    /// `key` wakes up and joins, or goes on if it has not left (`enqueue_entity`,
    /// `requeue_delayed_entity`).
    pub(super) fn join(&mut self, key: u64) {
        match self.presence(key) {
            Presence::Delayed => self.rejoin(key),
            Presence::Runnable => {}
            Presence::Absent => {
                let lag = self.lags.remove(&key).unwrap_or(0.0);
                self.place(key, lag);
            }
        }
    }

    /// Adds a member so that it is owed `lag`, as when it left. That it joins moves the average,
    /// which is made up for (`place_entity`).
    fn place(&mut self, key: u64, lag: f64) {
        let there = self.members.len() as f64;
        let lag = if there > 0.0 { (lag * (there + 1.0) / there).trunc() } else { 0.0 };
        let vruntime = self.average() - lag;
        let deadline = vruntime + self.slice;
        let protected = vruntime;
        self.members.push(Member { key, vruntime, deadline, protected, delayed: false });
    }

    /// A member that was asleep and had not left is awake. If by now it is owed something, that is
    /// forgotten (DELAY_ZERO).
    fn rejoin(&mut self, key: u64) {
        let average = self.average();
        let Some(member) = self.member_mut(key) else { return };
        member.delayed = false;
        if member.vruntime < average {
            self.members.retain(|member| member.key != key);
            self.place(key, 0.0);
        }
    }

    /// Brings the virtual time of the running member up to `now`. Returns whether it has had its
    /// slice while there are others (`update_curr`).
    pub(super) fn account(&mut self, now: Time) -> bool {
        let (slice, alone) = (self.slice, self.members.len() == 1);
        let ran = (now - self.since).as_nanos() as f64;
        self.since = now;
        let Some(member) = self.current.and_then(|key| self.member_mut(key)) else { return false };
        member.vruntime += ran;
        let over = member.vruntime >= member.deadline;
        if over {
            member.deadline = member.vruntime + slice;
        }
        !alone && (over || member.vruntime >= member.protected)
    }

    /// When the running member will have had its slice, from what was last accounted for; never,
    /// where there is no other.
    pub(super) fn slice_ends(&self) -> Time {
        let Some(member) = self.current.and_then(|key| self.member(key)) else {
            return Time::NEVER;
        };
        if self.members.len() == 1 {
            return Time::NEVER;
        }
        let is_protected = member.vruntime < member.protected;
        let until = if is_protected { member.protected } else { member.deadline };
        self.since + Span::from_nanos((until - member.vruntime).max(1.0) as u64)
    }

    /// The member that should run: the running one, while it has its slice and is eligible; else
    /// the eligible one with the earliest deadline (`pick_eevdf`).
    pub(super) fn pick(&self) -> Option<u64> {
        if let [one] = &self.members[..] {
            return Some(one.key);
        }
        let sum = self.sum();
        let eligible = |member: &&Member| self.has_no_more_than_its_part(member, sum);
        let current = self.current.and_then(|key| self.member(key)).filter(eligible);
        if let Some(member) = current.filter(|member| member.vruntime < member.protected) {
            return Some(member.key);
        }
        let others = self.members.iter().filter(|it| Some(it.key) != self.current);
        let by_deadline = |a: &&Member, b: &&Member| a.deadline.total_cmp(&b.deadline);
        let first = others.filter(eligible).min_by(by_deadline);
        let best = match (first, current) {
            (Some(first), Some(current)) if current.deadline < first.deadline => Some(current),
            (None, current) => current,
            (first, _) => first,
        };
        best.map(|member| member.key)
    }

    /// `key` runs from now on (`set_next_entity`), and has its slice before another takes over.
    pub(super) fn give_to(&mut self, key: u64, now: Time) {
        if self.current == Some(key) {
            return;
        }
        (self.current, self.since) = (Some(key), now);
        if let Some(member) = self.member_mut(key) {
            member.protected = member.deadline;
        }
    }

    /// No member runs any more, though the one that did is still there.
    pub(super) fn take_away(&mut self) {
        self.current = None;
    }

    /// The running member, `key`, falls asleep. Returns whether it has left: if it has had more
    /// than its part, it stays until that is no longer so (`dequeue_entity`).
    pub(super) fn sleep(&mut self, key: u64, now: Time) -> bool {
        self.account(now);
        self.current = None;
        let Some(member) = self.member(key) else { return true };
        let leaves = self.is_eligible(member);
        if leaves {
            self.leave(key);
        } else if let Some(member) = self.member_mut(key) {
            member.delayed = true;
        }
        leaves
    }

    /// `key` leaves, awake or asleep; what it is owed is remembered.
    pub(super) fn leave(&mut self, key: u64) {
        let average = self.average();
        let Some(member) = self.member(key).copied() else { return };
        let most = self.slice + TICK.as_nanos() as f64;
        let lag = (average - member.vruntime).clamp(-most, most);
        let lag = if member.delayed { lag.min(0.0) } else { lag };
        if lag != 0.0 {
            self.lags.insert(key, lag);
        }
        self.base = average;
        self.members.retain(|member| member.key != key);
        if self.current == Some(key) {
            self.current = None;
        }
    }

    /// The average virtual time (`avg_vruntime`), rounded down to a whole number, so that a member
    /// that joins there is owed nothing and may run.
    fn average(&self) -> f64 {
        match self.members.len() {
            0 => self.base,
            there => self.base + (self.sum() / there as f64).floor(),
        }
    }

    /// Whether `member` has had no more than its part (`entity_eligible`).
    fn is_eligible(&self, member: &Member) -> bool {
        self.has_no_more_than_its_part(member, self.sum())
    }

    /// [`EevdfQueue::is_eligible`], where the virtual times of all are known to add up to `sum`.
    fn has_no_more_than_its_part(&self, member: &Member, sum: f64) -> bool {
        sum >= (member.vruntime - self.base) * self.members.len() as f64
    }

    /// The sum of the virtual times of all, from `base` on.
    fn sum(&self) -> f64 {
        self.members.iter().map(|member| member.vruntime - self.base).sum()
    }

    fn member(&self, key: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }

    fn member_mut(&mut self, key: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.key == key)
    }
}
