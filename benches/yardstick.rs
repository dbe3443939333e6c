//! The models against hand-written loops: what a simulation costs that does nothing else.
//!
//! - `cargo bench --bench yardstick` runs the loop over a heap and each model in turn, several
//!   times, and prints the ratio of their speeds, which other machines and other load on this one
//!   change little.
//! - `yardstick <model or loop> <requests> <seed>` does one run, and prints it as JSON: for
//!   `peers/run.py` and `instructions.py`. `in-flight-1000` is a model with so many in flight.
//! - `yardstick models` names the models.
//!
//! Times are of the CPU, where the system tells.
#![allow(clippy::print_stdout)]

mod sites;

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, VecDeque};

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, Exp1};
use sites::{MODELS, in_flight, trade_off};
use tonnage::model::simulate;
use tonnage::seed::Seed;
use tonnage::site::Site;
use tonnage::units::Span;

/// How often the loop and the model alternate. Odd, so that there is a middle one.
const ROUNDS: usize = 7;
/// Requests per run of a model in the table, and customers of a loop.
const REQUESTS: u64 = 300_000;
const CUSTOMERS: u64 = 3_000_000;

/// The least ratio that each model is to reach.
const TARGETS: [(&str, f64); 4] =
    [("mm1", 0.45), ("ps500", 0.23), ("sync5", 0.09), ("async-pool", 0.07)];

/// One run: how many came, events, seconds of CPU, mean response and its 95th percentile.
struct Run {
    requests: u64,
    events: u64,
    cpu_secs: f64,
    mean_secs: f64,
    p95_secs: Option<f64>,
}

impl Run {
    fn per_second(&self) -> f64 {
        self.requests as f64 / self.cpu_secs
    }

