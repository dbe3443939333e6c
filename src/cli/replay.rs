//! `tonnage replay`: a recording through the model, predicted beside measured.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::args::ReplayArgs;
use super::folder::{self, Draft, Folder};
use super::progress::Reading;
use super::{Failure, choice, interrupt, load, print};
use crate::experiment::answer::{Combination, Study};
use crate::experiment::replay::{self, Comparison, Playback, Recorded};
use crate::report::{chart, recorded};
use crate::seed::Seed;
use crate::site::{Endpoint, Step};
use crate::trace::{Reader, Source};

/// Plays the recording, writes its folder, and prints both sides.
pub(super) fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    if args.trace == Path::new("-") && args.scenario == Path::new("-") {
        let both = "the trace and the scenario cannot both come from standard input".to_owned();
        return Err(Failure::Usage(both));
    }
    let study = load(&args.scenario, &args.sets.set)?.study;
    let combination = choice::combination(&study, args.plan.as_deref(), args.server.as_deref())?;
    let endpoint = work(combination)?;
    let source = Source::open(&args.trace)
        .map_err(|error| Failure::Io(format!("cannot read {}", args.trace.display()), error))?;
    let interrupted = interrupt::watch();
    let folder = Folder::open(args.out.clone().unwrap_or_else(|| default_folder(args)))?;
    let mut rows = folder.draft("replay.csv")?;
    let replay = Replay { args, study: &study, combination, endpoint, interrupted };
    let comparison = replay.play(source, &mut rows)?;
    let heading = recorded::Heading {
        trace: match args.trace.as_path() {
            path if path == Path::new("-") => "standard input".to_owned(),
            path => path.display().to_string(),
        },
        plan: combination.plan.clone(),
        server: combination.server.clone(),
        speed: args.speed,
    };
    let figure = recorded::figure(&heading, &comparison);
    rows.publish()?;
    folder.write(&format!("{}.svg", figure.name), chart::svg(&figure).as_bytes())?;
    folder.write(&format!("{}.png", figure.name), &chart::png(&figure))?;
    if args.quiet {
        return Ok(());
    }
    let text = recorded::text(&heading, &comparison);
    print(&format_args!("{text}\nWritten to {}\n", folder.path().display()))
}

/// What the recording is played on, and how.
struct Replay<'a> {
    args: &'a ReplayArgs,
    study: &'a Study,
    combination: &'a Combination,
    /// The endpoint that the recorded requests are for.
    endpoint: usize,
    interrupted: &'a AtomicBool,
}

impl Replay<'_> {
    /// Reads and simulates at once; each row is written when it is known.
    fn play(&self, source: Source, rows: &mut Draft) -> Result<Comparison, Failure> {
        let bar = Reading::new(!self.args.quiet, &source);
        let mut reader = Reader::new(source);
        let mut written: io::Result<()> = writeln!(rows, "{}", recorded::HEADER);
        let mut with_queries = 0_u64;
        let going = reader.by_ref().take_while(|_| !self.is_interrupted());
        let going = going.inspect(|request| {
            bar.step();
            with_queries += u64::from(request.has_query());
        });
        let (site, manner) = (&self.combination.site, self.manner());
        let comparison = replay::run(site, self.endpoint, manner, going, |played| {
            if written.is_ok() {
                written = writeln!(rows, "{}", recorded::row(played));
            }
        });
        bar.clear();
        self.came_to_the_end(&comparison)?;
        reader.finish().map_err(Failure::Trace)?;
        know_queries(&site.traffic.endpoints[self.endpoint], with_queries)?;
        self.outlasts_the_warmup(&comparison)?;
        written.map_err(|error| Failure::Io("cannot write replay.csv".to_owned(), error))?;
        Ok(comparison)
    }

    fn manner(&self) -> Playback {
        Playback {
            speed: self.args.speed,
            warmup: self.args.warmup,
            seed: self.args.seed.map_or(self.study.seed, Seed::new),
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Neither the user nor the simulator has broken off.
    fn came_to_the_end(&self, comparison: &Comparison) -> Result<(), Failure> {
        if self.is_interrupted() {
            let finished = format!(
                "{} had been played; no file was written or changed. The same command starts again \
                 from the beginning",
                recorded::requests(comparison.requests)
            );
            return Err(Failure::Interrupted(finished));
        }
        match comparison.outcome.stopped {
            Some(stopped) => Err(Failure::Usage(recorded::stopped(stopped, comparison.requests))),
            None => Ok(()),
        }
    }

    /// Some of the recording is left to compare.
    fn outlasts_the_warmup(&self, comparison: &Comparison) -> Result<(), Failure> {
        if comparison.measured.count() > 0 {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "the trace has {}, all in the warm-up ({}), so none is left to compare: choose a \
             shorter --warmup",
            recorded::requests(comparison.requests),
            self.args.warmup
        )))
    }
}

/// The endpoint that the recorded requests are for: `work`, or the only one.
pub(super) fn work(combination: &Combination) -> Result<usize, Failure> {
    let endpoints = &combination.site.traffic.endpoints;
    let named = endpoints.iter().position(|endpoint| endpoint.name == "work");
    // With recorded traffic the one endpoint is split into several of the same name; the first is
    // the one that is written.
    let is_one = endpoints.iter().all(|endpoint| endpoint.name == endpoints[0].name);
    let index = named.or(is_one.then_some(0)).ok_or_else(|| {
        Failure::Usage(
            "the scenario has several endpoints and none is called \"work\": recorded requests \
             take memory and the cost of a query from that"
                .to_owned(),
        )
    })?;
    let alternates = endpoints[index].steps.iter().enumerate().all(|(at, step)| match step {
        Step::Compute(_) => at % 2 == 0,
        Step::Query { .. } => at % 2 == 1,
        Step::Call { .. } => false,
    });
    if alternates && endpoints[index].steps.len() % 2 == 1 {
        return Ok(index);
    }
    Err(Failure::Usage(format!(
        "the steps of endpoint \"{}\" must be compute, query, compute, ..., compute, as those of \
         recorded requests are (up to {} queries each)",
        endpoints[index].name,
        Recorded::MOST_QUERIES
    )))
}

/// Refuses an endpoint without a query for a trace that has queries: what a query costs the
/// database comes from the endpoint.
fn know_queries(endpoint: &Endpoint, with_queries: u64) -> Result<(), Failure> {
    let knows = endpoint.steps.iter().any(|step| matches!(step, Step::Query { .. }));
    if knows || with_queries == 0 {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "endpoint \"{}\" has no query, and the trace has {} with one: write \
         steps = [{{ compute = \"5ms\" }}, {{ query = \"5ms\" }}, {{ compute = \"5ms\" }}]; how \
         long each takes comes from the trace, and what a query costs beyond its wait from there",
        endpoint.name,
        recorded::requests(with_queries)
    )))
}

/// `output/replay/` and the trace's name.
fn default_folder(args: &ReplayArgs) -> PathBuf {
    let name = match args.trace.as_path() {
        path if path == Path::new("-") => "stdin".to_owned(),
        path => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let stem = name.trim_end_matches(".gz").trim_end_matches(".csv").to_owned();
    let speed = ((args.speed - 1.0).abs() > 1e-9).then(|| format!("speed={}", args.speed));
    let seed = args.seed.map(|seed| format!("seed={seed}"));
    let chosen = args.plan.iter().chain(&args.server).cloned();
    let differences = chosen.chain(args.sets.set.iter().cloned()).chain(speed).chain(seed);
    folder::default_folder(&Path::new("output").join("replay"), stem, differences)
}
