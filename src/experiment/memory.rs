//! When memory runs out: by arithmetic where that settles it, by simulation where it does not.

use crate::experiment::answer::{Combination, Threshold};
use crate::experiment::demand::{longest_stay, mean_stay, slots};
use crate::experiment::finding::Sample;
use crate::experiment::lab::{Lab, REPLICATIONS, at};
use crate::experiment::search::{Found, Trial, Verdict, largest};
use crate::experiment::summary::Summary;
use crate::site::{Endpoint, Horizon, Site, WorkerKind};
use crate::units::{Bytes, Fraction, PerSecond, Span, Time};

/// How long memory must last: the OOM point is the smallest rate at which half of the
/// replications see a kill within ten minutes.
const TEN_MINUTES: Span = Span::from_whole_secs(600);

/// How close the search for the OOM point gets: 2 %. Each trial may take ten minutes of traffic,
/// eight times over.
const RESOLUTION: f64 = 0.02;

/// A trial looks at this many arrivals a replication first, then at four times as many, and so
/// on to the ten minutes: runaway growth shows at once.
const FIRST_LOOK: f64 = 2_000.0;

/// At most so many arrivals a trial, all replications together. A trial cut short judges by how
/// memory grew up to there.
const ARRIVALS: f64 = 1_000_000.0;

/// How much higher the peak of a crowd that does not grow may come to be in ten minutes than in
/// the part that was looked at. The tail of such a crowd falls by a steady factor, so its peak
/// grows with the logarithm of the arrivals: from the first look on by a half at most, up to a
/// million arrivals.
const PEAK: f64 = 1.5;

/// From here on, a crowd's growth counts as such and not as noise, per arrival.
const GROWTH: f64 = 0.005;

/// The smallest number of workers that do not all fit in memory at rest, by arithmetic: `None`
/// where there is no ceiling or workers take no memory.
pub(crate) fn too_many_workers(combination: &Combination) -> Option<u32> {
    let server = &combination.site.server;
    let ceiling = combination.budget.ceiling?;
    let all = server.worker_memory * u64::from(server.workers);
    let rest = combination.budget.used().saturating_sub(all);
    let fit = ceiling.saturating_sub(rest).get().checked_div(server.worker_memory.get())?;
    u32::try_from(fit + 1).ok()
}

/// The smallest rate at which memory runs out; searched for only with `search`, where arithmetic
/// does not settle it. `None` where the watch ended it.
pub(crate) fn out_of_memory(
    lab: &Lab,
    combination: &Combination,
    saturation: Threshold,
    search: bool,
) -> Option<Threshold> {
    let budget = &combination.budget;
    let Some(ceiling) = budget.ceiling else { return Some(Threshold::Never) };
    let room = Room { rest: budget.used(), ceiling };
    if !budget.fits() {
        return Some(Threshold::AtRest);
    }
    match fullest(&combination.site) {
        Some(most) if budget.used() + most <= ceiling => Some(Threshold::Never),
        _ if !search => Some(Threshold::NotSearched),
        _ => find(lab, room, saturation),
    }
}

/// The memory of the workers' host: what is taken at rest, and what there is.
#[derive(Debug, Clone, Copy)]
struct Room {
    rest: Bytes,
    ceiling: Bytes,
}

impl Room {
    fn free(self) -> f64 {
        self.ceiling.saturating_sub(self.rest).get() as f64
    }
}

/// What requests can hold at most on top of what is held at rest: every place taken by the
/// hungriest of them, with as many connections as there can be. `None`: without bound.
fn fullest(site: &Site) -> Option<Bytes> {
    if wanted(site).any(|endpoint| endpoint.growth > Bytes::ZERO) {
        return None;
    }
    let hungriest = wanted(site).map(|endpoint| endpoint.memory).max().unwrap_or(Bytes::ZERO);
    let requests = match (hungriest, places(site)) {
        (Bytes::ZERO, _) => Bytes::ZERO,
        (each, places) => each * places?,
    };
    let connections = match (site.database.host.is_none(), site.database.connection_memory) {
        (true, each) if each > Bytes::ZERO => each * connections(site)?,
        _ => Bytes::ZERO,
    };
    Some(requests + connections)
}

/// Requests that hold memory at a time at most. A threaded worker holds more than its threads:
/// those it accepted, up to its connections.
fn places(site: &Site) -> Option<u64> {
    match site.server.kind {
        WorkerKind::Threads { worker_connections, .. } => {
            worker_connections.map(|most| u64::from(most) * u64::from(site.server.workers))
        }
        _ => slots(site),
    }
}

/// Connections at a time at most.
fn connections(site: &Site) -> Option<u64> {
    let workers = u64::from(site.server.workers);
    let pools = site.server.connections.limit.map(|limit| workers * u64::from(limit));
    let slots = site.database.connection_slots.map(u64::from);
    [pools, slots, slots_in_use(site)].into_iter().flatten().min()
}

