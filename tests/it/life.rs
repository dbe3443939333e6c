//! Literal timetables: a few requests with fixed demands, and when each has its answer.
//! All times in milliseconds.

mod connections;

use tonnage::model::{Arrival, replay, simulate};
use tonnage::outcome::{Cause, Outcome, Queue, Stage};
use tonnage::seed::Seed;
use tonnage::site::{Accept, Dist, Listen, Site, Step, WorkerKind};
use tonnage::units::{PerSecond, Span, Time};

use crate::support::{ASYNC, behind_loop, call, millis, query, threads, with_main_thread};

pub(crate) const MS: u64 = 1_000_000;

/// Requests for the first endpoint, each with its arrival and its demands.
pub(crate) type Tape<'a> = &'a [(u64, &'a [u64])];

/// When a request has its answer, or why it gets none and when that is known.
pub(crate) type End = Result<u64, (Cause, u64)>;

/// When each request of `tape` has its answer, or why it got none, and when it knew.
pub(crate) fn play(site: &Site, tape: Tape) -> Vec<End> {
    play_all(site, tape, Seed::new(1)).1
}

/// Plays a tape as [`play`] does, with a seed for what is left to chance; returns the outcome as
/// well.
pub(crate) fn play_all(site: &Site, tape: Tape, seed: Seed) -> (Outcome, Vec<End>) {
    let requests = tape.iter().map(|(at, demands)| {
        let arrival = Arrival { at: Time::from_nanos(at * MS), endpoint: 0 };
        (arrival, demands.iter().map(|millis| Span::from_millis(*millis)).collect())
    });
    let (outcome, replies) = replay(site, requests, seed);
    let ends = replies.into_iter().map(|reply| {
        let ended = reply.ended.expect("every request ends").as_nanos();
        assert_eq!(ended % MS, 0, "{ended} ns is no whole millisecond");
        reply.failed.map_or(Ok(ended / MS), |cause| Err((cause, ended / MS)))
    });
    (outcome, ends.collect())
}

/// Compute, query, compute: how long is for the tape to say.
pub(crate) fn page() -> Vec<Step> {
    vec![Step::Compute(millis(1)), query(millis(1)), Step::Compute(millis(1))]
}

/// A, B and C: arrival, and compute, query (its wait, its CPU), compute.
const ABC: Tape = &[(0, &[12, 21, 0, 10]), (5, &[10, 20, 0, 9]), (6, &[10, 5, 0, 5])];

/// Two workers, one core.
///
/// | from | to | A | B | C | the core is for |
/// |---|---|---|---|---|---|
/// | 0 | 5 | computes, 7 left | | | A |
/// | 5 | 19 | computes, done | computes, 3 left | in the backlog from 6 | A and B, half each |
/// | 19 | 22 | queries till 40 | computes, done | waits | B |
/// | 22 | 40 | queries | queries till 42 | waits | nobody |
/// | 40 | 42 | computes, 8 left | queries | waits | A |
/// | 42 | 58 | computes, answered | computes, 1 left | waits | A and B |
/// | 58 | 60 | | computes, answered | computes, 9 left | B and C |
/// | 60 | 69 | | | computes, done | C |
/// | 69 | 79 | | | queries till 74, computes, answered | C |
#[test]
fn two_sync_workers_share_a_core_and_the_third_request_waits_for_an_answer() {
    let site = Site::textbook(WorkerKind::Sync, 2, 1, page());
    assert_eq!(play(&site, ABC), [Ok(58), Ok(60), Ok(79)]);
}

/// One process, two threads, as many cores as one could wish.
///
/// | from | to | A | B | C | the GIL is A's, B's, C's |
/// |---|---|---|---|---|---|
/// | 0 | 10 | computes, 2 left | waits from 5, asks after 5 ms | waits for a thread from 6 | A |
/// | 10 | 15 | waits, asks after 5 ms | computes, 5 left | waits | B |
/// | 15 | 17 | computes, done | waits | waits | A |
/// | 17 | 22 | queries till 38 | computes, done | waits | B |
/// | 22 | 38 | queries | queries till 42 | waits | nobody |
/// | 38 | 47 | computes, 1 left | waits from 42 | waits | A |
/// | 47 | 52 | waits | computes, 4 left | waits | B |
/// | 52 | 53 | computes, answered | waits | waits | A |
/// | 53 | 57 | | computes, answered | has a thread, waits for the GIL | B |
/// | 57 | 67 | | | computes, done | C |
/// | 67 | 77 | | | queries till 72, computes, answered | C |
#[test]
fn two_threads_pass_the_gil_every_five_milliseconds() {
    let site = Site::textbook(threads(2), 1, 8, page());
    assert_eq!(play(&site, ABC), [Ok(53), Ok(57), Ok(77)]);
}

/// Three processes of two threads on two cores: each has two thirds of a core at least, so whoever
/// is in one is answered by half as much again as the work of both. The works, in ns, are such that
/// one is interrupted with a fraction of a nanosecond to go, which the clock does not know: it has
/// to finish, and not to begin again.
#[test]
fn who_is_interrupted_at_the_very_end_of_its_work_does_not_begin_again() {
    let kind = WorkerKind::Threads {
        threads: 2,
        switch_interval: Span::from_nanos(100),
        worker_connections: Some(2),
        dispatcher: None,
    };
    let site = Site::textbook(kind, 3, 2, vec![Step::Compute(millis(1))]);
    let arrival = Arrival { at: Time::ZERO, endpoint: 0 };
    for mut works in [
        [1092, 966, 684, 1068, 1249, 871],
        [710, 955, 1104, 1182, 1260, 1087],
        [562, 510, 418, 488, 522, 505],
    ] {
        let requests = works.map(|work| (arrival, vec![Span::from_nanos(work)])).into_iter();
        let (_, replies) = replay(&site, requests, Seed::new(1));
        let ended = replies.iter().map(|reply| reply.ended.expect("every request ends"));
        let last = ended.max().expect("there are six").as_nanos();
        works.sort_unstable();
        let latest = (works[4] + works[5]) * 3 / 2;
        assert!(last <= latest, "{works:?}: the last is answered at {last}, not by {latest} ns");
    }
}

/// One process, two threads, and a main thread that takes a millisecond to accept and one to close.
/// A and B ask for the same as C but for the times.
///
/// | from | to | A | B | C | the GIL is for |
/// |---|---|---|---|---|---|
/// | 0 | 1 | is accepted | | | the main thread |
/// | 1 | 9 | computes, 4 left | knocks at 4: the main thread asks after 5 ms | | A |
/// | 9 | 10 | waits | is accepted | | the main thread |
/// | 10 | 14 | computes, done | has a thread, waits | | A |
/// | 14 | 17 | queries till 34 | computes, queries till 47 | | B |
/// | 34 | 37 | computes, answered | queries | knocks at 36 | A |
/// | 37 | 38 | is closed | queries | waits | the main thread |
/// | 38 | 39 | | queries | is accepted | the main thread |
/// | 39 | 44 | | queries | computes, queries till 46 | C |
/// | 46 | 47 | | back at 47 | computes, answered | C |
/// | 47 | 48 | | waits | is closed | the main thread |
/// | 48 | 50 | | computes, answered | | B |
#[test]
fn the_main_thread_waits_for_the_gil_to_accept_and_its_threads_wait_while_it_has_it() {
    let ms = Span::from_millis;
    let site = Site::textbook(with_main_thread(2, ms(1), ms(1)), 1, 8, page());
    let tape: Tape = &[(0, &[12, 20, 0, 3]), (4, &[3, 30, 0, 2]), (36, &[5, 2, 0, 1])];
    assert_eq!(play(&site, tape), [Ok(37), Ok(50), Ok(47)]);
}

/// The same behind an event loop that takes a millisecond to hand a request to a thread, and one
/// to send an answer: A is back from its query at 34 and answered by the loop at 38, B at 47 and
/// at 50.
#[test]
fn the_loop_in_front_of_threads_waits_for_the_gil_to_answer() {
    let ms = Span::from_millis;
    let site = Site::textbook(behind_loop(2, ms(1), ms(1)), 1, 8, page());
    let tape: Tape = &[(0, &[12, 20, 0, 3]), (4, &[3, 30, 0, 2])];
    assert_eq!(play(&site, tape), [Ok(38), Ok(50)]);
}

/// A pool of one connection, and 2 ms of the driver for a query: one to send it, one to take the
/// result, for which A must have the GIL again before B has the connection.
///
/// | from | to | A | B | the GIL is for |
/// |---|---|---|---|---|
/// | 0 | 1 | sends its query | waits for the GIL from 0 | A |
/// | 1 | 5 | queries till 4, waits, asks after 5 ms | computes | B |
/// | 5 | 6 | takes its result | waits for the connection, has it at 6 | A |
/// | 6 | 7 | computes, answered | waits | A |
/// | 7 | 8 | | sends its query, till 11 | B |
/// | 11 | 13 | | takes its result, computes, answered | B |
#[test]
fn a_thread_needs_the_gil_again_before_its_connection_is_free() {
    let mut site = Site::textbook(with_main_thread(2, Span::ZERO, Span::ZERO), 1, 8, page());
    site.server.connections.limit = Some(1);
    site.server.costs.query_cpu = Span::from_millis(2);
    let tape: Tape = &[(0, &[0, 3, 0, 1]), (0, &[4, 3, 0, 1])];
    assert_eq!(play(&site, tape), [Ok(7), Ok(13)]);
}

/// One event loop.
///
/// | from | to | A | B | C | the loop runs |
/// |---|---|---|---|---|---|
/// | 0 | 12 | computes, done | waits from 5 | waits from 6 | A |
/// | 12 | 22 | queries till 33 | computes, done | waits | B |
/// | 22 | 32 | queries | queries till 42 | computes, done | C |
/// | 32 | 33 | queries | queries | queries till 37 | nothing |
/// | 33 | 43 | computes, answered | ready from 42 | ready from 37 | A |
/// | 43 | 48 | | ready | computes, answered | C |
/// | 48 | 57 | | computes, answered | | B |
#[test]
fn an_event_loop_runs_each_burst_to_its_end() {
    let site = Site::textbook(ASYNC, 1, 8, page());
    assert_eq!(play(&site, ABC), [Ok(43), Ok(57), Ok(48)]);
}

/// A millisecond for the stack, then A queries 10 and calls 10; B computes from 5 to 45. Nothing is
/// to compute for A when it is back, but its thread needs the GIL to go on, for which it asks after
/// 5 ms, and its task the loop. In a textbook, where the stack costs nothing, it does not.
///
/// | workers | A is back | and calls from | is back | and answered |
/// |---|---|---|---|---|
/// | two sync | 11 | 11 | 21 | 21 |
/// | two threads | 11 | 16 | 26 | 31 |
/// | a loop | 11 | 45 | 55 | 55 |
/// | a textbook's loop | 11 | 11 | 21 | 21 |
#[test]
fn who_comes_back_from_a_wait_needs_its_turn_though_nothing_is_left_to_compute() {
    let steps = vec![Step::Compute(millis(1)), query(millis(1)), call(millis(1))];
    let answered = |kind, workers, stack: u64| {
        let mut site = Site::textbook(kind, workers, 8, steps.clone());
        site.server.costs.request_cpu = Span::from_millis(stack);
        let tape: Tape = &[(0, &[1 - stack, 10, 0, 10]), (5, &[40 - stack, 20, 0, 20])];
        play(&site, tape)
    };
    assert_eq!(answered(WorkerKind::Sync, 2, 1), [Ok(21), Ok(85)]);
    assert_eq!(answered(threads(2), 1, 1), [Ok(31), Ok(85)]);
    assert_eq!(answered(ASYNC, 1, 1), [Ok(55), Ok(85)]);
    assert_eq!(answered(ASYNC, 1, 0), [Ok(21), Ok(85)]);
}

/// One worker; A takes 100, B 10. B's client has patience for 50, and the work is done anyway.
///
/// | from | to | the worker | who has given up |
/// |---|---|---|---|
/// | 0 | 100 | A | A at 50, B (arrived at 10) at 60 |
/// | 100 | 110 | B | |
/// | 110 | 120 | C (arrived at 90), answered after 30 | |
#[test]
fn what_nobody_waits_for_is_still_done() {
    let mut site =
        Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(Dist::Fixed(Span::ZERO))]);
    site.client.patience = Some(Span::from_millis(50));
    let tape: Tape = &[(0, &[100]), (10, &[10]), (90, &[10])];
    let given_up = |at| Err((Cause::Patience, at));
    assert_eq!(play(&site, tape), [given_up(50), given_up(60), Ok(120)]);
}

