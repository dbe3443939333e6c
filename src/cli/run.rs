//! `tonnage run`: load, simulate, report.

use std::path::{Path, PathBuf};

use super::args::RunArgs;
use super::folder::Folder;
use super::progress::Bar;
use super::{Failure, colors, columns, complain, interrupt, load, print};
use crate::experiment::answer::{Answers, Study};
use crate::experiment::sweep;
use crate::experiment::trial::{Crew, Watch};
use crate::report::figure::{self, Figure};
use crate::report::{chart, csv, page, text};
use crate::seed::Seed;

/// Simulates the scenario, writes its folder, and prints the summary.
pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let scenario = load(&args.scenario, &args.sets.set)?;
    if !args.quiet {
        scenario.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}\n")));
    }
    let mut study = scenario.study;
    study.seed = args.seed.map_or(study.seed, Seed::new);
    let folder = Folder::open(args.out.clone().unwrap_or_else(|| default_folder(args)))?;
    let crew = Crew::new(args.threads.map_or(0, usize::from))
        .map_err(|error| Failure::Io("cannot start the threads".to_owned(), error))?;
    let answers = answer(&study, args, &crew)?;
    write(&folder, &study, &answers, &crew)?;
    if !args.quiet {
        let color = colors(anstream::AutoStream::choice(&std::io::stdout()));
        let summary = text::summary(&study, &answers, color, columns());
        print(&format_args!("{summary}\nWritten to {}\n", folder.path().display()))?;
    }
    Ok(())
}

fn answer(study: &Study, args: &RunArgs, crew: &Crew) -> Result<Answers, Failure> {
    let interrupted = interrupt::watch();
    let bar = Bar::new(!args.quiet);
    let tell = |progress| bar.show(progress);
    let watch = Watch::new(interrupted, &tell);
    let answers = sweep::run(study, !args.no_search, crew, &watch);
    bar.clear();
    if watch.cancelled() { Err(interruption(study, &answers)) } else { Ok(answers) }
}

/// What was finished when the user stopped the run. Its folder is left as it was.
fn interruption(study: &Study, answers: &Answers) -> Failure {
    let rows: usize = study.combinations.iter().map(|each| each.tiers.len()).sum();
    Failure::Interrupted(format!(
        "{} of {rows} tiers and {} of {} capacities were finished; no file was written or \
         changed. The same command starts again; --no-search or a coarser [run] precision is \
         quicker",
        answers.rows.len(),
        answers.capacities.len(),
        study.combinations.len(),
    ))
}

/// Everything is rendered before the first file is written, on all threads: what takes longest
/// begins first.
fn write(folder: &Folder, study: &Study, answers: &Answers, crew: &Crew) -> Result<(), Failure> {
    let figures = figure::all(study, answers);
    let pictures = figures.iter().map(File::Png).chain(figures.iter().map(File::Svg));
    let mut files: Vec<File> = vec![File::Page];
    files.extend(pictures.chain([File::Results, File::Capacity]));
    let rendered = crew.map(&files, |file| file.render(study, answers));
    let named: Vec<_> = files.iter().map(File::name).zip(rendered).collect();
    crew.map(&named, |(name, bytes)| folder.write(name, bytes)).into_iter().collect()
}

/// A file of the folder.
enum File<'a> {
    Results,
    Capacity,
    Page,
    Svg(&'a Figure),
    Png(&'a Figure),
}

impl File<'_> {
    fn name(&self) -> String {
        match self {
            File::Results => "results.csv".to_owned(),
            File::Capacity => "capacity.csv".to_owned(),
            File::Page => "index.html".to_owned(),
            File::Svg(figure) => format!("{}.svg", figure.name),
            File::Png(figure) => format!("{}.png", figure.name),
        }
    }

    fn render(&self, study: &Study, answers: &Answers) -> Vec<u8> {
        match self {
            File::Results => csv::results(study, answers),
            File::Capacity => csv::capacity(study, answers),
            File::Page => page::page(study, answers).into_bytes(),
            File::Svg(figure) => chart::svg(figure).into_bytes(),
            File::Png(figure) => chart::png(figure),
        }
    }
}

/// `output/` and the scenario's name. A what-if has a folder of its own, named after what is
/// different, so that it never overwrites the plain run's.
fn default_folder(args: &RunArgs) -> PathBuf {
    let stem = match args.scenario.as_path() {
        path if path == Path::new("-") => "stdin".to_owned(),
        path => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let seed = args.seed.map(|seed| format!("seed={seed}"));
    let search = args.no_search.then(|| "no-search".to_owned());
    let differences = args.sets.set.iter().cloned().chain(seed).chain(search);
    let name = std::iter::once(stem).chain(differences.map(|what| tame(&what)));
    Path::new("output").join(name.collect::<Vec<_>>().join("--"))
}

/// A what-if as part of a folder's name: nothing in it that a file system or a shell minds, and
/// not too long; what was replaced or cut is told apart by a checksum.
pub(super) fn tame(what: &str) -> String {
    const LONGEST: usize = 60;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._=-".contains(c);
    let tamed: String =
        what.chars().map(|c| if plain(c) { c } else { '_' }).take(LONGEST).collect();
    if tamed == what { tamed } else { format!("{tamed}-{:08x}", crc32fast::hash(what.as_bytes())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_what_if_names_a_folder_without_anything_a_shell_minds() {
        assert_eq!(tame("server.gunicorn.workers=5"), "server.gunicorn.workers=5");
        assert_eq!(tame("plan.\"a/b\".cores=2"), "plan._a_b_.cores=2-aed33318");
        assert!(tame(&"x".repeat(500)).len() < 80);
    }
}
