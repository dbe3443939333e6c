//! Plays recorded requests through the model, for a prediction beside each measurement.

use std::collections::BTreeMap;

use crate::model::{self, Arrival, Reply};
use crate::outcome::{Cause, Outcome};
use crate::seed::Seed;
use crate::site::{Dist, Endpoint, Site, Step};
use crate::stats::histogram::Histogram;
use crate::units::{Span, Time};

/// A request as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When it arrived.
    pub arrived: Time,
    /// What it asked for: compute; query; compute; ... An odd number. Compute is CPU time of the
    /// worker, a query the time it waits in the database; zero: there was none.
    pub segments: Vec<Span>,
    /// The time from its arrival to the last byte of its answer, or to its failure.
    pub response: Span,
    /// How it ended: an HTTP status, or one of 1 connect failed, 2 write failed, 3 reset, 4
    /// closed without an answer, 6 the client's patience was over.
    pub status: u16,
}

impl Recorded {
    /// The largest number of queries in a request.
    pub const MOST_QUERIES: usize = 31;
    /// Status of a request whose client got no connection.
    pub const UNCONNECTED: u16 = 1;
    /// Status of a request whose connection was reset.
    pub const RESET: u16 = 3;
    /// Status of a request whose connection was closed without an answer.
    pub const CLOSED: u16 = 4;
    /// Status of a request whose client gave up.
    pub const PATIENCE: u16 = 6;

    /// Whether it has a query.
    pub fn has_query(&self) -> bool {
        self.segments.iter().skip(1).step_by(2).any(|wait| !wait.is_zero())
    }

    /// Whether `status` is that of a request that was answered well.
    pub fn is_well(status: u16) -> bool {
        (100..500).contains(&status)
    }

    /// The status of a request that failed for this cause, with an error page of the server or
    /// without, behind Nginx or not. Nginx passes on an error page, and answers with one itself if
    /// a connection fails.
    fn status_of(cause: Cause, error_page: bool, nginx: bool) -> u16 {
        match cause {
            Cause::Limit => 503,
            _ if error_page => 500,
            // For these causes the application always answers with an error page.
            Cause::Connections | Cause::Pool => 500,
            Cause::Timeout => 504,
            Cause::Backlog | Cause::Down | Cause::Killed if nginx => 502,
            Cause::Backlog | Cause::Down => Recorded::UNCONNECTED,
            Cause::Killed => Recorded::CLOSED,
            Cause::Patience => Recorded::PATIENCE,
        }
    }
}

/// A recorded request beside the model's prediction for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayedRequest {
    /// When it arrived, as recorded.
    pub arrived: Time,
    /// The measured response time, whether it was answered well or not.
    pub measured: Span,
    /// The recorded status.
    pub status: u16,
    /// The predicted response time; `None` where the model predicts a failure, or no end.
    pub predicted: Option<Span>,
    /// The predicted status, in the recordings' terms; `None` where the request was still open when
    /// the run ended.
    pub predicted_status: Option<u16>,
}

/// How recorded requests are played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Playback {
    /// The arrival rate, relative to the recorded one; above zero.
    pub speed: f64,
    /// Requests that arrive earlier than this in the recording are played and not counted.
    pub warmup: Span,
    /// The seed of the model's own randomness: which process accepts, how long a respawn takes.
    pub seed: Seed,
}

/// The measured responses beside the predicted ones, over all requests that count.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Requests played, those of the warm-up included.
    pub requests: u64,
    /// The recorded responses.
    pub measured: Responses,
    /// The predicted responses.
    pub predicted: Responses,
    /// Both over time.
    pub slices: Slices,
    /// The outcome of the predicting run.
    pub outcome: Outcome,
}

/// The responses on one side of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Responses {
    /// Response times of the requests answered well.
    pub response: Histogram,
    /// How many requests ended with each status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many requests were still open when the run ended.
    pub open: u64,
}

impl Responses {
    fn record(&mut self, response: Span, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
        if Recorded::is_well(status) {
            self.response.record_span(response);
        }
    }

    /// How many requests there are.
    pub fn count(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.open
    }

