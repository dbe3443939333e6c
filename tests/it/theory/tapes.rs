//! Rows whose arrivals are not Poisson: drawn here, and played to the model as a recording.

use std::f64::consts::TAU;

use rand::RngExt;
use tonnage::kernel::streams::{Purpose, Stream, stream};
use tonnage::model::{self, Arrival, Reply};
use tonnage::seed::Seed;
use tonnage::site::{Site, Step, WorkerKind};
use tonnage::units::{Span, Time};

use super::check::{Theorem, lasting};
use super::table::{Row, measure, rows};
use crate::support::{ASYNC, call, exponential};

/// One exponential server, and requests that come by `gaps` (in seconds) between them.
pub(crate) fn one_server(
    family: &str,
    names: &str,
    rate: f64,
    gaps: impl Fn(&Row) -> Box<dyn Fn(&mut Stream) -> f64> + Sync + 'static,
) -> Theorem {
    let rows = rows(family, names);
    let row = rows[0].clone();
    let metrics: Vec<String> = rows.iter().map(|row| row.metric.clone()).collect();
    let work = exponential(row.service());
    let site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(work)]);
    let site = lasting(site, rate, 1.0 / row.service(), row.service());
    Theorem::by(rows, move |seed| {
        let (outcome, _) = model::replay(&site, tape(seed, row.service(), gaps(&row)), seed);
        metrics.iter().map(|metric| measure(metric, &site, &outcome)).collect()
    })
}

/// Requests without end, by these gaps, each with one exponential demand of this mean.
fn tape(
    seed: Seed,
    mean: f64,
    gap: Box<dyn Fn(&mut Stream) -> f64>,
) -> impl Iterator<Item = (Arrival, Vec<Span>)> {
    let (mut gaps, mut demands) = (stream(seed, Purpose::Gaps), stream(seed, Purpose::Compute));
    let mut at = Time::ZERO;
    std::iter::repeat_with(move || {
        at += Span::from_secs(gap(&mut gaps));
        let demand = Span::from_secs(exponential_draw(&mut demands, mean));
        (Arrival { at, endpoint: 0 }, vec![demand])
    })
}

fn exponential_draw(stream: &mut Stream, mean: f64) -> f64 {
    let point: f64 = stream.random();
    -(1.0 - point).ln() * mean
}

/// One request every eighth of a second.
pub(crate) fn like_clockwork() -> Theorem {
    one_server("M1", "sigma R p95", 8.0, |_| Box::new(|_| 0.125))
}

/// Each gap is the sum of two exponential ones.
pub(crate) fn erlang_gaps() -> Theorem {
    let phase = |stream: &mut Stream| exponential_draw(stream, 1.0 / 16.0);
    one_server("M3", "R", 8.0, move |_| Box::new(move |gaps| phase(gaps) + phase(gaps)))
}

/// Requests come several at a time.
pub(crate) fn batches() -> Theorem {
    one_server("M4", "R", 8.0, |row| {
        let (rate, size) = (row.one_of(&["batch_rate"]), row.count(&["batch_size"]));
        let left = std::cell::Cell::new(0);
        Box::new(move |stream| match left.get() {
            0 => {
                left.set(size - 1);
                exponential_draw(stream, 1.0 / rate)
            }
            more => {
                left.set(more - 1);
                0.0
            }
        })
    })
}

/// The wave of the rows L1: 20 + 10 sin(2 pi t / 10 s) arrivals a second.
const WAVE: (f64, f64, f64) = (20.0, 10.0, 10.0);

/// A loop that only waits serves everyone at once. What is inside follows a sinusoidal load as a
/// sinusoid, a little later and a little lower: its mean and its first harmonic say all.
pub(crate) fn a_wave_of_requests() -> Theorem {
    let rows = rows("L1", "mean max lag");
    let mean = rows[0].service();
    let waves = 200.0;
    let (_, _, period) = WAVE;
    let mut site = Site::textbook(ASYNC, 1, 1, vec![call(exponential(mean))]);
    site.horizon.measured = Span::from_secs((waves + 2.0) * period);
    Theorem::by(rows, move |seed| {
        let (_, replies) = model::replay(&site, wave(seed, mean), seed);
        // From the second wave on, when the empty start is forgotten.
        let window = (period, (waves + 1.0) * period);
        let level = harmonic(&replies, window, |t| t);
        let turn = TAU / period;
        let sine = 2.0 * harmonic(&replies, window, |t| -(turn * t).cos() / turn);
        let cosine = 2.0 * harmonic(&replies, window, |t| (turn * t).sin() / turn);
        let lag = (-cosine).atan2(sine) / turn;
        // At 100 s, a whole number of waves, the sine is 0 and the cosine 1.
        vec![level + cosine, level + sine.hypot(cosine), lag]
    })
}

/// Poisson arrivals of a rate that goes up and down: of more than enough, some are kept.
fn wave(seed: Seed, mean: f64) -> impl Iterator<Item = (Arrival, Vec<Span>)> {
    let (steady, swing, period) = WAVE;
    let most = steady + swing;
    let mut thinning = stream(seed, Purpose::Endpoint);
    let gap = Box::new(move |stream: &mut Stream| exponential_draw(stream, 1.0 / most));
    tape(seed, mean, gap).filter(move |(arrival, _)| {
        let rate = steady + swing * (TAU * arrival.at.as_secs() / period).sin();
        thinning.random::<f64>() * most < rate
    })
}

/// The mean over the window of the number inside times a function of time, given by the
/// function's integral: the sum over requests of the integral over their stay.
fn harmonic(replies: &[Reply], (from, to): (f64, f64), integral: impl Fn(f64) -> f64) -> f64 {
    let clip = |time: Time| time.as_secs().clamp(from, to);
    let stays = replies.iter().map(|reply| {
        let end = reply.ended.map_or(to, clip);
        integral(end) - integral(clip(reply.arrived))
    });
    stays.sum::<f64>() / (to - from)
}
