//! What is measured, from the end of the warm-up on. Nothing else writes measurements or knows the
//! window.

use super::traffic::request::Request;
use crate::outcome::{Cause, Counts, Levels, Outcome, Profile, Queue, Stopped};
use crate::seed::Seed;
use crate::stats::histogram::{self, Histogram};
use crate::stats::level::{Level, Usage};
use crate::units::{Span, Time};

/// The measurements of a run under way.
#[derive(Debug)]
pub(super) struct Probe {
    opens: Time,
    closes: Time,
    /// Whether the window is open.
    is_open: bool,
    counts: Counts,
    response: Vec<Histogram>,
    waits: [Histogram; Queue::COUNT],
    profile: Profile,
    seen: Histogram,
    /// The last wait for a place in a worker, until it is recorded.
    unrecorded_wait: Span,
    inside: (u64, u64),
    kills: u64,
    first_kill: [Option<Time>; 2],
    closed: Levels,
    cold_cpu: [Span; 2],
    cold_closing_cpu: Span,
    measured: Span,
    /// All levels except those of the cores.
    pub levels: Gauges,
}

/// The levels except those of the cores; see [`Levels`] for what each means.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub backlog: Level,
    pub inside: Level,
    pub workers: Level,
    pub turns: Level,
    pub connections: Level,
    pub open_connections: Level,
    pub pool_queue: Level,
    pub memory: Level,
}

impl Gauges {
    fn all(&mut self) -> [&mut Level; 8] {
        [
            &mut self.backlog,
            &mut self.inside,
            &mut self.workers,
            &mut self.turns,
            &mut self.connections,
            &mut self.open_connections,
            &mut self.pool_queue,
            &mut self.memory,
        ]
    }

    fn close(&self, now: Time, [cores, database_cores]: [Usage; 2]) -> Levels {
        Levels {
            cores,
            database_cores,
            backlog: self.backlog.close(now),
            inside: self.inside.close(now),
            workers: self.workers.close(now),
            turns: self.turns.close(now),
            connections: self.connections.close(now),
            open_connections: self.open_connections.close(now),
            pool_queue: self.pool_queue.close(now),
            memory: self.memory.close(now),
        }
    }
}

/// No wait is as long.
const NO_WAIT: Span = Span::from_nanos(u64::MAX);

impl Probe {
    /// Measures from `opens` to `closes`, for `endpoints` endpoints, and clients with a round trip
    /// of `way` to the site.
    pub(super) fn new(opens: Time, closes: Time, endpoints: usize, way: Span) -> Probe {
        Probe {
            opens,
            closes,
            is_open: false,
            counts: Counts::default(),
            response: vec![Histogram::new(); endpoints],
            waits: std::array::from_fn(|_| Histogram::new()),
            profile: Profile::new(way),
            seen: Histogram::new(),
            unrecorded_wait: NO_WAIT,
            inside: (0, 0),
            kills: 0,
            first_kill: [None; 2],
            closed: Levels::default(),
            cold_cpu: [Span::ZERO; 2],
            cold_closing_cpu: Span::ZERO,
            measured: Span::ZERO,
            levels: Gauges::default(),
        }
    }

    /// Whether what arrives at `now` is measured.
    #[inline]
    pub(super) fn measures(&self, now: Time) -> bool {
        self.opens <= now && now < self.closes
    }

    /// The window opens.
    pub(super) fn open(&mut self, now: Time) {
        self.is_open = true;
        self.levels.all().into_iter().for_each(|level| level.open(now));
        self.inside.0 = self.levels.inside.value();
    }

    /// The window closes, in which the cores of the workers' host and of the database's own were
    /// as busy as `cores` says.
    pub(super) fn close(&mut self, now: Time, cores: [Usage; 2]) {
        self.closed = self.levels.close(now, cores);
        self.inside.1 = self.levels.inside.value();
        self.measured = now - self.opens;
        (self.closes, self.is_open) = (now, false);
    }

    /// A request arrived.
    #[inline(always)]
    pub(super) fn arrived(&mut self, now: Time) {
        debug_assert_eq!(self.is_open, self.measures(now), "the window is told when it opens");
        if self.is_open {
            self.counts.arrived = self.counts.arrived.wrapping_add(1);
            self.seen.record(self.levels.inside.value());
        }
    }

    /// A request has waited in `queue`.
    #[inline]
    pub(super) fn waited(&mut self, request: &Request, queue: Queue, span: Span) {
        if request.measured {
            self.waits[queue as usize].record_span(span);
        }
    }

    /// A request has waited for a place in a worker. That is recorded by [`Probe::record_wait`],
    /// once it is known what happens next.
    #[inline(always)]
    pub(super) fn waited_for_place(&mut self, request: &Request, span: Span) {
        if request.measured {
            if self.unrecorded_wait != NO_WAIT {
                self.record_now();
            }
            self.unrecorded_wait = span;
        }
    }

    #[inline(never)]
    fn record_now(&mut self) {
        self.record_wait();
    }

    /// Records the last wait for a place, unless it is recorded.
    #[inline(always)]
    pub(super) fn record_wait(&mut self) {
        if self.unrecorded_wait != NO_WAIT {
            self.waits[Queue::Worker as usize].record_span(self.unrecorded_wait);
            self.unrecorded_wait = NO_WAIT;
        }
    }

    /// A task takes `more` CPU of `host` than its work: the code for it has gone cold.
    pub(super) fn cold_cpu(&mut self, host: usize, more: Span) {
        if self.is_open {
            self.cold_cpu[host] += more;
        }
    }

    /// `more` of the cold CPU was taken to close a connection.
    pub(super) fn cold_closing_cpu(&mut self, more: Span) {
        if self.is_open {
            self.cold_closing_cpu += more;
        }
    }

    /// A request was answered well, while its client waited.
    #[inline(always)]
    pub(super) fn answered(&mut self, request: &Request, now: Time) {
        if request.measured {
            let nanos = (now - request.arrived).as_nanos();
            let bucket = histogram::bucket(nanos);
            self.counts.answered = self.counts.answered.wrapping_add(1);
            self.response[request.endpoint as usize].record_in(bucket, nanos);
            self.profile.record(bucket, nanos, &request.spent);
        }
    }

    /// A request failed; `measured` says whether it counts.
    pub(super) fn failed(&mut self, measured: bool, cause: Cause) {
        if measured {
            self.counts.failed[cause as usize] += 1;
        }
    }

    /// The OOM killer took a process of one of the two hosts.
    pub(super) fn killed(&mut self, host: usize, now: Time) {
        self.first_kill[host].get_or_insert(now);
        self.kills += u64::from(self.measures(now));
    }

    /// How many measured requests have no answer yet.
    #[inline]
    pub(super) fn pending(&self) -> u64 {
        self.counts.arrived - self.counts.answered - self.counts.failures()
    }

    /// What was measured.
    pub(super) fn into_outcome(mut self, seed: Seed, ended: Ended) -> Outcome {
        self.counts.open = self.pending();
        Outcome {
            seed,
            measured: self.measured,
            stopped: ended.stopped,
            counts: self.counts,
            response: self.response,
            waits: self.waits,
            profile: self.profile,
            levels: self.closed,
            cold_cpu: self.cold_cpu,
            cold_closing_cpu: self.cold_closing_cpu,
            seen: self.seen,
            inside: self.inside,
            kills: self.kills,
            first_kill: self.first_kill,
            events: ended.events,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// The limit that ended it, if one did.
    pub stopped: Option<Stopped>,
    /// Events it took.
    pub events: u64,
}
