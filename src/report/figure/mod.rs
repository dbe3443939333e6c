//! What the pictures show, as plain data: series, bars, axis ranges and labels. How they look is
//! [`super::chart`]'s business.

mod alt;
mod capacity;
mod curves;
mod memory;
mod response;
mod slow;
#[cfg(test)]
mod tests;

pub use capacity::POINT_FILLS;

/// The names of all figures that there may be.
pub const NAMES: [&str; 4] = ["response-time", "capacity", "memory", "slow-requests"];

use super::words::{percent, seconds};
use crate::experiment::answer::{Answers, Capacity, Objective, Study};

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

/// How a line looks: indices into palette, dash patterns and marker shapes. Dash and marker tell
/// lines apart in grey, too.
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

impl Series {
    /// Whether it is a line, and not a scatter of points that are not joined. A single point, or
    /// none, counts as a line.
    pub fn is_line(&self) -> bool {
        let joined = |pair: &[Point]| pair.iter().all(|point| point.y.is_some());
        let drawn = self.points.iter().filter(|point| point.y.is_some()).count();
        drawn < 2 || self.points.windows(2).any(joined)
    }
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
    /// What they have in common.
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

impl Bar {
    /// How long it is.
    pub fn length(&self) -> f64 {
        self.segments.iter().map(|(_, length, _)| length).sum()
    }
}

/// Every figure there is something to show in: response time, capacity, memory, and where the
/// time of slow requests goes.
pub fn all(study: &Study, answers: &Answers) -> Vec<Figure> {
    let figures = [response::figure, capacity::figure, memory::figure, slow::figure];
    figures.into_iter().filter_map(|figure| figure(study, answers)).collect()
}

/// Ranges that differ by more than this get a logarithmic axis.
const LOG_ABOVE: f64 = 12.0;

fn longest(groups: &[Group]) -> f64 {
    let longest = groups.iter().flat_map(|group| &group.bars).map(Bar::length).fold(0.0, f64::max);
    if longest > 0.0 { longest } else { 1.0 }
}

/// The capacity that carries most, and how much.
fn best<'a>(answers: &'a Answers) -> Option<(&'a Capacity, f64)> {
    let rated =
        |capacity: &'a Capacity| capacity.carries().rate().map(|rate| (capacity, rate.get()));
    answers.capacities.iter().filter_map(rated).reduce(|a, b| if b.1 > a.1 { b } else { a })
}

fn within(objective: &Objective) -> String {
    match (objective.p95, objective.errors) {
        (Some(p95), None) => format!("with p95 within {}", seconds(p95.as_secs())),
        (Some(p95), Some(errors)) => format!(
            "with p95 within {} and errors within {}",
            seconds(p95.as_secs()),
            percent(errors.get())
        ),
        (None, Some(errors)) => format!("with errors within {}", percent(errors.get())),
        (None, None) => "sustained".to_owned(),
    }
}
