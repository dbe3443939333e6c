//! From a checked file to the study: what the file says, and where it is silent, the stack.

use super::document::Table;
use super::endpoint::{EndpointFile, What};
use super::file::File;
use super::machine::PlanFile;
use super::numbers::in_force;
use super::preset::{Preset, Stack};
use super::problem::{Found, Problem};
use super::server::{How, Kind, ServerFile, ServerNumbers};
use super::site_parts::{database, database_rest, front, host, nothing, rest};
use super::{Resolved, Scenario};
use crate::experiment::answer::{Combination, Effort, Study, Tier, Visits};
use crate::seed::Seed;
use crate::site::Budget;
use crate::site::{
    Accept, Arrivals, Client, Connections, Costs, Dispatcher, Endpoint, FirstRequest, Hold,
    Horizon, OnOom, Server, Site, Step, Traffic, WorkerKind,
};
use crate::units::{Bytes, Fraction, PerSecond, Span};

/// The seed where a scenario names none.
const SEED: u64 = 1;
/// CPython's default, for the threads behind an event loop (reference section 4.1).
const SWITCH_INTERVAL: Span = Span::from_millis(5);
/// The precision of p95 where a scenario says nothing about effort.
const PRECISION: f64 = 0.05;

/// The scenario, with the servers' `presets`; `None` if problems that were found already keep it
/// from being built.
pub(super) fn build(
    file: &File,
    presets: &[Preset],
    document: &Table,
    name: &str,
    found: &Found,
) -> Option<Scenario> {
    let mut combinations = Vec::new();
    let mut resolved = Vec::new();
    for plan in &file.plans {
        for (server, preset) in file.servers.iter().zip(presets) {
            let one = Builder { file, plan, server, preset };
            combinations.push(found.keep(one.combination()?)?);
            resolved.push(one.resolved(combinations.last()?)?);
        }
    }
    let warnings = resolved.iter().zip(&combinations).flat_map(warnings).collect();
    let study = Study {
        title: file.title.clone().unwrap_or_else(|| stem(name)),
        seed: Seed::new(file.seed.unwrap_or(SEED)),
        objective: file.objective,
        effort: file.effort.unwrap_or(Effort::Precision(Fraction::new(PRECISION))),
        visits: file.traffic.visits(Visits::ASSUMED),
        combinations,
    };
    let numbers = in_force(file, document, presets);
    Some(Scenario { study, resolved, numbers, warnings })
}

/// The name of a file without folder and ending.
fn stem(name: &str) -> String {
    let stem = std::path::Path::new(name).file_stem();
    stem.map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// What a user should be warned of about a combination.
fn warnings((resolved, combination): (&Resolved, &Combination)) -> Vec<String> {
    let who = format!("plan \"{}\", server \"{}\"", resolved.plan, resolved.server);
    let mut warnings = Vec::new();
    if !combination.budget.fits() {
        warnings.push(format!("{who}: memory does not hold the workers: {}", combination.budget));
    }
    if let Some(budget) = combination.database_budget.as_ref().filter(|budget| !budget.fits()) {
        warnings.push(format!("{who}: the database's host is too small: {budget}"));
    }
    warnings.extend(request_too_large(combination).map(|why| format!("{who}: {why}")));
    warnings.extend(combination.connections_too_many().map(|why| format!("{who}: {why}")));
    warnings
}

/// The endpoint of which memory does not hold a single request, if there is one.
fn request_too_large(combination: &Combination) -> Option<String> {
    let budget = &combination.budget;
    let ceiling = budget.ceiling.filter(|_| budget.fits())?;
    let mut wanted = combination.site.traffic.endpoints.iter().filter(|it| it.weight > 0.0);
    let large = wanted.find(|endpoint| budget.used() + endpoint.memory > ceiling)?;
    let Endpoint { name, memory, .. } = large;
    Some(format!(
        "memory runs out with the first request of \"{name}\", which takes {memory}: {budget}"
    ))
}

/// Whether the sum of a budget is one that whole numbers of bytes can hold, with room to spare.
fn is_plausible(budget: &Budget) -> bool {
    let lines = budget.lines.iter();
    let total: u128 =
        lines.map(|(_, count, each)| u128::from(*count) * u128::from(each.get())).sum();
    total < 1 << 60
}

/// Builds one combination.
struct Builder<'a> {
    file: &'a File,
    plan: &'a PlanFile,
    server: &'a ServerFile,
    preset: &'a Preset,
}

