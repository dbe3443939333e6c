//! A figure in words, for readers who cannot see it: what it shows, over which axes, and where its
//! lines and bars end.

use super::{Axis, Bar, Bars, Body, Figure, Group, Lines, Mark, MarkKind, Panel, Series, Unit};
use crate::report::words;

impl Figure {
    /// What to read out in its place.
    pub fn alt_text(&self) -> String {
        let body = match &self.body {
            Body::Lines(lines) => lines_in_words(lines),
            Body::Bars(bars) => bars_in_words(bars),
        };
        let sentences = [self.title.clone(), self.subtitle.clone()].into_iter().chain(body);
        sentences.map(|it| format!("{}.", it.trim_end_matches('.'))).collect::<Vec<_>>().join(" ")
    }
}

fn lines_in_words(lines: &Lines) -> Vec<String> {
    let mut sentences = Vec::new();
    for panel in &lines.panels {
        let begin = panel.title.as_ref().map_or("Across".to_owned(), |it| format!("{it}: across"));
        let axes = format!("{begin} {}; up {}", axis(&panel.x), axis(&panel.y));
        sentences.push(axes + &rule(panel.rule.as_ref()));
        sentences.extend(panel.series.iter().map(|series| line(lines, panel, series)));
    }
    sentences
}

/// What is measured along an axis, and from where to where it is shown.
fn axis(axis: &Axis) -> String {
    let scale = if axis.log { " on a logarithmic scale" } else { "" };
    let (low, high) = (value(axis.low, axis.unit), value(axis.high, axis.unit));
    format!("{} from {low} to {high}{scale}", axis.label)
}

fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Plain => words::plain(value),
        Unit::Seconds => words::seconds(value),
        Unit::Memory => words::memory(value),
    }
}

fn rule(rule: Option<&(f64, String)>) -> String {
    rule.map(|(_, name)| format!("; a level is marked: {name}")).unwrap_or_default()
}

/// Where a line begins and ends, or between what its points lie, and what is marked on it.
fn line(lines: &Lines, panel: &Panel, series: &Series) -> String {
    let name = lines.legend.iter().find(|(_, look)| *look == series.look);
    let name = name.map_or("the line", |(name, _)| name);
    let at = |x: f64, y: f64| format!("{} at {}", value(y, panel.y.unit), value(x, panel.x.unit));
    let drawn: Vec<(f64, f64)> =
        series.points.iter().filter_map(|point| Some((point.x, point.y?))).collect();
    let course = match drawn[..] {
        [] => "nothing to show".to_owned(),
        [(x, y)] => at(x, y),
        [(x, y), .., (to_x, to_y)] if series.is_line() => {
            format!("from {} to {}", at(x, y), at(to_x, to_y))
        }
        _ => scattered(&drawn, panel),
    };
    let marks = series.marks.iter().map(|it| match it.y < panel.y.high {
        true => format!("; {} {}", mark(it), at(it.x, it.y)),
        false => format!("; {}, off the scale, at {}", mark(it), value(it.x, panel.x.unit)),
    });
    format!("{name}: {course}{}", marks.collect::<String>())
}

/// Points that no line joins, by the lowest and the highest of them.
fn scattered(drawn: &[(f64, f64)], panel: &Panel) -> String {
    let low = drawn.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
    let high = drawn.iter().map(|(_, y)| *y).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = (value(low, panel.y.unit), value(high, panel.y.unit));
    format!("{} points between {low} and {high}", drawn.len())
}

fn mark(mark: &Mark) -> &'static str {
    match mark.kind {
        MarkKind::LoadLine => "load line",
        MarkKind::Saturation => "saturation",
        MarkKind::Oom => "memory runs out",
    }
}

fn bars_in_words(bars: &Bars) -> Vec<String> {
    let drawn = bars.rule.as_ref().filter(|(level, _)| *level <= bars.axis.high);
    let along = format!("Bars along {}{}", axis(&bars.axis), rule(drawn));
    std::iter::once(along)
        .chain(bars.groups.iter().map(|group| group_in_words(bars, group)))
        .collect()
}

fn group_in_words(bars: &Bars, group: &Group) -> String {
    let detail = match group.detail.is_empty() {
        true => String::new(),
        false => format!(" ({})", group.detail),
    };
    let all: Vec<String> = group.bars.iter().map(|bar| bar_in_words(bars, bar)).collect();
    format!("{}{detail}: {}", group.name, all.join("; "))
}

