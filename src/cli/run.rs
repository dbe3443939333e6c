//! `tonnage run`: load, simulate, report.

use std::path::{Path, PathBuf};

use super::args::RunArgs;
use super::folder::{self, Finished, Folder};
use super::progress::Bar;
use super::{Failure, colors, columns, complain, crew, interrupt, load, print};
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
    let crew = crew(args.threads)?;
    let (answers, whole) = answer(&study, args, &crew);
    if !whole {
        return Err(interruption(&folder, &study, &answers, !args.no_search));
    }
    write(&folder, &study, &answers, &crew)?;
    if !args.quiet {
        let color = colors(anstream::AutoStream::choice(&std::io::stdout()));
        let summary = text::summary(&study, &answers, color, columns());
        print(&format_args!("{summary}\nWritten to {}\n", folder.path().display()))?;
    }
    Ok(())
}

/// The answers, and whether they are all: the user may have stopped the run.
fn answer(study: &Study, args: &RunArgs, crew: &Crew) -> (Answers, bool) {
    let interrupted = interrupt::watch();
    let bar = Bar::new(!args.quiet);
    let tell = |progress| bar.show(progress);
    let watch = Watch::new(interrupted, &tell);
    let answers = sweep::run(study, !args.no_search, crew, &watch);
    bar.clear();
    (answers, !watch.cancelled())
}

/// Keeps what was finished when the user stopped the run, and says where it is and how to go on.
fn interruption(folder: &Folder, study: &Study, answers: &Answers, search: bool) -> Failure {
    let kept = match keep(folder, study, answers) {
        Ok(kept) => kept,
        Err(failure) => return failure,
    };
    let rows: usize = study.combinations.iter().map(|each| each.tiers.len()).sum();
    let quicker = if search { "--no-search or a" } else { "a" };
    Failure::Interrupted(format!(
        "{} of {rows} tiers and {} of {} capacities were finished; {kept}. The same command starts \
         again from the beginning; {quicker} coarser [run] precision is quicker",
        answers.rows.len(),
        answers.capacities.len(),
        study.combinations.len(),
    ))
}

/// A table of a run: its name, its name beside the one that an earlier run wrote, and its bytes.
type Table = (&'static str, &'static str, fn(&Study, &Answers) -> Vec<u8>);

const TABLES: [Table; 2] = [
    ("results.csv", "results-unfinished.csv", csv::results),
    ("capacity.csv", "capacity-unfinished.csv", csv::capacity),
];

/// Writes the rows that were finished, and no chart or page, which would show them as if they were
/// all. What an earlier run wrote stays. Returns what was done, in words.
fn keep(folder: &Folder, study: &Study, answers: &Answers) -> Result<String, Failure> {
    let earlier = TABLES.iter().any(|(name, ..)| folder.has(name));
    let counts = [answers.rows.len(), answers.capacities.len()];
    let mut written = Vec::new();
    for ((name, beside, render), _) in TABLES.iter().zip(counts).filter(|(_, count)| *count > 0) {
        let name = if earlier { beside } else { name };
        folder.write(name, &render(study, answers))?;
        written.push(folder.path().join(name).display().to_string());
    }
    Ok(match (written.is_empty(), earlier) {
        (true, _) => "no file was written or changed".to_owned(),
        (false, true) => {
            format!("see {}, beside what an earlier run wrote", written.join(" and "))
        }
        (false, false) => format!("see {}", written.join(" and ")),
    })
}

