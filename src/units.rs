//! Quantities that carry their unit in their type.
//!
//! Time is a whole number of nanoseconds, so that equality means equality and no epsilon is ever
//! needed. [`Time`] is an instant of the simulated world, [`Span`] the length between two; only
//! the sums that make sense compile. Conversions from fractions round **up**, so that work never
//! ends early.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Rem, Sub, SubAssign};

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;
/// 2^52: from here on floats are whole numbers, and up to twice that all whole numbers are floats.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// An instant of the simulated world: nanoseconds since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The instant at which a run begins.
    pub const ZERO: Time = Time(0);
    /// Later than anything that happens: "never".
    pub const NEVER: Time = Time(u64::MAX);

    /// The instant `nanos` nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the beginning.
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / NANOS
    }
}

impl Add<Span> for Time {
    type Output = Time;
    /// Saturates at [`Time::NEVER`].
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Span;
    /// The span from `earlier` to `self`. An `earlier` that is later is a defect and panics.
    fn sub(self, earlier: Time) -> Span {
        Span(self.0 - earlier.0)
    }
}

/// A length of time: whole nanoseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Span {
        Span(nanos)
    }

    /// `micros` microseconds.
    pub const fn from_micros(micros: u64) -> Span {
        Span(micros * 1_000)
    }

    /// `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Span {
        Span(millis * 1_000_000)
    }

    /// `secs` whole seconds.
    pub const fn from_whole_secs(secs: u64) -> Span {
        Span(secs * 1_000_000_000)
    }

    /// `secs` seconds, rounded up to the nanosecond. Negative values and NaN become zero.
    pub fn from_secs(secs: f64) -> Span {
        Span::from_nanos_f64(secs * NANOS)
    }

    /// `nanos` nanoseconds, rounded up. Negative values and NaN become zero, and more than 2^63
    /// becomes 2^63.
    #[inline]
    pub fn from_nanos_f64(nanos: f64) -> Span {
        // Bit patterns of non-negative floats order as the values do, and those of negative numbers
        // and NaN lie above all of them: one comparison leaves 0 <= nanos < 2^52 - 1, which is 52
        // days.
        if nanos.to_bits() >= (WHOLE - 1.0).to_bits() {
            return Span::from_any_nanos_f64(nanos);
        }
        // Between 2^52 and 2^53 the floats are exactly the whole numbers, so adding 2^52 rounds to
        // the nearest one; `up` repairs a rounding down. A float-to-integer conversion would take
        // longer, and the next event waits for the result.
        let shifted = nanos + WHOLE;
        let up = u64::from(shifted - WHOLE < nanos);
        Span((shifted.to_bits() ^ WHOLE.to_bits()).wrapping_add(up))
    }

    /// Does what [`Span::from_nanos_f64`] says for any number, by an integer conversion.
    #[cold]
    fn from_any_nanos_f64(nanos: f64) -> Span {
        // The conversion saturates at 2^63 - 1 nanoseconds, 292 years.
        let whole = nanos as i64;
        let up = u64::from((whole as f64) < nanos);
        Span(whole.max(0) as u64 + up)
    }

    /// The sum of two spans that are parts of one finite span, so that it cannot overflow. Not
    /// checked: it would wrap.
    #[inline]
    pub const fn plus_bounded(self, other: Span) -> Span {
        Span(self.0.wrapping_add(other.0))
    }

    /// Whole nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds.
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / NANOS
    }

    /// Milliseconds.
    pub fn as_millis(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self` less `other`, or zero where `other` is the longer.
    pub const fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }

    /// The shortest span of whole `step`s that is no shorter than `self`. `step` must not be zero.
    pub fn round_up_to(self, step: Span) -> Span {
        step * self.as_nanos().div_ceil(step.as_nanos())
    }

    /// 1 - e^(-self / `over`): the share of an exponential decay with time constant `over` that has
    /// happened after this span, to within 1e-8. `over` must not be zero.
    ///
    /// The system's `expm1` is not used, because its last bits may differ between machines: the C
    /// library has several and picks one by the processor.
    #[inline]
    pub fn decayed_share(self, over: Span) -> f64 {
        use std::f64::consts::{LN_2, LOG2_E};
        let times = self.as_nanos() as f64 / over.as_nanos() as f64;
        if times >= 32.0 {
            return 1.0;
        }
        let halvings = (times * LOG2_E + 0.5) as u64;
        let x = times - halvings as f64 * LN_2;
        // 1 - e^-x = x - x²/2! + x³/3! ..., where |x| is at most ln 2 / 2.
        let square = x * x;
        let odd = x * (1.0 + square * (1.0 / 6.0 + square * (1.0 / 120.0 + square / 5040.0)));
        let even = square * (0.5 + square * (1.0 / 24.0 + square / 720.0));
        // 2^-halvings: a float with this exponent and an empty mantissa.
        let left = f64::from_bits((1023 - halvings) << 52);
        1.0 - left + left * (odd - even)
    }

    /// This span stretched by `factor` (at least 0), rounded up.
    pub fn scaled(self, factor: f64) -> Span {
        Span::from_nanos_f64(self.0 as f64 * factor)
    }
}

impl Add for Span {
    type Output = Span;
    /// Saturates at 2^64 - 1 nanoseconds, 584 years.
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Sub for Span {
    type Output = Span;
    /// `self` less `other`. An `other` that is longer is a defect and panics.
    fn sub(self, other: Span) -> Span {
        Span(self.0 - other.0)
    }
}

impl Mul<u64> for Span {
    type Output = Span;
    fn mul(self, times: u64) -> Span {
        Span(self.0.saturating_mul(times))
    }
}

impl Rem for Span {
    type Output = Span;
    /// The remainder beyond whole multiples of `period`. A period of zero is a defect and panics.
    fn rem(self, period: Span) -> Span {
        Span(self.0 % period.0)
    }
}

impl fmt::Display for Span {
    /// In the largest unit that leaves a number of at least one: `250ms`, `1.5s`, `80us`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            0 => (0.0, "s"),
            1..1_000 => (self.0 as f64, "ns"),
            1_000..1_000_000 => (self.0 as f64 / 1e3, "us"),
            1_000_000..1_000_000_000 => (self.0 as f64 / 1e6, "ms"),
            _ => (self.0 as f64 / 1e9, "s"),
        };
        write!(f, "{}{unit}", Short(value))
    }
}

/// An amount of memory. Binary, as hosting providers mean it: a GB is 2^30 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Bytes = Bytes(0);
    const MIB: u64 = 1 << 20;

    /// `bytes` bytes.
    pub const fn new(bytes: u64) -> Bytes {
        Bytes(bytes)
    }

    /// `mib` times 2^20 bytes.
    pub const fn from_mib(mib: u64) -> Bytes {
        Bytes(mib * Bytes::MIB)
    }

    /// How many bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// In units of 2^20 bytes.
    pub fn as_mib(self) -> f64 {
        self.0 as f64 / Bytes::MIB as f64
    }

    /// `self` less `other`, or zero where `other` is the larger.
    pub const fn saturating_sub(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(other.0))
    }
}

impl Add for Bytes {
    type Output = Bytes;
    fn add(self, other: Bytes) -> Bytes {
        Bytes(self.0 + other.0)
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        *self = *self + other;
    }
}

impl Sub for Bytes {
    type Output = Bytes;
    /// `self` less `other`. An `other` that is larger is a defect and panics.
    fn sub(self, other: Bytes) -> Bytes {
        Bytes(self.0 - other.0)
    }
}

impl SubAssign for Bytes {
    fn sub_assign(&mut self, other: Bytes) {
        *self = *self - other;
    }
}

impl Mul<u64> for Bytes {
    type Output = Bytes;
    fn mul(self, times: u64) -> Bytes {
        Bytes(self.0 * times)
    }
}

impl fmt::Display for Bytes {
    /// In GB or MB (both binary), kB or B: `2GB`, `150MB`, `512B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (value, unit) = match self.0 {
            0..1_024 => (bytes, "B"),
            1_024..1_048_576 => (bytes / 1_024.0, "kB"),
            1_048_576..1_073_741_824 => (bytes / 1_048_576.0, "MB"),
            _ => (bytes / 1_073_741_824.0, "GB"),
        };
        write!(f, "{}{unit}", Short(value))
    }
}