    fn json(&self) -> String {
        let p95 = self.p95_secs.map_or("null".to_owned(), |secs| secs.to_string());
        format!(
            r#"{{"customers": {}, "events": {}, "seconds": {}, "mean": {}, "p95": {p95}}}"#,
            self.requests, self.events, self.cpu_secs, self.mean_secs
        )
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.as_slice() {
        [] => table(),
        [name, requests, seed] => {
            let number = |text: &String| text.parse().expect("a whole number");
            let run = one(name, number(requests), number(seed));
            println!("{}", run.expect("the name of a model or a loop").json());
        }
        _ => MODELS.iter().for_each(|model| println!("{model}")),
    }
}

/// Runs a model or a loop by name.
fn one(name: &str, requests: u64, seed: u64) -> Option<Run> {
    match name {
        "loop-two-timers" => Some(timed(|| two_timers(requests, seed))),
        "loop-heap" => Some(timed(|| heap(requests, seed))),
        _ if name.starts_with("in-flight-") => {
            let count = name["in-flight-".len()..].parse().ok()?;
            Some(tonnage(&in_flight(count, requests), seed))
        }
        _ => {
            let model = MODELS.iter().find(|model| model.name == name)?;
            Some(tonnage(&model.site(requests), seed))
        }
    }
}

fn tonnage(site: &Site, seed: u64) -> Run {
    timed(|| {
        let outcome = simulate(site, Seed::new(seed));
        let response = &outcome.response[0];
        let secs = |nanos: u64| nanos as f64 / 1e9;
        Run {
            requests: outcome.counts.arrived,
            events: outcome.events,
            cpu_secs: 0.0,
            mean_secs: response.mean().unwrap_or(0.0) / 1e9,
            p95_secs: response.quantile(0.95).map(secs),
        }
    })
}

fn timed(run: impl FnOnce() -> Run) -> Run {
    let start = cpu_secs();
    let mut run = run();
    run.cpu_secs = cpu_secs() - start;
    run
}

/// Seconds of CPU that this thread has had.
#[cfg(unix)]
fn cpu_secs() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Seconds since some instant: there is no telling this thread's CPU apart.
#[cfg(not(unix))]
#[allow(clippy::disallowed_methods)]
fn cpu_secs() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

/// Mean gap between arrivals in the loops; service takes 1.
const MEAN_GAP: f64 = 1.0 / 0.9;

/// M/M/1 by a struct of two timers: what no event set costs.
fn two_timers(customers: u64, seed: u64) -> Run {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draw = || -> f64 { Exp1.sample(&mut random) };
    let (mut arrival, mut departure) = (draw() * MEAN_GAP, f64::INFINITY);
    let mut inside: VecDeque<f64> = VecDeque::new();
    let (mut sum, mut served, mut events) = (0.0, 0, 0);
    while served < customers {
        events += 1;
        if arrival < departure {
            let now = arrival;
            arrival = now + draw() * MEAN_GAP;
            inside.push_back(now);
            if inside.len() == 1 {
                departure = now + draw();
            }
        } else {
            let now = departure;
            sum += now - inside.pop_front().unwrap_or(now);
            served += 1;
            departure = if inside.is_empty() { f64::INFINITY } else { now + draw() };
        }
    }
    looped(served, events, sum)
}

/// M/M/1 over a binary heap of packed keys, whose handlers replace the top: the fastest loop here
/// that has a general event set, and so the yardstick.
fn heap(customers: u64, seed: u64) -> Run {
    const ARRIVAL: u32 = 0;
    const DEPARTURE: u32 = 1;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draw = || -> f64 { Exp1.sample(&mut random) };
    let mut scheduled = 0u32;
    let mut key = |time: f64, kind: u32| {
        scheduled = scheduled.wrapping_add(1);
        let low = u64::from(scheduled) << 32 | u64::from(kind);
        Reverse(u128::from(time.to_bits()) << 64 | u128::from(low))
    };
    let mut pending = BinaryHeap::from([key(draw() * MEAN_GAP, ARRIVAL)]);
    let mut inside: VecDeque<f64> = VecDeque::new();
    let (mut sum, mut served, mut events) = (0.0, 0, 0);
    while served < customers {
        let Some(mut top) = pending.peek_mut() else { break };
        events += 1;
        let now = f64::from_bits((top.0 >> 64) as u64);
        if top.0 as u32 == ARRIVAL {
            *top = key(now + draw() * MEAN_GAP, ARRIVAL);
            drop(top);
            inside.push_back(now);
            if inside.len() == 1 {
                pending.push(key(now + draw(), DEPARTURE));
            }
        } else {
            sum += now - inside.pop_front().unwrap_or(now);
            served += 1;
            if inside.is_empty() {
                PeekMut::pop(top);
            } else {
                *top = key(now + draw(), DEPARTURE);
            }
        }
    }
    looped(served, events, sum)
}

fn looped(served: u64, events: u64, sum: f64) -> Run {
    let mean_secs = sum / served as f64;
    Run { requests: served, events, cpu_secs: 0.0, mean_secs, p95_secs: None }
}

fn table() {
    println!("customers a second of the heap loop are 1; medians of {ROUNDS} alternating runs");
    println!("{:<18} {:>9} {:>9} {:>7} {:>7}", "", "M req/s", "M ev/s", "ratio", "target");
    row("loop-two-timers", &|seed| timed(|| two_timers(CUSTOMERS, seed)));
    row("loop-heap", &|seed| timed(|| heap(CUSTOMERS, seed)));
    for model in MODELS {
        let site = model.site(REQUESTS);
        row(model.name, &|seed| tonnage(&site, seed));
    }
    for count in [10, 100, 1_000, 10_000, 100_000] {
        let site = in_flight(count, REQUESTS);
        row(&format!("in-flight {count}"), &|seed| tonnage(&site, seed));
    }
    for (is_async, millis) in [(false, 1), (true, 1), (false, 100), (true, 100)] {
        let site = trade_off(is_async, Span::from_millis(millis), REQUESTS);
        let kind = if is_async { "async" } else { "sync" };
        row(&format!("{kind}, {millis} ms away"), &|seed| tonnage(&site, seed));
    }
}

/// Runs the yardstick and `run` in turn and prints how they compare.
fn row(name: &str, run: &dyn Fn(u64) -> Run) {
    let (mut ratios, mut requests, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 1..=ROUNDS as u64 {
        let before = timed(|| heap(CUSTOMERS / 2, seed)).per_second();
        let run = run(seed);
        let after = timed(|| heap(CUSTOMERS / 2, seed)).per_second();
        ratios.push(2.0 * run.per_second() / (before + after));
        requests.push(run.per_second() / 1e6);
        events.push(run.events as f64 / run.cpu_secs / 1e6);
    }
    let target = TARGETS.iter().find(|(model, _)| *model == name);
    let target = target.map_or(String::new(), |(_, ratio)| ratio.to_string());
    let (requests, events) = (median(requests), median(events));
    let ratio = median(ratios);
    println!("{name:<18} {requests:>9.2} {events:>9.2} {ratio:>7.3} {target:>7}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
