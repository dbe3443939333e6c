//! p95 against the rate.

use super::curves::{any_points, heights, lines};
use super::{Axis, Body, Figure, LOG_ABOVE, MarkKind, Series, Unit, best, within};
use crate::experiment::answer::{Answers, Capacity, Finding, Study};
use crate::report::words::{self, seconds};

/// Up to so many lines share a panel; more get a panel per plan.
const LINES_PER_PANEL: usize = 6;

/// p95 against the rate, with the objective, the load line and the saturation point.
pub(super) fn figure(study: &Study, answers: &Answers) -> Option<Figure> {
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
                        with its 95% interval"
        .to_owned();
    if faded {
        subtitle.push_str("; faint where the rate is not sustained");
    }
    any_points(&lines).then(|| Figure {
        name: "response-time",
        title: title(study, answers),
        subtitle,
        body: Body::Lines(lines),
    })
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
