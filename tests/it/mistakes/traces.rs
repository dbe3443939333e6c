//! Scenarios whose traffic is recorded.

use tonnage::scenario::read;

use super::{GOOD, spoilt};

/// The message for the good scenario, changed as in [`spoilt`] and with these lines under
/// `[traffic]`, beside a trace `day.csv`; the folder is left out.
fn message_of_trace(lines: &str, changes: &[(&str, &str)], trace: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let header = "arrival_s,segments_ms,latency_s,status\n";
    std::fs::write(folder.path().join("day.csv"), format!("{header}{trace}")).unwrap();
    let text = format!("{}\n[traffic]\n{lines}\n", spoilt(changes));
    let message = match read("bad.toml", &text, &[], Some(folder.path())) {
        Ok(_) => "no problem at all".to_owned(),
        Err(problems) => problems.render(false),
    };
    message.replace(&format!("{}/", folder.path().display()), "")
}

const DAY: &str = "0.5,5,0.01,200\n1.5,2;30;4,0.05,200\n";
/// What makes a trace fit.
const STEPS: (&str, &str) =
    ("{ compute = \"5ms\" }", "{ compute = \"5ms\" }, { query = \"1ms\" }, { compute = \"5ms\" }");

#[test]
fn a_good_trace_is_good() {
    assert_eq!(message_of_trace("trace = \"day.csv\"", &[STEPS], DAY), "no problem at all");
}

#[test]
fn every_wrong_line_of_a_trace_is_told_as_replay_tells_it() {
    let expected = r#"
error: 4 lines of day.csv are wrong
  --> bad.toml:23:9
   |
23 | trace = "day.csv"
   |         ^^^^^^^^^
   |
   = note: day.csv:2: arrival_s is no number: `soon`
   = note: day.csv:4: latency_s is -1: expected 0 to 100000000
   = note: day.csv:5 to 6: expected 4 values (arrival_s,segments_ms,latency_s,status), found 1
   = help: name a recording beside the scenario, plain or gzipped:
           arrival_s,segments_ms,latency_s,status and a line for each request, as for
           `tonnage replay`

1 problem in bad.toml
"#;
    let trace = "soon,5,0.01,200\n0.5,5,0.01,200\n0.75,5,-1,200\nx\ny\n";
    assert_eq!(message_of_trace("trace = \"day.csv\"", &[STEPS], trace), expected[1..]);
}

#[test]
fn a_trace_that_is_not_there() {
    let expected = r#"
error: cannot read night.csv: No such file or directory (os error 2)
  --> bad.toml:23:9
   |
23 | trace = "night.csv"
   |         ^^^^^^^^^^^
   |
   = help: name a recording beside the scenario, plain or gzipped:
           arrival_s,segments_ms,latency_s,status and a line for each request, as for
           `tonnage replay`

1 problem in bad.toml
"#;
    assert_eq!(message_of_trace("trace = \"night.csv\"", &[], DAY), expected[1..]);
}

#[test]
fn a_scenario_from_standard_input_names_no_trace() {
    let text = GOOD.replace("[[tier]]", "[traffic]\ntrace = \"-\"\n\n[[tier]]");
    let problems = read("standard input", &text, &[], None).unwrap_err();
    assert_eq!(problems.list()[0].title(), "a scenario from standard input can name no file");
}

#[test]
fn a_file_called_dash_is_not_standard_input() {
    assert!(message_of_trace("trace = \"-\"", &[], DAY).starts_with("error: cannot read -: "));
}

