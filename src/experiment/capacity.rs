//! Where one plan with one server gives way.

use crate::experiment::answer::{
    Capacity, Combination, Effort, Limit, Objective, Row, Study, Threshold,
};
use crate::experiment::bottleneck::limit;
use crate::experiment::demand::bounds;
use crate::experiment::goal::{ArrivalLimits, Goal};
use crate::experiment::lab::Lab;
use crate::experiment::load_line::{farthest, load_line, lowest_missed};
use crate::experiment::memory::{database_fills, out_of_memory, too_many_workers};
use crate::experiment::rate_uncertainty::NEARBY;
use crate::experiment::sample::Sample;
use crate::experiment::saturation::saturation_point;
use crate::experiment::trial::Phase;
use crate::units::PerSecond;

/// The shares of the saturation point at which every curve has a point: at the lowest hardly any
/// request waits, and most lie where waiting begins to show.
const CURVE: [f64; 7] = [0.01, 0.10, 0.25, 0.50, 0.75, 0.88, 0.93];

/// The precision of p95 on a curve with fixed effort: that of a scenario without settings.
const CURVE_PRECISION: f64 = 0.10;

/// The precision of p95 on a curve, as a multiple of that of a row: in a chart there is no visible
/// difference.
const CURVE_LOOSER: f64 = 2.0;

/// Where `combination`, whose tiers gave `rows`, gives way. `None` where the watch ended it.
pub(crate) fn capacity(
    lab: &mut Lab,
    study: &Study,
    combination: &Combination,
    rows: &[Row],
    search: bool,
) -> Option<Capacity> {
    let (saturation, line) = match search {
        true => searched(lab, study, combination, rows)?,
        false => (Threshold::NotSearched, None),
    };
    lab.phase = Phase::OutOfMemory;
    let oom = out_of_memory(lab, combination, saturation, search)?;
    lab.watch.found(1);
    Some(Capacity {
        plan: combination.plan.clone(),
        server: combination.server.clone(),
        price: combination.price,
        workers: combination.site.server.workers,
        budget: combination.budget.clone(),
        database_budget: combination.database_budget.clone(),
        leaks: combination.site.traffic.leaks(),
        database_fills: database_fills(combination),
        saturation,
        load_line: line,
        oom,
        oom_workers: too_many_workers(combination),
        first_limit: first_limit(lab, line.unwrap_or(saturation), objective(study).as_ref()),
        reach: ended_by_reach(lab, combination, saturation, line),
        curve: lab.findings(study.effort, line.and_then(|line| line.rate())),
    })
}

/// The saturation point and, where the study has an objective, the load line. Also simulates the
/// points of the curve.
fn searched(
    lab: &mut Lab,
    study: &Study,
    combination: &Combination,
    rows: &[Row],
) -> Option<(Threshold, Option<Threshold>)> {
    lab.phase = Phase::Saturation;
    let saturation = saturation_point(lab, combination)?;
    lab.full = Some(saturation.rate().map_or(f64::INFINITY, PerSecond::get));
    lab.watch.found(1);
    let top = lab.within_reach(reference(saturation, combination));
    lab.phase = Phase::Curve;
    draw_curve(lab, top, study.effort)?;
    lab.watch.found(1);
    lab.phase = Phase::LoadLine;
    let mut line = None;
    if let Some(objective) = objective(study) {
        let (missed, low) = (lowest_missed(study, rows), top.scaled(CURVE[0]));
        line = Some(load_line(lab, missed, (saturation, top), low, &objective)?);
    }
    lab.watch.found(1);
    Some((saturation, line))
}

/// The study's objective, where it has one.
fn objective(study: &Study) -> Option<Objective> {
    Some(study.objective).filter(|asked| *asked != Objective::default())
}

/// For how many answers a capacity counts in [`crate::experiment::trial::Progress`].
pub(crate) fn answers(search: bool) -> u64 {
    if search { 4 } else { 1 }
}

/// The rate that the curve is drawn up to: the saturation point, or else the highest tier.
fn reference(saturation: Threshold, combination: &Combination) -> PerSecond {
    let tiers = combination.tiers.iter().map(|tier| tier.rate.get());
    let highest = tiers.fold(combination.site.traffic.rate.get(), f64::max);
    saturation.rate().unwrap_or(PerSecond::new(highest))
}

/// The highest rate tried, where a search found nothing and the simulator could not try higher
/// rates.
fn ended_by_reach(
    lab: &Lab,
    combination: &Combination,
    saturation: Threshold,
    line: Option<Threshold>,
) -> Option<PerSecond> {
    let wanted = match (bounds(lab.site).first(), line) {
        (Some((_, bound)), _) if saturation == Threshold::Never => *bound,
        (None, Some(Threshold::Never)) => farthest(reference(saturation, combination)),
        _ => return None,
    };
    Some(lab.within_reach(wanted)).filter(|reach| *reach < wanted)
}

fn draw_curve(lab: &mut Lab, top: PerSecond, effort: Effort) -> Option<()> {
    let share = match effort {
        Effort::Precision(share) => CURVE_LOOSER * share.get(),
        Effort::Fixed { .. } => CURVE_PRECISION,
    };
    for point in CURVE {
        lab.explore(top.scaled(point), Goal::Precision(share), ArrivalLimits::CURVE)?;
    }
    Some(())
}

/// What gives way just beyond `threshold`, which is the load line or, without an objective, the
/// saturation point.
fn first_limit(lab: &Lab, threshold: Threshold, objective: Option<&Objective>) -> Option<Limit> {
    let rate = |sample: &Sample| sample.site.traffic.rate.get();
    let beyond = match threshold {
        Threshold::At { beyond, .. } => beyond.get(),
        Threshold::AtRest => rate(lab.samples().next()?),
        Threshold::Never | Threshold::NotSearched => return None,
    };
    let near = |sample: &&Sample| (rate(sample) / beyond).ln().abs() <= NEARBY;
    // That very rate need not have been simulated: a load line may be interpolated between rates
    // beside it, some of which have few arrivals. The sample with the most arrivals shows the waits
    // best.
    let over = lab.samples().find(|sample| rate(sample) >= beyond);
    let known = lab.samples().filter(near).max_by_key(|sample| sample.arrived()).or(over)?;
    let sample = over.filter(near).unwrap_or(known);
    Some(limit(sample, known, &objective.copied().unwrap_or_default()))
}
