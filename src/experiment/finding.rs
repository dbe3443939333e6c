//! Folds the replications at one rate into what was found there.

use crate::experiment::answer::{Effort, Finding, Objective, Usages};
use crate::experiment::bottleneck::limit;
use crate::experiment::demand::{bounds, heavy_traffic_variability, slots, work};
use crate::experiment::lab::reach;
use crate::experiment::pool::Pool;
use crate::experiment::summary::{P95, QUANTILES, Summary};
use crate::outcome::{Cause, Queue, Stage, Stopped};
use crate::site::{Listen, Site, WorkerKind};
use crate::stats::estimate::Estimate;
use crate::stats::level::Usage;
use crate::units::{Bytes, Fraction, Span};

/// What was simulated at one rate so far: a site, with its rate and horizon, and a summary for
/// each replication, from the first on.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub site: Site,
    pub summaries: Vec<Summary>,
    /// By how many per cent p95 grows for each per cent of load, where it is to be told for the work
    /// that comes on average, whatever came by chance.
    pub slope: Option<f64>,
    /// Seconds in each stage of the requests that were answered as an overload began, of which this
    /// is what it has come to.
    pub began: Option<[f64; Stage::COUNT]>,
    /// The responses of all replications together, of a sample that has all of them.
    pool: Option<Pool>,
    /// The other sample, where the replications are a few that were run beside the same ones of it.
    paired: Option<Paired>,
}

/// What another sample tells of one that was run beside it.
#[derive(Debug, Clone, Copy)]
struct Paired {
    /// By how much its p95 is more than that of its same few replications: a factor.
    ratio: f64,
    /// Its p95, with all of its replications.
    p95: Option<Estimate>,
}

/// A crowd that grows by more than this share of the arrivals is growing for good: half of the
/// search's resolution of 1 %, so that growth alone cannot move an answer by a whole step.
pub(crate) const GROWTH: f64 = 0.005;

/// A site that starts empty at the very edge of what it sustains grows for as long as one looks: in n
/// arrivals, after a quarter as many of warm-up, by this many times their root with exponential gaps
/// and work. (Its number inside is a random walk, reflected at zero, whose mean after k arrivals is
/// 2 √(k / π): 2 / √π · (√1.25 - √0.25).)
const EDGE: f64 = 0.70;

/// A site that loses more than this share of the requests does not sustain the rate. What a crash
/// takes counts as well: where memory runs out first, a crowd never gets to grow.
pub(crate) const LOSS: f64 = 0.01;

impl Sample {
    pub(crate) fn new(site: Site, summaries: Vec<Summary>) -> Sample {
        let mut summaries = summaries;
        summaries.iter_mut().for_each(|summary| summary.responses = Vec::new());
        Sample { site, summaries, slope: None, began: None, pool: None, paired: None }
    }

    /// The same with the responses of all `summaries` put together.
    pub(crate) fn pooled(site: Site, mut summaries: Vec<Summary>) -> Sample {
        let pool = Some(Pool::of(&mut summaries, &site));
        Sample { pool, ..Sample::new(site, summaries) }
    }

    /// Adds the replications that come next.
    pub(crate) fn extend(&mut self, mut more: Vec<Summary>) {
        if let Some(pool) = &mut self.pool {
            pool.extend(&mut more, &self.site);
        }
        self.summaries.extend(more);
    }

    /// A few replications, from the first on, that faced the same requests as the first of `known`:
    /// what p95 is in them, relative to what it is in those, tells what p95 is. (A ratio estimate:
    /// the two are so alike that the noise of p95 itself is that of `known`, with all of its
    /// replications.)
    pub(crate) fn beside(known: &Sample, site: Site, summaries: Vec<Summary>) -> Sample {
        let few = known.summaries[..summaries.len().min(known.summaries.len())].to_vec();
        let few = Sample::new(known.site.clone(), few).p95();
        let p95 = known.p95();
        let ratio = p95.zip(few).map_or(1.0, |(all, few)| all.mean / few.mean);
        Sample { paired: Some(Paired { ratio, p95 }), ..Sample::new(site, summaries) }
    }

    /// Whether it rests on a few replications beside another sample's.
    pub(crate) fn is_paired(&self) -> bool {
        self.paired.is_some()
    }

