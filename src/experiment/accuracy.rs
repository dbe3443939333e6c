//! How far predictions are off on recordings.

use crate::experiment::replay::{self, Comparison, Playback, Recorded, ReplayedRequest};
use crate::seed::Seed;
use crate::site::{Site, WorkerKind};
use crate::units::{Span, Time};

/// What is compared on each side: over the requests that arrive after the warm-up. Times are of
/// those answered well, in milliseconds; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// The median of the response times.
    pub p50_ms: Option<f64>,
    /// Their 95th percentile.
    pub p95_ms: Option<f64>,
    /// Their 99th percentile.
    pub p99_ms: Option<f64>,
    /// Requests answered well, a second of arrivals.
    pub throughput_rps: f64,
    /// Share of the requests not answered well.
    pub error_rate: f64,
}

/// A recording beside its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingAccuracy {
    /// The machine it was recorded on.
    pub machine: String,
    /// The case's name.
    pub name: String,
    /// How many requests count.
    pub requests: usize,
    /// What was recorded.
    pub measured: Figures,
    /// What the model says.
    pub predicted: Figures,
    /// Between what the predicted p95 lies for all but one seed at each end, in milliseconds, where
    /// chance decides in the model. `None` where it does not.
    pub by_chance_ms: Option<(f64, f64)>,
    /// Predicted share of the busiest resource that is in use: cores, workers, or loops.
    pub utilisation: f64,
    /// By how much the offered rate must be changed for the predicted p95 to be the measured one:
    /// above zero, the model is too optimistic. Between -20 % and +25 %; `None` where it is not
    /// asked for, or lies outside.
    pub load_error: Option<f64>,
    /// Predicted OOM kills, in the whole recording.
    pub oom_kills: u64,
    /// Whether it is judged by its errors alone: overload, and memory running out.
    pub breaks: bool,
}

impl RecordingAccuracy {
    /// By how much the predicted p95 is off, as a share of the measured one.
    pub fn p95_error(&self) -> Option<f64> {
        let (measured, predicted) = (self.measured.p95_ms?, self.predicted.p95_ms?);
        Some(predicted / measured - 1.0)
    }

    /// Whether the measured p95 is one of those that the model has by chance, and so as good as
    /// predicted. `None` where chance does not decide.
    pub fn is_within_chance(&self) -> Option<bool> {
        let ((low, high), measured) = (self.by_chance_ms?, self.measured.p95_ms?);
        Some((low..=high).contains(&measured))
    }

    /// By how much the predicted error rate is off.
    pub fn error_rate_error(&self) -> f64 {
        self.predicted.error_rate - self.measured.error_rate
    }
}

/// The recordings of a case: of the same requests with the same server, once or several times over.
/// What it says of the prediction is what its middle recording says, as each has luck of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseRecordings<'a>(Vec<&'a RecordingAccuracy>);

/// What was recorded several times has so in its name.
const TAKEN_AGAIN: [&str; 2] = ["-take2", "-take3"];

impl<'a> CaseRecordings<'a> {
    /// The recordings by case, in the order of the cases' first ones.
    pub fn of(judgements: &'a [RecordingAccuracy]) -> Vec<CaseRecordings<'a>> {
        let mut cases: Vec<CaseRecordings> = Vec::new();
        for each in judgements {
            let name = |it: &RecordingAccuracy| {
                TAKEN_AGAIN.iter().fold(it.name.clone(), |name, take| name.replace(take, ""))
            };
            let same = |case: &&mut CaseRecordings| {
                case.first().machine == each.machine && name(case.first()) == name(each)
            };
            match cases.iter_mut().find(same) {
                Some(case) => case.0.push(each),
                None => cases.push(CaseRecordings(vec![each])),
            }
        }
        cases
    }

    /// The first recording, which tells all that they have in common.
    pub fn first(&self) -> &'a RecordingAccuracy {
        self.0[0]
    }

    /// Whether `judgement` is one of them.
    pub fn has(&self, judgement: &RecordingAccuracy) -> bool {
        self.0.iter().any(|each| std::ptr::eq(*each, judgement))
    }

