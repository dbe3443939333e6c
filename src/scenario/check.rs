//! The rules that hold between the sections of a file.

use super::document::{Entry, Table, Value};
use super::file::{File, Named};
use super::load::Load;
use super::machine::FrontFile;
use super::preset::Preset;
use super::problem::{Found, Place, Problem};
use super::recorded;
use super::section::among;
use super::server::{ConnectionsFile, How, Kind, ServerFile};
use super::unused;

/// Puts into `found` every rule between the sections that the file breaks. `presets` are those of
/// the servers, where each has one.
pub(super) fn check(file: &File, presets: Option<&[Preset]>, document: &Table, found: &Found) {
    names_are_unique(file, found);
    filters_name_something(file, found);
    workers_work_out(file, found);
    weights_weigh(file, found);
    connections_suit(file, found);
    shared_settings_are_used(document, found);
    conversions_are_used(file, document, found);
    conversions_are_sane(file, found);
    recorded::check(file, found);
    if let Some(presets) = presets {
        nginx_has_numbers(file, presets, document, found);
        unused::check(file, presets, found);
    }
}

fn names_are_unique(file: &File, found: &Found) {
    unique("plan", file.plans.iter().map(|each| &each.name), found);
    unique("server", file.servers.iter().map(|each| &each.name), found);
    unique("endpoint", file.endpoints.iter().map(|each| &each.name), found);
    unique("tier", file.tiers.iter().map(|each| &each.name), found);
}

fn unique<'n>(kind: &str, names: impl Iterator<Item = &'n Option<Named>>, found: &Found) {
    let mut seen: Vec<&str> = Vec::new();
    for name in names.flatten() {
        if seen.contains(&name.text.as_str()) {
            let title = format!("two of [[{kind}]] are named \"{}\"", name.text);
            found.add(Problem::at(&name.place, title, "give each a name of its own"));
        }
        seen.push(&name.text);
    }
}

fn filters_name_something(file: &File, found: &Found) {
    let plans: Vec<&Option<Named>> = file.plans.iter().map(|each| &each.name).collect();
    let servers: Vec<&Option<Named>> = file.servers.iter().map(|each| &each.name).collect();
    for tier in &file.tiers {
        exist("plan", tier.plans.as_deref(), &plans, found);
        exist("server", tier.servers.as_deref(), &servers, found);
    }
}

fn exist(kind: &str, wanted: Option<&[Named]>, names: &[&Option<Named>], found: &Found) {
    if names.iter().any(|name| name.is_none()) {
        return;
    }
    let names: Vec<&str> = names.iter().copied().flatten().map(|name| &*name.text).collect();
    for name in wanted.unwrap_or_default() {
        if !names.contains(&name.text.as_str()) {
            let title = format!("no {kind} is named `{}`", name.text);
            found.add(Problem::at(&name.place, title, among(&name.text, &names)));
        }
    }
}

fn workers_work_out(file: &File, found: &Found) {
    for server in &file.servers {
        let Some(workers) = &server.workers else { continue };
        for plan in &file.plans {
            if let Some(Err(problem)) = workers.on(plan) {
                found.add(problem);
            }
        }
    }
}

fn weights_weigh(file: &File, found: &Found) {
    let weights: Option<Vec<f64>> = file.endpoints.iter().map(|each| each.weight).collect();
    let Some(weights) = weights else { return };
    if !weights.is_empty() && weights.iter().sum::<f64>() <= 0.0 {
        let place = &file.endpoints[0].place;
        let way = "give at least one endpoint a weight above 0";
        found.add(Problem::at(place, "the weights of all endpoints sum to 0", way));
    }
}

fn connections_suit(file: &File, found: &Found) {
    let has_none =
        |server: &&ServerFile| server.kind == Some(Kind::Async) && server.threads.is_none();
    for server in file.servers.iter().filter(has_none) {
        let own = server.numbers.connections.as_ref();
        let Some(connections) = own.or(file.database.connections.as_ref()) else { continue };
        if connections.how == How::Persistent {
            found.add(persistent_async(connections, server.name.as_ref(), own.is_some()));
        }
    }
}