    /// The mean of `value` over the replications, of which there is at least one.
    pub(crate) fn mean(&self, value: impl Fn(&Summary) -> f64) -> Estimate {
        let values: Vec<f64> = self.summaries.iter().map(value).collect();
        Estimate::of(&values).expect("a sample has a replication")
    }

    /// The same over the replications that have the value.
    pub(crate) fn known(&self, value: impl Fn(&Summary) -> Option<f64>) -> Option<Estimate> {
        let values: Vec<f64> = self.summaries.iter().filter_map(value).collect();
        Estimate::of(&values)
    }

    /// How many requests were answered of the endpoint that has the fewest, as far as that tells how
    /// many came.
    pub(crate) fn fewest(&self) -> u64 {
        self.pool.as_ref().and_then(|pool| pool.fewest(&self.site)).unwrap_or(u64::MAX)
    }

    /// What all replications give together, as far as that is known, and else the mean over them.
    fn together(
        &self,
        all: impl Fn(&Pool) -> Option<f64>,
        each: impl Fn(&Summary) -> Option<f64>,
    ) -> Option<Estimate> {
        let mean = self.known(each)?;
        Some(self.pool.as_ref().and_then(all).map_or(mean, |centre| mean.moved_to(centre)))
    }

    /// p95 of the requests answered well, in seconds; `None` where none was.
    pub(crate) fn p95(&self) -> Option<Estimate> {
        let work = self.slope.and_then(|slope| Some((slope, work(&self.site)?)));
        let own = |summary: &Summary| {
            let evened =
                work.map_or(1.0, |(slope, work)| summary.work_correction(work).powf(slope));
            Some(summary.quantiles[P95]? * evened)
        };
        let (own, plain) = (self.known(own)?, self.known(|summary| summary.quantiles[P95])?);
        let Some(Paired { ratio, p95 }) = self.paired else {
            let pooled = self.pool.as_ref().and_then(|pool| pool.quantiles[P95]);
            return Some(pooled.map_or(own, |pooled| own.moved_to(own.mean * pooled / plain.mean)));
        };
        let mean = own.mean * ratio;
        Some(p95.map_or(own, |known| {
            let share = mean / known.mean;
            Estimate { mean, standard_error: known.standard_error.map(|it| it * share), ..known }
        }))
    }

    /// Requests that leave a second, had they the work that requests have on average: those that came
    /// had more or less of it by chance, and more where the site makes work of its own. A control
    /// variate: the logarithm of what leaves, by its regression on that of the work for each that left,
    /// where that is what it is on average (Lavenberg and Welch 1981).
    pub(crate) fn carried(&self) -> Estimate {
        let plain = self.mean(Summary::left);
        let Some(work) = work(&self.site) else { return plain };
        let arrivals = self.site.traffic.rate.get();
        let point =
            |it: &Summary| (it.relative_work_per_departure(work, arrivals).ln(), it.left().ln());
        let points = self.summaries.iter().map(point);
        let there = fitted(&points.collect::<Vec<_>>());
        there.map_or(plain, |Estimate { mean, standard_error, replications }| Estimate {
            mean: mean.exp(),
            standard_error: standard_error.map(|error| error * mean.exp()),
            replications,
        })
    }

    /// Whether the site does not sustain the rate: a crowd piles up, or more than [`LOSS`] is lost.
    pub(crate) fn saturated(&self) -> bool {
        !self.is_beyond_reach() && (self.piles_up() || self.mean(Summary::error_rate).mean > LOSS)
    }

    /// Whether what is inside grows, significantly and by more than [`GROWTH`] and than it does at
    /// the edge; or so many were inside that the run was ended.
    pub(crate) fn piles_up(&self) -> bool {
        let surely = self.mean(Summary::growth).interval().is_none_or(|(low, _)| low > 0.0);
        (self.grows() && surely || self.crowded()) && !self.is_beyond_reach()
    }

    /// Whether what is inside grows on average, by more than [`GROWTH`] and than it does at the edge.
    pub(crate) fn grows(&self) -> bool {
        self.mean(Summary::growth).mean > GROWTH.max(self.edge())
    }

