//! A `[[server]]`: its kind, its workers, and how it connects to the database.

use super::arithmetic::{Names, evaluate, judge};
use super::document::{Node, Value};
use super::file::{Named, choice, limit, name};
use super::machine::PlanFile;
use super::preset::Stack;
use super::problem::{Found, Place, Problem};
use super::quantity::{bytes_each, count, number, span, span_above_zero, text, yes};
use super::section::Section;
use super::unused::Places;
use crate::site::{Hold, OnOom, WorkerKind};
use crate::units::{Bytes, Span};

/// More workers than this are taken for a mistake.
const MOST_WORKERS: u32 = 100_000;

/// The three ways a Python server works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sync,
    Threads,
    Async,
}

/// A `[[server]]`.
#[derive(Debug)]
pub(super) struct ServerFile {
    pub(super) name: Option<Named>,
    pub(super) kind: Option<Kind>,
    pub(super) stack: Option<Stack>,
    /// Whether a stack is written, be it a wrong one.
    pub(super) says_stack: bool,
    pub(super) workers: Option<Workers>,
    pub(super) threads: Option<u32>,
    pub(super) limit_concurrency: Option<u32>,
    pub(super) per_process: bool,
    pub(super) on_oom: Option<OnOom>,
    pub(super) database_latency: Option<Span>,
    pub(super) connection_ends: Option<Hold>,
    pub(super) linger: Option<Span>,
    pub(super) reset_cpu: Option<Span>,
    pub(super) keeps_memory: Option<bool>,
    pub(super) boot_memory: Option<Bytes>,
    pub(super) first_request_cpu: Option<Span>,
    pub(super) first_request_memory: Option<Bytes>,
    pub(super) touch_cpu: Option<Span>,
    pub(super) herd_cpu: Option<Span>,
    pub(super) exit_cpu: Option<Span>,
    pub(super) supervisor: Option<OnOom>,
    pub(super) numbers: ServerNumbers,
    pub(super) places: Places,
}

/// The keys of a server that a preset may have as well.
#[derive(Debug, Default, Clone)]
pub(super) struct ServerNumbers {
    pub(super) worker_memory: Option<Bytes>,
    pub(super) boot: Option<Span>,
    pub(super) request_cpu: Option<Span>,
    pub(super) query_cpu: Option<Span>,
    pub(super) connect_cpu: Option<Span>,
    pub(super) cache_cpu: Option<Span>,
    pub(super) accept_bias: Option<f64>,
    pub(super) switch_interval: Option<Span>,
    pub(super) dispatch_cpu: Option<Span>,
    pub(super) answer_cpu: Option<Span>,
    pub(super) finish_cpu: Option<Span>,
    pub(super) worker_connections: Option<Option<u32>>,
    pub(super) connections: Option<ConnectionsFile>,
    pub(super) opens_pool: Option<bool>,
    pub(super) timeout: Option<Option<Span>>,
    pub(super) cold_code: Option<f64>,
}

impl ServerNumbers {
    /// These numbers; those that are missing are taken from `other`.
    pub(super) fn or(self, other: &ServerNumbers) -> ServerNumbers {
        ServerNumbers {
            worker_memory: self.worker_memory.or(other.worker_memory),
            boot: self.boot.or(other.boot),
            request_cpu: self.request_cpu.or(other.request_cpu),
            query_cpu: self.query_cpu.or(other.query_cpu),
            connect_cpu: self.connect_cpu.or(other.connect_cpu),
            cache_cpu: self.cache_cpu.or(other.cache_cpu),
            accept_bias: self.accept_bias.or(other.accept_bias),
            switch_interval: self.switch_interval.or(other.switch_interval),
            dispatch_cpu: self.dispatch_cpu.or(other.dispatch_cpu),
            answer_cpu: self.answer_cpu.or(other.answer_cpu),
            finish_cpu: self.finish_cpu.or(other.finish_cpu),
            worker_connections: self.worker_connections.or(other.worker_connections),
            connections: self.connections.or_else(|| other.connections.clone()),
            opens_pool: self.opens_pool.or(other.opens_pool),
            timeout: self.timeout.or(other.timeout),
            cold_code: self.cold_code.or(other.cold_code),
        }
    }
}

/// How many workers: a number, or arithmetic on the plan.
#[derive(Debug, Clone)]
pub(super) enum Workers {
    Number(u32),
    Formula(String, Place),
}

impl Workers {
    /// As it is written in the file.
    pub(super) fn written(&self) -> String {
        match self {
            Workers::Number(number) => number.to_string(),
            Workers::Formula(text, _) => text.clone(),
        }
    }

