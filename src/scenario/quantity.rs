//! Quantities as people write them: `"8ms"`, `"512MB"`, `"40/s"`, `"30k/day"`, `"5%"`, and plain
//! numbers within bounds that no machine exceeds.

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

use super::document::{Node, Value};
use super::problem::Problem;
use crate::units::{Bytes, Fraction, PerSecond, Span};

/// Spans longer than ten years are taken for mistakes.
const LONGEST_SECS: u64 = 10 * 365 * 86_400;
/// More memory than this (1 PB) is taken for a mistake.
const MOST_BYTES: f64 = (1_u64 << 50) as f64;
/// More memory than this (1 TB) in one process, request or connection is taken for a mistake.
const MOST_BYTES_EACH: u64 = 1 << 40;
/// Rates below this (one request in 11.6 days) are taken for mistakes.
pub(super) const SLOWEST_PER_SECOND: f64 = 1e-6;
/// Rates above this are taken for mistakes.
pub(super) const FASTEST_PER_SECOND: f64 = 1e9;

const TIME_WAY: &str = "write a number and a unit, as in \"0.3ms\", \"8ms\", \"30s\" or \"1h30m\"";
const MEMORY_WAY: &str = "write a number and a unit, as in \"150MB\" or \"2GB\"";
const RATE_WAY: &str = "write how many in what time, as in \"40/s\" or \"30k/day\"";
const SHARE_WAY: &str = "write a percentage, as in \"5%\" or \"0.1%\"";

/// A text that is not empty.
pub(super) fn text(node: &Node) -> Result<String, Problem> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Ok(text.clone()),
        Value::Text(_) => Err(node.problem("an empty text", "write something between the quotes")),
        other => {
            let title = format!("expected a text, found {}", other.kind());
            Err(node.problem(title, "write it in quotes"))
        }
    }
}

/// True or false.
pub(super) fn yes(node: &Node) -> Result<bool, Problem> {
    match &node.value {
        Value::Bool(yes) => Ok(*yes),
        _ => Err(node.problem(
            format!("expected true or false, found {}", node.quoted()),
            "write true or false, without quotes",
        )),
    }
}

/// The text of a quantity; a value without a unit, or of another type, is a problem.
fn quantity<'n>(node: &'n Node, what: &str, way: &str) -> Result<&'n str, Problem> {
    match &node.value {
        Value::Text(text) => Ok(text.trim()),
        Value::Whole(_) | Value::Number(..) => {
            Err(node.problem(format!("{} has no unit: expected {what}", node.quoted()), way))
        }
        other => Err(node.problem(format!("expected {what}, found {}", other.kind()), way)),
    }
}

/// A span of time: `"8ms"`, `"1h30m"`.
pub(super) fn span(node: &Node) -> Result<Span, Problem> {
    let text = quantity(node, "a time", TIME_WAY)?;
    parse_span(text).map_err(|title| node.problem(title, TIME_WAY))
}

/// A span of time above zero.
pub(super) fn span_above_zero(node: &Node) -> Result<Span, Problem> {
    let span = span(node)?;
    if span.is_zero() {
        return Err(node.problem("a time above 0 is needed here", TIME_WAY));
    }
    Ok(span)
}

/// A span from its text, or what is wrong with it.
pub(super) fn parse_span(text: &str) -> Result<Span, String> {
    let wrong = || format!("`{text}` is not a time");
    let parsed = SpanParser::new().parse_span(text).map_err(|_| wrong())?;
    let length = parsed.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if length.is_negative() {
        return Err(format!("`{text}` is a time below 0"));
    }
    let nanos = length.as_nanos().unsigned_abs();
    match u64::try_from(nanos) {
        Ok(nanos) if nanos <= LONGEST_SECS * 1_000_000_000 => Ok(Span::from_nanos(nanos)),
        _ => Err(format!("`{text}` is longer than ten years")),
    }
}

