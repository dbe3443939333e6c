//! What each figure promises to show.

use super::*;
use crate::experiment::answer::{Accuracy, Threshold};
use crate::outcome::Stage;
use crate::report::sample;
use crate::site::Budget;
use crate::stats::estimate::Estimate;
use crate::units::{Bytes, PerSecond};

fn four() -> (Study, Answers) {
    sample::made_up(&[("2GB", 2), ("4GB", 4)], &["gunicorn", "uvicorn"], &[10.0, 40.0])
}

fn lines_of(figure: Figure) -> Lines {
    match figure.body {
        Body::Lines(lines) => lines,
        Body::Bars(_) => panic!("{} has bars", figure.name),
    }
}

fn bars_of(figure: Figure) -> Bars {
    match figure.body {
        Body::Bars(bars) => bars,
        Body::Lines(_) => panic!("{} has lines", figure.name),
    }
}

#[test]
fn up_to_six_lines_share_a_panel_and_more_get_one_per_plan() {
    let (study, answers) = four();
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    assert_eq!((lines.panels.len(), lines.legend.len()), (1, 4));
    let plans = [("1GB", 1), ("2GB", 2), ("4GB", 4)];
    let (study, answers) = sample::made_up(&plans, &["a", "b", "c"], &[10.0]);
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    assert_eq!((lines.panels.len(), lines.legend.len()), (3, 3));
}

#[test]
fn every_line_in_a_panel_looks_different() {
    let plans = [("1GB", 1), ("2GB", 2), ("4GB", 4)];
    let (study, answers) = sample::made_up(&plans, &["a", "b"], &[10.0]);
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let looks: Vec<Look> = lines.panels[0].series.iter().map(|series| series.look).collect();
    for (index, look) in looks.iter().enumerate() {
        assert!(!looks[index + 1..].contains(look), "{look:?} twice");
    }
}

#[test]
fn the_load_line_is_marked_on_the_curve_between_the_points_around_it() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let capacity = &mut answers.capacities[0];
    capacity.curve = vec![sample::finding(10.0, 100.0, 2, 0), sample::finding(20.0, 100.0, 2, 0)];
    let rate = |rate: f64| Threshold::At {
        rate: PerSecond::new(rate),
        beyond: PerSecond::new(rate * 1.01),
        accuracy: Accuracy::Resolution,
    };
    // It is errors that miss the objective.
    capacity.curve[1].error_rate.mean = 0.5;
    capacity.load_line = Some(rate(15.0));
    capacity.saturation = rate(20.0);
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let marks = &lines.panels[0].series[0].marks;
    // Halfway on a logarithmic axis: the geometric mean of 0.06/0.9 and 0.06/0.8.
    let expected = (0.06 / 0.9 * 0.06 / 0.8f64).sqrt();
    assert_eq!((marks[0].kind, marks[0].x), (MarkKind::LoadLine, 15.0));
    assert!((marks[0].y - expected).abs() < 1e-12);
    let saturation = Mark { kind: MarkKind::Saturation, x: 20.0, y: 0.06 / 0.8 };
    assert!((marks[1].y - saturation.y).abs() < 1e-12 && marks[1].kind == saturation.kind);
}

#[test]
fn where_p95_misses_the_objective_beyond_it_the_load_line_lies_on_the_objective() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let capacity = &mut answers.capacities[0];
    let point = |rate: f64| sample::finding(rate, 20.5, 2, 0);
    // 0.117, 0.6 and 2.46 s: the sample at the load line itself says more than the 0.5 s asked for.
    capacity.curve = [10.0, 18.45, 20.0].map(point).to_vec();
    let (rate, beyond) = (PerSecond::new(18.45), PerSecond::new(18.6));
    let accuracy = Accuracy::Resolution;
    capacity.load_line = Some(Threshold::At { rate, beyond, accuracy });
    let at_line = |answers: &Answers| {
        let lines = lines_of(response::figure(&study, answers).unwrap());
        let series = &lines.panels[0].series[0];
        assert_eq!((series.points.len(), series.marks[0].x), (3, 18.45));
        assert_eq!(series.points[1].y, Some(series.marks[0].y));
        series.marks[0].y
    };
    assert!((at_line(&answers) - 0.5).abs() < 1e-12);
    // The next rate happens to meet it, and the one after does not.
    answers.capacities[0].curve.insert(2, sample::finding(18.7, 20.5, 2, 0));
    answers.capacities[0].curve[2].p95 = Estimate::of(&[0.4]);
    answers.capacities[0].curve[3] = sample::finding(19.2, 20.5, 2, 0);
    assert!((at_line(&answers) - 0.5).abs() < 1e-12);
    // So does that one; but more than both is sustained, and nothing fails.
    answers.capacities[0].curve[3].p95 = Estimate::of(&[0.4]);
    answers.capacities[0].saturation =
        Threshold::At { rate: PerSecond::new(20.0), beyond, accuracy };
    assert!((at_line(&answers) - 0.5).abs() < 1e-12);
}

