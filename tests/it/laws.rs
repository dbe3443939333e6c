//! What holds of every run, whatever the site: conservation, Little's law, and busy cores as
//! rate times work.

mod any_site;
pub(crate) mod sites;

use tonnage::model::simulate;
use tonnage::outcome::{Cause, Outcome, Queue, Stage};
use tonnage::scenario;
use tonnage::seed::Seed;
use tonnage::site::{
    Accept, Connections, Cooling, Dist, Endpoint, Hold, Horizon, Listen, Site, Step, WorkerKind,
};
use tonnage::stats::estimate::Estimate;
use tonnage::units::{Fraction, PerSecond, Span};

use crate::support::{ASYNC, behind_loop, mean_cpu, threads, with_main_thread};

/// The laws that hold only under premises, and for how many sites those were fulfilled: a law that
/// is checked for none would pass all the same.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Checked {
    /// Little's law of the requests inside.
    inside: u32,
    /// Little's law of the requests that wait for a connection.
    pool_queue: u32,
    /// Little's law of the requests in the backlog.
    backlog: u32,
    /// The utilisation law.
    utilisation: u32,
}

impl Checked {
    /// Both, summed up by `sum`.
    fn with(self, other: Checked, sum: fn(u32, u32) -> u32) -> Checked {
        Checked {
            inside: sum(self.inside, other.inside),
            pool_queue: sum(self.pool_queue, other.pool_queue),
            backlog: sum(self.backlog, other.backlog),
            utilisation: sum(self.utilisation, other.utilisation),
        }
    }
}

/// Runs `site` a few times and holds every run to every law. Returns which were checked in any run.
pub(crate) fn obeys_the_laws(name: &str, site: &Site) -> Checked {
    let runs: Vec<Outcome> = (0..8).map(|seed| simulate(site, Seed::new(seed))).collect();
    let each = runs.iter().map(|outcome| obeys_the_laws_of_a_run(name, site, outcome));
    let checked = each.fold(Checked::default(), |all, one| all.with(one, u32::max));
    let utilisation = u32::from(obeys_the_utilisation_law(name, site, &runs));
    Checked { utilisation, ..checked }
}

/// Holds one run to every law that needs no mean over many.
fn obeys_the_laws_of_a_run(name: &str, site: &Site, outcome: &Outcome) -> Checked {
    conserves_requests(name, outcome);
    stays_below_capacity(name, site, outcome);
    spends_all_time_somewhere(name, outcome);
    waits_once_for_each_connection(name, site, outcome);
    chills_no_more_than_there_is(name, site, outcome);
    obeys_littles_law(name, site, outcome)
}

fn conserves_requests(name: &str, outcome: &Outcome) {
    let counts = &outcome.counts;
    let ended = counts.answered + counts.failures() + counts.open;
    assert_eq!(counts.arrived, ended, "{name}: {counts:?}");
    let responses: u64 = outcome.response.iter().map(|each| each.count()).sum();
    assert_eq!(responses, counts.answered, "{name}: every answer has its response");
    assert_eq!(outcome.seen.count(), counts.arrived, "{name}: every arrival looks around");
}

fn stays_below_capacity(name: &str, site: &Site, outcome: &Outcome) {
    let (levels, server) = (&outcome.levels, &site.server);
    let workers = u64::from(server.workers);
    let places = match server.kind {
        WorkerKind::Sync => workers,
        WorkerKind::Threads { threads, .. } => workers * u64::from(threads),
        WorkerKind::Async { .. } => u64::MAX,
    };
    // A killed worker's queries go on, with connections that its next life knows nothing of.
    let nobody_dies = outcome.first_kill == [None; 2] && server.timeout.is_none();
    let pools = server.connections.limit.filter(|_| nobody_dies);
    let pools = pools.map(|limit| workers * u64::from(limit));
    let slots = site.database.connection_slots.map(u64::from);
    let sockets = if server.accept == Accept::PerProcess { workers } else { 1 };
    let backlogs = site.front.backlog.map(|most| sockets * (u64::from(most) + 1));
    let peaks = [
        ("cores", levels.cores.peak, Some(u64::from(site.host.cores))),
        ("places in workers", levels.workers.peak, Some(places)),
        ("turns", levels.turns.peak, Some(workers)),
        ("connections of the pools", levels.open_connections.peak, pools),
        ("connections of the server", levels.open_connections.peak, slots),
        ("backlog", levels.backlog.peak, backlogs),
    ];
    for (what, peak, capacity) in peaks {
        assert!(peak <= capacity.unwrap_or(u64::MAX), "{name}: {peak} {what} of {capacity:?}");
    }
    let idle = levels.open_connections.mean - levels.connections.mean;
    assert!(idle > -1e-9, "{name}: who uses a connection has it open");
    let spare = f64::from(site.host.cores) - levels.cores.mean;
    assert!(spare > -1e-9, "{name}: {} cores busy", levels.cores.mean);
}

