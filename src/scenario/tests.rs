//! What the edge as a whole promises.

mod memory;

use proptest::prelude::*;

use super::*;
use crate::experiment::answer::Effort;
use crate::site::{Accept, Connections, Dispatcher, Dist, Hold, Listen, OnOom, Step, WorkerKind};
use crate::units::{Bytes, Fraction, PerSecond, Span};

/// Every key that a scenario may have.
const EVERYTHING: &str = include_str!("everything.toml");

fn scenario(text: &str, sets: &[&str]) -> Scenario {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    read("test.toml", text, &sets, None).unwrap_or_else(|problems| panic!("{problems}"))
}

/// One combination of a bare plan of that many cores and memory.
fn plain(lines: &str) -> Scenario {
    plain_set(lines, &[])
}

fn plain_set(lines: &str, sets: &[&str]) -> Scenario {
    let text = format!(
        "stack = \"bare\"\n\
         endpoint = [{{ name = \"page\", steps = [{{ compute = \"5ms\" }}] }}]\n\
         plan = [{{ name = \"p\", cores = 2, memory = \"2GB\" }}]\n{lines}"
    );
    scenario(&text, sets)
}

#[test]
fn every_shipped_scenario_reads_and_says_what_it_asks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let scenario = load(&path, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!scenario.study.combinations.is_empty());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# Question: "), "{}", path.display());
        count += 1;
    }
    assert!(count >= 5);
}

/// A tier in visitors a day, with numbers of its own for how many requests that is.
const VISITED: &str = "server = [{ name = \"s\", kind = \"sync\", workers = 2 }]\n\
    [traffic]\npeak = 2\n[run]\nreplications = 4\nwarmup = \"1s\"\nmeasure = \"10s\"\n\
    [[tier]]\nname = \"usual\"\nvisitors = \"86400/day\"\nrequests_per_visit = 3\n";

#[test]
fn a_what_if_replaces_what_the_file_says_in_another_way() {
    let tier = |sets: &[&str]| plain_set(VISITED, sets).study.combinations[0].tiers[0].clone();
    assert_eq!(tier(&[]).rate, PerSecond::new(6.0));
    let rated = tier(&["tier.usual.rate=34/s"]);
    assert_eq!((rated.rate, rated.conversion), (PerSecond::new(34.0), None));
    let and_back = tier(&["tier.usual.rate=34/s", "tier.usual.rate=35/s"]);
    assert_eq!(and_back.rate, PerSecond::new(35.0));
    let effort = plain_set(VISITED, &["run.precision=10%"]).study.effort;
    assert_eq!(effort, Effort::Precision(Fraction::new(0.1)));
    let rated =
        VISITED.replace("visitors = \"86400/day\"\nrequests_per_visit = 3", "rate = \"1/s\"");
    let rated = rated.replace("[traffic]\npeak = 2\n", "");
    let visited = plain_set(&rated, &["tier.*.visitors=86400/day"]);
    assert_eq!(visited.study.combinations[0].tiers[0].rate, PerSecond::new(15.0));
}

#[test]
fn a_textbook_queue_costs_nothing_and_knows_no_limit() {
    let scenario = plain("server = [{ name = \"s\", kind = \"sync\", workers = 2 }]\n");
    let site = &scenario.study.combinations[0].site;
    assert_eq!(site.server.costs.request_cpu, Span::ZERO);
    assert_eq!(site.server.connections.keep, 1);
    assert_eq!((site.front.backlog, site.database.connection_slots), (None, None));
    assert_eq!(site.front.nginx_cpu, Span::ZERO);
    assert!(site.host.residents.is_empty());
    assert!(scenario.study.combinations[0].budget.lines.is_empty());
    assert_eq!(scenario.study.effort, Effort::Precision(Fraction::new(0.05)));
    assert_eq!(scenario.study.title, "test");
}

#[test]
fn seven_workers_of_200mb_fit_beside_system_and_postgres_in_2gb() {
    let fits = |workers: u32| {
        let lines = format!(
            "server = [{{ name = \"s\", kind = \"sync\", workers = {workers}, \
             worker_memory = \"200MB\" }}]\n\
             system.memory = \"200MB\"\ndatabase.memory = \"400MB\"\n"
        );
        plain(&lines).study.combinations[0].budget.fits()
    };
    assert!(fits(7));
    assert!(!fits(8));
}