#[test]
fn where_errors_miss_the_objective_p95_at_the_load_line_is_what_it_is_and_no_more_than_asked() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let capacity = &mut answers.capacities[0];
    let point = |rate: f64| sample::finding(rate, 20.5, 2, 0);
    capacity.curve = [10.0, 15.0, 20.0].map(point).to_vec();
    capacity.curve[2].error_rate.mean = 0.5;
    let (rate, beyond) = (PerSecond::new(15.0), PerSecond::new(15.15));
    capacity.load_line = Some(Threshold::At { rate, beyond, accuracy: Accuracy::Resolution });
    let at_line = |answers: &Answers| {
        let lines = lines_of(response::figure(&study, answers).unwrap());
        lines.panels[0].series[0].marks[0].y
    };
    let p95 = answers.capacities[0].curve[1].p95.unwrap().mean;
    assert!((at_line(&answers) - p95).abs() < 1e-12);
    answers.capacities[0].curve[1].p95 = Estimate::of(&[0.7]);
    assert!((at_line(&answers) - 0.5).abs() < 1e-12);
}

#[test]
fn what_a_short_look_makes_of_the_saturation_point_does_not_fade_the_line_to_it() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let full = answers.capacities[0].saturation.rate().unwrap();
    let curve = &mut answers.capacities[0].curve;
    curve.retain(|finding| finding.rate < full);
    curve.push(sample::finding(full.get(), full.get(), 2, 0));
    curve.push(sample::finding(full.get() * 1.1, full.get(), 2, 0));
    curve.iter_mut().rev().take(2).for_each(|finding| finding.saturated = true);
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let points = &lines.panels[0].series[0].points;
    let sustained = |point: &Point| point.sustained == (point.x <= full.get());
    assert!(points.last().unwrap().x > full.get() && points.iter().all(sustained), "{points:?}");
}

#[test]
fn a_p95_below_the_median_is_not_drawn_as_one() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let (at, capacity) = (10, &mut answers.capacities[0]);
    let median = capacity.curve[at].p50.unwrap().mean;
    capacity.curve[at].p95 = Estimate::of(&[1e-24, 2e-24]);
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let rate = answers.capacities[0].curve[at].rate.get();
    let series = &lines.panels[0].series[0];
    let drawn = series.points.iter().find(|point| point.x >= rate).unwrap();
    assert!(
        drawn.y.unwrap() >= median * (1.0 - 1e-12) && lines.panels[0].y.low >= median / 10.0,
        "{drawn:?}"
    );
}

#[test]
fn rows_that_miss_by_errors_do_not_say_what_slow_requests_wait_for() {
    let (study, mut answers) =
        sample::made_up(&[("2GB", 2)], &["gunicorn", "uvicorn"], &[10.0, 22.0]);
    let title = |answers: &Answers| slow::figure(&study, answers).unwrap().title;
    let slow = "Where p95 misses the objective, slow requests spend";
    assert!(title(&answers).starts_with(slow) && title(&answers).ends_with("waiting for a worker"));
    // uvicorn at 22/s is quick enough, and fails for another reason.
    answers.rows[3].meets_objective = Some(false);
    answers.rows[3].finding.slow_request = Some([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 400.0, 0.0, 0.0]);
    assert!(title(&answers).ends_with("waiting for a worker"), "{}", title(&answers));
    answers.rows.remove(1);
    let nowhere = title(&answers);
    assert!(nowhere.starts_with("Slow requests spend"), "{nowhere}");
}

/// A run removes the charts of an earlier one by these names.
#[test]
fn every_figure_has_one_of_the_names_that_are_listed() {
    let (study, answers) = sample::made_up(&[("2GB", 2)], &["a", "b"], &[10.0, 22.0]);
    let mut names: Vec<&str> = super::all(&study, &answers).iter().map(|it| it.name).collect();
    let mut listed = super::NAMES.to_vec();
    names.sort_unstable();
    listed.sort_unstable();
    assert_eq!(names, listed);
}

