//! The largest rate that meets the objective.

use crate::experiment::answer::{Accuracy, Effort, Objective, Threshold, Tier};
use crate::experiment::finding::{Sample, meets};
use crate::experiment::lab::{Bound, Goal, Lab, REPLICATIONS, meets_objective};
use crate::experiment::search::{Found, RESOLUTION, Trial, Verdict, largest};
use crate::experiment::summary::Summary;
use crate::units::{Fraction, PerSecond, Span};

/// Where nothing limits the rate, objectives are tried up to this many times the highest tier.
const FAR: f64 = 10.0;

/// Half the width of the interval of the rate at which p95 is as long as allowed, at most, so far
/// as the bound on effort lets it: with the resolution of 1 %, the load line is then known about as
/// well as the saturation point.
const PRECISION: f64 = 0.0125;

/// p95 is never asked for more precisely than this, and not less than that: normal intervals of
/// quantiles are to be trusted up to there.
const FINEST: f64 = 0.01;
const COARSEST: f64 = 0.15;

/// A load line is told without "about" where its interval reaches no further than two steps of
/// the resolution.
const KNOWN: f64 = 2.0 * RESOLUTION;

/// A rate no further than this from the answer, as a share, is explored to the end, to be built on.
const NEAR: f64 = 0.05;

/// Rates no further apart than this, as a share, are judged beside each other.
const BESIDE: f64 = 0.10;

/// Beside each other only p95 is compared: errors must be at most this share of those allowed.
const CALM: f64 = 0.25;

/// The largest rate that meets the objective: at most the saturation point. The search begins at
/// `low`, where a curve does. `None` where the watch ended it.
pub(crate) fn load_line(
    lab: &mut Lab,
    tiers: &[Tier],
    (saturation, top): (Threshold, PerSecond),
    low: PerSecond,
    objective: &Objective,
) -> Option<Threshold> {
    let most = match saturation {
        Threshold::At { rate, .. } => rate,
        Threshold::Never => top.scaled(FAR),
        Threshold::AtRest | Threshold::NotSearched => return Some(saturation),
    };
    let high = lowest_missed(lab, tiers, most, objective);
    let mut judge = Judge { lab, objective, most, anchor: None };
    if !judge.attempt(low)?.verdict.leans_to_met() {
        return Some(Threshold::AtRest);
    }
    let resolution = Fraction::new(RESOLUTION);
    Some(match largest((low, high), resolution, |rate| judge.attempt(rate))? {
        Found::Everywhere => saturation,
        Found::Between { met, missed, .. } => {
            let known = judge.is_known(met);
            let accuracy = if known { Accuracy::Resolution } else { Accuracy::Noise };
            Threshold::At { rate: met, beyond: missed, accuracy }
        }
        found => found.threshold(),
    })
}

/// The lowest of the tiers' rates that misses the objective, if below `high`: what a row has told
/// with more effort than a trial's, the load line must not contradict.
fn lowest_missed(lab: &Lab, tiers: &[Tier], high: PerSecond, objective: &Objective) -> PerSecond {
    let is_tier = |rate: PerSecond| tiers.iter().any(|tier| tier.rate == rate);
    let misses = |sample: &&Sample| !meets_objective(sample, objective).leans_to_met();
    let mut missed =
        lab.samples().filter(|sample| is_tier(sample.site.traffic.rate)).filter(misses);
    let lowest = missed.next().map(|sample| sample.site.traffic.rate);
    lowest.filter(|rate| *rate < high).unwrap_or(high)
}

/// Judges rates by the objective.
struct Judge<'a, 'b> {
    lab: &'a mut Lab<'b>,
    objective: &'a Objective,
    /// The highest rate there is to judge.
    most: PerSecond,
    /// The last rate at which p95 became known as well as it is asked for.
    anchor: Option<PerSecond>,
}

impl Judge<'_, '_> {
    fn attempt(&mut self, rate: PerSecond) -> Option<Trial> {
        let near = |anchor: &PerSecond| (rate.get() / anchor.get()).ln().abs() <= BESIDE;
        let verdict = match self.anchor.filter(near) {
            Some(anchor) => leaning(self.lab.beside(rate, anchor)?, self.objective),
            None => self.explore(rate)?,
        };
        Some(Trial { verdict, guess: self.crossing() })
    }

    fn explore(&mut self, rate: PerSecond) -> Option<Verdict> {
        if rate >= self.most && self.lab.full.is_some_and(f64::is_finite) {
            return self.at_saturation(rate);
        }
        let (share, objective) = (self.precision(rate), self.objective);
        self.lab.explore(rate, Goal::Meets(*objective, share), Bound::MEETS)?;
        let near = self.crossing().is_some_and(|at| (at.get() / rate.get()).ln().abs() <= NEAR);
        // What is known of a rate near the answer is built upon.
        let goal = if near { Goal::Precision(share) } else { Goal::Meets(*objective, share) };
        let sample = self.lab.explore(rate, goal, Bound::MEETS)?;
        if objective.p95.is_some() && is_anchor(sample, share) && is_calm(sample, objective) {
            self.anchor = Some(rate);
        }
        Some(meets_objective(sample, objective))
    }

