//! Timetables of connections to the database: how they are made, kept, refused and handed on.

use tonnage::outcome::Cause;
use tonnage::site::{Hold, Site, Step, WorkerKind};
use tonnage::units::Span;

use super::{Tape, page, play};
use crate::support::{ASYNC, call, millis, query};

/// A pool of one connection, kept to the end of the request or given back after the query.
///
/// | held | A queries | B queries | A's answer | B's answer |
/// |---|---|---|---|---|
/// | query | 10 to 20 | 20 to 30 | 40 | 40 |
/// | request | 10 to 20 | 40 to 50 | 40 | 60 |
///
/// A computes 10, queries 10, calls 20; B computes nothing, queries 10, calls 10, from 11 on.
#[test]
fn a_connection_is_held_for_the_query_or_for_the_request() {
    let steps = vec![Step::Compute(millis(1)), query(millis(1)), call(millis(1))];
    let mut site = Site::textbook(ASYNC, 1, 8, steps);
    site.server.connections.limit = Some(1);
    let tape: Tape = &[(0, &[10, 10, 0, 20]), (11, &[0, 10, 0, 10])];
    assert_eq!(play(&site, tape), [Ok(40), Ok(40)]);
    site.server.connections.hold = Hold::Request;
    assert_eq!(play(&site, tape), [Ok(40), Ok(60)]);
}

/// A new connection, then a query; then the same with the connection kept.
///
/// | what | how long | new connection, done at | kept connection, done at |
/// |---|---|---|---|
/// | the stack's CPU per request | 1 | 1 | 1 |
/// | the step's CPU | 4 | 5 | 5 |
/// | the driver's CPU per query | 1 | 6 | 6 |
/// | the client's CPU for connecting | 2 | 8 | |
/// | the server's CPU for connecting | 3 | 11 | |
/// | the wait for connecting | 4 | 15 | |
/// | three round trips | 6 | 21 | |
/// | half the latency | 1 | 22 | 7 |
/// | the query's CPU | 2 | 24 | 9 |
/// | the query's wait | 5 | 29 | 14 |
/// | half the latency | 1 | 30 | 15 |
#[test]
fn a_new_connection_costs_both_sides_and_three_round_trips() {
    let ms = Span::from_millis;
    let steps = vec![
        Step::Compute(millis(1)),
        Step::Query { wait: millis(1), cpu: millis(1), driver: None },
    ];
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, steps);
    (site.server.costs.request_cpu, site.server.costs.query_cpu) = (ms(1), ms(1));
    site.server.costs.connect_cpu = ms(2);
    (site.database.connect_cpu, site.database.connect_wait) = (ms(3), ms(4));
    site.database.latency = ms(2);
    let tape: Tape = &[(0, &[4, 5, 2]), (100, &[4, 5, 2])];
    assert_eq!(play(&site, tape), [Ok(30), Ok(115)]);
    site.server.connections.keep = 0;
    assert_eq!(play(&site, tape), [Ok(30), Ok(130)]);
}

/// A connection refused at the limit costs the database's CPU, and the request fails after it.
#[test]
fn a_refusal_takes_its_time() {
    let mut site = Site::textbook(ASYNC, 1, 1, vec![query(millis(1))]);
    site.database.connection_slots = Some(1);
    site.database.refusal_cpu = Span::from_millis(3);
    let tape: Tape = &[(0, &[50, 0]), (10, &[50, 0])];
    assert_eq!(play(&site, tape), [Ok(50), Err((Cause::Connections, 13))]);
}

/// A pool that resets the connection it is given back: a query more before the request goes on.
///
/// | what | how long | done at |
/// |---|---|---|
/// | the step's CPU, the query's wait | 10, 5 | 15 |
/// | the driver's CPU for the reset | 2 | 17 |
/// | the database's CPU for it | 3 | 20 |
/// | the step's CPU | 4 | 24 |
#[test]
fn a_pool_that_resets_what_it_is_given_back_makes_a_query_more() {
    let ms = Span::from_millis;
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, page());
    let tape: Tape = &[(0, &[10, 5, 0, 4])];
    site.database.reset_cpu = ms(3);
    assert_eq!(play(&site, tape), [Ok(19)], "nothing is reset where resetting costs nobody");
    site.server.costs.reset_cpu = ms(2);
    assert_eq!(play(&site, tape), [Ok(24)]);
    site.server.connections.hold = Hold::Request;
    assert_eq!(play(&site, tape), [Ok(24)], "it is reset before the answer");
}

