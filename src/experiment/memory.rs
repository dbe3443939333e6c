//! The OOM point: by arithmetic where that is enough, else by simulation.

use crate::experiment::answer::{Combination, Threshold};
use crate::experiment::demand::{length_biased_response, no_load_response, slots};
use crate::experiment::horizon::{IN_FLIGHT, REPLICATIONS, at};
use crate::experiment::lab::Lab;
use crate::experiment::sample::Sample;
use crate::experiment::search::{Found, Trial, Verdict, largest};
use crate::site::{Endpoint, Horizon, Site};
use crate::stats::estimate::Estimate;
use crate::units::{Bytes, Fraction, PerSecond, Span, Time};

/// How long memory must last: the OOM point is the smallest rate at which half of the replications
/// have an OOM kill within ten minutes.
const TEN_MINUTES: Span = Span::from_whole_secs(600);

/// The resolution of the search for the OOM point, 2 %. Each trial may take ten minutes of traffic
/// in eight replications.
const OOM_RESOLUTION: f64 = 0.02;

/// A trial simulates this many arrivals per replication first, then four times as many, and so on
/// up to ten minutes: runaway growth shows at once.
const FIRST_LOOK: f64 = 2_000.0;

/// The largest number of arrivals in the runs of a trial, all replications together. A trial that
/// ends there extrapolates how memory grew so far.
const ARRIVALS: f64 = 300_000.0;

/// How much higher the peak of a steady crowd may come to be in ten minutes than in the part that
/// was simulated. Its tail is geometric, so that its peak grows with the logarithm of the arrivals:
/// from the 16,000 of eight first looks to a million, by ln 10⁶ / ln 16,000 = 1.43.
const PEAK: f64 = 1.5;

/// How many times as long each look is as the one before.
const LONGER: f64 = 4.0;

/// Memory grows steadily if it grows at least by this share of the factor by which a look is
/// longer.
const STEADY_GROWTH: f64 = 0.75;

/// A prediction of memory is certain once it lies this many standard errors from the headroom.
const CERTAIN: f64 = 2.5;

/// A tried rate determines the OOM point if memory there is full to within this factor, and the
/// rate lies within [`OOM_RESOLUTION`] of the interpolated point.
const NEARLY: f64 = 1.5;

/// The smallest number of workers that do not all fit in memory at rest, by arithmetic. `None`
/// where memory is not limited, or holds any number of them.
pub(crate) fn too_many_workers(combination: &Combination) -> Option<u32> {
    u32::try_from(most_workers(combination)? + 1).ok()
}

/// The largest number of workers that memory holds at rest, with the connections that each keeps,
/// where those take memory of the same host and PostgreSQL grants them. `None` where it holds any
/// number.
pub(crate) fn most_workers(combination: &Combination) -> Option<u64> {
    let (site, server) = (&combination.site, &combination.site.server);
    let connection = match &site.database.host {
        Some(_) => 0,
        None => u128::from(site.database.connection_memory.get()),
    };
    let [worker, each] = [server.worker_memory.get(), server.kept_connections().into()];
    let [worker, each] = [worker, each].map(u128::from);
    let granted = site.database.connection_slots.map(u128::from);
    let kept = (u128::from(server.workers) * each).min(granted.unwrap_or(u128::MAX));
    let own = u128::from(server.workers) * worker + kept * connection;
    let free = u128::from(combination.budget.ceiling?.get()) + own;
    let free = free.saturating_sub(combination.budget.used().get().into());
    // Either each worker has all the connections that it keeps, or they share all that are granted.
    let apart = free.checked_div(worker + each * connection)?;
    let shared = granted.map(|all| all * connection).filter(|all| *all <= free);
    let most = match shared {
        Some(all) => apart.max((free - all).checked_div(worker)?),
        None => apart,
    };
    u64::try_from(most).ok()
}