    /// How many workers that is on `plan`; `None` where the plan does not say its cores.
    pub(super) fn on(&self, plan: &PlanFile) -> Option<Result<u32, Problem>> {
        let (text, place) = match self {
            Workers::Number(number) => return Some(Ok(*number)),
            Workers::Formula(text, place) => (text, place),
        };
        let names = Names {
            cores: f64::from(plan.cores?),
            memory_gb: plan.memory.map(|memory| memory.as_mib() / 1024.0),
        };
        let plan = plan.name.as_ref()?;
        Some(
            evaluate_on(text, names, &plan.text)
                .map_err(|(title, way)| Problem::at(place, title, way)),
        )
    }
}

const WORKERS_WAY: &str = "write a number, or arithmetic with cores and memory_gb, as in \
    \"2*cores+1\" or \"min(2*cores+1, memory_gb*4)\"";

fn evaluate_on(text: &str, names: Names, plan: &str) -> Result<u32, (String, String)> {
    let value = evaluate(text, names).map_err(|why| {
        (format!("cannot work out `{text}` for plan \"{plan}\": {why}"), WORKERS_WAY.into())
    })?;
    if !value.is_finite() {
        let title = format!("`{text}` gives no number for plan \"{plan}\"");
        return Err((title, WORKERS_WAY.into()));
    }
    if value < 1.0 {
        let title = format!("`{text}` gives {} workers for plan \"{plan}\"", short(value.floor()));
        return Err((title, format!("a server needs a worker: write \"max(1, {text})\"")));
    }
    if value > f64::from(MOST_WORKERS) {
        let title = format!("`{text}` gives {} workers for plan \"{plan}\"", short(value));
        return Err((title, format!("stay below {MOST_WORKERS}")));
    }
    Ok(value.floor() as u32)
}

/// A number in digits, as far as anybody would read them all.
fn short(value: f64) -> String {
    if value.abs() < 1e15 { value.to_string() } else { format!("{value:e}") }
}

/// How a server connects to the database, as written.
#[derive(Debug, Clone)]
pub(super) struct ConnectionsFile {
    pub(super) how: How,
    pub(super) place: Place,
}

/// The ways to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Persistent,
    PerRequest,
    Pool { size: u32, overflow: u32, timeout: Option<Span>, hold: Hold },
}

pub(super) fn read(section: &Section<'_>) -> ServerFile {
    let kind = section.need("kind", "write kind = \"sync\", \"threads\" or \"async\"", kind);
    let server = ServerFile {
        name: name(section),
        kind,
        stack: section.read("stack", Stack::read),
        says_stack: section.has("stack"),
        workers: section.need(
            "workers",
            "say how many processes: workers = 3, or workers = \"2*cores+1\"",
            workers,
        ),
        threads: section.read("threads", count(1, WorkerKind::MOST_THREADS)),
        limit_concurrency: section.read("limit_concurrency", limit_concurrency),
        per_process: section.read("accept", choice("a way to accept", ACCEPTS)).unwrap_or(false),
        on_oom: section.read("on_oom", choice("a policy", POLICIES)),
        database_latency: section.read("database_latency", span),
        linger: section.read("linger", span),
        reset_cpu: section.read("reset_cpu", span),
        keeps_memory: section.read("keeps_memory", yes),
        boot_memory: section.read("boot_memory", bytes_each),
        first_request_cpu: section.read("first_request_cpu", span),
        first_request_memory: section.read("first_request_memory", bytes_each),
        touch_cpu: section.read("touch_cpu", span),
        herd_cpu: section.read("herd_cpu", span),
        exit_cpu: section.read("exit_cpu", span),
        supervisor: section.read("supervisor", choice("a supervisor", SUPERVISORS)),
        connection_ends: section.read("connection_ends", choice("an end", ENDS)),
        numbers: numbers(section),
        places: section.places(AT_OTHERS_MERCY),
    };
    ignored_keys(section, &server);
    server
}

/// The keys that a preset may have as well.
pub(super) fn numbers(section: &Section<'_>) -> ServerNumbers {
    ServerNumbers {
        worker_memory: section.read("worker_memory", bytes_each),
        boot: section.read("boot", span),
        request_cpu: section.read("request_cpu", span),
        query_cpu: section.read("query_cpu", span),
        connect_cpu: section.read("connect_cpu", span),
        cache_cpu: section.read("cache_cpu", span),
        accept_bias: section.read("accept_bias", number(0.0, 1.0, true)),
        switch_interval: section.read("switch_interval", span_above_zero),
        dispatch_cpu: section.read("dispatch_cpu", span),
        answer_cpu: section.read("answer_cpu", span),
        finish_cpu: section.read("finish_cpu", span),
        worker_connections: section.read("worker_connections", limit(count(1, 1_000_000))),
        connections: section.read("connections", connections),
        opens_pool: section.read("opens_pool", yes),
        timeout: section.read("timeout", limit(span_above_zero)),
        cold_code: section.read("cold_code", number(0.0, 100.0, false)),
    }
}