/// Of a hundred that each would keep one, 17 have one.
#[test]
fn no_more_kept_connections_are_reckoned_with_than_postgres_grants() {
    let connections = |most: u32| {
        let lines = format!(
            "server = [{{ name = \"s\", kind = \"sync\", workers = 100 }}]\n\
             database = {{ max_connections = {most}, connection_memory = \"4MB\" }}\n"
        );
        plain(&lines).study.combinations[0].budget.lines.clone()
    };
    let line = |count| [("connection".to_owned(), count, Bytes::from_mib(4))];
    assert_eq!(connections(20), line(17));
    assert_eq!(connections(200), line(100));
}

#[test]
fn without_nginx_nobody_times_out_for_it() {
    let front = |sets: &[&str]| {
        let text = include_str!("../../scenarios/2gb-vs-4gb.toml");
        scenario(text, sets).study.combinations[0].site.front.clone()
    };
    let minute = Some(Span::from_whole_secs(60));
    let with = front(&[]);
    assert_eq!((with.connect_timeout, with.read_timeout), (minute, minute));
    let without = front(&["front.nginx=false"]);
    assert_eq!((without.connect_timeout, without.read_timeout), (None, None));
    assert_eq!(without.nginx_cpu, Span::ZERO);
}

#[test]
fn nginx_is_there_for_the_servers_whose_stack_has_numbers_for_it() {
    let lines = "front = { nginx = true }\n[[server]]\nname = \"a\"\nkind = \"sync\"\nworkers = 1\n\
                 [[server]]\nname = \"b\"\nkind = \"sync\"\nworkers = 1\nstack = \"django\"\n";
    let combinations = plain(lines).study.combinations;
    let nginx: Vec<Span> = combinations.iter().map(|each| each.site.front.nginx_cpu).collect();
    assert_eq!(nginx, [Span::ZERO, Span::from_micros(100)]);
}

#[test]
fn nginx_before_servers_that_are_all_bare_needs_its_numbers() {
    let lines = "front = { nginx = true }\n\
                 server = [{ name = \"a\", kind = \"sync\", workers = 1, stack = \"bare\" }]\n";
    let text = lines.to_owned()
        + "endpoint = [{ name = \"page\", steps = [{ compute = \"5ms\" }] }]\n\
           plan = [{ name = \"p\", cores = 2 }]\n";
    let problems = read("test.toml", &text, &[], None).expect_err("there are no numbers");
    assert!(problems.to_string().contains("the stack bare has no numbers for it"), "{problems}");
}

#[test]
fn a_tier_for_one_server_is_tried_with_that_server_only() {
    let all = scenario(EVERYTHING, &[]).study.combinations;
    let tiers: Vec<Vec<&str>> =
        all.iter().map(|each| each.tiers.iter().map(|tier| &*tier.name).collect()).collect();
    let for_all = ["by visitors", "by visitors of its own"];
    assert_eq!(tiers, [&["by rate", for_all[0], for_all[1]][..], &for_all]);
}

#[test]
fn visitors_become_requests_at_the_peak_and_say_how() {
    let tiers = |sets: &[&str]| {
        let text = include_str!("../../scenarios/2gb-vs-4gb.toml");
        scenario(text, sets).study.combinations[0].tiers.clone()
    };
    let tier = &tiers(&[])[0];
    assert_eq!(tier.conversion.as_deref(), Some("10k/day x 5 requests x peak 3 / 86400 = 1.736/s"));
    let own = &tiers(&["traffic.peak=6", "tier.small.requests_per_visit=2"])[0];
    assert_eq!(own.conversion.as_deref(), Some("10k/day x 2 requests x peak 6 / 86400 = 1.389/s"));
}

#[test]
fn a_set_reaches_one_server_or_all_of_them() {
    let text = include_str!("../../scenarios/2gb-vs-4gb.toml");
    let workers = |sets: &[&str]| -> Vec<u32> {
        scenario(text, sets).resolved.iter().map(|each| each.workers).collect()
    };
    assert_eq!(workers(&[]), [3, 1, 5, 2]);
    assert_eq!(workers(&["server.gunicorn.workers=4"]), [4, 1, 4, 2]);
    assert_eq!(workers(&["server.*.workers=cores+1"]), [2, 2, 3, 3]);
    assert_eq!(workers(&["plan.\"2GB\".cores=4"]), [9, 4, 5, 2]);
}