/// Work of 50 and a way of 80 there and back: the answer is back after 130, if anybody waits for so
/// long. A client that does not wait so long gives up when its patience is over, wherever the
/// answer is by then.
#[test]
fn an_answer_that_is_still_on_its_way_when_patience_is_over_is_none() {
    let mut site =
        Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(Dist::Fixed(Span::ZERO))]);
    site.client.round_trip = Span::from_millis(80);
    for (patience, end) in [(100, Err((Cause::Patience, 100))), (129, Err((Cause::Patience, 129)))]
    {
        site.client.patience = Some(Span::from_millis(patience));
        assert_eq!(play(&site, &[(0, &[50])]), [end]);
    }
    for patience in [130, 1_000] {
        site.client.patience = Some(Span::from_millis(patience));
        assert_eq!(play(&site, &[(0, &[50])]), [Ok(130)]);
    }
}

/// A loop and its one connection: a request that is woken up for it may find it taken, and waits
/// again. That is one wait, of all the time in the queue: two for each request, which has two
/// queries.
#[test]
fn who_is_woken_up_in_vain_has_waited_once_when_it_is_over() {
    let fixed = || query(millis(5));
    let mut site = Site::textbook(ASYNC, 1, 1, vec![fixed(), fixed()]);
    site.server.costs.query_cpu = Span::from_millis(2);
    (site.server.connections.keep, site.server.connections.limit) = (1, Some(1));
    site.traffic.rate = PerSecond::new(60.0);
    site.horizon.measured = Span::from_whole_secs(200);
    let outcome = simulate(&site, Seed::new(1));
    let waits = &outcome.waits[Queue::Connection as usize];
    assert_eq!((outcome.counts.open, waits.count()), (0, 2 * outcome.counts.answered));
    let [waited, queued] = [
        waits.mean().unwrap() * waits.count() as f64 / 1e9,
        outcome.levels.pool_queue.mean * outcome.measured.as_secs(),
    ];
    assert!(waited > 10.0 && (waited / queued - 1.0).abs() < 0.01, "{waited} s, {queued} s");
}