/// A rate: so many a second, as a rule requests.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PerSecond(f64);

impl PerSecond {
    /// `rate` a second, which must be finite and above zero.
    pub fn new(rate: f64) -> PerSecond {
        assert!(rate.is_finite() && rate > 0.0, "a rate must be finite and above 0, not {rate}");
        PerSecond(rate)
    }

    /// How many a second.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The mean span between two arrivals at this rate.
    pub fn mean_gap(self) -> Span {
        Span::from_secs(1.0 / self.0)
    }

    /// The distance to `other` on a logarithmic scale: for rates close together, by which share
    /// they differ.
    pub fn log_distance(self, other: PerSecond) -> f64 {
        (self.0 / other.0).ln().abs()
    }

    /// This rate times `factor`, which must be finite and above zero.
    pub fn scaled(self, factor: f64) -> PerSecond {
        PerSecond::new(self.0 * factor)
    }
}

impl fmt::Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Short(self.0))
    }
}

/// A share of a whole: between 0 and 1, both included.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Fraction(f64);

impl Fraction {
    /// 0 %.
    pub const ZERO: Fraction = Fraction(0.0);
    /// 100 %.
    pub const ONE: Fraction = Fraction(1.0);

    /// `share` of the whole; a share outside 0 to 1 is a defect and panics.
    pub fn new(share: f64) -> Fraction {
        assert!((0.0..=1.0).contains(&share), "a fraction lies between 0 and 1, not {share}");
        Fraction(share)
    }

