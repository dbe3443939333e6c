//! The time-weighted mean and the peak of something that goes up and down.

use crate::units::{Span, Time};

/// A level: busy cores, requests inside, bytes in use.
///
/// A rise at time t takes t off the area under the curve up to the end, a fall gives it back: so
/// a change costs one addition, not a multiplication by the time since the last one.
#[derive(Debug, Clone)]
pub struct Level {
    value: u64,
    peak: u64,
    /// The area under the curve up to `now`, less `value * now`. Wraps, as the sum does not.
    excess: u128,
    opened: (Time, u128),
}

/// The mean and the peak of a level over a window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Its average over time.
    pub mean: f64,
    /// Its maximum.
    pub peak: u64,
}

impl Usage {
    /// The usage of a level with `area` under its curve over a window, with `value` at its end and
    /// `peak` as its maximum. Over a window of no time the mean is `value`.
    pub fn over(window: Span, area: u128, value: u64, peak: u64) -> Usage {
        let mean = match window.as_nanos() {
            0 => value as f64,
            nanos => area as f64 / nanos as f64,
        };
        Usage { mean, peak }
    }
}

impl Level {
    /// The level now.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// Raises the level by `by`.
    #[inline]
    pub fn rise(&mut self, now: Time, by: u64) {
        debug_assert!(self.value.checked_add(by).is_some(), "there is no such level");
        self.value = self.value.wrapping_add(by);
        if self.value > self.peak {
            self.peak = self.value;
        }
        self.excess = self.excess.wrapping_sub(u128::from(by) * u128::from(now.as_nanos()));
    }

    /// Lowers the level by `by`, which must not be more than its value.
    #[inline]
    pub fn fall(&mut self, now: Time, by: u64) {
        debug_assert!(by <= self.value, "it falls by {by} from {}", self.value);
        self.value = self.value.wrapping_sub(by);
        self.excess = self.excess.wrapping_add(u128::from(by) * u128::from(now.as_nanos()));
    }

    /// Opens the measured window: what was before no longer counts.
    pub fn open(&mut self, now: Time) {
        self.peak = self.value;
        self.opened = (now, self.area(now));
    }

    /// The usage from the opening of the window to `now`.
    pub fn close(&self, now: Time) -> Usage {
        let (opened, area) = self.opened;
        Usage::over(now - opened, self.area(now).wrapping_sub(area), self.value, self.peak)
    }

    fn area(&self, now: Time) -> u128 {
        self.excess.wrapping_add(u128::from(self.value) * u128::from(now.as_nanos()))
    }
}

impl Default for Level {
    fn default() -> Level {
        Level { value: 0, peak: 0, excess: 0, opened: (Time::ZERO, 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_weighs_each_height_by_how_long_it_lasted() {
        let at = Time::from_nanos;
        let mut level = Level::default();
        level.rise(at(0), 4);
        level.open(at(10));
        level.rise(at(20), 6);
        level.fall(at(40), 8);
        assert_eq!(level.close(at(110)), Usage { mean: (40.0 + 200.0 + 140.0) / 100.0, peak: 10 });
    }
}
