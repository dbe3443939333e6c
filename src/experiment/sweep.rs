//! Runs a study: a row for each plan, server and tier, and a capacity for each plan and server.

use crate::experiment::answer::{Answers, Capacity, Combination, Row, Study, Tier};
use crate::experiment::bottleneck::limit;
use crate::experiment::capacity::{self, capacity};
use crate::experiment::lab::Lab;
use crate::experiment::trial::{Crew, Watch, map_coordinated};

/// Answers `study`: a row for each combination and tier, and a capacity for each combination, in
/// the study's order. With `search`, the rates at which each combination gives way are searched
/// for; without, capacities have only what follows by arithmetic. Where `watch` ends it early, the
/// answers are those that were finished.
///
/// Combinations run in parallel, and so do the replications of each; the answers are the same, bit
/// for bit, for any size of `crew`.
pub fn run(study: &Study, search: bool, crew: &Crew, watch: &Watch) -> Answers {
    let answers =
        |combination: &Combination| combination.tiers.len() as u64 + capacity::answers(search);
    watch.expect(study.combinations.iter().map(answers).sum());
    let examined = map_coordinated(&study.combinations, |combination| {
        examine(study, combination, search, crew, watch)
    });
    let (rows, capacities): (Vec<Vec<Row>>, Vec<Option<Capacity>>) = examined.into_iter().unzip();
    Answers {
        rows: rows.into_iter().flatten().collect(),
        capacities: capacities.into_iter().flatten().collect(),
    }
}

fn examine(
    study: &Study,
    combination: &Combination,
    search: bool,
    crew: &Crew,
    watch: &Watch,
) -> (Vec<Row>, Option<Capacity>) {
    let mut lab = Lab::new(crew, watch, study.seed, combination);
    let mut rows = Vec::new();
    for tier in &combination.tiers {
        let Some(row) = row(study, combination, tier, &mut lab) else { return (rows, None) };
        rows.push(row);
        watch.found(1);
    }
    let capacity = capacity(&mut lab, study, combination, &rows, search);
    (rows, capacity)
}

fn row(study: &Study, combination: &Combination, tier: &Tier, lab: &mut Lab) -> Option<Row> {
    let sample = lab.row(tier.rate, study.effort)?;
    let bottleneck = limit(sample, sample, &study.objective);
    Some(Row {
        plan: combination.plan.clone(),
        server: combination.server.clone(),
        tier: tier.name.clone(),
        offered: tier.rate,
        meets_objective: sample.meets(&study.objective),
        finding: sample.finding(study.effort, bottleneck),
    })
}
