//! Axes: where a value is, and at which values there are ticks.

use crate::report::figure::{Axis, Unit};
use crate::report::words;

/// An axis along a stretch of the picture.
pub(super) struct Scale<'a> {
    axis: &'a Axis,
    from: f64,
    to: f64,
}

impl<'a> Scale<'a> {
    /// `axis` with its lowest value at `from` and its highest at `to`.
    pub(super) fn new(axis: &'a Axis, from: f64, to: f64) -> Scale<'a> {
        Scale { axis, from, to }
    }

    /// Where `value` is; values outside the range are at its nearer end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let Axis { low, high, log, .. } = *self.axis;
        let value = value.clamp(low, high);
        let share = match log {
            true => (value / low).ln() / (high / low).ln(),
            false => (value - low) / (high - low),
        };
        self.from + (self.to - self.from) * share
    }

    /// Ticks with their places and names, at least `gap(name)` pixels apart.
    pub(super) fn ticks(&self, gap: impl Fn(&str) -> f64) -> Vec<(f64, String)> {
        let fits = |values: &Vec<f64>| {
            let ticks = self.named(values);
            ticks.windows(2).all(|pair| {
                let room = gap(&pair[0].1).max(gap(&pair[1].1));
                (pair[1].0 - pair[0].0).abs() >= room
            })
        };
        let chosen = candidates(self.axis).into_iter().find(fits);
        self.named(&chosen.unwrap_or_default())
    }

    fn named(&self, values: &[f64]) -> Vec<(f64, String)> {
        values.iter().map(|value| (self.place(*value), name(*value, self.axis.unit))).collect()
    }
}

fn name(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Plain => words::plain(value),
        Unit::Seconds if value == 0.0 => "0".to_owned(),
        Unit::Memory if value == 0.0 => "0".to_owned(),
        Unit::Seconds => words::seconds(value),
        Unit::Memory => words::memory(value),
    }
}

/// Sets of round values on the axis, from the densest.
fn candidates(axis: &Axis) -> Vec<Vec<f64>> {
    match (axis.log, axis.unit) {
        (true, _) => logarithmic(axis),
        (false, Unit::Memory) => {
            let mib = f64::from(1 << 20);
            (0..30).map(|doublings| multiples(axis, mib * f64::from(1 << doublings))).collect()
        }
        (false, _) => {
            let least = (axis.high / 100.0).log10().floor() as i32;
            let steps =
                (least..least + 4).flat_map(|ten| [1.0, 2.0, 5.0].map(|by| by * power(ten)));
            steps.map(|step| multiples(axis, step)).collect()
        }
    }
}

/// Multiples of `step` on the axis; of far too many only the first few, which then do not fit.
fn multiples(axis: &Axis, step: f64) -> Vec<f64> {
    let last = (axis.high / step).floor().min(1000.0) as u32;
    (0..=last).map(|count| f64::from(count) * step).filter(|value| *value >= axis.low).collect()
}

fn logarithmic(axis: &Axis) -> Vec<Vec<f64>> {
    let (first, last) = (axis.low.log10().floor() as i32, axis.high.log10().ceil() as i32);
    let among = |factors: &[f64], every: usize| -> Vec<f64> {
        let tens = (first..=last).step_by(every);
        let values = tens.flat_map(|ten| factors.iter().map(move |factor| factor * power(ten)));
        values.filter(|value| (axis.low..=axis.high).contains(value)).collect()
    };
    vec![
        among(&[1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 1),
        among(&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0], 1),
        among(&[1.0, 2.0, 5.0], 1),
        among(&[1.0, 3.0], 1),
        among(&[1.0], 1),
        among(&[1.0], 2),
        among(&[1.0], 3),
    ]
}

/// A power of ten, as exact as it gets.
fn power(ten: i32) -> f64 {
    format!("1e{ten}").parse().expect("a power of ten is a number")
}
