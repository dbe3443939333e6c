//! Made-up answers for the tests of this floor: curves with a knee, as real ones have it.

use crate::experiment::answer::*;
use crate::outcome::{Cause, Queue};
use crate::seed::Seed;
use crate::site::Budget;
use crate::site::*;
use crate::stats::estimate::Estimate;
use crate::units::{Bytes, Fraction, PerSecond, Span};

/// A study of these plans (with their GB) and servers, and answers to match.
pub(super) fn made_up(plans: &[(&str, u64)], servers: &[&str], tiers: &[f64]) -> (Study, Answers) {
    let mut study = Study {
        title: "2 GB or 4 GB for a Django shop?".to_owned(),
        seed: Seed::new(1),
        objective: Objective {
            p95: Some(Span::from_millis(500)),
            errors: Some(Fraction::new(0.001)),
        },
        effort: Effort::Precision(Fraction::new(0.05)),
        visits: Visits::ASSUMED,
        combinations: Vec::new(),
    };
    let mut answers = Answers { rows: Vec::new(), capacities: Vec::new() };
    for (index, (plan, gib)) in plans.iter().enumerate() {
        for (turn, server) in servers.iter().enumerate() {
            let knee = 23.0 * (index + 1) as f64 * (1.0 + 0.4 * turn as f64);
            let capacity = capacity(plan, server, *gib, knee, turn);
            for (number, rate) in tiers.iter().enumerate() {
                let finding = finding(*rate, knee, *gib, turn);
                let good = finding.p95.is_some_and(|p95| p95.mean <= 0.5);
                answers.rows.push(Row {
                    plan: (*plan).to_owned(),
                    server: (*server).to_owned(),
                    tier: format!("tier {}", number + 1),
                    offered: PerSecond::new(*rate),
                    meets_objective: Some(good && !finding.saturated),
                    finding,
                });
            }
            study.combinations.push(combination(plan, server, &capacity, tiers));
            answers.capacities.push(capacity);
        }
    }
    (study, answers)
}

fn capacity(plan: &str, server: &str, gib: u64, knee: f64, turn: usize) -> Capacity {
    let rates = (1..=16).map(|step| knee * f64::from(step) / 12.0);
    let at = |rate: f64, beyond: f64| Threshold::At {
        rate: PerSecond::new(rate),
        beyond: PerSecond::new(beyond),
        accuracy: Accuracy::Resolution,
    };
    Capacity {
        plan: plan.to_owned(),
        server: server.to_owned(),
        price: Some(12.0 * gib as f64 / 2.0),
        workers: 3,
        budget: Budget {
            lines: vec![
                ("system".to_owned(), 1, Bytes::from_mib(200)),
                ("postgres".to_owned(), 1, Bytes::from_mib(400)),
                ("worker".to_owned(), 3, Bytes::from_mib(150)),
            ],
            ceiling: Some(Bytes::from_mib(1024 * gib)),
        },
        database_budget: None,
        leaks: false,
        database_fills: false,
        saturation: at(knee, knee * 1.01),
        load_line: Some(at(knee * 0.9, knee * 0.91)),
        oom: if turn == 1 { at(knee * 1.2, knee * 1.19) } else { Threshold::Never },
        oom_workers: Some(9),
        first_limit: Some(Limit::Cores),
        reach: None,
        curve: rates.map(|rate| finding(rate, knee, gib, turn)).collect(),
    }
}

/// What a queue with a knee at `knee` would do at `rate`.
pub(super) fn finding(rate: f64, knee: f64, gib: u64, turn: usize) -> Finding {
    let load = rate / knee;
    let slow = if load < 0.995 { (0.06 / (1.0 - load)).min(12.0) } else { 12.0 + 6.0 * load };
    let about = |value: f64| Estimate {
        mean: value,
        standard_error: Some(value * 0.02 * (1.0 + 2.0 * load)),
        replications: 10,
    };
    let shares = [0.55 * load, 0.05, 0.15, 0.03, 0.1, 0.1, 0.01, 0.01, 0.01];
    let whole: f64 = shares.iter().sum();
    Finding {
        rate: PerSecond::new(rate),
        served: about(rate.min(knee)),
        mean: Some(about(slow / 3.0)),
        p50: Some(about(slow / 4.0)),
        p90: Some(about(slow / 1.3)),
        p95: Some(about(slow)),
        p99: Some(about(slow * 1.5)),
        error_rate: about(if load > 1.0 { 1.0 - 1.0 / load } else { 0.0 }),
        errors: errors(load),
        open: 0.0,
        mean_wait: [0.001 * load; Queue::COUNT],
        usage: usages(load, gib, turn),
        mean_request: Some(shares.map(|share| 0.4 * slow * share / whole)),
        slow_request: Some(shares.map(|share| slow * share / whole)),
        began: None,
        oom_kills_per_hour: if turn == 1 && load > 1.2 { 60.0 } else { 0.0 },
        saturated: load > 1.0,
        grows: false,
        bottleneck: Limit::Cores,
        replications: 10,
        warmup: Span::from_whole_secs(30),
        measured: Span::from_whole_secs(300),
        settled: load <= 1.0,
        precise: load < 1.0,
        stopped: None,
        events: 123_456,
    }
}

fn usages(load: f64, gib: u64, turn: usize) -> Usages {
    let ceiling = (gib * 1024) as f64;
    let memory = if turn == 1 { 1050.0 + (ceiling - 1050.0) * load / 1.2 } else { 1100.0 + load };
    Usages {
        cpu_utilisation: load.min(1.0),
        worker_utilisation: load.min(1.0),
        inside_mean: 2.0 * load,
        inside_peak: 17,
        connections_mean: 3.0,
        connections_peak: 3,
        memory_mean: Bytes::from_mib(1000),
        memory_peak: Bytes::from_mib(memory.min(ceiling) as u64),
        ..Usages::default()
    }
}

fn errors(load: f64) -> [f64; Cause::COUNT] {
    let mut errors = [0.0; Cause::COUNT];
    errors[Cause::Patience as usize] = if load > 1.0 { 1.0 - 1.0 / load } else { 0.0 };
    errors
}

fn combination(plan: &str, server: &str, capacity: &Capacity, tiers: &[f64]) -> Combination {
    Combination {
        plan: plan.to_owned(),
        server: server.to_owned(),
        price: capacity.price,
        site: site(capacity),
        budget: capacity.budget.clone(),
        database_budget: capacity.database_budget.clone(),
        tiers: tiers
            .iter()
            .enumerate()
            .map(|(number, rate)| Tier {
                name: format!("tier {}", number + 1),
                rate: PerSecond::new(*rate),
                conversion: (number == 0).then(|| "57,600 visitors a day x 5 x 3 / 86400".into()),
            })
            .collect(),
    }
}

/// A site that is never simulated.
fn site(capacity: &Capacity) -> Site {
    let mut site = Site::textbook(WorkerKind::Sync, capacity.workers, 1, Vec::new());
    site.host.memory = capacity.budget.ceiling;
    site.server.worker_memory = Bytes::from_mib(150);
    site
}
