//! The command line as a user types it: exit codes, files, messages.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A site that is simulated in a blink.
const QUICK: &str = r#"
title = "One worker"
stack = "bare"

[objective]
p95 = "500ms"

[[plan]]
name = "box"
cores = 1

[[server]]
name = "sync"
kind = "sync"
workers = 1

[[endpoint]]
name = "page"
steps = [{ compute = "exp(50ms)" }]

[run]
replications = 4
warmup = "10s"
measure = "100s"

[[tier]]
name = "quiet"
rate = "4/s"
"#;

/// A folder of its own with the quick scenario in it, to type commands in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.save("quick.toml", QUICK);
        desk
    }

    fn save(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonnage"));
        command.current_dir(self.0.path()).args(line.split(' ')).stdin(Stdio::null());
        command
    }

    fn tonnage(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// The names of the files in a folder, in order; none where there is no folder.
    fn files(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.0.path().join(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.0.path().join(path)).unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn run_writes_its_folder_and_prints_a_summary() {
    let desk = Desk::new();
    let output = desk.tonnage("run quick.toml");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).starts_with("One worker\n"), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("Written to output/quick\n"), "{}", stdout(&output));
    let files = desk.files("output/quick");
    for name in ["capacity.csv", "index.html", "response-time.png", "response-time.svg"] {
        assert!(files.iter().any(|file| file == name), "{name} is missing among {files:?}");
    }
}

#[test]
fn one_thread_and_eight_give_the_same_bytes() {
    let desk = Desk::new();
    desk.tonnage("run quick.toml --threads 1 --out one");
    desk.tonnage("run quick.toml --threads 8 --out eight");
    let files = desk.files("one");
    assert!(files.len() >= 3, "{files:?}");
    assert_eq!(files, desk.files("eight"));
    for file in files {
        let [one, eight] = ["one", "eight"].map(|folder| desk.read(&format!("{folder}/{file}")));
        assert!(one == eight, "{file} differs");
    }
}

