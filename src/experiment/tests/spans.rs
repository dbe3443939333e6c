//! Every span that a site has. The patterns name all fields, so that a new field does not compile
//! until it is listed here or left out on purpose.

use crate::site::{
    Client, Costs, Database, Dispatcher, FirstRequest, Front, Host, Server, Site, WorkerKind,
};
use crate::units::Span;

/// A span of a site, by its key in the file.
type Named<'a> = (&'static str, &'a mut Span);

/// All spans of `site`, but for timeouts and patience.
pub(super) fn spans(site: &mut Site) -> Vec<Named<'_>> {
    let Site { host, server, database, front, client, traffic: _, horizon: _ } = site;
    let Client { round_trip, cpu, patience: _ } = client;
    let Front { nginx_cpu, listen: _, backlog: _, connect_timeout: _, read_timeout: _ } = front;
    let mut all = vec![("round_trip", round_trip), ("client_cpu", cpu), ("nginx_cpu", nginx_cpu)];
    all.extend(of_host(host));
    all.extend(of_server(server));
    all.extend(of_database(database));
    all
}

fn of_host(host: &mut Host) -> Vec<Named<'_>> {
    let Host { cores: _, speed: _, sharing: _, cooling, memory: _, thrashing, residents: _ } = host;
    let mut all = vec![("thrashing", thrashing)];
    all.extend(cooling.as_mut().map(|cooling| ("cold_start", &mut cooling.core)));
    all
}

fn of_server(server: &mut Server) -> Vec<Named<'_>> {
    let Server {
        kind,
        workers: _,
        worker_memory: _,
        late_memory: _,
        first_request: FirstRequest { cpu: first_request_cpu, memory: _ },
        touch_cpu,
        herd_cpu,
        exit_cpu,
        keeps_memory: _,
        has_threads: _,
        linger,
        boot_cpu,
        timeout: _,
        accept: _,
        costs: Costs { request_cpu, query_cpu, connect_cpu, reset_cpu, cold_code: _ },
        connections: _,
        opens_pool: _,
        on_oom: _,
    } = server;
    let mut all = vec![
        ("first_request_cpu", first_request_cpu),
        ("touch_cpu", touch_cpu),
        ("herd_cpu", herd_cpu),
        ("exit_cpu", exit_cpu),
        ("linger", linger),
        ("boot", boot_cpu),
        ("request_cpu", request_cpu),
        ("query_cpu", query_cpu),
        ("connect_cpu", connect_cpu),
        ("reset_cpu", reset_cpu),
    ];
    if let WorkerKind::Threads { dispatcher: Some(dispatcher), .. } = kind {
        let Dispatcher { dispatch_cpu, answer_cpu, finish_cpu, limit_concurrency: _ } = dispatcher;
        all.extend([("dispatch_cpu", dispatch_cpu), ("finish_cpu", finish_cpu)]);
        all.extend(answer_cpu.as_mut().map(|cpu| ("answer_cpu", cpu)));
    }
    all
}

fn of_database(database: &mut Database) -> Vec<Named<'_>> {
    let Database {
        host: _,
        latency,
        connection_slots: _,
        memory: _,
        connection_memory: _,
        connect_cpu,
        connect_wait,
        close_cpu,
        unused_close_cpu,
        reset_cpu,
        wait_step,
        refusal_cpu,
        largest_process: _,
        recovery,
    } = database;
    vec![
        ("latency", latency),
        ("database.connect_cpu", connect_cpu),
        ("connect_wait", connect_wait),
        ("close_cpu", close_cpu),
        ("unused_close_cpu", unused_close_cpu),
        ("database.reset_cpu", reset_cpu),
        ("wait_step", wait_step),
        ("refusal_cpu", refusal_cpu),
        ("recovery", recovery),
    ]
}