/// Nginx takes 10 of the only core before a request reaches the one worker, which takes 20.
///
/// | from | to | the core is for |
/// |---|---|---|
/// | 0 | 10 | Nginx for A |
/// | 10 | 15 | A, 15 left |
/// | 15 | 35 | A, 5 left, and Nginx for B, half each |
/// | 35 | 40 | A, answered; B in the backlog |
/// | 40 | 60 | B, answered |
#[test]
fn nginx_computes_on_the_same_cores() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(millis(20))]);
    site.front.nginx_cpu = Span::from_millis(10);
    assert_eq!(play(&site, &[(0, &[20]), (15, &[20])]), [Ok(40), Ok(60)]);
}

/// One loop; A to E compute 10, query 4, compute 5. A loop accepts one connection between two
/// iterations, and an iteration runs everything that was ready when it began.
///
/// | from | to | runs | ready then, in order | accepted at its end |
/// |---|---|---|---|---|
/// | 0 | 10 | A | | B |
/// | 10 | 20 | B | A since 14 | C, which A is before |
/// | 20 | 25 | A, answered | C, B since 24 | D |
/// | 25 | 35 | C | B, D | nobody: B is of the same iteration |
/// | 35 | 40 | B, answered | D, C since 39 | E |
/// | 40 | 50 | D | C, E | nobody |
/// | 50 | 55 | C, answered | E, D since 54 | |
/// | 55 | 65 | E | D | |
/// | 65 | 70 | D, answered | E since 69 | |
/// | 70 | 75 | E, answered | | |
#[test]
fn a_loop_accepts_one_connection_an_iteration() {
    let site = Site::textbook(ASYNC, 1, 1, page());
    let wanted: &[u64] = &[10, 4, 0, 5];
    let tape = [0, 1, 2, 3, 4].map(|at| (at, wanted));
    assert_eq!(play(&site, &tape), [Ok(25), Ok(40), Ok(55), Ok(70), Ok(75)]);
}