#[test]
fn a_title_names_all_that_the_objective_asks_for() {
    let (study, answers) = four();
    let title = response::figure(&study, &answers).unwrap().title;
    assert!(
        title.ends_with(" requests/s with p95 within 500 ms and errors within 0.1%"),
        "{title}"
    );
}

#[test]
fn a_curve_of_p95_falls_only_where_that_cannot_be_chance() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let mut curve = [5.0, 10.0, 15.0, 20.0].map(|rate| sample::finding(rate, 23.0, 2, 0));
    let estimate = |mean, standard_error: f64| {
        Some(Estimate { mean, standard_error: Some(standard_error), replications: 10 })
    };
    for (finding, p95) in curve.iter_mut().zip([
        estimate(0.2, 0.001),
        estimate(0.1, 0.001),
        estimate(0.4, 0.04),
        estimate(0.3, 0.03),
    ]) {
        finding.p95 = p95;
    }
    answers.capacities[0].curve = curve.to_vec();
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let drawn: Vec<f64> = lines.panels[0].series[0].points.iter().filter_map(|it| it.y).collect();
    // As well known as each other: their geometric mean.
    let expected = [0.2, 0.1, 0.12f64.sqrt(), 0.12f64.sqrt()];
    assert!(drawn.iter().zip(expected).all(|(it, exp)| (it / exp - 1.0).abs() < 1e-9), "{drawn:?}");
}

/// A tier's overload is looked at until it has lasted, and a search's only until it is plain.
#[test]
fn an_overload_that_only_says_how_long_was_simulated_is_not_drawn_and_one_that_lasted_is() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let capacity = &mut answers.capacities[0];
    let rates = [10.0, 20.0, 22.0, 23.0, 24.0, 25.0, 27.0];
    let mut curve = rates.map(|it| sample::finding(it, 23.0, 2, 0));
    for at in [2, 4, 6] {
        (curve[at].grows, curve[at].p95) = (true, Estimate::of(&[0.2]));
    }
    (capacity.curve, capacity.load_line) = (curve.to_vec(), None);
    let micros = |secs: f64| (secs * 1e6).round();
    let [full, lasted] = [3, 5].map(|at: usize| curve[at].p95.map(|p95| micros(p95.mean)));
    let shown = |answers: &Answers| {
        let mut lines = lines_of(response::figure(&study, answers).unwrap());
        let points = lines.panels.remove(0).series.remove(0).points;
        points.iter().map(|it| (it.x, it.y.map(micros))).skip(2).collect::<Vec<_>>()
    };
    // At 22 a short look had bad luck, at 24 there is a gap, and at 27 nothing more to come.
    assert_eq!(shown(&answers), [(23.0, full), (24.0, None), (25.0, lasted)]);
    // At the saturation point itself a look that was too short for p95 tells nothing of it.
    answers.capacities[0].curve[3].settled = false;
    assert_eq!(shown(&answers), [(24.0, None), (25.0, lasted)]);
    // Memory that was seen in use was, however long that took.
    let memory = lines_of(memory::figure(&study, &answers).unwrap());
    assert_eq!(memory.panels[0].series[0].points.len(), rates.len());
}

#[test]
fn a_rate_at_which_nothing_was_answered_leaves_a_gap() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    answers.capacities[0].curve[3].p95 = None;
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let missing: Vec<usize> = (0..16)
        .filter(|index| {
            lines.panels[0].series[0].points.get(*index).is_some_and(|it| it.y.is_none())
        })
        .collect();
    assert_eq!(missing, [3]);
}

#[test]
fn without_answers_there_is_no_figure() {
    let (study, answers) = sample::made_up(&[], &[], &[]);
    assert_eq!(all(&study, &answers), []);
}

#[test]
fn never_and_at_rest_are_bars_without_length_that_say_so() {
    let (study, mut answers) = sample::made_up(&[("1GB", 1)], &["gunicorn"], &[]);
    answers.capacities[0].oom = Threshold::AtRest;
    answers.capacities[0].budget.ceiling = Some(Bytes::from_mib(512));
    answers.capacities[0].saturation = Threshold::Never;
    let bars = bars_of(capacity::figure(&study, &answers).unwrap());
    let [load_line, saturation, oom] = &bars.groups[0].bars[..] else { panic!() };
    assert_eq!(load_line.label, "20.7/s, then the cores give way");
    assert_eq!((saturation.segments.len(), saturation.label.as_str()), (0, "never"));
    assert_eq!(oom.label, "at rest already: the workers do not fit");
    assert!(oom.alarming && !saturation.alarming);
}

