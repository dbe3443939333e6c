//! Recorded requests as the traffic of a site.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::experiment::replay::{Recorded, demands_of};
use crate::site::{Dist, Endpoint, Step, Trace, Traced};
use crate::units::{Fraction, Span, Time};

/// A recording as traffic for any site: when requests arrive and what they ask for. How they were
/// answered is left out.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The requests in order of arrival. Their endpoints are those of [`Recording::endpoints`].
    requests: Arc<[Traced]>,
    /// The requests by their number of queries, rising.
    kinds: Vec<Kind>,
}

/// The requests with the same number of queries: a column for each segment (compute; query;
/// compute; ...), with a value for each request.
type Kind = Vec<Arc<[Span]>>;

impl Recording {
    /// A recording of `requests`, which are ordered by arrival. A mean gap after the last of them a
    /// round ends, and the first arrives again. `None` where there is no rate: with fewer than two
    /// requests, or all at one instant.
    pub fn of(requests: impl Iterator<Item = Recorded>) -> Option<Recording> {
        let mut kinds: BTreeMap<u16, Vec<Vec<Span>>> = BTreeMap::new();
        let mut traced: Vec<Traced> = Vec::new();
        let (mut latest, mut first) = (Time::ZERO, None);
        for request in requests {
            first.get_or_insert(request.arrived);
            let (endpoint, row) = take_in(&mut kinds, &request.segments);
            traced.push(Traced { gap: request.arrived - latest, endpoint, row });
            latest = request.arrived;
        }
        let length = (latest - first?).as_nanos() as f64;
        let gaps = traced.len() - 1;
        if gaps == 0 || length <= 0.0 {
            return None;
        }
        traced[0].gap = Span::from_nanos_f64(length / gaps as f64);
        // The first endpoint is the original one, which no request asks for.
        let place = |queries: u16| kinds.range(..queries).count() as u16 + 1;
        traced.iter_mut().for_each(|request| request.endpoint = place(request.endpoint));
        let kinds = kinds.into_values().map(|kind| kind.into_iter().map(Arc::from).collect());
        Some(Recording { requests: Arc::from(traced), kinds: kinds.collect() })
    }

    /// How many requests there are.
    pub fn count(&self) -> usize {
        self.requests.len()
    }

    /// Whether any of them queries the database.
    pub fn queries(&self) -> bool {
        self.kinds.iter().any(|kind| kind.len() > 1)
    }

    /// The arrivals, with this probability of keeping each request, from a recording of that name.
    pub fn trace(&self, name: &str, keep: Fraction) -> Trace {
        Trace { name: name.to_owned(), requests: Arc::clone(&self.requests), keep }
    }

    /// The endpoints of the requests, which have name, memory, growth and the mean cost of a query
    /// from
    /// `work`. The first one is `work` itself, which no request asks for; then comes one for each
    /// number of queries that a request of the recording has.
    pub fn endpoints(&self, work: &Endpoint) -> Vec<Endpoint> {
        let (cpu, driver) = query_cost(work);
        let step = |(index, column): (usize, &Arc<[Span]>)| {
            let recorded = Dist::Empirical(Arc::clone(column));
            match index % 2 {
                0 => Step::Compute(recorded),
                _ => Step::Query { wait: recorded, cpu: Dist::Fixed(cpu), driver },
            }
        };
        let recorded = self.kinds.iter().map(|kind| Endpoint {
            weight: kind[0].len() as f64,
            steps: kind.iter().enumerate().map(step).collect(),
            ..work.clone()
        });
        std::iter::once(Endpoint { weight: 0.0, ..work.clone() }).chain(recorded).collect()
    }
}

