//! The recorded set, replayed: predictions beside what real servers did.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rayon::prelude::*;
use tonnage::experiment::accuracy::{CaseRecordings, RecordingAccuracy, judge};
use tonnage::report::accuracy::csv;
use tonnage::scenario;
use tonnage::trace::{Case, Reader, Source};

/// The machines that were recorded on, and the scenarios that describe their stacks.
const MACHINES: [(&str, &str); 2] = [("xeon", "testbed.toml"), ("epyc", "testbed-epyc.toml")];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recorded(machine: &str) -> PathBuf {
    here().join("tests/data/recorded").join(machine)
}

fn site(scenario: &str, case: &Case, sets: &[String]) -> tonnage::site::Site {
    let study = scenario::load(&here().join("scenarios").join(scenario), sets).unwrap().study;
    let mut all = study.combinations.into_iter();
    all.find(|each| each.server == case.server()).unwrap().site
}

fn judged(machine: &str, scenario: &str, case: &Case) -> RecordingAccuracy {
    let base = site(scenario, case, &[]).server.worker_memory;
    let source = Source::open(&case.trace(&recorded(machine))).unwrap();
    let mut reader = Reader::new(source);
    let requests: Vec<_> = reader.by_ref().collect();
    reader.finish().unwrap();
    let site = site(scenario, case, &case.sets(base));
    let judgement = judge(&case.name(), &site, 0, &requests, case.breaks());
    RecordingAccuracy { machine: machine.to_owned(), ..judgement }
}

/// Every case, judged once.
static JUDGED: LazyLock<Vec<RecordingAccuracy>> =
    LazyLock::new(|| judged_by(MACHINES.map(|(_, scenario)| scenario), |_| true));

/// Every case in which nothing breaks, as the stacks' presets have it.
static BY_PRESETS: LazyLock<Vec<RecordingAccuracy>> =
    LazyLock::new(|| judged_by(["testbed-presets.toml"; 2], |case| !case.breaks()));

/// Those of the cases that are `wanted`, by a scenario for each machine.
fn judged_by(scenarios: [&str; 2], wanted: fn(&Case) -> bool) -> Vec<RecordingAccuracy> {
    let all = MACHINES.iter().zip(scenarios).flat_map(|((machine, _), scenario)| {
        let list = fs::read(recorded(machine).join("cases.csv")).unwrap();
        let cases = Case::read_all(&list).unwrap().into_iter().filter(wanted);
        cases.map(move |case| (*machine, scenario, case))
    });
    let all: Vec<_> = all.collect();
    all.par_iter().map(|(machine, scenario, case)| judged(machine, scenario, case)).collect()
}

/// The cases in which nothing breaks: what was recorded several times over counts by its middle
/// recording.
fn whole() -> Vec<CaseRecordings<'static>> {
    CaseRecordings::of(&JUDGED).into_iter().filter(|case| !case.first().breaks).collect()
}

