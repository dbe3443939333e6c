//! The accuracy table: predictions beside recordings, as CSV, a picture, a page and text.

use minijinja::{Environment, context};

use super::figure::{Axis, Body, Figure, Lines, Look, Panel, Point, Series, Unit};
use super::words::{digits, percent};
use super::{chart, csv};
use crate::experiment::accuracy::{CaseRecordings, RecordingAccuracy};

/// Above this, a busy resource makes p95 so steep that the error of the load is what counts.
const BUSY: f64 = 0.8;

/// A column of `accuracy.csv`: its name, and its cell for a recording, given by how much the
/// recordings of that case differ in p95.
type Column = (&'static str, fn(&RecordingAccuracy, Option<f64>) -> String);

const COLUMNS: [Column; 20] = [
    ("machine", |each, _| each.machine.clone()),
    ("case", |each, _| each.name.clone()),
    ("requests", |each, _| each.requests.to_string()),
    ("utilisation", |each, _| digits(each.utilisation, 3)),
    ("measured_p50_ms", |each, _| maybe(each.measured.p50_ms, 5)),
    ("predicted_p50_ms", |each, _| maybe(each.predicted.p50_ms, 5)),
    ("measured_p95_ms", |each, _| maybe(each.measured.p95_ms, 5)),
    ("predicted_p95_ms", |each, _| maybe(each.predicted.p95_ms, 5)),
    ("predicted_p95_low_ms", |each, _| maybe(each.by_chance_ms.map(|(low, _)| low), 5)),
    ("predicted_p95_high_ms", |each, _| maybe(each.by_chance_ms.map(|(_, high)| high), 5)),
    ("p95_error", |each, _| maybe(each.p95_error(), 3)),
    ("measured_p99_ms", |each, _| maybe(each.measured.p99_ms, 5)),
    ("predicted_p99_ms", |each, _| maybe(each.predicted.p99_ms, 5)),
    ("measured_throughput_rps", |each, _| digits(each.measured.throughput_rps, 5)),
    ("predicted_throughput_rps", |each, _| digits(each.predicted.throughput_rps, 5)),
    ("measured_error_rate", |each, _| digits(each.measured.error_rate, 4)),
    ("predicted_error_rate", |each, _| digits(each.predicted.error_rate, 4)),
    ("load_error", |each, _| maybe(each.load_error, 3)),
    ("predicted_oom_kills", |each, _| each.oom_kills.to_string()),
    ("measured_p95_spread", |_, spread| maybe(spread, 5)),
];

/// `accuracy.csv`: a row per recording.
pub fn csv(judgements: &[RecordingAccuracy]) -> Vec<u8> {
    csv::table(COLUMNS.iter().map(|(name, _)| *name), rows(judgements).into_iter())
}

fn rows(judgements: &[RecordingAccuracy]) -> Vec<Vec<String>> {
    let cases = CaseRecordings::of(judgements);
    let spread = |each| cases.iter().find(|case| case.has(each)).and_then(CaseRecordings::spread);
    let row = |each| COLUMNS.iter().map(|(_, cell)| cell(each, spread(each))).collect();
    judgements.iter().map(row).collect()
}

fn maybe(value: Option<f64>, significant: usize) -> String {
    value.map(|value| digits(value, significant)).unwrap_or_default()
}

/// A summary of the table, in sentences. A case that was recorded several times counts by its
/// middle recording.
pub fn sentences(judgements: &[RecordingAccuracy]) -> Vec<String> {
    let cases = CaseRecordings::of(judgements);
    let (broken, whole): (Vec<&CaseRecordings>, Vec<&CaseRecordings>) =
        cases.iter().partition(|case| case.first().breaks);
    let (busy, calm): (Vec<&CaseRecordings>, Vec<&CaseRecordings>) =
        whole.iter().partition(|case| case.first().utilisation >= BUSY);
    let errors = judgements.iter().filter(|each| !each.breaks);
    let errors = errors.map(|each| each.error_rate_error().abs()).fold(0.0, f64::max);
    let mut sentences = Vec::new();
    sentences.extend(calmly(&calm));
    sentences.extend(busily(&busy));
    sentences.extend(noise(&whole));
    sentences.extend(chance(judgements));
    sentences.push(format!(
        "Where nothing breaks, error rates are off by {} points at worst.",
        digits(errors * 100.0, 3)
    ));
    sentences.extend(losses(&broken));
    sentences
}

fn calmly(cases: &[&CaseRecordings]) -> Option<String> {
    let p95 = sorted(cases.iter().filter_map(|case| case.p95_error()).map(f64::abs));
    Some(format!(
        "Where the busiest resource is below {}, p95 is off by {} in the median of {} cases and \
         by {} at worst.",
        percent(BUSY),
        percent(median(&p95)?),
        p95.len(),
        percent(*p95.last()?)
    ))
}

fn busily(cases: &[&CaseRecordings]) -> Option<String> {
    let loads = sorted(cases.iter().filter_map(|case| case.load_error()).map(f64::abs));
    let beyond = match cases.len() - loads.len() {
        0 => String::new(),
        count => format!(", and more than the search looks for in {count} of them"),
    };
    Some(format!(
        "Where it is {} or more, the load that gives the measured p95 is off by {} at worst, of {} \
         cases{beyond}.",
        percent(BUSY),
        percent(*loads.last()?),
        cases.len()
    ))
}

/// How much recordings of the same requests differ: no prediction can be closer than that.
fn noise(cases: &[&CaseRecordings]) -> Option<String> {
    let spreads = sorted(cases.iter().filter_map(|case| case.spread()));
    Some(format!(
        "Three recordings of the same requests differ in p95 by {} in the median of {} cases and \
         by {} at most: that is the noise of a recording. Of these the middle one counts.",
        percent(median(&spreads)?),
        spreads.len(),
        percent(*spreads.last()?)
    ))
}

/// How much predictions differ from seed to seed where chance decides in the model.
fn chance(judgements: &[RecordingAccuracy]) -> Option<String> {
    let whole = || judgements.iter().filter(|each| !each.breaks);
    let ranges = whole().filter_map(|each| each.by_chance_ms);
    let spreads = sorted(ranges.map(|(low, high)| high / low - 1.0));
    let within = whole().filter(|each| each.is_within_chance() == Some(true)).count();
    Some(format!(
        "Where chance decides in the model (which thread gets the GIL, which process accepts), its \
         own p95 differs by {} in the median of {} recordings and by {} at most; {within} of the \
         measured ones lie in that range.",
        percent(median(&spreads)?),
        spreads.len(),
        percent(*spreads.last()?)
    ))
}

/// How far error rates are off in overload and where memory runs short, and by how much recordings
/// of the same requests differ.
fn losses(cases: &[&CaseRecordings]) -> Option<String> {
    let off = sorted(cases.iter().map(|case| case.error_rate_error().abs()));
    let spreads = sorted(cases.iter().filter_map(|case| case.error_rate_spread()));
    let points = |share: f64| digits(share * 100.0, 2);
    Some(format!(
        "In overload, and where memory runs short, they are off by {} points in the median of \
         {} cases and by {} at worst; three recordings of the same requests differ by up to {} \
         points.",
        points(median(&off)?),
        off.len(),
        points(*off.last()?),
        points(*spreads.last()?)
    ))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// The table and what it comes to, for a terminal.
pub fn text(judgements: &[RecordingAccuracy]) -> String {
    let mut text = format!(
        "{:6} {:30} {:>5} {:>9} {:>9} {:>7} {:>7} {:>7} {:>7}\n",
        "on", "case", "busy", "p95 ms", "predicted", "off by", "load", "errors", "pred."
    );
    for each in judgements {
        let number = |value: Option<f64>| value.map_or(String::new(), |it| format!("{it:.1}"));
        text += &format!(
            "{:6} {:30} {:>4.0}% {:>9} {:>9} {:>7} {:>7} {:>6.1}% {:>6.1}%\n",
            each.machine,
            each.name,
            each.utilisation * 100.0,
            number(each.measured.p95_ms),
            number(each.predicted.p95_ms),
            signed(each.p95_error()),
            signed(each.load_error),
            each.measured.error_rate * 100.0,
            each.predicted.error_rate * 100.0,
        );
    }
    text + "\n" + &sentences(judgements).join("\n") + "\n"
}

fn signed(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| format!("{:+.1}%", share * 100.0))
}

/// p95 as predicted, as a share of the measured one, by how busy the busiest resource is.
pub fn figure(judgements: &[RecordingAccuracy]) -> Figure {
    let mut machines: Vec<&str> = judgements.iter().map(|each| &*each.machine).collect();
    machines.dedup();
    let whole = |machine: &str| {
        let all = judgements.iter().filter(|each| each.machine == machine && !each.breaks);
        all.collect::<Vec<_>>()
    };
    let look = |index| Look { hue: index, dash: index };
    let named = |(index, machine): (usize, &&str)| {
        (format!("{machine}: {} recordings", whole(machine).len()), look(index))
    };
    let series = |(index, machine): (usize, &&str)| Series {
        look: look(index),
        points: points(&whole(machine)),
        marks: Vec::new(),
    };
    Figure {
        name: "accuracy",
        title: sentences(judgements).into_iter().next().unwrap_or_default(),
        subtitle: SUBTITLE.to_owned(),
        body: Body::Lines(Lines {
            legend: machines.iter().enumerate().map(named).collect(),
            marks: Vec::new(),
            panels: vec![panel(machines.iter().enumerate().map(series).collect())],
        }),
    }
}

const SUBTITLE: &str = "95th percentile of the response time, predicted for the same requests that \
    were measured";

fn panel(series: Vec<Series>) -> Panel {
    let axis = |label: &str, low, high, log| Axis {
        label: label.to_owned(),
        low,
        high,
        log,
        unit: Unit::Plain,
    };
    Panel {
        title: None,
        x: axis("utilisation of the busiest resource", 0.0, 1.0, false),
        y: axis("predicted p95 / measured p95", 0.25, 2.0, true),
        series,
        rule: Some((1.0, "as measured".to_owned())),
    }
}

/// A point for each recording, by rising utilisation, with gaps between so that no line joins them.
fn points(judgements: &[&RecordingAccuracy]) -> Vec<Point> {
    let point = |x, y| Point { x, y, band: None, sustained: true };
    let place = |each: &&RecordingAccuracy| Some((each.utilisation, 1.0 + each.p95_error()?));
    let mut places: Vec<(f64, f64)> = judgements.iter().filter_map(place).collect();
    places.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    places.into_iter().flat_map(|(x, y)| [point(x, Some(y)), point(x, None)]).collect()
}

/// One page with the picture and the table.
pub fn page(judgements: &[RecordingAccuracy]) -> String {
    let header = COLUMNS.map(|(name, _)| name.replace('_', " "));
    let mut environment = Environment::new();
    environment
        .add_template("accuracy.html", include_str!("accuracy.html"))
        .expect("the template is part of the program");
    let page = environment.get_template("accuracy.html").and_then(|template| {
        template.render(context! {
            sentences => sentences(judgements),
            figure => chart::svg(&figure(judgements)),
            header,
            rows => rows(judgements),
        })
    });
    page.expect("what the template asks for is there")
}
