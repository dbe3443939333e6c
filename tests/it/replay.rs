//! `tonnage replay`: recordings through the model, as a user types it.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// One worker that costs nothing: what a request takes is what it asks for, and its wait.
const SCENARIO: &str = r#"
stack = "bare"

[[plan]]
name = "box"
cores = 1

[[server]]
name = "sync"
kind = "sync"
workers = 1

[[endpoint]]
name = "work"
steps = [{ compute = "1ms" }, { query = "1ms" }, { compute = "1ms" }]

[[tier]]
name = "any"
rate = "1/s"
"#;

const HEADER: &str = "arrival_s,segments_ms,latency_s,status\n";

const TRACE: &str = "arrival_s,segments_ms,latency_s,status
0.000000,10;20;5,0.036,200
0.010000,1;0;1,0.030,200
1.000000,400,0.402,200
1.100000,3,0.200,6
1.500000,4;1;0,0.005,3
";

struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        fs::write(desk.0.path().join("s.toml"), SCENARIO).unwrap();
        desk
    }

    fn replay(&self, trace: &str, more: &[&str]) -> Output {
        fs::write(self.0.path().join("t.csv"), trace).unwrap();
        self.command("t.csv", more).output().unwrap()
    }

    fn command(&self, trace: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonnage"));
        let asked = ["replay", trace, "--scenario", "s.toml", "--plan", "box", "--server", "sync"];
        command.current_dir(self.0.path()).args(asked).args(["--out", "o"]).args(more);
        command.stdin(Stdio::null());
        command
    }

    fn rows(&self) -> String {
        fs::read_to_string(self.0.path().join("o/replay.csv")).unwrap()
    }
}

#[test]
fn every_request_has_a_row_in_order_with_what_was_measured_and_what_is_predicted() {
    let desk = Desk::new();
    let output = desk.replay(TRACE, &["--set", "client.patience=0.2s"]);
    assert!(output.status.success(), "{output:?}");
    // The second waits for the first's 35 ms; the third outlasts its client, and with it the
    // fourth's.
    let expected = "arrival_s,measured_ms,predicted_ms,status,predicted_status
0.000000,36.000,35.0000,200,200
0.010000,30.000,27.0000,200,200
1.000000,402.000,,200,6
1.100000,200.000,,6,6
1.500000,5.000,5.0000,3,200
";
    assert_eq!(desk.rows(), expected);
    for name in ["replay.svg", "replay.png"] {
        assert!(desk.0.path().join("o").join(name).exists(), "{name}");
    }
    let said = String::from_utf8(output.stdout).unwrap();
    for word in ["measured", "predicted", "p99", "6 patience over", "4 closed", "5 requests"] {
        assert!(said.contains(word), "{word} is not in\n{said}");
    }
}

/// A request for two seconds whose worker is killed, by gunicorn's arbiter or for its memory, or
/// for which Nginx does not wait as long. gunicorn answers for the worker that it kills over its
/// `timeout`, and nobody for one that the OOM killer takes.
#[test]
fn a_request_that_fails_ends_as_its_client_sees_it() {
    let timeout = "server.sync.timeout=1s";
    let full =
        ["plan.box.memory=100MB", "server.sync.worker_memory=50MB", "endpoint.work.memory=60MB"];
    let nginx = |wait: &str| format!("front={{ nginx = true, read_timeout = \"{wait}\" }}");
    let (patient, short) = (nginx("60s"), nginx("0.5s"));
    let cases: [(&[&str], &str); 6] = [
        (&[timeout], "500"),
        (&[timeout, &patient], "500"),
        (&[timeout, &short], "504"),
        (&full, "4"),
        (&[full[0], full[1], full[2], &patient], "502"),
        (&[&short], "504"),
    ];
    let desk = Desk::new();
    for (sets, expected) in cases {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let output = desk.replay(&format!("{HEADER}0.5,2000,2.0,200\n"), &sets);
        assert!(output.status.success(), "{output:?}");
        let rows = desk.rows();
        let status = rows.trim_end().rsplit(',').next().unwrap();
        assert_eq!(status, expected, "{sets:?}");
    }
}