/// An amount of memory; GB and GiB are both 2^30 bytes.
pub(super) fn bytes(node: &Node) -> Result<Bytes, Problem> {
    let text = quantity(node, "an amount of memory", MEMORY_WAY)?;
    let fail = |title: String| node.problem(title, MEMORY_WAY);
    let (number, unit) = split_unit(text);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "b" => 0,
        "kb" | "kib" | "k" => 10,
        "mb" | "mib" | "m" => 20,
        "gb" | "gib" | "g" => 30,
        "tb" | "tib" | "t" => 40,
        _ => return Err(fail(format!("`{text}` is not an amount of memory"))),
    };
    let number = number.ok_or_else(|| fail(format!("`{text}` is not an amount of memory")))?;
    let bytes = number * (1_u64 << scale) as f64;
    match bytes {
        _ if bytes < 0.0 => Err(fail(format!("`{text}` is an amount below 0"))),
        _ if bytes > MOST_BYTES => Err(fail(format!("`{text}` is more than a petabyte"))),
        _ => Ok(Bytes::new(bytes.round() as u64)),
    }
}

/// The memory of one process, request or connection.
pub(super) fn bytes_each(node: &Node) -> Result<Bytes, Problem> {
    let bytes = bytes(node)?;
    if bytes.get() > MOST_BYTES_EACH {
        let quoted = node.quoted();
        let title =
            format!("{quoted} is more than a terabyte in one process, request or connection");
        return Err(node.problem(title, MEMORY_WAY));
    }
    Ok(bytes)
}

/// An amount of memory above zero.
pub(super) fn bytes_above_zero(node: &Node) -> Result<Bytes, Problem> {
    let bytes = bytes(node)?;
    if bytes == Bytes::ZERO {
        return Err(node.problem("an amount above 0 is needed here", MEMORY_WAY));
    }
    Ok(bytes)
}

/// A rate: `"40/s"`, `"30k/day"`.
pub(super) fn rate(node: &Node) -> Result<PerSecond, Problem> {
    let text = quantity(node, "a rate", RATE_WAY)?;
    let fail = |title: String| node.problem(title, RATE_WAY);
    let wrong = || fail(format!("`{text}` is not a rate"));
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let secs = match unit.trim() {
        "s" | "sec" | "second" => 1.0,
        "min" | "minute" => 60.0,
        "h" | "hour" => 3_600.0,
        "d" | "day" => 86_400.0,
        _ => return Err(wrong()),
    };
    let rate = parse_count(count).ok_or_else(wrong)? / secs;
    match rate {
        _ if rate <= 0.0 => Err(fail(format!("`{text}` is no traffic: a rate lies above 0"))),
        _ if rate < SLOWEST_PER_SECOND => {
            Err(fail(format!("`{text}` is below 1e-6/s, one request in 11.6 days")))
        }
        _ if rate > FASTEST_PER_SECOND => Err(fail(format!("`{text}` is above 1e9/s"))),
        _ => Ok(PerSecond::new(rate)),
    }
}

/// How many a day: `"10k/day"`.
pub(super) fn per_day(node: &Node) -> Result<f64, Problem> {
    let way = "write how many a day, as in \"10k/day\" or \"1.2M/day\"";
    let text = quantity(node, "visitors a day", way)?;
    let count = text
        .split_once('/')
        .filter(|(_, unit)| matches!(unit.trim(), "day" | "d"))
        .and_then(|(count, _)| parse_count(count));
    let count =
        count.ok_or_else(|| node.problem(format!("`{text}` is not visitors a day"), way))?;
    match count {
        _ if count < 1.0 => Err(node.problem(format!("`{text}` is less than one visitor"), way)),
        _ if count > 1e12 => Err(node.problem(format!("`{text}` is above 1e12/day"), way)),
        _ => Ok(count),
    }
}

/// A share of a whole: `"5%"`.
pub(super) fn share(node: &Node) -> Result<Fraction, Problem> {
    let text = quantity(node, "a percentage", SHARE_WAY)?;
    let number = text.strip_suffix('%').and_then(|number| parse_number(number.trim()));
    match number {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Fraction::new(percent / 100.0)),
        Some(_) => Err(node.problem(format!("`{text}` is not between 0% and 100%"), SHARE_WAY)),
        None => Err(node.problem(format!("`{text}` is not a percentage"), SHARE_WAY)),
    }
}

/// A whole number within bounds, both included.
pub(super) fn count(low: u32, high: u32) -> impl Fn(&Node) -> Result<u32, Problem> {
    move |node| {
        let way = format!("write a whole number from {low} to {high}, without quotes");
        match node.value {
            Value::Whole(number) => u32::try_from(number)
                .ok()
                .filter(|number| (low..=high).contains(number))
                .ok_or_else(|| {
                    node.problem(format!("`{number}` is not between {low} and {high}"), way)
                }),
            Value::Number(number, _) if number.is_infinite() => {
                Err(node.problem(format!("{} is not between {low} and {high}", node.quoted()), way))
            }
            _ => {
                Err(node.problem(format!("expected a whole number, found {}", node.quoted()), way))
            }
        }
    }
}

