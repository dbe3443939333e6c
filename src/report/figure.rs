//! What the pictures show, as plain data: series, bars, axis ranges and labels. How they look is
//! [`super::chart`]'s business.

use super::words::{self, seconds};
use crate::experiment::answer::{Answers, Capacity, Finding, Objective, Row, Study, Threshold};
use crate::outcome::Stage;

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The name of its files, without ending: `response-time`.
    pub name: &'static str,
    /// What it shows, with the finding where there is one.
    pub title: String,
    /// What is plotted, in which unit.
    pub subtitle: String,
    /// The drawing.
    pub body: Body,
}

/// The two kinds of drawing.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Lines, in one panel or in several.
    Lines(Lines),
    /// Horizontal bars in groups.
    Bars(Bars),
}

/// Lines, in one panel or in several with the same meaning of colours and dashes.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// What the line styles mean.
    pub legend: Vec<(String, Look)>,
    /// What the marks mean, of those that occur.
    pub marks: Vec<(MarkKind, &'static str)>,
    /// Side by side.
    pub panels: Vec<Panel>,
}

/// How a line looks: indices into palette, dash patterns and marker shapes, so that it is told
/// apart in grey, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Index of the colour.
    pub hue: usize,
    /// Index of dash pattern and marker.
    pub dash: usize,
}

/// Lines over a common pair of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What sets it apart from its neighbours, where it has any.
    pub title: Option<String>,
    /// Below.
    pub x: Axis,
    /// To the left.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
    /// A level to stay under, and its name.
    pub rule: Option<(f64, String)>,
}

/// A range of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What is measured.
    pub label: String,
    /// The lowest value shown.
    pub low: f64,
    /// The highest value shown, above the lowest.
    pub high: f64,
    /// Whether equal distances are equal factors; the lowest value is then above zero.
    pub log: bool,
    /// What its ticks are written as.
    pub unit: Unit,
}

/// How the values of an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Numbers whose unit the axis label says.
    Plain,
    /// Seconds.
    Seconds,
    /// Bytes.
    Memory,
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// How it looks.
    pub look: Look,
    /// By rising x.
    pub points: Vec<Point>,
    /// Places on it.
    pub marks: Vec<Mark>,
}

/// A point of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The rate.
    pub x: f64,
    /// The value; `None` where there is none, and the line has a gap.
    pub y: Option<f64>,
    /// Its 95 % interval.
    pub band: Option<(f64, f64)>,
    /// Whether the site sustains this rate: beyond, values depend on how long one measures.
    pub sustained: bool,
}

/// A place on a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// What is there.
    pub kind: MarkKind,
    /// The rate.
    pub x: f64,
    /// The value there.
    pub y: f64,
}

/// What is marked on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// The largest rate that meets the objective.
    LoadLine,
    /// The largest sustained rate.
    Saturation,
    /// The smallest rate at which memory runs out.
    Oom,
}

/// Horizontal bars in groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// Along the bars; it begins at 0.
    pub axis: Axis,
    /// What the fills of a bar's segments mean, of those that occur; empty where each bar has its
    /// own name.
    pub legend: Vec<(String, usize)>,
    /// From top to bottom.
    pub groups: Vec<Group>,
    /// A value to stay under, and its name.
    pub rule: Option<(f64, String)>,
}

/// Bars that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What they are about.
    pub name: String,
    /// More about it, in small print.
    pub detail: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name, to its left.
    pub name: String,
    /// Fill, length, and name in short of each segment.
    pub segments: Vec<(usize, f64, &'static str)>,
    /// What stands at its end.
    pub label: String,
    /// Whether the label is bad news.
    pub alarming: bool,
}

/// Up to so many lines share a panel; more get a panel per plan.
const LINES_PER_PANEL: usize = 6;
/// How far beyond the last point of interest a curve is shown, as a factor of its rate.
const BEYOND: f64 = 1.25;
/// Ranges that differ by more than this get a logarithmic axis.
const LOG_ABOVE: f64 = 12.0;

