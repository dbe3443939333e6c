//! Recorded traffic: what `[traffic]` says of a trace, and the rules that hold for one.

use std::iter::repeat_n;

use super::dist::Folder;
use super::document::Node;
use super::endpoint::{EndpointFile, StepFile, What};
use super::file::{File, named, titled};
use super::problem::{Found, Place, Problem};
use super::quantity::{FASTEST_PER_SECOND, SLOWEST_PER_SECOND, number, share};
use super::section::Section;
use crate::experiment::answer::Tier;
use crate::experiment::recording::Recording;
use crate::site::{Dist, Trace};
use crate::trace::{Failure, Reader, Source};
use crate::units::{Fraction, Span};

/// The most requests that are read from one trace, which is kept in memory to be repeated.
const MOST_REQUESTS: usize = 1_000_000;

const WAY: &str = "name a recording beside the scenario, plain or gzipped: \
    arrival_s,segments_ms,latency_s,status and a line for each request, as for `tonnage replay`";

/// What `[traffic]` says of a trace.
#[derive(Debug, Default)]
pub(super) struct RecordedFile {
    /// Where `trace` is written, even if it could not be read.
    place: Option<Place>,
    trace: Option<TraceFile>,
    speed: Option<(f64, Place)>,
    keep: Option<(Fraction, Place)>,
}

/// A trace as it was read.
#[derive(Debug)]
struct TraceFile {
    name: String,
    recording: Recording,
}

pub(super) fn read(section: &Section<'_>, folder: Folder<'_>) -> RecordedFile {
    if !section.has("trace") {
        for key in ["speed", "keep"] {
            let way = "remove it, or name the recording: trace = \"day.csv.gz\"";
            section.refuse(key, "no `trace` is played", way);
        }
    }
    let speed = |node: &Node| Ok((number(0.001, 1_000.0, false)(node)?, node.place.clone()));
    let keep = |node: &Node| Ok((share_above_zero(node)?, node.place.clone()));
    RecordedFile {
        place: section.entry("trace").map(|entry| entry.node.place.clone()),
        trace: section.read("trace", |node| trace(node, folder)),
        speed: section.read("speed", speed),
        keep: section.read("keep", keep),
    }
}

fn share_above_zero(node: &Node) -> Result<Fraction, Problem> {
    let share = share(node)?;
    match share > Fraction::ZERO {
        true => Ok(share),
        false => Err(node.problem("a share above 0% is needed here", "write \"50%\"")),
    }
}

fn trace(node: &Node, folder: Folder<'_>) -> Result<TraceFile, Problem> {
    let name = named(node)?.text;
    let Some(folder) = folder else {
        return Err(node.problem("a scenario from standard input can name no file", WAY));
    };
    let path = folder.join(&name);
    let source = Source::file(&path)
        .map_err(|error| node.problem(format!("cannot read {}: {}", path.display(), error), WAY))?;
    let mut reader = Reader::new(source);
    let recording = Recording::of(reader.by_ref().take(MOST_REQUESTS + 1));
    if recording.as_ref().is_some_and(|recording| recording.count() > MOST_REQUESTS) {
        let title = format!("{} has more than {MOST_REQUESTS} requests", path.display());
        return Err(node.problem(title, "name a part of it; `tonnage replay` plays all of it once"));
    }
    reader.finish().map_err(|failure| unreadable(node, &failure))?;
    let recording = recording.ok_or_else(|| {
        let title = format!("{} gives no rate", path.display());
        node.problem(title, "a recording needs two requests or more that arrive at different times")
    })?;
    Ok(TraceFile { name, recording })
}

/// Every line that is wrong, in one problem.
fn unreadable(node: &Node, failure: &Failure) -> Problem {
    let (title, mistakes) = match failure {
        Failure::Mistakes(mistakes) => (mistakes.sum(), mistakes),
        Failure::Unreadable(mistakes, line, error) => {
            (format!("cannot read {} from line {line} on: {error}", mistakes.name()), mistakes)
        }
    };
    node.problem(title, WAY).with_notes(mistakes.lines())
}

impl RecordedFile {
    /// The trace, where there is one.
    pub(super) fn trace(&self) -> Option<Trace> {
        let keep = self.keep.as_ref().map_or(Fraction::ONE, |(keep, _)| *keep);
        self.trace.as_ref().map(|trace| trace.recording.trace(&trace.name, keep))
    }

    /// The recording itself: what its requests compute and query.
    pub(super) fn recording(&self) -> Option<&Recording> {
        self.trace.as_ref().map(|trace| &trace.recording)
    }

    fn speed(&self) -> f64 {
        self.speed.as_ref().map_or(1.0, |(speed, _)| *speed)
    }