    /// The share of the requests that were not answered well.
    pub fn error_rate(&self) -> f64 {
        1.0 - self.response.count() as f64 / (self.count() as f64).max(1.0)
    }
}

/// Response times over time, in slices of equal width by arrival: so few that they fit a figure,
/// however long the recording is.
#[derive(Debug, Clone)]
pub struct Slices {
    /// How wide a slice is, in the recording's time.
    pub width: Span,
    /// Measured and predicted response times of the requests answered well, slice by slice.
    pub slices: Vec<[Histogram; 2]>,
}

impl Slices {
    /// The largest number of slices.
    const MOST: usize = 60;
    /// The width of the first slices.
    const NARROWEST: Span = Span::from_millis(250);

    fn new() -> Slices {
        Slices { width: Slices::NARROWEST, slices: Vec::new() }
    }

    /// The slice of requests that arrived at `arrived`.
    fn at(&mut self, arrived: Time) -> &mut [Histogram; 2] {
        while arrived.as_nanos() / self.width.as_nanos() >= Slices::MOST as u64 {
            self.widen();
        }
        let index = (arrived.as_nanos() / self.width.as_nanos()) as usize;
        while self.slices.len() <= index {
            self.slices.push([Histogram::default(), Histogram::default()]);
        }
        &mut self.slices[index]
    }

    /// Doubles the width, by merging each pair of slices.
    fn widen(&mut self) {
        self.width = self.width * 2;
        let narrow = std::mem::take(&mut self.slices);
        self.slices = narrow
            .chunks(2)
            .map(|pair| {
                let mut wide = pair[0].clone();
                for other in &pair[1..] {
                    wide.iter_mut().zip(other).for_each(|(wide, narrow)| wide.merge(narrow));
                }
                wide
            })
            .collect();
    }
}

/// Plays `requests`, which are ordered by arrival, on `site`, as requests for the endpoint with the
/// index `endpoint`. They have that endpoint's memory, growth and cost of a query; everything else
/// is recorded. Calls `each` for every request, in order of arrival.
pub fn run(
    site: &Site,
    endpoint: usize,
    playback: Playback,
    requests: impl Iterator<Item = Recorded>,
    mut each: impl FnMut(&ReplayedRequest),
) -> Comparison {
    let site = site_for(site, endpoint);
    let cpu = match &site.traffic.endpoints[1].steps[1] {
        Step::Query { cpu, .. } => Span::from_secs(cpu.mean_secs()),
        other => unreachable!("{other:?} is no query"),
    };
    let tape = requests.map(|request| {
        let mut demands = Vec::with_capacity(request.segments.len() * 2);
        let queries = demands_of(&request.segments, cpu, &mut demands);
        let at = Time::ZERO + (request.arrived - Time::ZERO).scaled(1.0 / playback.speed);
        (Arrival { at, endpoint: queries }, demands, request)
    });
    let (mut measured, mut predicted) = (Responses::default(), Responses::default());
    let (mut slices, mut count) = (Slices::new(), 0);
    let nginx = site.front.has_nginx();
    let outcome = model::play(&site, tape, playback.seed, |request, reply| {
        let played = played(&request, &reply, nginx);
        count += 1;
        if request.arrived >= Time::ZERO + playback.warmup {
            measured.record(played.measured, played.status);
            note(&mut predicted, &played);
            slice(&mut slices, &played);
        }
        each(&played);
    });
    Comparison { requests: count, measured, predicted, slices, outcome }
}

fn note(side: &mut Responses, played: &ReplayedRequest) {
    match played.predicted_status {
        Some(status) => side.record(played.predicted.unwrap_or_default(), status),
        None => side.open += 1,
    }
}

fn slice(slices: &mut Slices, played: &ReplayedRequest) {
    let [measured, predicted] = slices.at(played.arrived);
    if Recorded::is_well(played.status) {
        measured.record_span(played.measured);
    }
    if let Some(response) = played.predicted {
        predicted.record_span(response);
    }
}

