//! The answer, for a terminal.

use super::lines::{COLUMNS, Paint, align_right, ruled_within, said, trimmed, wrap};
use super::names::apart;
use super::notes::{is_weak, notes};
use super::verdict::{is_slow, most_lost, verdict};
use super::words::{self, percent, plain, seconds};
use crate::experiment::answer::{
    Answers, Capacity, Combination, Finding, Limit, Objective, Row, Study, Threshold,
};
use crate::site::Budget;
use crate::units::PerSecond;

/// What was found, in sentences and a table, for a reader who has seen nothing else. With `color`
/// it holds ANSI colours. The table is as wide as it needs to be and at most `columns`, where those
/// are more than 80; sentences are easier to read in lines of that length.
pub fn summary(study: &Study, answers: &Answers, color: bool, columns: usize) -> String {
    let paint = Paint::new(color);
    let mut parts = vec![
        paint.bold(&wrap(&words::printable(&study.title), "")),
        said(&sentences(study, answers)),
    ];
    let warnings = warnings(study);
    if !warnings.is_empty() {
        parts.push(paint.red(&said(&warnings)));
    }
    if !answers.rows.is_empty() {
        parts.push(table(study, answers, columns.max(COLUMNS)));
    }
    let notes = notes(study, answers);
    if !notes.is_empty() {
        parts.push(notes.iter().map(|note| wrap(note, "")).collect::<Vec<_>>().join("\n"));
    }
    parts.join("\n\n") + "\n"
}

/// One sentence per plan and server: what it carries, what gives way first, and whether memory
/// runs out. A last one says which is best, where there are several.
pub fn sentences(study: &Study, answers: &Answers) -> Vec<String> {
    let each = answers.capacities.iter().map(|capacity| sentence(study, capacity));
    each.chain(best_value(study, answers)).collect()
}

/// What the reader must know before believing anything: what does not fit in the memory of its
/// host, and connections that PostgreSQL does not grant, with the arithmetic.
pub fn warnings(study: &Study) -> Vec<String> {
    study.combinations.iter().flat_map(|it| warnings_of(study, it)).collect()
}

fn warnings_of(study: &Study, combination: &Combination) -> Vec<String> {
    let name = words::combination(study, &combination.plan, &combination.server);
    let full = |budget: &&Budget| !budget.fits();
    let plan = Some(&combination.budget).filter(full);
    let plan = plan.map(|budget| format!("{name} does not fit in memory: {budget}"));
    let database = combination.database_budget.as_ref().filter(full);
    let database =
        database.map(|budget| format!("{name}: the database's host is too small: {budget}"));
    let connections = combination.connections_too_many().map(|why| format!("{name}: {why}"));
    plan.into_iter().chain(database).chain(connections).collect()
}

/// What a plan with a server carries, what gives way first, and whether memory runs out.
pub(super) fn sentence(study: &Study, capacity: &Capacity) -> String {
    let price = capacity.price.map(|price| format!(" at {} a month", plain(price)));
    let subject = format!(
        "{} with {} ({}){}",
        words::printable(&capacity.plan),
        words::printable(&capacity.server),
        words::counted(capacity.workers.into(), "worker"),
        price.unwrap_or_default()
    );
    let memory = memory_clause(capacity);
    format!("{subject} {}{memory}.", load_clause(study, capacity))
}

fn load_clause(study: &Study, capacity: &Capacity) -> String {
    let why = match capacity.first_limit {
        Some(Limit::Work) => "; the work alone takes too long".to_owned(),
        Some(limit) => format!("; {} first", words::gives_way(limit)),
        None => String::new(),
    };
    let judged = capacity.load_line.is_some_and(|line| line != Threshold::NotSearched);
    let carries = capacity.carries();
    let about = if carries.is_noisy() { "about " } else { "" };
    let rate = |rate: PerSecond| {
        let meaning = words::meaning(study, rate);
        format!("{about}{} requests/s ({meaning})", plain(rate.get()))
    };
    match carries {
        Threshold::At { rate: most, .. } if !judged => format!("sustains {}{why}", rate(most)),
        Threshold::At { rate: most, .. } if capacity.saturation.rate() == Some(most) => {
            format!("carries {}, which is all that it sustains{why}", rate(most))
        }
        Threshold::At { rate: most, .. } => {
            format!("carries {} before {}{why}", rate(most), breaking(study))
        }
        Threshold::Never => "carries any load that was tried".to_owned(),
        Threshold::AtRest if judged => {
            let why = at_rest(study, capacity).unwrap_or_default();
            format!("misses the objective however low the load{why}")
        }
        Threshold::AtRest => format!("sustains no load at all{why}"),
        Threshold::NotSearched => "was tried at the tiers' rates only".to_owned(),
    }
}

