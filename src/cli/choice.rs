//! Which plan, server and tier of a scenario is meant.

use super::Failure;
use crate::experiment::answer::{Combination, Study, Tier};

/// The plan and server asked for; where the scenario has one only, it need not be named.
pub(super) fn combination<'a>(
    study: &'a Study,
    plan: Option<&str>,
    server: Option<&str>,
) -> Result<&'a Combination, Failure> {
    let fits = |each: &&Combination| {
        plan.is_none_or(|wanted| wanted == each.plan)
            && server.is_none_or(|wanted| wanted == each.server)
    };
    let found: Vec<&Combination> = study.combinations.iter().filter(fits).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(Failure::Usage(format!(
            "the scenario has no such plan and server; it has {}",
            all_of(&study.combinations.iter().collect::<Vec<_>>())
        ))),
        _ => Err(Failure::Usage(format!(
            "say which with --plan and --server: the scenario has {}",
            all_of(&found)
        ))),
    }
}

fn all_of(combinations: &[&Combination]) -> String {
    let name = |each: &&Combination| format!("\"{}\" with \"{}\"", each.plan, each.server);
    combinations.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The tier asked for; where there is one only, it need not be named.
pub(super) fn tier<'a>(
    combination: &'a Combination,
    name: Option<&str>,
) -> Result<&'a Tier, Failure> {
    let tiers = &combination.tiers;
    let names: Vec<String> = tiers.iter().map(|tier| format!("\"{}\"", tier.name)).collect();
    let names = names.join(", ");
    match (name, &tiers[..]) {
        (None, [one]) => Ok(one),
        (_, []) => Err(Failure::Usage(format!(
            "the scenario has no tier for \"{}\" with \"{}\": write [[tier]], a name and a rate",
            combination.plan, combination.server
        ))),
        (None, _) => Err(Failure::Usage(format!("say which with --tier: there are {names}"))),
        (Some(wanted), _) => tiers.iter().find(|tier| tier.name == wanted).ok_or_else(|| {
            Failure::Usage(format!("there is no tier \"{wanted}\": there are {names}"))
        }),
    }
}
