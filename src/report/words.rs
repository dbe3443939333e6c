//! How reports write numbers, and what they call things.

use crate::experiment::answer::{
    Capacity, Finding, Limit, Objective, Study, Threshold, TooSmall, Visits,
};
use crate::outcome::{Cause, Stage};
use crate::site::{Arrivals, Trace};
use crate::stats::estimate::Estimate;
use crate::units::{Fraction, PerSecond};

/// `value` with at most so many significant digits (whole numbers keep all of theirs), without
/// trailing zeros and never with an exponent; nothing where it is not finite. It goes by the
/// decimal digits themselves, so that the same value is the same text everywhere.
pub(super) fn digits(value: f64, significant: usize) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let scientific = format!("{:.*e}", significant - 1, value);
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .expect("a number in scientific notation has an exponent");
    let decimals = usize::try_from(significant as i32 - 1 - exponent).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// `value` for a reader: at most three significant digits, thousands apart.
pub(super) fn plain(value: f64) -> String {
    let text = digits(value, 3);
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// Seconds in the unit a reader expects: `312 ms`, `1.24 s`, `80 µs`.
pub(super) fn seconds(secs: f64) -> String {
    match secs {
        _ if secs >= 0.9995 => format!("{} s", plain(secs)),
        _ if secs >= 0.000_999_5 || secs <= 0.0 => format!("{} ms", plain(secs * 1e3)),
        _ => format!("{} µs", plain(secs * 1e6)),
    }
}

/// p95 at a rate: `312 ms`; `none` where no request was answered, `grows` where it would depend on
/// how long was simulated, and `unknown` beyond the reach of the simulator.
pub(super) fn p95(finding: &Finding) -> String {
    match finding.p95 {
        _ if finding.grows => GROWS.to_owned(),
        _ if !finding.is_steady() => UNKNOWN.to_owned(),
        Some(p95) => seconds(p95.mean),
        None => "none".to_owned(),
    }
}

/// The half width of p95's interval; `None` where p95 is not steady.
pub(super) fn p95_half_width(finding: &Finding) -> Option<String> {
    let p95 = finding.p95.filter(|_| finding.is_steady());
    p95.and_then(|p95| p95.relative_half_width()).map(percent)
}

/// The share of requests that fail at a rate; `grows` and `unknown` as for p95.
pub(super) fn errors(finding: &Finding) -> String {
    match finding.grows {
        true => GROWS.to_owned(),
        false if !finding.is_steady() => UNKNOWN.to_owned(),
        false => percent(finding.error_rate.mean),
    }
}

const GROWS: &str = "grows";
const UNKNOWN: &str = "unknown";

/// `1 request`, `2 requests`: a count of things with a plain plural.
pub(super) fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// The rate of a threshold: `23/s`, or `about 23/s` where it is known less well; `None` where there
/// is no rate.
pub(super) fn threshold(threshold: Threshold) -> Option<String> {
    let about = if threshold.is_noisy() { "about " } else { "" };
    threshold.rate().map(|rate| format!("{about}{}/s", plain(rate.get())))
}

/// The interval of the share of requests that fail, if the objective's limit lies within it: `0% to
/// 3.5%`.
pub(super) fn unclear_errors(objective: &Objective, finding: &Finding) -> Option<String> {
    let most = objective.errors.filter(|_| finding.is_steady())?.get();
    let (low, high) = interval(&finding.error_rate)?;
    (low <= most && most < high).then(|| format!("{} to {}", percent(low), percent(high.min(1.0))))
}

/// Bytes in MB or GB (binary): `812 MB`, `1.56 GB`.
pub(super) fn memory(bytes: f64) -> String {
    let mib = bytes / f64::from(1 << 20);
    match mib < 1023.5 {
        true => format!("{} MB", plain(mib)),
        false => format!("{} GB", plain(mib / 1024.0)),
    }
}

/// A share as a percentage: `0.1%`, and `<0.01%` rather than a zero that is none.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0%".to_owned(),
        percent if percent < 0.01 => "<0.01%".to_owned(),
        percent if percent < 0.1 => format!("{}%", digits(percent, 1)),
        percent => format!("{}%", digits((percent * 100.0).round() / 100.0, 3)),
    }
}