    /// The tier of a scenario that names none: what was recorded, at its speed.
    pub(super) fn tier(&self) -> Option<Tier> {
        let trace = self.trace()?;
        let rate = trace.rate().scaled(self.speed());
        let mut words = format!("{} requests / {}", trace.requests.len(), trace.length());
        if let Some((keep, _)) = self.keep {
            words += &format!(" x keep {keep}");
        }
        if let Some((speed, _)) = self.speed {
            words += &format!(" x speed {speed}");
        }
        let conversion = Some(format!("{words} = {rate}"));
        Some(Tier { name: "recorded".to_owned(), rate, conversion })
    }
}

/// Puts into `found` every rule for recorded traffic that the file breaks.
pub(super) fn check(file: &File, found: &Found) {
    let recorded = &file.recorded;
    let Some(place) = &recorded.place else { return };
    one_endpoint(file, found);
    if let Some(first) = file.endpoints.first() {
        found.keep(steps_fit(first, recorded));
    }
    if let Some((_, place)) = recorded.speed.as_ref().filter(|_| !file.tiers.is_empty()) {
        let title = "`speed` would be ignored: the tiers say how much comes";
        found.add(Problem::at(place, title, "remove it, or the tiers"));
    }
    found.keep(enough_comes(recorded, place, !file.tiers.is_empty()));
}

fn one_endpoint(file: &File, found: &Found) {
    for endpoint in file.endpoints.iter().skip(1) {
        let title = format!(
            "{} would be ignored: the requests of a trace are all for one endpoint",
            endpoint_titled(endpoint)
        );
        found.add(Problem::at(&endpoint.place, title, "remove it, or remove `trace`"));
    }
}

/// How messages name an endpoint.
fn endpoint_titled(endpoint: &EndpointFile) -> String {
    titled("endpoint", endpoint.name.as_ref().map(|name| name.text.as_str()))
}

/// Refuses steps that are not those of recorded requests, or do not say what a query costs.
fn steps_fit(endpoint: &EndpointFile, recorded: &RecordedFile) -> Result<(), Problem> {
    let Some(steps) = &endpoint.steps else { return Ok(()) };
    let name = endpoint_titled(endpoint);
    let problem = |title: String, way: &str| Err(Problem::at(&endpoint.place, title, way));
    if !alternate(steps) {
        let title = format!(
            "with a trace, the steps of {name} must be compute, query, compute, \
                             ..., compute"
        );
        return problem(title, TIMES_COME_FROM_THE_TRACE);
    }
    let costs: Vec<_> = steps.iter().filter_map(|step| cost(&step.what)).collect();
    if costs.iter().any(|cost| *cost != costs[0]) {
        let title = format!("the queries of {name} do not all cost the same");
        let way = "make them equal: a trace does not tell its queries apart";
        return problem(title, way);
    }
    if costs.is_empty() && recorded.recording().is_some_and(Recording::queries) {
        let title = format!("{name} has no query, and requests of the trace have");
        return problem(title, TIMES_COME_FROM_THE_TRACE);
    }
    Ok(())
}

const TIMES_COME_FROM_THE_TRACE: &str = "write steps = [{ compute = \"5ms\" }, \
    { query = \"5ms\" }, { compute = \"5ms\" }]: how long each takes comes from the trace, and \
    what a query costs beyond its wait from here";

/// Whether the steps are compute, query, compute, ..., compute.
fn alternate(steps: &[StepFile]) -> bool {
    let each = || steps.iter().flat_map(|step| repeat_n(&step.what, step.times as usize));
    let fits = |(index, what): (usize, &What)| match what {
        What::Compute(_) => index % 2 == 0,
        What::Query { .. } => index % 2 == 1,
        What::Call { .. } | What::Cache(_) => false,
    };
    each().count() % 2 == 1 && each().enumerate().all(fits)
}

/// What a query costs beyond its wait.
fn cost(what: &What) -> Option<(&Option<Dist>, &Option<Span>)> {
    match what {
        What::Query { cpu, driver, .. } => Some((cpu, driver)),
        _ => None,
    }
}

/// Refuses a trace of which less than a request is kept, or whose rate is out of range.
fn enough_comes(recorded: &RecordedFile, place: &Place, has_tiers: bool) -> Result<(), Problem> {
    let Some(trace) = recorded.trace() else { return Ok(()) };
    if let Some((keep, place)) = recorded.keep.as_ref().filter(|_| trace.kept() < 1.0) {
        let title = format!("{keep} of {} requests is less than one request", trace.requests.len());
        return Err(Problem::at(place, title, "keep more of them"));
    }
    let rate = trace.rate().get() * recorded.speed();
    if !has_tiers && !(SLOWEST_PER_SECOND..=FASTEST_PER_SECOND).contains(&rate) {
        let title = format!("the trace comes to {rate:.1e} requests a second");
        let way = "check its arrival_s, which are seconds: a rate lies from 1e-6/s to 1e9/s";
        return Err(Problem::at(place, title, way));
    }
    Ok(())
}
