//! The summary of one run.

use crate::experiment::demand::Work;
use crate::experiment::strata::Strata;
use crate::outcome::{Cause, Counts, Levels, Outcome, Queue, Stage, Stopped};
use crate::site::Site;
use crate::stats::histogram::Histogram;
use crate::units::{Span, Time};

/// The quantiles of the response time that findings report.
pub(crate) const QUANTILES: [f64; 4] = [0.50, 0.90, 0.95, 0.99];

/// Where p95 stands among [`QUANTILES`].
pub(crate) const P95: usize = 2;

/// The summary of one run, however long it was. Times are in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    /// The length of the measured window.
    pub measured: Span,
    pub stopped: Option<Stopped>,
    pub counts: Counts,
    /// Mean response of the requests answered well.
    pub mean: Option<f64>,
    pub quantiles: [Option<f64>; QUANTILES.len()],
    /// The response times by endpoint, until a sample has merged those of all its runs
    /// ([`crate::experiment::merged::Merged`]).
    pub responses: Vec<Histogram>,
    /// Mean wait, zeros included, and how many requests passed, by queue.
    pub waits: [(f64, u64); Queue::COUNT],
    /// Time per stage of the requests around p95, and of all.
    pub slow: Option<[f64; Stage::COUNT]>,
    pub stages: Option<[f64; Stage::COUNT]>,
    pub levels: Levels,
    /// Mean number of cores of each host that were busy with the extra CPU of cold code.
    pub cold_cpu: [f64; 2],
    /// The part of the first of them that closes connections, after the answers.
    pub cold_closing_cpu: f64,
    /// Requests inside as the window opened and as it closed.
    pub inside: (u64, u64),
    /// Mean and mean square of the number of requests that arrivals found inside: both from a
    /// histogram's buckets, so that mean square less squared mean is a variance.
    pub seen: (f64, f64),
    pub kills: u64,
    /// The first OOM kill on the workers' host, and on the database's own.
    pub first_kill: [Option<Time>; 2],
    pub events: u64,
}

impl Summary {
    /// The summary of `outcome`, which is of `site`.
    pub(crate) fn of(outcome: &Outcome, site: &Site) -> Summary {
        let response = Strata::of(&outcome.response, is_complete(&outcome.counts), site);
        let quantiles = QUANTILES.map(|share| response.quantile(share));
        let slow = quantiles[P95].and_then(|p95| outcome.profile.at(Span::from_nanos(p95)));
        Summary {
            measured: outcome.measured,
            stopped: outcome.stopped,
            counts: outcome.counts,
            mean: response.mean().map(|nanos| nanos / 1e9),
            quantiles: quantiles.map(|nanos| nanos.map(|nanos| nanos as f64 / 1e9)),
            responses: outcome.response.clone(),
            waits: outcome.waits.each_ref().map(|wait| (secs(wait.mean()), wait.count())),
            slow,
            stages: outcome.profile.mean(),
            levels: outcome.levels,
            cold_cpu: cores_of(outcome, site, outcome.cold_cpu),
            cold_closing_cpu: cores_of(outcome, site, [outcome.cold_closing_cpu, Span::ZERO])[0],
            inside: outcome.inside,
            seen: outcome.seen.moments().unwrap_or_default(),
            kills: outcome.kills,
            first_kill: outcome.first_kill,
            events: outcome.events,
        }
    }

    /// Expected work, which is `work`, over the work that came: the factor that corrects for
    /// requests that happened to ask for more or less. 1 where a request failed or is still open,
    /// or where a process was killed, since its end and boot are work of their own.
    pub(crate) fn work_correction(&self, work: Work) -> f64 {
        let (came, due) = match work {
            Work::Cores(due) => (self.cores(), due),
            Work::Slots(due) => (self.slots(), due),
        };
        let all = is_complete(&self.counts) && self.first_kill == [None; 2];
        if all && came > 0.0 { due / came } else { 1.0 }
    }

    /// Work per request that left, relative to its expectation, which is `work` over `arrivals` a
    /// second.
    pub(crate) fn relative_work_per_departure(&self, work: Work, arrivals: f64) -> f64 {
        match work {
            Work::Cores(due) => self.cores() / self.left() / (due / arrivals),
            Work::Slots(due) => self.no_load_response() / (due / arrivals),
        }
    }

