//! The streams of random numbers for what a run decides after its requests are drawn, one per
//! purpose.

use super::rules::Rules;
use crate::kernel::streams::{Purpose, Stream, stream};
use crate::seed::Seed;

/// The streams of a run; see [`Purpose`] for what each is for.
#[derive(Debug)]
pub(super) struct RandomStreams {
    /// `None` where it makes no difference which process accepts.
    pub accept: Option<Stream>,
    pub respawn: Stream,
    pub gil: Stream,
    pub memory: Stream,
    pub system_call: Stream,
    pub waking: Stream,
    pub in_time: Stream,
    pub closing: Stream,
    pub health_check: Stream,
}

impl RandomStreams {
    /// The streams of the run with `seed`.
    pub(super) fn new(seed: Seed, rules: &Rules) -> RandomStreams {
        RandomStreams {
            accept: rules.draws_acceptor.then(|| stream(seed, Purpose::Accept)),
            respawn: stream(seed, Purpose::Respawn),
            gil: stream(seed, Purpose::Gil),
            memory: stream(seed, Purpose::Memory),
            system_call: stream(seed, Purpose::SystemCall),
            waking: stream(seed, Purpose::Waking),
            in_time: stream(seed, Purpose::InTime),
            closing: stream(seed, Purpose::Closing),
            health_check: stream(seed, Purpose::HealthCheck),
        }
    }
}