    /// By how much the predicted p95 is off, in the middle recording.
    pub fn p95_error(&self) -> Option<f64> {
        self.middle(|each| each.p95_error().unwrap_or(f64::INFINITY))
    }

    /// By how much the load is off at which p95 is the measured one, in the middle recording. `None`
    /// where that is further than it is looked for.
    pub fn load_error(&self) -> Option<f64> {
        self.middle(|each| {
            let far = f64::INFINITY.copysign(-each.p95_error().unwrap_or(-1.0));
            each.load_error.unwrap_or(far)
        })
    }

    /// By how much the share of requests that are lost is off, in the middle recording.
    pub fn error_rate_error(&self) -> f64 {
        self.middle(RecordingAccuracy::error_rate_error).unwrap_or(f64::INFINITY)
    }

    /// By how much the largest p95 exceeds the smallest, as a share of it: what a recording's own
    /// luck comes to. `None` where there is only one.
    pub fn spread(&self) -> Option<f64> {
        let p95 = || self.0.iter().filter_map(|each| each.measured.p95_ms);
        let (low, high) = (p95().reduce(f64::min)?, p95().reduce(f64::max)?);
        (self.0.len() > 1).then(|| high / low - 1.0)
    }

    /// By how much the shares of lost requests differ. `None` where there is only one recording.
    pub fn error_rate_spread(&self) -> Option<f64> {
        let rates = || self.0.iter().map(|each| each.measured.error_rate);
        let (low, high) = (rates().reduce(f64::min)?, rates().reduce(f64::max)?);
        (self.0.len() > 1).then_some(high - low)
    }

    /// The median, where it is finite.
    fn middle(&self, of: impl Fn(&RecordingAccuracy) -> f64) -> Option<f64> {
        let mut all: Vec<f64> = self.0.iter().map(|each| of(each)).collect();
        all.sort_by(f64::total_cmp);
        Some(all[(all.len() - 1) / 2]).filter(|it| it.is_finite())
    }
}

/// Requests that arrive earlier than this are played and not counted.
const WARMUP: Span = Span::from_whole_secs(5);

/// How the load error is looked for: between these factors of the recorded rate.
const SPEEDS: (f64, f64) = (0.8, 1.25);
/// So many halvings find it to 0.1 %.
const HALVINGS: u32 = 9;

/// Where chance decides in the model, who gets the GIL or which process accepts, a prediction is the
/// middle one of so many seeds.
const SEEDS: u64 = 25;

/// Judges the prediction for `requests` on `site`'s endpoint number `endpoint`; `breaks` says that
/// something gives way there, so that a load error makes no sense.
pub fn judge(
    name: &str,
    site: &Site,
    endpoint: usize,
    requests: &[Recorded],
    breaks: bool,
) -> RecordingAccuracy {
    let prediction = Prediction { site, endpoint, requests, breaks };
    let Middle { seed, comparison, played, by_chance_ms } = prediction.middle_of_seeds();
    let counted = || counted(&played);
    let arrivals = counted().map(|each| each.arrived);
    let last = arrivals.max().unwrap_or(Time::ZERO + WARMUP);
    let seconds = (last - (Time::ZERO + WARMUP)).as_secs().max(1e-9);
    let measured = figures(
        counted().map(|each| Recorded::is_well(each.status).then_some(each.measured)),
        seconds,
    );
    let predicted = figures(counted().map(|each| each.predicted), seconds);
    let target = measured.p95_ms.filter(|_| !breaks);
    RecordingAccuracy {
        machine: String::new(),
        name: name.to_owned(),
        requests: counted().count(),
        measured,
        predicted,
        by_chance_ms,
        utilisation: utilisation(site, &comparison),
        load_error: target.and_then(|p95| prediction.load_error(seed, p95)),
        oom_kills: comparison.outcome.kills,
        breaks,
    }
}

/// Those that count: they come after the warm-up.
fn counted(played: &[ReplayedRequest]) -> impl Iterator<Item = &ReplayedRequest> {
    played.iter().filter(|each| each.arrived >= Time::ZERO + WARMUP)
}

/// What comes of the requests with the middle one of the seeds.
struct Middle {
    seed: Seed,
    comparison: Comparison,
    played: Vec<ReplayedRequest>,
    by_chance_ms: Option<(f64, f64)>,
}

