//! The frame around a drawing: title, subtitle and legend, from the top down.

use super::lettering::{self, fits};
use super::scene::{Anchor, Place, Scene, Type};
use super::style::*;
use super::{bars, lines};
use crate::report::figure::{Body, Figure};
use crate::report::names::apart;

/// Body text.
pub(super) const PLAIN: Type = Type { size: BODY, bold: false, ink: TEXT };
/// Names.
pub(super) const STRONG: Type = Type { size: BODY, bold: true, ink: TEXT };
/// Units, ticks, remarks.
pub(super) const QUIET: Type = Type { size: SMALL, bold: false, ink: MUTED };

/// A title says what was found last, after the names of a plan and a server: it takes so many lines
/// before it is cut.
const TITLE_LINES: usize = 4;

/// The figure, laid out.
pub(super) fn scene(figure: &Figure) -> Scene {
    let mut scene = Scene::new(WIDTH);
    let top = heading(&mut scene, figure);
    let bottom = match &figure.body {
        Body::Lines(body) => lines::lay_out(&mut scene, body, top),
        Body::Bars(body) => bars::lay_out(&mut scene, body, top),
    };
    scene.height = (bottom + MARGIN - 4.0).ceil();
    scene
}

/// Title and subtitle; returns where they end.
fn heading(scene: &mut Scene, figure: &Figure) -> f64 {
    let room = WIDTH - 2.0 * MARGIN;
    let mut y = MARGIN - 4.0;
    for line in lettering::balanced(&figure.title, TITLE, true, room, TITLE_LINES) {
        y += TITLE * 1.25;
        let font = Type { size: TITLE, bold: true, ink: TEXT };
        scene.write(&line, (MARGIN, y - 4.0), Anchor::Start, font);
    }
    for line in lettering::wrapped(&figure.subtitle, SUBTITLE, false, room, 2) {
        y += SUBTITLE * 1.4;
        let font = Type { size: SUBTITLE, bold: false, ink: MUTED };
        scene.write(&line, (MARGIN, y - 1.0), Anchor::Start, font);
    }
    y + GAP
}

