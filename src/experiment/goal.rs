//! What is to be known of a rate, and when enough of it is simulated.

use crate::experiment::answer::{Effort, Objective};
use crate::experiment::finding::{LOSS, Sample, meets};
use crate::experiment::lab::REPLICATIONS;
use crate::experiment::overload::patience;
use crate::experiment::search::Verdict;
use crate::experiment::summary::Summary;
use crate::stats::estimate::Estimate;
use crate::units::{Fraction, Span};

/// The roughest that a row tells p95, as a share of it. Of windows so short that they tell it to 10 % it
/// is 2 % too low at 90 % of capacity, and of 100 intervals around it 84 have the true one in them.
const COARSEST_ROW_PRECISION: f64 = 0.07;

/// What is to be known, and so when enough is simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// p95 to this share of itself.
    Precision(f64),
    /// Whether the rate is sustained.
    Sustains,
    /// Whether the objective is met; where that stays unclear, p95 to this share of itself, which
    /// grows by so many per cent for each per cent of load.
    Meets { objective: Objective, share: f64, slope: f64 },
    /// What an overloaded site carries, to this share of it.
    Carried(f64),
}

/// How much is simulated for a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrivalLimits {
    /// Arrivals in the first window, at least.
    pub first_window: f64,
    /// And at most.
    pub longest_window: f64,
    /// Arrivals in all windows of all replications, at most.
    pub total: u64,
}

impl Goal {
    /// For a row of which p95 is asked for to this share of itself.
    pub(crate) fn row(share: Fraction) -> Goal {
        Goal::Precision(share.get().min(COARSEST_ROW_PRECISION))
    }
}

impl ArrivalLimits {
    /// For a row of the results: p95 to 5 % takes about half a million at 90 % of a single server's
    /// capacity. Closer to saturation it would take millions, for a figure that is of no use there:
    /// such a row says that it is less precise. The first windows give p95 of an exponential
    /// response to 3 %, so that a site at ease is done at once.
    pub(crate) const ROW: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 125_000.0, total: 1_000_000 };
    /// For a verdict on what is sustained: eight windows of 8,000, and a quarter more for the luck
    /// of the draw. They place the saturation point to about 1 %.
    pub(crate) const SATURATION: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 10_000.0, total: 80_000 };
    /// For the same where it is a matter of a few crowds, which eight windows of 8,000 have too few of:
    /// points of M/M/1 with a patience of 50 requests' work scatter by 0.6 %, and by 1.6 % without.
    pub(crate) const RARE_CROWDS: ArrivalLimits =
        ArrivalLimits { first_window: 10_000.0, longest_window: 50_000.0, total: 400_000 };
    /// For a second opinion on what is sustained: the same requests again that came under overload.
    pub(crate) const CONFIRMATION: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 2_000.0, total: 16_000 };
    /// For a verdict on the objective: p95 is noisier than throughput.
    pub(crate) const OBJECTIVE: ArrivalLimits =
        ArrivalLimits { first_window: 2_000.0, longest_window: 10_000.0, total: 100_000 };
    /// For a point of a curve.
    pub(crate) const CURVE: ArrivalLimits =
        ArrivalLimits { first_window: 500.0, longest_window: 2_000.0, total: 16_000 };

    /// For a row of which p95 is asked for to this share of itself. Where that is less than the
    /// [`DEFAULT_PRECISION`] 5 %, the bound grows as what it takes does, with the square; down to 1 %, which may
    /// take a minute or two.
    pub(crate) fn row(share: Fraction) -> ArrivalLimits {
        let times =
            (DEFAULT_PRECISION / share.get().max(FINEST_BUDGETED_PRECISION)).powi(2).max(1.0);
        ArrivalLimits {
            total: (times * ArrivalLimits::ROW.total as f64) as u64,
            ..ArrivalLimits::ROW
        }
    }
}

/// The precision that [`ArrivalLimits::ROW`] is for, and the finest that a bound on effort grows for.
const DEFAULT_PRECISION: f64 = 0.05;
const FINEST_BUDGETED_PRECISION: f64 = 0.01;