#[test]
fn every_problem_with_a_trace_comes_at_once() {
    let expected = r#"
error: with a trace, the steps of [[endpoint]] "page" must be compute, query, compute, ..., compute
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: write steps = [{ compute = "5ms" }, { query = "5ms" }, { compute = "5ms" }]: how
           long each takes comes from the trace, and what a query costs beyond its wait
           from here

error: [[endpoint]] "report" would be ignored: the requests of a trace are all for one endpoint
  --> bad.toml:18:1
   |
18 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: remove it, or remove `trace`

error: `speed` would be ignored: the tiers say how much comes
  --> bad.toml:28:9
   |
28 | speed = 2
   |         ^
   |
   = help: remove it, or the tiers

error: 30% of 2 requests is less than one request
  --> bad.toml:29:8
   |
29 | keep = "30%"
   |        ^^^^^
   |
   = help: keep more of them

4 problems in bad.toml
"#;
    let lines = "trace = \"day.csv\"\nspeed = 2\nkeep = \"30%\"";
    let steps = "steps = [{ compute = \"5ms\" }]";
    let changes = [
        (steps, "steps = [{ compute = \"5ms\" }, { call = \"5ms\" }]"),
        (
            "[[tier]]",
            "[[endpoint]]\nname = \"report\"\n\
            steps = [{ compute = \"9ms\" }]\n\n[[tier]]",
        ),
    ];
    assert_eq!(message_of_trace(lines, &changes, DAY), expected[1..]);
}

#[test]
fn a_trace_with_queries_for_an_endpoint_without() {
    let expected = r#"
error: [[endpoint]] "page" has no query, and requests of the trace have
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: write steps = [{ compute = "5ms" }, { query = "5ms" }, { compute = "5ms" }]: how
           long each takes comes from the trace, and what a query costs beyond its wait
           from here

1 problem in bad.toml
"#;
    assert_eq!(message_of_trace("trace = \"day.csv\"", &[], DAY), expected[1..]);
}

#[test]
fn a_trace_for_queries_that_cost_differently() {
    let expected = r#"
error: the queries of [[endpoint]] "page" do not all cost the same
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: make them equal: a trace does not tell its queries apart

1 problem in bad.toml
"#;
    let both = "{ compute = \"5ms\" }, { query = \"1ms\" }, { compute = \"5ms\" }, \
        { query = { wait = \"1ms\", cpu = \"1ms\" } }, { compute = \"5ms\" }";
    let changes = [("{ compute = \"5ms\" }", both)];
    assert_eq!(message_of_trace("trace = \"day.csv\"", &changes, DAY), expected[1..]);
}

#[test]
fn a_trace_of_one_instant_has_no_rate() {
    let expected = r#"
error: day.csv gives no rate
  --> bad.toml:23:9
   |
23 | trace = "day.csv"
   |         ^^^^^^^^^
   |
   = help: a recording needs two requests or more that arrive at different times

1 problem in bad.toml
"#;
    for trace in ["0.5,5,0.01,200\n", "0.5,5,0.01,200\n0.5,5,0.01,200\n"] {
        assert_eq!(message_of_trace("trace = \"day.csv\"", &[], trace), expected[1..]);
    }
}

#[test]
fn a_trace_in_another_unit_comes_absurdly_fast() {
    let expected = r#"
error: the trace comes to 5.0e10 requests a second
  --> bad.toml:20:9
   |
20 | trace = "day.csv"
   |         ^^^^^^^^^
   |
   = help: check its arrival_s, which are seconds: a rate lies from 1e-6/s to 1e9/s

1 problem in bad.toml
"#;
    let lines = "trace = \"day.csv\"\nspeed = 200";
    let no_tier = ("[[tier]]\nname = \"quiet\"\nrate = \"10/s\"\n", "");
    let trace = "0.5,5,0.01,200\n0.5000000037,5,0.01,200\n";
    assert_eq!(message_of_trace(lines, &[no_tier], trace), expected[1..]);
}

#[test]
fn a_standstill_and_a_share_of_nothing() {
    let expected = r#"
error: `0` is out of range here
  --> bad.toml:24:9
   |
24 | speed = 0
   |         ^
   |
   = help: write a number from 0.001 up to 1000, without quotes

error: a share above 0% is needed here
  --> bad.toml:25:8
   |
25 | keep = "0%"
   |        ^^^^
   |
   = help: write "50%"

2 problems in bad.toml
"#;
    let lines = "trace = \"day.csv\"\nspeed = 0\nkeep = \"0%\"";
    assert_eq!(message_of_trace(lines, &[STEPS], DAY), expected[1..]);
}