/// Names in a grid, each behind a sample `swatch` wide that `draw` makes around a place on the
/// middle of the line; returns where it ends.
pub(super) fn legend<T>(
    scene: &mut Scene,
    entries: &[(String, T)],
    swatch: f64,
    top: f64,
    draw: impl Fn(&mut Scene, Place, &T),
) -> f64 {
    const LINE_HEIGHT: f64 = 20.0;
    let room = WIDTH - 2.0 * MARGIN;
    let width = |name: &str| swatch + 8.0 + lettering::width(name, BODY, false);
    let widest = entries.iter().map(|(name, _)| width(name)).fold(0.0, f64::max);
    let pitch = (widest + 24.0).min(room / 2.0);
    let columns = ((room + 24.0) / pitch.max(1.0)).floor().max(1.0) as usize;
    let name_room = if columns == 1 { room } else { pitch - 16.0 } - swatch - 8.0;
    let names: Vec<String> = entries.iter().map(|(name, _)| name.clone()).collect();
    let names = apart(&names, fits(BODY, false, name_room));
    for (index, ((_, entry), name)) in entries.iter().zip(&names).enumerate() {
        let x = MARGIN + (index % columns) as f64 * pitch;
        let y = top + (index / columns) as f64 * LINE_HEIGHT + LINE_HEIGHT / 2.0;
        draw(scene, (x + swatch / 2.0, y), entry);
        scene.write(name, (x + swatch + 8.0, y + 0.35 * BODY), Anchor::Start, PLAIN);
    }
    top + entries.len().div_ceil(columns) as f64 * LINE_HEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::answer::{Answers, Objective, Study, Threshold};
    use crate::report::{figure, sample};

    const LONG: &str = "a name <of> sixty & more \"letters\" that goes on and on and on and on";

    /// Answers of one and of many plans and servers, with names short, long and nasty.
    fn gallery() -> Vec<(Study, Answers)> {
        let names: Vec<String> = (1..=12).map(|number| format!("{number} {LONG}")).collect();
        let servers: [&str; 3] = [LONG, "uvicorn", "\u{1}\n日本語"];
        let rates = [0.5, 22.0, 40.0, 4000.0];
        [(1, 1), (1, 3), (2, 1), (2, 3), (4, 3), (12, 1)]
            .into_iter()
            .map(|(plans, kinds)| {
                let plans: Vec<(&str, u64)> =
                    names[..plans].iter().map(|name| name.as_str()).zip(1..).collect();
                sample::made_up(&plans, &servers[..kinds], &rates)
            })
            .chain([without_answers(), without_objective(), tiny()])
            .collect()
    }

    fn without_answers() -> (Study, Answers) {
        let (study, mut answers) = sample::made_up(&[("1GB", 1), ("2GB", 2)], &["a", "b"], &[5.0]);
        for capacity in &mut answers.capacities {
            capacity.oom = Threshold::AtRest;
            capacity.saturation = Threshold::AtRest;
            capacity.load_line = Some(Threshold::AtRest);
        }
        for finding in answers.capacities.iter_mut().flat_map(|each| &mut each.curve) {
            finding.p95 = None;
        }
        answers.capacities[1].curve.clear();
        (study, answers)
    }

    fn without_objective() -> (Study, Answers) {
        let (mut study, mut answers) = sample::made_up(&[("box", 2)], &["mm1"], &[5.0]);
        study.objective = Objective::default();
        answers.capacities[0].load_line = None;
        answers.capacities[0].budget.ceiling = None;
        (study, answers)
    }

    fn tiny() -> (Study, Answers) {
        let (study, mut answers) = sample::made_up(&[("2GB", 2)], &["gunicorn"], &[5.0]);
        answers.capacities[0].curve.truncate(1);
        answers.capacities[0].saturation = Threshold::NotSearched;
        answers.capacities[0].load_line = Some(Threshold::NotSearched);
        (study, answers)
    }

    fn scenes() -> Vec<(String, Scene)> {
        let figures = gallery().into_iter().enumerate().flat_map(|(index, (study, answers))| {
            figure::all(&study, &answers)
                .into_iter()
                .map(move |figure| (format!("{} {index}", figure.name), scene(&figure)))
        });
        figures.collect()
    }

    #[test]
    fn no_label_touches_another() {
        for (name, scene) in scenes() {
            for (index, one) in scene.labels.iter().enumerate() {
                for other in &scene.labels[index + 1..] {
                    let ([l, t, r, b], [left, top, right, bottom]) = (one.bounds(), other.bounds());
                    let apart = r <= left || right <= l || b <= top || bottom <= t;
                    assert!(apart, "{name}: {one:?} touches {other:?}");
                }
            }
        }
    }

    #[test]
    fn no_title_loses_its_end_however_long_the_names_in_it() {
        let cut = |name: &str, scene: &Scene| {
            let titles = scene.labels.iter().filter(|label| label.size >= TITLE);
            let cut = titles.filter(|label| label.text.ends_with('…'));
            cut.map(|label| format!("{name}: {}", label.text)).collect::<Vec<_>>()
        };
        let all: Vec<String> = scenes().iter().flat_map(|(name, it)| cut(name, it)).collect();
        assert_eq!(all, [""; 0]);
    }

    #[test]
    fn no_label_leaves_the_picture() {
        for (name, scene) in scenes() {
            for label in &scene.labels {
                let [left, top, right, bottom] = label.bounds();
                let inside = left >= 0.0 && top >= 0.0;
                let inside = inside && right <= scene.width && bottom <= scene.height;
                assert!(inside, "{name}: {label:?} leaves the picture");
            }
        }
    }

    #[test]
    fn no_shape_leaves_the_picture() {
        use crate::report::chart::scene::Shape;
        for (name, scene) in scenes() {
            for shape in &scene.shapes {
                let (Shape::Stroke { path, .. } | Shape::Fill { path, .. }) = shape;
                for (x, y) in path {
                    let inside = (0.0..=scene.width).contains(x);
                    let inside = inside && (0.0..=scene.height).contains(y);
                    assert!(inside, "{name}: {x}, {y} of {shape:?}");
                }
            }
        }
    }

    #[test]
    fn every_figure_says_its_units() {
        for (name, scene) in scenes() {
            let has = |text: &str| scene.labels.iter().any(|label| label.text.contains(text));
            let per_second = has("requests per second");
            let time = has("response time") && (has(" ms") || has(" s"));
            assert!(per_second || time, "{name}");
        }
    }
}
