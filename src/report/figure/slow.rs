//! Where the time of slow requests goes.

use super::{Axis, Bar, Bars, Body, Figure, Group, Unit, longest};
use crate::experiment::answer::{Answers, Objective, Row, Study};
use crate::outcome::Stage;
use crate::report::verdict::is_slow;
use crate::report::words::{self, seconds};

/// A stage that nowhere takes this share of the time is not worth a line in the legend: it could
/// not be seen.
const LEAST_SHARE: f64 = 0.01;

/// Where the time of the requests around the 95th percentile goes.
pub(super) fn figure(study: &Study, answers: &Answers) -> Option<Figure> {
    let rows: Vec<&Row> = answers.rows.iter().filter(|row| steady_stages(row).is_some()).collect();
    let mut groups: Vec<Group> = Vec::new();
    for row in &answers.rows {
        let name = words::combination(study, &row.plan, &row.server);
        if groups.last().is_none_or(|group| group.name != name) {
            groups.push(Group { name, detail: String::new(), bars: Vec::new() });
        }
        groups.last_mut().expect("just pushed").bars.push(bar(row));
    }
    let objective = study.objective.p95.map(|p95| p95.as_secs());
    let present =
        |stage: &Stage| rows.iter().any(|row| mean_shares(&[row])[*stage as usize] >= LEAST_SHARE);
    let stages = Stage::ALL.into_iter().filter(present);
    let bars = Bars {
        axis: Axis {
            label: "response time".to_owned(),
            low: 0.0,
            high: axis_end(&rows, &groups, objective),
            log: false,
            unit: Unit::Seconds,
        },
        legend: stages.map(|stage| (words::stage(stage).to_owned(), stage as usize)).collect(),
        groups,
        rule: objective.map(|p95| (p95, format!("objective {}", seconds(p95)))),
    };
    (!rows.is_empty()).then(|| Figure {
        name: "slow-requests",
        title: title(&study.objective, &rows),
        subtitle: "Response time of the requests around the 95th percentile, by what they wait \
                   for (warm colours) and what is work (cool colours)"
            .to_owned(),
        body: Body::Bars(bars),
    })
}

/// Where the time of a row's slow requests goes; `None` where no request is answered, and where it
/// would depend on how long was simulated.
fn steady_stages(row: &Row) -> Option<[f64; Stage::COUNT]> {
    row.finding.slow_request.filter(|_| row.finding.is_steady())
}

fn bar(row: &Row) -> Bar {
    let spent = steady_stages(row).unwrap_or_default();
    let used = Stage::ALL.into_iter().filter(|stage| spent[*stage as usize] > 0.0);
    let segments =
        used.map(|stage| (stage as usize, spent[stage as usize], words::stage_in_short(stage)));
    let total = match row.finding.p95 {
        None if row.finding.is_steady() => "no request is answered".to_owned(),
        _ => words::p95(&row.finding),
    };
    let verdict = if row.finding.saturated { ", not sustained" } else { "" };
    Bar {
        name: format!("{} · {}/s", row.tier, words::plain(row.offered.get())),
        segments: segments.collect(),
        label: format!("{total}{verdict}"),
        alarming: row.finding.saturated || row.meets_objective == Some(false),
    }
}

/// The end of the slow requests' axis. What overloaded rows take grows with the time measured, and
/// what is far beyond the objective is too long anyhow: neither must squeeze the others to nothing.
fn axis_end(rows: &[&Row], groups: &[Group], objective: Option<f64>) -> f64 {
    const TOO_LONG: f64 = 3.0;
    let steady = rows.iter().filter(|row| !row.finding.saturated);
    let steady = steady.map(|row| bar(row).length()).fold(0.0, f64::max);
    let worth = steady.max(objective.unwrap_or(0.0)) * 1.3;
    let end = if steady > 0.0 { longest(groups).min(worth) } else { longest(groups) };
    let lengths = groups.iter().flat_map(|group| &group.bars).map(Bar::length);
    let cut = objective.map_or(f64::INFINITY, |objective| objective * TOO_LONG);
    let shown = lengths.clone().any(|length| length <= cut);
    (if shown { end.min(cut) } else { end }).max(1e-6)
}

/// What slow requests spend most of their time on: in the rows whose p95 misses the objective; if
/// there are none, in the sustained rows; if there are none of those either, in all.
fn title(objective: &Objective, rows: &[&Row]) -> String {
    let those = |is: &dyn Fn(&Row) -> bool| {
        rows.iter().copied().filter(|row| is(row)).collect::<Vec<&Row>>()
    };
    let missed = those(&|row| is_slow(objective, &row.finding));
    let sustained = those(&|row| !row.finding.saturated);
    let rows = [&missed[..], &sustained[..], rows].into_iter().find(|rows| !rows.is_empty());
    let shares = mean_shares(rows.unwrap_or_default());
    let most = Stage::ALL
        .into_iter()
        .reduce(|a, b| if shares[b as usize] > shares[a as usize] { b } else { a })
        .unwrap_or(Stage::Compute);
    let part = if shares[most as usize] > 0.5 { "most" } else { "the largest part" };
    let who = match missed.is_empty() {
        true => "Slow requests spend",
        false => "Where p95 misses the objective, slow requests spend",
    };
    let share = words::percent((shares[most as usize] * 100.0).round() / 100.0);
    format!("{who} {part} of their time ({share}) {}", words::doing(most))
}

/// The share of their time that the rows' slow requests spend in each stage, each row counting
/// the same.
fn mean_shares(rows: &[&Row]) -> [f64; Stage::COUNT] {
    let mut shares = [0.0; Stage::COUNT];
    for row in rows {
        let spent = row.finding.slow_request.unwrap_or_default();
        let whole = spent.iter().sum::<f64>().max(f64::MIN_POSITIVE) * rows.len() as f64;
        shares.iter_mut().zip(spent).for_each(|(share, part)| *share += part / whole);
    }
    shares
}