/// Every figure there is something to show in.
pub fn all(study: &Study, answers: &Answers) -> Vec<Figure> {
    let figures = [response(study, answers), points(study, answers)];
    let more = [memory(study, answers), slow_requests(study, answers)];
    figures.into_iter().chain(more).flatten().collect()
}

/// p95 against the rate, with the objective, the load line and the saturation point.
pub fn response(study: &Study, answers: &Answers) -> Option<Figure> {
    let value = |finding: &Finding| {
        let p95 = finding.p95.filter(|p95| p95.mean > 0.0);
        (p95.map(|p95| p95.mean), p95.and_then(|p95| words::interval(&p95)))
    };
    let wanted = |capacity: &Capacity| {
        let load_line = capacity.load_line.and_then(|line| line.rate());
        let load_line = load_line.map(|rate| (MarkKind::LoadLine, rate.get()));
        let saturation = capacity.saturation.rate().map(|rate| (MarkKind::Saturation, rate.get()));
        load_line.into_iter().chain(saturation).collect()
    };
    let split = answers.capacities.len() > LINES_PER_PANEL;
    let mut lines = lines(study, answers, split, &value, &wanted);
    let objective = study.objective.p95.map(|p95| p95.as_secs());
    for panel in &mut lines.panels {
        panel.rule = objective.map(|p95| (p95, format!("objective {}", seconds(p95))));
    }
    let ranges = lines.panels.iter().flat_map(|panel| heights(&panel.series));
    let y = response_axis(ranges.collect(), objective);
    lines.panels.iter_mut().for_each(|panel| panel.y = y.clone());
    let faded = lines.panels.iter().flat_map(|panel| &panel.series).any(goes_on_unsustained);
    let mut subtitle = "95th percentile of the response time against requests per second, \
                        with its 95 % interval"
        .to_owned();
    if faded {
        subtitle.push_str("; faint where the rate is not sustained");
    }
    any_points(&lines).then(|| Figure {
        name: "response-time",
        title: response_title(study, answers),
        subtitle,
        body: Body::Lines(lines),
    })
}

/// Saturation point, load line and OOM point side by side.
pub fn points(study: &Study, answers: &Answers) -> Option<Figure> {
    let groups: Vec<Group> =
        answers.capacities.iter().map(|capacity| point_group(study, capacity)).collect();
    let bars = Bars {
        axis: Axis {
            label: "requests per second".to_owned(),
            low: 0.0,
            high: longest(&groups),
            log: false,
            unit: Unit::Plain,
        },
        legend: Vec::new(),
        groups,
        rule: None,
    };
    (!answers.capacities.is_empty()).then(|| Figure {
        name: "capacity",
        title: points_title(study, answers),
        subtitle: "Requests per second; the shortest bar is what comes first".to_owned(),
        body: Body::Bars(bars),
    })
}

/// Peak memory against the rate, with the ceiling.
pub fn memory(study: &Study, answers: &Answers) -> Option<Figure> {
    let value = |finding: &Finding| {
        let peak = finding.usage.memory_peak.get();
        ((peak > 0).then_some(peak as f64), None)
    };
    let wanted = |capacity: &Capacity| {
        let oom = capacity.oom.rate().map(|rate| (MarkKind::Oom, rate.get()));
        oom.into_iter().collect()
    };
    let mut lines = lines(study, answers, true, &value, &wanted);
    for panel in &mut lines.panels {
        let ceiling = panel.title.as_ref().and_then(|plan| ceiling(answers, plan));
        panel.rule = ceiling.map(|bytes| (bytes, format!("memory {}", words::memory(bytes))));
        panel.y = memory_axis(&panel.series, ceiling);
    }
    any_points(&lines).then(|| Figure {
        name: "memory",
        title: memory_title(study, answers),
        subtitle: "Peak memory of the workers' host against requests per second".to_owned(),
        body: Body::Lines(lines),
    })
}