    /// How many cores of the workers' host were busy with the work that came, without the extra CPU
    /// of cold code.
    pub(crate) fn cores(&self) -> f64 {
        self.levels.cores.mean - self.cold_cpu[0]
    }

    /// How many slots of workers the requests that arrived would have taken without any waiting.
    pub(crate) fn slots(&self) -> f64 {
        self.counts.arrived as f64 / self.measured.as_secs() * self.no_load_response()
    }

    /// How long the average request would have taken without waiting for others, and with warm
    /// code, in seconds: the CPU, queries and calls that it asked for.
    fn no_load_response(&self) -> f64 {
        const OWN: [Stage; 3] = [Stage::Compute, Stage::Database, Stage::Call];
        let own = |stages: [f64; Stage::COUNT]| OWN.map(|stage| stages[stage as usize]);
        let response: f64 = self.stages.map_or(0.0, |stages| own(stages).iter().sum());
        let cold = self.cold_cpu.iter().sum::<f64>() - self.cold_closing_cpu;
        response - cold * self.measured.as_secs() / (self.counts.arrived as f64).max(1.0)
    }

    /// By how much the number inside grew over the window, per request that arrived in it.
    pub(crate) fn growth(&self) -> f64 {
        let (opened, closed) = self.inside;
        share(closed as f64 - opened as f64, self.counts.arrived)
    }

    /// The share of the requests that failed, whatever the cause.
    pub(crate) fn error_rate(&self) -> f64 {
        share(self.counts.failures() as f64, self.counts.arrived)
    }

    /// The share of the requests that failed for this cause.
    pub(crate) fn share_lost(&self, cause: Cause) -> f64 {
        share(self.counts.failed[cause as usize] as f64, self.counts.arrived)
    }

    /// The share of the requests that were still inside when the run ended.
    pub(crate) fn share_open(&self) -> f64 {
        share(self.counts.open as f64, self.counts.arrived)
    }

    /// Requests answered well, a second of the window. Arrivals of the window may be answered after
    /// it, so under overload, where requests pile up, their answers are not those of the window.
    /// The number that left in the window is the number that arrived, less the growth of the number
    /// inside; the share of them answered well is taken to be that of the arrivals.
    pub(crate) fn served(&self) -> f64 {
        let Counts { answered, .. } = self.counts;
        let settled = answered + self.counts.failures();
        (self.left() * share(answered as f64, settled)).max(0.0)
    }

    /// Requests that left, a second of the window, answered or not.
    pub(crate) fn left(&self) -> f64 {
        let (opened, closed) = self.inside;
        let left = self.counts.arrived as f64 + opened as f64 - closed as f64;
        if self.measured.is_zero() { 0.0 } else { left / self.measured.as_secs() }
    }

    /// The share of the requests that failed for other causes than waiting too long.
    pub(crate) fn turned_away(&self) -> f64 {
        let waited = [Cause::Timeout, Cause::Patience].map(|it| self.counts.failed[it as usize]);
        share((self.counts.failures() - waited.iter().sum::<u64>()) as f64, self.counts.arrived)
    }
}

/// How many cores of each host were busy with `cpu`, its CPU time over the window.
fn cores_of(outcome: &Outcome, site: &Site, cpu: [Span; 2]) -> [f64; 2] {
    let own = site.database.host.as_ref().unwrap_or(&site.host);
    let measured = outcome.measured.as_secs().max(f64::MIN_POSITIVE);
    let [of_host, of_own] = cpu.map(|cpu| cpu.as_secs() / measured);
    [of_host / site.host.speed, of_own / own.speed]
}

/// Whether all that arrived were answered well.
pub(crate) fn is_complete(counts: &Counts) -> bool {
    counts.answered == counts.arrived
}

/// `part` of `whole`; zero where there is no whole.
fn share(part: f64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}

fn secs(nanos: Option<f64>) -> f64 {
    nanos.unwrap_or(0.0) / 1e9
}
