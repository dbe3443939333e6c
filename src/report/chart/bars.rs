//! Horizontal bars in groups.

use super::axis::Scale;
use super::layout::{PLAIN, QUIET, STRONG, legend};
use super::lettering::{self, fits, shortened};
use super::scene::{Anchor, Scene, Type};
use super::style::*;
use crate::report::figure::{Bar, Bars, Group};
use crate::report::names::{apart, cut};

const BAR: f64 = 13.0;
const PITCH: f64 = 20.0;
const NAME: f64 = 24.0;
/// Names of bars get at most this much of the width.
const WIDEST_NAME: f64 = 210.0;
/// Bars get at least this much.
const NARROWEST: f64 = 280.0;

/// Lays out legend and bars from `top` down; returns where they end.
pub(super) fn lay_out(scene: &mut Scene, bars: &Bars, top: f64) -> f64 {
    let top = legend(scene, &bars.legend, 14.0, top - 4.0, |scene, (x, y), fill| {
        scene.rectangle([x - 7.0, y - 6.0, x + 7.0, y + 6.0], FILLS[fill % FILLS.len()]);
    });
    let top = top + if bars.rule.is_some() { 26.0 } else { 6.0 };
    let all = || bars.groups.iter().flat_map(|group| &group.bars);
    let names = all().map(|bar| lettering::width(&bar.name, BODY, false));
    let left = MARGIN + names.fold(0.0, f64::max).min(WIDEST_NAME) + 10.0;
    let room = WIDTH - MARGIN - left;
    let end = all().map(|bar| end_for(bar, bars.axis.high, room)).fold(room, f64::min);
    let x = Scale::new(&bars.axis, left, left + end.max(NARROWEST));
    let heights = bars.groups.iter().map(|group| NAME + PITCH * group.bars.len() as f64);
    let bottom = top + heights.sum::<f64>() + GAP * bars.groups.len().saturating_sub(1) as f64;
    draw_axis(scene, bars, &x, left, top, bottom + 6.0);
    let frame = Frame { x, high: bars.axis.high, left };
    each_group(bars, top, |group, y| draw_bars(scene, group, &frame, y));
    draw_rule(scene, bars, &frame, top, bottom + 6.0);
    let mut names = group_names(bars).into_iter();
    each_group(bars, top, |group, y| {
        write_names(scene, &names.next().unwrap_or_default(), group, &frame, y);
    });
    bottom + 42.0
}

/// The groups' names, cut to leave room for what is said beside them.
fn group_names(bars: &Bars) -> Vec<String> {
    let details = bars.groups.iter().map(|group| lettering::width(&group.detail, SMALL, false));
    let widest = details.fold(0.0, f64::max);
    let room = WIDTH - 2.0 * MARGIN - if widest > 0.0 { widest + 12.0 } else { 0.0 };
    let names: Vec<String> = bars.groups.iter().map(|group| group.name.clone()).collect();
    apart(&names, fits(BODY, true, room))
}

/// Where bars begin, and how long they are.
struct Frame<'a> {
    x: Scale<'a>,
    high: f64,
    left: f64,
}

fn each_group(bars: &Bars, top: f64, mut draw: impl FnMut(&Group, f64)) {
    let mut y = top;
    for group in &bars.groups {
        draw(group, y);
        y += NAME + PITCH * group.bars.len() as f64 + GAP;
    }
}

/// How long the axis may be for this bar's label to end within the picture.
fn end_for(bar: &Bar, high: f64, room: f64) -> f64 {
    let length = bar.length().min(high) / high;
    let label = lettering::width(&bar.label, BODY, false) + 10.0;
    if length > 0.0 { (room - label) / length } else { room }
}

fn draw_axis(scene: &mut Scene, bars: &Bars, x: &Scale, left: f64, top: f64, bottom: f64) {
    let ticks = x.ticks(|name| lettering::width(name, SMALL, false) + 44.0);
    for (at, name) in ticks {
        scene.stroke(&[(at, top), (at, bottom)], HAIR, GRID);
        scene.write(&name, (at, bottom + 15.0), Anchor::Middle, QUIET);
    }
    let middle = (left + WIDTH - MARGIN) / 2.0;
    scene.write(&bars.axis.label, (middle, bottom + 33.0), Anchor::Middle, QUIET);
}

