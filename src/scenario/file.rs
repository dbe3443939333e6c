//! A scenario as its file says it: every section read, nothing filled in.

use super::dist::Folder;
use super::document::{Node, Table, Value};
use super::endpoint::{self, EndpointFile};
use super::load::{self, TierFile, TrafficFile};
use super::machine::{self, DatabaseFile, FrontFile, PlanFile, SystemFile};
use super::preset::{Preset, Stack};
use super::problem::{Found, Place, Problem};
use super::quantity::{count, seed, share, span, span_above_zero, text};
use super::recorded::{self, RecordedFile};
use super::section::{Section, among};
use super::server::{self, ServerFile};
use crate::experiment::answer::{Effort, Objective};
use crate::units::Span;

/// Everything a scenario file may say; `None` where it does not say it, or says it wrongly.
#[derive(Debug)]
pub(super) struct File {
    pub(super) title: Option<String>,
    pub(super) seed: Option<u64>,
    pub(super) stack: Option<Stack>,
    pub(super) objective: Objective,
    pub(super) plans: Vec<PlanFile>,
    pub(super) servers: Vec<ServerFile>,
    pub(super) database: DatabaseFile,
    pub(super) front: FrontFile,
    pub(super) system: SystemFile,
    pub(super) client: ClientFile,
    pub(super) endpoints: Vec<EndpointFile>,
    pub(super) traffic: TrafficFile,
    pub(super) recorded: RecordedFile,
    pub(super) tiers: Vec<TierFile>,
    pub(super) effort: Option<Effort>,
}

impl File {
    /// The preset of each server's stack, in their order; `None` where one has no stack.
    pub(super) fn presets(&self) -> Option<Vec<Preset>> {
        let stack = |server: &ServerFile| server.stack.or(self.stack);
        self.servers.iter().map(|server| stack(server).map(Preset::of)).collect()
    }
}

/// Reads the document, all of it, whatever is wrong in between.
pub(super) fn read(document: &Table, folder: Folder<'_>, found: &Found) -> File {
    let top = Section::new(document, "a scenario", found);
    let mut recorded = RecordedFile::default();
    let file = File {
        title: top.read("title", named).map(|title| title.text),
        seed: top.read("seed", seed),
        stack: top.read("stack", Stack::read),
        objective: objective(&top),
        plans: list(&top, "plan", "[[plan]] with a name and cores", machine::plan),
        servers: list(&top, "server", "[[server]] with a name, a kind and workers", server::read),
        database: inner(&top, "database", |section| machine::database(section, folder)),
        front: inner(&top, "front", machine::front),
        system: inner(&top, "system", machine::system),
        client: inner(&top, "client", client),
        endpoints: list(&top, "endpoint", "[[endpoint]] with a name and steps", |section| {
            endpoint::read(section, folder)
        }),
        traffic: inner(&top, "traffic", |section| {
            recorded = recorded::read(section, folder);
            load::traffic(section)
        }),
        recorded,
        tiers: tables(&top, "tier", load::tier),
        effort: inner(&top, "run", load::effort),
    };
    stack_given(&top, &file);
    top.done();
    file
}

/// Refuses a file without a stack, which leaves it open what a request costs.
fn stack_given(top: &Section<'_>, file: &File) {
    let unsaid = file.servers.is_empty() || file.servers.iter().any(|each| !each.says_stack);
    if unsaid && !top.has("stack") {
        let way = "say where costs not written here come from: stack = \"django\", \"flask\", \
            \"fastapi\", or \"bare\" for none at all";
        top.lack("stack", "has no `stack`", way);
    }
}

/// `[client]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientFile {
    pub(super) patience: Option<Option<Span>>,
    pub(super) round_trip: Option<Span>,
    pub(super) cpu: Option<Span>,
    pub(super) machine_cores: Option<u32>,
}

fn client(section: &Section<'_>) -> ClientFile {
    if !section.has("cpu") {
        let why = "a client that takes no `cpu` needs no cores";
        section.refuse("machine_cores", why, "remove it, or write its cpu");
    }
    let patience = section.read("patience", limit(span_above_zero));
    ClientFile {
        patience,
        round_trip: section.read("round_trip", |node| match (span(node)?, patience.flatten()) {
            (way, Some(patience)) if way >= patience => {
                let title = format!(
                    "`round_trip` is not shorter than `patience`, {patience}: \
                                     every request would be given up"
                );
                Err(node.problem(title, "write a shorter round trip, or a longer patience"))
            }
            (way, _) => Ok(way),
        }),
        cpu: section.read("cpu", span),
        machine_cores: section.read("machine_cores", count(1, 100_000)),
    }
}

