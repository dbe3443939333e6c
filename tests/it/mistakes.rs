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
    let text = r#"titel = "x"
stack = "djnago"
[[plan]]
name = "a"
cores = 0
[[plan]]
name = "a"
memory = 5
oops = = 3
[[server]]
name = "g"
kind = "sync"
threads = 4
workers = "cores-1"
[[endpoint]]
name = "e"
steps = [{ query = { wait = "3", foo = 1 } }]
[database]
max_conections = 4
"#;
    let expected = r#"
error: a scenario has no key `titel`
 --> bad.toml:1:1
  |
1 | titel = "x"
  | ^^^^^
  |
  = help: did you mean `title`?

error: `djnago` is not a stack
 --> bad.toml:2:9
  |
2 | stack = "djnago"
  |         ^^^^^^^^
  |
  = help: did you mean `django`? (a stack is "bare", "django", "flask" or "fastapi")

error: `0` is not between 1 and 4096
 --> bad.toml:5:9
  |
5 | cores = 0
  |         ^
  |
  = help: write a whole number from 1 to 4096, without quotes

error: two of [[plan]] are named "a"
 --> bad.toml:7:8
  |
7 | name = "a"
  |        ^^^
  |
  = help: give each a name of its own

error: `5` has no unit: expected an amount of memory
 --> bad.toml:8:10
  |
8 | memory = 5
  |          ^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

error: not TOML: extra `=`, expected nothing
 --> bad.toml:9:8
  |
9 | oops = = 3
  |        ^
  |
  = help: each line is `key = value`, `[table]` or `[[list of tables]]`; texts stand in
          quotes

error: `threads` would be ignored: only kind = "threads" and kind = "async" have it
  --> bad.toml:13:1
   |
13 | threads = 4
   | ^^^^^^^
   |
   = help: remove it, or write kind = "threads"

error: `3` is not a time
  --> bad.toml:17:29
   |
17 | steps = [{ query = { wait = "3", foo = 1 } }]
   |                             ^^^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

error: a `query` has no key `foo`
  --> bad.toml:17:34
   |
17 | steps = [{ query = { wait = "3", foo = 1 } }]
   |                                  ^^^
   |
   = help: it may have: wait, cpu, driver

error: [database] has no key `max_conections`
  --> bad.toml:19:1
   |
19 | max_conections = 4
   | ^^^^^^^^^^^^^^
   |
   = help: did you mean `max_connections`?

error: no plan is named `b`
 --> --set:1:6
  |
1 | plan.b.cores=3
  |      ^
  |
  = help: there is: a

11 problems in bad.toml
"#;
    assert_eq!(message(text, &["plan.b.cores=3"]), expected[1..]);
}
