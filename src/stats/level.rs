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

/// What was in use over a window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// On average over time.
    pub mean: f64,
    /// At most.
    pub peak: u64,
}

impl Usage {
    /// Of a level that had `area` under its curve over a window, stood at `value` when that closed,
    /// and at `peak` at most.
    pub fn over(window: Span, area: u128, value: u64, peak: u64) -> Usage {
        let mean = match window.as_nanos() {
            0 => value as f64,
            nanos => area as f64 / nanos as f64,
        };
        Usage { mean, peak }
    }
}

impl Level {
    /// How high it is.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// It rises by `by`.
    #[inline]
    pub fn rise(&mut self, now: Time, by: u64) {
        debug_assert!(self.value.checked_add(by).is_some(), "there is no such level");
        self.value = self.value.wrapping_add(by);
        if self.value > self.peak {
            self.peak = self.value;
        }
        self.excess = self.excess.wrapping_sub(u128::from(by) * u128::from(now.as_nanos()));
    }

    /// It falls by `by`, which must not be more than there is.
    #[inline]
    pub fn fall(&mut self, now: Time, by: u64) {
        debug_assert!(by <= self.value, "it falls by {by} from {}", self.value);
        self.value = self.value.wrapping_sub(by);
        self.excess = self.excess.wrapping_add(u128::from(by) * u128::from(now.as_nanos()));
    }

    /// The measured window opens: what was before no longer counts.
    pub fn open(&mut self, now: Time) {
        self.peak = self.value;
        self.opened = (now, self.area(now));
    }

    /// What was in use from the opening of the window to `now`.
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
