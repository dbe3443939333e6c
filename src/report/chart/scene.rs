//! A picture laid out: strokes, fills and labels with their places, and nothing left to decide.

use super::lettering;
use super::style::Ink;

/// A place, in logical pixels from the upper left corner.
pub(super) type Place = (f64, f64);

/// A picture laid out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    /// In the order of drawing.
    pub(super) shapes: Vec<Shape>,
    /// On top of all shapes.
    pub(super) labels: Vec<Label>,
}

/// Something drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// An open line.
    Stroke { path: Vec<Place>, width: f64, ink: Ink },
    /// A filled polygon.
    Fill { path: Vec<Place>, ink: Ink },
}

impl Shape {
    /// Its highest and its lowest place, and somewhat more.
    pub(super) fn extent(&self) -> (f64, f64) {
        let (path, width) = match self {
            Shape::Stroke { path, width, .. } => (path, *width),
            Shape::Fill { path, .. } => (path, 0.0),
        };
        let heights = path.iter().map(|(_, y)| *y);
        let (top, bottom) = heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(top, bottom), y| {
            (y.min(top), y.max(bottom))
        });
        // A stroke's joints stand out by some of its widths.
        let more = 16.0 * width + 1.0;
        (top - more, bottom + more)
    }
}

/// A text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub(super) text: String,
    /// Where on the baseline, as `anchor` says.
    pub(super) at: Place,
    pub(super) anchor: Anchor,
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) ink: Ink,
}

/// Which part of a text is at its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Label {
    /// The left end of its baseline.
    pub(super) fn left(&self) -> f64 {
        let width = lettering::width(&self.text, self.size, self.bold);
        match self.anchor {
            Anchor::Start => self.at.0,
            Anchor::Middle => self.at.0 - width / 2.0,
            Anchor::End => self.at.0 - width,
        }
    }

    /// The highest and the lowest place that any letters could reach.
    pub(super) fn extent(&self) -> (f64, f64) {
        (self.at.1 - 1.5 * self.size, self.at.1 + 0.75 * self.size)
    }

    /// Its letters' box, from the highest capital to the lowest descender: left, top, right,
    /// bottom.
    #[cfg(test)]
    pub(super) fn bounds(&self) -> [f64; 4] {
        let left = self.left();
        let width = lettering::width(&self.text, self.size, self.bold);
        let (top, bottom) = (self.at.1 - 0.76 * self.size, self.at.1 + 0.24 * self.size);
        [left, top, left + width, bottom]
    }
}

impl Scene {
    pub(super) fn new(width: f64) -> Scene {
        Scene { width, height: 0.0, shapes: Vec::new(), labels: Vec::new() }
    }

    /// Writes `text`; characters that no picture can show become blanks.
    pub(super) fn write(&mut self, text: &str, at: Place, anchor: Anchor, font: Type) {
        let Type { size, bold, ink } = font;
        let text: String = text.chars().map(visible).collect();
        if !text.trim().is_empty() {
            self.labels.push(Label { text, at, anchor, size, bold, ink });
        }
    }

    pub(super) fn stroke(&mut self, path: &[Place], width: f64, ink: Ink) {
        if path.len() > 1 {
            self.shapes.push(Shape::Stroke { path: path.to_vec(), width, ink });
        }
    }

    pub(super) fn fill(&mut self, path: &[Place], ink: Ink) {
        self.shapes.push(Shape::Fill { path: path.to_vec(), ink });
    }

    pub(super) fn rectangle(&mut self, [left, top, right, bottom]: [f64; 4], ink: Ink) {
        self.fill(&[(left, top), (right, top), (right, bottom), (left, bottom)], ink);
    }

    /// A line broken as `pattern` says: strokes and gaps in turn; unbroken where it is empty.
    pub(super) fn dashed(&mut self, path: &[Place], width: f64, ink: Ink, pattern: &[f64]) {
        if pattern.is_empty() {
            return self.stroke(path, width, ink);
        }
        for piece in pieces(path, pattern) {
            self.stroke(&piece, width, ink);
        }
    }

    /// A regular polygon, or a star where every other corner is nearer, around `center`.
    pub(super) fn polygon(&mut self, center: Place, radii: &[f64], turn: f64, ink: Ink) {
        let corner = |(index, radius): (usize, &f64)| {
            let angle = (turn + index as f64 / radii.len() as f64) * std::f64::consts::TAU;
            (center.0 + radius * angle.sin(), center.1 - radius * angle.cos())
        };
        let path: Vec<Place> = radii.iter().enumerate().map(corner).collect();
        self.fill(&path, ink);
    }
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) ink: Ink,
}

/// A character as a picture shows it: a blank in place of what may not stand in XML, or breaks a
/// line of text.
pub(super) fn visible(letter: char) -> char {
    let breaks = matches!(letter, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
    if letter.is_control() || breaks { ' ' } else { letter }
}

/// The strokes of a dashed path.
fn pieces(path: &[Place], pattern: &[f64]) -> Vec<Vec<Place>> {
    let mut pieces = Vec::new();
    let (mut turn, mut left) = (0, pattern[0]);
    let mut piece: Vec<Place> = path.first().copied().into_iter().collect();
    for pair in path.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        let mut rest = (to.0 - from.0).hypot(to.1 - from.1);
        while rest > left {
            let share = left / rest;
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            rest -= left;
            piece.push(from);
            if turn % 2 == 0 {
                pieces.push(std::mem::take(&mut piece));
            }
            piece = vec![from];
            turn += 1;
            left = pattern[turn % pattern.len()];
        }
        left -= rest;
        piece.push(to);
    }
    if turn % 2 == 0 {
        pieces.push(piece);
    }
    pieces
}
