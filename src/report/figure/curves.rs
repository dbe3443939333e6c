//! Curves over the rate: which findings they show, where their marks are, how each looks.

use super::{Axis, LOG_ABOVE, Lines, Look, Mark, MarkKind, Panel, Point, Series, Unit};
use crate::experiment::answer::{Answers, Capacity, Finding, Study};
use crate::report::words;

/// How far beyond the last point of interest a curve is shown, as a factor of its rate.
const BEYOND: f64 = 1.25;

/// A value of a finding, and its interval.
pub(super) type Value = (Option<f64>, Option<(f64, f64)>);

/// What a figure draws of a capacity.
pub(super) struct Drawn<'a> {
    /// Whether a finding has a value to draw.
    pub drawable: &'a dyn Fn(&Capacity, &Finding) -> bool,
    /// The value of a finding.
    pub value: &'a dyn Fn(&Finding) -> Value,
    /// The curve through these points.
    pub curve: &'a dyn Fn(&Capacity, Vec<Point>) -> Vec<Point>,
    /// The rates to be marked on it.
    pub marks: &'a dyn Fn(&Capacity) -> Vec<(MarkKind, f64)>,
}

/// The curves, in one panel or in one per plan; the y axes are still to be set.
pub(super) fn lines(study: &Study, answers: &Answers, split: bool, drawn: &Drawn) -> Lines {
    let mut panels: Vec<Panel> = Vec::new();
    for (plan, capacities) in by_plan(answers, split) {
        let limit = x_limit(&capacities);
        let mut series: Vec<Series> = capacities
            .iter()
            .map(|capacity| Series {
                look: look(answers, capacity, split),
                points: curve(capacity, limit, drawn),
                marks: marks(capacity, limit, drawn),
            })
            .collect();
        let x = x_axis(&capacities, &series);
        series.iter_mut().for_each(|series| series.points.retain(|point| point.x >= x.low));
        panels.push(Panel { title: plan, x, y: empty_axis(), series, rule: None });
    }
    let all = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.marks);
    let occurs = |kind| all.clone().any(|mark| mark.kind == kind);
    let named = [
        (MarkKind::LoadLine, "load line: the largest rate that meets the objective"),
        (MarkKind::Saturation, "saturation: the largest sustained rate"),
        (MarkKind::Oom, "memory runs out within ten minutes"),
    ];
    let marks = named.into_iter().filter(|(kind, _)| occurs(*kind)).collect();
    Lines { legend: legend(study, answers, split), marks, panels }
}

fn empty_axis() -> Axis {
    Axis { label: String::new(), low: 0.0, high: 1.0, log: false, unit: Unit::Plain }
}

/// The capacities in panels: all in one without a title, or those of each plan.
fn by_plan(answers: &Answers, split: bool) -> Vec<(Option<String>, Vec<&Capacity>)> {
    if !split {
        return vec![(None, answers.capacities.iter().collect())];
    }
    let of = |plan: &String| {
        answers.capacities.iter().filter(|capacity| capacity.plan == *plan).collect()
    };
    names(answers, |capacity| &capacity.plan)
        .into_iter()
        .map(|plan| (Some(plan.clone()), of(plan)))
        .collect()
}

/// Plans or servers, each once, in order.
fn names(answers: &Answers, name: impl Fn(&Capacity) -> &String) -> Vec<&String> {
    let mut names: Vec<&String> = Vec::new();
    for capacity in &answers.capacities {
        if !names.contains(&name(capacity)) {
            names.push(name(capacity));
        }
    }
    names
}

/// Colour by plan and dash by server, where both vary in one panel; else both by what varies.
fn look(answers: &Answers, capacity: &Capacity, split: bool) -> Look {
    let place = |names: Vec<&String>, name: &String| names.iter().position(|each| *each == name);
    let plan = place(names(answers, |each| &each.plan), &capacity.plan).unwrap_or(0);
    let servers = names(answers, |each| &each.server);
    let (several, server) = (servers.len() > 1, place(servers, &capacity.server).unwrap_or(0));
    match (split, several) {
        (true, _) => Look { hue: server, dash: server },
        (false, false) => Look { hue: plan, dash: plan },
        (false, true) if names(answers, |each| &each.plan).len() > 1 => {
            Look { hue: plan, dash: server }
        }
        (false, true) => Look { hue: server, dash: server },
    }
}

