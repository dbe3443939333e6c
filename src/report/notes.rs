//! What a reader has to know about the figures: how they came about, and where they are weak.

use super::words;
use crate::experiment::answer::{Answers, Capacity, Combination, Row, Study, Threshold};
use crate::outcome::Stopped;
use crate::units::Bytes;

/// How the figures came about, and where they are weak.
pub fn notes(study: &Study, answers: &Answers) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(objective) = words::objective(&study.objective) {
        notes.push(format!("Objective: {objective}."));
    }
    let has_rate = |capacity: &Capacity| capacity.carries().rate().is_some();
    match words::recorded(study) {
        Some(note) => notes.push(note),
        None if answers.capacities.iter().any(has_rate) => notes.push(words::visits(study.visits)),
        None => {}
    }
    notes.extend(conversions(study));
    notes.extend(without_memory(study, answers));
    notes.extend(weak(study, answers));
    let unclear: Vec<String> =
        answers.rows.iter().filter_map(|row| unclear_errors(study, row)).collect();
    if !unclear.is_empty() {
        notes.push(format!(
            "* The share of errors may be above or below what is allowed: {}.",
            unclear.join("; ")
        ));
    }
    if answers.capacities.iter().any(|capacity| capacity.carries().is_noisy()) {
        notes.push(NOISY.to_owned());
    }
    notes.extend(growing(answers));
    notes.extend(reached(study, answers));
    notes.extend(
        [Stopped::InFlight, Stopped::Arrivals]
            .map(|why| early(study, answers, why))
            .into_iter()
            .flatten(),
    );
    notes
}

/// What "memory never runs out" rests on where no request holds any.
fn without_memory(study: &Study, answers: &Answers) -> Option<String> {
    let holds_none = |combination: &Combination| {
        combination.site.traffic.endpoints.iter().all(|it| it.memory == Bytes::ZERO)
    };
    let never = |it: &Capacity| it.oom == Threshold::Never && it.budget.used() > Bytes::ZERO;
    let limited = |it: &Capacity| it.budget.ceiling.is_some() && never(it);
    let told = study.combinations.iter().all(holds_none) && answers.capacities.iter().any(limited);
    told.then(|| WITHOUT_MEMORY.to_owned())
}

const WITHOUT_MEMORY: &str = "No endpoint gives its memory, so requests in flight are taken to \
                              hold none beyond their worker's.";

/// Which rows are not as precise as asked for, and why.
fn weak(study: &Study, answers: &Answers) -> Vec<String> {
    let (short, unsettled): (Vec<&Row>, Vec<&Row>) =
        answers.rows.iter().filter(|row| is_weak(row)).partition(|row| row.finding.settled);
    let places = |rows: &[&Row]| {
        let places: Vec<String> = rows.iter().map(|row| place(study, row)).collect();
        Some(places.join("; ")).filter(|places| !places.is_empty())
    };
    let short =
        places(&short).map(|places| format!("* Less precise than asked for: {places}. {FURTHER}"));
    let unsettled = places(&unsettled).map(|it| format!("* {UNSETTLED}: {it}. {FURTHER}"));
    short.into_iter().chain(unsettled).collect()
}

/// Of a weak p95 whose windows were too short.
const UNSETTLED: &str = "The measured window was short compared with how slowly the number of \
                         waiting requests changes, so p95 may be larger in the long run";

/// What "grows" in a row means, and what can be done about it.
fn growing(answers: &Answers) -> Option<String> {
    let mut rows = answers.rows.iter().filter(|row| row.finding.grows).peekable();
    rows.peek()?;
    // A row that a limit ended would be ended by it again.
    let ended = rows.all(|row| row.finding.stopped.is_some());
    Some(if ended { GROWS.to_owned() } else { format!("{GROWS} {LONGER}") })
}

/// Which searches a limit of the simulator ended, and where.
fn reached(study: &Study, answers: &Answers) -> Option<String> {
    let ended = answers.capacities.iter().filter_map(|capacity| {
        let name = words::combination(study, &capacity.plan, &capacity.server);
        Some(format!("{name} at {} requests/s", words::plain(capacity.reach?.get())))
    });
    let places = Some(ended.collect::<Vec<_>>().join("; ")).filter(|places| !places.is_empty())?;
    Some(format!("Searched no further, by the simulator's limit on requests in flight: {places}."))
}

/// Which rows a limit of the simulator ended early.
fn early(study: &Study, answers: &Answers, why: Stopped) -> Option<String> {
    let limit = match why {
        Stopped::InFlight => "requests in flight",
        Stopped::Arrivals => "requests that arrive",
    };
    let rows = answers.rows.iter().filter(|row| row.finding.stopped == Some(why));
    let places: Vec<String> = rows.map(|row| place(study, row)).collect();
    let places = Some(places.join("; ")).filter(|places| !places.is_empty())?;
    Some(format!("Ended early, by the simulator's limit on {limit}: {places}."))
}

/// What "about" before a rate means.
const NOISY: &str = "A rate with \"about\": this close to it, chance (or how rare slow or failing \
                     requests are) hides what a per cent more load would change.";

/// How to spend more on a row.
const FURTHER: &str = "The effort for a row is bounded; to spend more, set replications, warmup \
                       and measure under [run], in place of precision.";

const GROWS: &str = "\"grows\": more requests come than are carried, and they were still piling up \
                     when the simulation ended. p95 and errors grow until visitors give up as fast \
                     as they come.";

const LONGER: &str = "A longer warmup under [run] (with replications and measure) goes further.";

/// Whether a row has a p95 to be precise about, and was not simulated long enough for it.
pub(super) fn is_weak(row: &Row) -> bool {
    !row.finding.precise && !row.finding.saturated && row.finding.is_steady()
}

