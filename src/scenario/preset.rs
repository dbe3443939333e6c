//! The stacks: for every cost that a scenario does not write, a number and its source.

use super::document::{Node, Table, Value, parse};
use super::file::choice;
use super::machine::{self, DatabaseFile, FrontFile, PlanNumbers, SystemFile};
use super::problem::{Found, Problem};
use super::section::Section;
use super::server::{self, Kind, ServerNumbers};

/// A stack whose costs are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// No cost, no limit, no memory that is not written.
    Bare,
    /// Django with its ORM.
    Django,
    /// Flask with SQLAlchemy.
    Flask,
    /// FastAPI with asyncpg.
    FastApi,
}

const STACKS: &[(&str, Stack)] = &[
    ("bare", Stack::Bare),
    ("django", Stack::Django),
    ("flask", Stack::Flask),
    ("fastapi", Stack::FastApi),
];

impl Stack {
    /// All of them.
    pub const ALL: [Stack; 4] = [Stack::Bare, Stack::Django, Stack::Flask, Stack::FastApi];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Stack::Bare => "bare",
            Stack::Django => "django",
            Stack::Flask => "flask",
            Stack::FastApi => "fastapi",
        }
    }

    pub(super) fn read(node: &Node) -> Result<Stack, Problem> {
        choice("a stack", STACKS)(node)
    }

    fn text(self) -> &'static str {
        match self {
            Stack::Bare => include_str!("presets/bare.toml"),
            Stack::Django => include_str!("presets/django.toml"),
            Stack::Flask => include_str!("presets/flask.toml"),
            Stack::FastApi => include_str!("presets/fastapi.toml"),
        }
    }
}

/// A number of a stack, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// The stack; `any` where several say the same.
    pub stack: &'static str,
    /// The servers it is in force for; empty: all of them.
    pub servers: Vec<String>,
    /// The key by which a scenario overrides it: `server.request_cpu`.
    pub key: String,
    /// The number, as the preset writes it.
    pub value: String,
    /// Where it comes from, or why it was assumed.
    pub source: String,
    /// Whether it was assumed: no source gives it.
    pub assumed: bool,
}

impl Number {
    /// The last part of its key.
    pub(super) fn name(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or_default()
    }
}

/// The costs and limits of a stack.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) stack: Stack,
    pub(super) plan: PlanNumbers,
    pub(super) server: ServerNumbers,
    pub(super) threads: ServerNumbers,
    pub(super) asynchronous: ServerNumbers,
    pub(super) database: DatabaseFile,
    pub(super) front: FrontFile,
    pub(super) system: SystemFile,
    /// Section, and the number.
    pub(super) numbers: Vec<(String, Number)>,
}

impl Preset {
    /// The preset of a stack. The presets are part of the program, and a test reads them all.
    pub(super) fn of(stack: Stack) -> Preset {
        let found = Found::default();
        let document = parse(stack.text(), 0, &found);
        let mut numbers = Vec::new();
        let [server, threads, asynchronous, database, front, system, plan] =
            ["server", "threads", "async", "database", "front", "system", "plan"]
                .map(|key| plain(&document, key, stack, &mut numbers));
        let section = |table| Section::new(table, "a preset", &found);
        let preset = Preset {
            stack,
            plan: read(section(&plan), machine::numbers),
            server: read(section(&server), server::numbers),
            threads: read(section(&threads), server::numbers),
            asynchronous: read(section(&asynchronous), server::numbers),
            database: read(section(&database), |section| machine::database(section, None)),
            front: read(section(&front), machine::front),
            system: read(section(&system), machine::system),
            numbers,
        };
        assert!(found.is_empty(), "the preset {} reads without a problem", stack.name());
        preset
    }

    /// The numbers for a server of that kind.
    pub(super) fn server_numbers(&self, kind: Kind) -> ServerNumbers {
        match kind {
            Kind::Sync => self.server.clone(),
            Kind::Threads => self.threads.clone().or(&self.server),
            Kind::Async => self.asynchronous.clone().or(&self.server),
        }
    }
}

fn read<T>(section: Section<'_>, read: impl FnOnce(&Section<'_>) -> T) -> T {
    let value = read(&section);
    section.done();
    value
}

/// A section of a preset without the sources, which go to `numbers`.
fn plain(document: &Table, key: &str, stack: Stack, numbers: &mut Vec<(String, Number)>) -> Table {
    let entry = document.get(key).map(|entry| &entry.node.value);
    let Some(Value::Table(table)) = entry else {
        return Table { place: document.place.clone(), entries: Vec::new() };
    };
    let mut plain = table.clone();
    for entry in &mut plain.entries {
        let Value::Table(parts) = entry.node.value.clone() else { continue };
        let said = |key: &str| parts.get(key).map(|part| part.node.clone());
        let text = |key: &str| match said(key).map(|node| node.value) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        let assumed = text("assumed");
        numbers.push((
            key.to_owned(),
            Number {
                stack: stack.name(),
                servers: Vec::new(),
                key: format!("{}.{}", owner(key), entry.key),
                value: said("is").map(|node| written(&node)).unwrap_or_default(),
                source: assumed.clone().or_else(|| text("from")).unwrap_or_default(),
                assumed: assumed.is_some(),
            },
        ));
        if let Some(node) = said("is") {
            entry.node = node;
        }
    }
    plain
}

/// The section of a scenario that a section of a preset belongs to.
fn owner(section: &str) -> &str {
    match section {
        "threads" | "async" => "server",
        other => other,
    }
}

/// A value as it is written.
fn written(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::Whole(number) => number.to_string(),
        Value::Number(number, _) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Date => "a date".to_owned(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => {
            let parts =
                table.entries.iter().map(|each| format!("{} = {}", each.key, written(&each.node)));
            format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_reads_and_every_number_of_it_names_its_source() {
        for stack in Stack::ALL {
            let preset = Preset::of(stack);
            assert_eq!(preset.stack, stack);
            for (_, number) in &preset.numbers {
                assert!(!number.source.is_empty() && !number.value.is_empty(), "{number:?}");
            }
        }
    }

    #[test]
    fn django_costs_what_was_measured() {
        let preset = Preset::of(Stack::Django);
        let numbers = preset.server_numbers(Kind::Threads);
        assert_eq!(numbers.request_cpu, Some(crate::units::Span::from_micros(360)));
        assert_eq!(numbers.worker_connections, Some(Some(1000)));
        assert_eq!(preset.server_numbers(Kind::Sync).worker_connections, None);
    }
}
