//! One line of a trace.

use crate::experiment::replay::Recorded;
use crate::units::{Span, Time};

/// The first line of a trace.
pub(super) const HEADER: &str = "arrival_s,segments_ms,latency_s,status";

/// The largest number of segments in a request; more are taken for a mistake.
const MOST_SEGMENTS: usize = 2 * Recorded::MOST_QUERIES + 1;

/// The longest time in seconds, three years; a longer one is taken for a mistake in the unit.
const LONGEST_S: f64 = 1e8;

/// Reads a line: `arrival_s,segments_ms,latency_s,status`.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn parse(line: &str) -> Result<Recorded, String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [arrival, segments, latency, status] = cells[..] else {
        return Err(format!("expected 4 values ({HEADER}), found {}", cells.len()));
    };
    Ok(Recorded {
        arrived: Time::ZERO + span(arrival, "arrival_s", 1.0)?,
        segments: read_segments(segments)?,
        response: span(latency, "latency_s", 1.0)?,
        status: read_status(status)?,
    })
}

/// Reads a time in units of `unit` seconds. `name` is the column's, for messages.
fn span(text: &str, name: &str, unit: f64) -> Result<Span, String> {
    let value: f64 = match text {
        "" => return Err(format!("{name} is empty")),
        text => text.parse().map_err(|_| format!("{name} is no number: `{}`", short(text)))?,
    };
    if !(0.0..=LONGEST_S).contains(&(value * unit)) {
        return Err(format!("{name} is {}: expected 0 to {}", short(text), LONGEST_S / unit));
    }
    Ok(Span::from_nanos_f64(value * unit * 1e9))
}

fn read_segments(text: &str) -> Result<Vec<Span>, String> {
    let all: Result<Vec<Span>, String> =
        text.split(';').map(|part| span(part.trim(), "segments_ms", 1e-3)).collect();
    let all = all?;
    match all.len() {
        count if count % 2 == 0 => Err(format!(
            "segments_ms has {count} segments: compute;query;compute;... begins and ends with \
             compute, so they are odd in number"
        )),
        count if count > MOST_SEGMENTS => {
            Err(format!("segments_ms has {count} segments, more than {MOST_SEGMENTS}"))
        }
        _ => Ok(all),
    }
}

fn read_status(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(status @ (1..=6 | 100..=599)) => Ok(status),
        _ => Err(format!(
            "status is `{}`: expected an HTTP status, or 1 to 6 for a request without one",
            short(text)
        )),
    }
}

/// The text that was found, cut so that it fits a message.
fn short(text: &str) -> String {
    const LONGEST: usize = 40;
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(LONGEST).map(printable).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_what_and_how() {
        let read = parse("0.5,1.5;20;0.25,0.025,200").unwrap();
        assert_eq!(read.arrived, Time::from_nanos(500_000_000));
        assert_eq!(read.segments, [1_500, 20_000, 250].map(Span::from_micros));
        assert_eq!((read.response, read.status), (Span::from_millis(25), 200));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_in_words() {
        for (line, says) in [
            ("", "expected 4 values"),
            ("1,2,3", "found 3"),
            ("1,2,3,200,5", "found 5"),
            ("x,1,1,200", "arrival_s is no number: `x`"),
            ("nan,1,1,200", "arrival_s is nan"),
            ("-1,1,1,200", "arrival_s is -1"),
            ("1,,1,200", "segments_ms is empty"),
            ("1,2;3,1,200", "2 segments"),
            ("1,2;-3;4,1,200", "segments_ms is -3"),
            ("1,1,inf,200", "latency_s is inf"),
            ("1,1,1,0", "status is `0`"),
            ("1,1,1,20x", "status is `20x`"),
        ] {
            let said = parse(line).unwrap_err();
            assert!(said.contains(says), "{line:?}: {said}");
        }
        let many = vec!["1"; MOST_SEGMENTS + 2].join(";");
        assert!(parse(&format!("1,{many},1,200")).unwrap_err().contains("more than"));
    }
}
