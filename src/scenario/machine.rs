//! The sections about machines: plans, what lives on them, the database, and the front.

use super::dist::{Folder, dist};
use super::document::{Node, Value};
use super::file::{Named, choice, limit, name};
use super::problem::{Found, Problem};
use super::quantity::{
    bytes, bytes_above_zero, bytes_each, count, number, span, span_above_zero, yes,
};
use super::section::Section;
use super::server::{ConnectionsFile, connections};
use super::unused::Places;
use crate::site::{Database, Dist, Listen, Resident};
use crate::units::{Bytes, Span};

/// More cores than this are taken for a mistake.
const MOST_CORES: u32 = 4_096;

/// A `[[plan]]`.
#[derive(Debug)]
pub(super) struct PlanFile {
    pub(super) name: Option<Named>,
    pub(super) cores: Option<u32>,
    pub(super) memory: Option<Bytes>,
    pub(super) price: Option<f64>,
    pub(super) speed: Option<f64>,
    pub(super) slice: Option<Span>,
    pub(super) cold_start: Option<Span>,
    pub(super) numbers: PlanNumbers,
    pub(super) places: Places,
}

/// The keys of a plan that a preset may have as well: how code goes cold, and for how long the
/// kernel thrashes before it kills.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PlanNumbers {
    pub(super) cold_code: Option<f64>,
    pub(super) cold_after: Option<Span>,
    pub(super) thrashing: Option<Span>,
}

/// `[database]`.
#[derive(Debug, Default, Clone)]
pub(super) struct DatabaseFile {
    pub(super) max_connections: Option<Option<u32>>,
    pub(super) latency: Option<Span>,
    pub(super) memory: Option<Bytes>,
    pub(super) query_cpu: Option<Dist>,
    pub(super) connect_cpu: Option<Span>,
    pub(super) connect_wait: Option<Span>,
    pub(super) close_cpu: Option<Span>,
    pub(super) unused_close_cpu: Option<Span>,
    pub(super) reset_cpu: Option<Span>,
    pub(super) wait_step: Option<Span>,
    pub(super) refusal_cpu: Option<Span>,
    pub(super) connection_memory: Option<Bytes>,
    pub(super) largest_process: Option<Bytes>,
    pub(super) recovery: Option<Span>,
    pub(super) host: Option<HostFile>,
    pub(super) connections: Option<ConnectionsFile>,
}

/// `[database] host`.
#[derive(Debug, Clone)]
pub(super) struct HostFile {
    pub(super) cores: u32,
    pub(super) memory: Option<Bytes>,
    pub(super) speed: Option<f64>,
    pub(super) round_trip: Option<Span>,
}

/// `[front]`.
#[derive(Debug, Default, Clone)]
pub(super) struct FrontFile {
    pub(super) listen: Option<Listen>,
    pub(super) backlog: Option<Option<u32>>,
    pub(super) nginx: Option<bool>,
    pub(super) nginx_cpu: Option<Span>,
    pub(super) connect_timeout: Option<Option<Span>>,
    pub(super) read_timeout: Option<Option<Span>>,
}

/// `[system]`.
#[derive(Debug, Default, Clone)]
pub(super) struct SystemFile {
    pub(super) memory: Option<Bytes>,
    pub(super) redis: Option<Bytes>,
    pub(super) celery: Option<Resident>,
}

pub(super) fn plan(section: &Section<'_>) -> PlanFile {
    let plan = PlanFile {
        name: name(section),
        cores: section.need("cores", "say how many it has: cores = 2", count(1, MOST_CORES)),
        memory: section.read("memory", bytes_above_zero),
        price: section.read("price", number(0.0, 1e9, false)),
        speed: section.read("speed", number(0.01, 100.0, false)),
        slice: section.read("slice", span_above_zero),
        cold_start: section.read("cold_start", span),
        numbers: numbers(section),
        // Without slices `cold_start` is refused below.
        places: match section.has("slice") {
            true => section.places(&["cold_start", "cold_code"]),
            false => section.places(&["cold_code"]),
        },
    };
    if !section.has("slice") {
        let why = "without `slice` cores are shared fairly, and none goes cold alone";
        let way = "add how long a task runs at a time: slice = \"2ms\"";
        section.refuse("cold_start", why, way);
    }
    if !section.has("memory") {
        let why = "without a limit memory never runs out";
        section.refuse("thrashing", why, "add how much there is: memory = \"2GB\"");
    }
    plan
}

