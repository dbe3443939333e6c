//! `output/` holds what the shipped scenarios give: their CSV files are simulated anew and compared
//! byte for byte, and so are their charts. To renew the folder after a change that is meant, run
//! with `UPDATE=1`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use tonnage::experiment::answer::{Answers, Study};
use tonnage::experiment::sweep;
use tonnage::experiment::trial::{Crew, Watch};
use tonnage::report::{chart, csv, figure};
use tonnage::scenario;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The picture that the README shows; the others are there as SVG.
const README_PICTURE: &str = "2gb-vs-4gb/response-time.png";

fn answer(study: &Study) -> Answers {
    let crew = Crew::new(0).unwrap();
    let never = AtomicBool::new(false);
    sweep::run(study, true, &crew, &Watch::new(&never, &|_| {}))
}

/// Simulates a shipped scenario and compares its CSV files and charts with those in `output/`, or
/// renews the whole of its folder there.
fn holds(name: &str) {
    let path = root().join("scenarios").join(name).with_extension("toml");
    let study = scenario::load(&path, &[]).unwrap().study;
    let answers = answer(&study);
    let folder = root().join("output").join(name);
    let tables = [
        ("results.csv".to_owned(), String::from_utf8(csv::results(&study, &answers)).unwrap()),
        ("capacity.csv".to_owned(), String::from_utf8(csv::capacity(&study, &answers)).unwrap()),
    ];
    let charts = figure::all(&study, &answers).into_iter();
    let charts = charts.map(|figure| (format!("{}.svg", figure.name), chart::svg(&figure)));
    let files: Vec<(String, String)> = tables.into_iter().chain(charts).collect();
    if std::env::var_os("UPDATE").is_some() {
        renew(&folder, &study, &answers, &files);
    }
    for (file, now) in &files {
        let kept = fs::read_to_string(folder.join(file)).unwrap();
        for (kept, now) in kept.lines().zip(now.lines()) {
            assert_eq!(kept, now, "{name}/{file} is no longer what the scenario gives");
        }
        assert_eq!(kept.len(), now.len(), "{name}/{file} has another length");
    }
    no_other_files_are_kept(&folder, &files);
}

/// A table or chart that the scenario gives no more, or by another name, does not stay behind. (A
/// run also writes pictures and a page, which are not kept.)
fn no_other_files_are_kept(folder: &Path, files: &[(String, String)]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_kept = path.extension().is_some_and(|ending| ending == "svg" || ending == "csv");
        let is_given = files.iter().any(|(file, _)| file == name);
        assert!(is_given || !is_kept, "{} is given by no scenario", path.display());
    }
}

fn renew(folder: &Path, study: &Study, answers: &Answers, files: &[(String, String)]) {
    fs::create_dir_all(folder).unwrap();
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap();
    }
    for figure in figure::all(study, answers) {
        let png = folder.join(format!("{}.png", figure.name));
        if png == root().join("output").join(README_PICTURE) {
            fs::write(png, chart::png(&figure)).unwrap();
        }
    }
}

/// Floating point gives the same bits wherever the maths library is the same.
macro_rules! outputs {
    ($($test:ident = $name:literal;)*) => {
        $(
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            #[test]
            fn $test() {
                holds($name);
            }
        )*

        #[test]
        fn every_shipped_scenario_has_its_output() {
            let tested = [$($name),*];
            for entry in fs::read_dir(root().join("scenarios")).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|ending| ending != "toml") {
                    continue;
                }
                let name = path.file_stem().unwrap().to_str().unwrap();
                // The testbeds are there to be replayed, and their output is output/accuracy.
                let held = tested.contains(&name) || name.starts_with("testbed");
                assert!(held, "no test holds output/{name}");
            }
        }
    };
}

outputs! {
    the_plans_are_still_compared_as_in_output = "2gb-vs-4gb";
    sync_and_async_still_trade_as_in_output = "sync-vs-async";
    the_guides_table_still_stands_as_in_output = "guide-sizing-table";
    too_many_workers_still_die_as_in_output = "too-many-workers";
    connections_still_cost_as_in_output = "no-connection-reuse";
    recorded_traffic_still_comes_as_in_output = "recorded-traffic";
}