/// Its client is 80 away, and nothing on the way is waited for.
#[test]
fn the_way_to_the_site_and_back_is_part_of_every_response_and_a_stage_of_its_own() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(millis(5))]);
    site.client.round_trip = Span::from_millis(80);
    assert_eq!(play(&site, &[(0, &[5]), (200, &[5])]), [Ok(85), Ok(285)]);
    site.traffic.rate = PerSecond::new(0.01);
    site.horizon.measured = Span::from_whole_secs(1_000);
    let outcome = simulate(&site, Seed::new(1));
    assert_eq!(outcome.response[0].max(), Span::from_millis(85).as_nanos());
    let stages = outcome.profile.mean().unwrap();
    let of = |stage: Stage| Span::from_secs(stages[stage as usize]);
    let ms = [Stage::Network, Stage::Compute, Stage::Worker].map(of);
    assert_eq!(ms, [80, 5, 0].map(Span::from_millis));
}

/// Of 2.5 ms it waits 3, drawn or always the same.
#[test]
fn a_query_s_wait_is_rounded_up_to_the_database_s_clock() {
    let wait = Dist::Fixed(Span::from_micros(2_500));
    let cpu = Dist::Fixed(Span::from_millis(2));
    let step = Step::Query { wait, cpu, driver: None };
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![step]);
    site.database.wait_step = Span::from_millis(1);
    site.traffic.rate = PerSecond::new(0.01);
    site.horizon.measured = Span::from_whole_secs(1_000);
    let outcome = simulate(&site, Seed::new(1));
    assert_eq!(outcome.response[0].max(), Span::from_millis(5).as_nanos());
}