fn persistent_async(connections: &ConnectionsFile, server: Option<&Named>, own: bool) -> Problem {
    let name = server.map_or(String::new(), |name| format!(" (server \"{}\")", name.text));
    let title =
        format!("an async server{name} has no threads to keep a persistent connection each");
    let way = if own {
        "write connections = { pool = 10 } or \"per-request\""
    } else {
        "give that server its own: connections = { pool = 10 } or \"per-request\""
    };
    Problem::at(&connections.place, title, way)
}

/// Settings shared by all servers: section (none: the top), key, and the key by which a server
/// overrides it.
const SHARED: [(Option<&str>, &str, &str); 3] = [
    (None, "stack", "stack"),
    (Some("database"), "connections", "connections"),
    (Some("database"), "latency", "database_latency"),
];

/// Refuses a shared setting that every server overrides. One that only `--set` overrides may stay:
/// to try another value, one need not edit the file.
fn shared_settings_are_used(document: &Table, found: &Found) {
    let servers = document.members("server");
    for (section, key, own) in SHARED {
        let Some(shared) = entry(document, section, key) else { continue };
        let overruled = |server: &&Table| {
            let own = server.get(own);
            own.is_some_and(|own| own.place.is_in_file() || !shared.place.is_in_file())
        };
        if !servers.is_empty() && servers.iter().all(overruled) {
            let title = format!("`{key}` would be ignored: every server has its own `{own}`");
            let way = format!(
                "remove it, or remove `{own}` from a server (--set server.*.{own}=... changes that \
                 of all)"
            );
            found.add(Problem::at(&shared.place, title, way));
        }
    }
}

/// The entry `key` of a section, or of the document itself.
fn entry<'d>(document: &'d Table, section: Option<&str>, key: &str) -> Option<&'d Entry> {
    match section.map(|section| document.get(section).map(|entry| &entry.node.value)) {
        None => document.get(key),
        Some(Some(Value::Table(table))) => table.get(key),
        Some(_) => None,
    }
}

/// Refuses numbers for the conversion of visitors under `[traffic]` where no tier is converted,
/// unless it is `--set` that gives tiers a rate.
fn conversions_are_used(file: &File, document: &Table, found: &Found) {
    for (key, place) in &file.traffic.places {
        if place.is_in_file() && has_another_rate(document) {
            continue;
        }
        let used = file.tiers.iter().any(|tier| {
            let own = tier.traffic.places.iter().any(|(own, _)| own == key);
            !own && !matches!(tier.load, Some(Load::Rate(_)))
        });
        if !used {
            let title = format!("`{key}` would be ignored: no tier has `visitors` that need it");
            found.add(Problem::at(place, title, "remove it, or give a tier `visitors`"));
        }
    }
}

/// Whether `--set` gives a tier its rate.
fn has_another_rate(document: &Table) -> bool {
    let tiers = document.members("tier");
    tiers.iter().any(|tier| tier.get("rate").is_some_and(|entry| !entry.place.is_in_file()))
}

/// Refuses visitors that convert to more requests a second than a rate may be.
fn conversions_are_sane(file: &File, found: &Found) {
    for tier in file.tiers.iter().filter(|tier| tier.load.is_some()) {
        if let (Some(name), None) = (&tier.name, tier.rate(&file.traffic)) {
            let title = format!("tier \"{}\" comes to more than 1e9/s", name.text);
            let way = "check visitors, requests_per_visit and peak";
            found.add(Problem::at(&name.place, title, way));
        }
    }
}

/// Refuses `nginx = true` where neither the file nor the stack of any server says what Nginx costs.
fn nginx_has_numbers(file: &File, presets: &[Preset], document: &Table, found: &Found) {
    let has_numbers = |front: &FrontFile| {
        front.nginx_cpu.is_some() || front.connect_timeout.is_some() || front.read_timeout.is_some()
    };
    let is_bare = |preset: &Preset| !has_numbers(&preset.front);
    let nowhere = !presets.is_empty() && presets.iter().all(is_bare);
    if file.front.nginx == Some(true) && nowhere && !has_numbers(&file.front) {
        let way = "write its nginx_cpu, connect_timeout and read_timeout";
        let title = "`nginx = true` would be ignored: the stack bare has no numbers for it";
        found.add(Problem::at(&front_place(document), title, way));
    }
}

fn front_place(document: &Table) -> Place {
    let nginx = entry(document, Some("front"), "nginx").or(document.get("front"));
    nginx.map_or(Place::FILE, |entry| entry.place.clone())
}