fn legend(study: &Study, answers: &Answers, split: bool) -> Vec<(String, Look)> {
    let mut legend: Vec<(String, Look)> = Vec::new();
    for capacity in &answers.capacities {
        let look = look(answers, capacity, split);
        let name = match split {
            true => capacity.server.clone(),
            false => words::combination(study, &capacity.plan, &capacity.server),
        };
        if legend.iter().all(|(_, known)| *known != look) {
            legend.push((name, look));
        }
    }
    match legend.len() {
        1 if split => Vec::new(),
        _ => legend,
    }
}

/// The highest rate worth showing: somewhat beyond the last point of interest.
fn x_limit(capacities: &[&Capacity]) -> f64 {
    let interest = |capacity: &&Capacity| {
        let points = [Some(capacity.saturation), capacity.load_line, Some(capacity.oom)];
        let saturation = capacity.saturation.rate().map_or(f64::INFINITY, |rate| rate.get());
        // An OOM point far beyond saturation would squeeze all else into a corner.
        let near = move |rate: &f64| *rate <= 2.0 * saturation;
        points
            .into_iter()
            .flatten()
            .filter_map(|point| point.rate())
            .map(|it| it.get())
            .filter(near)
    };
    let last = capacities.iter().flat_map(|capacity| interest(capacity).collect::<Vec<_>>());
    let last = last.fold(0.0, f64::max);
    if last > 0.0 { last * BEYOND } else { f64::INFINITY }
}

/// Of findings closer together than this share of the last rate only one is shown: one that is
/// marked (load line, saturation point), or else the one simulated for longest. Searches try many
/// rates around the points they look for, some only briefly.
const CLOSE: f64 = 0.025;

/// The findings to be shown, by rising rate. Those without a value to draw are among them beyond
/// saturation, where the line gets a gap; up to there they lack it only by chance, and are left
/// out.
fn thinned<'c>(capacity: &'c Capacity, drawn: &Drawn) -> Vec<&'c Finding> {
    let line = capacity.load_line.and_then(|line| line.rate());
    let full = capacity.saturation.rate();
    let drawable = |it: &Finding| (drawn.drawable)(capacity, it);
    let marked = |it: &Finding| drawable(it) && [line, full].contains(&Some(it.rate));
    let effort = |it: &Finding| match marked(it) {
        true => f64::INFINITY,
        false if !drawable(it) => 0.0,
        false => it.measured.as_secs() * f64::from(it.replications),
    };
    let last = capacity.curve.last().map_or(0.0, |finding| finding.rate.get());
    let last = full.map_or(last, |rate| rate.get());
    let counts = |it: &&Finding| drawable(it) || full.is_some_and(|full| it.rate > full);
    let mut kept: Vec<&Finding> = Vec::new();
    for finding in capacity.curve.iter().filter(counts) {
        match kept.last_mut() {
            Some(before)
                if finding.rate.get() - before.rate.get() < CLOSE * last
                    && !(marked(before) && marked(finding)) =>
            {
                if effort(finding) > effort(before) {
                    *before = finding;
                }
            }
            _ => kept.push(finding),
        }
    }
    kept
}

/// The curve up to `limit`, where it ends in an interpolated point.
fn curve(capacity: &Capacity, limit: f64, drawn: &Drawn) -> Vec<Point> {
    let mut points = whole(capacity, drawn);
    if let Some(beyond) = points.iter().position(|point| point.x > limit) {
        let end = on_curve(&points, limit).map(|end| Point { band: None, ..end });
        points.truncate(beyond);
        points.extend(end.filter(|_| beyond > 0));
    }
    points
}

/// Whether a finding's rate is sustained: up to the saturation point it is, even if a short
/// simulation there found otherwise.
fn is_sustained(capacity: &Capacity, finding: &Finding) -> bool {
    capacity.saturation.rate().map_or(!finding.saturated, |full| finding.rate <= full)
}