/// A bar's name and label and, where its parts mean something, the longest of them.
fn bar_in_words(bars: &Bars, bar: &Bar) -> String {
    let meaning = |fill: usize| bars.legend.iter().find(|(_, each)| *each == fill);
    let longest = bar.segments.iter().max_by(|(_, a, _), (_, b, _)| a.total_cmp(b));
    let part = longest.and_then(|(fill, length, _)| {
        let length = value(*length, bars.axis.unit);
        meaning(*fill).map(|(name, _)| format!(" (longest part: {name}, {length})"))
    });
    format!("{}: {}{}", bar.name, bar.label, part.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::Point;
    use crate::report::{figure, sample};

    /// What is said of each figure of two plans with as many servers at two tiers, by its name.
    fn said() -> [(Figure, String); 4] {
        let plans = [("2GB", 2), ("4GB", 4)];
        let (study, answers) = sample::made_up(&plans, &["gunicorn", "uvicorn"], &[10.0, 40.0]);
        let figures: [Figure; 4] = figure::all(&study, &answers).try_into().unwrap();
        figures.map(|figure| {
            let said = figure.alt_text();
            (figure, said)
        })
    }

    #[test]
    fn what_is_said_begins_with_what_a_figure_shows_and_has_its_axes_and_their_ends() {
        for (figure, said) in said() {
            let begin = format!("{}. {}. ", figure.title, figure.subtitle);
            assert!(said.starts_with(&begin) && said.ends_with('.'), "{said}");
            let axes = match &figure.body {
                Body::Lines(lines) => lines.panels.iter().flat_map(|it| [&it.x, &it.y]).collect(),
                Body::Bars(bars) => vec![&bars.axis],
            };
            for axis in axes {
                let high = value(axis.high, axis.unit);
                assert!(said.contains(&format!("{} from ", axis.label)), "{said}");
                assert!(said.contains(&format!(" to {high}")), "{high} is not in: {said}");
            }
        }
    }

    #[test]
    fn every_line_mark_bar_and_level_is_said() {
        for (figure, said) in said() {
            let (names, levels): (Vec<String>, Vec<_>) = match figure.body {
                Body::Lines(lines) => (
                    lines.legend.into_iter().map(|(name, _)| name).collect(),
                    lines.panels.into_iter().filter_map(|panel| panel.rule).collect(),
                ),
                Body::Bars(bars) => {
                    let all = bars.groups.iter().flat_map(|group| &group.bars);
                    let each = all.map(|bar| format!("{}: {}", bar.name, bar.label));
                    (each.collect(), bars.rule.into_iter().collect())
                }
            };
            assert!(!names.is_empty());
            for name in names.into_iter().chain(levels.into_iter().map(|(_, name)| name)) {
                assert!(said.contains(&name), "{name} is not in: {said}");
            }
        }
        let [(_, response), .., (_, slow)] = said();
        assert!(response.contains("; load line 500 ms at 20.7; saturation "), "{response}");
        assert!(
            slow.contains("10/s: 106 ms (longest part: waits for a worker, 36.3 ms)"),
            "{slow}"
        );
    }

    /// Where all bars end long before it, a level is not drawn.
    #[test]
    fn a_level_beyond_the_axis_is_not_said() {
        let [.., (figure, said)] = said();
        let Body::Bars(mut bars) = figure.body.clone() else { panic!("slow requests are bars") };
        let (level, name) = bars.rule.clone().unwrap();
        assert!(level <= bars.axis.high && said.contains(&name), "{said}");
        bars.rule = Some((1.01 * bars.axis.high, name.clone()));
        let said = Figure { body: Body::Bars(bars), ..figure }.alt_text();
        assert!(!said.contains(&name), "{said}");
    }

    #[test]
    fn points_that_no_line_joins_are_said_by_the_lowest_and_the_highest() {
        let [(figure, _), ..] = said();
        let Body::Lines(mut lines) = figure.body.clone() else { panic!("p95 is drawn in lines") };
        let series = &mut lines.panels[0].series[0];
        let joined = std::mem::take(&mut series.points).into_iter().filter(|it| it.y.is_some());
        let gap = |point| [point, Point { y: None, ..point }];
        series.points = joined.take(3).flat_map(gap).collect();
        series.points[2].y = Some(0.09);
        let said = Figure { body: Body::Lines(lines), ..figure }.alt_text();
        let some = "2GB · gunicorn: 3 points between 65.5 ms and 90 ms; load line ";
        assert!(said.contains(some), "{said}");
    }
}
