//! Requests and events a second of each model, on one thread. `cargo bench --bench model`.
//!
//! Items are requests; a cycle is one turn of the simulator's loop, which is one event.

mod sites;

use divan::Bencher;
use divan::counter::{CyclesCount, ItemsCount};
use sites::{MODELS, Model, in_flight, trade_off};
use tonnage::model::simulate;
use tonnage::seed::Seed;
use tonnage::site::Site;
use tonnage::units::Span;

/// Enough for the start and the end of a run not to count.
const REQUESTS: u64 = 200_000;

fn main() {
    divan::main();
}

fn measure(bencher: Bencher<'_, '_>, site: &Site) {
    let outcome = simulate(site, Seed::new(1));
    bencher
        .counter(ItemsCount::new(outcome.counts.arrived))
        .counter(CyclesCount::new(outcome.events))
        .bench_local(|| simulate(site, Seed::new(1)));
}

#[divan::bench(args = MODELS, sample_count = 10, sample_size = 1)]
fn model(bencher: Bencher<'_, '_>, model: &Model) {
    measure(bencher, &model.site(REQUESTS));
}

#[divan::bench(args = [10, 100, 1_000, 10_000, 100_000], sample_count = 5, sample_size = 1)]
fn requests_in_flight(bencher: Bencher<'_, '_>, count: u32) {
    measure(bencher, &in_flight(count, REQUESTS));
}

/// What the way of working costs the simulator, by the latency of the database in milliseconds.
mod trade_off_by_latency {
    use super::{Bencher, REQUESTS, Span, measure, trade_off};

    #[divan::bench(args = [1, 5, 20, 100], sample_count = 5, sample_size = 1)]
    fn sync(bencher: Bencher<'_, '_>, millis: u64) {
        measure(bencher, &trade_off(false, Span::from_millis(millis), REQUESTS));
    }

    #[divan::bench(args = [1, 5, 20, 100], sample_count = 5, sample_size = 1)]
    fn r#async(bencher: Bencher<'_, '_>, millis: u64) {
        measure(bencher, &trade_off(true, Span::from_millis(millis), REQUESTS));
    }
}
