//! The errors of predictions on recordings.

use crate::experiment::replay::{self, Comparison, Playback, Recorded, ReplayedRequest};
use crate::seed::Seed;
use crate::site::{Site, WorkerKind};
use crate::units::{Span, Time};

/// The figures that are compared, of a recording or of its prediction: over the requests that
/// arrive after the warm-up. Times are of those answered well, in milliseconds; `None` where there
/// is none.
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
    /// The range of the predicted p95 over the seeds without the lowest and the highest, in
    /// milliseconds. `None` where chance decides nothing in the model.
    pub by_chance_ms: Option<(f64, f64)>,
    /// Predicted utilisation of the busiest of cores, worker slots, loops or GILs, and pools.
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

    /// Whether the measured p95 lies in the range that the prediction has by chance. `None` where
    /// chance decides nothing in the model.
    pub fn is_within_chance(&self) -> Option<bool> {
        let ((low, high), measured) = (self.by_chance_ms?, self.measured.p95_ms?);
        Some((low..=high).contains(&measured))
    }

    /// By how much the predicted error rate is off.
    pub fn error_rate_error(&self) -> f64 {
        self.predicted.error_rate - self.measured.error_rate
    }
}

/// The recordings of a case: of the same requests with the same server, made once or several times.
/// Since each differs by chance, the errors of a case are those of its median recording.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseRecordings<'a>(Vec<&'a RecordingAccuracy>);

/// The endings of the names of repeated recordings.
const TAKEN_AGAIN: [&str; 2] = ["-take2", "-take3"];

impl<'a> CaseRecordings<'a> {
    /// Groups recordings by case, in the order of each case's first one.
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

    /// The first recording, for what all have in common.
    pub fn first(&self) -> &'a RecordingAccuracy {
        self.0[0]
    }

    /// Whether `judgement` is one of them.
    pub fn has(&self, judgement: &RecordingAccuracy) -> bool {
        self.0.iter().any(|each| std::ptr::eq(*each, judgement))
    }

    /// By how much the predicted p95 is off, in the median recording.
    pub fn p95_error(&self) -> Option<f64> {
        self.middle(|each| each.p95_error().unwrap_or(f64::INFINITY))
    }

    /// The load error ([`RecordingAccuracy::load_error`]) of the median recording. `None` where
    /// that lies outside the range searched.
    pub fn load_error(&self) -> Option<f64> {
        self.middle(|each| {
            let far = f64::INFINITY.copysign(-each.p95_error().unwrap_or(-1.0));
            each.load_error.unwrap_or(far)
        })
    }

    /// By how much the predicted error rate is off, in the median recording.
    pub fn error_rate_error(&self) -> f64 {
        self.middle(RecordingAccuracy::error_rate_error).unwrap_or(f64::INFINITY)
    }

    /// By how much the largest measured p95 exceeds the smallest, as a share of it: the noise
    /// between recordings. `None` where there is only one.
    pub fn spread(&self) -> Option<f64> {
        let p95 = || self.0.iter().filter_map(|each| each.measured.p95_ms);
        let (low, high) = (p95().reduce(f64::min)?, p95().reduce(f64::max)?);
        (self.0.len() > 1).then(|| high / low - 1.0)
    }

    /// By how much the measured error rates differ. `None` where there is only one recording.
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

/// The load error is searched between these factors of the recorded rate.
const SPEEDS: (f64, f64) = (0.8, 1.25);
/// Bisections of that range: they locate the load error to 0.1 %.
const HALVINGS: u32 = 9;

/// Where chance decides in the model, such as which thread gets the GIL or which process accepts,
/// the prediction is the median of this many seeds.
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

/// The requests that count: those after the warm-up.
fn counted(played: &[ReplayedRequest]) -> impl Iterator<Item = &ReplayedRequest> {
    played.iter().filter(|each| each.arrived >= Time::ZERO + WARMUP)
}

/// The prediction with one seed, the median one in the end.
struct Middle {
    seed: Seed,
    comparison: Comparison,
    played: Vec<ReplayedRequest>,
    by_chance_ms: Option<(f64, f64)>,
}

/// How recorded requests are predicted: the site, the endpoint that they ask for, and whether they
/// are judged by their errors alone.
#[derive(Clone, Copy)]
struct Prediction<'a> {
    site: &'a Site,
    endpoint: usize,
    requests: &'a [Recorded],
    breaks: bool,
}

impl Prediction<'_> {
    /// The prediction with the median one of [`SEEDS`]: by the number of failures where the case is
    /// judged by its errors, else by p95. If the second seed gives the same as the first for every
    /// request, chance decides nothing, and the first is enough.
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

    /// The change of the rate at which the p95 predicted with `seed` is `target`, by bisection.
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

/// The predicted p95 of the requests that count; `None` where none is answered well.
fn p95_ms(played: &[ReplayedRequest]) -> Option<f64> {
    figures(counted(played).map(|each| each.predicted), 1.0).p95_ms
}

/// The figures of `requests`, each with its response time if it was answered well.
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

/// The utilisation of the busiest of cores, worker slots, loops or GILs, and pools.
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
