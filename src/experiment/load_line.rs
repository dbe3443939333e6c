//! The largest rate that meets the objective.

use crate::experiment::answer::{Accuracy, Effort, Objective, Row, Study, Threshold};
use crate::experiment::demand::bounds;
use crate::experiment::goal::{ArrivalLimits, Goal, above, meets_objective, verdict_by_mean};
use crate::experiment::lab::Lab;
use crate::experiment::rate_uncertainty::{
    INTERPOLATION_RANGE, NEARBY, PAIRING_RANGE, RATE_TOLERANCE, errors_locate_rate, smallest_nearby,
};
use crate::experiment::sample::Sample;
use crate::experiment::search::{Found, RESOLUTION, Trial, Verdict, largest};
use crate::experiment::summary::Summary;
use crate::units::{Fraction, PerSecond, Span};

/// Where nothing limits the rate, the load line is searched up to this many times the highest tier.
const FAR: f64 = 10.0;

/// Half the interval's width of the load line at most, as a share of it, within the limits on
/// arrivals. With the resolution of 1 % the load line is then about as precise as the saturation
/// point.
const LOAD_LINE_PRECISION: f64 = 0.015;

/// The finest precision of p95 that is asked for, and the coarsest: up to there normal intervals of
/// quantiles can be trusted.
const FINEST_PRECISION: f64 = 0.01;
const COARSEST_PRECISION: f64 = 0.20;

/// Rates judged beside each other are compared by p95 only, so errors must be at most this share of
/// those allowed.
const CALM: f64 = 0.25;

/// The largest rate that meets the objective: at most the saturation point, and below the rate of a
/// tier whose row has `missed` it. The search begins at `low`. `None` where the watch ended it.
pub(crate) fn load_line(
    lab: &mut Lab,
    missed: Option<PerSecond>,
    (saturation, top): (Threshold, PerSecond),
    low: PerSecond,
    objective: &Objective,
) -> Option<Threshold> {
    let most = match saturation {
        Threshold::At { rate, .. } => rate,
        Threshold::Never => lab.within_reach(farthest(top)),
        Threshold::AtRest | Threshold::NotSearched => return Some(saturation),
    };
    // A site that does not saturate within reach may do so beyond it.
    let bound = bounds(lab.site).first().map(|(_, bound)| *bound);
    let full = bound.filter(|_| saturation == Threshold::Never).unwrap_or(most);
    let missed = missed.filter(|rate| *rate < most);
    let mut judge =
        ObjectiveJudge { lab, objective, most, full, missed, contradicted: false, anchor: None };
    if !judge.attempt(low)?.verdict.leans_to_met() {
        return Some(Threshold::AtRest);
    }
    let (high, resolution) = (missed.unwrap_or(most), Fraction::new(RESOLUTION));
    Some(match largest((low, high), resolution, |rate| judge.attempt(rate))? {
        Found::Everywhere => saturation,
        Found::Nowhere => Threshold::AtRest,
        Found::Between { met, missed, .. } => {
            let by_edge = saturation.is_noisy() && met.log_distance(most) <= 2.0 * RATE_TOLERANCE;
            let known = judge.is_known(met, missed) && !judge.contradicted && !by_edge;
            let accuracy = if known { Accuracy::Resolution } else { Accuracy::Noise };
            Threshold::At { rate: met, beyond: missed, accuracy }
        }
    })
}

/// How far the load line is searched where nothing limits the rate and `top` is the highest that
/// was asked for.
pub(crate) fn farthest(top: PerSecond) -> PerSecond {
    top.scaled(FAR)
}

/// The lowest rate of the tiers whose rows miss the objective: the load line must not contradict
/// the table of results. Of rows of fixed effort, which may be little, only clear misses count.
pub(crate) fn lowest_missed(study: &Study, rows: &[Row]) -> Option<PerSecond> {
    let fixed = matches!(study.effort, Effort::Fixed { .. });
    let counts = |row: &&Row| !fixed || clearly_misses(row, &study.objective);
    let missed = rows.iter().filter(|row| row.meets_objective == Some(false)).filter(counts);
    missed.map(|row| row.offered).min_by(|a, b| a.get().total_cmp(&b.get()))
}

fn clearly_misses(row: &Row, objective: &Objective) -> bool {
    let finding = &row.finding;
    let slow = |most: Span| finding.p95.is_none_or(|p95| above(&p95, most.as_secs()));
    let failing = |most: Fraction| above(&finding.error_rate, most.get());
    let missed = objective.p95.is_some_and(slow) || objective.errors.is_some_and(failing);
    missed || finding.saturated
}

