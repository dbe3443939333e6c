//! When memory runs out: by arithmetic where that settles it, by simulation where it does not.

use crate::experiment::answer::{Combination, Threshold};
use crate::experiment::demand::{longest_stay, mean_stay, slots};
use crate::experiment::finding::Sample;
use crate::experiment::lab::{IN_FLIGHT, Lab, REPLICATIONS, at};
use crate::experiment::search::{Found, Trial, Verdict, largest};
use crate::site::{Endpoint, Horizon, Site, WorkerKind};
use crate::units::{Bytes, Fraction, PerSecond, Span};

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

/// How much longer each look is than the one before.
const LONGER: f64 = 4.0;

/// What grows by at least this share of how much longer the look is grows steadily.
const STEADY: f64 = 0.75;

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
    let (low, guess, high) = range(lab.site, room, saturation);
    let found = largest((low, high), Fraction::new(RESOLUTION), |rate| {
        let verdict = if survives(lab, room, rate)? { Verdict::Met } else { Verdict::Missed };
        Some(Trial { verdict, guess })
    })?;
    Some(match found {
        Found::Between { met, missed, limit } => {
            Threshold::At { rate: missed, beyond: met, accuracy: limit }
        }
        Found::Everywhere => Threshold::Never,
        Found::Nowhere => Threshold::AtRest,
    })
}

/// Where to look, and first. A crowd of `free / memory` fills memory. It piles up in ten minutes
/// if that much more comes than is answered; where nothing saturates, it is there when that many
/// come within a stay. Four times as much more, or twice the saturation point, is far enough.
fn range(
    site: &Site,
    room: Room,
    saturation: Threshold,
) -> (PerSecond, Option<PerSecond>, PerSecond) {
    let memory: f64 = wanted(site)
        .map(|endpoint| site.traffic.share(endpoint).get() * endpoint.memory.get() as f64)
        .sum();
    let crowd = room.free().max(1.0) / memory.max(1.0);
    let excess = crowd / TEN_MINUTES.as_secs();
    let (guess, high) = match saturation.rate().map(PerSecond::get) {
        Some(rate) => (rate + excess, (2.0 * rate).max(rate + 4.0 * excess).min(4.0 * rate)),
        None => (crowd / mean_stay(site).max(1e-3), 4.0 * crowd / mean_stay(site).max(1e-3)),
    };
    let high = PerSecond::new(high);
    let guess = Some(PerSecond::new(guess)).filter(|guess| *guess < high);
    (high.scaled(1e-3), guess, high)
}

/// Whether at `rate` fewer than half of the replications see a kill within ten minutes. Looks at
/// ever longer runs, until it is plain how they will go on; a longer one begins as the shorter
/// did, so what is seen stays seen.
fn survives(lab: &Lab, room: Room, rate: PerSecond) -> Option<bool> {
    let stay = Span::from_secs(2.0 * longest_stay(lab.site));
    let mut span = rate.mean_gap().scaled(FIRST_LOOK).max(stay).min(TEN_MINUTES);
    let mut before = None;
    loop {
        let sample = look(lab, rate, span, room)?;
        let taken = Taken::of(&sample, room);
        if killed(&sample) * 2 >= sample.summaries.len() {
            return Some(false);
        }
        let longer = span.scaled(LONGER).min(TEN_MINUTES);
        let cut = cost(rate, longer) > ARRIVALS;
        match taken.foresee(lab.site, room, span, before) {
            Some(fits) => return Some(fits),
            None if span == TEN_MINUTES => return Some(true),
            None if cut => {
                return Some(taken.mean * (TEN_MINUTES.as_secs() / span.as_secs()) < room.free());
            }
            None => (span, before) = (longer, Some(taken)),
        }
    }
}

fn look(lab: &Lab, rate: PerSecond, span: Span, room: Room) -> Option<Sample> {
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

fn cost(rate: PerSecond, span: Span) -> f64 {
    rate.get() * span.as_secs() * f64::from(REPLICATIONS)
}

/// How many replications saw a kill.
fn killed(sample: &Sample) -> usize {
    sample.summaries.iter().filter(|summary| summary.first_kill.is_some()).count()
}

/// Memory taken at most in a run, beyond that at rest.
#[derive(Debug, Clone, Copy)]
struct Taken {
    /// In the replication that took the most.
    most: f64,
    /// On average over the replications.
    mean: f64,
}

impl Taken {
    fn of(sample: &Sample, room: Room) -> Taken {
        let taken = |peak: u64| peak.saturating_sub(room.rest.get()) as f64;
        let peaks = sample.summaries.iter().map(|summary| taken(summary.levels.memory.peak));
        Taken {
            most: peaks.fold(0.0, f64::max),
            mean: sample.mean(|summary| taken(summary.levels.memory.peak)).mean,
        }
    }

    /// Whether memory will hold for ten minutes, where that is plain from what was taken within
    /// `span` and, `before`, in the shorter look: what does not grow may peak a little higher,
    /// what grows steadily goes on growing. `None` where it is not plain.
    fn foresee(self, site: &Site, room: Room, span: Span, before: Option<Taken>) -> Option<bool> {
        let leaks = wanted(site).any(|endpoint| endpoint.growth > Bytes::ZERO);
        let growth = before.map_or(1.0, |before| self.mean / before.mean.max(1.0));
        let longer = TEN_MINUTES.as_secs() / span.as_secs();
        if !leaks && before.is_some() && growth < PEAK {
            return (self.most * PEAK < room.free()).then_some(true);
        }
        let steady = growth > STEADY * LONGER && self.mean * longer > PEAK * room.free();
        let small = self.most * longer.max(PEAK) < room.free();
        (small || steady).then_some(small)
    }
}