/// Where the time of the requests around the 95th percentile goes.
pub fn slow_requests(study: &Study, answers: &Answers) -> Option<Figure> {
    let rows: Vec<&Row> =
        answers.rows.iter().filter(|row| row.finding.slow_request.is_some()).collect();
    let mut groups: Vec<Group> = Vec::new();
    for row in &rows {
        let name = words::combination(study, &row.plan, &row.server);
        if groups.last().is_none_or(|group| group.name != name) {
            groups.push(Group { name, detail: String::new(), bars: Vec::new() });
        }
        groups.last_mut().expect("just pushed").bars.push(slow_bar(row));
    }
    let objective = study.objective.p95.map(|p95| p95.as_secs());
    let present = |stage: &Stage| {
        let length = |row: &&Row| row.finding.slow_request.map_or(0.0, |it| it[*stage as usize]);
        rows.iter().map(length).fold(0.0, f64::max) > 0.0
    };
    let stages = Stage::ALL.into_iter().filter(present);
    let bars = Bars {
        axis: Axis {
            label: "response time".to_owned(),
            low: 0.0,
            high: slow_axis_end(&rows, &groups, objective),
            log: false,
            unit: Unit::Seconds,
        },
        legend: stages.map(|stage| (words::stage(stage).to_owned(), stage as usize)).collect(),
        groups,
        rule: objective.map(|p95| (p95, format!("objective {}", seconds(p95)))),
    };
    (!rows.is_empty()).then(|| Figure {
        name: "slow-requests",
        title: slow_title(&rows),
        subtitle: "Response time of the requests around the 95th percentile, by what they wait \
                   for (warm colours) and what is work (cool colours)"
            .to_owned(),
        body: Body::Bars(bars),
    })
}

type Value<'a> = &'a dyn Fn(&Finding) -> (Option<f64>, Option<(f64, f64)>);
type Wanted<'a> = &'a dyn Fn(&Capacity) -> Vec<(MarkKind, f64)>;

/// The curves, in one panel or in one per plan; the y axes are still to be set.
fn lines(study: &Study, answers: &Answers, split: bool, value: Value, wanted: Wanted) -> Lines {
    let mut panels: Vec<Panel> = Vec::new();
    for (plan, capacities) in by_plan(answers, split) {
        let limit = x_limit(&capacities);
        let series: Vec<Series> = capacities
            .iter()
            .map(|capacity| Series {
                look: look(answers, capacity, split),
                points: curve(capacity, limit, value),
                marks: marks(capacity, limit, value, wanted),
            })
            .collect();
        let x = x_axis(&capacities, &series);
        panels.push(Panel { title: plan, x, y: empty_axis(), series, rule: None });
    }
    let all = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.marks);
    let occurs = |kind| all.clone().any(|mark| mark.kind == kind);
    let named = [
        (MarkKind::LoadLine, "load line: the largest rate that meets the objective"),
        (MarkKind::Saturation, "saturation: the largest sustained rate"),
        (MarkKind::Oom, "memory runs out"),
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

/// The curve up to `limit`, where it ends in an interpolated point.
fn curve(capacity: &Capacity, limit: f64, value: Value) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for finding in &capacity.curve {
        let (y, band) = value(finding);
        let x = finding.rate.get();
        let point = Point { x, y, band, sustained: !finding.saturated };
        if x > limit {
            let last = points.last().copied();
            points.extend(last.and_then(|last| between(last, point, limit)));
            break;
        }
        points.push(point);
    }
    points
}

/// The point at `x` between two of a curve.
fn between(left: Point, right: Point, x: f64) -> Option<Point> {
    let (low, high) = (left.y?, right.y?);
    let share = (x - left.x) / (right.x - left.x);
    let along = |from: f64, to: f64| from + (to - from) * share;
    let y = match low > 0.0 && high > 0.0 {
        true => along(low.ln(), high.ln()).exp(),
        false => along(low, high),
    };
    Some(Point { x, y: Some(y), band: None, sustained: right.sustained })
}