/// What breaks the objective at the lowest rate that was tried. (The rate itself is not named: it
/// depends on how the search went.)
fn at_rest(study: &Study, capacity: &Capacity) -> Option<String> {
    let finding = capacity.curve.first()?;
    let p95 = finding.p95.filter(|_| is_slow(&study.objective, finding));
    Some(match (p95, most_lost(finding)) {
        (Some(p95), _) => format!(": p95 is {} even then", seconds(p95.mean)),
        (None, Some(cause)) => format!(
            ": even then {} fail, most of them {}",
            percent(finding.error_rate.mean),
            words::cause_for_people(cause)
        ),
        (None, None) => return None,
    })
}

fn breaking(study: &Study) -> String {
    match (study.objective.p95, study.objective.errors) {
        (Some(p95), Some(errors)) => format!(
            "p95 passes {} or errors pass {}",
            seconds(p95.as_secs()),
            percent(errors.get())
        ),
        (Some(p95), None) => format!("p95 passes {}", seconds(p95.as_secs())),
        (None, Some(errors)) => format!("errors pass {}", percent(errors.get())),
        (None, None) => "it gives way".to_owned(),
    }
}

fn memory_clause(capacity: &Capacity) -> String {
    let rate = words::threshold(capacity.oom).unwrap_or_default();
    // If requests leak memory it runs out at lower rates as well, only later.
    let when = if capacity.leaks { " within ten minutes" } else { "" };
    match capacity.oom {
        // A worker that dies now and then need not break the objective.
        Threshold::At { rate: full, .. } if capacity.carries().rate() > Some(full) => {
            format!("; memory runs out{when}, and workers die now and then, from {rate} on")
        }
        Threshold::At { .. } => format!("; memory runs out{when} at {rate}"),
        Threshold::AtRest => format!("; {}", words::full_from_the_start(capacity)),
        Threshold::Never if capacity.budget.ceiling.is_none() => String::new(),
        Threshold::Never if capacity.leaks => {
            "; memory lasts ten minutes at any load, but not for ever: requests leave some of it \
             occupied"
                .to_owned()
        }
        Threshold::Never if capacity.database_fills => {
            "; the plan's memory never runs out, but its database's host does not hold all \
             connections that may be open"
                .to_owned()
        }
        Threshold::Never => "; memory never runs out".to_owned(),
        Threshold::NotSearched => String::new(),
    }
}

/// Which combination carries most for its price.
fn best_value(study: &Study, answers: &Answers) -> Option<String> {
    let value = |capacity| Some((capacity, Capacity::rate_per_price(capacity)?));
    let valued: Vec<(&Capacity, f64)> = answers.capacities.iter().filter_map(value).collect();
    let (best, value) = valued.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    let name = words::combination(study, &best.plan, &best.server);
    (valued.len() > 1).then(|| {
        format!("Most for its price: {name}, {} requests/s for every 1 a month.", plain(value))
    })
}

fn table(study: &Study, answers: &Answers, columns: usize) -> String {
    let mut table = ruled_within(columns);
    table.set_header(["", "tier", "req/s", "p95", "±", "errors", "verdict"]);
    let name = |row: &Row| words::combination(study, &row.plan, &row.server);
    let more = columns - COLUMNS;
    let names = short(answers, name, 30 + more);
    let tiers = short(answers, |row| words::printable(&row.tier), 24 + more / 2);
    let mut last = String::new();
    for ((row, shown), tier) in answers.rows.iter().zip(names).zip(tiers) {
        let name = name(row);
        let shown = if name == last { String::new() } else { shown };
        last = name;
        table.add_row([
            shown,
            tier,
            plain(row.offered.get()),
            words::p95(&row.finding),
            half_width(row),
            errors(&study.objective, &row.finding),
            verdict(&study.objective, row),
        ]);
    }
    align_right(&mut table, 2..6);
    trimmed(&table.to_string())
}

/// A name for each row, of at most so many letters.
fn short(answers: &Answers, name: impl Fn(&Row) -> String, most: usize) -> Vec<String> {
    let names: Vec<String> = answers.rows.iter().map(name).collect();
    apart(&names, |name| name.chars().count() <= most)
}

fn half_width(row: &Row) -> String {
    let mark = if is_weak(row) { "*" } else { "" };
    words::p95_half_width(&row.finding).unwrap_or_default() + mark
}

