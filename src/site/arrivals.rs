//! When requests come: at random, or as they were recorded.

use std::sync::Arc;

use crate::units::{Fraction, PerSecond, Span};

/// When requests come.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// At random, whatever came before: a Poisson process.
    Poisson,
    /// As they were recorded, sped up or slowed down to the traffic's rate, round and round.
    Recorded(Trace),
}

/// Recorded requests. What each of them wants stands with its endpoint: there every distribution
/// that is not fixed is [empirical](super::Dist::Empirical), with a value for each of the requests
/// for that endpoint, in the order of their arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// What it is called: the name of its file.
    pub name: String,
    /// The requests, in the order of their arrival; at least one, and not all without a gap.
    pub requests: Arc<[Traced]>,
    /// The share of them that comes, each by chance. Above zero.
    pub keep: Fraction,
}

/// A recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// How long after the one before it came; the first, after the last of the round before.
    pub gap: Span,
    /// Which of the site's endpoints it asks for.
    pub endpoint: u16,
    /// Which of the endpoint's requests it is, counted from 0.
    pub row: u32,
}

impl Trace {
    /// How long a round takes at the speed at which it was recorded.
    pub fn length(&self) -> Span {
        self.requests.iter().fold(Span::ZERO, |sum, request| sum + request.gap)
    }

    /// How many requests of a round come, on average.
    pub fn kept(&self) -> f64 {
        self.requests.len() as f64 * self.keep.get()
    }

    /// The mean rate at which they come at the speed at which they were recorded.
    pub fn rate(&self) -> PerSecond {
        PerSecond::new(self.kept() / self.length().as_secs())
    }
}
