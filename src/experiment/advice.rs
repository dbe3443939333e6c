//! The changes to a plan with a server that are worth trying.
//!
//! Whether a change helps is for the simulation to find. Changes that cannot help are left out,
//! such as more connections where no request waits for one, so that the list stays short.

use crate::experiment::answer::{Combination, Finding, Limit, Study, TooSmall};
use crate::experiment::memory;
use crate::outcome::{Cause, Stage};
use crate::site::{Budget, Connections, Database, Hold, Site, WorkerKind};
use crate::units::Bytes;

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// This number of worker processes.
    Workers(u32),
    /// This number of threads in each worker.
    Threads(u32),
    /// Workers with this number of threads each, in place of those that serve one request at a
    /// time.
    WithThreads(u32),
    /// Another way to connect to the database.
    Connect(Connections),
    /// This PostgreSQL `max_connections`, the reserved ones included.
    MaxConnections(u32),
    /// The database on a machine of its own, with this number of cores and this memory.
    OwnDatabase(u32, Bytes),
    /// This number of cores.
    Cores(u32),
    /// This number of cores and, for them, this number of worker processes.
    CoresAndWorkers(u32, u32),
    /// This much memory.
    Memory(Bytes),
    /// This number of cores of the database's own host.
    DatabaseCores(u32),
    /// This much memory of the database's own host.
    DatabaseMemory(Bytes),
    /// Another server of the scenario.
    Server(String),
    /// Another plan of the scenario.
    Plan(String),
}

impl Change {
    /// Whether it takes another machine, or one more, and so money.
    pub fn takes_a_machine(&self) -> bool {
        use Change::{Cores, CoresAndWorkers, Memory, Plan};
        use Change::{DatabaseCores, DatabaseMemory, OwnDatabase};
        matches!(self, Cores(_) | CoresAndWorkers(..) | Memory(_) | Plan(_))
            || matches!(self, OwnDatabase(..) | DatabaseCores(_) | DatabaseMemory(_))
    }
}

/// Threads to begin with: gunicorn's documentation of `threads` suggests 2 to 4 for each core.
const THREADS: u32 = 4;

/// Connections of a pool to begin with: asyncpg's default.
const POOL: u32 = 10;

/// The changes worth trying for a `combination` of `study` with this `finding`, the cheapest first.
pub fn worth_trying(study: &Study, combination: &Combination, finding: &Finding) -> Vec<Change> {
    let site = &combination.site;
    let mut changes = workers(combination);
    changes.extend(threads(site, finding));
    changes.extend(connections(site, finding));
    let others = study.combinations.iter().filter(|other| other.plan == combination.plan);
    let others = others.filter(|other| other.server != combination.server);
    changes.extend(others.map(|other| Change::Server(other.server.clone())));
    changes.extend(machine(combination, finding));
    let others = study.combinations.iter().filter(|other| other.server == combination.server);
    let others = others.filter(|other| other.plan != combination.plan);
    changes.extend(others.map(|other| Change::Plan(other.plan.clone())));
    changes
}

/// One worker fewer and more, a worker a core, the guides' two a core and one, and twice as many,
/// as far as memory holds them.
fn workers(combination: &Combination) -> Vec<Change> {
    let site = &combination.site;
    let (now, cores) = (site.server.workers, site.host.cores);
    let mut counts = vec![now.saturating_sub(1), now + 1, cores, 2 * cores + 1, 2 * now];
    counts.extend(most_workers(combination));
    counts.retain(|count| *count > 0 && *count != now);
    counts.retain(|count| most_workers(combination).is_none_or(|most| *count <= most));
    counts.sort_unstable();
    counts.dedup();
    counts.into_iter().map(Change::Workers).collect()
}

/// The number of workers that memory holds at rest; `None` if that is three times the present
/// number or more, as many are not tried.
fn most_workers(combination: &Combination) -> Option<u32> {
    let most = u32::try_from(memory::most_workers(combination)?).ok()?;
    Some(most).filter(|most| *most < combination.site.server.workers.saturating_mul(3))
}

/// Half and twice the threads, where their number is limited; or threads for sync workers that
/// mostly wait while they have a request.
fn threads(site: &Site, finding: &Finding) -> Vec<Change> {
    match site.server.kind {
        WorkerKind::Threads { threads, .. } if threads < WorkerKind::MOST_THREADS => {
            let counts = [threads / 2, 2 * threads].into_iter();
            let counts = counts.filter(|it| (1..=WorkerKind::MOST_THREADS).contains(it));
            counts.map(Change::Threads).collect()
        }
        WorkerKind::Sync if mostly_waits(finding) => vec![Change::WithThreads(THREADS)],
        _ => Vec::new(),
    }
}

