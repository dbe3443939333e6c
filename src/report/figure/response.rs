//! p95 against the rate.

use super::curves::{Drawn, Value, any_points, heights, lines, on_curve};
use super::{Axis, Body, Figure, LOG_ABOVE, Lines, MarkKind, Point, Series, Unit, best, within};
use crate::experiment::answer::{Answers, Capacity, Finding, Objective, Study, Threshold};
use crate::report::verdict::is_slow;
use crate::report::words::{self, seconds};
use crate::stats::rising::rising;
use crate::units::PerSecond;

/// Up to so many lines share a panel; more get a panel per plan.
const LINES_PER_PANEL: usize = 6;

/// p95 against the rate, with the objective, the load line and the saturation point.
pub(super) fn figure(study: &Study, answers: &Answers) -> Option<Figure> {
    let marks = |capacity: &Capacity| {
        let load_line = capacity.load_line.and_then(|line| line.rate());
        let load_line = load_line.map(|rate| (MarkKind::LoadLine, rate.get()));
        let saturation = capacity.saturation.rate().map(|rate| (MarkKind::Saturation, rate.get()));
        load_line.into_iter().chain(saturation).collect()
    };
    let split = answers.capacities.len() > LINES_PER_PANEL;
    let curve = |capacity: &Capacity, points| through(capacity, &study.objective, points);
    let drawn = Drawn { drawable: &is_drawable, value: &p95, curve: &curve, marks: &marks };
    let mut lines = lines(study, answers, split, &drawn);
    let objective = study.objective.p95.map(|p95| p95.as_secs());
    for panel in &mut lines.panels {
        panel.rule = objective.map(|p95| (p95, format!("objective {}", seconds(p95))));
    }
    let ranges = lines.panels.iter().flat_map(|panel| heights(&panel.series));
    let y = response_axis(ranges.collect(), objective);
    for panel in &mut lines.panels {
        let marks = panel.series.iter_mut().flat_map(|series| &mut series.marks);
        marks.for_each(|mark| mark.y = mark.y.min(y.high));
        panel.y = y.clone();
    }
    let faded = lines.panels.iter().flat_map(|panel| &panel.series).any(goes_on_unsustained);
    let subtitle = subtitle(&lines, faded);
    any_points(&lines).then(|| Figure {
        name: "response-time",
        title: title(study, answers),
        subtitle,
        body: Body::Lines(lines),
    })
}

/// What the curves are, and what was done to them: see [`through`].
fn subtitle(lines: &Lines, faded: bool) -> String {
    let mut subtitle =
        "95th percentile with its 95% interval, smoothed to rise with the rate".to_owned();
    if lines.marks.iter().any(|(kind, _)| *kind == MarkKind::LoadLine) {
        subtitle.push_str(" and to meet the objective at the load line");
    }
    if faded {
        subtitle.push_str("; faint where not sustained");
    }
    subtitle
}

/// Whether p95 is to be drawn: not where it grows for as long as is simulated, nor beyond the load
/// line where the windows were too short for it, as those of a search are close to saturation. Up
/// to the load line the search for that has looked closely enough.
fn is_drawable(capacity: &Capacity, finding: &Finding) -> bool {
    let line = capacity.load_line.and_then(|line| line.rate());
    let judged = line.is_some_and(|line| finding.rate <= line);
    finding.is_steady() && (finding.settled || finding.saturated || judged)
}

/// p95 and its interval. Searches correct p95 for the work that happened to come; near saturation
/// the correction may push it below the measured median, which is then drawn, without an interval.
fn p95(finding: &Finding) -> Value {
    let median = finding.p50.map_or(0.0, |p50| p50.mean);
    match finding.p95.filter(|p95| p95.mean > 0.0) {
        Some(p95) if p95.mean < median => (Some(median), None),
        p95 => (p95.map(|p95| p95.mean), p95.and_then(|p95| words::interval(&p95))),
    }
}

/// The curve through `points`, smoothed: as far as rates are sustained it never falls (p95 itself
/// rises with the rate, and near saturation searches simulate no more than they must), and where
/// p95 alone decides the load line, it meets the objective there.
fn through(capacity: &Capacity, objective: &Objective, mut points: Vec<Point>) -> Vec<Point> {
    let crossing = crossing(capacity, objective, &points).map(|crossing| {
        let at = points.partition_point(|point| point.x < crossing.x);
        let known = points.get(at).is_some_and(|point| point.x <= crossing.x);
        points.splice(at..at + usize::from(known), [crossing]);
        at
    });
    if capacity.saturation == Threshold::NotSearched {
        return unjoined(points);
    }
    let rises = |(_, point): &(usize, &mut Point)| point.sustained && point.y.is_some();
    let mut rise: Vec<(usize, &mut Point)> = points.iter_mut().enumerate().filter(rises).collect();
    let known = |(at, point): &(usize, &mut Point)| {
        let given = crossing == Some(*at);
        let half = if given { CERTAIN } else { half_width(point.band) };
        (point.y.unwrap_or_default().ln(), half)
    };
    let levels = rising(&rise.iter().map(known).collect::<Vec<_>>());
    rise.iter_mut().zip(levels).for_each(|((_, point), level)| lift(point, level.exp()));
    points
}

