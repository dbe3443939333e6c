//! The requests of a run: when each arrives and what it wants, drawn whole before it arrives, from
//! one stream of random numbers per purpose.
//!
//! So a plan with another number of workers, connections or cores faces the same requests wanting
//! the same work at the same instants; and another rate, the same requests closer together.

use std::collections::VecDeque;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Gamma, LogNormal};

use super::program::{Program, Quantity};
use super::repeated_trace::RepeatedTrace;
use super::request::{DemandSlots, FIRST_DEMANDS, FirstDemands, NO_DEMANDS};
use crate::kernel::streams::{Purpose, Stream, stream};
use crate::outcome::Cause;
use crate::seed::Seed;
use crate::site::{Arrivals, Dist, Site, Step};
use crate::units::{Span, Time};

/// A request as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Time,
    /// The endpoint it asks for, as an index of the site's.
    pub endpoint: u16,
}

impl Arrival {
    /// A request that never arrives.
    pub(super) const NEVER: Arrival = Arrival { at: Time::NEVER, endpoint: 0 };
}

/// How a request ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// When the client first tried.
    pub arrived: Time,
    /// When it had its answer, or learned that there would be none, or gave up; `None` if the run
    /// ended before.
    pub ended: Option<Time>,
    /// Why it failed; `None` if it was answered well.
    pub failed: Option<Cause>,
    /// Whether the server itself answered with an error page: a connection that only closes has
    /// none, and Nginx has its own.
    pub error_page: bool,
}

/// The requests of a run, in order of arrival.
pub(super) trait Tape {
    /// The next request, and into `demands` what it wants, in the order of its program's draws
    /// (there is room for the longest); `None` at the end of the tape.
    fn next(&mut self, demands: DemandSlots<'_>) -> Option<Arrival>;

    /// Takes note of how the request with this number (counted from 0, modulo 2^32) ended.
    fn note(&mut self, _number: u32, _reply: Reply) {}
}

/// The requests of a site: drawn, or those of its trace. One type for both, so that there is one
/// simulated world to compile: of two the compiler inlines less, and a drawn request takes 30 to 80
/// instructions more; to tell which it is takes 10.
pub(super) enum SiteTape<'a> {
    Drawn(Box<DrawnTape>),
    Repeated(RepeatedTrace<'a>),
}

impl<'a> SiteTape<'a> {
    /// The tape of `site` under `seed`, for requests that follow `programs`.
    pub(super) fn new(site: &'a Site, programs: &[Program], seed: Seed) -> SiteTape<'a> {
        match &site.traffic.arrivals {
            Arrivals::Poisson => SiteTape::Drawn(Box::new(DrawnTape::new(site, programs, seed))),
            Arrivals::Recorded(trace) => {
                SiteTape::Repeated(RepeatedTrace::new(site, trace, programs, seed))
            }
        }
    }
}

impl Tape for SiteTape<'_> {
    #[inline(always)]
    fn next(&mut self, demands: DemandSlots<'_>) -> Option<Arrival> {
        match self {
            SiteTape::Drawn(drawn) => drawn.next(demands),
            SiteTape::Repeated(trace) => trace.next(demands),
        }
    }
}

/// A tape drawn from a seed: Poisson arrivals, without end.
///
/// It is drawn a block at a time, one stream after the other: the numbers are the same, and the
/// state of a generator stays in registers for a whole block.
pub(super) struct DrawnTape {
    now: Time,
    mean_gap_nanos: f64,
    /// Cumulated shares of the endpoints.
    shares: Vec<f64>,
    /// By source and endpoint: what is drawn, and its place among the request's demands.
    samplers: [Vec<Vec<(Sampler, usize)>>; 3],
    gaps: Stream,
    endpoint: Stream,
    sources: [Stream; 3],
    block: [DrawnRequest; BLOCK],
    /// The demands of the block's requests beyond their first: `stride` for each.
    more: Vec<Span>,
    stride: usize,
    /// How many requests of the block have been taken.
    taken: usize,
}

/// A drawn request, and its first demands.
#[derive(Debug, Clone, Copy)]
struct DrawnRequest {
    arrival: Arrival,
    demands: FirstDemands,
}

impl DrawnRequest {
    /// A place in a block that is not drawn yet.
    const NOTHING: DrawnRequest =
        DrawnRequest { arrival: Arrival { at: Time::ZERO, endpoint: 0 }, demands: NO_DEMANDS };
}

/// How many requests are drawn at a time.
const BLOCK: usize = 64;

/// Which stream a quantity is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Compute,
    Query,
    Call,
}