/// Whether a slow request waits longer for the database and calls outside than it computes.
fn mostly_waits(finding: &Finding) -> bool {
    finding.spent().is_some_and(|stages| {
        stages[Stage::Database as usize] + stages[Stage::Call as usize]
            > stages[Stage::Compute as usize]
    })
}

/// Of these the ones that could matter: to keep connections open, a larger pool, to give
/// connections back sooner, a higher `max_connections`.
fn connections(site: &Site, finding: &Finding) -> Vec<Change> {
    let now = site.server.connections;
    let is_async = matches!(site.server.kind, WorkerKind::Async { .. });
    let waits = finding.spent().is_some_and(|it| it[Stage::Connection as usize] > 0.0);
    let mut changes = Vec::new();
    match now.limit {
        None if now.keep == 0 && waits && is_async => {
            let pool = Connections { keep: POOL, limit: Some(POOL), hold: Hold::Query, ..now };
            changes.push(Change::Connect(pool));
        }
        None if now.keep == 0 && waits => {
            changes.push(Change::Connect(Connections { keep: 1, ..now }));
        }
        Some(limit) if waits => {
            let larger = Connections { keep: 2 * now.keep, limit: Some(now.keep + limit), ..now };
            changes.push(Change::Connect(larger));
            if now.hold == Hold::Request {
                changes.push(Change::Connect(Connections { hold: Hold::Query, ..now }));
            }
        }
        _ => {}
    }
    let refused = finding.errors[Cause::Connections as usize] > 0.0;
    let slots = site.database.connection_slots.filter(|_| refused);
    changes.extend(
        slots.map(|slots| Change::MaxConnections(2 * (slots + Database::RESERVED_CONNECTIONS))),
    );
    changes
}

/// Twice the cores, more memory on a host where it runs out, and cores for the database.
fn machine(combination: &Combination, finding: &Finding) -> Vec<Change> {
    let site = &combination.site;
    let mut changes = vec![Change::Cores(2 * site.host.cores)];
    changes.extend(cores_and_workers(combination));
    let runs_out = finding.bottleneck == Limit::Memory;
    let elsewhere = combination.too_small() == Some(TooSmall::DatabaseHost);
    let full = site.host.memory.is_some_and(|ceiling| {
        let peak = finding.usage.memory_peak.get() as f64;
        runs_out && !elsewhere || peak > NEARLY_FULL * ceiling.get() as f64
    });
    let plan = Some(&combination.budget).filter(|_| full);
    changes.extend(plan.and_then(more_memory).map(Change::Memory));
    let database = combination.database_budget.as_ref().filter(|it| runs_out || !it.fits());
    changes.extend(database.and_then(more_memory).map(Change::DatabaseMemory));
    changes.extend(database_cores(site, finding));
    changes
}

/// For a database on the workers' host, a machine of its own, like the plan's; for one on its own
/// machine, twice the cores where queries wait for them.
fn database_cores(site: &Site, finding: &Finding) -> Option<Change> {
    let spends = |stage: Stage| finding.spent().is_some_and(|it| it[stage as usize] > 0.0);
    match &site.database.host {
        Some(host) => spends(Stage::DatabaseCores).then(|| Change::DatabaseCores(2 * host.cores)),
        None => spends(Stage::Database)
            .then(|| Change::OwnDatabase(site.host.cores, site.host.memory.unwrap_or(OWN_MEMORY))),
    }
}

/// Twice the cores and twice the workers, where there are as many workers as cores and memory holds
/// them: a worker keeps at most one core busy, so that either alone may change nothing.
fn cores_and_workers(combination: &Combination) -> Option<Change> {
    let (cores, workers) = (combination.site.host.cores, combination.site.server.workers);
    let twice = Some(2 * workers).filter(|_| workers == cores);
    let fits = |workers: &u32| most_workers(combination).is_none_or(|most| *workers <= most);
    twice.filter(fits).map(|workers| Change::CoresAndWorkers(2 * cores, workers))
}

/// Twice the memory, or four times and so on, until it is no longer nearly full at rest; `None`
/// where it is not limited.
fn more_memory(budget: &Budget) -> Option<Bytes> {
    let mut larger = std::iter::successors(Some(budget.ceiling? * 2), |it| Some(*it * 2));
    larger.find(|it| NEARLY_FULL * it.get() as f64 >= budget.used().get() as f64)
}

/// Memory of a machine of its own for the database, if the plan's memory is not limited: plenty.
const OWN_MEMORY: Bytes = Bytes::new(4 << 30);

