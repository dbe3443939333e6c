//! The accuracy table: predictions beside recordings, as CSV, a picture, a page and text.

use minijinja::{Environment, context};

use super::chart;
use super::figure::{Axis, Body, Figure, Lines, Look, Panel, Point, Series, Unit};
use super::words::{digits, percent};
use crate::experiment::accuracy::{Judgement, Takes};

/// Above this, a busy resource makes p95 so steep that the error of the load is what counts.
const BUSY: f64 = 0.8;

/// `accuracy.csv`: a row per recording.
pub fn csv(judgements: &[Judgement]) -> Vec<u8> {
    let mut text = HEADER.to_owned();
    for row in rows(judgements) {
        text += "\n";
        text += &row.join(",");
    }
    text += "\n";
    text.into_bytes()
}

const HEADER: &str = "machine,case,requests,utilisation,measured_p50_ms,predicted_p50_ms,\
    measured_p95_ms,predicted_p95_ms,p95_error,measured_p99_ms,predicted_p99_ms,\
    measured_throughput_rps,predicted_throughput_rps,measured_error_rate,predicted_error_rate,\
    load_error,predicted_oom_kills,measured_p95_spread";

fn rows(judgements: &[Judgement]) -> Vec<Vec<String>> {
    let cases = Takes::of(judgements);
    let spread = |each| cases.iter().find(|case| case.has(each)).and_then(Takes::spread);
    judgements.iter().map(|each| row(each, spread(each))).collect()
}

fn row(each: &Judgement, spread: Option<f64>) -> Vec<String> {
    let maybe = |value: Option<f64>| value.map(|value| digits(value, 5)).unwrap_or_default();
    let (measured, predicted) = (&each.measured, &each.predicted);
    vec![
        each.machine.clone(),
        each.name.clone(),
        each.requests.to_string(),
        digits(each.utilisation, 3),
        maybe(measured.p50_ms),
        maybe(predicted.p50_ms),
        maybe(measured.p95_ms),
        maybe(predicted.p95_ms),
        each.p95_error().map(|error| digits(error, 3)).unwrap_or_default(),
        maybe(measured.p99_ms),
        maybe(predicted.p99_ms),
        digits(measured.throughput_rps, 5),
        digits(predicted.throughput_rps, 5),
        digits(measured.error_rate, 4),
        digits(predicted.error_rate, 4),
        each.load_error.map(|error| digits(error, 3)).unwrap_or_default(),
        each.oom_kills.to_string(),
        maybe(spread),
    ]
}

/// What the table comes to, in sentences: what was recorded several times over counts by its middle
/// recording.
pub fn sentences(judgements: &[Judgement]) -> Vec<String> {
    let cases = Takes::of(judgements);
    let (broken, whole): (Vec<&Takes>, Vec<&Takes>) =
        cases.iter().partition(|case| case.first().breaks);
    let (busy, calm): (Vec<&Takes>, Vec<&Takes>) =
        whole.iter().partition(|case| case.first().utilisation >= BUSY);
    let errors = judgements.iter().filter(|each| !each.breaks);
    let errors = errors.map(|each| each.error_rate_error().abs()).fold(0.0, f64::max);
    let mut sentences = Vec::new();
    sentences.extend(calmly(&calm));
    sentences.extend(busily(&busy));
    sentences.extend(noise(&whole));
    sentences.push(format!(
        "Where nothing breaks, error rates are off by {} points at worst.",
        digits(errors * 100.0, 3)
    ));
    sentences.extend(losses(&broken));
    sentences
}

fn calmly(cases: &[&Takes]) -> Option<String> {
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

fn busily(cases: &[&Takes]) -> Option<String> {
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

/// What recordings of the same requests differ by: no prediction can be closer than that.
fn noise(cases: &[&Takes]) -> Option<String> {
    let spreads = sorted(cases.iter().filter_map(|case| case.spread()));
    Some(format!(
        "Three recordings of the same requests differ in p95 by {} in the median of {} cases and \
         by {} at most: that is the noise of a recording. Of these the middle one counts.",
        percent(median(&spreads)?),
        spreads.len(),
        percent(*spreads.last()?)
    ))
}

/// How far error rates are off where something gives way, and what they differ by in themselves.
fn losses(cases: &[&Takes]) -> Option<String> {
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
pub fn text(judgements: &[Judgement]) -> String {
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
pub fn figure(judgements: &[Judgement]) -> Figure {
    let mut machines: Vec<&String> = judgements.iter().map(|each| &each.machine).collect();
    machines.dedup();
    let look = |index| Look { hue: index, dash: index };
    let named = |(index, name): (usize, &&String)| {
        let count = judgements.iter().filter(|each| each.machine == **name && !each.breaks);
        (format!("{name}: {} recordings", count.count()), look(index))
    };
    let series = |(index, name): (usize, &&String)| {
        let all = judgements.iter().filter(|each| each.machine == **name && !each.breaks);
        Series { look: look(index), points: points(all), marks: Vec::new() }
    };
    let axis = |label: &str, low, high, log| Axis {
        label: label.to_owned(),
        low,
        high,
        log,
        unit: Unit::Plain,
    };
    let panel = Panel {
        title: None,
        x: axis("utilisation of the busiest resource", 0.0, 1.0, false),
        y: axis("predicted p95 / measured p95", 0.25, 2.0, true),
        series: machines.iter().enumerate().map(series).collect(),
        rule: Some((1.0, "as measured".to_owned())),
    };
    Figure {
        name: "accuracy",
        title: sentences(judgements).into_iter().next().unwrap_or_default(),
        subtitle:
            "95th percentile of the response time, predicted for the same requests that were \
                   measured"
                .to_owned(),
        body: Body::Lines(Lines {
            legend: machines.iter().enumerate().map(named).collect(),
            marks: Vec::new(),
            panels: vec![panel],
        }),
    }
}

/// A point for each recording, by rising utilisation, with gaps between so that no line joins them.
fn points<'a>(judgements: impl Iterator<Item = &'a Judgement>) -> Vec<Point> {
    let point = |x, y| Point { x, y, band: None, sustained: true };
    let place = |each: &Judgement| Some((each.utilisation, 1.0 + each.p95_error()?));
    let mut places: Vec<(f64, f64)> = judgements.filter_map(place).collect();
    places.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    places.into_iter().flat_map(|(x, y)| [point(x, Some(y)), point(x, None)]).collect()
}

/// One page with the picture and the table.
pub fn page(judgements: &[Judgement]) -> String {
    let header: Vec<String> = HEADER.split(',').map(|name| name.replace('_', " ")).collect();
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