/// A count of people: `270k`, `1.2M`.
pub(super) fn people(count: f64) -> String {
    match count {
        _ if count >= 999_500.0 => format!("{}M", two_digits(count / 1e6)),
        _ if count >= 9_950.0 => format!("{}k", two_digits(count / 1e3)),
        _ => plain(two_digits(count).parse().unwrap_or(count)),
    }
}

fn two_digits(value: f64) -> String {
    let scale = 10f64.powi((value.abs().max(1e-9).log10().floor() as i32 - 1).max(-1));
    digits((value / scale).round() * scale, 3)
}

/// The 95 % interval, cut off below where the quantity cannot go: at nothing.
pub(super) fn interval(estimate: &Estimate) -> Option<(f64, f64)> {
    estimate.interval().map(|(low, high)| (low.max(0.0), high))
}

/// The column of a cause, less its `errors_`.
pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Backlog => "backlog",
        Cause::Limit => "limit",
        Cause::Connections => "connections",
        Cause::Pool => "pool",
        Cause::Timeout => "timeout",
        Cause::Patience => "patience",
        Cause::Killed => "killed",
        Cause::Down => "down",
    }
}

/// What happened to a request lost to `cause`.
pub(super) fn cause_for_people(cause: Cause) -> &'static str {
    match cause {
        Cause::Backlog => "turned away at a full backlog",
        Cause::Limit => "answered 503 at the concurrency limit",
        Cause::Connections => "refused a connection by the database",
        Cause::Pool => "timed out waiting for the pool",
        Cause::Timeout => "cut off by a timeout",
        Cause::Patience => "given up by the visitor",
        Cause::Killed => "lost with a killed process",
        Cause::Down => "sent to a server that was down",
    }
}

/// What a request does in a stage, as charts name it.
pub(super) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Worker => "waits for a worker",
        Stage::Gil => "waits for the GIL or loop",
        Stage::Cores => "waits for the cores",
        Stage::Connection => "waits for a connection",
        Stage::Compute => "computes",
        Stage::Database => "in the database",
        Stage::Call => "calls outside",
        Stage::DatabaseCores => "waits for the database's cores",
        Stage::Network => "on its way",
    }
}

/// What a request does in a stage, in one word, for a narrow place.
pub(super) fn stage_in_short(stage: Stage) -> &'static str {
    match stage {
        Stage::Worker => "worker",
        Stage::Gil => "GIL",
        Stage::Cores => "cores",
        Stage::Connection => "connection",
        Stage::Compute => "computes",
        Stage::Database => "database",
        Stage::Call => "call",
        Stage::DatabaseCores => "DB cores",
        Stage::Network => "way",
    }
}

/// What a request spends its time on in a stage, after "spends its time".
pub(super) fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Worker => "waiting for a worker",
        Stage::Gil => "waiting for the GIL or event loop",
        Stage::Cores => "waiting for the cores",
        Stage::Connection => "waiting for a connection",
        Stage::Compute => "computing",
        Stage::Database => "in the database",
        Stage::Call => "waiting for calls outside",
        Stage::DatabaseCores => "waiting for the database's cores",
        Stage::Network => "on the way to the site and back",
    }
}

/// What gives way, as the subject of "... first".
pub(super) fn gives_way(limit: Limit) -> &'static str {
    match limit {
        Limit::Cores => "the cores give way",
        Limit::DatabaseCores => "the database's cores give way",
        Limit::Workers => "the workers give way",
        Limit::Gil => "the GIL (or event loop) gives way",
        Limit::Connections => "the database's connections give way",
        Limit::Pool => "the connection pool gives way",
        Limit::Memory => "memory gives way",
        Limit::Backlog => "the backlog gives way",
        Limit::Work => "the work alone takes too long",
    }
}

/// Why memory runs out even at the lowest rate that was tried, as a clause.
pub(super) fn full_from_the_start(capacity: &Capacity) -> &'static str {
    match capacity.too_small() {
        Some(TooSmall::Plan) => "memory is too small even at rest",
        Some(TooSmall::DatabaseHost) => "the database's host has too little memory even at rest",
        None => "memory suffices at rest, but runs out however low the load",
    }
}