/// Refuses keys that the server has no use for, and asks for `threads` where they are missing.
fn ignored_keys(section: &Section<'_>, server: &ServerFile) {
    let Some(kind) = server.kind else { return };
    thread_keys(section, kind);
    keys_of_one_kind(section, kind);
    accept_keys(section, kind, server.per_process);
    if server.on_oom == Some(OnOom::Stop) {
        let why = "with on_oom = \"stop\" nothing starts again";
        section.refuse("supervisor", why, "remove it, or write on_oom = \"respawn\"");
    }
    threads_fill(section, server);
}

/// Whether `--set` has changed this key. If so, keys that went with the file's value may stay.
fn is_set(section: &Section<'_>, key: &'static str) -> bool {
    section.entry(key).is_some_and(|entry| !entry.node.place.is_in_file())
}

/// Refuses keys for servers with threads on other ones, and asks for `threads` where it is missing.
fn thread_keys(section: &Section<'_>, kind: Kind) {
    match kind {
        Kind::Threads if !section.has("threads") => {
            let title = "is of kind \"threads\" and has no `threads`";
            section.lack("threads", title, "say how many per process: threads = 4");
        }
        Kind::Threads => {
            threads_answer(section);
            if !section.has("dispatch_cpu") {
                let why = "without `dispatch_cpu` the main thread takes no time";
                section.refuse("finish_cpu", why, "write dispatch_cpu as well");
            }
        }
        Kind::Async if section.has("threads") => {}
        Kind::Sync | Kind::Async => ignored_thread_keys(section, kind),
    }
}

/// Refuses keys that only another kind of server has a use for.
fn keys_of_one_kind(section: &Section<'_>, kind: Kind) {
    if kind != Kind::Threads {
        let why = "only kind = \"threads\" has it";
        section.refuse("worker_connections", why, "remove it, or write kind = \"threads\"");
    }
    if kind != Kind::Async {
        let why = "only kind = \"async\" has it";
        section.refuse("limit_concurrency", why, "remove it, or write kind = \"async\"");
    }
    if kind != Kind::Sync && !is_set(section, "kind") {
        let why = "gunicorn kills only sync workers over a slow request";
        section.refuse("timeout", why, "remove it, or write kind = \"sync\"");
        let why = "only sync workers are woken for a connection that another takes";
        section.refuse("herd_cpu", why, "remove it, or write kind = \"sync\"");
    }
}

/// `accept` and `accept_bias` choose the process that accepts, which is no choice for sync workers
/// (they share one queue) and, of the bias, for processes with a socket each.
fn accept_keys(section: &Section<'_>, kind: Kind, per_process: bool) {
    if kind == Kind::Sync {
        for key in ["accept", "accept_bias"] {
            section.refuse(key, "sync workers share one queue", "remove it");
        }
    } else if per_process && !is_set(section, "accept") {
        let why = "with accept = \"per-process\" the kernel draws the process";
        section.refuse("accept_bias", why, "remove it, or write accept = \"shared\"");
    }
}

/// Refuses keys that a server without threads has no use for.
fn ignored_thread_keys(section: &Section<'_>, kind: Kind) {
    let (why, way) = match kind {
        Kind::Sync => {
            let why = "only kind = \"threads\" and kind = \"async\" have it";
            (why, "remove it, or write kind = \"threads\"")
        }
        _ => {
            let why = "only a server with `threads` has it";
            (why, "remove it, or write threads = 40 where the endpoints are `def`")
        }
    };
    for key in THREAD_KEYS {
        section.refuse(key, why, way);
    }
    match kind {
        Kind::Sync => threads_answer(section),
        _ => section.refuse("answer_cpu", why, way),
    }
}

/// Refuses `answer_cpu` without an event loop, which sends the answers of its threads.
fn threads_answer(section: &Section<'_>) {
    let why = "only an event loop sends its threads' answers";
    section.refuse("answer_cpu", why, "remove it, or write kind = \"async\"");
}

