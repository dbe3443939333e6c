//! A trace as a scenario's traffic: the same requests as in a replay, as fast as a tier says, each
//! round of them whole.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;
use tonnage::experiment::answer::{Answers, Study};
use tonnage::experiment::replay::{self, Playback, Recorded};
use tonnage::experiment::sweep;
use tonnage::experiment::trial::{Crew, Watch};
use tonnage::model::simulate;
use tonnage::scenario::{self, Scenario};
use tonnage::seed::Seed;
use tonnage::site::{Arrivals, Site, Trace};
use tonnage::stats::histogram::Histogram;
use tonnage::trace::{Reader, Source};
use tonnage::units::Span;

use crate::support::mean_cpu;

/// Two workers on one core, nothing but the requests' own work.
const SCENARIO: &str = r#"
stack = "bare"

[objective]
p95 = "200ms"

[[plan]]
name = "box"
cores = 1

[[server]]
name = "sync"
kind = "sync"
workers = 2

[[endpoint]]
name = "page"
steps = [{ compute = "1ms" }, { query = { wait = "1ms", cpu = "2ms" } }, { compute = "1ms" }]

[traffic]
trace = "t.csv"
"#;

/// Sixty bursts of three requests of every kind, and one that comes alone: at the end of a round
/// nobody is left, so that the next round finds what the first found.
fn trace() -> String {
    let mut text = "arrival_s,segments_ms,latency_s,status\n".to_owned();
    let mut line = |at: f64, segments: String| text += &format!("{at:.3},{segments},0.1,200\n");
    for burst in 0..60 {
        for each in 0..3 {
            let at = f64::from(burst) + 0.01 * f64::from(each);
            let work = 5 + (burst * 7 + each) % 40;
            line(
                at,
                match each {
                    0 => format!("{work}"),
                    1 => format!("{work};{};3", 2 * work),
                    _ => format!("{work};0;1;{};2", work + 9),
                },
            );
        }
    }
    line(60.0, "1".to_owned());
    text
}

