//! Lines in panels.

use super::axis::Scale;
use super::layout::{QUIET, STRONG, legend};
use super::lettering::{self, fits, shortened};
use super::scene::{Anchor, Place, Scene, Type};
use super::style::*;
use crate::report::figure::{Lines, Look, Mark, MarkKind, Panel, Point, Series};
use crate::report::names::apart;

/// Panels side by side, and how high each plot is.
fn grid(panels: usize) -> (usize, f64) {
    match panels {
        0 | 1 => (1, 360.0),
        2 | 4 => (2, 270.0),
        _ => (3, 210.0),
    }
}

/// Lays out legend and panels from `top` down; returns where they end.
pub(super) fn lay_out(scene: &mut Scene, lines: &Lines, top: f64) -> f64 {
    let mut y = top - 4.0;
    if !lines.legend.is_empty() {
        y = legend(scene, &lines.legend, 34.0, y, |scene, (x, y), look| {
            if has_line(lines, *look) {
                let path = [(x - 17.0, y), (x + 17.0, y)];
                scene.dashed(&path, LINE, hue(*look), DASHES[look.dash % DASHES.len()]);
            }
            marker(scene, (x, y), *look, 1.0);
        });
    }
    let marks: Vec<(String, MarkKind)> =
        lines.marks.iter().map(|(kind, name)| ((*name).to_owned(), *kind)).collect();
    y = legend(scene, &marks, 34.0, y, |scene, at, kind| mark(scene, at, *kind, MUTED));
    let (columns, height) = grid(lines.panels.len());
    let width = (WIDTH - 2.0 * MARGIN + GAP) / columns as f64 - GAP;
    let titles = lines.panels.iter().map(|panel| panel.title.clone().unwrap_or_default());
    let titles = apart(&titles.collect::<Vec<_>>(), fits(BODY, true, width));
    for (row, panels) in lines.panels.chunks(columns).enumerate() {
        let title = if panels.iter().any(|panel| panel.title.is_some()) { 22.0 } else { 0.0 };
        let whole = height + title + 24.0 + 48.0;
        for (column, panel) in panels.iter().enumerate() {
            let x = MARGIN + column as f64 * (width + GAP);
            let y = y + 8.0 + row as f64 * (whole + GAP / 2.0);
            let name = &titles[row * columns + column];
            scene.write(name, (x, y + 14.0), Anchor::Start, STRONG);
            lay_out_panel(scene, panel, [x, y, x + width, y + whole], title);
        }
    }
    let (rows, title) = (lines.panels.len().div_ceil(columns) as f64, lines.panels.first());
    let title = if title.is_some_and(|panel| panel.title.is_some()) { 22.0 } else { 0.0 };
    y + 8.0 + rows * (height + title + 72.0 + GAP / 2.0) - GAP / 2.0
}

/// Whether what looks so is a line, and not points alone.
fn has_line(lines: &Lines, look: Look) -> bool {
    let series = lines.panels.iter().flat_map(|panel| &panel.series);
    series.filter(|series| series.look == look).any(Series::is_line)
}

/// The place of the plot within the panel's frame, and its scales.
struct Plot<'a> {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    x: Scale<'a>,
    y: Scale<'a>,
}

fn lay_out_panel(scene: &mut Scene, panel: &Panel, frame: [f64; 4], title: f64) {
    let [left, top, right, bottom] = frame;
    scene.write(&panel.y.label, (left, top + title + 11.0), Anchor::Start, QUIET);
    let (plot_top, plot_bottom) = (top + title + 24.0, bottom - 44.0);
    let y = Scale::new(&panel.y, plot_bottom, plot_top);
    let ticks = y.ticks(|_| 36.0);
    let names = ticks.iter().map(|(_, name)| lettering::width(name, SMALL, false));
    let plot_left = left + names.fold(0.0, f64::max) + 8.0;
    let x = Scale::new(&panel.x, plot_left, right - 8.0);
    let plot = Plot { left: plot_left, top: plot_top, right, bottom: plot_bottom, x, y };
    draw_axes(scene, panel, &plot, &ticks);
    panel.series.iter().for_each(|series| draw_bands(scene, series, &plot));
    draw_rule(scene, panel, &plot, (left, top + title + 11.0));
    panel.series.iter().for_each(|series| draw_line(scene, series, &plot));
    panel.series.iter().for_each(|series| draw_marks(scene, series, &plot));
    if panel.series.iter().all(|series| series.points.iter().all(|point| point.y.is_none())) {
        let middle = ((plot.left + plot.right) / 2.0, (plot.top + plot.bottom) / 2.0);
        scene.write("nothing to show", middle, Anchor::Middle, QUIET);
    }
}

