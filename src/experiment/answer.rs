//! The questions of a study and its answers, as plain data: all that reports see.

use crate::outcome::{Cause, Queue, Stage, Stopped};
use crate::seed::Seed;
use crate::site::{Budget, Site};
use crate::stats::estimate::Estimate;
use crate::units::{Bytes, Fraction, PerSecond, Span};

/// The questions: every plan with every server, at every tier's rate, and where each gives way.
#[derive(Debug, Clone)]
pub struct Study {
    /// The scenario's title.
    pub title: String,
    /// The root of all randomness.
    pub seed: Seed,
    /// The objective; its parts that are `None` are not asked for.
    pub objective: Objective,
    /// How much to simulate.
    pub effort: Effort,
    /// How visitors a day convert to requests a second at the peak.
    pub visits: Visits,
    /// Plan by plan, server by server, in the scenario's order.
    pub combinations: Vec<Combination>,
}

/// How visitors a day convert to requests a second at the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visits {
    /// Requests a visitor makes, on average; above zero.
    pub requests: f64,
    /// The peak rate over the day's mean rate; at least 1.
    pub peak: f64,
}

impl Visits {
    /// The default: "dynamic requests per page view are 1-10 depending on the app" and "2.5-3 for a
    /// one-country site" (reference section 11, both unverified there).
    pub const ASSUMED: Visits = Visits { requests: 5.0, peak: 3.0 };

    /// Seconds in a day.
    const DAY_S: f64 = 86_400.0;

    /// Requests a second at the peak of a day with `visitors_a_day` visitors.
    pub fn rate(&self, visitors_a_day: f64) -> f64 {
        visitors_a_day * self.requests * self.peak / Visits::DAY_S
    }

    /// Visitors of a day whose peak is `rate`.
    pub fn visitors_a_day(&self, rate: PerSecond) -> f64 {
        rate.get() * Visits::DAY_S / (self.requests * self.peak)
    }
}

/// One plan with one server.
#[derive(Debug, Clone)]
pub struct Combination {
    /// The plan's name.
    pub plan: String,
    /// The server's name.
    pub server: String,
    /// The plan's price a month, in whatever currency.
    pub price: Option<f64>,
    /// The site to simulate. The tiers and the searches replace its rate and horizon.
    pub site: Site,
    /// The memory at rest of the workers' host, line by line.
    pub budget: Budget,
    /// The memory at rest of the database's own host, where it has one.
    pub database_budget: Option<Budget>,
    /// The loads to simulate.
    pub tiers: Vec<Tier>,
}

impl Combination {
    /// The host whose memory does not hold what is there even at rest, if there is one.
    pub fn too_small(&self) -> Option<TooSmall> {
        too_small(&self.budget, self.database_budget.as_ref())
    }

    /// The arithmetic of the connections that the workers keep, where PostgreSQL grants fewer.
    pub fn connections_too_many(&self) -> Option<String> {
        let (server, each) = (&self.site.server, self.site.server.kept_connections());
        let kept = u64::from(server.workers) * u64::from(each);
        let granted = self.site.database.connection_slots?;
        (kept > u64::from(granted)).then(|| {
            format!(
                "{} workers x {each} kept connections = {kept} > {granted} that PostgreSQL grants",
                server.workers
            )
        })
    }
}

/// A host whose memory does not hold what is there even at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooSmall {
    /// The plan: the workers' host.
    Plan,
    /// The database's own.
    DatabaseHost,
}

/// Which host is too small at rest, if one is; the plan if both are.
fn too_small(plan: &Budget, database: Option<&Budget>) -> Option<TooSmall> {
    match (plan.fits(), database.is_none_or(Budget::fits)) {
        (false, _) => Some(TooSmall::Plan),
        (true, false) => Some(TooSmall::DatabaseHost),
        (true, true) => None,
    }
}

/// A load to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Requests a second.
    pub rate: PerSecond,
    /// How the rate came from visitors a day, or from a recording, in words, where it did.
    pub conversion: Option<String>,
}

/// The objective: what "good enough" means.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Objective {
    /// The 95th percentile of the response time is at most this.
    pub p95: Option<Span>,
    /// At most this share of the requests fails.
    pub errors: Option<Fraction>,
}

