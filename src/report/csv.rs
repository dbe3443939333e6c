//! The rows, for a spreadsheet: stable columns with the unit in the name. A cell without a value is
//! empty, never 0 or NaN.

use super::words::{self, digits};
use crate::experiment::answer::{Accuracy, Answers, Capacity, Finding, Row, Study, Threshold};
use crate::outcome::{Cause, Queue, Stage};
use crate::stats::estimate::Estimate;
use crate::units::{Bytes, Span};

/// A column: its name, and its cell for a row.
type Column<T> = (&'static str, fn(&Study, &T) -> String);

/// `results.csv`: a row per plan, server and tier.
pub fn results(study: &Study, answers: &Answers) -> Vec<u8> {
    write(RESULTS, study, &answers.rows)
}

/// `capacity.csv`: a row per plan and server.
pub fn capacity(study: &Study, answers: &Answers) -> Vec<u8> {
    write(CAPACITY, study, &answers.capacities)
}

const RESULTS: &[Column<Row>] = &[
    ("plan", |_, row| row.plan.clone()),
    ("server", |_, row| row.server.clone()),
    ("tier", |_, row| row.tier.clone()),
    ("offered_rps", |_, row| number(row.offered.get())),
    ("served_rps", |_, row| middle(if_steady(row, |it| Some(it.served)), 1.0)),
    ("served_rps_low", |_, row| low(if_steady(row, |it| Some(it.served)), 1.0)),
    ("served_rps_high", |_, row| high(if_steady(row, |it| Some(it.served)), 1.0)),
    ("mean_ms", |_, row| middle(if_steady(row, |it| it.mean), 1e3)),
    ("mean_ms_low", |_, row| low(if_steady(row, |it| it.mean), 1e3)),
    ("mean_ms_high", |_, row| high(if_steady(row, |it| it.mean), 1e3)),
    ("p50_ms", |_, row| middle(if_steady(row, |it| it.p50), 1e3)),
    ("p50_ms_low", |_, row| low(if_steady(row, |it| it.p50), 1e3)),
    ("p50_ms_high", |_, row| high(if_steady(row, |it| it.p50), 1e3)),
    ("p90_ms", |_, row| middle(if_steady(row, |it| it.p90), 1e3)),
    ("p90_ms_low", |_, row| low(if_steady(row, |it| it.p90), 1e3)),
    ("p90_ms_high", |_, row| high(if_steady(row, |it| it.p90), 1e3)),
    ("p95_ms", |_, row| middle(if_steady(row, |it| it.p95), 1e3)),
    ("p95_ms_low", |_, row| low(if_steady(row, |it| it.p95), 1e3)),
    ("p95_ms_high", |_, row| high(if_steady(row, |it| it.p95), 1e3)),
    ("p99_ms", |_, row| middle(if_steady(row, |it| it.p99), 1e3)),
    ("p99_ms_low", |_, row| low(if_steady(row, |it| it.p99), 1e3)),
    ("p99_ms_high", |_, row| high(if_steady(row, |it| it.p99), 1e3)),
    ("error_rate", |_, row| middle(if_steady(row, |it| Some(it.error_rate)), 1.0)),
    ("error_rate_low", |_, row| low(if_steady(row, |it| Some(it.error_rate)), 1.0)),
    ("error_rate_high", |_, row| share_high(if_steady(row, |it| Some(it.error_rate)))),
    ("errors_backlog", |_, row| lost(row, Cause::Backlog)),
    ("errors_limit", |_, row| lost(row, Cause::Limit)),
    ("errors_connections", |_, row| lost(row, Cause::Connections)),
    ("errors_pool", |_, row| lost(row, Cause::Pool)),
    ("errors_timeout", |_, row| lost(row, Cause::Timeout)),
    ("errors_patience", |_, row| lost(row, Cause::Patience)),
    ("errors_killed", |_, row| lost(row, Cause::Killed)),
    ("errors_down", |_, row| lost(row, Cause::Down)),
    ("open_rate", |_, row| maybe(if_steady(row, |it| Some(it.open)))),
    ("cpu_utilisation", |_, row| number(row.finding.usage.cpu_utilisation)),
    ("database_cpu_utilisation", |_, row| maybe(row.finding.usage.database_cpu_utilisation)),
    ("worker_utilisation", |_, row| number(row.finding.usage.worker_utilisation)),
    ("gil_utilisation", |_, row| number(row.finding.usage.gil_utilisation)),
    ("pool_utilisation", |_, row| maybe(row.finding.usage.pool_utilisation)),
    ("backlog_mean", |_, row| maybe(if_steady(row, |it| Some(it.usage.backlog_mean)))),
    ("in_flight_mean", |_, row| maybe(if_steady(row, |it| Some(it.usage.inside_mean)))),
    ("in_flight_peak", |_, row| text(if_steady(row, |it| Some(it.usage.inside_peak)))),
    ("pool_queue_mean", |_, row| maybe(if_steady(row, |it| Some(it.usage.pool_queue_mean)))),
    ("connections_busy_mean", |_, row| number(row.finding.usage.connections_busy_mean)),
    ("connections_mean", |_, row| number(row.finding.usage.connections_mean)),
    ("connections_peak", |_, row| row.finding.usage.connections_peak.to_string()),
    ("memory_mean_mb", |_, row| mib(row.finding.usage.memory_mean)),
    ("memory_peak_mb", |_, row| mib(row.finding.usage.memory_peak)),
    ("oom_kills_per_hour", |_, row| number(row.finding.oom_kills_per_hour)),
    ("saturated", |_, row| row.finding.saturated.to_string()),
    ("grows", |_, row| row.finding.grows.to_string()),
    ("meets_objective", |_, row| text(row.meets_objective)),
    ("bottleneck", |_, row| bottleneck(&row.finding)),
    ("wait_worker_mean_ms", |_, row| waited(row, Queue::Worker)),
    ("wait_gil_mean_ms", |_, row| waited(row, Queue::Gil)),
    ("wait_connection_mean_ms", |_, row| waited(row, Queue::Connection)),
    ("slow_worker_ms", |_, row| slow(row, Stage::Worker)),
    ("slow_gil_ms", |_, row| slow(row, Stage::Gil)),
    ("slow_cores_ms", |_, row| slow(row, Stage::Cores)),
    ("slow_connection_ms", |_, row| slow(row, Stage::Connection)),
    ("slow_database_cores_ms", |_, row| slow_apart(row)),
    ("slow_compute_ms", |_, row| slow(row, Stage::Compute)),
    ("slow_database_ms", |_, row| slow(row, Stage::Database)),
    ("slow_call_ms", |_, row| slow(row, Stage::Call)),
    ("slow_network_ms", |_, row| slow(row, Stage::Network)),
    ("replications", |_, row| row.finding.replications.to_string()),
    ("warmup_s", |_, row| secs(row.finding.warmup)),
    ("measured_s", |_, row| secs(row.finding.measured)),
    ("precise", |_, row| row.finding.precise.to_string()),
    ("stopped_early", |_, row| row.finding.stopped.is_some().to_string()),
    ("events", |_, row| row.finding.events.to_string()),
    ("conversion", conversion),
];

const CAPACITY: &[Column<Capacity>] = &[
    ("plan", |_, capacity| capacity.plan.clone()),
    ("server", |_, capacity| capacity.server.clone()),
    ("workers", |_, capacity| capacity.workers.to_string()),
    ("price", |_, capacity| maybe(capacity.price)),
    ("saturation_rps", |_, capacity| rate(Some(capacity.saturation))),
    ("load_line_rps", |_, capacity| rate(capacity.load_line)),
    ("oom_rps", |_, capacity| rate(Some(capacity.oom))),
    ("oom_workers", |_, capacity| text(capacity.oom_workers)),
    ("first_limit", |_, capacity| {
        capacity.first_limit.map(|limit| limit.name().to_owned()).unwrap_or_default()
    }),
    ("comes_first", |_, capacity| capacity.comes_first().unwrap_or_default().to_owned()),
    ("saturation", |_, capacity| ending(Some(capacity.saturation))),
    ("saturation_beyond_rps", |_, capacity| beyond(Some(capacity.saturation))),
    ("load_line", |_, capacity| ending(capacity.load_line)),
    ("load_line_beyond_rps", |_, capacity| beyond(capacity.load_line)),
    ("oom", |_, capacity| ending(Some(capacity.oom))),
    ("oom_beyond_rps", |_, capacity| beyond(Some(capacity.oom))),
    ("rps_per_price", |_, capacity| maybe(capacity.rate_per_price())),
    ("memory_at_rest_mb", |_, capacity| mib(capacity.budget.used())),
    ("memory_mb", |_, capacity| capacity.budget.ceiling.map(mib).unwrap_or_default()),
    ("fits_at_rest", |_, capacity| capacity.budget.fits().to_string()),
];

fn write<T>(columns: &[Column<T>], study: &Study, rows: &[T]) -> Vec<u8> {
    let names = columns.iter().map(|(name, _)| *name);
    let cells = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(study, row)).collect());
    table(names, cells)
}