#[test]
fn a_set_of_all_servers_reaches_those_that_say_the_key_or_all_where_none_does() {
    let text = include_str!("../../scenarios/testbed.toml");
    let kinds = |sets: &[&str]| -> Vec<Option<u32>> {
        let threads = |kind| match kind {
            WorkerKind::Threads { threads, .. } => Some(threads),
            WorkerKind::Sync | WorkerKind::Async { .. } => None,
        };
        let all = scenario(text, sets).study.combinations;
        all.iter().map(|each| threads(each.site.server.kind)).collect()
    };
    assert_eq!(kinds(&["server.*.threads=8"]), [None, Some(8), None]);
    let all = scenario(text, &["server.*.query_cpu=3ms", "plan.*.speed=2"]).study.combinations;
    assert!(all.iter().all(|each| each.site.server.costs.query_cpu == Span::from_millis(3)));
    assert!(all.iter().all(|each| each.site.host.speed > 1.5), "no plan says its speed");
}

#[test]
fn a_number_that_the_file_writes_is_no_preset_s() {
    let text = include_str!("../../scenarios/2gb-vs-4gb.toml");
    let of = |sets: &[&str], key: &str| -> Vec<Number> {
        let numbers = scenario(text, sets).numbers;
        numbers.into_iter().filter(|number| number.key == key).collect()
    };
    let [django, fastapi] = &of(&[], "server.request_cpu")[..] else { panic!("not two") };
    assert_eq!((django.servers.as_slice(), &*django.value), (&["gunicorn".into()][..], "0.36ms"));
    assert_eq!((fastapi.stack, fastapi.assumed), ("fastapi", false));
    assert_eq!(of(&["server.*.request_cpu=1ms"], "server.request_cpu"), []);
    assert!(of(&[], "front.nginx_cpu").iter().all(|number| number.assumed));
    assert_eq!(of(&["front.nginx=false"], "front.nginx_cpu"), []);
    assert_eq!(of(&[], "server.worker_memory"), [], "both servers write theirs");
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let scenario = scenario(EVERYTHING, &[]);
    let [threads, event_loop] = &scenario.study.combinations[..] else { panic!("not two") };
    let site = &threads.site;
    assert_eq!((site.host.speed, threads.price), (1.5, Some(9.5)));
    let residents = site.host.residents.iter();
    let residents: Vec<(&str, u32, bool)> =
        residents.map(|each| (&*each.name, each.count, each.killable)).collect();
    assert_eq!(residents, [("system", 1, false), ("redis", 1, true), ("celery child", 2, true)]);
    let closing = Span::from_millis(2);
    assert_eq!((site.database.close_cpu, site.database.unused_close_cpu), (closing, closing));
    assert_eq!(
        site.server.kind,
        WorkerKind::Threads {
            threads: 4,
            switch_interval: Span::from_millis(1),
            worker_connections: Some(50),
            dispatcher: None,
        }
    );
    assert_eq!(site.server.on_oom, OnOom::Stop);
    assert_eq!(site.server.boot_cpu, Span::from_whole_secs(2));
    assert_eq!(site.server.accept, Accept::PerProcess);
    assert_eq!(
        site.server.connections,
        Connections {
            keep: 3,
            limit: Some(5),
            timeout: Some(Span::from_whole_secs(10)),
            hold: Hold::Request,
        }
    );
    assert_eq!(event_loop.site.server.accept, Accept::Shared { bias: 0.5 });
    assert_eq!(event_loop.site.server.kind, WorkerKind::Async { limit_concurrency: Some(30) });
    assert_eq!((site.front.listen, site.front.backlog), (Listen::Unix, Some(64)));
    assert_eq!(site.front.connect_timeout, None);
    assert_eq!(site.client.patience, Some(Span::from_whole_secs(20)));
    assert!(matches!(scenario.study.effort, Effort::Fixed { replications: 30, .. }));
}

