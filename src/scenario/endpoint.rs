//! An `[[endpoint]]` and its steps.

use super::dist::{Folder, dist};
use super::document::{Node, Table, Value};
use super::file::{Named, name};
use super::problem::{Found, Place, Problem};
use super::quantity::{bytes_each, count, number, span};
use super::section::Section;
use crate::site::Dist;
use crate::units::{Bytes, Span};

/// More steps in one request than this are taken for a mistake.
const MOST_STEPS: u32 = 10_000;

const STEP_WAY: &str = "a step is { compute = \"5ms\" }, { query = \"3ms\", times = 4 }, \
    { call = \"80ms\" } or { cache = \"0.5ms\" }";

/// An `[[endpoint]]`.
#[derive(Debug)]
pub(super) struct EndpointFile {
    pub(super) name: Option<Named>,
    pub(super) weight: Option<f64>,
    pub(super) memory: Bytes,
    pub(super) growth: Bytes,
    pub(super) steps: Option<Vec<StepFile>>,
    pub(super) place: Place,
}

/// A step, and how many times it is done.
#[derive(Debug, Clone)]
pub(super) struct StepFile {
    pub(super) times: u32,
    pub(super) what: What,
}

/// What a step does; costs that are not said are the stack's.
#[derive(Debug, Clone)]
pub(super) enum What {
    Compute(Dist),
    Query { wait: Dist, cpu: Option<Dist>, driver: Option<Span> },
    Call { wait: Dist, cpu: Span },
    Cache(Dist),
}

pub(super) fn read(section: &Section<'_>, folder: Folder<'_>) -> EndpointFile {
    EndpointFile {
        name: name(section),
        weight: match section.has("weight") {
            true => section.read("weight", number(0.0, 1e9, false)),
            false => Some(1.0),
        },
        memory: section.read("memory", bytes_each).unwrap_or_default(),
        growth: section.read("growth", bytes_each).unwrap_or_default(),
        steps: steps(section, folder),
        place: section.place().clone(),
    }
}

fn steps(section: &Section<'_>, folder: Folder<'_>) -> Option<Vec<StepFile>> {
    let list = section.need("steps", STEP_WAY, |node| match &node.value {
        Value::List(items) if !items.is_empty() => Ok(items.clone()),
        Value::List(_) => Err(node.problem("a request without a step", STEP_WAY)),
        other => Err(node.problem(format!("expected a list, found {}", other.kind()), STEP_WAY)),
    });
    // All of them are read, whatever is wrong with one.
    let steps: Vec<Option<StepFile>> =
        list?.iter().map(|node| step(node, folder, section.found)).collect();
    let total: u64 = steps.iter().flatten().map(|step| u64::from(step.times)).sum();
    if total > u64::from(MOST_STEPS) {
        let title = format!("{total} steps in one request");
        let way = format!("stay at {MOST_STEPS} or fewer: make fewer, longer steps of them");
        section.found.add(Problem::at(section.place(), title, way));
    }
    steps.into_iter().collect()
}

fn step(node: &Node, folder: Folder<'_>, found: &Found) -> Option<StepFile> {
    let Value::Table(table) = &node.value else {
        let title = format!("expected a step, found {}", node.value.kind());
        found.add(node.problem(title, STEP_WAY));
        return None;
    };
    let section = Section::new(table, "a step", found);
    let compute = section.read("compute", |node| dist(node, folder).map(What::Compute));
    let query = section.read("query", |node| query(node, folder));
    let call = section.read("call", |node| call(node, folder));
    let cache = section.read("cache", |node| dist(node, folder).map(What::Cache));
    let times = match section.has("times") {
        true => section.read("times", count(1, MOST_STEPS)),
        false => Some(1),
    };
    section.done();
    let said: Vec<&str> =
        ["compute", "query", "call", "cache"].into_iter().filter(|key| table.has(key)).collect();
    if said.len() != 1 {
        let title = match said.as_slice() {
            [] => "a step that does nothing".to_owned(),
            several => format!("a step does one thing, not {}", several.join(" and ")),
        };
        found.add(node.problem(title, STEP_WAY));
        return None;
    }
    let what = compute.or(query).or(call).or(cache)?;
    Some(StepFile { times: times?, what })
}

impl Table {
    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }
}

/// Whether the value is a table of parts, not a distribution that is written as a table.
fn parts(node: &Node) -> Option<&Table> {
    match &node.value {
        Value::Table(table) if !table.has("mix") && !table.has("empirical") => Some(table),
        _ => None,
    }
}

fn query(node: &Node, folder: Folder<'_>) -> Result<What, Problem> {
    let Some(table) = parts(node) else {
        return Ok(What::Query { wait: dist(node, folder)?, cpu: None, driver: None });
    };
    let way = "write query = { wait = \"exp(3ms)\", cpu = \"0.2ms\" }";
    let found = Found::default();
    let section = Section::new(table, "a `query`", &found);
    let wait = section.need("wait", way, |node| dist(node, folder));
    let cpu = section.read("cpu", |node| dist(node, folder));
    let driver = section.read("driver", span);
    section.done();
    match (wait, found.into_one()) {
        (Some(wait), None) => Ok(What::Query { wait, cpu, driver }),
        (_, Some(first)) => Err(first),
        (None, None) => Err(node.problem("a query without its wait", way)),
    }
}

fn call(node: &Node, folder: Folder<'_>) -> Result<What, Problem> {
    let Some(table) = parts(node) else {
        return Ok(What::Call { wait: dist(node, folder)?, cpu: Span::ZERO });
    };
    let way = "write call = { wait = \"exp(80ms)\", cpu = \"1ms\" }";
    let found = Found::default();
    let section = Section::new(table, "a `call`", &found);
    let wait = section.need("wait", way, |node| dist(node, folder));
    let cpu = section.read("cpu", span).unwrap_or_default();
    section.done();
    match (wait, found.into_one()) {
        (Some(wait), None) => Ok(What::Call { wait, cpu }),
        (_, Some(first)) => Err(first),
        (None, None) => Err(node.problem("a call without its wait", way)),
    }
}
