//! The precision and the windows that rows report.

use super::*;
use crate::experiment::sample::Sample;
use crate::site::Endpoint;

/// How many of 100 intervals of p95, and of p99, hold the true ones where p95 is asked for with
/// this precision: those of M/M/1 at 90 % of its capacity, ln 20 s and ln 100 s.
fn covered(precision: f64) -> [usize; 2] {
    let covers = |seed: u64| {
        let mut study = study(mm1(1.0, 10.0), Objective::default(), &[9.0]);
        study.seed = Seed::new(seed);
        study.effort = Effort::Precision(Fraction::new(precision));
        let finding = answer(&study, false, 2).rows.remove(0).finding;
        let holds = |estimate: Option<Estimate>, quantile: f64| {
            let (low, high) = estimate.unwrap().interval().unwrap();
            usize::from((low..=high).contains(&quantile))
        };
        [holds(finding.p95, 20f64.ln()), holds(finding.p99, 100f64.ln())]
    };
    (0..100).map(covers).fold([0, 0], |[a, b], [c, d]| [a + c, b + d])
}

/// Of 100 trials at 95 % a standard deviation is 2.2: four of them below 95 are 86.
#[test]
fn rough_intervals_hold_p95_and_p99_as_often_as_they_say() {
    let covered = covered(0.2);
    assert!(covered.iter().all(|covered| *covered >= 86), "{covered:?} of 100");
}

/// A site whose requests call something for this long and need nothing else, so that none waits.
fn calls(wait: Dist) -> Site {
    let kind = WorkerKind::Async { limit_concurrency: None };
    bare(kind, 1, 1, vec![Step::Call { wait, cpu: Span::ZERO }])
}

/// Calls of five minutes on average: some take an hour, and those arrived in the window as well.
#[test]
fn the_slowest_answers_are_waited_for() {
    let finding = row(calls(exp(300.0)), 1.0).finding;
    let (mean, p95) = (finding.mean.unwrap(), finding.p95.unwrap());
    assert!(finding.open == 0.0, "{} are open", finding.open);
    assert!((mean.mean - 300.0).abs() < 4.0 * mean.standard_error.unwrap(), "{mean:?}");
    assert!((p95.mean - 300.0 * 20f64.ln()).abs() < 4.0 * p95.standard_error.unwrap(), "{p95:?}");
}

/// One request in 2,000 takes 20 s, the others 1 ms. A window of 2,000 requests may hold none of
/// the slow ones; all windows together do, and with both times fixed and each endpoint weighted by
/// its share the mean is exact, whatever the seed.
#[test]
fn an_endpoint_that_hardly_anyone_asks_for_counts_in_the_mean() {
    let mut site = calls(Dist::Fixed(Span::from_millis(1)));
    site.traffic.endpoints[0].weight = 1_999.0;
    let wait = Dist::Fixed(Span::from_whole_secs(20));
    site.traffic.endpoints.push(Endpoint::textbook(vec![Step::Call { wait, cpu: Span::ZERO }]));
    let expected = (1_999.0 * 0.001 + 20.0) / 2_000.0;
    for seed in 0..16 {
        let mut study = study(site.clone(), Objective::default(), &[1.0]);
        study.seed = Seed::new(seed);
        let mean = answer(&study, false, 2).rows.remove(0).finding.mean.unwrap().mean;
        assert!((mean / expected - 1.0).abs() < 1e-9, "{mean}, not {expected}");
    }
}

/// At 99 % of capacity windows would have to be longer than the bound on a row lets them be.
#[test]
fn what_has_not_settled_has_no_interval() {
    let finding = row(mm1(1.0, 10.0), 9.9).finding;
    assert!(!finding.settled && !finding.precise && !finding.saturated);
    assert_eq!(
        [finding.mean, finding.p95, finding.p99].map(|it| it.unwrap().interval()),
        [None; 3]
    );
    assert_eq!(finding.error_rate.interval(), None);
}

/// Of n requests none failed where none can: up to 3 in n might have.
#[test]
fn no_failure_seen_does_not_mean_that_there_is_none() {
    let finding = row(mm1(1.0, 10.0), 5.0).finding;
    let requests = 5.0 * finding.measured.as_secs() * f64::from(finding.replications);
    let (_, high) = finding.error_rate.interval().unwrap();
    assert!((2.0..4.0).contains(&(high * requests)), "{high} of {requests}");
}

#[test]
fn a_row_that_no_request_came_to_has_no_verdict() {
    let mut study = study(mm1(1.0, 10.0), p95(500), &[1e-3]);
    let (warmup, measured) = (Span::ZERO, Span::from_whole_secs(1));
    study.effort = Effort::Fixed { replications: 1, warmup, measured };
    let row = answer(&study, false, 2).rows.remove(0);
    assert!(row.finding.is_empty() && row.meets_objective.is_none());
}

/// At twice what one worker carries, 50 requests are inside after some five seconds, and each run
/// stops.
#[test]
fn what_was_measured_is_told_and_not_what_was_asked_for() {
    let mut site = mm1(20.0, 10.0);
    site.horizon.warmup = Span::ZERO;
    let measured = |limit: u32| {
        let mut site = site.clone();
        site.horizon.in_flight_limit = limit;
        let run = |seed| Summary::of(&simulate(&site, Seed::new(seed)), &site);
        let runs: Vec<Summary> = (0..4).map(run).collect();
        let all: f64 = runs.iter().map(|run| run.measured.as_secs()).sum();
        let effort = Effort::Precision(Fraction::new(0.05));
        (Sample::new(site, runs).finding(effort, Limit::Work).measured, all / 4.0)
    };
    let (stopped, expected) = measured(50);
    assert!((1.0..20.0).contains(&expected) && (stopped.as_secs() - expected).abs() < 1e-6);
    assert_eq!(measured(100_000).0, Span::from_whole_secs(100));
}
