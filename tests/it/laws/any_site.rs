//! Sites drawn at random, of all that a site can be told, and the laws that they obey: whatever is
//! combined with whatever, a run comes to its end.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tonnage::model::simulate;
use tonnage::seed::Seed;
use tonnage::site::{
    Accept, Client, Connections, Cooling, Costs, Database, Dispatcher, Endpoint, FirstRequest,
    Front, Hold, Host, Listen, OnOom, Resident, Server, Sharing, Site, Step, WorkerKind,
};
use tonnage::units::{Bytes, PerSecond, Span};

use super::{ms, obeys_the_laws_of_a_run};
use crate::support::{call, exponential, millis, query};

/// A span of up to so many milliseconds, or none.
fn perhaps(millis: u64) -> impl Strategy<Value = Option<Span>> {
    prop::option::of((1..=millis).prop_map(Span::from_millis))
}

fn kinds() -> impl Strategy<Value = WorkerKind> {
    let limits = || prop::option::of(1u32..12);
    prop_oneof![
        Just(WorkerKind::Sync),
        (1u32..5, 1u64..9, limits(), dispatchers()).prop_map(
            |(threads, millis, worker_connections, dispatcher)| {
                let switch_interval = Span::from_millis(millis);
                WorkerKind::Threads { threads, switch_interval, worker_connections, dispatcher }
            }
        ),
        limits().prop_map(|limit_concurrency| WorkerKind::Async { limit_concurrency }),
    ]
}

fn dispatchers() -> impl Strategy<Value = Option<Dispatcher>> {
    let limits = prop::option::of(2u32..12);
    let some = (0u64..3, prop::option::of(0u64..3), 0u64..3, limits).prop_map(
        |(dispatch, answer, finish, limit_concurrency)| Dispatcher {
            dispatch_cpu: ms(dispatch),
            answer_cpu: answer.map(ms),
            finish_cpu: ms(finish),
            limit_concurrency,
        },
    );
    prop::option::of(some)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u64..20).prop_map(|each| Step::Compute(millis(each))),
        (1u32..20).prop_map(|each| Step::Compute(exponential(f64::from(each) / 1e3))),
        (0u64..20).prop_map(|each| query(millis(each))),
        (1u32..20, 0u64..4).prop_map(|(wait, cpu)| {
            let wait = exponential(f64::from(wait) / 1e3);
            Step::Query { wait, cpu: millis(cpu), driver: Some(Span::from_millis(cpu)) }
        }),
        (0u64..40).prop_map(|each| call(millis(each))),
    ];
    prop::collection::vec(step, 0..6)
}

/// A span of up to so many milliseconds, every other time none.
fn spans(millis: u64) -> impl Strategy<Value = Span> {
    perhaps(millis).prop_map(Option::unwrap_or_default)
}

/// A span of up to so many microseconds, every other time none.
fn micros(most: u64) -> impl Strategy<Value = Span> {
    prop_oneof![Just(Span::ZERO), (1..=most).prop_map(Span::from_micros)]
}

fn connections() -> impl Strategy<Value = Connections> {
    let holds = prop_oneof![Just(Hold::Query), Just(Hold::Queries), Just(Hold::Request)];
    (0u32..4, prop::option::of(1u32..6), perhaps(60), holds).prop_map(
        |(keep, limit, timeout, hold)| Connections {
            keep: keep.min(limit.unwrap_or(u32::MAX)),
            limit,
            timeout,
            hold,
        },
    )
}

fn fronts() -> impl Strategy<Value = Front> {
    (any::<bool>(), prop::option::of(0u32..5), 0u64..3, perhaps(9_000), perhaps(300)).prop_map(
        |(tcp, backlog, nginx, connect_timeout, read_timeout)| Front {
            listen: if tcp { Listen::Tcp } else { Listen::Unix },
            backlog,
            nginx_cpu: Span::from_millis(nginx),
            connect_timeout,
            read_timeout,
        },
    )
}

fn clients() -> impl Strategy<Value = Client> {
    let patience = prop_oneof![Just(None), Just(Some(ms(1))), perhaps(3_000)];
    (patience, spans(40), micros(2_000)).prop_map(|(patience, round_trip, cpu)| Client {
        patience,
        round_trip,
        cpu,
    })
}

/// A host of these cores with so much memory, in MiB, on which some Celery children live.
fn hosts(cores: u32, memory: Option<u64>) -> impl Strategy<Value = Host> {
    let sharing = prop_oneof![
        Just(Sharing::Fair),
        (1u64..4).prop_map(|millis| Sharing::Slices { slice: ms(millis) }),
    ];
    let cooling = (micros(200), 0.0f64..4.0, 1u64..20).prop_map(|(core, code, over)| Cooling {
        core,
        code,
        over: ms(over),
    });
    let celery = (1u32..4).prop_map(|count| {
        let memory = Bytes::from_mib(50);
        Resident { name: "celery".into(), count, memory, killable: true }
    });
    (sharing, prop::option::of(cooling), spans(30), 0.5f64..2.0, celery).prop_map(
        move |(sharing, cooling, thrashing, speed, celery)| Host {
            cores,
            speed,
            sharing,
            cooling,
            memory: memory.map(Bytes::from_mib),
            thrashing,
            residents: vec![celery],
        },
    )
}

fn costs() -> impl Strategy<Value = Costs> {
    let cold_code = prop::option::of(0.0f64..4.0);
    (micros(2_000), micros(500), micros(4_000), micros(1_000), cold_code).prop_map(
        |(request_cpu, query_cpu, connect_cpu, reset_cpu, cold_code)| Costs {
            request_cpu,
            query_cpu,
            connect_cpu,
            reset_cpu,
            cold_code,
        },
    )
}

