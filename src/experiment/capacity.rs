//! Where one plan with one server gives way.

use crate::experiment::answer::{
    Accuracy, Capacity, Combination, Effort, Limit, Objective, Study, Threshold, Tier,
};
use crate::experiment::bottleneck::{bottleneck, of_errors};
use crate::experiment::demand::bounds;
use crate::experiment::finding::{LOSS, Sample};
use crate::experiment::lab::{Bound, Goal, Lab, meets_objective, sustains};
use crate::experiment::memory::{out_of_memory, too_many_workers};
use crate::experiment::search::{Found, RESOLUTION, Trial, largest};
use crate::experiment::summary::Summary;
use crate::experiment::trial::Purpose;
use crate::units::{Fraction, PerSecond};

/// The search for the saturation point begins at this many times the tightest bound of the
/// utilisation law: 1 % may be lost, and 3 % more must pile up, which a first sample shows.
const BEYOND_BOUND: f64 = 1.0 / (1.0 - LOSS) + 0.03;

/// The search for the saturation point goes down to this share of where it begins.
const FLOOR: f64 = 1e-3;

/// The shares of the saturation point at which every curve has a point: the lowest is as good as
/// alone, most lie where waiting begins to show.
const CURVE: [f64; 7] = [0.01, 0.10, 0.25, 0.50, 0.75, 0.90, 0.97];

/// How precise p95 is wanted on a curve, and in searches with fixed effort: the default of a
/// scenario.
const CURVE_PRECISION: f64 = 0.05;

/// Where nothing limits the rate, objectives are tried up to this many times the highest tier.
const FAR: f64 = 10.0;

/// Where `combination` gives way, as far as `lab` has not been interrupted.
pub(crate) fn capacity(
    lab: &mut Lab,
    study: &Study,
    combination: &Combination,
    search: bool,
) -> Option<Capacity> {
    let objective = Some(study.objective).filter(|asked| *asked != Objective::default());
    let (mut saturation, mut load_line) = (Threshold::NotSearched, None);
    if search {
        lab.purpose = Purpose::Saturation;
        saturation = saturation_point(lab, combination)?;
        lab.watch.found(1);
        let top = reference(saturation, combination);
        lab.purpose = Purpose::Curve;
        draw_curve(lab, top, study.effort)?;
        lab.watch.found(1);
        lab.purpose = Purpose::LoadLine;
        if let Some(objective) = &objective {
            load_line = Some(load_line_of(lab, &combination.tiers, (saturation, top), objective)?);
        }
        lab.watch.found(1);
    }
    lab.purpose = Purpose::OutOfMemory;
    let oom = out_of_memory(lab, combination, saturation, search)?;
    lab.watch.found(1);
    Some(Capacity {
        plan: combination.plan.clone(),
        server: combination.server.clone(),
        price: combination.price,
        workers: combination.site.server.workers,
        budget: combination.budget.clone(),
        saturation,
        load_line,
        oom,
        oom_workers: too_many_workers(combination),
        first_limit: first_limit(lab, load_line.unwrap_or(saturation), objective.as_ref()),
        curve: lab.findings(study.effort),
    })
}

/// How many answers a capacity counts for, in [`crate::experiment::trial::Progress`].
pub(crate) fn answers(search: bool) -> u64 {
    if search { 4 } else { 1 }
}

/// The largest rate that is sustained.
fn saturation_point(lab: &mut Lab, combination: &Combination) -> Option<Threshold> {
    let Some((_, bound)) = bounds(lab.site).first().copied() else {
        return Some(Threshold::Never);
    };
    let high = bound.scaled(BEYOND_BOUND);
    let low = high.scaled(FLOOR);
    let mut try_rate = |rate| {
        let sample = lab.explore(rate, Goal::Sustains, Bound::SUSTAINS)?;
        Some(Trial { verdict: sustains(sample), guess: throughput(sample) })
    };
    // A crash loop, as a rule, sustains nothing.
    if !combination.budget.fits() && !try_rate(low)?.verdict.leans_to_met() {
        return Some(Threshold::AtRest);
    }
    Some(threshold(largest((low, high), resolution(), try_rate)?))
}

/// What is answered while more arrives than is sustained: about the most there can be.
fn throughput(sample: &Sample) -> Option<PerSecond> {
    let served = sample.mean(Summary::served).mean;
    (sample.saturated() && served > 0.0).then(|| PerSecond::new(served))
}

/// The rate that the curve is drawn up to: the saturation point, or else the highest tier.
fn reference(saturation: Threshold, combination: &Combination) -> PerSecond {
    let tiers = combination.tiers.iter().map(|tier| tier.rate.get());
    let highest = tiers.fold(combination.site.traffic.rate.get(), f64::max);
    saturation.rate().unwrap_or(PerSecond::new(highest))
}