/// Decides whether rates meet the objective.
struct ObjectiveJudge<'a, 'b> {
    lab: &'a mut Lab<'b>,
    objective: &'a Objective,
    /// The highest rate to judge.
    most: PerSecond,
    /// The rate at load 1: the saturation point or, where that is not known, the bound of the
    /// utilisation law.
    full: PerSecond,
    /// The lowest rate at which a row missed the objective. It counts as missed, whatever a verdict
    /// on it says.
    missed: Option<PerSecond>,
    /// Whether a verdict contradicted that.
    contradicted: bool,
    /// The last rate at which p95 became as precise as asked for.
    anchor: Option<PerSecond>,
}

impl ObjectiveJudge<'_, '_> {
    fn attempt(&mut self, rate: PerSecond) -> Option<Trial> {
        let near = |anchor: &PerSecond| rate.log_distance(*anchor) <= PAIRING_RANGE;
        let verdict = match (self.interpolated_load_line(), self.anchor.filter(near)) {
            (Some(line), _) => Verdict::Unclear { met: rate <= line },
            (None, Some(anchor)) => verdict_by_mean(self.lab.beside(rate, anchor)?, self.objective),
            (None, None) => self.explore(rate)?,
        };
        let contradicts =
            self.missed.is_some_and(|missed| rate >= missed) && verdict.leans_to_met();
        self.contradicted |= contradicts;
        let verdict = if contradicts { Verdict::Unclear { met: false } } else { verdict };
        Some(Trial { verdict, guess: self.crossing() })
    }

    fn explore(&mut self, rate: PerSecond) -> Option<Verdict> {
        if rate >= self.most && self.lab.full.is_some_and(f64::is_finite) {
            return self.at_saturation(rate);
        }
        let (share, slope, objective) = (self.precision(rate), self.slope(rate), *self.objective);
        let (meets, limits) = (Goal::Meets { objective, share }, ArrivalLimits::OBJECTIVE);
        self.lab.explore_corrected(rate, meets, limits, Some(slope))?;
        let near = self.crossing().is_some_and(|at| at.log_distance(rate) <= NEARBY);
        // A sample near the answer is made precise, for others to be judged beside it.
        let sample = match near {
            true => self.lab.explore(rate, Goal::Precision(share), limits)?,
            false => self.lab.explore_corrected(rate, meets, limits, Some(slope))?,
        };
        if objective.p95.is_some() && is_anchor(sample, share) && is_calm(sample, &objective) {
            self.anchor = Some(rate);
        }
        Some(meets_objective(sample, &objective))
    }

    /// The verdict at the saturation point itself, where nothing settles and waits grow for as long
    /// as one looks.
    fn at_saturation(&mut self, rate: PerSecond) -> Option<Verdict> {
        let goal = Goal::Meets { objective: *self.objective, share: COARSEST_PRECISION };
        let limits = ArrivalLimits::CONFIRMATION;
        let sample = self.lab.explore_corrected(rate, goal, limits, Some(0.0))?;
        let verdict = meets_objective(sample, self.objective);
        let growing = self.objective.p95.is_some() && !sample.settled();
        let growing = growing && verdict.leans_to_met();
        Some(if growing { Verdict::Unclear { met: false } } else { verdict })
    }

    /// The precision of p95 to ask for at `rate`. Where p95 grows by s per cent for each per cent
    /// of rate, it may be s times as coarse as the load line's.
    fn precision(&self, rate: PerSecond) -> f64 {
        (LOAD_LINE_PRECISION * self.slope(rate)).clamp(FINEST_PRECISION, COARSEST_PRECISION)
    }

    /// The elasticity of p95 where it is as long as allowed: by about how many per cent it grows
    /// for each per cent of rate. The part of it that is waiting grows as load / (1 - load).
    fn slope(&self, rate: PerSecond) -> f64 {
        let alone = self.lab.samples().next().and_then(|sample| Some(sample.p95()?.mean));
        let most = self.objective.p95.map_or(f64::INFINITY, Span::as_secs);
        let waiting = (1.0 - alone.unwrap_or(0.0) / most).clamp(0.0, 1.0);
        waiting / (1.0 - self.load(rate))
    }