/// A line of `names`, and one of cells for each row.
pub(super) fn table<'n>(
    names: impl Iterator<Item = &'n str>,
    rows: impl Iterator<Item = Vec<String>>,
) -> Vec<u8> {
    const IN_MEMORY: &str = "writing to memory cannot fail";
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(names).expect(IN_MEMORY);
    for cells in rows {
        writer.write_record(cells).expect(IN_MEMORY);
    }
    writer.into_inner().expect(IN_MEMORY)
}

/// Six significant digits: more than any estimate is good for, and few enough to read.
fn number(value: f64) -> String {
    digits(value, 6)
}

fn maybe(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn middle(estimate: Option<Estimate>, unit: f64) -> String {
    maybe(estimate.map(|estimate| estimate.mean * unit))
}

fn low(estimate: Option<Estimate>, unit: f64) -> String {
    maybe(estimate.and_then(|estimate| words::interval(&estimate)).map(|(low, _)| low * unit))
}

fn high(estimate: Option<Estimate>, unit: f64) -> String {
    maybe(estimate.and_then(|estimate| words::interval(&estimate)).map(|(_, high)| high * unit))
}

fn share_high(estimate: Option<Estimate>) -> String {
    let interval = estimate.and_then(|estimate| words::interval(&estimate));
    maybe(interval.map(|(_, high)| high.min(1.0)))
}

/// What `of` gives for a row's finding; `None` if it would only reflect how long was simulated.
fn if_steady<T>(row: &Row, of: impl Fn(&Finding) -> Option<T>) -> Option<T> {
    if row.finding.is_steady() { of(&row.finding) } else { None }
}

/// What gives way. A row that grows has it; one beyond the reach of the simulator does not.
fn bottleneck(finding: &Finding) -> String {
    let known = !finding.is_beyond_reach() && !finding.is_empty();
    text(known.then(|| finding.bottleneck.name()))
}

fn lost(row: &Row, cause: Cause) -> String {
    maybe(if_steady(row, |it| Some(it.errors[cause as usize])))
}

/// The wait for the database's own cores, where it has its own.
fn slow_apart(row: &Row) -> String {
    let has_own = row.finding.usage.database_cpu_utilisation.is_some();
    if has_own { slow(row, Stage::DatabaseCores) } else { String::new() }
}

fn waited(row: &Row, queue: Queue) -> String {
    maybe(if_steady(row, |it| Some(it.mean_wait[queue as usize] * 1e3)))
}

fn slow(row: &Row, stage: Stage) -> String {
    maybe(if_steady(row, |it| it.slow_request).map(|spent| spent[stage as usize] * 1e3))
}

fn mib(bytes: Bytes) -> String {
    number(bytes.as_mib())
}

fn secs(span: Span) -> String {
    number(span.as_secs())
}

fn rate(threshold: Option<Threshold>) -> String {
    maybe(threshold.and_then(|threshold| threshold.rate()).map(|rate| rate.get()))
}

fn beyond(threshold: Option<Threshold>) -> String {
    match threshold {
        Some(Threshold::At { beyond, .. }) => number(beyond.get()),
        _ => String::new(),
    }
}

fn ending(threshold: Option<Threshold>) -> String {
    let word = match threshold {
        None => "",
        Some(Threshold::At { accuracy: Accuracy::Resolution, .. }) => "at",
        Some(Threshold::At { accuracy: Accuracy::Noise, .. }) => "about",
        Some(Threshold::Never) => "never",
        Some(Threshold::AtRest) => "at rest",
        Some(Threshold::NotSearched) => "not searched",
    };
    word.to_owned()
}

fn conversion(study: &Study, row: &Row) -> String {
    let same = |plan: &str, server: &str| plan == row.plan && server == row.server;
    let tiers = study.combinations.iter().filter(|each| same(&each.plan, &each.server));
    let mut tiers = tiers.flat_map(|each| &each.tiers).filter(|tier| tier.name == row.tier);
    tiers.next().and_then(|tier| tier.conversion.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::answer::Limit;
    use crate::outcome::Stopped;
    use crate::report::sample;

    fn lines(bytes: Vec<u8>) -> Vec<String> {
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn cells(line: &str) -> Vec<&str> {
        line.split(',').collect()
    }

    #[test]
    fn the_columns_of_the_results_are_a_promise() {
        let (study, answers) = sample::made_up(&[], &[], &[]);
        let header = "plan,server,tier,offered_rps,served_rps,served_rps_low,served_rps_high,\
            mean_ms,mean_ms_low,mean_ms_high,p50_ms,p50_ms_low,p50_ms_high,\
            p90_ms,p90_ms_low,p90_ms_high,p95_ms,p95_ms_low,p95_ms_high,\
            p99_ms,p99_ms_low,p99_ms_high,error_rate,error_rate_low,error_rate_high,\
            errors_backlog,errors_limit,errors_connections,errors_pool,errors_timeout,\
            errors_patience,errors_killed,errors_down,open_rate,cpu_utilisation,\
            database_cpu_utilisation,worker_utilisation,gil_utilisation,pool_utilisation,\
            backlog_mean,in_flight_mean,in_flight_peak,pool_queue_mean,connections_busy_mean,\
            connections_mean,connections_peak,memory_mean_mb,memory_peak_mb,oom_kills_per_hour,\
            saturated,grows,meets_objective,bottleneck,wait_worker_mean_ms,wait_gil_mean_ms,\
            wait_connection_mean_ms,slow_worker_ms,slow_gil_ms,slow_cores_ms,slow_connection_ms,\
            slow_database_cores_ms,slow_compute_ms,slow_database_ms,slow_call_ms,slow_network_ms,\
            replications,\
            warmup_s,measured_s,precise,stopped_early,events,conversion";
        assert_eq!(lines(results(&study, &answers)), [header]);
    }

    #[test]
    fn the_columns_of_the_capacities_are_a_promise() {
        let (study, answers) = sample::made_up(&[], &[], &[]);
        let header = "plan,server,workers,price,saturation_rps,load_line_rps,oom_rps,oom_workers,\
            first_limit,comes_first,saturation,saturation_beyond_rps,load_line,\
            load_line_beyond_rps,oom,oom_beyond_rps,rps_per_price,memory_at_rest_mb,\
            memory_mb,fits_at_rest";
        assert_eq!(lines(capacity(&study, &answers)), [header]);
    }

    #[test]
    fn a_capacity_reads_as_written_by_hand() {
        let (study, answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
        let line = "2GB,gunicorn,3,12,23,20.7,,9,cores,load line,at,23.23,at,20.93,never,,1.725,\
                    1050,2048,true";
        assert_eq!(lines(capacity(&study, &answers))[1], line);
    }

    #[test]
    fn a_row_gives_each_figure_in_the_unit_of_its_column() {
        let (study, mut answers) = sample::made_up(&[("2, \"big\"", 2)], &["gunicorn"], &[11.5]);
        answers.rows[0].finding.p95 = Estimate::of(&[0.1, 0.2]);
        answers.rows[0].finding.error_rate = Estimate::of(&[0.9, 1.0]).unwrap();
        let bytes = results(&study, &answers);
        let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
        let header = reader.headers().unwrap().clone();
        let record = reader.records().next().unwrap().unwrap();
        let cell = |name: &str| &record[header.iter().position(|it| it == name).unwrap()];
        assert_eq!(cell("plan"), "2, \"big\"");
        assert_eq!(cell("offered_rps"), "11.5");
        assert_eq!(cell("p95_ms"), "150");
        // Two replications have a wide interval: 150 +- 12.7062 x 50, which no time goes below 0.
        assert_eq!((cell("p95_ms_low"), cell("p95_ms_high")), ("0", "785.31"));
        // Nor is any share above 1: 0.95 +- 12.7062 x 0.05.
        assert_eq!((cell("error_rate_low"), cell("error_rate_high")), ("0.31469", "1"));
        assert_eq!((cell("cpu_utilisation"), cell("memory_peak_mb")), ("0.5", "1100"));
        assert_eq!((cell("warmup_s"), cell("measured_s")), ("30", "300"));
        assert_eq!((cell("meets_objective"), cell("bottleneck")), ("true", "cores"));
        assert_eq!(cell("conversion"), "57,600 visitors a day x 5 x 3 / 86400");
    }

    #[test]
    fn what_there_is_nothing_to_say_about_is_empty() {
        let (study, mut answers) = sample::made_up(&[("box", 2)], &["mm1"], &[2.0, 3.0]);
        let row = &mut answers.rows[1];
        row.meets_objective = None;
        (row.finding.mean, row.finding.p50, row.finding.p90) = (None, None, None);
        (row.finding.p95, row.finding.p99, row.finding.slow_request) = (None, None, None);
        row.finding.served = Estimate::of(&[3.0]).unwrap();
        row.finding.error_rate = Estimate::of(&[0.0]).unwrap();
        let lines = lines(results(&study, &answers));
        let empty = cells(&lines[0])
            .into_iter()
            .zip(cells(&lines[2]))
            .filter(|(_, cell)| cell.is_empty())
            .map(|(name, _)| name);
        let mut expected: Vec<String> = vec!["served_rps_low".into(), "served_rps_high".into()];
        for figure in ["mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms"] {
            expected.extend(["", "_low", "_high"].map(|end| format!("{figure}{end}")));
        }
        expected.extend(["error_rate_low", "error_rate_high"].map(str::to_owned));
        expected.extend(["database_cpu_utilisation", "pool_utilisation"].map(str::to_owned));
        expected.extend(["meets_objective", "bottleneck"].map(str::to_owned));
        expected.extend(
            [
                "worker",
                "gil",
                "cores",
                "connection",
                "database_cores",
                "compute",
                "database",
                "call",
                "network",
            ]
            .map(|stage| format!("slow_{stage}_ms")),
        );
        expected.push("conversion".to_owned());
        assert_eq!(empty.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_says_only_how_long_was_simulated_is_empty() {
        let (study, mut answers) = sample::made_up(&[("box", 2)], &["mm1"], &[2.0, 300.0]);
        answers.rows[1].finding.grows = true;
        let lines = lines(results(&study, &answers));
        let [header, steady, growing] = [0, 1, 2].map(|index| cells(&lines[index]));
        let told: Vec<&str> = (0..header.len())
            .filter(|index| !steady[*index].is_empty() && !growing[*index].is_empty())
            .map(|index| header[index])
            .collect();
        let expected = "plan server tier offered_rps cpu_utilisation worker_utilisation \
            gil_utilisation connections_busy_mean connections_mean connections_peak memory_mean_mb \
            memory_peak_mb oom_kills_per_hour saturated grows meets_objective bottleneck \
            replications warmup_s measured_s precise stopped_early events";
        assert_eq!(told, expected.split_whitespace().collect::<Vec<_>>());
        let grows = header.iter().position(|name| *name == "grows").unwrap();
        assert_eq!((steady[grows], growing[grows]), ("false", "true"));
    }

    #[test]
    fn what_the_simulator_does_not_reach_is_empty_and_so_is_what_gives_way_there() {
        let (study, mut answers) = sample::made_up(&[("box", 2)], &["mm1"], &[2.0, 3.0]);
        answers.rows[1].finding.stopped = Some(Stopped::InFlight);
        answers.rows[1].meets_objective = None;
        let lines = lines(results(&study, &answers));
        let [header, steady, hidden] = [0, 1, 2].map(|index| cells(&lines[index]));
        let cell = |name: &str| {
            let at = header.iter().position(|column| *column == name).unwrap();
            (steady[at].is_empty(), hidden[at])
        };
        for name in ["served_rps", "p95_ms", "error_rate", "bottleneck", "meets_objective"] {
            assert_eq!(cell(name), (false, ""), "{name}");
        }
        assert_eq!(cell("stopped_early"), (false, "true"));
    }

    #[test]
    fn a_comma_in_a_name_keeps_to_its_cell() {
        let cells = vec!["xeon, 2 vCPU".to_owned(), "sync-w3".to_owned()];
        let text = table(["machine", "case"].into_iter(), [cells].into_iter());
        assert_eq!(lines(text), ["machine,case", "\"xeon, 2 vCPU\",sync-w3"]);
    }

    #[test]
    fn how_a_search_ended_is_a_word() {
        let (study, mut answers) = sample::made_up(&[("box", 2)], &["mm1"], &[]);
        let capacity_row = &mut answers.capacities[0];
        capacity_row.saturation = Threshold::NotSearched;
        capacity_row.load_line = None;
        capacity_row.oom = Threshold::AtRest;
        capacity_row.oom_workers = None;
        capacity_row.first_limit = Some(Limit::DatabaseCores);
        capacity_row.price = None;
        capacity_row.budget.ceiling = None;
        let line = "box,mm1,3,,,,,,database cores,oom,not searched,,,,at rest,,,1050,,true";
        assert_eq!(lines(capacity(&study, &answers))[1], line);
    }
}