/// Refuses fewer `worker_connections` than threads, some of which could never work.
fn threads_fill(section: &Section<'_>, server: &ServerFile) {
    if let (Some(threads), Some(Some(most))) = (server.threads, server.numbers.worker_connections)
        && most < threads
    {
        let title = format!("{threads} threads, and only {most} `worker_connections` to fill them");
        let way = format!("write worker_connections = {threads} or more");
        section.found.add(Problem::at(section.place(), title, way));
    }
}

/// Keys of a server that has threads, with or without an event loop.
const THREAD_KEYS: &[&str] = &["threads", "switch_interval", "dispatch_cpu", "finish_cpu"];

/// Keys that are of use only with settings made elsewhere: whether they are is checked in `unused`.
const AT_OTHERS_MERCY: &[&str] =
    &["connection_ends", "opens_pool", "boot_memory", "first_request_memory", "cold_code"];

const KINDS: &[(&str, Kind)] =
    &[("sync", Kind::Sync), ("threads", Kind::Threads), ("async", Kind::Async)];

/// Whether each process has a socket of its own.
const ACCEPTS: &[(&str, bool)] = &[("shared", false), ("per-process", true)];

/// What happens once a worker is killed.
const POLICIES: &[(&str, OnOom)] = &[("respawn", OnOom::Respawn), ("stop", OnOom::Stop)];

/// When a request gives back a connection that it has for itself.
const ENDS: &[(&str, Hold)] = &[("last-query", Hold::Queries), ("request", Hold::Request)];

/// What starts a killed worker again.
const SUPERVISORS: &[(&str, OnOom)] = &[("gunicorn", OnOom::Respawn), ("uvicorn", OnOom::Polled)];

fn kind(node: &Node) -> Result<Kind, Problem> {
    choice("a kind of server", KINDS)(node)
}

fn workers(node: &Node) -> Result<Workers, Problem> {
    match &node.value {
        Value::Text(_) => formula(node),
        _ => count(1, MOST_WORKERS)(node).map(Workers::Number),
    }
}

/// Arithmetic, judged before any plan is known: a plan may be wrong as well.
fn formula(node: &Node) -> Result<Workers, Problem> {
    let text = text(node)?;
    match judge(&text) {
        Ok(()) => Ok(Workers::Formula(text, node.place.clone())),
        Err(why) => Err(node.problem(format!("cannot work out `{text}`: {why}"), WORKERS_WAY)),
    }
}

fn limit_concurrency(node: &Node) -> Result<u32, Problem> {
    let limit = count(1, 1_000_000)(node)?;
    if limit == 1 {
        let way = "the request that has just come counts too, so N serves N - 1 at a time: write 2 \
                   or more";
        return Err(node.problem("a limit of 1 serves no request", way));
    }
    Ok(limit)
}

/// How to connect: a word, or a pool.
pub(super) fn connections(node: &Node) -> Result<ConnectionsFile, Problem> {
    let how = match &node.value {
        Value::Table(_) => pool(node)?,
        _ => choice(
            "a way to connect",
            &[("persistent", How::Persistent), ("per-request", How::PerRequest)],
        )(node)
        .map_err(|problem| problem.with_way(CONNECTIONS_WAY))?,
    };
    Ok(ConnectionsFile { how, place: node.place.clone() })
}

const CONNECTIONS_WAY: &str = "write \"persistent\", \"per-request\", or a pool per process: \
    { pool = 10, overflow = 5, timeout = \"30s\", hold = \"request\" }";

fn pool(node: &Node) -> Result<How, Problem> {
    let Value::Table(table) = &node.value else {
        return Err(node.problem("expected a table", CONNECTIONS_WAY));
    };
    if let Some(entry) = table.get("pgbouncer") {
        let way = "give each process a pool of its own instead: { pool = 10 }";
        return Err(Problem::at(&entry.place, "pgbouncer is not simulated yet", way));
    }
    let found = Found::default();
    let section = Section::new(table, "`connections`", &found);
    let size = section.need("pool", CONNECTIONS_WAY, count(1, 100_000));
    let overflow = section.read("overflow", count(0, 100_000)).unwrap_or(0);
    let timeout = section.read("timeout", limit(span)).flatten();
    let hold = section
        .read(
            "hold",
            choice("a time to hold", &[("query", Hold::Query), ("request", Hold::Request)]),
        )
        .unwrap_or(Hold::Query);
    section.done();
    match (size, found.into_one()) {
        (Some(size), None) => Ok(How::Pool { size, overflow, timeout, hold }),
        (_, Some(first)) => Err(first),
        (None, None) => Err(node.problem("a pool without a size", CONNECTIONS_WAY)),
    }
}