fn draw_axes(scene: &mut Scene, panel: &Panel, plot: &Plot, ticks: &[(f64, String)]) {
    for (y, name) in ticks {
        scene.stroke(&[(plot.left, *y), (plot.right, *y)], HAIR, GRID);
        scene.write(name, (plot.left - 8.0, y + 0.35 * SMALL), Anchor::End, QUIET);
    }
    scene.stroke(&[(plot.left, plot.bottom), (plot.right, plot.bottom)], HAIR, AXIS);
    for (x, name) in plot.x.ticks(|name| lettering::width(name, SMALL, false) + 26.0) {
        scene.stroke(&[(x, plot.bottom), (x, plot.bottom + 4.0)], HAIR, AXIS);
        let half = lettering::width(&name, SMALL, false) / 2.0;
        let x = x.min(plot.right - half);
        scene.write(&name, (x, plot.bottom + 17.0), Anchor::Middle, QUIET);
    }
    let middle = (plot.left + plot.right) / 2.0;
    scene.write(&panel.x.label, (middle, plot.bottom + 36.0), Anchor::Middle, QUIET);
}

/// The level to stay under, with its name beside it where the lines leave room for that; or else in
/// the line of the y axis' name, which begins at `header`.
fn draw_rule(scene: &mut Scene, panel: &Panel, plot: &Plot, header: Place) {
    let Some((level, name)) = &panel.rule else { return };
    let y = plot.y.place(*level);
    scene.dashed(&[(plot.left, y), (plot.right, y)], 1.4, RULE, RULE_DASH);
    let font = Type { size: SMALL, bold: true, ink: RULE };
    let named = shortened(name, SMALL, true, plot.right - plot.left - 12.0);
    let width = lettering::width(&named, SMALL, true);
    if let Some((x, baseline)) = free_place(panel, plot, y, width) {
        scene.rectangle(around(x, baseline, width), WHITE.faded(0.85));
        return scene.write(&named, (x, baseline), Anchor::Start, font);
    }
    let after = header.0 + lettering::width(&panel.y.label, SMALL, false) + 14.0;
    let named = shortened(name, SMALL, true, plot.right - after - 34.0);
    let from = plot.right - lettering::width(&named, SMALL, true) - 34.0;
    let middle = header.1 - 0.35 * SMALL;
    scene.dashed(&[(from, middle), (from + 28.0, middle)], 1.4, RULE, RULE_DASH);
    scene.write(&named, (plot.right, header.1), Anchor::End, font);
}

const RULE_DASH: &[f64] = &[5.0, 3.0];

/// The box of a small text so wide, with some air around it.
fn around(x: f64, baseline: f64, width: f64) -> [f64; 4] {
    [x - 3.0, baseline - 0.85 * SMALL, x + width + 3.0, baseline + 0.25 * SMALL]
}

/// Where a name so wide stands clear of lines and marks: above the level at `y` or below it, as far
/// to the left as there is room. `None` where there is none.
fn free_place(panel: &Panel, plot: &Plot, y: f64, width: f64) -> Option<Place> {
    const STEPS: u32 = 32;
    let room = plot.right - plot.left - width - 12.0;
    let along = (0..=STEPS).map(|step| plot.left + 6.0 + room * f64::from(step) / f64::from(STEPS));
    let along: Vec<f64> = along.collect();
    let sides = [y - 6.0, y + 0.85 * SMALL + 5.0];
    let places = sides.into_iter().flat_map(|baseline| along.iter().map(move |x| (*x, baseline)));
    let mut free = places.filter(|(x, baseline)| {
        let area = around(*x, *baseline, width);
        area[1] >= plot.top - 12.0 && area[3] <= plot.bottom && is_free(panel, plot, area)
    });
    free.next()
}