    /// Whether all is lost: everybody fails, and it can get no worse, whatever piles up.
    pub(crate) fn is_lost(&self) -> bool {
        self.summaries.iter().all(|it| it.counts.failures() == it.counts.arrived)
    }

    /// Whether growth is obvious, however short the window.
    pub(crate) fn runs_away(&self) -> bool {
        let growth = self.mean(Summary::growth).interval();
        let grows = growth.is_some_and(|(low, _)| low > GROWTH + self.edge());
        (grows || self.crowded()) && !self.is_beyond_reach()
    }

    /// By how much a site at the edge of what it sustains grows in such a window, per arrival.
    fn edge(&self) -> f64 {
        let arrived = self.arrived() as f64 / f64::from(self.replications());
        EDGE * heavy_traffic_variability(&self.site) / arrived.max(1.0).sqrt()
    }

    /// Whether a run ended early because as many were inside as the simulator allows.
    pub(crate) fn crowded(&self) -> bool {
        self.summaries.iter().any(|summary| summary.stopped == Some(Stopped::InFlight))
    }

    /// Whether that is no doing of the site's, as far as one can tell: about as many would be inside
    /// with nobody waiting, and the utilisation law allows it.
    pub(crate) fn is_beyond_reach(&self) -> bool {
        let rate = self.site.traffic.rate;
        self.crowded()
            && rate.get() > reach(&self.site, self.site.horizon.in_flight_limit)
            && bounds(&self.site).first().is_none_or(|(_, bound)| rate <= *bound)
    }

    /// Requests that arrived in the windows.
    pub(crate) fn arrived(&self) -> u64 {
        self.summaries.iter().map(|summary| summary.counts.arrived).sum()
    }

    /// What was found, with the effort that was made for it.
    pub(crate) fn finding(&self, effort: Effort) -> Finding {
        let quantile = |index: usize| {
            self.together(|pool| pool.quantiles[index], |summary| summary.quantiles[index])
        };
        let settled = self.settled();
        let weak = matches!(effort, Effort::Precision(_)) && !settled && !self.saturated();
        // What windows vary by that are too short is not how far off their mean may be.
        let told = |estimate: Estimate| if weak { estimate.without_error() } else { estimate };
        let [p50, p90, p99] = [0, 1, 3].map(|index| quantile(index).map(told));
        let horizon = self.site.horizon;
        Finding {
            rate: self.site.traffic.rate,
            served: self.mean(Summary::served),
            mean: self.together(|pool| pool.mean, |summary| summary.mean).map(told),
            p50,
            p90,
            p95: self.p95().map(told),
            p99,
            error_rate: told(self.error_rate()),
            errors: self.errors(),
            open: self.mean(Summary::share_open).mean,
            mean_wait: self.mean_wait(),
            usage: self.usage(),
            mean_request: self.stages(|summary| summary.stages),
            slow_request: self.stages(|summary| summary.slow),
            began: self.began,
            oom_kills_per_hour: self.kills_per_hour(),
            saturated: self.saturated(),
            grows: self.piles_up() && !self.is_lost(),
            bottleneck: limit(self, self, &Objective::default()),
            replications: self.replications(),
            warmup: horizon.warmup,
            measured: self.measured(),
            settled,
            precise: self.precise(effort),
            stopped: self.summaries.iter().find_map(|summary| summary.stopped),
            events: self.summaries.iter().map(|summary| summary.events).sum(),
        }
    }

    /// The share of the requests that failed. Its error is no less than that of so many failures that
    /// do not depend on each other: where none of n requests failed, up to 3 in n may.
    fn error_rate(&self) -> Estimate {
        let failures: u64 = self.summaries.iter().map(|it| it.counts.failures()).sum();
        let least = (failures as f64 + 2.0).sqrt() / (self.arrived() as f64).max(1.0);
        let by_replication = self.mean(Summary::error_rate);
        let standard_error = by_replication.standard_error.map(|error| error.max(least));
        Estimate { standard_error, ..by_replication }
    }

    /// How long a window was on average: shorter than it was to be where the run was stopped.
    fn measured(&self) -> Span {
        let all = self.summaries.iter().map(|summary| u128::from(summary.measured.as_nanos()));
        let mean = all.sum::<u128>() / u128::from(self.replications());
        Span::from_nanos(u64::try_from(mean).expect("the mean of spans is no longer than they are"))
    }

