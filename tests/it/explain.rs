//! `tonnage explain` as a user types it.

use std::path::Path;
use std::process::{Command, Output};

/// A site of one worker that waits for a database: everything else is idle, so that a second worker
/// doubles what it carries.
const WAITING: &str = r#"
title = "One worker"
stack = "bare"

[[plan]]
name = "box"
cores = 4

[[server]]
name = "sync"
kind = "sync"
workers = 1

[[endpoint]]
name = "page"
steps = [{ query = "exp(50ms)" }]

[[tier]]
name = "quiet"
rate = "4/s"

[[tier]]
name = "busy"
rate = "10/s"
"#;

fn explain(scenario: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tonnage"));
    command.arg("explain").arg(scenario).args(arguments).output().unwrap()
}

fn explained(text: &str, arguments: &[&str]) -> Output {
    let desk = tempfile::tempdir().unwrap();
    let path = desk.path().join("waiting.toml");
    std::fs::write(&path, text).unwrap();
    explain(&path, arguments)
}

fn said(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

/// The gain in the line for this change, as a share.
fn gain(text: &str, change: &str) -> f64 {
    let line = text.lines().find(|line| line.trim_start().starts_with(change)).unwrap();
    let percent =
        line.split_whitespace().find_map(|word| word.strip_suffix("%")?.strip_prefix('+'));
    percent.unwrap().parse::<f64>().unwrap() / 100.0
}

#[test]
fn a_second_worker_where_only_workers_are_busy_doubles_what_is_carried() {
    let output = explained(WAITING, &["--tier", "busy"]);
    let text = said(&output.stdout);
    assert_eq!(said(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    assert!(text.starts_with("box with sync, busy: 10 requests/s\n"), "{text}");
    assert!(text.contains("the workers give way first"), "{text}");
    // Each saturation point is good to 1 %, so their ratio to 2 %, and the last digit is rounded.
    assert!((gain(&text, "workers = 2") - 1.0).abs() <= 2.0 * 0.02 + 0.005, "{text}");
    assert!(text.contains("--set server.sync.workers="), "{text}");
}

/// A worker that computes on a core of its own: M/M/1, of which two of both make twice as much, and
/// two of one make nothing.
#[test]
fn cores_and_workers_are_tried_together_where_neither_helps_alone() {
    let computing = WAITING.replace("query = ", "compute = ").replace("cores = 4", "cores = 1");
    let together = |scenario: &str| {
        let text = said(&explained(scenario, &["--tier", "busy"]).stdout);
        let there =
            text.lines().any(|line| line.trim_start().starts_with("cores = 2, workers = 2"));
        (text, there)
    };
    let (text, there) = together(&computing);
    assert!(there, "{text}");
    // Each saturation point is good to 1 %, so their ratio to 2 %, and the last digit is rounded.
    assert!((gain(&text, "cores = 2, workers = 2") - 1.0).abs() <= 2.0 * 0.02 + 0.005, "{text}");
    assert!(
        text.contains("To see in full what cores = 2, workers = 2 does:\n  tonnage explain "),
        "{text}"
    );
    let typed = "waiting.toml --tier busy --set plan.box.cores=2 --set server.sync.workers=2\n";
    assert!(text.contains(typed), "{text}");
    // Where workers come with the cores anyhow, that is one change, not two.
    let (text, there) = together(&computing.replace("workers = 1", "workers = \"cores\""));
    assert!(!there && text.contains("cores = 2 (2 workers)"), "{text}");
}

/// A request takes 20 ms of the one core that the database's host has: with two of them 100 a
/// second are sustained and not 50, which no number of workers or of the plan's own cores does.
#[test]
fn a_database_whose_own_cores_are_busy_is_tried_with_twice_as_many() {
    let query = "{ query = { wait = \"1ms\", cpu = \"exp(20ms)\" } }";
    let busy = WAITING.replace("{ query = \"exp(50ms)\" }", query);
    let busy = busy.replace("workers = 1", "workers = 16");
    let busy = format!("{busy}\n[database]\nhost = {{ cores = 1 }}\n");
    let text = said(&explained(&busy, &["--tier", "busy"]).stdout);
    // Each saturation point is good to 1 %, so their ratio to 2 %, and the last digit is rounded.
    let doubled = gain(&text, "database host of 2 cores");
    assert!((doubled - 1.0).abs() <= 2.0 * 0.02 + 0.005, "{text}");
    assert!(text.contains("With more hardware database host of 2 cores helps most:"), "{text}");
}

/// The changes that are advised and the commands that are printed for them.
#[cfg(unix)]
fn commands(text: &str) -> Vec<(&str, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let what = pair[0].strip_prefix("To see in full what ")?.strip_suffix(" does:")?;
        Some((what, pair[1].strip_prefix("  ")?))
    });
    pairs.collect()
}

/// p95, its interval, what fails and what is carried, in the line of the table that begins so.
#[cfg(unix)]
fn answer(text: &str, change: &str) -> [String; 4] {
    let line = text.lines().find(|line| line.trim_start().starts_with(change)).unwrap();
    let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let cells: Vec<String> = cells.skip(1).take(4).map(str::to_owned).collect();
    cells.try_into().unwrap()
}

/// Typed into a shell as it was printed.
#[cfg(unix)]
fn typed(line: &str) -> Output {
    let folder = Path::new(env!("CARGO_BIN_EXE_tonnage")).parent().unwrap();
    let line = format!("PATH='{}':$PATH; {line}", folder.display());
    Command::new("sh").arg("-c").arg(line).output().unwrap()
}

/// Two plans whose workers compute and wait, the smaller of which alone has the tier; and a file
/// and names that a shell would take for something else. What was typed already is kept: without it
/// the rate and the requests would be others.
#[cfg(unix)]
#[test]
fn every_printed_command_gives_what_was_predicted_for_its_change() {
    let plans = "[[plan]]\nname = \"big * one\"\ncores = 4\n\n[[plan]]\nname = \"-s $1\"";
    let text = WAITING.replace("[[plan]]\nname = \"box\"", plans);
    let text = text.replace("cores = 4\n\n[[server]]", "cores = 1\n\n[[server]]");
    let text = text.replace("workers = 1", "workers = \"cores\"");
    let text = text.replace("[{ query", "[{ compute = \"exp(20ms)\" }, { query");
    let text = text.replace("\"busy\"", "\"it's busy\"\nplans = [\"-s $1\"]");
    let desk = tempfile::tempdir().unwrap();
    let path = desk.path().join("it's mine.toml");
    std::fs::write(&path, text).unwrap();
    let set = ["--seed", "7", "--set", "tier.\"it's busy\".rate=8/s"];
    let asked = ["--plan=-s $1", "--tier", "it's busy"].into_iter().chain(set);
    let output = explain(&path, &asked.collect::<Vec<_>>());
    let text = said(&output.stdout);
    assert_eq!(said(&output.stderr), "");
    let commands = commands(&text);
    let changes: Vec<&str> = commands.iter().map(|(change, _)| *change).collect();
    assert_eq!(changes, ["kind = threads, 4 each", "plan big * one"], "{text}");
    for (change, command) in commands {
        let output = typed(command);
        assert_eq!(said(&output.stderr), "", "{command}");
        let then = said(&output.stdout);
        assert!(then.contains(", it's busy: 8 requests/s\n"), "{command}: {then}");
        assert_eq!(answer(&then, "as it is"), answer(&text, change), "{command}");
    }
}

#[test]
fn what_is_ambiguous_has_to_be_named() {
    let output = explained(WAITING, &[]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "error: say which with --tier: there are \"quiet\", \"busy\"\n";
    assert_eq!(said(&output.stderr), expected);
    let output = explained(WAITING, &["--tier", "loud"]);
    let expected = "error: there is no tier \"loud\": there are \"quiet\", \"busy\"\n";
    assert_eq!(said(&output.stderr), expected);
    let output = explained(WAITING, &["--plan", "bag"]);
    let expected =
        "error: the scenario has no such plan and server; it has \"box\" with \"sync\"\n";
    assert_eq!(said(&output.stderr), expected);
    let (without, _) = WAITING.split_once("[[tier]]").unwrap();
    let output = explained(without, &[]);
    let expected = "error: the scenario has no tier for \"box\" with \"sync\": write [[tier]], \
                    a name and a rate\n";
    assert_eq!(said(&output.stderr), expected);
}

#[test]
fn recorded_traffic_is_explained_and_the_scenarios_own_alternatives_are_tried() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/recorded-traffic.toml");
    let output = explain(&scenario, &["--plan", "1 core", "--server", "processes"]);
    let text = said(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in ["times the recorded speed", "server threads", "plan 2 cores", "cores = 2"] {
        assert!(words.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(gain(&text, "cores = 2") > 0.5, "the core is what gives way:\n{text}");
}

#[test]
fn one_thread_and_two_explain_alike() {
    let desk = tempfile::tempdir().unwrap();
    let path = desk.path().join("waiting.toml");
    std::fs::write(&path, WAITING).unwrap();
    let [one, two] =
        ["1", "2"].map(|threads| explain(&path, &["--tier", "quiet", "--threads", threads]));
    assert_eq!(one.status.code(), Some(0), "{}", said(&one.stderr));
    assert_eq!(one.stdout, two.stdout);
}