/// As many queries as a scenario may ask for, of the kind that takes most operations: each waits
/// for 1, and its connection is reset for 1 of the loop and 1 of the database.
#[test]
fn ten_thousand_queries_are_not_too_many() {
    let mut site = Site::textbook(ASYNC, 1, 8, vec![query(millis(1)); 10_000]);
    site.server.costs.reset_cpu = Span::from_millis(1);
    site.database.reset_cpu = Span::from_millis(1);
    let wanted = [1, 0].repeat(10_000);
    assert_eq!(play(&site, &[(0, &wanted)]), [Ok(30_000)]);
}

/// One loop and plenty of cores; a pool that resets (1 of the loop, 1 of the database) what it is
/// given back. A computes 10, queries 5, computes 2; B and C compute 20 and 10, and else the same.
/// Between the query's answer and the reset, and between that and the rest, a request goes behind
/// whatever is ready, so that B's reset at 41 comes before the end of A.
///
/// | from | to | runs | ready then, in order |
/// |---|---|---|---|
/// | 0 | 10 | A, queries till 15 | |
/// | 10 | 30 | B, queries till 35 | A since 15 |
/// | 30 | 31 | A's reset, done at 32 | C |
/// | 31 | 41 | C, queries till 46 | A since 32, B since 35 |
/// | 41 | 41 | A, whose task has ended | B, A |
/// | 41 | 42 | B's reset, done at 43 | A |
/// | 42 | 44 | A, answered | B since 43 |
/// | 44 | 46 | B, answered | C since 46 |
/// | 46 | 50 | C's reset, and C, answered | |
#[test]
fn giving_a_connection_back_takes_a_loop_several_iterations() {
    let mut site = Site::textbook(ASYNC, 1, 8, page());
    site.server.costs.reset_cpu = Span::from_millis(1);
    site.database.reset_cpu = Span::from_millis(1);
    let tape: Tape = &[(0, &[10, 5, 0, 2]), (1, &[20, 5, 0, 2]), (12, &[10, 5, 0, 2])];
    assert_eq!(play(&site, tape), [Ok(44), Ok(46), Ok(50)]);
}

/// One loop, plenty of cores, one connection, 1 ms of the driver for a query; A to D call something
/// for 1, 2, 13 and 17, compute 4, query 10, compute 2. A request that waits for the connection is
/// woken up once it is given back, behind whatever is ready by then: and finds it gone, as B does
/// at 25, and waits behind all others.
///
/// | from | to | runs | ready then, in order | wait for the connection |
/// |---|---|---|---|---|
/// | 1 | 6 | A, queries till 16 | B since 2 | |
/// | 6 | 11 | B | | B |
/// | 13 | 18 | C | A since 16, D since 17 | B, C |
/// | 18 | 20 | A, gives it back, answered | D, B | C |
/// | 20 | 25 | D, takes it, queries till 35 | B | C, B |
/// | 35 | 37 | D, gives it back, answered | C | B |
/// | 37 | 37 | C, takes it, queries till 47 | | B |
/// | 47 | 49 | C, gives it back, answered | B | |
/// | 49 | 49 | B, takes it, queries till 59 | | |
/// | 59 | 61 | B, answered | | |
#[test]
fn who_is_woken_up_in_a_loop_for_a_connection_may_find_it_gone() {
    let mut steps = page();
    steps.insert(0, call(millis(1)));
    let mut site = Site::textbook(ASYNC, 1, 8, steps);
    site.server.connections.limit = Some(1);
    site.server.costs.query_cpu = Span::from_millis(1);
    let wanted = [1, 2, 13, 17].map(|away| [away, 4, 10, 0, 2]);
    let tape: Vec<(u64, &[u64])> = wanted.iter().map(|wanted| (0, wanted.as_slice())).collect();
    assert_eq!(play(&site, &tape), [Ok(20), Ok(61), Ok(49), Ok(37)]);
}
