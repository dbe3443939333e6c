//! `tonnage check`: reads and judges scenarios without simulating.

use std::fmt::Write;

use super::args::CheckArgs;
use super::{Failure, load, print};
use crate::experiment::answer::{Combination, Study};
use crate::experiment::demand::bounds;
use crate::scenario::{Number, Resolved, Scenario};
use crate::site::Arrivals;
use crate::units::Fraction;

/// Judges each scenario in turn; all are looked at, whatever is wrong with one.
pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for path in &args.scenarios {
        match load(path, &args.sets.set) {
            Ok(scenario) => print(&judgement(&path.display().to_string(), &scenario))?,
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Several(failures)) }
}

/// What a scenario comes to, in words.
fn judgement(name: &str, scenario: &Scenario) -> String {
    let study = &scenario.study;
    let mut text = format!("{name}: no problems\n{}\n", study.title);
    for (combination, resolved) in study.combinations.iter().zip(&scenario.resolved) {
        text += &described(combination, resolved);
    }
    text += &recording(study);
    text += &rates(study);
    for warning in &scenario.warnings {
        let _ = write!(text, "\nwarning: {warning}\n");
    }
    text + &numbers(&scenario.numbers)
}

/// One plan with one server: workers, memory at rest, and what bounds its rate.
fn described(combination: &Combination, resolved: &Resolved) -> String {
    let Combination { plan, server, site, budget, database_budget, .. } = combination;
    let mut text = format!("\n{plan} with {server}\n");
    let workers = match resolved.workers.to_string() {
        plain if plain == resolved.workers_written => plain,
        count => format!("{count} ({})", resolved.workers_written),
    };
    let _ = writeln!(text, "  workers          {workers}");
    let _ = writeln!(text, "  memory at rest   {}", budget);
    if let Some(own) = &database_budget {
        let _ = writeln!(text, "  database's host  {}", own);
    }
    for (index, (limit, rate)) in bounds(site).iter().enumerate() {
        let label = if index == 0 { "at most" } else { "" };
        // One decimal is too coarse for rates below 1/s.
        let rate = match rate.get() < 1.0 {
            true => rate.to_string(),
            false => format!("{:.1}/s", rate.get()),
        };
        let _ = writeln!(text, "  {label:15}  {rate} by {}", limit.name());
    }
    text
}

/// The recording whose requests come, where there is one.
fn recording(study: &Study) -> String {
    let site = study.combinations.first().map(|combination| &combination.site);
    let Some(Arrivals::Recorded(trace)) = site.map(|site| &site.traffic.arrivals) else {
        return String::new();
    };
    let kept = match trace.keep < Fraction::ONE {
        true => format!(", of which {} come", trace.keep),
        false => String::new(),
    };
    let (count, length) = (trace.requests.len(), trace.length());
    format!("\ntraffic\n  {}: {count} requests in {length}{kept}\n", trace.name)
}

/// The tiers' rates, and how visitors became requests.
fn rates(study: &Study) -> String {
    let mut tiers: Vec<_> = study.combinations.iter().flat_map(|each| &each.tiers).collect();
    tiers.sort_by(|a, b| a.rate.get().total_cmp(&b.rate.get()));
    tiers.dedup();
    let mut text = if tiers.is_empty() { String::new() } else { "\ntiers\n".to_owned() };
    for tier in tiers {
        let from = tier.conversion.as_ref().map(|how| format!(" = {how}")).unwrap_or_default();
        let _ = writeln!(text, "  {}: {}{from}", tier.name, tier.rate);
    }
    text
}

/// The numbers that the scenario leaves to its stacks.
fn numbers(numbers: &[Number]) -> String {
    let mut text = String::new();
    if !numbers.is_empty() {
        text += "\nnumbers the scenario leaves to its stack (sections: of src/reference.md)\n";
    }
    for number in numbers {
        let servers = match number.servers.as_slice() {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        let source = if number.assumed { "assumed: " } else { "" };
        let Number { stack, key, value, source: from, .. } = number;
        let _ = writeln!(text, "  {stack}{servers} {key} = {value}  [{source}{from}]");
    }
    text
}
