//! What is asked of a rate, and when enough of it is simulated for the answer.

use crate::experiment::answer::{LOSS, Objective};
use crate::experiment::horizon::{REPLICATIONS, patience};
use crate::experiment::sample::Sample;
use crate::experiment::search::Verdict;
use crate::experiment::summary::Summary;
use crate::stats::estimate::Estimate;
use crate::units::{Fraction, Span};

/// The coarsest precision a row aims at: half the interval of p95, as a share of p95. At 10 %,
/// windows were so short that p95 came out 2 % low at 90 % of capacity, and 84 of 100 intervals
/// held the true value, not 95.
const COARSEST_ROW_PRECISION: f64 = 0.07;

/// What is asked of a rate. Precisions are half the interval's width, as a share of the mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// p95 to this precision.
    Precision(f64),
    /// Whether the rate is sustained.
    Sustains,
    /// Whether the objective is met or, where that stays unclear, p95 to the precision `share`.
    Meets { objective: Objective, share: f64 },
    /// The throughput of an overloaded site, to this precision.
    Carried(f64),
}

/// How much is simulated for a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrivalLimits {
    /// Arrivals in the first window, at least.
    pub first_window: f64,
    /// Arrivals in the first window, at most.
    pub longest_window: f64,
    /// Arrivals in all windows of all replications, at most.
    pub total: u64,
}

impl Goal {
    /// The goal of a row for which p95 is asked for to this precision.
    pub(crate) fn row(share: Fraction) -> Goal {
        Goal::Precision(share.get().min(COARSEST_ROW_PRECISION))
    }
}

impl ArrivalLimits {
    /// For a row of the results. p95 to 5 % takes about half a million arrivals at 90 % of a single
    /// server's capacity. Closer to saturation it would take millions, for a figure that is of no
    /// use there: such a row is marked as less precise. The first windows give p95 of an
    /// exponential response to 3 %, so that a lightly loaded site is done at once.
    pub(crate) const ROW: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 125_000.0, total: 1_000_000 };
    /// For a verdict on what is sustained: eight windows of 8,000, and a quarter more in case some
    /// come out short. They place the saturation point to about 1 %.
    pub(crate) const SATURATION: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 10_000.0, total: 80_000 };
    /// For a verdict on what is sustained where that depends on rare crowds, of which eight windows
    /// of 8,000 arrivals hold too few. Saturation points found for M/M/1 with a patience of 50
    /// services scatter by 0.6 % with it, and by 1.6 % without.
    pub(crate) const RARE_CROWDS: ArrivalLimits =
        ArrivalLimits { first_window: 10_000.0, longest_window: 50_000.0, total: 400_000 };
    /// For a second opinion on what is sustained: the first windows of the requests that were
    /// simulated under overload.
    pub(crate) const CONFIRMATION: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 2_000.0, total: 16_000 };
    /// For a verdict on the objective: p95 is noisier than throughput.
    pub(crate) const OBJECTIVE: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 10_000.0, total: 100_000 };
    /// For a point of a curve. A window settles with 48 arrivals for each unit of the variance of
    /// what is inside (see the lab), which at 93 % of an M/M/1 queue's capacity is 190: 9,100.
    /// Beyond the load line, points that have not settled are not drawn.
    pub(crate) const CURVE: ArrivalLimits =
        ArrivalLimits { first_window: 500.0, longest_window: 10_000.0, total: 80_000 };

    /// For a row for which p95 is asked for to this precision. Below [`DEFAULT_PRECISION`] the
    /// total grows with the inverse square of the precision, as the need for arrivals does, down to
    /// [`FINEST_BUDGETED_PRECISION`], which may take a minute or two.
    pub(crate) fn row(share: Fraction) -> ArrivalLimits {
        let times =
            (DEFAULT_PRECISION / share.get().max(FINEST_BUDGETED_PRECISION)).powi(2).max(1.0);
        let row = ArrivalLimits::ROW;
        ArrivalLimits { total: (times * row.total as f64) as u64, ..row }
    }
}

/// The precision that [`ArrivalLimits::ROW`] is for.
const DEFAULT_PRECISION: f64 = 0.05;

/// The finest precision for which the arrivals of a row are raised.
const FINEST_BUDGETED_PRECISION: f64 = 0.01;

/// Arrivals at most in a sample that is clearly not sustained: its errors matter more than its p95.
const OVERLOAD_ARRIVALS: u64 = 160_000;

/// By which factor a window that was too short is lengthened.
const WINDOW_GROWTH: f64 = 4.0;

/// A window that has not settled is lengthened if the limits allow [`WINDOW_GROWTH`] times as many
/// arrivals, or this many times where p95 is asked for, or is less precise than a verdict needs.
const MIN_LENGTHENING: f64 = 2.0;

/// If at least this many times the arrivals are needed, windows are lengthened, so that
/// [`MAX_REPLICATION_GROWTH`] times the replications remain to be run: short windows bias quantiles
/// upwards, and many of them hold no rare event at all.
const LENGTHEN_FROM: f64 = 8.0;