fn marks(capacity: &Capacity, limit: f64, value: Value, wanted: Wanted) -> Vec<Mark> {
    let whole = curve(capacity, f64::INFINITY, value);
    let on_curve = |(kind, x): (MarkKind, f64)| {
        let after = whole.iter().position(|point| point.x >= x)?;
        let exact = whole[after].x <= x;
        let y = match after {
            _ if exact => whole[after].y?,
            0 => return None,
            _ => between(whole[after - 1], whole[after], x)?.y?,
        };
        Some(Mark { kind, x, y })
    };
    let shown = wanted(capacity).into_iter().filter(|(_, x)| *x <= limit);
    shown.filter_map(on_curve).collect()
}

/// From 0, or logarithmic where the lines end at very different rates.
fn x_axis(capacities: &[&Capacity], series: &[Series]) -> Axis {
    let ends = series.iter().filter_map(|series| series.points.last()).map(|point| point.x);
    let high = ends.fold(0.0, f64::max);
    let own = capacities.iter().map(|capacity| x_limit(&[capacity])).filter(|it| it.is_finite());
    let (least, most) = own.fold((f64::INFINITY, 0.0), |(a, b), it| (it.min(a), it.max(b)));
    let log = most > LOG_ABOVE * least;
    let low = series.iter().filter_map(|series| series.points.first()).map(|point| point.x);
    let low = low.fold(f64::INFINITY, f64::min).max(least / 50.0);
    Axis {
        label: "requests per second".to_owned(),
        low: if log { low } else { 0.0 },
        high: if high > 0.0 { high * 1.02 } else { 1.0 },
        log: log && low < high,
        unit: Unit::Plain,
    }
}

fn heights(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|series| &series.points).filter_map(|point| point.y)
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

fn memory_axis(series: &[Series], ceiling: Option<f64>) -> Axis {
    let high = heights(series).chain(ceiling).fold(0.0, f64::max);
    let high = if high > 0.0 { high * 1.15 } else { f64::from(1 << 20) };
    let label = "peak memory".to_owned();
    Axis { label, low: 0.0, high, log: false, unit: Unit::Memory }
}

fn ceiling(answers: &Answers, plan: &str) -> Option<f64> {
    let capacity = answers.capacities.iter().find(|capacity| capacity.plan == plan)?;
    capacity.budget.ceiling.map(|bytes| bytes.get() as f64)
}

fn any_points(lines: &Lines) -> bool {
    lines.panels.iter().any(|panel| heights(&panel.series).next().is_some())
}

fn goes_on_unsustained(series: &Series) -> bool {
    series.points.iter().any(|point| !point.sustained)
}

/// Fills of the three points' bars.
pub const POINT_FILLS: [usize; 3] = [7, 8, 9];

fn point_group(study: &Study, capacity: &Capacity) -> Group {
    let price = capacity.price.map(|price| format!("{} a month", words::plain(price)));
    let plural = if capacity.workers == 1 { "" } else { "s" };
    let workers = format!("{} worker{plural}", words::plain(f64::from(capacity.workers)));
    let load_line = capacity.load_line.map(|line| {
        let why = match (line, capacity.first_limit) {
            (Threshold::At { .. }, Some(limit)) => format!(", then {}", words::gives_way(limit)),
            _ => String::new(),
        };
        point_bar("load line", 0, line, &why, "even one request alone breaks the objective")
    });
    let overloaded = "the first request is already too much";
    let saturation = point_bar("saturation", 1, capacity.saturation, "", overloaded);
    let bars = load_line.into_iter().chain([saturation, oom_bar(capacity)]).collect();
    Group {
        name: words::combination(study, &capacity.plan, &capacity.server),
        detail: [workers].into_iter().chain(price).collect::<Vec<_>>().join(", "),
        bars,
    }
}

fn oom_bar(capacity: &Capacity) -> Bar {
    let at_rest = "at rest already: the workers do not fit";
    let mut bar = point_bar("out of memory", 2, capacity.oom, "", at_rest);
    bar.alarming |= capacity.oom == Threshold::AtRest;
    bar
}

