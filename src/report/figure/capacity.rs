//! Saturation point, load line and OOM point side by side.

use super::{Axis, Bar, Bars, Body, Figure, Group, Unit, longest, within};
use crate::experiment::answer::{Answers, Capacity, Limit, Study, Threshold, TooSmall};
use crate::report::words;

/// Fills of the three points' bars.
pub const POINT_FILLS: [usize; 3] = [9, 10, 11];

/// Saturation point, load line and OOM point side by side.
pub(super) fn figure(study: &Study, answers: &Answers) -> Option<Figure> {
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
    answers.capacities.iter().any(is_searched).then(|| Figure {
        name: "capacity",
        title: title(study, answers),
        subtitle: "Requests per second; the shortest bar is what comes first".to_owned(),
        body: Body::Bars(bars),
    })
}

/// Whether any of its limits was searched for.
fn is_searched(capacity: &Capacity) -> bool {
    let points = [Some(capacity.saturation), capacity.load_line];
    let searched = points.into_iter().flatten().any(|point| point != Threshold::NotSearched);
    searched || !matches!(capacity.oom, Threshold::NotSearched | Threshold::Never)
}

fn point_group(study: &Study, capacity: &Capacity) -> Group {
    let price = capacity.price.map(|price| format!("{} a month", words::plain(price)));
    let plural = if capacity.workers == 1 { "" } else { "s" };
    let workers = format!("{} worker{plural}", words::plain(f64::from(capacity.workers)));
    let load_line = capacity.load_line.map(|line| {
        let why = match (line, capacity.first_limit) {
            (Threshold::At { .. }, Some(limit)) => format!(", then {}", words::gives_way(limit)),
            _ => String::new(),
        };
        let at_rest = match (capacity.first_limit, capacity.too_small()) {
            (Some(Limit::Memory), Some(TooSmall::Plan)) => "none: memory does not hold the workers",
            (Some(Limit::Memory), Some(TooSmall::DatabaseHost)) => {
                "none: the database's host is too small"
            }
            _ => "none: the objective is missed at any rate",
        };
        point_bar("load line", 0, line, &why, at_rest)
    });
    let overloaded = "none: no rate is sustained";
    let saturation = point_bar("saturation", 1, capacity.saturation, "", overloaded);
    let bars = load_line.into_iter().chain([saturation, oom_bar(capacity)]).collect();
    Group {
        name: words::combination(study, &capacity.plan, &capacity.server),
        detail: [workers].into_iter().chain(price).collect::<Vec<_>>().join(", "),
        bars,
    }
}

fn oom_bar(capacity: &Capacity) -> Bar {
    let at_rest = match capacity.too_small() {
        Some(TooSmall::Plan) => "at rest already: the workers do not fit",
        Some(TooSmall::DatabaseHost) => "at rest already: the database's host is too small",
        None => "at any rate",
    };
    let mut bar = point_bar("out of memory", 2, capacity.oom, "", at_rest);
    if capacity.leaks && capacity.oom == Threshold::Never {
        bar.label = "not within ten minutes".to_owned();
    }
    bar.alarming |= capacity.oom == Threshold::AtRest;
    bar
}

fn point_bar(name: &str, kind: usize, point: Threshold, why: &str, at_rest: &str) -> Bar {
    let (length, label) = match point {
        Threshold::At { rate, .. } => {
            (Some(rate.get()), words::threshold(point).unwrap_or_default() + why)
        }
        Threshold::Never => (None, "never".to_owned()),
        Threshold::AtRest => (None, at_rest.to_owned()),
        Threshold::NotSearched => (None, "not searched".to_owned()),
    };
    let segments = length.map(|length| (POINT_FILLS[kind], length, "")).into_iter().collect();
    Bar { name: name.to_owned(), segments, label, alarming: point == Threshold::AtRest }
}

fn title(study: &Study, answers: &Answers) -> String {
    let rates: Vec<f64> =
        answers.capacities.iter().filter_map(|it| it.carries().rate()).map(|it| it.get()).collect();
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