/// By which factor the number of replications grows at most before the sample is looked at again:
/// the noise estimated from a few replications is itself noisy.
const MAX_REPLICATION_GROWTH: f64 = 4.0;

/// Replications are added only if that makes them at least this many times as many. As large a
/// reserve is added to the replications that a goal is likely to take.
const WORTHWHILE: f64 = 1.1;

/// What to do next for a sample.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Nothing.
    Enough,
    /// Begin again with windows so many times as long: more replications of a window that is too
    /// short only make a wrong figure look certain.
    Lengthen(f64),
    /// Begin again with a warm-up of this length, and a window that is no shorter.
    WarmUp(Span),
    /// Run more replications, up to this number.
    Replicate(u32),
}

/// What to do next for a sample, for `goal` within `limits`.
pub(crate) fn next(sample: &Sample, goal: Goal, limits: ArrivalLimits) -> Next {
    if let Some(warmup) = needed_warmup(sample) {
        return Next::WarmUp(warmup);
    }
    // An overloaded site, of which the throughput is asked for, never settles.
    let overloaded = matches!(goal, Goal::Carried(_));
    if goal_reached(sample, goal) || !overloaded && has_ended(sample) {
        return Next::Enough;
    }
    let room = room(sample, overloaded, limits);
    if !overloaded && !sample.settled() {
        return lengthen(sample, goal, room);
    }
    match times_needed(sample, goal).unwrap_or(MAX_REPLICATION_GROWTH).min(room) {
        times if times < WORTHWHILE => Next::Enough,
        times if times >= LENGTHEN_FROM => Next::Lengthen(times / MAX_REPLICATION_GROWTH),
        times => {
            let times = times.min(MAX_REPLICATION_GROWTH);
            Next::Replicate((f64::from(sample.replications()) * times).ceil() as u32)
        }
    }
}

/// Whether more of the same would show nothing new: the number inside clearly grows, or a limit of
/// the simulator hides what happens.
fn has_ended(sample: &Sample) -> bool {
    sample.runs_away() || sample.is_beyond_reach()
}

/// The warm-up after which clients that retry at a full backlog have begun to give up, if the
/// sample has such clients and a shorter warm-up.
fn needed_warmup(sample: &Sample) -> Option<Span> {
    let patience = patience(&sample.site);
    let retries = !has_ended(sample) && sample.refuses_silently();
    (retries && sample.site.horizon.warmup < patience).then_some(patience)
}

/// How many times the arrivals so far the limits allow.
fn room(sample: &Sample, overloaded: bool, limits: ArrivalLimits) -> f64 {
    let missed = !overloaded && sustains(sample) == Verdict::Missed;
    let total = if missed { limits.total.min(OVERLOAD_ARRIVALS) } else { limits.total };
    total as f64 / (sample.arrived() as f64).max(1.0)
}

/// What to do for a sample that has not settled, where the limits allow `room` times its arrivals.
fn lengthen(sample: &Sample, goal: Goal, room: f64) -> Next {
    let times = WINDOW_GROWTH.min(room);
    let least = if wants_p95(sample, goal) { MIN_LENGTHENING } else { WINDOW_GROWTH };
    if times >= least { Next::Lengthen(times) } else { Next::Enough }
}

/// Whether p95 is asked for, or is less precise than a verdict on it needs.
fn wants_p95(sample: &Sample, goal: Goal) -> bool {
    match goal {
        Goal::Precision(_) => true,
        Goal::Meets { share, .. } => !sample.within(share),
        Goal::Sustains | Goal::Carried(_) => false,
    }
}

/// Requests of each endpoint that a row holds at least, within its limits on arrivals: without any
/// of an endpoint that takes a thousand times as long as the others, the mean would be far too low.
/// Where eight are expected, none come in 0.03 % of samples.
const OF_EACH_ENDPOINT: u64 = 8;

fn goal_reached(sample: &Sample, goal: Goal) -> bool {
    let clear = |verdict| matches!(verdict, Verdict::Met | Verdict::Missed);
    match goal {
        Goal::Precision(share) => {
            sample.settled() && sample.within(share) && sample.fewest() >= OF_EACH_ENDPOINT
        }
        Goal::Sustains => clear(sustains(sample)),
        Goal::Meets { objective, share } => {
            let precise = sample.settled()
                && sample.within(share)
                && errors_precise_enough(sample, &objective);
            precise || clear(meets_objective(sample, &objective))
        }
        Goal::Carried(share) => {
            let half = sample.carried().relative_half_width().unwrap_or(f64::INFINITY);
            let many = sample.replications() >= MIN_CARRIED_REPLICATIONS;
            half <= share / 2.0 || half <= share && many
        }
    }
}

/// Half the interval's width of the error rate at most, as a share of the errors allowed, within
/// the limits on arrivals. Where there are ten connections or places to refuse, errors grow by 5.6
/// to 7 % for each per cent of rate (Erlang's loss formula, from 1 % to 0.1 % of errors), and by
/// more where there are more of them or waits become too long. So the rate is then known to some 2
/// %, as it is by p95.
const ERROR_PRECISION: f64 = 0.10;