/// `text` without what would move a terminal's cursor or change its colours.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// The name of a plan with a server; what is the same in the whole study is left out.
pub(super) fn combination(study: &Study, plan: &str, server: &str) -> String {
    let plans = study.combinations.iter().any(|each| each.plan != plan);
    let servers = study.combinations.iter().any(|each| each.server != server);
    printable(&match (plans, servers) {
        (true, false) => plan.to_owned(),
        (false, true) => server.to_owned(),
        _ => format!("{plan} · {server}"),
    })
}

/// By which numbers visitors a day are converted.
pub(super) fn visits(visits: Visits) -> String {
    let Visits { requests, peak } = visits;
    format!(
        "Visitors a day: at {requests} requests a visit, and a peak of {peak} times the day's \
         average rate."
    )
}

/// What `rate` means for people: `about 270k visitors a day` where it is the peak of a day, or
/// `1.2 times the recorded speed` where it is the mean of a recording.
pub(super) fn meaning(study: &Study, rate: PerSecond) -> String {
    match trace(study) {
        Some(trace) => {
            format!("{} times the recorded speed", plain(rate.get() / trace.rate().get()))
        }
        None => format!("about {} visitors a day", people(study.visits.visitors_a_day(rate))),
    }
}

/// The recording that a study's traffic is, where it is one.
fn trace(study: &Study) -> Option<&Trace> {
    match &study.combinations.first()?.site.traffic.arrivals {
        Arrivals::Recorded(trace) => Some(trace),
        Arrivals::Poisson => None,
    }
}

/// Where the requests come from, in a study of recorded traffic.
pub(super) fn recorded(study: &Study) -> Option<String> {
    let trace = trace(study)?;
    let kept = match trace.keep < Fraction::ONE {
        true => format!("{} of the", percent(trace.keep.get())),
        false => "the".to_owned(),
    };
    Some(format!(
        "Traffic: {kept} {} requests of {}, recorded over {}, sped up or slowed down to each rate \
         and repeated from a random instant on. Intervals describe the simulation of this \
         recording, not how another would differ.",
        plain(trace.requests.len() as f64),
        printable(&trace.name),
        seconds(trace.length().as_secs()),
    ))
}

/// The objective in words: `p95 at most 500 ms and errors at most 0.1%`; `None` where there is
/// none.
pub(super) fn objective(objective: &Objective) -> Option<String> {
    let p95 = objective.p95.map(|p95| format!("p95 at most {}", seconds(p95.as_secs())));
    let errors = objective.errors.map(|share| format!("errors at most {}", percent(share.get())));
    let parts: Vec<String> = p95.into_iter().chain(errors).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_significant_short_and_without_an_exponent() {
        let written = [0.0, 1234.5678, 0.000_012_345_67, 12_345_678.9, 0.1, 999_999.96, -0.0]
            .map(|value| digits(value, 6));
        assert_eq!(written, ["0", "1234.57", "0.0000123457", "12345679", "0.1", "1000000", "0"]);
        assert_eq!(digits(f64::NAN, 6), "");
        assert_eq!(digits(f64::INFINITY, 6), "");
    }

    #[test]
    fn readers_get_the_unit_they_expect() {
        let times = [0.0, 0.000_08, 0.0123, 0.9996, 29.84, 7200.0].map(seconds);
        assert_eq!(times, ["0 ms", "80 µs", "12.3 ms", "1 s", "29.8 s", "7,200 s"]);
        let sizes = [812.0, 1023.9, 1597.4, 65_536.0].map(|mib| memory(mib * 1_048_576.0));
        assert_eq!(sizes, ["812 MB", "1 GB", "1.56 GB", "64 GB"]);
        let shares = [0.0, 0.000_001, 0.000_5, 0.123_45, 1.0].map(percent);
        assert_eq!(shares, ["0%", "<0.01%", "0.05%", "12.3%", "100%"]);
        let counts = [312.0, 9_949.0, 270_720.0, 1_234_567.0].map(people);
        assert_eq!(counts, ["310", "9,900", "270k", "1.2M"]);
    }
}