    /// At the saturation point itself, where nothing settles, waits grow for as long as one looks.
    fn at_saturation(&mut self, rate: PerSecond) -> Option<Verdict> {
        let goal = Goal::Meets(*self.objective, COARSEST);
        let sample = self.lab.explore(rate, goal, Bound::CONFIRMS)?;
        let verdict = meets_objective(sample, self.objective);
        let growing = self.objective.p95.is_some() && !sample.settled();
        let growing = growing && verdict.leans_to_met();
        Some(if growing { Verdict::Unclear { met: false } } else { verdict })
    }

    /// How precisely p95 must be known at `rate`: where it grows by so many per cent for each per
    /// cent of rate, so many times as loosely as the rate at which it is as long as allowed.
    fn precision(&self, rate: PerSecond) -> f64 {
        (PRECISION * self.slope(rate)).clamp(FINEST, COARSEST)
    }

    /// By how many per cent p95 grows for each per cent of rate, about, where it is as long as
    /// allowed: the part of it that is waiting grows as 1 / (1 - load).
    fn slope(&self, rate: PerSecond) -> f64 {
        let alone = self.lab.samples().next().and_then(|sample| Some(sample.p95()?.mean));
        let most = self.objective.p95.map_or(f64::INFINITY, Span::as_secs);
        let waiting = (1.0 - alone.unwrap_or(0.0) / most).clamp(0.0, 1.0);
        let load = (rate.get() / self.most.get()).min(0.999);
        waiting * load / (1.0 - load)
    }

    /// Whether a sample near `rate` places the load line to within [`KNOWN`].
    fn is_known(&self, rate: PerSecond) -> bool {
        let near = |sample: &&Sample| {
            let apart = (sample.site.traffic.rate.get() / rate.get()).ln();
            apart.abs() <= NEAR && !sample.is_paired()
        };
        let near = self.lab.samples().filter(near);
        let halves = near.filter_map(|sample| sample.p95()?.relative_half_width());
        let best = halves.fold(f64::INFINITY, f64::min);
        best <= KNOWN * self.slope(rate)
    }

    /// About where p95 crosses the objective, from what was simulated so far: p95 grows about as a
    /// power of 1 / (1 - load), so between two rates its logarithm is about linear in the
    /// logarithm of that; beyond all of them it goes as 1 / (1 - load) itself. Once there is a rate
    /// to judge others beside, only that one and those count.
    fn crossing(&self) -> Option<PerSecond> {
        let most = self.objective.p95?.as_secs();
        let point = |sample: &Sample| {
            let load = sample.site.traffic.rate.get() / self.most.get();
            let p95 = sample.p95().filter(|_| load < 1.0)?.mean;
            Some((-(1.0 - load).ln(), (p95 / most).ln()))
        };
        let counts = |sample: &&Sample| {
            self.anchor.is_none_or(|at| sample.is_paired() || sample.site.traffic.rate == at)
        };
        let samples = self.lab.samples().filter(counts);
        let points: Vec<(f64, f64)> = samples.filter_map(point).collect();
        let mut pairs = points.windows(2).map(|pair| (pair[0], pair[1]));
        let x = match pairs.find(|(a, b)| a.1 <= 0.0 && b.1 > 0.0) {
            Some(((x, y), (next_x, next_y))) => x + (next_x - x) * -y / (next_y - y),
            None => {
                let last = points.last().filter(|(_, y)| *y <= 0.0);
                last.or(points.first()).map(|(x, y)| x - y)?
            }
        };
        (x > 0.0).then(|| self.most.scaled(1.0 - (-x).exp()))
    }
}

/// Whether as much is known of p95 as was asked for, or as the bound on effort allows, and from
/// windows no longer than that allows: not from a row's, a few of which are dear.
fn is_anchor(sample: &Sample, share: f64) -> bool {
    let (arrived, most) = (sample.arrived() as f64, Bound::MEETS.most as f64);
    let window = arrived / f64::from(sample.replications());
    let short = window <= 1.1 * most / f64::from(REPLICATIONS);
    short && (sample.within(share) || arrived > 0.9 * most)
}

/// Whether errors are far from what breaks the objective.
fn is_calm(sample: &Sample, objective: &Objective) -> bool {
    let errors = sample.mean(Summary::error_rate).mean;
    objective.errors.is_none_or(|most| errors <= CALM * most.get())
}

/// Whether a sample leans to meeting the objective, by its means.
fn leaning(sample: &Sample, objective: &Objective) -> Verdict {
    let effort = Effort::Fixed { replications: 1, warmup: Span::ZERO, measured: Span::ZERO };
    Verdict::Unclear { met: meets(&sample.finding(effort), objective).unwrap_or(true) }
}
