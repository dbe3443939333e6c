//! The verdict on a row.

use super::words;
use crate::experiment::answer::{Finding, Limit, Objective, Row};
use crate::outcome::Cause;
use crate::units::{Fraction, Span};

/// The verdict on a row, in a few words.
pub(super) fn verdict(objective: &Objective, row: &Row) -> String {
    let finding = &row.finding;
    let bottleneck = match finding.bottleneck {
        Limit::Work => "the work alone",
        limit => limit.name(),
    };
    let lost = most_lost(finding).map(|cause| format!(" ({})", words::cause(cause)));
    let lost = lost.unwrap_or_default();
    match (row.meets_objective, finding.saturated) {
        _ if finding.is_empty() => "no request came".to_owned(),
        _ if finding.is_beyond_reach() => "too many to simulate".to_owned(),
        (Some(true), _) => "good".to_owned(),
        (None, false) => "sustained".to_owned(),
        _ if finding.oom_kills_per_hour > 0.0 && is_failing(objective, finding) => {
            "out of memory".to_owned()
        }
        (Some(false), false) if is_slow(objective, finding) => format!("too slow: {bottleneck}"),
        (Some(false), false) => format!("too many errors{lost}"),
        (_, true) if finding.bottleneck == Limit::Work => format!("too slow: {bottleneck}{lost}"),
        (_, true) => format!("overloaded: {bottleneck}{lost}"),
    }
}

/// Whether p95 breaks the objective.
pub(super) fn is_slow(objective: &Objective, finding: &Finding) -> bool {
    let slower = |most: Span| finding.p95.is_none_or(|p95| p95.mean > most.as_secs());
    objective.p95.is_some_and(slower)
}

/// Whether more requests fail than the objective allows, or than they may at a sustained rate.
fn is_failing(objective: &Objective, finding: &Finding) -> bool {
    let failing = |most: Fraction| finding.error_rate.mean > most.get();
    objective.errors.is_some_and(failing) || finding.saturated && !finding.grows
}

/// The most frequent cause of failures; `None` where no request failed.
pub(super) fn most_lost(finding: &Finding) -> Option<Cause> {
    let share = |cause: Cause| finding.errors[cause as usize];
    let most = Cause::ALL.into_iter().reduce(|a, b| if share(b) > share(a) { b } else { a });
    most.filter(|cause| share(*cause) > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Stopped;
    use crate::report::sample;
    use crate::stats::estimate::Estimate;

    #[test]
    fn verdicts_say_what_is_wrong() {
        let (study, mut answers) =
            sample::made_up(&[("2GB", 2)], &["gunicorn", "uvicorn"], &[10.0, 22.0, 40.0]);
        answers.rows[4].meets_objective = Some(false);
        answers.rows[4].finding.errors[Cause::Pool as usize] = 0.01;
        let verdicts: Vec<String> =
            answers.rows.iter().map(|row| verdict(&study.objective, row)).collect();
        assert_eq!(
            verdicts,
            [
                "good",
                "too slow: cores",
                "overloaded: cores (patience)",
                "good",
                "too many errors (pool)",
                "out of memory"
            ]
        );
    }

    #[test]
    fn kills_within_what_may_fail_are_no_verdict_and_work_is_none_of_waiting() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[22.0]);
        let row = &mut answers.rows[0];
        let mut said = |kills: f64, errors: f64, limit: Limit| {
            row.finding.oom_kills_per_hour = kills;
            row.finding.error_rate = Estimate::of(&[errors]).unwrap();
            row.finding.bottleneck = limit;
            verdict(&study.objective, row)
        };
        assert_eq!(said(70.0, 0.0009, Limit::Pool), "too slow: pool");
        assert_eq!(said(70.0, 0.0011, Limit::Pool), "out of memory");
        assert_eq!(said(0.0, 0.0, Limit::Work), "too slow: the work alone");
        let row = &mut answers.rows[0];
        (row.finding.saturated, row.finding.errors[Cause::Timeout as usize]) = (true, 0.5);
        let verdict = verdict(&study.objective, row);
        assert_eq!(verdict, "too slow: the work alone (timeout)");
    }

    #[test]
    fn what_the_simulator_does_not_reach_has_no_verdict() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        let row = &mut answers.rows[0];
        (row.finding.stopped, row.meets_objective) = (Some(Stopped::InFlight), None);
        assert_eq!(verdict(&study.objective, row), "too many to simulate");
        assert_eq!([words::p95(&row.finding), words::errors(&row.finding)], ["unknown"; 2]);
        row.finding.saturated = true;
        assert_eq!(verdict(&study.objective, row), "overloaded: cores");
    }
}