fn objective(top: &Section<'_>) -> Objective {
    inner(top, "objective", |section| Objective {
        p95: section.read("p95", span_above_zero),
        errors: section.read("errors", share),
    })
}

/// The section `[key]`, read by `read`; an absent one is read as an empty one.
fn inner<T>(top: &Section<'_>, key: &'static str, read: impl FnOnce(&Section<'_>) -> T) -> T {
    let empty = Table { place: Place::FILE, entries: Vec::new() };
    let table = top
        .entry(key)
        .and_then(|entry| Section::table_of(&entry.node, top.found, &format!("[{key}]")));
    let section = Section::new(table.as_ref().unwrap_or(&empty), format!("[{key}]"), top.found);
    let value = read(&section);
    section.done();
    value
}

/// The sections `[[key]]`, of which there must be one.
fn list<T>(
    top: &Section<'_>,
    key: &'static str,
    example: &str,
    read: impl Fn(&Section<'_>) -> T,
) -> Vec<T> {
    let items = tables(top, key, read);
    if items.is_empty() && !top.has(key) {
        top.lack(key, &format!("has no `[[{key}]]`"), &format!("add a section {example}"));
    }
    items
}

/// The sections `[[key]]`, each read by `read`.
fn tables<T>(top: &Section<'_>, key: &'static str, read: impl Fn(&Section<'_>) -> T) -> Vec<T> {
    let Some(entry) = top.entry(key) else { return Vec::new() };
    let Value::List(items) = &entry.node.value else {
        let title = format!("expected `[[{key}]]`, found {}", entry.node.value.kind());
        let way = format!("write [[{key}]] with two brackets: there may be several");
        top.found.add(Problem::at(&entry.place, title, way));
        return Vec::new();
    };
    if items.is_empty() {
        let title = format!("`{key}` is an empty list");
        top.found.add(entry.node.problem(title, format!("add a section [[{key}]]")));
    }
    let table = |item: &Node| Section::table_of(item, top.found, &format!("[[{key}]]"));
    items
        .iter()
        .filter_map(|item| {
            let table = table(item)?;
            let name = table.get("name").and_then(|entry| entry.node.text());
            let section = Section::new(&table, titled(key, name), top.found);
            let value = read(&section);
            section.done();
            Some(value)
        })
        .collect()
}

/// How messages name a section of a list: with its name, where it has one.
pub(super) fn titled(key: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("[[{key}]] \"{}\"", name.escape_debug()),
        None => format!("[[{key}]]"),
    }
}

/// Reads a limit: `"none"`, or what `parse` reads.
pub(super) fn limit<T>(
    parse: impl Fn(&Node) -> Result<T, Problem>,
) -> impl Fn(&Node) -> Result<Option<T>, Problem> {
    move |node| match &node.value {
        Value::Text(text) if text == "none" => Ok(None),
        _ => parse(node).map(Some),
    }
}

/// Reads one of several words.
pub(super) fn choice<T: Copy>(
    what: &'static str,
    words: &'static [(&'static str, T)],
) -> impl Fn(&Node) -> Result<T, Problem> {
    move |node| {
        let word = text(node)?;
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).ok_or_else(|| {
            let near = among(&word, &names);
            let way = if near.starts_with("there is") {
                format!("write {}", spoken(&names))
            } else {
                format!("{near} ({what} is {})", spoken(&names))
            };
            node.problem(format!("`{word}` is not {what}"), way)
        })
    }
}

/// `a, b or c`, each in quotes.
fn spoken(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.as_slice() {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        _ => quoted.join(", "),
    }
}

/// A name and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) text: String,
    pub(super) place: Place,
}

/// The `name` of a section.
pub(super) fn name(section: &Section<'_>) -> Option<Named> {
    section.need("name", "give it one: name = \"...\"", named)
}

/// A name: a text without control characters, and not endless.
pub(super) fn named(node: &Node) -> Result<Named, Problem> {
    let text = text(node)?;
    if text.chars().any(char::is_control) {
        let way = "leave out line breaks, tabs and other control characters";
        return Err(node.problem("a name with control characters in it", way));
    }
    if text.chars().count() > 200 {
        return Err(node.problem("a name of more than 200 characters", "choose a shorter one"));
    }
    Ok(Named { text, place: node.place.clone() })
}