/// A folder with the scenario and its trace.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.save("s.toml", SCENARIO);
        desk.save("t.csv", &trace());
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn save(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn load(&self, sets: &[&str]) -> Scenario {
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        scenario::load(&self.path().join("s.toml"), &sets).unwrap_or_else(|why| panic!("{why}"))
    }

    fn site(&self, sets: &[&str]) -> Site {
        self.load(sets).study.combinations.swap_remove(0).site
    }

    fn tonnage(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonnage"));
        command.current_dir(self.path()).args(line.split(' ')).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// What a replay of the trace predicts, at `speed`.
    fn replayed(&self, speed: f64) -> Histogram {
        let requests: Vec<Recorded> =
            Reader::new(Source::open(&self.path().join("t.csv")).unwrap()).collect();
        let manner = Playback { speed, warmup: Span::ZERO, seed: Seed::new(1) };
        let plain = self.site(&[]);
        let predicted = replay::run(&plain, 0, manner, requests.into_iter(), |_| ()).predicted;
        // As much room as that of a run has.
        let mut response = Histogram::new();
        response.merge(&predicted.response);
        response
    }
}

fn recording(site: &Site) -> &Trace {
    match &site.traffic.arrivals {
        Arrivals::Recorded(trace) => trace,
        Arrivals::Poisson => panic!("there is a trace"),
    }
}

/// Simulates so many rounds of the trace, after one of warm-up.
fn rounds(site: &Site, count: u64, seed: u64) -> Histogram {
    let trace = recording(site);
    let round = trace.length().scaled(trace.rate().get() / site.traffic.rate.get());
    let mut site = site.clone();
    (site.horizon.warmup, site.horizon.measured) = (round, round * count);
    let mut response = Histogram::new();
    simulate(&site, Seed::new(seed)).response.iter().for_each(|each| response.merge(each));
    response
}

#[test]
fn a_round_of_the_trace_is_its_replay_wherever_it_begins() {
    let desk = Desk::new();
    let (site, replayed) = (desk.site(&[]), desk.replayed(1.0));
    assert_eq!(replayed.count(), 181);
    for seed in 0..20 {
        assert!(rounds(&site, 1, seed) == replayed, "begun where seed {seed} says");
    }
}

#[test]
fn twice_the_speed_is_the_replay_at_twice_the_speed() {
    let desk = Desk::new();
    let (twice, replayed) = (desk.site(&["traffic.speed=2"]), desk.replayed(2.0));
    assert!(replayed.quantile(0.95) > desk.replayed(1.0).quantile(0.95), "there is more waiting");
    for seed in 0..20 {
        // Instants are halved to the nanosecond.
        let (mean, same) = (rounds(&twice, 1, seed).mean().unwrap(), replayed.mean().unwrap());
        assert!((mean - same).abs() < 10.0, "from where seed {seed} begins: {mean}, not {same}");
    }
}

#[test]
fn a_tier_s_rate_is_what_the_trace_is_sped_up_to() {
    let desk = Desk::new();
    let tier = |sets: &[&str]| {
        let tiers = desk.load(sets).study.combinations.swap_remove(0).tiers;
        let [tier] = &tiers[..] else { panic!("one tier") };
        (tier.name.clone(), tier.rate.get(), tier.conversion.clone())
    };
    // 181 requests, and 180 gaps in 60 s: a round is 181 gaps long.
    let recorded = "181 requests / 60.333s = 3/s".to_owned();
    assert_eq!(tier(&[]).0, "recorded");
    assert_eq!(tier(&[]).2, Some(recorded));
    assert!((tier(&[]).1 - 3.0).abs() < 1e-6);
    let (_, rate, words) = tier(&["traffic.speed=1.5", "traffic.keep=50%"]);
    assert!((rate - 2.25).abs() < 1e-6, "{rate}");
    assert_eq!(words.unwrap(), "181 requests / 60.333s x keep 50% x speed 1.5 = 2.25/s");
    let mut site = desk.site(&[]);
    site.traffic.rate = site.traffic.rate.scaled(4.0);
    assert!(rounds(&site, 3, 1).count() == 3 * 181, "three rounds, in a quarter of the time");
}

#[test]
fn thinning_keeps_its_share_to_within_the_luck_of_the_draw() {
    let desk = Desk::new();
    let site = desk.site(&["traffic.keep=20%"]);
    let count = |seed| rounds(&site, 100, seed).count();
    let (trials, share) = (18_100.0, 0.2);
    let deviation = f64::sqrt(trials * share * (1.0 - share));
    for seed in 0..8 {
        let off = count(seed) as f64 - trials * share;
        assert!(off.abs() < 4.0 * deviation, "{off} too many, where {deviation} is usual");
    }
    assert!((0..8).any(|seed| count(seed) != count(0)), "another seed leaves out others");
}

#[test]
fn every_instant_of_the_trace_is_as_likely_a_beginning_as_the_next() {
    let desk = Desk::new();
    let mut site = desk.site(&[]);
    // A window of a hundredth of a second: three of them in a second hold an arrival.
    (site.horizon.warmup, site.horizon.measured) = (Span::ZERO, Span::from_millis(10));
    let seeds = 4_000;
    let arrived: u64 = (0..seeds).map(|seed| simulate(&site, Seed::new(seed)).counts.arrived).sum();
    // Each is a trial of probability 0.03.
    let (mean, deviation) = (0.03 * seeds as f64, f64::sqrt(0.03 * 0.97 * seeds as f64));
    assert!((arrived as f64 - mean).abs() < 4.0 * deviation, "{arrived}, not {mean}");
}

fn answers(study: &Study, search: bool, threads: usize) -> Answers {
    let never = AtomicBool::new(false);
    sweep::run(study, search, &Crew::new(threads).unwrap(), &Watch::new(&never, &|_| {}))
}

#[test]
fn what_is_measured_is_whole_rounds_at_every_rate() {
    let desk = Desk::new();
    let study = desk.load(&[]).study;
    let answers = answers(&study, true, 0);
    let curve = &answers.capacities[0].curve;
    assert!(curve.len() > 7);
    for finding in curve {
        let rounds = finding.measured.as_secs() * finding.rate.get() / 181.0;
        assert!((rounds - rounds.round()).abs() < 1e-5, "{rounds} rounds at {}", finding.rate);
        assert!(rounds > 0.5, "at least one");
    }
}

#[test]
fn a_search_speeds_the_trace_up_until_the_core_is_full() {
    let desk = Desk::new();
    let study = desk.load(&["server.sync.workers=40"]).study;
    let saturation = answers(&study, true, 0).capacities[0].saturation.rate().unwrap();
    let site = &study.combinations[0].site;
    let asked = |endpoint: &tonnage::site::Endpoint| {
        let (worker, database) = mean_cpu(endpoint);
        site.traffic.share(endpoint).get() * (worker + database)
    };
    let work: f64 = site.traffic.endpoints.iter().map(asked).sum();
    let share = saturation.get() * work;
    assert!((0.98..1.03).contains(&share), "saturated when {share} of the core is asked for");
}

#[test]
fn the_bytes_are_the_same_for_any_number_of_threads_and_say_whence_the_traffic_comes() {
    let desk = Desk::new();
    let [one, eight] = [1, 8].map(|threads| {
        let output = desk.tonnage(&format!("run s.toml --threads {threads} --out {threads}"));
        assert!(output.status.success(), "{output:?}");
        let read = |name: &str| fs::read(desk.path().join(threads.to_string()).join(name)).unwrap();
        (["results.csv", "capacity.csv", "index.html"].map(read), output.stdout)
    });
    assert!(one.0 == eight.0);
    let said = String::from_utf8(one.1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("Traffic: the 181 requests of t.csv, recorded over 60.3 s,"), "{said}");
    assert!(said.contains(" times the recorded speed) before p95 passes"), "{said}");
    assert!(!said.contains("isitors"), "a recording is no day: {said}");
    let page = String::from_utf8(one.0[2].clone()).unwrap();
    assert!(page.contains("Traffic: the 181 requests of t.csv, recorded over 60.3 s,"));
}

#[test]
fn check_names_the_recording_and_what_its_work_allows() {
    let desk = Desk::new();
    let output = desk.tonnage("check s.toml --set traffic.keep=50%");
    let said = String::from_utf8(output.stdout).unwrap();
    let traffic = "\ntraffic\n  t.csv: 181 requests in 60.333s, of which 50% come\n";
    assert!(said.contains(traffic), "{said}");
    let tier = "\n  recorded: 1.5/s = 181 requests / 60.333s x keep 50% = 1.5/s\n";
    assert!(said.contains(tier), "{said}");
    assert!(said.contains("/s by cores"), "{said}");
}

#[test]
fn a_scenario_with_a_trace_is_replayed_as_one_without() {
    let desk = Desk::new();
    desk.save("plain.toml", SCENARIO.split("[traffic]").next().unwrap());
    let rows = ["s.toml", "plain.toml"].map(|scenario| {
        let line = format!("replay t.csv --scenario {scenario} --out {scenario}.out");
        let output = desk.tonnage(&line);
        assert!(output.status.success(), "{output:?}");
        fs::read_to_string(desk.path().join(format!("{scenario}.out/replay.csv"))).unwrap()
    });
    assert_eq!(rows[0], rows[1]);
    assert_eq!(rows[0].lines().count(), 182);
}

#[test]
fn a_recording_of_a_real_server_runs_as_it_replays() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let desk = Desk::new();
    let testbed = fs::read_to_string(root.join("scenarios/testbed.toml")).unwrap();
    let (costs, _) = testbed.split_once("[[tier]]").unwrap();
    desk.save("s.toml", &format!("{costs}\n[traffic]\ntrace = \"t.csv\"\n"));
    // Gzipped, whatever it is called here.
    fs::copy(root.join("scenarios/recorded-traffic.csv.gz"), desk.path().join("t.csv")).unwrap();
    let replayed = desk.replayed(1.0).quantile(0.95).unwrap() as f64 / 1e9;
    let rows = answers(&desk.load(&["run.precision=2%"]).study, false, 0).rows;
    let p95 = rows[0].finding.p95.unwrap().mean;
    // The replay begins empty, and the rounds do not.
    assert!((p95 / replayed - 1.0).abs() < 0.02, "p95 is {p95} s, and {replayed} s in the replay");
}