fn point_bar(name: &str, kind: usize, point: Threshold, why: &str, at_rest: &str) -> Bar {
    let (length, label) = match point {
        Threshold::At { rate, .. } => {
            (Some(rate.get()), format!("{}/s{why}", words::plain(rate.get())))
        }
        Threshold::Never => (None, "never".to_owned()),
        Threshold::AtRest => (None, at_rest.to_owned()),
        Threshold::NotSearched => (None, "not searched".to_owned()),
    };
    let segments = length.map(|length| (POINT_FILLS[kind], length, "")).into_iter().collect();
    Bar { name: name.to_owned(), segments, label, alarming: point == Threshold::AtRest }
}

fn slow_bar(row: &Row) -> Bar {
    let spent = row.finding.slow_request.unwrap_or_default();
    let used = Stage::ALL.into_iter().filter(|stage| spent[*stage as usize] > 0.0);
    let segments =
        used.map(|stage| (stage as usize, spent[stage as usize], words::stage_in_short(stage)));
    let total = row.finding.p95.map_or(spent.iter().sum(), |p95| p95.mean);
    let verdict = if row.finding.saturated { ", not sustained" } else { "" };
    Bar {
        name: format!("{} · {}/s", row.tier, words::plain(row.offered.get())),
        segments: segments.collect(),
        label: format!("{}{verdict}", seconds(total)),
        alarming: row.finding.saturated,
    }
}

fn longest(groups: &[Group]) -> f64 {
    let longest = groups.iter().flat_map(|group| &group.bars).map(length).fold(0.0, f64::max);
    if longest > 0.0 { longest } else { 1.0 }
}

fn length(bar: &Bar) -> f64 {
    bar.segments.iter().map(|(_, length, _)| length).sum()
}

/// The end of the slow requests' axis: what overloaded rows take grows with the time measured, and
/// must not squeeze the others to nothing.
fn slow_axis_end(rows: &[&Row], groups: &[Group], objective: Option<f64>) -> f64 {
    let steady = rows.iter().filter(|row| !row.finding.saturated);
    let steady = steady.map(|row| length(&slow_bar(row))).fold(0.0, f64::max);
    let worth = steady.max(objective.unwrap_or(0.0)) * 1.3;
    if steady > 0.0 { longest(groups).min(worth) } else { longest(groups) }.max(1e-6)
}

/// The capacity that carries most, and how much.
fn best<'a>(answers: &'a Answers) -> Option<(&'a Capacity, f64)> {
    let rated =
        |capacity: &'a Capacity| words::carries(capacity).rate().map(|rate| (capacity, rate.get()));
    answers.capacities.iter().filter_map(rated).reduce(|a, b| if b.1 > a.1 { b } else { a })
}