/// The number of requests in a place on average is the rate times the time each spends there, but
/// for those that were there when the window opened or closed. Returns for which places this was
/// checked.
fn obeys_littles_law(name: &str, site: &Site, outcome: &Outcome) -> Checked {
    let seconds = outcome.measured.as_secs();
    let counts = &outcome.counts;
    let longest = outcome.response.iter().map(|each| each.max()).max().unwrap_or(0) as f64 / 1e9;
    let edges = (outcome.inside.0 + outcome.inside.1) as f64;
    let stays: f64 = outcome.response.iter().filter_map(total).sum();
    // A request that is with Nginx, or waits for its next TCP retry, is not inside.
    let never_away = site.front.listen == Listen::Unix || site.front.backlog.is_none();
    // After a kill some have waited, before the window, for longer than any that came in it.
    let calm = outcome.first_kill == [None; 2];
    let front_cpu = site.front.nginx_cpu + site.client.cpu;
    let at_once = calm && front_cpu.is_zero() && never_away;
    // A request whose answer is on its way, or read by its client, may count as inside or not.
    let stays_for_its_response = site.client.round_trip.is_zero() && site.server.linger.is_zero();
    let simple = at_once && stays_for_its_response && counts.answered == counts.arrived;
    let waits = |queue: Queue| total(&outcome.waits[queue as usize]).unwrap_or(0.0);
    let most = outcome.waits[Queue::Connection as usize].max() as f64 / 1e9;
    let levels = &outcome.levels;
    let (sync, ended) = (site.server.kind == WorkerKind::Sync, counts.open == 0);
    let places = [
        ("inside", simple, levels.inside.mean, stays, longest),
        ("pool", at_once && ended, levels.pool_queue.mean, waits(Queue::Connection), most),
        ("backlog", simple && sync, levels.backlog.mean, waits(Queue::Worker), longest),
    ];
    for (place, _, mean, spent, longest) in places.into_iter().filter(|place| place.1) {
        let (there, slack) = (mean * seconds, edges * longest + 1e-6);
        assert!((there - spent).abs() <= slack, "{name}: {there} s in {place}, {spent} s spent");
    }
    let [inside, pool_queue, backlog] = places.map(|place| u32::from(place.1));
    Checked { inside, pool_queue, backlog, utilisation: 0 }
}

/// The sum of the spans recorded, in seconds.
fn total(spans: &tonnage::stats::histogram::Histogram) -> Option<f64> {
    spans.mean().map(|mean| mean * spans.count() as f64 / 1e9)
}

/// The stages of requests add up to their responses.
fn spends_all_time_somewhere(name: &str, outcome: &Outcome) {
    let Some(stages) = outcome.profile.mean() else { return };
    let spent = stages.iter().sum::<f64>() * outcome.counts.answered as f64;
    let stays: f64 = outcome.response.iter().filter_map(total).sum();
    assert!((spent - stays).abs() <= 1e-6 * stays + 1e-6, "{name}: {spent} of {stays} spent");
}

/// A request waits once for each connection that it gets, be it for no time at all, and however
/// often it is woken up in vain.
fn waits_once_for_each_connection(name: &str, site: &Site, outcome: &Outcome) {
    if outcome.counts.answered < outcome.counts.arrived {
        return;
    }
    let hold = site.server.connections.hold;
    let wanted = site
        .traffic
        .endpoints
        .iter()
        .zip(&outcome.response)
        .map(|(endpoint, each)| each.count() * connections_of(hold, endpoint) as u64);
    let waits = outcome.waits[Queue::Connection as usize].count();
    assert_eq!(waits, wanted.sum::<u64>(), "{name}: one wait for each connection");
}

