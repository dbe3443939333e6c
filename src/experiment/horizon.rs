//! How long, and how far, runs go.

use crate::experiment::demand::{length_biased_response, no_load_response};
use crate::site::{Arrivals, Horizon, Site};
use crate::units::{PerSecond, Span};

/// Replications to begin with: enough for an interval that is not mostly Student's t (at 8 it is
/// 2.4 standard errors, at infinity 2.0), and a multiple of 2, 4 and 8 threads.
pub(crate) const REPLICATIONS: u32 = 8;

/// How long a run may go on after its window, at least: longer than the default timeouts (Nginx's
/// 60 s, TCP's 131 s). Requests that a longer timeout keeps inside are counted as open.
pub(crate) const DRAIN: Span = Span::from_whole_secs(140);

/// A run may go on for so many times the [`length_biased_response`]. For exponential times, for
/// which that is twice the mean, the share e^-40 takes longer.
const DRAIN_IN_RESPONSES: f64 = 20.0;

/// Requests inside a run at most: 100,000 of them take some 50 MB.
pub(crate) const IN_FLIGHT: u32 = 100_000;

/// The share of those, at most, that would be inside at a rate without any waiting. So if a crowd
/// ends a run, other requests wait in it, and it is the site that makes them wait.
const AT_WORK: f64 = 0.5;

/// The highest rate to try where a run holds `limit` requests; infinite where requests take no
/// time.
pub(crate) fn reach(site: &Site, limit: u32) -> f64 {
    AT_WORK * f64::from(limit) / no_load_response(site)
}

/// How long a request that waits in vain affects others: for its client's patience, or as long as
/// the longest default timeout.
pub(crate) fn patience(site: &Site) -> Span {
    site.client.patience.map_or(DRAIN, |patience| patience.min(DRAIN))
}

/// A window after a warm-up in a run that ends after `arrivals_limit` arrivals at the latest.
pub(crate) fn limited(warmup: Span, measured: Span, arrivals_limit: u64) -> Horizon {
    Horizon { warmup, measured, drain: DRAIN, in_flight_limit: IN_FLIGHT, arrivals_limit }
}

/// `site` with another rate and horizon.
pub(crate) fn at(site: &Site, rate: PerSecond, horizon: Horizon) -> Site {
    let mut site = site.clone();
    let longest = Span::from_secs(DRAIN_IN_RESPONSES * length_biased_response(&site));
    site.traffic.rate = rate;
    site.horizon = Horizon { drain: horizon.drain.max(longest), ..horizon };
    site
}

/// A span of at least `span`: for recorded traffic a whole number of rounds at `rate`, since a part
/// of a recording is other traffic than all of it, and has another p95.
pub(crate) fn in_rounds(site: &Site, rate: PerSecond, span: Span) -> Span {
    let Arrivals::Recorded(trace) = &site.traffic.arrivals else { return span };
    let round = trace.kept() / rate.get();
    // A millionth of a round more than a whole number is a rounding error of the rate.
    let rounds = (span.as_secs() / round - 1e-6).ceil().max(1.0);
    Span::from_secs(rounds * round)
}
