//! What was simulated at one rate, and what follows from it.

use crate::experiment::answer::{Effort, Finding, LOSS, Limit, Objective, Usages};
use crate::experiment::demand::{bounds, slots, work};
use crate::experiment::horizon::reach;
use crate::experiment::merged::Merged;
use crate::experiment::summary::{P95, QUANTILES, Summary};
use crate::outcome::{Cause, Queue, Stage, Stopped};
use crate::site::{Site, WorkerKind};
use crate::stats::estimate::Estimate;
use crate::stats::level::Usage;
use crate::units::{Bytes, Span};

/// What was simulated at one rate so far: the site, with its rate and horizon, and a summary of
/// each replication, from the first on.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub site: Site,
    pub summaries: Vec<Summary>,
    /// By how many per cent p95 grows for each per cent of load, where p95 is to be corrected for
    /// requests that happened to ask for more or less work than they do on average.
    pub slope: Option<f64>,
    /// If this is an overload that has lasted: seconds in each stage of the requests that were
    /// answered as it began.
    pub began: Option<[f64; Stage::COUNT]>,
    /// The responses of all replications together, of a sample that has all of them.
    merged: Option<Merged>,
    /// The sample beside which this one was run, if it was.
    paired: Option<Paired>,
}

/// What a sample that is run beside another takes from that one.
#[derive(Debug, Clone, Copy)]
struct Paired {
    /// The other's p95 over that of its first few replications, as many as this sample has.
    ratio: f64,
    /// The other's p95, with all of its replications.
    p95: Option<Estimate>,
}

impl Sample {
    /// A sample of `summaries` whose response times are not needed together.
    pub(crate) fn new(site: Site, mut summaries: Vec<Summary>) -> Sample {
        summaries.iter_mut().for_each(|summary| summary.responses = Vec::new());
        Sample { site, summaries, slope: None, began: None, merged: None, paired: None }
    }

    /// A sample of `summaries` that merges their response times.
    pub(crate) fn merging(site: Site, mut summaries: Vec<Summary>) -> Sample {
        let merged = Some(Merged::of(&mut summaries, &site));
        Sample { merged, ..Sample::new(site, summaries) }
    }

    /// Adds the replications that come next.
    pub(crate) fn extend(&mut self, mut more: Vec<Summary>) {
        if let Some(merged) = &mut self.merged {
            merged.extend(&mut more, &self.site);
        }
        self.summaries.extend(more);
    }

    /// A sample of a few replications that faced the same requests as the first ones of `known`.
    /// Its p95 is a ratio estimate: that of `known`, times the ratio of the two in these few
    /// replications. They are so alike that the ratio has next to no noise, and p95 that of
    /// `known`.
    pub(crate) fn beside(known: &Sample, site: Site, summaries: Vec<Summary>) -> Sample {
        let few = known.summaries[..summaries.len().min(known.summaries.len())].to_vec();
        let few = Sample::new(known.site.clone(), few).p95();
        let p95 = known.p95();
        let ratio = p95.zip(few).map_or(1.0, |(all, few)| all.mean / few.mean);
        Sample { paired: Some(Paired { ratio, p95 }), ..Sample::new(site, summaries) }
    }

    /// Whether it was run beside another sample.
    pub(crate) fn is_paired(&self) -> bool {
        self.paired.is_some()
    }

    /// The mean of `value` over the replications, of which there is at least one.
    pub(crate) fn mean(&self, value: impl Fn(&Summary) -> f64) -> Estimate {
        let values: Vec<f64> = self.summaries.iter().map(value).collect();
        Estimate::of(&values).expect("a sample has a replication")
    }

    /// The mean of `value` over the replications that have one; `None` where none has.
    pub(crate) fn known(&self, value: impl Fn(&Summary) -> Option<f64>) -> Option<Estimate> {
        let values: Vec<f64> = self.summaries.iter().filter_map(value).collect();
        Estimate::of(&values)
    }

    /// How many requests were answered of the endpoint that has the fewest, as far as that tells
    /// how many came.
    pub(crate) fn fewest(&self) -> u64 {
        self.merged.as_ref().and_then(|it| it.fewest(&self.site)).unwrap_or(u64::MAX)
    }

    /// What all replications give together, as far as that is known, and else the mean over them.
    fn together(
        &self,
        all: impl Fn(&Merged) -> Option<f64>,
        each: impl Fn(&Summary) -> Option<f64>,
    ) -> Option<Estimate> {
        let mean = self.known(each)?;
        Some(self.merged.as_ref().and_then(all).map_or(mean, |centre| mean.moved_to(centre)))
    }

    /// p95 of the requests answered well, in seconds; `None` where none was.
    pub(crate) fn p95(&self) -> Option<Estimate> {
        let work = self.slope.and_then(|slope| Some((slope, work(&self.site)?)));
        let own = |summary: &Summary| {
            let correction =
                work.map_or(1.0, |(slope, work)| summary.work_correction(work).powf(slope));
            Some(summary.quantiles[P95]? * correction)
        };
        let (own, plain) = (self.known(own)?, self.known(|summary| summary.quantiles[P95])?);
        let Some(Paired { ratio, p95 }) = self.paired else {
            let merged = self.merged.as_ref().and_then(|merged| merged.quantiles[P95]);
            let merged = merged.filter(|_| plain.mean > 0.0);
            return Some(merged.map_or(own, |merged| own.moved_to(own.mean * merged / plain.mean)));
        };
        let mean = own.mean * ratio;
        Some(p95.map_or(own, |known| {
            let share = mean / known.mean;
            Estimate { mean, standard_error: known.standard_error.map(|it| it * share), ..known }
        }))
    }

