//! `tonnage accuracy`: a recorded set through the model, and how far predictions are off.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::AccuracyArgs;
use super::folder::Folder;
use super::{Failure, crew, load, print};
use crate::experiment::accuracy::{RecordingAccuracy, judge};
use crate::experiment::answer::Study;
use crate::experiment::replay::Recorded;
use crate::experiment::trial::Crew;
use crate::report::{accuracy, chart};
use crate::trace::{Case, Reader, Source};

/// Judges every case of every machine and writes the table.
pub(super) fn accuracy(args: &AccuracyArgs) -> Result<(), Failure> {
    if args.folders.len() != args.scenario.len() {
        let what = "each folder of recordings needs a scenario: give --scenario as often";
        return Err(Failure::Usage(what.to_owned()));
    }
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("output").join("accuracy"));
    let folder = Folder::open(out)?;
    let crew = crew(None)?;
    let mut judgements = Vec::new();
    for (recorded, scenario) in args.folders.iter().zip(&args.scenario) {
        judgements.extend(judge_machine(&crew, recorded, scenario, &args.sets.set)?);
    }
    let figure = accuracy::figure(&judgements);
    folder.write("accuracy.csv", &accuracy::csv(&judgements))?;
    folder.write("accuracy.svg", chart::svg(&figure).as_bytes())?;
    folder.write("accuracy.png", &chart::png(&figure))?;
    folder.write("index.html", accuracy::page(&judgements).as_bytes())?;
    let text = accuracy::text(&judgements);
    print(&format_args!("{text}\nWritten to {}\n", folder.path().display()))
}

/// Judges every case that was recorded on a machine, in the order of its list.
fn judge_machine(
    crew: &Crew,
    folder: &Path,
    scenario: &Path,
    sets: &[String],
) -> Result<Vec<RecordingAccuracy>, Failure> {
    let list = folder.join("cases.csv");
    let cannot = || format!("cannot read {}", list.display());
    let text = fs::read(&list).map_err(|error| Failure::Io(cannot(), error))?;
    let cases = Case::read_all(&text)
        .map_err(|what| Failure::Usage(format!("{}: {what}", list.display())))?;
    let machine = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let judged = crew.map(&cases, |case| judge_case(case, folder, scenario, sets));
    let named = |judgement| RecordingAccuracy { machine: machine.clone(), ..judgement };
    judged.into_iter().map(|judged| judged.map(named)).collect()
}

fn judge_case(
    case: &Case,
    folder: &Path,
    scenario: &Path,
    sets: &[String],
) -> Result<RecordingAccuracy, Failure> {
    let of = |study: &Study| {
        let mut all = study.combinations.iter();
        all.find(|each| each.server == case.server()).cloned().ok_or_else(|| {
            Failure::Usage(format!("the scenario has no server \"{}\"", case.server()))
        })
    };
    let base = of(&load(scenario, sets)?.study)?.site.server.worker_memory;
    let sets: Vec<String> = sets.iter().cloned().chain(case.sets(base)).collect();
    let combination = of(&load(scenario, &sets)?.study)?;
    let endpoint = super::replay::work(&combination)?;
    let requests = read(&case.trace(folder))?;
    Ok(judge(&case.name(), &combination.site, endpoint, &requests, case.breaks()))
}

fn read(path: &Path) -> Result<Vec<Recorded>, Failure> {
    let source = Source::open(path)
        .map_err(|error| Failure::Io(format!("cannot read {}", path.display()), error))?;
    let mut reader = Reader::new(source);
    let requests = reader.by_ref().collect();
    reader.finish().map_err(Failure::Trace)?;
    Ok(requests)
}