impl Objective {
    /// Whether this p95, in seconds, is longer than the objective allows; true for `None`, where
    /// no request was answered well.
    pub(crate) fn is_slow(&self, p95: Option<f64>) -> bool {
        self.p95.is_some_and(|most| p95.is_none_or(|p95| p95 > most.as_secs()))
    }

    /// The share of the requests that may fail where the objective is met: no more than a site that
    /// sustains its rate loses, whatever the objective allows.
    pub(crate) fn allowed_errors(&self) -> f64 {
        self.errors.map_or(LOSS, Fraction::get).min(LOSS)
    }
}

/// A site that loses more than this share of the requests does not sustain the rate. Requests lost
/// to a crash count as well: where memory runs out first, requests never get to pile up.
pub(crate) const LOSS: f64 = 0.01;

/// How much to simulate for each answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effort {
    /// Until half the width of the 95 % interval of p95 is at most this share of p95, within a
    /// stated bound.
    Precision(Fraction),
    /// Exactly this much for each row; searches take what their verdicts need.
    Fixed {
        /// Independent replications, at least one.
        replications: u32,
        /// The time simulated before the measured window.
        warmup: Span,
        /// The measured window.
        measured: Span,
    },
}

/// All answers of a study.
#[derive(Debug, Clone)]
pub struct Answers {
    /// A row per plan, server and tier.
    pub rows: Vec<Row>,
    /// A row per plan and server.
    pub capacities: Vec<Capacity>,
}

/// One plan with one server at one tier's rate.
#[derive(Debug, Clone)]
pub struct Row {
    /// The plan's name.
    pub plan: String,
    /// The server's name.
    pub server: String,
    /// The tier's name.
    pub tier: String,
    /// The arrival rate of the tier.
    pub offered: PerSecond,
    /// What was found at that rate.
    pub finding: Finding,
    /// Whether it meets the objective; `None` where there is none, or where a limit of the
    /// simulator hides it.
    pub meets_objective: Option<bool>,
}

/// What was found at one rate: estimates over replications. Times are in seconds.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rate simulated.
    pub rate: PerSecond,
    /// Requests answered well, a second.
    pub served: Estimate,
    /// Mean response time of the requests answered well; `None` where none was.
    pub mean: Option<Estimate>,
    /// Median response time: the mean over the replications' medians.
    pub p50: Option<Estimate>,
    /// The mean over the replications' 90th percentiles.
    pub p90: Option<Estimate>,
    /// The mean over the replications' 95th percentiles.
    pub p95: Option<Estimate>,
    /// The mean over the replications' 99th percentiles.
    pub p99: Option<Estimate>,
    /// Share of the requests that failed or gave up (of those that arrived in the window).
    pub error_rate: Estimate,
    /// The error rate by cause, from 0 to 1 each: indexed by [`Cause`].
    pub errors: [f64; Cause::COUNT],
    /// Share of the requests still open when the runs ended, from 0 to 1.
    pub open: f64,
    /// Mean wait for each queue, over all requests that passed it: indexed by [`Queue`].
    pub mean_wait: [f64; Queue::COUNT],
    /// Utilisation and use.
    pub usage: Usages,
    /// Seconds in each stage, on average over the requests answered well: indexed by [`Stage`].
    pub mean_request: Option<[f64; Stage::COUNT]>,
    /// Seconds in each stage, on average over the requests around the 95th percentile.
    pub slow_request: Option<[f64; Stage::COUNT]>,
    /// If this is an overload that has lasted, after which no request may be answered any more:
    /// seconds in each stage of the requests that were answered as it began. Otherwise `None`.
    pub began: Option<[f64; Stage::COUNT]>,
    /// OOM kills an hour.
    pub oom_kills_per_hour: f64,
    /// Whether the site does not sustain this rate: the number inside grows, or more than 1 % of
    /// the requests fail (by overload or crashes), or so many waited that the simulator ended a
    /// run.
    pub saturated: bool,
    /// Whether times and errors were still growing when the simulation ended: requests were piling
    /// up, and not all of them failed yet. Then these figures depend on how long was simulated.
    pub grows: bool,
    /// What gives way, or is closest to it.
    pub bottleneck: Limit,
    /// How many replications were simulated.
    pub replications: u32,
    /// The warm-up of each replication.
    pub warmup: Span,
    /// The mean of their measured windows: shorter than asked for where `stopped` says why.
    pub measured: Span,
    /// Whether the measured windows were long against the time over which the number inside
    /// changes, so that times are those of the steady state. Where a row with a precision to reach
    /// is not, and is not saturated either, nothing has an interval.
    pub settled: bool,
    /// Whether the precision asked for was reached; always true with a fixed effort.
    pub precise: bool,
    /// The limit of the simulator that ended a run early, if one did.
    pub stopped: Option<Stopped>,
    /// Events simulated for this finding.
    pub events: u64,
}