impl DrawnTape {
    /// The tape of `site` under `seed`, for requests that follow `programs`.
    pub(super) fn new(site: &Site, programs: &[Program], seed: Seed) -> DrawnTape {
        let total: f64 = site.traffic.endpoints.iter().map(|endpoint| endpoint.weight).sum();
        let mut below = 0.0;
        let shares = site.traffic.endpoints.iter().map(|endpoint| {
            below += endpoint.weight / total;
            below
        });
        let sources = [Source::Compute, Source::Query, Source::Call];
        let demands = programs.iter().map(Program::demands).max().unwrap_or(0);
        let stride = demands.saturating_sub(FIRST_DEMANDS);
        DrawnTape {
            now: Time::ZERO,
            mean_gap_nanos: 1e9 / site.traffic.rate.get(),
            shares: shares.collect(),
            samplers: sources.map(|source| samplers(site, programs, source)),
            gaps: stream(seed, Purpose::Gaps),
            endpoint: stream(seed, Purpose::Endpoint),
            sources: [Purpose::Compute, Purpose::Query, Purpose::Call]
                .map(|purpose| stream(seed, purpose)),
            block: [DrawnRequest::NOTHING; BLOCK],
            more: vec![Span::ZERO; BLOCK * stride],
            stride,
            taken: BLOCK,
        }
    }

    /// Draws the next requests.
    #[inline(never)]
    fn draw(&mut self) {
        self.taken = 0;
        self.draw_times();
        if self.shares.len() > 1 {
            self.draw_endpoints();
        }
        for source in 0..self.sources.len() {
            if self.samplers[source].iter().any(|samplers| !samplers.is_empty()) {
                self.draw_demands(source);
            }
        }
    }

    fn draw_times(&mut self) {
        let (mut gaps, mut now) = (self.gaps.clone(), self.now);
        for next in &mut self.block {
            let gap: f64 = Exp1.sample(&mut gaps);
            now += whole(gap * self.mean_gap_nanos);
            next.arrival.at = now;
        }
        (self.gaps, self.now) = (gaps, now);
    }

    /// Draws which endpoints the requests ask for: one number for each whatever the shares, so that
    /// a change in them shifts nothing.
    fn draw_endpoints(&mut self) {
        for next in &mut self.block {
            let point: f64 = self.endpoint.random();
            let above = self.shares.iter().position(|share| point < *share);
            next.arrival.endpoint = above.unwrap_or(self.shares.len() - 1) as u16;
        }
    }

    fn draw_demands(&mut self, source: usize) {
        let mut stream = self.sources[source].clone();
        match self.samplers[source].as_slice() {
            [only] if only.len() == 1 && only[0].1 < FIRST_DEMANDS => {
                let (sampler, place) = &only[0];
                let demands = self.block.iter_mut().map(|next| &mut next.demands[*place]);
                sampler.fill(&mut stream, demands);
            }
            samplers => {
                for (index, next) in self.block.iter_mut().enumerate() {
                    let more = &mut self.more[index * self.stride..][..self.stride];
                    for (sampler, place) in &samplers[next.arrival.endpoint as usize] {
                        let demand = sampler.draw(&mut stream);
                        match next.demands.get_mut(*place) {
                            Some(first) => *first = demand,
                            None => more[*place - FIRST_DEMANDS] = demand,
                        }
                    }
                }
            }
        }
        self.sources[source] = stream;
    }
}

