//! A recording beside what the model makes of it: rows, a picture, and the figures in words.

use super::figure::{Axis, Body, Figure, Lines, Look, Panel, Point, Series, Unit};
use super::lines::{align_right, ruled, wrap};
use super::words::{counted, percent, plain, seconds};
use crate::experiment::replay::{Comparison, Recorded, ReplayedRequest, Responses};
use crate::outcome::Stopped;
use crate::stats::histogram::Histogram;

/// The first line of `replay.csv`.
pub const HEADER: &str = "arrival_s,measured_ms,predicted_ms,status,predicted_status";

/// Which recording was played on which plan and server.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    /// The trace's name.
    pub trace: String,
    /// The plan.
    pub plan: String,
    /// The server.
    pub server: String,
    /// How much faster than recorded the requests came.
    pub speed: f64,
}

impl Heading {
    fn title(&self) -> String {
        format!("{} on {} with {}", self.trace, self.plan, self.server)
    }

    /// Whether both sides have the same load, so that their difference is the model's error.
    fn is_as_recorded(&self) -> bool {
        (self.speed - 1.0).abs() < 1e-9
    }

    /// What the two figures of "p95 312 ms ..., 340 ms ..." are: measured, and predicted.
    fn sides(&self) -> [String; 2] {
        match self.is_as_recorded() {
            true => ["measured".to_owned(), "predicted".to_owned()],
            false => [
                "measured as recorded".to_owned(),
                format!("predicted at {} times the speed", plain(self.speed)),
            ],
        }
    }
}

/// A row of `replay.csv`: the instant as recorded, and nothing where nothing is predicted.
pub fn row(played: &ReplayedRequest) -> String {
    let predicted =
        played.predicted.map(|span| format!("{:.4}", span.as_millis())).unwrap_or_default();
    let status = played.predicted_status.map(|status| status.to_string()).unwrap_or_default();
    format!(
        "{:.6},{:.3},{predicted},{},{status}",
        played.arrived.as_secs(),
        played.measured.as_millis(),
        played.status
    )
}

/// So many requests: `1 request`, `2 requests`.
pub fn requests(count: u64) -> String {
    counted(count, "request")
}

/// Why the simulator gave up before the end of the trace.
pub fn stopped(stopped: Stopped, played: u64) -> String {
    let why = match stopped {
        Stopped::InFlight => "a million requests were inside at once, which is its limit",
        Stopped::Arrivals => "its limit of requests was reached",
    };
    format!("the simulator stopped after {}: {why}; no file was written", requests(played))
}

/// Both sides, in figures.
pub fn text(heading: &Heading, comparison: &Comparison) -> String {
    let (measured, predicted) = (&comparison.measured, &comparison.predicted);
    let mut table = ruled();
    let columns = match heading.is_as_recorded() {
        true => ["measured".to_owned(), "predicted".to_owned(), "off by".to_owned()],
        false => {
            let speed = plain(heading.speed);
            ["measured, x1".to_owned(), format!("predicted, x{speed}"), "changes by".to_owned()]
        }
    };
    table.set_header(std::iter::once(String::new()).chain(columns));
    for (name, of) in TIMES {
        let (measured, predicted) = (of(&measured.response), of(&predicted.response));
        let off = measured.zip(predicted).map(|(one, two)| change(two / one - 1.0));
        let cell = |value: Option<f64>| value.map(seconds).unwrap_or_default();
        table.add_row([
            (*name).to_owned(),
            cell(measured),
            cell(predicted),
            off.unwrap_or_default(),
        ]);
    }
    for row in failures(measured, predicted) {
        table.add_row(row);
    }
    align_right(&mut table, 1..4);
    let said = wrap(&said(heading, comparison), "");
    format!("{}\n\n{table}\n\n{said}\n", heading.title())
}

/// What a reader has to know of a comparison beside its figures.
fn said(heading: &Heading, comparison: &Comparison) -> String {
    let came = comparison.measured.count();
    let mut text = requests(came);
    if came < comparison.requests {
        text += &format!(" of {}, without the warm-up", comparison.requests);
    }
    text += ".";
    if !heading.is_as_recorded() {
        text += &format!(
            " They were measured as recorded, and are predicted to come {} times as fast: the \
             changes are those of the load. A replay without --speed shows how far off the model \
             is.",
            plain(heading.speed)
        );
    }
    if comparison.predicted.open > 0 {
        let open = comparison.predicted.open;
        text += &format!(" {open} had not ended in the model an hour after the last arrival.");
    }
    if comparison.outcome.kills > 0 {
        text += &format!(
            " Predicted OOM kills: {}. Which processes they hit is chance: another --seed draws it \
             anew.",
            comparison.outcome.kills
        );
    }
    text
}

type OfTimes = fn(&Histogram) -> Option<f64>;

const TIMES: &[(&str, OfTimes)] = &[
    ("mean", |times| times.mean().map(|nanos| nanos / 1e9)),
    ("p50", |times| quantile(times, 0.5)),
    ("p90", |times| quantile(times, 0.9)),
    ("p95", |times| quantile(times, 0.95)),
    ("p99", |times| quantile(times, 0.99)),
];

fn quantile(times: &Histogram, share: f64) -> Option<f64> {
    times.quantile(share).map(|nanos| nanos as f64 / 1e9)
}

fn change(share: f64) -> String {
    format!("{:+.1}%", share * 100.0)
}