/// How many connections a request takes, one after the other.
fn connections_of(hold: Hold, endpoint: &Endpoint) -> usize {
    let queries = endpoint.steps.iter().filter(|step| matches!(step, Step::Query { .. })).count();
    match hold {
        Hold::Query => queries,
        Hold::Request | Hold::Queries => queries.min(1),
    }
}

/// What cold code costs is so many times what the stack, and a query in the database, cost at most:
/// of all requests that were there in the window. That of drawn queries strays by chance.
fn chills_no_more_than_there_is(name: &str, site: &Site, outcome: &Outcome) {
    let requests = (outcome.counts.arrived + outcome.inside.0) as f64;
    let own = site.database.host.as_ref();
    let hosts = [Some(&site.host), own];
    for (index, host) in hosts.into_iter().enumerate() {
        let cooling = host.and_then(|host| host.cooling);
        let code = cooling.map_or(0.0, |cooling| cooling.code);
        let stack = cooling.map_or(0.0, |_| site.server.costs.cold_code.unwrap_or(code));
        let of_stack = if index == 0 { stack * stack_cpu(site) } else { 0.0 };
        let lives_here = index == usize::from(own.is_some());
        let of_queries = if lives_here { code * query_cpu(site) } else { 0.0 };
        let (most, slack) = (requests * (of_stack + of_queries), 4.0 * requests.sqrt());
        // Each burst is rounded up to the nanosecond.
        let most = most + slack * of_queries + requests * 1e-6;
        let cold = outcome.cold_cpu[index].as_secs();
        assert!(cold <= most, "{name}: {cold} s of cold code, of {most}");
    }
}

/// Seconds of CPU that the stack costs a worker for the endpoint that it costs most for, with a
/// connection opened and reset for each query.
fn stack_cpu(site: &Site) -> f64 {
    let costs = &site.server.costs;
    let dispatcher = site.server.kind.dispatcher().map_or(Span::ZERO, |its| {
        its.dispatch_cpu + its.answer_cpu.unwrap_or_default() + its.finish_cpu
    });
    let of = |endpoint: &Endpoint| {
        let queries = endpoint.steps.iter().filter_map(|step| match step {
            Step::Query { driver, .. } => Some(driver.unwrap_or(costs.query_cpu)),
            Step::Compute(_) | Step::Call { .. } => None,
        });
        // And what a thread that has sent a query does before it waits: less than 20 us.
        let each = costs.connect_cpu + costs.reset_cpu + Span::from_micros(20);
        let all = queries.fold(Span::ZERO, |sum, driver| sum + driver + each);
        (costs.request_cpu + dispatcher + all).as_secs()
    };
    site.traffic.endpoints.iter().map(of).fold(0.0, f64::max)
}

/// Seconds of CPU that queries and resets cost the database for the endpoint that costs it most.
fn query_cpu(site: &Site) -> f64 {
    let of = |endpoint: &Endpoint| {
        let resets =
            site.database.reset_cpu.as_secs() * connections_of(Hold::Query, endpoint) as f64;
        mean_cpu(endpoint).1 + resets
    };
    site.traffic.endpoints.iter().map(of).fold(0.0, f64::max)
}

/// Busy cores are rate times mean work, where nothing is lost and nothing grows; by the mean over
/// the runs, to four standard errors. Returns whether those premises are fulfilled.
fn obeys_the_utilisation_law(name: &str, site: &Site, runs: &[Outcome]) -> bool {
    let calm = |outcome: &Outcome| {
        let answered = outcome.counts.answered == outcome.counts.arrived;
        answered && outcome.kills == 0 && outcome.inside.1 < outcome.counts.arrived / 50 + 20
    };
    let (Some(work), true) = (mean_work(site), runs.iter().all(calm)) else { return false };
    // Beside what code costs beyond its work where it has gone cold.
    let cold = |run: &Outcome| run.cold_cpu[0].as_secs() / run.measured.as_secs() / site.host.speed;
    let busy: Vec<f64> = runs.iter().map(|run| run.levels.cores.mean - cold(run)).collect();
    let busy = Estimate::of(&busy).unwrap();
    let expected = site.traffic.rate.get() * work / site.host.speed;
    let allowed = 4.0 * busy.standard_error.unwrap() + 1e-3 * expected;
    let off = (busy.mean - expected).abs();
    assert!(off <= allowed, "{name}: {} cores busy, not {expected}", busy.mean);
    true
}

