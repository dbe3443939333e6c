//! Letters: how wide a text is, and its pixels. The fonts are part of the program, so that
//! pictures are the same on a machine without any.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

/// DejaVu Sans, cut down to Latin, Greek and a few signs; `fonts/LICENSE.txt` is its licence.
static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parsed(include_bytes!("../fonts/DejaVuSans.ttf")));
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parsed(include_bytes!("../fonts/DejaVuSans-Bold.ttf")));

fn parsed(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the built-in fonts are well-formed")
}

fn face(bold: bool) -> &'static FontRef<'static> {
    if bold { &BOLD } else { &REGULAR }
}

/// The scale at which an em is `size` pixels.
fn scale(font: &FontRef, size: f64) -> PxScale {
    let units_per_em = font.units_per_em().expect("the built-in fonts say their em");
    PxScale::from(size as f32 * font.height_unscaled() / units_per_em)
}

/// What is drawn for `letter`: itself, or a replacement sign where the font lacks it.
fn glyph(font: &FontRef, letter: char) -> GlyphId {
    match font.glyph_id(letter) {
        GlyphId(0) => font.glyph_id('\u{fffd}'),
        known => known,
    }
}

/// The width of `text` in letters of `size` pixels an em.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let font = face(bold);
    let scaled = font.as_scaled(scale(font, size));
    text.chars().map(|letter| f64::from(scaled.h_advance(glyph(font, letter)))).sum()
}

/// Whether a text is no wider than `room`.
pub(super) fn fits(size: f64, bold: bool, room: f64) -> impl Fn(&str) -> bool {
    move |text| width(text, size, bold) <= room
}

/// `text`, cut with an ellipsis where it is wider than `room`.
pub(super) fn shortened(text: &str, size: f64, bold: bool, room: f64) -> String {
    if width(text, size, bold) <= room {
        return text.to_owned();
    }
    let mut cut: String = text.to_owned();
    while cut.pop().is_some() {
        let short = format!("{}…", cut.trim_end());
        if width(&short, size, bold) <= room {
            return short;
        }
    }
    String::new()
}

/// `text` in lines no wider than `room`, at most `most` of them; what does not fit is cut.
pub(super) fn wrapped(text: &str, size: f64, bold: bool, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.len() == most;
        let line = lines.last_mut().expect("there is always a line");
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if line.is_empty() || full || width(&longer, size, bold) <= room {
            *line = longer;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().map(|line| shortened(line, size, bold, room)).collect()
}

/// The pixels of `text` from `x` on along `baseline`: hands each with its cover to `put`.
pub(super) fn paint(
    text: &str,
    (x, baseline): (f64, f64),
    size: f64,
    bold: bool,
    mut put: impl FnMut(i32, i32, f32),
) {
    let font = face(bold);
    let scale = scale(font, size);
    let mut pen = x as f32;
    for letter in text.chars() {
        let id = glyph(font, letter);
        let placed = id.with_scale_and_position(scale, point(pen, baseline as f32));
        if let Some(outline) = font.outline_glyph(placed) {
            let corner = outline.px_bounds().min;
            let (left, top) = (corner.x as i32, corner.y as i32);
            outline.draw(|dx, dy, cover| put(left + dx as i32, top + dy as i32, cover));
        }
        pen += font.as_scaled(scale).h_advance(id);
    }
}