/// The errors altogether, then by cause. A reset is another way for a connection to be closed
/// without an answer: the two count together.
fn failures(measured: &Responses, predicted: &Responses) -> Vec<[String; 4]> {
    let row = |name: String, measured: f64, predicted: f64| {
        let off = format!("{:+.2} points", (predicted - measured) * 100.0);
        [name, percent(measured), percent(predicted), off]
    };
    let mut rows = vec![row("errors".to_owned(), measured.error_rate(), predicted.error_rate())];
    let mut statuses: Vec<u16> =
        measured.statuses.keys().chain(predicted.statuses.keys()).map(|it| same(*it)).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let share = |side: &Responses, status: u16| {
        let count = side.statuses.iter().filter(|(it, _)| same(**it) == status);
        count.map(|(_, count)| count).sum::<u64>() as f64 / (side.count() as f64).max(1.0)
    };
    for status in statuses.into_iter().filter(|status| !Recorded::is_well(*status)) {
        let name = format!("  {}", meaning(status));
        rows.push(row(name, share(measured, status), share(predicted, status)));
    }
    rows
}

fn same(status: u16) -> u16 {
    if status == Recorded::RESET { Recorded::CLOSED } else { status }
}

/// A status, in words.
fn meaning(status: u16) -> String {
    match status {
        Recorded::UNCONNECTED => "1 connect failed".to_owned(),
        2 => "2 write failed".to_owned(),
        Recorded::CLOSED => "4 closed without an answer".to_owned(),
        Recorded::PATIENCE => "6 patience over".to_owned(),
        other => other.to_string(),
    }
}

const MEASURED: Look = Look { hue: 0, dash: 0 };
const PREDICTED: Look = Look { hue: 1, dash: 1 };
const MEASURED_P95: Look = Look { hue: 4, dash: 0 };
const PREDICTED_P95: Look = Look { hue: 5, dash: 1 };

/// Response times over time, and their distributions.
pub fn figure(heading: &Heading, comparison: &Comparison) -> Figure {
    let [as_measured, as_predicted] = heading.sides();
    let legend = vec![
        (format!("{as_measured} (over time: median)"), MEASURED),
        (format!("{as_predicted} (over time: median)"), PREDICTED),
        (format!("{as_measured}, 95th percentile"), MEASURED_P95),
        (format!("{as_predicted}, 95th percentile"), PREDICTED_P95),
    ];
    let panels = vec![over_time(comparison), distributions(comparison)];
    let (measured, predicted) = (&comparison.measured.response, &comparison.predicted.response);
    let p95s = quantile(measured, 0.95).zip(quantile(predicted, 0.95));
    let finding = p95s.map_or("no request was answered on both sides".to_owned(), |(one, two)| {
        format!("p95 {} {as_measured}, {} {as_predicted}", seconds(one), seconds(two))
    });
    Figure {
        name: "replay",
        title: format!("{}: {finding}", heading.title()),
        subtitle: "Response time of the requests answered well: over the recording's time, and \
                   the share of requests answered within it"
            .to_owned(),
        body: Body::Lines(Lines { legend, marks: Vec::new(), panels }),
    }
}

fn over_time(comparison: &Comparison) -> Panel {
    let slices = &comparison.slices;
    let width = slices.width.as_secs();
    let line = |side: usize, share: f64, look: Look| Series {
        look,
        points: slices
            .slices
            .iter()
            .enumerate()
            .map(|(index, slice)| {
                point((index as f64 + 0.5) * width, quantile(&slice[side], share))
            })
            .collect(),
        marks: Vec::new(),
    };
    let series = vec![
        line(0, 0.95, MEASURED_P95),
        line(1, 0.95, PREDICTED_P95),
        line(0, 0.5, MEASURED),
        line(1, 0.5, PREDICTED),
    ];
    let heights = series.iter().flat_map(|line| &line.points).filter_map(|point| point.y);
    let high = heights.fold(0.0, f64::max);
    Panel {
        title: Some("Over time".to_owned()),
        x: axis("seconds into the recording", 0.0, slices.slices.len() as f64 * width, Unit::Plain),
        y: axis("response time", 0.0, high * 1.05, Unit::Seconds),
        series,
        rule: None,
    }
}

fn distributions(comparison: &Comparison) -> Panel {
    let line = |times: &Histogram, look: Look| Series {
        look,
        points: SHARES
            .into_iter()
            .filter_map(|share| quantile(times, share).map(|it| point(it.max(1e-6), Some(share))))
            .collect(),
        marks: Vec::new(),
    };
    let series = vec![
        line(&comparison.measured.response, MEASURED),
        line(&comparison.predicted.response, PREDICTED),
    ];
    let reach = |pick: fn(f64, f64) -> f64, from: f64| {
        series.iter().flat_map(|line| &line.points).map(|point| point.x).fold(from, pick)
    };
    let (low, high) = (reach(f64::min, f64::INFINITY), reach(f64::max, 0.0));
    let log = low < high;
    let x = match log {
        true => Axis { log, ..axis("response time", low * 0.9, high * 1.1, Unit::Seconds) },
        false => axis("response time", 0.0, high * 2.0, Unit::Seconds),
    };
    Panel {
        title: Some("Distribution".to_owned()),
        x,
        y: axis("share of requests", 0.0, 1.0, Unit::Plain),
        series,
        rule: None,
    }
}

/// The shares at which a distribution is drawn.
const SHARES: [f64; 29] = [
    0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6,
    0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999,
];

fn point(x: f64, y: Option<f64>) -> Point {
    Point { x, y, band: None, sustained: true }
}

fn axis(label: &str, low: f64, high: f64, unit: Unit) -> Axis {
    let high = if high > low { high } else { low + 1.0 };
    Axis { label: label.to_owned(), low, high, log: false, unit }
}
