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

/// The lines of [`wrapped`], balanced in length so that no word stands alone in the last.
pub(super) fn balanced(text: &str, size: f64, bold: bool, room: f64, most: usize) -> Vec<String> {
    let lines = wrapped(text, size, bold, room, most);
    let whole = lines.concat().chars().count();
    let is_as_good =
        |it: &Vec<String>| it.len() == lines.len() && it.concat().chars().count() == whole;
    let narrower = (1..10).map(|step| room * (1.0 - 0.05 * f64::from(step)));
    let tried = narrower.map(|room| wrapped(text, size, bold, room, most));
    tried.take_while(is_as_good).last().unwrap_or_else(|| lines.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_a_title_stands_alone_and_none_is_lost() {
        let text = "4GB · uvicorn carries most: 117 requests/s with p95 and errors within 0.1%";
        let room = width(text, 19.0, true) - 1.0;
        assert_eq!(wrapped(text, 19.0, true, room, 2)[1], "0.1%");
        let lines = balanced(text, 19.0, true, room, 2);
        assert_eq!(lines.join(" "), text);
        let widths = [0, 1].map(|line| width(&lines[line], 19.0, true));
        assert!(widths[1] > 0.6 * widths[0], "{lines:?}");
        assert_eq!(balanced("one line", 19.0, true, room, 2), ["one line"]);
    }

    #[test]
    fn a_title_that_is_cut_is_cut_no_more_for_being_balanced() {
        let text = "word ".repeat(60);
        assert_eq!(balanced(&text, 19.0, true, 300.0, 2), wrapped(&text, 19.0, true, 300.0, 2));
    }
}
