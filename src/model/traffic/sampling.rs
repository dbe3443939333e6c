//! Drawing from the distributions of a site.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Gamma, LogNormal};

use super::program::Quantity;
use crate::kernel::streams::Stream;
use crate::site::{Dist, Step};
use crate::units::Span;

/// Which stream a quantity is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Compute,
    Query,
    Call,
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
pub(super) enum Sampler {
    Fixed(Span),
    Exponential(f64),
    Other(Other),
}

/// A distribution that takes more to draw from. Not variants of [`Sampler`], whose simple draws
/// would have to make room for its state.
pub(super) enum Other {
    LogNormal(LogNormal<f64>),
    Gamma(Gamma<f64>),
    Uniform(f64, f64),
    Mix(Vec<(f64, Sampler)>),
    Empirical(std::sync::Arc<[Span]>),
}

impl Sampler {
    pub(super) fn new(dist: &Dist) -> Sampler {
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
    pub(super) fn draw(&self, stream: &mut Stream) -> Span {
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
    pub(super) fn fill<'a>(&self, stream: &mut Stream, spans: impl Iterator<Item = &'a mut Span>) {
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
pub(in crate::model) fn whole(nanos: f64) -> Span {
    Span::from_nanos(nanos as i64 as u64)
}

/// A whole number below `end`, all equally likely to within 2^-32 (Lemire 2019, without the
/// rejection).
pub(in crate::model) fn below(stream: &mut Stream, end: usize) -> usize {
    ((u128::from(stream.next_u64()) * end as u128) >> 64) as usize
}
