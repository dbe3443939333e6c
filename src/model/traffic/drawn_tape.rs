//! Requests drawn from a seed.

use rand::RngExt;
use rand_distr::{Distribution, Exp1};

use super::arrivals::{Arrival, Tape};
use super::program::Program;
use super::request::{DemandSlots, FIRST_DEMANDS, FirstDemands, NO_DEMANDS};
use super::sampling::{Sampler, Source, dist_of, whole};
use crate::kernel::streams::{Purpose, Stream, stream};
use crate::seed::Seed;
use crate::site::Site;
use crate::units::{Span, Time};

/// A tape drawn from a seed: Poisson arrivals, without end.
///
/// It is drawn a block at a time, one stream after the other: the numbers are the same, and the
/// state of a generator stays in registers for a whole block.
pub(in crate::model) struct DrawnTape {
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

impl DrawnTape {
    /// The tape of `site` under `seed`, for requests that follow `programs`.
    pub(in crate::model) fn new(site: &Site, programs: &[Program], seed: Seed) -> DrawnTape {
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