impl Finding {
    /// Whether its p95 cannot be compared with another: it still grows, hides behind a limit of the
    /// simulator, or no request was answered.
    pub fn lacks_p95(&self) -> bool {
        !self.is_steady() || self.p95.is_none()
    }

    /// Whether no request came at all.
    pub fn is_empty(&self) -> bool {
        self.p95.is_none() && self.error_rate.mean == 0.0 && self.open == 0.0
    }

    /// Whether the simulator's limit on requests inside hides what happens: many would be inside
    /// without any waiting.
    pub fn is_beyond_reach(&self) -> bool {
        self.stopped == Some(Stopped::InFlight) && !self.saturated
    }

    /// Whether times and errors describe the rate, and not how long was simulated or how many
    /// requests the simulator holds.
    pub fn is_steady(&self) -> bool {
        !self.grows && !self.is_beyond_reach()
    }

    /// Seconds in each stage of the slow requests or, where none is answered any more, of those
    /// that were answered as the overload began: they show what requests wait for, if not how long.
    pub fn spent(&self) -> Option<[f64; Stage::COUNT]> {
        self.slow_request.or(self.began)
    }
}

/// Utilisation (0 to 1) and use of every resource, averaged over time and replications.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usages {
    /// Share of the workers' host's cores that is busy.
    pub cpu_utilisation: f64,
    /// Share of the database's own cores that is busy; `None` where it has none.
    pub database_cpu_utilisation: Option<f64>,
    /// Share of worker slots busy: workers (sync), threads (threads), loops (async).
    pub worker_utilisation: f64,
    /// Share of GILs held or loops busy.
    pub gil_utilisation: f64,
    /// Share of the pools' connections in use; `None` where no pool limits them.
    pub pool_utilisation: Option<f64>,
    /// Requests in the backlog on average.
    pub backlog_mean: f64,
    /// Requests inside (backlog and workers) on average.
    pub inside_mean: f64,
    /// Requests inside at most.
    pub inside_peak: u64,
    /// Requests waiting for a connection of a pool, on average.
    pub pool_queue_mean: f64,
    /// Connections in use on average.
    pub connections_busy_mean: f64,
    /// Connections open on average.
    pub connections_mean: f64,
    /// Connections open at most.
    pub connections_peak: u64,
    /// Memory of the workers' host on average.
    pub memory_mean: Bytes,
    /// Memory of the workers' host at most.
    pub memory_peak: Bytes,
}

/// What gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// The cores of the workers' host.
    Cores,
    /// The cores of the database's own host.
    DatabaseCores,
    /// Workers, or their threads.
    Workers,
    /// The GIL, or the event loops.
    Gil,
    /// The database's connection limit.
    Connections,
    /// The pools of connections.
    Pool,
    /// Memory.
    Memory,
    /// The backlog.
    Backlog,
    /// The work itself: requests take this long without any waiting.
    Work,
}

impl Limit {
    /// Its name in CSV columns and on charts.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Cores => "cores",
            Limit::DatabaseCores => "database cores",
            Limit::Workers => "workers",
            Limit::Gil => "gil",
            Limit::Connections => "connections",
            Limit::Pool => "pool",
            Limit::Memory => "memory",
            Limit::Backlog => "backlog",
            Limit::Work => "work",
        }
    }
}