/// A limit on the size of files stands in for a disk that is nearly full: the tables would fit, and
/// the page does not.
#[cfg(unix)]
#[test]
fn a_disk_without_room_for_all_leaves_what_an_earlier_run_wrote_as_it_was() {
    let desk = Desk::new();
    desk.tonnage("run quick.toml --out out");
    let files = desk.files("out");
    let before: Vec<_> = files.iter().map(|file| desk.read(&format!("out/{file}"))).collect();
    assert!(desk.read("out/results.csv").len() < 4096, "{files:?}");
    let binary = env!("CARGO_BIN_EXE_tonnage");
    let line = format!("trap '' XFSZ; ulimit -f 8; {binary} run quick.toml --seed 2 --out out");
    let mut shell = Command::new("sh");
    let output = shell.arg("-c").arg(line).current_dir(desk.0.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: cannot write out/"), "{}", stderr(&output));
    assert_eq!(desk.files("out"), files);
    for (file, before) in files.iter().zip(before) {
        assert!(desk.read(&format!("out/{file}")) == before, "{file} has changed");
    }
}

#[test]
fn a_what_if_has_a_folder_of_its_own() {
    let desk = Desk::new();
    desk.tonnage("run quick.toml --no-search --set server.sync.workers=2");
    assert_eq!(desk.files("output"), ["quick--server.sync.workers=2--no-search"]);
}

#[test]
fn workers_that_do_not_all_fit_are_flagged_before_simulating_with_the_arithmetic() {
    let desk = Desk::new();
    let memory = "--set plan.box.memory=1GB --set server.sync.worker_memory=600MB";
    let line = format!("run quick.toml --no-search {memory} --set server.sync.workers=2");
    let output = desk.tonnage(&line);
    let warning = stderr(&output);
    assert!(warning.starts_with("warning: "), "{warning}");
    assert!(warning.contains("2 x worker 600MB = 1.172GB > 1GB"), "{warning}");
    assert_eq!(output.status.code(), Some(0));
}

/// All its connections are counted at rest, and its requests take no memory.
#[test]
fn a_site_that_takes_no_more_memory_than_at_rest_never_runs_out() {
    let desk = Desk::new();
    let rest = "worker_memory = \"120MB\"\nconnections = { pool = 20 }\nkind = \"async\"";
    let text = QUICK.replace("kind = \"sync\"", rest).replace("\"bare\"", "\"fastapi\"");
    desk.save("full.toml", &text.replace("cores = 1", "cores = 1\nmemory = \"800MB\""));
    let output = desk.tonnage("run full.toml");
    assert!(
        String::from_utf8_lossy(&desk.read("output/full/capacity.csv")).contains(",never,"),
        "{}",
        stdout(&output)
    );
    assert_eq!((stderr(&output), output.status.code()), (String::new(), Some(0)));
}

/// Whatever does not fit on a host dies there over and over; that is a result as any other.
#[test]
fn hosts_too_small_for_what_lives_on_them_are_simulated() {
    let desk = Desk::new();
    desk.save("small.toml", &QUICK.replace("\"bare\"", "\"django\""));
    let (own, plan) = ("database.host.cores=1 --set database.host.memory=128MB", "150MB");
    for set in [own.to_owned(), format!("plan.box.memory={plan} --set system.redis=100MB")] {
        let output = desk.tonnage(&format!("run small.toml --no-search --set {set}"));
        assert_eq!(output.status.code(), Some(0), "{set}: {}", stderr(&output));
    }
}

/// Without a search nothing is known between the tiers, nor where a site gives way.
#[test]
fn a_run_that_searches_for_nothing_draws_no_capacities_and_removes_those_of_an_earlier_run() {
    let desk = Desk::new();
    desk.tonnage("run quick.toml -q --out here");
    let capacities = || {
        let files = desk.files("here");
        files.into_iter().filter(|file| file.starts_with("capacity.")).collect::<Vec<_>>()
    };
    assert_eq!(capacities(), ["capacity.csv", "capacity.png", "capacity.svg"]);
    desk.tonnage("run quick.toml -q --no-search --out here");
    assert_eq!(capacities(), ["capacity.csv"]);
}

#[test]
fn quiet_prints_nothing_and_writes_all_the_same() {
    let desk = Desk::new();
    let output = desk.tonnage("run quick.toml --quiet --no-search --out here");
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));
    assert!(desk.files("here").contains(&"results.csv".to_owned()));
}

#[test]
fn a_scenario_may_come_from_standard_input() {
    let desk = Desk::new();
    let scenario = fs::File::open(desk.0.path().join("quick.toml")).unwrap();
    let output = desk.command("run - --no-search").stdin(scenario).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(desk.files("output"), ["stdin--no-search"]);
}

#[test]
fn a_missing_scenario_is_exit_code_2_and_one_message() {
    let desk = Desk::new();
    let output = desk.tonnage("run missing.toml");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("there is no such file"), "{}", stderr(&output));
    assert_eq!(desk.files("output"), [""; 0]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_found_before_any_simulation() {
    let desk = Desk::new();
    desk.save("taken", "a file is in the way");
    // At this rate a simulation would outlast any test run.
    let line = "run quick.toml --out taken --set run.measure=10000h --set run.replications=1000";
    let output = desk.tonnage(line);
    assert_eq!(output.status.code(), Some(2));
    let way = "is a file, not a folder; name another folder with --out, or move the file away\n";
    assert_eq!(stderr(&output), format!("error: cannot write to taken: that {way}"));
    // So it is where the file stands further up, by default as well.
    desk.save("output", "another");
    let output = desk.tonnage("run quick.toml");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), format!("error: cannot write to output/quick: output {way}"));
    let output = desk.tonnage("run quick.toml --out taken/below/it");
    assert_eq!(stderr(&output), format!("error: cannot write to taken/below/it: taken {way}"));
    assert_eq!(desk.read("taken"), b"a file is in the way");
}

