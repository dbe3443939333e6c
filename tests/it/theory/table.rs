//! The reference table of models with known answers, and what of an outcome each row speaks of.

use tonnage::outcome::{Cause, Outcome, Queue};
use tonnage::site::Site;
use tonnage::stats::histogram::Histogram;

/// One row of `tests/data/analytic-cases.csv`.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) id: String,
    /// The quantity, with its unit.
    pub(crate) metric: String,
    /// Its value.
    pub(crate) expected: f64,
    parameters: String,
}

impl Row {
    /// The parameter called `name`.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let mut parameters = self.parameters.split(';').filter_map(|each| each.split_once('='));
        parameters.find(|(each, _)| *each == name)?.1.parse().ok()
    }

    /// The first of these parameters that the row has.
    pub(crate) fn one_of(&self, names: &[&str]) -> f64 {
        let found = names.iter().find_map(|name| self.number(name));
        found.unwrap_or_else(|| panic!("{} has none of {names:?}", self.id))
    }

    /// A parameter that counts.
    pub(crate) fn count(&self, names: &[&str]) -> u32 {
        self.one_of(names) as u32
    }

    /// Arrivals a second.
    pub(crate) fn rate(&self) -> f64 {
        let per_minute = self.number("lambda_per_min").map(|rate| rate / 60.0);
        // Erlangs are requests per service, and `service` is one second for these rows.
        per_minute.unwrap_or_else(|| self.one_of(&["lambda_rps", "offered_erlangs"]))
    }

    /// Seconds of service, on average.
    pub(crate) fn service(&self) -> f64 {
        if let Some(rate) = self.number("mu_rps") {
            return 1.0 / rate;
        }
        let minutes = self.number("mean_service_min").map(|minutes| minutes * 60.0);
        let seconds = ["mean_service_s", "service_s"].iter().find_map(|name| self.number(name));
        minutes.or(seconds).unwrap_or(1.0)
    }

    /// Whether nothing but the very value will do.
    pub(crate) fn is_exact(&self) -> bool {
        self.expected < 1e-12 || self.metric == "max_workers_without_oom"
    }

    /// How wide the interval may be, as a share of the value.
    pub(crate) fn tolerance(&self) -> f64 {
        let tail = self.metric.starts_with("p95") || self.metric.starts_with("p99");
        if tail { 0.02 } else { 0.01 }
    }
}

/// The whole table.
pub(crate) fn table() -> Vec<Row> {
    let text = include_str!("../../data/analytic-cases.csv");
    let records = csv::Reader::from_reader(text.as_bytes()).into_records();
    let rows = records.map(|record| {
        let record = record.unwrap();
        let text = |column: usize| record[column].to_owned();
        Row {
            id: text(0),
            metric: text(3),
            expected: record[4].parse().unwrap(),
            parameters: text(2),
        }
    });
    rows.collect()
}

/// The rows whose names are `family`, a dash, and one of `names` (several, by spaces); just
/// `family` where that is a row's whole name.
pub(crate) fn rows(family: &str, names: &str) -> Vec<Row> {
    let table = table();
    let ids = names.split(' ').map(|name| match name {
        "" => family.to_owned(),
        name => format!("{family}-{name}"),
    });
    let row = |id: String| {
        let found = table.iter().find(|row| row.id == id);
        found.unwrap_or_else(|| panic!("the table has no row {id}")).clone()
    };
    ids.map(row).collect()
}

/// What `outcome` says of the quantity `metric`. Times in seconds.
pub(crate) fn measure(metric: &str, site: &Site, outcome: &Outcome) -> f64 {
    let counts = &outcome.counts;
    let levels = &outcome.levels;
    let wait = |queue: Queue| &outcome.waits[queue as usize];
    let share = |part: u64| part as f64 / counts.arrived as f64;
    match metric {
        "mean_response_s" | "mean_response_accepted_s" => mean(&responses(outcome)),
        "mean_response_given_size_s" => mean(&outcome.response[0]),
        "p50_response_s" => quantile(&responses(outcome), 0.5),
        "p95_response_s" => quantile(&responses(outcome), 0.95),
        "p99_response_s" => quantile(&responses(outcome), 0.99),
        "mean_wait_s" | "mean_backlog_wait_s" => mean(wait(Queue::Worker)),
        "p90_wait_s" => quantile(wait(Queue::Worker), 0.9),
        "p95_wait_s" => quantile(wait(Queue::Worker), 0.95),
        "prob_no_wait" => none(wait(Queue::Worker)),
        "prob_wait" => 1.0 - none(wait(Queue::Worker)),
        "mean_wait_for_db_conn_s" | "mean_wait_all_s" => mean(wait(Queue::Connection)),
        "mean_number_in_system" | "mean_in_flight" => levels.inside.mean,
        "mean_queue" => levels.backlog.mean,
        "mean_busy_workers" => levels.workers.mean,
        "mean_db_conns_busy" => levels.connections.mean,
        "mean_waiting_for_db_conn" => levels.pool_queue.mean,
        "cpu_utilisation" => levels.cores.mean / f64::from(site.host.cores),
        "throughput_rps" | "saturation_throughput_rps" => {
            counts.answered as f64 / outcome.measured.as_secs()
        }
        "reject_fraction" => share(counts.failed[Cause::Backlog as usize]),
        "blocking_prob" => share(counts.failed[Cause::Limit as usize]),
        "timeout_fraction" => share(counts.failed[Cause::Pool as usize]),
        "prob_all_workers_busy" => 1.0 - found(outcome, 0, u64::from(site.server.workers) - 1),
        "prob_0_in_system" => found(outcome, 0, 0),
        "prob_1_in_system" => found(outcome, 1, 1),
        "prob_2_in_system" => found(outcome, 2, 2),
        "prob_3_in_system" => found(outcome, 3, 3),
        "mean_time_to_first_oom_s" => outcome.first_kill[0].unwrap().as_secs(),
        "L/(lambda_eff*R)" => little(outcome),
        other => panic!("no outcome says {other}"),
    }
}

/// The responses to all endpoints.
fn responses(outcome: &Outcome) -> Histogram {
    let mut all = Histogram::new();
    outcome.response.iter().for_each(|histogram| all.merge(histogram));
    all
}

fn mean(spans: &Histogram) -> f64 {
    spans.mean().unwrap() / 1e9
}

fn quantile(spans: &Histogram, share: f64) -> f64 {
    spans.quantile(share).unwrap() as f64 / 1e9
}

/// The share of `spans` that are zero.
fn none(spans: &Histogram) -> f64 {
    spans.count_to(0) as f64 / spans.count() as f64
}

/// The share of arrivals that found between `low` and `high` requests inside: by PASTA the share
/// of time in which there are so many.
fn found(outcome: &Outcome, low: u64, high: u64) -> f64 {
    let below = if low == 0 { 0 } else { outcome.seen.count_to(low - 1) };
    (outcome.seen.count_to(high) - below) as f64 / outcome.seen.count() as f64
}

/// Requests inside over rate times response.
fn little(outcome: &Outcome) -> f64 {
    let rate = outcome.counts.answered as f64 / outcome.measured.as_secs();
    outcome.levels.inside.mean / (rate * mean(&responses(outcome)))
}
