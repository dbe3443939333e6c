//! `tonnage explain`: where the time goes, what gives way first, and what each change that could be
//! made does.

use std::path::Path;

use super::args::ExplainArgs;
use super::progress::Bar;
use super::{Failure, choice, colors, complain, crew, interrupt, print};
use crate::experiment::advice::{Change, worth_trying};
use crate::experiment::answer::{Combination, Study, Tier};
use crate::experiment::explain::{Performance, TestedChange, narrowed, ranked};
use crate::experiment::sweep;
use crate::experiment::trial::{Crew, Watch};
use crate::report::explained;
use crate::scenario::{Text, advice};
use crate::seed::Seed;

/// Simulates the plan with the server at the tier as it is, then with each change worth trying, and
/// prints what was found.
pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let text = Text::open(&args.scenario)?;
    let scenario = text.scenario(&args.sets.set)?;
    scenario.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}\n")));
    let mut study = scenario.study;
    study.seed = args.seed.map_or(study.seed, Seed::new);
    let combination = choice::combination(&study, args.plan.as_deref(), args.server.as_deref())?;
    let tier = choice::tier(combination, args.tier.as_deref())?;
    let crew = crew(args.threads)?;
    let alone = narrowed(&study, vec![combination.clone()], tier);
    let now = standings(&alone, &crew)?.swap_remove(0);
    let (tried, stopped) = match tried(args, &text, &study, (combination, tier, &now), &crew) {
        Err(Failure::Interrupted(_)) => (Vec::new(), true),
        tried => (tried?, false),
    };
    let color = colors(anstream::AutoStream::choice(&std::io::stdout()));
    let tried = ranked(tried, &study.objective);
    print(&explained::text(&alone, &now, &tried, color))?;
    match stopped {
        true => Err(Failure::Interrupted(UNTRIED.to_owned())),
        false => Ok(()),
    }
}

const UNTRIED: &str = "what each change does was not found out; the same command starts again from \
                       the beginning";

/// Every change worth trying, simulated.
fn tried(
    args: &ExplainArgs,
    text: &Text,
    study: &Study,
    (combination, tier, now): (&Combination, &Tier, &Performance),
    crew: &Crew,
) -> Result<Vec<TestedChange>, Failure> {
    let changes = worth_trying(study, combination, &now.row.finding).into_iter();
    let made = changes.filter_map(|change| made(args, text, study, combination, change));
    let made = without_twins(made.collect());
    let combinations = made.iter().map(|(.., changed)| changed.clone()).collect();
    let standings = standings(&narrowed(study, combinations, tier), crew)?;
    let both = made.into_iter().zip(standings);
    let tried = |((change, mut arguments, changed), performance): (Made, Performance)| {
        arguments.extend(advice::tier_for(&tier.name, &changed, combination));
        let command = command(args, study, tier, &changed, &arguments);
        TestedChange { change, command, performance }
    };
    Ok(both.map(tried).collect())
}

/// The command that explains `changed` at this tier: with these `--set` arguments beside those that
/// were typed already.
fn command(
    args: &ExplainArgs,
    study: &Study,
    tier: &Tier,
    changed: &Combination,
    arguments: &[String],
) -> Vec<String> {
    let others = || study.combinations.iter();
    let plan = others().any(|it| it.plan != changed.plan).then_some(&changed.plan);
    let server = others().any(|it| it.server != changed.server).then_some(&changed.server);
    let tier = changed.tiers.iter().any(|it| it.name != tier.name).then_some(&tier.name);
    let seed = args.seed.map(|seed| seed.to_string());
    let sets = args.sets.set.iter().chain(arguments).map(|set| ("--set", set));
    let options =
        [("--plan", plan), ("--server", server), ("--tier", tier), ("--seed", seed.as_ref())];
    let options = options.into_iter().filter_map(|(name, value)| Some((name, value?))).chain(sets);
    let begin = ["tonnage".to_owned(), "explain".to_owned(), scenario(&args.scenario)];
    begin.into_iter().chain(options.flat_map(|(name, value)| option(name, value))).collect()
}

/// The path of the scenario, in such a way that it is not taken for an option.
fn scenario(path: &Path) -> String {
    let written = path.display().to_string();
    if written.len() > 1 && written.starts_with('-') { format!("./{written}") } else { written }
}

/// An option and its value: in one word where the value would be taken for an option itself.
fn option(name: &str, value: &str) -> Vec<String> {
    match value.starts_with('-') {
        true => vec![format!("{name}={value}")],
        false => vec![name.to_owned(), value.to_owned()],
    }
}

/// A change, the `--set` arguments that make it, and the changed combination.
type Made = (Change, Vec<String>, Combination);

/// Without changes of cores and workers that equal a change of cores alone, because the server
/// computes its workers from the cores.
fn without_twins(made: Vec<Made>) -> Vec<Made> {
    let is_pair = |change: &Change| matches!(change, Change::CoresAndWorkers(..));
    let (pairs, mut others): (Vec<Made>, Vec<Made>) =
        made.into_iter().partition(|(change, ..)| is_pair(change));
    let is_new = |(.., pair): &&Made| others.iter().all(|(.., other)| other.site != pair.site);
    let new: Vec<Made> = pairs.iter().filter(is_new).cloned().collect();
    others.extend(new);
    others
}

/// The plan with the server and this change, checked exactly as the file is: `None` where that
/// allows no such thing.
fn made(
    args: &ExplainArgs,
    text: &Text,
    study: &Study,
    now: &Combination,
    change: Change,
) -> Option<Made> {
    let arguments = advice::arguments(&change, now);
    let (plan, server) = match &change {
        Change::Plan(other) => (other, &now.server),
        Change::Server(other) => (&now.plan, other),
        _ => (&now.plan, &now.server),
    };
    let is_it = |each: &&Combination| each.plan == *plan && each.server == *server;
    let changed = match arguments.is_empty() {
        true => study.combinations.iter().find(is_it)?.clone(),
        false => {
            let sets: Vec<String> = args.sets.set.iter().chain(&arguments).cloned().collect();
            let changed = text.scenario(&sets).ok()?.study;
            changed.combinations.iter().find(is_it)?.clone()
        }
    };
    Some((change, arguments, changed))
}

/// How each combination of `study` performs, or that the user stopped it.
fn standings(study: &Study, crew: &Crew) -> Result<Vec<Performance>, Failure> {
    let interrupted = interrupt::watch();
    let bar = Bar::new(true);
    let tell = |progress| bar.show(progress);
    let watch = Watch::new(interrupted, &tell);
    let answers = sweep::run(study, true, crew, &watch);
    bar.clear();
    match watch.cancelled() {
        true => Err(Failure::Interrupted(
            "nothing was finished; the same command starts again from the beginning".to_owned(),
        )),
        false => Ok(Performance::all(answers)),
    }
}