/// The keys that a preset may have as well.
pub(super) fn numbers(section: &Section<'_>) -> PlanNumbers {
    PlanNumbers {
        cold_code: section.read("cold_code", number(0.0, 100.0, false)),
        cold_after: section.read("cold_after", span_above_zero),
        thrashing: section.read("thrashing", span),
    }
}

pub(super) fn database(section: &Section<'_>, folder: Folder<'_>) -> DatabaseFile {
    DatabaseFile {
        max_connections: section.read("max_connections", limit(max_connections)),
        latency: section.read("latency", span),
        memory: section.read("memory", bytes),
        query_cpu: section.read("query_cpu", |node| dist(node, folder)),
        connect_cpu: section.read("connect_cpu", span),
        connect_wait: section.read("connect_wait", span),
        close_cpu: section.read("close_cpu", span),
        unused_close_cpu: section.read("unused_close_cpu", span),
        reset_cpu: section.read("reset_cpu", span),
        wait_step: section.read("wait_step", span),
        refusal_cpu: section.read("refusal_cpu", span),
        connection_memory: section.read("connection_memory", bytes_each),
        largest_process: section.read("largest_process", bytes_each),
        recovery: section.read("recovery", span),
        host: section.read("host", host),
        connections: section.read("connections", connections),
    }
}

/// `max_connections`, which must be more than PostgreSQL reserves.
fn max_connections(node: &Node) -> Result<u32, Problem> {
    let reserved = Database::RESERVED_CONNECTIONS;
    let connections = count(0, 1_000_000)(node)?;
    if connections <= reserved {
        let title = format!("`{connections}` connections leave none for the application");
        let way = format!(
            "PostgreSQL keeps {reserved} of them for the administrator: write {} or more",
            reserved + 1
        );
        return Err(node.problem(title, way));
    }
    Ok(connections)
}

fn host(node: &Node) -> Result<HostFile, Problem> {
    let example = "{ cores = 2, memory = \"4GB\", round_trip = \"0.5ms\" }";
    let Value::Table(table) = &node.value else {
        let title = format!("expected a table, found {}", node.value.kind());
        return Err(node.problem(title, format!("write host = {example}")));
    };
    let found = Found::default();
    let section = Section::new(table, "the database's `host`", &found);
    let cores = section.need("cores", &format!("write host = {example}"), count(1, MOST_CORES));
    let memory = section.read("memory", bytes_above_zero);
    let speed = section.read("speed", number(0.01, 100.0, false));
    let round_trip = section.read("round_trip", span);
    section.done();
    match (cores, found.into_one()) {
        (Some(cores), None) => Ok(HostFile { cores, memory, speed, round_trip }),
        (_, Some(first)) => Err(first),
        (None, None) => Err(node.problem("a host without cores", format!("write {example}"))),
    }
}

pub(super) fn front(section: &Section<'_>) -> FrontFile {
    let front = FrontFile {
        listen: section.read(
            "listen",
            choice("a way to listen", &[("tcp", Listen::Tcp), ("unix", Listen::Unix)]),
        ),
        backlog: section.read("backlog", limit(count(0, 1_000_000))),
        nginx: section.read("nginx", yes),
        nginx_cpu: section.read("nginx_cpu", span),
        connect_timeout: section.read("connect_timeout", limit(span_above_zero)),
        read_timeout: section.read("read_timeout", limit(span_above_zero)),
    };
    if front.nginx == Some(false) {
        let why = "`nginx = false` leaves Nginx out";
        for key in ["nginx_cpu", "connect_timeout", "read_timeout"] {
            section.refuse(key, why, "remove it, or remove `nginx = false`");
        }
    }
    front
}

pub(super) fn system(section: &Section<'_>) -> SystemFile {
    SystemFile {
        memory: section.read("memory", bytes),
        redis: section.read("redis", bytes_each),
        celery: section.read("celery", celery),
    }
}

fn celery(node: &Node) -> Result<Resident, Problem> {
    let way = "write celery = { children = 2, memory = \"60MB\" }";
    let Value::Table(table) = &node.value else {
        let title = format!("expected a table, found {}", node.value.kind());
        return Err(node.problem(title, way));
    };
    let found = Found::default();
    let section = Section::new(table, "`celery`", &found);
    let children = section.need("children", way, count(1, 10_000));
    let memory = section.need("memory", way, bytes_each);
    section.done();
    match (children, memory, found.into_one()) {
        (Some(count), Some(memory), None) => {
            Ok(Resident { name: "celery child".to_owned(), count, memory, killable: true })
        }
        (_, _, Some(first)) => Err(first),
        _ => Err(node.problem("celery needs children and memory", way)),
    }
}