impl Tape for DrawnTape {
    #[inline(always)]
    fn next(&mut self, demands: DemandSlots<'_>) -> Option<Arrival> {
        if self.taken >= BLOCK {
            self.draw();
        }
        let taken = self.taken;
        let drawn = &self.block[taken];
        self.taken = taken + 1;
        *demands.first = drawn.demands;
        if self.stride > 0 {
            demands.more.copy_from_slice(&self.more[taken * self.stride..][..self.stride]);
        }
        Some(drawn.arrival)
    }
}

/// What is drawn from `source`, for each endpoint, in the order of its program.
fn samplers(site: &Site, programs: &[Program], source: Source) -> Vec<Vec<(Sampler, usize)>> {
    let endpoints = site.traffic.endpoints.iter().zip(programs);
    let of_endpoint = endpoints.map(|(endpoint, program)| {
        let drawn = program.draws.iter().map(|drawn| dist_of(&endpoint.steps, *drawn)).enumerate();
        let from_here = drawn.filter(|(_, (_, from))| *from == source);
        from_here.map(|(place, (dist, _))| (Sampler::new(dist), place)).collect()
    });
    of_endpoint.collect()
}

/// The distribution of one drawn quantity, and the stream it is drawn from.
pub(super) fn dist_of(steps: &[Step], drawn: Quantity) -> (&Dist, Source) {
    let of = |step: usize| &steps[step];
    match drawn {
        Quantity::Compute(step) => match of(step) {
            Step::Compute(dist) => (dist, Source::Compute),
            other => unreachable!("{other:?} does not compute"),
        },
        Quantity::QueryWait(step) => match of(step) {
            Step::Query { wait, .. } => (wait, Source::Query),
            other => unreachable!("{other:?} is no query"),
        },
        Quantity::QueryCpu(step) => match of(step) {
            Step::Query { cpu, .. } => (cpu, Source::Query),
            other => unreachable!("{other:?} is no query"),
        },
        Quantity::Call(step) => match of(step) {
            Step::Call { wait, .. } => (wait, Source::Call),
            other => unreachable!("{other:?} is no call"),
        },
    }
}

/// A distribution, ready to draw spans from. In nanoseconds.
enum Sampler {
    Fixed(Span),
    Exponential(f64),
    Other(Other),
}

/// A distribution that takes more to draw from. Not variants of [`Sampler`], whose simple draws
/// would have to make room for its state.
enum Other {
    LogNormal(LogNormal<f64>),
    Gamma(Gamma<f64>),
    Uniform(f64, f64),
    Mix(Vec<(f64, Sampler)>),
    Empirical(std::sync::Arc<[Span]>),
}

impl Sampler {
    fn new(dist: &Dist) -> Sampler {
        let nanos = |span: &Span| span.as_nanos() as f64;
        match dist {
            Dist::Fixed(span) => Sampler::Fixed(*span),
            Dist::Exponential { mean } => Sampler::Exponential(nanos(mean)),
            Dist::LogNormal { mean, cv } => {
                let lognormal = LogNormal::from_mean_cv(nanos(mean), *cv);
                Other::LogNormal(lognormal.expect("a mean and a cv above zero")).into()
            }
            Dist::Gamma { mean, cv } => {
                let shape = 1.0 / (cv * cv);
                let gamma = Gamma::new(shape, nanos(mean) / shape);
                Other::Gamma(gamma.expect("a mean and a cv above zero")).into()
            }
            Dist::Uniform { low, high } => {
                Other::Uniform(nanos(low), nanos(high) - nanos(low)).into()
            }
            Dist::Mix(parts) => Other::mix(parts).into(),
            Dist::Empirical(values) => Other::Empirical(values.clone()).into(),
        }
    }

    #[inline(always)]
    fn draw(&self, stream: &mut Stream) -> Span {
        match self {
            Sampler::Fixed(span) => *span,
            Sampler::Exponential(mean) => {
                let unit: f64 = Exp1.sample(stream);
                whole(unit * mean)
            }
            Sampler::Other(other) => {
                // A stream that is lent out has to lie in memory: lend a copy.
                let mut lent = stream.clone();
                let span = other.draw(&mut lent);
                *stream = lent;
                span
            }
        }
    }