    /// Requests that leave a second, corrected to the work that requests have on average: those
    /// that arrived had more or less of it by chance, and more where the site makes work of its
    /// own. The work per departure is a control variate: the logarithm of what leaves is regressed
    /// on the logarithm of that work over its expectation, and read off at zero (Lavenberg and
    /// Welch 1981).
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

    /// Whether the site does not sustain the rate: requests pile up, or more than [`LOSS`] of them
    /// fail.
    pub(crate) fn saturated(&self) -> bool {
        !self.is_beyond_reach() && (self.piles_up() || self.mean(Summary::error_rate).mean > LOSS)
    }

    /// Whether the simulator's limit on requests inside ended a run although the site may sustain
    /// the rate: many would be inside without any waiting (see [`reach`]), and the utilisation law
    /// allows the rate.
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

    /// Whether the objective is met, by the means; `None` where there is no objective, where no
    /// request came, or where a limit of the simulator hides it.
    pub(crate) fn meets(&self, objective: &Objective) -> Option<bool> {
        let asked = (objective.p95.is_some() || objective.errors.is_some()) && self.arrived() > 0;
        let slow = objective.is_slow(self.p95().map(|p95| p95.mean));
        let errors = self.mean(Summary::error_rate).mean;
        let failing = objective.errors.is_some_and(|most| errors > most.get());
        let saturated = self.saturated();
        let hidden = self.stopped() == Some(Stopped::InFlight) && !saturated;
        (asked && !hidden).then_some(!slow && !failing && !saturated)
    }

    /// The finding of this sample, where `bottleneck` gives way and `effort` was asked for.
    pub(crate) fn finding(&self, effort: Effort, bottleneck: Limit) -> Finding {
        let quantile = |index: usize| {
            self.together(|merged| merged.quantiles[index], |summary| summary.quantiles[index])
        };
        let settled = self.settled();
        let weak = matches!(effort, Effort::Precision(_)) && !settled && !self.saturated();
        // The spread between windows that are too short does not show how far off their mean is.
        let checked = |estimate: Estimate| if weak { estimate.without_error() } else { estimate };
        let [p50, p90, p99] = [0, 1, 3].map(|index| quantile(index).map(checked));
        let horizon = self.site.horizon;
        Finding {
            rate: self.site.traffic.rate,
            served: self.mean(Summary::served),
            mean: self.together(|merged| merged.mean, |summary| summary.mean).map(checked),
            p50,
            p90,
            p95: self.p95().map(checked),
            p99,
            error_rate: checked(self.error_rate()),
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
            bottleneck,
            replications: self.replications(),
            warmup: horizon.warmup,
            measured: self.measured(),
            settled,
            precise: self.precise(effort),
            stopped: self.stopped(),
            events: self.summaries.iter().map(|summary| summary.events).sum(),
        }
    }

    /// The share of the requests that failed. Its standard error is at least √(k + 2) / n, where k
    /// of n requests failed (or were answered, if that is rarer). For k = 0 the interval ends at
    /// 3.3 / n with eight replications and at 2.8 / n with many, where the rule of three has 3 / n;
    /// for k = 1 at 5.1 / n and 4.4 / n, where the exact limit for independent failures is 5.6 / n.
    fn error_rate(&self) -> Estimate {
        let failures: u64 = self.summaries.iter().map(|it| it.counts.failures()).sum();
        let rarer = failures.min(self.arrived().saturating_sub(failures));
        let least = (rarer as f64 + 2.0).sqrt() / (self.arrived() as f64).max(1.0);
        let by_replication = self.mean(Summary::error_rate);
        let standard_error = by_replication.standard_error.map(|error| error.max(least));
        Estimate { standard_error, ..by_replication }
    }

    /// The limit of the simulator that ended a run early, if one did.
    fn stopped(&self) -> Option<Stopped> {
        self.summaries.iter().find_map(|summary| summary.stopped)
    }

    /// The mean length of the windows: shorter than asked for where a run was stopped.
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

    /// Whether half the width of p95's interval is at most this share of it. (It is where both are
    /// zero.)
    pub(crate) fn within(&self, share: f64) -> bool {
        self.p95().is_some_and(|p95| p95.half_width().is_some_and(|half| half <= share * p95.mean))
    }

    /// The error rate by cause. Each replication counts the same, as in the error rate itself, so
    /// that the causes add up to it.
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

    /// The mean time in each stage over the replications in which `of` has one.
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

/// The value at zero of the line fitted to `points` by least squares; `None` where they fix no
/// line. Its slope is kept between -1 and 0: twice the work takes no more than twice as long. The
/// estimate has one replication less, since the slope takes a degree of freedom.
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

const _: () = assert!(QUANTILES.len() == 4 && P95 == 2);
