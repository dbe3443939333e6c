//! Requests that the caller has recorded.

use std::collections::VecDeque;

use super::arrivals::{Arrival, Reply, Tape};
use super::request::DemandSlots;
use crate::units::Span;

/// A tape recorded beforehand. Each request comes with a value of the caller's, which is handed
/// back with its reply, in order of arrival. Kept are the requests in flight, and those that came
/// after the oldest of them.
pub(in crate::model) struct CallerTape<I, V, F> {
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
    pub(in crate::model) fn new(arrivals: I, each: F) -> CallerTape<I, V, F> {
        CallerTape { arrivals, each, window: VecDeque::new(), first: 0 }
    }

    /// The run is over: reports the requests that have not ended.
    pub(in crate::model) fn finish(mut self) {
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