#[test]
fn whose_memory_runs_out_and_within_how_long_is_told_apart() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let told = |answers: &Answers| {
        let bars = bars_of(capacity::figure(&study, answers).unwrap());
        (bars.groups[0].bars[2].label.clone(), memory::figure(&study, answers).unwrap().title)
    };
    let pair = |label: &str, title: &str| (label.to_owned(), title.to_owned());
    answers.capacities[0].leaks = true;
    assert_eq!(told(&answers), pair("not within ten minutes", "Memory lasts ten minutes"));
    answers.capacities[0].oom = Threshold::AtRest;
    assert_eq!(told(&answers), pair("at any rate", "Memory runs out: 2GB · gunicorn"));
    let lines = vec![("postgres".to_owned(), 1, Bytes::from_mib(400))];
    let ceiling = Some(Bytes::from_mib(300));
    answers.capacities[0].database_budget = Some(Budget { lines, ceiling });
    let label = "at rest already: the database's host is too small";
    assert_eq!(told(&answers), pair(label, "The database's host is too small: 2GB · gunicorn"));
}

#[test]
fn the_ceiling_is_in_every_memory_panel() {
    let (study, answers) = four();
    let lines = lines_of(memory::figure(&study, &answers).unwrap());
    let gib = f64::from(1 << 30);
    let rules: Vec<_> = lines.panels.iter().map(|panel| panel.rule.clone()).collect();
    let named = |level: f64, name: &str| Some((level, name.to_owned()));
    assert_eq!(rules, [named(2.0 * gib, "memory 2 GB"), named(4.0 * gib, "memory 4 GB")]);
    assert!(lines.panels.iter().all(|panel| panel.y.high > panel.rule.clone().unwrap().0));
}

#[test]
fn overloaded_rows_do_not_squeeze_the_others() {
    let (study, answers) = four();
    let bars = bars_of(slow::figure(&study, &answers).unwrap());
    let overloaded = bars.groups[0].bars[1].length();
    let steady = bars.groups[2].bars[1].length();
    assert!(overloaded > 10.0 && steady < 0.5);
    assert!((bars.axis.high - 0.5 * 1.3).abs() < 1e-12);
    assert!(bars.groups[0].bars[1].label.ends_with(", not sustained"));
}

#[test]
fn a_row_without_times_to_tell_has_its_place_and_says_why() {
    let (study, mut answers) = four();
    answers.rows[0].finding.grows = true;
    (answers.rows[1].finding.slow_request, answers.rows[1].finding.p95) = (None, None);
    let bars = bars_of(slow::figure(&study, &answers).unwrap());
    let [grows, lost] = [0, 1].map(|index| &bars.groups[0].bars[index]);
    assert_eq!((grows.length(), &*grows.label), (0.0, "grows"));
    assert_eq!((lost.length(), &*lost.label), (0.0, "no request is answered, not sustained"));
}

#[test]
fn of_findings_close_together_the_best_founded_is_shown() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let mut curve = [10.0, 20.0, 20.05, 20.1, 22.0].map(|it| sample::finding(it, 23.0, 2, 0));
    curve[2].replications = 40;
    answers.capacities[0].curve = curve.to_vec();
    answers.capacities[0].load_line = None;
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let shown: Vec<f64> = lines.panels[0].series[0].points.iter().map(|it| it.x).collect();
    assert_eq!(shown, [10.0, 20.05, 22.0]);
}

#[test]
fn a_saturation_point_close_to_the_load_line_is_marked_as_well() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let capacity = &mut answers.capacities[0];
    let rates = [10.0, 22.8, 22.9, 23.0];
    capacity.curve = rates.map(|rate| sample::finding(rate, 23.0, 2, 0)).to_vec();
    let (rate, beyond) = (PerSecond::new(22.8), PerSecond::new(23.0));
    capacity.load_line = Some(Threshold::At { rate, beyond, accuracy: Accuracy::Resolution });
    let lines = lines_of(response::figure(&study, &answers).unwrap());
    let series = &lines.panels[0].series[0];
    assert_eq!(series.points.iter().map(|it| it.x).collect::<Vec<_>>(), [10.0, 22.8, 23.0]);
    assert_eq!(series.marks.iter().map(|it| it.x).collect::<Vec<_>>(), [22.8, 23.0]);
}