/// The share of requests that fail, marked where it may be on the other side of what is allowed.
pub(super) fn errors(objective: &Objective, finding: &Finding) -> String {
    let mark = words::unclear_errors(objective, finding).map_or("", |_| "*");
    words::errors(finding) + mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::answer::Accuracy;
    use crate::outcome::Cause;
    use crate::report::sample;
    use crate::stats::estimate::Estimate;
    use crate::units::Bytes;

    const LONG: &str = "a plan whose name has rather more than sixty letters in all of it";

    #[test]
    fn the_first_thing_said_is_the_answer() {
        let (study, answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        let expected = "2GB with gunicorn (3 workers) at 12 a month carries 20.7 requests/s \
                        (about 120k visitors a day) before p95 passes 500 ms or errors pass \
                        0.1%; the cores give way first; memory never runs out.";
        assert_eq!(sentences(&study, &answers), [expected]);
    }

    #[test]
    fn each_way_a_search_ends_has_its_sentence() {
        let (mut study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        answers.capacities[0].load_line = Some(Threshold::AtRest);
        answers.capacities[0].first_limit = Some(Limit::Work);
        answers.capacities[0].curve[0].p95 = Estimate::of(&[0.6]);
        answers.capacities[0].oom = Threshold::AtRest;
        let said = &sentences(&study, &answers)[0];
        let end = "misses the objective however low the load: p95 is 600 ms even then; \
                   memory suffices at rest, but runs out however low the load.";
        assert!(said.ends_with(end), "{said}");
        answers.capacities[0].curve[0].p95 = Estimate::of(&[0.1]);
        answers.capacities[0].curve[0].errors[Cause::Patience as usize] = 0.0026;
        answers.capacities[0].curve[0].error_rate = Estimate::of(&[0.0026]).unwrap();
        let said = &sentences(&study, &answers)[0];
        let errors = "load: even then 0.26% fail, most of them given up by the visitor;";
        assert!(said.contains(errors), "{said}");
        study.objective = Objective::default();
        answers.capacities[0].load_line = None;
        answers.capacities[0].first_limit = Some(Limit::Gil);
        answers.capacities[0].oom = Threshold::NotSearched;
        let said = &sentences(&study, &answers)[0];
        let end = "sustains 23 requests/s (about 130k visitors a day); the GIL (or event loop) \
                   gives way first.";
        assert!(said.ends_with(end), "{said}");
        answers.capacities[0].saturation = Threshold::NotSearched;
        assert!(sentences(&study, &answers)[0].contains("was tried at the tiers' rates only"));
    }

    #[test]
    fn memory_that_runs_out_before_the_objective_is_broken_is_said_to_cost_a_worker_now_and_then() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        let carries = answers.capacities[0].carries();
        for (oom, clause) in [(carries, "; memory runs out at 20.7/s."), (half(carries), EARLIER)] {
            answers.capacities[0].oom = oom;
            let said = &sentences(&study, &answers)[0];
            assert!(said.ends_with(clause), "{said}");
        }
    }

    const EARLIER: &str = "; memory runs out, and workers die now and then, from 10.3/s on.";

    fn half(threshold: Threshold) -> Threshold {
        let Threshold::At { rate, beyond, accuracy } = threshold else { return threshold };
        Threshold::At { rate: PerSecond::new(rate.get() / 2.0), beyond, accuracy }
    }

    #[test]
    fn a_load_line_at_the_saturation_point_is_not_put_down_to_the_objective() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        answers.capacities[0].load_line = Some(answers.capacities[0].saturation);
        let said = &sentences(&study, &answers)[0];
        assert!(said.contains("a day), which is all that it sustains; the cores give"), "{said}");
    }

    #[test]
    fn of_several_with_prices_the_one_that_carries_most_for_its_own_is_named() {
        // 20.7 requests/s for 12 a month, and 41.4 for 18 or for 30.
        for (large, end) in [(3, "3GB, 2.3 requests/s"), (5, "2GB, 1.72 requests/s")] {
            let name = format!("{large}GB");
            let plans = [("2GB", 2), (&*name, large)];
            let (study, answers) = sample::made_up(&plans, &["gunicorn"], &[10.0]);
            let said = sentences(&study, &answers);
            assert_eq!(said[2], format!("Most for its price: {end} for every 1 a month."));
        }
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let plans = [("\u{1b}[2J", 2), ("a\nb", 2)];
        let (mut study, answers) = sample::made_up(&plans, &["\u{7}", "c"], &[10.0, 40.0]);
        study.title = "\u{1b}]0;title\u{7}".to_owned();
        let summary = summary(&study, &answers, false, 0);
        assert!(!summary.contains('\u{1b}') && !summary.contains('\u{7}'));
    }

    #[test]
    fn what_does_not_fit_is_named_with_the_arithmetic() {
        let (mut study, answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        assert_eq!(warnings(&study), [""; 0]);
        let combination = &mut study.combinations[0];
        combination.budget.lines[2] = ("worker".into(), 9, Bytes::from_mib(200));
        let (lines, ceiling) = (vec![("postgres".into(), 1, Bytes::from_mib(400))], Some(HALF_GB));
        combination.database_budget = Some(Budget { lines: lines.clone(), ceiling });
        combination.site.database.connection_slots = Some(2);
        let expected = [
            "2GB · gunicorn does not fit in memory: system 200MB + postgres 400MB + 9 x worker \
             200MB = 2.344GB > 2GB",
            "2GB · gunicorn: 3 workers x 1 kept connections = 3 > 2 that PostgreSQL grants",
        ];
        assert_eq!(warnings(&study), expected);
        let ceiling = Some(Bytes::from_mib(300));
        study.combinations[0].database_budget = Some(Budget { lines, ceiling });
        let small = "2GB · gunicorn: the database's host is too small: postgres 400MB = 400MB > \
                     300MB";
        assert_eq!(warnings(&study)[1], small);
        let said = summary(&study, &answers, false, 0);
        assert!(said.contains("the database's host is too small"), "{said}");
    }

    const HALF_GB: Bytes = Bytes::from_mib(512);

    #[test]
    fn whose_memory_is_too_small_from_the_start_is_said() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        answers.capacities[0].oom = Threshold::AtRest;
        let end = |answers: &Answers| {
            sentences(&study, answers)[0].rsplit_once("; ").unwrap().1.to_owned()
        };
        assert_eq!(end(&answers), "memory suffices at rest, but runs out however low the load.");
        let lines = vec![("postgres".into(), 1, Bytes::from_mib(400))];
        let ceiling = Some(Bytes::from_mib(300));
        answers.capacities[0].database_budget = Some(Budget { lines, ceiling });
        assert_eq!(end(&answers), "the database's host has too little memory even at rest.");
        answers.capacities[0].budget.ceiling = ceiling;
        assert_eq!(end(&answers), "memory is too small even at rest.");
    }

    #[test]
    fn a_database_host_that_may_fill_under_load_is_not_said_never_to() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        answers.capacities[0].database_fills = true;
        let said = &sentences(&study, &answers)[0];
        let fills = "; the plan's memory never runs out, but its database's host does not hold all \
                     connections that may be open.";
        assert!(said.ends_with(fills), "{said}");
    }

    #[test]
    fn memory_that_requests_leave_behind_is_said_to_last_as_long_as_was_looked() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        answers.capacities[0].leaks = true;
        let said = &sentences(&study, &answers)[0];
        let lasts = "; memory lasts ten minutes at any load, but not for ever: requests leave some \
                     of it occupied.";
        assert!(said.ends_with(lasts), "{said}");
        answers.capacities[0].oom = answers.capacities[0].saturation;
        let said = &sentences(&study, &answers)[0];
        assert!(said.ends_with("; memory runs out within ten minutes at 23/s."), "{said}");
    }

    #[test]
    fn a_rate_at_which_memory_runs_out_is_about_right_where_the_search_says_so() {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        for (rate, clause) in [(23.0, "runs out at about 23/s."), (9.0, "from about 9/s on.")] {
            let (rate, beyond) = (PerSecond::new(rate), PerSecond::new(0.9 * rate));
            let accuracy = Accuracy::Noise;
            answers.capacities[0].oom = Threshold::At { rate, beyond, accuracy };
            let said = &sentences(&study, &answers)[0];
            assert!(said.ends_with(clause), "{said}");
        }
    }

    #[test]
    fn nothing_is_wider_than_a_terminal() {
        let plans = [(LONG, 1), ("2GB", 2)];
        let (mut study, answers) = sample::made_up(&plans, &[LONG, "b"], &[0.123, 23.9, 4000.0]);
        study.title = LONG.repeat(3);
        let summary = summary(&study, &answers, false, 0);
        // The title is one word longer than any line.
        for line in summary.lines().filter(|line| line.contains(' ')) {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }

    #[test]
    fn rows_of_long_names_are_told_apart_and_a_wide_terminal_shows_more_of_them() {
        let server = format!("{LONG}, and another");
        let (study, answers) = sample::made_up(&[("2GB", 2)], &[LONG, &server], &[10.0]);
        let narrow = summary(&study, &answers, false, 80);
        assert!(
            narrow.contains(" a plan whose na…s in all ") && narrow.contains("na…t, and "),
            "{narrow}"
        );
        let wide = summary(&study, &answers, false, 160);
        assert!(
            wide.contains(&format!(" {LONG} ")) && wide.contains(&format!(" {server} ")),
            "{wide}"
        );
        assert!(wide.lines().all(|line| line.chars().count() <= 160), "{wide}");
    }

    #[test]
    fn colours_are_there_only_when_asked_for_and_change_no_word() {
        let (study, answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[10.0]);
        let (plain, colored) =
            (summary(&study, &answers, false, 0), summary(&study, &answers, true, 0));
        assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
        let bare = colored.replace("\u{1b}[1m", "").replace("\u{1b}[31m", "");
        assert_eq!(bare.replace("\u{1b}[0m", ""), plain);
    }
}