/// The OOM point, the smallest rate at which memory runs out. Where arithmetic does not give it, it
/// is searched for, but only with `search`. `None` where the watch ended it.
pub(crate) fn out_of_memory(
    lab: &Lab,
    combination: &Combination,
    saturation: Threshold,
    search: bool,
) -> Option<Threshold> {
    if combination.too_small().is_some() {
        return Some(Threshold::AtRest);
    }
    let budget = &combination.budget;
    let Some(ceiling) = budget.ceiling else { return Some(Threshold::Never) };
    let room = Headroom { rest: budget.used(), ceiling };
    match fullest(&combination.site) {
        Some(most) if budget.used() + most <= ceiling => Some(Threshold::Never),
        _ if !search => Some(Threshold::NotSearched),
        _ => find(lab, room, saturation),
    }
}

/// The memory of the workers' host: in use at rest, and in all.
#[derive(Debug, Clone, Copy)]
struct Headroom {
    rest: Bytes,
    ceiling: Bytes,
}

impl Headroom {
    fn free(self) -> f64 {
        self.ceiling.saturating_sub(self.rest).get() as f64
    }
}

/// The memory that requests can take at most on top of that at rest: every place taken by the
/// request with the most memory, and as many connections as there can be. `None`: without bound.
fn fullest(site: &Site) -> Option<Bytes> {
    if site.traffic.leaks() {
        return None;
    }
    let hungriest = wanted(site).map(|endpoint| endpoint.memory).max().unwrap_or(Bytes::ZERO);
    // Requests that wait for a thread take no memory.
    let requests = match (hungriest, slots(site)) {
        (Bytes::ZERO, _) => Bytes::ZERO,
        (each, slots) => each * slots?,
    };
    let connections = match (site.database.host.is_none(), site.database.connection_memory) {
        (true, each) if each > Bytes::ZERO => each * more_connections(site)?,
        _ => Bytes::ZERO,
    };
    Some(requests + connections)
}

/// Whether the database's own host may run out of memory under load: it holds what is there at
/// rest, but not all connections that may be open on top of that.
pub(crate) fn database_fills(combination: &Combination) -> bool {
    let (site, Some(budget)) = (&combination.site, &combination.database_budget) else {
        return false;
    };
    let Some(room) = budget.ceiling.map(|ceiling| ceiling.saturating_sub(budget.used())) else {
        return false;
    };
    let each = site.database.connection_memory;
    budget.fits() && each > Bytes::ZERO && more_connections(site).is_none_or(|it| each * it > room)
}

/// Connections open at a time at most, beyond those that are kept. `None`: without bound.
fn more_connections(site: &Site) -> Option<u64> {
    let workers = u64::from(site.server.workers);
    let kept = workers * u64::from(site.server.kept_connections());
    let pools = site.server.connections.limit.map(|limit| workers * u64::from(limit));
    let granted = site.database.connection_slots.map(u64::from);
    let used = slots(site).map(|slots| slots + kept);
    let most = [pools, granted, used].into_iter().flatten().min();
    most.map(|most| most.saturating_sub(kept))
}

fn wanted(site: &Site) -> impl Iterator<Item = &Endpoint> {
    site.traffic.endpoints.iter().filter(|endpoint| endpoint.weight > 0.0)
}

fn find(lab: &Lab, room: Headroom, saturation: Threshold) -> Option<Threshold> {
    let (low, guess, high) = range(lab.site, room, saturation);
    let mut curve = FillCurve { saturation, points: Vec::new() };
    let found = largest((low, high), Fraction::new(OOM_RESOLUTION), |rate| {
        let verdict = match curve.interpolated_oom_point() {
            Some(point) => Verdict::Unclear { met: rate < point },
            None => {
                let result = try_rate(lab, room, rate)?;
                curve.points.push((rate, result.full));
                result.verdict
            }
        };
        Some(Trial { verdict, guess: curve.crossing().or(guess) })
    })?;
    Some(match found {
        Found::Between { met, missed, accuracy } => {
            Threshold::At { rate: missed, beyond: met, accuracy }
        }
        Found::Everywhere => Threshold::Never,
        Found::Nowhere => Threshold::AtRest,
    })
}

/// How full memory gets in ten minutes, by rate.
struct FillCurve {
    saturation: Threshold,
    /// The rates tried, and how full memory gets there, as a share of the headroom.
    points: Vec<(PerSecond, f64)>,
}