/// A plan, an endpoint, and servers of every kind with a pool of ten.
const POOLS: &str = r#"
title = "pools"
stack = "fastapi"
plan = [{ name = "box", cores = 1 }]
database = { connections = { pool = 10 } }
endpoint = [{ name = "page", steps = [{ query = "1ms" }] }]
tier = [{ name = "all", rate = "1/s" }]
server = [
    { name = "sync", kind = "sync", workers = 1 },
    { name = "threads", kind = "threads", workers = 1, threads = 4 },
    { name = "overflowing", kind = "async", workers = 1, connections = { pool = 5, overflow = 5 } },
    { name = "async", kind = "async", workers = 1 },
]
"#;

/// asyncpg opens all of its pool at once; SQLAlchemy and a process of few threads what is asked
/// for.
#[test]
fn a_process_keeps_as_many_connections_as_it_opens() {
    let kept = |sets: &[&str]| {
        let all = scenario(POOLS, sets).study.combinations.into_iter();
        all.map(|it| (it.site.server.kept_connections(), it.site.server.opens_pool)).collect()
    };
    let usual: Vec<(u32, bool)> = kept(&[]);
    assert_eq!(usual, [(1, false), (4, false), (5, false), (10, true)]);
    let opened: Vec<(u32, bool)> = kept(&["server.*.opens_pool=true"]);
    assert_eq!(opened, [(10, true), (10, true), (5, true), (10, true)]);
}

#[test]
fn django_under_an_event_loop_has_a_thread_and_a_connection_for_each_request() {
    let scenario = scenario(POOLS, &["stack=django", "database.connections=per-request"]);
    let server = &scenario.study.combinations[3].site.server;
    assert!(matches!(server.kind, WorkerKind::Threads { threads: 10_000, .. }));
    assert_eq!((server.connections.keep, server.connections.limit), (0, None));
    assert_eq!(server.costs.request_cpu, Span::from_micros(1_990));
    let costs = scenario.numbers.iter().filter(|number| number.key == "server.request_cpu");
    let values: Vec<_> = costs.map(|it| (&*it.value, it.servers.len())).collect();
    assert_eq!(values, [("0.36ms", 2), ("1.99ms", 2)]);
}

#[test]
fn a_single_uvicorn_has_nobody_who_holds_its_socket() {
    let on_oom = |sets: &[&str]| {
        let all = scenario(POOLS, sets).study.combinations.into_iter();
        all.map(|it| it.site.server.on_oom).skip(1).step_by(2).collect()
    };
    let alone: Vec<OnOom> = on_oom(&[]);
    assert_eq!(alone, [OnOom::Respawn, OnOom::Alone]);
    let several: Vec<OnOom> = on_oom(&["server.*.workers=2"]);
    assert_eq!(several, [OnOom::Respawn, OnOom::Polled]);
    let under_gunicorn: Vec<OnOom> = on_oom(&["server.async.supervisor=gunicorn"]);
    assert_eq!(under_gunicorn, [OnOom::Respawn, OnOom::Respawn]);
}

/// A gunicorn whose main thread takes time, and a uvicorn with `def` endpoints.
const DISPATCHED: &str = r#"
title = "threads"
stack = "bare"
[[plan]]
name = "box"
cores = 1
[[server]]
name = "gunicorn"
kind = "threads"
workers = 1
threads = 4
dispatch_cpu = "0.2ms"
finish_cpu = "0.1ms"
[[server]]
name = "uvicorn"
kind = "async"
workers = 1
threads = 40
limit_concurrency = 50
answer_cpu = "0.3ms"
connections = "persistent"
[[endpoint]]
name = "page"
steps = [{ compute = "5ms" }, { query = "1ms" }]
[[tier]]
name = "day"
rate = "5/s"
"#;

#[test]
fn a_main_thread_and_a_loop_in_front_of_threads_are_read() {
    let scenario = scenario(DISPATCHED, &[]);
    let [gunicorn, uvicorn] = &scenario.study.combinations[..] else { panic!("not two") };
    let threads = |threads, dispatcher| WorkerKind::Threads {
        threads,
        switch_interval: Span::from_millis(5),
        worker_connections: None,
        dispatcher: Some(dispatcher),
    };
    let main_thread = Dispatcher {
        dispatch_cpu: Span::from_micros(200),
        answer_cpu: None,
        finish_cpu: Span::from_micros(100),
        limit_concurrency: None,
    };
    assert_eq!(gunicorn.site.server.kind, threads(4, main_thread));
    let event_loop = Dispatcher {
        dispatch_cpu: Span::ZERO,
        answer_cpu: Some(Span::from_micros(300)),
        finish_cpu: Span::ZERO,
        limit_concurrency: Some(50),
    };
    assert_eq!(uvicorn.site.server.kind, threads(40, event_loop));
    assert_eq!(uvicorn.site.server.connections.keep, 40);
}

