//! `tonnage accuracy`: a recorded set through the model, and how far predictions are off.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::AccuracyArgs;
use super::folder::Folder;
use super::{Failure, load, print};
use crate::experiment::accuracy::{Judgement, judge};
use crate::experiment::replay::Recorded;
use crate::experiment::trial::Crew;
use crate::report::{accuracy, chart};
use crate::trace::{self, Case, Reader, Source};

/// Judges every case and writes the table.
pub(super) fn accuracy(args: &AccuracyArgs) -> Result<(), Failure> {
    let cannot = |what: &Path| format!("cannot read {}", what.display());
    let list = fs::read(&args.cases).map_err(|error| Failure::Io(cannot(&args.cases), error))?;
    let cases = Case::read_all(&list)
        .map_err(|what| Failure::Usage(format!("{}: {what}", args.cases.display())))?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("output").join("accuracy"));
    let folder = Folder::open(out)?;
    let beside = args.cases.parent().unwrap_or(Path::new("."));
    let crew =
        Crew::new(0).map_err(|error| Failure::Io("cannot start the threads".to_owned(), error))?;
    let judged = crew.map(&cases, |case| judge_case(case, beside, args));
    let judgements: Vec<Judgement> = judged.into_iter().collect::<Result<_, _>>()?;
    let figure = accuracy::figure(&judgements);
    folder.write("accuracy.csv", &accuracy::csv(&judgements))?;
    folder.write("accuracy.svg", chart::svg(&figure).as_bytes())?;
    folder.write("accuracy.png", &chart::png(&figure))?;
    folder.write("index.html", accuracy::page(&judgements).as_bytes())?;
    let text = accuracy::text(&judgements);
    print(&format_args!("{text}\nWritten to {}\n", folder.path().display()))
}

fn judge_case(case: &Case, folder: &Path, args: &AccuracyArgs) -> Result<Judgement, Failure> {
    let plain = load(&args.scenario, &args.sets.set)?.study;
    let of = |study: &crate::experiment::answer::Study| {
        let mut all = study.combinations.iter();
        all.find(|each| each.server == case.server()).cloned().ok_or_else(|| {
            Failure::Usage(format!("the scenario has no server \"{}\"", case.server()))
        })
    };
    let base = of(&plain)?.site.server.worker_memory;
    let sets: Vec<String> = args.sets.set.iter().cloned().chain(case.sets(base)).collect();
    let combination = of(&load(&args.scenario, &sets)?.study)?;
    let endpoint = super::replay::work(&combination)?;
    let requests = read(&case.trace(folder))?;
    Ok(judge(&case.name(), &combination.site, endpoint, &requests, case.breaks()))
}

fn read(path: &Path) -> Result<Vec<Recorded>, Failure> {
    let source = Source::open(path)
        .map_err(|error| Failure::Io(format!("cannot read {}", path.display()), error))?;
    let mut reader: Reader = Reader::new(source);
    let requests = reader.by_ref().collect();
    reader.finish().map_err(|failure: trace::Failure| Failure::Trace(failure))?;
    Ok(requests)
}