/// Seconds of the host's cores that a request costs on average; `None` where that depends on how
/// many connections are opened, or on how cold the cores have gone.
fn mean_work(site: &Site) -> Option<f64> {
    let costs = &site.server.costs;
    let same_host = site.database.host.is_none();
    let opening = costs.connect_cpu + site.database.connect_cpu;
    let Connections { keep, limit, hold, .. } = site.server.connections;
    let of = |endpoint: &Endpoint| {
        let opened = connections_of(hold, endpoint);
        let drivers = endpoint.steps.iter().map(|step| match step {
            Step::Compute(_) => Span::ZERO,
            Step::Query { driver, .. } => driver.unwrap_or(costs.query_cpu),
            Step::Call { cpu, .. } => *cpu,
        });
        let per_opening = match same_host {
            true => opening,
            false => costs.connect_cpu,
        };
        let openings = if keep == 0 { opened as f64 * per_opening.as_secs() } else { 0.0 };
        let (compute, database) = mean_cpu(endpoint);
        let database = if same_host { database } else { 0.0 };
        let dispatcher = site.server.kind.dispatcher().map_or(Span::ZERO, |its| {
            its.dispatch_cpu + its.answer_cpu.unwrap_or_default() + its.finish_cpu
        });
        let stack = (site.front.nginx_cpu + costs.request_cpu + dispatcher).as_secs();
        let drivers = drivers.map(Span::as_secs).sum::<f64>();
        let share: Fraction = site.traffic.share(endpoint);
        share.get() * (stack + drivers + compute + database + openings)
    };
    let known = keep == 0 || opening.is_zero() || limit.is_some_and(|limit| limit <= keep);
    let wakes = site.host.cooling.is_some_and(|cooling| !cooling.core.is_zero());
    (known && !wakes).then(|| site.traffic.endpoints.iter().map(of).sum())
}

/// The sites of every scenario that ships, at each of their tiers. None of them fulfils the
/// premises of Little's law, since Nginx or clients take CPU before a request is inside. That law
/// is checked for the sites below, and for random ones.
#[test]
fn every_shipped_scenario_obeys_the_laws() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let (mut tried, mut checked) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let study = scenario::load(&path, &[]).unwrap().study;
        for combination in &study.combinations {
            for tier in &combination.tiers {
                let mut site = combination.site.clone();
                site.traffic.rate = tier.rate;
                site.horizon = long_enough_for(1_000.0, tier.rate);
                let name = format!(
                    "{}: {} with {} at {}",
                    path.display(),
                    combination.plan,
                    combination.server,
                    tier.name
                );
                checked += obeys_the_laws(&name, &site).utilisation;
                tried += 1;
            }
        }
    }
    assert!(tried >= 30, "only {tried} sites");
    assert!(checked >= 25, "the utilisation law is checked for {checked} of {tried} sites only");
}

/// A span of so many milliseconds.
fn ms(millis: u64) -> Span {
    Span::from_millis(millis)
}

/// A window in which about so many requests arrive, half as much warm-up, and time to drain.
fn long_enough_for(arrivals: f64, rate: PerSecond) -> Horizon {
    Horizon {
        warmup: Span::from_secs(arrivals / 2.0 / rate.get()),
        measured: Span::from_secs(arrivals / rate.get()),
        drain: Span::from_whole_secs(120),
        in_flight_limit: 100_000,
        arrivals_limit: 1_000_000,
    }
}

#[test]
fn every_kind_of_site_obeys_the_laws() {
    let each = sites::all().into_iter().map(|(name, site)| obeys_the_laws(name, &site));
    let checked = each.fold(Checked::default(), |all, one| all.with(one, |all, one| all + one));
    let Checked { inside, pool_queue, backlog, utilisation } = checked;
    let as_many = [inside, pool_queue, backlog, utilisation] == [8, 9, 2, 9];
    assert!(as_many, "other sites than before fulfil the premises: {checked:?}");
}

#[test]
fn the_sites_that_are_to_lose_requests_do() {
    let lost = |name: &str| {
        let (_, site) = sites::all().into_iter().find(|(each, _)| *each == name).unwrap();
        simulate(&site, Seed::new(1)).counts.failed.map(|count| count > 0)
    };
    let [backlog, pool, timeout, patience, killed] =
        [Cause::Backlog, Cause::Pool, Cause::Timeout, Cause::Patience, Cause::Killed]
            .map(|cause| cause as usize);
    assert!(lost("a small pool")[pool]);
    assert!(lost("a crowded backlog")[timeout] && lost("a crowded backlog")[patience]);
    assert!(!lost("a crowded backlog")[backlog], "clients give up before the last retry");
    assert!(lost("no memory to spare")[killed] && lost("workers that cannot all fit")[killed]);
}