    fn load(&self, rate: PerSecond) -> f64 {
        (rate.get() / self.full.get()).min(0.999)
    }

    /// Whether samples near `met` locate the load line to within [`RATE_TOLERANCE`]: by p95 or, if
    /// errors break the objective at `missed`, by the errors. If not, the load line is "about".
    fn is_known(&self, met: PerSecond, missed: PerSecond) -> bool {
        match self.failing(missed) {
            None => {
                let half = smallest_nearby(self.lab, met, |it| it.p95()?.relative_half_width());
                half <= RATE_TOLERANCE * self.slope(met)
            }
            Some(most) => errors_locate_rate(self.lab, met, most),
        }
    }

    /// The share of errors that the objective allows, if errors alone break it at `rate`.
    fn failing(&self, rate: PerSecond) -> Option<f64> {
        let sample = self.lab.samples().find(|sample| sample.site.traffic.rate == rate)?;
        let slow = self.objective.is_slow(sample.p95().map(|p95| p95.mean));
        let most = self.objective.errors?.get();
        let failing = sample.mean(Summary::error_rate).mean > most;
        (failing && !slow).then_some(most)
    }

    /// The interpolated load line, once a rate within [`INTERPOLATION_RANGE`] of it was simulated
    /// and there is an anchor.
    fn interpolated_load_line(&self) -> Option<PerSecond> {
        let line = self.crossing()?;
        let next = |point: &Point| point.rate.log_distance(line) <= INTERPOLATION_RANGE;
        (self.anchor.is_some() && self.points().iter().any(next)).then_some(line)
    }

    /// About where p95 crosses the objective, from what was simulated so far: p95 grows about as a
    /// power of 1 / (1 - load), so between two rates its logarithm is about linear in the logarithm
    /// of that. Once there is an anchor, only that rate and those judged beside it count.
    fn crossing(&self) -> Option<PerSecond> {
        let points = self.points();
        let mut pairs = points.windows(2).map(|pair| (&pair[0], &pair[1]));
        let x = match pairs.find(|(a, b)| a.y <= 0.0 && b.y > 0.0) {
            Some((a, b)) => a.x + (b.x - a.x) * -a.y / (b.y - a.y),
            None => {
                let last = points.last().filter(|last| last.y <= 0.0);
                let next = last.or(points.first())?;
                // x grows by load / (1 - load) per cent for each per cent of rate.
                let load = self.load(next.rate);
                next.x - next.y / self.slope(next.rate) * load / (1.0 - load)
            }
        };
        (x > 0.0).then(|| self.full.scaled(1.0 - (-x).exp()))
    }

    /// The points that [`Self::crossing`] is computed from, by rising rate.
    fn points(&self) -> Vec<Point> {
        let counts = |sample: &&Sample| {
            self.anchor.is_none_or(|at| sample.is_paired() || sample.site.traffic.rate == at)
        };
        self.lab.samples().filter(counts).filter_map(|sample| self.point(sample)).collect()
    }

    fn point(&self, sample: &Sample) -> Option<Point> {
        let rate = sample.site.traffic.rate;
        let load = rate.get() / self.full.get();
        let p95 = sample.p95().filter(|_| load < 1.0)?.mean;
        let most = self.objective.p95?.as_secs();
        Some(Point { rate, x: -(1.0 - load).ln(), y: (p95 / most).ln() })
    }
}

/// p95 at a rate.
struct Point {
    rate: PerSecond,
    /// The logarithm of 1 / (1 - load).
    x: f64,
    /// The logarithm of p95 over what is allowed.
    y: f64,
}

/// Whether p95 is as precise as asked for, or as the limits on arrivals allow, and the windows are
/// no longer than these limits allow. (A row's windows may be longer, and even a few of them would
/// take long to simulate beside it.)
fn is_anchor(sample: &Sample, share: f64) -> bool {
    let (arrived, most) = (sample.arrived() as f64, ArrivalLimits::OBJECTIVE.total as f64);
    let window = arrived / f64::from(sample.replications());
    let exhausted = arrived > 0.9 * most || !sample.settled();
    window <= 1.1 * ArrivalLimits::OBJECTIVE.longest_window && (sample.within(share) || exhausted)
}

/// Whether errors are far from what breaks the objective.
fn is_calm(sample: &Sample, objective: &Objective) -> bool {
    let errors = sample.mean(Summary::error_rate).mean;
    objective.errors.is_none_or(|most| errors <= CALM * most.get())
}