/// How the tiers' rates came from visitors a day or a recording, each once.
fn conversions(study: &Study) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for tier in study.combinations.iter().flat_map(|combination| &combination.tiers) {
        let Some(words) = &tier.conversion else { continue };
        let line = format!("{}: {words}.", tier.name);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn place(study: &Study, row: &Row) -> String {
    let half = words::p95_half_width(&row.finding).map(|half| format!(" (p95 ±{half})"));
    format!("{}{}", named(study, row), half.unwrap_or_default())
}

/// A row of which it is not known whether too many requests fail, and the interval of their share.
fn unclear_errors(study: &Study, row: &Row) -> Option<String> {
    let between = words::unclear_errors(&study.objective, &row.finding)?;
    Some(format!("{} ({between})", named(study, row)))
}

fn named(study: &Study, row: &Row) -> String {
    let name = words::combination(study, &row.plan, &row.server);
    format!("{name} at {}", words::printable(&row.tier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{sample, text};
    use crate::stats::estimate::Estimate;
    use crate::units::PerSecond;

    #[test]
    fn rows_short_of_the_precision_asked_for_are_named() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0, 40.0]);
        assert!(notes(&study, &answers).iter().all(|note| !note.starts_with('*')));
        answers.rows[0].finding.precise = false;
        let notes = notes(&study, &answers);
        let expected = "* Less precise than asked for: 2GB · gunicorn at tier 1 (p95 ±8.46%). The \
                        effort for a row is bounded; to spend more, set replications, warmup and \
                        measure under [run], in place of precision.";
        assert!(notes.contains(&expected.to_owned()), "{notes:?}");
    }

    #[test]
    fn a_p95_that_is_precise_and_not_settled_is_not_called_imprecise() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        let finding = &mut answers.rows[0].finding;
        (finding.precise, finding.settled, finding.p95) = (false, false, Estimate::of(&[0.3]));
        let notes = notes(&study, &answers);
        let expected = "* The measured window was short compared with how slowly the number of \
                        waiting requests changes, so p95 may be larger in the long run: 2GB · \
                        gunicorn at tier 1. The effort";
        assert!(notes.iter().any(|note| note.starts_with(expected)), "{notes:?}");
        assert!(notes.iter().all(|note| !note.contains("Less precise")), "{notes:?}");
    }

    #[test]
    fn what_grows_has_no_interval_and_goes_no_further_where_a_limit_ended_it() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[40.0, 50.0]);
        answers.rows.iter_mut().for_each(|row| row.finding.grows = true);
        let about = |answers: &Answers, start: &str| {
            notes(&study, answers).into_iter().find(|note| note.starts_with(start))
        };
        answers.rows[0].finding.stopped = Some(Stopped::InFlight);
        let ended = about(&answers, "Ended early").unwrap();
        assert!(ended.ends_with(": 2GB · gunicorn at tier 1."), "{ended}");
        assert!(about(&answers, "\"grows\"").unwrap().contains("goes further"));
        answers.rows[1].finding.stopped = Some(Stopped::InFlight);
        assert!(!about(&answers, "\"grows\"").unwrap().contains("goes further"));
    }

    #[test]
    fn a_share_of_errors_on_both_sides_of_what_is_allowed_is_marked() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        let mut marked = |errors: &[f64]| {
            answers.rows[0].finding.error_rate = Estimate::of(errors).unwrap();
            let cell = text::errors(&study.objective, &answers.rows[0].finding);
            (cell, notes(&study, &answers).into_iter().find(|note| note.starts_with("* The share")))
        };
        assert_eq!(marked(&[0.0, 0.0]), ("0%".to_owned(), None));
        assert_eq!(marked(&[0.0004, 0.00041]).1, None);
        // 0.1 % is allowed; half of 0 and 0.4 % gives 0.2 %, give or take 12.7 x 0.2 points.
        let note = "* The share of errors may be above or below what is allowed: 2GB · gunicorn at \
                    tier 1 (0% to 2.74%).";
        assert_eq!(marked(&[0.0, 0.004]), ("0.2%*".to_owned(), Some(note.to_owned())));
    }

    #[test]
    fn searches_that_the_simulator_takes_no_further_are_named_with_the_rate() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["a", "b"], &[]);
        let tried = |answers: &Answers| {
            notes(&study, answers).into_iter().find(|note| note.starts_with("Searched"))
        };
        assert_eq!(tried(&answers), None);
        answers.capacities[1].reach = Some(PerSecond::new(833.3));
        let expected = "Searched no further, by the simulator's limit on requests in flight: b at \
                        833 requests/s.";
        assert_eq!(tried(&answers), Some(expected.to_owned()));
    }

    #[test]
    fn rows_that_a_limit_ended_early_are_named_with_the_limit() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[1.0, 2.0, 3.0]);
        let early = |answers: &Answers| {
            let notes = notes(&study, answers).into_iter();
            notes.filter(|note| note.starts_with("Ended early")).collect::<Vec<_>>()
        };
        assert_eq!(early(&answers), [""; 0]);
        answers.rows.iter_mut().for_each(|row| row.finding.p95 = None);
        answers.rows[0].finding.stopped = Some(Stopped::InFlight);
        answers.rows[1].finding.stopped = Some(Stopped::Arrivals);
        let expected = [
            "Ended early, by the simulator's limit on requests in flight: 2GB · gunicorn at tier \
             1.",
            "Ended early, by the simulator's limit on requests that arrive: 2GB · gunicorn at tier \
             2.",
        ];
        assert_eq!(early(&answers), expected);
    }
}