fn draw_bars(scene: &mut Scene, group: &Group, frame: &Frame, top: f64) {
    for (index, bar) in group.bars.iter().enumerate() {
        let top = top + NAME + PITCH * index as f64;
        let mut sum = 0.0;
        for (fill, length, short) in &bar.segments {
            let (from, to) = (frame.x.place(sum), frame.x.place(sum + length));
            sum += length;
            if to - from > 0.3 {
                draw_segment(scene, [from, top, to, top + BAR], *fill, short);
            }
        }
        if sum > frame.high * 1.000_001 {
            draw_cut(scene, frame.x.place(sum) - 16.0, top);
        }
    }
    let (first, last) = (top + NAME - 3.0, top + NAME + PITCH * group.bars.len() as f64 - 3.0);
    scene.stroke(&[(frame.left, first), (frame.left, last)], HAIR, AXIS);
}

/// The names of the group and of its bars, and what stands at their ends; lines that would strike
/// through a text are broken there.
fn write_names(scene: &mut Scene, name: &str, group: &Group, frame: &Frame, top: f64) {
    let detail = lettering::width(&group.detail, SMALL, false);
    let after = MARGIN + lettering::width(name, BODY, true) + 10.0;
    scene.rectangle([MARGIN - 2.0, top, after + detail + 4.0, top + NAME - 4.0], WHITE);
    scene.write(name, (MARGIN, top + 14.0), Anchor::Start, STRONG);
    scene.write(&group.detail, (after, top + 14.0), Anchor::Start, QUIET);
    for (index, bar) in group.bars.iter().enumerate() {
        write_bar(scene, bar, frame, top + NAME + PITCH * index as f64);
    }
}

fn write_bar(scene: &mut Scene, bar: &Bar, frame: &Frame, top: f64) {
    let baseline = top + BAR / 2.0 + 0.36 * BODY;
    let name = cut(&bar.name, fits(BODY, false, frame.left - MARGIN - 10.0));
    scene.write(&name, (frame.left - 10.0, baseline), Anchor::End, PLAIN);
    let end = frame.x.place(bar.length());
    let label = shortened(&bar.label, BODY, false, WIDTH - MARGIN - end - 8.0);
    let width = lettering::width(&label, BODY, false);
    scene.rectangle([end + 4.0, top - 1.0, end + 12.0 + width, top + BAR + 2.0], WHITE);
    let ink = if bar.alarming { ALARM } else { TEXT };
    scene.write(&label, (end + 8.0, baseline), Anchor::Start, Type { ink, ..PLAIN });
}

fn draw_segment(scene: &mut Scene, [left, top, right, bottom]: [f64; 4], fill: usize, name: &str) {
    let ink = FILLS[fill % FILLS.len()];
    scene.rectangle([left, top, right, bottom], ink);
    scene.rectangle([right - 0.8, top, right, bottom], WHITE);
    const SIZE: f64 = 9.5;
    if lettering::width(name, SIZE, false) + 8.0 <= right - left {
        let font = Type { size: SIZE, bold: false, ink: ink.text_on() };
        let at = ((left + right) / 2.0, bottom - 3.2);
        scene.write(name, at, Anchor::Middle, font);
    }
}

/// Two slanting gaps: the bar is longer than it is drawn.
fn draw_cut(scene: &mut Scene, x: f64, top: f64) {
    for x in [x, x + 6.0] {
        scene.stroke(&[(x, top + BAR + 1.0), (x + 5.0, top - 1.0)], 2.0, WHITE);
    }
}

/// The value to stay under, with its name above.
fn draw_rule(scene: &mut Scene, bars: &Bars, frame: &Frame, top: f64, bottom: f64) {
    let Some((value, name)) = &bars.rule else { return };
    if *value > bars.axis.high {
        return;
    }
    let at = frame.x.place(*value);
    scene.dashed(&[(at, top - 4.0), (at, bottom)], 1.4, RULE, &[5.0, 3.0]);
    let half = lettering::width(name, SMALL, true) / 2.0;
    let middle = at.clamp(frame.left + half, (WIDTH - MARGIN - half).max(frame.left + half));
    let font = Type { size: SMALL, bold: true, ink: RULE };
    scene.write(name, (middle, top - 9.0), Anchor::Middle, font);
}