fn played(request: &Recorded, reply: &Reply, nginx: bool) -> ReplayedRequest {
    let predicted = match (reply.ended, reply.failed) {
        (Some(ended), None) => Some(ended - reply.arrived),
        _ => None,
    };
    let failed = |cause| Recorded::status_of(cause, reply.error_page, nginx);
    let status = reply.failed.map_or(200, failed);
    ReplayedRequest {
        arrived: request.arrived,
        measured: request.response,
        status: request.status,
        predicted,
        predicted_status: reply.ended.map(|_| status),
    }
}

/// Appends the demands of the segments in the order of the steps. A query of no time is left out,
/// and the segments on both sides of it are added to one. Returns how many queries there are.
pub(crate) fn demands_of(segments: &[Span], cpu: Span, demands: &mut Vec<Span>) -> u16 {
    let mut queries = 0;
    for (index, segment) in segments.iter().enumerate() {
        let is_query = index % 2 == 1;
        match (is_query, demands.last_mut()) {
            (true, _) if segment.is_zero() => {}
            (true, _) => {
                demands.extend([*segment, cpu, Span::ZERO]);
                queries += 1;
            }
            (false, Some(compute)) => *compute += *segment,
            (false, None) => demands.push(*segment),
        }
    }
    queries
}

/// `site` with an endpoint for each number of queries that a request may have.
fn site_for(site: &Site, endpoint: usize) -> Site {
    let work = &site.traffic.endpoints[endpoint];
    let query = work.steps.iter().find(|step| step.is_query());
    let query = query.cloned().unwrap_or(Step::Query {
        wait: Dist::Fixed(Span::ZERO),
        cpu: Dist::Fixed(Span::ZERO),
        driver: None,
    });
    let compute = Step::Compute(Dist::Fixed(Span::ZERO));
    let endpoints = (0..=Recorded::MOST_QUERIES).map(|queries| {
        let pair = [query.clone(), compute.clone()];
        let steps = std::iter::once(compute.clone())
            .chain(pair.into_iter().cycle().take(2 * queries))
            .collect();
        Endpoint { steps, ..work.clone() }
    });
    let mut site = site.clone();
    site.traffic.endpoints = endpoints.collect();
    site.server.has_threads = true;
    site.horizon.drain = LAST_ANSWER;
    site.horizon.in_flight_limit = MOST_INSIDE;
    site.horizon.arrivals_limit = u64::MAX;
    site
}

/// How long the run goes on after the last arrival, for requests without an answer.
const LAST_ANSWER: Span = Span::from_whole_secs(3_600);
/// The run ends when this many requests are inside, because the simulator's memory is limited.
const MOST_INSIDE: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_asks_nothing_is_none() {
        let ms = |each: &[u64]| each.iter().map(|each| Span::from_millis(*each)).collect();
        let mut cases: Vec<(Vec<Span>, u16, Vec<Span>)> = Vec::new();
        cases.push((ms(&[5]), 0, ms(&[5])));
        cases.push((ms(&[5, 9, 2]), 1, ms(&[5, 9, 1, 2])));
        cases.push((ms(&[5, 0, 2]), 0, ms(&[7])));
        cases.push((ms(&[5, 0, 2, 9, 0, 8, 3]), 2, ms(&[7, 9, 1, 0, 8, 1, 3])));
        for (segments, queries, expected) in cases {
            let mut demands = Vec::new();
            assert_eq!(demands_of(&segments, Span::from_millis(1), &mut demands), queries);
            assert_eq!(demands, expected);
        }
    }

    #[test]
    fn slices_stay_few_and_lose_nothing() {
        let mut slices = Slices::new();
        for second in 0..1_000 {
            slices.at(Time::ZERO + Span::from_whole_secs(second))[0].record(second);
        }
        assert_eq!(slices.width, Span::from_whole_secs(32));
        assert_eq!(slices.slices.len(), 1_000usize.div_ceil(32));
        let counts: u64 = slices.slices.iter().map(|[measured, _]| measured.count()).sum();
        assert_eq!(counts, 1_000);
        assert_eq!(slices.slices[1][0].max(), 63);
    }
}