/// Adds a request to its kind. Returns how many queries it has, and its index in its kind.
fn take_in(kinds: &mut BTreeMap<u16, Vec<Vec<Span>>>, segments: &[Span]) -> (u16, u32) {
    let mut demands = Vec::with_capacity(2 * segments.len());
    let queries = demands_of(segments, Span::ZERO, &mut demands);
    let columns = 2 * usize::from(queries) + 1;
    let kind = kinds.entry(queries).or_insert_with(|| vec![Vec::new(); columns]);
    let row = u32::try_from(kind[0].len()).expect("fewer than 2^32 requests fit in memory");
    // Compute, wait, CPU of the database, compute, ...: the CPU is the endpoint's.
    let own = demands.chunks(3).flat_map(|part| part.iter().take(2));
    kind.iter_mut().zip(own).for_each(|(column, demand)| column.push(*demand));
    (queries, row)
}

/// The mean CPU of a query of `work` in the database, and the driver's in the worker if it has its
/// own.
fn query_cost(work: &Endpoint) -> (Span, Option<Span>) {
    let cost = work.steps.iter().find_map(|step| match step {
        Step::Query { cpu, driver, .. } => Some((Span::from_secs(cpu.mean_secs()), *driver)),
        _ => None,
    });
    cost.unwrap_or((Span::ZERO, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn ms(each: &[u64]) -> Vec<Span> {
        each.iter().map(|millis| Span::from_millis(*millis)).collect()
    }

    fn recorded(at_ms: u64, segments: &[u64]) -> Recorded {
        Recorded {
            arrived: Time::ZERO + Span::from_millis(at_ms),
            segments: ms(segments),
            response: Span::ZERO,
            status: 200,
        }
    }

    fn work() -> Endpoint {
        let query = Step::Query {
            wait: Dist::Fixed(Span::from_millis(7)),
            cpu: Dist::Exponential { mean: Span::from_millis(2) },
            driver: Some(Span::from_millis(1)),
        };
        let compute = Step::Compute(Dist::Fixed(Span::from_millis(9)));
        Endpoint {
            name: "work".to_owned(),
            weight: 5.0,
            memory: Bytes::from_mib(3),
            growth: Bytes::new(10),
            steps: vec![compute.clone(), query, compute],
        }
    }

    #[test]
    fn requests_stand_by_their_queries_each_with_all_that_it_asks_for() {
        let requests = [
            recorded(100, &[1, 2, 3]),
            recorded(150, &[4]),
            recorded(150, &[5, 0, 6, 7, 8]),
            recorded(400, &[9]),
        ];
        let recording = Recording::of(requests.into_iter()).unwrap();
        let traced = |gap, endpoint, row| Traced { gap: Span::from_millis(gap), endpoint, row };
        let expected = [traced(100, 2, 0), traced(50, 1, 0), traced(0, 2, 1), traced(250, 1, 1)];
        let trace = recording.trace("day", Fraction::new(0.5));
        assert_eq!(trace.requests[..], expected);
        assert_eq!((trace.length(), trace.kept()), (Span::from_millis(400), 2.0));
        let endpoints = recording.endpoints(&work());
        let weights: Vec<f64> = endpoints.iter().map(|endpoint| endpoint.weight).collect();
        assert_eq!(weights, [0.0, 2.0, 2.0]);
        let column = |each: &[u64]| Dist::Empirical(ms(each).into());
        let cpu = Dist::Fixed(Span::from_millis(2));
        let driver = Some(Span::from_millis(1));
        assert_eq!(endpoints[1].steps, [Step::Compute(column(&[4, 9]))]);
        assert_eq!(
            endpoints[2].steps,
            [
                Step::Compute(column(&[1, 11])),
                Step::Query { wait: column(&[2, 7]), cpu, driver },
                Step::Compute(column(&[3, 8])),
            ]
        );
        let memory = (endpoints[2].memory, endpoints[2].growth);
        assert_eq!(memory, (Bytes::from_mib(3), Bytes::new(10)));
    }

    #[test]
    fn what_comes_at_one_instant_has_no_rate() {
        for count in 0..3 {
            let at_once = std::iter::repeat_n(recorded(5, &[1]), count);
            assert!(Recording::of(at_once).is_none(), "{count}");
        }
    }
}