/// A number within bounds, both included; with `above`, the lower one excluded.
pub(super) fn number(low: f64, high: f64, above: bool) -> impl Fn(&Node) -> Result<f64, Problem> {
    move |node| {
        let bound = if above { format!("above {low}") } else { format!("from {low}") };
        let way = format!("write a number {bound} up to {high}, without quotes");
        let number = match node.value {
            Value::Whole(number) => number as f64,
            Value::Number(number, _) => number,
            _ => {
                let title = format!("expected a number, found {}", node.quoted());
                return Err(node.problem(title, way));
            }
        };
        if number > high || number < low || number.is_nan() || (above && number <= low) {
            let title = format!("{} is out of range here", node.quoted());
            return Err(node.problem(title, way));
        }
        Ok(number)
    }
}

/// The seed: any whole number that fits 64 bits.
pub(super) fn seed(node: &Node) -> Result<u64, Problem> {
    let whole = match node.value {
        Value::Whole(number) => u64::try_from(number).ok(),
        _ => None,
    };
    whole.ok_or_else(|| {
        let title = format!("{} is not a seed", node.quoted());
        node.problem(title, "write a whole number from 0 up to 18446744073709551615")
    })
}

/// A count with an optional k, M or G for thousand, million and milliard.
fn parse_count(text: &str) -> Option<f64> {
    let text = text.trim();
    let (digits, factor) = match text.chars().next_back()? {
        'k' | 'K' => (&text[..text.len() - 1], 1e3),
        'M' => (&text[..text.len() - 1], 1e6),
        'G' => (&text[..text.len() - 1], 1e9),
        _ => (text, 1.0),
    };
    parse_number(digits.trim()).map(|number| number * factor)
}

/// A finite number in digits.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let written = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let number: f64 = text.replace('_', "").parse().ok()?;
    (written && number.is_finite()).then_some(number)
}

fn split_unit(text: &str) -> (Option<f64>, &str) {
    let start = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    (parse_number(text[..start].trim()), text[start..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::problem::Place;

    fn node(text: &str) -> Node {
        Node { place: Place::FILE, value: Value::Text(text.to_owned()) }
    }

    #[test]
    fn times_are_read_to_the_nanosecond() {
        let cases = [
            ("8ms", 8_000_000),
            ("0.3ms", 300_000),
            ("0.024ms", 24_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            ("80us", 80_000),
            ("3d", 259_200_000_000_000),
            ("0s", 0),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_span(text), Ok(Span::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["8", "", "ms", "-5ms", "5ms ago", "5 parsecs", "11000000h", "3 months"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_is_binary_both_ways() {
        assert_eq!(bytes(&node("2GB")), Ok(Bytes::from_mib(2048)));
        assert_eq!(bytes(&node("2 GiB")), Ok(Bytes::from_mib(2048)));
        assert_eq!(bytes(&node("2.5MB")), Ok(Bytes::new(2_621_440)));
        assert_eq!(bytes(&node("512B")), Ok(Bytes::new(512)));
        for text in ["2", "GB", "-1GB", "2GBit", "1e300GB", "nanGB", "2000TB"] {
            assert!(bytes(&node(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_count_in_thousands_and_days() {
        assert_eq!(rate(&node("40/s")), Ok(PerSecond::new(40.0)));
        assert_eq!(rate(&node("60/min")), Ok(PerSecond::new(1.0)));
        assert_eq!(rate(&node("86.4k/day")), Ok(PerSecond::new(1.0)));
        assert_eq!(rate(&node("1.8M/h")), Ok(PerSecond::new(500.0)));
        for text in ["40", "0/s", "-1/s", "1e10/s", "40/fortnight", "inf/s", "k/s"] {
            assert!(rate(&node(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_lie_between_none_and_all() {
        assert_eq!(share(&node("0.1%")), Ok(Fraction::new(0.001)));
        for text in ["101%", "-1%", "5", "%", "NaN%"] {
            assert!(share(&node(text)).is_err(), "{text}");
        }
    }
}