/// What a worker holds: all in all, late in its boot, and after its first request only.
fn holdings() -> impl Strategy<Value = (Bytes, Bytes, FirstRequest)> {
    (0u64..200, 0u64..80, 0u64..50, spans(30)).prop_map(|(all, late, first, cpu)| {
        let first = first.min(all);
        let first_request = FirstRequest { cpu, memory: Bytes::from_mib(first) };
        (Bytes::from_mib(all), Bytes::from_mib(late.min(all - first)), first_request)
    })
}

/// What starts so many workers again after a kill, if anything does.
fn ends(workers: u32) -> impl Strategy<Value = OnOom> {
    let alone = if workers == 1 { OnOom::Alone } else { OnOom::Polled };
    let any = [OnOom::Respawn, OnOom::Respawn, OnOom::Polled, alone, OnOom::Stop];
    prop::sample::select(any.to_vec())
}

fn accepts() -> impl Strategy<Value = Accept> {
    let shared = prop_oneof![Just(1.0), 0.1f64..1.0].prop_map(|bias| Accept::Shared { bias });
    prop_oneof![shared, Just(Accept::PerProcess)]
}

fn servers(kind: WorkerKind, workers: u32) -> impl Strategy<Value = Server> {
    let cpu = (micros(300), micros(2_000), micros(300), spans(200));
    let manners = (accepts(), ends(workers), any::<[bool; 3]>());
    let timeout = prop::option::of((1u64..4).prop_map(Span::from_whole_secs));
    let others = (spans(30), timeout, costs(), connections());
    (cpu, manners, others, holdings()).prop_map(move |(cpu, manners, others, holdings)| {
        let (touch_cpu, herd_cpu, exit_cpu, boot_cpu) = cpu;
        let (accept, on_oom, [keeps_memory, has_threads, opens]) = manners;
        let (linger, timeout, costs, connections) = others;
        let (worker_memory, late_memory, first_request) = holdings;
        Server {
            kind,
            workers,
            worker_memory,
            late_memory,
            first_request,
            touch_cpu,
            herd_cpu,
            exit_cpu,
            keeps_memory,
            has_threads,
            linger,
            boot_cpu,
            timeout: timeout.filter(|_| kind == WorkerKind::Sync),
            accept,
            costs,
            connections,
            opens_pool: opens && connections.limit.is_some(),
            on_oom,
        }
    })
}

/// A database that recovers from a kill in no time, or in half a second at most; a host of its own,
/// which one in two has, is hardly larger than it needs.
fn databases() -> impl Strategy<Value = Database> {
    let cpu = (micros(3_000), micros(3_000), micros(1_000), micros(1_000), micros(2_000));
    let waits = (micros(2_000), spans(3), spans(2), spans(500));
    (0u64..200, any::<bool>(), cpu, waits, prop::option::of(0u32..8)).prop_flat_map(
        |(memory, apart, cpu, waits, connection_slots)| {
            let (connect_cpu, close_cpu, unused_close_cpu, reset_cpu, refusal_cpu) = cpu;
            let (latency, connect_wait, wait_step, recovery) = waits;
            let database = Database {
                host: None,
                latency,
                connection_slots,
                memory: Bytes::from_mib(memory),
                connection_memory: Bytes::from_mib(2),
                connect_cpu,
                connect_wait,
                close_cpu,
                unused_close_cpu,
                reset_cpu,
                wait_step,
                refusal_cpu,
                largest_process: Bytes::from_mib(memory),
                recovery,
            };
            hosts(1, Some(memory + 55))
                .prop_map(move |host| Database { host: apart.then_some(host), ..database.clone() })
        },
    )
}

fn endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
    let endpoint = (steps(), 0u64..40).prop_map(|(steps, memory)| {
        let (memory, growth) = (Bytes::from_mib(memory), Bytes::from_mib(memory / 20));
        Endpoint { memory, growth, ..Endpoint::textbook(steps) }
    });
    prop::collection::vec(endpoint, 1..3)
}

/// Sites that are empty when the window opens, so that the laws' slack is known exactly; a run with
/// too many requests inside is stopped, as any is.
fn sites() -> impl Strategy<Value = Site> {
    let sizes = (1u32..5, 1u32..4, prop::option::of(100u64..700));
    let traffic = (1.0f64..300.0, endpoints());
    (kinds(), sizes, traffic, fronts(), clients()).prop_flat_map(
        |(kind, (workers, cores, memory), (rate, endpoints), front, client)| {
            let parts = (hosts(cores, memory), servers(kind, workers), databases());
            parts.prop_map(move |(host, server, database)| {
                let textbook = Site::textbook(kind, workers, cores, Vec::new());
                let (front, client) = (front.clone(), client.clone());
                let mut site = Site { host, server, database, front, client, ..textbook };
                site.traffic.rate = PerSecond::new(rate);
                site.traffic.endpoints = endpoints.clone();
                site.horizon.warmup = Span::ZERO;
                site.horizon.measured = Span::from_whole_secs(5);
                site.horizon.drain = Span::from_whole_secs(20);
                site.horizon.in_flight_limit = 300;
                site
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_small_site_runs_to_its_end_and_obeys_the_laws(site in sites(), seed in any::<u64>()) {
        obeys_the_laws_of_a_run("a random site", &site, &simulate(&site, Seed::new(seed)));
    }
}