/// Connections that requests in workers' hands can use and that workers keep.
fn slots_in_use(site: &Site) -> Option<u64> {
    let kept = u64::from(site.server.workers) * u64::from(site.server.connections.keep);
    slots(site).map(|slots| slots + kept)
}

fn wanted(site: &Site) -> impl Iterator<Item = &Endpoint> {
    site.traffic.endpoints.iter().filter(|endpoint| endpoint.weight > 0.0)
}

fn find(lab: &Lab, room: Room, saturation: Threshold) -> Option<Threshold> {
    let (low, high) = range(lab.site, room, saturation);
    let found = largest((low, high), Fraction::new(RESOLUTION), |rate| {
        let verdict = if survives(lab, room, rate)? { Verdict::Met } else { Verdict::Missed };
        Some(Trial { verdict, guess: saturation.rate() })
    })?;
    Some(match found {
        Found::Between { met, missed, .. } => Threshold::At { rate: missed, beyond: met },
        Found::Everywhere => Threshold::Never,
        Found::Nowhere => Threshold::AtRest,
    })
}

/// Where to look. A crowd of `free / memory` fills memory. It piles up in ten minutes if that
/// much more comes than is answered; where nothing saturates, it is there when that many come
/// within a stay. Four times as much, or twice the saturation point, is far enough.
fn range(site: &Site, room: Room, saturation: Threshold) -> (PerSecond, PerSecond) {
    let memory: f64 = wanted(site)
        .map(|endpoint| site.traffic.share(endpoint).get() * endpoint.memory.get() as f64)
        .sum();
    let crowd = room.free().max(1.0) / memory.max(1.0);
    let high = match saturation.rate().map(PerSecond::get) {
        Some(rate) => (2.0 * rate).max(rate + 4.0 * crowd / TEN_MINUTES.as_secs()),
        None => 4.0 * crowd / mean_stay(site).max(1e-3),
    };
    let high = PerSecond::new(high.min(4.0 * saturation.rate().map_or(high, PerSecond::get)));
    (high.scaled(1e-3), high)
}

/// Whether at `rate` fewer than half of the replications see a kill within ten minutes. Looks at
/// ever longer runs; a longer one begins as the shorter did, so what is seen stays seen.
fn survives(lab: &Lab, room: Room, rate: PerSecond) -> Option<bool> {
    let stay = Span::from_secs(2.0 * longest_stay(lab.site));
    let mut span = rate.mean_gap().scaled(FIRST_LOOK).max(stay).min(TEN_MINUTES);
    loop {
        let sample = look(lab, room, rate, span)?;
        let killed = kills_by(&sample, Time::ZERO + TEN_MINUTES);
        let last = span == TEN_MINUTES || cost(rate, span.scaled(4.0)) > ARRIVALS;
        let peak = peak_in_ten_minutes(&sample, room, span);
        match killed * 2 >= sample.summaries.len() {
            true => return Some(false),
            false if span == TEN_MINUTES => return Some(true),
            false if peak < room.free() => return Some(true),
            false if last => return Some(false),
            false => span = span.scaled(4.0).min(TEN_MINUTES),
        }
    }
}

fn look(lab: &Lab, room: Room, rate: PerSecond, span: Span) -> Option<Sample> {
    let smallest = wanted(lab.site).map(|endpoint| endpoint.memory.get()).min().unwrap_or(0);
    let crowd = room.free() / smallest.max(1) as f64;
    let horizon = Horizon {
        warmup: Span::ZERO,
        measured: span,
        drain: Span::ZERO,
        in_flight_limit: (2.0 * crowd).clamp(1e4, 1e6) as u32,
        arrivals_limit: ARRIVALS as u64,
    };
    let site = at(lab.site, rate, horizon);
    let summaries = lab.replicate(&site, (0, REPLICATIONS))?;
    Some(Sample { site, summaries })
}

fn cost(rate: PerSecond, span: Span) -> f64 {
    rate.get() * span.as_secs() * f64::from(REPLICATIONS)
}

fn kills_by(sample: &Sample, end: Time) -> usize {
    let kills = sample.summaries.iter().filter_map(|summary| summary.first_kill);
    kills.filter(|kill| *kill <= end).count()
}

/// About how much memory beyond that at rest will be taken at most, ten minutes on: what grows
/// goes on growing, what does not may peak a little higher.
fn peak_in_ten_minutes(sample: &Sample, room: Room, span: Span) -> f64 {
    let peaks = sample.summaries.iter().map(|summary| summary.levels.memory.peak);
    let taken = peaks.max().unwrap_or(0) as f64 - room.rest.get() as f64;
    let leaks = wanted(&sample.site).any(|endpoint| endpoint.growth > Bytes::ZERO);
    let grows = leaks || sample.mean(Summary::growth).mean > GROWTH;
    let longer = TEN_MINUTES.as_secs() / span.as_secs();
    taken.max(0.0) * if grows { longer.max(PEAK) } else { PEAK }
}
