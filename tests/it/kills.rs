//! Literal timetables of workers that come up, grow, run out of memory and are killed.
//! All times in milliseconds.

use tonnage::model::{Arrival, replay};
use tonnage::outcome::{Cause, Outcome};
use tonnage::seed::Seed;
use tonnage::site::{Accept, FirstRequest, OnOom, Resident, Sharing, Site, Step, WorkerKind};
use tonnage::units::{Bytes, Span, Time};

use crate::life::{MS, Tape, play, play_all};
use crate::support::{ASYNC, call, millis, query, threads};

/// A worker of 100 MB on a host of 40 MB: killed half-way through its boot of 8 s, over and over.
fn dies_in_its_boot(on_oom: OnOom) -> Outcome {
    let mut site = Site::textbook(ASYNC, 1, 1, vec![Step::Compute(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(40));
    site.server.worker_memory = Bytes::from_mib(100);
    site.server.boot_cpu = Span::from_whole_secs(8);
    site.server.on_oom = on_oom;
    site.horizon.measured = Span::from_whole_secs(59);
    replay(&site, std::iter::empty(), Seed::new(1)).0
}

/// The parent looks half a second after it has started a worker, which cannot say that it is well
/// before it is half-way, so it waits five seconds more and misses nothing in between. From one
/// start to the next that is 5.5 s: kills at 4 s, at 8 s and up to half a second more, and every
/// 5.5 s from there. A parent that is told at once, as gunicorn's arbiter, starts one every 4 s.
#[test]
fn uvicorns_parent_misses_a_worker_that_died_while_it_waited_for_word() {
    assert_eq!(dies_in_its_boot(OnOom::Polled).kills, 11);
    assert_eq!(dies_in_its_boot(OnOom::Respawn).kills, 14);
}

/// A loop alone, with its own listening socket: at 20 ms it takes memory that is not there, with
/// nobody else to die for it, and boots for 100 ms. Who is in it is cut off, and who comes before
/// it is up again finds nobody; gunicorn's arbiter would have held the socket, and that one would
/// have waited.
#[test]
fn the_socket_of_a_single_uvicorn_dies_with_it() {
    let mut site = Site::textbook(ASYNC, 1, 1, vec![call(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(100));
    site.server.worker_memory = Bytes::from_mib(60);
    site.server.boot_cpu = Span::from_millis(100);
    site.traffic.endpoints[0].memory = Bytes::from_mib(30);
    let tape: Tape = &[(0, &[50]), (20, &[1]), (60, &[1]), (130, &[1])];
    let gone = |at| Err((Cause::Killed, at));
    let refused = |at| Err((Cause::Down, at));
    site.server.on_oom = OnOom::Alone;
    assert_eq!(play(&site, tape), [gone(20), gone(20), refused(60), Ok(131)]);
    site.server.on_oom = OnOom::Respawn;
    assert_eq!(play(&site, tape), [gone(20), gone(20), Ok(121), Ok(131)]);
}

/// Each request leaves 5 MB behind in a worker of 10 on a host of 12, which dies of the first:
/// whoever is in the backlog then waits for its second life, also where a loop was between two
/// bursts.
#[test]
fn a_worker_that_dies_as_its_request_ends_takes_no_other() {
    for kind in [WorkerKind::Sync, ASYNC] {
        let mut site = Site::textbook(kind, 1, 1, vec![Step::Compute(millis(1))]);
        site.host.memory = Some(Bytes::from_mib(12));
        site.server.worker_memory = Bytes::from_mib(10);
        site.server.boot_cpu = Span::from_millis(1_000);
        site.traffic.endpoints[0].growth = Bytes::from_mib(5);
        let tape: Tape = &[(0, &[10]), (5, &[10])];
        assert_eq!(play(&site, tape), [Ok(10), Ok(1_020)], "{kind:?}");
    }
}

/// A database of 2 GB on a host of 1 GB comes back as fast as it can, which is every millisecond,
/// and each request finds it gone. Where it says that it takes longer, it does.
#[test]
fn a_database_that_does_not_fit_dies_again_and_again_but_not_at_one_instant() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![query(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(1_024));
    site.database.memory = Bytes::from_mib(2_048);
    site.database.largest_process = Bytes::from_mib(100);
    site.horizon.measured = Span::from_millis(100);
    for (recovery, kills) in [(0, 100), (10, 10)] {
        site.database.recovery = Span::from_millis(recovery);
        let (outcome, ends) = play_all(&site, &[(20, &[5, 0]), (50, &[5, 0])], Seed::new(1));
        assert_eq!(outcome.kills, kills, "{recovery} ms of recovery");
        assert_eq!(ends, [Err((Cause::Down, 20)), Err((Cause::Down, 50))]);
    }
}

/// Six workers on as many cores, of which two are killed over their `timeout` at 2 s, when the
/// arbiter looks: it forks the first at once, and the second after a pause of up to 100 ms. A
/// millisecond later a third dies of memory and systemd stops the unit: nobody boots after that,
/// for 5 s each.
#[test]
fn who_was_to_be_started_when_systemd_stops_the_unit_is_not() {
    let mut site = Site::textbook(WorkerKind::Sync, 6, 6, vec![Step::Compute(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(100));
    site.server.worker_memory = Bytes::from_mib(10);
    site.traffic.endpoints[0].memory = Bytes::from_mib(18);
    site.server.timeout = Some(Span::from_whole_secs(1));
    site.server.boot_cpu = Span::from_whole_secs(5);
    site.server.on_oom = OnOom::Stop;
    site.horizon.measured = Span::from_whole_secs(10);
    let (long, short): (&[u64], &[u64]) = (&[9_000], &[9]);
    let tape = [500, 500, 2_001, 2_001, 2_001, 2_001, 2_001];
    let tape = tape.map(|at| (at, if at == 500 { long } else { short }));
    let (outcome, ends) = play_all(&site, &tape, Seed::new(1));
    let (timeout, killed) = (Err((Cause::Timeout, 2_000)), Err((Cause::Killed, 2_001)));
    let refused = Err((Cause::Down, 2_001));
    assert_eq!(ends, [timeout, timeout, killed, killed, killed, killed, refused]);
    // Two requests for 1.5 s, and a boot for a millisecond.
    let busy = outcome.levels.cores.mean * outcome.measured.as_secs();
    assert!((busy - 3.001).abs() < 1e-3, "{busy} s");
}

/// What a worker was killed over it never had.
#[test]
fn no_more_memory_is_used_than_there_is() {
    let outcome = dies_in_its_boot(OnOom::Respawn);
    assert_eq!(outcome.levels.memory.peak, Bytes::from_mib(40).get());
}

/// Two workers of 30 MB on a host of 100 MB, a core for each, and requests of 30 MB. There is no
/// room for the second: for 20 ms nobody gets anything done, and then the worker that was started
/// last dies for it.
#[test]
fn before_the_oom_killer_comes_nobody_gets_anything_done() {
    let mut site = Site::textbook(WorkerKind::Sync, 2, 2, vec![Step::Compute(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(100));
    site.server.worker_memory = Bytes::from_mib(30);
    site.server.boot_cpu = Span::from_millis(100);
    site.traffic.endpoints[0].memory = Bytes::from_mib(30);
    let tape: Tape = &[(0, &[50]), (10, &[5]), (20, &[5])];
    for sharing in [Sharing::Fair, Sharing::Slices { slice: Span::from_millis(2) }] {
        site.host.sharing = sharing;
        site.host.thrashing = Span::ZERO;
        assert_eq!(play(&site, tape), [Ok(50), Err((Cause::Killed, 10)), Ok(55)]);
        site.host.thrashing = Span::from_millis(20);
        assert_eq!(play(&site, tape), [Ok(70), Err((Cause::Killed, 30)), Ok(75)]);
    }
}

/// Two workers of 60 MB on a host of 110 MB, and a core for each. Before its first request a worker
/// holds 50 MB, of which it took 40 at the end of its boot; over that, which costs it 20 ms more
/// than any other, it grows by half of 10 MB at the beginning, and by the rest at the end.
///
/// | from | to | one worker | the other | MB |
/// |---|---|---|---|---|
/// | 0 | 8 | boots | boots | up to 10 each |
/// | 8 | 12 | takes its late memory, 10 MB a ms | the same | up to 50 each |
/// | 20 | 45 | A: its first request | idle | 55 + 50, then 60 + 50 |
/// | 50 | 50 | idle, and is killed for B: it is the larger one | B: its first request | 60 + 55 |
/// | 50 | 62 | forked at once: boots, takes its late memory | B | up to 50 + 55 |
/// | 62 | 75 | C, which has waited for it: its first request | B, and is killed for what it takes at the end | 55 + 60 |
/// | 75 | 87 | C | boots, takes its late memory | 60 + 50 |
/// | 87 | 92 | D, which has waited as well: a request like any other | idle | 60 + 50 |
#[test]
fn who_has_had_its_first_request_dies_for_one_that_has_its() {
    let mut site = Site::textbook(WorkerKind::Sync, 2, 2, vec![Step::Compute(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(110));
    site.server.worker_memory = Bytes::from_mib(60);
    site.server.late_memory = Bytes::from_mib(40);
    let (cpu, memory) = (Span::from_millis(20), Bytes::from_mib(10));
    site.server.first_request = FirstRequest { cpu, memory };
    site.server.touch_cpu = Span::from_micros(100);
    site.server.boot_cpu = Span::from_millis(8);
    let tape: Tape = &[(20, &[5]), (50, &[5]), (50, &[5]), (80, &[5])];
    assert_eq!(play(&site, tape), [45, 75, 87, 92].map(Ok));
}

/// 10 MB that take 1 ms each to touch, before 5 ms of work: every time; or not where the allocator
/// keeps them, which it does from the second time on, and has two blocks that are of no use.
#[test]
fn a_request_touches_what_the_allocator_did_not_keep() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(millis(1))]);
    site.traffic.endpoints[0].memory = Bytes::from_mib(10);
    site.server.touch_cpu = Span::from_millis(1);
    let wanted: &[u64] = &[5];
    let tape = [0, 20, 40, 60, 80].map(|at| (at, wanted));
    let touched = [15, 35, 55, 75, 95].map(Ok);
    assert_eq!(play(&site, &tape), touched);
    site.server.keeps_memory = true;
    let kept = [15, 35, 55, 75, 85].map(Ok);
    assert_eq!(play(&site, &tape), kept);
}

/// A uvicorn of 10 MB on a host of 20 MB, and 6 MB a request: two are too much.
fn looked_after() -> Site {
    let mut site = Site::textbook(ASYNC, 1, 1, vec![call(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(20));
    site.server.worker_memory = Bytes::from_mib(10);
    site.server.on_oom = OnOom::Polled;
    site.traffic.endpoints[0].memory = Bytes::from_mib(6);
    site
}

/// A and B together are too much for their worker, which is killed at 10.001 s and boots in no
/// time. The parent looks every 0.5 s, and starts it then. If it had asked the worker how it is
/// within the last 50 ms, which is one time in ten, it waits for the answer until 5 s after that:
/// of 400 runs in 40, with a standard deviation of 6, of which four are allowed.
#[test]
fn uvicorns_parent_waits_for_word_from_a_worker_killed_right_after_it_had_asked() {
    let site = looked_after();
    let back_after_ms = |seed| {
        let requests = [10_000, 10_001, 10_002].map(|at| {
            let arrival = Arrival { at: Time::from_nanos(at * MS), endpoint: 0 };
            (arrival, vec![Span::from_millis(100)])
        });
        let (_, replies) = replay(&site, requests.into_iter(), Seed::new(seed));
        let ended = replies[2].ended.expect("it is answered in the end");
        (ended - Time::from_nanos(10_101 * MS)).as_millis()
    };
    let (soon, late): (Vec<f64>, Vec<f64>) =
        (0..400).map(back_after_ms).partition(|back| *back <= 500.0);
    assert!(late.iter().all(|back| (4_950.0..=5_000.0).contains(back)), "{late:?}");
    assert!((16..=64).contains(&late.len()), "{} of {}", late.len(), soon.len() + late.len());
}

/// The same, and once more 3 s later: the parent looks every 0.5 s from when it last did, so the
/// worker is back a multiple of that after it was the first time, and 0.2 ms for waking up; or up
/// to 5 s later, in step with nothing, where its parent had asked just before.
#[test]
fn uvicorns_parent_looks_in_step_with_when_it_started_a_worker() {
    let site = looked_after();
    let beyond_ms = |seed| {
        let requests = [1_000, 1_001, 1_002, 10_000, 10_001, 10_002].map(|at| {
            let arrival = Arrival { at: Time::from_nanos(at * MS), endpoint: 0 };
            (arrival, vec![Span::from_millis(100)])
        });
        let (_, replies) = replay(&site, requests.into_iter(), Seed::new(seed));
        let [first, second] = [2, 5].map(|index: usize| replies[index].ended.expect("it ends"));
        (second - first) % Span::from_millis(500)
    };
    let in_step = (0..100).filter(|seed| beyond_ms(*seed) == Span::from_micros(200)).count();
    // Nine in ten of each of the two kills; four standard errors of 100 draws below that.
    assert!(in_step >= 65, "{in_step} of 100");
}

/// A worker of 10 MB on a host of 25 MB, and 10 MB a request: two are too much.
fn has_room_for_one(site: &mut Site) {
    site.host.memory = Some(Bytes::from_mib(25));
    site.server.worker_memory = Bytes::from_mib(10);
    site.traffic.endpoints[0].memory = Bytes::from_mib(10);
}

/// Its boot takes 8 ms, and so many connections.
fn opens_pool_in_8_ms(site: &mut Site, connections: u32) {
    site.server.boot_cpu = Span::from_millis(8);
    site.server.connections.limit = Some(connections);
    site.server.opens_pool = true;
}

/// Cores with slices of 1.4 ms that never go cold.
fn has_slices(site: &mut Site) {
    site.host.sharing = Sharing::Slices { slice: Span::from_micros(1_400) };
}

/// One worker of 10 MB on a host of 25 MB, and 10 MB a request. A and B together are too much: both
/// fail at 20, and C, which has come by then, waits in the backlog.
///
/// | from | to | the only core is for |
/// |---|---|---|
/// | 20 | 50 | freeing 30 MB, a ms each |
/// | 50 | 54 | the ends of four connections that were never used, a ms each, |
/// | 50 | 54.6 | and the rest of the worker's own, 0.6 ms |
/// | 54.6 | 62.6 | its next boot |
/// | 62.6 | 67.6 | C, answered |
#[test]
fn a_killed_worker_is_gone_once_its_memory_is_free_and_its_connections_are_closed() {
    let mut site = Site::textbook(ASYNC, 1, 1, vec![call(millis(1)), Step::Compute(millis(1))]);
    has_room_for_one(&mut site);
    opens_pool_in_8_ms(&mut site, 4);
    site.server.exit_cpu = Span::from_millis(1);
    site.database.unused_close_cpu = Span::from_millis(1);
    let ms = Span::from_millis;
    let requests = [(0, 100, 0), (20, 100, 0), (30, 0, 5)].map(|(at, wait, work)| {
        (Arrival { at: Time::from_nanos(at * MS), endpoint: 0 }, vec![ms(wait), ms(work)])
    });
    let (_, replies) = replay(&site, requests.into_iter(), Seed::new(1));
    let ended = |reply: &tonnage::model::Reply| (reply.ended.unwrap() - Time::ZERO).as_millis();
    assert_eq!(replies.iter().map(ended).collect::<Vec<_>>(), [20.0, 20.0, 67.6]);
    assert_eq!(
        replies.iter().map(|reply| reply.failed).collect::<Vec<_>>(),
        [Some(Cause::Killed), Some(Cause::Killed), None]
    );
}

/// Two workers of 50 MB and two Celery children of 200 fill their host, and each worker gets a
/// request of
/// 140. Both children are killed for them, one after the other, and no worker, which is smaller.
#[test]
fn every_child_of_celery_can_be_killed() {
    let mut site = Site::textbook(WorkerKind::Sync, 2, 2, vec![Step::Compute(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(500));
    let memory = Bytes::from_mib(200);
    site.host.residents =
        vec![Resident { name: "celery".to_owned(), count: 2, memory, killable: true }];
    site.server.worker_memory = Bytes::from_mib(50);
    site.traffic.endpoints[0].memory = Bytes::from_mib(140);
    let (outcome, ends) = play_all(&site, &[(0, &[1]), (0, &[1])], Seed::new(1));
    assert_eq!((outcome.kills, &ends[..]), (2, &[Ok(1), Ok(1)][..]));
}

/// One process with one thread, on a host that has room for one request beside it: the second waits
/// for the thread and holds nothing yet.
#[test]
fn who_waits_for_a_thread_has_no_memory_yet() {
    let mut site = Site::textbook(threads(1), 1, 1, vec![Step::Compute(millis(1))]);
    has_room_for_one(&mut site);
    assert_eq!(play(&site, &[(0, &[5]), (1, &[5])]), [Ok(5), Ok(10)]);
}

/// Two workers of 10 MB with 50 threads each on a host of 60 MB, with a core each, and 20 MB a
/// request. With C, the third, one of them is killed, with what it had before. Its threads take 1
/// ms to end, and the first of the 30 MB that it had, which are all, 30 ms to free. D, who wants 20
/// MB meanwhile, finds nobody who is about to die when the last thread is at its end, and whoever
/// lives is killed as well.
#[test]
fn who_waits_for_the_memory_of_a_process_with_threads_kills_another() {
    let mut site = Site::textbook(threads(50), 2, 2, vec![call(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(60));
    site.server.worker_memory = Bytes::from_mib(10);
    site.server.exit_cpu = Span::from_millis(1);
    site.traffic.endpoints[0].memory = Bytes::from_mib(20);
    let abcd: Tape = &[(0, &[100]), (1, &[100]), (10, &[100]), (12, &[100])];
    let killed = |at| Err((Cause::Killed, at));
    // With this seed A is in one of them, and the others are in the other one.
    let seed = Seed::new(2);
    assert_eq!(play_all(&site, &abcd[..3], seed).1, [Ok(100), killed(10), killed(10)]);
    let all = play_all(&site, abcd, seed).1;
    assert_eq!(all, [killed(41), killed(10), killed(10), killed(41)]);
    // One that frees all at once leaves room for D.
    site.server.exit_cpu = Span::ZERO;
    let all = play_all(&site, abcd, seed).1;
    assert_eq!(all, [Ok(100), killed(10), killed(10), Ok(112)]);
}

/// One worker of 10 MB on a host of 25 MB with cores for all, and 10 MB a request. A and B together
/// are too much; C, who comes by then, waits until the worker is back.
///
/// | from | to | |
/// |---|---|---|
/// | 20 | 27 | it boots, but for an eighth |
/// | 27 | 33 | the postmaster forks a process for each of three connections, 2 ms each |
/// | 27 | 28 | the rest of its boot: it waits for its pool |
/// | 33 | 38 | C, answered |
#[test]
fn a_worker_is_back_once_the_postmaster_has_forked_for_its_pool() {
    let mut site = Site::textbook(ASYNC, 1, 4, vec![call(millis(1))]);
    has_room_for_one(&mut site);
    opens_pool_in_8_ms(&mut site, 3);
    site.database.connect_cpu = Span::from_millis(10);
    let tape: Tape = &[(0, &[100]), (20, &[100]), (21, &[5])];
    let killed = Err((Cause::Killed, 20));
    assert_eq!(play(&site, tape), [killed, killed, Ok(38)]);
}

/// A worker boots for 1.5 s on a core with slices, and its parent asks it in the middle of that how
/// it is. It answers in between, with a thread of its own, and boots on: 1.6 s for that and the
/// request from when the parent looks, which is at once or up to 5.5 s after the kill at 1.001 s,
/// and 10 ms for looks and answers. (A thread that had two things to do is an error in `Sliced`
/// with debug assertions.)
#[test]
fn a_worker_that_is_asked_while_it_boots_boots_on() {
    let mut site = looked_after();
    has_slices(&mut site);
    site.server.boot_cpu = Span::from_millis(1_500);
    let requests = [1_000, 1_001, 1_002].map(|at| {
        let arrival = Arrival { at: Time::from_nanos(at * MS), endpoint: 0 };
        (arrival, vec![Span::from_millis(100)])
    });
    let (_, replies) = replay(&site, requests.into_iter(), Seed::new(1));
    let ended = replies[2].ended.expect("it is answered in the end");
    assert!((2.601..8.111).contains(&ended.as_secs()), "{} s", ended.as_secs());
    assert_eq!(replies[2].failed, None);
}

/// How `count` requests fare, 5 s apart, that fill a worker's memory two by two, on a core with
/// slices.
fn fill_it_by_twos(site: &mut Site, count: u64, seed: u64) -> Vec<Option<Cause>> {
    has_slices(site);
    site.server.worker_memory = Bytes::from_mib(10);
    site.host.memory = Some(Bytes::from_mib(20 + 10 * u64::from(site.server.workers)));
    site.traffic.endpoints[0].memory = Bytes::from_mib(11);
    let requests = (1..=count).map(|at| {
        let arrival = Arrival { at: Time::from_nanos(at * 5_000 * MS), endpoint: 0 };
        (arrival, vec![Span::from_millis(7_000)])
    });
    let (outcome, replies) = replay(site, requests, Seed::new(seed));
    assert!(outcome.kills > 0);
    replies.into_iter().map(|reply| reply.failed).collect()
}

/// Workers that boot in no time have word at once, and their parent asks each of them but once. One
/// time in ten it has asked the one that is killed just before, gives it up, and goes on with the
/// rest.
#[test]
fn a_parent_that_gave_up_on_a_worker_goes_on_with_the_next() {
    for seed in 1..=40 {
        let mut site = Site::textbook(ASYNC, 2, 1, vec![call(millis(1))]);
        site.server.on_oom = OnOom::Polled;
        let failed = fill_it_by_twos(&mut site, 20, seed);
        assert!(failed.contains(&None), "they come back: {failed:?}");
    }
}

/// The processes of a pool of 1,100 connections end at once, each a task of its own.
#[test]
fn more_than_a_thousand_connections_close_at_once() {
    let mut site = Site::textbook(ASYNC, 1, 1, vec![call(millis(1))]);
    site.server.connections.limit = Some(1_100);
    site.server.opens_pool = true;
    site.database.unused_close_cpu = Span::from_millis(1);
    let killed = Some(Cause::Killed);
    assert_eq!(fill_it_by_twos(&mut site, 3, 1), [killed, killed, None]);
}

/// A loop of 10 MB and a database of 50, which is its largest process, and 5 for each connection,
/// on a host that holds one request of 20 MB beside them and not a byte more: with two the database
/// is killed, and is back a second later.
fn loses_its_database() -> Site {
    let mut site = Site::textbook(ASYNC, 1, 1, vec![query(millis(1))]);
    site.host.memory = Some(Bytes::from_mib(85));
    site.server.worker_memory = Bytes::from_mib(10);
    site.database.memory = Bytes::from_mib(50);
    site.database.largest_process = Bytes::from_mib(60);
    site.database.connection_memory = Bytes::from_mib(5);
    site.database.recovery = Span::from_millis(1_000);
    site.traffic.endpoints[0].memory = Bytes::from_mib(20);
    site
}

/// A has a connection as B comes, at 10: A's drops, and B, like C at 500, gets none until 1,010.
#[test]
fn who_asks_a_recovering_database_finds_it_down() {
    let tape: Tape = &[(0, &[100, 0]), (10, &[100, 0]), (500, &[100, 0]), (1_010, &[100, 0])];
    let (killed, down) = (Err((Cause::Killed, 10)), |at| Err((Cause::Down, at)));
    assert_eq!(play(&loses_its_database(), tape), [killed, down(10), down(500), Ok(1_110)]);
}

/// An application says so that has lost its database or finds none, and so does gunicorn for a
/// worker that it kills over its `timeout`; nobody does for a process that the OOM killer takes.
#[test]
fn a_server_that_is_still_there_says_that_a_request_failed() {
    let told = |site: &Site, tape: Tape| -> Vec<bool> {
        let requests = tape.iter().map(|(at, demands)| {
            let arrival = Arrival { at: Time::from_nanos(at * MS), endpoint: 0 };
            (arrival, demands.iter().map(|ms| Span::from_millis(*ms)).collect())
        });
        let replies = replay(site, requests, Seed::new(1)).1;
        assert!(replies.iter().all(|reply| reply.failed.is_some()), "{replies:?}");
        replies.iter().map(|reply| reply.error_page).collect()
    };
    let tape: Tape = &[(0, &[100, 0]), (10, &[100, 0])];
    assert_eq!(told(&loses_its_database(), tape), [true, true]);
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(millis(1))]);
    site.server.timeout = Some(Span::from_whole_secs(1));
    assert_eq!(told(&site, &[(0, &[5_000])]), [true]);
    let mut site = Site::textbook(ASYNC, 1, 1, vec![call(millis(1))]);
    has_room_for_one(&mut site);
    assert_eq!(told(&site, &[(0, &[100]), (10, &[100])]), [false, false]);
}

/// A and B are its end; C, and D after it, have just the room that A had, and nobody else dies.
#[test]
fn after_a_crash_and_a_recovery_memory_is_what_it_was() {
    let tape: Tape = &[(0, &[100, 0]), (10, &[100, 0]), (1_100, &[100, 0]), (1_300, &[100, 0])];
    let (outcome, ends) = play_all(&loses_its_database(), tape, Seed::new(1));
    assert_eq!(ends[2..], [Ok(1_200), Ok(1_400)]);
    assert_eq!(outcome.kills, 1);
}

/// A computes for 50 ms and then waits, and B and C knock meanwhile; with B, who is accepted next,
/// memory runs out. C is cut off where it knocked at the socket of that process, and else waits for
/// its next life, as D does, who comes while nobody listens.
#[test]
fn a_backlog_of_its_own_dies_with_its_process() {
    let steps = vec![Step::Compute(millis(1)), call(millis(1))];
    let mut site = Site::textbook(ASYNC, 1, 8, steps);
    has_room_for_one(&mut site);
    site.server.boot_cpu = Span::from_millis(100);
    let tape: Tape = &[(0, &[50, 100]), (10, &[1, 1]), (20, &[1, 1]), (60, &[1, 1])];
    let killed = Err((Cause::Killed, 50));
    assert_eq!(play(&site, &tape[..3]), [killed, killed, Ok(152)]);
    site.server.accept = Accept::PerProcess;
    assert_eq!(play(&site, tape), [killed, killed, killed, Ok(152)]);
}
