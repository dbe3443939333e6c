//! The accuracy table: predictions beside recordings, as CSV, a picture, a page and text.

use minijinja::{Environment, context};

use super::chart;
use super::figure::{Axis, Body, Figure, Lines, Look, Panel, Point, Series, Unit};
use super::words::{digits, percent};
use crate::experiment::accuracy::Judgement;

/// Above this, a busy resource makes p95 so steep that the error of the load is what counts.
const BUSY: f64 = 0.8;

/// `accuracy.csv`: a row per case.
pub fn csv(judgements: &[Judgement]) -> Vec<u8> {
    let mut text = HEADER.to_owned();
    for each in judgements {
        text += "\n";
        text += &row(each, judgements).join(",");
    }
    text += "\n";
    text.into_bytes()
}

const HEADER: &str = "machine,case,requests,utilisation,measured_p50_ms,predicted_p50_ms,\
    measured_p95_ms,predicted_p95_ms,p95_error,measured_p99_ms,predicted_p99_ms,\
    measured_throughput_rps,predicted_throughput_rps,measured_error_rate,predicted_error_rate,\
    load_error,predicted_oom_kills,measured_p95_spread";

fn row(each: &Judgement, all: &[Judgement]) -> Vec<String> {
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
        maybe(spread(each, all)),
    ]
}

/// By how much the largest p95 exceeds the smallest, as a share of it, among the recordings of
/// the same requests with the same server: what a recording's own luck comes to. `None` where
/// there is only one.
fn spread(each: &Judgement, all: &[Judgement]) -> Option<f64> {
    let same = |other: &&Judgement| {
        other.machine == each.machine && untaken(&other.name) == untaken(&each.name)
    };
    let p95: Vec<f64> = all.iter().filter(same).filter_map(|it| it.measured.p95_ms).collect();
    let (low, high) =
        (p95.iter().copied().reduce(f64::min)?, p95.iter().copied().reduce(f64::max)?);
    (p95.len() > 1).then(|| high / low - 1.0)
}

/// A case's name without the number of the take, which later recordings of it have in theirs.
fn untaken(name: &str) -> String {
    name.replace("-take2", "").replace("-take3", "")
}

/// What the table comes to, in sentences.
pub fn sentences(judgements: &[Judgement]) -> Vec<String> {
    let calm = |each: &&Judgement| each.utilisation < BUSY && !each.breaks;
    let mut p95: Vec<f64> =
        judgements.iter().filter(calm).filter_map(|it| it.p95_error()).map(f64::abs).collect();
    p95.sort_by(f64::total_cmp);
    let busy = |each: &&Judgement| each.utilisation >= BUSY && !each.breaks;
    let busy: Vec<&Judgement> = judgements.iter().filter(busy).collect();
    let loads = busy.iter().filter_map(|each| each.load_error).map(f64::abs);
    let unknown = busy.iter().filter(|each| each.load_error.is_none()).count();
    let errors = judgements.iter().map(|each| each.error_rate_error().abs());
    let mut sentences = Vec::new();
    if let Some(worst) = p95.last() {
        sentences.push(format!(
            "Where the busiest resource is below {}, p95 is off by {} in the median of {} cases \
             and by {} at worst.",
            percent(BUSY),
            percent(p95[(p95.len() - 1) / 2]),
            p95.len(),
            percent(*worst)
        ));
    }
    if !busy.is_empty() {
        let beyond = match unknown {
            0 => String::new(),
            count => format!(", and more than the search looks for in {count} of them"),
        };
        sentences.push(format!(
            "Where it is {} or more, the load that gives the measured p95 is off by {} at \
             worst, of {} cases{beyond}.",
            percent(BUSY),
            percent(loads.fold(0.0, f64::max)),
            busy.len()
        ));
    }
    sentences.extend(noise(judgements));
    sentences.push(format!(
        "Error rates are off by {} points at worst.",
        digits(errors.fold(0.0, f64::max) * 100.0, 3)
    ));
    sentences
}

/// What recordings of the same requests differ by: no prediction can be closer than that.
fn noise(judgements: &[Judgement]) -> Option<String> {
    let first = |each: &&Judgement| untaken(&each.name) == each.name;
    let spreads = judgements.iter().filter(first).filter_map(|each| spread(each, judgements));
    let mut spreads: Vec<f64> = spreads.collect();
    spreads.sort_by(f64::total_cmp);
    Some(format!(
        "Three recordings of the same requests differ in p95 by {} in the median of {} cases and \
         by {} at most: that is the noise of a recording.",
        percent(spreads.get(spreads.len().checked_sub(1)? / 2).copied()?),
        spreads.len(),
        percent(*spreads.last()?)
    ))
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
    let rows: Vec<Vec<String>> = judgements.iter().map(|each| row(each, judgements)).collect();
    let mut environment = Environment::new();
    environment
        .add_template("accuracy.html", include_str!("accuracy.html"))
        .expect("the template is part of the program");
    let page = environment.get_template("accuracy.html").and_then(|template| {
        template.render(context! {
            sentences => sentences(judgements),
            figure => chart::svg(&figure(judgements)),
            header,
            rows,
        })
    });
    page.expect("what the template asks for is there")
}