/// Whether none of the panel's lines and marks touches a box.
fn is_free(panel: &Panel, plot: &Plot, area: [f64; 4]) -> bool {
    let touches = |(x, y): Place, by: f64| {
        let [left, top, right, bottom] = area;
        (left - by..=right + by).contains(&x) && (top - by..=bottom + by).contains(&y)
    };
    let mark = |mark: &Mark| (plot.x.place(mark.x), plot.y.place(mark.y));
    let mut marks = panel.series.iter().flat_map(|series| &series.marks).map(mark);
    let mut runs = panel.series.iter().flat_map(|series| runs(&series.points));
    let met = |run: &[Point]| {
        let path: Vec<Place> = run.iter().map(|point| place(plot, point)).collect();
        path.iter().any(|at| touches(*at, MARKER))
            || path.windows(2).any(|pair| steps(pair[0], pair[1]).any(|at| touches(at, LINE / 2.0)))
    };
    !marks.any(|at| touches(at, MARK)) && !runs.any(met)
}

/// Places between two, a few pixels apart.
fn steps((x, y): Place, (to_x, to_y): Place) -> impl Iterator<Item = Place> {
    const APART: f64 = 3.0;
    let count = ((to_x - x).hypot(to_y - y) / APART).ceil().max(1.0) as u32;
    let share = move |step: u32| f64::from(step) / f64::from(count);
    (0..=count).map(share).map(move |share| (x + (to_x - x) * share, y + (to_y - y) * share))
}

/// Where a point that has a value is.
fn place(plot: &Plot, point: &Point) -> Place {
    (plot.x.place(point.x), plot.y.place(point.y.unwrap_or_default()))
}

/// The runs of points that have a value, one after the other.
fn runs(points: &[Point]) -> impl Iterator<Item = &[Point]> {
    points.split(|point| point.y.is_none()).filter(|run| !run.is_empty())
}

fn draw_bands(scene: &mut Scene, series: &Series, plot: &Plot) {
    for run in series.points.split(|point| point.band.is_none()).filter(|run| run.len() > 1) {
        let edge = |point: &Point, high: bool| {
            let (low, top) = point.band.unwrap_or_default();
            (plot.x.place(point.x), plot.y.place(if high { top } else { low }))
        };
        let upper = run.iter().map(|point| edge(point, true));
        let lower = run.iter().rev().map(|point| edge(point, false));
        let path: Vec<Place> = upper.chain(lower).collect();
        scene.fill(&path, hue(series.look).faded(BAND));
    }
}

/// The line, faint where the rate is not sustained, with a marker at each point.
fn draw_line(scene: &mut Scene, series: &Series, plot: &Plot) {
    let ink = hue(series.look);
    let dash = DASHES[series.look.dash % DASHES.len()];
    let place = |point: &Point| place(plot, point);
    for run in runs(&series.points) {
        let steady = run.iter().take_while(|point| point.sustained).count();
        let firm: Vec<Place> = run[..steady].iter().map(place).collect();
        let faint: Vec<Place> = run[steady.saturating_sub(1)..].iter().map(place).collect();
        scene.dashed(&faint, LINE, ink.faded(UNSUSTAINED), dash);
        scene.dashed(&firm, LINE, ink, dash);
    }
    for point in series.points.iter().filter(|point| point.y.is_some()) {
        let opacity = if point.sustained { 1.0 } else { UNSUSTAINED };
        marker(scene, place(point), series.look, opacity);
    }
}

fn draw_marks(scene: &mut Scene, series: &Series, plot: &Plot) {
    // A load line at the saturation point is a diamond on a cross.
    for each in series.marks.iter().rev() {
        let at = (plot.x.place(each.x), plot.y.place(each.y));
        mark(scene, at, each.kind, hue(series.look));
    }
}

fn hue(look: Look) -> Ink {
    HUES[look.hue % HUES.len()]
}

/// A point's shape: one per dash pattern.
fn marker(scene: &mut Scene, at: Place, look: Look, opacity: f64) {
    let ink = hue(look).faded(opacity);
    match look.dash % DASHES.len() {
        0 => scene.polygon(at, &[MARKER; 16], 0.0, ink),
        1 => scene.polygon(at, &[MARKER * 1.3; 4], 0.125, ink),
        2 => scene.polygon(at, &[MARKER * 1.45; 3], 0.0, ink),
        3 => scene.polygon(at, &[MARKER * 1.45; 3], 0.5, ink),
        4 => scene.polygon(at, &[MARKER * 1.25; 5], 0.0, ink),
        _ => scene.polygon(at, &[MARKER * 1.25; 6], 0.0, ink),
    }
}