fn response_title(study: &Study, answers: &Answers) -> String {
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

fn within(objective: &Objective) -> String {
    match (objective.p95, objective.errors) {
        (Some(p95), _) => format!("with p95 within {}", seconds(p95.as_secs())),
        (None, Some(_)) => "within the objective".to_owned(),
        (None, None) => "sustained".to_owned(),
    }
}

fn points_title(study: &Study, answers: &Answers) -> String {
    let rates: Vec<f64> = answers
        .capacities
        .iter()
        .filter_map(|it| words::carries(it).rate())
        .map(|it| it.get())
        .collect();
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rates.iter().copied().fold(0.0, f64::max);
    let (least, most) = (words::plain(least), words::plain(most));
    let within = within(&study.objective);
    match rates.len() {
        0 => "Where each plan and server gives way".to_owned(),
        _ if least == most => format!("Capacity: {most} requests/s {within}"),
        _ => format!("Capacity: {least} to {most} requests/s {within}"),
    }
}

fn memory_title(study: &Study, answers: &Answers) -> String {
    let full =
        |capacity: &&Capacity| !matches!(capacity.oom, Threshold::Never | Threshold::NotSearched);
    let name = |it: &Capacity| words::combination(study, &it.plan, &it.server);
    let full: Vec<&Capacity> = answers.capacities.iter().filter(full).collect();
    match full.as_slice() {
        [] if answers.capacities.iter().all(|it| it.budget.ceiling.is_none()) => {
            "Memory: what the load takes".to_owned()
        }
        [] => "Memory never runs out".to_owned(),
        [one] => match one.oom {
            Threshold::AtRest => format!("Memory does not hold the workers: {}", name(one)),
            _ => format!("Memory runs out: {}", name(one)),
        },
        several => {
            let of = answers.capacities.len();
            format!("Memory runs out with {} of {of} plans and servers", several.len())
        }
    }
}

/// What most of the rows' slow requests spend most of their waiting on.
fn slow_title(rows: &[&Row]) -> String {
    let mut totals = [0.0; Stage::COUNT];
    for row in rows {
        let spent = row.finding.slow_request.unwrap_or_default();
        let whole: f64 = spent.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        totals.iter_mut().zip(spent).for_each(|(total, part)| *total += part / whole);
    }
    let most = Stage::ALL
        .into_iter()
        .reduce(|a, b| if totals[b as usize] > totals[a as usize] { b } else { a })
        .unwrap_or(Stage::Compute);
    let doing = match most {
        Stage::Worker => "waiting for a worker",
        Stage::Gil => "waiting for the GIL or event loop",
        Stage::Cores => "waiting for the cores",
        Stage::Connection => "waiting for a connection",
        Stage::Compute => "computing",
        Stage::Database => "in the database",
        Stage::Call => "calling outside",
    };
    let share = 100.0 * totals[most as usize] / rows.len().max(1) as f64;
    format!("Slow requests spend {share:.0} % of their time {doing}, the largest part")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::units::PerSecond;

    fn four() -> (Study, Answers) {
        sample::made_up(&[("2GB", 2), ("4GB", 4)], &["gunicorn", "uvicorn"], &[10.0, 40.0])
    }

    fn lines_of(figure: Figure) -> Lines {
        match figure.body {
            Body::Lines(lines) => lines,
            Body::Bars(_) => panic!("{} has bars", figure.name),
        }
    }

    fn bars_of(figure: Figure) -> Bars {
        match figure.body {
            Body::Bars(bars) => bars,
            Body::Lines(_) => panic!("{} has lines", figure.name),
        }
    }

    #[test]
    fn up_to_six_lines_share_a_panel_and_more_get_one_per_plan() {
        let (study, answers) = four();
        let lines = lines_of(response(&study, &answers).unwrap());
        assert_eq!((lines.panels.len(), lines.legend.len()), (1, 4));
        let plans = [("1GB", 1), ("2GB", 2), ("4GB", 4)];
        let (study, answers) = sample::made_up(&plans, &["a", "b", "c"], &[10.0]);
        let lines = lines_of(response(&study, &answers).unwrap());
        assert_eq!((lines.panels.len(), lines.legend.len()), (3, 3));
    }

    #[test]
    fn every_line_in_a_panel_looks_different() {
        let plans = [("1GB", 1), ("2GB", 2), ("4GB", 4)];
        let (study, answers) = sample::made_up(&plans, &["a", "b"], &[10.0]);
        let lines = lines_of(response(&study, &answers).unwrap());
        let looks: Vec<Look> = lines.panels[0].series.iter().map(|series| series.look).collect();
        for (index, look) in looks.iter().enumerate() {
            assert!(!looks[index + 1..].contains(look), "{look:?} twice");
        }
    }

    #[test]
    fn the_load_line_is_marked_on_the_curve_between_the_points_around_it() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
        let capacity = &mut answers.capacities[0];
        capacity.curve =
            vec![sample::finding(10.0, 100.0, 2, 0), sample::finding(20.0, 100.0, 2, 0)];
        let rate = |rate: f64| Threshold::At {
            rate: PerSecond::new(rate),
            beyond: PerSecond::new(rate * 1.01),
        };
        capacity.load_line = Some(rate(15.0));
        capacity.saturation = rate(20.0);
        let lines = lines_of(response(&study, &answers).unwrap());
        let marks = &lines.panels[0].series[0].marks;
        // Halfway on a logarithmic axis: the geometric mean of 0.06/0.9 and 0.06/0.8.
        let expected = (0.06 / 0.9 * 0.06 / 0.8f64).sqrt();
        assert_eq!((marks[0].kind, marks[0].x), (MarkKind::LoadLine, 15.0));
        assert!((marks[0].y - expected).abs() < 1e-12);
        let saturation = Mark { kind: MarkKind::Saturation, x: 20.0, y: 0.06 / 0.8 };
        assert!((marks[1].y - saturation.y).abs() < 1e-12 && marks[1].kind == saturation.kind);
    }

    #[test]
    fn a_rate_at_which_nothing_was_answered_leaves_a_gap() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
        answers.capacities[0].curve[3].p95 = None;
        let lines = lines_of(response(&study, &answers).unwrap());
        let missing: Vec<usize> = (0..16)
            .filter(|index| {
                lines.panels[0].series[0].points.get(*index).is_some_and(|it| it.y.is_none())
            })
            .collect();
        assert_eq!(missing, [3]);
    }

    #[test]
    fn without_answers_there_is_no_figure() {
        let (study, answers) = sample::made_up(&[], &[], &[]);
        assert_eq!(all(&study, &answers), []);
    }

    #[test]
    fn never_and_at_rest_are_bars_without_length_that_say_so() {
        let (study, mut answers) = sample::made_up(&[("1GB", 1)], &["gunicorn"], &[]);
        answers.capacities[0].oom = Threshold::AtRest;
        answers.capacities[0].saturation = Threshold::Never;
        let bars = bars_of(points(&study, &answers).unwrap());
        let [load_line, saturation, oom] = &bars.groups[0].bars[..] else { panic!() };
        assert_eq!(load_line.label, "20.7/s, then the cores give way");
        assert_eq!((saturation.segments.len(), saturation.label.as_str()), (0, "never"));
        assert_eq!(oom.label, "at rest already: the workers do not fit");
        assert!(oom.alarming && !saturation.alarming);
    }

    #[test]
    fn the_ceiling_is_in_every_memory_panel() {
        let (study, answers) = four();
        let lines = lines_of(memory(&study, &answers).unwrap());
        let gib = f64::from(1 << 30);
        let rules: Vec<_> = lines.panels.iter().map(|panel| panel.rule.clone()).collect();
        let named = |level: f64, name: &str| Some((level, name.to_owned()));
        assert_eq!(rules, [named(2.0 * gib, "memory 2 GB"), named(4.0 * gib, "memory 4 GB")]);
        assert!(lines.panels.iter().all(|panel| panel.y.high > panel.rule.clone().unwrap().0));
    }

    #[test]
    fn overloaded_rows_do_not_squeeze_the_others() {
        let (study, answers) = four();
        let bars = bars_of(slow_requests(&study, &answers).unwrap());
        let overloaded = length(&bars.groups[0].bars[1]);
        let steady = length(&bars.groups[2].bars[1]);
        assert!(overloaded > 10.0 && steady < 0.5);
        assert!((bars.axis.high - 0.5 * 1.3).abs() < 1e-12);
        assert!(bars.groups[0].bars[1].label.ends_with(", not sustained"));
    }

    #[test]
    fn the_stages_of_a_bar_add_up_to_its_p95() {
        let (study, answers) = four();
        let bars = bars_of(slow_requests(&study, &answers).unwrap());
        let p95 = answers.rows[0].finding.p95.unwrap().mean;
        assert!((length(&bars.groups[0].bars[0]) - p95).abs() < 1e-9);
        assert_eq!(bars.legend.len(), Stage::COUNT);
    }
}