#[test]
fn the_database_of_its_own_host_is_as_far_as_latency_and_round_trip() {
    let scenario = scenario(EVERYTHING, &[]);
    let [threads, event_loop] = &scenario.study.combinations[..] else { panic!("not two") };
    assert_eq!(threads.site.database.latency, Span::from_micros(800));
    assert_eq!(event_loop.site.database.latency, Span::from_micros(20_500));
    assert_eq!(threads.site.database.connection_slots, Some(197));
    let host = threads.site.database.host.as_ref().unwrap();
    assert_eq!((host.cores, host.memory), (4, Some(Bytes::from_mib(8192))));
    let budget = threads.database_budget.as_ref().unwrap();
    assert_eq!(
        budget.to_string(),
        "system 100MB + postgres 1GB + 6 x connection 4MB = 1.121GB of 8GB"
    );
}

#[test]
fn steps_take_the_stack_s_costs_unless_they_say_their_own() {
    let scenario = scenario(EVERYTHING, &[]);
    let endpoint = &scenario.study.combinations[0].site.traffic.endpoints[0];
    let millis = |millis| Dist::Fixed(Span::from_millis(millis));
    let stack = Dist::Fixed(Span::from_micros(50));
    let query = |wait, cpu, driver| Step::Query { wait, cpu, driver };
    assert_eq!(
        endpoint.steps,
        [
            Step::Compute(millis(2)),
            query(millis(3), stack.clone(), None),
            query(millis(3), stack, None),
            query(millis(4), millis(1), Some(Span::from_micros(300))),
            Step::Call { wait: millis(80), cpu: Span::ZERO },
            Step::Call { wait: millis(70), cpu: Span::from_millis(1) },
            Step::Call { wait: millis(1), cpu: Span::from_micros(200) },
            Step::Compute(Dist::Mix(vec![
                (0.95, Dist::Exponential { mean: Span::from_millis(4) }),
                (0.05, millis(150)),
            ])),
        ]
    );
    assert_eq!((endpoint.memory, endpoint.growth), (Bytes::from_mib(2), Bytes::new(1024)));
}

/// Pieces that mistakes are made of.
const PIECES: &[&str] = &[
    "",
    "=",
    "[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    ",",
    ".",
    "\n",
    "#",
    "-",
    "0",
    "9999999999",
    "1e308",
    "nan",
    "inf",
    "é",
    "\u{0}",
    "true",
    "1979-05-27",
    "\"5ms\"",
    "\"none\"",
    "[[plan]]\n",
    "x = 1\n",
    "name = \"p\"\n",
    "stack = \"django\"\n",
    "(",
    "exp(",
    "k/day",
    "*",
    "😀",
];

proptest! {
    #[test]
    fn whatever_is_written_reads_or_says_why(
        spots in prop::collection::vec((0.0..1.0_f64, 0..30_usize, 0..PIECES.len()), 1..4),
    ) {
        let mut text: Vec<char> = EVERYTHING.chars().collect();
        for (spot, length, piece) in spots {
            let from = (spot * text.len() as f64) as usize;
            let to = (from + length).min(text.len());
            text.splice(from..to, PIECES[piece].chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(problems) = read("test.toml", &text, &[], None) {
            prop_assert!(!problems.list().is_empty());
            prop_assert!(!problems.render(true).is_empty());
        }
    }

    #[test]
    fn whatever_is_set_reads_or_says_why(
        key in "(plan|server|tier|database|front|[a-z]{0,5})(\\.KEY){0,3}"
            .replace("KEY", r#"(p|threads|\*|"loop"|host|cores|workers|connections|'|pool|é)"#)
            .as_str(),
        equals in "=?",
        value in "(\\{|\\[|\"|'|-|é|[0-9a-z/%*+() .=]){0,12}",
    ) {
        let set = format!("{key}{equals}{value}");
        if let Err(problems) = read("test.toml", EVERYTHING, &[set], None) {
            prop_assert!(!problems.list().is_empty());
            prop_assert!(!problems.render(true).is_empty());
        }
    }
}