/// At most so many arrivals in a sample that is clearly not sustained: its errors tell more than
/// its p95.
const OVERLOAD_ARRIVALS: u64 = 160_000;

/// By how much a window that was too short is lengthened.
const WINDOW_GROWTH: f64 = 4.0;

/// Where p95 is asked for, or is not known as well as a verdict on it asks for, so much more is worth
/// beginning again.
const MIN_LENGTHENING: f64 = 2.0;

/// Where so many times as many arrivals are needed, windows grow first, and [`MAX_REPLICATION_GROWTH`] times as many
/// replications take the rest: quantiles of short windows are more than those of a long one on
/// average, and what comes of something rare comes in few of them.
const LENGTHEN_FROM: f64 = 8.0;

/// By how much the number of replications grows at most before another look: what is known of
/// the noise from a few of them is itself noisy.
const MAX_REPLICATION_GROWTH: f64 = 4.0;

/// What to do next for a sample.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Enough,
    /// Begin again with windows so many times as long: more replications of a window that is too
    /// short only make a wrong figure look certain.
    Lengthen(f64),
    /// Begin again with a warm-up so long, and a window that is no shorter.
    WarmUp(Span),
    /// Go on to so many replications.
    Replicate(u32),
}

/// What to do next for a sample, for `goal` within `bound`.
pub(crate) fn next(sample: &Sample, goal: Goal, limits: ArrivalLimits) -> Next {
    // What is carried is asked of a site that is overloaded, and so never settles.
    let overloaded = matches!(goal, Goal::Carried(_));
    let ended = sample.runs_away() || sample.is_beyond_reach();
    let patience = patience(&sample.site);
    if !ended && sample.refuses_silently() && sample.site.horizon.warmup < patience {
        return Next::WarmUp(patience);
    }
    if goal_reached(sample, goal) || !overloaded && ended {
        return Next::Enough;
    }
    let missed = !overloaded && sustains(sample) == Verdict::Missed;
    let most = if missed { limits.total.min(OVERLOAD_ARRIVALS) } else { limits.total };
    let room = most as f64 / (sample.arrived() as f64).max(1.0);
    if !overloaded && !sample.settled() {
        let times = WINDOW_GROWTH.min(room);
        let least = if wants_p95(sample, goal) { MIN_LENGTHENING } else { WINDOW_GROWTH };
        return if times >= least { Next::Lengthen(times) } else { Next::Enough };
    }
    let times = shortfall(sample, goal).min(room);
    if times < WORTHWHILE {
        return Next::Enough;
    }
    if times >= LENGTHEN_FROM {
        return Next::Lengthen(times / MAX_REPLICATION_GROWTH);
    }
    Next::Replicate(
        (f64::from(sample.replications()) * times.min(MAX_REPLICATION_GROWTH)).ceil() as u32
    )
}

/// Whether p95 is asked for, or is known less well than a verdict on it asks for.
fn wants_p95(sample: &Sample, goal: Goal) -> bool {
    match goal {
        Goal::Precision(_) => true,
        Goal::Meets { share, .. } => !sample.within(share),
        Goal::Sustains | Goal::Carried(_) => false,
    }
}

/// A row tells of every endpoint what so many requests of it tell: with none of one that takes a
/// thousand times as long as the others, its mean would be wrong by any factor.
const OF_EACH_ENDPOINT: u64 = 8;

fn goal_reached(sample: &Sample, goal: Goal) -> bool {
    let clear = |verdict| matches!(verdict, Verdict::Met | Verdict::Missed);
    match goal {
        Goal::Precision(share) => {
            sample.settled() && sample.within(share) && sample.fewest() >= OF_EACH_ENDPOINT
        }
        Goal::Sustains => clear(sustains(sample)),
        Goal::Meets { objective, share, .. } => {
            let known = sample.settled()
                && sample.within(share)
                && errors_precise_enough(sample, &objective);
            known || clear(meets_objective(sample, &objective))
        }
        Goal::Carried(share) => {
            let half = sample.carried().relative_half_width().unwrap_or(f64::INFINITY);
            half <= share / 2.0
                || half <= share && sample.replications() >= MIN_CARRIED_REPLICATIONS
        }
    }
}