/// Everything is rendered before the first file is written, on all threads: what takes longest
/// begins first. All of it is on the disk before the first file gets its name: a disk without
/// enough room leaves the files of an earlier run as they were.
fn write(folder: &Folder, study: &Study, answers: &Answers, crew: &Crew) -> Result<(), Failure> {
    let figures = figure::all(study, answers);
    let pictures = figures.iter().map(File::Png).chain(figures.iter().map(File::Svg));
    let mut files: Vec<File> = vec![File::Page];
    files.extend(pictures.chain([File::Results, File::Capacity]));
    let rendered = crew.map(&files, |file| file.render(study, answers));
    let named: Vec<_> = files.iter().map(File::name).zip(rendered).collect();
    let finished = crew.map(&named, |(name, bytes)| folder.finished(name, bytes));
    let finished = finished.into_iter().collect::<Result<Vec<Finished>, Failure>>()?;
    finished.into_iter().try_for_each(Finished::publish)?;
    // These files hold all that an interrupted run has kept, and a chart of an earlier run that
    // this one does not have would be taken for its own.
    TABLES.iter().try_for_each(|(_, unfinished, _)| folder.remove(unfinished))?;
    let absent = figure::NAMES.iter().filter(|name| figures.iter().all(|it| it.name != **name));
    let files = absent.flat_map(|name| ["svg", "png"].map(|ending| format!("{name}.{ending}")));
    files.into_iter().try_for_each(|file| folder.remove(&file))
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

/// `output/` and the scenario's name.
fn default_folder(args: &RunArgs) -> PathBuf {
    let stem = match args.scenario.as_path() {
        path if path == Path::new("-") => "stdin".to_owned(),
        path => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let seed = args.seed.map(|seed| format!("seed={seed}"));
    let search = args.no_search.then(|| "no-search".to_owned());
    let differences = args.sets.set.iter().cloned().chain(seed).chain(search);
    folder::default_folder(Path::new("output"), stem, differences)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::scenario;

    /// Two tiers of which only the first is simulated: then the user has had enough.
    fn interrupted() -> (Study, Answers) {
        let text = "stack = \"bare\"\n\
            plan = [{ name = \"p\", cores = 1 }]\n\
            server = [{ name = \"s\", kind = \"sync\", workers = 1 }]\n\
            endpoint = [{ name = \"e\", steps = [{ compute = \"5ms\" }] }]\n\
            run = { replications = 2, warmup = \"1s\", measure = \"10s\" }\n\
            tier = [{ name = \"a\", rate = \"9/s\" }, { name = \"b\", rate = \"99/s\" }]\n";
        let study = scenario::read("s", text, &[], None).unwrap().study;
        let cancel = AtomicBool::new(false);
        let stop = |_| cancel.store(true, Ordering::Relaxed);
        let crew = Crew::new(1).unwrap();
        let answers = sweep::run(&study, true, &crew, &Watch::new(&cancel, &stop));
        (study, answers)
    }

    #[test]
    fn an_interrupted_run_keeps_the_tiers_it_finished_and_says_where() {
        let (study, answers) = interrupted();
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path().to_owned()).unwrap();
        let say = || {
            let failure = interruption(&folder, &study, &answers, true);
            failure.render(false).replace(&home.path().display().to_string(), "out")
        };
        let first = "interrupted: 1 of 2 tiers and 0 of 1 capacities were finished; see \
                     out/results.csv. The same command starts again from the beginning; \
                     --no-search or a coarser [run] precision is quicker\n";
        assert_eq!(say(), first);
        let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!(read("results.csv").as_bytes(), csv::results(&study, &answers));
        assert!(read("results.csv").lines().nth(1).unwrap().starts_with("p,s,a,9,"));
        assert!(!folder.has("capacity.csv") && !folder.has("index.html"));
    }

    #[test]
    fn an_interrupted_run_leaves_what_an_earlier_one_wrote_and_the_next_whole_one_tidies_up() {
        let (study, answers) = interrupted();
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path().to_owned()).unwrap();
        folder.write("results.csv", b"all of it").unwrap();
        let said = interruption(&folder, &study, &answers, true).render(false);
        assert!(
            said.contains("results-unfinished.csv, beside what an earlier run wrote."),
            "{said}"
        );
        assert_eq!(fs::read(home.path().join("results.csv")).unwrap(), b"all of it");
        assert!(folder.has("results-unfinished.csv"));
        write(&folder, &study, &answers, &Crew::new(1).unwrap()).unwrap();
        assert!(!folder.has("results-unfinished.csv") && folder.has("capacity.csv"));
    }

    #[test]
    fn an_interrupted_run_that_finished_nothing_writes_nothing() {
        let (study, _) = interrupted();
        let answers = Answers { rows: Vec::new(), capacities: Vec::new() };
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path().to_owned()).unwrap();
        let said = interruption(&folder, &study, &answers, false).render(false);
        let end = "no file was written or changed. The same command starts again from the \
                   beginning; a coarser [run] precision is quicker\n";
        assert!(said.ends_with(end), "{said}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