    /// The share, 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Fraction {
    /// As a percentage: `0.1%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", Short(self.0 * 100.0))
    }
}

/// A number with at most three decimals and no trailing zeros, as a person writes it; below 0.1
/// with three significant digits, so that nothing above zero is printed as 0.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zeros = -self.0.abs().log10().floor();
        let decimals = if zeros.is_finite() { zeros.max(1.0) as usize + 2 } else { 3 };
        let text = format!("{:.decimals$}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_a_nanosecond_round_up_so_that_work_never_ends_early() {
        assert_eq!(Span::from_nanos_f64(1.000_001), Span::from_nanos(2));
        assert_eq!(Span::from_nanos_f64(2.0), Span::from_nanos(2));
        assert_eq!(Span::from_nanos_f64(-3.0), Span::ZERO);
        assert_eq!(Span::from_nanos_f64(f64::NAN), Span::ZERO);
    }

    /// Around 2^52 ns: below, floats still have halves; above, they are whole numbers.
    #[test]
    fn a_month_and_a_half_rounds_up_as_a_nanosecond_does() {
        let whole = 1i64 << 52;
        for (more, expected) in [(-1.5, -1), (-1.0, -1), (-0.5, 0), (0.0, 0), (1.0, 1)] {
            let found = Span::from_nanos_f64(WHOLE + more).as_nanos() as i64;
            assert_eq!(found - whole, expected, "2^52 {more:+}");
        }
    }

    #[test]
    #[should_panic(expected = "overflow")]
    fn the_span_back_from_the_future_panics() {
        let _ = Time::ZERO - Time::from_nanos(1);
    }

    #[test]
    fn quantities_print_as_people_write_them() {
        let printed = [
            Span::from_millis(250).to_string(),
            Span::from_micros(1_500_000).to_string(),
            Span::from_micros(80).to_string(),
            Span::ZERO.to_string(),
            Bytes::from_mib(2048).to_string(),
            Bytes::from_mib(150).to_string(),
            PerSecond::new(7.25).to_string(),
            Fraction::new(0.001).to_string(),
        ];
        assert_eq!(printed, ["250ms", "1.5s", "80us", "0s", "2GB", "150MB", "7.25/s", "0.1%"]);
    }

    #[test]
    fn what_decays_is_gone_by_the_exponential() {
        let over = Span::from_millis(8);
        let spans = (0..3_000_u64).map(|step| Span::from_micros(step * step / 20)).chain([
            Span::from_nanos(1),
            Span::from_nanos(256_000_000 - 1),
            Span::from_whole_secs(1_000_000),
        ]);
        for span in spans {
            let expected = -(-span.as_secs() / over.as_secs()).exp_m1();
            let share = span.decayed_share(over);
            assert!((share - expected).abs() < 1e-8, "{share} of {span:?}, not {expected}");
            assert!((0.0..=1.0).contains(&share), "{share} of {span:?}");
        }
    }

    #[test]
    fn what_is_rare_does_not_print_as_none() {
        let rates = [0.5, 0.0625, 1.0 / 60.0, 1.0 / 3600.0, 1e-9].map(PerSecond::new);
        let printed = rates.map(|rate| rate.to_string());
        assert_eq!(printed, ["0.5/s", "0.0625/s", "0.0167/s", "0.000278/s", "0.000000001/s"]);
        assert_eq!(Fraction::new(1e-6).to_string(), "0.0001%");
        assert_eq!(Fraction::ZERO.to_string(), "0%");
    }
}