/// A short look at the saturation point ends before waits have grown. The load line lies on the
/// objective, 500 ms, also where it is the last that is known.
#[test]
fn a_curve_ends_where_looks_were_too_short_and_saturation_is_marked_at_the_top() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[]);
    let capacity = &mut answers.capacities[0];
    capacity.curve = [10.0, 22.0, 23.0].map(|it| sample::finding(it, 23.0, 2, 0)).to_vec();
    capacity.curve[1].settled = false;
    (capacity.curve[2].p95, capacity.curve[2].settled) = (Estimate::of(&[0.399, 0.401]), false);
    let (rate, beyond) = (PerSecond::new(20.0), PerSecond::new(22.0));
    capacity.load_line = Some(Threshold::At { rate, beyond, accuracy: Accuracy::Resolution });
    let figure = response::figure(&study, &answers).unwrap();
    assert!(figure.alt_text().contains("; saturation, off the scale, at 23."));
    let panel = lines_of(figure).panels.remove(0);
    let points: Vec<_> = panel.series[0].points.iter().map(|it| (it.x, it.y)).collect();
    assert_eq!((points.len(), points[0].0, points[1]), (2, 10.0, (20.0, Some(0.5))));
    let marks: Vec<_> = panel.series[0].marks.iter().map(|it| (it.x, it.y)).collect();
    assert_eq!(marks, [(20.0, 0.5), (23.0, panel.y.high)]);
}

#[test]
fn memory_runs_out_at_the_ceiling_and_its_line_never_falls() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["a", "b"], &[]);
    answers.capacities[1].curve[7].usage.memory_peak = Bytes::from_mib(1);
    let lines = lines_of(memory::figure(&study, &answers).unwrap());
    let series = &lines.panels[0].series[1];
    let heights: Vec<f64> = series.points.iter().filter_map(|point| point.y).collect();
    assert!(heights.is_sorted() && heights.len() > 10);
    assert_eq!(series.marks[0].kind, MarkKind::Oom);
    assert!((series.marks[0].y - f64::from(1u32 << 31)).abs() < 0.5);
}

#[test]
fn stars_of_memory_are_said_to_be_judged_over_longer_than_lines() {
    let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["a", "b"], &[]);
    let subtitle = |answers: &Answers| memory::figure(&study, answers).unwrap().subtitle;
    assert!(subtitle(&answers).contains("stars stand for ten minutes"));
    answers.capacities[1].oom = Threshold::Never;
    assert!(!subtitle(&answers).contains("stars"));
}

#[test]
fn the_stages_of_a_bar_add_up_to_its_p95() {
    let (study, answers) = four();
    let bars = bars_of(slow::figure(&study, &answers).unwrap());
    let p95 = answers.rows[0].finding.p95.unwrap().mean;
    assert!((bars.groups[0].bars[0].length() - p95).abs() < 1e-9);
    assert_eq!(bars.legend.len(), Stage::COUNT);
}

#[test]
fn every_point_and_mark_lies_on_its_axes() {
    let plans = [("1GB", 1), ("2GB", 2), ("4GB", 4)];
    let (study, mut answers) = sample::made_up(&plans, &["a", "b"], &[]);
    answers.capacities[0].curve = vec![
        sample::finding(0.001, 1.0, 1, 0),
        sample::finding(0.5, 1.0, 1, 0),
        sample::finding(0.9, 1.0, 1, 0),
    ];
    let at = |rate| Threshold::At {
        rate: PerSecond::new(rate),
        beyond: PerSecond::new(rate),
        accuracy: Accuracy::Resolution,
    };
    answers.capacities[0].saturation = at(0.9);
    answers.capacities[0].load_line = Some(at(0.7));
    for figure in [response::figure(&study, &answers), memory::figure(&study, &answers)] {
        for panel in lines_of(figure.unwrap()).panels {
            let on = |x, y| {
                (panel.x.low..=panel.x.high).contains(&x)
                    && (panel.y.low..=panel.y.high).contains(&y)
            };
            for series in &panel.series {
                assert!(series.points.iter().all(|it| on(it.x, it.y.unwrap_or(panel.y.low))));
                assert!(series.marks.iter().all(|it| on(it.x, it.y)), "{:?}", series.marks);
            }
        }
    }
}