/// What a capacity search found: larger than a marker, and with a white edge.
fn mark(scene: &mut Scene, at: Place, kind: MarkKind, ink: Ink) {
    match kind {
        MarkKind::LoadLine => {
            scene.polygon(at, &[MARK + 2.0; 4], 0.0, WHITE);
            scene.polygon(at, &[MARK; 4], 0.0, ink);
        }
        MarkKind::Saturation => cross(scene, at, ink),
        MarkKind::Oom => {
            let star = |size: f64| [size, size * 0.45].repeat(8);
            scene.polygon(at, &star(MARK + 3.5), 0.0, WHITE);
            scene.polygon(at, &star(MARK + 1.0), 0.0, ink);
        }
    }
}

fn cross(scene: &mut Scene, (x, y): Place, ink: Ink) {
    let arm = MARK * 0.8;
    let diagonals =
        [[(x - arm, y - arm), (x + arm, y + arm)], [(x - arm, y + arm), (x + arm, y - arm)]];
    diagonals.iter().for_each(|path| scene.stroke(path, 5.0, WHITE));
    diagonals.iter().for_each(|path| scene.stroke(path, 2.4, ink));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::{Axis, Unit};

    /// Where the name of the level 0.5 stands, in a panel with one line of such heights, and where
    /// the name of the y axis does.
    fn baselines(heights: &[f64], marks: Vec<Mark>) -> [f64; 2] {
        let axis = |label: &str, high: f64| {
            let (label, low) = (label.to_owned(), 0.0);
            Axis { label, low, high, log: false, unit: Unit::Plain }
        };
        let point = |(at, y): (usize, &f64)| Point {
            x: at as f64,
            y: Some(*y),
            band: None,
            sustained: true,
        };
        let points: Vec<Point> = heights.iter().enumerate().map(point).collect();
        let panel = Panel {
            title: None,
            x: axis("rate", heights.len() as f64),
            y: axis("time", 1.0),
            series: vec![Series { look: Look { hue: 0, dash: 0 }, points, marks }],
            rule: Some((0.5, "objective".to_owned())),
        };
        let mut scene = Scene::new(WIDTH);
        let lines = Lines { legend: Vec::new(), marks: Vec::new(), panels: vec![panel] };
        lay_out(&mut scene, &lines, 0.0);
        let of = |text: &str| scene.labels.iter().find(|label| label.text == text).unwrap().at.1;
        ["objective", "time"].map(of)
    }

    #[test]
    fn the_name_of_a_level_is_beside_it_where_there_is_room_and_else_above_the_plot() {
        let [above, header] = baselines(&[0.9; 20], Vec::new());
        let [below, _] = baselines(&[0.53; 20], Vec::new());
        assert!(above > header && below > above + SMALL, "{above} {below}");
        let zigzag: Vec<f64> = (0..40).map(|at| f64::from(at % 2)).collect();
        let [name, header] = baselines(&zigzag, Vec::new());
        assert!((name - header).abs() < 1e-9);
    }

    #[test]
    fn the_name_of_a_level_hides_no_mark() {
        let mark = |at: u32| Mark { kind: MarkKind::LoadLine, x: f64::from(at) / 2.0, y: 0.5 };
        let [name, header] = baselines(&[0.9; 20], (0..40).map(mark).collect());
        assert!((name - header).abs() < 1e-9);
    }

    #[test]
    fn what_is_drawn_as_points_alone_has_no_line_in_the_legend() {
        let look = Look { hue: 0, dash: 0 };
        let axis =
            || Axis { label: String::new(), low: 0.0, high: 1.0, log: false, unit: Unit::Plain };
        let line = |heights: &[Option<f64>]| {
            let point = |y: &Option<f64>| Point { x: 0.5, y: *y, band: None, sustained: true };
            let points = heights.iter().map(point).collect();
            let series = vec![Series { look, points, marks: Vec::new() }];
            let panel = Panel { title: None, x: axis(), y: axis(), series, rule: None };
            has_line(&Lines { legend: Vec::new(), marks: Vec::new(), panels: vec![panel] }, look)
        };
        assert!(line(&[Some(0.5), Some(0.6)]));
        assert!(!line(&[Some(0.5), None, Some(0.6)]));
        assert!(line(&[Some(0.5)]) && line(&[]), "what there is of a line");
    }
}