/// Recorded requests that are played to predict how they end.
#[derive(Clone, Copy)]
struct Prediction<'a> {
    site: &'a Site,
    endpoint: usize,
    requests: &'a [Recorded],
    breaks: bool,
}

impl Prediction<'_> {
    /// What comes of the middle one of [`SEEDS`], by how many are lost where something gives way, else
    /// by p95. Where the second does as the first to the last request, nobody throws dice.
    fn middle_of_seeds(&self) -> Middle {
        let with = |seed| {
            let (comparison, played) = self.play(1.0, Seed::new(seed));
            Middle { seed: Seed::new(seed), comparison, played, by_chance_ms: None }
        };
        let mut all = vec![with(1), with(2)];
        if all[0].played == all[1].played {
            return all.swap_remove(0);
        }
        all.extend((3..=SEEDS).map(with));
        let p95 = |it: &Middle| p95_ms(&it.played).unwrap_or(f64::INFINITY);
        all.sort_by(|a, b| p95(a).total_cmp(&p95(b)));
        let by_chance_ms = Some((p95(&all[1]), p95(&all[all.len() - 2])));
        if self.breaks {
            let lost =
                |it: &Middle| counted(&it.played).filter(|it| it.predicted.is_none()).count();
            all.sort_by_key(lost);
        }
        Middle { by_chance_ms, ..all.swap_remove(all.len() / 2) }
    }

    fn play(&self, speed: f64, seed: Seed) -> (Comparison, Vec<ReplayedRequest>) {
        let mut played = Vec::with_capacity(self.requests.len());
        let playback = Playback { speed, warmup: WARMUP, seed };
        let requests = self.requests.iter().cloned();
        let comparison =
            replay::run(self.site, self.endpoint, playback, requests, |each| played.push(*each));
        (comparison, played)
    }

    /// The change of the rate at which the p95 that is predicted with `seed` is `target`, by halving.
    fn load_error(&self, seed: Seed, target: f64) -> Option<f64> {
        let p95 = |speed| p95_ms(&self.play(speed, seed).1).unwrap_or(f64::INFINITY);
        let (mut low, mut high) = SPEEDS;
        if p95(low) > target || p95(high) < target {
            return None;
        }
        for _ in 0..HALVINGS {
            let middle = (low * high).sqrt();
            if p95(middle) < target { low = middle } else { high = middle }
        }
        Some((low * high).sqrt() - 1.0)
    }
}

/// The predicted p95 of those that count; `None` where none is answered well.
fn p95_ms(played: &[ReplayedRequest]) -> Option<f64> {
    figures(counted(played).map(|each| each.predicted), 1.0).p95_ms
}

/// The figures of requests, each with its response where it was answered well.
fn figures(requests: impl Iterator<Item = Option<Span>>, seconds: f64) -> Figures {
    let (mut times, mut count) = (Vec::new(), 0);
    for request in requests {
        count += 1;
        times.extend(request.map(|span| span.as_millis()));
    }
    times.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let rank = (share * times.len() as f64).ceil() as usize;
        times.get(rank.max(1) - 1).copied()
    };
    Figures {
        p50_ms: quantile(0.5),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        throughput_rps: times.len() as f64 / seconds,
        error_rate: 1.0 - times.len() as f64 / f64::from(count.max(1)),
    }
}

/// The share of the busiest of cores, worker slots and loops that is in use.
fn utilisation(site: &Site, comparison: &Comparison) -> f64 {
    let levels = &comparison.outcome.levels;
    let workers = f64::from(site.server.workers);
    let slots = match site.server.kind {
        WorkerKind::Sync => levels.workers.mean / workers,
        WorkerKind::Threads { threads, .. } => levels.workers.mean / (workers * f64::from(threads)),
        WorkerKind::Async { .. } => 0.0,
    };
    let cores = levels.cores.mean / f64::from(site.host.cores);
    let pool = match site.server.connections.limit {
        Some(limit) => levels.connections.mean / (workers * f64::from(limit)),
        None => 0.0,
    };
    cores.max(slots).max(levels.turns.mean / workers).max(pool)
}