/// Where one plan with one server gives way.
#[derive(Debug, Clone)]
pub struct Capacity {
    /// The plan's name.
    pub plan: String,
    /// The server's name.
    pub server: String,
    /// The plan's price a month.
    pub price: Option<f64>,
    /// Worker processes.
    pub workers: u32,
    /// The memory at rest of the workers' host.
    pub budget: Budget,
    /// The memory at rest of the database's own host, where it has one.
    pub database_budget: Option<Budget>,
    /// Whether requests leak memory: then it runs out sooner or later at any rate, and the OOM
    /// point is about the first ten minutes only.
    pub leaks: bool,
    /// Whether the database's own host, where it has one, may run out of memory under load: it does
    /// not hold all connections that may be open.
    pub database_fills: bool,
    /// The largest rate it sustains.
    pub saturation: Threshold,
    /// The largest rate that still meets the objective; `None` where there is no objective, or no
    /// search was asked for.
    pub load_line: Option<Threshold>,
    /// The smallest rate at which half of the replications see an OOM kill within ten minutes.
    pub oom: Threshold,
    /// The smallest number of workers that do not all fit in memory at rest; `None`: no ceiling,
    /// or one that holds any number of them.
    pub oom_workers: Option<u32>,
    /// What breaks the objective at the load line (saturation, where there is no objective);
    /// `None` where nothing does.
    pub first_limit: Option<Limit>,
    /// The highest rate that the searches tried, where the simulator's limit on requests inside
    /// kept them from going further.
    pub reach: Option<PerSecond>,
    /// Findings at the rates that were simulated, by rising rate: the points of the curves.
    pub curve: Vec<Finding>,
}

impl Capacity {
    /// The rate up to which the combination is good enough: the load line or, where none was asked
    /// for, the saturation point.
    pub fn carries(&self) -> Threshold {
        match self.load_line {
            None | Some(Threshold::NotSearched) => self.saturation,
            Some(line) => line,
        }
    }

    /// Requests a second that it carries per unit of its monthly price, where both are known.
    pub fn rate_per_price(&self) -> Option<f64> {
        let price = self.price.filter(|price| *price > 0.0)?;
        Some(self.carries().rate()?.get() / price)
    }

    /// The host whose memory does not hold what is there even at rest, if there is one.
    pub fn too_small(&self) -> Option<TooSmall> {
        too_small(&self.budget, self.database_budget.as_ref())
    }

    /// The name of the first of the three points as the rate rises; of several at one rate, the
    /// gravest. `None` where none is reached.
    pub fn comes_first(&self) -> Option<&'static str> {
        let load_line = self.load_line.unwrap_or(Threshold::NotSearched);
        let points = [("oom", self.oom), ("load line", load_line), ("saturation", self.saturation)];
        let reached = points.into_iter().filter_map(|(name, point)| match point {
            Threshold::At { rate, .. } => Some((name, rate.get())),
            Threshold::AtRest => Some((name, 0.0)),
            Threshold::Never | Threshold::NotSearched => None,
        });
        reached.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(name, _)| name)
    }
}

/// A rate at which something changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// It changes here, to the resolution of the search. The saturation point or load line held at
    /// `rate` and not at `beyond`, one step higher (where it is the throughput of an overload, the
    /// higher rate is not tried). At the OOM point memory ran out at `rate`, and did not at
    /// `beyond`, one step lower.
    At {
        /// The answer.
        rate: PerSecond,
        /// The nearest rate on the other side.
        beyond: PerSecond,
        /// What limits the accuracy of the answer.
        accuracy: Accuracy,
    },
    /// It did not change at any rate that was tried. It never does, unless [`Capacity::reach`]
    /// gives the highest rate tried.
    Never,
    /// It has changed at the lowest rate that was tried already: the work alone breaks the
    /// objective, or one request takes more memory than there is. Or even before the first request,
    /// where memory does not hold what is there at rest: see [`Capacity::too_small`].
    AtRest,
    /// It was not searched for.
    NotSearched,
}

/// What limits the accuracy of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accuracy {
    /// The resolution of the search: the answer is off by a step or two at most.
    Resolution,
    /// The noise of the simulation: verdicts near the answer went by the mean of noisy estimates.
    Noise,
}

impl Threshold {
    /// Whether noise limits the accuracy of the answer.
    pub fn is_noisy(&self) -> bool {
        matches!(self, Threshold::At { accuracy: Accuracy::Noise, .. })
    }

    /// The rate, where there is one.
    pub fn rate(&self) -> Option<PerSecond> {
        match self {
            Threshold::At { rate, .. } => Some(*rate),
            _ => None,
        }
    }
}