fn whole(capacity: &Capacity, drawn: &Drawn) -> Vec<Point> {
    let drawable = |finding: &Finding| (drawn.drawable)(capacity, finding);
    let point = |finding: &&Finding| {
        let (y, band) = if drawable(finding) { (drawn.value)(finding) } else { (None, None) };
        Point { x: finding.rate.get(), y, band, sustained: is_sustained(capacity, finding) }
    };
    let findings = thinned(capacity, drawn);
    let mut points: Vec<Point> = findings.iter().map(point).collect();
    // Beyond an overload in which no request is answered, a short simulation may still find some
    // that are: they are not drawn.
    let mut both = points.iter().zip(&findings);
    let lost = both.position(|(point, it)| !point.sustained && point.y.is_none() && drawable(it));
    points.truncate(lost.unwrap_or(points.len()));
    let drawn_to = points.iter().rposition(|point| point.y.is_some());
    points.truncate(drawn_to.map_or(0, |last| last + 1));
    (drawn.curve)(capacity, points)
}

/// The point of a curve at `x`, which lies on one of its points or between two.
pub(super) fn on_curve(points: &[Point], x: f64) -> Option<Point> {
    let after = points.iter().position(|point| point.x >= x)?;
    match after {
        _ if points[after].x <= x => Some(points[after]),
        0 => None,
        _ => between(points[after - 1], points[after], x),
    }
}

/// The point at `x` between two of a curve.
fn between(left: Point, right: Point, x: f64) -> Option<Point> {
    let share = (x - left.x) / (right.x - left.x);
    let along = |from: f64, to: f64| match from > 0.0 && to > 0.0 {
        true => (from.ln() + (to.ln() - from.ln()) * share).exp(),
        false => from + (to - from) * share,
    };
    let y = Some(along(left.y?, right.y?));
    let bands = left.band.zip(right.band);
    let band = bands.map(|(from, to)| (along(from.0, to.0), along(from.1, to.1)));
    Some(Point { x, y, band, sustained: right.sustained })
}

fn marks(capacity: &Capacity, limit: f64, drawn: &Drawn) -> Vec<Mark> {
    let whole = whole(capacity, drawn);
    // At the saturation point itself a curve may have left the figure.
    let beyond =
        |kind| (kind == MarkKind::Saturation && !whole.is_empty()).then_some(f64::INFINITY);
    let mark = |(kind, x)| {
        let y = on_curve(&whole, x).and_then(|point| point.y).or_else(|| beyond(kind))?;
        Some(Mark { kind, x, y })
    };
    let shown = (drawn.marks)(capacity).into_iter().filter(|(_, x)| *x <= limit);
    shown.filter_map(mark).collect()
}

/// From 0, or logarithmic where the lines end at very different rates.
fn x_axis(capacities: &[&Capacity], series: &[Series]) -> Axis {
    let ends = series.iter().filter_map(|series| series.points.last()).map(|point| point.x);
    let marked = series.iter().flat_map(|series| &series.marks).map(|mark| mark.x);
    let high = ends.chain(marked).fold(0.0, f64::max);
    let own = capacities.iter().map(|capacity| x_limit(&[capacity])).filter(|it| it.is_finite());
    let (least, most) = own.fold((f64::INFINITY, 0.0), |(a, b), it| (it.min(a), it.max(b)));
    let log = most > LOG_ABOVE * least;
    let low = series.iter().filter_map(|series| series.points.first()).map(|point| point.x);
    let low = low.fold(f64::INFINITY, f64::min).max(least / 50.0);
    Axis {
        label: "requests per second".to_owned(),
        low: if log { low * 0.9 } else { 0.0 },
        high: if high > 0.0 { high * 1.02 } else { 1.0 },
        log: log && low < high,
        unit: Unit::Plain,
    }
}

pub(super) fn heights(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|series| &series.points).filter_map(|point| point.y)
}

pub(super) fn any_points(lines: &Lines) -> bool {
    lines.panels.iter().any(|panel| heights(&panel.series).next().is_some())
}