/// From this share in use on, memory may soon run out.
const NEARLY_FULL: f64 = 0.9;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::experiment::answer::{Effort, Objective, Tier, Visits};
    use crate::experiment::sites::{bare, combination, exp, query};
    use crate::experiment::sweep;
    use crate::experiment::trial::{Crew, Watch};
    use crate::seed::Seed;
    use crate::site::{Dist, Host, Step};
    use crate::units::{Fraction, PerSecond, Span};

    /// The changes worth trying for `site` at 5 requests a second.
    fn tried(site: Site, budget: Budget) -> Vec<Change> {
        tried_with(site, budget, None)
    }

    /// The changes worth trying for `site`, with the memory at rest of its database's own host.
    fn tried_with(site: Site, budget: Budget, database_budget: Option<Budget>) -> Vec<Change> {
        let rate = PerSecond::new(5.0);
        let tiers = vec![Tier { name: "five".into(), rate, conversion: None }];
        let study = Study {
            title: "test".into(),
            seed: Seed::new(1),
            objective: Objective::default(),
            effort: Effort::Precision(Fraction::new(0.2)),
            visits: Visits::ASSUMED,
            combinations: vec![Combination { budget, database_budget, tiers, ..combination(site) }],
        };
        let cancel = AtomicBool::new(false);
        let watch = Watch::new(&cancel, &|_| ());
        let rows = sweep::run(&study, false, &Crew::new(1).unwrap(), &watch).rows;
        worth_trying(&study, &study.combinations[0], &rows[0].finding)
    }

    /// One worker on one core that computes for 2 ms and waits for the database for 100 ms.
    fn waiting(kind: WorkerKind) -> Site {
        let compute = Step::Compute(exp(0.002));
        bare(kind, 1, 1, vec![compute, query(exp(0.1))])
    }

    fn no_limit() -> Budget {
        Budget { lines: Vec::new(), ceiling: None }
    }

    #[test]
    fn workers_that_mostly_wait_may_try_threads_and_a_free_connection_is_left_alone() {
        let changes = tried(waiting(WorkerKind::Sync), no_limit());
        let own = Change::OwnDatabase(1, Bytes::new(4 << 30));
        let expected = [2, 3].map(Change::Workers).into_iter();
        let both = Change::CoresAndWorkers(2, 2);
        let expected = expected.chain([Change::WithThreads(4), Change::Cores(2), both, own]);
        assert_eq!(changes, expected.collect::<Vec<_>>());
        let computing = bare(WorkerKind::Sync, 1, 1, vec![Step::Compute(exp(0.1))]);
        let changes = tried(computing, no_limit());
        let expected = [2, 3].map(Change::Workers).into_iter();
        let expected = expected.chain([Change::Cores(2), Change::CoresAndWorkers(2, 2)]);
        assert_eq!(changes, expected.collect::<Vec<_>>());
    }

    #[test]
    fn cores_come_with_workers_where_there_are_as_many_and_memory_holds_them() {
        let both = |workers, cores, memory| {
            let mut site = bare(WorkerKind::Sync, workers, cores, vec![Step::Compute(exp(0.01))]);
            site.server.worker_memory = Bytes::from_mib(100);
            let lines = vec![("worker".into(), workers, site.server.worker_memory)];
            let budget = Budget { lines, ceiling: Some(Bytes::from_mib(memory)) };
            let both = |it: &Change| matches!(it, Change::CoresAndWorkers(..));
            tried(site, budget).into_iter().find(both)
        };
        assert_eq!(both(2, 2, 1000), Some(Change::CoresAndWorkers(4, 4)));
        assert_eq!((both(2, 2, 399), both(1, 2, 1000), both(3, 2, 1000)), (None, None, None));
    }

    #[test]
    fn of_threads_without_limit_no_other_number_is_tried() {
        let tried = |threads| {
            let kind = WorkerKind::Threads {
                threads,
                switch_interval: Span::from_millis(5),
                worker_connections: None,
                dispatcher: None,
            };
            let changes = tried(waiting(kind), no_limit()).into_iter();
            changes.filter(|it| matches!(it, Change::Threads(_))).collect::<Vec<_>>()
        };
        assert_eq!(tried(4), [2, 8].map(Change::Threads));
        assert_eq!(tried(1), [Change::Threads(2)]);
        assert_eq!(tried(WorkerKind::MOST_THREADS), []);
    }

    #[test]
    fn who_opens_a_connection_for_each_request_may_keep_them() {
        let connect = |kind| {
            let mut site = waiting(kind);
            site.database.connect_wait = Span::from_millis(10);
            site.server.connections =
                Connections { keep: 0, limit: None, timeout: None, hold: Hold::Request };
            tried(site, no_limit()).into_iter().find(|it| matches!(it, Change::Connect(_)))
        };
        let now = Connections { keep: 0, limit: None, timeout: None, hold: Hold::Request };
        let kept = Connections { keep: 1, ..now };
        assert_eq!(connect(WorkerKind::Sync), Some(Change::Connect(kept)));
        let pool = Connections { keep: 10, limit: Some(10), hold: Hold::Query, ..now };
        let is_async = WorkerKind::Async { limit_concurrency: None };
        assert_eq!(connect(is_async), Some(Change::Connect(pool)));
    }

    /// At 5 requests a second of 0.1 s, with two connections, one in 13 is refused (Erlang's loss
    /// formula).
    #[test]
    fn who_is_refused_connections_may_try_twice_as_many() {
        let granted = |slots| {
            let mut site = waiting(WorkerKind::Async { limit_concurrency: None });
            site.server.connections.keep = 0;
            site.database.connection_slots = Some(slots);
            let most = |change: &Change| matches!(change, Change::MaxConnections(_));
            tried(site, no_limit()).into_iter().find(most)
        };
        // Beside the three that are the administrator's.
        assert_eq!(granted(2), Some(Change::MaxConnections(10)));
        assert_eq!(granted(100), None);
    }

    #[test]
    fn where_memory_is_nearly_full_twice_as_much_is_tried() {
        let more = |ceiling| {
            let mut site = waiting(WorkerKind::Sync);
            let (each, ceiling) = (Bytes::from_mib(95), Bytes::from_mib(ceiling));
            (site.server.worker_memory, site.host.memory) = (each, Some(ceiling));
            let budget = Budget { lines: vec![("worker".into(), 1, each)], ceiling: Some(ceiling) };
            tried(site, budget).into_iter().find(|it| matches!(it, Change::Memory(_)))
        };
        assert_eq!(more(100), Some(Change::Memory(Bytes::from_mib(200))));
        assert_eq!(more(110), None);
    }

    #[test]
    fn more_memory_is_tried_where_it_is_too_little_and_as_much_as_it_takes() {
        let memory =
            |change: &Change| matches!(change, Change::Memory(_) | Change::DatabaseMemory(_));
        // Twice 300 MB would be full of what is there at rest.
        let [plenty, small, taken] = [4096, 300, 600].map(Bytes::from_mib);
        let mut site = waiting(WorkerKind::Sync);
        site.host.memory = Some(plenty);
        site.database.memory = taken;
        site.database.host = Some(Host { memory: Some(small), ..site.host.clone() });
        let budget = Budget { lines: Vec::new(), ceiling: Some(plenty) };
        let lines = vec![("postgres".into(), 1, taken)];
        let database = Budget { lines, ceiling: Some(small) };
        let changes = tried_with(site, budget, Some(database)).into_iter().filter(memory);
        let enough = Change::DatabaseMemory(Bytes::from_mib(1200));
        assert_eq!(changes.collect::<Vec<_>>(), [enough]);
    }

    #[test]
    fn a_database_that_waits_for_cores_of_its_own_may_have_twice_as_many_and_no_other_host() {
        let changes = |cpu: Dist| {
            let step = Step::Query { wait: exp(0.01), cpu, driver: None };
            let mut site = bare(WorkerKind::Sync, 8, 4, vec![step]);
            site.database.host = Some(Host { cores: 1, ..site.host.clone() });
            let of_database =
                |it: &Change| matches!(it, Change::DatabaseCores(_) | Change::OwnDatabase(..));
            tried(site, no_limit()).into_iter().filter(of_database).collect::<Vec<_>>()
        };
        assert_eq!(changes(exp(0.1)), [Change::DatabaseCores(2)]);
        assert_eq!(changes(Dist::Fixed(Span::ZERO)), []);
    }

    #[test]
    fn no_more_workers_are_tried_than_memory_holds() {
        let (each, system) = (Bytes::from_mib(200), Bytes::from_mib(100));
        let mut site = bare(WorkerKind::Sync, 3, 4, vec![Step::Compute(exp(0.01))]);
        (site.server.worker_memory, site.host.memory) = (each, Some(Bytes::from_mib(1124)));
        let lines = vec![("system".into(), 1, system), ("worker".into(), 3, each)];
        let changes = tried(site, Budget { lines, ceiling: Some(Bytes::from_mib(1124)) });
        let workers: Vec<_> =
            changes.into_iter().filter(|it| matches!(it, Change::Workers(_))).collect();
        // 100 and 5 x 200 of 1124; twice the three there are, or nine for four cores, are more.
        assert_eq!(workers, [2, 4, 5].map(Change::Workers));
    }
}