fn draw_curve(lab: &mut Lab, top: PerSecond, effort: Effort) -> Option<()> {
    let share = match effort {
        Effort::Precision(share) => share.get(),
        Effort::Fixed { .. } => CURVE_PRECISION,
    };
    for point in CURVE {
        lab.explore(top.scaled(point), Goal::Precision(share), Bound::CURVE)?;
    }
    Some(())
}

/// The largest rate that meets the objective: at most the saturation point, at which the search
/// begins.
fn load_line_of(
    lab: &mut Lab,
    tiers: &[Tier],
    (saturation, top): (Threshold, PerSecond),
    objective: &Objective,
) -> Option<Threshold> {
    let most = match saturation {
        Threshold::At { rate, .. } => rate,
        Threshold::Never => top.scaled(FAR),
        Threshold::AtRest | Threshold::NotSearched => return Some(saturation),
    };
    let (low, high) = (top.scaled(CURVE[0]), lowest_missed(lab, tiers, most, objective));
    let mut try_rate = |rate| {
        let sample = lab.explore(rate, Goal::Meets(*objective), Bound::MEETS)?;
        let verdict = meets_objective(sample, objective);
        Some(Trial { verdict, guess: crossing(lab, most, objective) })
    };
    if !try_rate(low)?.verdict.leans_to_met() {
        return Some(Threshold::AtRest);
    }
    Some(match largest((low, high), resolution(), try_rate)? {
        Found::Everywhere => saturation,
        Found::Between { met, missed, .. } => {
            let accuracy = if is_known(lab, met) { Accuracy::Resolution } else { Accuracy::Noise };
            Threshold::At { rate: met, beyond: missed, accuracy }
        }
        found => threshold(found),
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

/// Whether p95 at this rate is known to a tenth of itself. Close to the load line it grows by five
/// to ten per cent for each per cent of rate, so that the search's resolution still means something.
fn is_known(lab: &Lab, rate: PerSecond) -> bool {
    let sample = lab.samples().find(|sample| sample.site.traffic.rate == rate);
    let half = sample.and_then(|sample| sample.p95()?.relative_half_width());
    half.is_some_and(|half| half <= 0.10)
}

/// About where p95 crosses the objective, from what was simulated so far: p95 grows about as a
/// power of 1 / (1 - utilisation), so between two rates its logarithm is about linear in the
/// logarithm of that.
fn crossing(lab: &Lab, high: PerSecond, objective: &Objective) -> Option<PerSecond> {
    let most = objective.p95?.as_secs();
    let full = high.get() / (1.0 - RESOLUTION);
    let point = |sample: &Sample| {
        let rate = sample.site.traffic.rate;
        let p95 = sample.p95().filter(|_| rate <= high)?.mean;
        Some((-(1.0 - rate.get() / full).ln(), (p95 / most).ln()))
    };
    let points: Vec<(f64, f64)> = lab.samples().filter_map(point).collect();
    let pairs = points.windows(2).map(|pair| (pair[0], pair[1]));
    let ((x, y), (next_x, next_y)) = pairs.into_iter().find(|(a, b)| a.1 <= 0.0 && b.1 > 0.0)?;
    let x = x + (next_x - x) * -y / (next_y - y);
    Some(PerSecond::new(full * (1.0 - (-x).exp())))
}

/// What breaks the objective (or, where there is none, the site) just beyond `threshold`.
fn first_limit(lab: &Lab, threshold: Threshold, objective: Option<&Objective>) -> Option<Limit> {
    let sample = match threshold {
        Threshold::At { beyond, .. } => {
            lab.samples().find(|sample| sample.site.traffic.rate == beyond)
        }
        Threshold::AtRest => lab.samples().next(),
        Threshold::Never | Threshold::NotSearched => None,
    }?;
    let errors = sample.mean(Summary::error_rate).mean;
    let most = objective.map_or(LOSS, |objective| objective.errors.map_or(LOSS, Fraction::get));
    let failing = if errors > most { of_errors(sample) } else { None };
    Some(failing.unwrap_or_else(|| match threshold {
        Threshold::AtRest => Limit::Work,
        _ => bottleneck(sample),
    }))
}

fn threshold(found: Found) -> Threshold {
    match found {
        // Throughput is known to half a per cent after as many arrivals as such a trial takes.
        Found::Between { met, missed, .. } => {
            Threshold::At { rate: met, beyond: missed, accuracy: Accuracy::Resolution }
        }
        Found::Everywhere => Threshold::Never,
        Found::Nowhere => Threshold::AtRest,
    }
}

fn resolution() -> Fraction {
    Fraction::new(RESOLUTION)
}