impl FillCurve {
    /// About the rate at which memory is just full. The number inside grows by the requests that
    /// come beyond the saturation point, or stays at what comes of those within the clients'
    /// patience. So memory goes about as a power of the rate beyond that point; the first power, as
    /// long as only one rate was tried.
    fn crossing(&self) -> Option<PerSecond> {
        let full = self.saturation.rate()?.get();
        let beyond = self.points.iter().filter(|(rate, _)| rate.get() > full);
        let logarithms = beyond.map(|(rate, share)| ((rate.get() - full).ln(), share.ln()));
        // A rate at which no memory was taken has no logarithm.
        let mut known: Vec<(f64, f64)> = logarithms.filter(|(_, y)| y.is_finite()).collect();
        known.sort_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()));
        let (x, y) = *known.first()?;
        let power = known.get(1).map_or(1.0, |(next_x, next_y)| (next_y - y) / (next_x - x));
        let crossing = full + (x - y / power).exp();
        (power > 0.0 && crossing.is_finite()).then(|| PerSecond::new(crossing))
    }

    /// The interpolated OOM point, if a rate within [`OOM_RESOLUTION`] of it was tried, at which
    /// memory is full to within [`NEARLY`].
    fn interpolated_oom_point(&self) -> Option<PerSecond> {
        let point = self.crossing()?;
        let next = |(rate, share): &(PerSecond, f64)| {
            rate.log_distance(point) <= OOM_RESOLUTION && share.ln().abs() <= NEARLY.ln()
        };
        self.points.iter().any(next).then_some(point)
    }
}

/// The lowest rate to search, a first guess, and the highest. A crowd of as many requests as fill
/// memory piles up in ten minutes if that many more arrive in them than are answered. Where nothing
/// saturates, it is inside when that many arrive within a no-load response time. The highest rate
/// has four times that excess, or is twice the saturation point.
fn range(
    site: &Site,
    room: Headroom,
    saturation: Threshold,
) -> (PerSecond, Option<PerSecond>, PerSecond) {
    let crowd = crowd(site, room);
    let excess = crowd / TEN_MINUTES.as_secs();
    let (guess, high) = match saturation.rate().map(PerSecond::get) {
        Some(rate) => (rate + excess, (2.0 * rate).max(rate + 4.0 * excess).min(4.0 * rate)),
        None => (
            crowd / no_load_response(site).max(1e-3),
            4.0 * crowd / no_load_response(site).max(1e-3),
        ),
    };
    let high = PerSecond::new(high);
    let guess = Some(PerSecond::new(guess)).filter(|guess| *guess < high);
    (high.scaled(1e-3), guess, high)
}

/// How many average requests fill memory.
fn crowd(site: &Site, room: Headroom) -> f64 {
    let memory: f64 = wanted(site)
        .map(|endpoint| site.traffic.share(endpoint).get() * endpoint.memory.get() as f64)
        .sum();
    room.free().max(1.0) / memory.max(1.0)
}

/// The result of ten minutes at a rate.
struct TrialResult {
    /// Met if fewer than half of the replications have an OOM kill.
    verdict: Verdict,
    /// How full memory gets, as a share of the headroom; where it was full sooner than in ten
    /// minutes, how many times sooner.
    full: f64,
}

/// The result of ten minutes at `rate`. Simulates longer and longer runs, until it can be predicted
/// how they go on. A longer run begins as the shorter did, so that a kill in the one is in the
/// other.
fn try_rate(lab: &Lab, room: Headroom, rate: PerSecond) -> Option<TrialResult> {
    let response = Span::from_secs(2.0 * length_biased_response(lab.site));
    let mut span = rate.mean_gap().scaled(FIRST_LOOK).max(response).min(TEN_MINUTES);
    let mut before: Option<PeakMemory> = None;
    loop {
        let sample = look(lab, rate, span, room)?;
        let taken = PeakMemory::of(&sample, room, span);
        let killed = half_are_killed(&sample);
        let plain =
            if killed { Some(false) } else { taken.predict(lab.site, room, before.as_ref()) };
        let longer = longer(rate, span);
        let verdict = match plain {
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
            None if span == TEN_MINUTES => Verdict::Met,
            None if longer <= span => {
                Verdict::Unclear { met: taken.in_ten_minutes(before.as_ref()) < room.free() }
            }
            None => {
                (span, before) = (longer, Some(taken));
                continue;
            }
        };
        let full = taken.in_ten_minutes(before.as_ref()) / room.free();
        return Some(TrialResult { verdict, full: times_sooner(&sample).unwrap_or(full) });
    }
}

