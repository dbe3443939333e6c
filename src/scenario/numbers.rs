//! The numbers that are in force without being in the file, so that a report can give their sources
//! and say which of them are assumed.

use super::document::{Node, Table, Value};
use super::endpoint::What;
use super::file::File;
use super::preset::{Number, Preset, Stack};
use super::server::{Kind, ServerFile};
use crate::experiment::answer::Visits;

/// The numbers in force that are not in the file, each once, with the servers it is for.
pub(super) fn in_force(file: &File, document: &Table, presets: &[Preset]) -> Vec<Number> {
    let mut numbers = conversions(file);
    let written = match document.get("server").map(|entry| &entry.node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    for ((server, preset), written) in file.servers.iter().zip(presets).zip(written) {
        let one = OneServer { file, document, server, written };
        for (section, number) in &preset.numbers {
            let general = section == "server" && one.is_said_of_its_kind(preset, number.name());
            if !general && one.leaves_to_preset(section, number.name()) {
                put(&mut numbers, number, server);
            }
        }
    }
    numbers.extend(request_memory(file, document, presets));
    for number in &mut numbers {
        if number.servers.len() == file.servers.len() {
            number.servers.clear();
        }
    }
    numbers
}

/// Adds `number` for `server`; where it is there already, only the server.
fn put(numbers: &mut Vec<Number>, number: &Number, server: &ServerFile) {
    let Some(name) = server.name.as_ref().map(|name| name.text.clone()) else { return };
    let same = |each: &&mut Number| {
        (&each.key, &each.value, &each.source) == (&number.key, &number.value, &number.source)
    };
    match numbers.iter_mut().find(same) {
        Some(known) => {
            known.servers.push(name);
            known.stack = if known.stack == number.stack { known.stack } else { ANY };
        }
        None => numbers.push(Number { servers: vec![name], ..number.clone() }),
    }
}

/// The stack of a number that is the same in several.
const ANY: &str = "any";

/// One server, as read and as written.
struct OneServer<'a> {
    file: &'a File,
    document: &'a Table,
    server: &'a ServerFile,
    written: &'a Node,
}

impl OneServer<'_> {
    /// Whether the number `key` of a preset's `section` is in force: the file does not override it,
    /// and it has an effect.
    fn leaves_to_preset(&self, section: &str, key: &str) -> bool {
        let own = |key: &str| has(self.written, key);
        let shared = |section: &str, key: &str| {
            self.document.get(section).is_some_and(|entry| has(&entry.node, key))
        };
        let said = match (section, key) {
            ("server", "connections") => own(key) || shared("database", key),
            ("server" | "threads" | "async", _) => own(key),
            ("plan", _) => self.every_plan_has(key),
            ("database", "latency") => own("database_latency") || shared(section, key),
            _ => shared(section, key),
        };
        !said && self.concerns(section, key)
    }

    /// Whether `preset` has a number for servers of this kind, which overrides its general one.
    fn is_said_of_its_kind(&self, preset: &Preset, key: &str) -> bool {
        let mut numbers = preset.numbers.iter();
        numbers.any(|(section, number)| {
            matches!(&**section, "threads" | "async")
                && number.name() == key
                && self.concerns(section, key)
        })
    }

    fn every_plan_has(&self, key: &str) -> bool {
        match self.document.get("plan").map(|entry| &entry.node.value) {
            Some(Value::List(plans)) => plans.iter().all(|plan| has(plan, key)),
            _ => false,
        }
    }

    /// Whether a number of a preset has any effect on this server.
    fn concerns(&self, section: &str, key: &str) -> bool {
        let kind = self.server.kind;
        let mut steps = self.file.endpoints.iter().flat_map(|each| &each.steps).flatten();
        match (section, key) {
            ("threads" | "async", "accept_bias") if self.server.per_process => false,
            ("threads", _) => kind == Some(Kind::Threads),
            ("async", _) => kind == Some(Kind::Async),
            ("server", "timeout") => kind == Some(Kind::Sync),
            ("server", "cache_cpu") => steps.any(|step| matches!(step.what, What::Cache(_))),
            ("front", "nginx_cpu" | "connect_timeout" | "read_timeout") => {
                self.file.front.nginx != Some(false)
            }
            _ => true,
        }
    }
}

fn has(node: &Node, key: &str) -> bool {
    matches!(&node.value, Value::Table(table) if table.get(key).is_some())
}

/// That requests hold no memory, where there is some to run out of and no endpoint says how much.
fn request_memory(file: &File, document: &Table, presets: &[Preset]) -> Option<Number> {
    let limited = |plan: &Node| has(plan, "memory");
    let any = |section: &str, of: &dyn Fn(&Node) -> bool| match document.get(section) {
        Some(entry) => matches!(&entry.node.value, Value::List(items) if items.iter().any(of)),
        None => false,
    };
    let textbook = presets.iter().all(|preset| preset.stack == Stack::Bare);
    if textbook || !any("plan", &limited) || any("endpoint", &|it| has(it, "memory")) {
        return None;
    }
    let source = "no endpoint says what a request in flight holds beyond its worker's memory";
    Some(Number {
        stack: ANY,
        servers: file
            .servers
            .iter()
            .filter_map(|it| Some(it.name.as_ref()?.text.clone()))
            .collect(),
        key: "endpoint.*.memory".to_owned(),
        value: "0MB".to_owned(),
        source: source.to_owned(),
        assumed: true,
    })
}

/// The numbers for converting visitors, where they are needed and the file does not give them.
fn conversions(file: &File) -> Vec<Number> {
    let assumed = |key: &str, value: f64, source: &str| Number {
        stack: ANY,
        servers: Vec::new(),
        key: format!("traffic.{key}"),
        value: value.to_string(),
        source: source.to_owned(),
        assumed: true,
    };
    let converted: Vec<_> = file.tiers.iter().filter(|tier| tier.is_converted()).collect();
    let mut numbers = Vec::new();
    let silent = file.traffic.requests_per_visit.is_none();
    if silent && converted.iter().any(|tier| tier.traffic.requests_per_visit.is_none()) {
        let source = "section 11: dynamic requests per page view are 1-10, the application decides";
        numbers.push(assumed("requests_per_visit", Visits::ASSUMED.requests, source));
    }
    let silent = file.traffic.peak.is_none();
    if silent && converted.iter().any(|tier| tier.traffic.peak.is_none()) {
        let source = "section 11: the peak hour is 2.5-3 times the day's mean, unverified";
        numbers.push(assumed("peak", Visits::ASSUMED.peak, source));
    }
    numbers
}
