//! When requests arrive: at random, or as they were recorded.

use std::sync::Arc;

use crate::units::{Fraction, PerSecond, Span};

/// When requests arrive.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// At random, independently of each other: a Poisson process.
    Poisson,
    /// As they were recorded, sped up or slowed down to the traffic's rate, repeated round by
    /// round.
    Recorded(Trace),
}

/// Recorded requests. The endpoints hold what each of them asks for: every distribution of theirs
/// that is not fixed is [empirical](super::Dist::Empirical), with one value per request for that
/// endpoint, in the order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Its name: that of its file.
    pub name: String,
    /// The requests in the order of arrival; at least one, and at least one with a gap above zero.
    pub requests: Arc<[Traced]>,
    /// The probability with which each request is played. Above zero.
    pub keep: Fraction,
}

/// A recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// The time since the request before it; for the first, since the last of the round before.
    pub gap: Span,
    /// The index of its endpoint in the site.
    pub endpoint: u16,
    /// Its index among the requests for that endpoint.
    pub row: u32,
}

impl Trace {
    /// How long a round takes at the recorded speed.
    pub fn length(&self) -> Span {
        self.requests.iter().fold(Span::ZERO, |sum, request| sum + request.gap)
    }

    /// How many requests of a round are played, on average.
    pub fn kept(&self) -> f64 {
        self.requests.len() as f64 * self.keep.get()
    }

    /// The mean arrival rate at the recorded speed, of the requests that are played.
    pub fn rate(&self) -> PerSecond {
        PerSecond::new(self.kept() / self.length().as_secs())
    }
}