/// The length of the run after one of `span`. If the one after that would be less than twice as
/// long, it is the longest there is.
fn longer(rate: PerSecond, span: Span) -> Span {
    let most = ARRIVALS / f64::from(REPLICATIONS) / rate.get();
    let most = TEN_MINUTES.min(Span::from_secs(most));
    let longer = span.scaled(LONGER);
    if longer.scaled(2.0) > most { most } else { longer }
}

/// Ten minutes over the mean time until memory ran out; `None` where it did not run out in half of
/// the replications or more.
fn times_sooner(sample: &Sample) -> Option<f64> {
    let filled = sample.known(|summary| summary.first_kill[0].map(Time::as_secs))?;
    half_are_killed(sample).then(|| TEN_MINUTES.as_secs() / filled.mean)
}

fn look(lab: &Lab, rate: PerSecond, span: Span, room: Headroom) -> Option<Sample> {
    let smallest = wanted(lab.site).map(|endpoint| endpoint.memory.get()).min().unwrap_or(0);
    let crowd = room.free() / smallest.max(1) as f64;
    let horizon = Horizon {
        warmup: Span::ZERO,
        measured: span,
        drain: Span::ZERO,
        in_flight_limit: (2.0 * crowd).clamp(f64::from(IN_FLIGHT), 10.0 * f64::from(IN_FLIGHT))
            as u32,
        arrivals_limit: ARRIVALS as u64,
    };
    let site = at(lab.site, rate, horizon);
    let summaries = lab.replicate(&site, (0, REPLICATIONS))?;
    Some(Sample::new(site, summaries))
}

/// Whether half of the replications, or more, had an OOM kill.
fn half_are_killed(sample: &Sample) -> bool {
    let killed = sample.summaries.iter().filter(|summary| summary.first_kill[0].is_some());
    killed.count() * 2 >= sample.summaries.len()
}

/// The peaks of memory in runs, in bytes beyond that at rest.
#[derive(Debug, Clone)]
struct PeakMemory {
    /// The length of the runs.
    span: Span,
    /// The peak of each replication.
    peaks: Vec<f64>,
}

impl PeakMemory {
    fn of(sample: &Sample, room: Headroom, span: Span) -> PeakMemory {
        let taken = |peak: u64| peak.saturating_sub(room.rest.get()) as f64;
        let peaks = sample.summaries.iter().map(|summary| taken(summary.levels.memory.peak));
        PeakMemory { span, peaks: peaks.collect() }
    }

    /// The highest peak of the replications.
    fn most(&self) -> f64 {
        self.peaks.iter().copied().fold(0.0, f64::max)
    }

    /// The mean peak of the replications.
    fn mean(&self) -> f64 {
        self.peaks.iter().sum::<f64>() / self.peaks.len() as f64
    }

    /// The mean peak in ten minutes, extrapolated as a power of time. The power is that of the
    /// growth since the shorter runs `before`: 1 where memory grows steadily, about 1/2 where it
    /// wanders, and about 0 where it does not grow.
    fn in_ten_minutes(&self, before: Option<&PeakMemory>) -> f64 {
        let longer = TEN_MINUTES.as_secs() / self.span.as_secs();
        let power = before.map_or(1.0, |before| {
            let growth = self.mean() / before.mean().max(1.0);
            (growth.ln() / self.lengthened(before).ln()).clamp(0.0, 1.0)
        });
        self.mean() * longer.powf(power)
    }

    /// How many times as long these runs are as those before.
    fn lengthened(&self, before: &PeakMemory) -> f64 {
        self.span.as_secs() / before.span.as_secs()
    }

    fn grows_steadily(&self, before: &PeakMemory) -> bool {
        self.mean() > STEADY_GROWTH * self.lengthened(before) * before.mean().max(1.0)
    }

