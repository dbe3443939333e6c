//! The pictures. A [`Figure`] is first laid out (plain data: every place decided, every text
//! measured), then drawn by plotters, which is used nowhere else.

mod axis;
mod bars;
mod layout;
mod lettering;
mod lines;
mod scene;
mod style;

use std::io::Write;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoFont, RGBAColor, TextStyle};

use self::scene::{Anchor, Label, Place, Scene, Shape};
use self::style::Ink;
use super::figure::Figure;

/// Backends know whole pixels only: an SVG is drawn so much larger and scaled by its view box.
const SVG_SCALE: f64 = 8.0;
/// A PNG has so many pixels per logical one ...
const PNG_SCALE: usize = 2;
/// ... each the mean of two by two drawn ones, for plotters' edges are hard.
const SAMPLES: usize = 2;
/// A PNG is drawn in strips of so many rows, which fit in a processor's cache.
const STRIP: usize = 64;
/// What an SVG asks its viewer for; each is narrower than the font that was measured with.
const FAMILY: &str = "Inter, Helvetica Neue, Helvetica, Arial, sans-serif";

const IN_MEMORY: &str = "drawing to memory cannot fail";

/// The figure as an SVG document, 900 pixels wide.
pub fn svg(figure: &Figure) -> String {
    let scene = layout::scene(figure);
    let (width, height) = (scene.width * SVG_SCALE, scene.height * SVG_SCALE);
    let mut drawn = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut drawn, (width as u32, height as u32));
        draw_shapes(&mut backend, &scene.shapes, SVG_SCALE, 0);
        for label in &scene.labels {
            write_label(&mut backend, label);
        }
        backend.present().expect(IN_MEMORY);
    }
    let inner = format!(r#"<svg width="{width}" height="{height}""#);
    // In words as well, for readers who cannot see it; a `<title>` would pop up.
    let said = attribute(&figure.alt_text());
    let (width, height) = (scene.width, scene.height);
    let outer = format!(r#"<svg width="{width}" height="{height}" role="img" aria-label="{said}""#);
    drawn.replacen(&inner, &outer, 1)
}

/// A text as the value of an attribute, without what no XML may hold.
fn attribute(text: &str) -> String {
    let escaped = |letter: char| match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        letter => scene::visible(letter).to_string(),
    };
    text.chars().map(escaped).collect()
}

/// The figure as a PNG file, 1800 pixels wide.
pub fn png(figure: &Figure) -> Vec<u8> {
    encode(&layout::scene(figure), STRIP)
}

/// The width and height of the PNG.
fn size(scene: &Scene) -> [usize; 2] {
    [scene.width, scene.height].map(|pixels| pixels as usize * PNG_SCALE)
}

/// The PNG, drawn in strips of so many rows, of which there is one at a time.
fn encode(scene: &Scene, strip: usize) -> Vec<u8> {
    let [width, height] = size(scene);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Most rows of a chart are the row above; looking for better filters takes ten times as long.
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Up);
    let mut writer = encoder.write_header().expect(IN_MEMORY);
    let mut stream = writer.stream_writer().expect(IN_MEMORY);
    let mut pixels = Vec::new();
    for top in (0..height).step_by(strip) {
        Canvas::drawn(scene, top, strip.min(height - top)).average_into(&mut pixels);
        stream.write_all(&pixels).expect(IN_MEMORY);
    }
    stream.finish().expect(IN_MEMORY);
    writer.finish().expect(IN_MEMORY);
    file
}

/// Draws shapes, with what is `top` pixels down at the upper edge.
fn draw_shapes<'a, B: DrawingBackend>(
    backend: &mut B,
    shapes: impl IntoIterator<Item = &'a Shape>,
    scale: f64,
    top: i32,
) {
    let whole = |(x, y): &Place| ((x * scale).round() as i32, (y * scale).round() as i32 - top);
    for shape in shapes {
        match shape {
            Shape::Stroke { path, width, ink } => {
                let style = color(*ink).stroke_width((width * scale).round().max(1.0) as u32);
                backend.draw_path(path.iter().map(whole), &style).expect(IN_MEMORY);
            }
            Shape::Fill { path, ink } => {
                backend.fill_polygon(path.iter().map(whole), &color(*ink)).expect(IN_MEMORY);
            }
        }
    }
}

fn color(ink: Ink) -> RGBAColor {
    RGBAColor(ink.0, ink.1, ink.2, ink.3)
}

/// plotters takes font sizes 1.24 times the em, and says where a text's top is, 0.76 em above the
/// baseline.
fn write_label<B: DrawingBackend>(backend: &mut B, label: &Label) {
    let em = label.size * SVG_SCALE;
    let family = FontFamily::Name(FAMILY);
    let horizontal = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let weight = if label.bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = (family, em * 1.24).into_font().style(weight);
    let ink = color(label.ink);
    let style = TextStyle::from(font).color(&ink).pos(Pos::new(horizontal, VPos::Top));
    let (x, baseline) = (label.at.0 * SVG_SCALE, label.at.1 * SVG_SCALE);
    let at = (x.round() as i32, (baseline - 0.76 * em).round() as i32);
    backend.draw_text(&label.text, &style, at).expect(IN_MEMORY);
}