/// The sizes of what `error` says of the cases that are `busy`, or not, by size.
fn errors(busy: bool, error: fn(&CaseRecordings<'static>) -> Option<f64>) -> Vec<f64> {
    sizes(&whole(), busy, error)
}

fn sizes(
    cases: &[CaseRecordings<'static>],
    busy: bool,
    error: fn(&CaseRecordings<'static>) -> Option<f64>,
) -> Vec<f64> {
    let of = cases.iter().filter(|case| is_busy(case) == busy);
    let mut errors: Vec<f64> = of.map(|case| error(case).unwrap().abs()).collect();
    errors.sort_by(f64::total_cmp);
    errors
}

fn is_busy(case: &CaseRecordings) -> bool {
    case.first().utilisation >= 0.8
}

#[test]
fn below_four_fifths_busy_the_median_error_of_p95_is_at_most_two_and_a_half_per_cent() {
    let errors = errors(false, CaseRecordings::p95_error);
    assert!(errors.len() >= 30, "{} cases", errors.len());
    let median = errors[(errors.len() - 1) / 2];
    assert!(median <= 0.025, "the median error of p95 is {median}");
}

/// What is asked of a prediction: p95 within a tenth while no resource is busier than four
/// fifths, and beyond that the load that gives the measured p95 within three per cent.
fn is_close(case: &CaseRecordings) -> bool {
    match is_busy(case) {
        false => case.p95_error().is_some_and(|error| error.abs() <= 0.10),
        true => case.load_error().is_some_and(|error| error.abs() <= 0.03),
    }
}

/// Where predictions are not as close as asked, and what is known of why.
const MISSES: [(&str, &str); 4] = [
    // The machine was slower for some seconds (tests/data/recorded/README.md).
    ("xeon", "async-w1-c1-5"),
    ("xeon", "sync-w5-c2-110"),
    // Half of its CPU is the stack's, 0.83 ms in the first take and 0.63 and 0.71 in the two that
    // were recorded six days later: the machine was faster then.
    ("epyc", "async-w1-light-c1-300"),
    // Which of two processes has how many of ten requests of 200 ms, within a second: three takes
    // of it differ by 20 %, and predictions by 25 % over seeds. The load is 1 % off.
    ("epyc", "gthread-w2t4-mix-c1-45"),
];

#[test]
fn every_prediction_is_as_close_as_asked_but_for_those_listed() {
    let missed = whole().into_iter().filter(|case| !is_close(case)).map(|case| case.first());
    let mut missed: Vec<_> = missed.map(|it| (it.machine.as_str(), it.name.as_str())).collect();
    let mut listed = MISSES.to_vec();
    missed.sort_unstable();
    listed.sort_unstable();
    assert_eq!(missed, listed);
}

#[test]
fn where_nothing_breaks_error_rates_are_within_a_percentage_point() {
    let far = JUDGED.iter().filter(|each| !each.breaks && each.error_rate_error().abs() > 0.01);
    let far: Vec<_> = far.map(|it| (it.machine.as_str(), it.name.as_str())).collect();
    assert_eq!(far, []);
}

/// The cases in which something gives way, by machine and name.
fn broken() -> Vec<(String, CaseRecordings<'static>)> {
    let broken = CaseRecordings::of(&JUDGED).into_iter().filter(|case| case.first().breaks);
    broken.map(|case| (format!("{} {}", case.first().machine, case.first().name), case)).collect()
}

#[test]
fn memory_runs_out_where_it_did_and_lasts_where_it_did() {
    let (killed, survived): (Vec<_>, Vec<_>) = broken()
        .into_iter()
        .filter(|(name, _)| name.contains("oom") || name.contains("ballast"))
        .partition(|(_, case)| case.first().oom_kills > 0);
    let names = |all: Vec<(String, _)>| all.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let killed_then = [
        "xeon async-oom-c1-80",
        "xeon async-oom-c1-110",
        "xeon sync-w4-ballast100-m400-20",
        "epyc async-oom-c1-110",
        "epyc gthread-w2t40-oom-c1-20",
        "epyc gthread-w2t40-oom-c1-90",
        "epyc sync-w4-ballast100-m400-20",
    ];
    assert_eq!(names(killed), killed_then);
    let survived_then = [
        "xeon async-oom-c1-20",
        "xeon async-oom-c1-50",
        "xeon sync-w2-ballast100-m400-20",
        "epyc async-oom-c1-50",
        "epyc async-oom-c1-80",
        "epyc sync-w2-ballast100-m400-20",
    ];
    assert_eq!(names(survived), survived_then);
}

/// Takes of one loop of kills differ by up to 13 points, and predictions by seeds by as much.
#[test]
fn where_something_breaks_error_rates_are_within_ten_points_but_for_the_one_listed() {
    let far = broken().into_iter().filter(|(_, case)| case.error_rate_error().abs() > 0.1);
    let far: Vec<_> = far.map(|(name, _)| name).collect();
    // A machine that is not at hand any more, and was busy with its kills all the time: 60 requests
    // of 320 were at work in a worker that was killed, where 27 are predicted.
    assert_eq!(far, ["xeon sync-w4-ballast100-m400-20"]);
}

#[test]
fn the_table_that_is_kept_is_what_the_recordings_give() {
    let kept = fs::read(here().join("output/accuracy/accuracy.csv")).unwrap();
    assert!(kept == csv(&JUDGED), "output/accuracy is old: `tonnage accuracy` writes it anew");
}

/// With nothing measured of the machine but what the presets say of every one.
#[test]
fn the_readme_says_how_far_off_the_presets_are() {
    let readme = fs::read_to_string(here().join("README.md")).unwrap();
    let cases = CaseRecordings::of(&BY_PRESETS);
    let (calm, busy) = (
        sizes(&cases, false, CaseRecordings::p95_error),
        sizes(&cases, true, CaseRecordings::load_error),
    );
    let median = 100.0 * calm[(calm.len() - 1) / 2];
    let [worst, most] = [&calm, &busy].map(|errors| 100.0 * errors.last().unwrap());
    for quoted in [
        format!("{median:.1} % in the median, at worst {worst:.0} % | {} cases", calm.len()),
        format!("at worst {most:.0} % | {} cases", busy.len()),
    ] {
        assert!(readme.contains(&quoted), "the README does not say \"{quoted}\"");
    }
}

#[test]
fn the_readme_quotes_the_table() {
    let readme = fs::read_to_string(here().join("README.md")).unwrap();
    let (calm, busy) =
        (errors(false, CaseRecordings::p95_error), errors(true, CaseRecordings::load_error));
    let beyond = calm.iter().filter(|error| **error > 0.10).count();
    let within = busy.iter().filter(|error| **error <= 0.03).count();
    let mut spreads: Vec<f64> = whole().iter().filter_map(CaseRecordings::spread).collect();
    spreads.sort_by(f64::total_cmp);
    let percent =
        |share: Option<&f64>, places: usize| format!("{:.places$} %", 100.0 * share.unwrap());
    let median = |sorted: &[f64], places| percent(sorted.get((sorted.len() - 1) / 2), places);
    let recordings = JUDGED.iter().filter(|each| !each.breaks).count();
    let mut lost: Vec<f64> = broken().iter().map(|(_, it)| it.error_rate_error().abs()).collect();
    lost.sort_by(f64::total_cmp);
    let far = lost.iter().filter(|error| **error > 0.1).count();
    let mut strays: Vec<f64> =
        broken().iter().filter_map(|(_, case)| case.error_rate_spread()).collect();
    strays.sort_by(f64::total_cmp);
    let limited = broken().into_iter().filter(|(name, _)| !name.contains("overload")).count();
    for quoted in [
        format!(
            "{} in the median; more than 10 % in {beyond}, at worst {} | {} cases",
            median(&calm, 1),
            percent(calm.last(), 0),
            calm.len()
        ),
        format!(
            "3 % or less in {within}, at worst {} | {} cases",
            percent(busy.last(), 0),
            busy.len()
        ),
        format!("less than 1 point | {recordings} recordings"),
        format!("OOM kills or none | as recorded | {limited} cases"),
        format!(
            "{:.1} points in the median; more than 10 in {far} | {} cases",
            100.0 * lost[(lost.len() - 1) / 2],
            lost.len()
        ),
        format!("up to {:.0} points | {} cases", 100.0 * strays.last().unwrap(), strays.len()),
        format!(
            "p95 by {} in the median, {} at most | {} cases",
            median(&spreads, 0),
            percent(spreads.last(), 0),
            spreads.len()
        ),
    ] {
        assert!(readme.contains(&quoted), "the README does not say \"{quoted}\"");
    }
}
