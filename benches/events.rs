//! What a whole run of each shipped scenario is simulated for: millions of events by the kind of
//! answer they were spent on. They are the same on every machine and for any number of threads.
//! `cargo bench --bench events`, or one of them: `cargo bench --bench events -- guide`.

#![allow(clippy::print_stdout, reason = "a bench tells what it measured")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use tonnage::experiment::sweep;
use tonnage::experiment::trial::{Crew, Phase, Watch};
use tonnage::scenario;

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let phases = Phase::ALL.map(|phase| format!(" {:>13} |", phase.name())).concat();
    println!("| {:20} |{phases} {:>9} | {:>7} | {:>10} |", "M events", "in all", "answers", "each");
    println!("|---|{}---|---|---|", "---|".repeat(Phase::ALL.len()));
    for path in scenarios() {
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        if wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            tell(&name, &path);
        }
    }
}

/// Every shipped scenario that is simulated from its own traffic.
fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).expect("the scenarios are shipped");
    let paths = entries.map(|entry| entry.expect("an entry has a path").path());
    let mut paths: Vec<_> = paths.filter(|path| is_of_its_own_traffic(path)).collect();
    paths.sort();
    paths
}

fn is_of_its_own_traffic(path: &Path) -> bool {
    let name = path.file_stem().expect("a file has a name").to_string_lossy();
    let is_scenario = path.extension().is_some_and(|ending| ending == "toml");
    is_scenario && !name.starts_with("testbed") && !name.starts_with("recorded")
}

fn tell(name: &str, path: &Path) {
    let study = scenario::load(path, &[]).expect("a shipped scenario is valid").study;
    let crew = Crew::new(0).expect("the system gives threads");
    let never = AtomicBool::new(false);
    let watch = Watch::new(&never, &|_| {});
    let answers = sweep::run(&study, true, &crew, &watch);
    let spent = Phase::ALL.map(|phase| watch.events(phase) as f64 / 1e6);
    let cells = spent.map(|millions| format!(" {millions:>13.2} |")).concat();
    let (all, found) = (spent.iter().sum::<f64>(), count(&answers));
    println!("| {name:20} |{cells} {all:>9.2} | {found:>7} | {:>10.2} |", all / found as f64);
}

/// Rows, and for each combination its saturation point, curve, load line and OOM point.
fn count(answers: &tonnage::experiment::answer::Answers) -> usize {
    answers.rows.len() + 4 * answers.capacities.len()
}
