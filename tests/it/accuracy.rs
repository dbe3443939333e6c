//! The recorded set, replayed: predictions beside what real servers did.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rayon::prelude::*;
use tonnage::experiment::accuracy::{Judgement, judge};
use tonnage::scenario;
use tonnage::trace::{Case, Reader, Source};

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recorded")
}

fn site(case: &Case, sets: &[String]) -> tonnage::site::Site {
    let testbed = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/testbed.toml");
    let study = scenario::load(&testbed, sets).unwrap().study;
    let mut all = study.combinations.into_iter();
    all.find(|each| each.server == case.server()).unwrap().site
}

fn judged(case: &Case) -> Judgement {
    let base = site(case, &[]).server.worker_memory;
    let source = Source::open(&case.trace(&recorded())).unwrap();
    let mut reader = Reader::new(source);
    let requests: Vec<_> = reader.by_ref().collect();
    reader.finish().unwrap();
    judge(&case.name(), &site(case, &case.sets(base)), 0, &requests, case.breaks())
}

/// Every case, judged once.
static JUDGED: LazyLock<Vec<Judgement>> = LazyLock::new(|| {
    let cases = Case::read_all(&fs::read(recorded().join("cases.csv")).unwrap()).unwrap();
    cases.par_iter().map(judged).collect()
});

fn named(name: &str) -> &'static Judgement {
    JUDGED.iter().find(|each| each.name == name).unwrap()
}

#[test]
fn below_four_fifths_busy_the_median_error_of_p95_is_at_most_two_and_a_half_per_cent() {
    let calm = JUDGED.iter().filter(|each| each.utilisation < 0.8 && !each.breaks);
    let mut errors: Vec<f64> = calm.map(|each| each.p95_error().unwrap().abs()).collect();
    errors.sort_by(f64::total_cmp);
    assert!(errors.len() >= 30, "{} cases", errors.len());
    let median = errors[(errors.len() - 1) / 2];
    assert!(median <= 0.025, "the median error of p95 is {median}");
}

#[test]
fn at_four_fifths_busy_and_more_the_load_is_off_by_at_most_three_per_cent() {
    let busy = JUDGED.iter().filter(|each| each.utilisation >= 0.8 && !each.breaks);
    let errors: Vec<_> = busy.map(|each| (&each.name, each.load_error)).collect();
    assert!(errors.len() >= 5, "{} cases", errors.len());
    for (name, error) in errors {
        assert!(error.is_some_and(|error| error.abs() <= 0.03), "{name}: {error:?}");
    }
}

#[test]
fn where_nothing_breaks_error_rates_are_within_a_percentage_point() {
    for each in JUDGED.iter().filter(|each| !each.breaks) {
        assert!(each.error_rate_error().abs() <= 0.01, "{}: {:?}", each.name, each.predicted);
    }
}

#[test]
fn memory_runs_out_where_it_did_and_lasts_where_it_did() {
    for name in ["async-oom-c1-80", "async-oom-c1-110", "sync-w4-ballast100-m400-20"] {
        assert!(named(name).oom_kills > 0, "{name} survives");
    }
    for name in ["async-oom-c1-20", "async-oom-c1-50", "sync-w2-ballast100-m400-20"] {
        assert_eq!(named(name).oom_kills, 0, "{name}");
    }
}
