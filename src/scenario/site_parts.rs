//! The parts of a site that are about machines, and the arithmetic of their memory.

use super::file::File;
use super::machine::{FrontFile, PlanFile};
use super::preset::Preset;
use super::server::ServerFile;
use crate::site::Budget;
use crate::site::{Cooling, Database, Dist, Front, Host, Listen, Resident, Sharing, Site};
use crate::units::{Bytes, Span};

/// The workers' host on `plan`.
pub(super) fn host(file: &File, plan: &PlanFile, preset: &Preset) -> Option<Host> {
    let mut residents = operating_system(file, preset);
    let redis = file.system.redis.or(preset.system.redis).unwrap_or_default();
    if redis > Bytes::ZERO {
        residents.push(Resident {
            name: "redis".to_owned(),
            count: 1,
            memory: redis,
            killable: true,
        });
    }
    residents.extend(file.system.celery.clone());
    Some(Host {
        cores: plan.cores?,
        speed: plan.speed.unwrap_or(1.0),
        sharing: plan.slice.map_or(Sharing::Fair, |slice| Sharing::Slices { slice }),
        cooling: cooling(plan, preset),
        memory: plan.memory,
        thrashing: thrashing(plan, preset),
        residents,
    })
}

/// How cores and code that have not run for a while go cold; `None` where nothing says how soon.
fn cooling(plan: &PlanFile, preset: &Preset) -> Option<Cooling> {
    let (own, stack) = (plan.numbers, preset.plan);
    Some(Cooling {
        core: plan.cold_start.unwrap_or_default(),
        code: own.cold_code.or(stack.cold_code).unwrap_or_default(),
        over: own.cold_after.or(stack.cold_after)?,
    })
}

/// How long the kernel thrashes before it kills.
fn thrashing(plan: &PlanFile, preset: &Preset) -> Span {
    plan.numbers.thrashing.or(preset.plan.thrashing).unwrap_or_default()
}

fn operating_system(file: &File, preset: &Preset) -> Vec<Resident> {
    let memory = file.system.memory.or(preset.system.memory).unwrap_or_default();
    if memory == Bytes::ZERO {
        return Vec::new();
    }
    vec![Resident { name: "system".to_owned(), count: 1, memory, killable: false }]
}

/// The database's own host, where it has one.
fn database_host(file: &File, plan: &PlanFile, preset: &Preset) -> Option<Host> {
    let host = file.database.host.as_ref()?;
    Some(Host {
        cores: host.cores,
        speed: host.speed.unwrap_or(1.0),
        sharing: Sharing::Fair,
        cooling: cooling(plan, preset),
        memory: host.memory,
        thrashing: thrashing(plan, preset),
        residents: operating_system(file, preset),
    })
}

/// The database, as that server sees it.
pub(super) fn database(
    file: &File,
    plan: &PlanFile,
    server: &ServerFile,
    preset: &Preset,
) -> Database {
    let (own, stack) = (&file.database, &preset.database);
    let round_trip = own.host.as_ref().and_then(|host| host.round_trip).unwrap_or_default();
    let latency = server.database_latency.or(own.latency).or(stack.latency).unwrap_or_default();
    let span = |own: Option<Span>, stack: Option<Span>| own.or(stack).unwrap_or_default();
    let bytes = |own: Option<Bytes>, stack: Option<Bytes>| own.or(stack).unwrap_or_default();
    let max_connections = own.max_connections.or(stack.max_connections).flatten();
    Database {
        host: database_host(file, plan, preset),
        latency: latency + round_trip,
        connection_slots: max_connections.map(|most| most - Database::RESERVED_CONNECTIONS),
        memory: bytes(own.memory, stack.memory),
        connection_memory: bytes(own.connection_memory, stack.connection_memory),
        connect_cpu: span(own.connect_cpu, stack.connect_cpu),
        connect_wait: span(own.connect_wait, stack.connect_wait),
        close_cpu: span(own.close_cpu, stack.close_cpu),
        unused_close_cpu: span(
            own.unused_close_cpu.or(own.close_cpu),
            stack.unused_close_cpu.or(stack.close_cpu),
        ),
        reset_cpu: span(own.reset_cpu, stack.reset_cpu),
        wait_step: span(own.wait_step, stack.wait_step),
        refusal_cpu: span(own.refusal_cpu, stack.refusal_cpu),
        largest_process: bytes(own.largest_process, stack.largest_process),
        recovery: span(own.recovery, stack.recovery),
    }
}

/// What is in front of the workers: the backlog and Nginx.
pub(super) fn front(own: &FrontFile, stack: &FrontFile) -> Front {
    let nginx = own.nginx != Some(false);
    let limit = |own: Option<Option<Span>>, stack: Option<Option<Span>>| {
        own.or(stack).flatten().filter(|_| nginx)
    };
    Front {
        listen: own.listen.or(stack.listen).unwrap_or(Listen::Tcp),
        backlog: own.backlog.or(stack.backlog).flatten(),
        nginx_cpu: own.nginx_cpu.or(stack.nginx_cpu).filter(|_| nginx).unwrap_or_default(),
        connect_timeout: limit(own.connect_timeout, stack.connect_timeout),
        read_timeout: limit(own.read_timeout, stack.read_timeout),
    }
}

/// The memory of the workers' host at rest.
pub(super) fn rest(site: &Site) -> Budget {
    let mut lines = residents(&site.host);
    if site.database.host.is_none() {
        lines.extend(postgres(site));
    }
    lines.push(("worker".to_owned(), site.server.workers, site.server.worker_memory));
    Budget { lines: worth_a_line(lines), ceiling: site.host.memory }
}

/// The memory at rest of the database's own host, where it has one.
pub(super) fn database_rest(site: &Site) -> Option<Budget> {
    let host = site.database.host.as_ref()?;
    let mut lines = residents(host);
    lines.extend(postgres(site));
    Some(Budget { lines: worth_a_line(lines), ceiling: host.memory })
}

type Line = (String, u32, Bytes);

fn residents(host: &Host) -> Vec<Line> {
    host.residents.iter().map(|each| (each.name.clone(), each.count, each.memory)).collect()
}

/// PostgreSQL, and the connections that stay open while no request uses them.
fn postgres(site: &Site) -> [Line; 2] {
    let kept = site.server.workers.saturating_mul(site.server.kept_connections());
    let kept = site.database.connection_slots.map_or(kept, |slots| kept.min(slots));
    [
        ("postgres".to_owned(), 1, site.database.memory),
        ("connection".to_owned(), kept, site.database.connection_memory),
    ]
}

fn worth_a_line(lines: Vec<Line>) -> Vec<Line> {
    lines.into_iter().filter(|(_, count, each)| *count > 0 && *each > Bytes::ZERO).collect()
}

/// No time at all, as a distribution.
pub(super) fn nothing() -> Dist {
    Dist::Fixed(Span::ZERO)
}