#[test]
fn faster_requests_come_closer_together_and_keep_their_rows() {
    let desk = Desk::new();
    desk.replay(TRACE, &["--speed", "2"]);
    // The second comes at 5 ms now, and still waits until 35 ms.
    assert!(desk.rows().contains("\n0.010000,30.000,32.0000,200,200\n"), "{}", desk.rows());
}

#[test]
fn faster_requests_are_not_compared_as_if_what_differs_were_the_models_error() {
    let desk = Desk::new();
    let said = |more: &[&str]| String::from_utf8(desk.replay(TRACE, more).stdout).unwrap();
    let drawn = || fs::read_to_string(desk.0.path().join("o/replay.svg")).unwrap();
    let as_recorded = said(&[]);
    assert!(as_recorded.contains("off by") && !as_recorded.contains("times as fast"));
    assert!(drawn().contains("measured, 95th percentile"));
    let faster = said(&["--speed", "1.2"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!faster.contains("off by"), "{faster}");
    for words in ["measured, x1 ", "predicted, x1.2 ", "changes by", "come 1.2 times as fast"] {
        assert!(faster.contains(words), "{words} is not in\n{faster}");
    }
    assert!(drawn().contains("measured as recorded, 95th percentile"));
    assert!(drawn().contains("predicted at 1.2 times the speed, 95th percentile"));
}

#[test]
fn one_request_is_one() {
    let desk = Desk::new();
    let trace = TRACE.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    let said = String::from_utf8(desk.replay(&trace, &[]).stdout).unwrap();
    assert!(said.contains("\n1 request.\n"), "{said}");
}

#[test]
fn standard_input_is_read_as_a_file_is() {
    let desk = Desk::new();
    desk.replay(TRACE, &[]);
    let from_file = desk.rows();
    let mut command = desk.command("-", &[]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(TRACE.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(desk.rows(), from_file);
}

#[test]
fn every_wrong_line_is_told_and_nothing_is_written() {
    let desk = Desk::new();
    let output = desk.replay(&TRACE.replace("10;20;5", "10;20").replace(",6\n", ",six\n"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("t.csv:2: ") && said.contains("t.csv:5: "), "{said}");
    assert!(said.contains("2 lines"), "{said}");
    assert!(!desk.0.path().join("o/replay.csv").exists());
}

#[test]
fn queries_of_the_trace_need_an_endpoint_that_says_what_one_costs() {
    let desk = Desk::new();
    let without = SCENARIO.replace(", { query = \"1ms\" }, { compute = \"1ms\" }", "");
    fs::write(desk.0.path().join("s.toml"), without).unwrap();
    let output = desk.replay(TRACE, &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "endpoint \"work\" has no query, and the trace has 2 requests with one";
    assert!(said.contains(expected), "{said}");
    assert!(!desk.0.path().join("o/replay.csv").exists());
    assert!(
        desk.replay("arrival_s,segments_ms,latency_s,status\n0.0,4;0;1,0.005,200\n", &[])
            .status
            .success()
    );
}

#[test]
fn a_plan_or_server_that_is_not_there_is_named_with_those_that_are() {
    let desk = Desk::new();
    fs::write(desk.0.path().join("t.csv"), TRACE).unwrap();
    let output = desk.command("t.csv", &["--set", "server.sync.name=gunicorn"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("\"box\" with \"gunicorn\""), "{said}");
}

#[test]
fn a_warm_up_longer_than_the_trace_leaves_nothing_to_compare() {
    let desk = Desk::new();
    let output = desk.replay(TRACE, &["--warmup", "1000s"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the trace has 5 requests, all in the warm-up (1000s)"), "{said}");
    assert!(!desk.0.path().join("o/replay.csv").exists());
}