/// Half the width of the interval of errors, as a share of those allowed, at most, so far as the bound
/// on effort lets it. Where there are ten connections or places to refuse, errors grow by 5.6 to 7 %
/// for each per cent of rate (Erlang's loss formula, from 1 % to 0.1 % of errors), and by more where
/// there are more of them or waits become too long: so the rate is then known to some 2 %, as by p95.
const ERROR_PRECISION: f64 = 0.10;

/// Whether errors are known as well as a verdict on them asks for, or are clearly few enough.
fn errors_precise_enough(sample: &Sample, objective: &Objective) -> bool {
    let errors = sample.mean(Summary::error_rate);
    objective.errors.map(Fraction::get).is_none_or(|most| {
        let known = errors.half_width().is_some_and(|half| half <= ERROR_PRECISION * most);
        saw_enough_arrivals(sample, most) && (known || below(&errors, most))
    })
}

/// Fewer more replications than a tenth are not worth another look.
const WORTHWHILE: f64 = 1.1;

/// What is carried is told from so many replications at least, but where it is known twice as well:
/// eight of them know their own noise to a quarter only, and stopping wherever it looks small would
/// be stopping by luck.
const MIN_CARRIED_REPLICATIONS: u32 = 2 * REPLICATIONS;

/// How many times as many replications the goal is likely to take; the half-width shrinks with
/// their root. A tenth is added, so that the next look is likely the last.
fn shortfall(sample: &Sample, goal: Goal) -> f64 {
    let known = match goal {
        Goal::Carried(_) => Some(sample.carried()),
        _ => sample.p95(),
    };
    let Some((mean, half)) = known.and_then(|known| Some((known.mean, known.half_width()?))) else {
        return 1.0;
    };
    let allowed = match goal {
        Goal::Precision(share) | Goal::Carried(share) => share * mean,
        Goal::Meets { objective: Objective { p95: Some(most), .. }, share, .. } => {
            (mean - most.as_secs()).abs().max(share * mean)
        }
        Goal::Sustains | Goal::Meets { .. } => return MAX_REPLICATION_GROWTH,
    };
    let enough = half <= allowed;
    match goal {
        Goal::Carried(_) if enough => {
            f64::from(MIN_CARRIED_REPLICATIONS) / f64::from(sample.replications())
        }
        Goal::Precision(_) if enough => {
            OF_EACH_ENDPOINT as f64 / (sample.fewest() as f64).max(1.0) * WORTHWHILE
        }
        _ if enough => MAX_REPLICATION_GROWTH,
        _ => (half / allowed).powi(2) * WORTHWHILE,
    }
}

/// Whether the rate is sustained, as far as `sample` tells.
pub(crate) fn sustains(sample: &Sample) -> Verdict {
    let lost = sample.mean(Summary::error_rate);
    if sample.runs_away() || above(&lost, LOSS) {
        Verdict::Missed
    } else if sample.settled() && below(&lost, LOSS) {
        Verdict::Met
    } else {
        Verdict::Unclear { met: !sample.saturated() }
    }
}

/// Whether the objective is met, as far as `sample` tells. Waits begin at their shortest, in the
/// empty site, so a sample that is not settled may tell that p95 is too long, but not that it is
/// short enough.
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

/// Whether a sample leans to meeting the objective, by its means.
pub(crate) fn verdict_by_mean(sample: &Sample, objective: &Objective) -> Verdict {
    let effort = Effort::Fixed { replications: 1, warmup: Span::ZERO, measured: Span::ZERO };
    Verdict::Unclear { met: meets(&sample.finding(effort), objective).unwrap_or(true) }
}

/// Whether so many arrived that failures at the rate `share` would have shown: none of n trials
/// failing leaves a failure rate of 3/n possible, at 95 %.
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

    /// Half the width of an interval shrinks with the root of what is simulated.
    #[test]
    fn a_row_may_take_what_the_precision_asked_for_takes() {
        let most = |share| ArrivalLimits::row(Fraction::new(share)).total;
        let asked = [0.5, 0.05, 0.025, 0.01, 0.001].map(most);
        assert_eq!(asked, [1_000_000, 1_000_000, 4_000_000, 25_000_000, 25_000_000]);
    }
}