/// Whether the error rate is as precise as a verdict on it needs, or clearly low enough.
fn errors_precise_enough(sample: &Sample, objective: &Objective) -> bool {
    let errors = sample.mean(Summary::error_rate);
    objective.errors.map(Fraction::get).is_none_or(|most| {
        let precise = errors.half_width().is_some_and(|half| half <= ERROR_PRECISION * most);
        saw_enough_arrivals(sample, most) && (precise || below(&errors, most))
    })
}

/// Throughput under overload rests on at least this many replications, unless its interval is half
/// as wide as asked for. Eight replications estimate their own noise to a quarter only: stopping as
/// soon as it looks small would be stopping by luck.
const MIN_CARRIED_REPLICATIONS: u32 = 2 * REPLICATIONS;

/// How many times as many replications `goal` is likely to take, with a reserve of a tenth, so that
/// the next look is likely the last. (The half-width shrinks with the root of their number.) 1
/// where there is no estimate that more replications would make precise; `None` where the estimate
/// is precise enough, or is not what `goal` depends on, so that the need cannot be computed.
fn times_needed(sample: &Sample, goal: Goal) -> Option<f64> {
    let estimate = match goal {
        Goal::Carried(_) => Some(sample.carried()),
        _ => sample.p95(),
    };
    let Some((mean, half)) = estimate.and_then(|it| Some((it.mean, it.half_width()?))) else {
        return Some(1.0);
    };
    let allowed = match goal {
        Goal::Precision(share) | Goal::Carried(share) => share * mean,
        Goal::Meets { objective: Objective { p95: Some(most), .. }, share } => {
            (mean - most.as_secs()).abs().max(share * mean)
        }
        Goal::Sustains | Goal::Meets { .. } => return None,
    };
    match goal {
        Goal::Carried(_) if half <= allowed => {
            Some(f64::from(MIN_CARRIED_REPLICATIONS) / f64::from(sample.replications()))
        }
        Goal::Precision(_) if half <= allowed => {
            Some(OF_EACH_ENDPOINT as f64 / (sample.fewest() as f64).max(1.0) * WORTHWHILE)
        }
        _ if half <= allowed => None,
        _ => Some((half / allowed).powi(2) * WORTHWHILE),
    }
}

/// Whether the rate is sustained, as far as `sample` shows.
pub(crate) fn sustains(sample: &Sample) -> Verdict {
    let errors = sample.mean(Summary::error_rate);
    if sample.runs_away() || above(&errors, LOSS) {
        Verdict::Missed
    } else if sample.settled() && below(&errors, LOSS) {
        Verdict::Met
    } else {
        Verdict::Unclear { met: !sample.saturated() }
    }
}

/// Whether the objective is met, as far as `sample` shows. The site starts empty, so waits are
/// shortest at first: a sample that is not settled may show that p95 is too long, but not that it
/// is short enough.
pub(crate) fn meets_objective(sample: &Sample, objective: &Objective) -> Verdict {
    let sustained = sustains(sample);
    let p95 = objective.p95.map(|most| (sample.p95(), most.as_secs()));
    let errors = objective.errors.map(|most| (sample.mean(Summary::error_rate), most.get()));
    let slow = p95.is_some_and(|(p95, most)| p95.is_none_or(|p95| above(&p95, most)));
    let failing = errors.is_some_and(|(errors, most)| above(&errors, most));
    if sustained == Verdict::Missed || slow || failing {
        return Verdict::Missed;
    }
    let quick = p95.is_none_or(|(p95, most)| p95.is_some_and(|p95| below(&p95, most)));
    let sound = errors
        .is_none_or(|(errors, most)| below(&errors, most) && saw_enough_arrivals(sample, most));
    if sustained == Verdict::Met && quick && sound {
        return Verdict::Met;
    }
    verdict_by_mean(sample, objective)
}

/// An unclear verdict on the objective, by the sample's means.
pub(crate) fn verdict_by_mean(sample: &Sample, objective: &Objective) -> Verdict {
    Verdict::Unclear { met: sample.meets(objective).unwrap_or(true) }
}

/// Whether so many requests arrived that failures at the rate `share` would have shown: if none of
/// n requests fails, a failure rate of 3/n is still possible, at 95 %.
fn saw_enough_arrivals(sample: &Sample, share: f64) -> bool {
    share * sample.arrived() as f64 >= 3.0
}

/// Whether the whole interval lies above `limit`.
pub(crate) fn above(estimate: &Estimate, limit: f64) -> bool {
    estimate.interval().is_some_and(|(low, _)| low > limit)
}

/// Whether the whole interval lies at or below `limit`.
fn below(estimate: &Estimate, limit: f64) -> bool {
    estimate.interval().is_some_and(|(_, high)| high <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The half-width of an interval shrinks with the root of what is simulated.
    #[test]
    fn a_row_may_take_what_the_precision_asked_for_takes() {
        let most = |share| ArrivalLimits::row(Fraction::new(share)).total;
        let asked = [0.5, 0.05, 0.025, 0.01, 0.001].map(most);
        assert_eq!(asked, [1_000_000, 1_000_000, 4_000_000, 25_000_000, 25_000_000]);
    }
}