/// A's client gives up at 30, its worker is done with it at 40 and does not linger for 20; B, which
/// then takes 5, has its answer just before its client would give up at 50.
#[test]
fn a_worker_does_not_linger_with_a_client_that_has_gone() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(millis(1))]);
    site.server.linger = Span::from_millis(20);
    site.client.patience = Some(Span::from_millis(30));
    let tape: Tape = &[(0, &[40]), (20, &[5])];
    assert_eq!(play(&site, tape), [Err((Cause::Patience, 30)), Ok(45)]);
}

/// One worker and room for one in its backlog: the third connection is dropped, tried again at 1
/// and 2 s, and would be at 3 s, but Nginx gives up before that. Without it the kernel's try at 11
/// s is the first that gets in.
#[test]
fn nginx_gives_up_connecting_between_two_tries_of_its_kernel() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(millis(1))]);
    (site.front.listen, site.front.backlog) = (Listen::Tcp, Some(0));
    let tape: Tape = &[(0, &[10_000]), (0, &[1]), (0, &[1])];
    assert_eq!(play(&site, tape), [Ok(10_000), Ok(10_001), Ok(11_001)]);
    site.front.connect_timeout = Some(Span::from_millis(2_500));
    assert_eq!(play(&site, tape)[2], Err((Cause::Timeout, 2_500)));
}

/// A hundred requests of 100 ms, one a ms, for two processes that take one at a time. They have
/// room for four in one backlog (it holds one more than it is asked to), or for four in each of
/// two.
#[test]
fn each_listening_socket_has_a_backlog_of_its_own() {
    let one_each = |mut kind| {
        if let WorkerKind::Threads { worker_connections, .. } = &mut kind {
            *worker_connections = Some(1);
        }
        kind
    };
    let main_thread = with_main_thread(1, Span::ZERO, Span::ZERO);
    let tape: Vec<(u64, &[u64])> = (0..100).map(|at| (at, &[100][..])).collect();
    for kind in [WorkerKind::Sync, threads(1), main_thread, ASYNC].map(one_each) {
        let mut site = Site::textbook(kind, 2, 8, vec![Step::Compute(millis(1))]);
        site.front.backlog = Some(3);
        let mut refused_and_waiting = |accept| {
            site.server.accept = accept;
            let (outcome, ends) = play_all(&site, &tape, Seed::new(1));
            let refused = ends.iter().filter(|end| matches!(end, Err((Cause::Backlog, _))));
            (refused.count(), outcome.levels.backlog.peak)
        };
        assert_eq!(refused_and_waiting(Accept::Shared { bias: 1.0 }), (94, 4), "{kind:?}");
        assert_eq!(refused_and_waiting(Accept::PerProcess), (90, 8), "{kind:?}");
    }
}
