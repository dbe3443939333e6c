//! How every picture looks: all of it in one place. Lengths are in logical pixels, of which a
//! picture is 900 wide.

/// Red, green, blue, and opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ink(pub(super) u8, pub(super) u8, pub(super) u8, pub(super) f64);

impl Ink {
    /// The same colour at this opacity.
    pub(super) fn faded(self, opacity: f64) -> Ink {
        Ink(self.0, self.1, self.2, opacity)
    }

    /// White or near-black, whichever reads better on this colour (Rec. 709 luma).
    pub(super) fn text_on(self) -> Ink {
        let luma = 0.2126 * f64::from(self.0) + 0.7152 * f64::from(self.1);
        if luma + 0.0722 * f64::from(self.2) > 130.0 { TEXT } else { WHITE }
    }
}

pub(super) const WIDTH: f64 = 900.0;
pub(super) const MARGIN: f64 = 28.0;
pub(super) const GAP: f64 = 16.0;

pub(super) const TITLE: f64 = 19.0;
pub(super) const SUBTITLE: f64 = 13.0;
pub(super) const BODY: f64 = 12.5;
pub(super) const SMALL: f64 = 11.5;

pub(super) const WHITE: Ink = Ink(255, 255, 255, 1.0);
pub(super) const TEXT: Ink = Ink(28, 32, 38, 1.0);
pub(super) const MUTED: Ink = Ink(92, 98, 108, 1.0);
pub(super) const GRID: Ink = Ink(228, 231, 235, 1.0);
pub(super) const AXIS: Ink = Ink(120, 126, 136, 1.0);
pub(super) const RULE: Ink = Ink(60, 64, 70, 1.0);
pub(super) const ALARM: Ink = Ink(178, 58, 0, 1.0);

pub(super) const LINE: f64 = 2.2;
pub(super) const HAIR: f64 = 1.0;
pub(super) const MARKER: f64 = 3.2;
pub(super) const MARK: f64 = 6.5;
pub(super) const BAND: f64 = 0.16;
pub(super) const UNSUSTAINED: f64 = 0.38;

/// Okabe and Ito's palette (2008), which the colour-blind can tell apart; its yellow is too light
/// for a line on white.
pub(super) const HUES: [Ink; 7] = [
    Ink(0, 114, 178, 1.0),
    Ink(213, 94, 0, 1.0),
    Ink(0, 158, 115, 1.0),
    Ink(204, 121, 167, 1.0),
    Ink(86, 180, 233, 1.0),
    Ink(230, 159, 0, 1.0),
    Ink(70, 70, 70, 1.0),
];

/// Strokes and the gaps between them; the first is a solid line.
pub(super) const DASHES: [&[f64]; 6] = [
    &[],
    &[8.0, 4.0],
    &[2.2, 3.2],
    &[11.0, 3.5, 2.2, 3.5],
    &[16.0, 4.0],
    &[6.0, 2.5, 2.2, 2.5, 2.2, 2.5],
];

/// Fills of bars: the stages of a request by their number (waits warm, work cool), then the three
/// points of a capacity. The brown of waits for the database's cores is of ColorBrewer's BrBG
/// (2003), made for the colour-blind as well.
pub(super) const FILLS: [Ink; 12] = [
    Ink(213, 94, 0, 1.0),
    Ink(230, 159, 0, 1.0),
    Ink(240, 228, 66, 1.0),
    Ink(204, 121, 167, 1.0),
    Ink(0, 114, 178, 1.0),
    Ink(86, 180, 233, 1.0),
    Ink(0, 158, 115, 1.0),
    Ink(140, 81, 10, 1.0),
    Ink(150, 150, 150, 1.0),
    Ink(0, 114, 178, 1.0),
    Ink(150, 190, 216, 1.0),
    Ink(213, 94, 0, 1.0),
];