#[test]
fn a_standard_output_that_cannot_be_written_to_is_said() {
    // The one full device that every Linux has.
    if !Path::new("/dev/full").exists() {
        return;
    }
    let desk = Desk::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = desk.command("check quick.toml").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: cannot print: "), "{}", stderr(&output));
}

#[test]
fn a_reader_who_has_read_enough_is_no_error() {
    let desk = Desk::new();
    let mut child = desk
        .command("completions bash")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_no_file_and_says_what_was_finished() {
    let desk = Desk::new();
    let line = "run quick.toml --set run.measure=1h --set run.replications=100000 --threads 2";
    let child = desk.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let folder = desk.0.path().join("output");
    wait_for(|| folder.exists());
    let id = child.id().to_string();
    // Until the program watches for it, Ctrl-C ends it without a word: ask again and again.
    let interrupted = std::thread::spawn(move || {
        for _ in 0..200 {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let mut kill = Command::new("kill");
            if !kill.args(["-INT", &id]).stderr(Stdio::null()).status().unwrap().success() {
                break;
            }
        }
    });
    let output = child.wait_with_output().unwrap();
    interrupted.join().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(desk.files("output/quick--run.measure=1h--run.replications=100000"), [""; 0]);
}

/// A recording that comes from standard input, and does not end: the program waits for more, and
/// hears of the first Ctrl-C only then. The second ends it at once, and so it does its file in the
/// making.
#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_the_program_at_once_and_leaves_no_file() {
    let desk = Desk::new();
    let line = "replay - --scenario quick.toml --out o";
    let mut command = desk.command(line);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut recording = child.stdin.take().unwrap();
    recording.write_all(b"arrival_s,segments_ms,latency_s,status\n").unwrap();
    wait_for(|| !desk.files("o").is_empty());
    let interrupt = || {
        let mut kill = Command::new("kill");
        assert!(kill.args(["-INT", &child.id().to_string()]).status().unwrap().success());
    };
    interrupt();
    // Where two come at once the system hands over one.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(desk.files("o").len(), 1);
    interrupt();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(desk.files("o"), [""; 0]);
}

/// Waits until `done`, which is sure to come.
#[cfg(unix)]
fn wait_for(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn check_says_what_was_made_of_a_scenario() {
    let desk = Desk::new();
    let output = desk.tonnage("check quick.toml");
    let expected = "quick.toml: no problems
One worker

box with sync
  workers          1
  memory at rest   nothing
  at most          20.0/s by cores
                   20.0/s by workers

tiers
  quiet: 4/s
";
    assert_eq!(stdout(&output), expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn check_shows_the_digits_of_what_comes_once_an_hour() {
    let desk = Desk::new();
    desk.save("rare.toml", &QUICK.replace("4/s", "1/h").replace("exp(50ms)", "1h"));
    let said = stdout(&desk.tonnage("check rare.toml"));
    assert!(said.contains("  quiet: 0.000278/s\n"), "{said}");
    assert!(said.contains("  at most          0.000278/s by cores\n"), "{said}");
}

#[test]
fn check_says_which_of_a_stack_s_numbers_are_assumed() {
    let desk = Desk::new();
    desk.save("django.toml", &QUICK.replace("bare", "django"));
    let said = stdout(&desk.tonnage("check django.toml"));
    let [assumed, measured] = ["front.nginx_cpu = 0.1ms", "server.request_cpu = 0.36ms"];
    assert!(said.contains(&format!("  django {assumed}  [assumed: no source gives")), "{said}");
    assert!(said.contains(&format!("  django {measured}  [section 10, measured:")), "{said}");
}

#[test]
fn check_looks_at_every_scenario_whatever_is_wrong_with_one() {
    let desk = Desk::new();
    desk.save("wrong.toml", &QUICK.replace("workers", "wokers"));
    let output = desk.tonnage("check wrong.toml quick.toml missing.toml");
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).starts_with("quick.toml: no problems\n"));
    for said in ["wrong.toml", "wokers", "missing.toml"] {
        assert!(stderr(&output).contains(said), "{said} is not in {}", stderr(&output));
    }
}
