//! Memory against the rate, with the ceiling.

use super::curves::{Drawn, any_points, heights, lines};
use super::{Axis, Body, Figure, MarkKind, Point, Series, Unit};
use crate::experiment::answer::{Answers, Capacity, Finding, Study, Threshold, TooSmall};
use crate::report::words;

/// Peak memory against the rate, with the ceiling.
pub(super) fn figure(study: &Study, answers: &Answers) -> Option<Figure> {
    let value = |finding: &Finding| {
        let peak = finding.usage.memory_peak.get();
        ((peak > 0).then_some(peak as f64), None)
    };
    let marks = |capacity: &Capacity| {
        let oom = capacity.oom.rate().map(|rate| (MarkKind::Oom, rate.get()));
        oom.into_iter().collect()
    };
    // A peak was seen, whatever else came of the crowd.
    let (all, curve) = (|_: &Capacity, _: &Finding| true, |_: &Capacity, points| envelope(points));
    let drawn = Drawn { drawable: &all, value: &value, curve: &curve, marks: &marks };
    let mut lines = lines(study, answers, true, &drawn);
    for panel in &mut lines.panels {
        let ceiling = panel.title.as_ref().and_then(|plan| ceiling(answers, plan));
        let marks = panel.series.iter_mut().flat_map(|series| &mut series.marks);
        // Where memory runs out, it is at its ceiling.
        marks.for_each(|mark| mark.y = ceiling.unwrap_or(mark.y));
        panel.rule = ceiling.map(|bytes| (bytes, format!("memory {}", words::memory(bytes))));
        panel.y = memory_axis(&panel.series, ceiling);
    }
    let mut subtitle =
        "The most memory in use on the workers' host at or below each rate".to_owned();
    if !lines.marks.is_empty() {
        // Searches simulate only as long as their verdicts need: mostly less than ten minutes.
        subtitle += ", in runs of different lengths; stars stand for ten minutes, and may lie \
                     above lines";
    }
    any_points(&lines).then(|| Figure {
        name: "memory",
        title: title(study, answers),
        subtitle,
        body: Body::Lines(lines),
    })
}

fn memory_axis(series: &[Series], ceiling: Option<f64>) -> Axis {
    let high = heights(series).chain(ceiling).fold(0.0, f64::max);
    let high = if high > 0.0 { high * 1.15 } else { f64::from(1 << 20) };
    let label = "peak memory".to_owned();
    Axis { label, low: 0.0, high, log: false, unit: Unit::Memory }
}

/// How high a peak gets depends on how long one looks, which differs from point to point: so the
/// line shows the most that was seen up to each rate.
fn envelope(mut points: Vec<Point>) -> Vec<Point> {
    let mut most = 0.0f64;
    for y in points.iter_mut().filter_map(|point| point.y.as_mut()) {
        most = most.max(*y);
        *y = most;
    }
    points
}

fn ceiling(answers: &Answers, plan: &str) -> Option<f64> {
    let capacity = answers.capacities.iter().find(|capacity| capacity.plan == plan)?;
    capacity.budget.ceiling.map(|bytes| bytes.get() as f64)
}

fn title(study: &Study, answers: &Answers) -> String {
    let full =
        |capacity: &&Capacity| !matches!(capacity.oom, Threshold::Never | Threshold::NotSearched);
    let name = |it: &Capacity| words::combination(study, &it.plan, &it.server);
    let full: Vec<&Capacity> = answers.capacities.iter().filter(full).collect();
    match full.as_slice() {
        [] if answers.capacities.iter().all(|it| it.budget.ceiling.is_none()) => {
            "Memory: what the load takes".to_owned()
        }
        [] if answers.capacities.iter().any(|it| it.leaks) => "Memory lasts ten minutes".to_owned(),
        [] => "Memory never runs out".to_owned(),
        [one] => match one.too_small() {
            Some(TooSmall::Plan) => format!("Memory does not hold the workers: {}", name(one)),
            Some(TooSmall::DatabaseHost) => {
                format!("The database's host is too small: {}", name(one))
            }
            None => {
                let rate = one.oom.rate().map(|rate| words::plain(rate.get()));
                let at = rate.map_or(String::new(), |rate| format!(" at {rate} requests/s"));
                format!("Memory runs out{at}: {}", name(one))
            }
        },
        several => {
            let of = answers.capacities.len();
            format!("Memory runs out with {} of {of} plans and servers", several.len())
        }
    }
}