    /// The peak in ten minutes, if each replication goes on growing as it did since the shorter
    /// runs.
    fn going_on_since(&self, before: &PeakMemory) -> Option<Estimate> {
        let (since, left) = (self.span - before.span, TEN_MINUTES - self.span);
        let times = left.as_secs() / since.as_secs();
        let peaks = self.peaks.iter().zip(&before.peaks);
        let to_come: Vec<f64> = peaks.map(|(now, then)| now + (now - then) * times).collect();
        Estimate::of(&to_come)
    }

    /// Predicts whether memory lasts for ten minutes, from these runs and the shorter ones
    /// `before`. Memory that does not grow may peak a little higher; memory that grows steadily
    /// goes on growing, and never faster than before. `None` where that is not certain.
    fn predict(&self, site: &Site, room: Headroom, before: Option<&PeakMemory>) -> Option<bool> {
        let longer = TEN_MINUTES.as_secs() / self.span.as_secs();
        let small = self.most() * longer.max(PEAK) < room.free();
        let Some(before) = before else { return small.then_some(true) };
        let growth = self.mean() / before.mean().max(1.0);
        if !site.traffic.leaks() && growth < PEAK {
            return (self.most() * PEAK < room.free()).then_some(true);
        }
        let to_come = self.going_on_since(before)?;
        let error = to_come.standard_error.unwrap_or(f64::INFINITY);
        let certain = (to_come.mean - room.free()).abs() > CERTAIN * error;
        let fits = to_come.mean < room.free();
        (small || certain && (fits || self.grows_steadily(before))).then_some(small || fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::sites::{bare, combination, exp, query};
    use crate::site::{Budget, WorkerKind};

    /// On 1000 MB, of which 400 are in use with one worker. Each worker takes 50 MB, and 5 MB for
    /// each of the ten connections that it keeps.
    #[test]
    fn workers_are_too_many_with_the_connections_that_they_keep() {
        let kind = WorkerKind::Async { limit_concurrency: None };
        let mut site = bare(kind, 1, 1, vec![query(exp(0.1))]);
        (site.server.worker_memory, site.server.connections.keep) = (Bytes::from_mib(50), 10);
        site.database.connection_memory = Bytes::from_mib(5);
        let most = |site: &Site| {
            let ceiling = Some(Bytes::from_mib(1000));
            let lines = vec![("all".into(), 1, Bytes::from_mib(400))];
            let budget = Budget { lines, ceiling };
            most_workers(&Combination { budget, ..combination(site.clone()) })
        };
        // 300 MB are not theirs, and seven take 700 MB.
        assert_eq!(most(&site), Some(7));
        // Where PostgreSQL grants 40, four workers have all that there are: 500 MB are left for 50
        // MB each.
        site.database.connection_slots = Some(40);
        assert_eq!(most(&site), Some(10));
        site.server.worker_memory = Bytes::ZERO;
        assert_eq!(most(&site), None);
        site.database.connection_slots = None;
        // 350 MB are not theirs, and 50 MB of connections for each of 13.
        assert_eq!(most(&site), Some(13));
        site.database.host = Some(site.host.clone());
        assert_eq!(most(&site), None);
    }

    /// A loop whose requests take no memory themselves, but each may open one of a hundred
    /// connections of 10 MB: 1000 MB, less the kept ones, which are there at rest; none on the
    /// database's own host.
    #[test]
    fn connections_fill_memory_as_requests_do() {
        let kind = WorkerKind::Async { limit_concurrency: None };
        let mut site = bare(kind, 1, 1, vec![query(exp(0.1))]);
        site.server.connections.keep = 0;
        site.database.connection_slots = Some(100);
        site.database.connection_memory = Bytes::from_mib(10);
        assert_eq!(fullest(&site), Some(Bytes::from_mib(1000)));
        site.server.connections.keep = 4;
        assert_eq!(fullest(&site), Some(Bytes::from_mib(960)));
        site.server.connections.limit = Some(20);
        assert_eq!(fullest(&site), Some(Bytes::from_mib(160)));
        site.database.host = Some(site.host.clone());
        assert_eq!(fullest(&site), Some(Bytes::ZERO));
    }
}
