//! Keys that would be ignored because of another section, or of a stack.

use super::file::File;
use super::machine::PlanFile;
use super::preset::Preset;
use super::problem::{Found, Place, Problem};
use super::server::{How, ServerFile};

/// Where each of some keys of a section stands.
pub(super) type Places = Vec<(&'static str, Place)>;

/// Puts into `found` every such key. `presets` are those of the servers.
pub(super) fn check(file: &File, presets: &[Preset], found: &Found) {
    for (server, preset) in file.servers.iter().zip(presets) {
        connections_use(file, server, preset, found);
        memory_holds(server, preset, found);
        own_code_goes_cold(file, server, preset, found);
    }
    for plan in &file.plans {
        cooling_has_a_time(plan, presets, found);
    }
}

fn refuse(places: &Places, key: &str, why: &str, way: &str, found: &Found) {
    if let Some((_, place)) = places.iter().find(|(name, _)| *name == key) {
        let title = format!("`{key}` would be ignored: {why}");
        found.add(Problem::at(place, title, way));
    }
}

/// Keys of a server that do not go with how it connects. They may stay where `--set` has changed
/// that: they went with what the file says.
fn connections_use(file: &File, server: &ServerFile, preset: &Preset, found: &Found) {
    let Some(kind) = server.kind else { return };
    let own = server.numbers.connections.as_ref().or(file.database.connections.as_ref());
    if own.is_some_and(|connections| !connections.place.is_in_file()) {
        return;
    }
    let usual = preset.server_numbers(kind).connections;
    match own.or(usual.as_ref()).map(|connections| connections.how) {
        Some(How::Pool { .. }) => {
            let why = "a pool has its own `hold`";
            let way = "remove it, or write connections = \"per-request\"";
            refuse(&server.places, "connection_ends", why, way, found);
        }
        _ if server.numbers.opens_pool == Some(true) => {
            let way = "remove it, or write connections = { pool = 10 }";
            refuse(&server.places, "opens_pool", "there is no pool to open", way, found);
        }
        _ => {}
    }
}

/// Refuses memory at boot or of the first request that is more than a worker holds in the end.
fn memory_holds(server: &ServerFile, preset: &Preset, found: &Found) {
    let Some(kind) = server.kind else { return };
    let usual = preset.server_numbers(kind).worker_memory;
    let worker = server.numbers.worker_memory.or(usual).unwrap_or_default();
    let first = server.first_request_memory.unwrap_or_default();
    let rest = worker.saturating_sub(first);
    let (key, written, room, what) = if first > worker {
        ("first_request_memory", first, worker, "")
    } else if server.boot_memory.is_some_and(|boot| boot > rest) {
        let what = if rest == worker { "" } else { " before its first request" };
        ("boot_memory", server.boot_memory.unwrap_or_default(), rest, what)
    } else {
        return;
    };
    if let Some((_, place)) = server.places.iter().find(|(name, _)| *name == key) {
        let title = format!("`{key}` is {written}, and a worker holds {room}{what}");
        let way = format!("write {room} or less, or a larger worker_memory");
        found.add(Problem::at(place, title, way));
    }
}

/// Why nothing goes cold, and what to do about it.
const NEVER_COLD: (&str, &str) =
    ("without `cold_after` nothing goes cold", "add over what time: cold_after = \"8ms\"");

/// Refuses a server's `cold_code` where nothing says over what time code goes cold.
fn own_code_goes_cold(file: &File, server: &ServerFile, preset: &Preset, found: &Found) {
    let plans_say = file.plans.iter().any(|plan| plan.numbers.cold_after.is_some());
    if !plans_say && preset.plan.cold_after.is_none() {
        let (why, way) = ("without a plan's `cold_after` nothing goes cold", NEVER_COLD.1);
        refuse(&server.places, "cold_code", why, way, found);
    }
}

/// Refuses a plan's `cold_start` and `cold_code` where neither the plan nor the stack of any server
/// says over what time things go cold.
fn cooling_has_a_time(plan: &PlanFile, presets: &[Preset], found: &Found) {
    let stacks_say = presets.iter().any(|preset| preset.plan.cold_after.is_some());
    if plan.numbers.cold_after.is_some() || stacks_say {
        return;
    }
    let (why, way) = NEVER_COLD;
    for key in ["cold_start", "cold_code"] {
        refuse(&plan.places, key, why, way, found);
    }
}