    pub(crate) fn replications(&self) -> u32 {
        u32::try_from(self.summaries.len()).expect("fewer than 2^32 replications")
    }

    fn precise(&self, effort: Effort) -> bool {
        match effort {
            Effort::Fixed { .. } => true,
            Effort::Precision(share) => self.within(share.get()) && self.settled(),
        }
    }

    /// Whether half the width of p95's interval is at most this share of it: of no time at all none.
    pub(crate) fn within(&self, share: f64) -> bool {
        self.p95().is_some_and(|p95| p95.half_width().is_some_and(|half| half <= share * p95.mean))
    }

    /// Whether the windows are long against the site's memory of its past, and nothing grows: so
    /// that the replications tell of the steady state, not of the empty start.
    pub(crate) fn settled(&self) -> bool {
        !self.crowded()
            && self.mean(Summary::growth).interval().is_some_and(|(_, high)| high <= GROWTH)
            && self.memories() >= MEMORIES
            && self.residue() <= RESIDUE
    }

    /// What is left of the empty start, as a share of the window's mean, where the past is forgotten
    /// exponentially: a window that forgets m times over spans 2 m of the times in which it does.
    fn residue(&self) -> f64 {
        let horizon = self.site.horizon;
        let windows = 2.0 * self.memories();
        let warmups = windows * (horizon.warmup.as_secs() / horizon.measured.as_secs());
        if windows.is_finite() { (-warmups).exp() / windows } else { 0.0 }
    }

    /// Whether the backlog was as full as it gets, and the kernel told nobody: whoever came then tried again
    /// and again, beside those who came later, until the end of patience. How many do is known once the
    /// first have given up.
    pub(crate) fn refuses_silently(&self) -> bool {
        let full = |most: u32| {
            self.summaries.iter().any(|summary| summary.levels.backlog.peak > u64::from(most))
        };
        self.site.front.listen == Listen::Tcp && self.site.front.backlog.is_some_and(full)
    }

    /// How many times over a window forgets: the variance of what is inside, over the variance
    /// of its mean over a window. A window that holds n independent glimpses of a crowd has a
    /// mean with an n-th of the crowd's variance; near saturation the crowd changes so slowly
    /// that a short window is one glimpse, and replications that all began empty agree on too
    /// low a figure. Where nobody ever found anybody inside there is no crowd to remember.
    fn memories(&self) -> f64 {
        let mean = self.mean(|summary| summary.seen.0).mean;
        if mean <= 0.0 {
            return f64::INFINITY;
        }
        let variance = self.mean(|summary| summary.seen.1).mean - mean * mean;
        let crowd = self.mean(|summary| summary.levels.inside.mean);
        let between = crowd.standard_error.unwrap_or(0.0).powi(2) * f64::from(crowd.replications);
        if between > 0.0 { variance / between } else { f64::INFINITY }
    }

    /// By cause, each replication counting the same, as in the error rate: so that these add up to it.
    fn errors(&self) -> [f64; Cause::COUNT] {
        Cause::ALL.map(|cause| self.mean(|summary| summary.share_lost(cause)).mean)
    }

    fn mean_wait(&self) -> [f64; Queue::COUNT] {
        Queue::ALL.map(|queue| {
            let waits = || self.summaries.iter().map(|summary| summary.waits[queue as usize]);
            let count: u64 = waits().map(|(_, count)| count).sum();
            let sum: f64 = waits().map(|(mean, count)| mean * count as f64).sum();
            sum / count.max(1) as f64
        })
    }

    /// The mean over the replications of the time in each stage.
    pub(crate) fn stages(
        &self,
        of: impl Fn(&Summary) -> Option<[f64; Stage::COUNT]>,
    ) -> Option<[f64; Stage::COUNT]> {
        let known: Vec<_> = self.summaries.iter().filter_map(of).collect();
        let mean =
            |stage: usize| known.iter().map(|each| each[stage]).sum::<f64>() / known.len() as f64;
        (!known.is_empty()).then(|| std::array::from_fn(mean))
    }