/// The points with a gap between each two: nothing is known of what lies between tiers.
fn unjoined(points: Vec<Point>) -> Vec<Point> {
    let gaps = points.windows(2).map(|pair| Point {
        x: (pair[0].x + pair[1].x) / 2.0,
        y: None,
        band: None,
        sustained: true,
    });
    let gaps: Vec<Point> = gaps.collect();
    let mut all: Vec<Point> = points.into_iter().chain(gaps).collect();
    all.sort_by(|a, b| a.x.total_cmp(&b.x));
    all
}

/// Half the width, in the logarithm, that is taken for a point without an interval.
const UNKNOWN: f64 = 1.0;

/// Half the width that is taken for a point through which the curve has to go.
const CERTAIN: f64 = 1e-6;

fn half_width(band: Option<(f64, f64)>) -> f64 {
    let known = band.filter(|(low, high)| 0.0 < *low && low < high);
    known.map_or(UNKNOWN, |(low, high)| 0.5 * (high / low).ln())
}

/// Moves a point to `y`, and its interval with it.
fn lift(point: &mut Point, y: f64) {
    let times = y / point.y.unwrap_or(y);
    point.y = Some(y);
    point.band = point.band.map(|(low, high)| (low * times, high * times));
}

/// The load line as a point of the curve: at the objective, if the rates beyond miss it by p95; if
/// they miss it by something else, only where the curve would be above the objective.
fn crossing(capacity: &Capacity, objective: &Objective, points: &[Point]) -> Option<Point> {
    let most = objective.p95?.as_secs();
    let Some(Threshold::At { rate, beyond, .. }) = capacity.load_line else { return None };
    let by_p95 = misses_by_p95(capacity, objective, (rate, beyond));
    let end = Point { x: rate.get(), y: Some(most), band: None, sustained: true };
    let known = on_curve(points, rate.get()).filter(|point| point.sustained);
    let mut point = known.or(Some(end).filter(|_| by_p95 && !points.is_empty()))?;
    if !by_p95 && point.y? <= most {
        return None;
    }
    point.x = rate.get();
    lift(&mut point, most);
    Some(point)
}

/// Rates up to this factor beyond the load line show what misses the objective there.
const NEAR: f64 = 1.05;

/// Whether p95 alone misses the objective beyond the load line: at the next rate that was tried or,
/// if that one meets it by chance, at the first rate nearby that misses it. If all rates nearby
/// meet it by chance, and are sustained, it is p95.
fn misses_by_p95(
    capacity: &Capacity,
    objective: &Objective,
    (rate, beyond): (PerSecond, PerSecond),
) -> bool {
    let fails = |it: &Finding| objective.errors.is_some_and(|most| it.error_rate.mean > most.get());
    let misses = |it: &Finding| fails(it) || is_slow(objective, it);
    let mut further = capacity.curve.iter().filter(|finding| finding.rate >= beyond).enumerate();
    let first = further.find(|(_, finding)| misses(finding));
    let is_near = |it: &Finding| it.rate.get() <= NEAR * rate.get();
    match first.filter(|(at, finding)| *at == 0 || is_near(finding)) {
        Some((_, finding)) => !fails(finding),
        None => capacity.saturation.rate().is_some_and(|full| beyond.get() * NEAR <= full.get()),
    }
}

fn response_axis(heights: Vec<f64>, objective: Option<f64>) -> Axis {
    let low = heights.iter().chain(&objective).copied().fold(f64::INFINITY, f64::min);
    let high = heights.iter().chain(&objective).copied().fold(0.0, f64::max);
    let log = high > LOG_ABOVE / 2.0 * low;
    let low = match (log, low.is_finite()) {
        (true, true) => low * 0.8,
        _ => 0.0,
    };
    let high = if high > 0.0 { high } else { 1.0 };
    // Room for the name of the objective above its line.
    let room = if log { (high / low).powf(0.08) } else { 1.12 };
    let label = "p95 response time".to_owned();
    Axis { label, low, high: high * room, log, unit: Unit::Seconds }
}

fn goes_on_unsustained(series: &Series) -> bool {
    series.points.iter().any(|point| !point.sustained)
}

fn title(study: &Study, answers: &Answers) -> String {
    let within = within(&study.objective);
    match best(answers) {
        None => "Response time against load".to_owned(),
        Some((_, rate)) if answers.capacities.len() == 1 => {
            format!("{} requests/s {within}", words::plain(rate))
        }
        Some((capacity, rate)) => {
            let name = words::combination(study, &capacity.plan, &capacity.server);
            format!("{name} carries most: {} requests/s {within}", words::plain(rate))
        }
    }
}