/// The pixels of a strip of the picture, three bytes each.
struct Canvas {
    width: usize,
    /// How far down it begins.
    top: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// What of `scene` lies within `rows` rows of the PNG from `top` on, before averaging.
    fn drawn(scene: &Scene, top: usize, rows: usize) -> Canvas {
        let scale = (PNG_SCALE * SAMPLES) as f64;
        let (width, top) = (scene.width as usize * PNG_SCALE * SAMPLES, top * SAMPLES);
        let height = rows * SAMPLES;
        let mut pixels = vec![255u8; width * height * 3];
        let strip = top as f64 / scale..=(top + height) as f64 / scale;
        let here =
            |(highest, lowest): (f64, f64)| highest <= *strip.end() && lowest >= *strip.start();
        {
            let mut backend =
                BitMapBackend::with_buffer(&mut pixels, (width as u32, height as u32));
            let shapes = scene.shapes.iter().filter(|shape| here(shape.extent()));
            draw_shapes(&mut backend, shapes, scale, top as i32);
            backend.present().expect(IN_MEMORY);
        }
        let mut canvas = Canvas { width, top, pixels };
        let labels = scene.labels.iter().filter(|label| here(label.extent()));
        labels.for_each(|label| canvas.paint(label, scale));
        canvas
    }

    fn paint(&mut self, label: &Label, scale: f64) {
        let at = (label.left() * scale, label.at.1 * scale);
        let ink = [label.ink.0, label.ink.1, label.ink.2];
        lettering::paint(&label.text, at, label.size * scale, label.bold, |x, y, cover| {
            self.blend((x, y), ink, cover);
        });
    }

    /// Lays `ink` over a pixel; outside the strip nothing happens.
    fn blend(&mut self, (x, y): (i32, i32), ink: [u8; 3], cover: f32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        let Some(y) = y.checked_sub(self.top) else { return };
        let start = (y * self.width + x) * 3;
        if x < self.width && start + 3 <= self.pixels.len() {
            for (below, above) in self.pixels[start..start + 3].iter_mut().zip(ink) {
                let mixed = f32::from(*below) * (1.0 - cover) + f32::from(above) * cover;
                *below = mixed.round() as u8;
            }
        }
    }

    /// The strip with each block of two by two drawn pixels replaced by its mean.
    fn average_into(&self, picture: &mut Vec<u8>) {
        let stride = self.width * 3;
        picture.resize(self.pixels.len() / 4, 0);
        let rows = self.pixels.chunks_exact(stride * 2).zip(picture.chunks_exact_mut(stride / 2));
        for (drawn, row) in rows {
            let (upper, lower) = drawn.split_at(stride);
            let blocks = upper.chunks_exact(6).zip(lower.chunks_exact(6));
            for ((upper, lower), mean) in blocks.zip(row.chunks_exact_mut(3)) {
                for (channel, mean) in mean.iter_mut().enumerate() {
                    let four =
                        [upper[channel], upper[channel + 3], lower[channel], lower[channel + 3]];
                    *mean = ((four.map(u16::from).iter().sum::<u16>() + 2) / 4) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{figure, sample};

    fn figures() -> Vec<Figure> {
        let plans = [("2GB <&> \"big\"", 2), ("4GB", 4)];
        let (study, answers) = sample::made_up(&plans, &["gunicorn", "uvicorn"], &[10.0, 40.0]);
        figure::all(&study, &answers)
    }

    #[test]
    fn an_svg_escapes_what_the_author_wrote_and_scales_with_its_view_box() {
        for figure in figures() {
            let svg = svg(&figure);
            let scene = layout::scene(&figure);
            assert!(svg.starts_with(r#"<svg width="900" height=""#), "{}", &svg[..60]);
            assert!(svg.contains(r#"viewBox="0 0 7200 "#));
            assert!(!svg.contains("<&>"));
            let (_, said) = svg.split_once(r#"role="img" aria-label=""#).unwrap();
            let (said, _) = said.split_once('"').unwrap();
            let said = said.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
            assert_eq!(said.replace("&amp;", "&"), figure.alt_text());
            assert_eq!(svg.matches("<text").count(), scene.labels.len());
            assert_eq!(svg.matches("</text>").count(), scene.labels.len());
        }
    }

    #[test]
    fn strips_join_to_the_picture_drawn_at_once() {
        for figure in figures() {
            let scene = layout::scene(&figure);
            let [_, height] = size(&scene);
            assert!(encode(&scene, STRIP) == encode(&scene, height), "{}", figure.name);
        }
    }

    #[test]
    fn a_png_is_1800_pixels_wide_and_shows_every_label() {
        for figure in figures() {
            let file = png(&figure);
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            let scene = layout::scene(&figure);
            assert_eq!((info.width, info.height), (1800, scene.height as u32 * 2));
            for label in &scene.labels {
                let [left, top, right, bottom] = label.bounds().map(|edge| edge as usize * 2);
                let row = |y: usize| &pixels[(y * 1800 + left) * 3..(y * 1800 + right) * 3];
                let dark = (top..bottom).any(|y| row(y).iter().any(|level| *level < 160));
                assert!(dark, "{label:?} is not there");
            }
        }
    }
}