    fn kills_per_hour(&self) -> f64 {
        let kills: u64 = self.summaries.iter().map(|summary| summary.kills).sum();
        let secs: f64 = self.summaries.iter().map(|summary| summary.measured.as_secs()).sum();
        if secs > 0.0 { kills as f64 * 3600.0 / secs } else { 0.0 }
    }

    pub(crate) fn usage(&self) -> Usages {
        let site = &self.site;
        let mean = |level: fn(&Summary) -> Usage| self.mean(|summary| level(summary).mean).mean;
        let peak = |level: fn(&Summary) -> Usage| {
            self.summaries.iter().map(|summary| level(summary).peak).max().unwrap_or(0)
        };
        let workers = f64::from(site.server.workers);
        let turns = mean(|summary| summary.levels.turns) / workers;
        let connections = mean(|summary| summary.levels.connections);
        Usages {
            cpu_utilisation: mean(|summary| summary.levels.cores) / f64::from(site.host.cores),
            database_cpu_utilisation: site
                .database
                .host
                .as_ref()
                .map(|host| mean(|summary| summary.levels.database_cores) / f64::from(host.cores)),
            worker_utilisation: match (site.server.kind, slots(site)) {
                (WorkerKind::Async { .. }, _) | (_, None) => turns,
                (_, Some(slots)) => mean(|summary| summary.levels.workers) / slots as f64,
            },
            gil_utilisation: turns,
            pool_utilisation: site
                .server
                .connections
                .limit
                .map(|limit| connections / (workers * f64::from(limit))),
            backlog_mean: mean(|summary| summary.levels.backlog),
            inside_mean: mean(|summary| summary.levels.inside),
            inside_peak: peak(|summary| summary.levels.inside),
            pool_queue_mean: mean(|summary| summary.levels.pool_queue),
            connections_busy_mean: connections,
            connections_mean: mean(|summary| summary.levels.open_connections),
            connections_peak: peak(|summary| summary.levels.open_connections),
            memory_mean: Bytes::new(mean(|summary| summary.levels.memory) as u64),
            memory_peak: Bytes::new(peak(|summary| summary.levels.memory)),
        }
    }
}

/// Where the line fitted to `points` by least squares is at zero; `None` where they fix no line. It
/// falls by one for one at most: twice the work takes no more than twice as long. It counts for one
/// replication less, since it takes one degree of freedom more.
fn fitted(points: &[(f64, f64)]) -> Option<Estimate> {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let slope = slope.clamp(-1.0, 0.0);
    let off = |point: &(f64, f64)| point.1 - y - slope * (point.0 - x);
    let noise = points.iter().map(|point| off(point).powi(2)).sum::<f64>() / (n - 2.0);
    let error = (noise * (1.0 / n + x * x / spread)).sqrt();
    error.is_finite().then(|| Estimate {
        mean: y - slope * x,
        standard_error: Some(error),
        replications: points.len() as u32 - 1,
    })
}

/// How often over a window must forget, at least.
const MEMORIES: f64 = 8.0;

/// What may be left of the empty start: 0.12 %. So much is left in a window that forgets as often as it
/// must, after a quarter as much of warm-up, of e^-4 as it opens.
const RESIDUE: f64 = 1.2e-3;

/// The share of the requests that may fail where `objective` is to be met: no more than a site that
/// sustains its rate loses, whatever it allows.
pub(crate) fn allowed_errors(objective: &Objective) -> f64 {
    objective.errors.map_or(LOSS, Fraction::get).min(LOSS)
}

/// Whether `finding` meets `objective`; `None` where there is none, or nothing to tell it by.
pub(crate) fn meets(finding: &Finding, objective: &Objective) -> Option<bool> {
    let asked = objective.p95.is_some() || objective.errors.is_some();
    let slow =
        objective.p95.is_some_and(|most| finding.p95.is_none_or(|p95| p95.mean > most.as_secs()));
    let failing = objective.errors.is_some_and(|most| finding.error_rate.mean > most.get());
    (asked && !finding.is_beyond_reach()).then_some(!slow && !failing && !finding.saturated)
}

const _: () = assert!(QUANTILES.len() == 4 && P95 == 2);