impl Builder<'_> {
    fn combination(&self) -> Option<Result<Combination, Problem>> {
        let site = self.site()?;
        let (budget, database_budget) = (rest(&site), database_rest(&site));
        if !is_plausible(&budget) || !database_budget.as_ref().is_none_or(is_plausible) {
            let place = &self.server.name.as_ref()?.place;
            let title = "the memory at rest is more than a thousand petabytes";
            let way = "check the workers, their memory, and the connections they keep";
            return Some(Err(Problem::at(place, title, way)));
        }
        Some(Ok(Combination {
            plan: self.plan.name.as_ref()?.text.clone(),
            server: self.server.name.as_ref()?.text.clone(),
            price: self.plan.price,
            budget,
            database_budget,
            site,
            tiers: self.tiers()?,
        }))
    }

    fn resolved(&self, combination: &Combination) -> Option<Resolved> {
        Some(Resolved {
            plan: combination.plan.clone(),
            server: combination.server.clone(),
            stack: self.preset.stack,
            workers_written: self.server.workers.as_ref()?.written(),
            workers: combination.site.server.workers,
        })
    }

    fn site(&self) -> Option<Site> {
        Some(Site {
            host: host(self.file, self.plan, self.preset)?,
            server: self.site_server()?,
            database: database(self.file, self.plan, self.server, self.preset),
            front: front(&self.file.front, &self.preset.front),
            client: Client {
                patience: self.file.client.patience.flatten(),
                round_trip: self.file.client.round_trip.unwrap_or_default(),
                cpu: self.client_cpu(),
            },
            traffic: self.traffic()?,
            horizon: self.horizon(),
        })
    }

    /// What a client costs the plan's cores: nothing, if its machine has more cores than the plan,
    /// since it then runs on the others.
    fn client_cpu(&self) -> Span {
        let client = &self.file.client;
        let spare =
            client.machine_cores.is_some_and(|all| self.plan.cores.is_none_or(|its| its < all));
        client.cpu.filter(|_| !spare).unwrap_or_default()
    }

    fn numbers(&self) -> Option<ServerNumbers> {
        let for_all = ServerNumbers {
            connections: self.file.database.connections.clone(),
            ..ServerNumbers::default()
        };
        let preset = self.preset.server_numbers(self.server.kind?);
        Some(self.server.numbers.clone().or(&for_all).or(&preset))
    }

    fn site_server(&self) -> Option<Server> {
        let numbers = self.numbers()?;
        let workers = self.server.workers.as_ref()?.on(self.plan)?.ok()?;
        let worker_memory = numbers.worker_memory.unwrap_or_default();
        let first_request = self.first_request(worker_memory);
        let booted = worker_memory - first_request.memory;
        let booting = self.server.boot_memory.unwrap_or(booted);
        Some(Server {
            kind: self.kind(&numbers)?,
            workers,
            worker_memory,
            late_memory: booted.saturating_sub(booting),
            first_request,
            touch_cpu: self.server.touch_cpu.unwrap_or_default(),
            herd_cpu: self.server.herd_cpu.unwrap_or_default(),
            exit_cpu: self.server.exit_cpu.unwrap_or_default(),
            keeps_memory: self.server.keeps_memory.unwrap_or(false),
            has_threads: false,
            linger: self.server.linger.unwrap_or_default(),
            boot_cpu: numbers.boot.unwrap_or_default(),
            timeout: numbers.timeout.flatten().filter(|_| self.server.kind == Some(Kind::Sync)),
            accept: self.accept(&numbers),
            costs: self.costs(&numbers),
            connections: self.connections(&numbers)?,
            opens_pool: self.opens_pool(&numbers),
            on_oom: self.on_oom(workers),
        })
    }

    /// What the first request after a worker's start takes beyond the others: at most the memory
    /// that a worker holds.
    fn first_request(&self, worker_memory: Bytes) -> FirstRequest {
        FirstRequest {
            cpu: self.server.first_request_cpu.unwrap_or_default(),
            memory: self.server.first_request_memory.unwrap_or_default().min(worker_memory),
        }
    }

    fn accept(&self, numbers: &ServerNumbers) -> Accept {
        match self.server.per_process {
            true => Accept::PerProcess,
            false => Accept::Shared { bias: numbers.accept_bias.unwrap_or(1.0) },
        }
    }

    fn costs(&self, numbers: &ServerNumbers) -> Costs {
        Costs {
            request_cpu: numbers.request_cpu.unwrap_or_default(),
            query_cpu: numbers.query_cpu.unwrap_or_default(),
            connect_cpu: numbers.connect_cpu.unwrap_or_default(),
            reset_cpu: self.server.reset_cpu.unwrap_or_default(),
            cold_code: numbers.cold_code,
        }
    }

    /// Whether a booting worker opens its pool: where the stack's does, only one of a fixed size.
    fn opens_pool(&self, numbers: &ServerNumbers) -> bool {
        let how = numbers.connections.as_ref().map(|connections| connections.how);
        let is_fixed = matches!(how, Some(How::Pool { overflow: 0, .. }));
        let stack = numbers.opens_pool.filter(|_| is_fixed);
        self.server.numbers.opens_pool.or(stack).unwrap_or(false)
    }

    /// What happens after a kill: unless the site stops, that is up to the supervisor. uvicorn has
    /// none of its own for a single process, and gunicorn is the usual one for the other kinds.
    fn on_oom(&self, workers: u32) -> OnOom {
        let usual = match self.server.kind {
            Some(Kind::Async) if workers > 1 => OnOom::Polled,
            Some(Kind::Async) => OnOom::Alone,
            _ => OnOom::Respawn,
        };
        let asked = self.server.on_oom.filter(|asked| *asked == OnOom::Stop);
        asked.or(self.server.supervisor).unwrap_or(usual)
    }

    /// Threads of a process that has some. Django's under an event loop has one for each request,
    /// without limit, and all of them share the GIL (reference section 3.4).
    fn threads(&self) -> Option<u32> {
        let is_django = self.preset.stack == Stack::Django;
        let each = is_django && self.server.kind == Some(Kind::Async);
        self.server.threads.or(each.then_some(WorkerKind::MOST_THREADS))
    }

    fn kind(&self, numbers: &ServerNumbers) -> Option<WorkerKind> {
        Some(match self.server.kind? {
            Kind::Sync => WorkerKind::Sync,
            Kind::Threads => WorkerKind::Threads {
                threads: self.server.threads?,
                switch_interval: numbers.switch_interval?,
                worker_connections: numbers.worker_connections.flatten(),
                dispatcher: main_thread(numbers),
            },
            Kind::Async if self.threads().is_some() => WorkerKind::Threads {
                threads: self.threads()?,
                switch_interval: numbers.switch_interval.unwrap_or(SWITCH_INTERVAL),
                worker_connections: None,
                dispatcher: Some(Dispatcher {
                    dispatch_cpu: numbers.dispatch_cpu.unwrap_or_default(),
                    answer_cpu: Some(numbers.answer_cpu.unwrap_or_default()),
                    finish_cpu: numbers.finish_cpu.unwrap_or_default(),
                    limit_concurrency: self.server.limit_concurrency,
                }),
            },
            Kind::Async => WorkerKind::Async { limit_concurrency: self.server.limit_concurrency },
        })
    }

    /// The connections; where nothing says how (the stack bare), they cost nothing, and the
    /// textbook's way is that each thread has its own, and an event loop as many as it needs.
    fn connections(&self, numbers: &ServerNumbers) -> Option<Connections> {
        let kind = self.server.kind?;
        let threads = self.threads();
        let silent = match kind {
            Kind::Async if threads.is_none() => How::PerRequest,
            _ => How::Persistent,
        };
        let how = numbers.connections.as_ref().map_or(silent, |connections| connections.how);
        let unlimited = Connections { keep: 0, limit: None, timeout: None, hold: Hold::Request };
        Some(match how {
            How::PerRequest => Connections {
                hold: self.server.connection_ends.unwrap_or(Hold::Request),
                ..unlimited
            },
            How::Persistent => Connections { keep: threads.unwrap_or(1), ..unlimited },
            How::Pool { size, overflow, timeout, hold } => {
                Connections { keep: size, limit: Some(size + overflow), timeout, hold }
            }
        })
    }

    fn traffic(&self) -> Option<Traffic> {
        let cache_cpu = self.numbers()?.cache_cpu.unwrap_or_default();
        let endpoints: Option<Vec<Endpoint>> =
            self.file.endpoints.iter().map(|each| self.endpoint(each, cache_cpu)).collect();
        let (mut endpoints, mut arrivals) = (endpoints?, Arrivals::Poisson);
        let recorded = &self.file.recorded;
        if let (Some(recording), Some(trace)) = (recorded.recording(), recorded.trace()) {
            endpoints = recording.endpoints(endpoints.first()?);
            arrivals = Arrivals::Recorded(trace);
        }
        let first = self.tiers()?.first().map(|tier| tier.rate);
        Some(Traffic { rate: first.unwrap_or(PerSecond::new(1.0)), arrivals, endpoints })
    }

    fn endpoint(&self, endpoint: &EndpointFile, cache_cpu: Span) -> Option<Endpoint> {
        let mut steps = Vec::new();
        for step in endpoint.steps.as_ref()? {
            let one = self.step(&step.what, cache_cpu);
            steps.extend((0..step.times).map(|_| one.clone()));
        }
        Some(Endpoint {
            name: endpoint.name.as_ref()?.text.clone(),
            weight: endpoint.weight?,
            memory: endpoint.memory,
            growth: endpoint.growth,
            steps,
        })
    }

    fn step(&self, what: &What, cache_cpu: Span) -> Step {
        let stack_cpu = || {
            let own = self.file.database.query_cpu.as_ref();
            own.or(self.preset.database.query_cpu.as_ref()).cloned()
        };
        match what {
            What::Compute(dist) => Step::Compute(dist.clone()),
            What::Query { wait, cpu, driver } => Step::Query {
                wait: wait.clone(),
                cpu: cpu.clone().or_else(stack_cpu).unwrap_or_else(nothing),
                driver: *driver,
            },
            What::Call { wait, cpu } => Step::Call { wait: wait.clone(), cpu: *cpu },
            What::Cache(wait) => Step::Call { wait: wait.clone(), cpu: cache_cpu },
        }
    }

    fn tiers(&self) -> Option<Vec<Tier>> {
        if self.file.tiers.is_empty() {
            return Some(self.file.recorded.tier().into_iter().collect());
        }
        let (plan, server) = (self.plan.name.as_ref()?, self.server.name.as_ref()?);
        let tiers = self.file.tiers.iter().filter(|tier| tier.meets(&plan.text, &server.text));
        tiers
            .map(|tier| {
                let (rate, conversion) = tier.rate(&self.file.traffic)?;
                Some(Tier { name: tier.name.as_ref()?.text.clone(), rate, conversion })
            })
            .collect()
    }

    /// A placeholder: experiments set the horizon of every run.
    fn horizon(&self) -> Horizon {
        let (warmup, measured) = match self.file.effort {
            Some(Effort::Fixed { warmup, measured, .. }) => (warmup, measured),
            _ => (Span::from_whole_secs(60), Span::from_whole_secs(600)),
        };
        Horizon {
            warmup,
            measured,
            drain: Span::from_whole_secs(120),
            in_flight_limit: 100_000,
            arrivals_limit: 10_000_000,
        }
    }
}

/// gunicorn's main thread, which hands requests to the others, if that takes time.
fn main_thread(numbers: &ServerNumbers) -> Option<Dispatcher> {
    let dispatch_cpu = numbers.dispatch_cpu.filter(|cpu| !cpu.is_zero())?;
    Some(Dispatcher {
        dispatch_cpu,
        answer_cpu: None,
        finish_cpu: numbers.finish_cpu.unwrap_or_default(),
        limit_concurrency: None,
    })
}
