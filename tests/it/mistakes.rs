//! One bad scenario per kind of problem, with the exact message, as the user sees it.

use std::path::Path;

use tonnage::scenario::read;

mod endpoints;
mod files;
mod keys;
mod loads;
mod plans;
mod servers;
mod sets;
mod surroundings;
mod traces;

/// A good scenario, which each mistake spoils in one place.
const GOOD: &str = r#"title = "A queue"
stack = "bare"

[[plan]]
name = "small"
cores = 2
memory = "2GB"

[[server]]
name = "web"
kind = "sync"
workers = 2

[[endpoint]]
name = "page"
steps = [{ compute = "5ms" }]

[[tier]]
name = "quiet"
rate = "10/s"
"#;

/// The message for `text`, changed by the arguments `sets`.
fn message(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    match read("bad.toml", text, &sets, Some(Path::new("no/such/folder"))) {
        Ok(_) => "no problem at all".to_owned(),
        Err(problems) => problems.render(false),
    }
}

/// The good scenario with each left side replaced by its right side.
fn spoilt(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |text, (good, bad)| {
        assert!(text.contains(good), "the good scenario has no `{good}`");
        text.replacen(good, bad, 1)
    })
}

/// Each is a test: its name, what it changes in the good scenario (in the file, or by `--set`),
/// and the message that must come of it.
macro_rules! mistakes {
    ($($name:ident: $($good:literal => $bad:literal),+; $message:literal)+) => {
        $(#[test]
        fn $name() {
            assert_eq!(message(&spoilt(&[$(($good, $bad)),+]), &[]), $message[1..]);
        })+
    };
    (set: $($name:ident: $set:literal; $message:literal)+) => {
        $(#[test]
        fn $name() {
            assert_eq!(message(GOOD, &[$set]), $message[1..]);
        })+
    };
}

use mistakes;

#[test]
fn the_good_scenario_is_good() {
    assert_eq!(message(GOOD, &[]), "no problem at all");
}

#[test]
fn no_plan_server_or_endpoint() {
    let expected = r#"
error: a scenario has no `[[plan]]`
--> bad.toml
 = help: add a section [[plan]] with a name and cores

error: a scenario has no `[[server]]`
--> bad.toml
 = help: add a section [[server]] with a name, a kind and workers

error: a scenario has no `[[endpoint]]`
--> bad.toml
 = help: add a section [[endpoint]] with a name and steps

3 problems in bad.toml
"#;
    assert_eq!(message("stack = \"bare\"\n", &[]), expected[1..]);
}

#[test]
fn every_problem_comes_at_once_in_the_order_of_its_place() {
    let text = include_str!("../data/mistakes/many.toml");
    let expected = include_str!("../data/mistakes/many.txt");
    assert_eq!(message(text, &["plan.b.cores=3"]), expected);
}