/// Also where the stack's code goes cold while nothing of it runs, which what an endpoint computes
/// does not.
#[test]
fn a_time_that_is_always_the_same_is_a_mixture_of_one() {
    let ends = |of: fn(Span) -> Dist| {
        let compute = Step::Compute(of(ms(5)));
        let call = Step::Call { wait: of(ms(3)), cpu: Span::ZERO };
        let mut site = Site::textbook(WorkerKind::Sync, 2, 1, vec![compute, call]);
        site.traffic.rate = PerSecond::new(20.0);
        site.horizon = long_enough_for(2_000.0, site.traffic.rate);
        site.server.costs.request_cpu = ms(1);
        site.host.cooling = Some(Cooling { core: Span::ZERO, code: 3.0, over: ms(10) });
        let outcome = simulate(&site, Seed::new(1));
        (outcome.response[0].mean(), outcome.levels.cores.mean)
    };
    assert_eq!(ends(Dist::Fixed), ends(|span| Dist::Mix(vec![(1.0, Dist::Fixed(span))])));
}

/// Requests a twentieth of a second apart, on average, to a server of this kind whose code goes
/// cold.
fn goes_cold(kind: WorkerKind, steps: Vec<Step>) -> Site {
    let mut site = Site::textbook(kind, 2, 2, steps);
    site.traffic.rate = PerSecond::new(20.0);
    site.horizon = long_enough_for(2_000.0, site.traffic.rate);
    (site.server.costs.request_cpu, site.server.costs.query_cpu) = (ms(1), ms(1));
    site.host.cooling = Some(Cooling { core: Span::ZERO, code: 3.0, over: ms(10) });
    site
}

/// Also where the stack's code goes cold: half of it comes before what an endpoint computes and
/// half behind that, however short it is, and to have computed keeps none of it warm. Who meets
/// whom moves the mean by up to 9 us as well; half of the stack's part taken for cold or for warm
/// is 1 ms or more.
#[test]
fn to_compute_for_a_microsecond_more_takes_about_a_microsecond_more() {
    let micro = Span::from_micros(1);
    let computes = |span| Step::Compute(Dist::Fixed(span));
    let query = || Step::Query { wait: Dist::Fixed(ms(4)), cpu: Dist::Fixed(ms(1)), driver: None };
    let call = || Step::Call { wait: Dist::Fixed(ms(30)), cpu: Span::ZERO };
    let drawn = |span| Step::Compute(Dist::Mix(vec![(1.0, Dist::Fixed(span))]));
    let pages = [
        vec![query()],
        vec![call(), query()],
        vec![computes(ms(5)), query(), call()],
        vec![drawn(ms(5)), query(), drawn(ms(3))],
    ];
    let kinds = [
        WorkerKind::Sync,
        ASYNC,
        threads(4),
        with_main_thread(4, ms(1), ms(1)),
        behind_loop(4, ms(1), ms(1)),
    ];
    for (kind, page) in kinds.into_iter().flat_map(|kind| pages.each_ref().map(|it| (kind, it))) {
        let mean =
            |steps| simulate(&goes_cold(kind, steps), Seed::new(1)).response[0].mean().unwrap();
        for place in 0..=page.len() {
            for step in [computes(micro), drawn(micro)] {
                let mut longer = page.clone();
                longer.insert(place, step);
                let more = mean(longer) - mean(page.clone());
                assert!(more.abs() < 20e3, "{more} ns at {place} of {page:?}, {kind:?}");
            }
        }
    }
}

#[test]
fn a_busy_turn_is_what_its_holder_computes() {
    let site = sites::page(ASYNC, 1, 40.0);
    let outcome = simulate(&site, Seed::new(2));
    // One loop on two cores shares them with the database only, which never needs both.
    let compute = outcome.profile.mean().unwrap()[Stage::Compute as usize];
    let busy = outcome.counts.answered as f64 * compute / outcome.measured.as_secs();
    let off = (outcome.levels.turns.mean - busy).abs();
    assert!(off < 0.01, "{} turns are taken, {busy} by computing", outcome.levels.turns.mean);
}
