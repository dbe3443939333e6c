//! The requests of a site's trace as a tape without end.

use std::sync::Arc;

use rand::RngExt;

use super::arrivals::{Arrival, Tape};
use super::program::{Program, Quantity};
use super::request::DemandSlots;
use super::sampling::{below, dist_of, whole};
use crate::kernel::streams::{Purpose, Stream, stream};
use crate::seed::Seed;
use crate::site::{Dist, Endpoint, Site, Step, Trace};
use crate::units::{Span, Time};

/// The requests of a trace, over and over, from a random instant of it on. Every instant is equally
/// likely, so that a run begins in a long gap or a rush as often as a visitor would find one.
pub(in crate::model) struct RepeatedTrace<'a> {
    trace: &'a Trace,
    /// For each endpoint, a column of the trace for each quantity that its requests bring.
    columns: Vec<Vec<Arc<[Span]>>>,
    /// The next request of the trace.
    next: usize,
    /// Nanoseconds of the recording since the run began.
    now: f64,
    /// Nanoseconds of the run for each of the recording.
    pace: f64,
    thinning: Stream,
}

impl<'a> RepeatedTrace<'a> {
    /// The tape of `trace` on `site` under `seed`, for requests that follow `programs`.
    pub(in crate::model) fn new(
        site: &Site,
        trace: &'a Trace,
        programs: &[Program],
        seed: Seed,
    ) -> RepeatedTrace<'a> {
        let endpoints = site.traffic.endpoints.iter().zip(programs);
        let length = trace.length().as_nanos() as usize;
        let start = below(&mut stream(seed, Purpose::Start), length);
        let (next, passed) = first_after(trace, Span::from_nanos(start as u64));
        RepeatedTrace {
            trace,
            columns: endpoints.map(|(endpoint, program)| columns(endpoint, program)).collect(),
            next,
            now: -(passed.as_nanos() as f64),
            pace: trace.rate().get() / site.traffic.rate.get(),
            thinning: stream(seed, Purpose::Thinning),
        }
    }

    /// Whether the next request is kept, or left out.
    fn keeps(&mut self) -> bool {
        let keep = self.trace.keep.get();
        keep >= 1.0 || self.thinning.random::<f64>() < keep
    }
}

impl Tape for RepeatedTrace<'_> {
    #[cold]
    fn next(&mut self, demands: DemandSlots<'_>) -> Option<Arrival> {
        loop {
            let request = self.trace.requests[self.next];
            self.next += 1;
            if self.next == self.trace.requests.len() {
                self.next = 0;
            }
            self.now += request.gap.as_nanos() as f64;
            if self.keeps() {
                let columns = self.columns[request.endpoint as usize].iter();
                demands.fill(columns.map(|column| column[request.row as usize]));
                let at = Time::ZERO + whole(self.now * self.pace);
                return Some(Arrival { at, endpoint: request.endpoint });
            }
        }
    }
}

/// The first request after the instant `start` of a round, and how much of the gap before it has
/// passed by then.
fn first_after(trace: &Trace, start: Span) -> (usize, Span) {
    let mut passed = start;
    for (index, request) in trace.requests.iter().enumerate() {
        if passed < request.gap {
            return (index, passed);
        }
        passed = passed - request.gap;
    }
    (0, Span::ZERO)
}

/// What the requests for `endpoint` bring; nothing where its weight is zero.
fn columns(endpoint: &Endpoint, program: &Program) -> Vec<Arc<[Span]>> {
    let wanted = if endpoint.weight > 0.0 { program.draws.as_slice() } else { &[] };
    wanted.iter().map(|drawn| column(&endpoint.steps, *drawn)).collect()
}

fn column(steps: &[Step], drawn: Quantity) -> Arc<[Span]> {
    match dist_of(steps, drawn).0 {
        Dist::Empirical(values) => Arc::clone(values),
        other => unreachable!("{other:?} is not recorded"),
    }
}