    /// Draws one span after the other. The most frequent distribution has a loop of its own.
    #[inline(always)]
    fn fill<'a>(&self, stream: &mut Stream, spans: impl Iterator<Item = &'a mut Span>) {
        match self {
            Sampler::Exponential(mean) => spans.for_each(|span| {
                let unit: f64 = Exp1.sample(stream);
                *span = whole(unit * mean);
            }),
            _ => spans.for_each(|span| *span = self.draw(stream)),
        }
    }
}

impl From<Other> for Sampler {
    fn from(other: Other) -> Sampler {
        Sampler::Other(other)
    }
}

impl Other {
    fn mix(parts: &[(f64, Dist)]) -> Other {
        let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
        let mut below = 0.0;
        let parts = parts.iter().map(|(weight, dist)| {
            below += weight / total;
            (below, Sampler::new(dist))
        });
        Other::Mix(parts.collect())
    }

    #[inline(never)]
    fn draw(&self, stream: &mut Stream) -> Span {
        match self {
            Other::LogNormal(lognormal) => whole(lognormal.sample(stream)),
            Other::Gamma(gamma) => whole(gamma.sample(stream)),
            Other::Uniform(low, width) => {
                let point: f64 = stream.random();
                whole(low + point * width)
            }
            Other::Mix(parts) => {
                let point: f64 = stream.random();
                let part = parts.iter().position(|(below, _)| point < *below);
                parts[part.unwrap_or(parts.len() - 1)].1.draw(stream)
            }
            Other::Empirical(values) => values[below(stream, values.len())],
        }
    }
}

/// The whole nanoseconds of a drawn span, which is never negative; beyond 2^63 it becomes that.
#[inline]
pub(super) fn whole(nanos: f64) -> Span {
    Span::from_nanos(nanos as i64 as u64)
}

/// A whole number below `end`, all equally likely to within 2^-32 (Lemire 2019, without the
/// rejection).
pub(super) fn below(stream: &mut Stream, end: usize) -> usize {
    ((u128::from(stream.next_u64()) * end as u128) >> 64) as usize
}

/// A tape recorded beforehand. Each request comes with a value of the caller's, which is handed
/// back with its reply, in order of arrival. Kept are the requests in flight, and those that came
/// after the oldest of them.
pub(super) struct CallerTape<I, V, F> {
    arrivals: I,
    each: F,
    /// The requests from number `first` on, and how each ended, once it has.
    window: VecDeque<(V, Reply)>,
    first: u32,
}

impl<I, V, F: FnMut(V, Reply)> CallerTape<I, V, F> {
    /// The tape of `arrivals`, by rising time: each with its demands, one per compute step and per
    /// call, two per query (wait, CPU), in the order of its endpoint's steps. `each` is called with
    /// how each ended.
    pub(super) fn new(arrivals: I, each: F) -> CallerTape<I, V, F> {
        CallerTape { arrivals, each, window: VecDeque::new(), first: 0 }
    }

    /// The run is over: reports the requests that have not ended.
    pub(super) fn finish(mut self) {
        for (value, reply) in self.window {
            (self.each)(value, reply);
        }
    }
}

impl<I, V, F> Tape for CallerTape<I, V, F>
where
    I: Iterator<Item = (Arrival, Vec<Span>, V)>,
    F: FnMut(V, Reply),
{
    fn next(&mut self, demands: DemandSlots<'_>) -> Option<Arrival> {
        let (arrival, wanted, value) = self.arrivals.next()?;
        let arrived = arrival.at;
        let open = Reply { arrived, ended: None, failed: None, error_page: false };
        self.window.push_back((value, open));
        demands.fill(wanted.into_iter());
        Some(arrival)
    }

    fn note(&mut self, number: u32, reply: Reply) {
        self.window[number.wrapping_sub(self.first) as usize].1 = reply;
        while self.window.front().is_some_and(|(_, reply)| reply.ended.is_some()) {
            let (value, reply) = self.window.pop_front().expect("there is a first");
            self.first = self.first.wrapping_add(1);
            (self.each)(value, reply);
        }
    }
}
